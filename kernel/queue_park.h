/* SPDX-License-Identifier: GPL-2.0 */
/*
 * queue_park - commands that wait for a message, and have no thread to sleep in
 *
 * A command that finds nothing is parked in its open file. The file, and not each
 * of its commands, stands in the queue's line of readers:
 *
 *   PARKED --- a message, the time is up, it is cancelled ---> CLAIMED --- end
 *      ^                                                          |
 *      +----------------------- nothing left ---------------------+
 *
 * Whoever claims a command, and nobody else, ends it or has it looked after. A
 * wake-up that meets the file claims and *tells* the first command, and the file
 * leaves the line until that one has come by, which took what there was or found
 * nothing left; then the file goes to the line's end, if more are parked. So
 * waking costs the same however many wait, the commands of a file are
 * served in their order, and files in turn.
 *
 * Who is told keeps the wake-up, as a sleeper does. But its task may be stopped,
 * or not come by for long, and must not keep the message from others: after
 * a while the wake-up goes on to those behind it in the line, and then to all
 * files there, lest several that are stopped delay it one after the other.
 */
#ifndef _WEIR_QUEUE_PARK_H
#define _WEIR_QUEUE_PARK_H

#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/types.h>
#include <linux/wait.h>

struct weir_parked {
	u64 key;			/* invariant; what it is cancelled by */
	/* invariant; it is claimed and to be looked after. In any context. */
	void (*tell)(struct weir_parked *parked);
	/* all below protected by parking->lock */
	struct list_head link;		/* in parking->parked, unless it is claimed */
	struct rb_node node;		/* in parking->commands, unless it is over */
	u64 nr;
	int over;			/* why it ends without a message, or 0; set once */
	bool claimed;
};

/* An open file's. */
struct weir_parking {
	struct wait_queue_entry wait;	/* protected by the lock of the line */
	struct timer_list late;
	spinlock_t lock;
	/* all below protected by lock */
	struct list_head parked;	/* those that nobody claimed, in order */
	struct rb_root commands;	/* these and the one told; by key, then order */
	struct weir_parked *told;	/* and has not come by yet */
	unsigned long told_at;		/* jiffies */
	u64 last;			/* the number that was given last */
};

void weir_parking_init(struct weir_parking *parking);
/* weir_parking_end() - no command is left, or comes; may sleep */
void weir_parking_end(struct weir_parking *parking);

/* weir_parked_begin() - @parked is there, with key and tell set; the caller's claim */
void weir_parked_begin(struct weir_parking *parking, struct weir_parked *parked);
/*
 * weir_parked_wait() - gives up the claim, so @parked may end from here on. Or false:
 * it is over, or the queue dead.
 */
bool weir_parked_wait(struct weir_parking *parking, struct weir_parked *parked);
/*
 * weir_parked_over() - it ends with @why, unless there is a message or it is over
 * already: true if the claim is the caller's now. In any context.
 */
bool weir_parked_over(struct weir_parking *parking, struct weir_parked *parked, int why);
/* weir_parked_end() - the claimer's last step; wakes who else may take what there is */
void weir_parked_end(struct weir_parking *parking, struct weir_parked *parked);

/* weir_parking_cancel() - cancels those with @key, or all if 0: how many; may sleep */
u32 weir_parking_cancel(struct weir_parking *parking, u64 key);

#endif
