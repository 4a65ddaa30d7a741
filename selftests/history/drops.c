// SPDX-License-Identifier: MIT
/*
 * What was thrown away to make room for others, as far as their senders were told: of
 * what was ready all the time of that none was to go before it, and there were so many
 * messages, or there may have been, that there was no room.
 *
 * What goes first is of the lowest priority, and of that what was sent first. What was
 * delivered before may still be read by who was late, and so be spared; nobody knows.
 */
#include <stdlib.h>

#include "line.h"

static uint64_t drop_key(const struct history_record *send, uint64_t offset)
{
	uint64_t place = offset < CHECK_FIRST - 2 ? offset : CHECK_FIRST - 2;

	return history_priority(send) * CHECK_FIRST + place;
}

/* When each stay would go, by itself. */
static uint64_t *drop_keys(const struct check *check)
{
	uint64_t *keys = malloc((check->nr_stays + 1) * sizeof(*keys));
	size_t i;

	if (!keys)
		abort();
	for (i = 0; i < check->nr_stays; i++)
		keys[i] = UINT64_MAX;
	for (i = 0; i < check->nr_messages; i++) {
		const struct check_message *message = &check->messages[i];

		if (message->ready != CHECK_NONE)
			keys[message->ready] = drop_key(check_record(check, message->send),
							message->offset);
	}
	return keys;
}

/* Those that were dropped, by when that began, in others. */
static size_t drops_sort(struct check *check)
{
	size_t i, count = 0;

	for (i = 0; i < check->nr_messages; i++) {
		const struct check_message *message = &check->messages[i];

		if (message->dropped != CHECK_NONE)
			check->others[count++] = (struct sort_item){
				check_record(check, message->dropped)->invoked, i,
			};
	}
	sort_items(check->others, check->spare, count);
	return count;
}

static void drops_order(struct check *check, size_t count)
{
	uint64_t *keys = drop_keys(check);
	struct line line;
	size_t i;

	line_make(&line, check, keys);
	for (i = 0; i < count; i++) {
		const struct check_message *message = &check->messages[check->others[i].index];
		const struct history_record *r = check_record(check, message->dropped);
		struct first first;

		line_go_on(&line, r->invoked);
		first = line_first(&line, r->returned);
		if (first.key < drop_key(check_record(check, message->send), r->offset))
			check_fault(check, HISTORY_DROP_ORDER, check->stays[first.stay].record,
				    message->send, message->dropped);
	}
	line_free(&line);
	free(keys);
}

/* All that was to be sent: since when it may take a place, and by when it does not. */
static size_t places_sort(struct check *check, struct sort_item *begins, struct sort_item *ends)
{
	size_t i, count = 0, nr_ends = 0;

	for (i = 0; i < check->count; i++) {
		const struct history_record *r = check_record(check, check->records[i]);

		if (r->op != HISTORY_SEND)
			continue;
		begins[count++] = (struct sort_item){ r->invoked, check->records[i] };
		if (r->outcome == HISTORY_FAILED)
			ends[nr_ends++] = (struct sort_item){ r->returned, check->records[i] };
	}
	for (i = 0; i < check->nr_messages; i++)
		if (check_record(check, check->messages[i].send)->outcome != HISTORY_FAILED)
			ends[nr_ends++] = (struct sort_item){
				check->messages[i].vacated, check->messages[i].send,
			};
	sort_items(begins, check->spare, count);
	sort_items(ends, check->spare, nr_ends);
	/* Of what is wrong otherwise there may be no end. */
	for (; nr_ends < count; nr_ends++)
		ends[nr_ends].key = check->history->never;
	return count;
}

static void drops_needed(struct check *check, size_t count)
{
	struct sort_item *ends = malloc((check->count + 1) * sizeof(*ends));
	size_t i, places;

	if (!ends)
		abort();
	places = places_sort(check, check->items, ends);
	for (i = 0; i < count; i++) {
		const struct check_message *message = &check->messages[check->others[i].index];
		const struct history_record *r = check_record(check, message->dropped);
		size_t most = sort_below(check->items, places, r->returned) -
			      sort_below(ends, places, r->invoked);

		if (most <= check->limit)
			check_fault(check, HISTORY_NEEDLESS, message->send, message->dropped,
				    CHECK_NONE);
	}
	free(ends);
}

void check_drops(struct check *check)
{
	size_t count;

	if (!check->drops)
		return;
	count = drops_sort(check);
	drops_order(check, count);
	if (check->limit)
		drops_needed(check, count);
}
