/* SPDX-License-Identifier: GPL-2.0 */
/*
 * queue_bonds - what ties a message to other queues, which it names
 *
 * Few messages have any. They are noted beside the message from the time that it is a
 * draft, and paid for by the queue that holds it.
 *
 * Replies (queue_reply.c): the address of the queue that they are for, and nothing else.
 *
 * Receipts (queue_receipt.c): a draft is reserved in the queue that the receipt is for,
 * there and then, so that it has its room and its memory before the message is sent.
 *
 *   reserve         commit            the message ends             tell
 *   ------> BOUND  -------->  BOUND  ------------------>  OWED  -----------> (freed)
 *             |                                             the draft is sent
 *             +--- abort: the draft is given back ---> (freed)
 *
 * Where none was asked for, what is noted is freed when the message ends.
 *
 * BOUND  struct weir_extra of the message leads to it.
 * OWED   The message is gone, and its slot free, or another's. In @owed of its queue,
 *        in the order of the ends, until the work item of that queue gets to it.
 *
 * The draft is in another queue, which is named by an address: it may be used by who
 * has got that queue from there. If the queue is gone, the draft went with it.
 */
#ifndef _WEIR_QUEUE_BONDS_H
#define _WEIR_QUEUE_BONDS_H

#include "queue_address.h"
#include "queue_steps.h"

struct weir_bonds {
	struct list_head link;		/* OWED; protected by the lock of the queue */
	struct weir_address *reply;	/* invariant; counted, or NULL; see queue_reply.c */
	struct weir_address *receipts;	/* invariant; counted, or NULL */
	struct weir_entry *draft;	/* invariant; in the queue of @receipts */
	u64 token;			/* invariant; what the sender calls it */
	/* all below are of a message that has ended */
	u64 offset;
	u64 sent_ns;			/* these are of CLOCK_REALTIME */
	u64 first_ns;
	u64 ended_ns;
	struct weir_who *who;		/* counted, or NULL */
	u32 deliveries;
	u16 outcome;			/* enum weir_outcome */
	u16 reason;			/* enum weir_dead_reason */
};

/* weir_bonds_reply() - where answers go to, as @options say: 0 or -errno; may sleep */
int weir_bonds_reply(struct weir_queue *queue, const struct weir_options *options,
		     struct weir_bonds *bonds);

#endif
