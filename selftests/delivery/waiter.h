/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* A process that waits for a message, in each of the ways there are. */
#ifndef WEIR_SELFTESTS_WAITER_H
#define WEIR_SELFTESTS_WAITER_H

#include "lease.h"

enum waits { WAITS_READ, WAITS_FETCH, WAITS_PARKED, WAITS_POLL, WAITS };

static inline int waiter_wait(int fd, enum waits how)
{
	struct weir_run run;
	struct weir_fetch fetch = {
		.runs = raw_address(&run), .nr_runs = 1, .max_messages = 1, .timeout_ns = -1,
		.lease_ns = LEASE_LONG,
	};
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	struct ring ring;
	char bytes[64];

	switch (how) {
	case WAITS_READ:
		return raw_read(fd, bytes, sizeof(bytes)) > 0 ? 1 : -EIO;
	case WAITS_FETCH:
		return raw_ioctl(fd, WEIR_IOC_FETCH, &fetch);
	case WAITS_PARKED:
		if (ring_make(&ring, 4, 0))
			return -EIO;
		return ring_do(&ring, fd, WEIR_IOC_FETCH, &fetch, sizeof(fetch));
	default:
		if (poll(&pollfd, 1, -1) != 1 || pollfd.revents != POLLIN)
			return -EIO;
		fetch.timeout_ns = 0;
		return raw_ioctl(fd, WEIR_IOC_FETCH, &fetch);
	}
}

/*
 * A child that waits on a description of its own, for reading, and has got a message when
 * it opens @got; it holds that, but for one that was read, until it is
 * killed. Returns when it waits.
 */
static inline pid_t waiter_begin(const char *name, enum waits how, struct gate *got)
{
	const long long before = raw_figure(name, "waiters");
	pid_t child;

	if (gate_make(got))
		return -1;
	child = proc_fork();
	if (!child) {
		int fd;

		/* Not one more who holds what its parent is to close. */
		syscall(SYS_close_range, 3, got->fds[0] - 1, 0);
		fd = raw_open(name, O_RDONLY);
		if (waiter_wait(fd, how) != 1)
			_exit(1);
		gate_open(got);
		pause();
	}
	if (how == WAITS_POLL)
		wait_until(proc_state(child) == 'S');
	else
		wait_until(raw_figure(name, "waiters") == before + 1);
	return child;
}

/* Whether it has got one. */
static inline bool waiter_got(struct gate *got)
{
	struct pollfd pollfd = { .fd = got->fds[0], .events = POLLIN };

	return poll(&pollfd, 1, 0) == 1;
}

#endif
