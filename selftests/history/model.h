/* SPDX-License-Identifier: MIT */
/*
 * Histories that a queue might have made: clients at random, in a time that is
 * only counted, and a queue that is right, or that is wrong once in a way that
 * has a name.
 */
#ifndef WEIR_SELFTESTS_MODEL_H
#define WEIR_SELFTESTS_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "history.h"

#define MODEL_QUEUES	3
/* The dead letter queue of all. */
#define MODEL_DEAD	MODEL_QUEUES
#define MODEL_ALL	(MODEL_QUEUES + 1)
#define MODEL_PRIORITIES 3
#define MODEL_MOST	3	/* deliveries, if there are dead letters */
#define MODEL_BATCH	8

enum model_mutant {
	MODEL_RIGHT,
	MODEL_DROP,		/* an acknowledged message is not there */
	MODEL_TAIL,		/* the last ones are lost */
	MODEL_FORGET,		/* one that a killed client held does not come back */
	MODEL_SEND_TWICE,
	MODEL_INVENT,		/* a message that nobody sent */
	MODEL_FAIL_AND_SEND,	/* "full", and it is sent all the same */
	MODEL_FLIP,		/* a bit */
	MODEL_SWAP,		/* two messages */
	MODEL_REUSE,		/* an offset */
	MODEL_SKIP,		/* an offset */
	MODEL_LEASE_TWICE,
	MODEL_RESURRECT,	/* what was acknowledged comes again */
	MODEL_BACK_LAST,	/* what was given back comes behind all */
	MODEL_BACK_MIXED,	/* or in another order than it came */
	MODEL_NOT_COUNTED,	/* a redelivery */
	MODEL_COUNTED_TWICE,
	MODEL_EMPTY,		/* "empty" */
	MODEL_UNFENCED,		/* a settlement of an earlier delivery is taken */
	MODEL_FOREIGN,		/* or through another description */
	MODEL_ACK_TWICE,
	MODEL_REFUSE,		/* the holder's */
	MODEL_EARLY,		/* a lease ends before its time */
	MODEL_LATE,		/* an acknowledgement is taken that comes after its time */
	MODEL_LOW_FIRST,	/* a lower priority is delivered first */
	MODEL_TOO_SOON,		/* what was to wait does not */
	MODEL_KEY_TWO,		/* two of a key are out */
	MODEL_KEY_SWAP,		/* or come in another order */
	MODEL_KEY_STUCK,	/* or the next one is forgotten */
	MODEL_ID_TWICE,		/* what is to be taken once is taken twice */
	MODEL_ID_NEVER,		/* or not at all */
	MODEL_UNFENCED_SEND,	/* who is no producer any more sends as one */
	MODEL_FORGOTTEN,	/* a producer is told less than it sent */
	MODEL_NOT_ALONE,	/* a second description receives */
	MODEL_NOT_EXCLUSIVE,	/* or opens what another one has open */
	MODEL_SHUT_OUT,		/* or is refused that, when nobody has */
	MODEL_HOARD,		/* somebody is given more than he may hold */
	MODEL_NO_RECEIPT,	/* the sender is not told of an end */
	MODEL_TWO_RECEIPTS,	/* or is twice */
	MODEL_WRONG_RECEIPT,	/* or of another one */
	MODEL_UNTOLD,		/* a walk leaves one out */
	MODEL_GHOST,		/* or tells of one that is gone */
	MODEL_TOLD_TWICE,	/* or of one twice */
	MODEL_DROP_LEASED,	/* what is out is thrown away to make room */
	MODEL_DROP_HIGH,	/* or a higher priority before a lower one */
	MODEL_DROP_YOUNG,	/* or what was sent last */
	MODEL_DROP_ROOMY,	/* or there was room */
	MODEL_DROP_UNTOLD,	/* or its sender is not told */
	MODEL_KILL_LEASED,	/* what is out dies to make room */
	MODEL_ANSWER_LOST,	/* a request is settled, and its answer is nowhere */
	MODEL_ANSWER_NOWHERE,	/* or is said to be for nobody */
	MODEL_ANSWER_UNSETTLED,	/* or it is answered, and not settled */
	MODEL_ANSWER_TWICE,	/* or once more by who has answered it */
	MODEL_ANSWER_REFUSED,	/* or by who is refused */
	MODEL_TORN_SENT,	/* a transaction sends, and does not settle */
	MODEL_TORN_SETTLED,	/* or settles, and does not send */
	MODEL_TOO_OFTEN,	/* one delivery more than may be */
	MODEL_DEAD_LOST,	/* what is dead is nowhere */
	MODEL_DEAD_TWICE,	/* or has two dead letters */
	MODEL_DEAD_EARLY,	/* or could have been delivered */
	MODEL_UNDEAD,		/* acknowledged, and dead all the same */
	MODEL_MUTANTS,
};

struct model_plan {
	uint64_t seed;
	uint64_t records;	/* about */
	unsigned int clients, queues;
	unsigned int kills, purges, probes; /* of 10000 steps; probes: wrong settlements */
	unsigned int capacity;
	bool timed;		/* leases end, are extended, and what is released may wait */
	bool dead;		/* there are dead letters */
	bool wishes;		/* priorities and delays */
	bool keyed;		/* order keys */
	bool txns;		/* transactions */
	bool once;		/* messages that are taken once */
	bool receipts;		/* senders are told of ends */
	uint8_t full;		/* others are dropped then: HISTORY_DROPS; or die: _KILLS */
	bool replies;		/* some ask, and are answered */
	bool walks;		/* some only look */
	bool exclusive;		/* there is a queue that one description has open */
	bool single;		/* one description receives at a time */
	unsigned int prefetch;	/* that a client may hold; 0: any number */
	bool shared;		/* every two clients have a description in common */
	bool rough;		/* what the dead held comes back nobody knows when, and
				 * at the end nobody waits for calls to return */
	enum model_mutant mutant;
};

const char *model_mutant_name(enum model_mutant mutant);
/* What the checker has to say of it. */
enum history_fault model_mutant_fault(enum model_mutant mutant);

/* Whether the mutant had its occasion. */
bool model_run(const struct model_plan *plan, struct history *history);
/* Everything of it but for @records and @mutant. */
void model_plan_random(struct model_plan *plan, uint64_t seed);

#endif
