// SPDX-License-Identifier: MIT
/*
 * Who may receive, and how much: where one description receives at a time, it does until
 * it is closed, or who receives through it has ended; and a consumer holds no more than
 * it may.
 */
#include <stdlib.h>

#include "check.h"

static bool is_delivery(const struct history_record *r)
{
	return (r->op == HISTORY_TAKE || r->op == HISTORY_MORE) &&
	       (r->outcome == HISTORY_OK || r->outcome == HISTORY_CORRUPT);
}

/* Before that who received by @r has surely not made room for others. */
static uint64_t turn_end(const struct check *check, const struct history_record *r)
{
	const struct history_record *death = check_end_of(check, &check->deaths, r->client);
	const struct history_record *close = check_end_of(check, &check->closes, r->file);
	uint64_t end = death ? death->invoked : check->history->never;

	return close && close->invoked < end ? close->invoked : end;
}

/* The last two descriptions by when their turns end, and who received through them. */
struct turns {
	uint64_t end[2];
	uint32_t record[2];
};

static void turns_add(const struct check *check, struct turns *turns, uint32_t index)
{
	const struct history_record *r = check_record(check, index);
	uint64_t end = turn_end(check, r);
	bool same = turns->record[0] != CHECK_NONE &&
		    check_record(check, turns->record[0])->file == r->file;

	if (turns->record[0] == CHECK_NONE || end > turns->end[0]) {
		if (!same) {
			turns->end[1] = turns->end[0];
			turns->record[1] = turns->record[0];
		}
		turns->end[0] = end;
		turns->record[0] = index;
	} else if (!same && (turns->record[1] == CHECK_NONE || end > turns->end[1])) {
		turns->end[1] = end;
		turns->record[1] = index;
	}
}

void check_turns(struct check *check)
{
	struct turns turns = { .record = { CHECK_NONE, CHECK_NONE } };
	size_t i, done = 0, count = 0;

	if (!check->single)
		return;
	for (i = 0; i < check->count; i++) {
		const struct history_record *r = check_record(check, check->records[i]);

		if (!is_delivery(r))
			continue;
		check->items[count] = (struct sort_item){ r->invoked, check->records[i] };
		check->others[count++] = (struct sort_item){ r->returned, check->records[i] };
	}
	sort_items(check->items, check->spare, count);
	sort_items(check->others, check->spare, count);
	for (i = 0; i < count; i++) {
		const struct history_record *r = check_record(check, check->items[i].index);
		unsigned int other;

		while (check->others[done].key < r->invoked)
			turns_add(check, &turns, check->others[done++].index);
		other = turns.record[0] != CHECK_NONE &&
			check_record(check, turns.record[0])->file == r->file;
		if (turns.record[other] != CHECK_NONE && turns.end[other] > r->returned)
			check_fault(check, HISTORY_NOT_ALONE, turns.record[other],
				    check->items[i].index, CHECK_NONE);
	}
}

static uint64_t holder(const struct check *check, uint32_t delivery)
{
	const struct history_record *r = check_record(check, delivery);

	return (uint64_t)r->client << 32 | r->file;
}

/* The leases of one consumer: those by when they began, and when they may end. */
static void holds_judge(struct check *check, const struct sort_item *begins, size_t count)
{
	struct sort_item *ends = check->others;
	size_t i, ended = 0;

	for (i = 0; i < count; i++)
		ends[i] = (struct sort_item){ check->holds[begins[i].index].until, i };
	sort_items(ends, check->spare, count);
	for (i = 0; i < count; i++) {
		const struct check_hold *hold = &check->holds[begins[i].index];
		uint64_t from = check_record(check, hold->delivery)->returned;

		while (ends[ended].key <= from && ended < i)
			ended++;
		if (i + 1 - ended > check->prefetch)
			check_fault(check, HISTORY_HOARD, hold->delivery, CHECK_NONE, CHECK_NONE);
	}
}

void check_holds(struct check *check)
{
	size_t i, begin, count = check->nr_holds;

	for (i = 0; i < count; i++)
		check->items[i] = (struct sort_item){
			check_record(check, check->holds[i].delivery)->returned, i,
		};
	sort_items(check->items, check->spare, count);
	for (i = 0; i < count; i++)
		check->items[i].key =
			holder(check, check->holds[check->items[i].index].delivery);
	sort_items(check->items, check->spare, count);
	for (begin = 0; begin < count; begin = i) {
		for (i = begin; i < count && check->items[i].key == check->items[begin].key; i++)
			;
		holds_judge(check, check->items + begin, i - begin);
	}
}
