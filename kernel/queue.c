// SPDX-License-Identifier: GPL-2.0
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/poll.h>
#include <linux/hrtimer.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#include "queue_address.h"
#include "queue_steps.h"
#include "trace.h"

/*
 * The last reference is gone: no name, no open file, so no consumer, no draft of a
 * sender's, nobody who waits, no death that is being told, which weir_queue_close() waited
 * for, and no receipt that is owed, for the work that tells of them counts. Drafts that
 * are left are of receipts of other queues, who find nothing here any more. Mappings held
 * their file. What receivers still pin of single pages (io_uring buffers, vmsplice) are
 * references of those pages.
 */
static void weir_queue_release(struct device *dev)
{
	struct weir_queue *queue = container_of(dev, struct weir_queue, object.dev);

	weir_queue_time_exit(queue);
	weir_queue_dead_exit(queue);
	weir_wheel_destroy(&queue->wheel, &queue->object.account);
	weir_producers_destroy(&queue->producers, &queue->object.account);
	weir_ids_destroy(&queue->ids, &queue->object.account);
	weir_queue_key_exit(queue);
	weir_queue_share_exit(queue);
	weir_pool_destroy(&queue->pool, &queue->object.account);
	weir_index_destroy(&queue->index, &queue->object.account);
	weir_address_put(queue->address);
	weir_object_exit(&queue->object);
	kfree(queue);
}

/*
 * The driver core looks at nobody's failure here: it would make, or look for in
 * order to remove, a node in /dev itself, and CREATE would have none to show.
 */
static char *weir_queue_devnode(const struct device *dev, umode_t *mode,
				kuid_t *uid, kgid_t *gid)
{
	const struct weir_queue *queue = container_of(dev, struct weir_queue, object.dev);

	if (mode)
		*mode = queue->object.mode;
	if (uid)
		*uid = queue->object.uid;
	if (gid)
		*gid = queue->object.gid;
	return kasprintf(GFP_KERNEL | __GFP_NOFAIL, "weir/queue/%s",
			 weir_object_name(&queue->object));
}

static const struct device_type weir_queue_type = {
	.name = "queue",
	.release = weir_queue_release,
	.devnode = weir_queue_devnode,
};

static void weir_line_init(struct weir_line *line)
{
	init_waitqueue_head(&line->waiters);
	INIT_LIST_HEAD(&line->told);
	init_waitqueue_head(&line->pollers);
	line->also = NULL;
}

static void weir_line_tell(struct weir_line *line, __poll_t events)
{
	wake_up_interruptible(&line->waiters);
	__wake_up(&line->pollers, TASK_NORMAL, 0, poll_to_key(events));
}

void weir_line_wake_up(struct weir_line *line, __poll_t events)
{
	struct weir_queue *queue = READ_ONCE(line->also);

	weir_line_tell(line, events);
	if (!queue)
		return;
	if (line == &queue->readers)
		weir_line_tell(&queue->writers, EPOLLOUT | EPOLLWRNORM);
	else if (weir_queue_readable(queue, 0))
		weir_line_tell(&queue->readers, EPOLLIN | EPOLLRDNORM);
}

static int weir_watch_wake(struct wait_queue_entry *wait, unsigned int mode, int flags,
			   void *key)
{
	return 0;
}

bool weir_line_watch(struct weir_line *line, struct wait_queue_entry *watch,
		     struct weir_queue *queue)
{
	guard(spinlock_irqsave)(&line->pollers.lock);
	if (line->also)
		return false;
	init_waitqueue_func_entry(watch, weir_watch_wake);
	__add_wait_queue(&line->pollers, watch);
	WRITE_ONCE(line->also, queue);
	return true;
}

static void weir_line_wake_all(struct weir_line *line)
{
	struct weir_wake wake = {};

	spin_lock_irq(&line->waiters.lock);
	list_splice_tail_init(&line->told, &line->waiters.head);
	spin_unlock_irq(&line->waiters.lock);
	do {
		wake.more = false;
		__wake_up(&line->waiters, TASK_NORMAL, 0, &wake);
		cond_resched();
	} while (wake.more);
	wake_up_all(&line->pollers);
}

static int weir_queue_init(struct weir_queue *queue)
{
	struct weir_account *account = &queue->object.account;
	int ret;

	ret = weir_index_init(&queue->index, account, queue->max_messages);
	if (!ret)
		ret = weir_wheel_init(&queue->wheel, account, queue->index.max_segments);
	if (!ret)
		ret = weir_ids_init(&queue->ids, account, queue->ids.count);
	if (!ret && queue->policy_flags & WEIR_POLICY_KEYED)
		ret = weir_queue_key_init(queue);
	if (ret)
		return ret;
	weir_queue_share_init(queue);
	return weir_pool_init(&queue->pool, account, queue->max_units * WEIR_ALIGN);
}

struct weir_queue *weir_queue_new(struct weir_instance *instance,
				  const struct weir_create *create, struct weir_queue *heir,
				  const struct cred *cred)
{
	struct weir_queue *queue;
	int ret;

	queue = kzalloc(sizeof(*queue), GFP_KERNEL_ACCOUNT);
	if (!queue)
		return ERR_PTR(-ENOMEM);

	spin_lock_init(&queue->lock);
	weir_deaths_init(&queue->deaths);
	weir_chain_init(&queue->ready);
	queue->ranked = RB_ROOT_CACHED;
	weir_line_init(&queue->readers);
	weir_line_init(&queue->writers);
	weir_queue_time_init(queue);
	weir_queue_dead_init(queue);
	weir_queue_receipt_init(queue);
	weir_producers_init(&queue->producers, WEIR_MAX_PRODUCERS, WEIR_FORGET_NS);

	ret = weir_object_init(&queue->object, instance, &weir_queue_type, create, cred);
	queue->address = weir_address_new(queue);
	if (!ret && !queue->address)
		ret = -ENOMEM;
	if (!ret)
		ret = weir_policy_init(queue, &create->policy, heir);
	if (!ret)
		ret = weir_queue_init(queue);
	if (ret) {
		weir_queue_drop(queue);
		return ERR_PTR(ret);
	}
	return queue;
}

int weir_queue_publish(struct weir_queue *queue, const struct weir_doors *doors)
{
	struct weir_instance *instance = queue->object.instance;
	int ret;

	mutex_lock(&instance->lock);
	ret = weir_object_publish(&queue->object, doors);
	mutex_unlock(&instance->lock);
	if (ret)
		weir_queue_drop(queue);
	return ret;
}

/*
 * From now on it is dead: its heir, for weir_queue_leave_heir(). Not in
 * weir_queue_release(): the heir's reference may be the last one, and its own heir's, and
 * so on.
 */
static struct weir_queue *weir_queue_set_dead(struct weir_queue *queue)
{
	lockdep_assert_held(&queue->lock);
	WRITE_ONCE(queue->dead, true);
	if (queue->bonded)
		weir_queue_tell(queue);
	return weir_queue_swap_heir(queue, NULL);
}

void weir_queue_drop(struct weir_queue *queue)
{
	struct weir_instance *instance = queue->object.instance;
	struct weir_queue *heir;

	mutex_lock(&instance->lock);
	spin_lock(&queue->lock);
	heir = weir_queue_set_dead(queue);
	spin_unlock(&queue->lock);
	mutex_unlock(&instance->lock);
	/* Whoever has a node of its number may have opened it for a moment. */
	weir_line_wake_all(&queue->readers);
	weir_line_wake_all(&queue->writers);
	weir_queue_leave_heir(queue, heir);
	if (queue->address)
		weir_address_clear(queue->address);
	weir_queue_put(queue);
}

int weir_queue_destroy(struct weir_queue *queue, bool force, struct weir_queue **heir)
{
	lockdep_assert_held(&queue->object.instance->lock);

	spin_lock(&queue->lock);
	if (!force && (queue->held || queue->opens)) {
		spin_unlock(&queue->lock);
		return -EBUSY;
	}
	*heir = weir_queue_set_dead(queue);
	trace_weir_destroy(queue);
	spin_unlock(&queue->lock);

	weir_object_withdraw(&queue->object);
	weir_line_wake_all(&queue->readers);
	weir_line_wake_all(&queue->writers);
	weir_address_clear(queue->address);
	return 0;
}

/*
 * Its file was the only way for a call to begin, so none is in progress, nobody waits or
 * polls, and nobody will: there is nobody to be told. It is nobody's heir, either, for
 * these have names; so nobody looks at its own heir but its burial, which ends with that, and
 * INFO, under the lock.
 * Who follows its address just now has a reference of his own, finds it dead under the
 * lock, and goes; later ones find nothing. What is left is timers and works of its own,
 * for which weir_queue_release() waits: they do nothing with a queue that is dead; and the
 * work that tells of what it held, which counts.
 */
void weir_queue_end(struct weir_queue *queue)
{
	struct weir_queue *heir;

	spin_lock(&queue->lock);
	heir = weir_queue_set_dead(queue);
	trace_weir_destroy(queue);
	spin_unlock(&queue->lock);
	weir_queue_leave_heir(queue, heir);
	weir_address_clear(queue->address);
}

/* Nanoseconds since the oldest message that is to be delivered was sent. */
static u64 weir_queue_oldest_age(const struct weir_queue *queue, u64 now)
{
	u64 oldest = weir_queue_oldest_stamp(queue, now);

	return now > oldest ? now - oldest : 0;
}

void weir_queue_info(struct weir_queue *queue, struct weir_info *info)
{
	const struct weir_object *object = &queue->object;
	u64 now = ktime_get_real_ns();

	memset(info, 0, sizeof(*info));
	strscpy(info->name, weir_object_name(object));
	info->type = object->type;
	info->uid = from_kuid(&init_user_ns, object->uid);
	info->gid = from_kgid(&init_user_ns, object->gid);
	info->mode = object->mode;
	info->create_flags = object->flags;
	info->memory = weir_account_used(&object->account);
	info->waiters = atomic_read(&queue->waiters);

	guard(spinlock)(&queue->lock);
	weir_policy_tell(queue, info);
	info->depth = queue->depth;
	info->leased = queue->leased;
	info->delayed = queue->delayed;
	info->behind = queue->behind;
	info->dying = queue->nr_dying;
	info->pinned = queue->pinned;
	info->drafts = queue->held - queue->depth - queue->leased - queue->delayed -
		       queue->behind - queue->nr_dying - queue->pinned;
	info->bytes = queue->units * WEIR_ALIGN;
	info->sent = queue->next_offset;
	info->received = queue->received;
	info->redelivered = queue->redelivered;
	info->expired = queue->expired;
	info->settled = queue->settled;
	info->purged = queue->purged;
	info->dropped = queue->dropped;
	info->dead = queue->dead_letters;
	info->duplicates = queue->duplicates;
	info->consumers = queue->consumers;
	info->oldest_age_ns = weir_queue_oldest_age(queue, now);
}

struct weir_waiter {
	struct wait_queue_entry wait;
	struct weir_queue *queue;
	weir_ready_t ready;
	u64 arg;
};

/*
 * A wake-up is passed by who could not use it: it would be lost on a sender of
 * a large message when there is room for a small one.
 */
static int weir_waiter_wake(struct wait_queue_entry *wait, unsigned int mode,
			    int flags, void *key)
{
	struct weir_waiter *waiter = container_of(wait, struct weir_waiter, wait);
	const struct weir_wake *wake = key;

	if (wake && wake->rest && (waiter->arg != (uintptr_t)wake->rest ||
				   waiter->ready != weir_queue_readable))
		return 0;
	if (!waiter->ready(waiter->queue, waiter->arg) && !READ_ONCE(waiter->queue->dead))
		return 0;
	return autoremove_wake_function(wait, mode, flags, key);
}

/* Somebody was quicker each time, which may go on for ever. */
static int weir_patience_over(const struct weir_patience *patience)
{
	if (!patience->begun)
		return 0;
	cond_resched();
	if (signal_pending(current))
		return -ERESTARTSYS;
	if (patience->timeout_ns > 0 && ktime_compare(ktime_get(), patience->end) >= 0)
		return -ETIMEDOUT;
	return 0;
}

int weir_queue_wait(struct weir_queue *queue, struct weir_line *line,
		    weir_ready_t ready, u64 arg, struct weir_patience *patience)
{
	struct weir_waiter waiter = {
		.wait.private = current,
		.wait.func = weir_waiter_wake,
		.wait.entry = LIST_HEAD_INIT(waiter.wait.entry),
		.queue = queue,
		.ready = ready,
		.arg = arg,
	};
	int ret;

	if (!patience->timeout_ns)
		return -EAGAIN;
	if (patience->elsewhere)
		return -WEIR_MUST_WAIT;

	ret = weir_patience_over(patience);
	if (ret)
		return ret;
	weir_patience_begin(patience);
	atomic_inc(&queue->waiters);
	for (;;) {
		ktime_t end = patience->end;

		prepare_to_wait_exclusive(&line->waiters, &waiter.wait, TASK_INTERRUPTIBLE);
		if (ready(queue, arg) || READ_ONCE(queue->dead) || ret)
			break;
		if (signal_pending(current))
			ret = -ERESTARTSYS;
		else if (patience->timeout_ns < 0)
			schedule();
		else if (!schedule_hrtimeout(&end, HRTIMER_MODE_ABS))
			ret = -ETIMEDOUT;
		/* Woken, but somebody was quicker: the rest may do for the next. */
		if (list_empty_careful(&waiter.wait.entry) && !ready(queue, arg))
			wake_up_interruptible(&line->waiters);
	}
	finish_wait(&line->waiters, &waiter.wait);
	atomic_dec(&queue->waiters);
	/*
	 * A wake-up that was meant for us goes to nobody else, so what it told of
	 * must be looked for, now that no further one can come.
	 */
	if (ret && (ready(queue, arg) || READ_ONCE(queue->dead)))
		ret = 0;
	return ret;
}

void weir_queue_lock_two(struct weir_queue *a, struct weir_queue *b)
{
	spin_lock(a < b ? &a->lock : &b->lock);
	spin_lock_nested(a < b ? &b->lock : &a->lock, SINGLE_DEPTH_NESTING);
}

void weir_queue_unlock_two(struct weir_queue *a, struct weir_queue *b)
{
	spin_unlock(&a->lock);
	spin_unlock(&b->lock);
}
