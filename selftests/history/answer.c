// SPDX-License-Identifier: MIT
/*
 * Requests and answers. An answer and the settlement of its request are a transaction,
 * and judged as one; here is what else is known of them: a request is settled by one
 * answer, in whichever queue it was by then, and an answer goes nowhere only if the
 * queue that it is for has ended.
 */
#include <stdlib.h>

#include "check.h"

#define QUEUES (UINT16_MAX + 1)

static uint64_t identity(const struct history_record *r)
{
	return (uint64_t)r->producer << 32 | r->seq;
}

/* The record that each temporary queue was made by. */
static uint32_t *answer_owners(const struct check *check)
{
	uint32_t *owners = malloc(QUEUES * sizeof(*owners));
	size_t i;

	if (!owners)
		abort();
	for (i = 0; i < QUEUES; i++)
		owners[i] = CHECK_NONE;
	for (i = 0; i < check->history->count; i++) {
		const struct history_record *r = &check->history->records[i];

		if (r->op == HISTORY_QUEUE && r->flags & HISTORY_TEMPORARY)
			owners[r->target] = i;
	}
	return owners;
}

/* The queue at @owner was surely there when @settle ended. */
static bool answer_had_place(const struct check *check, uint32_t owner,
			     const struct history_record *settle)
{
	const struct history_record *death;

	if (owner == CHECK_NONE)
		return true;
	death = check_end_of(check, &check->deaths, check_record(check, owner)->client);
	return !death || death->invoked > settle->returned;
}

/* Each that was settled for an answer, by message, in @items: how many. */
static size_t answers_collect(struct check *check, struct sort_item *items)
{
	uint32_t *owners = answer_owners(check);
	size_t i, count = 0;

	for (i = 1; i < check->history->count; i++) {
		const struct history_record *settle = check_record(check, i);
		const struct history_record *send = settle - 1;

		if (!(settle->op == HISTORY_ACK || settle->op == HISTORY_EXTEND) ||
		    !(settle->flags & HISTORY_ANSWERED) || settle->outcome != HISTORY_OK)
			continue;
		if (send->outcome != HISTORY_OK &&
		    answer_had_place(check, owners[send->target], settle))
			check_fault(check, HISTORY_ANSWER_LOST, i - 1, i, CHECK_NONE);
		if (send->outcome == HISTORY_OK && settle->op == HISTORY_ACK)
			items[count++] = (struct sort_item){ identity(settle), i };
	}
	free(owners);
	return count;
}

void check_answers(struct check *check)
{
	const struct history *history = check->history;
	struct sort_item *items, *spare;
	size_t i, count = 0;

	for (i = 0; i < history->count; i++)
		count += history->records[i].op == HISTORY_SEND &&
			 history->records[i].count == HISTORY_ANSWER;
	if (!count)
		return;
	items = malloc(count * sizeof(*items));
	spare = malloc(count * sizeof(*spare));
	if (!items || !spare)
		abort();
	count = answers_collect(check, items);
	sort_items(items, spare, count);
	for (i = 1; i < count; i++)
		if (items[i].key == items[i - 1].key)
			check_fault(check, HISTORY_ANSWERED_TWICE, items[i - 1].index,
				    items[i].index, CHECK_NONE);
	free(items);
	free(spare);
}
