/* SPDX-License-Identifier: MIT */
/*
 * How a history is judged. One queue after the other:
 *
 *	join.c	by offset: one message each; settlements that name only an
 *		offset learn whose message it is
 *	once.c	what is sent more than once is one message
 *	txn.c	what is done together
 *	answer.c	and in particular: a request is settled and its answer sent
 *	graves.c	dead letters are messages of another queue: what is sent there
 *	life.c	by message: sent, delivered, given back, settled; this leaves the
 *		stays (when it was surely ready) and the keys (its place in line)
 *	keyed.c	by order key: one at a time, in order; so those behind are not ready
 *	drops.c	what was thrown away to make room, against what else there was
 *	browse.c	walks through the queue, against what was there
 *	turns.c	who received, and what each held
 *	opens.c	who had it open, where one may
 *	order.c	over all: offsets against sending, first deliveries against
 *		offsets, each call against what was there all the time, the end
 *
 * Each step is a sort and a pass. Nothing is a fault that any order of the calls'
 * unseen effects explains; where it would take long to find whether one does, a
 * bound is used, so that some faults beside unknown calls go unseen.
 */
#ifndef WEIR_SELFTESTS_CHECK_H
#define WEIR_SELFTESTS_CHECK_H

#include <stdbool.h>

#include "history.h"
#include "sort.h"

#define CHECK_NONE	UINT32_MAX

/* In the flags of records, found out by the way: of SEND, that it never took effect; */
#define CHECK_NEVER_WAS	64
/* of a settlement, that nothing else can have settled its message. */
#define CHECK_ALL_ALONE	128

/*
 * The place in line of a delivery: higher priorities first, then redeliveries before
 * the others, then by offset. 0 is unknown. Of a first delivery whose offset is
 * unknown it is a bound.
 */
#define CHECK_FIRST	(1ULL << 56)
#define CHECK_CLASS	(CHECK_FIRST << 1)

static inline uint64_t check_class(const struct history_record *send)
{
	return (HISTORY_PRIORITIES - 1 - history_priority(send)) * CHECK_CLASS;
}

/* The end of a client or of a description. */
struct check_end {
	uint32_t id;
	uint32_t record;
};

struct check_ends {
	struct check_end *at;
	size_t count;
};

/*
 * Calls that may have taken messages that nobody knows of, by time of invocation. An
 * unknown one may have until the death of its client.
 */
struct check_taker {
	uint64_t invoked, end;
	uint64_t reach;		/* the latest end of this and of those before */
	uint64_t most;
	uint32_t client;
};

struct check_takers {
	struct check_taker *at;
	size_t count;
};

struct check_message {
	uint64_t offset;
	uint64_t missing;	/* settled by nobody known; since then it could be taken; 0: no */
	uint32_t send;		/* its record */
	uint32_t first;		/* that of its first delivery, if that is certain */
	uint32_t stay;		/* the last one, or CHECK_NONE */
	uint32_t ready;		/* the one before its first delivery, or CHECK_NONE */
	uint32_t delivery;	/* its first delivery that is known, or CHECK_NONE */
	uint64_t gone_since, gone; /* with a key, or walks: it may be, and it is by then */
	uint32_t died;		/* the client with which its last lease ended, or CHECK_NONE */
	uint32_t doubt;		/* what settled it if anything did, or CHECK_NONE: in a txn, */
	uint64_t doubted, again; /* unless others did after this; it was there again by then */
	uint32_t dropped;	/* who was told so, or CHECK_NONE */
	uint64_t vacated;	/* it has no place in the queue from then on; if that is limited */
	bool droppable;		/* nobody knows whether it was */
	bool seen;		/* delivered, or told of when it ended */
};

/* A message was surely ready from @from to @until. */
struct check_stay {
	uint64_t from, until;
	uint64_t key;
	uint32_t record;	/* what it began with */
	bool missing;		/* it is the last one of a message that nobody settled */
	bool told;		/* of, as a fault */
};

/* A lease lasted surely until @until. */
struct check_hold {
	uint32_t delivery;
	uint64_t until;
};

struct check {
	struct history *history;
	struct check_ends deaths, closes;
	uint64_t *keys;		/* by record */
	struct sort_item *items, *others, *spare;

	/* Of one queue. */
	uint32_t *records;
	size_t count;
	uint32_t drained;	/* a record, or CHECK_NONE */
	uint32_t most;		/* deliveries; 0: not known */
	uint32_t prefetch;	/* 0: any number */
	bool drops, kills;	/* what it does when it is full */
	uint32_t limit;		/* messages that it may hold; 0: not known */
	bool walks;		/* there are any */
	bool exclusive;		/* one description is open for receiving */
	bool single;		/* one description receives at a time */
	bool wishes;		/* priorities, delays, or keys */
	struct check_takers takes;	/* unknown ones */
	struct check_takers enders;	/* unknown ones that settle; purges */
	struct check_message *messages;
	size_t nr_messages;
	/* By invocation of the sending; the second: of these and the later ones. */
	uint64_t *sent, *delivered;
	struct check_stay *stays;
	size_t nr_stays;
	struct check_hold *holds; /* if there is @prefetch */
	size_t nr_holds;
};

static inline struct history_record *check_record(const struct check *check, uint32_t index)
{
	return &check->history->records[index];
}

void check_fault(struct check *check, enum history_fault fault, uint32_t a, uint32_t b,
		 uint32_t c);
/* NULL: no end is known. */
const struct history_record *check_end_of(const struct check *check,
					  const struct check_ends *ends, uint32_t id);

void check_takers(struct check *check);
/*
 * When the first began of those that ended after @from, unless it was @client's: if
 * before @before; or @before.
 */
uint64_t check_takers_first(const struct check_takers *takers, uint64_t from, uint64_t before,
			    uint32_t client);
/* How many began before @before. */
size_t check_takers_before(const struct check_takers *takers, uint64_t before);

void check_once(struct check *check);
void check_txns(struct check *check);
void check_txns_torn(struct check *check);
void check_answers(struct check *check);
/* @record, a message that was sent or delivered, is nowhere. */
void check_lost(struct check *check, uint32_t record, uint32_t b, uint32_t c);
/* The dead letters are sent, by nobody who said so. */
void check_graves(struct check *check);
void check_join(struct check *check);
void check_lives(struct check *check);
void check_walks(struct check *check);
void check_turns(struct check *check);
void check_opens(struct check *check);
void check_holds(struct check *check);
void check_keyed(struct check *check);
void check_drops(struct check *check);
void check_order(struct check *check);
void check_calls(struct check *check);

#endif
