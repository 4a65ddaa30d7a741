// SPDX-License-Identifier: MIT
/* A message that was thrown away to make room for others. */
#include "life.h"

const struct history_record *life_dropped(const struct life *life)
{
	const struct history_record *receipt = life_record(life, life->receipt);

	return receipt && receipt->count == HISTORY_END_DROPPED && life->check->drops ? receipt :
										       NULL;
}

bool life_may_be_dropped(const struct life *life)
{
	const struct check *check = life->check;

	if (!check->drops)
		return false;
	/* Of those that ask for a receipt all is known, when all is over. */
	return !(life_record(life, life->send)->flags & HISTORY_ASKED) ||
	       check->drained == CHECK_NONE;
}

void life_drop(const struct life *life)
{
	const struct history_record *receipt = life_dropped(life);
	const struct history_record *send = life_record(life, life->send), *delivery;
	uint64_t since = send->invoked + history_time(send), back;
	const struct lease *last = NULL;
	size_t i;

	for (i = 0; i < life->nr_leases; i++) {
		last = &life->leases[i];
		delivery = life_record(life, last->delivery);
		if (delivery->invoked > receipt->returned ||
		    delivery->deliveries > receipt->deliveries)
			check_fault(life->check, HISTORY_WRONG_RECEIPT, life->send, life->receipt,
				    last->delivery);
	}
	if (last)
		life_lease_end(life, last, &since, &back);
	if (since > receipt->returned)
		check_fault(life->check, HISTORY_DROPPED_OUT, life->send,
			    last ? last->delivery : CHECK_NONE, life->receipt);
}

static void later(uint64_t *time, uint64_t other)
{
	if (other > *time)
		*time = other;
}

/* From then on who had @lease, and lost it, does not read it in place any more. */
static uint64_t lease_told(const struct life *life, const struct lease *lease)
{
	const struct history_record *delivery = life_record(life, lease->delivery), *r;
	uint64_t told = life->check->history->never;
	size_t i;

	for (i = 0; i < life->nr_settles; i++) {
		r = life_record(life, life->settles[i]);
		/* Who was told that it lasts longer was not told that it is over. */
		if (r->file == delivery->file && r->deliveries == delivery->deliveries &&
		    r->client == delivery->client && r->returned < told &&
		    (r->outcome == HISTORY_STALE ||
		     (r->outcome == HISTORY_OK && r->op != HISTORY_EXTEND)))
			told = r->returned;
	}
	r = check_end_of(life->check, &life->check->deaths, delivery->client);
	if (r && r->flags & HISTORY_BACK && r->returned < told)
		told = r->returned;
	return told;
}

void life_vacated(const struct life *life, struct check_message *message)
{
	uint64_t never = life->check->history->never, vacated = never;
	const struct history_record *r = life_dropped(life);
	size_t i;

	if (!r)
		r = life_record(life, life->buried);
	if (r)
		vacated = r->returned;
	for (i = 0; i < life->nr_leases; i++) {
		const struct history_record *delivery = life_delivery(life, i);

		r = delivery->flags & HISTORY_SETTLED ? delivery :
			life_record(life, life->leases[i].acked);
		if (r && r->op != HISTORY_TERM && r->returned < vacated)
			vacated = r->returned;
	}
	for (i = 0; i + 1 < life->nr_leases && vacated < never; i++)
		later(&vacated, lease_told(life, &life->leases[i]));
	message->vacated = vacated;
}
