// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A naive model of queues and the module, in lock step: what several processes
 * do to queues, at random but one at a time, has the results, errors, contents
 * and figures that the model has (I5, I6, I8, I9, I10, I31, I41, I42, I43, I45).
 *
 *	lockstep [--ops N] [--seed S] [--round N] [--state FILE] [--shrink SECONDS]
 *		 [--verbose]
 *	lockstep --script FILE
 *
 * --state: up to which seed it was clean, and how long that took; what is there is
 * gone on with, so a run can be interrupted, and made longer, at any time.
 * Each round is a world of its own, with the next seed. One that disagrees is
 * made as short as it goes and printed; that is also what --script reads.
 */
#include <getopt.h>
#include <sched.h>
#include <sys/random.h>
#include <time.h>

#include "kselftest.h"
#include "world.h"

/* A longer script is better played by its seed. */
#define MOST_PRINTED 200

static __u64 seed;
static int total = 10000, per_round = 2500, shrink_seconds = 120;
static bool verbose, clean = true;
static const char *script, *state;
static __u64 steps_played;
static double seconds_played;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void make_ops(__u64 from, struct op *ops, int nr)
{
	unsigned int all = 0, at;
	int i;

	for (i = 0; i < nr_steps; i++)
		all += steps[i].weight;
	for (i = 0; i < nr; i++) {
		at = random_below(&from, all);
		for (ops[i].step = 0; at >= steps[ops[i].step].weight; ops[i].step++)
			at -= steps[ops[i].step].weight;
		ops[i].seed = random_next(&from);
	}
}

/*
 * Leaves out what is not needed for a disagreement, in smaller and smaller
 * pieces: how many are left. A step picks from what there is, so any sequence
 * of steps is one that can be played.
 */
static int shrink(struct op *ops, int nr)
{
	double end = now() + shrink_seconds;
	struct op *fewer = malloc(nr * sizeof(*ops));
	const char *kind = disagreement_kind;
	int piece = nr, from, at;

	/* What does not come is most of the time that this takes. */
	patience = 3;

	while ((piece = piece > 1 ? (piece + 1) / 2 : 0)) {
		for (from = 0; from < nr && now() < end;) {
			int left = from + piece < nr ? nr - from - piece : 0;

			memcpy(fewer, ops, from * sizeof(*ops));
			memcpy(fewer + from, ops + from + piece, left * sizeof(*ops));
			at = play(fewer, from + left, false);
			if (at < 0 || disagreement_kind != kind) {
				from += piece;
				continue;
			}
			nr = at + 1;
			memcpy(ops, fewer, nr * sizeof(*ops));
		}
	}
	free(fewer);
	patience = PATIENCE;
	return nr;
}

/* Steps for which there was nothing to pick can go without a look. */
static int drop_idle(struct op *ops, int nr)
{
	int i, kept = 0;

	for (i = 0; i < nr; i++)
		if (ops[i].asked || i == nr - 1)
			ops[kept++] = ops[i];
	return kept;
}

static void print_failure(struct op *ops, int at)
{
	int i;

	ksft_print_msg("step %d (%s): %s\n", at, steps[ops[at].step].name, disagreement);
	fflush(stdout);
	print_last();
	at = shrink(ops, drop_idle(ops, at + 1)) - 1;
	/* Once more, for what it says. */
	if (play(ops, at + 1, false) < 0)
		ksft_print_msg("this does not happen each time:\n");
	ksft_print_msg("shrunk to %d: %s\n", at + 1, disagreement);
	print_last();
	for (i = 0; i <= at && at < MOST_PRINTED; i++)
		ksft_print_msg("  %s %llx\n", steps[ops[i].step].name, ops[i].seed);
}

/* @done steps of those that were asked for were played before. */
static void resume(int *done)
{
	FILE *file = fopen(state, "re");

	if (!file)
		return;
	if (fscanf(file, "seed %llu steps %llu seconds %lf", &seed, &steps_played,
		   &seconds_played) != 3)
		ksft_exit_fail_msg("%s: says nothing\n", state);
	fclose(file);
	*done = steps_played;
	ksft_print_msg("%llu steps were played before, in %.1f s; on with seed %llu\n",
		       steps_played, seconds_played, seed);
}

/* Whole at any time. */
static void save(__u64 next)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s.new", state);
	file = fopen(path, "we");
	if (!file || fprintf(file, "seed %llu steps %llu seconds %f\n", next, steps_played,
			     seconds_played) < 0 || fclose(file) || rename(path, state))
		ksft_exit_fail_msg("%s: %s\n", state, strerror(errno));
}

static void play_round(__u64 from, struct op *ops, int nr)
{
	double began;
	int at;

	if (!script)
		ksft_print_msg("lockstep --seed %llu --ops %d --round %d\n", from, nr, nr);
	began = now();
	at = play(ops, nr, verbose);
	seconds_played += now() - began;
	steps_played += at < 0 ? nr : at;
	if (at >= 0)
		print_failure(ops, at);
	else if (state && clean)
		save(from + 1);
	clean &= at < 0;
	ksft_test_result(at < 0, "%d steps of seed %llu\n", nr, from);
}

static void print_tally(void)
{
	ksft_print_msg("%llu messages, %llu deliveries, %llu again, %llu for those that starve\n",
		       tally.sent, tally.received, tally.redelivered, tally.starved);
	ksft_print_msg("%llu settled, %llu leases ran out, %llu dead, %llu dead letters, "
		       "%llu had no place\n", tally.settled, tally.expired, tally.dead,
		       tally.letters, tally.blocked);
	ksft_print_msg("%llu steps, %llu of them more than nothing, in %.1f s: %.0f steps/s\n",
		       steps_played, tally.asked, seconds_played, steps_played / seconds_played);
}

static int find_step(const char *name)
{
	int i;

	for (i = 0; i < nr_steps; i++)
		if (!strcmp(steps[i].name, name))
			return i;
	ksft_exit_fail_msg("there is no step '%s'\n", name);
}

static int play_script(void)
{
	FILE *file = fopen(script, "re");
	char line[256], name[64];
	struct op *ops = NULL;
	int nr = 0;

	if (!file)
		ksft_exit_fail_msg("%s: %s\n", script, strerror(errno));
	ksft_set_plan(1);
	while (fgets(line, sizeof(line), file)) {
		ops = realloc(ops, (nr + 1) * sizeof(*ops));
		if (sscanf(line, "%*[# ]%63s %llx", name, &ops[nr].seed) != 2 &&
		    sscanf(line, "%63s %llx", name, &ops[nr].seed) != 2)
			continue;
		ops[nr++].step = find_step(name);
	}
	fclose(file);
	play_round(0, ops, nr);
	ksft_finished();
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "ops", required_argument, NULL, 'o' },
		{ "seed", required_argument, NULL, 's' },
		{ "round", required_argument, NULL, 'r' },
		{ "shrink", required_argument, NULL, 't' },
		{ "state", required_argument, NULL, 'a' },
		{ "script", required_argument, NULL, 'f' },
		{ "verbose", no_argument, NULL, 'v' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'o': total = atoi(optarg); break;
		case 's': seed = strtoull(optarg, NULL, 0); break;
		case 'r': per_round = atoi(optarg); break;
		case 't': shrink_seconds = atoi(optarg); break;
		case 'a': state = optarg; break;
		case 'f': script = optarg; break;
		case 'v': verbose = true; break;
		default: exit(KSFT_FAIL);
		}
	}
}

int main(int argc, char **argv)
{
	struct op *ops;
	int rounds, i, nr, done = 0;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (getrandom(&seed, 4, 0) != 4)
		return KSFT_FAIL;
	parse(argc, argv);
	/* One at a time is quickest without a second processor to be woken. */
	sched_setaffinity(0, sizeof(one), &one);
	setlinebuf(stdout);
	ksft_print_header();
	if (script)
		return play_script();
	if (state)
		resume(&done);
	total -= done < total ? done : total;
	rounds = (total + per_round - 1) / per_round;
	ksft_set_plan(rounds);
	ops = malloc(per_round * sizeof(*ops));
	for (i = 0; i < rounds; i++) {
		nr = total - i * per_round < per_round ? total - i * per_round : per_round;
		make_ops(seed + i, ops, nr);
		play_round(seed + i, ops, nr);
	}
	free(ops);
	print_tally();
	ksft_finished();
}
