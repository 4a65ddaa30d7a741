/* SPDX-License-Identifier: GPL-2.0 */
/* queue_draft - what a draft is filled with; queue_send.c has what most messages need of it */
#ifndef _WEIR_QUEUE_DRAFT_H
#define _WEIR_QUEUE_DRAFT_H

#include "queue_reserve.h"

/* weir_message_check() - of a message that is more than a small payload: 0 or -errno */
int weir_message_check(const struct weir_queue *queue, const struct weir_message *message);

/* What its receiver is told of @draft; commit adds what is only known then. */
static __always_inline void weir_draft_describe(const struct weir_entry *draft,
						const struct weir_message *message,
						const struct weir_sender *sender,
						const bool plain)
{
	struct weir_desc_words *desc = (void *)weir_entry_desc(draft);

	desc->pos = (u64)draft->place * WEIR_ALIGN;
	desc->lens = message->len | (u64)message->headers_len << 32;
	desc->parts = plain ? 0 : message->key_len;
	desc->ids = sender->ids;
	desc->pid_slot = sender->pid | (u64)draft->slot << 32;
	desc->first_ns = 0;
}

/* Gets the pages of a draft, which mostly are there from earlier ones. */
static inline int weir_draft_populate(struct weir_queue *queue, const struct weir_entry *draft)
{
	return weir_pool_populate(&queue->pool, &queue->object.account, draft->place,
				  weir_units(draft->size));
}

/* weir_draft_pad_end() - zeros what is behind the last byte of @draft */
void weir_draft_pad_end(struct weir_queue *queue, const struct weir_entry *draft);
/*
 * weir_draft_fill_slow() - all that user space has of @message, wherever it is and has to
 * go: 0 or -errno; may sleep
 */
int weir_draft_fill_slow(struct weir_queue *queue, const struct weir_entry *draft,
			 const struct weir_message *message);

#endif
