// SPDX-License-Identifier: GPL-2.0
#include <linux/err.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "queue_take.h"

bool weir_queue_readable(const struct weir_queue *queue, u64 file)
{
	const struct weir_queue_file *reads = (const void *)(uintptr_t)file;

	return (READ_ONCE(queue->depth) && weir_queue_is_turn(queue, reads)) ||
	       (reads && READ_ONCE(reads->partial));
}

/* The same for FETCH, which takes no rest. */
static bool weir_queue_fetchable(const struct weir_queue *queue, u64 file)
{
	return READ_ONCE(queue->depth) &&
	       weir_queue_is_turn(queue, (const void *)(uintptr_t)file);
}

void weir_queue_pass_on(struct weir_queue *queue)
{
	if (weir_queue_readable(queue, 0))
		weir_queue_wake_readers(queue);
}

struct weir_entry *weir_queue_next_alive(struct weir_queue *queue, u64 now)
{
	struct weir_entry *entry;
	u32 n;

	if (unlikely(queue->starve_after))
		weir_queue_recall_starving(queue);
	for (n = 0; n < WEIR_BATCH_MAX; n++) {
		entry = weir_queue_next(queue);
		if (!entry || !weir_entry_expired(queue, entry, now))
			return entry;
		weir_entry_expire(queue, entry);
	}
	return ERR_PTR(-WEIR_AGAIN);
}

/*
 * Others may send what expires as quickly as it is gone through. So a call goes through as
 * much as there was when it met the first: whether it may go on.
 */
static bool weir_patience_passes(const struct weir_queue *queue, struct weir_patience *patience)
{
	if (!patience->passing)
		patience->left = READ_ONCE(queue->held);
	patience->passing = patience->left >= WEIR_BATCH_MAX;
	patience->left -= WEIR_BATCH_MAX;
	return patience->passing;
}

int weir_queue_prepare(struct weir_queue_file *file, int error, bool reads,
		       struct weir_patience *patience, bool *waited)
{
	struct weir_queue *queue = file->queue;

	switch (error) {
	case -ENOLINK:
		return weir_queue_add_consumer(file);
	case -WEIR_AGAIN:
		cond_resched();
		if (signal_pending(current) && !patience->elsewhere)
			return -ERESTARTSYS;
		if (weir_patience_passes(queue, patience))
			return 0;
		/* As if it was empty: who may wait goes on at once. */
		fallthrough;
	case -EAGAIN:
		*waited = true;
		return weir_queue_wait(queue, &queue->readers,
				       reads ? weir_queue_readable : weir_queue_fetchable,
				       (uintptr_t)file, patience);
	default:
		return error;
	}
}

/* Bytes of a message, and of its record in a buffer. */
static u64 weir_entry_space(const struct weir_entry *entry)
{
	return (u64)weir_units(entry->size) * WEIR_ALIGN;
}

static u64 weir_record_size(const struct weir_entry *entry)
{
	return sizeof(struct weir_desc) + weir_entry_space(entry);
}

/* What may still be taken: of messages' bytes, and of records'. */
struct weir_budget {
	u64 bytes;
	u64 room;
};

/* Whether @budget is enough for @entry too, which it then pays for. */
static inline bool weir_budget_pay(struct weir_budget *budget, const struct weir_entry *entry)
{
	u64 space = weir_entry_space(entry);

	if (space > budget->bytes || space + sizeof(struct weir_desc) > budget->room)
		return false;
	budget->bytes -= space;
	budget->room -= space + sizeof(struct weir_desc);
	return true;
}

/* @entry is not listed any more: the one behind it, or NULL. */
static inline struct weir_entry *weir_queue_unlist_ranked(struct weir_queue *queue,
							  struct weir_entry *entry)
{
	struct rb_node *next = rb_next(&entry->node);

	rb_erase_cached(&entry->node, &queue->ranked);
	return rb_entry_safe(next, struct weir_entry, node);
}

/*
 * Leases as one run the next messages, from @entry on: at most @max, as long as they
 * stand side by side in one segment, have one history and @budget is enough, which has
 * paid for the first. How many. @plain: nothing was put back, nothing is copied.
 */
static __always_inline u32 weir_queue_take_run(struct weir_queue *queue,
					       const struct weir_lease *lease,
					       struct weir_run *run, struct weir_entry *entry,
					       u32 max, struct weir_budget *budget,
					       const bool plain)
{
	const u32 slot = entry->slot;
	const u32 most = plain ? max : weir_queue_most(queue, max);
	const struct weir_entry *end = entry + weir_index_row(slot, most);
	const struct weir_entry *first = entry;
	const u32 deliveries = plain ? 1 : entry->deliveries + 1;
	const bool ranked = !plain && entry->state == WEIR_RANKED;
	u64 offset = entry->offset;
	struct weir_entry *next;
	u32 n;

	*run = (struct weir_run){ .offset = offset, .slot = slot, .deliveries = deliveries };
	do {
		next = ranked ? weir_queue_unlist_ranked(queue, entry) : entry->next;
		weir_entry_lease(queue, entry, lease, plain);
		entry++;
		offset++;
		/* An entry has a slot for good, so the row is told by the addresses. */
	} while (entry < end && entry == next && entry->offset == offset &&
		 (plain || (entry->deliveries + 1 == deliveries &&
			    entry->priority == first->priority &&
			    !weir_entry_expired(queue, entry, lease->alive) &&
			    weir_budget_pay(budget, entry))));
	if (!ranked)
		weir_chain_skip(&queue->ready, next);

	n = entry - first;
	weir_consumer_reach(lease->consumer, slot / WEIR_SEGMENT_SLOTS);
	run->count = n;
	queue->index.leased[slot / WEIR_SEGMENT_SLOTS] += n;
	weir_segment_due(queue, slot, lease->due);
	if (deliveries > 1)
		queue->redelivered += n;
	if (!plain)
		weir_queue_taken(queue, first, n);
	return n;
}

/* Whether @next goes on where @run ends. */
static bool weir_run_goes_on(const struct weir_run *run, const struct weir_run *next)
{
	return run->slot + run->count == next->slot && run->offset + run->count == next->offset &&
	       run->deliveries == next->deliveries;
}

/* Takes runs, from the one that begins with @entry on, for which is paid. */
static __always_inline void weir_queue_take_runs(struct weir_queue *queue,
						 const struct weir_lease *lease,
						 struct weir_take *take,
						 struct weir_entry *entry,
						 struct weir_budget *budget,
						 const bool plain)
{
	const struct weir_run *end = take->runs + take->max_runs;
	struct weir_run *run = take->runs;
	u32 left = take->max_messages;

	do {
		left -= weir_queue_take_run(queue, lease, run, entry, left, budget, plain);
		if (run > take->runs && weir_run_goes_on(run - 1, run))
			run[-1].count += run->count;
		else
			run++;
		if (!left || run == end)
			break;
		entry = plain ? queue->ready.first : weir_queue_next(queue);
	} while (entry && (plain || (!weir_entry_expired(queue, entry, lease->alive) &&
				     weir_budget_pay(budget, entry))));
	take->nr_runs = run - take->runs;
	take->messages = take->max_messages - left;
	weir_queue_leased(queue, lease->consumer, take->messages);
}

/*
 * Takes runs where bytes are counted, for some are copied or only so many are wanted,
 * or where something is ranked.
 */
static noinline int weir_queue_take_counted(struct weir_queue *queue,
					    const struct weir_lease *lease,
					    struct weir_take *take, struct weir_entry *first)
{
	struct weir_budget budget = { .bytes = take->max_bytes, .room = U64_MAX };

	/* One is handed out in any case, unless the buffer is too small for it. */
	if (weir_entry_space(first) > budget.bytes) {
		budget.bytes = weir_entry_space(first);
		take->max_messages = 1;
	}
	if (take->buffer) {
		budget.room = take->room;
		take->filled = weir_record_size(first);
		if (take->filled > budget.room)
			return -EMSGSIZE;
	}
	weir_budget_pay(&budget, first);
	weir_queue_take_runs(queue, lease, take, first, &budget, false);
	if (take->buffer)
		take->filled = take->room - budget.room;
	return 0;
}

/* As weir_queue_take_leases(), of a queue that is odd. */
static noinline int weir_queue_take_odd(struct weir_queue *queue, struct weir_queue_file *file,
					struct weir_take *take, struct weir_lease *lease)
{
	const u32 wanted = take->max_messages;
	struct weir_entry *first;
	u32 most;
	int ret;

	if (queue->dead)
		return -ESHUTDOWN;
	lease->consumer = weir_queue_find_consumer(file);
	if (!lease->consumer)
		return -ENOLINK;
	ret = weir_queue_admit(queue, lease->consumer, &most);
	if (ret)
		return ret;
	weir_consumer_take(lease->consumer);
	lease->alive = ktime_get_boottime_ns();
	first = weir_queue_next_alive(queue, lease->alive);
	if (IS_ERR_OR_NULL(first))
		return first ? PTR_ERR(first) : -EAGAIN;
	take->max_messages = min(wanted, most);
	ret = weir_queue_take_counted(queue, lease, take, first);
	take->max_messages = wanted;
	if (!ret)
		weir_queue_admitted(queue, file);
	return ret;
}

static __always_inline int weir_queue_take_leases(struct weir_queue *queue,
						  struct weir_queue_file *file,
						  struct weir_take *take,
						  struct weir_lease *lease)
{
	struct weir_entry *first;

	lockdep_assert_held(&queue->lock);
	if (unlikely(queue->odd))
		return weir_queue_take_odd(queue, file, take, lease);
	lease->consumer = weir_queue_find_consumer(file);
	if (unlikely(!lease->consumer))
		return -ENOLINK;
	weir_consumer_take(lease->consumer);
	first = queue->ready.first;
	if (unlikely(queue->ranked.rb_leftmost)) {
		lease->alive = ktime_get_boottime_ns();
		first = weir_queue_next_alive(queue, lease->alive);
		if (IS_ERR(first))
			return PTR_ERR(first);
	} else if (likely(first && !take->buffer && take->max_bytes == U64_MAX)) {
		weir_queue_take_runs(queue, lease, take, first, NULL, true);
		return 0;
	}
	return first ? weir_queue_take_counted(queue, lease, take, first) : -EAGAIN;
}

static int weir_record_copy(struct weir_queue *queue, const struct weir_entry *entry,
			    void __user *buffer, u64 at)
{
	struct weir_desc desc = *weir_entry_desc(entry);

	desc.pos = at + sizeof(desc);
	if (copy_to_user(buffer + at, &desc, sizeof(desc)))
		return -EFAULT;
	return weir_pool_read_user(&queue->pool, entry->place, 0, entry->size,
				   buffer + at + sizeof(desc));
}

/* What was taken is leased and busy, so it stays as it is without the lock. */
static int weir_take_copy(struct weir_queue *queue, const struct weir_take *take)
{
	u64 at = 0;
	u32 i, j;
	int ret;

	for (i = 0; i < take->nr_runs; i++) {
		for (j = 0; j < take->runs[i].count; j++) {
			const struct weir_entry *entry =
				weir_index_at(&queue->index, take->runs[i].slot + j);

			ret = weir_record_copy(queue, entry, take->buffer, at);
			if (ret)
				return ret;
			at += weir_record_size(entry);
			if (likely(entry->size < PAGE_SIZE))
				continue;
			/* There may be many that are large. */
			cond_resched();
			if (fatal_signal_pending(current))
				return -EINTR;
		}
	}
	return 0;
}

static void weir_run_copied(struct weir_queue *queue, const struct weir_run *run,
			    bool settle, bool failed)
{
	struct weir_consumer *holder = weir_index_at(&queue->index, run->slot)->holder;
	u32 i;

	for (i = 0; i < run->count; i++) {
		struct weir_entry *entry = weir_index_at(&queue->index, run->slot + i);

		entry->busy = false;
		if (failed)
			weir_entry_return(queue, entry, 0);
	}
	if (settle && !failed)
		weir_queue_settle_leased(queue, holder, run->slot, run->count);
}

/* What was copied is not busy any more, and settled or put back if that is due. */
static void weir_take_copied(struct weir_queue *queue, const struct weir_take *take,
			     bool failed)
{
	u32 i;

	spin_lock(&queue->lock);
	for (i = 0; i < take->nr_runs; i++)
		weir_run_copied(queue, &take->runs[i], take->settle, failed);
	spin_unlock(&queue->lock);
	if (failed)
		weir_queue_wake_readers(queue);
	else if (take->settle)
		weir_queue_wake_writers(queue);
}

/*
 * What is read in place is settled or put back by its holder, at any time. The holder did
 * nothing with the rest, which does not have to wait as what failed does.
 */
static void weir_take_undo(struct weir_queue_file *file, struct weir_take *take)
{
	struct weir_queue *queue = file->queue;
	u32 i;

	for (i = 0; i < take->nr_runs; i++) {
		struct weir_run *run = &take->runs[i];

		spin_lock(&queue->lock);
		if (!weir_run_hold(file, run))
			weir_run_copied(queue, run, false, true);
		spin_unlock(&queue->lock);
		weir_run_settled_else(file, run);
	}
}

void weir_queue_take_finish(struct weir_queue_file *file, struct weir_take *take,
			    bool failed)
{
	if (take->buffer)
		weir_take_copied(file->queue, take, failed);
	else if (failed)
		weir_take_undo(file, take);
}

int weir_queue_take(struct weir_queue_file *file, struct weir_take *take,
		    struct weir_run *settle)
{
	struct weir_queue *queue = file->queue;
	struct weir_lease lease __uninitialized;
	int ret;

	lease.due = weir_time_in(take->lease_ns ?: READ_ONCE(queue->lease_ns));
	lease.now = ktime_get_coarse_real_ns();
	lease.in_place = !take->buffer;
	weir_queue_settle_deaths(queue);
	spin_lock(&queue->lock);
	if (settle)
		weir_run_settle(file, settle, NULL);
	ret = weir_queue_take_leases(queue, file, take, &lease);
	spin_unlock(&queue->lock);
	if (settle)
		weir_run_settled(file, settle);
	return ret;
}

int weir_queue_take_again(struct weir_queue_file *file, struct weir_take *take, int error,
			  struct weir_patience *patience)
{
	bool waited = patience->woken;

	while (error) {
		error = weir_queue_prepare(file, error, false, patience, &waited);
		if (error)
			break;
		error = weir_queue_take(file, take, NULL);
	}
	/*
	 * Also when it took nothing: the wake-up was for whoever can. And before
	 * copying, which may take for ever.
	 */
	if (waited)
		weir_queue_pass_on(file->queue);
	return error;
}

int weir_queue_take_copy(struct weir_queue_file *file, struct weir_take *take)
{
	int ret = weir_take_copy(file->queue, take);

	if (ret)
		weir_queue_take_finish(file, take, true);
	return ret;
}
