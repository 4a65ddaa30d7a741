// SPDX-License-Identifier: GPL-2.0
#include <linux/sched/signal.h>

#include "queue_draft.h"

/* Drops @drafts from @link on, and what is in them: who maps the pool may not see it. */
void weir_queue_abort(struct weir_queue *queue, struct weir_chain *drafts,
		      struct weir_entry **link)
{
	struct weir_freed freed = {};
	struct weir_entry *entry;
	struct weir_chain rest;

	weir_chain_cut(drafts, link, &rest);
	for (entry = rest.first; entry; entry = entry->next) {
		weir_pool_zero(&queue->pool, entry->place, 0, entry->size);
		if (entry->has_once)
			weir_draft_forget_once(entry);
		if (entry->wishes)
			weir_draft_unbind(queue, entry);
	}

	spin_lock(&queue->lock);
	while (rest.first) {
		entry = weir_chain_take(&rest);
		weir_entry_gone(queue, entry, &freed);
	}
	weir_queue_freed(queue, &freed);
	spin_unlock(&queue->lock);
	weir_queue_wake_writers(queue);
}

int weir_message_check(const struct weir_queue *queue, const struct weir_message *message)
{
	if (message->flags | message->reserved[0] | message->reserved[1] ||
	    (!message->options_len && message->options))
		return -EINVAL;
	if (message->key_len > WEIR_KEY_MAX || message->headers_len > WEIR_HEADERS_MAX ||
	    message->headers_len % 8)
		return -EINVAL;
	/* With these bounds the sum of the parts cannot overflow. */
	if (message->len > WEIR_MESSAGE_MAX ||
	    weir_message_size(message) > READ_ONCE(queue->max_size))
		return -EMSGSIZE;
	return 0;
}

/* Zeros what @draft takes from byte @at to @end of it. */
static void weir_draft_pad(struct weir_queue *queue, const struct weir_entry *draft,
			   u32 at, u32 end)
{
	if (at < end)
		weir_pool_zero(&queue->pool, draft->place, at, end - at);
}

void weir_draft_pad_end(struct weir_queue *queue, const struct weir_entry *draft)
{
	if (draft->size % WEIR_ALIGN)
		weir_draft_pad(queue, draft, draft->size, ALIGN(draft->size, WEIR_ALIGN));
}

/* Headers fill their block exactly; what is checked is our copy of them. */
static int weir_draft_check_headers(struct weir_queue *queue, const struct weir_entry *draft,
				    u32 at)
{
	while (at < draft->size) {
		struct weir_header header;
		u64 end;

		weir_pool_read(&queue->pool, draft->place, at, sizeof(header), &header);
		end = at + sizeof(header) + header.name_len + (u64)header.value_len;
		if (!header.name_len || header.name_len > WEIR_HEADER_NAME_MAX ||
		    header.reserved || ALIGN(end, 8) > draft->size)
			return -EINVAL;
		weir_draft_pad(queue, draft, end, ALIGN(end, 8));
		at = ALIGN(end, 8);
	}
	return 0;
}

/* Copies what belongs behind the payload. */
static int weir_draft_fill_rest(struct weir_queue *queue, const struct weir_entry *draft,
				const struct weir_message *message)
{
	struct weir_pool *pool = &queue->pool;
	u32 headers = weir_message_headers(message);
	int ret;

	ret = weir_pool_write_user(pool, draft->place, message->len, message->key_len,
				   u64_to_user_ptr(message->key));
	if (ret || !message->headers_len)
		return ret;
	weir_draft_pad(queue, draft, message->len + message->key_len, headers);
	ret = weir_pool_write_user(pool, draft->place, headers, message->headers_len,
				   u64_to_user_ptr(message->headers));
	return ret ?: weir_draft_check_headers(queue, draft, headers);
}

int weir_draft_fill_slow(struct weir_queue *queue, const struct weir_entry *draft,
			 const struct weir_message *message)
{
	int ret;

	ret = weir_draft_populate(queue, draft);
	if (!ret)
		ret = weir_pool_write_user(&queue->pool, draft->place, 0, message->len,
					   u64_to_user_ptr(message->data));
	if (!ret && draft->size > message->len)
		ret = weir_draft_fill_rest(queue, draft, message);
	if (!ret)
		weir_draft_pad_end(queue, draft);
	/* A batch may be of many that are large. */
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : ret;
}

int weir_queue_draft(struct weir_queue *queue, const struct weir_message *message,
		     const struct weir_sender *sender, const struct weir_sender *asker,
		     struct weir_chain *drafts)
{
	struct weir_patience none;
	int ret;

	weir_patience_init(&none, true, true, 0);
	none.spares = asker;
	ret = weir_queue_reserve(queue, message, 1, asker ?: sender, &none, drafts, false);
	if (ret < 0)
		return ret;
	ret = weir_draft_populate(queue, drafts->first);
	if (!ret && weir_message_wishes(queue, message))
		ret = weir_draft_wish(queue, drafts->first, message, sender, drafts);
	if (ret) {
		weir_queue_abort(queue, drafts, &drafts->first);
		return ret;
	}
	weir_draft_describe(drafts->first, message, sender, false);
	weir_draft_pad_end(queue, drafts->first);
	return 0;
}
