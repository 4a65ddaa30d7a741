// SPDX-License-Identifier: GPL-2.0
/*
 * What a message may ask for: to be delivered later, or not too late, or before others.
 * Few do, and it costs those that do not next to nothing.
 */
#include <linux/uaccess.h>

#include "queue_bonds.h"

/* When @options say, on CLOCK_BOOTTIME; 0: at once. */
static u64 weir_wish_delay(const struct weir_options *options)
{
	u64 now;

	if (!(options->flags & WEIR_OPTION_AT))
		return options->delay_ns ? weir_time_in(options->delay_ns) : 0;
	now = ktime_get_real_ns();
	return options->delay_ns > now ? weir_time_in(options->delay_ns - now) : 0;
}

static int weir_wish_get(const struct weir_queue *queue, const struct weir_message *message,
			 struct weir_options *options)
{
	int ret;

	if (!message->options_len) {
		*options = (struct weir_options){};
		return 0;
	}
	if (message->options_len < sizeof(*options))
		return -EINVAL;
	ret = copy_struct_from_user(options, sizeof(*options),
				    u64_to_user_ptr(message->options), message->options_len);
	if (ret)
		return ret;
	if (options->flags & ~(WEIR_OPTION_AT | WEIR_OPTION_RECEIPT | WEIR_OPTION_REPLY) ||
	    options->priority >= READ_ONCE(queue->priorities))
		return -EINVAL;
	if ((!(options->flags & WEIR_OPTION_RECEIPT) && (options->receipt || options->token)) ||
	    (!(options->flags & WEIR_OPTION_REPLY) && options->reply))
		return -EINVAL;
	return 0;
}

int weir_draft_need_extra(struct weir_queue *queue, struct weir_entry *draft,
			  struct weir_chain *drafts)
{
	struct weir_extra *extra;
	int ret;

	if (draft->wishes)
		return 0;
	ret = weir_index_need_extra(&queue->index, &queue->object.account, draft->slot);
	if (ret)
		return ret;
	extra = weir_index_extra(&queue->index, draft->slot);
	extra->delay_until = 0;
	extra->expires = WEIR_NEVER;
	extra->bonds = NULL;
	weir_draft_key(queue, draft, 0);
	draft->wishes = true;
	drafts->wishes |= WEIR_DRAFTS_WISHES;
	return 0;
}

int weir_draft_wish(struct weir_queue *queue, struct weir_entry *draft,
		    const struct weir_message *message, const struct weir_sender *sender,
		    struct weir_chain *drafts)
{
	const u32 bonds = WEIR_OPTION_RECEIPT | WEIR_OPTION_REPLY;
	struct weir_options options;
	struct weir_extra *extra;
	u64 ttl;
	int ret;

	ret = weir_wish_get(queue, message, &options);
	if (ret)
		return ret;
	if (weir_options_once(&options)) {
		ret = weir_draft_once(queue, draft, &options, drafts);
		if (ret)
			return ret;
	}
	ttl = options.ttl_ns ?: READ_ONCE(queue->ttl_ns);
	if (!options.delay_ns && !ttl && !options.priority &&
	    !(options.flags & bonds) && !(queue->heads && message->key_len))
		return 0;
	ret = weir_draft_need_extra(queue, draft, drafts);
	if (ret)
		return ret;
	extra = weir_index_extra(&queue->index, draft->slot);
	extra->delay_until = weir_wish_delay(&options);
	weir_draft_key(queue, draft, message->key_len);
	extra->expires = ttl ? weir_time_in(ttl) : WEIR_NEVER;
	draft->priority = options.priority;
	return options.flags & bonds ? weir_draft_bind(queue, &options, sender, extra) : 0;
}

bool weir_draft_commit_wish(struct weir_queue *queue, struct weir_entry *draft)
{
	const struct weir_extra *extra = weir_index_extra(&queue->index, draft->slot);
	const u64 due = extra->delay_until;

	lockdep_assert_held(&queue->lock);
	weir_entry_desc(draft)->priority = draft->priority;
	if (extra->bonds) {
		queue->bonded++;
		queue->pinning++;
		if (extra->bonds->reply)
			weir_entry_desc(draft)->flags = WEIR_DESC_REPLY;
	}
	/* With a key and nothing else it need not be in the tree, which costs more. */
	if (queue->heads && !due && !draft->priority && extra->expires == WEIR_NEVER)
		return weir_key_join(queue, draft);
	weir_entry_wait(queue, draft, due);
	return true;
}
