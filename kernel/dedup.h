/* SPDX-License-Identifier: GPL-2.0 */
/*
 * dedup - whether a message was taken before
 *
 * Two ways to know, each without any message at hand:
 *
 *   ids        of the last messages, up to @count of them, and none that is older than
 *              @max_age_ns
 *   producers  of each one the number of the last message that was taken
 *
 * Ids are a ring of hashes, each with the number that it had; those with one
 * hash value are linked from the newest to older ones. What the ring has
 * overwritten bears another number than the link that leads there, and ends the
 * walk: so nothing is ever taken out, and a note costs the same however many
 * there are. Secrets make the hashes, so that nobody can choose them alike.
 *
 *   heads   [ 7 ]        [ 6 ] ...        by hash; numbers
 *             |            |
 *   ring  | 8: - | 5: - | 6: 2 | 7: 5 |   2 was here, and is 6 now: the walk from
 *                                         6 ends
 *
 * A producer is a name and the user who sends by it. Each time it is registered its
 * epoch changes, and who has another one is not it any more.
 *
 * The caller's lock protects both, except where said.
 */
#ifndef _WEIR_DEDUP_H
#define _WEIR_DEDUP_H

#include <linux/list.h>
#include <linux/siphash.h>
#include <linux/types.h>
#include <uapi/linux/weir.h>

struct weir_account;

struct weir_id {
	u64 hash[2];
};

/* One that was taken. */
struct weir_noted {
	struct weir_id id;
	u64 at;				/* ns, of whatever clock */
	u32 number;
	u32 older;			/* the number of the next one with its hash value */
};

struct weir_ids {
	siphash_key_t secrets[2];	/* invariant */
	struct weir_noted *ring;	/* invariant; NULL: no ids are known */
	u32 *heads;			/* invariant */
	u32 size;			/* invariant; of both, a power of 2 */
	u32 count;			/* at most @size */
	u64 max_age_ns;			/* 0: any */
	u64 taken;			/* ever; the last one has this number, in 32 bits */
};

/* weir_ids_init() - for up to @count ids, 0: none; may sleep */
int weir_ids_init(struct weir_ids *ids, struct weir_account *account, u32 count);
/* weir_ids_destroy() - one that is all zero is fine; may sleep */
void weir_ids_destroy(struct weir_ids *ids, struct weir_account *account);
/* weir_ids_hash() - without the lock */
struct weir_id weir_ids_hash(const struct weir_ids *ids, const void *bytes, size_t len);
/* weir_ids_take() - whether @id was not taken; then it is, at @now */
bool weir_ids_take(struct weir_ids *ids, const struct weir_id *id, u64 now);

#define WEIR_PRODUCERS_HEADS	256

struct weir_known {
	struct hlist_node node;		/* by name and user */
	struct list_head link;		/* in @used */
	char name[WEIR_PRODUCER_NAME_SIZE];
	u64 id;				/* invariant; never 0, and nobody else's, ever */
	u64 sequence;			/* of the last message that was taken, or 0 */
	u64 at;				/* when it was used */
	u32 uid;			/* invariant */
	u32 epoch;
};

struct weir_producers {
	siphash_key_t secret;		/* invariant */
	struct list_head used;		/* unused longest first */
	u64 serial;			/* of registrations that made one */
	u32 nr;
	u32 max;			/* invariant */
	u64 forget_ns;			/* invariant; then one may make room */
	struct weir_known **known;	/* by id modulo @max; set once, with @heads; whether it
					 * is, is read without the lock, too
					 */
	struct hlist_head *heads;
};

void weir_producers_init(struct weir_producers *producers, u32 max, u64 forget_ns);
void weir_producers_destroy(struct weir_producers *producers, struct weir_account *account);
/*
 * weir_producers_register() - fills in what is out of @producer, which has a name: 0,
 * -ENOSPC, or an error of @account. Takes @lock, and may sleep.
 */
int weir_producers_register(struct weir_producers *producers, struct weir_account *account,
			    spinlock_t *lock, u32 uid, u64 now,
			    struct weir_producer *producer);
/* weir_producers_find() - @uid's of that id and epoch, or NULL: it is fenced */
struct weir_known *weir_producers_find(const struct weir_producers *producers, u32 uid, u64 id,
				       u32 epoch);
/* weir_known_take() - whether its @sequence was not taken; then it is, at @now */
bool weir_known_take(struct weir_producers *producers, struct weir_known *known, u64 sequence,
		     u64 now);

#endif
