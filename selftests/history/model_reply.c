// SPDX-License-Identifier: MIT
/*
 * Answers of the model: a message is sent, and its request is settled, or extended. Those
 * for a queue without a name are not received by anybody; it ends with who asked.
 */
#include "model_slot.h"

/* Its number, by who asked; and as who others send there. */
#define FIRST_PLACE	100
#define PLACES		60000	/* queues have 16 bits; later ones have none */
#define FIRST_ANSWERER	0x40000000u

static uint16_t place_of(uint32_t client)
{
	return FIRST_PLACE + client;
}

bool model_has_place(const struct slot *slot)
{
	return slot->client < PLACES;
}

void model_reply_place(struct model *model, struct slot *slot)
{
	struct history_record r;

	if (!model->plan->replies || !model_has_place(slot))
		return;
	r = slot_record(model, slot, HISTORY_QUEUE);
	r.target = place_of(slot->client);
	r.flags = HISTORY_TEMPORARY;
	slot_end(model, slot_log(model, slot, r), HISTORY_OK);
}

/* One of its own that is to be answered, or the one that it had settled last. */
static bool reply_pick(struct model *model, struct slot *slot, struct lease *lease)
{
	unsigned int i;

	*lease = slot->old;
	slot->told = false;
	if (!slot->nr_leases || !chance(model, 5))
		return lease->deliveries &&
		       model->queues[lease->queue].messages[lease->message].asks;
	i = chance(model, slot->nr_leases);
	*lease = slot->leases[i];
	if (!lease->deliveries || !model->queues[lease->queue].messages[lease->message].asks)
		return false;
	slot->leases[i] = slot->leases[--slot->nr_leases];
	slot->told = true;
	return true;
}

static struct history_record reply_send(struct model *model, struct slot *slot, uint16_t to,
					const struct model_message *request)
{
	struct history_record r;

	slot->queue = to < MODEL_QUEUES ? to : 0;
	r = slot_record(model, slot, HISTORY_SEND);
	r.count = HISTORY_ANSWER;
	r.txn = ++slot->txns;
	r.producer = slot_producer(slot);
	if (to >= MODEL_QUEUES) {
		slot->queue = MODEL_DEAD;
		r.target = place_of(request->producer / MODEL_QUEUES);
		r.producer = FIRST_ANSWERER + slot->client;
	}
	slot->parts[0].seq = r.seq = slot->seqs[slot->queue]++;
	slot->parts[0].queue = to;
	return r;
}

void model_reply_begin(struct model *model, struct slot *slot)
{
	struct lease *lease = &slot->done[0];
	const struct model_message *request;
	struct history_record *settle;

	if (!reply_pick(model, slot, lease))
		return;
	request = &model->queues[lease->queue].messages[lease->message];
	slot->old = *lease;
	slot->op = HISTORY_ACK;
	slot->time = 0;
	if (model->plan->timed && !chance(model, 4)) {
		slot->op = HISTORY_EXTEND;
		slot->time = 1 + chance(model, 20);
	}
	slot_log(model, slot, reply_send(model, slot, request->asks - 1, request));
	model_log_settle(model, slot, lease, slot->txns);
	settle = &slot->log.records[slot->log.count - 1];
	settle->flags |= HISTORY_ANSWERED;
	settle->producer = request->producer;
	settle->seq = request->seq;
}

/* The queue without a name of who sent @message is there. */
static bool place_is_there(const struct model *model, const struct model_message *message)
{
	unsigned int i;

	for (i = 0; i < model->plan->clients; i++)
		if (model->slots[i].client == message->producer / MODEL_QUEUES)
			return true;
	return false;
}

/* The answer, if it has a place: false, if that has no room. */
static bool reply_do_send(struct model *model, struct slot *slot,
			  const struct model_message *request)
{
	const struct model_wish wish = { 0 };
	struct model_wrong right = { .now = model->now };
	uint16_t to = slot->parts[0].queue;

	slot->sends = 0;
	if (to >= MODEL_QUEUES) {
		slot->sends = place_is_there(model, request) &&
			      !model_strikes(&model->wrong, MODEL_ANSWER_NOWHERE,
					     slot->op == HISTORY_ACK);
		return true;
	}
	if (!model_room(&model->queues[to], &model->wrong))
		return false;
	slot->sends = 1;
	if (!model_strikes(&model->wrong, MODEL_ANSWER_LOST, slot->op == HISTORY_ACK))
		slot->messages[0] = model_send(&model->queues[to], &right,
					       slot->client * MODEL_QUEUES + to,
					       slot->parts[0].seq, true, wish);
	else
		slot->messages[0] = MODEL_NOTHING;
	return true;
}

void model_reply_effect(struct model *model, struct slot *slot)
{
	const struct lease *lease = &slot->done[0];
	struct model_queue *queue = &model->queues[lease->queue];
	struct model_message *request = &queue->messages[lease->message];
	bool named = slot->parts[0].queue < MODEL_QUEUES, ack = slot->op == HISTORY_ACK;
	struct model_wrong right = { .now = model->now };
	struct model_fate fate = {
		.op = slot->op,
		.until = slot->time ? model->now + ((uint64_t)slot->time << HISTORY_TIME_UNIT) : 0,
	};
	bool gone = request->state == MODEL_GONE && request->deliveries == lease->deliveries;

	slot->sends = 0;
	slot->answered = request->state == MODEL_LEASED && request->file == lease->file &&
			 request->deliveries == lease->deliveries;
	if (!slot->answered && !model_strikes(&model->wrong, MODEL_ANSWER_TWICE,
					      gone && named && ack && request->answered)) {
		if (model_strikes(&model->wrong, MODEL_ANSWER_REFUSED, named))
			reply_do_send(model, slot, request);
		slot->sends = 0;
		slot->accepted = false;
		return;
	}
	slot->accepted = reply_do_send(model, slot, request);
	if (!slot->accepted || !slot->answered) {
		slot->answered = true;
		return;
	}
	if (model_strikes(&model->wrong, MODEL_ANSWER_UNSETTLED, slot->sends && ack))
		return;
	request->answered = slot->sends && ack;
	model_settle(queue, &right, lease->message, lease->file, lease->deliveries, fate);
}

void model_reply_return(struct model *model, struct slot *slot)
{
	struct history_record *send = &slot->log.records[slot->first], *settle = send + 1;
	uint16_t to = slot->parts[0].queue;

	if (slot->sends && to < MODEL_QUEUES && slot->messages[0] != MODEL_NOTHING)
		send->offset = model->queues[to].messages[slot->messages[0]].offset;
	slot_end(model, send, slot->sends ? HISTORY_OK : HISTORY_FAILED);
	if (slot->accepted)
		slot_end(model, settle, HISTORY_OK);
	else
		slot_end(model, settle, slot->answered ? HISTORY_FAILED : HISTORY_STALE);
	/* It is still held; what it tried once more it has anyway. */
	if (slot->told && slot->answered && (!slot->accepted || slot->op == HISTORY_EXTEND) &&
	    slot->nr_leases < LEASES)
		slot->leases[slot->nr_leases++] = slot->done[0];
}
