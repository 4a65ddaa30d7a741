// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A naive model of queues and the module, in lock step: what several processes
 * do to queues, at random but one at a time, has the results, errors, contents
 * and figures that the model has (I5, I6, I8, I9, I10, I31, I41, I42, I43, I45).
 *
 *	lockstep [--ops N] [--seed S] [--round N] [--jobs N] [--state FILE]
 *		 [--shrink SECONDS] [--verbose]
 *	lockstep --script FILE
 *
 * --ops: in all. --state: up to which seed it was clean, and how long that took; what is there is
 * gone on with, so a run can be interrupted, and made longer, at any time.
 * Each round is a world of its own, with the next seed; --jobs of them are played at a
 * time, so that one has the processor while another waits for a time to end. One that
 * disagrees is made as short as it goes and printed; that is also what --script reads.
 */
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <sys/wait.h>

#include "../number.h"
#include "../proc.h"
#include "kselftest.h"
#include "rounds.h"

#define MOST_JOBS 64

/* A process that plays a round; what it came to is in shared memory. */
struct job {
	pid_t pid;			/* 0: there is none */
	int round;
	struct score *score;
};

static __u64 seed;
static int total, per_round = 2500, nr_jobs;
static bool verbose;
static const char *script, *state;
static struct score all;
static struct job jobs[MOST_JOBS];
static double began;
/* Of earlier runs. */
static __u64 steps_before;
static double seconds_before;

static double seconds_played(void)
{
	return seconds_before + seconds_now() - began;
}

static int min_of(int a, int b)
{
	return a < b ? a : b;
}

static void resume(void)
{
	FILE *file = fopen(state, "re");

	if (!file)
		return;
	if (fscanf(file, "seed %llu steps %llu seconds %lf", &seed, &steps_before,
		   &seconds_before) != 3)
		ksft_exit_fail_msg("%s: says nothing\n", state);
	fclose(file);
	ksft_print_msg("%llu steps were played before, in %.1f s; on with seed %llu\n",
		       steps_before, seconds_before, seed);
	if (steps_before >= (__u64)total)
		ksft_exit_fail_msg("%s: all %d steps were played: more take more --ops\n", state,
				   total);
	total -= steps_before;
}

/* The file is whole at any time. The first @clean rounds are known to be clean. */
static void save(int clean)
{
	const __u64 steps = steps_before + min_of(clean * per_round, total);
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s.new", state);
	file = fopen(path, "we");
	if (!file || fprintf(file, "seed %llu steps %llu seconds %f\n", seed + clean, steps,
			     seconds_played()) < 0 || fclose(file) || rename(path, state))
		ksft_exit_fail_msg("%s: %s\n", state, strerror(errno));
}

static int round_steps(int round)
{
	return min_of(total - round * per_round, per_round);
}

/* One step after the other is quickest on one processor: nobody is woken elsewhere. */
static void stay_on(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static void start_job(struct job *job, int round)
{
	const int nr = round_steps(round);
	struct op *ops;

	job->round = round;
	memset(job->score, 0, sizeof(*job->score));
	ksft_print_msg("lockstep --seed %llu --ops %d --round %d\n", seed + round, nr, nr);
	job->pid = proc_fork();
	if (job->pid < 0)
		ksft_exit_fail_msg("fork: %s\n", strerror(errno));
	if (job->pid)
		return;
	stay_on((job - jobs) % sysconf(_SC_NPROCESSORS_ONLN));
	ops = malloc(nr * sizeof(*ops));
	make_ops(seed + round, ops, nr);
	play_round(ops, nr, verbose, job->score);
	_exit(0);
}

static struct job *await_job(void)
{
	pid_t pid = wait(NULL);
	int i;

	for (i = 0; i < nr_jobs; i++)
		if (jobs[i].pid == pid)
			break;
	if (pid <= 0 || i == nr_jobs)
		ksft_exit_fail_msg("wait: %s\n", strerror(errno));
	jobs[i].pid = 0;
	return &jobs[i];
}

static void add_score(const struct score *score)
{
	const __u64 *from = (const __u64 *)&score->tally;
	__u64 *to = (__u64 *)&all.tally;
	size_t i;

	all.steps += score->steps;
	for (i = 0; i < sizeof(all.tally) / sizeof(*to); i++)
		to[i] += from[i];
}

/* @done: which rounds were clean; @clean: how many from the first one on. */
static void end_job(const struct job *job, bool done[], int *clean)
{
	const int before = *clean;

	add_score(job->score);
	ksft_test_result(job->score->clean, "%d steps of seed %llu\n", round_steps(job->round),
			 seed + job->round);
	done[job->round] = job->score->clean;
	while (done[*clean])
		++*clean;
	if (state && *clean > before)
		save(*clean);
}

static void play_rounds(int rounds)
{
	bool *done = calloc(rounds + 1, sizeof(*done));
	int started, ended, clean = 0, i;

	nr_jobs = min_of(nr_jobs, rounds);
	for (i = 0; i < nr_jobs; i++)
		jobs[i].score = proc_shared(sizeof(*jobs[i].score));
	for (started = 0; started < nr_jobs; started++)
		start_job(&jobs[started], started);
	for (ended = 0; ended < rounds; ended++) {
		struct job *job = await_job();

		end_job(job, done, &clean);
		if (started < rounds)
			start_job(job, started++);
	}
	free(done);
}

static void print_tally(void)
{
	const struct tally *tally = &all.tally;
	double seconds = seconds_now() - began;

	ksft_print_msg("%llu messages, %llu deliveries, %llu again, %llu for those that starve\n",
		       tally->sent, tally->received, tally->redelivered, tally->starved);
	ksft_print_msg("%llu settled, %llu leases ran out, %llu dead, %llu dead letters, "
		       "%llu had no place\n", tally->settled, tally->expired, tally->dead,
		       tally->letters, tally->blocked);
	ksft_print_msg("%llu were dropped for others, %llu died for others, %llu for letters\n",
		       tally->dropped, tally->full, tally->between);
	ksft_print_msg("%llu transactions, %llu duplicates, %llu waited for their key, "
		       "%llu receipts, %llu answers\n", tally->txns, tally->duplicates,
		       tally->waited, tally->receipts, tally->answers);
	ksft_print_msg("%llu steps, %llu of them more than nothing, in %.1f s: %.0f steps/s\n",
		       all.steps, tally->asked, seconds, all.steps / seconds);
}

static int find_step(const char *name)
{
	int i;

	for (i = 0; i < nr_steps; i++)
		if (!strcmp(steps[i].name, name))
			return i;
	ksft_exit_fail_msg("there is no step '%s'\n", name);
}

static void play_script(void)
{
	FILE *file = fopen(script, "re");
	char line[256], name[64];
	struct op *ops = NULL;
	int nr = 0;

	if (!file)
		ksft_exit_fail_msg("%s: %s\n", script, strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		ops = realloc(ops, (nr + 1) * sizeof(*ops));
		if (sscanf(line, "%*[# ]%63s %llx", name, &ops[nr].seed) != 2 &&
		    sscanf(line, "%63s %llx", name, &ops[nr].seed) != 2)
			continue;
		ops[nr++].step = find_step(name);
	}
	fclose(file);
	if (!nr)
		ksft_exit_fail_msg("%s: there are no steps\n", script);
	ksft_set_plan(1);
	stay_on(0);
	play_round(ops, nr, verbose, &all);
	ksft_test_result(all.clean, "%d steps of %s\n", nr, script);
}

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: lockstep [--ops N] [--seed S] [--round N] [--jobs N] "
		"[--state FILE]\n"
		"                [--shrink SECONDS] [--verbose]\n"
		"       lockstep [--verbose] --script FILE\n");
	exit(2);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "ops", required_argument, NULL, 'o' },
		{ "seed", required_argument, NULL, 's' },
		{ "round", required_argument, NULL, 'r' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "shrink", required_argument, NULL, 't' },
		{ "state", required_argument, NULL, 'a' },
		{ "script", required_argument, NULL, 'f' },
		{ "verbose", no_argument, NULL, 'v' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'o': total = number_parse("ops", optarg, 1, INT_MAX / 2); break;
		case 's': seed = number_parse("seed", optarg, 0, ~0ULL); break;
		case 'r': per_round = number_parse("round", optarg, 1, INT_MAX / 2); break;
		case 'j': nr_jobs = number_parse("jobs", optarg, 1, MOST_JOBS); break;
		case 't': shrink_seconds = number_parse("shrink", optarg, 0, INT_MAX); break;
		case 'a': state = optarg; break;
		case 'f': script = optarg; break;
		case 'v': verbose = true; break;
		default: usage();
		}
	}
	if (optind != argc)
		usage();
}

int main(int argc, char **argv)
{
	int rounds;

	total = raw_rounds(100000);
	patience = PATIENCE;
	/* While one waits there is another. */
	nr_jobs = min_of(3 * sysconf(_SC_NPROCESSORS_ONLN), MOST_JOBS);
	/* The same each time: other seeds are on demand. */
	seed = 409;
	parse(argc, argv);
	setlinebuf(stdout);
	ksft_print_header();
	began = seconds_now();
	if (script) {
		play_script();
	} else {
		if (state)
			resume();
		rounds = (total + per_round - 1) / per_round;
		ksft_set_plan(rounds);
		play_rounds(rounds);
	}
	print_tally();
	ksft_finished();
}
