// SPDX-License-Identifier: GPL-2.0
/*
 * Requests and replies: a message may say where the answer goes to, and who has it
 * leased answers there, without learning which queue that is and without any right
 * to it but the lease.
 *
 *   requests   LEASED ------- settled, or extended --------+
 *                                                          |  under both locks
 *   replies    (room) ------> DRAFT ------> READY ---------+
 *
 * The answer appears as the request is settled, or neither is done. So a late holder,
 * of a request that others have by now, answers nothing.
 *
 * Nobody who answers waits for the one who asked, nor for a burial there: what has no room
 * is EAGAIN. The message has the queue for the replies by its address; if that is gone,
 * nobody waits there, and the request is settled all the same.
 */
#include <linux/err.h>

#include "queue_bonds.h"
#include "queue_txn.h"

int weir_bonds_reply(struct weir_queue *queue, const struct weir_options *options,
		     struct weir_bonds *bonds)
{
	struct weir_queue *to = queue->object.instance->target(options->reply, FMODE_WRITE);

	if (IS_ERR(to))
		return PTR_ERR(to);
	bonds->reply = weir_address_get(to->address);
	weir_object_put(&to->object);
	return 0;
}

/* Where the answer to @entry goes to, counted, or NULL: nobody asked. */
static struct weir_address *weir_entry_reply(const struct weir_queue *queue,
					     const struct weir_entry *entry)
{
	const struct weir_bonds *bonds;

	lockdep_assert_held(&queue->lock);
	if (!entry->wishes)
		return NULL;
	bonds = weir_index_extra(&queue->index, entry->slot)->bonds;
	return bonds && bonds->reply ? weir_address_get(bonds->reply) : NULL;
}

int weir_draft_reply_as(struct weir_queue *queue, const struct weir_entry *entry,
			struct weir_queue *heir, struct weir_chain *drafts)
{
	struct weir_address *reply;
	struct weir_bonds *bonds;
	int ret;

	/* What is bound to @entry goes when @queue is destroyed, though @entry stays. */
	spin_lock(&queue->lock);
	reply = weir_entry_reply(queue, entry);
	spin_unlock(&queue->lock);
	if (!reply)
		return 0;
	ret = weir_draft_need_extra(heir, drafts->first, drafts);
	if (ret)
		goto err;
	bonds = weir_account_alloc(&heir->object.account, sizeof(*bonds));
	ret = PTR_ERR_OR_ZERO(bonds);
	if (ret)
		goto err;
	bonds->reply = reply;
	weir_index_extra(&heir->index, drafts->first->slot)->bonds = bonds;
	return 0;

err:
	weir_address_put(reply);
	return ret;
}

/*
 * Where the answer to what @run says goes to, counted; NULL if that is gone. Or the error
 * of @run, or -EDESTADDRREQ if nobody asked for an answer.
 */
static struct weir_queue *weir_run_reply(struct weir_queue_file *file, struct weir_run *run)
{
	struct weir_queue *queue = file->queue, *to;
	struct weir_address *reply = NULL;

	spin_lock(&queue->lock);
	if (!weir_run_hold(file, run)) {
		reply = weir_entry_reply(queue, weir_index_at(&queue->index, run->slot));
		weir_run_let_go(queue, run);
	}
	spin_unlock(&queue->lock);
	if (run->status) {
		weir_run_settled(file, run);
		return ERR_PTR(run->status);
	}
	if (!reply)
		return ERR_PTR(-EDESTADDRREQ);
	to = weir_address_queue(reply);
	weir_address_put(reply);
	return to;
}

/* The answer is sent to @to, and @run is done: 0, or -errno, and neither is. */
static int weir_reply_send(struct weir_queue_file *file, struct weir_run *run,
			   const struct weir_message __user *message, const struct cred *cred,
			   struct weir_queue *to, bool *gone)
{
	struct weir_deed deeds[] = {
		{ .queue = file->queue, .file = file, .runs = run, .count = 1 },
		{ .queue = to, .cred = cred, .messages = message, .count = 1 },
	};
	struct weir_deeds all = { .deeds = deeds, .count = ARRAY_SIZE(deeds) };
	struct weir_patience none;
	int ret;

	weir_patience_init(&none, true, true, 0);
	ret = weir_queue_txn(&all, &none);
	/* Others die there for the answer: soon there is room. */
	if (ret == -WEIR_MUST_WAIT)
		ret = -EAGAIN;
	*gone = ret == -ESHUTDOWN && all.failed == 1;
	return ret;
}

int weir_queue_reply(struct weir_queue_file *file, struct weir_run *run,
		     const struct weir_message __user *message, const struct cred *cred)
{
	bool gone = true;
	struct weir_queue *to;
	int ret;

	to = weir_run_reply(file, run);
	if (IS_ERR(to))
		return PTR_ERR(to);
	if (to) {
		ret = weir_reply_send(file, run, message, cred, to, &gone);
		weir_object_put(&to->object);
		if (!gone)
			return ret ?: 1;
	}
	weir_queue_settle(file, run, NULL);
	return run->status;
}
