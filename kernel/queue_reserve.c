// SPDX-License-Identifier: GPL-2.0
#include <linux/err.h>
#include <linux/sched/signal.h>

#include "queue_reserve.h"

bool weir_queue_writable(const struct weir_queue *queue, u64 size)
{
	return READ_ONCE(queue->held) < READ_ONCE(queue->max_messages) &&
	       READ_ONCE(queue->units) + weir_units(size) <= READ_ONCE(queue->max_units);
}

static bool weir_queue_freed_since(const struct weir_queue *queue, u64 then)
{
	return READ_ONCE(queue->freed) != then;
}

/* 0: it grew, through us or somebody else, so it is worth another try; or -errno. */
static int weir_queue_grow_index(struct weir_queue *queue)
{
	struct weir_segment *segment;
	bool added;

	segment = weir_segment_new(&queue->object.account);
	if (IS_ERR(segment))
		return PTR_ERR(segment);
	spin_lock(&queue->lock);
	added = weir_index_add(&queue->index, segment);
	spin_unlock(&queue->lock);
	if (!added)
		weir_segment_free(segment, &queue->object.account);
	return 0;
}

static int weir_queue_grow_pool(struct weir_queue *queue)
{
	struct weir_block *block;
	bool added;

	block = weir_block_new(&queue->object.account);
	if (IS_ERR(block))
		return PTR_ERR(block);
	spin_lock(&queue->lock);
	added = weir_pool_add(&queue->pool, block);
	spin_unlock(&queue->lock);
	if (!added)
		weir_block_free(block, &queue->object.account);
	return 0;
}

/*
 * Goes on after a try that left @rest: how many are reserved, or an error; -EAGAIN
 * fills in what to wait for.
 */
static int weir_queue_reserve_on(struct weir_queue *queue, const struct weir_message *messages,
				 u32 count, struct weir_chain *drafts, struct weir_rest *rest,
				 weir_ready_t *ready, u64 *arg)
{
	int ret = 0;

	do {
		switch (rest->stop) {
		case WEIR_FULL:
			*ready = weir_queue_writable;
			*arg = weir_message_size(&messages[rest->done]);
			ret = -EAGAIN;
			break;
		case WEIR_NO_SLOT:
			ret = rest->most ? -ENOSPC : weir_queue_grow_index(queue);
			break;
		case WEIR_NO_PLACE:
			ret = rest->most ? -ENOSPC : weir_queue_grow_pool(queue);
			break;
		case WEIR_SEEKING:
			cond_resched();
			ret = fatal_signal_pending(current) ? -EINTR : 0;
			break;
		default:
			ret = -ESHUTDOWN;
		}
		if (!ret && weir_queue_try_reserve(queue, messages, count, drafts, rest, false))
			return count;
	} while (!ret);
	if (ret == -ENOSPC) {
		/* What is free is in pieces that are too small. The search begins anew. */
		rest->seek = 0;
		*ready = weir_queue_freed_since;
		*arg = rest->freed;
		ret = -EAGAIN;
	}
	return rest->done ?: ret;
}

int weir_queue_reserve_slow(struct weir_queue *queue, const struct weir_message *messages,
			    u32 count, struct weir_patience *patience,
			    struct weir_chain *drafts, struct weir_rest *rest)
{
	bool waited = false;
	weir_ready_t ready;
	u64 arg;
	int ret;

	for (;;) {
		ret = weir_queue_reserve_on(queue, messages, count, drafts, rest, &ready, &arg);
		if (ret != -EAGAIN)
			break;
		/* What does not do for this one may do for the next. */
		if (waited)
			weir_queue_wake_writers(queue);
		ret = weir_queue_wait(queue, &queue->writers, ready, arg, patience);
		if (ret)
			break;
		waited = true;
		ret = count;
		if (weir_queue_try_reserve(queue, messages, count, drafts, rest, false))
			break;
	}
	/* One was woken for perhaps much room, and wakes the next. */
	if (waited)
		weir_queue_wake_writers(queue);
	return ret;
}
