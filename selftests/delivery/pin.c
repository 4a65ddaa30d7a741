// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Who reads in place and is late reads on what he was given, byte for byte, whatever
 * becomes of the message, until he lets go: I11, I41, I45. Whom it costs is the queue.
 */
#define _FILE_OFFSET_BITS 64
#include "lease.h"

#define LIMIT	"/sys/module/weir/parameters/user_limit"
#define HELD	10
#define SIZE	600

/* What is mapped, and what a holder saw there. */
struct view {
	const struct weir_desc *index;
	const char *pool;
	struct weir_layout layout;
};

struct sight {
	struct weir_run run;
	struct weir_desc desc[HELD];
	char bytes[HELD][SIZE];
};

static int view_map(int fd, struct view *view)
{
	int ret = raw_ioctl(fd, WEIR_IOC_LAYOUT, &view->layout);

	if (ret)
		return ret;
	view->index = mmap(NULL, view->layout.index_length, PROT_READ, MAP_SHARED, fd,
			   view->layout.index_offset);
	view->pool = mmap(NULL, view->layout.pool_length, PROT_READ, MAP_SHARED, fd,
			  view->layout.pool_offset);
	return view->index == MAP_FAILED || view->pool == MAP_FAILED ? -errno : 0;
}

static void view_unmap(const struct view *view)
{
	munmap((void *)view->index, view->layout.index_length);
	munmap((void *)view->pool, view->layout.pool_length);
}

static void sight_take(struct sight *sight, const struct view *view, struct weir_run run)
{
	__u32 i;

	sight->run = run;
	for (i = 0; i < run.count; i++) {
		sight->desc[i] = view->index[run.slot + i];
		memcpy(sight->bytes[i], view->pool + sight->desc[i].pos, sight->desc[i].len);
	}
}

/* How often it was delivered is what is told to the next one; all else is as it was. */
static bool sight_same(const struct sight *sight, const struct view *view)
{
	__u32 i;

	for (i = 0; i < sight->run.count; i++) {
		struct weir_desc desc = view->index[sight->run.slot + i];

		desc.deliveries = sight->desc[i].deliveries;
		if (memcmp(&desc, &sight->desc[i], sizeof(desc)) ||
		    memcmp(sight->bytes[i], view->pool + desc.pos, desc.len))
			return false;
	}
	return true;
}

static int send_some(int fd, char letter)
{
	char bytes[SIZE];

	memset(bytes, letter, sizeof(bytes));
	return raw_write(fd, bytes, sizeof(bytes));
}

/* Fills the queue with what nobody had before: how many. */
static int send_all(int fd, char letter)
{
	int n = 0;

	while (send_some(fd, letter) > 0)
		n++;
	return n;
}

/* HELD messages are taken in place through @fd, and the lease is over. */
static struct weir_run take_and_lose(FIXTURE_DATA(queue) *self, int fd)
{
	long long before = raw_figure(self->name, "expired");
	struct weir_run run = lease_take(fd, HELD, LEASE_SHORT);

	if (run.count)
		wait_figure(self->name, "expired", before + HELD);
	return run;
}

/* All that is there is settled by another. */
static void settle_all(FIXTURE_DATA(queue) *self, int fd)
{
	static char buffer[1 << 16] __attribute__((aligned(64)));
	struct weir_run runs[16];
	struct weir_fetch fetch = {
		.runs = raw_address(runs), .nr_runs = 16, .max_messages = 1000,
		.buffer = raw_address(buffer), .buffer_len = sizeof(buffer),
		.flags = WEIR_FETCH_SETTLED,
	};

	while (door_command(fd, WEIR_IOC_FETCH, &fetch) > 0)
		fetch.nr_runs = 16, fetch.buffer_len = sizeof(buffer);
}

static void send_held(FIXTURE_DATA(queue) *self)
{
	int i;

	for (i = 0; i < HELD; i++)
		if (send_some(self->writer, 'A' + i) != SIZE)
			abort();
}

TEST_F(queue, reads_on)
{
	static struct sight sight;
	struct weir_info info;
	struct weir_run run;
	struct view view;
	int other, i;

	ASSERT_EQ(0, queue_remake(self, 64, 64 * 640));
	ASSERT_EQ(0, view_map(self->reader, &view));
	other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	send_held(self);
	run = lease_take(self->reader, HELD, 20000000);
	ASSERT_EQ(HELD, run.count);
	sight_take(&sight, &view, run);
	ASSERT_EQ('B', sight.bytes[1][SIZE - 1]);
	wait_figure(self->name, "expired", HELD);
	EXPECT_EQ(0, raw_figure(self->name, "pinned"));
	EXPECT_TRUE(sight_same(&sight, &view));
	/* Settled by another, it is gone; its place is not. */
	settle_all(self, other);
	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(HELD, info.settled);
	EXPECT_EQ(HELD, info.pinned);
	EXPECT_EQ(HELD * 640, info.bytes);
	EXPECT_EQ(0, info.depth + info.leased);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(64 - HELD, send_all(self->writer, 'a' + i));
		ASSERT_TRUE(sight_same(&sight, &view));
		settle_all(self, other);
	}
	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(HELD, info.pinned);
	/* He learns it, and lets go. */
	EXPECT_EQ(-ESTALE, lease_end(self->reader, run, WEIR_ACK, 0));
	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(0, info.pinned);
	EXPECT_EQ(0, info.bytes);
	EXPECT_EQ(64, send_all(self->writer, 'z'));
	view_unmap(&view);
}

/* Each way of being late is one of letting go. */
TEST_F(queue, lets_go_by_any_op)
{
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK), i;

	for (i = 0; i < 5; i++) {
		static const __u32 ops[] = {
			WEIR_ACK, WEIR_RELEASE, WEIR_RELEASE, WEIR_EXTEND, WEIR_EXTEND,
		};
		struct weir_run run;

		send_held(self);
		run = take_and_lose(self, self->reader);
		ASSERT_EQ(HELD, run.count);
		settle_all(self, other);
		ASSERT_EQ(HELD, raw_figure(self->name, "pinned"));
		ASSERT_EQ(-ESTALE, lease_end(self->reader, run, ops[i], i % 2 ? 0 : ops[i] * 7));
		ASSERT_EQ(0, raw_figure(self->name, "pinned"));
		ASSERT_EQ(0, raw_figure(self->name, "bytes"));
	}
}

/* Before another has settled it: there is nothing to keep then. */
TEST_F(queue, lets_go_first)
{
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	struct weir_run run;

	send_held(self);
	run = take_and_lose(self, self->reader);
	ASSERT_EQ(HELD, run.count);
	EXPECT_EQ(-ESTALE, lease_end(self->reader, run, WEIR_EXTEND, 0));
	EXPECT_EQ(HELD, raw_figure(self->name, "depth"));
	settle_all(self, other);
	EXPECT_EQ(0, raw_figure(self->name, "pinned"));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

/* As what a FETCH settles first. */
TEST_F(queue, lets_go_in_a_fetch)
{
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	struct weir_run run, next;
	struct weir_fetch fetch = {
		.runs = raw_address(&next), .nr_runs = 1, .max_messages = 1,
		.settle = raw_address(&run), .nr_settle = 1,
	};

	send_held(self);
	run = take_and_lose(self, self->reader);
	settle_all(self, other);
	ASSERT_EQ(HELD, raw_figure(self->name, "pinned"));
	EXPECT_EQ(-EAGAIN, door_command(self->reader, WEIR_IOC_FETCH, &fetch));
	EXPECT_EQ(-ESTALE, run.status);
	EXPECT_EQ(0, raw_figure(self->name, "pinned"));
}

/* What he says of a message before he has it lets go of nothing, also in the same call. */
TEST_F(queue, guessed_in_a_fetch)
{
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	struct weir_run run, next;
	struct weir_fetch fetch = {
		.runs = raw_address(&next), .nr_runs = 1, .max_messages = 1,
		.settle = raw_address(&run), .nr_settle = 1, .lease_ns = LEASE_SHORT,
	};

	ASSERT_EQ(SIZE, send_some(self->writer, 'A'));
	run = lease_take(self->reader, 1, LEASE_LONG);
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_RELEASE, 0));
	run.deliveries = 2;
	ASSERT_EQ(1, door_command(self->reader, WEIR_IOC_FETCH, &fetch));
	ASSERT_EQ(-ESTALE, run.status);
	wait_figure(self->name, "expired", 1);
	settle_all(self, other);
	EXPECT_EQ(1, raw_figure(self->name, "pinned"));
}

/* In parts, in any order; each once. */
TEST_F(queue, lets_go_in_parts)
{
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK), i;
	struct weir_run run;

	send_held(self);
	run = take_and_lose(self, self->reader);
	settle_all(self, other);
	for (i = 0; i < HELD; i++) {
		struct weir_run one = lease_first(lease_rest(run, i * 3 % HELD), 1);

		ASSERT_EQ(-ESTALE, lease_end(self->reader, one, WEIR_ACK, 0));
		ASSERT_EQ(-ESTALE, lease_end(self->reader, one, WEIR_ACK, 0));
		ASSERT_EQ(HELD - 1 - i, raw_figure(self->name, "pinned"));
	}
}

/* Guesses, and other descriptions, let go of nothing. */
TEST_F(queue, only_he_lets_go)
{
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK), bit;
	static struct sight sight;
	struct weir_run run, bad;
	struct view view;

	ASSERT_EQ(0, view_map(self->reader, &view));
	send_held(self);
	run = take_and_lose(self, self->reader);
	sight_take(&sight, &view, run);
	settle_all(self, other);
#define KEPT(fd, change) do {						\
	bad = run;							\
	change;								\
	ASSERT_EQ(-ESTALE, lease_end(fd, bad, WEIR_ACK, 0));		\
	ASSERT_EQ(HELD, raw_figure(self->name, "pinned")) {		\
		TH_LOG(#change);					\
	}								\
} while (0)
	KEPT(other, bad.offset = run.offset);
	for (bit = 0; bit < 64; bit++)
		KEPT(self->reader, bad.offset ^= 1ULL << bit);
	for (bit = 4; bit < 32; bit++)
		KEPT(self->reader, bad.slot ^= 1U << bit);
	for (bit = 0; bit < 32; bit++)
		KEPT(self->reader, bad.deliveries ^= 1U << bit);
	KEPT(self->reader, bad.slot++);
	KEPT(self->reader, bad.offset++; bad.count = 1);
	KEPT(self->reader, bad.deliveries = 0);
	send_all(self->writer, 'x');
	EXPECT_TRUE(sight_same(&sight, &view));
	view_unmap(&view);
}

/* The end of the process lets go, wherever the description still is. */
TEST_F(queue, killed)
{
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	struct gate gate;
	pid_t child;

	ASSERT_EQ(0, gate_make(&gate));
	send_held(self);
	child = proc_fork();
	if (!child) {
		if (!lease_take(self->reader, HELD, LEASE_SHORT).count)
			_exit(1);
		gate_open(&gate);
		for (;;)
			pause();
	}
	gate_wait(&gate);
	wait_figure(self->name, "expired", HELD);
	settle_all(self, other);
	EXPECT_EQ(HELD, raw_figure(self->name, "pinned"));
	proc_kill(child);
	wait_figure(self->name, "pinned", 0);
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

/* So does the last close; a mapping is one more reason for it not to be the last. */
TEST_F(queue, closed)
{
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	static struct sight sight;
	struct view view;

	ASSERT_EQ(0, view_map(self->reader, &view));
	send_held(self);
	sight_take(&sight, &view, take_and_lose(self, self->reader));
	settle_all(self, other);
	close(self->reader);
	send_all(self->writer, 'x');
	EXPECT_EQ(HELD, raw_figure(self->name, "pinned"));
	EXPECT_TRUE(sight_same(&sight, &view));
	view_unmap(&view);
	wait_figure(self->name, "pinned", 0);
}

/* Lost by many, one after the other: it stays until the last has let go. */
TEST_F(queue, many_holders)
{
	enum { MANY = 12 };
	int fds[MANY], i, many = raw_rounds(MANY);
	struct weir_run runs[MANY];
	static struct sight sight;
	struct view view;

	ASSERT_EQ(0, view_map(self->reader, &view));
	send_held(self);
	for (i = 0; i < many; i++) {
		fds[i] = raw_open(self->name, O_RDONLY | O_NONBLOCK);
		runs[i] = take_and_lose(self, fds[i]);
		ASSERT_EQ(HELD, runs[i].count);
		ASSERT_EQ(i + 1, runs[i].deliveries);
	}
	sight_take(&sight, &view, runs[0]);
	settle_all(self, self->reader);
	for (i = 0; i < many; i++) {
		ASSERT_EQ(HELD, raw_figure(self->name, "pinned"));
		send_all(self->writer, 'a' + i);
		ASSERT_TRUE(sight_same(&sight, &view));
		settle_all(self, self->reader);
		/* The middle one closes, the others settle. */
		if (i == many / 2) {
			close(fds[i]);
			continue;
		}
		ASSERT_EQ(-ESTALE, lease_end(fds[i], runs[i], WEIR_ACK, 0));
	}
	wait_figure(self->name, "pinned", 0);
	view_unmap(&view);
}

/* Had again by who lost it: what he lets go of is the first, and what he holds the second. */
TEST_F(queue, had_again)
{
	struct weir_run run, again;

	send_held(self);
	run = take_and_lose(self, self->reader);
	again = lease_take(self->reader, HELD, LEASE_LONG);
	ASSERT_EQ(2, again.deliveries);
	ASSERT_EQ(run.slot, again.slot);
	EXPECT_EQ(0, lease_end(self->reader, lease_first(again, 4), WEIR_ACK, 0));
	EXPECT_EQ(4, raw_figure(self->name, "pinned"));
	EXPECT_EQ(-ESTALE, lease_end(self->reader, run, WEIR_ACK, 0));
	EXPECT_EQ(0, raw_figure(self->name, "pinned"));
	EXPECT_EQ(HELD - 4, raw_figure(self->name, "leased"));
	EXPECT_EQ(0, lease_end(self->reader, lease_rest(again, 4), WEIR_ACK, 0));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

/*
 * A run of which only a part is over: its holder has been told not to look at it any
 * more, so the rest, when it is over, needs no keeping.
 */
TEST_F(queue, told_of_a_part)
{
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	struct weir_run run;

	send_held(self);
	run = lease_take(self->reader, HELD, LEASE_LONG);
	ASSERT_EQ(0, lease_end(self->reader, lease_first(run, 4), WEIR_EXTEND, 1));
	wait_figure(self->name, "expired", 4);
	ASSERT_EQ(-ESTALE, lease_end(self->reader, run, WEIR_ACK, 0));
	EXPECT_EQ(HELD - 4, raw_figure(self->name, "leased"));
	ASSERT_EQ(0, lease_end(self->reader, lease_rest(run, 4), WEIR_EXTEND, 1));
	wait_figure(self->name, "expired", HELD);
	settle_all(self, other);
	EXPECT_EQ(HELD, raw_figure(self->name, "settled"));
	EXPECT_EQ(0, raw_figure(self->name, "pinned"));
}

/* What was copied, or given back in time, is not read any more. */
TEST_F(queue, nothing_to_keep)
{
	static char buffer[1 << 16] __attribute__((aligned(64)));
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK);

	send_held(self);
	ASSERT_EQ(HELD, lease_copy(self->reader, HELD, LEASE_SHORT, buffer, sizeof(buffer)).count);
	wait_figure(self->name, "expired", HELD);
	ASSERT_EQ(0, lease_end(self->reader, lease_take(self->reader, HELD, LEASE_LONG),
			       WEIR_RELEASE, 10));
	wait_figure(self->name, "depth", HELD);
	settle_all(self, other);
	EXPECT_EQ(0, raw_figure(self->name, "pinned"));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

/* Released with a delay, by the next one, and purged: the pin outlasts it. */
TEST_F(queue, delayed_and_purged)
{
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	static struct sight sight;
	struct weir_info info;
	struct view view;

	ASSERT_EQ(0, view_map(self->reader, &view));
	send_held(self);
	sight_take(&sight, &view, take_and_lose(self, self->reader));
	ASSERT_EQ(0, lease_end(other, lease_take(other, HELD, LEASE_LONG), WEIR_RELEASE, 20));
	wait_figure(self->name, "depth", HELD);
	EXPECT_EQ(HELD, raw_purge(self->name));
	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(HELD, info.purged);
	EXPECT_EQ(HELD, info.pinned);
	EXPECT_EQ(HELD * 640, info.bytes);
	send_all(self->writer, 'x');
	EXPECT_TRUE(sight_same(&sight, &view));
	EXPECT_EQ(-ESTALE, lease_end(self->reader, sight.run, WEIR_ACK, 0));
	EXPECT_EQ(0, raw_figure(self->name, "pinned"));
	view_unmap(&view);
}

/* A writer who waits for room waits for the late one, and is told when he lets go. */
TEST_F(queue, full_until_he_lets_go)
{
	int other, i;

	for (i = 0; i < 2; i++) {
		struct weir_run run;
		pid_t child;

		ASSERT_EQ(0, queue_remake(self, HELD, 0));
		other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
		send_held(self);
		run = take_and_lose(self, self->reader);
		settle_all(self, other);
		EXPECT_EQ(-EAGAIN, send_some(self->writer, 'x'));
		EXPECT_EQ(0, raw_poll(self->writer, POLLOUT));
		child = proc_fork();
		if (!child) {
			proc_close_files();
			_exit(send_some(raw_open(self->name, O_WRONLY), 'y') != SIZE);
		}
		wait_waiters(self->name, 1);
		if (i) {
			EXPECT_EQ(-ESTALE, lease_end(self->reader, run, WEIR_ACK, 0));
		} else {
			close(self->reader);
			self->reader = raw_open(self->name, O_RDONLY | O_NONBLOCK);
		}
		EXPECT_EQ(0, proc_wait(child));
		settle_all(self, other);
		close(other);
	}
}

/* What is mapped stays, after the end of the queue too. */
TEST_F(queue, destroyed)
{
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	static struct sight sight;
	struct view view;

	ASSERT_EQ(0, view_map(self->reader, &view));
	send_held(self);
	sight_take(&sight, &view, take_and_lose(self, self->reader));
	settle_all(self, other);
	close(other);
	EXPECT_EQ(-EBUSY, raw_destroy(self->name));
	ASSERT_EQ(0, raw_destroy_force(self->name));
	EXPECT_TRUE(sight_same(&sight, &view));
	EXPECT_EQ(-ESHUTDOWN, lease_end(self->reader, sight.run, WEIR_ACK, 0));
	EXPECT_TRUE(sight_same(&sight, &view));
	view_unmap(&view);
	close(self->reader);
}

/* A message can be lost 255 times in place; the next time it is held until one lets go. */
TEST_F(queue, no_end_of_holders)
{
	struct weir_run run, first;
	int i;

	ASSERT_EQ(SIZE, send_some(self->writer, 'a'));
	for (i = 1; i <= 255; i++) {
		run = lease_take(self->reader, 1, LEASE_SHORT);
		ASSERT_EQ(i, run.deliveries);
		if (i == 1)
			first = run;
		wait_figure(self->name, "expired", i);
	}
	run = lease_take(self->reader, 1, LEASE_SHORT);
	ASSERT_EQ(256, run.deliveries);
	/* One in its segment comes and goes. */
	ASSERT_EQ(SIZE, send_some(self->writer, 'b'));
	ASSERT_EQ(1, lease_take(self->reader, 1, 30000000).offset);
	wait_figure(self->name, "expired", 256);
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	EXPECT_EQ(-ESTALE, lease_end(self->reader, first, WEIR_ACK, 0));
	wait_figure(self->name, "expired", 257);
	EXPECT_EQ(2, raw_figure(self->name, "depth"));
}

static int set_limit(const char *text)
{
	int fd = open(LIMIT, O_WRONLY | O_CLOEXEC);
	long ret = raw_write_string(fd, text);

	close(fd);
	return ret < 0 ? ret : 0;
}

/* Where there is no memory to keep it for him, he keeps his lease. */
TEST_F(queue, no_memory_for_pins)
{
	static char buffer[4096] __attribute__((aligned(64)));
	char limit[32] = "";
	int fd = open(LIMIT, O_RDONLY), i;
	struct weir_run run;

	ASSERT_LT(0, raw_read(fd, limit, sizeof(limit) - 1));
	send_held(self);
	ASSERT_EQ(SIZE, send_some(self->writer, 'x'));
	ASSERT_EQ(0, set_limit("1"));
	run = lease_take(self->reader, HELD, LEASE_SHORT);
	EXPECT_EQ(HELD, run.count);
	for (i = 1; i <= 3; i++) {
		EXPECT_EQ(1, lease_copy(self->reader, 1, 20000000, buffer, sizeof(buffer)).count);
		wait_figure(self->name, "expired", i);
		EXPECT_EQ(HELD, raw_figure(self->name, "leased"));
	}
	EXPECT_EQ(0, lease_end(self->reader, lease_first(run, 4), WEIR_ACK, 0));
	EXPECT_EQ(0, set_limit(limit));
	wait_figure(self->name, "expired", 3 + HELD - 4);
	EXPECT_EQ(-ESTALE, lease_end(self->reader, run, WEIR_ACK, 0));
	settle_all(self, self->reader);
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

TEST_HARNESS_MAIN
