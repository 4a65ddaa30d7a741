/* SPDX-License-Identifier: GPL-2.0 */
/*
 * queue_txn - what is sent to some queues and settled on others, whole or not at all
 *
 *   draft    room for all that is sent is reserved and filled, without any lock;
 *            what has no room gives back all of it, and waits, holding nothing
 *   lock     all queues, in the order of their addresses
 *   hold     each run that is settled is checked, and made busy, so that what is
 *            said twice is found out
 *   do       nothing can fail any more
 *
 * The process may be killed at any time: before "do" nothing was done, and after it
 * everything.
 */
#ifndef _WEIR_QUEUE_TXN_H
#define _WEIR_QUEUE_TXN_H

#include "queue.h"

/* One lock class has as many subclasses. */
#define WEIR_TXN_LOCKS	8

/* Messages for one queue, or runs of one. */
struct weir_deed {
	struct weir_queue *queue;	/* the caller's reference */
	struct weir_queue_file *file;	/* likewise, of it; of runs */
	const struct cred *cred;	/* likewise; of who sends messages */
	const struct weir_message __user *messages;
	struct weir_run *runs;		/* it settles these, and each gets its status; or NULL */
	u32 count;			/* of either */
	struct weir_reason *reason;	/* the caller's reference, or NULL */
	u64 first_offset;		/* out, of messages */
	struct weir_chain drafts;
};

struct weir_deeds {
	struct weir_deed *deeds;
	u32 count;
	u32 failed;			/* out: the deed that an error is of */
	u32 nr_queues;
	struct weir_queue *queues[WEIR_TXN_LOCKS];	/* each once, by address */
};

/*
 * weir_queue_txn() - does all deeds of @all: 0; or -errno, of deed @failed, and none of
 * them; -EINVAL where there are more queues than WEIR_TXN_LOCKS. May sleep.
 */
int weir_queue_txn(struct weir_deeds *all, struct weir_patience *patience);

#endif
