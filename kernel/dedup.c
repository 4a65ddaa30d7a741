// SPDX-License-Identifier: GPL-2.0
#include <linux/err.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "account.h"
#include "dedup.h"

int weir_ids_init(struct weir_ids *ids, struct weir_account *account, u32 count)
{
	void *mem;

	if (!count)
		return 0;
	ids->size = roundup_pow_of_two(count);
	ids->count = count;
	get_random_bytes(ids->secrets, sizeof(ids->secrets));
	mem = weir_account_alloc(account, ids->size * sizeof(*ids->ring));
	if (IS_ERR(mem))
		return PTR_ERR(mem);
	ids->ring = mem;
	mem = weir_account_alloc(account, ids->size * sizeof(*ids->heads));
	if (IS_ERR(mem)) {
		weir_ids_destroy(ids, account);
		return PTR_ERR(mem);
	}
	ids->heads = mem;
	return 0;
}

void weir_ids_destroy(struct weir_ids *ids, struct weir_account *account)
{
	weir_account_free(account, ids->heads, ids->size * sizeof(*ids->heads));
	weir_account_free(account, ids->ring, ids->size * sizeof(*ids->ring));
	ids->heads = NULL;
	ids->ring = NULL;
}

struct weir_id weir_ids_hash(const struct weir_ids *ids, const void *bytes, size_t len)
{
	return (struct weir_id){ {
		siphash(bytes, len, &ids->secrets[0]),
		siphash(bytes, len, &ids->secrets[1]),
	} };
}

static u32 *weir_ids_head(const struct weir_ids *ids, const struct weir_id *id)
{
	return &ids->heads[id->hash[0] & (ids->size - 1)];
}

static struct weir_noted *weir_ids_at(const struct weir_ids *ids, u32 number)
{
	return &ids->ring[number & (ids->size - 1)];
}

static bool weir_ids_has(const struct weir_ids *ids, const struct weir_id *id, u64 now)
{
	const u64 most = min_t(u64, ids->taken, ids->count);
	u32 number = *weir_ids_head(ids, id), age, before = 0;
	const struct weir_noted *noted;

	/* Each one is older than the one before it, so this ends whatever a link says. */
	for (;; number = noted->older, before = age) {
		noted = weir_ids_at(ids, number);
		/* The last one is of age 1. */
		age = (u32)ids->taken + 1 - number;
		if (age <= before || age > most || noted->number != number)
			return false;
		if (noted->id.hash[0] == id->hash[0] && noted->id.hash[1] == id->hash[1])
			return !ids->max_age_ns || now - noted->at < ids->max_age_ns;
	}
}

bool weir_ids_take(struct weir_ids *ids, const struct weir_id *id, u64 now)
{
	u32 *head = weir_ids_head(ids, id);
	u32 number;

	if (weir_ids_has(ids, id, now))
		return false;
	number = ++ids->taken;
	*weir_ids_at(ids, number) = (struct weir_noted){
		.id = *id, .at = now, .number = number, .older = *head,
	};
	*head = number;
	return true;
}

void weir_producers_init(struct weir_producers *producers, u32 max, u64 forget_ns)
{
	INIT_LIST_HEAD(&producers->used);
	producers->max = max;
	producers->forget_ns = forget_ns;
	get_random_bytes(&producers->secret, sizeof(producers->secret));
}

static size_t weir_producers_size(const struct weir_producers *producers)
{
	return producers->max * sizeof(*producers->known) +
	       WEIR_PRODUCERS_HEADS * sizeof(*producers->heads);
}

void weir_producers_destroy(struct weir_producers *producers, struct weir_account *account)
{
	struct weir_known *known, *next;

	list_for_each_entry_safe(known, next, &producers->used, link)
		weir_account_free(account, known, sizeof(*known));
	weir_account_free(account, producers->known, weir_producers_size(producers));
}

static struct hlist_head *weir_producers_head(const struct weir_producers *producers,
					      const char *name)
{
	u64 hash = siphash(name, strlen(name), &producers->secret);

	return &producers->heads[hash % WEIR_PRODUCERS_HEADS];
}

/* The one of that name and user, or NULL. */
static struct weir_known *weir_producers_named(const struct weir_producers *producers,
					       const char *name, u32 uid)
{
	struct weir_known *known;

	if (!producers->heads)
		return NULL;
	hlist_for_each_entry(known, weir_producers_head(producers, name), node) {
		if (known->uid == uid && !strcmp(known->name, name))
			return known;
	}
	return NULL;
}

static void weir_known_use(struct weir_producers *producers, struct weir_known *known, u64 now)
{
	known->at = now;
	list_move_tail(&known->link, &producers->used);
}

/* Takes out the one that was unused longest, if that is long: it, or NULL. */
static struct weir_known *weir_producers_forget(struct weir_producers *producers, u64 now)
{
	struct weir_known *known = list_first_entry(&producers->used, struct weir_known, link);

	if (now - known->at < producers->forget_ns)
		return NULL;
	hlist_del(&known->node);
	list_del(&known->link);
	producers->nr--;
	return known;
}

/* @new has a place and an id, in place of @old, or NULL. */
static void weir_producers_add(struct weir_producers *producers, struct weir_known *new,
			       const struct weir_known *old)
{
	const u32 place = old ? old->id % producers->max : producers->nr;

	new->id = ++producers->serial * producers->max + place;
	producers->known[place] = new;
	hlist_add_head(&new->node, weir_producers_head(producers, new->name));
	list_add_tail(&new->link, &producers->used);
	producers->nr++;
}

/*
 * As weir_producers_register(), under the lock. @new and @table are what may be needed;
 * what is left is to be freed.
 */
static int weir_producers_try(struct weir_producers *producers, struct weir_known **new,
			      void **table, u32 uid, u64 now, struct weir_producer *producer)
{
	struct weir_known *known = weir_producers_named(producers, producer->name, uid);
	struct weir_known *old = NULL;

	if (!known) {
		if (!*new)
			return -EAGAIN;
		if (!producers->known) {
			producers->heads = *table + producers->max * sizeof(*producers->known);
			WRITE_ONCE(producers->known, *table);
			*table = NULL;
		}
		if (producers->nr == producers->max) {
			old = weir_producers_forget(producers, now);
			if (!old)
				return -ENOSPC;
		}
		known = *new;
		*new = old;
		known->uid = uid;
		strscpy(known->name, producer->name);
		weir_producers_add(producers, known, old);
	}
	weir_known_use(producers, known, now);
	producer->epoch = ++known->epoch;
	producer->id = known->id;
	producer->sequence = known->sequence;
	return 0;
}

int weir_producers_register(struct weir_producers *producers, struct weir_account *account,
			    spinlock_t *lock, u32 uid, u64 now,
			    struct weir_producer *producer)
{
	const size_t size = weir_producers_size(producers);
	struct weir_known *new = NULL;
	void *table = NULL;
	int ret;

	spin_lock(lock);
	ret = weir_producers_try(producers, &new, &table, uid, now, producer);
	spin_unlock(lock);
	if (ret != -EAGAIN)
		return ret;

	new = weir_account_alloc(account, sizeof(*new));
	if (IS_ERR(new))
		return PTR_ERR(new);
	/* Mostly it is there; whether it is may change, but only once. */
	if (!READ_ONCE(producers->known)) {
		table = weir_account_alloc(account, size);
		if (IS_ERR(table)) {
			weir_account_free(account, new, sizeof(*new));
			return PTR_ERR(table);
		}
	}
	spin_lock(lock);
	ret = weir_producers_try(producers, &new, &table, uid, now, producer);
	spin_unlock(lock);
	weir_account_free(account, table, size);
	weir_account_free(account, new, sizeof(*new));
	return ret;
}

struct weir_known *weir_producers_find(const struct weir_producers *producers, u32 uid, u64 id,
				       u32 epoch)
{
	struct weir_known *known;

	if (!producers->known)
		return NULL;
	known = producers->known[id % producers->max];
	if (!known || known->id != id || known->epoch != epoch || known->uid != uid)
		return NULL;
	return known;
}

bool weir_known_take(struct weir_producers *producers, struct weir_known *known, u64 sequence,
		     u64 now)
{
	weir_known_use(producers, known, now);
	if (sequence <= known->sequence)
		return false;
	known->sequence = sequence;
	return true;
}
