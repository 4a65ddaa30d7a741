// SPDX-License-Identifier: MIT
/* What the sender of a message was told of its end, against what was seen of that. */
#include "life.h"

/* What is known of the end; NONE: nothing. */
static enum history_end end_known(const struct life *life)
{
	size_t i;

	if (life->buried != CHECK_NONE)
		return HISTORY_END_DEAD;
	for (i = 0; i < life->nr_leases; i++) {
		const struct history_record *delivery = life_delivery(life, i);
		const struct history_record *settle = life_record(life, life->leases[i].acked);

		if (delivery->flags & HISTORY_SETTLED)
			return HISTORY_END_TAKEN;
		/* The end of a read in parts is no settlement. */
		if (settle && settle->op == HISTORY_ACK)
			return settle->deliveries ? HISTORY_END_ACKED : HISTORY_END_TAKEN;
	}
	return HISTORY_END_NONE;
}

/* Somebody may have acknowledged that delivery. */
static bool end_may_be_acked(const struct life *life, uint32_t deliveries)
{
	size_t i;

	for (i = 0; i < life->nr_settles; i++) {
		const struct history_record *r = life_record(life, life->settles[i]);

		if (r->op == HISTORY_ACK && r->deliveries == deliveries &&
		    r->outcome <= HISTORY_OK)
			return true;
	}
	return false;
}

void life_receipt(const struct life *life)
{
	const struct history_record *send = life_record(life, life->send);
	const struct history_record *receipt = life_record(life, life->receipt);
	enum history_end known = end_known(life);
	struct check *check = life->check;

	if (!receipt) {
		if (send->flags & HISTORY_ASKED && check->drained != CHECK_NONE &&
		    (send->outcome == HISTORY_OK || life->nr_leases))
			check_fault(check, HISTORY_NO_RECEIPT, life->send, CHECK_NONE, CHECK_NONE);
		return;
	}
	if (!(send->flags & HISTORY_ASKED))
		check_fault(check, HISTORY_PHANTOM, life->send, life->receipt, CHECK_NONE);
	else if ((known != HISTORY_END_NONE && receipt->count != known) ||
		 (receipt->count == HISTORY_END_DROPPED && !check->drops) ||
		 (receipt->count == HISTORY_END_ACKED &&
		  !end_may_be_acked(life, receipt->deliveries)))
		check_fault(check, HISTORY_WRONG_RECEIPT, life->send, life->receipt, CHECK_NONE);
}
