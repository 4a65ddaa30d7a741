// SPDX-License-Identifier: GPL-2.0
/*
 * Commands through io_uring. They are done at once where that is possible. A
 * SEND that must wait is handed to io_uring's own threads and waits there; a
 * FETCH that must wait, which is what receivers mostly do, is parked:
 *
 *   PARKED ---- a message, the time is up ----> CLAIMED --- nothing left --+
 *     |  ^                                         |                       |
 *     |  +-----------------------------------------|-----------------------+
 *   cancel                                       done
 *
 * It waits in the queue's line of readers, like any other one. Whoever claims
 * it, with an atomic exchange, and nobody else, ends it or has it looked after
 * in the task that submitted it. Messages are only taken there: a sender just
 * wakes, and neither completes nor touches anybody's memory.
 *
 * None of our locks is held when io_uring's functions are called, except around
 * io_uring_cmd_complete_in_task(), which only queues and may be called anywhere.
 */
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/io_uring/cmd.h>
#include <linux/slab.h>

#include "doors.h"

#if IS_ENABLED(CONFIG_IO_URING)

struct weir_parked {
	struct wait_queue_entry wait;
	struct hrtimer timer;
	struct list_head link;		/* in its file's; protected by queue->lock */
	struct io_uring_cmd *ioucmd;	/* invariant */
	struct weir_fetch_call call;	/* the claimer's */
	atomic_t claimed;
	bool expired;			/* set once, by the timer */
	bool cancelled;			/* set once, by weir_uring_cancel() */
};

static struct weir_queue *weir_parked_queue(const struct weir_parked *parked)
{
	struct weir_queue_file *qfile = parked->call.file->private_data;

	return qfile->queue;
}

static struct weir_parked **weir_parked_of(struct io_uring_cmd *ioucmd)
{
	return io_uring_cmd_to_pdu(ioucmd, struct weir_parked *);
}

static void weir_parked_resume(struct io_uring_cmd *ioucmd, unsigned int issue_flags);

/* Has it looked after, unless that is under way; in any context. */
static bool weir_parked_wake(struct weir_parked *parked)
{
	if (atomic_xchg(&parked->claimed, 1))
		return false;
	io_uring_cmd_complete_in_task(parked->ioucmd, weir_parked_resume);
	return true;
}

/* Under the lock of the line of readers. */
static int weir_parked_wake_reader(struct wait_queue_entry *wait, unsigned int mode,
				   int flags, void *key)
{
	struct weir_parked *parked = container_of(wait, struct weir_parked, wait);

	if (weir_parked_wake(parked))
		list_del_init(&wait->entry);
	/*
	 * Its task may be stopped, or not come by for long, and must not keep the
	 * message from those behind it in the line: whoever comes first takes it.
	 */
	return 0;
}

static enum hrtimer_restart weir_parked_expire(struct hrtimer *timer)
{
	struct weir_parked *parked = container_of(timer, struct weir_parked, timer);

	WRITE_ONCE(parked->expired, true);
	/* Pairs with the barrier in weir_parked_wait(). */
	smp_mb();
	weir_parked_wake(parked);
	return HRTIMER_NORESTART;
}

/* Joins the line; the claim is given up. May be looked after from here on. */
static void weir_parked_wait(struct weir_parked *parked)
{
	struct weir_queue *queue = weir_parked_queue(parked);

	atomic_set_release(&parked->claimed, 0);
	add_wait_queue_exclusive(&queue->readers.waiters, &parked->wait);
	/* Pairs with wq_has_sleeper(), weir_parked_expire() and weir_uring_cancel(). */
	smp_mb();
	if (weir_queue_readable(queue, 0) || READ_ONCE(queue->dead) ||
	    READ_ONCE(parked->expired) || READ_ONCE(parked->cancelled))
		weir_parked_wake(parked);
}

/* By the claimer, who may have been woken by others than the line. */
static void weir_parked_leave(struct weir_parked *parked)
{
	struct weir_queue *queue = weir_parked_queue(parked);

	spin_lock_irq(&queue->readers.waiters.lock);
	list_del_init(&parked->wait.entry);
	spin_unlock_irq(&queue->readers.waiters.lock);
}

/* By the claimer: @parked and its command are over. */
static void weir_parked_done(struct weir_parked *parked, long ret, unsigned int issue_flags)
{
	struct weir_queue *queue = weir_parked_queue(parked);
	struct io_uring_cmd *ioucmd = parked->ioucmd;

	spin_lock(&queue->lock);
	list_del(&parked->link);
	spin_unlock(&queue->lock);
	hrtimer_cancel(&parked->timer);
	atomic_dec(&queue->waiters);
	kfree(parked);
	io_uring_cmd_done(ioucmd, ret, 0, issue_flags);
}

/* In the task that submitted it, or, when that is dead, in any other. */
static void weir_parked_resume(struct io_uring_cmd *ioucmd, unsigned int issue_flags)
{
	struct weir_parked *parked = *weir_parked_of(ioucmd);
	struct weir_patience patience = { .wait = true, .elsewhere = true };
	struct weir_queue *queue = weir_parked_queue(parked);
	long ret;

	weir_parked_leave(parked);
	if (issue_flags & IO_URING_F_TASK_DEAD || READ_ONCE(parked->cancelled))
		ret = -ECANCELED;
	else
		ret = weir_fetch_take(&parked->call, &patience);
	if (ret == -WEIR_MUST_WAIT && READ_ONCE(parked->expired))
		ret = -ETIMEDOUT;
	if (ret == -WEIR_MUST_WAIT) {
		weir_parked_wait(parked);
		return;
	}
	/* Somebody else must have what this one was woken for and did not take. */
	weir_queue_pass_on(queue);
	weir_parked_done(parked, ret, issue_flags);
}

/* By io_uring, when the ring or the task ends; under its uring_lock. */
static int weir_parked_cancel(struct io_uring_cmd *ioucmd, unsigned int issue_flags)
{
	struct weir_parked *parked = *weir_parked_of(ioucmd);

	/* Claimed by others, it is asked for again if it gets parked again. */
	if (!atomic_xchg(&parked->claimed, 1)) {
		weir_parked_leave(parked);
		weir_parked_done(parked, -ECANCELED, issue_flags);
	}
	return 0;
}

long weir_uring_cancel(struct weir_queue_file *qfile, u64 addr)
{
	struct weir_queue *queue = qfile->queue;
	struct weir_parked *parked;
	long met = 0;

	guard(spinlock)(&queue->lock);
	list_for_each_entry(parked, &qfile->parked, link) {
		if (addr && u64_to_user_ptr(addr) != parked->call.command.arg)
			continue;
		WRITE_ONCE(parked->cancelled, true);
		/* Pairs with the barrier in weir_parked_wait(). */
		smp_mb();
		weir_parked_wake(parked);
		met++;
	}
	return met;
}

static int weir_uring_park(struct io_uring_cmd *ioucmd, const struct weir_fetch_call *call,
			   unsigned int issue_flags)
{
	struct weir_queue_file *qfile = call->file->private_data;
	struct weir_queue *queue = qfile->queue;
	struct weir_parked *parked;

	parked = kmalloc(sizeof(*parked), GFP_KERNEL_ACCOUNT);
	if (!parked)
		return -ENOMEM;
	parked->ioucmd = ioucmd;
	parked->call = *call;
	parked->expired = false;
	parked->cancelled = false;
	atomic_set(&parked->claimed, 1);
	init_waitqueue_func_entry(&parked->wait, weir_parked_wake_reader);
	hrtimer_init(&parked->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	parked->timer.function = weir_parked_expire;
	*weir_parked_of(ioucmd) = parked;

	/*
	 * From here on it can be claimed, but not ended before we return: its
	 * task is here, and canceling wants the uring_lock, which is held.
	 */
	atomic_inc(&queue->waiters);
	spin_lock(&queue->lock);
	list_add_tail(&parked->link, &qfile->parked);
	spin_unlock(&queue->lock);
	io_uring_cmd_mark_cancelable(ioucmd, issue_flags);
	if (call->patience.until)
		hrtimer_start(&parked->timer, call->patience.end, HRTIMER_MODE_ABS);
	weir_parked_wait(parked);
	return -EIOCBQUEUED;
}

static long weir_uring_fetch(struct io_uring_cmd *ioucmd, const struct weir_command *command,
			     unsigned int issue_flags)
{
	struct weir_fetch_call call;
	struct weir_patience patience;
	long ret;

	ret = weir_fetch_begin(&call, ioucmd->file, command);
	if (ret)
		return ret;
	patience = call.patience;
	patience.elsewhere = command->elsewhere;
	ret = weir_fetch_take(&call, &patience);
	return ret == -WEIR_MUST_WAIT ? weir_uring_park(ioucmd, &call, issue_flags) : ret;
}

/*
 * The SQE is the user's memory, perhaps: each field is read once, and not any
 * more after this.
 */
static int weir_command_from_uring(struct weir_command *command,
				   const struct io_uring_cmd *ioucmd,
				   unsigned int issue_flags)
{
	const struct weir_uring_cmd *cmd = io_uring_sqe_cmd(ioucmd->sqe);
	int ret;

	ret = weir_command_from_ioctl(command, ioucmd->file, ioucmd->cmd_op, 0);
	if (ret)
		return ret;
	if (READ_ONCE(cmd->flags))
		return -EINVAL;
	command->arg = u64_to_user_ptr(READ_ONCE(cmd->addr));
	command->size = READ_ONCE(cmd->len);
	command->elsewhere = issue_flags & IO_URING_F_NONBLOCK;
	return 0;
}

int weir_uring_cmd(struct io_uring_cmd *ioucmd, unsigned int issue_flags)
{
	struct weir_command command;
	long ret;

	if (issue_flags & IO_URING_F_CANCEL)
		return weir_parked_cancel(ioucmd, issue_flags);

	ret = weir_command_from_uring(&command, ioucmd, issue_flags);
	if (ret)
		return ret;
	if (_IOC_NR(command.nr) == _IOC_NR(WEIR_IOC_FETCH))
		ret = weir_uring_fetch(ioucmd, &command, issue_flags);
	else
		ret = weir_command_queue(ioucmd->file, &command);

	switch (ret) {
	case -WEIR_MUST_WAIT:
		/* io_uring calls again, from a thread that may wait. */
		return -EAGAIN;
	case -EAGAIN:
		/* This is the answer, so io_uring must not try again. */
		io_uring_cmd_done(ioucmd, -EAGAIN, 0, issue_flags);
		return -EIOCBQUEUED;
	case -ERESTARTSYS:
	case -ERESTARTNOHAND:
		return -EINTR;
	default:
		return ret;
	}
}

#else

int weir_uring_cmd(struct io_uring_cmd *ioucmd, unsigned int issue_flags)
{
	return -EOPNOTSUPP;
}

long weir_uring_cancel(struct weir_queue_file *qfile, u64 addr)
{
	return 0;
}

#endif
