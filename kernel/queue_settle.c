// SPDX-License-Identifier: GPL-2.0
#include "queue.h"
#include "trace.h"

/* Entries that are worked on before the lock is given to others. */
#define WEIR_PURGE_CHUNK 128

static void weir_row_settle(struct weir_queue *queue, struct weir_entry *entry, u32 n,
			    struct weir_freed *freed)
{
	queue->index.leased[entry->slot / WEIR_SEGMENT_SLOTS] -= n;
	for (; n; n--, entry++) {
		trace_weir_settle(queue, entry);
		weir_entry_free(queue, entry, freed);
	}
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
	weir_index_put(&queue->index, slot, count);
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

void weir_entry_put_back(struct weir_queue *queue, struct weir_entry *entry)
{
	lockdep_assert_held(&queue->lock);
	/* It is to be read from its beginning again. */
	if (entry->holder->file->partial == entry)
		entry->holder->file->partial = NULL;
	queue->index.leased[entry->slot / WEIR_SEGMENT_SLOTS]--;
	entry->holder->leased--;
	queue->leased--;
	entry->state = WEIR_BACK;
	rb_add_cached(&entry->node, &queue->back, weir_entry_before);
	WRITE_ONCE(queue->depth, queue->depth + 1);
	trace_weir_put_back(queue, entry);
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

/* What @run says is true: does it. */
static void weir_run_apply(struct weir_queue *queue, const struct weir_run *run,
			   struct weir_consumer *holder)
{
	u32 i;

	if (run->op == WEIR_ACK) {
		weir_queue_settle_leased(queue, holder, run->slot, run->count);
		return;
	}
	for (i = 0; i < run->count; i++)
		weir_entry_put_back(queue, weir_index_at(&queue->index, run->slot + i));
}

u32 weir_queue_settle(struct weir_queue_file *file, struct weir_run *run)
{
	struct weir_queue *queue = file->queue;
	struct weir_consumer *holder;

	if (!run->count || run->count > WEIR_BATCH_MAX || run->reserved ||
	    (run->op != WEIR_ACK && run->op != WEIR_RELEASE)) {
		run->status = -EINVAL;
		return 0;
	}

	spin_lock(&queue->lock);
	run->status = queue->dead ? -ESHUTDOWN : weir_run_check(file, run, &holder);
	if (!run->status)
		weir_run_apply(queue, run, holder);
	spin_unlock(&queue->lock);

	if (run->status)
		return 0;
	if (run->op == WEIR_ACK)
		weir_queue_wake_writers(queue);
	else
		weir_queue_wake_readers(queue);
	return run->count;
}

u64 weir_queue_purge(struct weir_queue *queue)
{
	u64 purged = 0, end;
	bool more;

	spin_lock(&queue->lock);
	end = queue->next_offset;
	spin_unlock(&queue->lock);

	do {
		struct weir_freed freed = {};
		struct weir_entry *entry;

		spin_lock(&queue->lock);
		while ((entry = weir_queue_next(queue)) && entry->offset < end &&
		       freed.entries < WEIR_PURGE_CHUNK) {
			weir_queue_unlist_next(queue, entry);
			weir_entry_free(queue, entry, &freed);
			weir_index_put(&queue->index, entry->slot, 1);
		}
		weir_queue_freed(queue, &freed);
		WRITE_ONCE(queue->depth, queue->depth - freed.entries);
		queue->purged += freed.entries;
		more = freed.entries == WEIR_PURGE_CHUNK;
		spin_unlock(&queue->lock);
		purged += freed.entries;
		weir_queue_wake_writers(queue);
		cond_resched();
	} while (more);
	return purged;
}
