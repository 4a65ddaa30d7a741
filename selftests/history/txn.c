// SPDX-License-Identifier: MIT
/*
 * Transactions (I47): what is sent and settled in one is done, or not, all of it, at one
 * moment. The parts of one stand in a row in the log of their client.
 *
 * Before all else: who receives a message that one sent has seen that it was done, by
 * then at the latest. A client that was killed did not live to tell; so that is told
 * here, and what it says it settled then counts as settled.
 *
 * And at the end: something that it sent was surely never there, while nothing else can
 * have settled what it was to settle.
 */
#include <stdlib.h>

#include "check.h"

/* The records of one transaction. */
struct parts {
	uint32_t first, end;
};

static bool txn_next(const struct check *check, struct parts *parts)
{
	const struct history *history = check->history;
	const struct history_record *first, *r;
	size_t i = parts->end;

	while (i < history->count && !history->records[i].txn)
		i++;
	parts->first = i;
	first = &history->records[i];
	for (; i < history->count; i++) {
		r = &history->records[i];
		if (r->txn != first->txn || r->client != first->client)
			break;
	}
	parts->end = i;
	return parts->first < parts->end;
}

static uint64_t identity(const struct history_record *r)
{
	return (uint64_t)r->producer << 32 | r->seq;
}

/* Where a message was received, or told to be dead. */
static bool is_sight(const struct history_record *r)
{
	return (r->op == HISTORY_TAKE || r->op == HISTORY_MORE || r->op == HISTORY_BURIED) &&
	       r->outcome == HISTORY_OK && r->producer != HISTORY_NOBODY;
}

struct sights {
	struct sort_item *items;	/* by message, then by time */
	size_t count;
};

static void sights_make(struct sights *sights, const struct check *check)
{
	const struct history *history = check->history;
	struct sort_item *spare;
	size_t i;

	for (i = 0; i < history->count; i++)
		sights->count += is_sight(&history->records[i]);
	sights->items = malloc((sights->count + 1) * sizeof(*sights->items));
	spare = malloc((sights->count + 1) * sizeof(*spare));
	if (!sights->items || !spare)
		abort();
	sights->count = 0;
	for (i = 0; i < history->count; i++)
		if (is_sight(&history->records[i]))
			sights->items[sights->count++] = (struct sort_item){
				history->records[i].returned, i,
			};
	sort_items(sights->items, spare, sights->count);
	for (i = 0; i < sights->count; i++)
		sights->items[i].key = identity(&history->records[sights->items[i].index]);
	sort_items(sights->items, spare, sights->count);
	free(spare);
}

/* When the message of @send was seen first; UINT64_MAX: never. */
static uint64_t sights_first(const struct sights *sights, const struct check *check,
			     const struct history_record *send)
{
	size_t low = 0, high = sights->count, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (sights->items[middle].key < identity(send))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == sights->count || sights->items[low].key != identity(send))
		return UINT64_MAX;
	return check_record(check, sights->items[low].index)->returned;
}

static void txn_tell(struct check *check, const struct sights *sights, const struct parts *parts)
{
	uint64_t seen = UINT64_MAX, first;
	struct history_record *r;
	uint32_t i;

	for (i = parts->first; i < parts->end; i++) {
		r = check_record(check, i);
		if (r->op != HISTORY_SEND || r->outcome > HISTORY_OK)
			return;
		first = sights_first(sights, check, r);
		seen = first < seen ? first : seen;
		if (i + 1 == parts->end || check_record(check, i + 1)->op != HISTORY_SEND)
			break;
	}
	for (i = parts->first; seen != UINT64_MAX && i < parts->end; i++) {
		r = check_record(check, i);
		r->outcome = HISTORY_OK;
		if (seen >= r->invoked && seen < r->returned)
			r->returned = seen;
	}
}

void check_txns(struct check *check)
{
	struct parts parts = { 0 };
	struct sights sights = { 0 };

	if (!txn_next(check, &parts))
		return;
	sights_make(&sights, check);
	do {
		txn_tell(check, &sights, &parts);
	} while (txn_next(check, &parts));
	free(sights.items);
}

void check_txns_torn(struct check *check)
{
	struct parts parts = { 0 };

	while (txn_next(check, &parts)) {
		uint32_t i, never = CHECK_NONE, gone = CHECK_NONE;

		for (i = parts.first; i < parts.end; i++) {
			const struct history_record *r = check_record(check, i);

			if (r->op == HISTORY_SEND && r->flags & CHECK_NEVER_WAS)
				never = i;
			else if (r->op != HISTORY_SEND && r->flags & CHECK_ALL_ALONE)
				gone = i;
		}
		if (never != CHECK_NONE && gone != CHECK_NONE)
			check_fault(check, HISTORY_TORN, never, gone, CHECK_NONE);
	}
}
