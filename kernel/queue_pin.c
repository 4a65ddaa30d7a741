// SPDX-License-Identifier: GPL-2.0
/*
 * Pins: a consumer whose lease has run out may not know it, and still read the message
 * in the mapped pool. A pin keeps its slot and its bytes, whatever becomes of the
 * message, until the consumer settles what he held, which is too late (-ESTALE), or
 * ends. That answer is for a whole run: what he still has of it will need no pin.
 */
#include <linux/err.h>

#include "queue_steps.h"

/* Pins that are let go of before others get the lock. */
#define WEIR_UNPIN_CHUNK 1024

static int weir_pin_compare(u32 slot, u32 deliveries, const struct weir_pin *pin)
{
	if (slot != pin->slot)
		return slot < pin->slot ? -1 : 1;
	if (deliveries != pin->deliveries)
		return deliveries < pin->deliveries ? -1 : 1;
	return 0;
}

static bool weir_pin_before(struct rb_node *a, const struct rb_node *b)
{
	const struct weir_pin *pin = rb_entry(a, struct weir_pin, node);

	return weir_pin_compare(pin->slot, pin->deliveries,
				rb_entry(b, struct weir_pin, node)) < 0;
}

static struct weir_pin *weir_pin_find(const struct weir_queue_file *file, u32 slot,
				      u32 deliveries)
{
	struct rb_node *node = file->pins.rb_node;

	while (node) {
		struct weir_pin *pin = rb_entry(node, struct weir_pin, node);
		int order = weir_pin_compare(slot, deliveries, pin);

		if (!order)
			return pin;
		node = order < 0 ? node->rb_left : node->rb_right;
	}
	return NULL;
}

void weir_pin_add(struct weir_queue *queue, struct weir_entry *entry, struct weir_pin *pin)
{
	lockdep_assert_held(&queue->lock);
	pin->holder = entry->holder;
	pin->slot = entry->slot;
	pin->deliveries = entry->deliveries;
	rb_add(&pin->node, &pin->holder->file->pins, weir_pin_before);
	list_move(&pin->link, &pin->holder->pins);
	entry->pins++;
	queue->pinning++;
}

static void weir_pin_drop(struct weir_queue *queue, struct weir_pin *pin,
			  struct weir_freed *freed, struct list_head *dropped)
{
	struct weir_entry *entry = weir_index_at(&queue->index, pin->slot);

	rb_erase(&pin->node, &pin->holder->file->pins);
	list_move(&pin->link, dropped);
	queue->pinning--;
	if (--entry->pins)
		return;
	/* It frees its place now, if it goes. */
	if (entry->state == WEIR_RANKED)
		WRITE_ONCE(queue->arrived, queue->arrived + 1);
	if (entry->state != WEIR_PINNED)
		return;
	queue->pinned--;
	weir_entry_gone(queue, entry, freed);
}

/* Message @i of @run is not read in place any more by who was told of it. */
static void weir_message_drop(struct weir_queue_file *file, const struct weir_run *run, u32 i,
			      struct weir_freed *freed, struct list_head *dropped)
{
	struct weir_pin *pin = weir_pin_find(file, run->slot + i, run->deliveries);
	struct weir_entry *entry = weir_index_find(&file->queue->index, run->slot + i);

	if (!entry || entry->offset != run->offset + i)
		return;
	/* A pinned slot keeps its message. */
	if (pin)
		weir_pin_drop(file->queue, pin, freed, dropped);
	else if (entry->state == WEIR_LEASED && entry->deliveries == run->deliveries &&
		 entry->holder->file == file)
		entry->in_place = false;
}

void weir_pins_drop(struct weir_queue_file *file, const struct weir_run *run,
		    struct list_head *dropped)
{
	struct weir_queue *queue = file->queue;
	struct weir_freed freed = {};
	u32 i;

	lockdep_assert_held(&queue->lock);
	for (i = 0; i < run->count; i++)
		weir_message_drop(file, run, i, &freed, dropped);
	weir_queue_freed(queue, &freed);
}

bool weir_consumer_unpin(struct weir_queue *queue, struct weir_consumer *consumer,
			 struct list_head *dropped)
{
	struct weir_freed freed = {};
	struct weir_pin *pin;
	u32 n;

	lockdep_assert_held(&queue->lock);
	for (n = 0; n < WEIR_UNPIN_CHUNK; n++) {
		pin = list_first_entry_or_null(&consumer->pins, struct weir_pin, link);
		if (!pin)
			break;
		weir_pin_drop(queue, pin, &freed, dropped);
	}
	weir_queue_freed(queue, &freed);
	return list_empty(&consumer->pins);
}

void weir_pins_free(struct weir_queue *queue, struct list_head *pins)
{
	struct weir_pin *pin, *next;

	list_for_each_entry_safe(pin, next, pins, link)
		weir_account_free(&queue->object.account, pin, sizeof(*pin));
	INIT_LIST_HEAD(pins);
}

u32 weir_pins_new(struct weir_queue *queue, u32 count, struct list_head *pins)
{
	u32 n;

	for (n = 0; n < count; n++) {
		struct weir_pin *pin = weir_account_alloc(&queue->object.account, sizeof(*pin));

		if (IS_ERR(pin))
			break;
		list_add(&pin->link, pins);
	}
	return n;
}
