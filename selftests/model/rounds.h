/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * rounds - a script of steps, played from its beginning to its end or to where the two
 * disagree
 */
#ifndef WEIR_MODEL_ROUNDS_H
#define WEIR_MODEL_ROUNDS_H

#include "world.h"

/* What a round came to. */
struct score {
	__u64 steps;			/* that were played */
	struct tally tally;
	bool clean;
};

/* How long a script that disagrees may be made shorter. */
extern int shrink_seconds;

double seconds_now(void);
/* The steps that follow from @seed. */
void make_ops(__u64 seed, struct op *ops, int nr);
/* Plays @ops; what disagrees is printed, and @ops are not what they were. */
void play_round(struct op *ops, int nr, bool verbose, struct score *score);

#endif
