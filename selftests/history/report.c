// SPDX-License-Identifier: MIT
#include <inttypes.h>

#include "history.h"

static const char * const fault_names[HISTORY_FAULTS] = {
	[HISTORY_LOST] = "lost",
	[HISTORY_PHANTOM] = "phantom",
	[HISTORY_CORRUPTED] = "corrupt",
	[HISTORY_DUPLICATE] = "duplicate",
	[HISTORY_REORDERED] = "reordered",
	[HISTORY_REDELIVERY] = "redelivery-order",
	[HISTORY_FALSE_EMPTY] = "false-empty",
	[HISTORY_OFFSET_REUSED] = "offset-reuse",
	[HISTORY_NOT_DENSE] = "non-dense",
	[HISTORY_COUNT] = "delivery-count",
	[HISTORY_STALE_SETTLED] = "stale-settle",
	[HISTORY_FOREIGN_SETTLED] = "foreign-settle",
	[HISTORY_SETTLED_TWICE] = "settled-twice",
	[HISTORY_REFUSED] = "refused-settle",
	[HISTORY_PRIORITY] = "priority",
	[HISTORY_EARLY] = "early",
	[HISTORY_KEY_SHARED] = "key-shared",
	[HISTORY_KEY_ORDER] = "key-order",
	[HISTORY_NO_RECEIPT] = "no-receipt",
	[HISTORY_RECEIPT_TWICE] = "receipt-twice",
	[HISTORY_WRONG_RECEIPT] = "wrong-receipt",
	[HISTORY_UNTOLD] = "untold",
	[HISTORY_GHOST] = "ghost",
	[HISTORY_TOLD_TWICE] = "told-twice",
	[HISTORY_NOT_ALONE] = "not-alone",
	[HISTORY_NOT_EXCLUSIVE] = "not-exclusive",
	[HISTORY_SHUT_OUT] = "shut-out",
	[HISTORY_HOARD] = "hoard",
	[HISTORY_TAKEN_TWICE] = "taken-twice",
	[HISTORY_SEQUENCE] = "sequence",
	[HISTORY_UNFENCED] = "unfenced-send",
	[HISTORY_ANSWER_LOST] = "answer-lost",
	[HISTORY_UNSETTLED] = "answer-unsettled",
	[HISTORY_ANSWERED_TWICE] = "answered-twice",
	[HISTORY_DROPPED_OUT] = "dropped-out",
	[HISTORY_DROP_ORDER] = "drop-order",
	[HISTORY_NEEDLESS] = "needless-drop",
	[HISTORY_TORN] = "torn",
	[HISTORY_TOO_OFTEN] = "too-often",
	[HISTORY_DEAD_EARLY] = "dead-early",
	[HISTORY_DEAD_TWICE] = "dead-twice",
	[HISTORY_UNDEAD] = "undead",
	[HISTORY_BAD_LOG] = "bad-log",
};

static const char * const op_names[] = {
	"none", "send", "take", "more", "buried", "receipt", "ack", "release", "term", "extend",
	"close", "death", "purge", "drained", "register", "queue", "browse", "told",
	"open",
};

static const char * const outcome_names[] = {
	"unknown", "ok", "failed", "empty", "stale", "corrupt",
};

const char *history_fault_name(enum history_fault fault)
{
	return fault_names[fault];
}

static void report_record(const struct history *history, uint32_t index, FILE *out)
{
	const struct history_record *r = &history->records[index];

	fprintf(out, "    [%" PRIu64 ", ", r->invoked);
	if (r->returned == history->never)
		fprintf(out, "?");
	else
		fprintf(out, "%" PRIu64, r->returned);
	fprintf(out, "] client %u: %s queue %u", r->client, op_names[r->op], r->target);
	if (r->file)
		fprintf(out, " file %u", r->file);
	if (r->producer != HISTORY_NOBODY)
		fprintf(out, " message %u:%u", r->producer, r->seq);
	if (r->offset != HISTORY_NOWHERE)
		fprintf(out, " offset %" PRIu64, r->offset);
	if (r->deliveries)
		fprintf(out, " %s %u", r->op == HISTORY_SEND || r->op == HISTORY_REGISTER ?
			"epoch" : "delivery", r->deliveries);
	if (r->op == HISTORY_SEND && r->count)
		fprintf(out, " answer");
	else if (r->count)
		fprintf(out, " count %u", r->count);
	if (r->op <= HISTORY_EXTEND && history_time(r))
		fprintf(out, " for %" PRIu64 " us", history_time(r) / 1000);
	if (r->txn)
		fprintf(out, " txn %u", r->txn);
	if (r->key)
		fprintf(out, " key %u", r->key);
	if (r->op == HISTORY_SEND)
		fprintf(out, " priority %u", history_priority(r));
	else
		fprintf(out, "%s%s%s", r->flags & HISTORY_SETTLED ? " settled" : "",
			r->flags & HISTORY_BACK ? " back" : "",
			!(r->flags & HISTORY_ANSWERED) ? "" :
			r->op == HISTORY_BURIED ? " to make room" :
			r->op == HISTORY_QUEUE ? "" : " by an answer");
	fprintf(out, ": %s\n", outcome_names[r->outcome]);
}

void history_report(const struct history *history, FILE *out)
{
	const struct history_finding *finding;
	unsigned int fault, i;

	for (fault = 0; fault < HISTORY_FAULTS; fault++) {
		finding = &history->findings[fault];
		if (!finding->times)
			continue;
		fprintf(out, "%s: %" PRIu64 " in %zu records, seed %" PRIu64 ":\n",
			fault_names[fault], finding->times, history->count, history->seed);
		for (i = 0; i < finding->witnesses; i++)
			report_record(history, finding->witness[i], out);
	}
}
