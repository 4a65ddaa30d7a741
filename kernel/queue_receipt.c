// SPDX-License-Identifier: GPL-2.0
/*
 * Receipts: who sends may have told, by a message in a queue that he names, how what he
 * sent has ended. See queue_bonds.h.
 *
 * Nobody who settles waits for that, or can fail by it: the receipt has its room since
 * the message was sent, and is filled and committed by a work item. So whoever sees a
 * receipt does not find the message any more, and who does not find the message may have
 * to wait for the receipt. No lock of the one queue is held with one of the other.
 *
 * The work item counts as a reference of its queue from when it is queued until it has
 * nothing left to do: so the receipts of a queue that was destroyed are told, too, and
 * release() finds nothing owed. It does what is its queue's, and has one other queue
 * at a time, counted; if that was its last reference, its release() waits for other work
 * items, but never for this kind: that one would hold a reference.
 */
#include <linux/err.h>

#include "queue_bonds.h"

/* Receipts that are told, or segments gone through, before other work is done. */
#define WEIR_TELL_CHUNK	256
#define WEIR_TELL_SEGMENTS 4096

/* In any context: they are small, so this does not sleep. */
static void weir_bonds_free(struct weir_queue *queue, struct weir_bonds *bonds)
{
	weir_address_put(bonds->reply);
	weir_address_put(bonds->receipts);
	weir_who_put(bonds->who);
	weir_account_free(&queue->object.account, bonds, sizeof(*bonds));
}

/* Room for a receipt in @to, which is @asker's, is noted in @bonds: 0 or -errno. */
static int weir_receipt_reserve(struct weir_bonds *bonds, struct weir_queue *to,
				const struct weir_sender *asker)
{
	const struct weir_message message = { .len = sizeof(struct weir_receipt) };
	/* No process is like that. */
	const struct weir_sender kernel = {};
	struct weir_chain drafts;
	int ret;

	weir_chain_init(&drafts);
	ret = weir_queue_draft(to, &message, &kernel, asker, &drafts);
	if (ret == -EAGAIN)
		return -ENOBUFS;
	if (ret)
		return ret == -ESHUTDOWN ? -EBADF : ret;
	/* The queue may have a time to live by then. */
	ret = weir_draft_need_extra(to, drafts.first, &drafts);
	if (ret) {
		weir_queue_abort(to, &drafts, &drafts.first);
		return ret;
	}
	bonds->draft = drafts.first;
	bonds->receipts = weir_address_get(to->address);
	return 0;
}

static int weir_bonds_receipt(struct weir_queue *queue, const struct weir_options *options,
			      const struct weir_sender *sender, struct weir_bonds *bonds)
{
	/* Who may not receive there could fill it with what nobody else can take. */
	struct weir_queue *to = queue->object.instance->target(options->receipt,
							       FMODE_READ | FMODE_WRITE);
	int ret = -EINVAL;

	if (IS_ERR(to))
		return PTR_ERR(to);
	bonds->token = options->token;
	/* In one and the same queue a batch could have no room for its own receipts. */
	if (to != queue)
		ret = weir_receipt_reserve(bonds, to, sender);
	weir_object_put(&to->object);
	return ret;
}

int weir_draft_bind(struct weir_queue *queue, const struct weir_options *options,
		    const struct weir_sender *sender, struct weir_extra *extra)
{
	struct weir_bonds *bonds;
	int ret = 0;

	bonds = weir_account_alloc(&queue->object.account, sizeof(*bonds));
	if (IS_ERR(bonds))
		return PTR_ERR(bonds);
	if (options->flags & WEIR_OPTION_REPLY)
		ret = weir_bonds_reply(queue, options, bonds);
	if (!ret && options->flags & WEIR_OPTION_RECEIPT)
		ret = weir_bonds_receipt(queue, options, sender, bonds);
	if (ret)
		weir_bonds_free(queue, bonds);
	else
		extra->bonds = bonds;
	return ret;
}

bool weir_draft_is_told(const struct weir_queue *queue, const struct weir_entry *draft,
			const struct weir_queue *to)
{
	return weir_entry_bound(queue, draft) &&
	       weir_index_extra(&queue->index, draft->slot)->bonds->receipts == to->address;
}

void weir_draft_unbind(struct weir_queue *queue, struct weir_entry *draft)
{
	struct weir_extra *extra = weir_index_extra(&queue->index, draft->slot);
	struct weir_bonds *bonds = extra->bonds;
	struct weir_chain drafts;
	struct weir_queue *to;

	if (!bonds)
		return;
	extra->bonds = NULL;
	to = bonds->receipts ? weir_address_queue(bonds->receipts) : NULL;
	if (to) {
		weir_chain_init(&drafts);
		weir_chain_add_row(&drafts, bonds->draft, bonds->draft);
		weir_queue_abort(to, &drafts, &drafts.first);
		weir_object_put(&to->object);
	}
	weir_bonds_free(queue, bonds);
}

void weir_queue_tell(struct weir_queue *queue)
{
	lockdep_assert_held(&queue->lock);
	if (queue->telling)
		return;
	queue->telling = true;
	weir_object_get(&queue->object);
	queue_work(weir_instance.workers, &queue->tell);
}

void weir_entry_owe(struct weir_queue *queue, struct weir_entry *entry,
		    enum weir_outcome outcome, struct weir_who *who)
{
	struct weir_extra *extra = weir_index_extra(&queue->index, entry->slot);
	const struct weir_desc *desc = weir_entry_desc(entry);
	struct weir_bonds *bonds = extra->bonds;

	lockdep_assert_held(&queue->lock);
	extra->bonds = NULL;
	queue->bonded--;
	queue->pinning--;
	if (!bonds->receipts) {
		weir_bonds_free(queue, bonds);
		return;
	}
	bonds->offset = entry->offset;
	bonds->deliveries = entry->deliveries;
	bonds->sent_ns = desc->stamp_ns;
	bonds->first_ns = desc->first_ns;
	bonds->ended_ns = ktime_get_real_ns();
	bonds->who = who ? weir_who_get(who) : NULL;
	bonds->outcome = outcome;
	if (entry->state == WEIR_DYING)
		bonds->reason = entry->reason;
	list_add_tail(&bonds->link, &queue->owed);
	weir_queue_tell(queue);
}

static u32 weir_segment_destroy(struct weir_queue *queue, u32 nr)
{
	struct weir_entry *entry = weir_index_at(&queue->index, nr * WEIR_SEGMENT_SLOTS);
	u32 i, n = 0;

	for (i = 0; i < WEIR_SEGMENT_SLOTS; i++, entry++) {
		if (entry->state == WEIR_FREE || entry->state == WEIR_DRAFT ||
		    !weir_entry_bound(queue, entry))
			continue;
		weir_entry_owe(queue, entry, WEIR_OUTCOME_DESTROYED, NULL);
		n++;
	}
	return n;
}

/*
 * Messages went with @queue, in which nothing is sent any more: some of them are looked
 * for. One that is handed out is among them, whoever may have it yet.
 */
static void weir_queue_tell_destroyed(struct weir_queue *queue)
{
	u32 found = 0, work = 0;

	while (queue->bonded && found < WEIR_TELL_CHUNK && work < WEIR_TELL_SEGMENTS) {
		u32 nr = queue->tell_segment++;

		if (WARN_ON_ONCE(nr >= queue->index.nr_segments)) {
			queue->bonded = 0;
			break;
		}
		work++;
		if (queue->index.extras[nr]) {
			found += weir_segment_destroy(queue, nr);
			work += WEIR_SEGMENT_SLOTS;
		}
	}
}

/* Some of what is owed, in @owed: whether there is more. */
static bool weir_queue_owes(struct weir_queue *queue, struct list_head *owed)
{
	struct list_head *last;
	u32 n = 0;

	guard(spinlock)(&queue->lock);
	if (queue->dead)
		weir_queue_tell_destroyed(queue);
	list_for_each(last, &queue->owed) {
		if (++n == WEIR_TELL_CHUNK)
			break;
	}
	if (list_is_head(last, &queue->owed))
		list_splice_init(&queue->owed, owed);
	else
		list_cut_position(owed, &queue->owed, last);
	queue->telling = !list_empty(&queue->owed) || (queue->dead && queue->bonded);
	return queue->telling;
}

/* Those at the beginning of @owed that have the same address, which is returned. */
static struct weir_address *weir_bonds_group(struct list_head *owed, struct list_head *group)
{
	struct weir_bonds *first = list_first_entry(owed, struct weir_bonds, link);
	struct weir_bonds *bonds, *last = first;

	list_for_each_entry(bonds, owed, link) {
		if (bonds->receipts != first->receipts)
			break;
		last = bonds;
	}
	list_cut_position(group, owed, &last->link);
	return first->receipts;
}

/* What became of a message of @queue is written into its draft in @to. */
static void weir_receipt_fill(const struct weir_queue *queue, const struct weir_bonds *bonds,
			      struct weir_queue *to)
{
	const struct weir_who *who = bonds->who;
	struct weir_receipt receipt = {
		.token = bonds->token,
		.offset = bonds->offset,
		.sent_ns = bonds->sent_ns,
		.first_ns = bonds->first_ns,
		.ended_ns = bonds->ended_ns,
		.outcome = bonds->outcome,
		.reason = bonds->reason,
		.deliveries = bonds->deliveries,
	};

	strscpy(receipt.queue, weir_object_name(&queue->object));
	if (who) {
		receipt.uid = who->uid;
		receipt.pid = who->pid;
		strscpy(receipt.consumer, who->name);
	}
	weir_pool_write(&to->pool, bonds->draft->place, 0, sizeof(receipt), &receipt);
}

/* The time that it has in @to begins when it is sent; without one it has no wish. */
static void weir_receipt_renew(struct weir_queue *to, struct weir_entry *draft,
			       struct weir_chain *drafts)
{
	const u64 ttl = READ_ONCE(to->ttl_ns);

	draft->wishes = ttl > 0;
	if (!ttl)
		return;
	weir_index_extra(&to->index, draft->slot)->expires = weir_time_in(ttl);
	drafts->wishes |= WEIR_DRAFTS_WISHES;
}

/* All of @group are sent to @to. If that is dead, the drafts go with it. */
static void weir_receipts_send(const struct weir_queue *queue, struct list_head *group,
			       struct weir_queue *to)
{
	struct weir_bonds *bonds;
	struct weir_chain drafts;

	weir_chain_init(&drafts);
	list_for_each_entry(bonds, group, link) {
		weir_receipt_fill(queue, bonds, to);
		weir_receipt_renew(to, bonds->draft, &drafts);
		weir_chain_add_row(&drafts, bonds->draft, bonds->draft);
	}
	spin_lock(&to->lock);
	if (!to->dead)
		weir_queue_commit_drafts(to, &drafts, ktime_get_real_ns());
	spin_unlock(&to->lock);
	weir_queue_wake_readers(to);
}

static void weir_receipts_tell(struct weir_queue *queue, struct list_head *group,
			       struct weir_address *address)
{
	struct weir_queue *to = weir_address_queue(address);
	struct weir_bonds *bonds, *next;

	if (to) {
		weir_receipts_send(queue, group, to);
		weir_object_put(&to->object);
	}
	list_for_each_entry_safe(bonds, next, group, link)
		weir_bonds_free(queue, bonds);
}

static void weir_queue_tell_work(struct work_struct *work)
{
	struct weir_queue *queue = container_of(work, struct weir_queue, tell);
	LIST_HEAD(owed);
	bool more;

	more = weir_queue_owes(queue, &owed);
	while (!list_empty(&owed)) {
		LIST_HEAD(group);

		weir_receipts_tell(queue, &group, weir_bonds_group(&owed, &group));
		cond_resched();
	}
	/* It still counts as a reference, or does not any more. */
	if (more)
		queue_work(weir_instance.workers, &queue->tell);
	else
		weir_object_put(&queue->object);
}

void weir_queue_receipt_init(struct weir_queue *queue)
{
	INIT_LIST_HEAD(&queue->owed);
	INIT_WORK(&queue->tell, weir_queue_tell_work);
}
