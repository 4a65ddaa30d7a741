// SPDX-License-Identifier: MIT
/* Whose turn it is to receive, and how much. */
#include "model_queue.h"

static uint32_t turn_held(const struct model_queue *queue, uint32_t client, uint32_t file)
{
	uint32_t held = 0;
	size_t i;

	for (i = queue->alive; i < queue->count; i++)
		held += queue->messages[i].state == MODEL_LEASED &&
			queue->messages[i].client == client && queue->messages[i].file == file;
	return held;
}

uint32_t model_admit(struct model_queue *queue, struct model_wrong *wrong, uint32_t client,
		     uint32_t file, uint32_t prefetch)
{
	uint32_t held;

	if (queue->single && queue->active && queue->active != file &&
	    !model_strikes(wrong, MODEL_NOT_ALONE, model_depth(queue)))
		return 0;
	if (!prefetch)
		return MODEL_BUSY - 1;
	/* From then on, for nobody knows of those that are just being settled. */
	if (wrong->mutant == MODEL_HOARD && wrong->struck)
		return MODEL_BUSY - 1;
	held = turn_held(queue, client, file);
	if (held < prefetch)
		return prefetch - held;
	return model_strikes(wrong, MODEL_HOARD, model_depth(queue)) ? 1 : MODEL_BUSY;
}
