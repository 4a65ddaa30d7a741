// SPDX-License-Identifier: MIT
/* Messages of the model that are taken once, by an id, or by their producer's number. */
#include <stdlib.h>

#include "model_slot.h"

#define LATELY	8
#define NO_ID	SIZE_MAX
/* Above all that clients have. */
#define FIRST_PRODUCER 0x80000000u

/* One more, or one that somebody sent lately, or is about to. */
static size_t once_pick(struct model *model, struct slot *slot)
{
	size_t lately = model->nr_ids < LATELY ? model->nr_ids : LATELY;

	if (lately && chance(model, 2))
		return model->nr_ids - 1 - chance(model, lately);
	if (model->nr_ids == model->room) {
		model->room = model->room ? 2 * model->room : 64;
		model->ids = realloc(model->ids, model->room * sizeof(*model->ids));
		if (!model->ids)
			abort();
	}
	model->ids[model->nr_ids] = (struct model_id){
		.producer = slot_producer(slot), .seq = slot->seqs[slot->queue]++,
		.queue = slot->queue,
	};
	return model->nr_ids++;
}

static void register_begin(struct model *model, struct slot *slot)
{
	struct history_record r;

	slot->queue = 0;
	slot->producer = chance(model, PRODUCERS);
	slot->epoch = 0;
	r = slot_record(model, slot, HISTORY_REGISTER);
	r.producer = FIRST_PRODUCER + slot->producer;
	slot_log(model, slot, r);
}

void model_once_begin(struct model *model, struct slot *slot)
{
	struct history_record r;

	if (slot->call == REGISTER) {
		register_begin(model, slot);
		return;
	}
	slot->id = NO_ID;
	slot->queue = 0;
	if (!slot->epoch || chance(model, 2)) {
		slot->id = once_pick(model, slot);
		slot->queue = model->ids[slot->id].queue;
	}
	r = slot_record(model, slot, HISTORY_SEND);
	r.flags = HISTORY_ONCE;
	if (slot->id == NO_ID) {
		r.producer = FIRST_PRODUCER + slot->producer;
		r.deliveries = slot->epoch;
		r.seq = slot->next;
	} else {
		r.producer = model->ids[slot->id].producer;
		r.seq = model->ids[slot->id].seq;
	}
	slot_log(model, slot, r);
}

/* Whether it is a message that was not taken before; *@fenced: and may not be. */
static bool once_new(struct model *model, struct slot *slot, bool *fenced)
{
	struct model_producer *producer = &model->producers[slot->producer];
	bool taken;

	*fenced = false;
	if (slot->id != NO_ID) {
		taken = model->ids[slot->id].taken;
		model->ids[slot->id].taken = true;
		return !taken;
	}
	if (producer->epoch != slot->epoch &&
	    !model_strikes(&model->wrong, MODEL_UNFENCED_SEND,
			   producer->epoch > slot->epoch + 1)) {
		*fenced = true;
		return false;
	}
	if (slot->next < producer->next)
		return false;
	producer->next = slot->next + 1;
	return true;
}

void model_once_effect(struct model *model, struct slot *slot)
{
	struct model_queue *queue = &model->queues[slot->queue];
	const struct model_wish wish = { 0 };
	const struct history_record *r = &slot->log.records[slot->first];
	bool fenced, new;

	if (slot->call == REGISTER) {
		slot->epoch = ++model->producers[slot->producer].epoch;
		slot->next = model->producers[slot->producer].next;
		if (model_strikes(&model->wrong, MODEL_FORGOTTEN, slot->next > 2))
			slot->next -= 2;
		return;
	}
	slot->got = 0;
	slot->accepted = queue->held < model->plan->capacity;
	if (!slot->accepted)
		return;
	new = once_new(model, slot, &fenced);
	slot->accepted = !fenced;
	if (fenced)
		return;
	if (new ? model_strikes(&model->wrong, MODEL_ID_NEVER, true) :
		  !model_strikes(&model->wrong, MODEL_ID_TWICE, true))
		return;
	slot->messages[0] = model_send(queue, &model->wrong, r->producer, r->seq, true, wish);
	slot->got = 1;
}

void model_once_return(struct model *model, struct slot *slot)
{
	struct history_record *r = &slot->log.records[slot->first];

	if (slot->call == REGISTER) {
		r->seq = slot->next - 1;
		r->deliveries = slot->epoch;
		slot_end(model, r, HISTORY_OK);
		/* Some are not sure of what they were told. */
		if (slot->next && !chance(model, 3))
			slot->next--;
		return;
	}
	if (slot->got)
		r->offset = model->queues[slot->queue].messages[slot->messages[0]].offset;
	slot_end(model, r, slot->accepted ? HISTORY_OK : HISTORY_FAILED);
	if (slot->accepted && slot->id == NO_ID && chance(model, 8))
		slot->next++;
}
