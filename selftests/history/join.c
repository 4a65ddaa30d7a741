// SPDX-License-Identifier: MIT
#include "check.h"

static bool is_settlement(const struct history_record *r)
{
	return r->op >= HISTORY_ACK && r->op <= HISTORY_EXTEND;
}

/* Whether @r proves that its message has its offset. */
static bool is_proof(const struct history_record *r)
{
	return r->producer != HISTORY_NOBODY && !is_settlement(r) && r->outcome == HISTORY_OK;
}

/* The records of one offset. */
static void join_offset(struct check *check, const struct sort_item *items, size_t count)
{
	const struct history_record *owner = NULL;
	struct history_record *r;
	uint32_t owns = CHECK_NONE;
	size_t i;

	for (i = 0; i < count; i++) {
		r = check_record(check, items[i].index);
		if (!is_proof(r))
			continue;
		if (!owner) {
			owner = r;
			owns = items[i].index;
		} else if (r->producer != owner->producer || r->seq != owner->seq) {
			check_fault(check, HISTORY_OFFSET_REUSED, owns, items[i].index, CHECK_NONE);
			return;
		}
	}
	for (i = 0; i < count; i++) {
		r = check_record(check, items[i].index);
		if (r->producer != HISTORY_NOBODY)
			continue;
		if (owner) {
			r->producer = owner->producer;
			r->seq = owner->seq;
		} else if (is_settlement(r) && r->outcome == HISTORY_OK) {
			check_fault(check, HISTORY_STALE_SETTLED, items[i].index, CHECK_NONE,
				    CHECK_NONE);
		}
	}
}

void check_join(struct check *check)
{
	size_t i, begin, count = 0;

	for (i = 0; i < check->count; i++) {
		const struct history_record *r = check_record(check, check->records[i]);

		if (r->offset != HISTORY_NOWHERE && r->op <= HISTORY_EXTEND)
			check->items[count++] = (struct sort_item){ r->offset, check->records[i] };
	}
	sort_items(check->items, check->spare, count);
	for (begin = 0; begin < count; begin = i) {
		for (i = begin; i < count && check->items[i].key == check->items[begin].key; i++)
			;
		join_offset(check, check->items + begin, i - begin);
	}
}
