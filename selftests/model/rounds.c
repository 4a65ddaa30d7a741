// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <time.h>

#include "kselftest.h"
#include "rounds.h"

/* A longer script is better played by its seed. */
#define MOST_PRINTED 200

int shrink_seconds = 120;

double seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

void make_ops(__u64 seed, struct op *ops, int nr)
{
	unsigned int all = 0, at;
	int i;

	for (i = 0; i < nr_steps; i++)
		all += steps[i].weight;
	for (i = 0; i < nr; i++) {
		at = random_below(&seed, all);
		for (ops[i].step = 0; at >= steps[ops[i].step].weight; ops[i].step++)
			at -= steps[ops[i].step].weight;
		ops[i].seed = random_next(&seed);
	}
}

/*
 * Leaves out what is not needed for a disagreement, in smaller and smaller
 * pieces: how many are left. A step picks from what there is, so any sequence
 * of steps is one that can be played.
 */
static int shrink(struct op *ops, int nr)
{
	double end = seconds_now() + shrink_seconds;
	struct op *fewer = malloc(nr * sizeof(*ops));
	const char *kind = disagreement_kind;
	int piece = nr, before, from, at;

	/* What does not come is most of the time that this takes. */
	patience = raw_seconds(3);

	do {
		piece = (piece + 1) / 2;
		before = nr;
		for (from = 0; from < nr && seconds_now() < end;) {
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
		/* What was needed for one that is gone may go by now. */
	} while ((piece > 1 || nr < before) && seconds_now() < end);
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

void play_round(struct op *ops, int nr, bool verbose, struct score *score)
{
	int at = play(ops, nr, verbose);

	score->steps = at < 0 ? nr : at;
	score->tally = tally;
	score->clean = at < 0;
	if (at >= 0)
		print_failure(ops, at);
}
