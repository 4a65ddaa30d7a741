// SPDX-License-Identifier: MIT
/* Commands for an io_uring of the caller's. */
#include <errno.h>
#include "internal.h"

static bool has_door(const struct weir_queue *queue)
{
	return queue->features & WEIR_FEATURE_URING;
}

WEIR_PUBLIC int weir_prep_send(struct weir_queue *queue,
			       struct io_uring_sqe *sqe,
			       struct weir_send *command,
			       const struct weir_message *messages,
			       unsigned int count, int64_t timeout_ns)
{
	struct command send;

	if (!has_door(queue))
		return -EOPNOTSUPP;
	send = send_command(queue, command, messages, count, timeout_ns);
	command_sqe(&send, sqe);
	return 0;
}

WEIR_PUBLIC int weir_prep_receive(struct weir_batch *batch,
				  struct io_uring_sqe *sqe, int64_t timeout_ns)
{
	struct command command;
	int ret;

	if (!has_door(batch->queue))
		return -EOPNOTSUPP;
	ret = batch_begin_receive(batch, NO_SETTLEMENT, timeout_ns, &command);
	if (!ret)
		command_sqe(&command, sqe);
	return ret;
}

static int prep_settle(struct weir_batch *batch, struct io_uring_sqe *sqe,
		       unsigned int first, unsigned int count, struct fate fate)
{
	struct command command;
	int ret;

	if (!has_door(batch->queue))
		return -EOPNOTSUPP;
	ret = batch_begin_settle(batch, first, count, fate, &command);
	if (ret)
		return ret;
	if (!batch->nr_settle) {
		batch_abandon(batch);
		return -ENODATA;
	}
	command_sqe(&command, sqe);
	return 0;
}

WEIR_PUBLIC int weir_prep_settle(struct weir_batch *batch,
				 struct io_uring_sqe *sqe, unsigned int first,
				 unsigned int count, int op)
{
	if (op == WEIR_EXTEND)
		return -EINVAL;
	return prep_settle(batch, sqe, first, count, (struct fate){ .op = op });
}

WEIR_PUBLIC int weir_prep_release(struct weir_batch *batch,
				  struct io_uring_sqe *sqe, unsigned int first,
				  unsigned int count, int64_t delay_ns)
{
	return prep_settle(batch, sqe, first, count,
			   fate_in(WEIR_RELEASE, delay_ns));
}

WEIR_PUBLIC int weir_prep_extend(struct weir_batch *batch,
				 struct io_uring_sqe *sqe, unsigned int first,
				 unsigned int count, int64_t lease_ns)
{
	return prep_settle(batch, sqe, first, count,
			   fate_in(WEIR_EXTEND, lease_ns));
}

WEIR_PUBLIC int weir_prep_settle_receive(struct weir_batch *batch,
					 struct io_uring_sqe *sqe, int op,
					 int64_t timeout_ns)
{
	struct command command;
	int ret;

	if (!has_door(batch->queue))
		return -EOPNOTSUPP;
	if (op == NO_SETTLEMENT)
		return -EINVAL;
	ret = batch_begin_receive(batch, op, timeout_ns, &command);
	if (!ret)
		command_sqe(&command, sqe);
	return ret;
}

WEIR_PUBLIC int weir_prep_reply(struct weir_batch *batch, struct io_uring_sqe *sqe,
				unsigned int i, const struct weir_message *answer, int op)
{
	struct command command;
	int ret;

	if (!has_door(batch->queue))
		return -EOPNOTSUPP;
	ret = batch_begin_reply(batch, i, answer, op, &command);
	if (!ret)
		command_sqe(&command, sqe);
	return ret;
}

WEIR_PUBLIC int weir_batch_cancel(struct weir_batch *batch)
{
	struct weir_cancel cancel = { .fetch = (uintptr_t)&batch->fetch };
	struct command command = {
		.fd = batch->queue->fd, .number = WEIR_IOC_CANCEL,
		.arg = &cancel, .size = sizeof(cancel),
	};
	int ret = command_ioctl(&command);

	return ret < 0 ? ret : 0;
}

/*
 * In a ring of others -ECANCELED may also be that of a link that was broken, and
 * then nothing was done: for the batch that is as if it had never been sent.
 */
WEIR_PUBLIC int weir_complete(struct weir_batch *batch, int res)
{
	if (res != -ECANCELED || batch->state == BATCH_IDLE)
		return batch_complete(batch, res);
	batch_abandon(batch);
	return res;
}
