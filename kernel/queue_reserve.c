// SPDX-License-Identifier: GPL-2.0
#include <linux/err.h>
#include <linux/sched/signal.h>

#include "queue_reserve.h"

/* Where messages have shares, each has a struct weir_extra: that of the next segment. */
static int weir_queue_need_extra(struct weir_queue *queue)
{
	const u32 nr = READ_ONCE(queue->index.nr_segments);

	if (!weir_queue_is_fair(queue) || nr == queue->index.max_segments)
		return 0;
	return weir_index_need_extra(&queue->index, &queue->object.account,
				     nr * WEIR_SEGMENT_SLOTS);
}

static bool weir_queue_has_extra(const struct weir_queue *queue)
{
	return !weir_queue_is_fair(queue) || weir_index_is_most(&queue->index) ||
	       queue->index.extras[queue->index.nr_segments];
}

/* 0: it grew, through us or somebody else, so it is worth another try; or -errno. */
static int weir_queue_grow_index(struct weir_queue *queue)
{
	struct weir_segment *segment;
	bool added;
	int ret;

	ret = weir_queue_need_extra(queue);
	if (ret)
		return ret;
	segment = weir_segment_new(&queue->object.account);
	if (IS_ERR(segment))
		return PTR_ERR(segment);
	spin_lock(&queue->lock);
	/* Others may have added the one for which there is that. */
	added = weir_queue_has_extra(queue) && weir_index_add(&queue->index, segment);
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

/* Does something about what stopped a try: 0, -EAGAIN, there is no room, or -errno. */
static int weir_queue_grow(struct weir_queue *queue, const struct weir_rest *rest)
{
	if (weir_rest_lacks_room(rest))
		return -EAGAIN;
	switch (rest->stop) {
	case WEIR_NO_SLOT:
		return weir_queue_grow_index(queue);
	case WEIR_NO_PLACE:
		return weir_queue_grow_pool(queue);
	case WEIR_SEEKING:
		cond_resched();
		return fatal_signal_pending(current) ? -EINTR : 0;
	default:
		return -ESHUTDOWN;
	}
}

/* The try that left @rest ended for want of room. */
static void weir_lack_begin(const struct weir_queue *queue, const struct weir_message *next,
			    struct weir_rest *rest, struct weir_lack *lack)
{
	lack->altered = weir_queue_altered_by(queue);
	lack->when_full = READ_ONCE(queue->when_full);
	lack->pieces = rest->stop != WEIR_FULL;
	lack->size = weir_message_size(next);
	lack->freed = rest->freed;
	/* What is free is in pieces that are too small: the search begins anew. */
	rest->seek = 0;
}

static bool weir_queue_try_again(struct weir_queue *queue, const struct weir_message *messages,
				 u32 count, struct weir_chain *drafts, struct weir_rest *rest,
				 struct weir_lack *lack)
{
	if (lack->share)
		return weir_share_try_reserve(queue, lack->share, messages, count, drafts, rest);
	return weir_queue_try_reserve(queue, messages, count, drafts, rest, false);
}

/*
 * Goes on after a try that left @rest: how many are reserved, or an error; -EAGAIN
 * fills in what is lacking.
 */
static int weir_queue_reserve_on(struct weir_queue *queue, const struct weir_message *messages,
				 u32 count, struct weir_chain *drafts, struct weir_rest *rest,
				 struct weir_lack *lack)
{
	int ret;

	lack->end = 0;
	do {
		ret = weir_queue_grow(queue, rest);
		if (ret == -EAGAIN) {
			weir_lack_begin(queue, &messages[rest->done], rest, lack);
			/* It was altered: whatever goes, there never is room for this one. */
			ret = -EMSGSIZE;
			if (weir_units(lack->size) <= READ_ONCE(queue->max_units))
				ret = weir_queue_make_room(queue, messages, count, drafts, rest,
							   lack);
		} else if (!ret &&
			   weir_queue_try_again(queue, messages, count, drafts, rest, lack)) {
			ret = count;
		}
	} while (!ret);
	return ret > 0 ? ret : rest->done ?: ret;
}

/* As weir_queue_reserve_slow(), where @lack has the share, if there are such. */
static int weir_queue_reserve_later(struct weir_queue *queue,
				    const struct weir_message *messages, u32 count,
				    struct weir_patience *patience, struct weir_chain *drafts,
				    struct weir_rest *rest, struct weir_lack *lack)
{
	bool waited = false;
	int ret;

	for (;;) {
		ret = weir_queue_reserve_on(queue, messages, count, drafts, rest, lack);
		if (ret != -EAGAIN)
			break;
		/* What does not do for this one may do for the next. */
		if (waited)
			weir_queue_wake_writers(queue);
		ret = weir_queue_wait_for_room(queue, weir_lack_is_over, (uintptr_t)lack,
					       patience);
		if (ret)
			break;
		waited = true;
		/* It was altered: for this one there never is room. */
		ret = -EMSGSIZE;
		if (lack->size > READ_ONCE(queue->max_size))
			break;
		ret = count;
		rest->seek = 0;
		if (weir_queue_try_again(queue, messages, count, drafts, rest, lack))
			break;
	}
	/* One was woken for perhaps much room, and wakes the next. */
	if (waited)
		weir_queue_wake_writers(queue);
	return ret;
}

int weir_queue_reserve_slow(struct weir_queue *queue, const struct weir_message *messages,
			    u32 count, const struct weir_sender *sender,
			    struct weir_patience *patience, struct weir_chain *drafts,
			    struct weir_rest *rest)
{
	struct weir_lack lack = {
		.elsewhere = patience->elsewhere,
		.spares = patience->spares,
	};
	int ret = count;

	if (!weir_queue_is_fair(queue))
		return weir_queue_reserve_later(queue, messages, count, patience, drafts, rest,
						&lack);
	lack.share = weir_share_get(queue, (u32)sender->ids);
	if (IS_ERR(lack.share))
		return PTR_ERR(lack.share);
	/* Nobody has looked at it yet. */
	if (!weir_queue_try_again(queue, messages, count, drafts, rest, &lack))
		ret = weir_queue_reserve_later(queue, messages, count, patience, drafts, rest,
					       &lack);
	weir_share_put(queue, lack.share);
	return ret;
}
