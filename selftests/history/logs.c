// SPDX-License-Identifier: MIT
/* Logs outlive who writes them; what a file does not have, no history has, nor is it right. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"
#include "../body.h"
#include "history.h"

static const struct history_record some = {
	.op = HISTORY_SEND, .offset = HISTORY_NOWHERE, .producer = 3, .target = 2,
};

/* Two records, of which the second is not ended, and the end by a kill. */
static void write_and_die(const char *dir)
{
	struct history_log log;

	if (history_log_open(&log, dir, 7, 99, 100))
		_exit(1);
	history_end(history_begin(&log, &some), HISTORY_OK);
	history_begin(&log, &some);
	kill(getpid(), SIGKILL);
	_exit(1);
}

static bool survives_a_kill(const char *dir)
{
	struct history history = { 0 };
	const struct history_record *r;
	pid_t child = fork();
	int status;
	bool good;

	if (!child)
		write_and_die(dir);
	waitpid(child, &status, 0);
	if (history_load(&history, dir) || history.count != 2)
		return false;
	r = history.records;
	good = WIFSIGNALED(status) && history.seed == 99 && r[0].outcome == HISTORY_OK &&
	       r[0].invoked && r[0].returned >= r[0].invoked && r[0].client == 7 &&
	       r[1].outcome == HISTORY_UNKNOWN && r[1].invoked >= r[0].returned && !r[1].returned;
	history_free(&history);
	return good;
}

/* Any bit of any message. */
static bool bodies_show_any_flip(void)
{
	uint64_t memory[16];
	unsigned char *bytes = (void *)memory;
	uint32_t length, bit;

	for (length = BODY_MIN; length <= sizeof(memory); length++) {
		for (bit = 0; bit < 8 * length; bit++) {
			body_make(bytes, length, 5, length);
			if (!body_whole(bytes, length))
				return false;
			bytes[bit / 8] ^= 1 << bit % 8;
			if (body_whole(bytes, length))
				return false;
		}
		if (body_whole(bytes, length - 1))
			return false;
	}
	return true;
}

/* By hand: two receivers that both got the message. */
static bool reports_the_witness(void)
{
	struct history history = { .seed = 42 };
	struct history_record r = some;
	char *text = NULL;
	size_t size;
	FILE *out;
	bool good;

	r.client = 1;
	r.invoked = 10;
	r.returned = 20;
	r.outcome = HISTORY_OK;
	history_append(&history, &r);
	r.op = HISTORY_TAKE;
	for (r.client = 2; r.client < 4; r.client++) {
		r.invoked += 20;
		r.returned += 20;
		r.deliveries = r.client - 1;
		history_append(&history, &r);
	}
	good = history_check(&history) == 1 && history.findings[HISTORY_DUPLICATE].times == 1;
	out = open_memstream(&text, &size);
	history_report(&history, out);
	fclose(out);
	good = good && strstr(text, "duplicate: 1 in 3 records, seed 42") &&
	       strstr(text, "client 2: take queue 2 message 3:0 delivery 1") &&
	       strstr(text, "client 3: take queue 2 message 3:0 delivery 2");
	free(text);
	history_free(&history);
	return good;
}

/* The status of "./history WHAT DIR MORE". */
static int command(const char *what, const char *dir, const char *more)
{
	char line[256];
	int status;

	snprintf(line, sizeof(line), "./history %s %s %s > /dev/null 2>&1", what, dir, more);
	status = system(line);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Nothing to judge, and no fault where one was asked for, is no success. */
static bool nothing_is_not_right(const char *dir)
{
	char path[64], line[80];
	bool good;

	snprintf(path, sizeof(path), "%s/made", dir);
	good = command("check", dir, "") == 1 &&
	       command("make", path, "--records -5") == 2 &&
	       command("make", path, "--records 10 --mutant key-two") == 1 &&
	       command("check", path, "") == 1 &&
	       command("make", path, "--records 1000") == 0 &&
	       command("check", path, "") == 0;
	snprintf(line, sizeof(line), "rm -r %s", path);
	return !system(line) && good;
}

int main(void)
{
	char dir[] = "/tmp/history.XXXXXX", path[64];

	ksft_print_header();
	ksft_set_plan(4);
	if (!mkdtemp(dir))
		ksft_exit_fail_msg("no folder for logs\n");
	ksft_test_result(nothing_is_not_right(dir), "nothing_is_not_right\n");
	ksft_test_result(survives_a_kill(dir), "survives_a_kill\n");
	ksft_test_result(bodies_show_any_flip(), "bodies_show_any_flip\n");
	ksft_test_result(reports_the_witness(), "reports_the_witness\n");
	snprintf(path, sizeof(path), "%s/7.log", dir);
	unlink(path);
	rmdir(dir);
	ksft_finished();
}
