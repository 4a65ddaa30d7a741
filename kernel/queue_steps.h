/* SPDX-License-Identifier: GPL-2.0 */
/* queue_steps - what the files of a queue tell each other; doors see queue.h only */
#ifndef _WEIR_QUEUE_STEPS_H
#define _WEIR_QUEUE_STEPS_H

#include "queue.h"

void weir_line_wake_up(struct weir_line *line, __poll_t events);
/*
 * weir_line_watch() - from now on @line is told of everything, even if nobody waits, and then
 * @queue's other line is, too; whether that is new
 */
bool weir_line_watch(struct weir_line *line, struct wait_queue_entry *watch,
		     struct weir_queue *queue);

/* Mostly nobody waits. */
static inline void weir_line_wake(struct weir_line *line, __poll_t events)
{
	/* Pairs with prepare_to_wait() and with the barriers of poll and FETCH. */
	smp_mb();
	/* After the barrier. */
	if (unlikely(waitqueue_active(&line->waiters) || waitqueue_active(&line->pollers)))
		weir_line_wake_up(line, events);
}

/* After what made @queue readable or writable, without queue->lock. */
static inline void weir_queue_wake_readers(struct weir_queue *queue)
{
	weir_line_wake(&queue->readers, EPOLLIN | EPOLLRDNORM);
}

static inline void weir_queue_wake_writers(struct weir_queue *queue)
{
	weir_line_wake(&queue->writers, EPOLLOUT | EPOLLWRNORM);
}

/* All below under queue->lock. */

/* queue_key.c */

void weir_key_pass(struct weir_queue *queue, struct weir_entry *entry);

/* weir_key_leave() - @entry ends, and is not BEHIND: the next of its key, if any, is ranked */
static inline void weir_key_leave(struct weir_queue *queue, struct weir_entry *entry)
{
	if (queue->heads && entry->wishes && weir_index_extra(&queue->index, entry->slot)->head)
		weir_key_pass(queue, entry);
}

/* weir_key_behind() - the first of those behind @entry, which has none before it; or NULL */
static inline const struct weir_entry *weir_key_behind(const struct weir_queue *queue,
						       const struct weir_entry *entry)
{
	const struct weir_extra *extra;

	if (!queue->heads || !entry->wishes)
		return NULL;
	extra = weir_index_extra(&queue->index, entry->slot);
	return extra->head ? extra->behind : NULL;
}

/*
 * weir_key_join() - @entry, which has wishes, is to be delivered: whether it is BEHIND
 * one of its key. If not, it is the head of its key, if it has one.
 */
bool weir_key_join(struct weir_queue *queue, struct weir_entry *entry);
/* weir_key_drop() - @entry, BEHIND, ends */
void weir_key_drop(struct weir_queue *queue, struct weir_entry *entry);

/* queue_receipt.c */

/*
 * weir_entry_owe() - @entry, which is bound, ends so, by @who or NULL: that is to be told,
 * if it was asked for
 */
void weir_entry_owe(struct weir_queue *queue, struct weir_entry *entry,
		    enum weir_outcome outcome, struct weir_who *who);

/* weir_entry_bound() - whether @entry is tied to other queues */
static inline bool weir_entry_bound(const struct weir_queue *queue,
				    const struct weir_entry *entry)
{
	return entry->wishes && weir_index_extra(&queue->index, entry->slot)->bonds;
}

/* weir_entry_tell() - @entry ends so, in whichever state it is, before it is gone */
static inline void weir_entry_tell(struct weir_queue *queue, struct weir_entry *entry,
				   enum weir_outcome outcome, struct weir_who *who)
{
	if (unlikely(weir_entry_bound(queue, entry)))
		weir_entry_owe(queue, entry, outcome, who);
}

/* weir_queue_tell() - there is something to tell, or @queue is dead, with what is bound */
void weir_queue_tell(struct weir_queue *queue);

/* What was freed, counted to be told to the queue once for many entries. */
struct weir_freed {
	u64 entries;
	u64 units;
	struct weir_puts puts;
};

/* weir_entry_free() - the place of an entry that is in no list; not its slot */
static inline void weir_entry_free(struct weir_queue *queue, struct weir_entry *entry,
				   struct weir_freed *freed)
{
	u32 units = weir_units(entry->size);

	weir_pool_put(&queue->pool, entry->place, units, &freed->puts);
	entry->mark = weir_mark(WEIR_FREE, 0);
	freed->units += units;
	freed->entries++;
}

/* weir_entry_pinned() - it is settled, but somebody may still read it */
static inline void weir_entry_pinned(struct weir_queue *queue, struct weir_entry *entry)
{
	entry->state = WEIR_PINNED;
	queue->pinned++;
}

/* weir_share_leave() - @entry is free, in a queue that has shares; under the lock */
void weir_share_leave(struct weir_queue *queue, const struct weir_entry *entry);

/* weir_entry_gone() - one of that kind, or free, and its slot */
static inline void weir_entry_gone(struct weir_queue *queue, struct weir_entry *entry,
				   struct weir_freed *freed)
{
	weir_key_leave(queue, entry);
	if (unlikely(entry->pins)) {
		weir_entry_pinned(queue, entry);
		return;
	}
	weir_entry_free(queue, entry, freed);
	if (unlikely(queue->policy_flags & WEIR_POLICY_FAIR_SHARE))
		weir_share_leave(queue, entry);
	weir_index_put(&queue->index, entry->slot, 1);
}

/* weir_queue_is_fair() - whether it has shares; invariant */
static inline bool weir_queue_is_fair(const struct weir_queue *queue)
{
	return READ_ONCE(queue->policy_flags) & WEIR_POLICY_FAIR_SHARE;
}

static inline void weir_queue_freed(struct weir_queue *queue, struct weir_freed *freed)
{
	lockdep_assert_held(&queue->lock);
	weir_pool_put_end(&queue->pool, &freed->puts);
	WRITE_ONCE(queue->units, queue->units - freed->units);
	WRITE_ONCE(queue->held, queue->held - freed->entries);
	WRITE_ONCE(queue->freed, queue->freed + freed->entries);
}

/* What is copied with the lock held, at most: others wait for it. */
#define WEIR_AT_ONCE 256

/* weir_run_settle() - as weir_queue_settle(); weir_run_settled() must follow */
void weir_run_settle(struct weir_queue_file *file, struct weir_run *run,
		     struct weir_reason *reason);
/* Without the lock: what is to be done after that, if not only to wake writers. */
void weir_run_settled_else(struct weir_queue_file *file, const struct weir_run *run);

static inline void weir_run_settled(struct weir_queue_file *file, const struct weir_run *run)
{
	if (likely(!run->status && run->op == WEIR_ACK))
		weir_queue_wake_writers(file->queue);
	else
		weir_run_settled_else(file, run);
}

/*
 * weir_run_hold() - whether @run could be settled: its messages are busy then, until
 * weir_run_let_go() or weir_run_do(), under the same hold of the lock; or its status
 */
int weir_run_hold(struct weir_queue_file *file, struct weir_run *run);
void weir_run_let_go(struct weir_queue *queue, const struct weir_run *run);
void weir_run_do(struct weir_queue *queue, const struct weir_run *run,
		 struct weir_reason *reason);

/*
 * weir_queue_settle_leased() - @count LEASED entries in slots side by side, all
 * @holder's, are gone
 */
void weir_queue_settle_leased(struct weir_queue *queue, struct weir_consumer *holder,
			      u32 slot, u32 count);
/*
 * weir_entry_return() - a LEASED entry is to be delivered again, not before @due if
 * that is not 0; or it is dead, if it was delivered as often as may be, or its time is over
 */
void weir_entry_return(struct weir_queue *queue, struct weir_entry *entry, u64 due);
/*
 * weir_entry_die() - an entry that is in no list is dead; @holder: who held it just
 * now, or NULL; @text: what he says, or NULL
 */
void weir_entry_die(struct weir_queue *queue, struct weir_entry *entry,
		    enum weir_dead_reason reason, const struct weir_consumer *holder,
		    struct weir_reason *text);
/* weir_entry_expire() - a RANKED, BEHIND or DELAYED entry must not be delivered any more */
void weir_entry_expire(struct weir_queue *queue, struct weir_entry *entry);
/* weir_entry_wait() - an entry that is in no list is to be delivered, from @due on, or 0 */
void weir_entry_wait(struct weir_queue *queue, struct weir_entry *entry, u64 due);
/* weir_entry_requeue() - one that was DELAYED long enough */
void weir_entry_requeue(struct weir_queue *queue, struct weir_entry *entry);

/* weir_queue_set_timer() - what is first in the wheel has changed */
void weir_queue_set_timer(struct weir_queue *queue);

/* weir_segment_due() - something in the segment of @slot is to be looked at then */
static inline void weir_segment_due(struct weir_queue *queue, u32 slot, u64 due)
{
	if (unlikely(weir_wheel_put(&queue->wheel, slot / WEIR_SEGMENT_SLOTS, due)))
		weir_queue_set_timer(queue);
}

/* Of two queues, whichever they are. */
void weir_queue_lock_two(struct weir_queue *a, struct weir_queue *b);
void weir_queue_unlock_two(struct weir_queue *a, struct weir_queue *b);

/* queue_draft.c and queue_send.c, for those who send what is not user space's */

/* Who sends, as the initial namespaces number it, and as in struct weir_desc_words. */
struct weir_sender {
	u64 ids;			/* uid, and gid in the upper half */
	u32 pid;
};

/*
 * weir_queue_draft() - room for @message, of which only the lengths count, without
 * waiting: 0, or -errno; -WEIR_MUST_WAIT while others are buried for it. @asker: NULL; or
 * he has the room of it in his share, and nothing goes for it. Its bytes are the caller's
 * to fill; may sleep. Ends by weir_queue_commit_drafts() or weir_queue_abort().
 */
int weir_queue_draft(struct weir_queue *queue, const struct weir_message *message,
		     const struct weir_sender *sender, const struct weir_sender *asker,
		     struct weir_chain *drafts);
/* Those of @drafts from the one at @link on. */
void weir_queue_abort(struct weir_queue *queue, struct weir_chain *drafts,
		      struct weir_entry **link);
/*
 * weir_queue_commit_drafts() - under the lock of a queue that is not dead; its readers
 * are to be woken then: the first of their offsets. None of them is fenced; duplicates
 * are left in @drafts, for weir_drafts_finish().
 */
u64 weir_queue_commit_drafts(struct weir_queue *queue, struct weir_chain *drafts, u64 now);

/* What must be free in a queue that was too full, or more. */
struct weir_room {
	struct weir_queue *queue;	/* it */
	bool elsewhere;			/* in: not even a burial is waited for here */
	u32 altered;			/* its @altered then, or before */
	u64 freed;			/* its @freed when that was found out, or before */
	u64 arrivals;			/* likewise */
	u64 messages;			/* with those of a share twice, all but the last; */
	u64 units;			/* likewise */
	u32 uid;			/* whose share that is, and */
	struct weir_share *share;	/* it, while it is waited for; or NULL */
};

/*
 * weir_queue_draft_all() - drafts all of @messages, without waiting: 0; or -errno, where
 * @drafts may have some of them, and @room says what the others need at least, on -EAGAIN.
 * May sleep.
 */
int weir_queue_draft_all(struct weir_queue *queue, const struct weir_message __user *messages,
			 u32 count, const struct cred *cred, struct weir_chain *drafts,
			 struct weir_room *room);

/* queue_full.c, without the lock */

/* Tells that something may go that was not there, or might not. */
static inline u64 weir_queue_arrivals(const struct weir_queue *queue)
{
	return READ_ONCE(queue->next_offset) + READ_ONCE(queue->arrived);
}

/* How often it was altered; what of its policy is read from now on is not older. */
static inline u32 weir_queue_altered_by(const struct weir_queue *queue)
{
	/* Pairs with weir_policy_apply(). */
	return smp_load_acquire(&queue->altered);
}

/* weir_queue_makes_room() - others may go, if the queue has it so */
static inline bool weir_queue_makes_room(const struct weir_queue *queue)
{
	return READ_ONCE(queue->when_full) >= WEIR_WHEN_FULL_DROP_OLDEST;
}

/* weir_queue_wait_for_room() - as weir_queue_wait(), unless that is not to be */
int weir_queue_wait_for_room(struct weir_queue *queue, weir_ready_t ready, u64 arg,
			     struct weir_patience *patience);

/* queue_share.c, without the lock but where said */

/* What a user has in a queue. */
struct weir_share {
	/* all protected by queue->lock; the last two read without, by who is a caller */
	struct rb_node node;		/* in queue->shares */
	struct list_head link;		/* in queue->idle_shares, without callers and messages */
	u32 uid;
	u32 callers;			/* who have it in their hands */
	u64 messages;
	u64 units;
};

/* weir_share_get() - that of @uid, until weir_share_put(); or ERR_PTR(); may sleep */
struct weir_share *weir_share_get(struct weir_queue *queue, u32 uid);
void weir_share_put(struct weir_queue *queue, struct weir_share *share);
/*
 * weir_share_has_room() - for one message; for more, if all but the last are counted twice.
 * A guess, without the lock.
 */
bool weir_share_has_room(const struct weir_queue *queue, const struct weir_share *share,
			 u64 messages, u64 units);
/* weir_share_is_writable() - whether a small message of @uid's has room */
bool weir_share_is_writable(struct weir_queue *queue, u32 uid);
void weir_queue_share_init(struct weir_queue *queue);
void weir_queue_share_exit(struct weir_queue *queue);

/* queue_pin.c */

/* What a holder may still read in place after its lease has run out. */
struct weir_pin {
	struct rb_node node;		/* in file->pins, by slot and deliveries */
	struct list_head link;		/* in consumer->pins; or a list of the caller's */
	struct weir_consumer *holder;
	u32 slot;
	u32 deliveries;
};

/* weir_pin_add() - @entry, LEASED, is pinned by its holder from now on */
void weir_pin_add(struct weir_queue *queue, struct weir_entry *entry, struct weir_pin *pin);
/*
 * weir_pins_drop() - the holder of what @run says lets go of it, if it is pinned.
 * What is to be freed by weir_pins_free() is added to @dropped.
 */
void weir_pins_drop(struct weir_queue_file *file, const struct weir_run *run,
		    struct list_head *dropped);
/* weir_consumer_unpin() - lets go of some of all: whether it was all */
bool weir_consumer_unpin(struct weir_queue *queue, struct weir_consumer *consumer,
			 struct list_head *dropped);
/* weir_pins_free() - without the lock; may sleep */
void weir_pins_free(struct weir_queue *queue, struct list_head *pins);
/* weir_pins_new() - up to @count: how many, in @pins; without the lock; may sleep */
u32 weir_pins_new(struct weir_queue *queue, u32 count, struct list_head *pins);

/* queue_wish.c */

/* weir_message_wishes() - whether weir_draft_wish() is for @message */
static inline bool weir_message_wishes(const struct weir_queue *queue,
				       const struct weir_message *message)
{
	return message->options_len || READ_ONCE(queue->ttl_ns) ||
	       (message->key_len && queue->heads);
}

/*
 * weir_draft_wish() - notes what @message, or its queue, asks for, in @draft, which is
 * of @drafts: 0 or -errno; may sleep
 */
int weir_draft_wish(struct weir_queue *queue, struct weir_entry *draft,
		    const struct weir_message *message, const struct weir_sender *sender,
		    struct weir_chain *drafts);
/*
 * weir_draft_need_extra() - there is a struct weir_extra of @draft, of @drafts, as if it
 * wished nothing, unless it does: 0 or -errno; may sleep
 */
int weir_draft_need_extra(struct weir_queue *queue, struct weir_entry *draft,
			  struct weir_chain *drafts);
/*
 * weir_draft_commit_wish() - @draft, which has wishes, is sent; or false: it is to be READY
 */
bool weir_draft_commit_wish(struct weir_queue *queue, struct weir_entry *draft);

/* queue_receipt.c, without the lock */

void weir_queue_receipt_init(struct weir_queue *queue);
/*
 * weir_draft_bind() - what @options, of a message of @sender's, ask for of other queues is
 * noted in @extra, of a draft: 0 or -errno; may sleep
 */
int weir_draft_bind(struct weir_queue *queue, const struct weir_options *options,
		    const struct weir_sender *sender, struct weir_extra *extra);
/* weir_draft_is_told() - whether @draft has a receipt in @to */
bool weir_draft_is_told(const struct weir_queue *queue, const struct weir_entry *draft,
			const struct weir_queue *to);
/* weir_draft_unbind() - @draft, which has wishes, is not sent; may sleep */
void weir_draft_unbind(struct weir_queue *queue, struct weir_entry *draft);

/* queue_reply.c, without the lock */

/*
 * weir_draft_reply_as() - the answer to the one of @drafts, in @heir, goes where that to
 * @entry would, which is DYING: 0 or -errno; may sleep
 */
int weir_draft_reply_as(struct weir_queue *queue, const struct weir_entry *entry,
			struct weir_queue *heir, struct weir_chain *drafts);

/* queue_key.c, without the lock */

int weir_queue_key_init(struct weir_queue *queue);
void weir_queue_key_exit(struct weir_queue *queue);
/* weir_draft_key() - notes the key in @draft, that has a struct weir_extra */
void weir_draft_key(struct weir_queue *queue, struct weir_entry *draft, u32 key_len);
/* weir_queue_purge_behind() - drops what is BEHIND, and was sent before @end: how many */
u64 weir_queue_purge_behind(struct weir_queue *queue, u64 end);

/* queue_once.c */

static inline bool weir_options_once(const struct weir_options *options)
{
	return options->producer | options->sequence | options->epoch | options->id |
	       options->id_len;
}

/*
 * weir_draft_once() - notes what @options say by which @draft, of @drafts, is known: 0
 * or -errno; may sleep
 */
int weir_draft_once(struct weir_queue *queue, struct weir_entry *draft,
		    const struct weir_options *options, struct weir_chain *drafts);
/* weir_draft_forget_once() - @draft, which has it, is not sent; without the lock */
void weir_draft_forget_once(struct weir_entry *draft);
/*
 * weir_drafts_good() - how many of @drafts, from the first on, may be sent; at *@link
 * is the first one of which the producer is fenced, or NULL
 */
u32 weir_drafts_good(const struct weir_queue *queue, struct weir_chain *drafts,
		     struct weir_entry ***link);
/* weir_drafts_fenced() - whether there is such a one */
static inline bool weir_drafts_fenced(const struct weir_queue *queue, struct weir_chain *drafts)
{
	struct weir_entry **link;

	if (!(drafts->wishes & WEIR_DRAFTS_ONCE))
		return false;
	weir_drafts_good(queue, drafts, &link);
	return *link;
}

/* weir_draft_commit_once() - whether @draft, which is not fenced, was not taken before */
bool weir_draft_commit_once(struct weir_queue *queue, struct weir_entry *draft,
			    struct weir_chain *drafts);
void weir_drafts_finish_once(struct weir_queue *queue, struct weir_chain *drafts);

/*
 * weir_drafts_finish() - without the lock, after weir_queue_commit_drafts() of drafts
 * that may be of user space: duplicates were left over
 */
static inline void weir_drafts_finish(struct weir_queue *queue, struct weir_chain *drafts)
{
	if (drafts->wishes & WEIR_DRAFTS_ONCE)
		weir_drafts_finish_once(queue, drafts);
}

/* queue_turn.c */

/*
 * weir_queue_admit() - 0, and how many messages @consumer may be handed, in @most; or
 * -EAGAIN, it is not its turn, or -EBUSY, it has enough. Under the lock.
 */
int weir_queue_admit(const struct weir_queue *queue, const struct weir_consumer *consumer,
		     u32 *most);
/* weir_queue_admitted() - @file has taken something; under the lock */
void weir_queue_admitted(struct weir_queue *queue, struct weir_queue_file *file);
/* weir_consumer_gone() - its process has ended, and all is put back; under the lock */
void weir_consumer_gone(struct weir_consumer *consumer);
/* weir_queue_leave() - @file is closed for good; under the lock; readers are to be woken */
void weir_queue_leave(struct weir_queue *queue, struct weir_queue_file *file);

/* weir_queue_is_turn() - whether @file may take anything; NULL: somebody may */
static inline bool weir_queue_is_turn(const struct weir_queue *queue,
				      const struct weir_queue_file *file)
{
	const struct weir_queue_file *active = READ_ONCE(queue->active);

	return !active || !file || active == file;
}

/* queue_rank.c */

/* weir_queue_rank() - @entry, which is in no list, is to be delivered by its rank */
void weir_queue_rank(struct weir_queue *queue, struct weir_entry *entry);
/* weir_queue_next_ranked() - weir_queue_next(), when something is in the tree */
struct weir_entry *weir_queue_next_ranked(const struct weir_queue *queue);
/* weir_queue_recall_starving() - before the next one is chosen, if there is @starve_after */
void weir_queue_recall_starving(struct weir_queue *queue);
/*
 * weir_queue_oldest() - what is to go first, if anything has to, and frees its place; or NULL
 * @looks: raised by how many were passed over, as somebody still reads them
 */
struct weir_entry *weir_queue_oldest(const struct weir_queue *queue, u32 *looks);
/* weir_queue_count_starving() - so many of @priority were taken in a row */
void weir_queue_count_starving(struct weir_queue *queue, u32 priority, u32 count);
/*
 * weir_queue_sent_before() - something that is to be delivered and was sent before offset
 * @end, or NULL; *@class is 0 before the first call, under one hold of the lock
 */
struct weir_entry *weir_queue_sent_before(const struct weir_queue *queue, u64 end, u32 *class);
/* weir_queue_oldest_stamp() - of all that is to be delivered; @now if nothing is */
u64 weir_queue_oldest_stamp(const struct weir_queue *queue, u64 now);

/* The entry that is delivered next, or NULL. */
static inline struct weir_entry *weir_queue_next(const struct weir_queue *queue)
{
	if (unlikely(queue->ranked.rb_leftmost))
		return weir_queue_next_ranked(queue);
	return queue->ready.first;
}

/* Takes it, or weir_queue_oldest(), out of its list; @depth is the caller's to count. */
static inline void weir_queue_unlist_next(struct weir_queue *queue, struct weir_entry *entry)
{
	if (unlikely(entry->state == WEIR_RANKED))
		rb_erase_cached(&entry->node, &queue->ranked);
	else
		weir_chain_take(&queue->ready);
}

/* weir_queue_most() - how many of @max may be taken before others are to be looked at */
static inline u32 weir_queue_most(const struct weir_queue *queue, u32 max)
{
	if (likely(!queue->starve_after))
		return max;
	if (queue->starving >= queue->starve_after)
		return 1;
	return min(max, queue->starve_after - queue->starving);
}

/* weir_queue_taken() - @count like @entry were taken in a row */
static inline void weir_queue_taken(struct weir_queue *queue, const struct weir_entry *entry,
				    u32 count)
{
	if (unlikely(queue->starve_after))
		weir_queue_count_starving(queue, entry->priority, count);
}

/* When @entry may not be delivered any more, on CLOCK_BOOTTIME, or WEIR_NEVER. */
static inline u64 weir_entry_expires(const struct weir_queue *queue,
				     const struct weir_entry *entry)
{
	return unlikely(entry->wishes) ? weir_index_extra(&queue->index, entry->slot)->expires :
					 WEIR_NEVER;
}

/* Whether that is @now, or was before. */
static inline bool weir_entry_expired(const struct weir_queue *queue,
				      const struct weir_entry *entry, u64 now)
{
	return unlikely(entry->wishes) && weir_entry_expires(queue, entry) <= now;
}

#endif
