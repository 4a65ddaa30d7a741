// SPDX-License-Identifier: MIT
/* When a message left its queue: since when it may be gone, and by when it is. */
#include "life.h"

static void earliest(uint64_t *time, uint64_t other)
{
	if (other < *time)
		*time = other;
}

/* The latest end of a call that may have settled it, nobody knows whether. */
static uint64_t gone_unseen(const struct life *life, uint64_t since)
{
	const struct check_takers *enders = &life->check->enders;
	uint64_t reach = enders->count ? enders->at[enders->count - 1].reach : 0;

	if (life->check->drained == CHECK_NONE)
		return life->check->history->never;
	return reach > since ? reach : 0;
}

/* Nobody who is known settled it. */
static void gone_missing(const struct life *life, struct check_message *message)
{
	uint64_t never = life->check->history->never, first;

	first = check_takers_first(&life->check->enders, message->missing, never, message->died);
	message->gone_since = first > message->missing ? first : message->missing;
	message->gone = gone_unseen(life, message->missing);
}

/* Its last lease may have been its end, or it came back and was settled unseen. */
static void gone_perhaps(const struct life *life, const struct lease *lease,
			 struct check_message *message)
{
	const struct history_record *settle = life_record(life, lease->maybe_acked), *death;
	uint64_t unseen = gone_unseen(life, settle->invoked), since, back, never;

	never = life->check->history->never;
	life_lease_end(life, lease, &since, &back);
	message->gone_since = check_takers_first(&life->check->enders, since, never, CHECK_NONE);
	if (message->gone_since < since)
		message->gone_since = since;
	death = check_end_of(life->check, &life->check->deaths, settle->client);
	message->gone = death ? death->returned : never;
	if (unseen > message->gone)
		message->gone = unseen;
}

/* What is not delivered any more is dead at once, also if it was to wait. */
static void gone_buried(const struct life *life, const struct lease *last,
			struct check_message *message)
{
	uint64_t since = life_record(life, life->send)->invoked, back;
	const struct history_record *r;

	message->gone = life_record(life, life->buried)->returned;
	if (last) {
		life_lease_end(life, last, &since, &back);
		r = life_record(life, last->released);
		if (r)
			earliest(&since, r->invoked);
		r = life_record(life, last->maybe_released);
		if (r)
			earliest(&since, r->invoked);
	}
	message->gone_since = since;
}

static void gone_dropped(const struct life *life, struct check_message *message)
{
	message->gone_since = life_dropped(life)->invoked;
	message->gone = life_dropped(life)->returned;
}

/* It may have been thrown away at any time when it was not out; or it never was. */
static void gone_droppable(const struct life *life, const struct lease *last,
			   struct check_message *message)
{
	uint64_t back;

	message->gone_since = life_record(life, life->send)->invoked;
	if (last)
		life_lease_end(life, last, &message->gone_since, &back);
}

void life_gone(const struct life *life, struct check_message *message)
{
	const struct history_record *send = life_record(life, life->send), *r;
	const struct lease *last = NULL;
	size_t i;

	message->gone_since = message->gone = life->check->history->never;
	if (life->nr_leases)
		last = &life->leases[life->nr_leases - 1];
	if (life->buried != CHECK_NONE)
		gone_buried(life, last, message);
	else if (life_dropped(life))
		gone_dropped(life, message);
	else if (message->droppable && (!last || last->acked == CHECK_NONE))
		gone_droppable(life, last, message);
	else if (message->missing)
		gone_missing(life, message);
	else if (last && last->maybe_acked != CHECK_NONE && last->acked == CHECK_NONE)
		gone_perhaps(life, last, message);
	else if (!last)
		message->gone = gone_unseen(life, send->invoked);
	/* It was settled, or it was never there. */
	if (life->gone || (!last && send->outcome != HISTORY_OK))
		message->gone_since = 0;
	for (i = 0; i < life->nr_leases; i++) {
		const struct lease *lease = &life->leases[i];

		r = life_delivery(life, i);
		if (!(r->flags & HISTORY_SETTLED))
			r = life_record(life, lease->acked);
		if (r) {
			earliest(&message->gone_since, r->invoked);
			/* What is given up is there until it is in the other queue. */
			if (r->op != HISTORY_TERM)
				earliest(&message->gone, r->returned);
		}
		if (lease->maybe_acked != CHECK_NONE)
			earliest(&message->gone_since,
				 life_record(life, lease->maybe_acked)->invoked);
	}
}

void life_holds(const struct life *life)
{
	struct check *check = life->check;
	size_t i, n;

	for (i = 0; i < life->nr_leases; i++) {
		const struct lease *lease = &life->leases[i];
		const uint32_t ends[] = {
			lease->acked, lease->maybe_acked, lease->released, lease->maybe_released,
		};
		uint64_t until, back;

		if (life_delivery(life, i)->flags & HISTORY_SETTLED)
			continue;
		life_lease_end(life, lease, &until, &back);
		for (n = 0; n < 4; n++)
			if (ends[n] != CHECK_NONE)
				earliest(&until, life_record(life, ends[n])->invoked);
		if (i + 1 < life->nr_leases)
			earliest(&until, life_delivery(life, i + 1)->invoked);
		check->holds[check->nr_holds++] = (struct check_hold){ lease->delivery, until };
	}
}
