// SPDX-License-Identifier: GPL-2.0
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/sched.h>

#include "queue_steps.h"

/* So many are claimed before others get the lock. */
#define WEIR_PARKING_CHUNK	64

/* Who has not come by for so long does not keep a wake-up any longer. */
#define WEIR_PARKING_LATE	DIV_ROUND_UP(HZ, 50)

static struct weir_queue *weir_parking_queue(const struct weir_parking *parking)
{
	return container_of(parking, struct weir_queue_file, parking)->queue;
}

static void weir_parked_claim(struct weir_parking *parking, struct weir_parked *parked)
{
	lockdep_assert_held(&parking->lock);
	list_del_init(&parked->link);
	parked->claimed = true;
}

static void weir_parked_forget(struct weir_parking *parking, struct weir_parked *parked)
{
	lockdep_assert_held(&parking->lock);
	if (!RB_EMPTY_NODE(&parked->node))
		rb_erase(&parked->node, &parking->commands);
	RB_CLEAR_NODE(&parked->node);
}

/* The next command is told, and true; or none is parked. */
static bool weir_parking_tell(struct weir_parking *parking)
{
	struct weir_parked *parked;

	spin_lock(&parking->lock);
	parked = list_first_entry_or_null(&parking->parked, struct weir_parked, link);
	if (parked) {
		weir_parked_claim(parking, parked);
		parking->told = parked;
		parking->told_at = jiffies;
	}
	spin_unlock(&parking->lock);
	if (parked)
		parked->tell(parked);
	return parked;
}

/* The queue is dead, and everybody is to know; true when all do. */
static bool weir_parking_tell_all(struct weir_parking *parking)
{
	u32 n;

	for (n = 0; n < WEIR_PARKING_CHUNK; n++) {
		if (!weir_parking_tell(parking))
			return true;
	}
	return false;
}

/* Under the lock of the line of readers. */
static int weir_parking_wake(struct wait_queue_entry *wait, unsigned int mode,
			     int flags, void *key)
{
	struct weir_parking *parking = container_of(wait, struct weir_parking, wait);
	struct weir_queue *queue = weir_parking_queue(parking);
	struct weir_wake *wake = key;

	if (READ_ONCE(queue->dead)) {
		if (weir_parking_tell_all(parking))
			list_del_init(&wait->entry);
		else if (wake)
			wake->more = true;
		return 0;
	}
	if (wake && wake->rest)
		return 0;
	if (!weir_queue_is_turn(queue, container_of(parking, struct weir_queue_file, parking)))
		return 0;
	if (!weir_parking_tell(parking)) {
		/* All were claimed meanwhile by others than the line. */
		list_del_init(&wait->entry);
		return 0;
	}
	list_move_tail(&wait->entry, &queue->readers.told);
	if (wake && wake->late)
		return 0;
	/* Who joins the line later looks for himself. */
	if (waitqueue_active(&queue->readers.waiters) && !timer_pending(&parking->late))
		mod_timer(&parking->late, jiffies + WEIR_PARKING_LATE);
	return 1;
}

static void weir_parking_late(struct timer_list *timer)
{
	struct weir_parking *parking = from_timer(parking, timer, late);
	struct weir_queue *queue = weir_parking_queue(parking);
	struct weir_wake wake = { .late = true };
	unsigned long flags, end;
	bool late = false;

	spin_lock_irqsave(&parking->lock, flags);
	end = parking->told_at + WEIR_PARKING_LATE;
	if (parking->told) {
		late = time_after_eq(jiffies, end);
		/* The timer is of an earlier one, who came by. */
		if (!late)
			mod_timer(timer, end);
	}
	spin_unlock_irqrestore(&parking->lock, flags);
	if (late && weir_queue_readable(queue, 0))
		__wake_up(&queue->readers.waiters, TASK_INTERRUPTIBLE, 1, &wake);
}

void weir_parking_init(struct weir_parking *parking)
{
	init_waitqueue_func_entry(&parking->wait, weir_parking_wake);
	INIT_LIST_HEAD(&parking->wait.entry);
	timer_setup(&parking->late, weir_parking_late, 0);
	spin_lock_init(&parking->lock);
	INIT_LIST_HEAD(&parking->parked);
	parking->commands = RB_ROOT;
}

void weir_parking_end(struct weir_parking *parking)
{
	struct weir_queue *queue = weir_parking_queue(parking);

	/* Whose commands were all claimed by others may still be in the line. */
	spin_lock_irq(&queue->readers.waiters.lock);
	list_del_init(&parking->wait.entry);
	spin_unlock_irq(&queue->readers.waiters.lock);
	timer_shutdown_sync(&parking->late);
}

static bool weir_parked_less(struct rb_node *a, const struct rb_node *b)
{
	const struct weir_parked *left = rb_entry(a, struct weir_parked, node);
	const struct weir_parked *right = rb_entry(b, struct weir_parked, node);

	return left->key != right->key ? left->key < right->key : left->nr < right->nr;
}

static int weir_parked_compare(const void *key, const struct rb_node *node)
{
	const u64 left = *(const u64 *)key;
	const u64 right = rb_entry(node, struct weir_parked, node)->key;

	return left < right ? -1 : left > right;
}

void weir_parked_begin(struct weir_parking *parking, struct weir_parked *parked)
{
	INIT_LIST_HEAD(&parked->link);
	parked->over = 0;
	parked->claimed = true;
	spin_lock_irq(&parking->lock);
	parked->nr = ++parking->last;
	rb_add(&parked->node, &parking->commands, weir_parked_less);
	spin_unlock_irq(&parking->lock);
}

/* The file is in the line if a command of it can be told. */
static void weir_parking_join(struct weir_parking *parking)
{
	struct weir_queue *queue = weir_parking_queue(parking);

	lockdep_assert_held(&queue->readers.waiters.lock);
	lockdep_assert_held(&parking->lock);
	if (parking->told || list_empty(&parking->parked))
		return;
	if (list_empty(&parking->wait.entry))
		__add_wait_queue_entry_tail_exclusive(&queue->readers.waiters, &parking->wait);
}

/* Whether @parked was the one told: it has come by. */
static bool weir_parked_came(struct weir_parking *parking, const struct weir_parked *parked)
{
	if (parking->told != parked)
		return false;
	parking->told = NULL;
	list_del_init(&parking->wait.entry);
	return true;
}

bool weir_parked_wait(struct weir_parking *parking, struct weir_parked *parked)
{
	struct weir_queue *queue = weir_parking_queue(parking);
	bool waits;

	spin_lock_irq(&queue->readers.waiters.lock);
	spin_lock(&parking->lock);
	/* Destroying looks through the line, under its lock, after this is set. */
	waits = !parked->over && !READ_ONCE(queue->dead);
	if (waits) {
		/* Who was told and found nothing has waited longest. */
		if (weir_parked_came(parking, parked))
			list_add(&parked->link, &parking->parked);
		else
			list_add_tail(&parked->link, &parking->parked);
		parked->claimed = false;
		weir_parking_join(parking);
	}
	spin_unlock(&parking->lock);
	spin_unlock_irq(&queue->readers.waiters.lock);
	if (!waits)
		return false;
	/* Pairs with weir_line_wake(). */
	smp_mb();
	weir_queue_pass_on(queue);
	return true;
}

bool weir_parked_over(struct weir_parking *parking, struct weir_parked *parked, int why)
{
	unsigned long flags;
	bool ours;

	spin_lock_irqsave(&parking->lock, flags);
	ours = !parked->claimed;
	if (ours)
		weir_parked_claim(parking, parked);
	if (!parked->over)
		WRITE_ONCE(parked->over, why);
	weir_parked_forget(parking, parked);
	spin_unlock_irqrestore(&parking->lock, flags);
	return ours;
}

void weir_parked_end(struct weir_parking *parking, struct weir_parked *parked)
{
	struct weir_queue *queue = weir_parking_queue(parking);

	spin_lock_irq(&queue->readers.waiters.lock);
	spin_lock(&parking->lock);
	weir_parked_forget(parking, parked);
	weir_parked_came(parking, parked);
	weir_parking_join(parking);
	spin_unlock(&parking->lock);
	spin_unlock_irq(&queue->readers.waiters.lock);
	/* Somebody else must have what this one was told of and did not take. */
	weir_queue_pass_on(queue);
}

/* The next that is to be cancelled, of those up to number @last. */
static struct weir_parked *weir_parking_next(struct weir_parking *parking, u64 key,
					     u64 last)
{
	struct weir_parked *parked = parking->told;

	if (key)
		parked = rb_entry_safe(rb_find_first(&key, &parking->commands,
						     weir_parked_compare),
				       struct weir_parked, node);
	else if (!parked || parked->over)
		parked = list_first_entry_or_null(&parking->parked, struct weir_parked, link);
	return parked && parked->nr <= last ? parked : NULL;
}

/* Up to a chunk of them are over; those that are our claim are in @ours. */
static u32 weir_parking_cancel_some(struct weir_parking *parking, u64 key, u64 last,
				    struct list_head *ours)
{
	struct weir_parked *parked;
	u32 n;

	for (n = 0; n < WEIR_PARKING_CHUNK; n++) {
		parked = weir_parking_next(parking, key, last);
		if (!parked)
			break;
		WRITE_ONCE(parked->over, -ECANCELED);
		weir_parked_forget(parking, parked);
		if (!parked->claimed) {
			weir_parked_claim(parking, parked);
			list_add_tail(&parked->link, ours);
		}
	}
	return n;
}

u32 weir_parking_cancel(struct weir_parking *parking, u64 key)
{
	struct weir_parked *parked, *next;
	u32 met = 0, n;
	u64 last;

	spin_lock_irq(&parking->lock);
	last = parking->last;
	spin_unlock_irq(&parking->lock);
	do {
		LIST_HEAD(ours);

		spin_lock_irq(&parking->lock);
		n = weir_parking_cancel_some(parking, key, last, &ours);
		spin_unlock_irq(&parking->lock);
		/* Each may be gone when it is told. */
		list_for_each_entry_safe(parked, next, &ours, link)
			parked->tell(parked);
		met += n;
		cond_resched();
	} while (n == WEIR_PARKING_CHUNK);
	return met;
}
