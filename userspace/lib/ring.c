// SPDX-License-Identifier: MIT
/*
 * Many commands at once. An operation is busy from its submission until its
 * completion was reaped; its number, plus one, is the user_data of its SQE, so
 * that nothing a CQE says is followed as a pointer. 0 is that of cancellations.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"

#define DEFAULT_ENTRIES	64
#define MOST_ENTRIES	4096

/* ---- Making and ending ------------------------------------------------ */

static int uring_make(struct io_uring *uring, unsigned int entries)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
	};
	struct io_uring_probe *probe;
	bool supported;
	int ret;

	ret = io_uring_queue_init_params(entries, uring, &params);
	if (ret)
		return ret;
	probe = io_uring_get_probe_ring(uring);
	supported = probe &&
		    io_uring_opcode_supported(probe, IORING_OP_URING_CMD);
	io_uring_free_probe(probe);
	if (supported)
		return 0;
	io_uring_queue_exit(uring);
	return -EOPNOTSUPP;
}

static void ring_drop(struct weir_ring *ring)
{
	if (ring->is_uring)
		io_uring_queue_exit(&ring->uring);
	free(ring->fds);
	free(ring);
}

int ring_make(unsigned int entries, int door, struct weir_ring **ring)
{
	struct weir_ring *new;

	new = calloc(1, sizeof(*new) + entries * sizeof(new->ops[0]));
	if (!new)
		return -ENOMEM;
	new->entries = entries;
	new->last = &new->first;
	new->insist = door == WEIR_DOOR_URING;
	new->fds = calloc(entries, sizeof(*new->fds));
	new->is_uring = door != WEIR_DOOR_IOCTL &&
			!uring_make(&new->uring, entries);
	if (!new->fds || (new->insist && !new->is_uring)) {
		int ret = new->fds ? -EOPNOTSUPP : -ENOMEM;

		ring_drop(new);
		return ret;
	}
	*ring = new;
	return 0;
}

WEIR_PUBLIC int weir_ring_new(const struct weir_ring_options *options,
			      struct weir_ring **ring)
{
	struct weir_ring_options ours;
	int ret, door;

	ret = options_take(&ours, sizeof(ours), options);
	if (ret)
		return ret;
	door = door_choose(ours.door);
	if (door < 0)
		return door;
	if (!ours.entries)
		ours.entries = DEFAULT_ENTRIES;
	if (ours.entries > MOST_ENTRIES)
		return -EINVAL;
	return ring_make(ours.entries, door, ring);
}

WEIR_PUBLIC int weir_ring_door(const struct weir_ring *ring)
{
	return ring->is_uring ? WEIR_DOOR_URING : WEIR_DOOR_IOCTL;
}

/* ---- The io_uring ----------------------------------------------------- */

static struct io_uring_sqe *uring_sqe(struct weir_ring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);

	if (sqe)
		return sqe;
	io_uring_submit(&ring->uring);
	return io_uring_get_sqe(&ring->uring);
}

static int uring_queue(struct weir_ring *ring, const struct command *command,
		       uint64_t user_data)
{
	struct io_uring_sqe *sqe = uring_sqe(ring);

	if (!sqe)
		return -EBUSY;
	command_sqe(command, sqe);
	sqe->user_data = user_data;
	return 0;
}

/*
 * Cancellations are tried, and what they achieve is seen at their target. Those
 * of io_uring reach a SEND that waits, which is in a thread of io_uring's, and
 * not a FETCH, which waits in the queue.
 */
static void uring_cancel(struct weir_ring *ring, const struct command *target,
			 struct weir_cancel *cancel, uint64_t user_data)
{
	struct command command = {
		.fd = target->fd, .number = WEIR_IOC_CANCEL,
		.arg = cancel, .size = sizeof(*cancel),
	};
	struct io_uring_sqe *sqe;

	if (target->number == WEIR_IOC_FETCH) {
		*cancel = (struct weir_cancel){
			.fetch = (uintptr_t)target->arg,
		};
		uring_queue(ring, &command, 0);
		return;
	}
	sqe = uring_sqe(ring);
	if (!sqe)
		return;
	io_uring_prep_cancel64(sqe, user_data, 0);
	io_uring_sqe_set_data64(sqe, 0);
}

static bool uring_take(struct weir_ring *ring, uint64_t *user_data, int *res)
{
	struct io_uring_cqe *cqe;

	if (io_uring_peek_cqe(&ring->uring, &cqe))
		return false;
	*user_data = io_uring_cqe_get_data64(cqe);
	*res = cqe->res;
	io_uring_cqe_seen(&ring->uring, cqe);
	return true;
}

/* Apart from the submission, or a signal's EINTR could get lost in it. */
static int uring_wait(struct weir_ring *ring, int64_t timeout_ns,
		      struct held_signals *signals)
{
	struct __kernel_timespec ts = {
		.tv_sec = timeout_ns / NSEC_PER_SEC,
		.tv_nsec = timeout_ns % NSEC_PER_SEC,
	};
	struct io_uring_cqe *cqe;

	signals_hold(signals);
	return io_uring_wait_cqes(&ring->uring, &cqe, 1,
				  timeout_ns < 0 ? NULL : &ts,
				  &signals->before);
}

int ring_run(struct weir_ring *ring, const struct command *command)
{
	struct held_signals signals = { .held = false };
	struct weir_cancel cancel;
	bool interrupted = false;
	uint64_t user_data;
	int ret;

	ret = uring_queue(ring, command, 1);
	if (!ret)
		ret = io_uring_submit(&ring->uring);
	if (ret < 0)
		return ret;
	/* The end is waited for in any case: the command is on our stack. */
	for (;;) {
		if (uring_take(ring, &user_data, &ret)) {
			if (user_data == 1)
				break;
			continue;
		}
		ret = uring_wait(ring, WEIR_FOREVER, &signals);
		if (ret != -EINTR || interrupted)
			continue;
		interrupted = true;
		uring_cancel(ring, command, &cancel, 1);
		io_uring_submit(&ring->uring);
	}
	signals_let_go(&signals);
	return interrupted && ret == -ECANCELED ? -EINTR : ret;
}

static int uring_reap(struct weir_ring *ring, struct op **op, int *result,
		      int64_t timeout_ns, struct held_signals *signals)
{
	int64_t deadline = deadline_of(timeout_ns);
	uint64_t user_data;
	int ret;

	for (;;) {
		while (uring_take(ring, &user_data, result)) {
			if (!user_data)
				continue;
			if (user_data > ring->entries ||
			    !ring->ops[user_data - 1].busy)
				return -EBADMSG;
			*op = &ring->ops[user_data - 1];
			if ((*op)->cancelled && *result == -EINTR)
				*result = -ECANCELED;
			return 0;
		}
		ret = weir_ring_submit(ring);
		if (ret)
			return ret;
		if (io_uring_cq_ready(&ring->uring))
			continue;
		ret = uring_wait(ring, time_left(deadline), signals);
		if (ret == -ETIME)
			return timeout_ns ? -ETIMEDOUT : -EAGAIN;
		if (ret)
			return ret;
	}
}

/* ---- Submitting ------------------------------------------------------- */

/* Kernels without the door for queues: then no ring of ours is an io_uring. */
static int ring_downgrade(struct weir_ring *ring)
{
	if (ring->insist || ring->busy)
		return -EOPNOTSUPP;
	io_uring_queue_exit(&ring->uring);
	ring->is_uring = false;
	return 0;
}

static int ring_take(struct weir_ring *ring, const struct weir_queue *queue,
		     struct op **op)
{
	unsigned int i;
	int ret;

	if (ring->is_uring && !(queue->features & WEIR_FEATURE_URING)) {
		ret = ring_downgrade(ring);
		if (ret)
			return ret;
	}
	if (ring->busy == ring->entries)
		return -EBUSY;
	for (i = ring->next; ring->ops[i].busy; i = (i + 1) % ring->entries)
		;
	*op = &ring->ops[i];
	memset(*op, 0, sizeof(**op));
	return 0;
}

static int ring_start(struct weir_ring *ring, struct op *op, void *user)
{
	int ret;

	if (ring->is_uring) {
		ret = uring_queue(ring, &op->command, op - ring->ops + 1);
		if (ret)
			return ret;
	} else {
		poll_add(ring, op);
	}
	op->user = user;
	op->busy = true;
	ring->busy++;
	ring->next = (op - ring->ops + 1) % ring->entries;
	return 0;
}

static int ring_start_batch(struct weir_ring *ring, struct op *op,
			    struct weir_batch *batch, void *user)
{
	int ret;

	op->batch = batch;
	ret = ring_start(ring, op, user);
	if (ret)
		batch_abandon(batch);
	return ret;
}

WEIR_PUBLIC int weir_ring_send(struct weir_ring *ring, struct weir_queue *queue,
			       const struct weir_message *messages,
			       unsigned int count, int64_t timeout_ns,
			       void *user)
{
	struct op *op;
	int ret = ring_take(ring, queue, &op);

	if (ret)
		return ret;
	op->command = send_command(queue, &op->send, messages, count,
				   timeout_ns);
	return ring_start(ring, op, user);
}

static int ring_fetch(struct weir_ring *ring, struct weir_batch *batch, int op,
		      int64_t timeout_ns, void *user)
{
	struct op *new;
	int ret = ring_take(ring, batch->queue, &new);

	if (!ret)
		ret = batch_begin_receive(batch, op, timeout_ns, &new->command);
	return ret ? ret : ring_start_batch(ring, new, batch, user);
}

WEIR_PUBLIC int weir_ring_receive(struct weir_ring *ring,
				  struct weir_batch *batch, int64_t timeout_ns,
				  void *user)
{
	return ring_fetch(ring, batch, NO_SETTLEMENT, timeout_ns, user);
}

WEIR_PUBLIC int weir_ring_settle_receive(struct weir_ring *ring,
					 struct weir_batch *batch, int op,
					 int64_t timeout_ns, void *user)
{
	if (op == NO_SETTLEMENT)
		return -EINVAL;
	return ring_fetch(ring, batch, op, timeout_ns, user);
}

static int ring_settle(struct weir_ring *ring, struct weir_batch *batch,
		       unsigned int first, unsigned int count, struct fate fate,
		       void *user)
{
	struct op *new;
	int ret = ring_take(ring, batch->queue, &new);

	if (!ret)
		ret = batch_begin_settle(batch, first, count, fate,
					 &new->command);
	if (ret)
		return ret;
	if (!batch->nr_settle) {
		batch_abandon(batch);
		return -ENODATA;
	}
	return ring_start_batch(ring, new, batch, user);
}

WEIR_PUBLIC int weir_ring_settle(struct weir_ring *ring,
				 struct weir_batch *batch, unsigned int first,
				 unsigned int count, int op, void *user)
{
	if (op == WEIR_EXTEND)
		return -EINVAL;
	return ring_settle(ring, batch, first, count, (struct fate){ .op = op },
			   user);
}

WEIR_PUBLIC int weir_ring_release(struct weir_ring *ring,
				  struct weir_batch *batch, unsigned int first,
				  unsigned int count, int64_t delay_ns,
				  void *user)
{
	return ring_settle(ring, batch, first, count,
			   fate_in(WEIR_RELEASE, delay_ns), user);
}

WEIR_PUBLIC int weir_ring_extend(struct weir_ring *ring,
				 struct weir_batch *batch, unsigned int first,
				 unsigned int count, int64_t lease_ns,
				 void *user)
{
	return ring_settle(ring, batch, first, count,
			   fate_in(WEIR_EXTEND, lease_ns), user);
}

WEIR_PUBLIC int weir_ring_reply(struct weir_ring *ring, struct weir_batch *batch,
				unsigned int i, const struct weir_message *answer,
				int op, void *user)
{
	struct op *new;
	int ret = ring_take(ring, batch->queue, &new);

	if (!ret)
		ret = batch_begin_reply(batch, i, answer, op, &new->command);
	return ret ? ret : ring_start_batch(ring, new, batch, user);
}

WEIR_PUBLIC int weir_ring_submit(struct weir_ring *ring)
{
	int ret;

	if (!ring->is_uring) {
		poll_try_all(ring);
		return 0;
	}
	if (!io_uring_sq_ready(&ring->uring))
		return 0;
	ret = io_uring_submit(&ring->uring);
	return ret < 0 ? ret : 0;
}

/* ---- Completing ------------------------------------------------------- */

static int op_result(struct op *op, int res)
{
	if (op->batch)
		return batch_complete(op->batch, res);
	if (res > 0 && (unsigned int)res > op->send.count)
		return -EBADMSG;
	return res;
}

WEIR_PUBLIC int weir_ring_reap(struct weir_ring *ring,
			       struct weir_completion *completion,
			       int64_t timeout_ns)
{
	struct held_signals signals = { .held = false };
	struct op *op;
	int ret, res;

	if (!ring->busy)
		return -ENOENT;
	if (ring->is_uring) {
		ret = uring_reap(ring, &op, &res, timeout_ns, &signals);
	} else {
		ret = poll_reap(ring, &op, timeout_ns, &signals);
		res = ret ? 0 : op->result;
	}
	signals_let_go(&signals);
	if (ret)
		return ret;
	*completion = (struct weir_completion){
		.user = op->user,
		.result = op_result(op, res),
		.first_offset = op->send.first_offset,
	};
	op->busy = false;
	ring->busy--;
	return 0;
}

static bool op_matches(const struct op *op, bool all, const void *user)
{
	return op->busy && (all || op->user == user);
}

static int ring_cancel(struct weir_ring *ring, bool all, const void *user)
{
	unsigned int i;

	/* A command whose submission came first was begun first. */
	if (!ring->is_uring)
		poll_try_all(ring);
	for (i = 0; i < ring->entries; i++) {
		struct op *op = &ring->ops[i];

		if (!op_matches(op, all, user) || op->done)
			continue;
		if (ring->is_uring) {
			op->cancelled = true;
			uring_cancel(ring, &op->command, &op->cancel, i + 1);
		} else {
			op->done = true;
			op->result = -ECANCELED;
		}
	}
	return weir_ring_submit(ring);
}

WEIR_PUBLIC int weir_ring_cancel(struct weir_ring *ring, const void *user)
{
	return ring_cancel(ring, false, user);
}

WEIR_PUBLIC void weir_ring_free(struct weir_ring *ring)
{
	struct weir_completion completion;
	int ret;

	if (!ring)
		return;
	/* What is in flight points to memory that the caller frees next. */
	ring_cancel(ring, true, NULL);
	do {
		ret = weir_ring_reap(ring, &completion, WEIR_FOREVER);
	} while (!ret || ret == -EINTR || ret == -EBADMSG);
	ring_drop(ring);
}
