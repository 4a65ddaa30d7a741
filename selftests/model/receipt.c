// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Receipts: what is owed, and that it comes. When the kernel tells is its own affair, and
 * so is the order of what ended in one step, or in different queues.
 */
#include "world.h"

static enum weir_dead_reason reason_of(const struct message *message)
{
	static const char *const reasons[] = {
		[WEIR_DEAD_DELIVERIES] = "deliveries", [WEIR_DEAD_TERM] = "term",
		[WEIR_DEAD_EXPIRED] = "expired", [WEIR_DEAD_FULL] = "full",
	};
	enum weir_dead_reason reason = WEIR_DEAD_DELIVERIES;

	while (strcmp(message->reason, reasons[reason]))
		reason++;
	return reason;
}

void model_tell(struct queue *queue, const struct message *message, enum weir_outcome outcome,
		__u32 pid, const char *name)
{
	struct queue *to = message->receipts;
	struct receipt *receipt;

	if (!to || to->dead)
		return;
	receipt = &to->receipts[to->nr_receipts++];
	*receipt = (struct receipt){
		.from = queue, .ended = model_step, .knows_stamp = message->placed,
		.owner = message->owner,
		.told = {
			.token = message->token, .offset = message->offset,
			.sent_ns = message->stamp, .first_ns = !!message->deliveries,
			.outcome = outcome, .deliveries = message->deliveries, .pid = pid,
		},
	};
	if (message->state == DYING)
		receipt->told.reason = reason_of(message);
	memcpy(receipt->told.consumer, name, strnlen(name, WEIR_CONSUMER_NAME_SIZE - 1));
	memcpy(receipt->told.queue, queue->name, sizeof(queue->name));
}

/* Of one queue, what ended in an earlier step comes first. */
static bool may_come(const struct queue *to, const struct receipt *receipt)
{
	int i;

	for (i = 0; i < to->nr_receipts; i++)
		if (to->receipts[i].from == receipt->from && to->receipts[i].ended < receipt->ended)
			return false;
	return true;
}

static struct receipt *find(struct queue *to, __u64 token)
{
	int i;

	for (i = 0; i < to->nr_receipts; i++)
		if (to->receipts[i].told.token == token)
			return &to->receipts[i];
	return NULL;
}

/* The payload of the next message that is in @to is @got; whether that is due. */
bool model_hear(struct queue *to, const struct weir_receipt *got)
{
	struct receipt *receipt = find(to, got->token);
	struct weir_receipt wanted;
	struct message *message;

	if (!receipt || !may_come(to, receipt))
		return false;
	wanted = receipt->told;
	if (!got->ended_ns || !got->sent_ns || !got->first_ns != !wanted.first_ns)
		disagree("times of a receipt: %llu, %llu, %llu", got->sent_ns, got->first_ns,
			 got->ended_ns);
	wanted.ended_ns = got->ended_ns;
	wanted.first_ns = got->first_ns;
	if (!receipt->knows_stamp)
		wanted.sent_ns = got->sent_ns;
	agree("outcome", got->outcome, wanted.outcome);
	agree("reason", got->reason, wanted.reason);
	agree("deliveries of a receipt", got->deliveries, wanted.deliveries);
	agree("pid of a receipt", got->pid, wanted.pid);
	agree("a receipt", memcmp(got, &wanted, sizeof(wanted)), 0);

	message = calloc(1, sizeof(*message));
	message->spec.len = message->size = sizeof(*got);
	message->bytes = malloc(sizeof(*got));
	memcpy(message->bytes, got, sizeof(*got));
	message->state = READY;
	message->ttl = to->policy.ttl_ns;
	message->ranked = message->ttl;
	message->owner = receipt->owner;
	to->owed_to[model_user(receipt->owner)]--;
	to->owed--;
	*receipt = to->receipts[--to->nr_receipts];
	to->heard++;
	model_add(to, message);
	return true;
}

void model_owe(struct message *message)
{
	message->receipts->owed++;
	message->receipts->owed_to[model_user(message->owner)]++;
}

int model_bonds_error(const struct queue *queue, const struct spec *specs, int nth)
{
	const struct spec *spec = &specs[nth];
	const struct queue *to = spec->receipts;
	struct space before = { 0 };
	int i;

	if (spec->options.flags & WEIR_OPTION_REPLY && !spec->reply_to)
		return -EBADF;
	if (!(spec->options.flags & WEIR_OPTION_RECEIPT))
		return 0;
	if (!to || to->dead)
		return -EBADF;
	if (to == queue)
		return -EINVAL;
	for (i = 0; i < nth; i++) {
		if (specs[i].receipts != to)
			continue;
		before.messages++;
		before.units += units_of(sizeof(struct weir_receipt));
	}
	return model_room(to, spec->uid, sizeof(struct weir_receipt), before) ? 0 : -ENOBUFS;
}
