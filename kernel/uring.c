// SPDX-License-Identifier: GPL-2.0
/*
 * Commands through io_uring. They are done at once where that is possible. A
 * SEND that must wait is handed to io_uring's own threads and waits there; a
 * FETCH that must wait, which is what receivers mostly do, is parked: see
 * queue_park.h. Who claims it has it looked after in the task that submitted it.
 * Messages are only taken there: a sender just wakes, and neither completes nor
 * touches anybody's memory.
 *
 * None of our locks is held when io_uring's functions are called, except around
 * io_uring_cmd_complete_in_task(), which only queues and may be called anywhere.
 */
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/io_uring/cmd.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "doors.h"

#if IS_ENABLED(CONFIG_IO_URING)

/* A FETCH that is parked. */
struct weir_errand {
	struct weir_parked parked;
	struct hrtimer timer;
	struct io_uring_cmd *ioucmd;	/* invariant */
	struct weir_fetch_call call;	/* the claimer's */
};

static struct weir_queue_file *weir_errand_file(const struct weir_errand *errand)
{
	return errand->call.file->private_data;
}

static struct weir_errand **weir_errand_of(struct io_uring_cmd *ioucmd)
{
	return io_uring_cmd_to_pdu(ioucmd, struct weir_errand *);
}

/* By the claimer: @errand and its command are over. */
static void weir_errand_done(struct weir_errand *errand, long ret, unsigned int issue_flags)
{
	struct weir_queue_file *qfile = weir_errand_file(errand);
	struct io_uring_cmd *ioucmd = errand->ioucmd;

	hrtimer_cancel(&errand->timer);
	atomic_dec(&qfile->queue->waiters);
	weir_parked_end(&qfile->parking, &errand->parked);
	kfree(errand);
	io_uring_cmd_done(ioucmd, ret, 0, issue_flags);
}

/* In the task that submitted it, or, when that is dead, in any other. */
static void weir_errand_resume(struct io_uring_cmd *ioucmd, unsigned int issue_flags)
{
	struct weir_patience patience = { .timeout_ns = -1, .elsewhere = true, .woken = true };
	struct weir_errand *errand = *weir_errand_of(ioucmd);
	struct weir_parking *parking = &weir_errand_file(errand)->parking;
	int over;
	long ret;

	do {
		over = READ_ONCE(errand->parked.over);
		if (issue_flags & IO_URING_F_TASK_DEAD || over == -ECANCELED)
			ret = -ECANCELED;
		else
			ret = weir_fetch_take(&errand->call, &patience);
		if (ret == -WEIR_MUST_WAIT && over)
			ret = over;
		if (ret == -WEIR_MUST_WAIT && weir_parked_wait(parking, &errand->parked))
			return;
		/* It is over since, or the queue is dead: what that means for it. */
	} while (ret == -WEIR_MUST_WAIT);
	weir_errand_done(errand, ret, issue_flags);
}

static void weir_errand_tell(struct weir_parked *parked)
{
	struct weir_errand *errand = container_of(parked, struct weir_errand, parked);

	io_uring_cmd_complete_in_task(errand->ioucmd, weir_errand_resume);
}

static enum hrtimer_restart weir_errand_expire(struct hrtimer *timer)
{
	struct weir_errand *errand = container_of(timer, struct weir_errand, timer);

	if (weir_parked_over(&weir_errand_file(errand)->parking, &errand->parked, -ETIMEDOUT))
		weir_errand_tell(&errand->parked);
	return HRTIMER_NORESTART;
}

/*
 * A worker that ends a ring asks again and again, without a pause, until all is over,
 * and the task that has to come by may be stopped: a pause of a tick, once a tick.
 */
static void weir_errand_pause(void)
{
	static unsigned long paused;

	if (!(current->flags & PF_WQ_WORKER) || !time_after(jiffies, READ_ONCE(paused)))
		return;
	schedule_timeout_uninterruptible(1);
	WRITE_ONCE(paused, jiffies);
}

/* By io_uring, when the ring or the task ends; under its uring_lock. */
static int weir_errand_cancel(struct io_uring_cmd *ioucmd, unsigned int issue_flags)
{
	struct weir_errand *errand = *weir_errand_of(ioucmd);

	if (weir_parked_over(&weir_errand_file(errand)->parking, &errand->parked, -ECANCELED))
		weir_errand_done(errand, -ECANCELED, issue_flags);
	else
		weir_errand_pause();
	return 0;
}

long weir_uring_cancel(struct weir_queue_file *qfile, u64 addr)
{
	return weir_parking_cancel(&qfile->parking, addr);
}

static int weir_uring_park(struct io_uring_cmd *ioucmd, const struct weir_fetch_call *call,
			   unsigned int issue_flags)
{
	struct weir_queue_file *qfile = call->file->private_data;
	struct weir_errand *errand;

	errand = kmalloc(sizeof(*errand), GFP_KERNEL_ACCOUNT);
	if (!errand)
		return -ENOMEM;
	errand->ioucmd = ioucmd;
	errand->call = *call;
	errand->parked.key = (uintptr_t)call->user;
	errand->parked.tell = weir_errand_tell;
	hrtimer_init(&errand->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	errand->timer.function = weir_errand_expire;
	*weir_errand_of(ioucmd) = errand;

	/* It is our claim until weir_parked_wait(), so nobody ends it before that. */
	atomic_inc(&qfile->queue->waiters);
	weir_parked_begin(&qfile->parking, &errand->parked);
	io_uring_cmd_mark_cancelable(ioucmd, issue_flags);
	weir_patience_begin(&errand->call.patience);
	if (call->patience.timeout_ns > 0)
		hrtimer_start(&errand->timer, errand->call.patience.end, HRTIMER_MODE_ABS);
	if (!weir_parked_wait(&qfile->parking, &errand->parked))
		weir_errand_tell(&errand->parked);
	return -EIOCBQUEUED;
}

static long weir_uring_fetch(struct io_uring_cmd *ioucmd, struct weir_command command,
			     unsigned int issue_flags)
{
	struct weir_queue_file *qfile = ioucmd->file->private_data;
	struct weir_fetch_call call __uninitialized;
	struct weir_patience patience;
	long ret;

	if (READ_ONCE(qfile->queue->dead))
		return -ESHUTDOWN;
	ret = weir_fetch_begin(&call, ioucmd->file, command);
	if (ret)
		return ret;
	patience = call.patience;
	patience.elsewhere = true;
	ret = weir_fetch_take(&call, &patience);
	return ret == -WEIR_MUST_WAIT ? weir_uring_park(ioucmd, &call, issue_flags) : ret;
}

/*
 * The SQE is the user's memory, perhaps: each field is read once, and not any
 * more after this.
 */
static int weir_command_of_uring(struct weir_command *command,
				 const struct io_uring_cmd *ioucmd,
				 unsigned int issue_flags)
{
	const struct weir_uring_cmd *cmd = io_uring_sqe_cmd(ioucmd->sqe);
	const u64 arg = READ_ONCE(cmd->addr);
	const u32 size = READ_ONCE(cmd->len);

	*command = weir_command_of_ioctl(ioucmd->file, ioucmd->cmd_op, arg);
	if (!weir_command_known(*command))
		return -ENOTTY;
	if (READ_ONCE(cmd->flags))
		return -EINVAL;
	/* No more than the number of an ioctl can say. */
	if (size > _IOC_SIZEMASK)
		return -E2BIG;
	command->nr &= ~IOCSIZE_MASK;
	command->nr |= size << IOCSIZE_SHIFT;
	command->elsewhere = issue_flags & IO_URING_F_NONBLOCK;
	return 0;
}

int weir_uring_cmd(struct io_uring_cmd *ioucmd, unsigned int issue_flags)
{
	struct weir_command command;
	long ret;

	if (issue_flags & IO_URING_F_CANCEL)
		return weir_errand_cancel(ioucmd, issue_flags);

	ret = weir_command_of_uring(&command, ioucmd, issue_flags);
	if (ret)
		return ret;
	if (_IOC_NR(command.nr) == _IOC_NR(WEIR_IOC_FETCH))
		ret = weir_uring_fetch(ioucmd, command, issue_flags);
	else
		ret = weir_command_queue(ioucmd->file, command);

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
