/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* An io_uring by its system calls, as much of it as commands for weir need. */
#ifndef WEIR_SELFTESTS_URING_H
#define WEIR_SELFTESTS_URING_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "raw.h"

struct ring {
	int fd;
	struct io_uring_params params;
	char *sq, *cq;			/* the mapped rings */
	struct io_uring_sqe *sqes;
	size_t sq_size, cq_size;
	unsigned int to_submit;
};

#define ring_word(area, offset)	((unsigned int *)((area) + (offset)))

/* @flags are IORING_SETUP_*. */
static inline int ring_make(struct ring *ring, unsigned int entries, unsigned int flags)
{
	struct io_uring_params *p = &ring->params;
	int prot = PROT_READ | PROT_WRITE;

	memset(ring, 0, sizeof(*ring));
	p->flags = flags;
	ring->fd = raw_result(syscall(SYS_io_uring_setup, entries, p));
	if (ring->fd < 0)
		return ring->fd;
	fcntl(ring->fd, F_SETFD, FD_CLOEXEC);
	ring->sq_size = p->sq_off.array + p->sq_entries * sizeof(unsigned int);
	ring->cq_size = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	ring->sq = mmap(NULL, ring->sq_size, prot, MAP_SHARED, ring->fd, IORING_OFF_SQ_RING);
	ring->cq = mmap(NULL, ring->cq_size, prot, MAP_SHARED, ring->fd, IORING_OFF_CQ_RING);
	ring->sqes = mmap(NULL, p->sq_entries * sizeof(*ring->sqes), prot, MAP_SHARED,
			  ring->fd, IORING_OFF_SQES);
	if (ring->sq == MAP_FAILED || ring->cq == MAP_FAILED || (void *)ring->sqes == MAP_FAILED)
		return -errno;
	return 0;
}

static inline void ring_end(struct ring *ring)
{
	munmap(ring->sqes, ring->params.sq_entries * sizeof(*ring->sqes));
	munmap(ring->cq, ring->cq_size);
	munmap(ring->sq, ring->sq_size);
	close(ring->fd);
}

/* The next SQE, zeroed; it goes with the next ring_enter(). */
static inline struct io_uring_sqe *ring_sqe(struct ring *ring)
{
	unsigned int tail = *ring_word(ring->sq, ring->params.sq_off.tail);
	unsigned int mask = *ring_word(ring->sq, ring->params.sq_off.ring_mask);
	struct io_uring_sqe *sqe = &ring->sqes[tail & mask];

	memset(sqe, 0, sizeof(*sqe));
	ring_word(ring->sq, ring->params.sq_off.array)[tail & mask] = tail & mask;
	return sqe;
}

static inline void ring_push(struct ring *ring)
{
	unsigned int *tail = ring_word(ring->sq, ring->params.sq_off.tail);

	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	ring->to_submit++;
}

/* A command as the header has it; @data comes back in its CQE. */
static inline void ring_command(struct ring *ring, int fd, unsigned long command,
				void *arg, size_t size, __u64 data)
{
	struct io_uring_sqe *sqe = ring_sqe(ring);
	struct weir_uring_cmd cmd = { .addr = raw_address(arg), .len = size };

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = command;
	sqe->user_data = data;
	memcpy(sqe->cmd, &cmd, sizeof(cmd));
	ring_push(ring);
}

/* Submits, and waits for @wait CQEs: how many were submitted, or -errno. */
static inline int ring_enter(struct ring *ring, unsigned int wait)
{
	unsigned int flags = wait ? IORING_ENTER_GETEVENTS : 0;
	unsigned int submit = ring->to_submit;
	int ret;

	if (ring->params.flags & IORING_SETUP_SQPOLL)
		flags |= IORING_ENTER_SQ_WAKEUP;
	ret = raw_result(syscall(SYS_io_uring_enter, ring->fd, submit, wait, flags, NULL, 0));
	if (ret >= 0)
		ring->to_submit -= ret;
	return ret;
}

/* Takes a CQE if there is one. */
static inline bool ring_reap(struct ring *ring, int *res, __u64 *data)
{
	unsigned int *head = ring_word(ring->cq, ring->params.cq_off.head);
	unsigned int *tail = ring_word(ring->cq, ring->params.cq_off.tail);
	unsigned int mask = *ring_word(ring->cq, ring->params.cq_off.ring_mask);
	struct io_uring_cqe *cqe;

	if (*head == __atomic_load_n(tail, __ATOMIC_ACQUIRE))
		return false;
	cqe = (struct io_uring_cqe *)(ring->cq + ring->params.cq_off.cqes) + (*head & mask);
	*res = cqe->res;
	if (data)
		*data = cqe->user_data;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return true;
}

/* The next CQE's result, whenever it comes. */
static inline int ring_next(struct ring *ring, __u64 *data)
{
	int res, ret;

	while (!ring_reap(ring, &res, data)) {
		ret = ring_enter(ring, 1);
		if (ret < 0 && ret != -EINTR)
			return ret;
	}
	return res;
}

/* One command and its result. */
static inline int ring_do(struct ring *ring, int fd, unsigned long command, void *arg,
			  size_t size)
{
	ring_command(ring, fd, command, arg, size, 0);
	return ring_next(ring, NULL);
}

#endif
