// SPDX-License-Identifier: GPL-2.0
/*
 * Messages are told of without being taken, by their slots, in which they stay for as
 * long as they are there: so each one that is there all the time is told exactly once.
 *
 * User space's memory may fault for ever, and nobody is to wait for that: the lock is
 * held for a piece of one message at a time, which is copied into a page of ours. Who
 * settles the message between two pieces need not know; then it is not told.
 */
#include <linux/gfp.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "queue_steps.h"

/* Slots, or segments without messages, gone through before others get the lock. */
#define WEIR_BROWSE_CHUNK	1024U
/* Of a message, at a time. */
#define WEIR_BROWSE_PIECE	((u32)PAGE_SIZE)

/* A message that was found, as it was then. */
struct weir_found {
	struct weir_browsed record;
	u32 place;
	u32 size;
	u32 copied;			/* bytes of it in the page */
};

static u32 weir_entry_browse_state(const struct weir_entry *entry)
{
	switch (entry->state) {
	case WEIR_READY:
	case WEIR_RANKED:
		return WEIR_BROWSE_READY;
	case WEIR_DELAYED:
		return WEIR_BROWSE_DELAYED;
	case WEIR_BEHIND:
		return WEIR_BROWSE_BEHIND;
	case WEIR_LEASED:
		return WEIR_BROWSE_LEASED;
	case WEIR_DYING:
		return WEIR_BROWSE_DYING;
	default:
		return 0;
	}
}

static bool weir_browse_wants(const struct weir_browse *browse, const struct weir_entry *entry)
{
	const u32 state = weir_entry_browse_state(entry);

	return (browse->states ? browse->states & state : state) &&
	       entry->offset >= browse->first && (!browse->end || entry->offset < browse->end);
}

/*
 * The next one that is wanted, from @browse->slot on, which becomes its slot; or NULL
 * and where to go on.
 */
static struct weir_entry *weir_browse_find(const struct weir_queue *queue,
					   struct weir_browse *browse)
{
	const struct weir_index *index = &queue->index;
	const u32 slots = index->nr_segments * WEIR_SEGMENT_SLOTS;
	u32 work;

	lockdep_assert_held(&queue->lock);
	for (work = 0; work < WEIR_BROWSE_CHUNK; work++) {
		struct weir_entry *entry;

		if (browse->slot >= slots) {
			browse->slot = WEIR_BROWSE_END;
			return NULL;
		}
		if (index->free[browse->slot / WEIR_SEGMENT_SLOTS] == U64_MAX) {
			browse->slot = round_down(browse->slot, WEIR_SEGMENT_SLOTS) +
				       WEIR_SEGMENT_SLOTS;
			continue;
		}
		entry = weir_index_find(index, browse->slot);
		if (weir_browse_wants(browse, entry))
			return entry;
		browse->slot++;
	}
	return NULL;
}

static u64 weir_time_left(u64 due, u64 now)
{
	if (due == WEIR_NEVER)
		return WEIR_UNLIMITED;
	return due > now ? due - now : 0;
}

static void weir_browsed_tell(const struct weir_queue *queue, const struct weir_entry *entry,
			      struct weir_browsed *record)
{
	const u64 now = ktime_get_boottime_ns();
	const struct weir_who *who = NULL;

	*record = (struct weir_browsed){
		.desc = *weir_entry_desc(entry),
		.left_ns = WEIR_UNLIMITED,
		.expires_ns = WEIR_UNLIMITED,
		.state = weir_entry_browse_state(entry),
	};
	record->desc.pos = 0;
	if (entry->wishes)
		record->expires_ns =
			weir_time_left(weir_index_extra(&queue->index, entry->slot)->expires, now);
	if (entry->state == WEIR_LEASED || entry->state == WEIR_DELAYED)
		record->left_ns = weir_time_left(entry->due, now);
	if (entry->state == WEIR_LEASED)
		who = entry->holder->who;
	else if (entry->state == WEIR_DYING)
		who = entry->who;
	if (!who)
		return;
	record->holder_uid = who->uid;
	record->holder_pid = who->pid;
	strscpy(record->holder, who->name);
}

/* Copies some of @found, from byte @at on, into @page. */
static void weir_found_piece(const struct weir_queue *queue, struct weir_found *found, u32 at,
			     void *page)
{
	found->copied = min(found->size - at, WEIR_BROWSE_PIECE);
	weir_pool_read(&queue->pool, found->place, at, found->copied, page);
}

/* What is next, in @found, with its beginning in @page if that is not NULL; or -errno. */
static int weir_browse_next(struct weir_queue *queue, struct weir_browse *browse,
			    struct weir_found *found, void *page)
{
	struct weir_entry *entry;

	guard(spinlock)(&queue->lock);
	if (queue->dead)
		return -ESHUTDOWN;
	entry = weir_browse_find(queue, browse);
	if (!entry)
		return browse->slot == WEIR_BROWSE_END ? -ENOENT : -WEIR_AGAIN;
	weir_browsed_tell(queue, entry, &found->record);
	found->place = entry->place;
	found->size = page ? entry->size : 0;
	weir_found_piece(queue, found, 0, page);
	return 0;
}

/* The bytes of @found from @at on, if it is there still: an offset is used once. */
static int weir_browse_more(struct weir_queue *queue, struct weir_found *found, u32 at,
			    void *page)
{
	const struct weir_entry *entry;

	guard(spinlock)(&queue->lock);
	if (queue->dead)
		return -ESHUTDOWN;
	entry = weir_index_at(&queue->index, found->record.desc.slot);
	if (!weir_entry_browse_state(entry) || entry->offset != found->record.desc.offset)
		return -ENOENT;
	weir_found_piece(queue, found, at, page);
	return 0;
}

/* 0, or -ENOENT when it was settled meanwhile, or -errno. */
static int weir_found_copy(struct weir_queue *queue, struct weir_found *found,
			   void __user *to, void *page)
{
	u32 at = 0;
	int ret;

	if (copy_to_user(to, &found->record, sizeof(found->record)))
		return -EFAULT;
	to += sizeof(found->record);
	for (;;) {
		if (copy_to_user(to + at, page, found->copied))
			return -EFAULT;
		at += found->copied;
		if (at == found->size)
			return 0;
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = weir_browse_more(queue, found, at, page);
		if (ret)
			return ret;
	}
}

static u64 weir_found_size(const struct weir_found *found)
{
	return sizeof(found->record) + (u64)weir_units(found->size) * WEIR_ALIGN;
}

/* As weir_queue_browse(), with *@filled, and a page where payloads are wanted. */
static long weir_browse_fill(struct weir_queue *queue, struct weir_browse *browse,
			     void *page, u64 *filled)
{
	void __user *buffer = u64_to_user_ptr(browse->buffer);
	struct weir_found found;
	long told = 0;
	int ret;

	for (;;) {
		u64 size;

		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = weir_browse_next(queue, browse, &found, page);
		if (ret == -WEIR_AGAIN)
			continue;
		if (ret)
			return ret == -ENOENT ? told : ret;
		size = weir_found_size(&found);
		if (size > browse->buffer_len - *filled) {
			if (told)
				return told;
			*filled = size;
			return -EMSGSIZE;
		}
		found.record.size = size;
		if (page)
			found.record.desc.pos = *filled + sizeof(found.record);
		ret = weir_found_copy(queue, &found, buffer + *filled, page);
		if (ret && ret != -ENOENT)
			return ret;
		browse->slot++;
		if (ret)
			continue;
		told++;
		*filled += size;
	}
}

long weir_queue_browse(struct weir_queue *queue, struct weir_browse *browse)
{
	void *page = NULL;
	u64 filled = 0;
	long ret;

	if (browse->flags & WEIR_BROWSE_PAYLOAD) {
		page = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
		if (!page)
			return -ENOMEM;
	}
	ret = weir_browse_fill(queue, browse, page, &filled);
	browse->buffer_len = filled;
	free_page((unsigned long)page);
	return ret;
}
