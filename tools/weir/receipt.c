// SPDX-License-Identifier: MIT
/* A receipt as text. */
#include <string.h>
#include "weir.h"

static const char *outcome_name(uint32_t outcome)
{
	switch (outcome) {
	case WEIR_OUTCOME_ACKED: return "acked";
	case WEIR_OUTCOME_TAKEN: return "taken";
	case WEIR_OUTCOME_DEAD_LETTER: return "dead-letter";
	case WEIR_OUTCOME_DISCARDED: return "discarded";
	case WEIR_OUTCOME_PURGED: return "purged";
	case WEIR_OUTCOME_DROPPED: return "dropped";
	case WEIR_OUTCOME_DESTROYED: return "destroyed";
	default: return "unknown";
	}
}

/* "": it was not dead. */
static const char *reason_name(uint32_t reason)
{
	switch (reason) {
	case 0: return "";
	case WEIR_DEAD_DELIVERIES: return "deliveries";
	case WEIR_DEAD_TERM: return "term";
	case WEIR_DEAD_EXPIRED: return "expired";
	case WEIR_DEAD_FULL: return "full";
	default: return "unknown";
	}
}

static json_t *receipt_json(const struct weir_receipt *receipt)
{
	json_t *object;

	object = json_pack("{sI sI sI sI sI ss ss sI sI sI}",
			   "token", (json_int_t)receipt->token,
			   "offset", (json_int_t)receipt->offset,
			   "sent_ns", (json_int_t)receipt->sent_ns,
			   "first_ns", (json_int_t)receipt->first_ns,
			   "ended_ns", (json_int_t)receipt->ended_ns,
			   "outcome", outcome_name(receipt->outcome),
			   "reason", reason_name(receipt->reason),
			   "deliveries", (json_int_t)receipt->deliveries,
			   "uid", (json_int_t)receipt->uid,
			   "pid", (json_int_t)receipt->pid);
	set_bytes(object, "consumer", "consumer_base64", receipt->consumer,
		  strlen(receipt->consumer));
	json_object_set_new(object, "queue", json_string(receipt->queue));
	return object;
}

static void receipt_line(struct text *text, const struct weir_receipt *receipt)
{
	const char *reason = reason_name(receipt->reason);

	text_printf(text, "%llu %s %llu %s %s %u ", (unsigned long long)receipt->token,
		    *receipt->queue ? receipt->queue : "-",
		    (unsigned long long)receipt->offset, outcome_name(receipt->outcome),
		    *reason ? reason : "-", receipt->deliveries);
	format_time(text, receipt->ended_ns);
	if (receipt->pid)
		text_printf(text, " %u %u", receipt->uid, receipt->pid);
	else
		text_printf(text, " - -");
	text_printf(text, " %s\n", *receipt->consumer ? receipt->consumer : "-");
}

int format_receipt(struct text *text, const struct weir_view *view, bool json)
{
	struct weir_receipt receipt;
	int ret = weir_view_receipt(view, &receipt, sizeof(receipt));

	if (ret)
		return ret;
	if (json)
		text_json(text, receipt_json(&receipt));
	else
		receipt_line(text, &receipt);
	return 0;
}
