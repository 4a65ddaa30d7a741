// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "check.h"

static void *array(size_t count, size_t size)
{
	void *memory = calloc(count + 1, size);

	if (!memory)
		abort();
	return memory;
}

void check_fault(struct check *check, enum history_fault fault, uint32_t a, uint32_t b,
		 uint32_t c)
{
	struct history_finding *finding = &check->history->findings[fault];
	const uint32_t witness[HISTORY_WITNESSES] = { a, b, c };
	uint64_t when = 0;
	unsigned int i;

	for (i = 0; i < HISTORY_WITNESSES; i++) {
		const struct history_record *record;

		if (witness[i] == CHECK_NONE)
			continue;
		record = check_record(check, witness[i]);
		if (record->outcome && record->returned > when)
			when = record->returned;
		if (record->invoked > when)
			when = record->invoked;
	}
	if (finding->times++ && finding->when <= when)
		return;
	finding->when = when;
	finding->witnesses = 0;
	for (i = 0; i < HISTORY_WITNESSES; i++)
		if (witness[i] != CHECK_NONE)
			finding->witness[finding->witnesses++] = witness[i];
}

void check_lost(struct check *check, uint32_t record, uint32_t b, uint32_t c)
{
	const struct history_record *r = check_record(check, record);
	bool answer = r->op == HISTORY_SEND && r->count == HISTORY_ANSWER;

	check_fault(check, answer ? HISTORY_ANSWER_LOST : HISTORY_LOST, record, b, c);
}

/* Times from 1 on, so that 0 is before all. */
static void check_times(struct check *check)
{
	struct history *history = check->history;
	uint64_t first = UINT64_MAX, last = 0;
	struct history_record *r;
	size_t i;

	for (i = 0; i < history->count; i++) {
		r = &history->records[i];
		if (r->outcome && r->returned < r->invoked)
			check_fault(check, HISTORY_BAD_LOG, i, CHECK_NONE, CHECK_NONE);
		first = r->invoked < first ? r->invoked : first;
		last = r->invoked > last ? r->invoked : last;
		if (r->outcome && r->returned > last)
			last = r->returned;
	}
	history->never = last - first + 2;
	for (i = 0; i < history->count; i++) {
		r = &history->records[i];
		r->invoked = r->invoked - first + 1;
		r->returned = r->outcome ? r->returned - first + 1 : history->never;
	}
}

static int compare_ends(const void *a, const void *b)
{
	const struct check_end *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static void check_collect_ends(struct check *check, struct check_ends *ends, uint8_t op)
{
	const struct history *history = check->history;
	size_t i, count = 0;

	for (i = 0; i < history->count; i++)
		count += history->records[i].op == op;
	ends->at = array(count, sizeof(*ends->at));
	for (i = 0; i < history->count; i++) {
		const struct history_record *r = &history->records[i];

		if (r->op == op)
			ends->at[ends->count++] = (struct check_end){
				.id = op == HISTORY_DEATH ? r->client : r->file, .record = i,
			};
	}
	qsort(ends->at, count, sizeof(*ends->at), compare_ends);
	for (i = 1; i < count; i++)
		if (ends->at[i].id == ends->at[i - 1].id)
			check_fault(check, HISTORY_BAD_LOG, ends->at[i - 1].record,
				    ends->at[i].record, CHECK_NONE);
}

const struct history_record *check_end_of(const struct check *check,
					  const struct check_ends *ends, uint32_t id)
{
	const struct check_end key = { .id = id }, *end;

	end = bsearch(&key, ends->at, ends->count, sizeof(key), compare_ends);
	return end ? check_record(check, end->record) : NULL;
}

static void takers_add(const struct check *check, struct check_takers *takers,
		       const struct history_record *r)
{
	struct check_taker *taker = &takers->at[takers->count];
	uint64_t before = takers->count++ ? taker[-1].reach : 0;
	const struct history_record *end = r;

	if (!r->outcome)
		end = check_end_of(check, &check->deaths, r->client);
	taker->client = r->client;
	taker->invoked = r->invoked;
	taker->end = end ? end->returned : check->history->never;
	taker->reach = taker->end > before ? taker->end : before;
	taker->most = r->op == HISTORY_PURGE && !r->outcome ? UINT32_MAX : r->count;
}

void check_takers(struct check *check)
{
	size_t i, count = 0;

	for (i = 0; i < check->count; i++) {
		const struct history_record *r = check_record(check, check->records[i]);

		if ((r->op == HISTORY_TAKE && !r->outcome) ||
		    (r->op == HISTORY_PURGE && r->outcome != HISTORY_FAILED))
			check->items[count++] = (struct sort_item){ r->invoked, check->records[i] };
	}
	sort_items(check->items, check->spare, count);
	check->takes = (struct check_takers){ array(count, sizeof(struct check_taker)), 0 };
	check->enders = (struct check_takers){ array(count, sizeof(struct check_taker)), 0 };
	for (i = 0; i < count; i++) {
		const struct history_record *r = check_record(check, check->items[i].index);

		if (r->op == HISTORY_TAKE)
			takers_add(check, &check->takes, r);
		if (r->op == HISTORY_PURGE || r->flags & HISTORY_SETTLED)
			takers_add(check, &check->enders, r);
	}
}

uint64_t check_takers_first(const struct check_takers *takers, uint64_t from, uint64_t before,
			    uint32_t client)
{
	size_t low = 0, high = takers->count, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (takers->at[middle].reach > from)
			high = middle;
		else
			low = middle + 1;
	}
	for (; low < takers->count && takers->at[low].invoked < before; low++)
		if (takers->at[low].end > from && takers->at[low].client != client)
			return takers->at[low].invoked;
	return before;
}

size_t check_takers_before(const struct check_takers *takers, uint64_t before)
{
	size_t low = 0, high = takers->count, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (takers->at[middle].invoked < before)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void check_target(struct check *check, uint32_t *records, size_t count)
{
	size_t i, stays = 0;

	check->records = records;
	check->count = count;
	check->drained = CHECK_NONE;
	check->most = check->prefetch = 0;
	check->single = check->walks = check->drops = check->kills = false;
	check->limit = 0;
	check->exclusive = false;
	check->wishes = false;
	for (i = 0; i < count; i++) {
		const struct history_record *r = check_record(check, records[i]);
		uint8_t op = r->op;

		if (op == HISTORY_SEND)
			check->wishes |= r->key || r->flags & ~(HISTORY_ONCE | HISTORY_ASKED);
		if (op == HISTORY_QUEUE) {
			check->prefetch = r->count;
			check->single = r->flags & HISTORY_SINGLE;
			check->drops = r->flags & HISTORY_DROPS;
			check->kills = r->flags & HISTORY_KILLS;
			check->limit = r->deliveries;
			check->exclusive = r->flags & HISTORY_EXCLUSIVE;
		}
		check->walks |= op == HISTORY_BROWSE;
		if (op == HISTORY_BURIED)
			check->most = r->flags >> HISTORY_TIME_SHIFT;
		stays += op == HISTORY_SEND || op == HISTORY_TAKE || op == HISTORY_MORE;
		if (op == HISTORY_DRAINED)
			check->drained = records[i];
	}
	check_takers(check);
	check_join(check);
	check->messages = array(stays, sizeof(*check->messages));
	check->stays = array(stays, sizeof(*check->stays));
	check->nr_messages = 0;
	check->holds = array(check->prefetch ? stays : 0, sizeof(*check->holds));
	check->nr_stays = check->nr_holds = 0;
	check_lives(check);
	check_holds(check);
	free(check->holds);
	check_turns(check);
	check_opens(check);
	check_walks(check);
	check_keyed(check);
	check_order(check);
	check_drops(check);
	free(check->messages);
	check_calls(check);
	free(check->stays);
	free(check->takes.at);
	free(check->enders.at);
}

/* The records of each queue, those of one client still in its order. */
static void check_targets(struct check *check)
{
	const struct history *history = check->history;
	size_t i, begin, count = 0;
	uint32_t *records;

	for (i = 0; i < history->count; i++) {
		const struct history_record *r = &history->records[i];

		if (r->op != HISTORY_DEATH && r->op != HISTORY_CLOSE &&
		    r->op != HISTORY_NONE && r->op != HISTORY_REGISTER)
			check->items[count++] = (struct sort_item){ r->target, i };
	}
	sort_items(check->items, check->spare, count);
	records = array(count, sizeof(*records));
	for (i = 0; i < count; i++)
		records[i] = check->items[i].index;
	for (begin = 0; begin < count; begin = i) {
		uint16_t target = check_record(check, records[begin])->target;

		for (i = begin; i < count && check_record(check, records[i])->target == target; i++)
			;
		check_target(check, records + begin, i - begin);
	}
	free(records);
}

unsigned int history_check(struct history *history)
{
	struct check check = { .history = history };
	unsigned int i, kinds = 0;

	memset(history->findings, 0, sizeof(history->findings));
	check_times(&check);
	check_collect_ends(&check, &check.deaths, HISTORY_DEATH);
	check_collect_ends(&check, &check.closes, HISTORY_CLOSE);
	check_once(&check);
	check_txns(&check);
	check_answers(&check);
	check_graves(&check);
	check.keys = array(history->count, sizeof(*check.keys));
	check.items = array(history->count, sizeof(*check.items));
	check.others = array(history->count, sizeof(*check.others));
	check.spare = array(history->count, sizeof(*check.spare));
	check_targets(&check);
	check_txns_torn(&check);
	free(check.deaths.at);
	free(check.closes.at);
	free(check.keys);
	free(check.items);
	free(check.others);
	free(check.spare);
	for (i = 0; i < HISTORY_FAULTS; i++)
		kinds += history->findings[i].times != 0;
	return kinds;
}
