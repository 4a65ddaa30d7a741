// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "model_queue.h"

/* All calls are over by then. */
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

void model_list_add(struct model_list *list, uint32_t message)
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

static bool heap_before(const struct model_queue *queue, const struct model_list *heap, size_t i,
			size_t j)
{
	return queue->messages[heap->at[i]].offset < queue->messages[heap->at[j]].offset;
}

void model_heap_add(struct model_queue *queue, struct model_list *heap, uint32_t message)
{
	size_t i = heap->count;

	model_list_add(heap, message);
	for (; i && heap_before(queue, heap, i, (i - 1) / 2); i = (i - 1) / 2)
		swap(&heap->at[i], &heap->at[(i - 1) / 2]);
}

uint32_t model_heap_take(struct model_queue *queue, struct model_list *heap)
{
	uint32_t message = heap->at[0];
	size_t i = 0, child;

	heap->at[0] = heap->at[--heap->count];
	while ((child = 2 * i + 1) < heap->count) {
		if (child + 1 < heap->count && heap_before(queue, heap, child + 1, child))
			child++;
		if (!heap_before(queue, heap, child, i))
			break;
		swap(&heap->at[i], &heap->at[child]);
		i = child;
	}
	return message;
}

size_t model_class_depth(const struct model_queue *queue, int priority)
{
	return queue->ready[priority].count - queue->ready[priority].head +
	       queue->late[priority].count + queue->back[priority].count;
}

size_t model_depth(const struct model_queue *queue)
{
	size_t depth = 0;
	int i;

	for (i = 0; i < MODEL_PRIORITIES; i++)
		depth += model_class_depth(queue, i);
	return depth;
}

static struct model_list *back_of(struct model_queue *queue, uint32_t message)
{
	return &queue->back[queue->messages[message].priority];
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

static void queue_time(struct model_queue *queue, struct model_message *message, uint64_t until)
{
	message->until = until;
	if (until < queue->due)
		queue->due = until;
}

uint32_t model_send(struct model_queue *queue, struct model_wrong *wrong, uint32_t producer,
		    uint32_t seq, bool told, struct model_wish wish)
{
	struct model_list *ready = &queue->ready[wish.priority];
	uint32_t message;

	if (model_strikes(wrong, MODEL_REUSE, told && queue->told))
		queue->next_offset--;
	if (model_strikes(wrong, MODEL_SKIP, told))
		queue->next_offset++;
	queue->told = told;
	message = queue_insert(queue, producer, seq);
	queue->messages[message].priority = wish.priority;
	queue->messages[message].key = wish.key;
	queue->messages[message].asked = wish.asked;
	queue->messages[message].asks = wish.asks;
	queue->messages[message].since = wrong->now;
	if (model_strikes(wrong, MODEL_DROP, true)) {
		queue->messages[message].state = MODEL_GONE;
		return message;
	}
	if (wish.until > wrong->now) {
		queue->messages[message].state = MODEL_DELAYED;
		queue_time(queue, &queue->messages[message], wish.until);
		return message;
	}
	if (model_key_join(queue, wrong, message))
		return message;
	model_list_add(ready, message);
	if (model_strikes(wrong, MODEL_SEND_TWICE, true))
		model_list_add(ready, queue_insert(queue, producer, seq));
	if (model_strikes(wrong, MODEL_INVENT, true))
		model_list_add(ready, queue_insert(queue, producer, seq + 1000000));
	if (model_strikes(wrong, MODEL_SWAP, ready->count - ready->head > 30))
		swap(&ready->at[ready->count - 2], &ready->at[ready->count - 29]);
	return message;
}

/* The first of @late and of those that never had to wait. */
static uint32_t class_first(struct model_queue *queue, struct model_list *ready,
			    struct model_list *late)
{
	bool any = ready->head < ready->count;

	if (late->count && (!any || queue->messages[late->at[0]].offset <
					    queue->messages[ready->at[ready->head]].offset))
		return model_heap_take(queue, late);
	return any ? ready->at[ready->head++] : MODEL_NOTHING;
}

/* The highest priority of which there is any; and perhaps the wrong one. */
static int queue_class(struct model_queue *queue, struct model_wrong *wrong, bool told)
{
	int first = MODEL_PRIORITIES - 1, other;
	bool many;

	while (first && !model_class_depth(queue, first))
		first--;
	many = model_class_depth(queue, first) > 10;
	for (other = first - 1; other >= 0; other--)
		if (model_class_depth(queue, other) &&
		    model_strikes(wrong, MODEL_LOW_FIRST, told && many))
			return other;
	return first;
}

static uint32_t queue_next(struct model_queue *queue, struct model_wrong *wrong, bool told)
{
	int class = queue_class(queue, wrong, told);
	struct model_list *back = &queue->back[class];

	/* If the first in line came back in that time, it may have come too late. */
	if (model_strikes(wrong, MODEL_BACK_MIXED, told && back->count > 3 &&
			  queue->messages[back->at[0]].since + MODEL_CALL_TIME < wrong->invoked))
		return back->at[--back->count];
	if (back->count)
		return model_heap_take(queue, back);
	return class_first(queue, &queue->ready[class], &queue->late[class]);
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
	if (model_strikes(wrong, MODEL_LEASE_TWICE, message->state == MODEL_READY && told &&
			  !message->since_late))
		queue->ready[message->priority].head--;
	queue->active = file;
	queue->active_client = client;
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

static void queue_bury(struct model_queue *queue, struct model_wrong *wrong, uint32_t index,
		       uint16_t reason)
{
	const struct model_message *message = &queue->messages[index];
	const struct model_wish wish = { .asks = message->asks };
	struct model_wrong right = { .now = wrong->now };
	struct model_message *letter;
	uint32_t sent;

	sent = model_send(queue->heir, &right, message->producer, message->seq, true, wish);
	letter = &queue->heir->messages[sent];
	letter->died.offset = message->offset;
	letter->died.deliveries = message->deliveries;
	letter->died.target = queue - (queue->heir - MODEL_DEAD);
	letter->died.reason = reason;
}

void model_gone(struct model_queue *queue, struct model_wrong *wrong, uint32_t index)
{
	queue->messages[index].state = MODEL_GONE;
	queue->held--;
	model_key_leave(queue, wrong, index);
}

void model_die(struct model_queue *queue, struct model_wrong *wrong, uint32_t index,
	       uint16_t reason)
{
	queue->messages[index].end = HISTORY_END_DEAD;
	model_gone(queue, wrong, index);
	if (model_strikes(wrong, MODEL_DEAD_LOST, true))
		return;
	queue_bury(queue, wrong, index, reason);
	if (model_strikes(wrong, MODEL_DEAD_TWICE, true))
		queue_bury(queue, wrong, index, reason);
}

static bool queue_must_die(struct model_wrong *wrong, const struct model_message *message)
{
	if (!message->deliveries)
		return false;
	if (message->deliveries < MODEL_MOST)
		return model_strikes(wrong, MODEL_DEAD_EARLY, true);
	/* From then on, for not all numbers are told. */
	if (wrong->mutant == MODEL_TOO_OFTEN && wrong->struck)
		return false;
	return !model_strikes(wrong, MODEL_TOO_OFTEN, true);
}

static void queue_give_back(struct model_queue *queue, struct model_wrong *wrong, uint32_t index)
{
	struct model_message *message = &queue->messages[index];
	struct model_list *ready = &queue->ready[message->priority];

	if (queue->heir && queue_must_die(wrong, message)) {
		model_die(queue, wrong, index, 0);
		return;
	}
	if (model_key_join(queue, wrong, index))
		return;
	if (model_strikes(wrong, MODEL_BACK_LAST, ready->count - ready->head > 30 &&
						  message->deliveries))
		model_list_add(ready, index);
	else if (message->deliveries)
		model_heap_add(queue, back_of(queue, index), index);
	else
		model_heap_add(queue, &queue->late[message->priority], index);
	message->since_late = !message->deliveries;
	message->state = message->deliveries ? MODEL_BACK : MODEL_READY;
	message->since = wrong->now;
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
	bool ack = fate.op == HISTORY_ACK;

	if (ack || (fate.op == HISTORY_TERM && !queue->heir)) {
		message->end = ack ? HISTORY_END_ACKED : HISTORY_END_DISCARDED;
		model_gone(queue, wrong, index);
		if (queue->heir && model_strikes(wrong, MODEL_UNDEAD, true))
			queue_bury(queue, wrong, index, HISTORY_GIVEN_UP);
	} else if (fate.op == HISTORY_TERM) {
		model_die(queue, wrong, index, HISTORY_GIVEN_UP);
	} else if (fate.op == HISTORY_EXTEND) {
		queue_time(queue, message, fate.until);
	} else if (fate.until > wrong->now && !(queue->heir && message->deliveries >= MODEL_MOST)) {
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
	bool ack = fate.op == HISTORY_ACK, taken = !deliveries;

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
		model_heap_add(queue, back_of(queue, index), index);
	}
	queue_do(queue, wrong, index, fate);
	if (taken && ack)
		message->end = HISTORY_END_TAKEN;
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
				  message->until > wrong->now + EARLY_TIME) ||
		    model_strikes(wrong, MODEL_TOO_SOON, message->state == MODEL_DELAYED &&
				  !message->deliveries && message->until > wrong->now + EARLY_TIME))
			queue_give_back(queue, wrong, i);
		else
			queue_time(queue, message, message->until);
	}
}

void model_put_back(struct model_queue *queue, struct model_wrong *wrong, uint32_t client,
		    uint32_t file)
{
	size_t i;

	if (client == MODEL_NOTHING ? queue->active == file : queue->active_client == client)
		queue->active = queue->active_client = 0;
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
	struct model_list *ready = &queue->ready[0];

	if (model_strikes(wrong, MODEL_TAIL, ready->count - ready->head >= 2))
		ready->count -= 2;
}

uint32_t model_purge(struct model_queue *queue)
{
	struct model_wrong right = { 0 };
	uint32_t index, purged = model_key_purge(queue);

	while ((index = queue_next(queue, &right, false)) != MODEL_NOTHING) {
		queue->messages[index].end = HISTORY_END_PURGED;
		model_gone(queue, &right, index);
		purged++;
	}
	return purged;
}

void model_queue_free(struct model_queue *queue)
{
	int i;

	free(queue->messages);
	for (i = 0; i < MODEL_PRIORITIES; i++) {
		free(queue->ready[i].at);
		free(queue->late[i].at);
		free(queue->back[i].at);
	}
	for (i = 0; i <= MODEL_KEYS; i++)
		free(queue->chains[i].behind.at);
}
