// SPDX-License-Identifier: MIT
/*
 * The kernel sends dead letters, and tells nobody. Each that was seen is one that was
 * sent to the dead letter queue at some time before.
 */
#include <stdlib.h>

#include "check.h"

static int compare_graves(const void *a, const void *b)
{
	const struct history_record *x = a, *y = b;

	if (x->target != y->target)
		return (x->target > y->target) - (x->target < y->target);
	if (x->offset != y->offset)
		return (x->offset > y->offset) - (x->offset < y->offset);
	return (x->returned > y->returned) - (x->returned < y->returned);
}

void check_graves(struct check *check)
{
	struct history *history = check->history;
	struct history_record *graves;
	size_t i, count = 0;

	for (i = 0; i < history->count; i++)
		count += history->records[i].op == HISTORY_BURIED;
	if (!count)
		return;
	graves = calloc(count, sizeof(*graves));
	if (!graves)
		abort();
	count = 0;
	for (i = 0; i < history->count; i++) {
		const struct history_record *r = &history->records[i];

		if (r->op == HISTORY_BURIED)
			graves[count++] = (struct history_record){
				.op = HISTORY_SEND, .outcome = HISTORY_OK, .invoked = 1,
				.returned = r->returned, .offset = r->count,
				.producer = r->producer, .seq = r->seq, .target = r->file,
				.client = HISTORY_NOBODY,
			};
	}
	qsort(graves, count, sizeof(*graves), compare_graves);
	for (i = 0; i < count; i++)
		if (!i || graves[i].offset != graves[i - 1].offset ||
		    graves[i].target != graves[i - 1].target)
			history_append(history, &graves[i]);
	free(graves);
}
