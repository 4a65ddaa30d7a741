// SPDX-License-Identifier: GPL-2.0 OR MIT
/* What only a ring has: commands that wait in it, and their ends (I22). */
#include "../fixture.h"
#include "request.h"

/* The SQE that was pushed last. */
static struct io_uring_sqe *last_sqe(struct ring *ring)
{
	return &ring->sqes[(*ring_word(ring->sq, ring->params.sq_off.tail) - 1) %
			   ring->params.sq_entries];
}

static const unsigned int kinds[] = {
	0, IORING_SETUP_SQPOLL, IORING_SETUP_COOP_TASKRUN,
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

TEST_F(queue, has_the_feature)
{
	struct weir_version version = { 0 };

	ASSERT_EQ(0, raw_ioctl(self->reader, WEIR_IOC_VERSION, &version));
	EXPECT_TRUE(version.features & WEIR_FEATURE_URING);
}

/* Through each kind of ring: at once, and after it waited. */
TEST_F(queue, kinds_of_rings)
{
	struct weir_message message = { .data = raw_address("hello"), .len = 5 };
	struct weir_send send = { .messages = raw_address(&message), .count = 1 };
	int fd = waiting_fd(self);
	struct request request;
	struct weir_settle settle = { .runs = raw_address(&request.run), .count = 1 };
	struct ring ring;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		ASSERT_EQ(0, ring_make(&ring, 4, kinds[i]));
		ASSERT_EQ(1, ring_do(&ring, self->writer, WEIR_IOC_SEND, &send, sizeof(send)));
		request_make(&request, -1);
		ASSERT_EQ(1, ring_do(&ring, fd, WEIR_IOC_FETCH, &request, sizeof(request.fetch)));
		ASSERT_EQ(1, ring_do(&ring, fd, WEIR_IOC_SETTLE, &settle, sizeof(settle)));
		request_make(&request, -1);
		request_queue(&ring, fd, &request, 5);
		ASSERT_LE(0, ring_enter(&ring, 0));
		wait_waiters(self->name, 1);
		ASSERT_EQ(5, raw_write_string(self->writer, "later"));
		EXPECT_EQ(1, ring_next(&ring, NULL));
		EXPECT_EQ(2 * i + 1, request.run.offset);
		ASSERT_EQ(1, ring_do(&ring, fd, WEIR_IOC_SETTLE, &settle, sizeof(settle)));
		ring_end(&ring);
	}
	EXPECT_EQ(0, raw_figure(self->name, "leased"));
	EXPECT_EQ(0, raw_figure(self->name, "waiters"));
}

TEST_F(queue, iopoll_is_refused)
{
	struct request request;
	struct ring ring;

	ASSERT_EQ(0, ring_make(&ring, 4, IORING_SETUP_IOPOLL));
	request_make(&request, 0);
	EXPECT_EQ(-EOPNOTSUPP, ring_do(&ring, self->reader, WEIR_IOC_FETCH, &request,
				       sizeof(request.fetch)));
	ring_end(&ring);
}

TEST_F(queue, wrong_commands)
{
	struct ring *ring = door_ring();
	struct weir_create create = { .type = WEIR_TYPE_QUEUE };
	struct request request;
	int bit, control = raw_open_control();

	request_make(&request, 0);
	for (bit = 0; bit < 32; bit++) {
		request_queue(ring, self->reader, &request, 0);
		((struct weir_uring_cmd *)last_sqe(ring)->cmd)->flags = 1U << bit;
		EXPECT_EQ(-EINVAL, ring_next(ring, NULL));
	}
	EXPECT_EQ(-EINVAL, ring_do(ring, self->reader, WEIR_IOC_FETCH, &request, 8));
	EXPECT_EQ(-ENOTTY, ring_do(ring, self->reader, 0, &request, sizeof(request.fetch)));
	EXPECT_EQ(-ENOTTY, ring_do(ring, self->reader, WEIR_IOC_CREATE, &create, sizeof(create)));
	raw_name(create.name);
	EXPECT_EQ(-EOPNOTSUPP, ring_do(ring, control, WEIR_IOC_CREATE, &create, sizeof(create)));
	EXPECT_EQ(-ENOENT, raw_destroy(create.name));
	/* An absurd length is no more than a structure that is too large. */
	EXPECT_GT(0, ring_do(ring, self->reader, WEIR_IOC_FETCH, &request, 0xffffffff));
}

/* Linked, drained, and from a thread of io_uring's: one after the other. */
TEST_F(queue, flags_of_submissions)
{
	static const __u8 flags[] = { IOSQE_IO_LINK, IOSQE_IO_DRAIN, IOSQE_ASYNC };
	struct weir_message message = { .data = raw_address("x"), .len = 1 };
	struct weir_send send = { .messages = raw_address(&message), .count = 1 };
	struct ring *ring = door_ring();
	struct request request;
	int fd = waiting_fd(self), results[2];
	size_t i;
	__u64 data;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		request_make(&request, -1);
		ring_command(ring, self->writer, WEIR_IOC_SEND, &send, sizeof(send), 0);
		last_sqe(ring)->flags |= flags[i];
		request_queue(ring, fd, &request, 1);
		if (flags[i] != IOSQE_IO_LINK)
			last_sqe(ring)->flags |= flags[i];
		ASSERT_EQ(2, ring_enter(ring, 0));
		results[0] = ring_next(ring, &data);
		results[1] = ring_next(ring, &data);
		EXPECT_EQ(1, results[0]);
		EXPECT_EQ(1, results[1]);
		EXPECT_EQ(i, request.run.offset);
	}
	/* Of a link, what comes behind an error is not done. */
	request_make(&request, 0);
	request_queue(ring, self->reader, &request, 0);
	last_sqe(ring)->flags |= IOSQE_IO_LINK;
	ring_command(ring, self->writer, WEIR_IOC_SEND, &send, sizeof(send), 1);
	EXPECT_EQ(-EAGAIN, ring_next(ring, &data));
	EXPECT_EQ(-ECANCELED, ring_next(ring, &data));
	EXPECT_EQ(3, raw_figure(self->name, "sent"));
}

/* One that begins in a thread of io_uring's, till it has a message, or is killed. */
TEST_F(queue, begins_in_a_thread)
{
	static struct request request;
	pid_t child;
	int i;

	for (i = 0; i < 2; i++) {
		child = proc_fork();
		if (!child) {
			request_make(&request, -1);
			request_queue(door_ring(), waiting_fd(self), &request, 0);
			last_sqe(door_ring())->flags |= IOSQE_ASYNC;
			_exit(ring_next(door_ring(), NULL) != 1);
		}
		wait_waiters(self->name, 1);
		if (!i) {
			ASSERT_EQ(1, raw_write(self->writer, "x", 1));
			EXPECT_EQ(0, proc_wait(child));
		} else {
			EXPECT_EQ(128 + SIGKILL, proc_kill(child));
		}
		wait_until(raw_figure(self->name, "waiters") == 0);
		/* What it got went back with its end. */
		wait_until(raw_figure(self->name, "leased") == 0);
		EXPECT_EQ(!i, raw_purge(self->name));
	}
}

TEST_F(queue, time_is_up)
{
	struct ring *ring = door_ring();
	int fd = waiting_fd(self);
	struct request request;

	request_make(&request, 1);
	EXPECT_EQ(-ETIMEDOUT, ring_do(ring, fd, WEIR_IOC_FETCH, &request, sizeof(request.fetch)));
	request_make(&request, 3000000);
	EXPECT_EQ(-ETIMEDOUT, ring_do(ring, fd, WEIR_IOC_FETCH, &request, sizeof(request.fetch)));
	EXPECT_EQ(0, raw_figure(self->name, "waiters"));
}

TEST_F(queue, cancelled)
{
	struct request requests[4];
	struct ring *ring = door_ring();
	int i, fd = waiting_fd(self), other = waiting_fd(self);
	__u64 data;

	for (i = 0; i < 4; i++) {
		request_make(&requests[i], -1);
		request_queue(ring, fd, &requests[i], i);
	}
	ASSERT_EQ(4, ring_enter(ring, 0));
	wait_waiters(self->name, 4);
	EXPECT_EQ(0, cancel(other, NULL));
	EXPECT_EQ(0, cancel(fd, (void *)requests + 8));
	EXPECT_EQ(1, cancel(fd, &requests[2]));
	EXPECT_EQ(-ECANCELED, ring_next(ring, &data));
	EXPECT_EQ(2, data);
	EXPECT_EQ(0, cancel(fd, &requests[2]));
	EXPECT_EQ(3, cancel(fd, NULL));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(-ECANCELED, ring_next(ring, NULL));
	EXPECT_EQ(0, raw_figure(self->name, "waiters"));
	ASSERT_EQ(1, raw_write(self->writer, "x", 1));
	EXPECT_EQ(1, raw_figure(self->name, "depth"));
}

TEST_F(queue, cancel_fields)
{
	struct weir_cancel cancel;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		cancel = (struct weir_cancel){ .flags = 1U << bit };
		EXPECT_EQ(-EINVAL, raw_ioctl(self->reader, WEIR_IOC_CANCEL, &cancel));
		cancel = (struct weir_cancel){ .reserved = 1U << bit };
		EXPECT_EQ(-EINVAL, raw_ioctl(self->reader, WEIR_IOC_CANCEL, &cancel));
	}
}

TEST_F(queue, ring_ends)
{
	struct request requests[8];
	struct ring ring;
	int i, fd = waiting_fd(self);

	for (i = 0; i < 8; i++)
		request_make(&requests[i], -1);
	ASSERT_EQ(0, ring_make(&ring, 8, 0));
	for (i = 0; i < 8; i++)
		request_queue(&ring, fd, &requests[i], i);
	ASSERT_EQ(8, ring_enter(&ring, 0));
	wait_waiters(self->name, 8);
	ring_end(&ring);
	wait_until(raw_figure(self->name, "waiters") == 0);
	ASSERT_EQ(1, raw_write(self->writer, "x", 1));
	EXPECT_EQ(1, raw_figure(self->name, "depth"));
}

TEST_F(queue, queue_ends)
{
	struct request requests[3];
	struct ring *ring = door_ring();
	int i, fd = waiting_fd(self);

	for (i = 0; i < 3; i++) {
		request_make(&requests[i], i ? -1 : 1LL << 60);
		request_queue(ring, fd, &requests[i], i);
	}
	ASSERT_EQ(3, ring_enter(ring, 0));
	EXPECT_EQ(-EBUSY, raw_destroy(self->name));
	ASSERT_EQ(0, raw_destroy_force(self->name));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(-ESHUTDOWN, ring_next(ring, NULL));
}

/* Closed, the descriptor lives on in the command, and so does the wait. */
TEST_F(queue, descriptor_closed)
{
	struct request request;
	struct ring *ring = door_ring();
	int fd = waiting_fd(self);

	request_make(&request, -1);
	request_queue(ring, fd, &request, 0);
	ASSERT_EQ(1, ring_enter(ring, 0));
	close(fd);
	EXPECT_EQ(1, raw_figure(self->name, "waiters"));
	ASSERT_EQ(1, raw_write(self->writer, "x", 1));
	EXPECT_EQ(1, ring_next(ring, NULL));
	/* With it goes the last use of the open file, and its lease. */
	wait_until(raw_figure(self->name, "leased") == 0);
	EXPECT_EQ(1, raw_figure(self->name, "depth"));
}

/* Each message to one of those that wait, in rings of several processes. */
TEST_F(queue, one_each)
{
	struct request *requests = proc_shared(16 * sizeof(*requests));
	pid_t children[4];
	int i, n;

	for (i = 0; i < 4; i++) {
		children[i] = proc_fork();
		if (children[i])
			continue;
		n = waiting_fd(self);
		struct ring *ring = door_ring();
		int k, failed = 0;

		for (k = 0; k < 4; k++) {
			request_make(&requests[4 * i + k], -1);
			request_queue(ring, n, &requests[4 * i + k], k);
		}
		for (k = 0; k < 4; k++)
			failed |= ring_next(ring, NULL) != 1;
		_exit(failed);
	}
	wait_waiters(self->name, 16);
	for (i = 0; i < 16; i++)
		ASSERT_EQ(1, raw_write(self->writer, "x", 1));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, proc_wait(children[i]));
	EXPECT_EQ(16, raw_figure(self->name, "received"));
}

/* Its memory is gone when the message comes: that stays in the queue. */
TEST_F(queue, memory_is_gone)
{
	struct request *request = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ring *ring = door_ring();
	char byte;

	request_make(request, -1);
	request_queue(ring, waiting_fd(self), request, 0);
	ASSERT_EQ(1, ring_enter(ring, 0));
	munmap(request, 4096);
	ASSERT_EQ(1, raw_write(self->writer, "x", 1));
	EXPECT_EQ(-EFAULT, ring_next(ring, NULL));
	EXPECT_EQ(1, raw_read(self->reader, &byte, 1));
	EXPECT_EQ(0, raw_figure(self->name, "leased"));
}

/*
 * I11: one who has a FETCH waiting and does not come by, being stopped or busy
 * with something else, keeps no message from others.
 */
TEST_F(queue, stopped_fetcher_stalls_nobody)
{
	struct request request;
	struct gate gate;
	pid_t stopped, reader;
	char byte;

	ASSERT_EQ(0, gate_make(&gate));
	stopped = proc_fork();
	if (!stopped) {
		request_make(&request, -1);
		request_queue(door_ring(), waiting_fd(self), &request, 0);
		if (ring_enter(door_ring(), 0) != 1)
			_exit(1);
		gate_open(&gate);
		for (;;)
			pause();
	}
	gate_wait(&gate);
	kill(stopped, SIGSTOP);
	wait_until(proc_state(stopped) == 'T');
	reader = proc_fork();
	if (!reader)
		_exit(raw_read(waiting_fd(self), &byte, 1) != 1);
	wait_waiters(self->name, 2);
	ASSERT_EQ(1, raw_write(self->writer, "x", 1));
	EXPECT_EQ(0, proc_wait(reader));
	proc_kill(stopped);
}

TEST_F(queue, deferring_fetcher_stalls_nobody)
{
	struct request request;
	struct ring ring;
	pid_t reader;
	char byte;

	ASSERT_EQ(0, ring_make(&ring, 4, kinds[3]));
	request_make(&request, -1);
	request_queue(&ring, waiting_fd(self), &request, 0);
	ASSERT_EQ(1, ring_enter(&ring, 0));
	reader = proc_fork();
	if (!reader)
		_exit(raw_read(waiting_fd(self), &byte, 1) != 1);
	wait_waiters(self->name, 2);
	ASSERT_EQ(1, raw_write(self->writer, "x", 1));
	/* We do not enter the ring until it is done. */
	EXPECT_EQ(0, proc_wait(reader));
	/* What comes next is ours. */
	ASSERT_EQ(1, raw_write(self->writer, "y", 1));
	EXPECT_EQ(1, ring_next(&ring, NULL));
	EXPECT_EQ(1, request.run.offset);
	ring_end(&ring);
}

/* A SEND that waits for room does so without holding up its ring. */
TEST_F(queue, send_waits)
{
	struct weir_message message = { .data = raw_address("y"), .len = 1 };
	struct weir_send send = {
		.messages = raw_address(&message), .count = 1, .timeout_ns = -1,
	};
	struct ring *ring = door_ring();
	struct weir_version version = { 0 };
	__u64 data;
	char byte;
	int fd;

	ASSERT_EQ(0, queue_remake(self, 1, 4096));
	ASSERT_EQ(1, raw_write(self->writer, "x", 1));
	fd = raw_open(self->name, O_WRONLY);
	ring_command(ring, fd, WEIR_IOC_SEND, &send, sizeof(send), 1);
	ASSERT_EQ(1, ring_enter(ring, 0));
	ring_command(ring, fd, WEIR_IOC_VERSION, &version, sizeof(version), 2);
	EXPECT_EQ(0, ring_next(ring, &data));
	EXPECT_EQ(2, data);
	wait_waiters(self->name, 1);
	ASSERT_EQ(1, raw_read(self->reader, &byte, 1));
	EXPECT_EQ(1, ring_next(ring, &data));
	EXPECT_EQ(1, data);
	EXPECT_EQ(1, send.first_offset);
}

/* Killed with commands of both kinds waiting. */
TEST_F(queue, killed)
{
	static struct weir_message message = { .len = 1 };
	static struct weir_send send = { .count = 1, .timeout_ns = -1 };
	static struct request requests[4];
	pid_t child;
	char byte;
	int i, fd;

	ASSERT_EQ(0, queue_remake(self, 1, 4096));
	message.data = raw_address("y");
	send.messages = raw_address(&message);
	for (i = 0; i < 20; i++) {
		child = proc_fork();
		if (!child) {
			fd = raw_open(self->name, O_RDWR);
			request_make(&requests[0], -1);
			request_queue(door_ring(), fd, &requests[0], 0);
			ring_next(door_ring(), NULL);
			ring_command(door_ring(), fd, WEIR_IOC_SEND, &send, sizeof(send), 0);
			ring_next(door_ring(), NULL);
			_exit(1);
		}
		wait_waiters(self->name, 1);
		ASSERT_EQ(1, raw_write(self->writer, "x", 1));
		/* It has that one, and so has no room. */
		wait_until(raw_figure(self->name, "leased") == 1 &&
			   raw_figure(self->name, "waiters") == 1);
		proc_kill(child);
		wait_until(raw_figure(self->name, "waiters") == 0);
		wait_until(raw_figure(self->name, "leased") == 0);
		ASSERT_EQ(1, raw_read(self->reader, &byte, 1));
		ASSERT_EQ('x', byte);
	}
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

TEST_HARNESS_MAIN
