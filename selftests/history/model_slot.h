/* SPDX-License-Identifier: MIT */
/* The clients of the model (model_calls.c), and what moves them on (model.c). */
#ifndef WEIR_SELFTESTS_MODEL_SLOT_H
#define WEIR_SELFTESTS_MODEL_SLOT_H

#include "../body.h"
#include "model_queue.h"

#define SLOTS	16
#define LEASES	64
#define NEVER	MODEL_NEVER

/* Where a client is in its call. */
enum phase { IDLE, CALLED, DONE };
enum call { SEND, TAKE, SETTLE, PROBE, CLOSE, PURGE, TXN, ONCE, REGISTER, BROWSE, REPLY, OPEN };

struct lease {
	uint32_t message, file, deliveries;
	uint16_t queue;
};

struct slot {
	struct history log;		/* of this client */
	uint64_t at, deadline;
	uint64_t killed;		/* since when it ends; 0: it does not */
	uint32_t client;
	uint32_t files[MODEL_ALL], seqs[MODEL_ALL];
	struct lease leases[LEASES], old;
	unsigned int nr_leases;
	enum phase phase;
	enum call call;
	uint16_t queue;
	size_t first;			/* record of the call */
	struct history walk;		/* what it saw */
	unsigned int asked, got;
	uint32_t messages[MODEL_BATCH], deliveries[MODEL_BATCH];
	bool told, settled, partial, accepted, busy;
	uint32_t open;			/* what it has open of the exclusive queue; 0: nothing */
	uint8_t op;			/* of a settlement */
	uint32_t priority;		/* of what it sends */
	uint8_t keys[MODEL_BATCH];	/* likewise */
	bool asked_end;			/* likewise: for receipts */
	uint8_t asks;			/* likewise: for answers */
	bool answered;			/* what it answers was leased to it, so it may be */
	struct { uint16_t queue; uint32_t seq; } parts[MODEL_BATCH]; /* of a transaction */
	struct lease done[2];		/* likewise: what it settles, */
	unsigned int sends, settles;	/* so many */
	uint32_t txns;
	uint32_t producer, epoch, next;	/* as who it sends: of those of the model */
	size_t id;			/* of the message that it sends */
	uint32_t time;			/* units of HISTORY_TIME_UNIT; 0: none */
};

/* What is known by its id. */
struct model_id {
	uint32_t producer, seq;
	uint16_t queue;
	bool taken;
};

#define PRODUCERS 3

/* What is known by its number. */
struct model_producer {
	uint32_t epoch, next;
};

struct zombie {
	uint32_t client;
	uint64_t at;
};

struct model {
	const struct model_plan *plan;
	struct model_wrong wrong;
	struct model_queue queues[MODEL_ALL];
	struct slot slots[SLOTS];
	struct zombie zombies[SLOTS];
	struct history *history, control;
	uint64_t random, now, records;
	uint32_t clients, files;
	struct model_id *ids;
	size_t nr_ids, room;
	uint32_t open, opener;		/* who has the exclusive queue, and as what */
	struct model_producer producers[PRODUCERS];	/* of queue 0 */
	bool drains;
};

uint32_t chance(struct model *model, uint32_t below);

/* A record of @slot's, begun now; and its end. */
struct history_record slot_record(const struct model *model, const struct slot *slot, uint8_t op);
struct history_record *slot_log(struct model *model, struct slot *slot,
				struct history_record record);
void slot_end(struct model *model, struct history_record *r, uint8_t outcome);

/* Of what it sends to the queue that it is at. */
uint32_t slot_producer(const struct slot *slot);
uint8_t model_pick_key(struct model *model);
/* Of @slot's next settlement; @txn as in a record. */
void model_log_settle(struct model *model, struct slot *slot, const struct lease *lease,
		      uint32_t txn);

/* model_txn.c */
void model_txn_begin(struct model *model, struct slot *slot);
void model_txn_effect(struct model *model, struct slot *slot);
void model_txn_return(struct model *model, struct slot *slot);

/* model_once.c: a message that is taken once, by its id or its producer */
void model_once_begin(struct model *model, struct slot *slot);
void model_once_effect(struct model *model, struct slot *slot);
void model_once_return(struct model *model, struct slot *slot);

/* model_reply.c: an answer; and the queue for those that @slot asks for itself */
void model_reply_begin(struct model *model, struct slot *slot);
void model_reply_effect(struct model *model, struct slot *slot);
void model_reply_return(struct model *model, struct slot *slot);
void model_reply_place(struct model *model, struct slot *slot);
/* Whether it has one. */
bool model_has_place(const struct slot *slot);

/* model_open.c: the exclusive queue, which is opened and closed; what the dead had */
void model_open_begin(struct model *model, struct slot *slot);
void model_open_effect(struct model *model, struct slot *slot);
void model_open_return(struct model *model, struct slot *slot);
void model_open_end(struct model *model, uint32_t client);
void model_open_tell(struct model *model);

/* model_browse.c: a walk, that sees all at one moment */
void model_browse_effect(struct model *model, struct slot *slot);
void model_browse_return(struct model *model, struct slot *slot);

/* model_receipt.c: of all that ended in @queue */
void model_receipts(struct model *model, struct slot *slot, uint16_t queue);

/* A call begins (slot_call(): that which @slot says; false: it cannot), happens, returns. */
void slot_begin(struct model *model, struct slot *slot);
bool slot_call(struct model *model, struct slot *slot);
void slot_effect(struct model *model, struct slot *slot);
void slot_return(struct model *model, struct slot *slot);

#endif
