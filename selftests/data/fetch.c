// SPDX-License-Identifier: GPL-2.0 OR MIT
/* WEIR_IOC_FETCH: how much it takes, what it copies, and what it refuses. */
#define QUEUE_COMMANDS
#include "../fixture.h"

static char buffer[1 << 16] __attribute__((aligned(64)));
static struct weir_run runs[64];

/* Room for all there is. */
static struct weir_fetch all(void)
{
	return (struct weir_fetch){
		.runs = raw_address(runs), .nr_runs = ARRAY_SIZE(runs), .max_messages = 1000,
		.buffer = raw_address(buffer), .buffer_len = sizeof(buffer),
	};
}

static int fetch_with(int fd, struct weir_fetch fetch)
{
	return door_command(fd, WEIR_IOC_FETCH, &fetch);
}

static void fill(FIXTURE_DATA(queue) *self, int count)
{
	char bytes[32];
	int i;

	for (i = 0; i < count; i++) {
		snprintf(bytes, sizeof(bytes), "message %d", i);
		if (raw_write_string(self->writer, bytes) < 0)
			abort();
	}
}

TEST_F(queue, copies)
{
	struct weir_fetch fetch = all();
	const struct weir_desc *desc;
	char expect[32];
	size_t at = 0;
	int i;

	fill(self, 100);
	ASSERT_EQ(100, door_command(self->reader, WEIR_IOC_FETCH, &fetch));
	EXPECT_EQ(128 * 100, fetch.buffer_len);
	for (i = 0; i < 100; i++, at += 128) {
		desc = (void *)(buffer + at);
		snprintf(expect, sizeof(expect), "message %d", i);
		ASSERT_EQ(i, desc->offset);
		ASSERT_EQ(at + sizeof(*desc), desc->pos);
		ASSERT_EQ(strlen(expect), desc->len);
		ASSERT_EQ(0, memcmp(expect, desc + 1, desc->len));
		ASSERT_EQ(1, desc->deliveries);
	}
	EXPECT_EQ(100, raw_figure(self->name, "leased"));
	EXPECT_EQ(0, raw_figure(self->name, "settled"));
}

/* Each message is in a run, and what is consecutive is together. */
TEST_F(queue, runs_cover_messages)
{
	struct weir_fetch fetch = all();
	unsigned int i, next = 0, described = 0;
	const struct weir_desc *desc;

	fill(self, 300);
	ASSERT_EQ(300, door_command(self->reader, WEIR_IOC_FETCH, &fetch));
	EXPECT_GE(8, fetch.nr_runs);
	for (i = 0; i < fetch.nr_runs; i++) {
		ASSERT_EQ(next, runs[i].offset);
		ASSERT_LT(0, runs[i].count);
		ASSERT_EQ(1, runs[i].deliveries);
		ASSERT_EQ(0, runs[i].delay_ms);
		desc = (void *)(buffer + described * 128);
		ASSERT_EQ(runs[i].slot, desc->slot);
		next += runs[i].count;
		described += runs[i].count;
	}
	EXPECT_EQ(300, next);
}

TEST_F(queue, limits)
{
	struct weir_fetch fetch = all();

	fill(self, 100);
	fetch.max_messages = 7;
	EXPECT_EQ(7, fetch_with(self->reader, fetch));
	fetch = all();
	fetch.max_bytes = 64 * 5 + 63;
	EXPECT_EQ(5, fetch_with(self->reader, fetch));
	/* One in any case. */
	fetch.max_bytes = 1;
	EXPECT_EQ(1, fetch_with(self->reader, fetch));
	fetch = all();
	fetch.buffer_len = 128 * 4 + 127;
	EXPECT_EQ(4, fetch_with(self->reader, fetch));
	fetch.buffer_len = 128;
	EXPECT_EQ(1, fetch_with(self->reader, fetch));
	fetch = all();
	fetch.max_messages = ~0U;
	fetch.max_bytes = ~0ULL;
	fetch.nr_runs = ~0U;
	EXPECT_EQ(82, fetch_with(self->reader, fetch));
	EXPECT_EQ(-EAGAIN, fetch_with(self->reader, fetch));
	EXPECT_EQ(0, raw_figure(self->name, "redelivered"));
}

/* No more runs than there is room for. */
TEST_F(queue, room_for_runs)
{
	struct weir_fetch fetch = all();
	struct weir_run run;
	int i, other, got = 0, ret;

	fill(self, 20);
	/* Every second one is out, and comes back: no two are consecutive. */
	other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	for (i = 0; i < 20; i++)
		ASSERT_EQ(1, door_fetch(i % 2 ? other : self->reader, NULL, 0, 0, &run));
	close(other);
	memset(runs, 0x77, sizeof(runs));
	fetch.nr_runs = 3;
	ASSERT_EQ(3, door_command(self->reader, WEIR_IOC_FETCH, &fetch));
	EXPECT_EQ(3, fetch.nr_runs);
	EXPECT_EQ(1, runs[0].offset);
	EXPECT_EQ(5, runs[2].offset);
	EXPECT_EQ(2, runs[0].deliveries);
	EXPECT_EQ(0x77777777, runs[3].slot);
	do {
		ret = fetch_with(self->reader, all());
		got += ret > 0 ? ret : 0;
	} while (ret > 0);
	EXPECT_EQ(7, got);
}

TEST_F(queue, too_small_a_buffer)
{
	struct weir_fetch fetch = all();
	static char large[5000];

	ASSERT_EQ(5000, raw_write(self->writer, large, 5000));
	fetch.buffer_len = 64 + 4999;
	ASSERT_EQ(-EMSGSIZE, door_command(self->reader, WEIR_IOC_FETCH, &fetch));
	EXPECT_EQ(64 + 5056, fetch.buffer_len);
	EXPECT_EQ(0, raw_figure(self->name, "leased"));
	EXPECT_EQ(0, raw_figure(self->name, "received"));
	fetch.nr_runs = 1;
	ASSERT_EQ(1, door_command(self->reader, WEIR_IOC_FETCH, &fetch));
	EXPECT_EQ(1, ((struct weir_desc *)buffer)->deliveries);
}

/* Nothing before or behind what it says. */
TEST_F(queue, no_byte_more)
{
	struct weir_fetch fetch = all();
	size_t i;

	fill(self, 3);
	memset(buffer, 0x5a, sizeof(buffer));
	fetch.buffer = raw_address(buffer + 64);
	fetch.buffer_len = 128 * 3;
	ASSERT_EQ(3, fetch_with(self->reader, fetch));
	for (i = 0; i < 64; i++) {
		ASSERT_EQ(0x5a, buffer[i]);
		ASSERT_EQ(0x5a, buffer[64 + 128 * 3 + i]);
	}
}

/* What it does not understand. */
TEST_F(queue, fields)
{
	struct weir_fetch fetch;
	int bit;

	fill(self, 3);
#define REFUSED(change) do {						\
	fetch = all();							\
	change;								\
	EXPECT_EQ(-EINVAL, fetch_with(self->reader, fetch)) {		\
		TH_LOG(#change);					\
	}								\
} while (0)
	for (bit = 1; bit < 32; bit++)
		REFUSED(fetch.flags = 1U << bit);
	REFUSED(fetch.nr_runs = 0);
	REFUSED(fetch.max_messages = 0);
	REFUSED(fetch.buffer += 1);
	REFUSED(fetch.buffer += 4);
	REFUSED(fetch.buffer = 0);		/* but a length */
	REFUSED(fetch.buffer = 0; fetch.buffer_len = 0; fetch.flags = WEIR_FETCH_SETTLED);
	REFUSED(fetch.nr_settle = WEIR_BATCH_MAX + 1);
	REFUSED(fetch.nr_settle = ~0U);
	EXPECT_EQ(3, raw_figure(self->name, "depth"));
	EXPECT_EQ(0, raw_figure(self->name, "received"));
}

/* Where it cannot write, all goes back, also where it was to be settled. */
TEST_F(queue, pointers)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *fixed = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct weir_fetch fetch;
	__u32 flags;

	mprotect(page + 4096, 4096, PROT_NONE);
	fill(self, 100);
	for (flags = 0; flags <= WEIR_FETCH_SETTLED; flags += WEIR_FETCH_SETTLED) {
		const __u64 bad[] = {
			8, raw_address(page + 4096), raw_address(fixed), ~0ULL - 63, 1ULL << 63,
		};
		size_t i;

		for (i = 0; i < ARRAY_SIZE(bad); i++) {
			fetch = all();
			fetch.flags = flags;
			fetch.buffer = bad[i] & ~7ULL;
			EXPECT_EQ(-EFAULT, fetch_with(self->reader, fetch)) {
				TH_LOG("buffer %zu", i);
			}
			fetch = all();
			fetch.flags = flags;
			fetch.runs = bad[i];
			EXPECT_EQ(-EFAULT, fetch_with(self->reader, fetch)) {
				TH_LOG("runs %zu", i);
			}
			fetch = all();
			fetch.nr_settle = 1;
			fetch.settle = bad[i];
			EXPECT_EQ(-EFAULT, fetch_with(self->reader, fetch)) {
				TH_LOG("settle %zu", i);
			}
		}
		/* In the middle of the second record. */
		fetch = all();
		fetch.flags = flags;
		fetch.buffer = raw_address(page + 4096 - 196);
		fetch.buffer &= ~7ULL;
		EXPECT_EQ(-EFAULT, fetch_with(self->reader, fetch));
		EXPECT_EQ(100, raw_figure(self->name, "depth"));
		EXPECT_EQ(0, raw_figure(self->name, "leased"));
		EXPECT_EQ(0, raw_figure(self->name, "settled"));
	}
	EXPECT_EQ(-EFAULT, door_command(self->reader, WEIR_IOC_FETCH, NULL));
	EXPECT_EQ(-EFAULT, door_command(self->reader, WEIR_IOC_FETCH, page + 4096 - 8));
	EXPECT_EQ(100, fetch_with(self->reader, all()));
	EXPECT_EQ(0, ((struct weir_desc *)buffer)->offset);
}

/* The answer itself cannot be written. */
TEST_F(queue, read_only_structure)
{
	struct weir_fetch *fetch = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u32 flags;

	fill(self, 10);
	for (flags = 0; flags <= WEIR_FETCH_SETTLED; flags += WEIR_FETCH_SETTLED) {
		ASSERT_EQ(0, mprotect(fetch, 4096, PROT_READ | PROT_WRITE));
		*fetch = all();
		fetch->flags = flags;
		ASSERT_EQ(0, mprotect(fetch, 4096, PROT_READ));
		EXPECT_EQ(-EFAULT, door_command(self->reader, WEIR_IOC_FETCH, fetch));
		EXPECT_EQ(10, raw_figure(self->name, "depth"));
	}
}

TEST_F(queue, settled_at_once)
{
	struct weir_fetch fetch = all();

	fill(self, 10);
	fetch.flags = WEIR_FETCH_SETTLED;
	EXPECT_EQ(10, fetch_with(self->reader, fetch));
	EXPECT_EQ(10, raw_figure(self->name, "settled"));
	EXPECT_EQ(0, raw_figure(self->name, "leased"));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

TEST_F(queue, patience)
{
	struct weir_fetch fetch = all();
	int waits = raw_open(self->name, O_RDONLY);

	EXPECT_EQ(-EAGAIN, fetch_with(waits, fetch));
	fetch.timeout_ns = 1;
	EXPECT_EQ(-ETIMEDOUT, fetch_with(waits, fetch));
	fetch.timeout_ns = 2000000;
	EXPECT_EQ(-ETIMEDOUT, fetch_with(waits, fetch));
	fetch.timeout_ns = 1LL << 62;
	EXPECT_EQ(-EAGAIN, fetch_with(self->reader, fetch));
	fetch.timeout_ns = -1;
	EXPECT_EQ(-EAGAIN, fetch_with(self->reader, fetch));
	EXPECT_EQ(0, raw_figure(self->name, "waiters"));
	/* One in time. */
	fill(self, 1);
	fetch.timeout_ns = 1;
	EXPECT_EQ(1, fetch_with(waits, fetch));
}

TEST_F(queue, longest_patience)
{
	struct weir_fetch fetch = all();
	pid_t child;

	fetch.timeout_ns = 0x7fffffffffffffffLL;
	child = proc_fork();
	if (!child)
		_exit(fetch_with(raw_open(self->name, O_RDONLY), fetch) != 1);
	wait_waiters(self->name, 1);
	fill(self, 1);
	EXPECT_EQ(0, proc_wait(child));
}

/* What there is, when it comes: not as many as were asked for. */
TEST_F(queue, waits_for_one)
{
	struct weir_fetch fetch = all();
	pid_t child;

	fetch.timeout_ns = -1;
	child = proc_fork();
	if (!child)
		_exit(fetch_with(raw_open(self->name, O_RDONLY), fetch) != 1);
	wait_waiters(self->name, 1);
	fill(self, 1);
	EXPECT_EQ(0, proc_wait(child));
}

TEST_F(queue, settles_first)
{
	struct weir_run done[2];
	struct weir_fetch fetch = all();

	fill(self, 3);
	ASSERT_EQ(1, door_fetch(self->reader, NULL, 0, 0, &done[0]));
	done[0].op = WEIR_ACK;
	done[1] = done[0];
	done[1].offset++;
	fetch.nr_settle = 2;
	fetch.settle = raw_address(done);
	EXPECT_EQ(2, fetch_with(self->reader, fetch));
	EXPECT_EQ(0, done[0].status);
	EXPECT_EQ(-ESTALE, done[1].status);
	EXPECT_EQ(1, raw_figure(self->name, "settled"));
	/* Whatever becomes of the rest. */
	done[0] = runs[0];
	done[0].op = WEIR_ACK;
	fetch.nr_settle = 1;
	EXPECT_EQ(-EAGAIN, fetch_with(self->reader, fetch));
	EXPECT_EQ(0, done[0].status);
	EXPECT_EQ(3, raw_figure(self->name, "settled"));
}

/* What it took may be settled as it stands, from the same memory. */
TEST_F(queue, settles_in_place)
{
	struct weir_fetch fetch = all();
	int rounds;

	fill(self, 20);
	fetch.max_messages = 2;
	fetch.settle = fetch.runs;
	fetch.nr_settle = 0;
	for (rounds = 0; rounds < 10; rounds++) {
		fetch.nr_runs = 1;
		fetch.buffer_len = sizeof(buffer);
		ASSERT_EQ(2, door_command(self->reader, WEIR_IOC_FETCH, &fetch));
		EXPECT_EQ(0, fetch.nr_settle);
		fetch.nr_settle = fetch.nr_runs;
	}
	fetch.buffer_len = sizeof(buffer);
	EXPECT_EQ(-EAGAIN, door_command(self->reader, WEIR_IOC_FETCH, &fetch));
	/* Also then: given once more, they are not settled once more. */
	EXPECT_EQ(0, fetch.nr_settle);
	EXPECT_EQ(20, raw_figure(self->name, "settled"));
}

/* One that it puts back may be the one that it takes. */
TEST_F(queue, puts_back_first)
{
	struct weir_run run;
	struct weir_fetch fetch = all();

	fill(self, 1);
	ASSERT_EQ(1, door_fetch(self->reader, NULL, 0, 0, &run));
	run.op = WEIR_RELEASE;
	fetch.nr_settle = 1;
	fetch.settle = raw_address(&run);
	EXPECT_EQ(1, fetch_with(self->reader, fetch));
	EXPECT_EQ(2, runs[0].deliveries);
}

TEST_F(queue, private_is_copied_only)
{
	struct weir_fetch fetch = all();

	close(self->writer);
	close(self->reader);
	ASSERT_EQ(0, raw_destroy(self->name));
	ASSERT_EQ(0, raw_create_as(self->name, 0, 0, WEIR_CREATE_PRIVATE, 0));
	self->writer = raw_open(self->name, O_WRONLY);
	self->reader = raw_open(self->name, O_RDONLY);
	fill(self, 2);
	fetch.buffer = fetch.buffer_len = 0;
	EXPECT_EQ(-EACCES, fetch_with(self->reader, fetch));
	EXPECT_EQ(2, fetch_with(self->reader, all()));
}

/* Sizes of the structure, as everywhere. */
TEST_F(queue, sizes_of_structures)
{
	static const struct {
		unsigned long command;
		size_t size;
	} commands[] = {
		{ WEIR_IOC_SEND, sizeof(struct weir_send) },
		{ WEIR_IOC_FETCH, sizeof(struct weir_fetch) },
		{ WEIR_IOC_SETTLE, sizeof(struct weir_settle) },
		{ WEIR_IOC_LAYOUT, sizeof(struct weir_layout) },
		{ WEIR_IOC_CANCEL, sizeof(struct weir_cancel) },
	};
	int both = raw_open(self->name, O_RDWR | O_NONBLOCK);
	unsigned long command;
	char bytes[4096];
	size_t i, size;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		for (size = commands[i].size + 1; size < sizeof(bytes); size += 1 + size / 2) {
			command = raw_resized(commands[i].command, size);
			memset(bytes, 0, sizeof(bytes));
			bytes[size - 1] = 1;
			EXPECT_EQ(-E2BIG, door_command(both, command, bytes)) {
				TH_LOG("command %zu size %zu", i, size);
			}
			bytes[size - 1] = 0;
			EXPECT_NE(-E2BIG, door_command(both, command, bytes));
		}
		memset(bytes, 0, sizeof(bytes));
		for (size = 0; size < commands[i].size; size++)
			EXPECT_EQ(-EINVAL, door_command(both, raw_resized(commands[i].command,
									  size), bytes));
	}
}

TEST_HARNESS_MAIN
