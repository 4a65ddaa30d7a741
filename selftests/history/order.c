// SPDX-License-Identifier: MIT
/* The messages of a queue against each other. */
#include <stdlib.h>

#include "check.h"

static const struct history_record *order_send(const struct check *check, size_t message)
{
	return check_record(check, check->messages[message].send);
}

/* The messages whose offsets are known, by them, in items. */
static size_t order_by_offset(struct check *check)
{
	size_t i, count = 0;

	for (i = 0; i < check->nr_messages; i++)
		if (check->messages[i].offset != HISTORY_NOWHERE)
			check->items[count++] = (struct sort_item){ check->messages[i].offset, i };
	sort_items(check->items, check->spare, count);
	return count;
}

/* Who was told that a message is sent, sends the next one behind it. */
static void order_of_sending(struct check *check, size_t count)
{
	uint64_t latest = 0;
	uint32_t who = CHECK_NONE;
	size_t i;

	for (i = 0; i < count; i++) {
		const struct history_record *send = order_send(check, check->items[i].index);

		if (send->returned < latest)
			check_fault(check, HISTORY_REORDERED, who,
				    check->messages[check->items[i].index].send, CHECK_NONE);
		if (send->invoked > latest) {
			latest = send->invoked;
			who = check->messages[check->items[i].index].send;
		}
	}
}

/*
 * Before this, a message that was there by @time was taken: one was that was sent
 * after it.
 */
static uint64_t order_deadline(const struct check *check, uint64_t time)
{
	size_t low = 0, high = check->nr_messages, middle;

	if (check->wishes)
		return check->history->never;

	while (low < high) {
		middle = (low + high) / 2;
		if (check->sent[middle] > time)
			high = middle;
		else
			low = middle + 1;
	}
	return check->delivered[low];
}

static void order_deadlines(struct check *check)
{
	size_t i, count = check->nr_messages;
	uint64_t least = check->history->never;

	check->sent = malloc((count + 1) * sizeof(*check->sent));
	check->delivered = malloc((count + 1) * sizeof(*check->delivered));
	if (!check->sent || !check->delivered)
		abort();
	for (i = 0; i < count; i++)
		check->items[i] = (struct sort_item){ order_send(check, i)->invoked, i };
	sort_items(check->items, check->spare, count);
	check->delivered[count] = least;
	for (i = count; i--;) {
		uint32_t first = check->messages[check->items[i].index].first;

		if (first != CHECK_NONE && check_record(check, first)->returned < least)
			least = check_record(check, first)->returned;
		check->sent[i] = check->items[i].key;
		check->delivered[i] = least;
	}
}

/*
 * A message that was there from @from on was perhaps taken before @deadline, and then
 * or later settled, by nobody known.
 */
static bool order_may_vanish(const struct check *check, uint64_t from, uint64_t deadline,
			     uint32_t died)
{
	uint64_t never = check->history->never;

	if (check_takers_first(&check->enders, from, never, died) == never)
		return false;
	return check_takers_first(&check->enders, from, deadline, died) < deadline ||
	       check_takers_first(&check->takes, from, deadline, died) < deadline;
}

/* A message that nobody acknowledged and nobody saw, to the end of the queue. */
static bool order_never_was(const struct check *check, const struct check_message *message)
{
	const struct history_record *send = check_record(check, message->send), *death;
	uint64_t deadline = check->history->never;

	if (check->drained == CHECK_NONE || send->outcome || message->seen || message->droppable ||
	    message->dropped != CHECK_NONE)
		return false;
	death = check_end_of(check, &check->deaths, send->client);
	if (death)
		deadline = order_deadline(check, death->returned);
	return !order_may_vanish(check, send->invoked, deadline, CHECK_NONE);
}

/* Messages without a known offset: by invocation, or by return those that are certain. */
static size_t order_without(struct check *check, struct sort_item *items, bool certain)
{
	size_t i, count = 0;

	for (i = 0; i < check->nr_messages; i++) {
		const struct history_record *send = order_send(check, i);

		if (check->messages[i].offset != HISTORY_NOWHERE ||
		    order_never_was(check, &check->messages[i]) ||
		    (certain && send->outcome != HISTORY_OK))
			continue;
		items[count++] = (struct sort_item){ certain ? send->returned : send->invoked, i };
	}
	sort_items(items, check->spare, count);
	return count;
}

/*
 * Below each offset there are as many messages as numbers: those of known offsets,
 * and of the others all that were sent before it and none that were sent after it.
 */
static void order_density(struct check *check, size_t count)
{
	struct sort_item *sent = check->others, *begun = check->others;
	size_t i, nr_begun, nr_sent;

	nr_begun = order_without(check, begun, false);
	sent += nr_begun;
	nr_sent = order_without(check, sent, true);
	for (i = 0; i < count; i++) {
		uint32_t message = check->items[i].index, first = check->messages[message].first;
		const struct history_record *send = order_send(check, message);
		uint64_t gaps = check->items[i].key - i, by = send->returned;

		if (first != CHECK_NONE && check_record(check, first)->returned < by)
			by = check_record(check, first)->returned;
		if (gaps > sort_below(begun, nr_begun, by) ||
		    gaps < sort_below(sent, nr_sent, send->invoked)) {
			uint32_t before = i ? check->items[i - 1].index : 0;

			check_fault(check, HISTORY_NOT_DENSE,
				    i ? check->messages[before].send : CHECK_NONE,
				    check->messages[message].send, CHECK_NONE);
			return;
		}
	}
}

/* The latest so far, and whose. */
struct latest {
	uint64_t offset, sent;
	uint32_t of_offset, of_sent;
};

static void latest_add(struct check *check, struct latest *all,
		       const struct check_message *message)
{
	const struct history_record *send = check_record(check, message->send);
	struct latest *latest = &all[history_priority(send)];

	if (message->offset != HISTORY_NOWHERE && message->offset + 1 > latest->offset) {
		latest->offset = message->offset + 1;
		latest->of_offset = message->first;
	}
	if (send->invoked > latest->sent) {
		latest->sent = send->invoked;
		latest->of_sent = message->first;
	}
}

/* When a message is first delivered, none behind it was delivered before. */
static void order_of_delivery(struct check *check)
{
	struct latest all[HISTORY_PRIORITIES];
	size_t i, done = 0, count = 0;

	for (i = 0; i < HISTORY_PRIORITIES; i++)
		all[i] = (struct latest){ .of_offset = CHECK_NONE, .of_sent = CHECK_NONE };
	for (i = 0; i < check->nr_messages; i++) {
		const struct history_record *r;

		if (check->messages[i].first == CHECK_NONE)
			continue;
		r = check_record(check, check->messages[i].first);
		check->items[count] = (struct sort_item){ r->invoked, i };
		check->others[count++] = (struct sort_item){ r->returned, i };
	}
	sort_items(check->items, check->spare, count);
	sort_items(check->others, check->spare, count);
	for (i = 0; i < count; i++) {
		const struct check_message *message = &check->messages[check->items[i].index];
		const struct history_record *send = check_record(check, message->send);
		const struct latest *latest = &all[history_priority(send)];

		while (check->others[done].key < check->items[i].key)
			latest_add(check, all, &check->messages[check->others[done++].index]);
		/* What had to wait comes when it may; so does what is behind others of its key. */
		if (history_time(send) || send->key)
			continue;
		if (message->offset != HISTORY_NOWHERE && latest->offset > message->offset + 1)
			check_fault(check, HISTORY_REORDERED, message->send, latest->of_offset,
				    message->first);
		else if (latest->sent > send->returned)
			check_fault(check, HISTORY_REORDERED, message->send, latest->of_sent,
				    message->first);
	}
}

static void order_lost(struct check *check, struct check_message *message)
{
	check_lost(check, message->send, message->first, check->drained);
	/* And so it was not there. */
	if (message->stay != CHECK_NONE)
		check->stays[message->stay].until = 0;
}

/* What nobody settled was purged, or taken by who did not live to tell. */
static bool order_excused(const struct check *check, const struct check_message *message)
{
	uint64_t deadline = check->history->never;

	if (!message->seen)
		deadline = order_deadline(check, check_record(check, message->send)->returned);
	return order_may_vanish(check, message->missing, deadline, message->died);
}

/* What parts of transactions, whose clients did not live to tell, did or not. */
static void order_doubts(struct check *check)
{
	size_t i;

	for (i = 0; i < check->nr_messages; i++) {
		const struct check_message *message = &check->messages[i];
		struct history_record *send = check_record(check, message->send);

		if (send->txn && order_never_was(check, message))
			send->flags |= CHECK_NEVER_WAS;
		if (message->doubt != CHECK_NONE &&
		    !order_may_vanish(check, message->doubted,
				      order_deadline(check, message->again), CHECK_NONE))
			check_record(check, message->doubt)->flags |= CHECK_ALL_ALONE;
	}
}

static void order_missing(struct check *check)
{
	uint64_t able = 0, excused = 0;
	struct check_message *last = NULL;
	size_t i;

	for (i = 0; i < check->enders.count; i++)
		able += check->enders.at[i].most;
	able += check_record(check, check->drained)->count;
	for (i = 0; i < check->nr_messages; i++) {
		struct check_message *message = &check->messages[i];

		excused += message->dropped != CHECK_NONE;
		if (!message->missing)
			continue;
		if (!message->droppable && !order_excused(check, message)) {
			order_lost(check, message);
			continue;
		}
		excused++;
		last = message;
	}
	if (last && excused > able)
		order_lost(check, last);
}

void check_order(struct check *check)
{
	size_t count;

	order_deadlines(check);
	count = order_by_offset(check);
	order_of_sending(check, count);
	order_density(check, count);
	if (check->drained != CHECK_NONE) {
		order_missing(check);
		order_doubts(check);
	}
	order_of_delivery(check);
	free(check->sent);
	free(check->delivered);
}
