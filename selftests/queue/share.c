// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * One open file in several processes, inherited or passed, and who counts as a
 * consumer and as waiting.
 */
#include "../fixture.h"

TEST_F(queue, inherited)
{
	char bytes[16];
	pid_t child;

	raw_write_string(self->writer, "abcdef");
	ASSERT_EQ(2, raw_read(self->reader, bytes, 2));
	child = proc_fork();
	if (!child) {
		/* The rest of what the parent began. */
		if (raw_read(self->reader, bytes, 2) != 2 || memcmp("cd", bytes, 2))
			_exit(1);
		_exit(raw_write_string(self->writer, "next") != 4);
	}
	EXPECT_EQ(0, proc_wait(child));
	/* The child had it last and has ended: it went back whole. */
	wait_until(raw_figure(self->name, "leased") == 0);
	EXPECT_EQ(6, raw_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_EQ(0, memcmp("abcdef", bytes, 6));
	EXPECT_EQ(4, raw_read(self->reader, bytes, sizeof(bytes)));
}

TEST_F(queue, rest_is_taken_over)
{
	char bytes[16];
	pid_t child;

	raw_write_string(self->writer, "abcdef");
	ASSERT_EQ(2, raw_read(self->reader, bytes, 2));
	child = proc_fork();
	if (!child)
		_exit(raw_read(self->reader, bytes, sizeof(bytes)) != 4);
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(1, raw_figure(self->name, "settled"));
	EXPECT_EQ(-EAGAIN, raw_read(self->reader, bytes, sizeof(bytes)));
}

/* A closed copy of the descriptor ends nothing. */
TEST_F(queue, child_closes)
{
	char bytes[16];
	pid_t child;

	raw_write_string(self->writer, "abcdef");
	ASSERT_EQ(2, raw_read(self->reader, bytes, 2));
	child = proc_fork();
	if (!child) {
		close(self->reader);
		_exit(0);
	}
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	EXPECT_EQ(4, raw_read(self->reader, bytes, sizeof(bytes)));
}

TEST_F(queue, passed)
{
	int sockets[2], fd;
	char bytes[16];
	pid_t child;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	raw_write_string(self->writer, "abcdef");
	child = proc_fork();
	if (!child) {
		fd = proc_receive_fd(sockets[1]);
		_exit(raw_read(fd, bytes, sizeof(bytes)) != 6);
	}
	ASSERT_EQ(0, proc_pass_fd(sockets[0], self->reader));
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(1, raw_figure(self->name, "settled"));
}

/* Open as long as it is under way: destroy refuses, the message stays out. */
TEST_F(queue, under_way)
{
	int sockets[2], fd;
	char bytes[16];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	raw_write_string(self->writer, "abcdef");
	ASSERT_EQ(2, raw_read(self->reader, bytes, 2));
	ASSERT_EQ(0, proc_pass_fd(sockets[0], self->reader));
	close(self->reader);
	close(self->writer);
	EXPECT_EQ(-EBUSY, raw_destroy(self->name));
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	fd = proc_receive_fd(sockets[1]);
	ASSERT_LE(0, fd);
	EXPECT_EQ(4, raw_read(fd, bytes, sizeof(bytes)));
	EXPECT_EQ(0, memcmp("cdef", bytes, 4));
}

/* Nobody receives it: with the sockets goes the file, and back goes the message. */
TEST_F(queue, lost_under_way)
{
	int sockets[2];
	char byte;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	raw_write_string(self->writer, "abcdef");
	ASSERT_EQ(1, raw_read(self->reader, &byte, 1));
	ASSERT_EQ(0, proc_pass_fd(sockets[0], self->reader));
	close(self->reader);
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	close(sockets[0]);
	close(sockets[1]);
	wait_until(raw_figure(self->name, "leased") == 0);
	EXPECT_EQ(1, raw_figure(self->name, "depth"));
}

/* Several processes read in parts through one open file: no byte is lost or doubled. */
TEST_F(queue, read_in_parts_by_several)
{
	unsigned int *bytes_read = proc_shared(sizeof(*bytes_read));
	pid_t children[4];
	char bytes[64];
	size_t i;
	int n;

	memset(bytes, 'x', sizeof(bytes));
	for (i = 0; i < 200; i++)
		ASSERT_EQ(40, raw_write(self->writer, bytes, 40));
	for (i = 0; i < ARRAY_SIZE(children); i++) {
		children[i] = proc_fork();
		if (children[i])
			continue;
		while ((n = raw_read(self->reader, bytes, 7)) > 0)
			__atomic_add_fetch(bytes_read, n, __ATOMIC_SEQ_CST);
		_exit(n != -EAGAIN);
	}
	for (i = 0; i < ARRAY_SIZE(children); i++)
		EXPECT_EQ(0, proc_wait(children[i]));
	/*
	 * A message of which two had a part at once, or whose holder ended, began
	 * anew; then its first bytes were read twice.
	 */
	wait_until(raw_figure(self->name, "leased") == 0);
	while ((n = raw_read(self->reader, bytes, sizeof(bytes))) > 0)
		*bytes_read += n;
	EXPECT_LE(200 * 40, *bytes_read);
	EXPECT_EQ(200, raw_figure(self->name, "settled"));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
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
		raw_write_string(self->writer, "x");
	EXPECT_EQ(0, raw_figure(self->name, "consumers"));
	ASSERT_EQ(1, raw_read(self->reader, &byte, 1));
	ASSERT_EQ(1, raw_read(self->reader, &byte, 1));
	EXPECT_EQ(1, raw_figure(self->name, "consumers"));
	ASSERT_EQ(1, raw_read(other, &byte, 1));
	EXPECT_EQ(2, raw_figure(self->name, "consumers"));
	child = proc_fork();
	if (!child) {
		raw_read(self->reader, &byte, 1);
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
	pid_t child;
	char byte;
	int i;

	for (i = 0; i < 3; i++)
		raw_write_string(self->writer, "xy");
	ASSERT_EQ(1, raw_read(self->reader, &byte, 1));
	child = proc_fork();
	if (!child)
		_exit(raw_read(raw_open(self->name, O_RDONLY), &byte, 1) != 1);
	EXPECT_EQ(0, proc_wait(child));
	wait_until(raw_figure(self->name, "leased") == 1);
	EXPECT_EQ(1, raw_read(self->reader, &byte, 1));
	EXPECT_EQ('y', byte);
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
			_exit(raw_read(fd, &byte, 1) != 1);
		wait_waiters(self->name, i + 1);
	}
	proc_kill(readers[0]);
	EXPECT_EQ(2, raw_figure(self->name, "waiters"));
	for (i = 1; i < 3; i++)
		raw_write_string(self->writer, "x");
	for (i = 1; i < 3; i++)
		EXPECT_EQ(0, proc_wait(readers[i]));
	EXPECT_EQ(0, raw_figure(self->name, "waiters"));
}

TEST_HARNESS_MAIN
