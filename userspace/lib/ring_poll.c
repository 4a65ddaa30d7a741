// SPDX-License-Identifier: MIT
/*
 * A ring without an io_uring: what was submitted is tried by ioctl without
 * waiting, in order, and the queues are polled until a try can succeed.
 *
 * A try that finds nothing is the same to the kernel as a command that waits:
 * it has done its settlement, and that is not done again.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include "internal.h"

/*
 * Room that is too little for the message, or the rest of one that was read in
 * part, is readiness to poll() and nothing to a command: do not spin on it.
 */
#define FRUITLESS_NS	1000000

static __s64 *op_timeout(struct op *op)
{
	if (!op->batch)
		return &op->send.timeout_ns;
	if (op->command.number == WEIR_IOC_FETCH)
		return &op->batch->fetch.timeout_ns;
	return NULL;
}

static bool is_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && flags & O_NONBLOCK;
}

void poll_add(struct weir_ring *ring, struct op *op)
{
	__s64 *timeout = op_timeout(op);

	if (timeout) {
		op->deadline = is_nonblock(op->command.fd) ? 0 :
			       deadline_of(*timeout);
		*timeout = 0;
	}
	op->next = NULL;
	*ring->last = op;
	ring->last = &op->next;
}

static void op_done(struct op *op, int result)
{
	op->result = result;
	op->done = true;
}

static void op_try(struct op *op)
{
	int res = command_ioctl(&op->command);

	if (res != -EAGAIN || !op->deadline) {
		op_done(op, res);
		return;
	}
	if (op->batch)
		op->batch->fetch.nr_settle = 0;
	if (!time_left(op->deadline))
		op_done(op, -ETIMEDOUT);
}

/* An earlier send to the same queue still waits: it comes first. */
static bool is_behind(const struct weir_ring *ring, const struct op *op)
{
	const struct op *earlier;

	if (op->batch)
		return false;
	for (earlier = ring->first; earlier != op; earlier = earlier->next)
		if (!earlier->done && !earlier->batch &&
		    earlier->command.fd == op->command.fd)
			return true;
	return false;
}

void poll_try_all(struct weir_ring *ring)
{
	struct op *op;

	for (op = ring->first; op; op = op->next) {
		if (op->done)
			continue;
		if (!is_behind(ring, op))
			op_try(op);
		else if (!time_left(op->deadline))
			op_done(op, op->deadline ? -ETIMEDOUT : -EAGAIN);
	}
}

static struct op *take_done(struct weir_ring *ring)
{
	struct op **at = &ring->first, *op;

	for (op = *at; op && !op->done; op = *at)
		at = &op->next;
	if (!op)
		return NULL;
	*at = op->next;
	if (!op->next)
		ring->last = at;
	return op;
}

static unsigned int collect_fds(struct weir_ring *ring, int64_t *until)
{
	unsigned int n = 0;
	struct op *op;

	for (op = ring->first; op; op = op->next) {
		ring->fds[n++] = (struct pollfd){
			.fd = op->command.fd,
			.events = op->batch ? POLLIN : POLLOUT,
		};
		if (op->deadline >= 0 &&
		    (*until < 0 || op->deadline < *until))
			*until = op->deadline;
	}
	return n;
}

static int wait_ready(struct weir_ring *ring, int64_t until, bool fruitless,
		      struct held_signals *signals)
{
	struct timespec ts, pause = { .tv_nsec = FRUITLESS_NS };
	unsigned int n = collect_fds(ring, &until);
	int ret;

	signals_hold(signals);
	if (fruitless && ppoll(NULL, 0, &pause, &signals->before))
		return -errno;
	ret = ppoll(ring->fds, n, timespec_of(time_left(until), &ts),
		    &signals->before);
	return ret < 0 ? -errno : ret;
}

int poll_reap(struct weir_ring *ring, struct op **op, int64_t timeout_ns,
	      struct held_signals *signals)
{
	int64_t until = deadline_of(timeout_ns);
	int ready = 0;

	for (;;) {
		*op = take_done(ring);
		if (*op)
			return 0;
		poll_try_all(ring);
		*op = take_done(ring);
		if (*op)
			return 0;
		if (!timeout_ns)
			return -EAGAIN;
		if (!time_left(until))
			return -ETIMEDOUT;
		ready = wait_ready(ring, until, ready > 0, signals);
		if (ready < 0)
			return ready;
	}
}
