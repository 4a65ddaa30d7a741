/* SPDX-License-Identifier: MIT */
#ifndef WEIR_SELFTESTS_MODEL_QUEUE_H
#define WEIR_SELFTESTS_MODEL_QUEUE_H

#include "model.h"

enum model_state {
	MODEL_READY, MODEL_BACK, MODEL_LEASED, MODEL_DELAYED, MODEL_BEHIND, MODEL_GONE,
};

#define MODEL_NEVER	UINT64_MAX
#define MODEL_KEYS	6
/* Most calls are over by then. */
#define MODEL_CALL_TIME	1000

struct model_message {
	uint64_t offset;
	uint8_t priority, key;
	uint8_t end;		/* enum history_end */
	bool asked;		/* of that */
	bool answered;
	uint8_t asks;		/* for an answer: 0, MODEL_PRIVATE, or a queue and 1 */
	uint64_t ended;		/* dropped then */
	struct { uint64_t offset; uint32_t deliveries; uint16_t target, reason; } died;
	uint32_t producer, seq;
	uint32_t deliveries;
	uint32_t client, file;	/* the holder */
	uint64_t since;		/* in its state */
	uint64_t taken;		/* the last time */
	uint64_t until;		/* LEASED, DELAYED */
	uint8_t state;
	bool since_late;	/* READY: it had to wait */
};

/* A number that grows is good enough for a queue: nothing is ever taken out of it. */
struct model_list {
	uint32_t *at;
	size_t head, count, room;
};

/* Those of one key: the one that is not behind, and one more; 0: none. */
struct model_chain {
	uint32_t head;
	struct model_list behind;
};

struct model_queue {
	struct model_message *messages;
	size_t count, room;
	size_t alive;			/* all before it are settled */
	uint64_t due;			/* no time of its messages is over before that */
	struct model_list ready[MODEL_PRIORITIES];	/* messages by index */
	struct model_list late[MODEL_PRIORITIES];	/* that had to wait: a heap by offset */
	struct model_list back[MODEL_PRIORITIES];	/* likewise */
	struct model_chain chains[MODEL_KEYS + 1];	/* by key */
	struct model_queue *heir;	/* NULL: none */
	uint64_t next_offset;
	unsigned int held;		/* ready or leased */
	bool told;			/* the last sender, of its offset */
	uint8_t full;			/* HISTORY_DROPS, HISTORY_KILLS */
	uint32_t capacity, dropped;
	bool single;
	uint32_t active, active_client;	/* the description that receives, and who; 0: none */
};

/* When to be wrong, and how. */
struct model_wrong {
	enum model_mutant mutant;
	uint64_t after;		/* so many calls */
	uint64_t calls;
	uint64_t now, invoked;	/* the latter: this call */
	bool struck;
};

#define MODEL_NOTHING	UINT32_MAX

/* A queue without a name of who asks. */
#define MODEL_PRIVATE	255

/* Of a message: @until it waits. */
struct model_wish {
	uint8_t priority, key, asks;
	bool asked;
	uint64_t until;
};

/* A message that it takes; @told: its sender will hear of its offset. */
uint32_t model_send(struct model_queue *queue, struct model_wrong *wrong, uint32_t producer,
		    uint32_t seq, bool told, struct model_wish wish);
/* The next one, leased; or MODEL_NOTHING. */
uint32_t model_take(struct model_queue *queue, struct model_wrong *wrong, uint32_t client,
		    uint32_t file, bool told, uint64_t until);
/* What is to become of a message: a settlement's op, and its time. */
struct model_fate {
	uint8_t op;
	uint64_t until;
};

/* Whether it is accepted. */
bool model_settle(struct model_queue *queue, struct model_wrong *wrong, uint32_t message,
		  uint32_t file, uint32_t deliveries, struct model_fate fate);
/* What is over by now. */
void model_tick(struct model_queue *queue, struct model_wrong *wrong);
/* All of @client, or, if that is MODEL_NOTHING, of @file. */
void model_put_back(struct model_queue *queue, struct model_wrong *wrong, uint32_t client,
		    uint32_t file);
/* For the last time that anybody receives. */
void model_lose_tail(struct model_queue *queue, struct model_wrong *wrong);
uint32_t model_purge(struct model_queue *queue);
size_t model_depth(const struct model_queue *queue);
void model_queue_free(struct model_queue *queue);
void model_list_add(struct model_list *list, uint32_t message);
/* By offset. */
void model_heap_add(struct model_queue *queue, struct model_list *heap, uint32_t message);
bool model_strikes(struct model_wrong *wrong, enum model_mutant mutant, bool occasion);

/* It leaves its queue to be dead; @reason: HISTORY_GIVEN_UP, HISTORY_MADE_ROOM. */
void model_die(struct model_queue *queue, struct model_wrong *wrong, uint32_t message,
	       uint16_t reason);
void model_gone(struct model_queue *queue, struct model_wrong *wrong, uint32_t message);
uint32_t model_heap_take(struct model_queue *queue, struct model_list *heap);
size_t model_class_depth(const struct model_queue *queue, int priority);

/* model_full.c: whether there is room for one more, perhaps because another one went */
bool model_room(struct model_queue *queue, struct model_wrong *wrong);

/* model_turn.c: how many @client may be given through @file; or MODEL_BUSY */
#define MODEL_BUSY	UINT32_MAX
uint32_t model_admit(struct model_queue *queue, struct model_wrong *wrong, uint32_t client,
		     uint32_t file, uint32_t prefetch);

/* model_key.c */

/* Whether it is behind another one, now that it might be ready. */
bool model_key_join(struct model_queue *queue, struct model_wrong *wrong, uint32_t message);
/* It is gone; the next of its key is ready. */
void model_key_leave(struct model_queue *queue, struct model_wrong *wrong, uint32_t message);
/* All that are behind. */
uint32_t model_key_purge(struct model_queue *queue);

#endif
