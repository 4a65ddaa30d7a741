// SPDX-License-Identifier: GPL-2.0
/*
 * Fair shares: a user may have as much in a queue as is still free in it.
 *
 * So one alone gets half of it, two a third each, and there is room for whoever comes; how
 * many there are nobody has to know. What a user has is counted from when its room is
 * reserved until that is free again, however the message ends.
 *
 *                 reserve                        free
 *   (a share) ------------->  counted in it  ------------->  (a share)
 *
 * No such queue is reserved from just like that: its @limit_messages is 0, so each sender
 * comes by the way of those who have no room, and there his share is looked at. Every
 * segment of its index has a page of struct weir_extra, which say whose a message is; and
 * what ends in it is looked at one by one, for it counts in @pinning.
 *
 * A share of which nothing is left is kept, for its user or for the next one: so there are
 * never more than were in use at a time.
 */
#include <linux/err.h>

#include "queue_reserve.h"

static bool weir_share_less(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct weir_share, node)->uid <
	       rb_entry(b, struct weir_share, node)->uid;
}

static struct weir_share *weir_share_find(const struct weir_queue *queue, u32 uid)
{
	struct rb_node *node = queue->shares.rb_node;

	lockdep_assert_held(&queue->lock);
	while (node) {
		struct weir_share *share = rb_entry(node, struct weir_share, node);

		if (share->uid == uid)
			return share;
		node = uid < share->uid ? node->rb_left : node->rb_right;
	}
	return NULL;
}

/* A share that is nobody's, perhaps *@new, which is NULL then; or NULL. */
static struct weir_share *weir_share_unused(struct weir_queue *queue, struct weir_share **new)
{
	struct weir_share *share;

	share = list_first_entry_or_null(&queue->idle_shares, struct weir_share, link);
	if (share) {
		rb_erase(&share->node, &queue->shares);
		return share;
	}
	share = *new;
	*new = NULL;
	if (share)
		INIT_LIST_HEAD(&share->link);
	return share;
}

/* That of @uid, with one caller more; made of *@new if need be; or NULL. */
static struct weir_share *weir_share_enter(struct weir_queue *queue, u32 uid,
					   struct weir_share **new)
{
	struct weir_share *share;

	guard(spinlock)(&queue->lock);
	share = weir_share_find(queue, uid);
	if (!share) {
		share = weir_share_unused(queue, new);
		if (!share)
			return NULL;
		share->uid = uid;
		rb_add(&share->node, &queue->shares, weir_share_less);
	}
	list_del_init(&share->link);
	share->callers++;
	return share;
}

struct weir_share *weir_share_get(struct weir_queue *queue, u32 uid)
{
	struct weir_account *account = &queue->object.account;
	struct weir_share *share, *new = NULL;

	share = weir_share_enter(queue, uid, &new);
	if (share)
		return share;
	new = weir_account_alloc(account, sizeof(*new));
	if (IS_ERR(new))
		return new;
	share = weir_share_enter(queue, uid, &new);
	if (new)
		weir_account_free(account, new, sizeof(*new));
	return share;
}

/* It may be for another user, if nothing is left of it. */
static void weir_share_rest(struct weir_queue *queue, struct weir_share *share)
{
	if (!share->callers && !share->messages)
		list_add_tail(&share->link, &queue->idle_shares);
}

void weir_share_put(struct weir_queue *queue, struct weir_share *share)
{
	guard(spinlock)(&queue->lock);
	share->callers--;
	weir_share_rest(queue, share);
}

void weir_share_leave(struct weir_queue *queue, const struct weir_entry *entry)
{
	struct weir_extra *extra = weir_index_extra(&queue->index, entry->slot);
	struct weir_share *share = extra->share;

	lockdep_assert_held(&queue->lock);
	extra->share = NULL;
	WRITE_ONCE(share->messages, share->messages - 1);
	WRITE_ONCE(share->units, share->units - weir_units(entry->size));
	weir_share_rest(queue, share);
}

bool weir_share_has_room(const struct weir_queue *queue, const struct weir_share *share,
			 u64 messages, u64 units)
{
	/* As for one after the other: each leaves less free, and more that is his. */
	return READ_ONCE(queue->held) + READ_ONCE(share->messages) + messages <=
	       READ_ONCE(queue->max_messages) &&
	       READ_ONCE(queue->units) + READ_ONCE(share->units) + units <=
	       READ_ONCE(queue->max_units);
}

bool weir_share_is_writable(struct weir_queue *queue, u32 uid)
{
	static const struct weir_share nothing;
	const struct weir_share *share;

	guard(spinlock)(&queue->lock);
	share = weir_share_find(queue, uid) ?: &nothing;
	return weir_share_has_room(queue, share, 1, 1);
}

/* One more message: whether it is reserved, or why not in @stop. */
static bool weir_share_reserve_one(struct weir_queue *queue, struct weir_share *share,
				   const struct weir_message *message,
				   struct weir_chain *drafts, u32 *seek, enum weir_stop *stop)
{
	const struct weir_limits limits = {
		.messages = queue->max_messages - min(share->messages, queue->max_messages),
		.units = queue->max_units - min(share->units, queue->max_units),
	};
	struct weir_entry *entry;

	if (!weir_queue_reserve_row(queue, message, 1, drafts, seek, stop, limits, false))
		return false;
	entry = container_of(drafts->end, struct weir_entry, next);
	weir_index_extra(&queue->index, entry->slot)->share = share;
	WRITE_ONCE(share->messages, share->messages + 1);
	WRITE_ONCE(share->units, share->units + weir_units(entry->size));
	return true;
}

bool weir_share_try_reserve(struct weir_queue *queue, struct weir_share *share,
			    const struct weir_message *messages, u32 count,
			    struct weir_chain *drafts, struct weir_rest *rest)
{
	const bool goes_on = rest->seek;
	const u32 done = rest->done;

	guard(spinlock)(&queue->lock);
	rest->stop = WEIR_DEAD;
	while (!queue->dead && rest->done < count &&
	       weir_share_reserve_one(queue, share, &messages[rest->done], drafts, &rest->seek,
				      &rest->stop))
		rest->done++;
	if (rest->done == count)
		return true;
	weir_queue_note_rest(queue, rest, goes_on && rest->done == done);
	return false;
}

void weir_queue_share_init(struct weir_queue *queue)
{
	queue->shares = RB_ROOT;
	INIT_LIST_HEAD(&queue->idle_shares);
	if (queue->policy_flags & WEIR_POLICY_FAIR_SHARE)
		queue->pinning++;
}

void weir_queue_share_exit(struct weir_queue *queue)
{
	struct weir_share *share, *next;

	rbtree_postorder_for_each_entry_safe(share, next, &queue->shares, node)
		weir_account_free(&queue->object.account, share, sizeof(*share));
}
