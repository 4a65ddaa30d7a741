// SPDX-License-Identifier: MIT
/* Who walks through a queue of the model sees all that is there, at one moment. */
#include "model_slot.h"

static void browse_tell(struct slot *slot, const struct model_message *message)
{
	struct history_record r = slot->log.records[slot->first];

	r.op = HISTORY_TOLD;
	r.offset = message->offset;
	r.producer = message->producer;
	r.seq = message->seq;
	history_append(&slot->walk, &r);
}

void model_browse_effect(struct model *model, struct slot *slot)
{
	const struct model_queue *queue = &model->queues[slot->queue];
	size_t i;

	slot->walk.count = 0;
	/* Some that are gone for a fault's sake. */
	for (i = queue->alive < 300 ? 0 : queue->alive - 300; i < queue->count; i++) {
		const struct model_message *message = &queue->messages[i];
		bool old = message->since + 5 * MODEL_CALL_TIME < model->wrong.invoked;

		if (message->state == MODEL_GONE) {
			if (model_strikes(&model->wrong, MODEL_GHOST,
					  i + 200 < queue->alive))
				browse_tell(slot, message);
			continue;
		}
		if (model_strikes(&model->wrong, MODEL_UNTOLD,
				  old && message->state != MODEL_LEASED &&
				  i + 20 < queue->count))
			continue;
		browse_tell(slot, message);
		if (model_strikes(&model->wrong, MODEL_TOLD_TWICE, true))
			browse_tell(slot, message);
	}
}

void model_browse_return(struct model *model, struct slot *slot)
{
	size_t i;

	slot_end(model, &slot->log.records[slot->first], HISTORY_OK);
	for (i = 0; i < slot->walk.count; i++) {
		slot->walk.records[i].returned = model->now;
		slot->walk.records[i].outcome = HISTORY_OK;
		history_append(&slot->log, &slot->walk.records[i]);
	}
}
