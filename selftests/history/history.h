/* SPDX-License-Identifier: MIT */
/*
 * Histories: what clients of a queue called, when, and what came of it; and the
 * judgement whether a correct queue could have answered so.
 *
 * A client logs into a file of its own, which it maps: what it wrote is there
 * also if it is killed the moment after. It logs the invocation before the call.
 * A record whose outcome is still UNKNOWN belongs to a call that may have taken
 * effect at any time since, or never.
 *
 *	SEND	a message; in a batch one record each
 *	REGISTER who calls is a producer from now on, with that epoch (@deliveries); @seq is
 *		of its last message that was taken, or -1
 *	QUEUE	what a queue is; by who made it: @count, how many a consumer may hold, 0: any
 *		number; and HISTORY_SINGLE, HISTORY_TEMPORARY, HISTORY_DROPS, HISTORY_KILLS,
 *		HISTORY_EXCLUSIVE;
 *		@deliveries, how many messages it may hold, if nothing else limits it; 0: any
 *	BROWSE	a walk through all that there is, begun and ended; it is OK if it got to the end
 *	TOLD	behind it in the log, begun with it and ended before: a message that it told of
 *	TAKE	a call that receives; when it is OK, its first message
 *	MORE	each further message of that call; before the TAKE is ended
 *	ACK, RELEASE	a settlement, or the end of a read in parts; one a message
 *	TERM	likewise: the message is given up
 *	EXTEND	a lease is to end later, or earlier; one a message
 *		An answer is a SEND, and behind it in the log, in one transaction, the
 *		settlement of its request, HISTORY_ANSWERED; if only that is OK, it went nowhere
 *	BURIED	a message of the queue was seen in the dead letter queue, @file; each that
 *		is delivered there is said to be, before that delivery returns
 *	RECEIPT	the sender of a message was told of its end: @count, enum history_end; of
 *		one that was dropped, begun and ended when that was
 *	OPEN	one is opened for receiving, of a queue that is exclusive; FAILED: it is said
 *		that somebody has it open so
 *	CLOSE	an open file description is closed for good
 *	DEATH	a client ends; logged by who killed or reaped it
 *	PURGE	with how many it threw away
 *	DRAINED	said by who saw it: all clients ended, and nothing is left; @count, how
 *		many messages were dropped
 *
 * A client does nothing any more when its DEATH has returned. What it held may come
 * back later, unless HISTORY_BACK says that whoever receives finds it back by then;
 * so too of a CLOSE.
 *
 * Times only have to be right as bounds: taken before the call and after it.
 */
#ifndef WEIR_SELFTESTS_HISTORY_H
#define WEIR_SELFTESTS_HISTORY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Of a message whose offset or sender the client was not told. */
#define HISTORY_NOWHERE	UINT64_MAX
#define HISTORY_NOBODY	UINT32_MAX

enum history_op {
	HISTORY_NONE,
	HISTORY_SEND,
	HISTORY_TAKE,
	HISTORY_MORE,
	HISTORY_BURIED,
	HISTORY_RECEIPT,
	HISTORY_ACK,
	HISTORY_RELEASE,
	HISTORY_TERM,
	HISTORY_EXTEND,
	HISTORY_CLOSE,
	HISTORY_DEATH,
	HISTORY_PURGE,
	HISTORY_DRAINED,
	HISTORY_REGISTER,
	HISTORY_QUEUE,
	HISTORY_BROWSE,
	HISTORY_TOLD,
	HISTORY_OPEN,
};

enum history_end {
	HISTORY_END_NONE,
	HISTORY_END_ACKED,
	HISTORY_END_TAKEN,
	HISTORY_END_DEAD,
	HISTORY_END_DISCARDED,
	HISTORY_END_PURGED,
	HISTORY_END_DROPPED,
};

enum history_outcome {
	HISTORY_UNKNOWN,
	HISTORY_OK,
	HISTORY_FAILED,		/* and nothing was changed */
	HISTORY_EMPTY,		/* of TAKE: there was nothing */
	HISTORY_STALE,		/* of ACK, RELEASE: not leased to whom it says */
	HISTORY_CORRUPT,	/* of TAKE, MORE: not the bytes that anybody sent */
};

/* Of TAKE and its MOREs: taken and settled at once. */
#define HISTORY_SETTLED	1
/* Of CLOSE and DEATH: all that was held is back. */
#define HISTORY_BACK	2
/* Of QUEUE: one description receives at a time; the others are told that it is empty. */
#define HISTORY_SINGLE	1
/* Of QUEUE: it ends with who made it, and what is in it then is nobody's. */
#define HISTORY_TEMPORARY 2
/* And: when it is full, others are thrown away, or die, for what is sent. */
#define HISTORY_DROPS	4
#define HISTORY_KILLS	8
/* And: one description of it is open for receiving. */
#define HISTORY_EXCLUSIVE 16
/* Of SEND, as its count: it is an answer. */
#define HISTORY_ANSWER	1
/* Of ACK, EXTEND: by an answer. */
#define HISTORY_ANSWERED 8
/* Of BURIED: it was given up, and not delivered too often. */
#define HISTORY_GIVEN_UP 4
/* And: it made room for others. */
#define HISTORY_MADE_ROOM 8
/* Of SEND: its priority; higher ones are delivered first. */
#define HISTORY_PRIORITIES 32
/* And: the message may be sent again, and is taken once; OK is that it is taken by now. */
#define HISTORY_ONCE	32
/* And: there is to be a RECEIPT when it ends, which is looked at when all is over. */
#define HISTORY_ASKED	128
/*
 * The other bits of SEND: how long it waits; of BURIED, without a unit: how often a
 * message may be delivered; of TAKE and its MOREs: how long the lease lasts, 0: for ever; of
 * EXTEND: from then on; of RELEASE: how long it waits. Each rounded down. A time
 * begins when the call takes effect, and is over at its end, or later.
 */
#define HISTORY_TIME_SHIFT	8
#define HISTORY_TIME_UNIT	12	/* 2^12 ns */

struct history_record {
	uint64_t invoked;	/* ns of CLOCK_MONOTONIC */
	uint64_t returned;
	uint64_t offset;	/* or HISTORY_NOWHERE */
	uint32_t client;	/* of DEATH: who died */
	uint32_t file;		/* the open file description, counted over all clients */
	uint32_t producer;	/* sends to one queue only; or HISTORY_NOBODY */
	uint32_t seq;		/* of its producer */
	uint32_t deliveries;	/* 0: not told; SEND: its producer's epoch, 0: none */
	uint32_t count;		/* TAKE: at most; ACK, RELEASE: of its run; PURGE: how many;
				 * BURIED: the offset in the dead letter queue; SEND:
				 * HISTORY_ANSWER; QUEUE, RECEIPT, DRAINED: see above
				 */
	uint32_t key;		/* SEND: its order key; 0: none, or they mean nothing there;
				 * BURIED: how much less often than most may be too often, too
				 */
	uint32_t txn;		/* SEND, settlements: of the client, in a row; 0: none */
	uint16_t target;	/* the queue */
	uint8_t op;		/* enum history_op */
	uint8_t outcome;	/* enum history_outcome */
	uint32_t flags;
};

static inline uint64_t history_time(const struct history_record *record)
{
	return (uint64_t)(record->flags >> HISTORY_TIME_SHIFT) << HISTORY_TIME_UNIT;
}

static inline uint32_t history_priority(const struct history_record *send)
{
	return send->flags % HISTORY_PRIORITIES;
}

static inline uint32_t history_time_flags(uint64_t ns)
{
	return (uint32_t)(ns >> HISTORY_TIME_UNIT) << HISTORY_TIME_SHIFT;
}

_Static_assert(sizeof(struct history_record) == 64, "logs are files");

/* The log of one client. */
struct history_log {
	struct history_record *records;
	size_t used, room;
	uint32_t client;
};

uint64_t history_now(void);

/* DIR/CLIENT.log, for at most @room records. 0 or -errno. */
int history_log_open(struct history_log *log, const char *dir, uint32_t client, uint64_t seed,
		     size_t room);
void history_log_close(struct history_log *log);

/* Before the call. What is invoked now is in the log when this returns. */
struct history_record *history_begin(struct history_log *log, const struct history_record *what);
/* After it; what else is known has been written to @record before. */
void history_end(struct history_record *record, enum history_outcome outcome);
/* Something known already, whose time of invocation @what has. */
struct history_record *history_add(struct history_log *log, const struct history_record *what,
				   enum history_outcome outcome);

enum history_fault {
	HISTORY_LOST,		/* acknowledged, and never settled by anybody */
	HISTORY_PHANTOM,	/* received, and not sent, or not yet */
	HISTORY_CORRUPTED,
	HISTORY_DUPLICATE,	/* delivered while leased, after it was settled, or twice at once */
	HISTORY_REORDERED,	/* first deliveries, or offsets against the order of sending */
	HISTORY_REDELIVERY,	/* a redelivery behind what should have come after it */
	HISTORY_FALSE_EMPTY,
	HISTORY_OFFSET_REUSED,
	HISTORY_NOT_DENSE,	/* offsets that no message has */
	HISTORY_COUNT,		/* a number of deliveries that cannot be */
	HISTORY_STALE_SETTLED,	/* accepted, though the lease was over */
	HISTORY_FOREIGN_SETTLED, /* accepted, through another description */
	HISTORY_SETTLED_TWICE,
	HISTORY_REFUSED,	/* ESTALE to the holder */
	HISTORY_PRIORITY,	/* a lower priority, while a higher one was ready */
	HISTORY_EARLY,		/* delivered before its time */
	HISTORY_KEY_SHARED,	/* delivered while another of its key was not gone */
	HISTORY_KEY_ORDER,	/* delivered before another of its key that was before it */
	HISTORY_NO_RECEIPT,	/* of a message that is to have one */
	HISTORY_RECEIPT_TWICE,
	HISTORY_WRONG_RECEIPT,	/* it ended otherwise */
	HISTORY_UNTOLD,		/* it was there all the time of a walk */
	HISTORY_GHOST,		/* told of, and not there */
	HISTORY_TOLD_TWICE,	/* by one walk */
	HISTORY_NOT_ALONE,	/* delivered through two descriptions, where one receives */
	HISTORY_NOT_EXCLUSIVE,	/* two have it open, where one may */
	HISTORY_SHUT_OUT,	/* it was refused, and nobody had it */
	HISTORY_HOARD,		/* held by one consumer beyond what it may */
	HISTORY_TAKEN_TWICE,	/* what was to be taken once */
	HISTORY_SEQUENCE,	/* a producer was told of less than is taken */
	HISTORY_UNFENCED,	/* taken of a producer with an epoch that is over */
	HISTORY_ANSWER_LOST,	/* settled by it, and it is nowhere */
	HISTORY_UNSETTLED,	/* answered, and delivered, or settled, after that */
	HISTORY_ANSWERED_TWICE,	/* and settled by each */
	HISTORY_DROPPED_OUT,	/* to make room, while it was out, or had to wait */
	HISTORY_DROP_ORDER,	/* and another one was to go before it */
	HISTORY_NEEDLESS,	/* and there was room */
	HISTORY_TORN,		/* a transaction: one part was done, and another was not */
	HISTORY_TOO_OFTEN,	/* delivered more often than the queue allows */
	HISTORY_DEAD_EARLY,	/* dead, and neither given up nor delivered so often */
	HISTORY_DEAD_TWICE,	/* two dead letters of one message */
	HISTORY_UNDEAD,		/* dead, and settled or delivered after that */
	HISTORY_BAD_LOG,	/* the clients' fault: two sends of one message, ... */
	HISTORY_FAULTS,
};

#define HISTORY_WITNESSES	3

/* Of those of one kind, the one that the shortest beginning of the history shows. */
struct history_finding {
	uint64_t times;
	uint64_t when;
	uint32_t witness[HISTORY_WITNESSES];
	unsigned int witnesses;
};

struct history {
	struct history_record *records;	/* those of one client in its order */
	size_t count, room;
	uint64_t seed;
	uint64_t never;		/* later than all times; for what did not return */
	struct history_finding findings[HISTORY_FAULTS];
};

const char *history_fault_name(enum history_fault fault);

/* Into memory; not with files. */
void history_append(struct history *history, const struct history_record *record);
/* All logs in @dir. 0 or -errno. */
int history_load(struct history *history, const char *dir);
void history_free(struct history *history);

/* How many kinds of faults there are. Makes times begin at 1. */
unsigned int history_check(struct history *history);
void history_report(const struct history *history, FILE *out);

#endif
