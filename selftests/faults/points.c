// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Each call with its Nth fault point failed (memory, copies from and to user
 * space), for N = 1, 2, ... until none is left: it fails as a whole or says how
 * far it went, nothing is leaked, and once more it succeeds (I10, I24, I30, I44).
 */
#include "kselftest.h"
#include "scene.h"

#define USER_LIMIT	"/sys/module/weir/parameters/user_limit"
/* Less than all queues of the largest sequence need: if none is freed it shows. */
#define LIMIT		"100000000"
#define MOST_POINTS	5000

static int fail_nth;
static char old_limit[32];

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	long ret = fd < 0 ? -errno : raw_write_string(fd, text);

	if (fd >= 0)
		close(fd);
	return ret < 0 ? ret : 0;
}

/* Memory that may wait is to fail too, and nobody is to be told on the console. */
static int set_up(void)
{
	static const char * const files[][2] = {
		{ "failslab/ignore-gfp-wait", "N" },
		{ "failslab/verbose", "0" },
		{ "fail_page_alloc/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/min-order", "0" },
		{ "fail_page_alloc/verbose", "0" },
		{ "fail_usercopy/verbose", "0" },
	};
	char path[256];
	size_t i;
	int fd;

	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fail_nth < 0)
		return -errno;
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s", files[i][0]);
		if (write_file(path, files[i][1]))
			ksft_print_msg("%s cannot be set\n", path);
	}
	fd = open(USER_LIMIT, O_RDONLY | O_CLOEXEC);
	if (raw_read(fd, old_limit, sizeof(old_limit) - 1) <= 0)
		ksft_exit_fail_msg("%s: %s\n", USER_LIMIT, strerror(errno));
	close(fd);
	return write_file(USER_LIMIT, LIMIT);
}

/* Writing it has a point too, which may be the one that is to fail. */
static void arm(int n)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", n);

	if (pwrite(fail_nth, text, length, 0) != length &&
	    pwrite(fail_nth, text, length, 0) != length)
		ksft_exit_fail_msg("fail-nth: %s\n", strerror(errno));
}

/*
 * How many points there were, of which the @n-th has failed. Reading what is left
 * to be counted is a point too: if it is the one to fail, one was left.
 */
static int disarm(int n)
{
	char text[16] = "";
	int left = pread(fail_nth, text, sizeof(text) - 1, 0) > 0 ? atoi(text) : 1;

	arm(0);
	return n - left;
}

static bool expected(long error)
{
	/* io_uring says EAGAIN when it has no memory for a request. */
	return error == -ENOMEM || error == -EFAULT || error == -EAGAIN;
}

/*
 * struct tally - of one sequence, or of all
 * @present: points, when none of them failed
 * @visited: points that failed, each in a call of its own
 * @failed: of these the ones that made the call fail
 */
struct tally {
	int present, visited, failed;
};

static struct tally all;

static const char *judge(struct scene *scene, const struct sequence *sequence, long value,
			 bool hit)
{
	const char *wrong;

	if (hit && value < 0) {
		if (!expected(value))
			return scene_format("value %ld", value);
		wrong = scene_unchanged(scene, sequence);
		if (wrong)
			return wrong;
		value = sequence->call(scene);
		hit = false;
	}
	if (value != sequence->want && !(hit && sequence->partly && value > 0))
		return scene_format("value %ld%s", value, hit ? "" : " without a fault");
	return sequence->verify ? sequence->verify(scene, value) : NULL;
}

/* With the Nth point failed, if there is one. */
static bool play(struct scene *scene, const struct sequence *sequence, int n,
		 struct tally *tally, const char **wrong)
{
	const char *left;
	long value;
	int points;
	bool hit;

	*wrong = scene_begin(scene, sequence);
	if (*wrong)
		return false;
	arm(n);
	value = sequence->call(scene);
	points = disarm(n);
	hit = points == n;
	if (!hit)
		tally->present = points;
	tally->visited += hit;
	tally->failed += hit && value < 0;
	*wrong = judge(scene, sequence, value, hit);
	if (*wrong)
		ksft_print_msg("%s, point %d, value %ld: %s\n", sequence->name, n, value, *wrong);
	left = scene_end(scene, sequence);
	if (left) {
		ksft_print_msg("%s, point %d, value %ld: %s\n", sequence->name, n, value, left);
		*wrong = left;
	}
	return hit;
}

static void run(struct scene *scene, const struct sequence *sequence)
{
	struct tally tally = { 0 };
	int n, bad = 0;
	const char *wrong;
	bool hit = true;

	for (n = 1; hit && n < MOST_POINTS; n++) {
		hit = play(scene, sequence, n, &tally, &wrong);
		bad += !!wrong;
	}
	ksft_print_msg("%s: points present %d, visited %d, made it fail %d\n", sequence->name,
		       tally.present, tally.visited, tally.failed);
	all.present += tally.present;
	all.visited += tally.visited;
	all.failed += tally.failed;
	ksft_test_result(!bad && !hit && tally.visited >= tally.present, "%s\n", sequence->name);
}

/* points [NAME]: all sequences, or the one of that name */
int main(int argc, char **argv)
{
	struct scene scene = { .fd = -1 };
	int i, ret;

	setlinebuf(stdout);
	ksft_print_header();
	ret = set_up();
	if (ret)
		ksft_exit_skip("no fault injection in this kernel: %s\n", strerror(-ret));
	scene.control = raw_open_control();
	scene.bytes = malloc(LARGE);
	scene.buffer = malloc(BUFFER);
	for (i = 0; i < LARGE; i++)
		scene.bytes[i] = i * 7 + i / 256;
	ksft_set_plan(argc > 1 ? 1 : nr_sequences);
	for (i = 0; i < nr_sequences; i++)
		if (argc <= 1 || !strcmp(argv[1], sequences[i].name))
			run(&scene, &sequences[i]);
	ksft_print_msg("all: points present %d, visited %d, made a call fail %d\n", all.present,
		       all.visited, all.failed);
	write_file(USER_LIMIT, old_limit);
	ksft_finished();
}
