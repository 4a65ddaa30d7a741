// SPDX-License-Identifier: MIT
/* How a message ended that nobody could do. */
#include "life.h"

void life_add_buried(struct life *life, uint32_t index)
{
	const struct history_record *r = life_record(life, index), *first;

	if (life->buried == CHECK_NONE) {
		life->buried = index;
		return;
	}
	first = life_record(life, life->buried);
	if (r->count != first->count || r->file != first->file)
		check_fault(life->check, HISTORY_DEAD_TWICE, life->buried, index, CHECK_NONE);
}

/* Somebody gave it up, or may have. */
static bool life_given_up(const struct life *life, uint32_t deliveries)
{
	size_t i;

	for (i = 0; i < life->nr_settles; i++) {
		const struct history_record *r = life_record(life, life->settles[i]);

		if (r->op == HISTORY_TERM && r->deliveries == deliveries &&
		    r->outcome <= HISTORY_OK)
			return true;
	}
	return false;
}

void life_buried(struct life *life)
{
	const struct history_record *r = life_record(life, life->buried), *settle;
	bool died;
	size_t i;

	if (r->flags & HISTORY_MADE_ROOM)
		died = life->check->kills;
	else if (r->flags & HISTORY_GIVEN_UP)
		died = life_given_up(life, r->deliveries);
	else
		died = r->deliveries <= life->check->most &&
		       r->deliveries + r->key >= life->check->most;
	if (!died)
		check_fault(life->check, HISTORY_DEAD_EARLY, life->send, life->buried, CHECK_NONE);
	for (i = 0; i < life->nr_leases; i++) {
		const struct lease *lease = &life->leases[i];

		settle = life_record(life, lease->acked);
		if ((settle && settle->op == HISTORY_ACK) ||
		    life_delivery(life, i)->flags & HISTORY_SETTLED)
			check_fault(life->check, HISTORY_UNDEAD, life->buried, lease->delivery,
				    lease->acked);
		else if (life_delivery(life, i)->deliveries > r->deliveries ||
			 life_delivery(life, i)->invoked > r->returned)
			check_fault(life->check, HISTORY_UNDEAD, life->send, life->buried,
				    lease->delivery);
	}
}

void life_unburied(struct life *life)
{
	size_t i;

	for (i = 0; i < life->nr_leases; i++) {
		const struct lease *lease = &life->leases[i];
		const struct history_record *settle = life_record(life, lease->acked);

		if (settle && settle->op == HISTORY_TERM && life->check->drained != CHECK_NONE)
			check_fault(life->check, HISTORY_LOST, life->send, lease->acked,
				    life->check->drained);
	}
}
