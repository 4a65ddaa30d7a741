// SPDX-License-Identifier: MIT
#include "../body.h"
#include "model.h"

static const struct {
	const char *name;
	enum history_fault fault;
} mutants[MODEL_MUTANTS] = {
	[MODEL_RIGHT] = { "right", HISTORY_FAULTS },
	[MODEL_DROP] = { "drop", HISTORY_LOST },
	[MODEL_TAIL] = { "tail", HISTORY_LOST },
	[MODEL_FORGET] = { "forget", HISTORY_LOST },
	[MODEL_SEND_TWICE] = { "send-twice", HISTORY_DUPLICATE },
	[MODEL_INVENT] = { "invent", HISTORY_PHANTOM },
	[MODEL_FAIL_AND_SEND] = { "fail-and-send", HISTORY_PHANTOM },
	[MODEL_FLIP] = { "flip", HISTORY_CORRUPTED },
	[MODEL_SWAP] = { "swap", HISTORY_REORDERED },
	[MODEL_REUSE] = { "reuse", HISTORY_OFFSET_REUSED },
	[MODEL_SKIP] = { "skip", HISTORY_NOT_DENSE },
	[MODEL_LEASE_TWICE] = { "lease-twice", HISTORY_DUPLICATE },
	[MODEL_RESURRECT] = { "resurrect", HISTORY_DUPLICATE },
	[MODEL_BACK_LAST] = { "back-last", HISTORY_REDELIVERY },
	[MODEL_BACK_MIXED] = { "back-mixed", HISTORY_REDELIVERY },
	[MODEL_NOT_COUNTED] = { "not-counted", HISTORY_COUNT },
	[MODEL_COUNTED_TWICE] = { "counted-twice", HISTORY_COUNT },
	[MODEL_EMPTY] = { "empty", HISTORY_FALSE_EMPTY },
	[MODEL_UNFENCED] = { "unfenced", HISTORY_STALE_SETTLED },
	[MODEL_FOREIGN] = { "foreign", HISTORY_FOREIGN_SETTLED },
	[MODEL_ACK_TWICE] = { "ack-twice", HISTORY_SETTLED_TWICE },
	[MODEL_REFUSE] = { "refuse", HISTORY_REFUSED },
	[MODEL_EARLY] = { "early", HISTORY_DUPLICATE },
	[MODEL_LATE] = { "late", HISTORY_STALE_SETTLED },
	[MODEL_LOW_FIRST] = { "low-first", HISTORY_PRIORITY },
	[MODEL_TOO_SOON] = { "too-soon", HISTORY_EARLY },
	[MODEL_KEY_TWO] = { "key-two", HISTORY_KEY_SHARED },
	[MODEL_KEY_SWAP] = { "key-swap", HISTORY_KEY_ORDER },
	[MODEL_KEY_STUCK] = { "key-stuck", HISTORY_LOST },
	[MODEL_ID_TWICE] = { "id-twice", HISTORY_TAKEN_TWICE },
	[MODEL_ID_NEVER] = { "id-never", HISTORY_LOST },
	[MODEL_UNFENCED_SEND] = { "unfenced-send", HISTORY_UNFENCED },
	[MODEL_FORGOTTEN] = { "forgotten", HISTORY_SEQUENCE },
	[MODEL_NOT_ALONE] = { "not-alone", HISTORY_NOT_ALONE },
	[MODEL_NOT_EXCLUSIVE] = { "not-exclusive", HISTORY_NOT_EXCLUSIVE },
	[MODEL_SHUT_OUT] = { "shut-out", HISTORY_SHUT_OUT },
	[MODEL_HOARD] = { "hoard", HISTORY_HOARD },
	[MODEL_NO_RECEIPT] = { "no-receipt", HISTORY_NO_RECEIPT },
	[MODEL_TWO_RECEIPTS] = { "two-receipts", HISTORY_RECEIPT_TWICE },
	[MODEL_WRONG_RECEIPT] = { "wrong-receipt", HISTORY_WRONG_RECEIPT },
	[MODEL_UNTOLD] = { "untold", HISTORY_UNTOLD },
	[MODEL_GHOST] = { "ghost", HISTORY_GHOST },
	[MODEL_TOLD_TWICE] = { "told-twice", HISTORY_TOLD_TWICE },
	[MODEL_DROP_LEASED] = { "drop-leased", HISTORY_DROPPED_OUT },
	[MODEL_DROP_HIGH] = { "drop-high", HISTORY_DROP_ORDER },
	[MODEL_DROP_YOUNG] = { "drop-young", HISTORY_DROP_ORDER },
	[MODEL_DROP_ROOMY] = { "drop-roomy", HISTORY_NEEDLESS },
	[MODEL_DROP_UNTOLD] = { "drop-untold", HISTORY_NO_RECEIPT },
	[MODEL_KILL_LEASED] = { "kill-leased", HISTORY_DROPPED_OUT },
	[MODEL_ANSWER_LOST] = { "answer-lost", HISTORY_ANSWER_LOST },
	[MODEL_ANSWER_NOWHERE] = { "answer-nowhere", HISTORY_ANSWER_LOST },
	[MODEL_ANSWER_UNSETTLED] = { "answer-unsettled", HISTORY_UNSETTLED },
	[MODEL_ANSWER_TWICE] = { "answer-twice", HISTORY_ANSWERED_TWICE },
	[MODEL_ANSWER_REFUSED] = { "answer-refused", HISTORY_PHANTOM },
	[MODEL_TORN_SENT] = { "torn-sent", HISTORY_DUPLICATE },
	[MODEL_TORN_SETTLED] = { "torn-settled", HISTORY_TORN },
	[MODEL_TOO_OFTEN] = { "too-often", HISTORY_TOO_OFTEN },
	[MODEL_DEAD_LOST] = { "dead-lost", HISTORY_LOST },
	[MODEL_DEAD_TWICE] = { "dead-twice", HISTORY_DEAD_TWICE },
	[MODEL_DEAD_EARLY] = { "dead-early", HISTORY_DEAD_EARLY },
	[MODEL_UNDEAD] = { "undead", HISTORY_UNDEAD },
};

const char *model_mutant_name(enum model_mutant mutant)
{
	return mutants[mutant].name;
}

enum history_fault model_mutant_fault(enum model_mutant mutant)
{
	return mutants[mutant].fault;
}

void model_plan_random(struct model_plan *plan, uint64_t seed)
{
	uint64_t random = body_mix(seed ^ 0x706c616eULL);

	plan->seed = seed;
	plan->clients = 1 + random % 12;
	plan->queues = 1 + (random >> 8) % MODEL_QUEUES;
	plan->kills = (random >> 16) % 3 ? (random >> 20) % 100 : 0;
	plan->purges = (random >> 32) % 4 ? 0 : 5;
	plan->probes = (random >> 36) % 400;
	plan->capacity = 1 << (1 + (random >> 48) % 10);
	plan->once = (random >> 54) & 1;
	plan->txns = (random >> 55) & 1;
	plan->keyed = (random >> 56) & 1;
	plan->dead = (random >> 57) & 1;
	plan->wishes = (random >> 58) & 1;
	plan->timed = (random >> 59) & 1;
	plan->shared = (random >> 60) % 3 == 0;
	plan->rough = random >> 63;
	plan->receipts = (random >> 45) & 1;
	plan->walks = (random >> 46) % 3 == 0;
	plan->exclusive = (random >> 41) & 1;
	plan->full = (random >> 43) % 3 == 0 ? HISTORY_DROPS : 0;
	if (plan->full && plan->dead && (random >> 42) & 1)
		plan->full = HISTORY_KILLS;
	plan->replies = (random >> 47) & 1;
	plan->prefetch = (random >> 52) % 4 ? 0 : 1 + (random >> 40) % 12;
	plan->single = !plan->shared && (random >> 50) % 4 == 0;
}
