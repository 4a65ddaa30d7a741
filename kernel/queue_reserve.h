/* SPDX-License-Identifier: GPL-2.0 */
/*
 * queue_reserve - slots and places for messages that are to be sent
 *
 * Mostly there are enough, and it is done where it is called. queue_reserve.c adds to
 * the index and to the pool, and waits.
 */
#ifndef _WEIR_QUEUE_RESERVE_H
#define _WEIR_QUEUE_RESERVE_H

#include "queue_steps.h"

/* What an attempt to reserve stopped at. */
enum weir_stop {
	WEIR_ENOUGH,		/* all is reserved */
	WEIR_FULL,		/* the queue's limits */
	WEIR_NO_SLOT,		/* the index must grow */
	WEIR_NO_PLACE,		/* the pool must grow, or something be freed */
	WEIR_SEEKING,		/* a place is still looked for; others were held up enough */
	WEIR_DEAD,
};

/* Where the headers of a message begin, in bytes from its payload. */
static inline u32 weir_message_headers(const struct weir_message *message)
{
	return ALIGN(message->len + message->key_len, 8);
}

static inline u32 weir_message_size(const struct weir_message *message)
{
	if (message->headers_len)
		return weir_message_headers(message) + message->headers_len;
	return message->len + message->key_len;
}

/* Up to what may be reserved. */
struct weir_limits {
	u64 messages;
	u64 units;
};

static inline struct weir_limits weir_queue_limits(const struct weir_queue *queue)
{
	return (struct weir_limits){ queue->limit_messages, queue->limit_units };
}

/*
 * Reserves for up to @count messages slots that are side by side, and places: how
 * many, and why not more in @stop. @plain: they have a payload, and nothing else.
 */
static __always_inline u32 weir_queue_reserve_row(struct weir_queue *queue,
						  const struct weir_message *message,
						  u32 count, struct weir_chain *drafts,
						  u32 *seek, enum weir_stop *stop,
						  const struct weir_limits limits,
						  const bool plain)
{
	u64 room = limits.units - queue->units;
	struct weir_entry *first, *entry, *end;
	struct weir_takes takes;
	u32 slot, n;

	*stop = WEIR_FULL;
	/* More than full, if the limits were altered. */
	if (unlikely(queue->held >= limits.messages || queue->units > limits.units))
		return 0;
	count = min_t(u64, count, limits.messages - queue->held);
	n = weir_index_take(&queue->index, count, &slot);
	*stop = WEIR_NO_SLOT;
	if (unlikely(!n))
		return 0;
	first = weir_index_at(&queue->index, slot);
	end = first + n;
	*stop = WEIR_ENOUGH;
	weir_pool_take_begin(&queue->pool, &takes);
	for (entry = first; entry != end; message++) {
		u32 size = plain ? message->len : weir_message_size(message);
		u32 units = weir_units(size);

		if (unlikely(units > room)) {
			*stop = WEIR_FULL;
			break;
		}
		if (unlikely(!weir_pool_take(&queue->pool, units, &takes, seek,
					     &entry->place))) {
			*stop = entry->place == WEIR_NOWHERE ? WEIR_NO_PLACE : WEIR_SEEKING;
			break;
		}
		room -= units;
		entry->state = WEIR_DRAFT;
		entry->len = message->len;
		entry->size = size;
		entry->next = entry + 1;
		entry++;
	}
	weir_pool_take_end(&queue->pool, &takes);
	WRITE_ONCE(queue->units, limits.units - room);
	if (unlikely(entry != end)) {
		n = entry - first;
		weir_index_put(&queue->index, slot + n, end - entry);
		if (!n)
			return 0;
	}
	weir_chain_add_row(drafts, first, entry - 1);
	WRITE_ONCE(queue->held, queue->held + n);
	return n;
}

/* What an attempt left to be done: the messages from @done on. */
struct weir_rest {
	u32 done;
	enum weir_stop stop;
	bool most;			/* what is to grow is as large as it may be */
	u32 seek;			/* where the search for a place goes on, or 0 */
	u64 freed;			/* queue->freed when that search began */
};

/* weir_rest_lacks_room() - nothing but that others go will help */
static inline bool weir_rest_lacks_room(const struct weir_rest *rest)
{
	return rest->stop == WEIR_FULL ||
	       (rest->most && (rest->stop == WEIR_NO_SLOT || rest->stop == WEIR_NO_PLACE));
}

/* An attempt stopped, as @rest says: the rest of what it left. Under the lock. */
static inline void weir_queue_note_rest(const struct weir_queue *queue, struct weir_rest *rest,
					bool goes_on)
{
	if (!goes_on)
		rest->freed = queue->freed;
	rest->most = rest->stop == WEIR_NO_SLOT ? weir_index_is_most(&queue->index) :
						  weir_pool_is_most(&queue->pool);
}

/* As weir_queue_try_reserve(), under the lock. */
static __always_inline bool weir_queue_reserve_rows(struct weir_queue *queue,
						    const struct weir_message *messages,
						    u32 count, struct weir_chain *drafts,
						    struct weir_rest *rest, const bool plain)
{
	const bool goes_on = rest->seek;
	u32 done = rest->done;
	enum weir_stop stop;

	lockdep_assert_held(&queue->lock);
	do {
		stop = WEIR_DEAD;
		if (unlikely(queue->dead))
			break;
		done += weir_queue_reserve_row(queue, messages + done, count - done, drafts,
					       &rest->seek, &stop, weir_queue_limits(queue),
					       plain);
		if (likely(done == count))
			return true;
	} while (stop == WEIR_ENOUGH);
	rest->stop = stop;
	weir_queue_note_rest(queue, rest, goes_on && done == rest->done);
	rest->done = done;
	return false;
}

/* Reserves from message @rest->done on: true for all of them, or false and @rest. */
static __always_inline bool weir_queue_try_reserve(struct weir_queue *queue,
						   const struct weir_message *messages,
						   u32 count, struct weir_chain *drafts,
						   struct weir_rest *rest, const bool plain)
{
	bool all;

	spin_lock(&queue->lock);
	all = weir_queue_reserve_rows(queue, messages, count, drafts, rest, plain);
	spin_unlock(&queue->lock);
	return all;
}

/* So much, or less, may be in a queue. */
struct weir_target {
	u64 held;
	u64 units;
};

/* There is no room: what a sender lacks, and what was done about it. */
struct weir_lack {
	struct weir_share *share;	/* what he has; or NULL: that does not matter */
	bool elsewhere;			/* he does not wait here, not even for a burial */
	bool spares;			/* nothing goes for him */
	u32 when_full;			/* as the queue had it, */
	u32 altered;			/* and its @altered before that */
	bool pieces;			/* there is room, in pieces that are too small */
	u64 size;			/* of the next message, in bytes */
	u64 freed;			/* queue->freed when the pieces were looked at */
	u64 end;			/* what was sent before it may go; 0: not yet known */
	u64 arrivals;			/* when that was found out, */
	u64 burials;			/* and queue->dead_letters with what was dying then,
					 * or when the last one died for it,
					 */
	u64 most;			/* or with all that was there */
	bool went;			/* something did the last time, or was buried */
	u64 left;			/* queue->freed when nothing, or nothing more, might go */
	/* Where what goes is buried: */
	struct weir_target target;	/* what is to be */
	u64 dead_letters;		/* queue->dead_letters when all is buried */
	u32 burials_failed;		/* queue->burials_failed before that */
};

/*
 * weir_rest_goes_on() - there is something to be done. What was looked for everywhere in vain
 * is looked for anew only where something went for it: what others free may have no end.
 * (Where there was no room it was not looked for.)
 */
static inline bool weir_rest_goes_on(const struct weir_rest *rest,
				     const struct weir_lack *lack)
{
	if (rest->stop == WEIR_SEEKING)
		return lack->went || !lack->pieces;
	return !weir_rest_lacks_room(rest);
}

/* weir_share_try_reserve() - as weir_queue_try_reserve(), as far as @share goes */
bool weir_share_try_reserve(struct weir_queue *queue, struct weir_share *share,
			    const struct weir_message *messages, u32 count,
			    struct weir_chain *drafts, struct weir_rest *rest);

/* weir_queue_has_room() - whether a message of @size bytes would be within the limits */
bool weir_queue_has_room(const struct weir_queue *queue, u64 size);
/* weir_lack_is_over() - whether it is worth another try; see weir_ready_t */
bool weir_lack_is_over(const struct weir_queue *queue, u64 lack);
/*
 * weir_queue_make_room() - others go for messages that have no room, if the queue has it so,
 * after a try that left @rest, and it is tried again: how many are reserved, all of them; 0,
 * and it is to be gone on; or -EAGAIN, and @lack says since when; or the error of a wait
 * for a burial. May sleep.
 */
int weir_queue_make_room(struct weir_queue *queue, const struct weir_message *messages,
			 u32 count, struct weir_chain *drafts, struct weir_rest *rest,
			 struct weir_lack *lack);

/* weir_queue_reserve_slow() - goes on after a try that left @rest, as weir_queue_reserve() */
int weir_queue_reserve_slow(struct weir_queue *queue, const struct weir_message *messages,
			    u32 count, const struct weir_sender *sender,
			    struct weir_patience *patience, struct weir_chain *drafts,
			    struct weir_rest *rest);

/*
 * Space for up to @count messages: how many, from the first on, in @drafts, in
 * order; or an error for the first. The pages may not be there. May sleep. Ends by
 * commit or abort of all of them.
 */
static __always_inline int weir_queue_reserve(struct weir_queue *queue,
					      const struct weir_message *messages, u32 count,
					      const struct weir_sender *sender,
					      struct weir_patience *patience,
					      struct weir_chain *drafts, const bool plain)
{
	struct weir_rest rest __uninitialized;

	rest.done = 0;
	rest.seek = 0;
	if (likely(weir_queue_try_reserve(queue, messages, count, drafts, &rest, plain)))
		return count;
	return weir_queue_reserve_slow(queue, messages, count, sender, patience, drafts, &rest);
}

#endif
