// SPDX-License-Identifier: MIT
/* Of the ends of messages their senders are told, when all is over. */
#include "model_slot.h"

static void receipt_log(struct model *model, struct slot *slot,
			const struct model_message *message, uint32_t end)
{
	struct history_record r = slot_record(model, slot, HISTORY_RECEIPT);

	r.producer = message->producer;
	r.seq = message->seq;
	r.offset = message->offset;
	r.deliveries = message->deliveries;
	r.count = end;
	if (message->end == HISTORY_END_DROPPED) {
		r.invoked = r.returned = message->ended;
		r.outcome = HISTORY_OK;
		slot_log(model, slot, r);
		return;
	}
	slot_end(model, slot_log(model, slot, r), HISTORY_OK);
}

void model_receipts(struct model *model, struct slot *slot, uint16_t number)
{
	const struct model_queue *queue = &model->queues[number];
	size_t i;

	slot->queue = number;
	for (i = 0; i < queue->count; i++) {
		const struct model_message *message = &queue->messages[i];
		uint32_t end = message->end;
		bool known = end == HISTORY_END_ACKED || end == HISTORY_END_TAKEN;

		if (!message->asked || !end ||
		    model_strikes(&model->wrong, MODEL_NO_RECEIPT, known) ||
		    model_strikes(&model->wrong, MODEL_DROP_UNTOLD,
				  end == HISTORY_END_DROPPED))
			continue;
		if (model_strikes(&model->wrong, MODEL_WRONG_RECEIPT, known))
			end = HISTORY_END_DEAD;
		receipt_log(model, slot, message, end);
		if (model_strikes(&model->wrong, MODEL_TWO_RECEIPTS, true))
			receipt_log(model, slot, message, end);
	}
}
