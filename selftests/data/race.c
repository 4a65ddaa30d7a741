// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Commands in rings that end in several ways at once, and SQEs that change. */
#include "../fixture.h"
#include "request.h"

/*
 * I22: each command ends once, whoever is quicker: a message, the time, a cancel.
 * Of the messages none is lost.
 */
static void send_and_cancel(FIXTURE_DATA(queue) *self, int fd, int rounds)
{
	int i;

	for (i = 0; i < rounds; i++) {
		if (raw_write(self->writer, "x", 1) != 1)
			_exit(1);
		if (cancel(fd, NULL) < 0)
			_exit(2);
		if (i % 16 == 0)
			sched_yield();
	}
	_exit(0);
}

TEST_F(queue, each_ends_once)
{
	struct ring *ring = door_ring();
	struct request requests[4];
	struct weir_settle settle = { .count = 1 };
	int fd = waiting_fd(self), ret, i, got = 0, parked = 0, ended = 0;
	int rounds = raw_rounds(3000);
	pid_t child = proc_fork();
	bool over = false;
	__u64 data;

	if (!child)
		send_and_cancel(self, fd, rounds);
	while (!over || parked) {
		for (i = 0; i < 4 && !over && parked < 4; i++) {
			/* Those that ended begin again. */
			if (parked == 4 || ended & (1 << i))
				continue;
			request_make(&requests[i], i == 3 ? 100000 : -1);
			request_queue(ring, fd, &requests[i], i);
			ended |= 1 << i;
			parked++;
		}
		ret = ring_next(ring, &data);
		ASSERT_LT(data, 4);
		ASSERT_TRUE(ended & (1 << data));
		ended &= ~(1 << data);
		parked--;
		if (ret == 1) {
			settle.runs = raw_address(&requests[data].run);
			ASSERT_EQ(1, raw_ioctl(fd, WEIR_IOC_SETTLE, &settle));
			got++;
		} else {
			ASSERT_TRUE(ret == -ECANCELED || ret == -ETIMEDOUT);
		}
		if (!over && waitpid(child, &ret, WNOHANG) == child) {
			EXPECT_EQ(0, ret);
			over = true;
			cancel(fd, NULL);
		}
	}
	EXPECT_EQ(rounds, got + raw_figure(self->name, "depth"));
	EXPECT_EQ(0, raw_figure(self->name, "waiters"));
	EXPECT_EQ(0, raw_figure(self->name, "leased"));
}

/* I5: the SQE is shared memory. What is done is what one of its states says. */
static void *shake_sqe(void *argument)
{
	volatile struct weir_uring_cmd *cmd = argument;
	__u64 addr = cmd->addr;

	for (;;) {
		cmd->addr = 8;
		cmd->len = 0xffffffff;
		cmd->flags = 1;
		cmd->flags = 0;
		cmd->len = sizeof(struct weir_fetch);
		cmd->addr = addr;
	}
	return NULL;
}

TEST_F(queue, sqe_changes)
{
	static const int allowed[] = { 1, -EINVAL, -EFAULT, -E2BIG };
	struct io_uring_sqe *sqe;
	struct request request;
	struct ring ring;
	pthread_t thread;
	int i, got = 0, ret, rounds = raw_rounds(3000);
	size_t j;

	/* One entry, so that it is always the same. */
	ASSERT_EQ(0, ring_make(&ring, 1, 0));
	request_make(&request, 0);
	sqe = ring_sqe(&ring);
	((struct weir_uring_cmd *)sqe->cmd)->addr = raw_address(&request.fetch);
	ASSERT_EQ(0, pthread_create(&thread, NULL, shake_sqe, sqe->cmd));
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(1, raw_write(self->writer, "x", 1));
		request_make(&request, 0);
		sqe->opcode = IORING_OP_URING_CMD;
		sqe->fd = self->reader;
		sqe->cmd_op = WEIR_IOC_FETCH;
		ring_push(&ring);
		ret = ring_next(&ring, NULL);
		for (j = 0; j < ARRAY_SIZE(allowed) && ret != allowed[j]; j++)
			;
		ASSERT_LT(j, ARRAY_SIZE(allowed)) {
			TH_LOG("%d", ret);
		}
		got += ret == 1;
	}
	EXPECT_EQ(rounds - got, raw_figure(self->name, "depth"));
	EXPECT_EQ(got, raw_figure(self->name, "leased"));
	pthread_cancel(thread);
}

/* Two rings, and commands that end commands of the other, all at once (I22). */
static void cross(FIXTURE_DATA(queue) *self, int fd, struct request *mine, int rounds)
{
	struct weir_cancel all = { 0 };
	struct weir_message message = { .data = raw_address("x"), .len = 1 };
	struct weir_send send = { .messages = raw_address(&message), .count = 1 };
	struct ring *ring = door_ring();
	int i, n, ret;

	for (i = 0; i < rounds; i++) {
		request_make(mine, -1);
		mine->fetch.max_messages = 100;
		request_queue(ring, fd, mine, 1);
		ring_command(ring, self->writer, WEIR_IOC_SEND, &send, sizeof(send), 2);
		ring_command(ring, fd, WEIR_IOC_CANCEL, &all, sizeof(all), 3);
		for (n = 0; n < 3; n++) {
			ret = ring_next(ring, NULL);
			if (ret < 0 && ret != -ECANCELED && ret != -EAGAIN)
				_exit(1);
		}
	}
	_exit(0);
}

TEST_F(queue, across_rings)
{
	struct request *requests = proc_shared(3 * sizeof(*requests));
	int fd = waiting_fd(self), i, rounds = raw_rounds(700);
	pid_t children[3];

	for (i = 0; i < 3; i++) {
		children[i] = proc_fork();
		if (!children[i])
			cross(self, fd, &requests[i], rounds);
	}
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, proc_wait(children[i]));
	wait_until(raw_figure(self->name, "leased") == 0);
	EXPECT_EQ(3 * rounds, raw_figure(self->name, "sent"));
	EXPECT_EQ(3 * rounds, raw_figure(self->name, "depth") + raw_figure(self->name, "settled"));
}

TEST_HARNESS_MAIN
