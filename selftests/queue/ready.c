// SPDX-License-Identifier: GPL-2.0 OR MIT
/* poll, select and epoll: what is ready, who is told, and when (I21, I48). */
#include <sys/epoll.h>
#include <sys/select.h>

#define QUEUE_DOORS
#include "../fixture.h"

#define IN	(POLLIN | POLLRDNORM)
#define OUT	(POLLOUT | POLLWRNORM)
#define GONE	(POLLERR | POLLHUP)

TEST_F(queue, states)
{
	int both = raw_open(self->name, O_RDWR | O_NONBLOCK);
	struct weir_run run;

	EXPECT_EQ(0, raw_poll(self->reader, IN | OUT));
	EXPECT_EQ(OUT, raw_poll(self->writer, IN | OUT));
	EXPECT_EQ(OUT, raw_poll(both, IN | OUT));
	door_write_string(self->writer, "ab");
	EXPECT_EQ(IN, raw_poll(self->reader, IN | OUT));
	EXPECT_EQ(OUT, raw_poll(self->writer, IN | OUT));
	EXPECT_EQ(IN | OUT, raw_poll(both, IN | OUT));
	/* The rest of a message is for who began it. */
	ASSERT_EQ(0, door_hold(self->reader, &run));
	EXPECT_EQ(door_now == DOOR_RW ? IN : 0, raw_poll(self->reader, IN | OUT));
	EXPECT_EQ(OUT, raw_poll(both, IN | OUT));
	ASSERT_EQ(0, door_settle(self->reader, &run));
	EXPECT_EQ(0, raw_poll(self->reader, IN | OUT));
}

TEST_F(queue, full)
{
	char bytes[8];

	ASSERT_EQ(0, queue_remake(self, 2, 4096));
	door_write_string(self->writer, "a");
	EXPECT_EQ(OUT, raw_poll(self->writer, OUT));
	door_write_string(self->writer, "b");
	EXPECT_EQ(0, raw_poll(self->writer, OUT));
	ASSERT_EQ(1, door_read(self->reader, bytes, 8));
	EXPECT_EQ(OUT, raw_poll(self->writer, OUT));
}

TEST_F(queue, destroyed)
{
	ASSERT_EQ(0, raw_destroy_force(self->name));
	EXPECT_EQ(GONE, raw_poll(self->reader, 0) & GONE);
	EXPECT_EQ(GONE, raw_poll(self->writer, 0) & GONE);
}

TEST_F(queue, select_too)
{
	struct timeval now = { 0 };
	fd_set readable;

	door_write_string(self->writer, "x");
	FD_ZERO(&readable);
	FD_SET(self->reader, &readable);
	EXPECT_EQ(1, select(self->reader + 1, &readable, NULL, NULL, &now));
}

/* Waits for @events in a child; its status is 0 if they came. */
static pid_t poller(int fd, short events, struct gate *gate)
{
	struct pollfd pollfd = { .fd = 0, .events = events };
	pid_t child = proc_fork();

	if (child)
		return child;
	gate_open(gate);
	dup2(fd, 0);
	proc_close_files();
	if (poll(&pollfd, 1, -1) != 1)
		_exit(2);
	_exit((pollfd.revents & events) != events);
}

static pid_t asleep_poller(int fd, short events)
{
	struct gate gate;
	pid_t child;

	if (gate_make(&gate))
		return -1;
	child = poller(fd, events, &gate);
	gate_wait(&gate);
	wait_until(proc_state(child) == 'S');
	close(gate.fds[0]);
	close(gate.fds[1]);
	return child;
}

/* Polling takes nothing, so all who poll are told. */
TEST_F(queue, wakes_all)
{
	pid_t children[5];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(children); i++)
		children[i] = asleep_poller(self->reader, IN);
	door_write_string(self->writer, "x");
	for (i = 0; i < ARRAY_SIZE(children); i++)
		EXPECT_EQ(0, proc_wait(children[i]));
}

TEST_F(queue, wakes_for_room)
{
	pid_t child;
	char byte;

	ASSERT_EQ(0, queue_remake(self, 1, 4096));
	door_write_string(self->writer, "x");
	child = asleep_poller(self->writer, OUT);
	ASSERT_EQ(1, door_read(self->reader, &byte, 1));
	EXPECT_EQ(0, proc_wait(child));
}

TEST_F(queue, wakes_for_what_is_put_back)
{
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	struct weir_run run;
	pid_t child;

	door_write_string(self->writer, "xy");
	ASSERT_EQ(0, door_hold(other, &run));
	child = asleep_poller(self->reader, IN);
	close(other);
	EXPECT_EQ(0, proc_wait(child));
}

TEST_F(queue, wakes_for_the_end)
{
	pid_t child = asleep_poller(self->reader, IN | GONE);
	pid_t other = asleep_poller(self->reader, GONE);

	kill(child, SIGKILL);
	proc_wait(child);
	ASSERT_EQ(0, raw_destroy_force(self->name));
	EXPECT_EQ(0, proc_wait(other));
}

/*
 * A reader that blocks and one that polls: the blocked one does not use up the
 * message that the other is told of, nor the other way round.
 */
TEST_F(queue, wakes_pollers_and_readers)
{
	pid_t polls, reads;
	char bytes[8];
	int fd;

	polls = asleep_poller(self->reader, IN);
	fd = raw_open(self->name, O_RDONLY);
	reads = proc_fork();
	if (!reads)
		_exit(door_read(fd, bytes, sizeof(bytes)) != 1);
	wait_waiters(self->name, 1);
	door_write_string(self->writer, "x");
	EXPECT_EQ(0, proc_wait(reads));
	/* The poller may have looked too late; then the next one tells it. */
	door_write_string(self->writer, "x");
	EXPECT_EQ(0, proc_wait(polls));
}

static int epoll_with(int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		return -errno;
	return epoll;
}

static uint32_t epoll_now(int epoll)
{
	struct epoll_event event = { 0 };

	return epoll_wait(epoll, &event, 1, 0) == 1 ? event.events : 0;
}

TEST_F(queue, epoll_level)
{
	int epoll = epoll_with(self->reader, EPOLLIN);
	char byte;

	ASSERT_LE(0, epoll);
	EXPECT_EQ(0, epoll_now(epoll));
	door_write_string(self->writer, "a");
	door_write_string(self->writer, "b");
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
	ASSERT_EQ(1, door_read(self->reader, &byte, 1));
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
	ASSERT_EQ(1, door_read(self->reader, &byte, 1));
	EXPECT_EQ(0, epoll_now(epoll));
	ASSERT_EQ(0, raw_destroy_force(self->name));
	EXPECT_EQ(EPOLLERR | EPOLLHUP, epoll_now(epoll) & (EPOLLERR | EPOLLHUP));
}

/* Each message is an edge, also where there was one before. */
TEST_F(queue, epoll_edge)
{
	int epoll = epoll_with(self->reader, EPOLLIN | EPOLLET);
	char byte;

	ASSERT_LE(0, epoll);
	door_write_string(self->writer, "a");
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
	EXPECT_EQ(0, epoll_now(epoll));
	door_write_string(self->writer, "b");
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
	ASSERT_EQ(1, door_read(self->reader, &byte, 1));
	ASSERT_EQ(1, door_read(self->reader, &byte, 1));
	EXPECT_EQ(0, epoll_now(epoll));
	door_write_string(self->writer, "c");
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
	ASSERT_EQ(0, raw_destroy_force(self->name));
	EXPECT_LT(0, epoll_now(epoll));
}

TEST_F(queue, epoll_edge_for_room)
{
	int epoll, i;
	char byte;

	ASSERT_EQ(0, queue_remake(self, 2, 4096));
	epoll = epoll_with(self->writer, EPOLLOUT | EPOLLET);
	ASSERT_LE(0, epoll);
	EXPECT_EQ(EPOLLOUT, epoll_now(epoll));
	EXPECT_EQ(0, epoll_now(epoll));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(1, door_write(self->writer, "x", 1));
	EXPECT_EQ(-EAGAIN, door_write(self->writer, "x", 1));
	EXPECT_EQ(0, epoll_now(epoll));
	ASSERT_EQ(1, door_read(self->reader, &byte, 1));
	EXPECT_EQ(EPOLLOUT, epoll_now(epoll));
}

/*
 * The usual loop with edges, in several processes: wait, read until EAGAIN. If
 * one edge were lost, or a message hidden (I48), it would not come to an end.
 */
#define LOOP_MESSAGES	raw_rounds(2000)
#define LOOP_READERS	3

static void edge_loop(const char *name, unsigned int *got)
{
	int fd = raw_open(name, O_RDONLY | O_NONBLOCK);
	int epoll = epoll_with(fd, EPOLLIN | EPOLLET);
	struct epoll_event event;
	char bytes[8];

	for (;;) {
		if (epoll_wait(epoll, &event, 1, -1) != 1)
			continue;
		while (door_read(fd, bytes, sizeof(bytes)) == 4)
			__atomic_add_fetch(got, 1, __ATOMIC_SEQ_CST);
	}
}

TEST_F(queue, epoll_edge_loop)
{
	unsigned int *got = proc_shared(sizeof(*got));
	pid_t children[LOOP_READERS];
	int i;

	for (i = 0; i < LOOP_READERS; i++) {
		children[i] = proc_fork();
		if (!children[i])
			edge_loop(self->name, got);
	}
	for (i = 0; i < LOOP_MESSAGES; i++)
		ASSERT_EQ(4, door_write(self->writer, &i, 4));
	wait_until(__atomic_load_n(got, __ATOMIC_SEQ_CST) == LOOP_MESSAGES);
	for (i = 0; i < LOOP_READERS; i++)
		proc_kill(children[i]);
	EXPECT_EQ(LOOP_MESSAGES, *got);
}

/* I21: what is polled may be closed by others, and destroyed, meanwhile. */
TEST_F(queue, closed_while_polled)
{
	int i, fd, epoll, rounds = raw_rounds(100);
	pid_t child;

	for (i = 0; i < rounds; i++) {
		fd = raw_open(self->name, O_RDWR | O_NONBLOCK);
		ASSERT_LE(0, fd);
		epoll = epoll_with(fd, EPOLLIN | EPOLLET);
		child = proc_fork();
		if (!child) {
			struct epoll_event event;

			/* This copy of the epoll outlives our descriptor. */
			close(fd);
			epoll_wait(epoll, &event, 1, -1);
			_exit(0);
		}
		close(fd);
		ASSERT_EQ(1, door_write(self->writer, "x", 1));
		close(epoll);
		proc_kill(child);
	}
	EXPECT_EQ(rounds, raw_purge(self->name));
}

/*
 * I48: "empty" is never the answer while a message is there throughout the call.
 * As many reads begin as there are messages, so each must find one.
 */
#define FULL_MESSAGES	((unsigned int)raw_rounds(3000))
#define FULL_READERS	4

TEST_F(queue, never_falsely_empty)
{
	unsigned int *tickets = proc_shared(sizeof(*tickets));
	pid_t children[FULL_READERS];
	char bytes[8];
	int i;

	for (i = 0; i < FULL_MESSAGES; i++)
		ASSERT_EQ(4, door_write(self->writer, &i, 4));
	for (i = 0; i < FULL_READERS; i++) {
		children[i] = proc_fork();
		if (children[i])
			continue;
		while (__atomic_fetch_add(tickets, 1, __ATOMIC_SEQ_CST) < FULL_MESSAGES) {
			if (!(raw_poll(self->reader, IN) & IN))
				_exit(1);
			if (door_read(self->reader, bytes, sizeof(bytes)) != 4)
				_exit(2);
		}
		_exit(0);
	}
	for (i = 0; i < FULL_READERS; i++)
		EXPECT_EQ(0, proc_wait(children[i]));
	EXPECT_EQ(0, raw_figure(self->name, "depth"));
}

TEST_HARNESS_MAIN
