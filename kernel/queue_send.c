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

/*
 * Reserves for up to @count messages slots that are side by side, and places: how
 * many, and why not more in @stop.
 */
static __always_inline u32 weir_queue_reserve_row(struct weir_queue *queue,
						  const struct weir_message *message,
						  u32 count, struct weir_chain *drafts,
						  u32 *seek, enum weir_stop *stop)
{
	u64 room = queue->max_units - queue->units;
	struct weir_entry *first, *entry, *end;
	struct weir_takes takes;
	u32 slot, n;

	*stop = WEIR_FULL;
	/* More than full, if the limits were altered. */
	if (unlikely(queue->held >= queue->max_messages || queue->units > queue->max_units))
		return 0;
	count = min_t(u64, count, queue->max_messages - queue->held);
	n = weir_index_take(&queue->index, count, &slot);
	*stop = WEIR_NO_SLOT;
	if (unlikely(!n))
		return 0;
	first = weir_index_at(&queue->index, slot);
	end = first + n;
	*stop = WEIR_ENOUGH;
	takes.seek = *seek;
	weir_pool_take_begin(&queue->pool, &takes);
	for (entry = first; entry != end; message++) {
		u32 size = weir_message_size(message);
		u32 units = weir_units(size);

		if (unlikely(units > room)) {
			*stop = WEIR_FULL;
			break;
		}
		if (unlikely(!weir_pool_take(&queue->pool, units, &takes, &entry->place))) {
			*stop = entry->place == WEIR_NOWHERE ? WEIR_NO_PLACE : WEIR_SEEKING;
			break;
		}
		room -= units;
		entry->state = WEIR_DRAFT;
		entry->len = message->len;
		entry->size = size;
		entry->next = entry + 1;
		entry++;
	}
	weir_pool_take_end(&queue->pool, &takes);
	*seek = takes.seek;
	WRITE_ONCE(queue->units, queue->max_units - room);
	if (unlikely(entry != end)) {
		n = entry - first;
		weir_index_put(&queue->index, slot + n, end - entry);
		if (!n)
			return 0;
	}
	weir_chain_add_row(drafts, first, entry - 1);
	WRITE_ONCE(queue->held, queue->held + n);
	return n;
}

/* What an attempt left to be done: the messages from @done on. */
struct weir_rest {
	u32 done;
	enum weir_stop stop;
	bool most;			/* what is to grow is as large as it may be */
	u32 seek;			/* where the search for a place goes on, or 0 */
	u64 freed;			/* queue->freed when that search began */
};

/* Reserves from message @rest->done on: true for all of them, or false and @rest. */
static __always_inline bool weir_queue_try_reserve(struct weir_queue *queue,
						   const struct weir_message *messages,
						   u32 count, struct weir_chain *drafts,
						   struct weir_rest *rest)
{
	const bool goes_on = rest->seek;
	u32 done = rest->done;
	enum weir_stop stop;

	spin_lock(&queue->lock);
	do {
		stop = WEIR_DEAD;
		if (unlikely(queue->dead))
			break;
		done += weir_queue_reserve_row(queue, messages + done, count - done, drafts,
					       &rest->seek, &stop);
		if (likely(done == count)) {
			spin_unlock(&queue->lock);
			return true;
		}
	} while (stop == WEIR_ENOUGH);
	if (!goes_on || done > rest->done)
		rest->freed = queue->freed;
	rest->done = done;
	rest->stop = stop;
	rest->most = stop == WEIR_NO_SLOT ? weir_index_is_most(&queue->index) :
					    weir_pool_is_most(&queue->pool);
	spin_unlock(&queue->lock);
	return false;
}

/* 0: it grew, through us or somebody else, so it is worth another try; or -errno. */
static int weir_queue_grow_index(struct weir_queue *queue)
{
	struct weir_segment *segment;
	bool added;

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

/* Drops @drafts from @link on, and what is in them: who maps the pool may not see it. */
noinline void weir_queue_abort(struct weir_queue *queue, struct weir_chain *drafts,
			       struct weir_entry **link)
{
	struct weir_freed freed = {};
	struct weir_entry *entry;
	struct weir_chain rest;

	weir_chain_cut(drafts, link, &rest);
	for (entry = rest.first; entry; entry = entry->next)
		weir_pool_zero(&queue->pool, entry->place, 0, entry->size);

	spin_lock(&queue->lock);
	while (rest.first) {
		entry = weir_chain_take(&rest);
		weir_entry_gone(queue, entry, &freed);
	}
	weir_queue_freed(queue, &freed);
	spin_unlock(&queue->lock);
	weir_queue_wake_writers(queue);
}

/*
 * Goes on after a try that left @rest: how many are reserved, or an error; -EAGAIN
 * fills in what to wait for.
 */
static int weir_queue_reserve_on(struct weir_queue *queue, const struct weir_message *messages,
				 u32 count, struct weir_chain *drafts, struct weir_rest *rest,
				 weir_ready_t *ready, u64 *arg)
{
	int ret = 0;

	do {
		switch (rest->stop) {
		case WEIR_FULL:
			*ready = weir_queue_writable;
			*arg = weir_message_size(&messages[rest->done]);
			ret = -EAGAIN;
			break;
		case WEIR_NO_SLOT:
			ret = rest->most ? -ENOSPC : weir_queue_grow_index(queue);
			break;
		case WEIR_NO_PLACE:
			ret = rest->most ? -ENOSPC : weir_queue_grow_pool(queue);
			break;
		case WEIR_SEEKING:
			cond_resched();
			ret = fatal_signal_pending(current) ? -EINTR : 0;
			break;
		default:
			ret = -ESHUTDOWN;
		}
		if (!ret && weir_queue_try_reserve(queue, messages, count, drafts, rest))
			return count;
	} while (!ret);
	if (ret == -ENOSPC) {
		/* What is free is in pieces that are too small. */
		*ready = weir_queue_freed_since;
		*arg = rest->freed;
		ret = -EAGAIN;
	}
	return rest->done ?: ret;
}

static noinline int weir_queue_reserve_slow(struct weir_queue *queue,
					    const struct weir_message *messages, u32 count,
					    struct weir_patience *patience,
					    struct weir_chain *drafts, struct weir_rest *rest)
{
	bool waited = false;
	weir_ready_t ready;
	u64 arg;
	int ret;

	for (;;) {
		ret = weir_queue_reserve_on(queue, messages, count, drafts, rest, &ready, &arg);
		if (ret != -EAGAIN)
			break;
		/* What does not do for this one may do for the next. */
		if (waited)
			weir_queue_wake_writers(queue);
		ret = weir_queue_wait(queue, &queue->writers, ready, arg, patience);
		if (ret)
			break;
		waited = true;
		ret = count;
		if (weir_queue_try_reserve(queue, messages, count, drafts, rest))
			break;
	}
	/* One was woken for perhaps much room, and wakes the next. */
	if (waited)
		weir_queue_wake_writers(queue);
	return ret;
}

/*
 * Space for up to @count messages: how many, from the first on, in @drafts, in
 * order; or an error for the first. The pages may not be there. May sleep. Ends by
 * commit or abort of all of them.
 */
static __always_inline int weir_queue_reserve(struct weir_queue *queue,
					      const struct weir_message *messages, u32 count,
					      struct weir_patience *patience,
					      struct weir_chain *drafts)
{
	struct weir_rest rest __uninitialized;

	rest.done = 0;
	rest.seek = 0;
	if (likely(weir_queue_try_reserve(queue, messages, count, drafts, &rest)))
		return count;
	return weir_queue_reserve_slow(queue, messages, count, patience, drafts, &rest);
}

static inline struct weir_sender weir_sender(const struct cred *cred)
{
	/* A kuid is what the initial namespace calls it. */
	return (struct weir_sender){
		.ids = __kuid_val(cred->euid) | (u64)__kgid_val(cred->egid) << 32,
		.pid = task_tgid_nr(current),
	};
}

/* What its receiver is told of @draft; commit adds what is only known then. */
static __always_inline void weir_draft_describe(const struct weir_entry *draft,
						const struct weir_message *message,
						const struct weir_sender *sender)
{
	struct weir_desc_words *desc = (void *)weir_entry_desc(draft);

	desc->pos = (u64)draft->place * WEIR_ALIGN;
	desc->lens = message->len | (u64)message->headers_len << 32;
	desc->parts = message->key_len;
	desc->ids = sender->ids;
	desc->pid_slot = sender->pid | (u64)draft->slot << 32;
	desc->first_ns = 0;
}

static __always_inline void weir_draft_number(const struct weir_queue *queue,
					      struct weir_entry *entry, u64 offset, u64 now)
{
	struct weir_desc *desc = weir_entry_desc(entry);

	entry->offset = offset;
	desc->offset = offset;
	desc->stamp_ns = now;
	trace_weir_send(queue, entry);
}

/* As weir_drafts_commit(), where some have wishes. */
static noinline u64 weir_drafts_commit_wishes(struct weir_queue *queue,
					      struct weir_chain *drafts, u64 now)
{
	const u64 first = queue->next_offset;

	while (drafts->first) {
		struct weir_entry *entry = weir_chain_take(drafts);

		weir_draft_number(queue, entry, queue->next_offset++, now);
		if (entry->wishes) {
			weir_draft_commit_wish(queue, entry);
			continue;
		}
		entry->mark = weir_mark(WEIR_READY, 0);
		weir_chain_add_row(&queue->ready, entry, entry);
		WRITE_ONCE(queue->depth, queue->depth + 1);
	}
	return first;
}

/* @drafts are sent, under the lock: the first of their offsets. */
static __always_inline u64 weir_drafts_commit(struct weir_queue *queue,
					      struct weir_chain *drafts, u64 now)
{
	const u64 mark = weir_mark(WEIR_READY, 0);
	const u64 first = queue->next_offset;
	struct weir_entry *entry = drafts->first;
	u64 offset = first;

	lockdep_assert_held(&queue->lock);
	if (unlikely(drafts->wishes))
		return weir_drafts_commit_wishes(queue, drafts, now);
	do {
		entry->mark = mark;
		weir_draft_number(queue, entry, offset++, now);
	} while ((entry = entry->next));
	weir_chain_splice(&queue->ready, drafts);
	WRITE_ONCE(queue->depth, queue->depth + (offset - first));
	queue->next_offset = offset;
	return first;
}

void weir_queue_commit_drafts(struct weir_queue *queue, struct weir_chain *drafts, u64 now)
{
	weir_drafts_commit(queue, drafts, now);
}

/* @drafts get offsets, from *@first on, and are sent; or -ESHUTDOWN, and aborted. */
static __always_inline int weir_queue_commit(struct weir_queue *queue,
					     struct weir_chain *drafts, u64 *first)
{
	const u64 now = ktime_get_real_ns();

	spin_lock(&queue->lock);
	if (unlikely(queue->dead)) {
		spin_unlock(&queue->lock);
		weir_queue_abort(queue, drafts, &drafts->first);
		return -ESHUTDOWN;
	}
	*first = weir_drafts_commit(queue, drafts, now);
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

static noinline void weir_draft_pad_end(struct weir_queue *queue, const struct weir_entry *draft)
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

static noinline int weir_draft_fill_slow(struct weir_queue *queue,
					 const struct weir_entry *draft,
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
	const u32 size = draft->size;
	void *mem = weir_pool_in_page(&queue->pool, draft->place, size);

	if (unlikely(!mem || message->len != size))
		return weir_draft_fill_slow(queue, draft, message);
	/* As for weir_pool_write_user(). */
	if (_inline_copy_from_user(mem, u64_to_user_ptr(message->data), size))
		return -EFAULT;
	if (unlikely(size % WEIR_ALIGN))
		weir_draft_pad_end(queue, draft);
	return 0;
}

/*
 * Fills those of @drafts from the one at @link on: how many, from the first on, the
 * others aborted; or an error.
 */
static __always_inline int weir_queue_fill(struct weir_queue *queue,
					   struct weir_chain *drafts,
					   struct weir_entry **link,
					   const struct weir_message *messages,
					   const struct weir_sender *sender)
{
	const struct weir_message *message = messages;
	const bool wishes = READ_ONCE(queue->ttl_ns);
	struct weir_entry *draft;
	int ret;

	for (; (draft = *link); link = &draft->next, message++) {
		ret = weir_draft_fill(queue, draft, message);
		if (unlikely(message->options_len || wishes) && !ret)
			ret = weir_draft_wish(queue, draft, message, drafts);
		if (unlikely(ret)) {
			weir_queue_abort(queue, drafts, link);
			return message - messages ?: ret;
		}
		weir_draft_describe(draft, message, sender);
	}
	return message - messages;
}

static noinline int weir_queue_check_parts(const struct weir_queue *queue,
					   const struct weir_message *message)
{
	if (message->flags | message->reserved[0] | message->reserved[1] ||
	    (!message->options_len && message->options))
		return -EINVAL;
	if (message->key_len > WEIR_KEY_MAX || message->headers_len > WEIR_HEADERS_MAX ||
	    message->headers_len % 8)
		return -EINVAL;
	/* With these bounds the sum of the parts cannot overflow. */
	if (message->len > WEIR_MESSAGE_MAX || weir_message_size(message) > queue->max_size)
		return -EMSGSIZE;
	return 0;
}

/* From this word on it is 0 in most messages: key_len, flags, and what is reserved. */
#define WEIR_MESSAGE_REST (offsetof(struct weir_message, key_len) / sizeof(u64))

static_assert(sizeof(struct weir_message) == (WEIR_MESSAGE_REST + 4) * sizeof(u64));

static inline int weir_queue_check_message(const struct weir_queue *queue,
					   const struct weir_message *message)
{
	const u64 *rest = (const u64 *)message + WEIR_MESSAGE_REST;

	/* Most messages are a payload, and nothing else is said of them. */
	if (likely(message->len <= queue->max_size &&
		   !(message->headers_len | rest[0] | rest[1] | rest[2] | rest[3])))
		return 0;
	return weir_queue_check_parts(queue, message);
}

/* A batch is read, reserved and filled by so many at a time, on the stack. */
#define WEIR_GROUP 16

/* Reads and checks a group: how many, from the first on, are right; or an error. */
static __always_inline int weir_queue_get_group(const struct weir_queue *queue,
						struct weir_message *group,
						const struct weir_message __user *from,
						u32 count)
{
	const struct weir_message *message = group, *end = group + count;
	int ret;

	if (count == 1)
		ret = weir_get_structs(group, from, 1);
	else
		ret = _inline_copy_from_user(group, from, count * sizeof(*group)) ? -EFAULT : 0;
	if (ret)
		return ret;
	do {
		ret = weir_queue_check_message(queue, message);
		if (unlikely(ret))
			return message - group ?: ret;
	} while (++message != end);
	return count;
}

/* The next group of a batch is added to @drafts: how many, or an error. */
static __always_inline int weir_queue_send_group(struct weir_queue *queue,
						 const struct weir_message __user *from,
						 u32 count,
						 const struct weir_sender *sender,
						 struct weir_patience *patience,
						 struct weir_chain *drafts)
{
	struct weir_message group[WEIR_GROUP] __uninitialized;
	struct weir_entry **link = drafts->end;
	int ret;

	ret = weir_queue_get_group(queue, group, from, count);
	if (ret > 0)
		ret = weir_queue_reserve(queue, group, ret, patience, drafts);
	if (ret > 0)
		ret = weir_queue_fill(queue, drafts, link, group, sender);
	return ret;
}

int weir_queue_send(struct weir_queue *queue, const struct weir_message __user *messages,
		    u32 count, const struct cred *cred, struct weir_patience *patience,
		    u64 *first)
{
	const struct weir_sender sender = weir_sender(cred);
	struct weir_chain drafts __uninitialized;
	u32 sent = 0;
	int ret, n;

	weir_chain_init(&drafts);
	do {
		n = min_t(u32, count - sent, WEIR_GROUP);
		ret = weir_queue_send_group(queue, messages + sent, n, &sender, patience,
					    &drafts);
		if (ret <= 0)
			break;
		sent += ret;
		/* Nobody waits for more, having something to send. */
		patience->timeout_ns = 0;
	} while (ret == n && sent < count);
	if (!sent)
		return ret;
	ret = weir_queue_commit(queue, &drafts, first);
	return ret ?: sent;
}

ssize_t weir_queue_write(struct weir_queue *queue, struct iov_iter *from,
			 const struct cred *cred, struct weir_patience *patience)
{
	const size_t len = iov_iter_count(from);
	const struct weir_sender sender = weir_sender(cred);
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
	if (!ret && unlikely(READ_ONCE(queue->ttl_ns)))
		ret = weir_draft_wish(queue, drafts.first, &message, &drafts);
	if (ret) {
		weir_queue_abort(queue, &drafts, &drafts.first);
		return ret;
	}
	weir_draft_pad_end(queue, drafts.first);
	weir_draft_describe(drafts.first, &message, &sender);
	ret = weir_queue_commit(queue, &drafts, &offset);
	return ret ?: len;
}

int weir_queue_draft(struct weir_queue *queue, const struct weir_message *message,
		     const struct weir_sender *sender, struct weir_chain *drafts)
{
	struct weir_patience none;
	int ret;

	weir_patience_init(&none, true, false, 0);
	ret = weir_queue_reserve(queue, message, 1, &none, drafts);
	if (ret < 0)
		return ret;
	ret = weir_draft_populate(queue, drafts->first);
	if (!ret && READ_ONCE(queue->ttl_ns))
		ret = weir_draft_wish(queue, drafts->first, message, drafts);
	if (ret) {
		weir_queue_abort(queue, drafts, &drafts->first);
		return ret;
	}
	weir_draft_describe(drafts->first, message, sender);
	weir_draft_pad_end(queue, drafts->first);
	return 0;
}
