/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SELFTESTS_ROUND_H
#define WEIR_SELFTESTS_ROUND_H

#include "stress.h"

/* What was asked for. */
struct round_plan {
	uint64_t seed;
	double seconds;
	uint64_t ops;		/* it ends after so many; 0: not for that */
	unsigned int clients, kills;
};

/* Over all rounds; and what was wrong. */
struct round_totals {
	uint64_t rounds, kills, stops, records, messages, dead, dropped;
	uint64_t ops[STRESS_OPS], refused, expired;
	unsigned int histories_wrong, figures_wrong, ends_wrong, memory_wrong;
};

/* Queues, clients, their end, and the judgement. */
void round_run(const struct round_plan *plan, const char *logs, struct round_totals *totals);

/* figures.c: bytes that an empty queue of a round takes from its creator's limit. */
long long figures_memory(void);
/* What was charged was given back: such a queue, and no larger one, fits a limit of that. */
bool figures_memory_is_back(long long memory);
/* Until nothing is leased to anybody: false, if that does not come. */
bool figures_quiet(const struct stress *stress);
/* The figures of an empty queue, or of that of the dead, against what the clients know. */
bool figures_right(const struct stress *stress, uint32_t queue, const struct history *history);

/* By what CLOCK_REALTIME is ahead of the times in logs. */
int64_t round_clocks(void);
/* receipt.c: what senders were told is in @log; false: not all that they are to be told */
bool round_receipts(const struct stress *stress, struct history_log *log);

/* @heir: a descriptor of the dead letter queue, or -1. */
int round_create(const char *name, uint64_t seed, unsigned int queue, int heir);

#endif
