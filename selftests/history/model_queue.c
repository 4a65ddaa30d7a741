// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "model_queue.h"

/* Most calls are over by then, and all. */
#define CALL_TIME	1000
#define CALLS_TIME	45000
/* A lease that lasts so long yet will be had by another before it is over. */
#define EARLY_TIME	60000

bool model_strikes(struct model_wrong *wrong, enum model_mutant mutant, bool occasion)
{
	if (wrong->mutant != mutant || wrong->struck || wrong->calls < wrong->after || !occasion)
		return false;
	wrong->struck = true;
	return true;
}

static void *grow(void *memory, size_t *room, size_t size)
{
	*room = *room ? *room * 2 : 64;
	memory = realloc(memory, *room * size);
	if (!memory)
		abort();
	return memory;
}

static void list_add(struct model_list *list, uint32_t message)
{
	if (list->count == list->room)
		list->at = grow(list->at, &list->room, sizeof(*list->at));
	list->at[list->count++] = message;
}

static void swap(uint32_t *a, uint32_t *b)
{
	uint32_t old = *a;

	*a = *b;
	*b = old;
}

static bool heap_before(const struct model_queue *queue, size_t i, size_t j)
{
	return queue->messages[queue->back.at[i]].offset <
	       queue->messages[queue->back.at[j]].offset;
}

static void heap_add(struct model_queue *queue, uint32_t message)
{
	size_t i = queue->back.count;

	list_add(&queue->back, message);
	for (; i && heap_before(queue, i, (i - 1) / 2); i = (i - 1) / 2)
		swap(&queue->back.at[i], &queue->back.at[(i - 1) / 2]);
}

static uint32_t heap_take(struct model_queue *queue)
{
	struct model_list *heap = &queue->back;
	uint32_t message = heap->at[0];
	size_t i = 0, child;

	heap->at[0] = heap->at[--heap->count];
	while ((child = 2 * i + 1) < heap->count) {
		if (child + 1 < heap->count && heap_before(queue, child + 1, child))
			child++;
		if (!heap_before(queue, child, i))
			break;
		swap(&heap->at[i], &heap->at[child]);
		i = child;
	}
	return message;
}

size_t model_depth(const struct model_queue *queue)
{
	return queue->ready.count - queue->ready.head + queue->back.count;
}

static uint32_t queue_insert(struct model_queue *queue, uint32_t producer, uint32_t seq)
{
	if (queue->count == queue->room)
		queue->messages = grow(queue->messages, &queue->room, sizeof(*queue->messages));
	queue->messages[queue->count] = (struct model_message){
		.offset = queue->next_offset++, .producer = producer, .seq = seq,
	};
	queue->held++;
	return queue->count++;
}

uint32_t model_send(struct model_queue *queue, struct model_wrong *wrong, uint32_t producer,
		    uint32_t seq, bool told)
{
	struct model_list *ready = &queue->ready;
	uint32_t message;

	if (model_strikes(wrong, MODEL_REUSE, told && queue->told))
		queue->next_offset--;
	if (model_strikes(wrong, MODEL_SKIP, told))
		queue->next_offset++;
	queue->told = told;
	message = queue_insert(queue, producer, seq);
	if (model_strikes(wrong, MODEL_DROP, true)) {
		queue->messages[message].state = MODEL_GONE;
		return message;
	}
	list_add(ready, message);
	if (model_strikes(wrong, MODEL_SEND_TWICE, true))
		list_add(ready, queue_insert(queue, producer, seq));
	if (model_strikes(wrong, MODEL_INVENT, true))
		list_add(ready, queue_insert(queue, producer, seq + 1000000));
	if (model_strikes(wrong, MODEL_SWAP, ready->count - ready->head > 30))
		swap(&ready->at[ready->count - 2], &ready->at[ready->count - 29]);
	return message;
}

static uint32_t queue_next(struct model_queue *queue, struct model_wrong *wrong, bool told)
{
	struct model_list *back = &queue->back, *ready = &queue->ready;

	/* If the first in line came back in that time, it may have come too late. */
	if (model_strikes(wrong, MODEL_BACK_MIXED, told && back->count > 3 &&
			  queue->messages[back->at[0]].since + CALL_TIME < wrong->invoked))
		return back->at[--back->count];
	if (back->count)
		return heap_take(queue);
	if (ready->head == ready->count)
		return MODEL_NOTHING;
	return ready->at[ready->head++];
}

static void queue_time(struct model_queue *queue, struct model_message *message, uint64_t until)
{
	message->until = until;
	if (until < queue->due)
		queue->due = until;
}

uint32_t model_take(struct model_queue *queue, struct model_wrong *wrong, uint32_t client,
		    uint32_t file, bool told, uint64_t until)
{
	struct model_message *message;
	uint32_t index;

	index = queue_next(queue, wrong, told);
	if (index == MODEL_NOTHING)
		return index;
	message = &queue->messages[index];
	if (model_strikes(wrong, MODEL_LEASE_TWICE, message->state == MODEL_READY && told))
		queue->ready.head--;
	message->state = MODEL_LEASED;
	message->client = client;
	message->file = file;
	message->taken = wrong->now;
	queue_time(queue, message, until);
	if (!model_strikes(wrong, MODEL_NOT_COUNTED, message->deliveries && told))
		message->deliveries++;
	if (model_strikes(wrong, MODEL_COUNTED_TWICE, told))
		message->deliveries++;
	return index;
}

static void queue_give_back(struct model_queue *queue, struct model_wrong *wrong, uint32_t index)
{
	struct model_list *ready = &queue->ready;

	if (model_strikes(wrong, MODEL_BACK_LAST, ready->count - ready->head > 30)) {
		list_add(ready, index);
	} else {
		heap_add(queue, index);
	}
	queue->messages[index].state = MODEL_BACK;
	queue->messages[index].since = wrong->now;
}

/* The holder of the lease before it, whose time is over. */
static bool is_late(const struct model_message *message, const struct model_wrong *wrong,
		    uint32_t deliveries, struct model_fate fate)
{
	return fate.op == HISTORY_ACK && message->deliveries == deliveries + 1 &&
	       message->taken + CALLS_TIME < wrong->invoked;
}

static void queue_do(struct model_queue *queue, struct model_wrong *wrong, uint32_t index,
		     struct model_fate fate)
{
	struct model_message *message = &queue->messages[index];

	if (fate.op == HISTORY_ACK) {
		message->state = MODEL_GONE;
		queue->held--;
	} else if (fate.op == HISTORY_EXTEND) {
		queue_time(queue, message, fate.until);
	} else if (fate.until > wrong->now) {
		message->state = MODEL_DELAYED;
		queue_time(queue, message, fate.until);
	} else {
		queue_give_back(queue, wrong, index);
	}
}

bool model_settle(struct model_queue *queue, struct model_wrong *wrong, uint32_t index,
		  uint32_t file, uint32_t deliveries, struct model_fate fate)
{
	struct model_message *message = &queue->messages[index];
	bool right = message->state == MODEL_LEASED && message->file == file;
	bool ack = fate.op == HISTORY_ACK;

	if (model_strikes(wrong, MODEL_ACK_TWICE, message->state == MODEL_GONE && ack &&
			  deliveries && message->file == file &&
			  message->deliveries == deliveries))
		return true;
	if (message->state != MODEL_LEASED)
		return false;
	/* The end of a read in parts, by who reads. */
	if (!deliveries)
		deliveries = message->deliveries;
	if (message->deliveries != deliveries &&
	    !model_strikes(wrong, MODEL_UNFENCED, message->deliveries > deliveries + 1) &&
	    !model_strikes(wrong, MODEL_LATE, is_late(message, wrong, deliveries, fate)))
		return false;
	if (message->deliveries == deliveries && !right &&
	    !model_strikes(wrong, MODEL_FOREIGN, true))
		return false;
	if (model_strikes(wrong, MODEL_REFUSE, right))
		return false;
	if (ack && model_strikes(wrong, MODEL_RESURRECT, right)) {
		queue->held++;
		heap_add(queue, index);
	}
	queue_do(queue, wrong, index, fate);
	return true;
}

static void queue_skip_gone(struct model_queue *queue)
{
	while (queue->alive < queue->count && queue->messages[queue->alive].state == MODEL_GONE)
		queue->alive++;
}

void model_tick(struct model_queue *queue, struct model_wrong *wrong)
{
	size_t i;

	if (wrong->now < queue->due)
		return;
	queue_skip_gone(queue);
	queue->due = MODEL_NEVER;
	for (i = queue->alive; i < queue->count; i++) {
		struct model_message *message = &queue->messages[i];

		if (message->until == MODEL_NEVER ||
		    (message->state != MODEL_LEASED && message->state != MODEL_DELAYED))
			continue;
		if (message->until <= wrong->now ||
		    model_strikes(wrong, MODEL_EARLY, message->state == MODEL_LEASED &&
				  message->until > wrong->now + EARLY_TIME))
			queue_give_back(queue, wrong, i);
		else
			queue_time(queue, message, message->until);
	}
}

void model_put_back(struct model_queue *queue, struct model_wrong *wrong, uint32_t client,
		    uint32_t file)
{
	size_t i;

	queue_skip_gone(queue);
	for (i = queue->alive; i < queue->count; i++) {
		const struct model_message *message = &queue->messages[i];

		if (message->state != MODEL_LEASED ||
		    (client == MODEL_NOTHING ? message->file != file : message->client != client))
			continue;
		if (model_strikes(wrong, MODEL_FORGET, true))
			queue->messages[i].state = MODEL_GONE;
		else
			queue_give_back(queue, wrong, i);
	}
}

void model_lose_tail(struct model_queue *queue, struct model_wrong *wrong)
{
	struct model_list *ready = &queue->ready;

	if (model_strikes(wrong, MODEL_TAIL, ready->count - ready->head >= 2))
		ready->count -= 2;
}

uint32_t model_purge(struct model_queue *queue)
{
	struct model_wrong right = { 0 };
	uint32_t index, purged = 0;

	while ((index = queue_next(queue, &right, false)) != MODEL_NOTHING) {
		queue->messages[index].state = MODEL_GONE;
		queue->held--;
		purged++;
	}
	return purged;
}

void model_queue_free(struct model_queue *queue)
{
	free(queue->messages);
	free(queue->ready.at);
	free(queue->back.at);
}
