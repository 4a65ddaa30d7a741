// SPDX-License-Identifier: MIT
/* Of the messages of one key one is in line, or out, and the others are behind it. */
#include "model_queue.h"

bool model_key_join(struct model_queue *queue, struct model_wrong *wrong, uint32_t index)
{
	struct model_message *message = &queue->messages[index];
	struct model_chain *chain = &queue->chains[message->key];
	const struct model_message *head;

	if (!message->key || chain->head == index + 1)
		return false;
	if (!chain->head) {
		chain->head = index + 1;
		return false;
	}
	head = &queue->messages[chain->head - 1];
	if (model_strikes(wrong, MODEL_KEY_TWO, head->state == MODEL_LEASED &&
			  head->taken + MODEL_CALL_TIME < wrong->now))
		return false;
	message->state = MODEL_BEHIND;
	model_list_add(&chain->behind, index);
	return true;
}

void model_key_leave(struct model_queue *queue, struct model_wrong *wrong, uint32_t index)
{
	struct model_chain *chain = &queue->chains[queue->messages[index].key];
	struct model_list *behind = &chain->behind;
	size_t count = behind->count - behind->head;
	uint32_t next;

	if (chain->head != index + 1)
		return;
	chain->head = 0;
	/* Nobody ever comes to it. */
	if (model_strikes(wrong, MODEL_KEY_STUCK, count)) {
		behind->head++;
		count--;
	}
	if (!count)
		return;
	next = behind->head++;
	if (model_strikes(wrong, MODEL_KEY_SWAP, count > 4)) {
		uint32_t later = behind->at[next + 4];

		behind->at[next + 4] = behind->at[next];
		behind->at[next] = later;
	}
	next = behind->at[next];
	chain->head = next + 1;
	queue->messages[next].state = MODEL_READY;
	queue->messages[next].since = wrong->now;
	queue->messages[next].since_late = true;
	model_heap_add(queue, &queue->late[queue->messages[next].priority], next);
}

uint32_t model_key_purge(struct model_queue *queue)
{
	uint32_t purged = 0;
	int i;

	for (i = 1; i <= MODEL_KEYS; i++) {
		struct model_list *behind = &queue->chains[i].behind;

		for (; behind->head < behind->count; behind->head++, purged++) {
			queue->messages[behind->at[behind->head]].state = MODEL_GONE;
			queue->messages[behind->at[behind->head]].end = HISTORY_END_PURGED;
			queue->held--;
		}
	}
	return purged;
}
