// SPDX-License-Identifier: MIT
/*
 * Who has a queue open that one may: nobody opens it while another one surely has it, and
 * nobody is refused who comes when surely none has.
 */
#include <stdlib.h>

#include "check.h"

static void end_before(uint64_t *end, const struct history_record *r, bool surely)
{
	uint64_t time;

	if (!r || (surely && !(r->flags & HISTORY_BACK)))
		return;
	time = surely ? r->returned : r->invoked;
	if (time < *end)
		*end = time;
}

/* When what @r opened may be closed, or @surely is. */
static uint64_t open_end(const struct check *check, const struct history_record *r, bool surely)
{
	uint64_t end = check->history->never;

	end_before(&end, check_end_of(check, &check->deaths, r->client), surely);
	end_before(&end, check_end_of(check, &check->closes, r->file), surely);
	return end;
}

/* Those of these outcomes, by when they began, or returned: how many. */
static size_t opens_sort(struct check *check, struct sort_item *items, unsigned int outcomes,
			 bool returned)
{
	size_t i, count = 0;

	for (i = 0; i < check->count; i++) {
		const struct history_record *r = check_record(check, check->records[i]);

		if (r->op == HISTORY_OPEN && outcomes & 1 << r->outcome)
			items[count++] = (struct sort_item){
				returned ? r->returned : r->invoked, check->records[i],
			};
	}
	sort_items(items, check->spare, count);
	return count;
}

static void opens_alone(struct check *check)
{
	size_t i, done = 0, count = opens_sort(check, check->items, 1 << HISTORY_OK, false);
	uint64_t last = 0, end;
	uint32_t whose = CHECK_NONE;

	opens_sort(check, check->others, 1 << HISTORY_OK, true);
	for (i = 0; i < count; i++) {
		const struct history_record *r = check_record(check, check->items[i].index);

		for (; check->others[done].key < r->invoked; done++) {
			end = open_end(check, check_record(check, check->others[done].index),
				       false);
			if (end > last) {
				last = end;
				whose = check->others[done].index;
			}
		}
		if (last > r->returned)
			check_fault(check, HISTORY_NOT_EXCLUSIVE, whose, check->items[i].index,
				    CHECK_NONE);
	}
}

static void opens_refused(struct check *check)
{
	size_t i, done = 0, opened, count;
	uint64_t last = 0, end;

	opened = opens_sort(check, check->items, 1 << HISTORY_OK | 1 << HISTORY_UNKNOWN, false);
	count = opens_sort(check, check->others, 1 << HISTORY_FAILED, true);
	for (i = 0; i < count; i++) {
		const struct history_record *r = check_record(check, check->others[i].index);

		for (; done < opened && check->items[done].key < r->returned; done++) {
			end = open_end(check, check_record(check, check->items[done].index),
				       true);
			last = end > last ? end : last;
		}
		if (last < r->invoked)
			check_fault(check, HISTORY_SHUT_OUT, check->others[i].index, CHECK_NONE,
				    CHECK_NONE);
	}
}

void check_opens(struct check *check)
{
	if (!check->exclusive)
		return;
	opens_alone(check);
	opens_refused(check);
}
