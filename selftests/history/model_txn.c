// SPDX-License-Identifier: MIT
/* Transactions of the model: some messages, to some queues, and some settlements. */
#include "model_slot.h"

/* To which queue a message goes, which are one behind the other. */
static uint16_t part_queue(const struct slot *slot, unsigned int i)
{
	return slot->parts[i].queue;
}

static void part_begin(struct model *model, struct slot *slot, unsigned int i)
{
	struct history_record r;

	slot->queue = part_queue(slot, i);
	r = slot_record(model, slot, HISTORY_SEND);
	r.producer = slot_producer(slot);
	r.seq = slot->seqs[slot->queue]++;
	r.key = slot->keys[i] = model_pick_key(model);
	r.txn = slot->txns;
	slot->parts[i].seq = r.seq;
	slot_log(model, slot, r);
}

void model_txn_begin(struct model *model, struct slot *slot)
{
	uint16_t queues[2] = { chance(model, model->plan->queues),
			       chance(model, model->plan->queues) };
	unsigned int i;

	slot->txns++;
	slot->sends = chance(model, 4);
	for (i = 0; i < slot->sends; i++) {
		slot->parts[i].queue = queues[i / 2];
		part_begin(model, slot, i);
	}
	slot->settles = 0;
	while (slot->settles < 2 && slot->nr_leases && chance(model, 4)) {
		unsigned int at = chance(model, slot->nr_leases);

		/* The end of a read in parts is a read. */
		if (!slot->leases[at].deliveries)
			break;
		slot->done[slot->settles] = slot->leases[at];
		slot->leases[at] = slot->leases[--slot->nr_leases];
		slot->op = HISTORY_ACK;
		slot->time = 0;
		model_log_settle(model, slot, &slot->done[slot->settles++], slot->txns);
	}
}

/* Whether all of it can be done. */
static bool txn_can(const struct model *model, const struct slot *slot)
{
	unsigned int i;

	/* Here none goes for others. */
	for (i = 0; i < slot->sends; i++)
		if (model->queues[part_queue(slot, i)].held + slot->sends >
		    model->plan->capacity)
			return false;
	for (i = 0; i < slot->settles; i++) {
		const struct lease *lease = &slot->done[i];
		const struct model_message *message =
			&model->queues[lease->queue].messages[lease->message];

		if (message->state != MODEL_LEASED || message->file != lease->file ||
		    message->deliveries != lease->deliveries)
			return false;
	}
	return true;
}

void model_txn_effect(struct model *model, struct slot *slot)
{
	const struct model_fate ack = { .op = HISTORY_ACK };
	struct model_wrong right = { .now = model->now };
	bool both = slot->sends && slot->settles;
	unsigned int i;

	slot->accepted = txn_can(model, slot);
	if (!slot->accepted)
		return;
	if (!model_strikes(&model->wrong, MODEL_TORN_SETTLED, both && slot->killed))
		for (i = 0; i < slot->sends; i++) {
			const struct model_wish wish = { .key = slot->keys[i] };
			uint16_t queue = slot->queue = part_queue(slot, i);

			slot->messages[i] = model_send(&model->queues[queue], &right,
						       slot_producer(slot), slot->parts[i].seq,
						       true, wish);
		}
	if (model_strikes(&model->wrong, MODEL_TORN_SENT, both && slot->killed))
		return;
	for (i = 0; i < slot->settles; i++) {
		const struct lease *lease = &slot->done[i];

		model_settle(&model->queues[lease->queue], &right, lease->message, lease->file,
			     lease->deliveries, ack);
	}
}

void model_txn_return(struct model *model, struct slot *slot)
{
	uint8_t outcome = slot->accepted ? HISTORY_OK : HISTORY_FAILED;
	unsigned int i;

	for (i = 0; i < slot->sends + slot->settles; i++) {
		struct history_record *r = &slot->log.records[slot->first + i];

		if (slot->accepted && i < slot->sends)
			r->offset = model->queues[r->target].messages[slot->messages[i]].offset;
		slot_end(model, r, outcome);
	}
}
