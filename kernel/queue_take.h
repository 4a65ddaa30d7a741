/* SPDX-License-Identifier: GPL-2.0 */
/* queue_take - what is the same for whoever takes messages: read(2) and FETCH */
#ifndef _WEIR_QUEUE_TAKE_H
#define _WEIR_QUEUE_TAKE_H

#include "queue_steps.h"
#include "trace.h"

/* Who takes messages, and for how long. */
struct weir_lease {
	struct weir_consumer *consumer;
	u64 due;			/* when it ends */
	u64 now;			/* CLOCK_REALTIME */
	u64 alive;			/* CLOCK_BOOTTIME; what expires until then is not taken */
	bool in_place;
};

/*
 * @entry, which was the next one, is leased; the figures are the caller's. @plain: it
 * was never delivered, and is not copied.
 */
static __always_inline void weir_entry_lease(struct weir_queue *queue,
					     struct weir_entry *entry,
					     const struct weir_lease *lease, const bool plain)
{
	struct weir_desc *desc = weir_entry_desc(entry);
	const u32 deliveries = plain ? 1 : entry->deliveries + 1;

	if (plain) {
		entry->mark = weir_mark(WEIR_LEASED, 1) | WEIR_MARK_IN_PLACE;
	} else {
		entry->deliveries = deliveries;
		entry->state = WEIR_LEASED;
		entry->busy = !lease->in_place;
		entry->in_place = lease->in_place;
	}
	entry->due = lease->due;
	entry->holder = lease->consumer;
	/* That clock is behind the one of the stamps, by up to a tick. */
	if (deliveries == 1)
		desc->first_ns = max(lease->now, desc->stamp_ns);
	desc->deliveries = deliveries;
	trace_weir_deliver(queue, entry);
}

/* @messages of @queue were leased to @consumer. */
static inline void weir_queue_leased(struct weir_queue *queue, struct weir_consumer *consumer,
				     u64 messages)
{
	lockdep_assert_held(&queue->lock);
	consumer->leased += messages;
	WRITE_ONCE(queue->depth, queue->depth - messages);
	queue->leased += messages;
	queue->received += messages;
}

/*
 * weir_queue_next_alive() - what is delivered next, or NULL; -WEIR_AGAIN when so many
 * had expired that others are to have the lock first
 */
struct weir_entry *weir_queue_next_alive(struct weir_queue *queue, u64 now);
/*
 * weir_queue_prepare() - what is to be done before another try, since the last one was
 * @error: nothing any more if that is returned. @waited becomes true if it waited for a
 * message; @reads: a rest will do, too.
 */
int weir_queue_prepare(struct weir_queue_file *file, int error, bool reads,
		       struct weir_patience *patience, bool *waited);

#endif
