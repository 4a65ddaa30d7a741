/* SPDX-License-Identifier: MIT */
/* What happened to one message, as life.c puts it together. */
#ifndef WEIR_SELFTESTS_LIFE_H
#define WEIR_SELFTESTS_LIFE_H

#include "check.h"

/* A delivery, and what ended it. Records, or CHECK_NONE. */
struct lease {
	uint32_t delivery;
	uint32_t acked, released;		/* accepted */
	uint32_t maybe_acked, maybe_released;	/* unknown */
	uint64_t until;				/* from then on its time may be over */
	uint64_t extended;			/* when it had been last; 0: never */
};

struct life {
	struct check *check;
	uint32_t send;
	struct lease *leases;		/* in the order in which they returned */
	uint32_t *settles;		/* likewise */
	size_t nr_leases, nr_settles, room;
	uint32_t receipt;		/* or CHECK_NONE */
	uint32_t buried;		/* the first that saw it dead, or CHECK_NONE */
	size_t hint;			/* the lease that was looked for last */
	uint64_t offset;
	bool gone;			/* settled out of order: a fault, told already */
};

static inline struct history_record *life_record(const struct life *life, uint32_t index)
{
	return index == CHECK_NONE ? NULL : check_record(life->check, index);
}

static inline struct history_record *life_delivery(const struct life *life, size_t i)
{
	return check_record(life->check, life->leases[i].delivery);
}

/*
 * When a lease that nobody acknowledged ended: @since it may be over, and @back it
 * certainly is.
 */
void life_lease_end(const struct life *life, const struct lease *lease, uint64_t *since,
		    uint64_t *back);

/* life_settle.c: in the order in which they returned; what is taken is in the leases */
void life_settles(struct life *life);

/* life_gone.c: since when it may be gone, and by when it is; how long it was held */
void life_holds(const struct life *life);
void life_gone(const struct life *life, struct check_message *message);

/* life_drop.c: it was thrown away to make room, as its sender was told; NULL: not so */
const struct history_record *life_dropped(const struct life *life);
/* Or perhaps: nobody would know. */
bool life_may_be_dropped(const struct life *life);
/* Whether it was by right. */
void life_drop(const struct life *life);
void life_vacated(const struct life *life, struct check_message *message);

/* life_receipt.c: what the sender was told is so */
void life_receipt(const struct life *life);

/* life_dead.c */

/* It was seen dead. */
void life_add_buried(struct life *life, uint32_t index);
/* What it died of, and nothing came after that. */
void life_buried(struct life *life);
/* It is to be dead, and nobody saw it so: a fault. */
void life_unburied(struct life *life);

#endif
