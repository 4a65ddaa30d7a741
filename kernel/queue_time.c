// SPDX-License-Identifier: GPL-2.0
/*
 * When time is over: leases that run out, messages that were to wait.
 *
 * What has a time notes it in its entry. The wheel knows of each segment of the index
 * the earliest time in it, or an earlier one: what was settled meanwhile is not taken
 * out. So a lease costs one comparison a run, and once in its time a look at the
 * segment. The timer wakes a work item, which looks at what is due.
 */
#include "queue_steps.h"

/* Items of the wheel, or entries, gone through before others get the lock. */
#define WEIR_LOOK_WORK		1024
/* What cannot be ended now is tried again then. */
#define WEIR_LOOK_AGAIN		(10 * NSEC_PER_MSEC)
/* Pins that are made at a time. */
#define WEIR_LOOK_PINS		64

/* A look at what is due. */
struct weir_look {
	u64 now;
	u32 segment;			/* to begin with, or WEIR_NO_ITEM */
	struct list_head pins;		/* to be used up */
	bool more_pins;			/* there were not enough */
	bool no_pins;			/* and there is no memory for more */
	bool put_back;			/* something is to be delivered */
};

/* The lease of @entry has run out: when to look at it again, if ever. */
static u64 weir_entry_end_lease(struct weir_queue *queue, struct weir_entry *entry,
				struct weir_look *look)
{
	if (entry->busy)
		return look->now + WEIR_LOOK_AGAIN;
	if (entry->in_place) {
		struct weir_pin *pin;

		if (entry->pins == U8_MAX)
			return look->now + WEIR_LOOK_AGAIN;
		pin = list_first_entry_or_null(&look->pins, struct weir_pin, link);
		if (!pin) {
			look->more_pins = true;
			return look->now + WEIR_LOOK_AGAIN;
		}
		weir_pin_add(queue, entry, pin);
	}
	queue->expired++;
	weir_entry_return(queue, entry, weir_queue_backoff(queue, entry->deliveries));
	look->put_back = true;
	/* If it is to be looked at again, that was noted when it was put back. */
	return WEIR_NEVER;
}

/* @entry is to be delivered, now or when it is due: when to look at it again, if ever. */
static u64 weir_entry_look_waiting(struct weir_queue *queue, struct weir_entry *entry,
				   struct weir_look *look)
{
	const u64 expires = weir_entry_expires(queue, entry);

	if (expires <= look->now) {
		weir_entry_expire(queue, entry);
		/* It may be another one's turn, of its key. */
		look->put_back = true;
		return WEIR_NEVER;
	}
	if (entry->state != WEIR_DELAYED)
		return expires;
	if (entry->due > look->now)
		return min(entry->due, expires);
	weir_entry_requeue(queue, entry);
	look->put_back = true;
	return expires;
}

/* What is due of @entry is done; when to look at it again, if ever. */
static u64 weir_entry_look(struct weir_queue *queue, struct weir_entry *entry,
			   struct weir_look *look)
{
	switch (entry->state) {
	case WEIR_LEASED:
		if (entry->due > look->now)
			return entry->due;
		return weir_entry_end_lease(queue, entry, look);
	case WEIR_DELAYED:
	case WEIR_RANKED:
	case WEIR_BEHIND:
		return weir_entry_look_waiting(queue, entry, look);
	default:
		return WEIR_NEVER;
	}
}

static void weir_segment_look(struct weir_queue *queue, u32 nr, struct weir_look *look)
{
	struct weir_entry *entry = weir_index_at(&queue->index, nr * WEIR_SEGMENT_SLOTS);
	u64 next = WEIR_NEVER;
	u32 i;

	for (i = 0; i < WEIR_SEGMENT_SLOTS; i++, entry++)
		next = min(next, weir_entry_look(queue, entry, look));
	weir_wheel_put(&queue->wheel, nr, next);
}

static u32 weir_look_next(struct weir_queue *queue, struct weir_look *look, u32 *work)
{
	u32 nr = look->segment;

	look->segment = WEIR_NO_ITEM;
	return nr != WEIR_NO_ITEM ? nr : weir_wheel_take(&queue->wheel, look->now, work);
}

/* Goes through some of what is due: whether that was all. */
static bool weir_queue_look(struct weir_queue *queue, struct weir_look *look)
{
	u32 work = WEIR_LOOK_WORK;
	u32 nr;

	guard(spinlock)(&queue->lock);
	if (queue->dead)
		return true;
	look->now = ktime_get_boottime_ns();
	while ((nr = weir_look_next(queue, look, &work)) != WEIR_NO_ITEM) {
		weir_segment_look(queue, nr, look);
		if (look->more_pins && !look->no_pins) {
			look->segment = nr;
			return false;
		}
		work -= min(work, (u32)WEIR_SEGMENT_SLOTS);
	}
	if (!work)
		return false;
	queue->timer_at = WEIR_NEVER;
	weir_queue_set_timer(queue);
	return true;
}

static void weir_queue_look_work(struct work_struct *work)
{
	struct weir_queue *queue = container_of(work, struct weir_queue, look);
	struct weir_look look = {
		.segment = WEIR_NO_ITEM,
		.pins = LIST_HEAD_INIT(look.pins),
	};
	bool done;

	do {
		look.put_back = false;
		/* Where there is no memory, leases last until there is. */
		if (look.more_pins)
			look.no_pins = !weir_pins_new(queue, WEIR_LOOK_PINS, &look.pins);
		look.more_pins = false;
		done = weir_queue_look(queue, &look);
		if (look.put_back)
			weir_queue_wake_readers(queue);
		cond_resched();
	} while (!done);
	weir_pins_free(queue, &look.pins);
}

static enum hrtimer_restart weir_queue_timer(struct hrtimer *timer)
{
	struct weir_queue *queue = container_of(timer, struct weir_queue, timer);

	queue_work(system_unbound_wq, &queue->look);
	return HRTIMER_NORESTART;
}

/*
 * An earlier time replaces a later one. A timer that has gone off keeps its time in
 * @timer_at until the work has looked, which then sets it anew.
 */
void weir_queue_set_timer(struct weir_queue *queue)
{
	u64 next = weir_wheel_next(&queue->wheel);

	lockdep_assert_held(&queue->lock);
	if (next >= queue->timer_at)
		return;
	queue->timer_at = next;
	hrtimer_start_range_ns(&queue->timer, ns_to_ktime(next), NSEC_PER_MSEC,
			       HRTIMER_MODE_ABS);
}

void weir_queue_time_init(struct weir_queue *queue)
{
	hrtimer_init(&queue->timer, CLOCK_BOOTTIME, HRTIMER_MODE_ABS);
	queue->timer.function = weir_queue_timer;
	INIT_WORK(&queue->look, weir_queue_look_work);
	queue->timer_at = WEIR_NEVER;
}

/* Nothing is put into the wheel any more, and the work sets no timer of a dead queue. */
void weir_queue_time_exit(struct weir_queue *queue)
{
	hrtimer_cancel(&queue->timer);
	cancel_work_sync(&queue->look);
}
