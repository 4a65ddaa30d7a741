// SPDX-License-Identifier: GPL-2.0
/* read(2): one message, or the rest of one, settled when its last byte was copied. */
#include <linux/err.h>
#include <linux/poll.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "queue_take.h"

/* Others who read through @file, or poll it, may go on with its rest. */
static void weir_queue_tell_rest(struct weir_queue_file *file)
{
	struct weir_line *line = &file->queue->readers;
	struct weir_wake wake = { .rest = file };

	/* Pairs with the barriers of weir_queue_wait() and poll. */
	smp_mb();
	if (atomic_read(&file->reading))
		__wake_up(&line->waiters, TASK_INTERRUPTIBLE, 1, &wake);
	/* These are of all files, but io_uring polls no more than two lines of a file. */
	if (waitqueue_active(&line->pollers))
		__wake_up(&line->pollers, TASK_NORMAL, 0,
			  poll_to_key(EPOLLIN | EPOLLRDNORM));
}

/*
 * The message that a read goes on with, or begins: busy, with the bytes read
 * before in @at. Or -EAGAIN, -ESHUTDOWN, and -ENOLINK without a consumer.
 */
static struct weir_entry *weir_queue_read_begin(struct weir_queue_file *file, u32 *at)
{
	struct weir_queue *queue = file->queue;
	struct weir_consumer *consumer;
	struct weir_entry *entry;
	u32 most;
	int ret;

	weir_queue_settle_deaths(queue);
	guard(spinlock)(&queue->lock);
	if (queue->dead)
		return ERR_PTR(-ESHUTDOWN);
	consumer = weir_queue_find_consumer(file);
	if (!consumer)
		return ERR_PTR(-ENOLINK);
	weir_consumer_take(consumer);
	entry = file->partial;
	if (entry) {
		/* It is ours from here on, whoever read its beginning. */
		WRITE_ONCE(file->partial, NULL);
		*at = file->partial_at;
		weir_consumer_reach(consumer, entry->slot / WEIR_SEGMENT_SLOTS);
		entry->holder->leased--;
		consumer->leased++;
		entry->holder = consumer;
	} else {
		const struct weir_lease lease = {
			.consumer = consumer,
			.due = WEIR_NEVER,
			.now = ktime_get_coarse_real_ns(),
		};

		ret = queue->odd ? weir_queue_admit(queue, consumer, &most) : 0;
		if (ret)
			return ERR_PTR(ret);
		entry = weir_queue_next_alive(queue, ktime_get_boottime_ns());
		if (IS_ERR_OR_NULL(entry))
			return entry ?: ERR_PTR(-EAGAIN);
		*at = 0;
		weir_queue_unlist_next(queue, entry);
		if (entry->deliveries)
			queue->redelivered++;
		weir_entry_lease(queue, entry, &lease, false);
		weir_consumer_reach(consumer, entry->slot / WEIR_SEGMENT_SLOTS);
		queue->index.leased[entry->slot / WEIR_SEGMENT_SLOTS]++;
		weir_queue_leased(queue, consumer, 1);
		weir_queue_taken(queue, entry, 1);
		if (queue->odd)
			weir_queue_admitted(queue, file);
	}
	entry->busy = true;
	return entry;
}

static void weir_queue_read_end(struct weir_queue_file *file, struct weir_entry *entry,
				u32 at)
{
	struct weir_queue *queue = file->queue;
	bool settled = at == entry->len;
	bool rest;

	spin_lock(&queue->lock);
	rest = !settled && at && !file->partial;
	if (settled) {
		weir_queue_settle_leased(queue, entry->holder, entry->slot, 1);
	} else if (rest) {
		WRITE_ONCE(file->partial, entry);
		file->partial_at = at;
	} else {
		/*
		 * Nothing of it could be copied, or another process reads in
		 * part through the same description, and there is one rest.
		 */
		weir_entry_return(queue, entry, 0);
	}
	spin_unlock(&queue->lock);

	if (settled)
		weir_queue_wake_writers(queue);
	else if (rest)
		weir_queue_tell_rest(file);
	else
		weir_queue_wake_readers(queue);
}

/* @entry, which was the first one that is READY, was read by whoever was to have it. */
static __always_inline void weir_queue_settle_ready(struct weir_queue *queue,
						    struct weir_entry *entry)
{
	struct weir_freed freed = {};

	/* It is as if it was leased. */
	entry->mark = weir_mark(WEIR_LEASED, 1);
	trace_weir_deliver(queue, entry);
	trace_weir_settle(queue, entry);
	WRITE_ONCE(queue->depth, queue->depth - 1);
	queue->received++;
	queue->settled++;
	weir_index_put_row(&queue->index, entry->slot, 1);
	weir_entry_free(queue, entry, &freed);
	weir_queue_freed(queue, &freed);
}

ssize_t weir_queue_read(struct weir_queue_file *file, struct iov_iter *to,
			struct weir_patience *patience)
{
	struct weir_queue *queue = file->queue;
	struct weir_entry *entry;
	bool waited = false;
	u32 at, len;
	size_t n;
	int ret;

	while (IS_ERR(entry = weir_queue_read_begin(file, &at))) {
		atomic_inc(&file->reading);
		ret = weir_queue_prepare(file, PTR_ERR(entry), true, patience, &waited);
		atomic_dec(&file->reading);
		if (!ret)
			continue;
		/* The wake-up was for whoever can. */
		if (waited)
			weir_queue_pass_on(queue);
		return ret;
	}
	if (waited)
		weir_queue_pass_on(queue);

	len = min_t(size_t, entry->len - at, iov_iter_count(to));
	n = weir_pool_read_iter(&queue->pool, entry->place, at, len, to);
	weir_queue_read_end(file, entry, at + n);
	return n || !len ? n : -EFAULT;
}

/*
 * Most messages that are read are small, were never delivered, and there is where to copy
 * them: such a one is taken, copied and settled in one go. Its bytes; or 0, and nothing
 * was done.
 */
static __always_inline u32 weir_queue_read_at_once(struct weir_queue_file *file,
						   void __user *to, size_t room)
{
	struct weir_queue *queue = file->queue;
	struct weir_entry *entry;
	u32 len = 0;
	void *mem;
	bool failed;

	weir_queue_settle_deaths(queue);
	spin_lock(&queue->lock);
	entry = queue->ready.first;
	if (unlikely(!entry || queue->odd || queue->ranked.rb_leftmost || file->partial ||
		     queue->starve_after || entry->len > min_t(size_t, room, WEIR_AT_ONCE)))
		goto out;
	/* It holds nothing, but is one that receives from now on. */
	if (unlikely(!weir_queue_find_consumer(file)))
		goto out;
	mem = weir_pool_in_page(&queue->pool, entry->place, entry->len);
	if (unlikely(!mem))
		goto out;
	pagefault_disable();
	failed = _inline_copy_to_user(to, mem, entry->len);
	pagefault_enable();
	if (unlikely(failed))
		goto out;
	len = entry->len;
	weir_chain_take(&queue->ready);
	weir_queue_settle_ready(queue, entry);
out:
	spin_unlock(&queue->lock);
	return len;
}

ssize_t weir_queue_read_plain(struct weir_queue_file *file, void __user *to, size_t len,
			      struct weir_patience *patience)
{
	struct iov_iter iter;
	u32 n;

	n = weir_queue_read_at_once(file, to, len);
	if (likely(n)) {
		weir_queue_wake_writers(file->queue);
		return n;
	}
	iov_iter_ubuf(&iter, ITER_DEST, to, len);
	return weir_queue_read(file, &iter, patience);
}
