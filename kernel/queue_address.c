// SPDX-License-Identifier: GPL-2.0
#include <linux/slab.h>

#include "queue.h"
#include "queue_address.h"

struct weir_address *weir_address_new(struct weir_queue *queue)
{
	struct weir_address *address = kmalloc(sizeof(*address), GFP_KERNEL_ACCOUNT);

	if (!address)
		return NULL;
	refcount_set(&address->refs, 1);
	spin_lock_init(&address->lock);
	address->queue = queue;
	return address;
}

void weir_address_clear(struct weir_address *address)
{
	guard(spinlock)(&address->lock);
	address->queue = NULL;
}

/* While it is not cleared, whoever is to clear it has a reference yet. */
struct weir_queue *weir_address_queue(struct weir_address *address)
{
	guard(spinlock)(&address->lock);
	if (address->queue)
		weir_object_get(&address->queue->object);
	return address->queue;
}

void weir_address_put(struct weir_address *address)
{
	if (address && refcount_dec_and_test(&address->refs))
		kfree(address);
}
