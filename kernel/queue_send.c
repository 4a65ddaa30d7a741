// SPDX-License-Identifier: GPL-2.0
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/sched/signal.h>
#include <linux/timekeeping.h>
#include <linux/uio.h>

#include "queue.h"
#include "trace.h"
#include "words.h"

/* What an attempt to reserve stopped at. */
enum weir_stop {
	WEIR_ENOUGH,		/* all is reserved */
	WEIR_FULL,		/* the queue's limits */
	WEIR_NO_SLOT,		/* the index must grow */
	WEIR_NO_PLACE,		/* the pool must grow, or something be freed */
	WEIR_SEEKING,		/* a place is still looked for; others were held up enough */
	WEIR_DEAD,
};

/* Where the headers of a message begin, in bytes from its payload. */
static u32 weir_message_headers(const struct weir_message *message)
{
	return ALIGN(message->len + message->key_len, 8);
}

static u32 weir_message_size(const struct weir_message *message)
{
	if (message->headers_len)
		return weir_message_headers(message) + message->headers_len;
	return message->len + message->key_len;
}

bool weir_queue_writable(const struct weir_queue *queue, u64 size)
{
	return READ_ONCE(queue->held) < queue->max_messages &&
	       READ_ONCE(queue->units) + weir_units(size) <= queue->max_units;
}

static bool weir_queue_freed_since(const struct weir_queue *queue, u64 then)
{
	return READ_ONCE(queue->freed) != then;
}

static inline void weir_draft_init(struct weir_entry *entry,
				   const struct weir_message *message, u32 size, u32 place)
{
	struct weir_desc *desc = weir_entry_desc(entry);

	entry->state = WEIR_DRAFT;
	entry->place = place;
	entry->len = message->len;
	entry->size = size;
	desc->pos = (u64)place * WEIR_ALIGN;
	desc->len = message->len;
	desc->headers_len = message->headers_len;
	desc->key_len = message->key_len;
}

/*
 * Reserves for up to @count messages slots that are side by side, and places: how
 * many, and why not more in @stop.
 */
static u32 weir_queue_reserve_run(struct weir_queue *queue,
				  const struct weir_message *message, u32 count,
				  struct weir_chain *drafts, u32 *seek,
				  enum weir_stop *stop)
{
	u64 room = queue->max_units - queue->units;
	struct weir_entry *entry;
	u32 slot, n, left;

	count = min_t(u64, count, queue->max_messages - queue->held);
	*stop = WEIR_FULL;
	if (!count)
		return 0;
	n = weir_index_take(&queue->index, count, &slot);
	*stop = WEIR_NO_SLOT;
	if (!n)
		return 0;
	entry = weir_index_at(&queue->index, slot);
	*stop = WEIR_ENOUGH;
	for (left = n; left; left--, entry++, message++) {
		u32 size = weir_message_size(message);
		u32 units = weir_units(size);
		u32 place;

		if (units > room) {
			*stop = WEIR_FULL;
			break;
		}
		place = weir_pool_take(&queue->pool, units, seek);
		if (unlikely(place >= WEIR_NOT_YET)) {
			*stop = place == WEIR_NOWHERE ? WEIR_NO_PLACE : WEIR_SEEKING;
			break;
		}
		room -= units;
		weir_draft_init(entry, message, size, place);
		weir_chain_add(drafts, entry);
	}
	n -= left;
	weir_index_put(&queue->index, slot + n, left);
	WRITE_ONCE(queue->held, queue->held + n);
	WRITE_ONCE(queue->units, queue->max_units - room);
	return n;
}

/*
 * Reserves from message *@done on, as far as it goes. *@seek is where the search for its
 * place goes on, and *@freed what had been freed when that began.
 */
static enum weir_stop weir_queue_try_reserve(struct weir_queue *queue,
					     const struct weir_message *messages, u32 count,
					     u32 *done, struct weir_chain *drafts,
					     u32 *seek, u64 *freed)
{
	enum weir_stop stop = WEIR_ENOUGH;
	u32 before = *done;
	bool goes_on = *seek;

	guard(spinlock)(&queue->lock);
	if (queue->dead)
		return WEIR_DEAD;
	while (*done < count && stop == WEIR_ENOUGH)
		*done += weir_queue_reserve_run(queue, &messages[*done], count - *done,
						drafts, seek, &stop);
	if (!goes_on || *done > before)
		*freed = queue->freed;
	return stop;
}

/*
 * 0: it grew, through us or somebody else, so it is worth another try. -ENOSPC:
 * it is as large as it may be. Or what memory says.
 */
static int weir_queue_grow_index(struct weir_queue *queue)
{
	struct weir_segment *segment;
	bool added;

	if (READ_ONCE(queue->index.nr_segments) == queue->index.max_segments)
		return -ENOSPC;
	segment = weir_segment_new(&queue->object.account);
	if (IS_ERR(segment))
		return PTR_ERR(segment);
	spin_lock(&queue->lock);
	added = weir_index_add(&queue->index, segment);
	spin_unlock(&queue->lock);
	if (!added)
		weir_segment_free(segment, &queue->object.account);
	return 0;
}

static int weir_queue_grow_pool(struct weir_queue *queue)
{
	struct weir_block *block;
	bool added;

	if (READ_ONCE(queue->pool.nr_blocks) == queue->pool.max_blocks)
		return -ENOSPC;
	block = weir_block_new(&queue->object.account);
	if (IS_ERR(block))
		return PTR_ERR(block);
	spin_lock(&queue->lock);
	added = weir_pool_add(&queue->pool, block);
	spin_unlock(&queue->lock);
	if (!added)
		weir_block_free(block, &queue->object.account);
	return 0;
}

/* Drops @drafts, and what was copied into them: nobody who maps the pool may see it. */
static void weir_queue_abort(struct weir_queue *queue, struct weir_chain *drafts)
{
	struct weir_freed freed = {};
	struct weir_entry *entry;

	for (entry = drafts->first; entry; entry = entry->next)
		weir_pool_zero(&queue->pool, entry->place, 0, entry->size);

	spin_lock(&queue->lock);
	while (drafts->first) {
		entry = weir_chain_take(drafts);
		weir_entry_gone(queue, entry, &freed);
	}
	weir_queue_freed(queue, &freed);
	spin_unlock(&queue->lock);
	weir_queue_wake_writers(queue);
}

/* One try: how many are reserved, or an error; -EAGAIN fills in what to wait for. */
static int weir_queue_reserve_now(struct weir_queue *queue, const struct weir_message *messages,
				  u32 count, struct weir_chain *drafts,
				  weir_ready_t *ready, u64 *arg)
{
	u32 done = 0, seek = 0;
	int ret = 0;

	do {
		switch (weir_queue_try_reserve(queue, messages, count, &done, drafts,
					       &seek, arg)) {
		case WEIR_ENOUGH:
			return count;
		case WEIR_FULL:
			*ready = weir_queue_writable;
			*arg = weir_message_size(&messages[done]);
			ret = -EAGAIN;
			break;
		case WEIR_NO_SLOT:
			ret = weir_queue_grow_index(queue);
			break;
		case WEIR_NO_PLACE:
			ret = weir_queue_grow_pool(queue);
			break;
		case WEIR_SEEKING:
			cond_resched();
			ret = fatal_signal_pending(current) ? -EINTR : 0;
			break;
		case WEIR_DEAD:
			ret = -ESHUTDOWN;
			break;
		}
	} while (!ret);
	if (ret == -ENOSPC) {
		/* What is free is in pieces that are too small. */
		*ready = weir_queue_freed_since;
		ret = -EAGAIN;
	}
	return done ?: ret;
}

/*
 * Space for up to @count messages: how many, from the first on, in @drafts, in
 * order; or an error for the first. The pages may not be there. May sleep. Ends by
 * commit or abort of all of them.
 */
static int weir_queue_reserve(struct weir_queue *queue, const struct weir_message *messages,
			      u32 count, const struct weir_patience *patience,
			      struct weir_chain *drafts)
{
	bool waited = false;
	weir_ready_t ready;
	u64 arg;
	int ret;

	for (;;) {
		ret = weir_queue_reserve_now(queue, messages, count, drafts, &ready, &arg);
		if (likely(ret != -EAGAIN))
			break;
		/* What does not do for this one may do for the next. */
		if (waited)
			weir_queue_wake_writers(queue);
		ret = weir_queue_wait(queue, &queue->writers, ready, arg, patience);
		if (ret)
			break;
		waited = true;
	}
	/* One was woken for perhaps much room, and wakes the next. */
	if (waited)
		weir_queue_wake_writers(queue);
	return ret;
}

/* @drafts get offsets, from *@first on, and are sent; or -ESHUTDOWN, and aborted. */
static int weir_queue_commit(struct weir_queue *queue, struct weir_chain *drafts,
			     const struct cred *sender, u64 *first)
{
	/* A kuid is what the initial namespace calls it. */
	const u32 uid = __kuid_val(sender->euid);
	const u32 gid = __kgid_val(sender->egid);
	const u32 pid = task_tgid_nr(current);
	const u64 now = ktime_get_real_ns();
	struct weir_entry *entry;
	u64 offset;

	spin_lock(&queue->lock);
	if (unlikely(queue->dead)) {
		spin_unlock(&queue->lock);
		weir_queue_abort(queue, drafts);
		return -ESHUTDOWN;
	}
	offset = queue->next_offset;
	*first = offset;
	for (entry = drafts->first; entry; entry = entry->next) {
		struct weir_desc *desc = weir_entry_desc(entry);

		entry->deliveries = 0;
		entry->state = WEIR_READY;
		entry->offset = offset;
		desc->offset = offset++;
		desc->stamp_ns = now;
		desc->deliveries = 0;
		desc->first_ns = 0;
		desc->uid = uid;
		desc->gid = gid;
		desc->pid = pid;
		desc->slot = entry->slot;
		trace_weir_send(queue, entry);
	}
	weir_chain_append(&queue->ready, drafts);
	WRITE_ONCE(queue->depth, queue->depth + (offset - queue->next_offset));
	queue->next_offset = offset;
	spin_unlock(&queue->lock);
	weir_queue_wake_readers(queue);
	return 0;
}

/* Gets the pages of a draft, which mostly are there from earlier ones. */
static inline int weir_draft_populate(struct weir_queue *queue, const struct weir_entry *draft)
{
	return weir_pool_populate(&queue->pool, &queue->object.account, draft->place,
				  weir_units(draft->size));
}

/* Zeros what @draft takes from byte @at to @end of it. */
static void weir_draft_pad(struct weir_queue *queue, const struct weir_entry *draft,
			   u32 at, u32 end)
{
	if (at < end)
		weir_pool_zero(&queue->pool, draft->place, at, end - at);
}

static inline void weir_draft_pad_end(struct weir_queue *queue, const struct weir_entry *draft)
{
	if (draft->size % WEIR_ALIGN)
		weir_draft_pad(queue, draft, draft->size, ALIGN(draft->size, WEIR_ALIGN));
}

/* Headers fill their block exactly; what is checked is our copy of them. */
static int weir_draft_check_headers(struct weir_queue *queue, const struct weir_entry *draft,
				    u32 at)
{
	while (at < draft->size) {
		struct weir_header header;
		u64 end;

		weir_pool_read(&queue->pool, draft->place, at, sizeof(header), &header);
		end = at + sizeof(header) + header.name_len + (u64)header.value_len;
		if (!header.name_len || header.name_len > WEIR_HEADER_NAME_MAX ||
		    header.reserved || ALIGN(end, 8) > draft->size)
			return -EINVAL;
		weir_draft_pad(queue, draft, end, ALIGN(end, 8));
		at = ALIGN(end, 8);
	}
	return 0;
}

/* Copies what belongs behind the payload. */
static int weir_draft_fill_rest(struct weir_queue *queue, const struct weir_entry *draft,
				const struct weir_message *message)
{
	struct weir_pool *pool = &queue->pool;
	u32 headers = weir_message_headers(message);
	int ret;

	ret = weir_pool_write_user(pool, draft->place, message->len, message->key_len,
				   u64_to_user_ptr(message->key));
	if (ret || !message->headers_len)
		return ret;
	weir_draft_pad(queue, draft, message->len + message->key_len, headers);
	ret = weir_pool_write_user(pool, draft->place, headers, message->headers_len,
				   u64_to_user_ptr(message->headers));
	return ret ?: weir_draft_check_headers(queue, draft, headers);
}

static int weir_draft_fill_slow(struct weir_queue *queue, const struct weir_entry *draft,
				const struct weir_message *message)
{
	int ret;

	ret = weir_draft_populate(queue, draft);
	if (!ret)
		ret = weir_pool_write_user(&queue->pool, draft->place, 0, message->len,
					   u64_to_user_ptr(message->data));
	if (!ret && draft->size > message->len)
		ret = weir_draft_fill_rest(queue, draft, message);
	if (!ret)
		weir_draft_pad_end(queue, draft);
	/* A batch may be of many that are large. */
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : ret;
}

/* Most messages are a payload, in one page that is there. */
static inline int weir_draft_fill(struct weir_queue *queue, const struct weir_entry *draft,
				  const struct weir_message *message)
{
	void *mem = weir_pool_in_page(&queue->pool, draft->place, draft->size);

	if (unlikely(!mem || message->len < draft->size))
		return weir_draft_fill_slow(queue, draft, message);
	/* As for weir_pool_write_user(). */
	if (_inline_copy_from_user(mem, u64_to_user_ptr(message->data), message->len))
		return -EFAULT;
	weir_draft_pad_end(queue, draft);
	return 0;
}

/* Fills @drafts: how many, from the first on, the others aborted; or an error. */
static int weir_queue_fill(struct weir_queue *queue, struct weir_chain *drafts,
			   const struct weir_message *messages)
{
	struct weir_entry **link;
	struct weir_chain rest;
	int filled = 0;
	int ret;

	for (link = &drafts->first; *link; link = &(*link)->next) {
		ret = weir_draft_fill(queue, *link, &messages[filled]);
		if (unlikely(ret)) {
			weir_chain_cut(drafts, link, &rest);
			weir_queue_abort(queue, &rest);
			return filled ?: ret;
		}
		filled++;
	}
	return filled;
}

static int weir_queue_check_message(const struct weir_queue *queue,
				    const struct weir_message *message)
{
	if (message->flags | message->reserved16 | message->reserved[0] |
	    message->reserved[1] | message->reserved[2])
		return -EINVAL;
	if (message->key_len > WEIR_KEY_MAX || message->headers_len > WEIR_HEADERS_MAX ||
	    message->headers_len % 8)
		return -EINVAL;
	/* With these bounds the sum of the parts cannot overflow. */
	if (message->len > WEIR_MESSAGE_MAX || weir_message_size(message) > queue->max_size)
		return -EMSGSIZE;
	return 0;
}

/* A batch is read, reserved and filled by so many at a time, on the stack. */
#define WEIR_GROUP 8

/* Reads and checks a group: how many, from the first on, are right; or an error. */
static int weir_queue_get_group(const struct weir_queue *queue, struct weir_message *group,
				const struct weir_message __user *from, u32 count)
{
	u32 i;
	int ret;

	if (count == 1)
		ret = weir_get_structs(group, from, 1);
	else
		ret = _inline_copy_from_user(group, from, count * sizeof(*group)) ? -EFAULT : 0;
	if (ret)
		return ret;
	for (i = 0; i < count; i++) {
		ret = weir_queue_check_message(queue, &group[i]);
		if (unlikely(ret))
			return i ?: ret;
	}
	return count;
}

/* The next group of a batch becomes drafts: how many, or an error. */
static int weir_queue_send_group(struct weir_queue *queue,
				 const struct weir_message __user *from, u32 count,
				 const struct weir_patience *patience,
				 struct weir_chain *drafts)
{
	struct weir_message group[WEIR_GROUP] __uninitialized;
	int ret;

	ret = weir_queue_get_group(queue, group, from, count);
	if (ret > 0)
		ret = weir_queue_reserve(queue, group, ret, patience, drafts);
	if (ret > 0)
		ret = weir_queue_fill(queue, drafts, group);
	return ret;
}

int weir_queue_send(struct weir_queue *queue, const struct weir_message __user *messages,
		    u32 count, const struct cred *sender,
		    const struct weir_patience *patience, u64 *first)
{
	static const struct weir_patience none = {};
	struct weir_chain drafts, group;
	u32 sent = 0;
	int ret, n;

	weir_chain_init(&drafts);
	weir_chain_init(&group);
	do {
		n = min_t(u32, count - sent, WEIR_GROUP);
		/* Nobody waits for more, having something to send. */
		ret = weir_queue_send_group(queue, messages + sent, n,
					    sent ? &none : patience, &group);
		if (ret <= 0)
			break;
		weir_chain_append(&drafts, &group);
		sent += ret;
	} while (ret == n && sent < count);
	if (!sent)
		return ret;
	ret = weir_queue_commit(queue, &drafts, sender, first);
	return ret ?: sent;
}

ssize_t weir_queue_write(struct weir_queue *queue, struct iov_iter *from,
			 const struct cred *sender, const struct weir_patience *patience)
{
	const size_t len = iov_iter_count(from);
	const struct weir_message message = { .len = len };
	struct weir_chain drafts;
	u64 offset;
	int ret;

	if (len > queue->max_size)
		return -EMSGSIZE;
	weir_chain_init(&drafts);
	ret = weir_queue_reserve(queue, &message, 1, patience, &drafts);
	if (ret < 0)
		return ret;
	ret = weir_draft_populate(queue, drafts.first);
	if (!ret)
		ret = weir_pool_write_iter(&queue->pool, drafts.first->place, 0, len, from);
	if (ret) {
		weir_queue_abort(queue, &drafts);
		return ret;
	}
	weir_draft_pad_end(queue, drafts.first);
	ret = weir_queue_commit(queue, &drafts, sender, &offset);
	return ret ?: len;
}
