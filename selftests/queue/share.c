// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * One open file in several processes, inherited or passed, and who counts as a
 * consumer and as waiting.
 */
#define QUEUE_DOORS
#include "../fixture.h"

TEST_F(queue, taken_over)
{
	struct weir_run run;
	char bytes[16];
	pid_t child;

	door_write_string(self->writer, "abcdef");
	ASSERT_EQ(0, door_hold(self->reader, &run));
	child = proc_fork();
	if (!child)
		_exit(door_settle(self->reader, &run));
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(1, raw_figure(self->name, "settled"));
	EXPECT_EQ(-EAGAIN, door_read(self->reader, bytes, sizeof(bytes)));
}

static void *read_part(void *fd)
{
	char bytes[3];

	return (void *)raw_read(*(int *)fd, bytes, sizeof(bytes));
}

/* Two wait on one description for one message, and each has a part of it. */
TEST_F(queue, rest_for_one_who_waits)
{
	int i, fd = raw_open(self->name, O_RDONLY);
	pthread_t threads[2];
	void *ret;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, read_part, &fd));
	wait_waiters(self->name, 2);
	ASSERT_EQ(6, raw_write_string(self->writer, "abcdef"));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_join(threads[i], &ret));
		EXPECT_EQ(3, (long)ret);
	}
	EXPECT_EQ(1, raw_figure(self->name, "settled"));
}

/* A closed copy of the descriptor ends nothing. */
TEST_F(queue, child_closes)
{
	struct weir_run run;
	pid_t child;

	door_write_string(self->writer, "abcdef");
	ASSERT_EQ(0, door_hold(self->reader, &run));
	child = proc_fork();
	if (!child) {
		close(self->reader);
		_exit(0);
	}
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	EXPECT_EQ(0, door_settle(self->reader, &run));
	EXPECT_EQ(1, raw_figure(self->name, "settled"));
}

TEST_F(queue, passed)
{
	int sockets[2], fd;
	char bytes[16];
	pid_t child;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	door_write_string(self->writer, "abcdef");
	child = proc_fork();
	if (!child) {
		fd = proc_receive_fd(sockets[1]);
		_exit(door_read(fd, bytes, sizeof(bytes)) != 6);
	}
	ASSERT_EQ(0, proc_pass_fd(sockets[0], self->reader));
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(1, raw_figure(self->name, "settled"));
}

/* Open as long as it is under way: destroy refuses, the message stays out. */
TEST_F(queue, under_way)
{
	struct weir_run run;
	int sockets[2], fd;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	door_write_string(self->writer, "abcdef");
	ASSERT_EQ(0, door_hold(self->reader, &run));
	ASSERT_EQ(0, proc_pass_fd(sockets[0], self->reader));
	close(self->reader);
	close(self->writer);
	EXPECT_EQ(-EBUSY, raw_destroy(self->name));
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	fd = proc_receive_fd(sockets[1]);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, door_settle(fd, &run));
	EXPECT_EQ(1, raw_figure(self->name, "settled"));
}

/* Nobody receives it: with the sockets goes the file, and back goes the message. */
TEST_F(queue, lost_under_way)
{
	struct weir_run run;
	int sockets[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	door_write_string(self->writer, "abcdef");
	ASSERT_EQ(0, door_hold(self->reader, &run));
	ASSERT_EQ(0, proc_pass_fd(sockets[0], self->reader));
	close(self->reader);
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	close(sockets[0]);
	close(sockets[1]);
	wait_until(raw_figure(self->name, "leased") == 0);
	EXPECT_EQ(1, raw_figure(self->name, "depth"));
}

/* A consumer is a process and an open file. */
TEST_F(queue, consumers)
{
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	struct gate gate;
	pid_t child;
	char byte;
	int i;

	ASSERT_EQ(0, gate_make(&gate));
	for (i = 0; i < 10; i++)
		door_write_string(self->writer, "x");
	EXPECT_EQ(0, raw_figure(self->name, "consumers"));
	ASSERT_EQ(1, door_read(self->reader, &byte, 1));
	ASSERT_EQ(1, door_read(self->reader, &byte, 1));
	EXPECT_EQ(1, raw_figure(self->name, "consumers"));
	ASSERT_EQ(1, door_read(other, &byte, 1));
	EXPECT_EQ(2, raw_figure(self->name, "consumers"));
	child = proc_fork();
	if (!child) {
		door_read(self->reader, &byte, 1);
		gate_open(&gate);
		for (;;)
			pause();
	}
	gate_wait(&gate);
	EXPECT_EQ(3, raw_figure(self->name, "consumers"));
	proc_kill(child);
	wait_until(raw_figure(self->name, "consumers") == 2);
	close(other);
	EXPECT_EQ(1, raw_figure(self->name, "consumers"));
	close(self->reader);
	EXPECT_EQ(0, raw_figure(self->name, "consumers"));
}

/* A child that ends ends no more than what was its own. */
TEST_F(queue, child_ends)
{
	struct weir_run run, next;
	pid_t child;
	int i;

	for (i = 0; i < 3; i++)
		door_write_string(self->writer, "xy");
	ASSERT_EQ(0, door_hold(self->reader, &run));
	child = proc_fork();
	if (!child)
		_exit(door_hold(raw_open(self->name, O_RDONLY), &next));
	EXPECT_EQ(0, proc_wait(child));
	wait_until(raw_figure(self->name, "leased") == 1);
	EXPECT_EQ(0, door_settle(self->reader, &run));
	EXPECT_EQ(1, raw_figure(self->name, "settled"));
}

TEST_F(queue, waiters)
{
	pid_t readers[3];
	int i, fd = raw_open(self->name, O_RDONLY);
	char byte;

	EXPECT_EQ(0, raw_figure(self->name, "waiters"));
	for (i = 0; i < 3; i++) {
		readers[i] = proc_fork();
		if (!readers[i])
			_exit(door_read(fd, &byte, 1) != 1);
		wait_waiters(self->name, i + 1);
	}
	proc_kill(readers[0]);
	/* A ring may end after its process. */
	wait_waiters(self->name, 2);
	for (i = 1; i < 3; i++)
		door_write_string(self->writer, "x");
	for (i = 1; i < 3; i++)
		EXPECT_EQ(0, proc_wait(readers[i]));
	EXPECT_EQ(0, raw_figure(self->name, "waiters"));
}

TEST_HARNESS_MAIN
