// SPDX-License-Identifier: GPL-2.0
#include "queue_steps.h"
#include "trace.h"

/* Entries that are worked on before the lock is given to others. */
#define WEIR_PURGE_CHUNK 128

/*
 * Settles entries of one segment, some of which are pinned: those stay in their slots; or
 * have somebody to be told.
 */
static noinline void weir_row_settle_slow(struct weir_queue *queue, struct weir_entry *entry,
					  const struct weir_entry *end,
					  enum weir_outcome outcome, struct weir_freed *freed)
{
	do {
		trace_weir_settle(queue, entry);
		weir_entry_tell(queue, entry, outcome, entry->holder->who);
		weir_entry_gone(queue, entry, freed);
	} while (++entry != end);
}

/* @n entries of one segment, all @holder's, are gone, unless they are pinned. */
static __always_inline void weir_row_settle(struct weir_queue *queue,
					    struct weir_consumer *holder, u32 slot, u32 n,
					    enum weir_outcome outcome)
{
	struct weir_entry *entry = weir_index_at(&queue->index, slot);
	const struct weir_entry *end = entry + n;
	struct weir_freed freed = {};

	lockdep_assert_held(&queue->lock);
	queue->index.leased[slot / WEIR_SEGMENT_SLOTS] -= n;
	holder->leased -= n;
	queue->leased -= n;
	queue->settled += n;
	if (unlikely(queue->pinning)) {
		weir_row_settle_slow(queue, entry, end, outcome, &freed);
	} else {
		weir_index_put_row(&queue->index, slot, n);
		do {
			trace_weir_settle(queue, entry);
			weir_entry_free(queue, entry, &freed);
		} while (++entry != end);
	}
	weir_queue_freed(queue, &freed);
}

static __always_inline void weir_leased_settle(struct weir_queue *queue,
					       struct weir_consumer *holder, u32 slot,
					       u32 count, enum weir_outcome outcome)
{
	u32 n;

	do {
		n = weir_index_row(slot, count);
		weir_row_settle(queue, holder, slot, n, outcome);
		slot += n;
		count -= n;
	} while (unlikely(count));
}

void weir_queue_settle_leased(struct weir_queue *queue, struct weir_consumer *holder,
			      u32 slot, u32 count)
{
	weir_leased_settle(queue, holder, slot, count, WEIR_OUTCOME_TAKEN);
}

/* @entry is nobody's any more, and to be read from its beginning again. */
static void weir_entry_unlease(struct weir_queue *queue, struct weir_entry *entry)
{
	struct weir_consumer *holder = entry->holder;

	lockdep_assert_held(&queue->lock);
	if (holder->file->partial == entry)
		WRITE_ONCE(holder->file->partial, NULL);
	entry->busy = false;
	queue->index.leased[entry->slot / WEIR_SEGMENT_SLOTS]--;
	holder->leased--;
	queue->leased--;
}

static void weir_entry_delay(struct weir_queue *queue, struct weir_entry *entry, u64 due)
{
	entry->state = WEIR_DELAYED;
	entry->due = due;
	queue->delayed++;
	weir_segment_due(queue, entry->slot, min(due, weir_entry_expires(queue, entry)));
}

/* @entry is to be delivered, as long as it may be. */
static void weir_entry_rank(struct weir_queue *queue, struct weir_entry *entry)
{
	if (!entry->wishes || !weir_key_join(queue, entry))
		weir_queue_rank(queue, entry);
	if (entry->wishes)
		weir_segment_due(queue, entry->slot, weir_entry_expires(queue, entry));
}

void weir_entry_wait(struct weir_queue *queue, struct weir_entry *entry, u64 due)
{
	if (due)
		weir_entry_delay(queue, entry, due);
	else
		weir_entry_rank(queue, entry);
}

void weir_entry_return(struct weir_queue *queue, struct weir_entry *entry, u64 due)
{
	u64 expires;

	weir_entry_unlease(queue, entry);
	if (unlikely(queue->max_deliveries && entry->deliveries >= queue->max_deliveries)) {
		weir_entry_die(queue, entry, WEIR_DEAD_DELIVERIES, entry->holder, NULL);
		return;
	}
	/* Now, and not when it is looked at: who had it so long is to be told. */
	expires = weir_entry_expires(queue, entry);
	if (unlikely(expires != WEIR_NEVER) && expires <= ktime_get_boottime_ns()) {
		weir_entry_die(queue, entry, WEIR_DEAD_EXPIRED, entry->holder, NULL);
		return;
	}
	trace_weir_put_back(queue, entry);
	weir_entry_wait(queue, entry, due);
}

void weir_entry_requeue(struct weir_queue *queue, struct weir_entry *entry)
{
	lockdep_assert_held(&queue->lock);
	queue->delayed--;
	weir_entry_rank(queue, entry);
}

/* Whether @entry is leased as it says, to @holder; with a look at each field. */
static noinline int weir_entry_check(const struct weir_entry *entry, u64 offset,
				     u32 deliveries, const struct weir_consumer *holder)
{
	if (entry->state != WEIR_LEASED || entry->offset != offset ||
	    entry->deliveries != deliveries || entry->holder != holder)
		return -ESTALE;
	return entry->busy ? -EBUSY : 0;
}

/*
 * Whether the @n entries from @slot on, of one segment, are leased through @file, to one
 * holder (*@holder, if there is one already), as it says. The numbers are user space's:
 * a slot that does not exist has no such entry.
 */
static __always_inline int weir_row_check(const struct weir_queue_file *file, u32 slot, u32 n,
					  u64 offset, u32 deliveries,
					  struct weir_consumer **holder)
{
	const struct weir_entry *entry = weir_index_find(&file->queue->index, slot);
	const struct weir_entry *end = entry + n;
	u64 mark;
	int ret;

	if (unlikely(!entry || entry->state != WEIR_LEASED || entry->holder->file != file))
		return -ESTALE;
	if (!*holder)
		*holder = entry->holder;
	/* Mostly all are read in place, or none, and none is pinned. */
	mark = weir_mark(WEIR_LEASED, deliveries) | (entry->mark & WEIR_MARK_IN_PLACE);
	do {
		/*
		 * One in the run may be a draft by now, in which its sender notes wishes without
		 * the lock; its state is none of these, and is not what he writes.
		 */
		if (unlikely(entry->offset != offset || data_race(entry->mark) != mark ||
			     entry->holder != *holder)) {
			ret = weir_entry_check(entry, offset, deliveries, *holder);
			if (ret)
				return ret;
		}
		offset++;
	} while (++entry != end);
	return 0;
}

/* Whether all of @run is leased through @file as it says, to one holder. */
static __always_inline int weir_run_check(const struct weir_queue_file *file,
					  const struct weir_run *run,
					  struct weir_consumer **holder)
{
	u32 left = run->count, slot = run->slot;
	u64 offset = run->offset;
	int ret;

	*holder = NULL;
	do {
		/* Slots do not wrap around: there are not as many. */
		u32 n = weir_index_row(slot, left);

		ret = weir_row_check(file, slot, n, offset, run->deliveries, holder);
		slot += n;
		offset += n;
		left -= n;
	} while (unlikely(left && !ret));
	return ret;
}

static void weir_run_release(struct weir_queue *queue, const struct weir_run *run)
{
	const u64 due = run->delay_ms ? weir_time_in_ms(run->delay_ms) :
					weir_queue_backoff(queue, run->deliveries);
	u32 i;

	for (i = 0; i < run->count; i++)
		weir_entry_return(queue, weir_index_at(&queue->index, run->slot + i), due);
}

static void weir_run_give_up(struct weir_queue *queue, const struct weir_run *run,
			     struct weir_reason *reason)
{
	u32 i;

	for (i = 0; i < run->count; i++) {
		struct weir_entry *entry = weir_index_at(&queue->index, run->slot + i);

		weir_entry_unlease(queue, entry);
		weir_entry_die(queue, entry, WEIR_DEAD_TERM, entry->holder, reason);
	}
}

static void weir_run_extend(struct weir_queue *queue, const struct weir_run *run)
{
	const u64 due = run->delay_ms ? weir_time_in_ms(run->delay_ms) :
					weir_time_in(queue->lease_ns);
	u32 i;

	for (i = 0; i < run->count; i++) {
		weir_index_at(&queue->index, run->slot + i)->due = due;
		weir_segment_due(queue, run->slot + i, due);
	}
}

/* What @run says is true: does it. */
static __always_inline void weir_run_apply(struct weir_queue *queue, const struct weir_run *run,
					   struct weir_consumer *holder,
					   struct weir_reason *reason)
{
	switch (run->op) {
	case WEIR_ACK:
		weir_leased_settle(queue, holder, run->slot, run->count, WEIR_OUTCOME_ACKED);
		break;
	case WEIR_RELEASE:
		weir_run_release(queue, run);
		break;
	case WEIR_EXTEND:
		weir_run_extend(queue, run);
		break;
	case WEIR_TERM:
		weir_run_give_up(queue, run, reason);
		break;
	}
}

static inline bool weir_run_valid(const struct weir_run *run)
{
	/* One comparison for none and for too many. */
	return run->count - 1 < WEIR_BATCH_MAX && run->op <= WEIR_TERM &&
	       (!run->delay_ms || run->op == WEIR_RELEASE || run->op == WEIR_EXTEND);
}

/* Frees the pins that were let go of. */
static void weir_file_let_go(struct weir_queue_file *file)
{
	struct weir_queue *queue = file->queue;
	LIST_HEAD(pins);

	spin_lock(&queue->lock);
	list_splice_init(&file->let_go, &pins);
	spin_unlock(&queue->lock);
	if (list_empty(&pins))
		return;
	weir_queue_wake_writers(queue);
	weir_pins_free(queue, &pins);
}

void weir_run_settled_else(struct weir_queue_file *file, const struct weir_run *run)
{
	if (run->status == -ESTALE)
		weir_file_let_go(file);
	else if (!run->status && run->op != WEIR_EXTEND)
		weir_queue_wake_readers(file->queue);
}

/*
 * What is late at least says that its holder reads it no more. It says so now: what he is
 * handed when others have had the lock may have the same words.
 */
static noinline void weir_run_late(struct weir_queue_file *file, const struct weir_run *run)
{
	weir_pins_drop(file, run, &file->let_go);
}

/* Sets the status of @run: 0, and *@holder is whose it is, or an error. */
static __always_inline int weir_run_judge(struct weir_queue_file *file, struct weir_run *run,
					  struct weir_consumer **holder)
{
	lockdep_assert_held(&file->queue->lock);
	if (unlikely(!weir_run_valid(run)))
		run->status = -EINVAL;
	else if (unlikely(file->queue->dead))
		run->status = -ESHUTDOWN;
	else
		run->status = weir_run_check(file, run, holder);
	if (unlikely(run->status == -ESTALE))
		weir_run_late(file, run);
	return run->status;
}

void weir_run_settle(struct weir_queue_file *file, struct weir_run *run,
		     struct weir_reason *reason)
{
	struct weir_consumer *holder;

	if (likely(!weir_run_judge(file, run, &holder)))
		weir_run_apply(file->queue, run, holder, reason);
}

static void weir_run_set_busy(struct weir_queue *queue, const struct weir_run *run, bool busy)
{
	u32 i;

	lockdep_assert_held(&queue->lock);
	for (i = 0; i < run->count; i++)
		weir_index_at(&queue->index, run->slot + i)->busy = busy;
}

int weir_run_hold(struct weir_queue_file *file, struct weir_run *run)
{
	struct weir_consumer *holder;

	if (!weir_run_judge(file, run, &holder))
		weir_run_set_busy(file->queue, run, true);
	return run->status;
}

void weir_run_let_go(struct weir_queue *queue, const struct weir_run *run)
{
	weir_run_set_busy(queue, run, false);
}

void weir_run_do(struct weir_queue *queue, const struct weir_run *run,
		 struct weir_reason *reason)
{
	weir_run_let_go(queue, run);
	weir_run_apply(queue, run, weir_index_at(&queue->index, run->slot)->holder, reason);
}

u32 weir_queue_settle(struct weir_queue_file *file, struct weir_run *run,
		      struct weir_reason *reason)
{
	struct weir_queue *queue = file->queue;

	spin_lock(&queue->lock);
	weir_run_settle(file, run, reason);
	spin_unlock(&queue->lock);
	weir_run_settled(file, run);
	return run->status ? 0 : run->count;
}

/* Drops some of what is to be delivered and was sent before @end: how many. */
static u32 weir_queue_purge_some(struct weir_queue *queue, u64 end)
{
	struct weir_freed freed = {};
	struct weir_entry *entry;
	u32 n = 0, class = 0;

	guard(spinlock)(&queue->lock);
	while (n < WEIR_PURGE_CHUNK &&
	       (entry = weir_queue_sent_before(queue, end, &class))) {
		weir_queue_unlist_next(queue, entry);
		weir_entry_tell(queue, entry, WEIR_OUTCOME_PURGED, NULL);
		weir_entry_gone(queue, entry, &freed);
		n++;
	}
	weir_queue_freed(queue, &freed);
	WRITE_ONCE(queue->depth, queue->depth - n);
	queue->purged += n;
	return n;
}

/* What was sent before ends for good, so there is no more of it than when it began. */
u64 weir_queue_purge(struct weir_queue *queue)
{
	u64 purged = 0, end;
	u32 n;

	spin_lock(&queue->lock);
	end = queue->next_offset;
	spin_unlock(&queue->lock);

	/* First, lest one is to be delivered when the one before it is gone. */
	if (queue->heads)
		purged = weir_queue_purge_behind(queue, end);
	do {
		n = weir_queue_purge_some(queue, end);
		purged += n;
		weir_queue_wake_writers(queue);
		cond_resched();
	} while (n == WEIR_PURGE_CHUNK);
	return purged;
}
