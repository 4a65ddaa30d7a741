// SPDX-License-Identifier: GPL-2.0
/*
 * What is done when there is no room for a message: it waits, or it is refused, or others
 * go for it.
 *
 * Who makes room does it under the lock and takes it under the same hold, so that nobody
 * comes between, and what goes for a message goes for that one. Only large messages may
 * need more than can be thrown away in one hold. What was sent since the call began, or
 * since it was woken, stays.
 *
 * To be buried takes longer than to be thrown away: a copy has to be made. So who makes
 * others die waits for the burial, as long as it gets on, also who does not wait for
 * consumers; but he not for ever, if others are quicker each time something is buried. What
 * is dying already counts as room that comes.
 *
 * For a receipt nothing goes: it is not there yet, and would take the place of what is.
 *
 * Who found nothing that might go waits for room, as everybody, and for what arrives: what
 * is sent, put back, or due. Readers are told of that. So from the first time on the
 * queue has a lookout in their line, which is there though nobody waits: see
 * weir_line_wake_up().
 */
#include <linux/cred.h>
#include <linux/sched/signal.h>

#include "queue_reserve.h"
#include "trace.h"

/* Messages that go before others get the lock. */
#define WEIR_GO_CHUNK 128
/* And those that are passed over meanwhile, as somebody still reads them. */
#define WEIR_GO_LOOKS 2048

bool weir_queue_has_room(const struct weir_queue *queue, u64 size)
{
	return READ_ONCE(queue->held) < READ_ONCE(queue->max_messages) &&
	       READ_ONCE(queue->units) + weir_units(size) <= READ_ONCE(queue->max_units);
}

static bool weir_lack_has_room(const struct weir_queue *queue, const struct weir_lack *lack)
{
	if (lack->share)
		return weir_share_has_room(queue, lack->share, 1, weir_units(lack->size));
	return weir_queue_has_room(queue, lack->size);
}

bool weir_lack_is_over(const struct weir_queue *queue, u64 arg)
{
	const struct weir_lack *lack = (const void *)(uintptr_t)arg;

	if (READ_ONCE(queue->altered) != lack->altered)
		return true;
	if (lack->pieces ? READ_ONCE(queue->freed) != lack->freed :
			   weir_lack_has_room(queue, lack))
		return true;
	/* What may go does, when what is free and that are enough. */
	return weir_queue_makes_room(queue) && (weir_queue_arrivals(queue) != lack->arrivals ||
						READ_ONCE(queue->freed) != lack->left);
}

/* Whether @queue has a lookout from now on, and had none. */
static bool weir_queue_look_out(struct weir_queue *queue)
{
	return weir_line_watch(&queue->readers, &queue->lookout, queue);
}

/* Of what is ready some may still be read, all of it perhaps. Who dies is to be buried. */
static bool weir_queue_may_let_go(struct weir_queue *queue)
{
	u32 looks = 0;

	if (READ_ONCE(queue->when_full) == WEIR_WHEN_FULL_DEAD_LETTER && READ_ONCE(queue->stuck))
		return false;
	guard(spinlock)(&queue->lock);
	return weir_queue_oldest(queue, &looks);
}

static bool weir_queue_may_write(struct weir_queue *queue)
{
	return weir_queue_has_room(queue, 1) ||
	       (weir_queue_makes_room(queue) && weir_queue_may_let_go(queue));
}

bool weir_queue_writable(struct weir_queue *queue, const struct cred *cred)
{
	if (weir_queue_is_fair(queue))
		return weir_share_is_writable(queue, __kuid_val(cred->euid));
	if (weir_queue_may_write(queue))
		return true;
	if (!weir_queue_makes_room(queue))
		return false;
	/* Whoever set it up, something may have come before he did. */
	weir_queue_look_out(queue);
	return weir_queue_may_write(queue);
}

int weir_queue_wait_for_room(struct weir_queue *queue, weir_ready_t ready, u64 arg,
			     struct weir_patience *patience)
{
	if (READ_ONCE(queue->when_full) == WEIR_WHEN_FULL_REJECT)
		return -EAGAIN;
	return weir_queue_wait(queue, &queue->writers, ready, arg, patience);
}

/* What may be left that the messages from @next to @end have room. */
static struct weir_target weir_target(const struct weir_queue *queue,
				      const struct weir_message *next,
				      const struct weir_message *end, bool pieces)
{
	const u64 most = pieces ? queue->units : queue->max_units;
	u64 count = end - next, units = 0;

	for (; next < end; next++)
		units += weir_units(weir_message_size(next));
	return (struct weir_target){
		.held = pieces ? U64_MAX : queue->max_messages - min(count, queue->max_messages),
		.units = most - min(units, most),
	};
}

static bool weir_target_met(const struct weir_queue *queue, const struct weir_target *target,
			    const struct weir_freed *freed)
{
	return queue->held - freed->entries <= target->held &&
	       queue->units - freed->units <= target->units;
}

/*
 * What is dying will be free. In pieces that may not do: so what others let die does not count
 * any more when those are buried who are in @lack's burials, or it might have no end.
 */
static struct weir_freed weir_freed_by_burial(const struct weir_queue *queue,
					      const struct weir_lack *lack)
{
	if (lack->pieces && queue->dead_letters >= lack->burials)
		return (struct weir_freed){};
	return (struct weir_freed){ .entries = queue->nr_dying, .units = queue->dying_units };
}

/* Adds @entry to what would be free if it went: whether that is enough. */
static bool weir_would_do(const struct weir_queue *queue, const struct weir_target *target,
			  const struct weir_entry *entry, struct weir_freed *freed)
{
	if (!entry->pins) {
		freed->entries++;
		freed->units += weir_units(entry->size);
	}
	return weir_target_met(queue, target, freed);
}

/* As weir_would_do(), with those that are behind it: they may go when it went. */
static bool weir_line_would_do(const struct weir_queue *queue, const struct weir_target *target,
			       const struct weir_entry *entry, struct weir_freed *freed)
{
	const struct weir_entry *first, *behind;

	if (weir_would_do(queue, target, entry, freed))
		return true;
	first = entry->pins ? NULL : weir_key_behind(queue, entry);
	if (!first)
		return false;
	behind = first;
	do {
		if (weir_would_do(queue, target, behind, freed))
			return true;
		behind = list_next_entry(behind, link);
	} while (behind != first);
	return false;
}

/* Whether @lack's target would be met if all went, where these are not many. */
static bool weir_lack_can_be_met(const struct weir_queue *queue, const struct weir_lack *lack)
{
	const struct weir_target *target = &lack->target;
	const struct weir_entry *entry;
	struct weir_freed freed = {};
	struct rb_node *node;

	/* Meanwhile ALTER has it otherwise; or nothing would do, not even all. */
	if (queue->altered != lack->altered || weir_units(lack->size) > queue->max_units)
		return false;
	/* Nobody is to die before those who do already are buried. */
	if (lack->when_full == WEIR_WHEN_FULL_DEAD_LETTER && queue->stuck && queue->nr_dying)
		return false;
	if (queue->depth + queue->behind >= WEIR_GO_CHUNK)
		return true;
	if (lack->when_full == WEIR_WHEN_FULL_DEAD_LETTER)
		freed = weir_freed_by_burial(queue, lack);
	for (entry = queue->ready.first; entry; entry = entry->next) {
		if (weir_line_would_do(queue, target, entry, &freed))
			return true;
	}
	for (node = rb_first_cached(&queue->ranked); node; node = rb_next(node)) {
		entry = rb_entry(node, struct weir_entry, node);
		if (weir_line_would_do(queue, target, entry, &freed))
			return true;
	}
	return false;
}

/* Whether the next one is for another hold of the lock. */
static bool weir_go_is_over(u32 n, u32 looks)
{
	return n >= WEIR_GO_CHUNK || looks >= WEIR_GO_LOOKS;
}

/* Throws away some, until @lack's target is met: how many. */
static u32 weir_queue_drop_some(struct weir_queue *queue, const struct weir_lack *lack)
{
	const struct weir_target *target = &lack->target;
	struct weir_freed freed = {};
	struct weir_entry *entry;
	u32 n, looks = 0;

	lockdep_assert_held(&queue->lock);
	for (n = 0; !weir_go_is_over(n, looks) && !weir_target_met(queue, target, &freed); n++) {
		entry = weir_queue_oldest(queue, &looks);
		if (!entry || entry->offset >= lack->end)
			break;
		trace_weir_drop(queue, entry);
		weir_queue_unlist_next(queue, entry);
		weir_entry_tell(queue, entry, WEIR_OUTCOME_DROPPED, NULL);
		weir_entry_gone(queue, entry, &freed);
	}
	weir_queue_freed(queue, &freed);
	WRITE_ONCE(queue->depth, queue->depth - n);
	queue->dropped += n;
	return n;
}

/* Lets some die, until @lack's target is met when all is buried: how many. */
static u32 weir_queue_kill_some(struct weir_queue *queue, const struct weir_lack *lack)
{
	const struct weir_target *target = &lack->target;
	struct weir_freed freed = weir_freed_by_burial(queue, lack);
	struct weir_entry *entry;
	u32 n, looks = 0;

	lockdep_assert_held(&queue->lock);
	for (n = 0; !weir_go_is_over(n, looks) && !weir_target_met(queue, target, &freed); n++) {
		entry = weir_queue_oldest(queue, &looks);
		if (!entry || entry->offset >= lack->end)
			break;
		weir_queue_unlist_next(queue, entry);
		WRITE_ONCE(queue->depth, queue->depth - 1);
		freed.entries++;
		freed.units += weir_units(entry->size);
		weir_entry_die(queue, entry, WEIR_DEAD_FULL, NULL, NULL);
	}
	return n;
}

/* What is ready goes, if that does: how many, for messages from @next on. */
static u32 weir_queue_let_go(struct weir_queue *queue, const struct weir_message *next,
			     const struct weir_message *end, struct weir_lack *lack)
{
	u32 n = 0;

	/* What comes from now on may not go, until this is begun again. */
	if (!lack->end) {
		lack->end = queue->next_offset;
		lack->arrivals = weir_queue_arrivals(queue);
		lack->burials = queue->dead_letters + queue->nr_dying;
		lack->most = queue->dead_letters + queue->held;
	}
	lack->target = weir_target(queue, next, next + 1, lack->pieces);
	if (weir_lack_can_be_met(queue, lack)) {
		if (!lack->pieces)
			lack->target = weir_target(queue, next, end, false);
		if (lack->when_full == WEIR_WHEN_FULL_DEAD_LETTER)
			n = weir_queue_kill_some(queue, lack);
		else
			n = weir_queue_drop_some(queue, lack);
	}
	lack->left = queue->freed;
	lack->went = n;
	return n;
}

/* Whether what was dying when @lack was noted is buried, or enough of it, or cannot be. */
static bool weir_lack_is_buried(const struct weir_queue *queue, u64 arg)
{
	const struct weir_lack *lack = (const void *)(uintptr_t)arg;

	return READ_ONCE(queue->dead_letters) >= lack->dead_letters ||
	       READ_ONCE(queue->burials_failed) != lack->burials_failed ||
	       (READ_ONCE(queue->held) <= lack->target.held &&
		READ_ONCE(queue->units) <= lack->target.units);
}

/*
 * Whether those will do for @target that are dying for others; in pieces any may, of them. Not
 * when all was buried that was there at first, and what died for it: if others always were
 * quicker there might be no end.
 */
static bool weir_burials_would_do(const struct weir_queue *queue, const struct weir_lack *lack,
				  const struct weir_target *target)
{
	const struct weir_freed buried = weir_freed_by_burial(queue, lack);

	if (lack->pieces)
		return buried.entries;
	return queue->dead_letters < max(lack->most, lack->burials) &&
	       weir_target_met(queue, target, &buried);
}

/*
 * Lets others die for messages from @next on: 1, their burial is to be waited for, or that
 * of those that die otherwise; 0, there is room by now; or -EAGAIN, none may, or it was
 * waited for long enough. It is done again if somebody else is quicker when they are buried.
 */
static int weir_queue_kill_for(struct weir_queue *queue, const struct weir_message *next,
			       const struct weir_message *end, struct weir_lack *lack)
{
	const struct weir_freed none = {};
	struct weir_target one;

	guard(spinlock)(&queue->lock);
	if (weir_queue_let_go(queue, next, end, lack)) {
		/* One's own victims count until they are buried. */
		lack->burials = queue->dead_letters + queue->nr_dying;
	} else {
		one = weir_target(queue, next, next + 1, lack->pieces);
		if (weir_target_met(queue, &one, &none))
			return 0;
		if (!weir_burials_would_do(queue, lack, &one))
			return -EAGAIN;
	}
	lack->dead_letters = queue->dead_letters + queue->nr_dying;
	lack->burials_failed = queue->burials_failed;
	return 1;
}

/* As weir_queue_make_room(), where what goes is buried. */
static int weir_queue_bury_for(struct weir_queue *queue, const struct weir_message *next,
			       const struct weir_message *end, struct weir_lack *lack)
{
	struct weir_patience until = { .timeout_ns = -1, .elsewhere = lack->elsewhere };
	const u64 before = READ_ONCE(queue->dead_letters);
	int ret;

	ret = weir_queue_kill_for(queue, next, end, lack);
	if (ret < 0)
		return weir_queue_look_out(queue) ? 0 : ret;
	if (!ret)
		return 0;
	/* At once, even if it has failed not long ago. */
	weir_queue_bury(queue);
	ret = weir_queue_wait(queue, &queue->writers, weir_lack_is_buried, (uintptr_t)lack,
			      &until);
	lack->went |= READ_ONCE(queue->dead_letters) != before;
	/* It may have waited in the place of one for whom there is room, or no hope. */
	weir_queue_wake_writers(queue);
	if (!ret && READ_ONCE(queue->burials_failed) != lack->burials_failed)
		return -EAGAIN;
	return ret;
}

int weir_queue_make_room(struct weir_queue *queue, const struct weir_message *messages,
			 u32 count, struct weir_chain *drafts, struct weir_rest *rest,
			 struct weir_lack *lack)
{
	bool all = false;
	u32 n;
	int ret;

	if (lack->spares)
		return -EAGAIN;
	if (lack->when_full == WEIR_WHEN_FULL_DEAD_LETTER) {
		ret = weir_queue_bury_for(queue, messages + rest->done, messages + count, lack);
		if (ret && ret != -EAGAIN)
			return ret;
		/* Some may be buried, though not all. */
		all = weir_queue_try_reserve(queue, messages, count, drafts, rest, false);
		cond_resched();
		if (all)
			return count;
		if (fatal_signal_pending(current))
			return -EINTR;
		return weir_rest_goes_on(rest, lack) ? 0 : ret;
	}
	if (lack->when_full != WEIR_WHEN_FULL_DROP_OLDEST)
		return -EAGAIN;
	spin_lock(&queue->lock);
	n = weir_queue_let_go(queue, messages + rest->done, messages + count, lack);
	/* Also if nothing went: there may be room by now. */
	all = weir_queue_reserve_rows(queue, messages, count, drafts, rest, false);
	spin_unlock(&queue->lock);
	/* From now on it is told of what arrives, so it has to look again. */
	if (!n && !all && !weir_rest_goes_on(rest, lack))
		return weir_queue_look_out(queue) ? 0 : -EAGAIN;
	/* There may be more room than it takes, and another one of a key to be delivered. */
	weir_queue_wake_writers(queue);
	cond_resched();
	return all ? count : 0;
}
