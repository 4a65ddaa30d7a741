// SPDX-License-Identifier: GPL-2.0
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/sched/signal.h>
#include <linux/timekeeping.h>

#include "queue_steps.h"
#include "queue_txn.h"

/* @queue is one of those that are locked: 0, or -EINVAL if there are too many. */
static int weir_txn_add_queue(struct weir_deeds *all, struct weir_queue *queue)
{
	u32 i, j;

	for (i = 0; i < all->nr_queues && all->queues[i] < queue; i++)
		;
	if (i < all->nr_queues && all->queues[i] == queue)
		return 0;
	if (all->nr_queues == WEIR_TXN_LOCKS)
		return -EINVAL;
	for (j = all->nr_queues++; j > i; j--)
		all->queues[j] = all->queues[j - 1];
	all->queues[i] = queue;
	return 0;
}

static int weir_txn_add_queues(struct weir_deeds *all)
{
	u32 i;
	int ret;

	all->nr_queues = 0;
	for (i = 0; i < all->count; i++) {
		weir_chain_init(&all->deeds[i].drafts);
		ret = weir_txn_add_queue(all, all->deeds[i].queue);
		if (ret) {
			all->failed = i;
			return ret;
		}
	}
	return 0;
}

/* One of @uid's is given back in @room's queue, which is needed, and no news. */
static void weir_room_add(struct weir_room *room, u32 uid, u32 size)
{
	/* See weir_share_has_room(). */
	const u32 times = weir_queue_is_fair(room->queue) && uid == room->uid ? 2 : 1;

	room->freed++;
	room->messages += times;
	room->units += (u64)weir_units(size) * times;
}

/* @deed's drafts are given up, and those for receipts of them. */
static void weir_deed_abort(struct weir_deed *deed, struct weir_room *room)
{
	struct weir_queue *queue = deed->queue;
	struct weir_entry *entry;
	u32 uid;

	if (!deed->drafts.first)
		return;
	uid = __kuid_val(deed->cred->euid);
	for (entry = deed->drafts.first; entry && room->queue; entry = entry->next) {
		if (queue == room->queue)
			weir_room_add(room, uid, entry->size);
		if (weir_draft_is_told(queue, entry, room->queue))
			weir_room_add(room, uid, sizeof(struct weir_receipt));
	}
	weir_queue_abort(queue, &deed->drafts, &deed->drafts.first);
}

static void weir_txn_abort(struct weir_deeds *all, struct weir_room *room)
{
	u32 i;

	for (i = 0; i < all->count; i++)
		weir_deed_abort(&all->deeds[i], room);
}

/* -EAGAIN; or -EMSGSIZE if there never is as much room. */
static int weir_room_check(const struct weir_room *room)
{
	const struct weir_queue *queue = room->queue;

	return room->messages > READ_ONCE(queue->max_messages) ||
	       room->units > READ_ONCE(queue->max_units) ? -EMSGSIZE : -EAGAIN;
}

/* 0, and all that is sent is drafted; or -errno, and in @room what one of it needs. */
static int weir_txn_draft(struct weir_deeds *all, struct weir_room *room)
{
	u32 i;
	int ret;

	room->queue = NULL;
	for (i = 0; i < all->count; i++) {
		struct weir_deed *deed = &all->deeds[i];

		if (deed->runs)
			continue;
		ret = weir_queue_draft_all(deed->queue, deed->messages, deed->count,
					   deed->cred, &deed->drafts, room);
		if (ret) {
			all->failed = i;
			weir_txn_abort(all, room);
			return ret == -EAGAIN ? weir_room_check(room) : ret;
		}
	}
	return 0;
}

static void weir_txn_lock(struct weir_deeds *all)
{
	u32 i;

	for (i = 0; i < all->nr_queues; i++)
		spin_lock_nested(&all->queues[i]->lock, i);
}

static void weir_txn_unlock(struct weir_deeds *all)
{
	u32 i = all->nr_queues;

	while (i--)
		spin_unlock(&all->queues[i]->lock);
}

/* The first @count runs of @deed are not busy any more. */
static void weir_deed_let_go(const struct weir_deed *deed, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		weir_run_let_go(deed->queue, &deed->runs[i]);
}

/* Whether @deed can be done: what it settles is busy then. */
static int weir_deed_hold(struct weir_deed *deed)
{
	struct weir_queue *queue = deed->queue;
	u32 i;

	lockdep_assert_held(&queue->lock);
	if (queue->dead)
		return -ESHUTDOWN;
	if (!deed->runs && weir_drafts_fenced(queue, &deed->drafts))
		return -ESTALE;
	for (i = 0; deed->runs && i < deed->count; i++) {
		if (weir_run_hold(deed->file, &deed->runs[i])) {
			weir_deed_let_go(deed, i);
			return deed->runs[i].status;
		}
	}
	return 0;
}

static int weir_txn_hold(struct weir_deeds *all)
{
	u32 i;
	int ret;

	for (i = 0; i < all->count; i++) {
		ret = weir_deed_hold(&all->deeds[i]);
		if (ret)
			break;
	}
	if (i == all->count)
		return 0;
	all->failed = i;
	while (i--) {
		if (all->deeds[i].runs)
			weir_deed_let_go(&all->deeds[i], all->deeds[i].count);
	}
	return ret;
}

static void weir_deed_do(struct weir_deed *deed, u64 now)
{
	struct weir_queue *queue = deed->queue;
	u32 i;

	if (!deed->runs) {
		deed->first_offset = weir_queue_commit_drafts(queue, &deed->drafts, now);
		return;
	}
	for (i = 0; i < deed->count; i++)
		weir_run_do(queue, &deed->runs[i], deed->reason);
}

/* What settling leaves to be done without the lock, and who is to be told. */
static void weir_deed_done(struct weir_deed *deed)
{
	u32 i;

	if (!deed->runs) {
		weir_queue_wake_readers(deed->queue);
		weir_drafts_finish(deed->queue, &deed->drafts);
	}
	for (i = 0; deed->runs && i < deed->count; i++)
		weir_run_settled(deed->file, &deed->runs[i]);
}

/* Who is told that he is too late reads in place no more. */
static void weir_deed_late(struct weir_deed *deed)
{
	u32 i;

	for (i = 0; deed->runs && i < deed->count; i++) {
		if (deed->runs[i].status)
			weir_run_settled(deed->file, &deed->runs[i]);
	}
}

/* All that is drafted is sent, and all that is to be settled is: or nothing. */
static int weir_txn_commit(struct weir_deeds *all)
{
	const u64 now = ktime_get_real_ns();
	u32 i;
	int ret;

	weir_txn_lock(all);
	ret = weir_txn_hold(all);
	for (i = 0; !ret && i < all->count; i++)
		weir_deed_do(&all->deeds[i], now);
	weir_txn_unlock(all);
	for (i = 0; !ret && i < all->count; i++)
		weir_deed_done(&all->deeds[i]);
	if (ret)
		weir_deed_late(&all->deeds[all->failed]);
	return ret;
}

/* Whether it is worth another try: others freed something, and there is room, or may be. */
static bool weir_room_is_there(const struct weir_queue *queue, u64 arg)
{
	const struct weir_room *room = (const void *)(uintptr_t)arg;

	if (READ_ONCE(queue->altered) != room->altered)
		return true;
	if (weir_queue_makes_room(queue) && (weir_queue_arrivals(queue) != room->arrivals ||
					     READ_ONCE(queue->freed) != room->freed))
		return true;
	if (room->share)
		return READ_ONCE(queue->freed) != room->freed &&
		       weir_share_has_room(queue, room->share, room->messages, room->units);
	return READ_ONCE(queue->freed) != room->freed &&
	       READ_ONCE(queue->held) + room->messages <= READ_ONCE(queue->max_messages) &&
	       READ_ONCE(queue->units) + room->units <= READ_ONCE(queue->max_units);
}

/* Waits until there may be room: 0 or -errno. */
static int weir_txn_wait(struct weir_room *room, struct weir_patience *patience)
{
	struct weir_queue *queue = room->queue;
	int ret;

	room->share = NULL;
	if (weir_queue_is_fair(queue)) {
		room->share = weir_share_get(queue, room->uid);
		if (IS_ERR(room->share))
			return PTR_ERR(room->share);
	}
	ret = weir_queue_wait_for_room(queue, weir_room_is_there, (uintptr_t)room, patience);
	if (room->share)
		weir_share_put(queue, room->share);
	return ret;
}

/* All that is sent is drafted, which may have to wait; or -errno. */
static int weir_txn_prepare(struct weir_deeds *all, struct weir_room *room,
			    struct weir_patience *patience)
{
	struct weir_queue *waited = NULL;
	int ret;

	while ((ret = weir_txn_draft(all, room)) == -EAGAIN) {
		/* What does not do for this one may do for the next. */
		if (waited)
			weir_queue_wake_writers(waited);
		/* What two of them give back in vain is news to each other, for ever. */
		if (waited)
			schedule_timeout_interruptible(1);
		waited = room->queue;
		ret = weir_txn_wait(room, patience);
		/* There may be room again and again, and each time somebody is quicker. */
		if (!ret && signal_pending(current))
			ret = -ERESTARTSYS;
		if (ret)
			break;
		cond_resched();
	}
	if (waited)
		weir_queue_wake_writers(waited);
	return ret;
}

int weir_queue_txn(struct weir_deeds *all, struct weir_patience *patience)
{
	struct weir_room room = { .elsewhere = patience->elsewhere };
	int ret;

	ret = weir_txn_add_queues(all);
	if (!ret)
		ret = weir_txn_prepare(all, &room, patience);
	if (ret)
		return ret;
	ret = weir_txn_commit(all);
	if (ret)
		weir_txn_abort(all, &room);
	return ret;
}
