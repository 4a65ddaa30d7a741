// SPDX-License-Identifier: MIT
/* Which lease a settlement is of, and whether it was to be taken or refused. */
#include "life.h"

/* The lease that a settlement means. */
static struct lease *life_find(struct life *life, const struct history_record *settle)
{
	size_t n, i;

	for (n = 0; n < life->nr_leases; n++) {
		const struct history_record *r;

		i = (life->hint + n) % life->nr_leases;
		r = life_delivery(life, i);
		/* The end of a read in parts does not know how often it was delivered. */
		if (r->deliveries == settle->deliveries &&
		    (r->deliveries || (r->client == settle->client && r->file == settle->file &&
				       r->returned <= settle->invoked))) {
			life->hint = i;
			return &life->leases[i];
		}
	}
	return NULL;
}

/* Who was not told the number of a delivery may have guessed it. */
static struct lease *life_find_guess(struct life *life, const struct history_record *settle)
{
	size_t i;

	for (i = life->nr_leases; i--;) {
		const struct history_record *r = life_delivery(life, i);

		if (!r->deliveries && r->file == settle->file && !(r->flags & HISTORY_SETTLED) &&
		    r->invoked < settle->returned)
			return &life->leases[i];
	}
	return NULL;
}

/* The lease was surely over when @settle began, or not there yet when it ended. */
static bool lease_was_not(const struct life *life, const struct lease *lease,
			  const struct history_record *settle)
{
	const struct history_record *delivery = life_record(life, lease->delivery);
	size_t next = lease - life->leases + 1;

	/*
	 * The holder's death alone is not looked at: until somebody receives,
	 * who has the description too may still settle.
	 */
	return settle->returned < delivery->invoked ||
	       (next < life->nr_leases &&
		life_delivery(life, next)->returned < settle->invoked);
}

static void life_accepted(struct life *life, struct lease *lease, uint32_t index)
{
	const struct history_record *settle = life_record(life, index);
	const struct history_record *delivery = life_record(life, lease->delivery);
	struct check *check = life->check;

	if (settle->file != delivery->file && !lease_was_not(life, lease, settle))
		check_fault(check, HISTORY_FOREIGN_SETTLED, life->send, lease->delivery, index);
	else if (lease->acked != CHECK_NONE)
		check_fault(check, life_record(life, lease->acked)->flags & HISTORY_ANSWERED ?
					   HISTORY_UNSETTLED : HISTORY_SETTLED_TWICE,
			    lease->delivery, lease->acked, index);
	else if (delivery->flags & HISTORY_SETTLED)
		check_fault(check, HISTORY_SETTLED_TWICE, life->send, lease->delivery, index);
	else if (lease->released != CHECK_NONE)
		check_fault(check, HISTORY_STALE_SETTLED, lease->delivery, lease->released, index);
	else if (lease_was_not(life, lease, settle))
		check_fault(check, HISTORY_STALE_SETTLED, life->send, lease->delivery, index);
	if (settle->op != HISTORY_RELEASE)
		lease->acked = index;
	else
		lease->released = index;
}

static void earlier(uint64_t *time, uint64_t other)
{
	if (other < *time)
		*time = other;
}

/* It may have taken effect before or after what else did at the same time. */
static void life_extended(struct life *life, struct lease *lease, uint32_t index)
{
	const struct history_record *settle = life_record(life, index);
	uint64_t until = settle->invoked + history_time(settle);
	bool sure = settle->outcome == HISTORY_OK;

	if (sure && settle->invoked >= lease->extended)
		lease->until = until;
	else
		earlier(&lease->until, until);
	if (sure)
		lease->extended = settle->returned;
}

static bool life_before(const struct life *life, uint32_t index, const struct history_record *r)
{
	return index != CHECK_NONE && life_record(life, index)->returned < r->invoked;
}

static void life_extension(struct life *life, struct lease *lease, uint32_t index)
{
	const struct history_record *settle = life_record(life, index);
	const struct history_record *delivery = life_record(life, lease->delivery);

	if (settle->outcome == HISTORY_UNKNOWN) {
		life_extended(life, lease, index);
		return;
	}
	if (lease_was_not(life, lease, settle) || life_before(life, lease->acked, settle) ||
	    life_before(life, lease->released, settle))
		check_fault(life->check, HISTORY_STALE_SETTLED, life->send, lease->delivery, index);
	else if (settle->file != delivery->file)
		check_fault(life->check, HISTORY_FOREIGN_SETTLED, life->send, lease->delivery,
			    index);
	else
		life_extended(life, lease, index);
}

/* The holder was told that it is none. */
static void life_refused(struct life *life, const struct lease *lease, uint32_t index)
{
	const struct history_record *settle = life_record(life, index);
	const struct history_record *delivery = life_record(life, lease->delivery), *end, *buried;
	const uint32_t others[] = {
		lease->acked, lease->released, lease->maybe_acked, lease->maybe_released,
	};
	bool dropped;
	size_t i;

	/* Or he was none yet, and guessed. */
	if (delivery->flags & HISTORY_SETTLED || settle->file != delivery->file ||
	    settle->invoked < delivery->returned || lease->until < settle->returned)
		return;
	for (i = 0; i < 4; i++)
		if (others[i] != CHECK_NONE &&
		    life_record(life, others[i])->invoked < settle->returned)
			return;
	end = check_end_of(life->check, &life->check->deaths, delivery->client);
	if (end && end->invoked < settle->returned)
		return;
	end = check_end_of(life->check, &life->check->closes, delivery->file);
	if (end && end->invoked < settle->returned)
		return;
	/* Was it thrown away while it was out? */
	buried = life_record(life, life->buried);
	dropped = life_dropped(life) || (buried && buried->flags & HISTORY_MADE_ROOM);
	check_fault(life->check, dropped ? HISTORY_DROPPED_OUT : HISTORY_REFUSED, life->send,
		    lease->delivery, index);
}

static void life_settle(struct life *life, uint32_t index)
{
	const struct history_record *settle = life_record(life, index);
	struct lease *lease = life_find(life, settle);

	if (!lease && settle->outcome != HISTORY_STALE)
		lease = life_find_guess(life, settle);
	if (settle->op == HISTORY_EXTEND && lease) {
		if (settle->outcome <= HISTORY_OK)
			life_extension(life, lease, index);
	} else if (settle->outcome == HISTORY_OK && lease) {
		life_accepted(life, lease, index);
	} else if (settle->outcome == HISTORY_OK) {
		check_fault(life->check, HISTORY_STALE_SETTLED, life->send, index, CHECK_NONE);
		life->gone = settle->op != HISTORY_RELEASE;
	} else if (settle->outcome == HISTORY_UNKNOWN && lease) {
		if (settle->op != HISTORY_RELEASE)
			lease->maybe_acked = index;
		else
			lease->maybe_released = index;
	}
}

void life_settles(struct life *life)
{
	size_t i;

	life->hint = 0;
	for (i = 0; i < life->nr_settles; i++)
		life_settle(life, life->settles[i]);
	life->hint = 0;
	for (i = 0; i < life->nr_settles; i++) {
		const struct history_record *settle = life_record(life, life->settles[i]);
		struct lease *lease;

		/* Of a run that is refused, one message was stale and the others may not be. */
		if (settle->outcome != HISTORY_STALE || settle->count != 1)
			continue;
		lease = life_find(life, settle);
		if (lease)
			life_refused(life, lease, life->settles[i]);
	}
}
