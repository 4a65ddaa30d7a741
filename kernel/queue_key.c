// SPDX-License-Identifier: GPL-2.0
/*
 * Order keys: of the messages of one key one at a time is handed out.
 *
 * That one is the *head* of its key: READY, RANKED, LEASED or DELAYED, as any message.
 * What is sent meanwhile is BEHIND, in a ring that begins with the next one, of which
 * the head knows. A head that ends, however that is, makes the next one the head. One
 * that comes back stays what it is, so nothing of its key is before it.
 *
 *                  heads                   BEHIND
 *   [ key % n ] -> slot 7  ------------->  12 <-> 15 <-> 40 (<-> 12)
 *                    | next
 *                  slot 3  (nothing behind)
 *
 * Keys are told by their hashes, of 64 bits with a secret of the queue. Two with the
 * same hash would wait for each other, and nothing else.
 *
 * Only entries with wishes have keys here. That some are to be looked at when they end
 * is told by queue->pinning, and when they are taken by queue->careful. Who settles
 * wakes writers, if there are any; here there always is one who waits, so that readers
 * are looked after, too: see @also in struct weir_line.
 */
#include <linux/err.h>
#include <linux/random.h>

#include "queue_steps.h"

/* So much of a key is hashed at a time. */
#define WEIR_KEY_CHUNK 128U

int weir_queue_key_init(struct weir_queue *queue)
{
	const u32 n = queue->max_messages;
	u32 *heads = weir_account_alloc(&queue->object.account, n * sizeof(*heads));

	if (IS_ERR(heads))
		return PTR_ERR(heads);
	get_random_bytes(&queue->secret, sizeof(queue->secret));
	queue->heads = heads;
	queue->nr_heads = n;
	queue->pinning++;
	weir_line_watch(&queue->writers, &queue->watch, queue);
	return 0;
}

void weir_queue_key_exit(struct weir_queue *queue)
{
	if (queue->heads)
		weir_account_free(&queue->object.account, queue->heads,
				  queue->nr_heads * sizeof(*queue->heads));
}

static u64 weir_key_hash(struct weir_queue *queue, u32 place, u32 at, u32 len)
{
	struct {
		u64 before;
		u8 bytes[WEIR_KEY_CHUNK];
	} chunk;
	u64 hash = len;

	while (len) {
		u32 n = min(len, WEIR_KEY_CHUNK);

		chunk.before = hash;
		weir_pool_read(&queue->pool, place, at, n, chunk.bytes);
		hash = siphash(&chunk, sizeof(chunk.before) + n, &queue->secret);
		at += n;
		len -= n;
	}
	return hash ?: 1;
}

void weir_draft_key(struct weir_queue *queue, struct weir_entry *draft, u32 key_len)
{
	struct weir_extra *extra = weir_index_extra(&queue->index, draft->slot);

	extra->head = false;
	extra->key = 0;
	if (queue->heads && key_len)
		extra->key = weir_key_hash(queue, draft->place, draft->len, key_len);
}

static struct weir_extra *weir_key_extra(const struct weir_queue *queue, u32 slot)
{
	return weir_index_extra(&queue->index, slot);
}

/* The link to the head of @key, or where it is to be linked: 0. */
static u32 *weir_key_find(const struct weir_queue *queue, u64 key)
{
	u32 *link = &queue->heads[reciprocal_scale(key, queue->nr_heads)];

	lockdep_assert_held(&queue->lock);
	while (*link) {
		struct weir_extra *extra = weir_key_extra(queue, *link - 1);

		if (extra->key == key)
			break;
		link = &extra->next;
	}
	return link;
}

/* @entry is a head, where @link is, with those from @behind on. */
static void weir_key_head(struct weir_queue *queue, struct weir_entry *entry, u32 *link,
			  u32 next, struct weir_entry *behind)
{
	struct weir_extra *extra = weir_key_extra(queue, entry->slot);

	*link = entry->slot + 1;
	extra->next = next;
	extra->behind = behind;
	extra->head = true;
}

bool weir_key_join(struct weir_queue *queue, struct weir_entry *entry)
{
	const struct weir_extra *extra = weir_key_extra(queue, entry->slot);
	struct weir_extra *head;
	u32 *link;

	lockdep_assert_held(&queue->lock);
	if (!queue->heads || !extra->key || extra->head)
		return false;
	link = weir_key_find(queue, extra->key);
	if (!*link) {
		weir_key_head(queue, entry, link, 0, NULL);
		return false;
	}
	head = weir_key_extra(queue, *link - 1);
	entry->state = WEIR_BEHIND;
	INIT_LIST_HEAD(&entry->link);
	if (head->behind)
		list_add_tail(&entry->link, &head->behind->link);
	else
		head->behind = entry;
	queue->behind++;
	return true;
}

/* Takes @entry out of its ring, of which it was first if @first is it. */
static void weir_key_unlink(struct weir_queue *queue, struct weir_entry *entry,
			    struct weir_entry **first)
{
	if (list_empty(&entry->link))
		*first = NULL;
	else if (*first == entry)
		*first = list_next_entry(entry, link);
	list_del(&entry->link);
	queue->behind--;
}

void weir_key_pass(struct weir_queue *queue, struct weir_entry *entry)
{
	struct weir_extra *extra = weir_key_extra(queue, entry->slot);
	u32 *link = weir_key_find(queue, extra->key);
	struct weir_entry *next = extra->behind;

	extra->head = false;
	if (!next) {
		*link = extra->next;
		return;
	}
	weir_key_unlink(queue, next, &extra->behind);
	weir_key_head(queue, next, link, extra->next, extra->behind);
	/* When it expires was noted when it came. */
	weir_queue_rank(queue, next);
}

void weir_key_drop(struct weir_queue *queue, struct weir_entry *entry)
{
	const u64 key = weir_key_extra(queue, entry->slot)->key;
	const u32 head = *weir_key_find(queue, key) - 1;

	weir_key_unlink(queue, entry, &weir_key_extra(queue, head)->behind);
}

static u32 weir_segment_purge_behind(struct weir_queue *queue, u32 nr, u64 end)
{
	struct weir_entry *entry = weir_index_at(&queue->index, nr * WEIR_SEGMENT_SLOTS);
	struct weir_freed freed = {};
	u32 i, n = 0;

	for (i = 0; i < WEIR_SEGMENT_SLOTS; i++, entry++) {
		if (entry->state != WEIR_BEHIND || entry->offset >= end)
			continue;
		weir_key_drop(queue, entry);
		weir_entry_tell(queue, entry, WEIR_OUTCOME_PURGED, NULL);
		weir_entry_gone(queue, entry, &freed);
		n++;
	}
	weir_queue_freed(queue, &freed);
	queue->purged += n;
	return n;
}

u64 weir_queue_purge_behind(struct weir_queue *queue, u64 end)
{
	u64 purged = 0;
	u32 nr;

	for (nr = 0; nr < READ_ONCE(queue->index.nr_segments); nr++) {
		if (!READ_ONCE(queue->index.extras[nr]))
			continue;
		spin_lock(&queue->lock);
		purged += weir_segment_purge_behind(queue, nr, end);
		spin_unlock(&queue->lock);
		cond_resched();
	}
	weir_queue_wake_writers(queue);
	return purged;
}
