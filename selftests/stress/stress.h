/* SPDX-License-Identifier: MIT */
/*
 * Clients that do everything that can be done to a few queues, at random, and are
 * killed and stopped at random; what they saw is judged as a history.
 *
 * What a client does follows from the seed and its number. When it is killed, and
 * who comes first, does not: a seed is played again, not the run.
 */
#ifndef WEIR_SELFTESTS_STRESS_H
#define WEIR_SELFTESTS_STRESS_H

#include "../body.h"
#include "../history/history.h"
#include "../raw.h"
#include "../uring.h"

#define STRESS_QUEUES	5
/* The dead letter queue of the mortal ones; nobody else sends there. */
#define STRESS_DEAD	STRESS_QUEUES
/* What clients have open all the time. */
#define STRESS_COMMON	(STRESS_QUEUES + 1)
/* One may have it open for receiving. */
#define STRESS_EXCLUSIVE STRESS_COMMON
#define STRESS_ALL	(STRESS_QUEUES + 2)
/* Messages are taken once there that ask for it. */
#define STRESS_ONCE	2
/* One description receives there at a time, and a client holds no more. */
#define STRESS_SINGLE	4
#define STRESS_PREFETCH	12
/* How much less often a message may be delivered, at times. */
#define STRESS_SPARED	2
#define STRESS_HURRY	20000000	/* ns of a lease, at times */
/* Who sends: a client, to one of these, to queues without a name, to the exclusive one. */
#define STRESS_PRODUCERS (STRESS_QUEUES + 2)
#define STRESS_PRIVATELY STRESS_QUEUES
#define STRESS_EXCLUSIVELY (STRESS_QUEUES + 1)
/* Each client has one of these, for answers: by its number. */
#define STRESS_PLACE(client) (100 + (client) % 60000)
#define STRESS_PRIORITIES 3
#define STRESS_KEYS	64
/* Shorter times are none in a log. */
#define STRESS_LEAST_DELAY (1 << HISTORY_TIME_UNIT)
#define STRESS_CLIENTS	16
#define STRESS_BATCH	8		/* messages a call */
#define STRESS_LARGEST	6000		/* bytes of a message */
#define STRESS_LEASES	40
#define STRESS_BUFFER	(STRESS_BATCH * (STRESS_LARGEST + 10 * WEIR_ALIGN))
#define STRESS_RECORDS	100000		/* of one client; then it ends */
#define STRESS_FILES	100000		/* numbers of a client's descriptions */

enum stress_op {
	STRESS_WRITE, STRESS_WRITEV, STRESS_SEND, STRESS_URING_SEND,
	STRESS_READ, STRESS_READ_PARTS, STRESS_FETCH, STRESS_FETCH_IN_PLACE,
	STRESS_FETCH_SETTLED, STRESS_URING_FETCH, STRESS_PARK, STRESS_CANCEL,
	STRESS_SETTLE, STRESS_URING_SETTLE, STRESS_SETTLE_AND_FETCH, STRESS_PROBE,
	STRESS_BROWSE,
	STRESS_SEND_ONCE, STRESS_TXN, STRESS_REPLY, STRESS_HEAR,
	STRESS_EXCLUDE, STRESS_POLL, STRESS_REOPEN, STRESS_ALTER, STRESS_PURGE,
	STRESS_OPS,
};

/* A message that a client holds, as SETTLE wants it. */
struct stress_lease {
	uint32_t queue;
	uint32_t file;
	int fd;
	struct weir_run run;
	bool asks;			/* for an answer */
	uint32_t producer, seq;		/* of the message, likewise */
	bool nameless;			/* no: these are of the first of the run that it was in */
};

/* What all processes share. */
struct stress_shared {
	uint32_t stop;
	uint64_t ops[STRESS_OPS];
	uint64_t refused;		/* settlements */
	/* Since when a client ends by itself; 0: it does not. */
	uint64_t ending[STRESS_CLIENTS];
	uint64_t ids[16];		/* of messages that are to be taken once */
	struct stress_lease seen[64];	/* leases of anybody, for others to try */
};

/* A round: queues, and who uses them. */
struct stress {
	uint64_t seed;
	const char *logs;
	struct stress_shared *shared;
	char names[STRESS_ALL][WEIR_NAME_SIZE];
	int inherited[STRESS_ALL];	/* descriptions that all clients have */
	char receipts_name[WEIR_NAME_SIZE];
	int receipts;			/* a description of a queue for them */
	int64_t clocks;			/* by what CLOCK_REALTIME was ahead when it began */
};

/* A FETCH that waits in a ring. */
struct stress_parked {
	bool waits;
	int fd;
	uint32_t queue;
	struct history_record *record;
	struct weir_fetch fetch;
	struct weir_run runs[STRESS_BATCH];
};

/* As who it sends: one of as many as there are places for clients. */
struct stress_producer {
	uint64_t id;
	uint32_t slot, epoch;		/* 0: none */
	uint32_t next;			/* seq */
};

struct stress_client {
	const struct stress *stress;
	struct history_log log;
	uint32_t id;
	unsigned int slot;
	struct stress_producer producer;
	uint64_t random;
	int fds[STRESS_ALL];		/* its own descriptions */
	bool waited[STRESS_ALL];	/* a send through it may have been a ring's thread's */
	uint32_t files[STRESS_ALL], next_file;
	uint32_t seqs[STRESS_PRODUCERS];
	int exclusive;			/* a description of that queue; 0: none */
	uint32_t exclusive_file;
	int place;			/* a queue without a name, for answers */
	uint32_t place_file;
	const char *index[STRESS_ALL], *pool[STRESS_ALL];
	struct stress_lease leases[STRESS_LEASES];
	unsigned int nr_leases;
	uint32_t txns;			/* ever */
	uint32_t txn;			/* what is logged is of this one; 0: none */
	struct stress_lease old;	/* settled before; @run.count 0: none */
	struct ring ring, parking;
	struct stress_parked parked;
	char *bytes;			/* STRESS_BUFFER */
	char *parked_bytes;
};

/* Does not return. */
void stress_client(const struct stress *stress, uint32_t id, unsigned int slot);
void stress_fail(const struct stress_client *client, const char *what, long result)
	__attribute__((noreturn));

uint32_t stress_chance(struct stress_client *client, uint32_t below);

/* One of the two descriptions that it has of @queue. */
int stress_pick_file(struct stress_client *client, uint32_t queue, uint32_t *file);
int stress_command(struct stress_client *client, bool by_ring, int fd, unsigned long command,
		   void *arg);

/* send.c */
void stress_write(struct stress_client *client, uint32_t queue, bool in_parts);
void stress_send(struct stress_client *client, uint32_t queue, bool by_ring);

/*
 * A message with its options, in the @place'th part of the client's bytes; it is in
 * the log.
 */
struct history_record *stress_send_make(struct stress_client *client, uint32_t queue,
					uint32_t file, uint32_t place,
					struct weir_message *message,
					struct weir_options *options);

/* Of what it sends to @queue, and no other client. */
uint32_t stress_producer(const struct stress_client *client, uint32_t queue);
/* Nothing else may come of sending to a queue that is there. */
void stress_send_expected(const struct stress_client *client, long result);

/* browse.c */
void stress_browse(struct stress_client *client, uint32_t queue);

/* once.c */
void stress_once(struct stress_client *client);

/* What @file's leases were. */
void stress_forget(struct stress_client *client, uint32_t file);

/* policy.c */

/* Of a round of that seed. @heir: a descriptor of the dead letter queue, or -1. */
void stress_policy(struct weir_policy *policy, uint64_t seed, uint32_t queue, int heir);
extern const __u64 stress_messages[STRESS_ALL];
void stress_alter(struct stress_client *client, uint32_t queue);

/* exclusive.c */
void stress_exclude(struct stress_client *client);

/* reply.c */

/* The queue that @client's answers come to privately. */
void stress_place(struct stress_client *client);
/* That one, or one of those that all use: it follows from the request. */
int stress_reply_to(const struct stress_client *client, uint32_t producer, uint32_t seq);
void stress_reply(struct stress_client *client);
void stress_hear(struct stress_client *client);

/* txn.c */
void stress_txn(struct stress_client *client, uint32_t queue);

/* take.c */
struct stress_how {
	bool by_ring, in_place, settled, and_settle;
};

void stress_read(struct stress_client *client, uint32_t queue);
void stress_read_parts(struct stress_client *client, uint32_t queue);
void stress_fetch(struct stress_client *client, uint32_t queue, struct stress_how how);
void stress_fetch_from(struct stress_client *client, uint32_t queue, int fd, uint32_t file,
		       struct stress_how how);
void stress_park(struct stress_client *client, uint32_t queue);
void stress_look_after_parked(struct stress_client *client);
void stress_cancel(struct stress_client *client);

/* message.c: the payload and what came with it; its sender, if it is whole. */
bool stress_message_whole(const struct weir_desc *desc, const char *payload,
			  struct history_record *record);
void stress_message_make(struct weir_message *message, char *bytes, uint32_t length,
			 uint32_t producer, uint32_t seq, bool with_more);

/* Of a dead letter: likewise, and where it died is @buried. */
bool stress_letter_whole(const struct stress *stress, const struct weir_desc *desc,
			 const char *payload, struct history_record *record,
			 struct history_record *buried);

/* Whether keys order what is in @queue, in a round of that seed. */
static inline bool stress_keyed(uint64_t seed, uint32_t queue)
{
	return queue == 3 || (queue == 1 && seed % 2);
}

/* The key of a message: a few have most of them. */
static inline uint64_t stress_key(const struct body *body)
{
	uint32_t key = body_mix(body_seed(body)) % (2 * STRESS_KEYS);

	return 1 + key % (key < STRESS_KEYS ? 4 : STRESS_KEYS);
}

/* What @queue does when it is full, in a round of that seed: enum weir_when_full. */
static inline uint32_t stress_when_full(uint64_t seed, uint32_t queue)
{
	static const uint8_t ways[][4] = {
		[0] = { WEIR_WHEN_FULL_WAIT, WEIR_WHEN_FULL_DEAD_LETTER, WEIR_WHEN_FULL_REJECT,
			WEIR_WHEN_FULL_DROP_OLDEST },
		[1] = { WEIR_WHEN_FULL_DROP_OLDEST, WEIR_WHEN_FULL_DROP_OLDEST,
			WEIR_WHEN_FULL_WAIT, WEIR_WHEN_FULL_DEAD_LETTER },
		[STRESS_SINGLE] = { WEIR_WHEN_FULL_WAIT, WEIR_WHEN_FULL_DROP_OLDEST,
				    WEIR_WHEN_FULL_DROP_OLDEST, WEIR_WHEN_FULL_REJECT },
	};

	return queue < sizeof(ways) / sizeof(*ways) ? ways[queue][seed % 4] : WEIR_WHEN_FULL_WAIT;
}

/* Whether that is altered, to throw away and back. */
static inline bool stress_alters_full(uint64_t seed, uint32_t queue)
{
	return queue == 3 && seed % 2;
}

/* Whether others may be thrown away for a message, at some time. */
static inline bool stress_drops(uint64_t seed, uint32_t queue)
{
	return stress_alters_full(seed, queue) ||
	       stress_when_full(seed, queue) == WEIR_WHEN_FULL_DROP_OLDEST;
}

/* Its limit is altered, between this and what it was created with. */
static inline uint64_t stress_least_messages(uint64_t seed, uint32_t queue)
{
	return stress_messages[queue] / (stress_alters_full(seed, queue) ? 64 : 2);
}

/* Whether its leases are altered, to last this long and back. */
static inline bool stress_hurries(uint64_t seed, uint32_t queue)
{
	return queue == STRESS_ONCE && seed % 3 == 0;
}

/* How often a message of @queue may be delivered at most; 0: any number. */
static inline uint32_t stress_most(uint32_t queue)
{
	return queue ? 0 : 4 + STRESS_SPARED;
}

/* Whether what is dead is in the dead letter queue. */
static inline bool stress_mortal(uint32_t queue)
{
	return queue < 2;
}

/* How long a lease of @ns, 0 for that of @queue, lasts at least, for a history. */
static inline uint32_t stress_lease_flags(uint64_t seed, uint32_t queue, uint64_t ns)
{
	if (!ns)
		ns = stress_hurries(seed, queue) ? STRESS_HURRY : WEIR_DEFAULT_LEASE;
	return ns >= WEIR_UNLIMITED ? 0 : history_time_flags(ns);
}

/* What has not come by then does not come. */
static inline uint64_t stress_deadline(void)
{
	return history_now() + raw_seconds(20) * 1000000000ULL;
}

/* settle.c */
struct stress_settling {
	struct stress_lease lease;
	struct weir_run run;
	struct history_record *records[STRESS_BATCH];
};

/* Leases that can be settled as one run are taken out; false: there is none. */
bool stress_settle_begin(struct stress_client *client, uint32_t file, int fd,
			 struct stress_settling *settling);
/* Likewise, of one that is chosen already. */
void stress_settle_log(struct stress_client *client, const struct stress_lease *lease,
		       struct stress_settling *settling);
void stress_settle_end(struct stress_client *client, struct stress_settling *settling);
void stress_settle(struct stress_client *client, bool by_ring);
void stress_probe(struct stress_client *client);

#endif
