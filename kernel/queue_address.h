/* SPDX-License-Identifier: GPL-2.0 */
/*
 * queue_address - a queue, for those who name it and do not keep it
 *
 *   weir_address_new()     THERE   leads to its queue, which somebody else keeps
 *   weir_address_clear()   GONE    leads nowhere, for good
 *   last reference         freed
 *
 * A message may name a queue for as long as it exists, which is for ever where nobody
 * receives. If it counted as a reference, a queue that was destroyed would stay, and two
 * queues whose messages name each other would never go. So messages hold addresses: the
 * queue may go first, and then there is nothing to be found.
 *
 * Who follows an address has the queue, counted, and it may be dead by then: that is
 * for the queue's lock to say.
 */
#ifndef _WEIR_QUEUE_ADDRESS_H
#define _WEIR_QUEUE_ADDRESS_H

#include <linux/refcount.h>
#include <linux/spinlock.h>

struct weir_queue;

struct weir_address {
	refcount_t refs;
	spinlock_t lock;
	struct weir_queue *queue;	/* protected by lock; NULL: it is gone */
};

/* weir_address_new() - of @queue, counted; or NULL; may sleep */
struct weir_address *weir_address_new(struct weir_queue *queue);
/*
 * weir_address_clear() - the queue is not to be found any more. Before its last
 * reference is put, and without any of its locks.
 */
void weir_address_clear(struct weir_address *address);
/* weir_address_queue() - the queue, counted, or NULL */
struct weir_queue *weir_address_queue(struct weir_address *address);

static inline struct weir_address *weir_address_get(struct weir_address *address)
{
	refcount_inc(&address->refs);
	return address;
}

/* weir_address_put() - NULL is fine; in any context */
void weir_address_put(struct weir_address *address);

#endif
