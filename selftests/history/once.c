// SPDX-License-Identifier: MIT
/*
 * Messages that are taken once, however often they are sent. All tries are put together
 * into the first one: what one of them was told, that it is taken, is so of all; and
 * what a producer is told when it registers is such an answer, too.
 *
 * And who sends as a producer that another one has registered as since is refused.
 */
#include <stdlib.h>

#include "check.h"

static bool is_try(const struct history_record *r)
{
	return r->op == HISTORY_SEND && r->flags & HISTORY_ONCE;
}

static bool is_registered(const struct history_record *r)
{
	return r->op == HISTORY_REGISTER && r->outcome == HISTORY_OK;
}

/* All tries and registrations: by producer, and then by what @key says. */
struct once {
	struct check *check;
	struct sort_item *items, *spare;
	size_t count;
};

static void once_sort(struct once *once, uint64_t (*key)(const struct history_record *r))
{
	size_t i;

	for (i = 0; i < once->count; i++)
		once->items[i].key = key(check_record(once->check, once->items[i].index));
	sort_items(once->items, once->spare, once->count);
	for (i = 0; i < once->count; i++)
		once->items[i].key =
			check_record(once->check, once->items[i].index)->producer;
	sort_items(once->items, once->spare, once->count);
}

static uint64_t key_seq(const struct history_record *r)
{
	return r->seq;
}

/* When it can be counted on; and when it is asked for. */
static uint64_t key_time(const struct history_record *r)
{
	return r->op == HISTORY_REGISTER ? r->invoked : r->returned;
}

static struct history_record *once_record(const struct once *once, size_t i)
{
	return check_record(once->check, once->items[i].index);
}

/* Whose client dies last, of two unknown ones. */
static void once_unknown(const struct check *check, struct history_record *all,
			 const struct history_record *r)
{
	const struct history_record *a = check_end_of(check, &check->deaths, all->client);
	const struct history_record *b = check_end_of(check, &check->deaths, r->client);

	if (!b || (a && b->returned > a->returned))
		all->client = r->client;
}

static void once_add(struct once *once, struct history_record *all, uint32_t first, size_t i)
{
	struct history_record *r = once_record(once, i);

	if (r->outcome == HISTORY_OK) {
		if (all->outcome != HISTORY_OK || r->returned < all->returned)
			all->returned = r->returned;
		if (r->op == HISTORY_SEND && r->offset != HISTORY_NOWHERE) {
			if (all->offset != HISTORY_NOWHERE && all->offset != r->offset)
				check_fault(once->check, HISTORY_TAKEN_TWICE, first,
					    once->items[i].index, CHECK_NONE);
			all->offset = r->offset;
		}
		all->outcome = HISTORY_OK;
	} else if (!r->outcome && !all->outcome) {
		once_unknown(once->check, all, r);
	} else if (!r->outcome && all->outcome != HISTORY_OK) {
		all->outcome = HISTORY_UNKNOWN;
		all->returned = r->returned;
		all->client = r->client;
	}
}

/* The tries of one message, and who was told of it, from @begin on: where they end. */
static size_t once_merge(struct once *once, size_t begin)
{
	const struct history_record *one = once_record(once, begin);
	struct history_record *first = NULL, all = { 0 };
	size_t i, end;

	for (end = begin; end < once->count; end++) {
		struct history_record *r = once_record(once, end);

		if (r->producer != one->producer || r->seq != one->seq)
			break;
		if (!first && is_try(r)) {
			first = r;
			all = *r;
		}
	}
	if (!first)
		return end;
	for (i = begin; i < end; i++) {
		struct history_record *r = once_record(once, i);

		if (r != first)
			once_add(once, &all, first - once->check->history->records, i);
		if (r->outcome <= HISTORY_OK && is_try(r) && r->invoked < all.invoked)
			all.invoked = r->invoked;
	}
	for (i = begin; i < end; i++)
		if (is_try(once_record(once, i)))
			once_record(once, i)->op = HISTORY_NONE;
	*first = all;
	return end;
}

/* Of one that registers all is known that it was told before. */
static void once_sequences(struct once *once)
{
	uint32_t producer = HISTORY_NOBODY, latest = CHECK_NONE;
	size_t i;

	once_sort(once, key_time);
	for (i = 0; i < once->count; i++) {
		const struct history_record *r = once_record(once, i);

		if (r->producer != producer)
			latest = CHECK_NONE;
		producer = r->producer;
		if (is_registered(r)) {
			if (latest != CHECK_NONE &&
			    (int32_t)check_record(once->check, latest)->seq > (int32_t)r->seq)
				check_fault(once->check, HISTORY_SEQUENCE, latest,
					    once->items[i].index, CHECK_NONE);
		} else if (is_try(r) && r->outcome == HISTORY_OK &&
			   (latest == CHECK_NONE ||
			    r->seq > check_record(once->check, latest)->seq)) {
			latest = once->items[i].index;
		}
	}
}

/* The registration that gave @r its epoch, among those from @begin to @end; or NULL. */
static const struct history_record *once_epoch(const struct once *once, size_t begin, size_t end,
					       const struct history_record *r)
{
	size_t i;

	for (i = begin; i < end; i++)
		if (is_registered(once_record(once, i)) &&
		    once_record(once, i)->deliveries == r->deliveries)
			return once_record(once, i);
	return NULL;
}

/* By time: whose epoch was surely over when he began is refused. */
static void once_fences(struct once *once)
{
	const struct history_record *mine = NULL;
	size_t i, begin = 0, end = 0;

	for (i = 0; i < once->count; i++) {
		const struct history_record *r = once_record(once, i);

		if (i >= end) {
			begin = i;
			for (end = i; end < once->count &&
			     once_record(once, end)->producer == r->producer; end++)
				;
			mine = NULL;
		}
		if (!is_try(r) || r->outcome != HISTORY_OK || !r->deliveries)
			continue;
		if (!mine || mine->deliveries != r->deliveries)
			mine = once_epoch(once, begin, end, r);
		if (mine && mine->offset < r->invoked)
			check_fault(once->check, HISTORY_UNFENCED,
				    mine - once->check->history->records, once->items[i].index,
				    CHECK_NONE);
	}
}

/*
 * For each registration, in @offset, when the first of those that came surely after it
 * had returned. They are by invocation.
 */
static void once_ends(struct once *once)
{
	uint64_t *first = malloc((once->count + 1) * sizeof(*first));
	size_t i = once->count, n = 0, *next = malloc((once->count + 1) * sizeof(*next));

	if (!first || !next)
		abort();
	while (i--) {
		struct history_record *r = once_record(once, i);
		size_t low = 0, high, middle;

		if (i + 1 == once->count || once_record(once, i + 1)->producer != r->producer)
			n = 0;
		if (!is_registered(r))
			continue;
		/* Later ones are before it here. */
		for (high = n; low < high;) {
			middle = (low + high) / 2;
			if (once_record(once, next[middle])->invoked > r->returned)
				low = middle + 1;
			else
				high = middle;
		}
		r->offset = low ? first[low - 1] : UINT64_MAX;
		first[n] = n && first[n - 1] < r->returned ? first[n - 1] : r->returned;
		next[n++] = i;
	}
	free(first);
	free(next);
}

void check_once(struct check *check)
{
	const struct history *history = check->history;
	struct once once = { .check = check };
	size_t i;

	for (i = 0; i < history->count; i++)
		once.count += is_try(&history->records[i]) || is_registered(&history->records[i]);
	if (!once.count)
		return;
	once.items = malloc(once.count * sizeof(*once.items));
	once.spare = malloc(once.count * sizeof(*once.spare));
	if (!once.items || !once.spare)
		abort();
	once.count = 0;
	for (i = 0; i < history->count; i++)
		if (is_try(&history->records[i]) || is_registered(&history->records[i]))
			once.items[once.count++].index = i;
	once_sequences(&once);
	once_ends(&once);
	once_fences(&once);
	once_sort(&once, key_seq);
	for (i = 0; i < once.count;)
		i = once_merge(&once, i);
	free(once.items);
	free(once.spare);
}
