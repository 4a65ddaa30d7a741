// SPDX-License-Identifier: GPL-2.0
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/timekeeping.h>
#include <linux/uio.h>

#include "queue_draft.h"
#include "queue_reserve.h"
#include "trace.h"
#include "words.h"

static inline struct weir_sender weir_sender(const struct cred *cred)
{
	/* A kuid is what the initial namespace calls it. */
	return (struct weir_sender){
		.ids = __kuid_val(cred->euid) | (u64)__kgid_val(cred->egid) << 32,
		.pid = task_tgid_nr(current),
	};
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
	struct weir_chain duplicates;

	weir_chain_init(&duplicates);
	while (drafts->first) {
		struct weir_entry *entry = weir_chain_take(drafts);

		if (entry->has_once && !weir_draft_commit_once(queue, entry, drafts)) {
			weir_chain_add_row(&duplicates, entry, entry);
			continue;
		}
		weir_draft_number(queue, entry, queue->next_offset, now);
		WRITE_ONCE(queue->next_offset, queue->next_offset + 1);
		if (entry->wishes) {
			if (weir_draft_commit_wish(queue, entry))
				continue;
			entry->state = WEIR_READY;
		} else {
			entry->mark = weir_mark(WEIR_READY, 0);
		}
		weir_chain_add_row(&queue->ready, entry, entry);
		WRITE_ONCE(queue->depth, queue->depth + 1);
	}
	if (duplicates.first)
		weir_chain_splice(drafts, &duplicates);
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
	WRITE_ONCE(queue->next_offset, offset);
	return first;
}

u64 weir_queue_commit_drafts(struct weir_queue *queue, struct weir_chain *drafts, u64 now)
{
	return weir_drafts_commit(queue, drafts, now);
}

/* As weir_queue_commit(), where some are to be taken once. */
static noinline int weir_queue_commit_once(struct weir_queue *queue, struct weir_chain *drafts,
					   struct weir_sent *sent)
{
	const u64 now = ktime_get_real_ns();
	struct weir_entry **link = &drafts->first;
	struct weir_chain fenced;
	int ret = -ESHUTDOWN;
	u64 duplicates;

	spin_lock(&queue->lock);
	duplicates = queue->duplicates;
	if (!queue->dead)
		ret = weir_drafts_good(queue, drafts, &link) ?: -ESTALE;
	weir_chain_cut(drafts, link, &fenced);
	if (ret > 0)
		sent->first_offset = weir_drafts_commit(queue, drafts, now);
	sent->duplicates = queue->duplicates - duplicates;
	spin_unlock(&queue->lock);
	weir_queue_wake_readers(queue);
	weir_drafts_finish(queue, drafts);
	if (fenced.first)
		weir_queue_abort(queue, &fenced, &fenced.first);
	return ret;
}

/*
 * @drafts, @count of them, get offsets and are sent: how many, from the first on, or an
 * error; the others are aborted.
 */
static __always_inline int weir_queue_commit(struct weir_queue *queue,
					     struct weir_chain *drafts, u32 count,
					     struct weir_sent *sent)
{
	const u64 now = ktime_get_real_ns();

	if (unlikely(drafts->wishes & WEIR_DRAFTS_ONCE))
		return weir_queue_commit_once(queue, drafts, sent);
	spin_lock(&queue->lock);
	if (unlikely(queue->dead)) {
		spin_unlock(&queue->lock);
		weir_queue_abort(queue, drafts, &drafts->first);
		return -ESHUTDOWN;
	}
	sent->first_offset = weir_drafts_commit(queue, drafts, now);
	spin_unlock(&queue->lock);
	weir_queue_wake_readers(queue);
	return count;
}

/* Zeros what is behind @len bytes at @mem that are all of a draft. */
static inline void weir_draft_pad_short(void *mem, u32 len)
{
	if (unlikely(len % WEIR_ALIGN))
		memset(mem + len, 0, WEIR_ALIGN - len % WEIR_ALIGN);
}

/* Most messages are a payload, in one page that is there. */
static __always_inline int weir_draft_fill(struct weir_queue *queue,
					   const struct weir_entry *draft,
					   const struct weir_message *message,
					   struct weir_window *window, const bool plain)
{
	const u32 len = message->len;
	void *mem = weir_pool_in_window(&queue->pool, draft->place, len, window);

	if (unlikely(!mem || (!plain && len != draft->size)))
		return weir_draft_fill_slow(queue, draft, message);
	/* As for weir_pool_write_user(). */
	if (_inline_copy_from_user(mem, u64_to_user_ptr(message->data), len))
		return -EFAULT;
	weir_draft_pad_short(mem, len);
	return 0;
}

/*
 * Fills those of @drafts from the one at @link on: how many, from the first on, the
 * others aborted; or an error. @plain: they have a payload, and no wishes either.
 */
static __always_inline int weir_queue_fill(struct weir_queue *queue,
					   struct weir_chain *drafts,
					   struct weir_entry **link,
					   const struct weir_message *messages,
					   const struct weir_sender *sender, const bool plain)
{
	const struct weir_message *message = messages;
	struct weir_window window = WEIR_NO_WINDOW;
	struct weir_entry *draft;
	int ret;

	for (; (draft = *link); link = &draft->next, message++) {
		ret = weir_draft_fill(queue, draft, message, &window, plain);
		if (!plain && !ret && weir_message_wishes(queue, message))
			ret = weir_draft_wish(queue, draft, message, sender, drafts);
		if (unlikely(ret)) {
			weir_queue_abort(queue, drafts, link);
			return message - messages ?: ret;
		}
		weir_draft_describe(draft, message, sender, plain);
	}
	return message - messages;
}

/* From this word on it is 0 in most messages: key_len, flags, and what is reserved. */
#define WEIR_MESSAGE_REST (offsetof(struct weir_message, key_len) / sizeof(u64))

static_assert(sizeof(struct weir_message) == (WEIR_MESSAGE_REST + 4) * sizeof(u64));

/* Most messages are a payload, and nothing else is said of them. */
static inline bool weir_message_plain(const struct weir_message *message)
{
	const u64 *rest = (const u64 *)message + WEIR_MESSAGE_REST;

	return likely(!(message->headers_len | rest[0] | rest[1] | rest[2] | rest[3]));
}

/* A batch is read, reserved and filled by so many at a time, on the stack. */
#define WEIR_GROUP 16

/*
 * Reads and checks a group: how many, from the first on, are right; or an error.
 * @plain: each of them is a payload, and nothing else.
 */
static __always_inline int weir_queue_get_group(const struct weir_queue *queue,
						struct weir_message *group,
						const struct weir_message __user *from,
						u32 count, bool *plain)
{
	const struct weir_message *message = group, *end = group + count;
	int ret;

	if (count == 1)
		ret = weir_get_structs(group, from, 1);
	else
		ret = _inline_copy_from_user(group, from, count * sizeof(*group)) ? -EFAULT : 0;
	if (ret)
		return ret;
	*plain = !READ_ONCE(queue->ttl_ns);
	do {
		if (likely(message->len <= READ_ONCE(queue->max_size) &&
			   weir_message_plain(message)))
			continue;
		*plain = false;
		ret = weir_message_check(queue, message);
		if (unlikely(ret))
			return message - group ?: ret;
	} while (++message != end);
	return count;
}

/* Room for a group, which is filled: how many are added to @drafts, or an error. */
static __always_inline int weir_queue_add_group(struct weir_queue *queue,
						const struct weir_message *group, u32 count,
						const struct weir_sender *sender,
						struct weir_patience *patience,
						struct weir_chain *drafts, const bool plain)
{
	struct weir_entry **link = drafts->end;
	int ret;

	ret = weir_queue_reserve(queue, group, count, sender, patience, drafts, plain);
	if (ret > 0)
		ret = weir_queue_fill(queue, drafts, link, group, sender, plain);
	return ret;
}

static noinline int weir_queue_add_others(struct weir_queue *queue,
					  const struct weir_message *group, u32 count,
					  const struct weir_sender *sender,
					  struct weir_patience *patience,
					  struct weir_chain *drafts)
{
	return weir_queue_add_group(queue, group, count, sender, patience, drafts, false);
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
	bool plain;
	int ret;

	ret = weir_queue_get_group(queue, group, from, count, &plain);
	if (unlikely(ret <= 0))
		return ret;
	if (unlikely(!plain))
		return weir_queue_add_others(queue, group, ret, sender, patience, drafts);
	return weir_queue_add_group(queue, group, ret, sender, patience, drafts, true);
}

/*
 * Most messages are small, there is room for them, and what user space has is there: such
 * a one is reserved, filled and sent in one go. Whether it is; or @drafts is empty, or
 * has the draft, and neither more nor less was done than weir_queue_reserve() does.
 */
static __always_inline bool weir_queue_send_at_once(struct weir_queue *queue,
						    const struct weir_message *message,
						    const struct weir_sender *sender,
						    struct weir_chain *drafts,
						    struct weir_sent *sent)
{
	const u64 now = ktime_get_real_ns();
	enum weir_stop stop;
	bool done = false;
	u32 seek = 0;
	void *mem;

	spin_lock(&queue->lock);
	if (unlikely(queue->dead ||
		     !weir_queue_reserve_row(queue, message, 1, drafts, &seek, &stop,
					     weir_queue_limits(queue), true)))
		goto out;
	mem = weir_pool_in_page(&queue->pool, drafts->first->place, message->len);
	if (unlikely(!mem))
		goto out;
	pagefault_disable();
	done = !_inline_copy_from_user(mem, u64_to_user_ptr(message->data), message->len);
	pagefault_enable();
	if (unlikely(!done))
		goto out;
	weir_draft_pad_short(mem, message->len);
	weir_draft_describe(drafts->first, message, sender, true);
	sent->first_offset = weir_drafts_commit(queue, drafts, now);
out:
	spin_unlock(&queue->lock);
	return done;
}

/* One message that was not sent at once, for which @drafts may be reserved: 1 or an error. */
static noinline int weir_queue_send_later(struct weir_queue *queue,
					  const struct weir_message *message,
					  const struct weir_sender *sender,
					  struct weir_patience *patience,
					  struct weir_chain *drafts, struct weir_sent *sent)
{
	int ret;

	if (drafts->first)
		ret = weir_queue_fill(queue, drafts, &drafts->first, message, sender, false);
	else
		ret = weir_queue_add_others(queue, message, 1, sender, patience, drafts);
	if (ret > 0)
		ret = weir_queue_commit(queue, drafts, 1, sent);
	return ret;
}

/* One message, which was checked, @plain or not: 1 or an error. */
static __always_inline int weir_queue_send_one(struct weir_queue *queue,
					       const struct weir_message *message,
					       const struct cred *cred,
					       struct weir_patience *patience,
					       struct weir_sent *sent, bool plain)
{
	const struct weir_sender sender = weir_sender(cred);
	struct weir_chain drafts __uninitialized;

	weir_chain_init(&drafts);
	if (likely(plain && message->len <= WEIR_AT_ONCE) &&
	    likely(weir_queue_send_at_once(queue, message, &sender, &drafts, sent))) {
		weir_queue_wake_readers(queue);
		return 1;
	}
	return weir_queue_send_later(queue, message, &sender, patience, &drafts, sent);
}

int weir_queue_send(struct weir_queue *queue, const struct weir_message __user *messages,
		    u32 count, const struct cred *cred, struct weir_patience *patience,
		    struct weir_sent *sent)
{
	const struct weir_sender sender = weir_sender(cred);
	struct weir_chain drafts __uninitialized;
	u32 done = 0;
	int ret, n;

	if (count == 1) {
		struct weir_message message __uninitialized;
		bool plain;

		ret = weir_queue_get_group(queue, &message, messages, 1, &plain);
		if (ret > 0)
			ret = weir_queue_send_one(queue, &message, cred, patience, sent,
						  plain);
		return ret;
	}
	weir_chain_init(&drafts);
	do {
		n = min_t(u32, count - done, WEIR_GROUP);
		ret = weir_queue_send_group(queue, messages + done, n, &sender, patience,
					    &drafts);
		if (ret <= 0)
			break;
		done += ret;
		/* Nobody waits for more, having something to send. */
		patience->timeout_ns = 0;
	} while (ret == n && done < count);
	if (!done)
		return ret;
	return weir_queue_commit(queue, &drafts, done, sent);
}

ssize_t weir_queue_write_plain(struct weir_queue *queue, const void __user *from, size_t len,
			       const struct cred *cred, struct weir_patience *patience)
{
	const struct weir_message message = { .data = (uintptr_t)from, .len = len };
	struct weir_sent sent;
	int ret;

	if (len > READ_ONCE(queue->max_size))
		return -EMSGSIZE;
	ret = weir_queue_send_one(queue, &message, cred, patience, &sent,
				  !READ_ONCE(queue->ttl_ns));
	return ret < 0 ? ret : len;
}

ssize_t weir_queue_write(struct weir_queue *queue, struct iov_iter *from,
			 const struct cred *cred, struct weir_patience *patience)
{
	const size_t len = iov_iter_count(from);
	const struct weir_sender sender = weir_sender(cred);
	const struct weir_message message = { .len = len };
	struct weir_chain drafts;
	struct weir_sent sent;
	int ret;

	if (len > READ_ONCE(queue->max_size))
		return -EMSGSIZE;
	weir_chain_init(&drafts);
	ret = weir_queue_reserve(queue, &message, 1, &sender, patience, &drafts, true);
	if (ret < 0)
		return ret;
	ret = weir_draft_populate(queue, drafts.first);
	if (!ret)
		ret = weir_pool_write_iter(&queue->pool, drafts.first->place, 0, len, from);
	if (!ret && unlikely(READ_ONCE(queue->ttl_ns)))
		ret = weir_draft_wish(queue, drafts.first, &message, &sender, &drafts);
	if (ret) {
		weir_queue_abort(queue, &drafts, &drafts.first);
		return ret;
	}
	weir_draft_pad_end(queue, drafts.first);
	weir_draft_describe(drafts.first, &message, &sender, true);
	ret = weir_queue_commit(queue, &drafts, 1, &sent);
	return ret < 0 ? ret : len;
}

/* Adds a part of what is to be drafted: how many, or -errno. */
static int weir_queue_draft_group(struct weir_queue *queue,
				  const struct weir_message __user *messages, u32 count,
				  const struct weir_sender *sender, struct weir_chain *drafts,
				  struct weir_room *room)
{
	struct weir_message group[WEIR_GROUP] __uninitialized;
	struct weir_patience none;
	bool plain;
	int ret;

	weir_patience_init(&none, true, room->elsewhere, 0);
	ret = weir_queue_get_group(queue, group, messages, min_t(u32, count, WEIR_GROUP),
				   &plain);
	if (ret > 0)
		ret = weir_queue_add_others(queue, group, ret, sender, &none, drafts);
	if (ret == -EAGAIN) {
		room->queue = queue;
		/* Of a share: what one takes is not free for the next, and his own. */
		room->messages = weir_queue_is_fair(queue) ? 2 * (u64)count - 1 : count;
		room->units = weir_units(weir_message_size(group));
		room->uid = (u32)sender->ids;
	}
	return ret;
}

int weir_queue_draft_all(struct weir_queue *queue, const struct weir_message __user *messages,
			 u32 count, const struct cred *cred, struct weir_chain *drafts,
			 struct weir_room *room)
{
	const struct weir_sender sender = weir_sender(cred);
	u32 done = 0;
	int ret;

	room->altered = weir_queue_altered_by(queue);
	room->freed = READ_ONCE(queue->freed);
	room->arrivals = weir_queue_arrivals(queue);
	while (done < count) {
		ret = weir_queue_draft_group(queue, messages + done, count - done, &sender,
					     drafts, room);
		if (ret < 0)
			return ret;
		done += ret;
	}
	return 0;
}
