// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Waiting for a message and for room: who waits, and who is woken. */
#define QUEUE_DOORS
#include "../fixture.h"

/* A child whose end tells whether the read gave @expect. */
static pid_t reader(const char *name, long expect)
{
	pid_t child = proc_fork();
	char bytes[64];

	if (child)
		return child;
	proc_close_files();
	_exit(door_read(raw_open(name, O_RDONLY), bytes, sizeof(bytes)) != expect);
}

static pid_t writer(const char *name, size_t length, long expect)
{
	static char bytes[65536];
	pid_t child = proc_fork();

	if (child)
		return child;
	_exit(door_write(raw_open(name, O_WRONLY), bytes, length) != expect);
}

TEST_F(queue, empty_now)
{
	char byte;

	EXPECT_EQ(-EAGAIN, door_read(self->reader, &byte, 1));
	EXPECT_EQ(0, raw_figure(self->name, "waiters"));
}

TEST_F(queue, full_by_count)
{
	struct weir_run run;
	int i;

	ASSERT_EQ(0, queue_remake(self, 5, 0));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(2, door_write(self->writer, "xy", 2));
	EXPECT_EQ(-EAGAIN, door_write(self->writer, "x", 1));
	/* What is leased still counts. */
	ASSERT_EQ(0, door_hold(self->reader, &run));
	EXPECT_EQ(-EAGAIN, door_write(self->writer, "x", 1));
	ASSERT_EQ(0, door_settle(self->reader, &run));
	EXPECT_EQ(1, door_write(self->writer, "x", 1));
	EXPECT_EQ(-EAGAIN, door_write(self->writer, "x", 1));
}

TEST_F(queue, full_by_bytes)
{
	char bytes[1024] = { 0 };

	ASSERT_EQ(0, queue_remake(self, 0, 4096));
	ASSERT_EQ(1024, door_write(self->writer, bytes, 1024));
	ASSERT_EQ(1024, door_write(self->writer, bytes, 1024));
	ASSERT_EQ(1024, door_write(self->writer, bytes, 1024));
	ASSERT_EQ(961, door_write(self->writer, bytes, 961));
	EXPECT_EQ(-EAGAIN, door_write(self->writer, bytes, 1));
	ASSERT_EQ(1024, door_read(self->reader, bytes, 1024));
	ASSERT_EQ(64, door_write(self->writer, bytes, 64));
	EXPECT_EQ(-EAGAIN, door_write(self->writer, bytes, 961));
	ASSERT_EQ(896, door_write(self->writer, bytes, 896));
	EXPECT_EQ(-EAGAIN, door_write(self->writer, bytes, 65));
	EXPECT_EQ(64, door_write(self->writer, bytes, 64));
	EXPECT_EQ(-EAGAIN, door_write(self->writer, bytes, 1));
}

TEST_F(queue, reader_waits)
{
	pid_t child = reader(self->name, 5);

	wait_waiters(self->name, 1);
	EXPECT_EQ(5, door_write_string(self->writer, "hello"));
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(0, raw_figure(self->name, "waiters"));
	EXPECT_EQ(0, raw_figure(self->name, "depth"));
}

TEST_F(queue, writer_waits_for_count)
{
	char bytes[64];
	pid_t child;

	ASSERT_EQ(0, queue_remake(self, 1, 4096));
	door_write_string(self->writer, "x");
	child = writer(self->name, 5, 5);
	wait_waiters(self->name, 1);
	EXPECT_EQ(1, door_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(5, door_read(self->reader, bytes, sizeof(bytes)));
}

/* One that needs much is woken when there is much, though small ones go meanwhile. */
TEST_F(queue, writer_waits_for_bytes)
{
	char bytes[1024] = { 0 };
	pid_t child;
	int i;

	ASSERT_EQ(0, queue_remake(self, 0, 4096));
	for (i = 0; i < 64; i++)
		ASSERT_EQ(1, door_write(self->writer, bytes, 1));
	child = writer(self->name, 1024, 1024);
	wait_waiters(self->name, 1);
	for (i = 0; i < 15; i++) {
		ASSERT_EQ(1, door_read(self->reader, bytes, sizeof(bytes)));
		ASSERT_EQ(1, raw_figure(self->name, "waiters"));
	}
	ASSERT_EQ(1, door_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(4096, raw_figure(self->name, "bytes"));
}

/* A wake-up is not lost on one who cannot use it. */
TEST_F(queue, small_one_passes_large_one)
{
	char bytes[1024] = { 0 };
	pid_t large, small;
	int i;

	ASSERT_EQ(0, queue_remake(self, 0, 4096));
	for (i = 0; i < 64; i++)
		ASSERT_EQ(1, door_write(self->writer, bytes, 1));
	large = writer(self->name, 1024, 1024);
	wait_waiters(self->name, 1);
	small = writer(self->name, 3, 3);
	wait_waiters(self->name, 2);
	ASSERT_EQ(1, door_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_EQ(0, proc_wait(small));
	for (i = 0; i < 17; i++)
		ASSERT_EQ(1, door_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_EQ(0, proc_wait(large));
}

/*
 * There is room, in pieces: a large one waits until pages side by side are free, also
 * when it has looked behind them in vain before.
 */
TEST_F(queue, writer_waits_for_neighbours)
{
	enum { PARTS = 4, UNITS = 460 };
	static char bytes[32768];
	struct weir_run parts[PARTS], part, run;
	int readers[3 * PARTS + 1], i;
	pid_t child;

	ASSERT_EQ(0, queue_remake(self, 0, 128 << 10));
	for (i = 0; i < 3 * PARTS + 1; i++)
		readers[i] = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	/* What is small holds its page, between large ones. */
	for (i = 0; i < PARTS; i++) {
		ASSERT_EQ(2, door_write(self->writer, bytes, 2));
		ASSERT_EQ(0, door_hold(readers[i], &run));
		ASSERT_EQ(511 * 64, door_write(self->writer, bytes, 511 * 64));
		ASSERT_EQ(0, door_hold(readers[PARTS + i], &parts[i]));
	}
	for (i = 0; i < PARTS - 1; i++)
		ASSERT_EQ(0, door_settle(readers[PARTS + i], &parts[i]));
	for (i = 0; i < PARTS; i++) {
		ASSERT_EQ(UNITS * 64, door_write(self->writer, bytes, UNITS * 64));
		ASSERT_EQ(0, door_hold(readers[3 * PARTS], &part));
		ASSERT_EQ(2, door_write(self->writer, bytes, 2));
		ASSERT_EQ(0, door_hold(readers[2 * PARTS + i], &run));
		ASSERT_EQ(0, door_settle(readers[3 * PARTS], &part));
	}
	EXPECT_EQ(-EAGAIN, door_write(self->writer, bytes, sizeof(bytes)));
	child = writer(self->name, sizeof(bytes), sizeof(bytes));
	wait_waiters(self->name, 1);
	ASSERT_EQ(0, door_settle(readers[2 * PARTS - 1], &parts[PARTS - 1]));
	EXPECT_EQ(0, proc_wait(child));
}

/* Each of those who wait gets one. */
TEST_F(queue, each_reader_is_woken)
{
	pid_t children[12];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(children); i++)
		children[i] = reader(self->name, 3);
	wait_waiters(self->name, (int)ARRAY_SIZE(children));
	for (i = 0; i < ARRAY_SIZE(children); i++)
		ASSERT_EQ(3, door_write(self->writer, "abc", 3));
	for (i = 0; i < ARRAY_SIZE(children); i++)
		EXPECT_EQ(0, proc_wait(children[i]));
	EXPECT_EQ(0, raw_figure(self->name, "depth"));
	EXPECT_EQ(0, raw_figure(self->name, "redelivered"));
}

/* Many messages come back at one moment: that wakes all whom they serve. */
TEST_F(queue, put_back_wakes_readers)
{
	int holders[6];
	pid_t children[6];
	struct weir_run run;
	size_t i;

	for (i = 0; i < 6; i++) {
		ASSERT_EQ(2, door_write(self->writer, "ab", 2));
		holders[i] = raw_open(self->name, O_RDONLY);
		ASSERT_EQ(0, door_hold(holders[i], &run));
	}
	for (i = 0; i < 6; i++)
		children[i] = reader(self->name, 2);
	wait_waiters(self->name, 6);
	for (i = 0; i < 6; i++)
		close(holders[i]);
	for (i = 0; i < 6; i++)
		EXPECT_EQ(0, proc_wait(children[i]));
}

TEST_F(queue, each_writer_is_woken)
{
	pid_t children[12];
	char bytes[64];
	size_t i;

	ASSERT_EQ(0, queue_remake(self, 2, 4096));
	door_write_string(self->writer, "x");
	door_write_string(self->writer, "x");
	for (i = 0; i < ARRAY_SIZE(children); i++)
		children[i] = writer(self->name, 3, 3);
	wait_waiters(self->name, (int)ARRAY_SIZE(children));
	close(self->reader);
	self->reader = raw_open(self->name, O_RDONLY);
	for (i = 0; i < ARRAY_SIZE(children) + 2; i++)
		ASSERT_LT(0, door_read(self->reader, bytes, sizeof(bytes)));
	for (i = 0; i < ARRAY_SIZE(children); i++)
		EXPECT_EQ(0, proc_wait(children[i]));
}

/* Those who wait are served in turn: nobody starves. */
#define FAIR_READERS	4
#define FAIR_ROUNDS	100

TEST_F(queue, readers_take_turns)
{
	unsigned int *got = proc_shared(sizeof(*got) * FAIR_READERS);
	pid_t children[FAIR_READERS];
	unsigned int total = 0, least;
	char bytes[16];
	int i;

	for (i = 0; i < FAIR_READERS; i++) {
		children[i] = proc_fork();
		if (!children[i]) {
			int fd = raw_open(self->name, O_RDONLY);

			while (door_read(fd, bytes, sizeof(bytes)) == 3)
				__atomic_add_fetch(&got[i], 1, __ATOMIC_SEQ_CST);
			_exit(0);
		}
	}
	for (i = 0; i < FAIR_ROUNDS; i++) {
		wait_waiters(self->name, FAIR_READERS);
		ASSERT_EQ(3, door_write(self->writer, "abc", 3));
		wait_until(raw_figure(self->name, "settled") == i + 1);
	}
	wait_waiters(self->name, FAIR_READERS);
	/* Others are told as well of one that a command in a ring does not come for. */
	least = FAIR_ROUNDS / FAIR_READERS;
	least = door_now == DOOR_URING ? 3 * least / 4 : least - 1;
	for (i = 0; i < FAIR_READERS; i++) {
		total += got[i];
		EXPECT_LE(least, got[i]);
		proc_kill(children[i]);
	}
	EXPECT_EQ(FAIR_ROUNDS, total);
}

/* A wake-up that meets one who is being killed goes to another. */
TEST_F(queue, wake_up_meets_a_kill)
{
	pid_t victim, survivor;
	long long settled;
	int i, rounds = raw_rounds(60);

	for (i = 0; i < rounds; i++) {
		victim = reader(self->name, 3);
		wait_waiters(self->name, 1);
		survivor = reader(self->name, 3);
		wait_waiters(self->name, 2);
		settled = raw_figure(self->name, "settled");
		if (i % 2)
			kill(victim, SIGKILL);
		ASSERT_EQ(3, door_write(self->writer, "abc", 3));
		proc_kill(victim);
		/* Whoever took it, nobody had to send another one for that. */
		wait_until(raw_figure(self->name, "settled") == settled + 1);
		ASSERT_EQ(3, door_write(self->writer, "abc", 3));
		ASSERT_EQ(0, proc_wait(survivor));
		ASSERT_LE(0, raw_purge(self->name));
	}
}

/* The same for room. */
TEST_F(queue, room_meets_a_kill)
{
	pid_t victim, survivor;
	char bytes[64];
	int i, rounds = raw_rounds(60);

	ASSERT_EQ(0, queue_remake(self, 1, 4096));
	for (i = 0; i < rounds; i++) {
		door_write_string(self->writer, "x");
		victim = writer(self->name, 3, 3);
		wait_waiters(self->name, 1);
		survivor = writer(self->name, 2, 2);
		wait_waiters(self->name, 2);
		if (i % 2)
			kill(victim, SIGKILL);
		ASSERT_EQ(1, door_read(self->reader, bytes, sizeof(bytes)));
		proc_kill(victim);
		wait_until(raw_figure(self->name, "depth") == 1);
		if (door_read(self->reader, bytes, sizeof(bytes)) == 3) {
			wait_until(raw_figure(self->name, "depth") == 1);
			ASSERT_EQ(2, door_read(self->reader, bytes, sizeof(bytes)));
		}
		ASSERT_EQ(0, proc_wait(survivor));
		ASSERT_EQ(0, raw_figure(self->name, "depth"));
	}
}

TEST_HARNESS_MAIN
