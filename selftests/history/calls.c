// SPDX-License-Identifier: MIT
/*
 * Each call that received, against the messages that were ready from before it to
 * after it: of these none is before what it got, and there is none when it got
 * nothing (I42, I48).
 *
 * Stays are put into a tree of minima as time goes on. It is indexed by their
 * ends, the latest first; so those that last until some time are a prefix.
 */
#include <stdlib.h>

#include "check.h"

struct first {
	uint64_t key;
	uint32_t stay;
};

struct line {
	struct check *check;
	uint64_t *ends;		/* of the stays, ascending */
	uint32_t *places;	/* in that order, by stay */
	struct first *minima;
	size_t count;
};

static void line_make(struct line *line, struct check *check)
{
	size_t i, count = check->nr_stays;

	line->check = check;
	line->count = count;
	line->ends = malloc((count + 1) * sizeof(*line->ends));
	line->places = malloc((count + 1) * sizeof(*line->places));
	line->minima = malloc((count + 1) * sizeof(*line->minima));
	if (!line->ends || !line->places || !line->minima)
		abort();
	for (i = 0; i < count; i++)
		check->items[i] = (struct sort_item){ check->stays[i].until, i };
	sort_items(check->items, check->spare, count);
	for (i = 0; i < count; i++) {
		line->ends[i] = check->items[i].key;
		line->places[check->items[i].index] = i;
	}
	for (i = 0; i <= count; i++)
		line->minima[i].key = UINT64_MAX;
}

static void line_free(struct line *line)
{
	free(line->ends);
	free(line->places);
	free(line->minima);
}

static void line_add(struct line *line, size_t stay)
{
	uint64_t key = line->check->stays[stay].key;
	size_t i = line->count - line->places[stay];

	/* What is above it is not larger either. */
	for (; i <= line->count && line->minima[i].key > key; i += i & -i)
		line->minima[i] = (struct first){ key, stay };
}

/* The first in line of those that last beyond @time. */
static struct first line_first(const struct line *line, uint64_t time)
{
	size_t low = 0, high = line->count, middle, i;
	struct first first = { UINT64_MAX, CHECK_NONE };

	while (low < high) {
		middle = (low + high) / 2;
		if (line->ends[middle] > time)
			high = middle;
		else
			low = middle + 1;
	}
	for (i = line->count - low; i; i &= i - 1)
		if (line->minima[i].key < first.key)
			first = line->minima[i];
	return first;
}

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
	size_t i, done = 0, count;
	struct line line;

	calls_inside(check);
	line_make(&line, check);
	for (i = 0; i < check->nr_stays; i++)
		check->items[i] = (struct sort_item){ check->stays[i].from, i };
	sort_items(check->items, check->spare, check->nr_stays);
	count = calls_sort(check);
	for (i = 0; i < count; i++) {
		const struct history_record *r = check_record(check, check->others[i].index);
		struct first first;

		while (done < check->nr_stays && check->items[done].key < r->invoked)
			line_add(&line, check->items[done++].index);
		first = line_first(&line, r->returned);
		if (first.key < check->keys[check->others[i].index])
			line_fault(&line, check->others[i].index, first.stay);
	}
	line_free(&line);
}
