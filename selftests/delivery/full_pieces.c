// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What is free is in pieces that are too small, more of them than are looked at in one
 * hold of the lock, and none may go: that is found out once, and told.
 */
#include "dead.h"
#include "full.h"

#define PAGE	4096UL
#define PAGES	4096
#define MOST	6000
#define BATCH	64

static struct weir_run runs[MOST];

/* Up to @count are leased, each as a run of its own: how many. */
static int lease_each(int fd, struct weir_run *to, __u32 count)
{
	struct weir_run some[16];
	struct weir_fetch fetch = {
		.runs = raw_address(some), .nr_runs = 16, .max_messages = count,
		.lease_ns = LEASE_LONG,
	};
	int ret = door_command(fd, WEIR_IOC_FETCH, &fetch);
	__u32 i, j;

	for (i = 0; ret > 0 && i < fetch.nr_runs; i++)
		for (j = 0; j < some[i].count; j++)
			*to++ = lease_first(lease_rest(some[i], j), 1);
	return ret;
}

/* Some more of so many pages each, up to @count, are sent and leased: how many. */
static int fill_some(FIXTURE_DATA(dead) *self, struct weir_run *to, int count, int pages)
{
	static struct weir_message messages[BATCH];
	static char bytes[13 * PAGE];
	struct weir_send send = {
		.messages = raw_address(messages), .count = count < BATCH ? count : BATCH,
	};
	int sent, n, ret = 0;

	for (n = 0; n < BATCH; n++)
		messages[n] = (struct weir_message){
			.data = raw_address(bytes), .len = pages * PAGE,
		};
	sent = door_command(self->writer, WEIR_IOC_SEND, &send);
	for (n = 0; n < sent && ret >= 0; n += ret)
		ret = lease_each(self->reader, to + n, sent - n);
	return ret < 0 ? ret : sent;
}

/* @count messages of so many pages each, all of them leased: where in runs the next is. */
static int fill(struct __test_metadata *_metadata, FIXTURE_DATA(dead) *self, int at, int count,
		int pages)
{
	const int end = at + count;
	int n;

	for (; at < end; at += n) {
		n = fill_some(self, runs + at, end - at, pages);
		ASSERT_LT(0, n);
	}
	return end;
}

/* Of those all but each fourth go. */
static void thin(struct __test_metadata *_metadata, FIXTURE_DATA(dead) *self, int from, int to)
{
	static struct weir_run some[BATCH];
	int n = 0;

	for (; from < to; from++) {
		if (from % 4) {
			some[n] = runs[from];
			some[n++].op = WEIR_ACK;
		}
		if (n == BATCH || from == to - 1) {
			ASSERT_EQ(n, lease_settle(self->reader, some, n));
			n = 0;
		}
	}
}

/*
 * The queue once more, with so many pages, all of it leased: of its pool, of twice as many, runs
 * of 3 are free, then of 12, then hardly any.
 */
static void crumble(struct __test_metadata *_metadata, FIXTURE_DATA(dead) *self, __u32 when_full,
		    int pages)
{
	struct weir_policy policy = policy_dead(self->target, 0);
	int ones, fours;

	close(self->writer);
	close(self->reader);
	policy.max_bytes = pages * PAGE;
	policy.when_full = when_full;
	ASSERT_EQ(0, raw_destroy_force(self->name));
	ASSERT_EQ(0, policy_alter(self->heir, (struct weir_policy){ 0 }));
	ASSERT_EQ(0, policy_create(self->name, policy));
	self->writer = raw_open(self->name, O_WRONLY | O_NONBLOCK);
	self->reader = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	ones = fill(_metadata, self, 0, pages, 1);
	thin(_metadata, self, 0, ones);
	fours = fill(_metadata, self, ones, pages * 3 / 16, 4);
	thin(_metadata, self, ones, fours);
	fill(_metadata, self, fours, pages / 52 + 1, 13);
}

static int send_now(int fd, size_t size)
{
	static char bytes[64 * PAGE];
	struct weir_message message = { .data = raw_address(bytes), .len = size };
	struct weir_send send = { .messages = raw_address(&message), .count = 1 };

	return door_command(fd, WEIR_IOC_SEND, &send);
}

static void refused(struct __test_metadata *_metadata, FIXTURE_DATA(dead) *self, __u32 when_full)
{
	struct weir_info info;
	int i;

	crumble(_metadata, self, when_full, PAGES);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(-EAGAIN, send_now(self->writer, 64 * PAGE));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(0, info.dropped + info.dead + info.dying);
	EXPECT_EQ(PAGES + PAGES * 3 / 16 + PAGES / 52 + 1, info.sent);
	/* The limit is not what stops it. */
	EXPECT_GT(info.policy.max_bytes - 64 * PAGE, info.bytes);
	/* What has place there has. */
	ASSERT_EQ(1, send_now(self->writer, 12 * PAGE));
	ASSERT_EQ(-EAGAIN, letter_take(self->letters, &letter));
}

TEST_F(dead, pieces_where_oldest_are_dropped)
{
	refused(_metadata, self, WEIR_WHEN_FULL_DROP_OLDEST);
}

TEST_F(dead, pieces_where_oldest_die)
{
	refused(_metadata, self, WEIR_WHEN_FULL_DEAD_LETTER);
}

/* One of four pages, with as many free before it as behind it. */
static struct weir_run amid(void)
{
	return runs[PAGES + PAGES / 8];
}

/* What is buried soon is small, and lies beside what is free. */
TEST_F(dead, what_dies_joins_pieces)
{
	crumble(_metadata, self, WEIR_WHEN_FULL_DEAD_LETTER, PAGES);
	ASSERT_EQ(0, policy_alter(self->heir, (struct weir_policy){ .max_messages = 1 }));
	ASSERT_EQ(1, raw_write(self->target, "x", 1));
	ASSERT_EQ(0, policy_term(self->reader, amid(), NULL, 0));
	ASSERT_EQ(-EAGAIN, send_now(self->writer, 28 * PAGE));
	EXPECT_EQ(1, raw_figure(self->name, "dying"));
	/* Who does not wait has the patience for that. */
	ASSERT_EQ(1, letter_take(self->letters, &letter));
	ASSERT_EQ(1, send_now(self->writer, 28 * PAGE));
	ASSERT_EQ(-EAGAIN, send_now(self->writer, 28 * PAGE));
}

/* Of two that are to die, or do already, one is buried: that may do, if long looked for. */
static void half_a_burial(struct __test_metadata *_metadata, FIXTURE_DATA(dead) *self,
			  bool die)
{
	const struct weir_run large = runs[PAGES + PAGES * 3 / 16];

	ASSERT_EQ(0, policy_alter(self->heir, (struct weir_policy){ .max_messages = 1 }));
	if (die) {
		ASSERT_EQ(1, raw_write(self->target, "x", 1));
		ASSERT_EQ(0, policy_term(self->reader, amid(), NULL, 0));
		ASSERT_EQ(0, policy_term(self->reader, large, NULL, 0));
		ASSERT_EQ(-EAGAIN, send_now(self->writer, 17 * PAGE));
		ASSERT_EQ(1, letter_take(self->letters, &letter));
	} else {
		ASSERT_EQ(0, lease_end(self->reader, amid(), WEIR_RELEASE, 0));
		ASSERT_EQ(0, lease_end(self->reader, large, WEIR_RELEASE, 0));
	}
	ASSERT_EQ(1, send_now(self->writer, 17 * PAGE));
	EXPECT_EQ(1, raw_figure(self->name, "dead"));
	EXPECT_EQ(1, raw_figure(self->name, "dying"));
	EXPECT_EQ(1, raw_figure(self->name, "depth"));
}

TEST_F(dead, pieces_after_half_a_burial)
{
	crumble(_metadata, self, WEIR_WHEN_FULL_DEAD_LETTER, PAGES);
	half_a_burial(_metadata, self, false);
}

TEST_F(dead, pieces_after_half_a_burial_of_others)
{
	crumble(_metadata, self, WEIR_WHEN_FULL_DEAD_LETTER, PAGES);
	half_a_burial(_metadata, self, true);
}

/* Of a process and its threads, in ns. */
static __u64 time_of(pid_t pid)
{
	struct timespec time;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &time))
		abort();
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

/* Sends a small one, for which there is room, with one for which there is none. */
static pid_t transaction(const char *name)
{
	static char bytes[15 * PAGE];
	struct weir_message messages[2] = {
		{ .data = raw_address(bytes), .len = 1 },
		{ .data = raw_address(bytes), .len = sizeof(bytes) },
	};
	struct weir_part part = { .items = raw_address(messages), .count = 2 };
	struct weir_txn txn = { .parts = raw_address(&part), .count = 1, .timeout_ns = -1 };
	pid_t child = proc_fork();

	if (child)
		return child;
	part.fd = raw_open(name, O_RDWR);
	_exit(door_command(part.fd, WEIR_IOC_TXN, &txn) != 0);
}

/* What two transactions give back, having tried in vain, does not keep them busy. */
TEST_F(dead, pieces_two_transactions)
{
	enum { SMALL = 128 };
	pid_t children[2];
	__u64 begin, busy;
	int i;

	crumble(_metadata, self, WEIR_WHEN_FULL_WAIT, SMALL);
	for (i = 0; i < 2; i++)
		children[i] = transaction(self->name);
	wait_until(time_of(children[0]) && time_of(children[1]));
	begin = lease_now();
	busy = time_of(children[0]) + time_of(children[1]);
	wait_until(lease_now() - begin > 500000000);
	busy = time_of(children[0]) + time_of(children[1]) - busy;
	/* A kernel that reports takes longer for a try than there is between them. */
	if (raw_seconds(1) == 1)
		EXPECT_GT((lease_now() - begin) / 2, busy);
	EXPECT_EQ(0, raw_figure(self->name, "depth"));
	/* The last two before what is left of the pool. */
	ASSERT_EQ(0, lease_end(self->reader, runs[SMALL + SMALL * 3 / 16 + 1], WEIR_ACK, 0));
	ASSERT_EQ(0, lease_end(self->reader, runs[SMALL + SMALL * 3 / 16 + 2], WEIR_ACK, 0));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, proc_wait(children[i]));
	EXPECT_EQ(4, raw_figure(self->name, "depth"));
}

TEST_HARNESS_MAIN
