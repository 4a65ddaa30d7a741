// SPDX-License-Identifier: MIT
/* A queue of the model that one client has open at a time. It is only opened and closed. */
#include "model_slot.h"

#define EXCLUSIVE	50

void model_open_tell(struct model *model)
{
	const struct history_record r = {
		.op = HISTORY_QUEUE, .target = EXCLUSIVE, .invoked = 1, .returned = 1,
		.outcome = HISTORY_OK, .offset = HISTORY_NOWHERE, .producer = HISTORY_NOBODY,
		.flags = HISTORY_EXCLUSIVE,
	};

	if (model->plan->exclusive)
		history_append(&model->control, &r);
}

void model_open_begin(struct model *model, struct slot *slot)
{
	struct history_record r;

	r = slot_record(model, slot, slot->open ? HISTORY_CLOSE : HISTORY_OPEN);
	r.target = EXCLUSIVE;
	r.file = slot->open ? slot->open : ++model->files;
	if (slot->open)
		r.flags = HISTORY_BACK;
	slot_log(model, slot, r);
}

/* Who has it knows that, and is at something else. */
static bool open_is_kept(const struct model *model)
{
	unsigned int i;

	for (i = 0; i < model->plan->clients; i++) {
		const struct slot *slot = &model->slots[i];

		if (slot->open && slot->open == model->open && slot->phase == CALLED &&
		    slot->call != OPEN && slot->at > model->now + MODEL_CALL_TIME)
			return true;
	}
	return false;
}

/* From then on, for who comes beside may have it. */
static bool open_shuts_out(struct model *model)
{
	return model_strikes(&model->wrong, MODEL_SHUT_OUT, true) ||
	       (model->wrong.mutant == MODEL_SHUT_OUT && model->wrong.struck);
}

void model_open_effect(struct model *model, struct slot *slot)
{
	const struct history_record *r = &slot->log.records[slot->first];

	if (slot->open) {
		if (model->open == slot->open)
			model->open = 0;
		return;
	}
	slot->accepted = model->open ?
				 model_strikes(&model->wrong, MODEL_NOT_EXCLUSIVE,
					       open_is_kept(model)) :
				 !open_shuts_out(model);
	if (!slot->accepted)
		return;
	model->open = r->file;
	model->opener = slot->client;
}

void model_open_return(struct model *model, struct slot *slot)
{
	struct history_record *r = &slot->log.records[slot->first];

	if (slot->open) {
		slot->open = 0;
		slot_end(model, r, HISTORY_OK);
		return;
	}
	slot->open = slot->accepted ? r->file : 0;
	slot_end(model, r, slot->accepted ? HISTORY_OK : HISTORY_FAILED);
}

void model_open_end(struct model *model, uint32_t client)
{
	if (model->opener == client)
		model->open = 0;
}
