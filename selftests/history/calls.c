// SPDX-License-Identifier: MIT
/*
 * Each call that received, against the messages that were ready from before it to
 * after it: of these none is before what it got, and there is none when it got
 * nothing (I42, I48).
 */
#include <stdlib.h>

#include "line.h"

/* It was not there, though it was to be. Later calls would only say so again. */
static void line_fault(const struct line *line, uint32_t call, uint32_t index)
{
	const struct history_record *r = check_record(line->check, call);
	struct check_stay *stay = &line->check->stays[index];
	enum history_fault fault = HISTORY_REORDERED;

	if (stay->told)
		return;
	stay->told = true;
	if (stay->missing) {
		check_lost(line->check, stay->record, call, CHECK_NONE);
		return;
	}
	if (r->outcome == HISTORY_EMPTY)
		fault = HISTORY_FALSE_EMPTY;
	else if (stay->key / CHECK_CLASS < line->check->keys[call] / CHECK_CLASS)
		fault = HISTORY_PRIORITY;
	else if (!(stay->key & CHECK_FIRST))
		fault = HISTORY_REDELIVERY;
	check_fault(line->check, fault, stay->record, call, CHECK_NONE);
}

/* What came in one call came in order. */
static void calls_inside(struct check *check)
{
	size_t i;

	for (i = 1; i < check->count; i++) {
		const struct history_record *r = check_record(check, check->records[i]);
		const struct history_record *before = check_record(check, check->records[i - 1]);
		uint64_t key = check->keys[check->records[i]];
		uint64_t last = check->keys[check->records[i - 1]];

		if (r->op != HISTORY_MORE || before->client != r->client ||
		    before->invoked != r->invoked || !key || !last ||
		    key % CHECK_CLASS == CHECK_FIRST)
			continue;
		if (key < last)
			check_fault(check, key / CHECK_CLASS < last / CHECK_CLASS ?
						   HISTORY_PRIORITY :
					   key & CHECK_FIRST ? HISTORY_REORDERED :
							       HISTORY_REDELIVERY,
				    check->records[i - 1], check->records[i], CHECK_NONE);
	}
}

/* The calls by invocation, in others. */
static size_t calls_sort(struct check *check)
{
	size_t i, count = 0;

	for (i = 0; i < check->count; i++) {
		uint32_t index = check->records[i];
		const struct history_record *r = check_record(check, index);

		if (r->op != HISTORY_TAKE && r->op != HISTORY_MORE)
			continue;
		if (r->outcome == HISTORY_EMPTY && !check->single)
			check->keys[index] = UINT64_MAX;
		if (check->keys[index])
			check->others[count++] = (struct sort_item){ r->invoked, index };
	}
	sort_items(check->others, check->spare, count);
	return count;
}

void check_calls(struct check *check)
{
	uint64_t *keys = malloc((check->nr_stays + 1) * sizeof(*keys));
	size_t i, count;
	struct line line;

	if (!keys)
		abort();
	for (i = 0; i < check->nr_stays; i++)
		keys[i] = check->stays[i].key;
	calls_inside(check);
	line_make(&line, check, keys);
	count = calls_sort(check);
	for (i = 0; i < count; i++) {
		const struct history_record *r = check_record(check, check->others[i].index);
		struct first first;

		line_go_on(&line, r->invoked);
		first = line_first(&line, r->returned);
		if (first.key < check->keys[check->others[i].index])
			line_fault(&line, check->others[i].index, first.stay);
	}
	line_free(&line);
	free(keys);
}
