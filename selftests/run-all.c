// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Runs test programs one after the other and judges them by what they print
 * (KTAP), by their end, by the kernel's log, and by what they leave behind.
 *
 *	run-all [-k] [-s SKIPS] [-l LOGS] [-r RESULTS] [-x FACTOR] [-c CLAIMS]
 *		AREA:PROGRAM[=COMMAND]...
 *
 * PROGRAM is run in the folder AREA (or COMMAND, where we were started), for at
 * most the seconds that AREA/settings gives it, times FACTOR; but not if another
 * one of us has it already, whose mark is then in the folder CLAIMS. Each result is
 * written to RESULTS, which outlive this kernel, as soon as it is known:
 *
 *	start PROGRAM, ok|fail|skip PROGRAM TEST, took SECONDS PROGRAM TEST,
 *	end PROGRAM SECONDS
 *
 * A failure is a test that says so, and also: a skip that SKIPS does not list, a
 * program that ends by a signal, too late, with a status that is not that of its
 * tests or without having run its plan, a complaint in the kernel's log, an
 * object left behind. With -k nobody looks at the kernel.
 */
#include <ctype.h>
#include <fnmatch.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <dirent.h>
#include <time.h>

#include "raw.h"

#define DEFAULT_TIMEOUT	45
#define STATUS_SKIP	4
#define KMSG_NOT	(-2)	/* a descriptor of the kernel's log that nobody wants */

struct program {
	char *name;		/* area:program */
	char *area, *file;
	char *command;		/* or NULL */
};

/* A program that runs. */
struct run {
	const struct program *program;
	pid_t pid;
	int output;
	FILE *log;
	char line[4096];
	size_t line_length;
	char current[256];	/* the test that began last, */
	double since;		/* and when */
	bool complained;	/* the kernel, during that test */
	char *excerpt;		/* what came since a test was passed */
	size_t excerpt_length;
	long plan;		/* -1: not seen */
	long seen;
	int passed, failed, skipped;
	bool timed_out;
};

static const char *skips_path, *logs_path, *claims_path;
static int results = -1, kmsg = -1;
static int factor = 1;
static int total_failed, total_ran;

static const char * const complaints[] = {
	"WARNING:", "BUG:", "BUG ", "KASAN", "KCSAN", "UBSAN", "KFENCE", "INFO: task ",
	"INFO: rcu", "INFO: trying to register", "possible recursive locking",
	"possible circular locking", "suspicious RCU usage", "inconsistent lock state",
	"Oops", "general protection fault", "unable to handle", "refcount_t:", "kmemleak:",
	"list_add corruption", "list_del corruption", "Kernel panic", "ODEBUG", "Call Trace:",
	"blocked for more than", "still has locks held", "held lock freed", "sleeping function",
};

static void record(const char *format, ...)
{
	char line[1024];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (results < 0)
		return;
	if (length > (int)sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length++] = '\n';
	if (write(results, line, length) != length)
		perror("run-all: results");
}

static void excerpt_add(struct run *run, const char *line)
{
	size_t length = strlen(line);

	if (run->excerpt_length + length > 64 << 10)
		return;
	run->excerpt = realloc(run->excerpt, run->excerpt_length + length + 2);
	if (!run->excerpt)
		abort();
	memcpy(run->excerpt + run->excerpt_length, line, length);
	run->excerpt_length += length;
	run->excerpt[run->excerpt_length++] = '\n';
	run->excerpt[run->excerpt_length] = '\0';
}

static void excerpt_print(struct run *run)
{
	char *line, *save, *from = run->excerpt;

	for (; run->excerpt_length && (line = strtok_r(from, "\n", &save)); from = NULL)
		printf("    | %s\n", line);
	run->excerpt_length = 0;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void passed(struct run *run, const char *test)
{
	run->passed++;
	record("ok %s %s\ntook %.2f %s %s", run->program->name, test, now() - run->since,
	       run->program->name, test);
	run->excerpt_length = 0;
}

static void failed(struct run *run, const char *format, ...)
{
	char what[512];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	run->failed++;
	record("fail %s %s", run->program->name, what);
	printf("%s FAILED: %s\n", run->program->name, what);
	excerpt_print(run);
	fflush(stdout);
}

/* Lines of SKIPS: a pattern for "AREA:PROGRAM TEST", then why. */
static bool skip_allowed(const char *program, const char *test)
{
	char line[1024], subject[512], *pattern, *end;
	bool found = false;
	FILE *file;

	file = skips_path ? fopen(skips_path, "re") : NULL;
	if (!file)
		return false;
	snprintf(subject, sizeof(subject), "%s:%s", program, test);
	while (!found && fgets(line, sizeof(line), file)) {
		pattern = line + strspn(line, " \t");
		end = pattern + strcspn(pattern, " \t\n");
		if (*pattern == '#' || end == pattern)
			continue;
		*end = '\0';
		found = !fnmatch(pattern, subject, 0);
	}
	fclose(file);
	return found;
}

static void skipped(struct run *run, const char *test, const char *why)
{
	if (!skip_allowed(run->program->name, test)) {
		failed(run, "%s: skipped and not on the list of skips: %s", test, why);
		return;
	}
	run->skipped++;
	record("skip %s %s", run->program->name, test);
	printf("%s skipped: %s: %s\n", run->program->name, test, why);
	run->excerpt_length = 0;
}

/* "ok 3 - name # SKIP why" from behind the number. */
static void take_result(struct run *run, bool ok, char *text)
{
	char *directive = strstr(text, "# ");

	run->seen++;
	text += strspn(text, " -");
	if (directive) {
		char *end = directive;

		while (end > text && isspace((unsigned char)end[-1]))
			end--;
		*end = '\0';
	}
	if (directive && !strncasecmp(directive + 2, "SKIP", 4))
		skipped(run, text, directive + 6 + strspn(directive + 6, " "));
	else if (ok && !directive)
		passed(run, text);
	else
		failed(run, "%s%s%s", text, directive ? ": " : "", directive ? directive + 2 : "");
	/* A script does not say what it begins. */
	snprintf(run->current, sizeof(run->current), "after %s", text);
	run->since = now();
	run->complained = false;
}

/* The kernel's log says what runs, for whoever sees no more than its end. */
static void note(const struct run *run, const char *test)
{
	char text[512];
	int length, fd;

	if (kmsg < 0)
		return;
	fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	length = snprintf(text, sizeof(text), "selftests: %s %s\n", run->program->name, test);
	if (fd < 0 || write(fd, text, length) < 0)
		perror("run-all: /dev/kmsg");
	close(fd);
}

/* "#  RUN           name ..." from behind RUN. */
static void take_begin(struct run *run, const char *name)
{
	name += strspn(name, " ");
	snprintf(run->current, sizeof(run->current), "%.*s", (int)strcspn(name, " "), name);
	run->since = now();
	note(run, run->current);
	if (run->log)
		fflush(run->log);
	run->complained = false;
	run->excerpt_length = 0;
}

static void take_line(struct run *run, char *line)
{
	char *end;
	long number;

	if (run->log)
		fprintf(run->log, "%s\n", line);
	if (!strncmp(line, "#  RUN ", 7)) {
		take_begin(run, line + 7);
		return;
	}
	if (!strncmp(line, "1..", 3) && run->plan < 0) {
		run->plan = strtol(line + 3, &end, 10);
		if (!run->plan && strstr(end, "SKIP ")) {
			run->plan = run->seen = 1;
			skipped(run, "all", strstr(end, "SKIP ") + 5);
		}
		return;
	}
	if (!strncmp(line, "ok ", 3) || !strncmp(line, "not ok ", 7)) {
		bool ok = *line == 'o';

		number = strtol(line + (ok ? 3 : 7), &end, 10);
		if (number == run->seen + 1)
			take_result(run, ok, end);
		else
			failed(run, "result %ld came when %ld was due", number, run->seen + 1);
		return;
	}
	if (!strncmp(line, "Bail out!", 9))
		failed(run, "%s", line);
	excerpt_add(run, line);
}

static void take_output(struct run *run)
{
	char bytes[4096];
	ssize_t i, length = read(run->output, bytes, sizeof(bytes));

	if (length <= 0) {
		close(run->output);
		run->output = -1;
		return;
	}
	for (i = 0; i < length; i++) {
		if (bytes[i] != '\n' && run->line_length < sizeof(run->line) - 1) {
			run->line[run->line_length++] = bytes[i];
			continue;
		}
		run->line[run->line_length] = '\0';
		run->line_length = 0;
		take_line(run, run->line);
	}
}

/* One record: "priority,sequence,time,flags;text". */
static void judge_record(struct run *run, char *text)
{
	bool from_kernel = strtoul(text, NULL, 10) < 8;
	char *message = strchr(text, ';');
	size_t i;

	if (!from_kernel || !message)
		return;
	message++;
	message[strcspn(message, "\n")] = '\0';
	/* What CONFIG_DEBUG_KOBJECT says would be most of the log of a debug kernel. */
	if (run->log && strncmp(message, "kobject: ", 9))
		fprintf(run->log, "kernel: %s\n", message);
	for (i = 0; i < sizeof(complaints) / sizeof(complaints[0]); i++) {
		if (!run->complained && strstr(message, complaints[i])) {
			run->complained = true;
			failed(run, "%s: kernel: %s", run->current, message);
		}
	}
}

static void take_kernel_log(struct run *run)
{
	char text[8192];
	ssize_t length;

	for (;;) {
		length = read(kmsg, text, sizeof(text) - 1);
		if (length > 0) {
			text[length] = '\0';
			judge_record(run, text);
		} else if (length < 0 && errno == EPIPE) {
			failed(run, "the kernel's log came too fast to be read");
		} else {
			return;
		}
	}
}

/* What the program left running, known by its session. */
static void kill_session(pid_t session)
{
	struct dirent *entry;
	char path[300], text[512], *paren;
	DIR *proc = opendir("/proc");
	FILE *file;
	int sid;

	while (proc && (entry = readdir(proc))) {
		if (!isdigit((unsigned char)*entry->d_name))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (fgets(text, sizeof(text), file)) {
			paren = strrchr(text, ')');
			if (paren && sscanf(paren, ") %*c %*d %*d %d", &sid) == 1 && sid == session)
				kill(atoi(entry->d_name), SIGKILL);
		}
		fclose(file);
	}
	if (proc)
		closedir(proc);
}

static void judge_objects(struct run *run)
{
	struct weir_info info = { 0 };
	int ret;

	/* A test may have left without the module. */
	while (kmsg >= 0) {
		info.flags = WEIR_INFO_NEXT;
		memset(info.name, 0, sizeof(info.name));
		ret = raw_control(WEIR_IOC_INFO, &info);
		if (ret)
			break;
		failed(run, "left the object '%s' behind", info.name);
		ret = raw_destroy_force(info.name);
		if (ret) {
			failed(run, "cannot destroy '%s': %s", info.name, strerror(-ret));
			break;
		}
	}
}

static void judge_end(struct run *run, int status)
{
	bool skip = WIFEXITED(status) && WEXITSTATUS(status) == STATUS_SKIP && !run->passed;

	if (run->timed_out)
		failed(run, "%s: the program's time was over", run->current);
	else if (WIFSIGNALED(status))
		failed(run, "%s: the program ended by signal %d", run->current, WTERMSIG(status));
	else if (skip && !run->seen)
		skipped(run, "all", "exit status 4");
	else if (run->plan < 0)
		failed(run, "no plan");
	else if (run->seen != run->plan)
		failed(run, "%ld tests were planned and %ld ran", run->plan, run->seen);
	else if (!run->seen)
		failed(run, "no test");
	else if (WEXITSTATUS(status) && !run->failed && !skip)
		failed(run, "exit status %d", WEXITSTATUS(status));
	else if (!WEXITSTATUS(status) && run->failed)
		printf("%s: exit status 0 all the same\n", run->program->name);
}

static int timeout_of(const struct program *program)
{
	char path[PATH_MAX], line[128];
	int timeout = DEFAULT_TIMEOUT;
	FILE *file;

	snprintf(path, sizeof(path), "%s/settings", program->area);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "timeout=%d", &timeout);
	if (file)
		fclose(file);
	return timeout * factor;
}

static void child(const struct program *program, int output)
{
	int null = open("/dev/null", O_RDONLY);

	setsid();
	dup2(null, 0);
	dup2(output, 1);
	dup2(output, 2);
	if (program->command) {
		execl("/bin/sh", "sh", "-c", program->command, NULL);
	} else if (!chdir(program->area)) {
		execl(program->file, program->file, NULL);
	}
	dprintf(2, "%s: %s\n", program->name, strerror(errno));
	_exit(127);
}

static void start(struct run *run)
{
	char path[PATH_MAX];
	int pipe_fds[2];

	if (logs_path) {
		snprintf(path, sizeof(path), "%s/%s:%s", logs_path, run->program->area,
			 run->program->file);
		run->log = fopen(path, "we");
	}
	note(run, "");
	record("start %s", run->program->name);
	if (pipe2(pipe_fds, O_CLOEXEC)) {
		perror("run-all: pipe");
		exit(1);
	}
	fflush(NULL);
	run->pid = fork();
	if (!run->pid)
		child(run->program, pipe_fds[1]);
	close(pipe_fds[1]);
	run->output = pipe_fds[0];
}

/* Until the program ended: then what it left running no longer counts. */
static int attend(struct run *run)
{
	double end = now() + timeout_of(run->program);
	int status = 0;
	bool ended = false;

	while (!ended) {
		struct pollfd fds[] = {
			{ .fd = run->output, .events = POLLIN },
			{ .fd = kmsg, .events = POLLIN },
		};

		if (!poll(fds, 2, 50) && run->log)
			fflush(run->log);
		if (fds[1].revents)
			take_kernel_log(run);
		if (run->output >= 0 && fds[0].revents)
			take_output(run);
		else
			ended = waitpid(run->pid, &status, WNOHANG) == run->pid;
		if (!run->timed_out && now() > end) {
			run->timed_out = true;
			kill_session(run->pid);
		}
	}
	kill_session(run->pid);
	while (run->output >= 0) {
		struct pollfd last = { .fd = run->output, .events = POLLIN };

		if (poll(&last, 1, 0) <= 0)
			close(run->output), run->output = -1;
		else
			take_output(run);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return status;
}

static void run_program(const struct program *program)
{
	double began = now();
	struct run run = {
		.program = program, .plan = -1, .current = "before any test", .since = began,
	};
	int status;

	start(&run);
	status = attend(&run);
	judge_objects(&run);
	judge_end(&run, status);
	take_kernel_log(&run);
	record("end %s %.1f", program->name, now() - began);
	printf("%-28s %4d passed", program->name, run.passed);
	if (run.failed)
		printf(", %d FAILED", run.failed);
	if (run.skipped)
		printf(", %d skipped", run.skipped);
	printf("  (%.1f s)\n", now() - began);
	fflush(stdout);
	if (run.log)
		fclose(run.log);
	free(run.excerpt);
	total_failed += run.failed;
	total_ran += run.passed + run.failed;
}

/* Whether it is ours to run: who makes the folder has it. */
static bool claim(const struct program *program)
{
	char path[PATH_MAX];

	if (!claims_path)
		return true;
	snprintf(path, sizeof(path), "%s/%s:%s", claims_path, program->area, program->file);
	if (!mkdir(path, 0755))
		return true;
	if (errno != EEXIST) {
		perror(path);
		exit(1);
	}
	return false;
}

static struct program parse(char *argument)
{
	struct program program = { .command = strchr(argument, '=') };

	if (program.command)
		*program.command++ = '\0';
	program.name = strdup(argument);
	program.area = argument;
	program.file = strchr(argument, ':');
	if (!program.file) {
		fprintf(stderr, "run-all: '%s' is not AREA:PROGRAM\n", argument);
		exit(2);
	}
	*program.file++ = '\0';
	return program;
}

int main(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "ks:l:r:x:c:")) != -1) {
		if (option == 'k')
			kmsg = KMSG_NOT;
		else if (option == 's')
			skips_path = optarg;
		else if (option == 'c')
			claims_path = optarg;
		else if (option == 'l')
			logs_path = optarg;
		else if (option == 'r')
			/* They are needed most where the guest does not live on. */
			results = open(optarg, O_WRONLY | O_CREAT | O_APPEND | O_SYNC | O_CLOEXEC,
				       0644);
		else if (option == 'x')
			factor = atoi(optarg);
		else
			return 2;
	}
	if (kmsg != KMSG_NOT)
		kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg == -1) {
		perror("run-all: /dev/kmsg");
		return 1;
	}
	lseek(kmsg, 0, SEEK_END);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (; optind < argc; optind++) {
		struct program program = parse(argv[optind]);

		if (claim(&program))
			run_program(&program);
	}
	return total_failed || !total_ran;
}
