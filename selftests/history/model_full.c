// SPDX-License-Identifier: MIT
/* What a queue of the model does when it is full: others go, the oldest of the least. */
#include "model_queue.h"

/* So long ago that those who sent it know of it. */
static bool is_old(const struct model_wrong *wrong, const struct model_message *message)
{
	return message->asked && !message->deliveries &&
	       message->since + 30 * MODEL_CALL_TIME < wrong->now;
}

/* The list of @priority at whose beginning is what was sent first, in place of @old if older. */
static void older(struct model_queue *queue, struct model_list *list, struct model_list **old)
{
	if (list->head < list->count &&
	    (!*old || queue->messages[list->at[list->head]].offset <
			      queue->messages[(*old)->at[(*old)->head]].offset))
		*old = list;
}

static uint32_t class_oldest(struct model_queue *queue, int priority)
{
	struct model_list *old = NULL;

	older(queue, &queue->ready[priority], &old);
	older(queue, &queue->late[priority], &old);
	older(queue, &queue->back[priority], &old);
	if (!old)
		return MODEL_NOTHING;
	return old == &queue->ready[priority] ? old->at[old->head++] : model_heap_take(queue, old);
}

/* One that is out, and that its sender will hear of. */
static uint32_t full_leased(struct model_queue *queue, struct model_wrong *wrong)
{
	const enum model_mutant mutant =
		queue->full == HISTORY_DROPS ? MODEL_DROP_LEASED : MODEL_KILL_LEASED;
	size_t i;

	if (wrong->mutant != mutant || wrong->struck)
		return MODEL_NOTHING;
	for (i = queue->alive; i < queue->count; i++) {
		const struct model_message *message = &queue->messages[i];

		if (model_strikes(wrong, mutant, message->state == MODEL_LEASED && message->asked &&
				  message->taken + 2 * MODEL_CALL_TIME < wrong->now))
			return i;
	}
	return MODEL_NOTHING;
}

/* Not the one that is to go, but one that is to stay. */
static uint32_t full_wrong(struct model_queue *queue, struct model_wrong *wrong, int priority)
{
	const struct model_list *ready = &queue->ready[priority];
	int high = MODEL_PRIORITIES - 1;
	struct model_list *other;
	bool old;

	if (ready->head == ready->count)
		return MODEL_NOTHING;
	old = is_old(wrong, &queue->messages[ready->at[ready->head]]);
	while (queue->ready[high].head == queue->ready[high].count)
		high--;
	other = &queue->ready[high];
	if (model_strikes(wrong, MODEL_DROP_HIGH, high > priority && old &&
			  queue->messages[other->at[other->head]].asked))
		return other->at[other->head++];
	if (model_strikes(wrong, MODEL_DROP_YOUNG, ready->count - ready->head > 10 && old &&
			  queue->messages[ready->at[ready->count - 1]].asked))
		return ready->at[--queue->ready[priority].count];
	return MODEL_NOTHING;
}

static uint32_t full_victim(struct model_queue *queue, struct model_wrong *wrong)
{
	uint32_t victim = full_leased(queue, wrong);
	int priority = 0;

	if (victim != MODEL_NOTHING)
		return victim;
	while (priority < MODEL_PRIORITIES && !model_class_depth(queue, priority))
		priority++;
	if (priority == MODEL_PRIORITIES)
		return MODEL_NOTHING;
	victim = full_wrong(queue, wrong, priority);
	return victim != MODEL_NOTHING ? victim : class_oldest(queue, priority);
}

/* Whether one could go, and did. */
static bool full_go(struct model_queue *queue, struct model_wrong *wrong)
{
	uint32_t victim = full_victim(queue, wrong);
	struct model_message *message = &queue->messages[victim];

	if (victim == MODEL_NOTHING)
		return false;
	if (queue->full == HISTORY_KILLS) {
		model_die(queue, wrong, victim, HISTORY_MADE_ROOM);
		return true;
	}
	message->end = HISTORY_END_DROPPED;
	message->ended = wrong->now;
	queue->dropped++;
	model_gone(queue, wrong, victim);
	return true;
}

bool model_room(struct model_queue *queue, struct model_wrong *wrong)
{
	const struct model_list *ready = &queue->ready[0];

	if (queue->held < queue->capacity) {
		if (model_strikes(wrong, MODEL_DROP_ROOMY,
				  ready->head < ready->count && queue->held < queue->capacity / 8 &&
				  queue->messages[ready->at[ready->head]].asked))
			full_go(queue, wrong);
		return true;
	}
	return queue->full && full_go(queue, wrong);
}
