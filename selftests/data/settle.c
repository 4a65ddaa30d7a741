// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * WEIR_IOC_SETTLE. I41: a message is settled once, by who holds it; whatever is
 * late, repeated, guessed or another's is ESTALE and changes nothing.
 */
#define QUEUE_COMMANDS
#include "../fixture.h"

static int settle(int fd, struct weir_run *runs, __u32 count)
{
	struct weir_settle settle = { .runs = raw_address(runs), .count = count };

	return door_command(fd, WEIR_IOC_SETTLE, &settle);
}

/* One run: its status, 0 where all of it was settled. */
static int settle_run(int fd, struct weir_run run, __u32 op)
{
	int ret;

	run.op = op;
	run.status = 1234;
	ret = settle(fd, &run, 1);
	if (ret < 0)
		return ret;
	return ret == (run.status ? 0 : (int)run.count) ? run.status : -EPROTO;
}

/* @count messages as one run, in place. */
static struct weir_run take(FIXTURE_DATA(queue) *self, int fd, int count)
{
	struct weir_run run = { 0 };
	struct weir_fetch fetch = {
		.runs = raw_address(&run), .nr_runs = 1, .max_messages = count,
	};
	int ret = door_command(fd, WEIR_IOC_FETCH, &fetch);

	if (ret != count || run.count != (__u32)count)
		run.count = 0;
	return run;
}

static void fill(FIXTURE_DATA(queue) *self, int count)
{
	while (count--)
		if (raw_write(self->writer, "ab", 2) != 2)
			abort();
}

TEST_F(queue, acknowledges)
{
	struct weir_run run;
	struct weir_info info;

	fill(self, 10);
	run = take(self, self->reader, 10);
	ASSERT_EQ(10, run.count);
	EXPECT_EQ(0, settle_run(self->reader, run, WEIR_ACK));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(10, info.settled);
	EXPECT_EQ(0, info.leased);
	EXPECT_EQ(0, info.bytes);
	ASSERT_ADDS_UP(&info);
}

TEST_F(queue, in_parts_and_any_order)
{
	struct weir_run run, part;
	int i;

	fill(self, 20);
	run = take(self, self->reader, 20);
	ASSERT_EQ(20, run.count);
	for (i = 0; i < 20; i++) {
		part = run;
		part.offset += i * 7 % 20;
		part.slot += i * 7 % 20;
		part.count = 1;
		ASSERT_EQ(0, settle_run(self->reader, part, WEIR_ACK));
		ASSERT_EQ(-ESTALE, settle_run(self->reader, part, WEIR_ACK));
	}
	EXPECT_EQ(20, raw_figure(self->name, "settled"));
}

/* They come back in their old order, before all that was never out (I42). */
TEST_F(queue, releases)
{
	struct weir_run run, part;
	int i;

	fill(self, 20);
	run = take(self, self->reader, 15);
	ASSERT_EQ(15, run.count);
	for (i = 0; i < 15; i++) {
		part = run;
		part.offset += i * 4 % 15;
		part.slot += i * 4 % 15;
		part.count = 1;
		ASSERT_EQ(0, settle_run(self->reader, part, WEIR_RELEASE));
		ASSERT_EQ(-ESTALE, settle_run(self->reader, part, WEIR_RELEASE));
	}
	EXPECT_EQ(0, raw_figure(self->name, "leased"));
	EXPECT_EQ(20, raw_figure(self->name, "depth"));
	for (i = 0; i < 20; i++) {
		part = take(self, self->reader, 1);
		ASSERT_EQ(1, part.count);
		ASSERT_EQ(i, part.offset);
		ASSERT_EQ(i < 15 ? 2 : 1, part.deliveries);
	}
	EXPECT_EQ(15, raw_figure(self->name, "redelivered"));
}

/* Every wrong number. */
TEST_F(queue, wrong_numbers)
{
	struct weir_info before, after;
	struct weir_run run, bad;
	int bit;

	fill(self, 10);
	run = take(self, self->reader, 4);
	ASSERT_EQ(4, run.count);
	ASSERT_EQ(0, raw_info(self->name, &before));
#define STALE(change) do {						\
	bad = run;							\
	change;								\
	ASSERT_EQ(-ESTALE, settle_run(self->reader, bad, WEIR_ACK)) {	\
		TH_LOG(#change);					\
	}								\
	ASSERT_EQ(-ESTALE, settle_run(self->reader, bad, WEIR_RELEASE)); \
} while (0)
	for (bit = 0; bit < 64; bit++)
		STALE(bad.offset ^= 1ULL << bit);
	for (bit = 0; bit < 32; bit++)
		STALE(bad.slot ^= 1U << bit);
	for (bit = 0; bit < 32; bit++)
		STALE(bad.deliveries ^= 1U << bit);
	STALE(bad.count = 5);			/* the fifth is not out */
	STALE(bad.count = WEIR_BATCH_MAX);
	STALE(bad.slot = ~0U);
	STALE(bad.slot = ~0U; bad.count = 2);
	STALE(bad.offset--; bad.slot--);
	STALE(bad.offset++; bad.slot++);	/* past the end by one */
	STALE(bad.offset = ~0ULL; bad.count = 2);
	ASSERT_EQ(0, raw_info(self->name, &after));
	before.oldest_age_ns = after.oldest_age_ns;
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	EXPECT_EQ(0, settle_run(self->reader, run, WEIR_ACK));
}

TEST_F(queue, wrong_fields)
{
	struct weir_run run, runs[2];
	struct weir_settle call = { .runs = raw_address(runs), .count = 2 };
	int bit;

	fill(self, 4);
	run = take(self, self->reader, 4);
	runs[0] = runs[1] = run;
	for (bit = 2; bit < 32; bit++)
		EXPECT_EQ(-EINVAL, settle_run(self->reader, run, 1U << bit));
	EXPECT_EQ(-EINVAL, settle_run(self->reader, run, WEIR_TERM + 1));
	run.count = 0;
	EXPECT_EQ(-EINVAL, settle_run(self->reader, run, WEIR_ACK));
	run.count = WEIR_BATCH_MAX + 1;
	EXPECT_EQ(-EINVAL, settle_run(self->reader, run, WEIR_ACK));
	run.count = ~0U;
	EXPECT_EQ(-EINVAL, settle_run(self->reader, run, WEIR_ACK));
	run.count = 4;
	for (bit = 0; bit < 32; bit++) {
		run.delay_ms = 1U << bit;
		EXPECT_EQ(-EINVAL, settle_run(self->reader, run, WEIR_ACK));
		call.flags = 1U << bit;
		EXPECT_EQ(-EINVAL, door_command(self->reader, WEIR_IOC_SETTLE, &call));
	}
	EXPECT_EQ(-EINVAL, settle(self->reader, runs, 0));
	EXPECT_EQ(-EINVAL, settle(self->reader, runs, WEIR_BATCH_MAX + 1));
	EXPECT_EQ(-EINVAL, settle(self->reader, runs, ~0U));
	EXPECT_EQ(-EFAULT, settle(self->reader, NULL, 1));
	EXPECT_EQ(-EFAULT, settle(self->reader, (void *)-4096L, 1));
	EXPECT_EQ(-EFAULT, door_command(self->reader, WEIR_IOC_SETTLE, NULL));
	EXPECT_EQ(4, raw_figure(self->name, "leased"));
}

/* Each entry of a call has a status of its own. */
TEST_F(queue, mixed)
{
	struct weir_run run, runs[6];
	int i;

	fill(self, 6);
	run = take(self, self->reader, 6);
	ASSERT_EQ(6, run.count);
	for (i = 0; i < 6; i++) {
		runs[i] = run;
		runs[i].offset += i;
		runs[i].slot += i;
		runs[i].count = 1;
		runs[i].status = 99;
	}
	runs[1].deliveries = 7;
	runs[2].op = WEIR_RELEASE;
	runs[3].op = 44;
	runs[4] = runs[0];
	EXPECT_EQ(3, settle(self->reader, runs, 6));
	EXPECT_EQ(0, runs[0].status);
	EXPECT_EQ(-ESTALE, runs[1].status);
	EXPECT_EQ(0, runs[2].status);
	EXPECT_EQ(-EINVAL, runs[3].status);
	EXPECT_EQ(-ESTALE, runs[4].status);
	EXPECT_EQ(0, runs[5].status);
	EXPECT_EQ(2, raw_figure(self->name, "settled"));
	EXPECT_EQ(1, raw_figure(self->name, "depth"));
	EXPECT_EQ(3, raw_figure(self->name, "leased"));
}

/* Whole, or nothing of it. */
TEST_F(queue, one_bad_message_in_a_run)
{
	struct weir_run run, part;
	int i;

	fill(self, 9);
	run = take(self, self->reader, 9);
	ASSERT_EQ(9, run.count);
	for (i = 8; i >= 0; i -= 4) {
		part = run;
		part.offset += i;
		part.slot += i;
		part.count = 1;
		ASSERT_EQ(0, settle_run(self->reader, part, WEIR_ACK));
		EXPECT_EQ(-ESTALE, settle_run(self->reader, run, WEIR_ACK));
		EXPECT_EQ(-ESTALE, settle_run(self->reader, run, WEIR_RELEASE));
	}
	EXPECT_EQ(6, raw_figure(self->name, "leased"));
	EXPECT_EQ(3, raw_figure(self->name, "settled"));
}

/* Leased through one open file, it is nothing to another, nor to one without. */
TEST_F(queue, foreign)
{
	int other = raw_open(self->name, O_RDWR | O_NONBLOCK);
	struct weir_run run;
	pid_t child;

	fill(self, 4);
	run = take(self, self->reader, 4);
	ASSERT_EQ(4, run.count);
	EXPECT_EQ(-ESTALE, settle_run(other, run, WEIR_ACK));
	EXPECT_EQ(-ESTALE, settle_run(other, run, WEIR_RELEASE));
	EXPECT_EQ(-EACCES, settle_run(self->writer, run, WEIR_ACK));
	child = proc_fork();
	if (!child)
		_exit(settle_run(raw_open(self->name, O_RDONLY), run, WEIR_ACK) != -ESTALE);
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(4, raw_figure(self->name, "leased"));
	EXPECT_EQ(0, settle_run(self->reader, run, WEIR_ACK));
}

/* Whoever holds the descriptor may. */
TEST_F(queue, by_another_process)
{
	struct weir_run run;
	pid_t child;

	fill(self, 4);
	run = take(self, self->reader, 4);
	child = proc_fork();
	if (!child)
		_exit(settle_run(self->reader, run, WEIR_ACK) != 0);
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(4, raw_figure(self->name, "settled"));
	EXPECT_EQ(-ESTALE, settle_run(self->reader, run, WEIR_ACK));
}

/* Too late: it went back, and is another delivery now, though to the same one. */
TEST_F(queue, late)
{
	struct weir_run run, again;
	struct gate gate;
	pid_t child;
	struct weir_run *theirs = proc_shared(sizeof(*theirs));

	fill(self, 1);
	run = take(self, self->reader, 1);
	ASSERT_EQ(0, settle_run(self->reader, run, WEIR_RELEASE));
	again = take(self, self->reader, 1);
	ASSERT_EQ(1, again.count);
	EXPECT_EQ(run.offset, again.offset);
	EXPECT_EQ(run.slot, again.slot);
	EXPECT_EQ(-ESTALE, settle_run(self->reader, run, WEIR_ACK));
	ASSERT_EQ(0, settle_run(self->reader, again, WEIR_RELEASE));
	/* The same after the death of its holder, through the same open file. */
	ASSERT_EQ(0, gate_make(&gate));
	child = proc_fork();
	if (!child) {
		*theirs = take(self, self->reader, 1);
		gate_open(&gate);
		for (;;)
			pause();
	}
	gate_wait(&gate);
	proc_kill(child);
	wait_until(raw_figure(self->name, "leased") == 0);
	EXPECT_EQ(-ESTALE, settle_run(self->reader, *theirs, WEIR_ACK));
	again = take(self, self->reader, 1);
	EXPECT_EQ(4, again.deliveries);
	EXPECT_EQ(-ESTALE, settle_run(self->reader, *theirs, WEIR_ACK));
	EXPECT_EQ(0, settle_run(self->reader, again, WEIR_ACK));
}

/* A slot that is used again is not the message that it was. */
TEST_F(queue, slot_used_again)
{
	struct weir_run run, next;
	int i;

	fill(self, 1);
	run = take(self, self->reader, 1);
	ASSERT_EQ(0, settle_run(self->reader, run, WEIR_ACK));
	for (i = 0; i < 200; i++) {
		fill(self, 1);
		next = take(self, self->reader, 1);
		ASSERT_EQ(i + 1, next.offset);
		ASSERT_EQ(-ESTALE, settle_run(self->reader, run, WEIR_ACK));
		ASSERT_EQ(0, settle_run(self->reader, next, WEIR_ACK));
	}
}

/* A stranger tries all that could be. */
TEST_F(queue, guesses)
{
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	static struct weir_run guesses[1000];
	struct weir_run run;
	int i, d;

	fill(self, 64);
	run = take(self, self->reader, 32);
	ASSERT_EQ(32, run.count);
	for (d = 0; d < 3; d++) {
		for (i = 0; i < 1000; i++)
			guesses[i] = (struct weir_run){
				.offset = i % 70, .slot = i % 70, .count = 1 + i / 300,
				.deliveries = d, .op = i % 2,
			};
		ASSERT_EQ(0, settle(other, guesses, 1000));
		for (i = 0; i < 1000; i++)
			ASSERT_EQ(-ESTALE, guesses[i].status);
	}
	EXPECT_EQ(32, raw_figure(self->name, "leased"));
	EXPECT_EQ(32, raw_figure(self->name, "depth"));
}

/* A message that read(2) has in part is settled by its last byte, and not before. */
TEST_F(queue, read_in_part)
{
	struct weir_run run, next;
	char bytes[8];

	fill(self, 3);
	run = take(self, self->reader, 1);
	ASSERT_EQ(0, settle_run(self->reader, run, WEIR_RELEASE));
	ASSERT_EQ(1, raw_read(self->reader, bytes, 1));
	run.deliveries = 2;
	EXPECT_EQ(-EBUSY, settle_run(self->reader, run, WEIR_ACK));
	EXPECT_EQ(-EBUSY, settle_run(self->reader, run, WEIR_RELEASE));
	/* FETCH takes the next one. */
	next = take(self, self->reader, 1);
	EXPECT_EQ(1, next.offset);
	EXPECT_EQ(0, settle_run(self->reader, next, WEIR_ACK));
	EXPECT_EQ(1, raw_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_EQ('b', bytes[0]);
	EXPECT_EQ(-ESTALE, settle_run(self->reader, run, WEIR_ACK));
	EXPECT_EQ(2, raw_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_EQ(-EAGAIN, raw_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

/* A run is one consumer's: not what two processes have through one open file. */
TEST_F(queue, of_two_consumers)
{
	struct weir_run *theirs = proc_shared(sizeof(*theirs)), mine, both;
	struct gate gate;
	pid_t child;

	ASSERT_EQ(0, gate_make(&gate));
	fill(self, 8);
	mine = take(self, self->reader, 4);
	child = proc_fork();
	if (!child) {
		*theirs = take(self, self->reader, 4);
		gate_open(&gate);
		for (;;)
			pause();
	}
	gate_wait(&gate);
	ASSERT_EQ(mine.slot + 4, theirs->slot);
	both = mine;
	both.count = 8;
	EXPECT_EQ(-ESTALE, settle_run(self->reader, both, WEIR_ACK));
	EXPECT_EQ(8, raw_figure(self->name, "leased"));
	EXPECT_EQ(0, settle_run(self->reader, mine, WEIR_ACK));
	EXPECT_EQ(0, settle_run(self->reader, *theirs, WEIR_ACK));
	proc_kill(child);
	EXPECT_EQ(8, raw_figure(self->name, "settled"));
}

/* What is being copied out is not settled under the copy. */
TEST_F(queue, while_it_is_read)
{
	struct stall *stall = proc_shared(sizeof(*stall));
	struct weir_run run = { .count = 1, .deliveries = 1 };
	static char bytes[8192];
	struct gate gate;
	pid_t child;
	int fd;

	ASSERT_EQ(0, gate_make(&gate));
	ASSERT_EQ(8192, raw_write(self->writer, bytes, 8192));
	child = proc_fork();
	if (!child) {
		if (stall_make(stall, 2, 1))
			_exit(100);
		gate_open(&gate);
		_exit(raw_read(self->reader, stall->memory, 8192) != 8192);
	}
	gate_wait(&gate);
	fd = proc_get_fd(child, stall->fd);
	ASSERT_LE(0, fd);
	stall_wait(fd);
	EXPECT_EQ(-EBUSY, settle_run(self->reader, run, WEIR_ACK));
	EXPECT_EQ(-EBUSY, settle_run(self->reader, run, WEIR_RELEASE));
	ASSERT_EQ(0, stall_end(fd, stall, 's'));
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(-ESTALE, settle_run(self->reader, run, WEIR_ACK));
	EXPECT_EQ(1, raw_figure(self->name, "settled"));
}

TEST_F(queue, destroyed)
{
	struct weir_run run;

	fill(self, 4);
	run = take(self, self->reader, 4);
	ASSERT_EQ(0, raw_destroy_force(self->name));
	EXPECT_EQ(-ESHUTDOWN, settle_run(self->reader, run, WEIR_ACK));
}

/* Two settle the same at the same time: one of them. */
TEST_F(queue, raced)
{
	struct weir_run run;
	int *go = proc_shared(sizeof(*go));
	pid_t child;
	int i, mine, theirs;

	for (i = 0; i < 200; i++) {
		fill(self, 1);
		run = take(self, self->reader, 1);
		*go = 0;
		child = proc_fork();
		if (!child) {
			door_ring();
			__atomic_store_n(go, 1, __ATOMIC_SEQ_CST);
			_exit(settle_run(self->reader, run, WEIR_ACK) == 0);
		}
		while (!__atomic_load_n(go, __ATOMIC_SEQ_CST))
			sched_yield();
		mine = settle_run(self->reader, run, WEIR_ACK) == 0;
		theirs = proc_wait(child);
		ASSERT_EQ(1, mine + theirs);
	}
	EXPECT_EQ(200, raw_figure(self->name, "settled"));
}

TEST_HARNESS_MAIN
