// SPDX-License-Identifier: GPL-2.0
#include "queue.h"
#include "trace.h"

/* Entries that are worked on before the lock is given to others. */
#define WEIR_PURGE_CHUNK 128

/* @n entries side by side are gone, and their slots free where nobody pins them. */
static void weir_row_settle(struct weir_queue *queue, struct weir_entry *entry, u32 n,
			    struct weir_freed *freed)
{
	const struct weir_entry *end = entry + n;
	u32 slot = entry->slot;

	queue->index.leased[slot / WEIR_SEGMENT_SLOTS] -= n;
	for (; entry < end; entry++) {
		trace_weir_settle(queue, entry);
		if (likely(!entry->pins)) {
			weir_entry_free(queue, entry, freed);
			continue;
		}
		weir_entry_pinned(queue, entry);
		weir_index_put(&queue->index, slot, entry->slot - slot);
		slot = entry->slot + 1;
	}
	weir_index_put(&queue->index, slot, entry[-1].slot + 1 - slot);
}

void weir_queue_settle_leased(struct weir_queue *queue, struct weir_consumer *holder,
			      u32 slot, u32 count)
{
	struct weir_freed freed = {};
	u32 done, n;

	lockdep_assert_held(&queue->lock);
	for (done = 0; done < count; done += n) {
		n = weir_index_row(slot + done, count - done);
		weir_row_settle(queue, weir_index_at(&queue->index, slot + done), n, &freed);
	}
	weir_queue_freed(queue, &freed);
	holder->leased -= count;
	queue->leased -= count;
	queue->settled += count;
}

static bool weir_entry_before(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct weir_entry, node)->offset <
	       rb_entry(b, struct weir_entry, node)->offset;
}

/* @entry is nobody's any more, and to be read from its beginning again. */
static void weir_entry_unlease(struct weir_queue *queue, struct weir_entry *entry)
{
	struct weir_consumer *holder = entry->holder;

	lockdep_assert_held(&queue->lock);
	if (holder->file->partial == entry)
		holder->file->partial = NULL;
	queue->index.leased[entry->slot / WEIR_SEGMENT_SLOTS]--;
	holder->leased--;
	queue->leased--;
	trace_weir_put_back(queue, entry);
}

/* @entry, which is in no list, is to be delivered again. */
static void weir_entry_add_back(struct weir_queue *queue, struct weir_entry *entry)
{
	entry->state = WEIR_BACK;
	rb_add_cached(&entry->node, &queue->back, weir_entry_before);
	WRITE_ONCE(queue->depth, queue->depth + 1);
}

void weir_entry_put_back(struct weir_queue *queue, struct weir_entry *entry)
{
	weir_entry_unlease(queue, entry);
	weir_entry_add_back(queue, entry);
}

void weir_entry_delay(struct weir_queue *queue, struct weir_entry *entry, u64 due)
{
	weir_entry_unlease(queue, entry);
	entry->state = WEIR_DELAYED;
	entry->due = due;
	queue->delayed++;
	weir_segment_due(queue, entry->slot, due);
}

void weir_entry_requeue(struct weir_queue *queue, struct weir_entry *entry)
{
	lockdep_assert_held(&queue->lock);
	queue->delayed--;
	weir_entry_add_back(queue, entry);
}

/* Whether the @n entries from @entry on are leased as @run says, to @holder. */
static inline int weir_row_check(const struct weir_entry *entry, u32 n, u64 offset,
				 u32 deliveries, const struct weir_consumer *holder)
{
	const struct weir_entry *partial = holder->file->partial;

	for (; n; n--, entry++, offset++) {
		if (unlikely(entry->state != WEIR_LEASED || entry->offset != offset ||
			     entry->deliveries != deliveries || entry->holder != holder))
			return -ESTALE;
		if (unlikely(entry->busy || entry == partial))
			return -EBUSY;
	}
	return 0;
}

/*
 * Whether all of @run is leased through @file as it says, to one holder. Its numbers
 * are user space's: a slot that does not exist, or wraps around, has no such entry.
 */
static int weir_run_check(struct weir_queue_file *file, const struct weir_run *run,
			  struct weir_consumer **holder)
{
	struct weir_index *index = &file->queue->index;
	u32 done, n;
	int ret;

	for (done = 0; done < run->count; done += n) {
		struct weir_entry *entry = weir_index_find(index, run->slot + done);

		if (!entry || entry->state != WEIR_LEASED || entry->holder->file != file)
			return -ESTALE;
		if (!done)
			*holder = entry->holder;
		n = weir_index_row(run->slot + done, run->count - done);
		ret = weir_row_check(entry, n, run->offset + done, run->deliveries, *holder);
		if (ret)
			return ret;
	}
	return 0;
}

static void weir_run_release(struct weir_queue *queue, const struct weir_run *run)
{
	const u64 due = weir_time_in_ms(run->delay_ms);
	u32 i;

	for (i = 0; i < run->count; i++) {
		struct weir_entry *entry = weir_index_at(&queue->index, run->slot + i);

		if (run->delay_ms)
			weir_entry_delay(queue, entry, due);
		else
			weir_entry_put_back(queue, entry);
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
static void weir_run_apply(struct weir_queue *queue, const struct weir_run *run,
			   struct weir_consumer *holder)
{
	switch (run->op) {
	case WEIR_ACK:
		weir_queue_settle_leased(queue, holder, run->slot, run->count);
		break;
	case WEIR_RELEASE:
		weir_run_release(queue, run);
		break;
	case WEIR_EXTEND:
		weir_run_extend(queue, run);
		break;
	}
}

static bool weir_run_valid(const struct weir_run *run)
{
	return run->count && run->count <= WEIR_BATCH_MAX && run->op <= WEIR_EXTEND &&
	       !(run->op == WEIR_ACK && run->delay_ms);
}

/* What is late at least says that its holder reads it no more. */
static void weir_run_late(struct weir_queue_file *file, const struct weir_run *run)
{
	struct weir_queue *queue = file->queue;
	LIST_HEAD(dropped);

	spin_lock(&queue->lock);
	weir_pins_drop(file, run, &dropped);
	spin_unlock(&queue->lock);
	if (list_empty(&dropped))
		return;
	weir_queue_wake_writers(queue);
	weir_pins_free(queue, &dropped);
}

u32 weir_queue_settle(struct weir_queue_file *file, struct weir_run *run)
{
	struct weir_queue *queue = file->queue;
	struct weir_consumer *holder;

	if (!weir_run_valid(run)) {
		run->status = -EINVAL;
		return 0;
	}

	spin_lock(&queue->lock);
	run->status = queue->dead ? -ESHUTDOWN : weir_run_check(file, run, &holder);
	if (!run->status)
		weir_run_apply(queue, run, holder);
	spin_unlock(&queue->lock);

	if (unlikely(run->status == -ESTALE))
		weir_run_late(file, run);
	if (run->status)
		return 0;
	if (run->op == WEIR_ACK)
		weir_queue_wake_writers(queue);
	else if (run->op == WEIR_RELEASE)
		weir_queue_wake_readers(queue);
	return run->count;
}

/* Drops some of what is ready and was sent before @end: how many. */
static u32 weir_queue_purge_some(struct weir_queue *queue, u64 end)
{
	struct weir_freed freed = {};
	struct weir_entry *entry;
	u32 n = 0;

	guard(spinlock)(&queue->lock);
	while (n < WEIR_PURGE_CHUNK && (entry = weir_queue_next(queue)) && entry->offset < end) {
		weir_queue_unlist_next(queue, entry);
		weir_entry_gone(queue, entry, &freed);
		n++;
	}
	weir_queue_freed(queue, &freed);
	WRITE_ONCE(queue->depth, queue->depth - n);
	queue->purged += n;
	return n;
}

u64 weir_queue_purge(struct weir_queue *queue)
{
	u64 purged = 0, end;
	u32 n;

	spin_lock(&queue->lock);
	end = queue->next_offset;
	spin_unlock(&queue->lock);

	do {
		n = weir_queue_purge_some(queue, end);
		purged += n;
		weir_queue_wake_writers(queue);
		cond_resched();
	} while (n == WEIR_PURGE_CHUNK);
	return purged;
}
