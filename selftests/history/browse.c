// SPDX-License-Identifier: MIT
/*
 * Walks through a queue: each message that was there from before one to after it is told
 * of once, and none that was not there.
 *
 * Of each walk the messages that were surely there all the time are counted, and those
 * of them that it told of: a tree of sums, indexed by when messages may be gone, is
 * filled as time goes on.
 */
#include <stdlib.h>

#include "check.h"

struct walks {
	struct check *check;
	uint32_t *messages;	/* by identity */
	uint64_t *ends;		/* when they may be gone, ascending */
	uint32_t *places;	/* in that order, by message */
	uint32_t *sums;
};

static uint64_t identity(const struct history_record *r)
{
	return (uint64_t)r->producer << 32 | r->seq;
}

static const struct history_record *walk_send(const struct walks *walks, uint32_t message)
{
	return check_record(walks->check, walks->check->messages[message].send);
}

/* Since then it was surely there. */
static uint64_t walk_from(const struct walks *walks, uint32_t message)
{
	const struct history_record *send = walk_send(walks, message);
	const struct check_message *m = &walks->check->messages[message];

	if (send->outcome == HISTORY_OK)
		return send->returned;
	return m->delivery == CHECK_NONE ? walks->check->history->never :
					   check_record(walks->check, m->delivery)->returned;
}

static bool walk_whole(const struct walks *walks, uint32_t message, const struct history_record *r)
{
	return walk_from(walks, message) < r->invoked &&
	       walks->check->messages[message].gone_since > r->returned;
}

static void *walk_array(size_t count, size_t size)
{
	void *memory = calloc(count + 1, size);

	if (!memory)
		abort();
	return memory;
}

static void walks_make(struct walks *walks, struct check *check)
{
	size_t i, count = check->nr_messages;

	walks->check = check;
	walks->messages = walk_array(count, sizeof(*walks->messages));
	walks->places = walk_array(count, sizeof(*walks->places));
	walks->ends = walk_array(count, sizeof(*walks->ends));
	walks->sums = walk_array(count, sizeof(*walks->sums));
	for (i = 0; i < count; i++)
		check->items[i] = (struct sort_item){ identity(walk_send(walks, i)), i };
	sort_items(check->items, check->spare, count);
	for (i = 0; i < count; i++)
		walks->messages[i] = check->items[i].index;
	for (i = 0; i < count; i++)
		check->items[i] = (struct sort_item){ check->messages[i].gone_since, i };
	sort_items(check->items, check->spare, count);
	for (i = 0; i < count; i++) {
		walks->ends[i] = check->items[i].key;
		walks->places[check->items[i].index] = i;
	}
}

static void walks_free(struct walks *walks)
{
	free(walks->messages);
	free(walks->places);
	free(walks->ends);
	free(walks->sums);
}

static void walks_add(struct walks *walks, uint32_t message)
{
	size_t i = walks->check->nr_messages - walks->places[message];

	for (; i <= walks->check->nr_messages; i += i & -i)
		walks->sums[i]++;
}

/* How many of those that were added may only be gone after @time. */
static size_t walks_after(const struct walks *walks, uint64_t time)
{
	size_t low = 0, high = walks->check->nr_messages, middle, i, sum = 0;

	while (low < high) {
		middle = (low + high) / 2;
		if (walks->ends[middle] > time)
			high = middle;
		else
			low = middle + 1;
	}
	for (i = walks->check->nr_messages - low; i; i &= i - 1)
		sum += walks->sums[i];
	return sum;
}

/* The message that @r tells of, or CHECK_NONE. */
static uint32_t walk_find(const struct walks *walks, const struct history_record *r)
{
	size_t low = 0, high = walks->check->nr_messages, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (identity(walk_send(walks, walks->messages[middle])) < identity(r))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == walks->check->nr_messages ||
	    identity(walk_send(walks, walks->messages[low])) != identity(r))
		return CHECK_NONE;
	return walks->messages[low];
}

/* Whether the message was there all the time. */
static bool walk_told(const struct walks *walks, uint32_t index,
		      const struct history_record *walk)
{
	struct check *check = walks->check;
	const struct history_record *r = check_record(check, index);
	uint32_t message = walk_find(walks, r);

	if (r->outcome == HISTORY_CORRUPT) {
		check_fault(check, HISTORY_CORRUPTED, index, CHECK_NONE, CHECK_NONE);
		return false;
	}
	if (message == CHECK_NONE || walk_send(walks, message)->invoked > r->returned ||
	    check->messages[message].gone < r->invoked) {
		check_fault(check, HISTORY_GHOST, index,
			    message == CHECK_NONE ? CHECK_NONE : check->messages[message].send,
			    CHECK_NONE);
		return false;
	}
	return walk_whole(walks, message, walk);
}

/* One that was there, and that the walk of @first does not tell of. */
static uint32_t walk_untold(const struct walks *walks, uint32_t first, const uint32_t *told,
			    size_t count)
{
	const struct history_record *r = check_record(walks->check, first);
	size_t i, n;

	for (i = 0; i < walks->check->nr_messages; i++) {
		if (!walk_whole(walks, i, r))
			continue;
		for (n = 0; n < count; n++)
			if (walk_find(walks, check_record(walks->check, told[n])) == i)
				break;
		if (n == count)
			return walks->check->messages[i].send;
	}
	return CHECK_NONE;
}

static int compare_told(const void *a, const void *b)
{
	const struct sort_item *x = a, *y = b;

	return (x->key > y->key) - (x->key < y->key);
}

/* The walk at @first of the records, with what it tells, behind it: where that ends. */
static void walk_judge(struct walks *walks, const uint32_t *first, const uint32_t *end)
{
	struct check *check = walks->check;
	const struct history_record *walk = check_record(check, *first);
	size_t i, told = 0, count = end - first - 1;
	struct sort_item *items = check->spare;

	for (i = 0; i < count; i++) {
		items[i] = (struct sort_item){ identity(check_record(check, first[i + 1])),
					       first[i + 1] };
		told += walk_told(walks, first[i + 1], walk);
	}
	qsort(items, count, sizeof(*items), compare_told);
	for (i = 1; i < count; i++) {
		if (items[i].key != items[i - 1].key)
			continue;
		check_fault(check, HISTORY_TOLD_TWICE, items[i - 1].index, items[i].index,
			    CHECK_NONE);
		return;
	}
	if (walk->outcome != HISTORY_OK || told >= walks_after(walks, walk->returned))
		return;
	if (check->history->findings[HISTORY_UNTOLD].times)
		check_fault(check, HISTORY_UNTOLD, *first, CHECK_NONE, CHECK_NONE);
	else
		check_fault(check, HISTORY_UNTOLD, *first,
			    walk_untold(walks, *first, first + 1, count), CHECK_NONE);
}

void check_walks(struct check *check)
{
	struct walks walks;
	size_t i, done = 0, count = 0;

	if (!check->walks)
		return;
	walks_make(&walks, check);
	for (i = 0; i < check->nr_messages; i++)
		check->others[i] = (struct sort_item){ walk_from(&walks, i), i };
	sort_items(check->others, check->spare, check->nr_messages);
	for (i = 0; i < check->count; i++)
		if (check_record(check, check->records[i])->op == HISTORY_BROWSE)
			check->items[count++] = (struct sort_item){
				check_record(check, check->records[i])->invoked, i,
			};
	sort_items(check->items, check->spare, count);
	for (i = 0; i < count; i++) {
		const uint32_t *first = check->records + check->items[i].index, *end = first + 1;

		for (; done < check->nr_messages && check->others[done].key < check->items[i].key;
		     done++)
			walks_add(&walks, check->others[done].index);
		while (end < check->records + check->count &&
		       check_record(check, *end)->op == HISTORY_TOLD)
			end++;
		walk_judge(&walks, first, end);
	}
	walks_free(&walks);
}
