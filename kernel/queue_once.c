// SPDX-License-Identifier: GPL-2.0
/*
 * Messages that are to be taken once, however often they are sent: they say which of
 * their producer's they are, or have an id. What they say is noted beside the draft,
 * and judged under the lock when the drafts are committed: who is fenced stops the
 * batch, what was taken before is left over. See dedup.h.
 */
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>

#include "queue_steps.h"

/* What a draft says of itself. */
struct weir_once {
	struct weir_once *next;		/* of those that are spent */
	u64 producer;			/* 0: none */
	u64 sequence;
	u32 epoch;
	bool has_id;
	struct weir_id id;
};

static int weir_once_get_id(const struct weir_queue *queue, const struct weir_options *options,
			    struct weir_once *once)
{
	u8 bytes[WEIR_ID_MAX];

	if (!queue->ids.ring || !READ_ONCE(queue->ids.count) ||
	    options->id_len > sizeof(bytes))
		return -EINVAL;
	if (copy_from_user(bytes, u64_to_user_ptr(options->id), options->id_len))
		return -EFAULT;
	once->id = weir_ids_hash(&queue->ids, bytes, options->id_len);
	once->has_id = true;
	return 0;
}

int weir_draft_once(struct weir_queue *queue, struct weir_entry *draft,
		    const struct weir_options *options, struct weir_chain *drafts)
{
	struct weir_once *once;
	int ret = 0;

	if (!options->producer != !options->sequence ||
	    (!options->producer && options->epoch) || (!options->id_len && options->id))
		return -EINVAL;
	once = kzalloc(sizeof(*once), GFP_KERNEL_ACCOUNT);
	if (!once)
		return -ENOMEM;
	once->producer = options->producer;
	once->sequence = options->sequence;
	once->epoch = options->epoch;
	if (options->id_len)
		ret = weir_once_get_id(queue, options, once);
	if (ret) {
		kfree(once);
		return ret;
	}
	draft->once = once;
	draft->has_once = true;
	if (!(drafts->wishes & WEIR_DRAFTS_ONCE))
		drafts->spent = NULL;
	drafts->wishes |= WEIR_DRAFTS_ONCE;
	return 0;
}

void weir_draft_forget_once(struct weir_entry *draft)
{
	draft->has_once = false;
	kfree(draft->once);
}

static struct weir_known *weir_draft_producer(const struct weir_queue *queue,
					      const struct weir_entry *draft)
{
	const struct weir_once *once = draft->once;

	return weir_producers_find(&queue->producers, weir_entry_desc(draft)->uid,
				   once->producer, once->epoch);
}

u32 weir_drafts_good(const struct weir_queue *queue, struct weir_chain *drafts,
		     struct weir_entry ***link)
{
	struct weir_entry *draft;
	u32 n = 0;

	lockdep_assert_held(&queue->lock);
	for (*link = &drafts->first; (draft = **link); *link = &draft->next, n++) {
		if (draft->has_once && draft->once->producer &&
		    !weir_draft_producer(queue, draft))
			break;
	}
	return n;
}

bool weir_draft_commit_once(struct weir_queue *queue, struct weir_entry *draft,
			    struct weir_chain *drafts)
{
	struct weir_once *once = draft->once;
	bool taken = true;
	u64 now;

	lockdep_assert_held(&queue->lock);
	now = ktime_get_boottime_ns();
	/* It may well have been sent under both, so both are to know. */
	if (once->producer)
		taken = weir_known_take(&queue->producers, weir_draft_producer(queue, draft),
					once->sequence, now);
	if (taken && once->has_id)
		taken = weir_ids_take(&queue->ids, &once->id, now);
	draft->has_once = false;
	once->next = drafts->spent;
	drafts->spent = once;
	if (!taken)
		queue->duplicates++;
	return taken;
}

void weir_drafts_finish_once(struct weir_queue *queue, struct weir_chain *drafts)
{
	while (drafts->spent) {
		struct weir_once *once = drafts->spent;

		drafts->spent = once->next;
		kfree(once);
	}
	if (drafts->first)
		weir_queue_abort(queue, drafts, &drafts->first);
}

int weir_queue_producer(struct weir_queue *queue, const struct cred *cred,
			struct weir_producer *producer)
{
	return weir_producers_register(&queue->producers, &queue->object.account, &queue->lock,
				       __kuid_val(cred->euid), ktime_get_boottime_ns(),
				       producer);
}
