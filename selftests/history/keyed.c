// SPDX-License-Identifier: MIT
/*
 * Order keys (I42): of the messages of one key there is one at a time, from its first
 * delivery until it is gone, and they come by their offsets. So one is surely ready
 * only when those before it are gone.
 *
 * One that its sender delayed comes behind what is there when its time has come; it,
 * and one whose offset nobody knows, may be before all that was sent after that.
 */
#include <stdlib.h>

#include "check.h"

/* The messages of one key; in items those that have their places, by offset. */
struct chain {
	struct check *check;
	const uint32_t *messages;
	size_t count;
};

static struct check_message *chain_message(const struct chain *chain, size_t i)
{
	return &chain->check->messages[chain->messages[i]];
}

static const struct history_record *chain_send(const struct chain *chain, size_t i)
{
	return check_record(chain->check, chain_message(chain, i)->send);
}

static bool chain_has_place(const struct chain *chain, size_t i)
{
	return chain_message(chain, i)->offset != HISTORY_NOWHERE &&
	       !history_time(chain_send(chain, i));
}

/* Those that were delivered, by a time of that. */
static size_t chain_sort(const struct chain *chain, struct sort_item *items, bool returned)
{
	struct check *check = chain->check;
	size_t i, count = 0;

	for (i = 0; i < chain->count; i++) {
		const struct check_message *message = chain_message(chain, i);
		const struct history_record *r;

		if (message->delivery == CHECK_NONE)
			continue;
		r = check_record(check, message->delivery);
		items[count++] = (struct sort_item){ returned ? r->returned : r->invoked, i };
	}
	sort_items(items, check->spare, count);
	return count;
}

/* None is delivered from the first delivery of another one until that may be gone. */
static void chain_alone(const struct chain *chain)
{
	struct check *check = chain->check;
	size_t i, done = 0, count = chain_sort(chain, check->items, false);
	const struct check_message *out = NULL;

	chain_sort(chain, check->others, true);
	for (i = 0; i < count; i++) {
		const struct check_message *message = chain_message(chain, check->items[i].index);
		const struct history_record *r = check_record(check, message->delivery);

		for (; check->others[done].key < r->invoked; done++) {
			const struct check_message *other =
				chain_message(chain, check->others[done].index);

			if (!out || other->gone_since > out->gone_since)
				out = other;
		}
		if (out && out->gone_since > r->returned)
			check_fault(check, HISTORY_KEY_SHARED, out->send, out->delivery,
				    message->delivery);
	}
}

/* When one that has no place may come, and before what. */
static uint64_t chain_comes(const struct chain *chain, size_t i)
{
	const struct history_record *send = chain_send(chain, i);

	return send->invoked + history_time(send);
}

/* Those without a place, by when they come, in others: when they all are gone. */
static size_t chain_unplaced(const struct chain *chain)
{
	struct sort_item *items = chain->check->others;
	size_t i, count = 0;

	for (i = 0; i < chain->count; i++)
		if (!chain_has_place(chain, i))
			items[count++] = (struct sort_item){ chain_comes(chain, i), i };
	sort_items(items, chain->check->spare, count);
	return count;
}

/* When all of the first @count of those that have no place are gone. */
static void chain_wait(const struct chain *chain, size_t unplaced, uint64_t *gone)
{
	size_t i;

	for (i = 0; i < unplaced; i++) {
		uint64_t last = i ? gone[i - 1] : 0;

		gone[i] = chain_message(chain, chain->check->others[i].index)->gone;
		if (gone[i] < last)
			gone[i] = last;
	}
}

static size_t chain_before(const struct sort_item *items, size_t count, uint64_t time)
{
	size_t low = 0, high = count, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (items[middle].key <= time)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* It is ready from @from on, and not before. */
static void chain_ready(struct check *check, const struct check_message *message, uint64_t from)
{
	struct check_stay *stay;

	if (message->ready == CHECK_NONE)
		return;
	stay = &check->stays[message->ready];
	if (from > stay->from)
		stay->from = from;
	if (stay->from >= stay->until)
		stay->until = 0;
}

/* @message came while @before, which is before it, was not gone. */
static void chain_fault(struct check *check, const struct check_message *before,
			const struct check_message *message)
{
	const struct history_record *r = check_record(check, message->delivery);
	bool out = before->delivery != CHECK_NONE &&
		   check_record(check, before->delivery)->returned <= r->returned;

	check_fault(check, out ? HISTORY_KEY_SHARED : HISTORY_KEY_ORDER, before->send,
		    out ? before->delivery : message->send, message->delivery);
}

/* By offset, for so they come. */
static void chain_in_order(const struct chain *chain, uint64_t *gone)
{
	struct check *check = chain->check;
	size_t i, before, unplaced = chain_unplaced(chain);
	const struct check_message *last = NULL;
	uint64_t free = 0, from;

	chain_wait(chain, unplaced, gone);
	for (i = 0; i < chain->count; i++) {
		const struct check_message *message = chain_message(chain, i);

		if (!chain_has_place(chain, i)) {
			chain_ready(check, message, check->history->never);
			continue;
		}
		if (last && message->delivery != CHECK_NONE &&
		    last->gone_since > check_record(check, message->delivery)->returned)
			chain_fault(check, last, message);
		before = chain_before(check->others, unplaced, chain_send(chain, i)->returned);
		from = before && gone[before - 1] > free ? gone[before - 1] : free;
		chain_ready(check, message, from);
		if (message->gone > free)
			free = message->gone;
		if (!last || message->gone_since > last->gone_since)
			last = message;
	}
}

/* All messages with keys: by key, and then by offset. */
static size_t keyed_sort(struct check *check)
{
	size_t i, count = 0;

	for (i = 0; i < check->nr_messages; i++)
		if (check_record(check, check->messages[i].send)->key)
			check->items[count++] = (struct sort_item){ check->messages[i].offset, i };
	sort_items(check->items, check->spare, count);
	for (i = 0; i < count; i++)
		check->items[i].key =
			check_record(check, check->messages[check->items[i].index].send)->key;
	sort_items(check->items, check->spare, count);
	return count;
}

static uint32_t keyed_key(const struct check *check, uint32_t message)
{
	return check_record(check, check->messages[message].send)->key;
}

void check_keyed(struct check *check)
{
	size_t i, begin, count = keyed_sort(check);
	uint32_t *messages = malloc((count + 1) * sizeof(*messages));
	uint64_t *gone = malloc((count + 1) * sizeof(*gone));

	if (!messages || !gone)
		abort();
	for (i = 0; i < count; i++)
		messages[i] = check->items[i].index;
	for (begin = 0; begin < count; begin = i) {
		struct chain chain = { .check = check, .messages = messages + begin };
		uint32_t key = keyed_key(check, messages[begin]);

		for (i = begin; i < count && keyed_key(check, messages[i]) == key; i++)
			chain.count++;
		chain_alone(&chain);
		chain_in_order(&chain, gone);
	}
	free(messages);
	free(gone);
}
