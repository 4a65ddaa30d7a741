/* SPDX-License-Identifier: MIT */
/*
 * A queue for one measurement, and the commands for it, made ready once: the
 * doors differ in how a command gets to the kernel, and in nothing else.
 */
#ifndef WEIR_BENCH_DOOR_H
#define WEIR_BENCH_DOOR_H

#include "gate.h"

#include <linux/weir.h>

#define DOOR_RUNS 16

struct door {
	int fd;
	char *payloads;			/* of the batch that is sent */
	struct weir_message *messages;
	struct weir_send send;
	struct weir_fetch fetch;
	struct weir_settle settle;
	struct weir_run runs[DOOR_RUNS]; /* of the batch that was fetched last */
	char *buffer;			/* of a FETCH that copies */
	const struct weir_desc *index;	/* of one in place */
	const char *pool;
	struct weir_layout layout;
};

extern struct door door;

/* A queue for messages that are copied out, and for messages read in place. */
void door_open_copied(struct gate *gate);
void door_open_mapped(struct gate *gate);
void door_open_mapped_as(const struct gate *gate, struct weir_policy policy);
/* One more description of it. */
int door_open_again(void);
void door_close(void);

/* Makes @door.send ready for the next batch. */
void door_fill(struct gate *gate);
/* Makes @door.fetch ready; the runs that were fetched last are settled by it. */
void door_want(struct gate *gate);
void door_want_copied(struct gate *gate);
/* Looks at the batch that was fetched. */
void door_read_mapped(struct gate *gate);
void door_read_copied(struct gate *gate);

static inline uint64_t door_address(const void *p)
{
	return (uintptr_t)p;
}

#endif
