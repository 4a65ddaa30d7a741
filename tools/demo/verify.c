// SPDX-License-Identifier: MIT
/* What the logs say, line by line, against the text. */
#include "demo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is known of a line, from all logs. */
struct seen {
	uint32_t settled;	/* so many times */
	bool held;		/* by the killed consumer, when it was killed */
	uint64_t offset;
};

struct check {
	const struct demo *demo;
	struct verdict *verdict;
	struct seen *seen;	/* a line each */
};

static void blame(struct check *check, uint32_t *kind, uint32_t line)
{
	struct verdict *verdict = check->verdict;

	if (!(verdict->lost | verdict->twice | verdict->changed | verdict->disordered |
	      verdict->unsettled))
		verdict->first_bad = line;
	++*kind;
}

/* Which line it is, if it is one: all of it, or (@partly) how it begins. */
static bool line_of(const struct check *check, const struct record *record, bool partly,
		    uint32_t *line)
{
	char start[PREFIX_MAX] = "", message[MESSAGE_ROOM];
	size_t length;
	unsigned int producer;

	memcpy(start, record->message,
	       record->length < sizeof(start) ? record->length : sizeof(start) - 1);
	if (sscanf(start, "%u %u ", &producer, line) != 2 || *line >= check->demo->text.count)
		return false;
	length = text_message(&check->demo->text, *line, message);
	if (partly ? record->length >= length : record->length != length)
		return false;
	return !memcmp(message, record->message, record->length);
}

/* What the killed consumer held: these lines have to come once more. */
static void check_held(struct check *check)
{
	const struct log *log = check->demo->logs[VICTIM];
	const struct record *record;
	size_t at = log->settled;
	uint32_t line;

	while ((record = log_walk(log, &at))) {
		if (!line_of(check, record, check->demo->plain, &line)) {
			blame(check, &check->verdict->changed, 0);
			continue;
		}
		check->seen[line].held = true;
		if (!check->verdict->held++)
			check->verdict->first_held = line;
		check->verdict->last_held = line;
	}
}

static void check_again(struct check *check, unsigned int consumer, const struct record *record)
{
	struct verdict *verdict = check->verdict;
	uint64_t took = record->time_ns - check->demo->killed_ns;

	if (!verdict->back++ || took < verdict->back_ns)
		verdict->back_ns = took;
	verdict->back_to[consumer]++;
}

/* One consumer's log: every line whole, and first deliveries in order. */
static void check_log(struct check *check, unsigned int consumer)
{
	const struct log *log = check->demo->logs[consumer];
	uint32_t line, next[PRODUCERS] = { 0 };
	const struct record *record;
	struct seen *seen;
	size_t at = 0;

	while (at < log->settled && (record = log_walk(log, &at))) {
		if (!line_of(check, record, false, &line)) {
			blame(check, &check->verdict->changed, 0);
			continue;
		}
		seen = &check->seen[line];
		seen->settled++;
		seen->offset = record->offset;
		if (!check->demo->plain && record->deliveries != 1U + seen->held)
			blame(check, &check->verdict->twice, line);
		if (seen->held) {
			check_again(check, consumer, record);
			continue;
		}
		if (line < next[line % PRODUCERS])
			blame(check, &check->verdict->disordered, line);
		next[line % PRODUCERS] = line + 1;
	}
	if (consumer != VICTIM && log->settled != log->logged)
		blame(check, &check->verdict->unsettled, 0);
}

/* All logs together: each line once, and offsets in the order of sending. */
static void check_lines(struct check *check)
{
	const struct seen *seen = check->seen;
	uint32_t line;

	for (line = 0; line < check->demo->text.count; line++) {
		if (!seen[line].settled)
			blame(check, &check->verdict->lost, line);
		if (seen[line].settled > 1)
			blame(check, &check->verdict->twice, line);
		if (!check->demo->plain && line >= PRODUCERS && seen[line].settled &&
		    seen[line].offset <= seen[line - PRODUCERS].offset)
			blame(check, &check->verdict->disordered, line);
	}
}

/* The queue's own figures say the same. */
static bool check_figures(const struct demo *demo, const struct verdict *verdict)
{
	const struct weir_info *info = &demo->info;

	return info->sent == demo->text.count && info->settled == info->sent &&
	       !info->depth && !info->leased && demo->leased >= verdict->held &&
	       info->redelivered == verdict->held;
}

bool verify(const struct demo *demo, struct verdict *verdict)
{
	struct check check = { .demo = demo, .verdict = verdict };
	unsigned int i;

	*verdict = (struct verdict){ 0 };
	check.seen = calloc(demo->text.count, sizeof(*check.seen));
	if (!check.seen)
		return false;
	check_held(&check);
	for (i = 0; i < CONSUMERS; i++)
		check_log(&check, i);
	check_lines(&check);
	free(check.seen);

	return !(verdict->lost | verdict->twice | verdict->changed | verdict->disordered |
		 verdict->unsettled) &&
	       verdict->held && verdict->back == verdict->held && check_figures(demo, verdict);
}
