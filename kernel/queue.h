/* SPDX-License-Identifier: GPL-2.0 */
/*
 * queue - messages for one consumer each
 *
 *              reserve            commit            take
 *   (a slot)  ---------> DRAFT ----------> READY ---------+
 *      ^                   |                              v
 *      |      abort        |               take         LEASED
 *      +-------------------+      RANKED --------------->  |
 *      |                            ^      put back        |
 *      |                            +----------------------+
 *      |                    settle                         |
 *      +---------------------------------------------------+
 *
 * DRAFT   Space is a sender's alone, who copies into it without any lock and
 *         with faults allowed. A draft has no offset: offset and order are given
 *         by commit, so a slow sender holds up nobody.
 * READY   In @ready, by offset.
 * RANKED  In @ranked, by rank (queue_rank.c): what was put back, or has a wish.
 * BEHIND  Waits for another of its key to be gone (queue_key.c).
 * LEASED  Its holder's. A consumer is a process that receives through an
 *         open file; it ends by the process (death.h) or with the file, and then
 *         what it holds is RANKED. So it is when the time of the lease is over.
 * DELAYED Like RANKED, but in no list until it is due (queue_time.c).
 * DYING   Delivered too often, or given up; on the way to the dead letter queue, if
 *         there is one (queue_dead.c).
 * PINNED  Settled, while a former holder whose lease ran out may still read it in
 *         place (queue_pin.c); free when he lets go.
 *
 * A leased entry that is being copied out without the lock is *busy*: nobody
 * may settle it then. Its holder cannot end meanwhile, for its thread is here.
 *
 * Files: queue.c makes and ends a queue, queue_reserve.c, queue_draft.c, queue_send.c,
 * queue_fetch.c, queue_read.c and queue_settle.c hold the steps above (queue_steps.h is
 * between them), queue_full.c what is done when there is no room, queue_share.c whose that
 * is, queue_txn.c what is done in several queues at once, queue_once.c what is not to be
 * taken twice, queue_key.c what waits for others, queue_time.c and queue_pin.c what happens
 * when time is over, queue_dead.c what becomes of dead messages, queue_policy.c what was
 * asked for, queue_turn.c who may receive, queue_file.c the openers and consumers,
 * queue_name.c what these are called, queue_browse.c who only looks, queue_park.c the
 * commands that wait, queue_address.c how messages name another queue, queue_receipt.c what
 * is told there, and queue_reply.c what is answered.
 * Doors call these and nothing below them.
 */
#ifndef _WEIR_QUEUE_H
#define _WEIR_QUEUE_H

#include <linux/hrtimer.h>
#include <linux/list.h>
#include <linux/poll.h>
#include <linux/rbtree.h>
#include <linux/siphash.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "chain.h"
#include "death.h"
#include "dedup.h"
#include "index.h"
#include "object.h"
#include "pool.h"
#include "queue_park.h"
#include "queue_who.h"
#include "wheel.h"

struct weir_address;

/*
 * Who is to be told of messages, or of room. Of those who wait the first one is
 * woken, who takes what there is; pollers are all told, and in a line of their
 * own, for an exclusive poller would use up wake-ups and take nothing.
 */
struct weir_line {
	wait_queue_head_t waiters;
	struct list_head told;		/* see queue_park.h; protected by waiters.lock */
	wait_queue_head_t pollers;
	struct weir_queue *also;	/* whose other line is to be told, too, or NULL */
};

/* How a line is woken, if not one for what there is: the key of the wake-up. */
struct weir_wake {
	const struct weir_queue_file *rest;	/* for those who read through it */
	bool late;			/* files are told without keeping it */
	bool more;			/* out: not all were told */
};

struct weir_queue {
	struct weir_object object;
	struct weir_address *address;	/* invariant; counted */
	/* The policy: written under lock, the first four read without. */
	u64 max_messages;
	u64 max_units;
	u64 limit_messages;		/* what is reserved up to without a further look: these */
	u64 limit_units;		/* two; or 0, see queue_share.c; read under lock */
	u64 lease_ns;			/* WEIR_UNLIMITED: no end */
	u32 max_size;			/* of a message, in bytes */
	u32 max_deliveries;		/* 0: any number */
	u64 backoff_ns;
	u64 backoff_max_ns;
	u64 ttl_ns;			/* 0: no end; read without the lock, too */
	u32 priorities;			/* likewise */
	u32 starve_after;
	u32 policy_flags;
	u32 prefetch;			/* 0: any number */
	u32 when_full;			/* enum weir_when_full; read without the lock, too */
	struct weir_queue *heir;	/* the dead letter queue, counted, or NULL; changed
					 * under instance->lock, too
					 */
	u64 most_messages;		/* invariant; that it was created with */
	u64 most_units;			/* invariant; likewise */
	u32 most_dedup;			/* invariant; ids, likewise */
	u32 *heads;			/* invariant; see queue_key.c; NULL: keys mean nothing */
	u32 nr_heads;			/* invariant */
	siphash_key_t secret;		/* invariant; of the hashes of keys */
	struct wait_queue_entry watch;	/* with @heads: in the line of writers, always */
	struct wait_queue_entry lookout; /* in that of readers, if ever: see queue_full.c */
	struct delayed_work burial;	/* of what is dying */
	u32 burial_tries;		/* @burial's: in a row, with nothing moved */
	struct hrtimer timer;		/* for what is first in @wheel */
	struct work_struct look;	/* goes through what is due */
	struct work_struct tell;	/* of what is @owed; counted while it is to run */

	spinlock_t lock ____cacheline_aligned_in_smp;
	/* all below protected by lock */
	union {
		/* Any of these: not by the ways of most queues. */
		u16 odd;
		struct {
			bool dead;	/* destroyed; written with @lock, read with none */
			bool careful;	/* what is taken is looked at one by one */
		};
	};
	unsigned int opens;
	unsigned int receivers;		/* of these, for reading */
	struct weir_queue_file *active;	/* see queue_turn.c; read without the lock, too */
	struct weir_index index;
	struct weir_pool pool;
	struct weir_chain ready;
	struct rb_root_cached ranked;
	u32 starving;			/* deliveries in a row while a lower priority waited */
	u64 starving_at;		/* @received, when that was counted */
	u64 held;			/* entries not FREE */
	u64 units;			/* of these */
	u64 depth;			/* READY and RANKED */
	u64 leased;
	u64 delayed;
	u64 behind;
	struct weir_chain dying;
	u32 heir_changes;		/* under way; nothing is buried meanwhile */
	u64 nr_dying;
	u64 dying_units;		/* of these */
	u32 burials_failed;		/* for now; how often */
	bool stuck;			/* the last one, and nothing was buried since */
	u64 pinned;
	u64 pinning;			/* pins, of all consumers, 1 with @heads, and @bonded:
					 * what is settled is looked at one by one
					 */
	u64 bonded;			/* messages with a struct weir_bonds */
	struct list_head owed;		/* of messages that ended; see queue_bonds.h */
	u32 tell_segment;		/* of a dead queue: before it nothing is bound */
	bool telling;			/* @tell is to run */
	u64 next_offset;
	u64 received;
	u64 redelivered;
	u64 expired;
	u64 settled;
	u64 purged;
	u64 dropped;			/* thrown away for others */
	u64 dead_letters;		/* moved or thrown away */
	struct rb_root shares;		/* of users, by uid; see queue_share.c */
	struct list_head idle_shares;	/* those of which nothing is left */
	u64 freed;			/* entries, ever; tells that space was freed */
	u64 arrived;			/* became RANKED, or was let go of; or those that may
					 * go may again: see queue_full.c
					 */
	u32 altered;			/* how often the policy was; tells that it was */
	u64 consumers;
	struct weir_wheel wheel;	/* segments in which something is LEASED or DELAYED */
	u64 timer_at;			/* what @timer is set for; WEIR_NEVER: it is not */
	struct weir_ids ids;		/* that are known */
	struct weir_producers producers;
	u64 duplicates;			/* not taken again */

	struct weir_line readers ____cacheline_aligned_in_smp;
	struct weir_line writers;
	atomic_t waiters;		/* calls and commands that wait on either */
	struct weir_deaths deaths;	/* of consumers */
};

static inline struct weir_queue *weir_queue_of(struct weir_object *object)
{
	return container_of(object, struct weir_queue, object);
}

/*
 * weir_queue_put() - NULL, too; the last reference frees what may be gigabytes, and is not
 * put under instance->lock
 */
static inline void weir_queue_put(struct weir_queue *queue)
{
	if (queue)
		weir_object_put(&queue->object);
}

/* An open file description of a queue. */
struct weir_queue_file {
	struct weir_queue *queue;	/* invariant; counted */
	struct weir_parking parking;
	bool receives;			/* invariant; it is open for reading */
	atomic_t reading;		/* calls that wait for a message, or a rest */
	/* all below protected by queue->lock */
	struct rb_root consumers;	/* by process */
	u32 living;			/* of these */
	struct weir_entry *partial;	/* LEASED, read in part; read without, too */
	u32 partial_at;			/* bytes of it that were read */
	u32 ending;			/* consumers that ended by death; read without, too */
	struct rb_root pins;		/* of its consumers */
	struct list_head let_go;	/* pins no more, to be freed by who let go of them */
};

struct weir_consumer {
	struct weir_queue_file *file;	/* invariant */
	struct weir_death death;
	/* all below protected by queue->lock */
	struct rb_node node;		/* in file->consumers, unless it is being ended */
	struct list_head pins;
	struct weir_who *who;		/* counted */
	bool gone;			/* the process has ended, and all was put back */
	u64 leased;			/* entries that it holds */
	u32 lowest, highest;		/* no segment beyond these has any */
};

/* Before @consumer gets any leases; under queue->lock. */
static inline void weir_consumer_take(struct weir_consumer *consumer)
{
	if (!consumer->leased) {
		consumer->lowest = U32_MAX;
		consumer->highest = 0;
	}
}

/* It gets some in segment @nr. */
static inline void weir_consumer_reach(struct weir_consumer *consumer, u32 nr)
{
	consumer->lowest = min(consumer->lowest, nr);
	consumer->highest = max(consumer->highest, nr);
}

/* As -WEIR_MUST_WAIT: it has to wait and may not, here. Never reaches user space. */
#define WEIR_MUST_WAIT 600
/* As -WEIR_AGAIN: at once, but others first. Never reaches user space, either. */
#define WEIR_AGAIN 601

/* How long a call may wait; the clock is only asked by who has to. */
struct weir_patience {
	s64 timeout_ns;			/* < 0: for ever, 0: not at all */
	bool elsewhere;			/* not here: -WEIR_MUST_WAIT instead */
	bool spares;			/* nothing goes that there be room */
	bool woken;			/* it has waited already, and was told */
	bool begun;			/* it waits, or has: @end is set */
	bool passing;			/* what has expired, of which @left is set */
	u64 left;			/* so much more may be gone through */
	ktime_t end;			/* CLOCK_MONOTONIC; if @timeout_ns > 0 */
};

static inline void weir_patience_init(struct weir_patience *patience, bool nonblock,
				      bool elsewhere, s64 timeout_ns)
{
	patience->timeout_ns = nonblock ? 0 : timeout_ns;
	patience->elsewhere = elsewhere;
	patience->spares = false;
	patience->woken = false;
	patience->begun = false;
	patience->passing = false;
}

/* weir_patience_begin() - from the first time on that it has to wait */
static inline void weir_patience_begin(struct weir_patience *patience)
{
	if (!patience->begun && patience->timeout_ns > 0)
		patience->end = ktime_add_safe(ktime_get(),
					       ns_to_ktime(patience->timeout_ns));
	patience->begun = true;
}

/* queue.c */

/*
 * weir_queue_new() - a queue that nobody knows yet, counted, or ERR_PTR(); may sleep.
 * @heir: its dead letter queue, or NULL. It is for weir_queue_publish(); or, where it has
 * no name, for one weir_queue_open(), after which weir_object_put() drops the caller's
 * reference; or for weir_queue_drop().
 */
struct weir_queue *weir_queue_new(struct weir_instance *instance,
				  const struct weir_create *create, struct weir_queue *heir,
				  const struct cred *cred);
/* weir_queue_publish() - it is found by name from now on, or dropped, and an error */
int weir_queue_publish(struct weir_queue *queue, const struct weir_doors *doors);
void weir_queue_drop(struct weir_queue *queue);
/*
 * -EBUSY; or it is gone and everybody who waits was told, and the reference that its name
 * was is the caller's to put, after weir_queue_leave_heir(). Under instance->lock.
 */
int weir_queue_destroy(struct weir_queue *queue, bool force, struct weir_queue **heir);
/* weir_queue_end() - without a name, and its only file is closed; may sleep */
void weir_queue_end(struct weir_queue *queue);
void weir_queue_info(struct weir_queue *queue, struct weir_info *info);

/* queue_policy.c */

int weir_policy_check(const struct weir_policy *policy);
/* weir_policy_init() - of a queue that nobody knows yet: 0 or -errno */
int weir_policy_init(struct weir_queue *queue, const struct weir_policy *policy,
		     struct weir_queue *heir);
/* weir_policy_tell() - its part of @info; under the lock */
void weir_policy_tell(const struct weir_queue *queue, struct weir_info *info);
/*
 * weir_queue_alter() - as WEIR_IOC_ALTER, with a policy that was checked, under
 * instance->lock; if that is done, weir_queue_altered() comes next, without it
 */
int weir_queue_alter(struct weir_queue *queue, const struct weir_policy *policy,
		     struct weir_queue *heir, struct weir_queue **old);
/* weir_queue_altered() - the @old heir is left, and what was in the way goes on; may sleep */
void weir_queue_altered(struct weir_queue *queue, struct weir_queue *old);
/* weir_queue_backoff() - when to deliver again what was delivered so often; 0: at once */
u64 weir_queue_backoff(const struct weir_queue *queue, u32 deliveries);

/* What somebody waits for; is called without queue->lock, so it is a guess. */
typedef bool (*weir_ready_t)(const struct weir_queue *queue, u64 arg);

/*
 * weir_queue_wait() - waits until @ready(@arg), behind those who wait already:
 * 0, also when the queue is dead, or -EAGAIN without patience, -WEIR_MUST_WAIT,
 * -ETIMEDOUT, -ERESTARTSYS. What it waited for may be gone again. May sleep.
 */
int weir_queue_wait(struct weir_queue *queue, struct weir_line *line,
		    weir_ready_t ready, u64 arg, struct weir_patience *patience);

/* queue_file.c */

/* weir_queue_open() - @receives: for reading; or ERR_PTR() */
struct weir_queue_file *weir_queue_open(struct weir_queue *queue, bool receives);
void weir_queue_close(struct weir_queue_file *file);
/*
 * weir_queue_find_consumer() - the consumer that current is on @file, or NULL:
 * add it. Under queue->lock; valid while current lives and @file is open.
 */
static inline struct weir_consumer *weir_queue_find_consumer(struct weir_queue_file *file)
{
	struct rb_node *node = file->consumers.rb_node;
	const struct pid *self = task_tgid(current);

	lockdep_assert_held(&file->queue->lock);
	while (node) {
		struct weir_consumer *consumer = rb_entry(node, struct weir_consumer, node);
		const struct pid *pid = consumer->death.pid;

		if (likely(pid == self))
			return consumer;
		node = self < pid ? node->rb_left : node->rb_right;
	}
	return NULL;
}

void weir_queue_mourn(struct weir_queue *queue);
/*
 * weir_queue_settle_deaths() - what those held who are known to have died is put back:
 * it comes before what was not yet delivered. Without the lock; does not sleep for long.
 */
static inline void weir_queue_settle_deaths(struct weir_queue *queue)
{
	if (weir_deaths_any(&queue->deaths))
		weir_queue_mourn(queue);
}

/* weir_queue_add_consumer() - there is one now, or -ENOMEM; may sleep */
int weir_queue_add_consumer(struct weir_queue_file *file);

/* queue_name.c */

/* weir_queue_name() - current, as a consumer of @file, is called @name; may sleep */
int weir_queue_name(struct weir_queue_file *file, const char *name);

/* queue_browse.c */

/*
 * weir_queue_browse() - as WEIR_IOC_BROWSE, of arguments that were checked: how many, or
 * -errno; @browse says then what was filled. May sleep.
 */
long weir_queue_browse(struct weir_queue *queue, struct weir_browse *browse);

/* queue_send.c */

/* What SEND tells of what was taken: the end of struct weir_send. */
struct weir_sent {
	u64 first_offset;
	u64 duplicates;
};

/*
 * weir_queue_send() - as WEIR_IOC_SEND: how many were taken, or -errno. Reads
 * @messages and what they point to, once. @sent->duplicates is 0 before. May sleep.
 */
int weir_queue_send(struct weir_queue *queue, const struct weir_message __user *messages,
		    u32 count, const struct cred *cred, struct weir_patience *patience,
		    struct weir_sent *sent);
/* weir_queue_write() - all that is in @from is one message: its bytes, or -errno */
ssize_t weir_queue_write(struct weir_queue *queue, struct iov_iter *from,
			 const struct cred *cred, struct weir_patience *patience);
/* weir_queue_write_plain() - the same, where it is in one piece */
ssize_t weir_queue_write_plain(struct weir_queue *queue, const void __user *from, size_t len,
			       const struct cred *cred, struct weir_patience *patience);

/* queue_full.c */

/* weir_queue_writable() - whether a small message of @cred's has room, or that would be made */
bool weir_queue_writable(struct weir_queue *queue, const struct cred *cred);

/* queue_once.c */

#define WEIR_MAX_PRODUCERS	4096
#define WEIR_FORGET_NS		(3600 * NSEC_PER_SEC)

/* weir_queue_producer() - as WEIR_IOC_PRODUCER, for who opened with @cred; may sleep */
int weir_queue_producer(struct weir_queue *queue, const struct cred *cred,
			struct weir_producer *producer);

/* queue_fetch.c */

/*
 * weir_queue_readable() - whether anything is to be delivered; see weir_ready_t. @file:
 * that of a reader, who may also go on with a message that was read in part.
 */
bool weir_queue_readable(const struct weir_queue *queue, u64 file);
/* weir_queue_read() - as read(2) is described in uapi/linux/weir.h */
ssize_t weir_queue_read(struct weir_queue_file *file, struct iov_iter *to,
			struct weir_patience *patience);

/* weir_queue_read_plain() - the same, where @to is in one piece */
ssize_t weir_queue_read_plain(struct weir_queue_file *file, void __user *to, size_t len,
			      struct weir_patience *patience);

#define WEIR_TAKE_RUNS 16

struct weir_take {
	/* what is wanted; a door has checked that none of it is 0 */
	u32 max_messages;
	u32 max_runs;			/* at most WEIR_TAKE_RUNS */
	u64 max_bytes;
	u64 lease_ns;			/* 0: as the queue has it */
	void __user *buffer;		/* NULL: in place */
	u64 room;			/* bytes at @buffer */
	bool settle;			/* at the end; needs @buffer */
	/* what was taken */
	u32 nr_runs;
	u32 messages;
	u64 filled;			/* bytes of @buffer; of the first, on -EMSGSIZE */
	struct weir_run runs[WEIR_TAKE_RUNS];
};

/*
 * weir_queue_take() - takes messages, leased to current; before that it settles @settle,
 * unless it is NULL, or sets its status. 0, or an error for weir_queue_take_again().
 */
int weir_queue_take(struct weir_queue_file *file, struct weir_take *take,
		    struct weir_run *settle);
/*
 * weir_queue_take_again() - does something about the @error of the last try, such as
 * to wait, and tries again: 0, or -EAGAIN, -ETIMEDOUT, -ERESTARTSYS when there was
 * none, -EMSGSIZE, -ENOMEM, -ESHUTDOWN. May sleep.
 */
int weir_queue_take_again(struct weir_queue_file *file, struct weir_take *take, int error,
			  struct weir_patience *patience);
/*
 * weir_queue_take_copy() - copies what was taken: 0, and weir_queue_take_end() must
 * follow, or -EFAULT. May sleep.
 */
int weir_queue_take_copy(struct weir_queue_file *file, struct weir_take *take);
/*
 * weir_queue_pass_on() - one is woken for perhaps many messages, and wakes the
 * next one when he has taken his
 */
void weir_queue_pass_on(struct weir_queue *queue);
void weir_queue_take_finish(struct weir_queue_file *file, struct weir_take *take,
			    bool failed);
/*
 * weir_queue_take_end() - user space knows what was taken, which is settled if
 * that was asked for; or it could not be told, and all goes back
 */
static inline void weir_queue_take_end(struct weir_queue_file *file,
				       struct weir_take *take, bool failed)
{
	/* What is read in place is its holder's already. */
	if (take->buffer || unlikely(failed))
		weir_queue_take_finish(file, take, failed);
}

/*
 * weir_queue_settle() - settles @run or sets its status: how many messages. @reason,
 * or NULL, is of those that are given up.
 */
u32 weir_queue_settle(struct weir_queue_file *file, struct weir_run *run,
		      struct weir_reason *reason);

/* queue_reply.c */

/*
 * weir_queue_reply() - as WEIR_IOC_REPLY, of @run, one message, to acknowledge or to
 * extend; @cred is of who answers: 1, 0 if nobody is there any more, or -errno. May sleep.
 */
int weir_queue_reply(struct weir_queue_file *file, struct weir_run *run,
		     const struct weir_message __user *message, const struct cred *cred);

/* queue_dead.c */

void weir_queue_dead_init(struct weir_queue *queue);
/* weir_queue_dead_exit() - @queue is dead, or was never published; may sleep */
void weir_queue_dead_exit(struct weir_queue *queue);
/*
 * weir_queue_swap_heir() - @heir, counted, or NULL, in place of who it was, who is then for
 * weir_queue_leave_heir(); under the lock
 */
struct weir_queue *weir_queue_swap_heir(struct weir_queue *queue, struct weir_queue *heir);
/*
 * weir_queue_leave_heir() - gives up the @old heir; NULL is fine. Waits for a letter that is
 * being written to him, for which memory may be long in coming: so without any lock.
 */
void weir_queue_leave_heir(struct weir_queue *queue, struct weir_queue *old);
/* weir_queue_bury() - sees to those that are dying; in any context */
void weir_queue_bury(struct weir_queue *queue);

/* queue_time.c */

/*
 * Times are of CLOCK_BOOTTIME, in ns. Not the coarse clock: it stands still for as long
 * as its tick does not come, and what begins then would end too early. WEIR_NEVER if
 * there is no end, or none that a timer can have.
 */
static inline u64 weir_time_in(u64 ns)
{
	u64 due;

	if (unlikely(ns >= WEIR_UNLIMITED))
		return WEIR_NEVER;
	due = ktime_get_boottime_ns() + ns;
	return likely(due < WEIR_WHEEL_END) ? due : WEIR_NEVER;
}

static inline u64 weir_time_in_ms(u32 ms)
{
	return weir_time_in((u64)ms * NSEC_PER_MSEC);
}

void weir_queue_time_init(struct weir_queue *queue);
/* weir_queue_time_exit() - @queue is dead, or was never published; may sleep */
void weir_queue_time_exit(struct weir_queue *queue);

/* weir_queue_purge() - drops what is ready: how many; may sleep */
u64 weir_queue_purge(struct weir_queue *queue);

#endif
