// SPDX-License-Identifier: GPL-2.0 OR MIT
/* What is released with a delay comes back after it, in its place (I42), and is there. */
#include "lease.h"

#define HOUR 3600000U

static char buffer[1 << 12] __attribute__((aligned(64)));

static struct weir_run take(FIXTURE_DATA(queue) *self, __u32 count)
{
	return lease_take(self->reader, count, 0);
}

TEST_F(queue, waits)
{
	struct weir_info info;
	struct weir_run run;

	lease_fill(self->writer, 10);
	run = take(self, 10);
	ASSERT_EQ(0, lease_end(self->reader, lease_first(run, 4), WEIR_RELEASE, HOUR));
	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(4, info.delayed);
	EXPECT_EQ(6, info.leased);
	EXPECT_EQ(0, info.depth);
	EXPECT_EQ(4, raw_figure(self->name, "delayed"));
	/* It is not there for anybody. */
	EXPECT_EQ(0, take(self, 1).count);
	EXPECT_EQ(0, raw_poll(self->reader, POLLIN));
	EXPECT_EQ(-EAGAIN, raw_read(self->reader, buffer, sizeof(buffer)));
	/* Nor his who let it go. */
	EXPECT_EQ(-ESTALE, lease_end(self->reader, lease_first(run, 4), WEIR_ACK, 0));
	EXPECT_EQ(-ESTALE, lease_end(self->reader, lease_first(run, 1), WEIR_RELEASE, 0));
	EXPECT_EQ(-ESTALE, lease_end(self->reader, lease_first(run, 1), WEIR_EXTEND, 1));
	EXPECT_EQ(-ESTALE, lease_end(self->reader, run, WEIR_ACK, 0));
	EXPECT_EQ(0, lease_end(self->reader, lease_rest(run, 4), WEIR_ACK, 0));
	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(4, info.delayed);
	EXPECT_EQ(0, info.expired);
	EXPECT_EQ(0, info.pinned);
}

/* In the order of their offsets, before what was never out. */
TEST_F(queue, comes_back_in_order)
{
	struct weir_run run, one;
	int i;

	lease_fill(self->writer, 30);
	run = take(self, 20);
	ASSERT_EQ(20, run.count);
	for (i = 0; i < 20; i++) {
		one = lease_first(lease_rest(run, i * 7 % 20), 1);
		ASSERT_EQ(0, lease_end(self->reader, one, WEIR_RELEASE, i % 4 * 5));
	}
	wait_figure(self->name, "delayed", 0);
	EXPECT_EQ(30, raw_figure(self->name, "depth"));
	for (i = 0; i < 30; i++) {
		one = take(self, 1);
		ASSERT_EQ(1, one.count);
		ASSERT_EQ(i, one.offset);
		ASSERT_EQ(i < 20 ? 2 : 1, one.deliveries);
	}
	EXPECT_EQ(0, raw_figure(self->name, "expired"));
}

/* What is not due is passed over by what is. */
TEST_F(queue, overtaken)
{
	struct weir_run run, one;

	lease_fill(self->writer, 4);
	run = take(self, 2);
	ASSERT_EQ(0, lease_end(self->reader, lease_first(run, 1), WEIR_RELEASE, HOUR));
	ASSERT_EQ(0, lease_end(self->reader, lease_rest(run, 1), WEIR_RELEASE, 1));
	wait_figure(self->name, "delayed", 1);
	one = take(self, 1);
	EXPECT_EQ(1, one.offset);
	one = take(self, 1);
	EXPECT_EQ(2, one.offset);
}

TEST_F(queue, not_early)
{
	int waits = raw_open(self->name, O_RDONLY);
	unsigned int seed = 3;
	int i;

	lease_fill(self->writer, 1);
	for (i = 0; i < 60; i++) {
		__u32 delay_ms = 1 + rand_r(&seed) % 40;
		struct weir_run run = take(self, 1);
		struct weir_fetch fetch = {
			.runs = raw_address(&run), .max_messages = 1, .nr_runs = 1,
			.timeout_ns = -1,
		};
		__u64 begin = lease_now();

		ASSERT_EQ(1, run.count);
		ASSERT_EQ(0, lease_end(self->reader, run, WEIR_RELEASE, delay_ms));
		ASSERT_EQ(1, door_command(waits, WEIR_IOC_FETCH, &fetch));
		ASSERT_LE(begin + delay_ms * 1000000ULL, lease_now());
		ASSERT_EQ(2 * i + 2, run.deliveries);
		ASSERT_EQ(0, lease_end(waits, run, WEIR_RELEASE, 0));
	}
}

/* Many times at once, in many segments. */
TEST_F(queue, many_times)
{
	enum { MANY = 1000 };
	static __u64 over[MANY];
	static struct weir_run one;
	unsigned int seed = 11;
	int i, back, had;

	lease_fill(self->writer, MANY + 1);
	for (i = 0; i < MANY; i++) {
		__u32 delay_ms = 1 + rand_r(&seed) % (i % 4 ? 200 : 1500);

		/* Those that came back meanwhile come first, and are not waited for twice. */
		do {
			one = take(self, 1);
			ASSERT_EQ(1, one.count);
		} while (one.deliveries > 1);
		ASSERT_EQ(i, one.offset);
		over[i] = lease_now() + delay_ms * 1000000ULL;
		ASSERT_EQ(0, lease_end(self->reader, one, WEIR_RELEASE, delay_ms));
	}
	do {
		__u64 now;

		nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
		had = MANY - raw_figure(self->name, "delayed");
		now = lease_now();
		for (i = 0, back = 0; i < MANY; i++)
			back += over[i] <= now;
		ASSERT_LE(had, back);
	} while (had < MANY);
}

/* Who waits is told: in read(2), in poll(2), and in a ring. */
TEST_F(queue, wakes)
{
	struct weir_run run;
	struct pollfd pollfd = { .events = POLLIN };
	pid_t child;
	int i;

	lease_fill(self->writer, 1);
	for (i = 0; i < 3; i++) {
		run = take(self, 1);
		ASSERT_EQ(1, run.count);
		child = proc_fork();
		if (!child) {
			struct weir_run got;
			int fd = raw_open(self->name, O_RDONLY);

			pollfd.fd = fd;
			if (i == 0)
				_exit(poll(&pollfd, 1, -1) != 1);
			if (i == 1)
				_exit(raw_read(fd, buffer, 1) != 1);
			_exit(door_fetch(fd, buffer, sizeof(buffer), 0, &got) != 1);
		}
		if (i)
			wait_waiters(self->name, 1);
		ASSERT_EQ(0, lease_end(self->reader, run, WEIR_RELEASE, 20));
		EXPECT_EQ(0, proc_wait(child));
		wait_figure(self->name, "depth", 1);
	}
}

/* It takes its place and its bytes. */
TEST_F(queue, counts_as_held)
{
	struct weir_run run;
	struct weir_info info;

	ASSERT_EQ(0, queue_remake(self, 4, 0));
	lease_fill(self->writer, 4);
	run = take(self, 4);
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_RELEASE, HOUR));
	EXPECT_EQ(-EAGAIN, raw_write(self->writer, "x", 1));
	EXPECT_EQ(0, raw_poll(self->writer, POLLOUT));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(256, info.bytes);
	EXPECT_EQ(0, info.oldest_age_ns);
}

/* Of who released it nothing depends any more. */
TEST_F(queue, outlives_its_holder)
{
	pid_t child;

	lease_fill(self->writer, 6);
	child = proc_fork();
	if (!child) {
		int fd = raw_open(self->name, O_RDONLY);

		_exit(lease_end(fd, lease_take(fd, 2, 0), WEIR_RELEASE, HOUR) ||
		      lease_end(fd, lease_take(fd, 2, 0), WEIR_RELEASE, 30) ||
		      lease_take(fd, 1, 0).count != 1);
	}
	ASSERT_EQ(0, proc_wait(child));
	wait_figure(self->name, "leased", 0);
	wait_figure(self->name, "delayed", 2);
	EXPECT_EQ(4, raw_figure(self->name, "depth"));
	EXPECT_EQ(2, take(self, 3).offset);
}

/* Purging is for what is ready. */
TEST_F(queue, purged)
{
	struct weir_run run;
	struct weir_info info;

	lease_fill(self->writer, 10);
	run = take(self, 6);
	ASSERT_EQ(0, lease_end(self->reader, lease_first(run, 2), WEIR_RELEASE, HOUR));
	ASSERT_EQ(0, lease_end(self->reader, lease_first(lease_rest(run, 2), 2), WEIR_RELEASE, 0));
	EXPECT_EQ(6, raw_purge(self->name));
	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(2, info.delayed);
	EXPECT_EQ(2, info.leased);
	/* One that comes back later is there, and can go then. */
	ASSERT_EQ(0, lease_end(self->reader, lease_rest(run, 4), WEIR_RELEASE, 10));
	wait_figure(self->name, "depth", 2);
	EXPECT_EQ(2, raw_purge(self->name));
	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(8, info.purged);
}

TEST_F(queue, destroyed)
{
	struct weir_run run;

	lease_fill(self->writer, 10);
	run = take(self, 10);
	ASSERT_EQ(0, lease_end(self->reader, lease_first(run, 5), WEIR_RELEASE, HOUR));
	ASSERT_EQ(0, lease_end(self->reader, lease_rest(run, 5), WEIR_RELEASE, 30));
	close(self->reader);
	close(self->writer);
	/* It is not empty. */
	EXPECT_EQ(-EBUSY, raw_destroy(self->name));
	ASSERT_EQ(0, raw_destroy_force(self->name));
}

/* Each bit of the delay is one where it means something, and wrong where it does not. */
TEST_F(queue, hostile_delays)
{
	struct weir_run run;
	int bit;

	lease_fill(self->writer, 70);
	run = take(self, 1);
	for (bit = 0; bit < 32; bit++) {
		EXPECT_EQ(-EINVAL, lease_end(self->reader, run, WEIR_ACK, 1U << bit));
		EXPECT_EQ(-EINVAL, lease_end(self->reader, run, WEIR_EXTEND + 1, 1U << bit));
	}
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_ACK, 0));
	for (bit = 24; bit < 32; bit++) {
		run = take(self, 2);
		ASSERT_EQ(2, run.count);
		ASSERT_EQ(0, lease_end(self->reader, lease_first(run, 1), WEIR_EXTEND, 1U << bit));
		ASSERT_EQ(0, lease_end(self->reader, lease_first(run, 1), WEIR_RELEASE, 1U << bit));
		ASSERT_EQ(0, lease_end(self->reader, lease_rest(run, 1), WEIR_EXTEND, ~0U));
		ASSERT_EQ(0, lease_end(self->reader, lease_rest(run, 1), WEIR_RELEASE, ~0U));
	}
	EXPECT_EQ(16, raw_figure(self->name, "delayed"));
	/* The timer still goes. */
	run = take(self, 1);
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_RELEASE, 1));
	wait_figure(self->name, "delayed", 16);
}

/* Each run of a call, and of what a FETCH settles first, has its own. */
TEST_F(queue, mixed)
{
	struct weir_run run, runs[6];
	struct weir_fetch fetch = {
		.runs = raw_address(&run), .nr_runs = 1, .max_messages = 1,
		.settle = raw_address(runs), .nr_settle = 6,
	};
	int i;

	lease_fill(self->writer, 7);
	run = take(self, 6);
	for (i = 0; i < 6; i++)
		runs[i] = lease_first(lease_rest(run, i), 1);
	runs[0].op = WEIR_RELEASE;
	runs[0].delay_ms = HOUR;
	runs[1].op = WEIR_EXTEND;
	runs[1].delay_ms = HOUR;
	runs[2].delay_ms = 1;
	runs[3].op = WEIR_RELEASE;
	runs[3].deliveries = 9;
	runs[3].delay_ms = 1;
	runs[4].op = WEIR_RELEASE;
	ASSERT_EQ(1, door_command(self->reader, WEIR_IOC_FETCH, &fetch));
	EXPECT_EQ(4, run.offset);
	EXPECT_EQ(2, run.deliveries);
	EXPECT_EQ(0, runs[0].status);
	EXPECT_EQ(0, runs[1].status);
	EXPECT_EQ(-EINVAL, runs[2].status);
	EXPECT_EQ(-ESTALE, runs[3].status);
	EXPECT_EQ(0, runs[4].status);
	EXPECT_EQ(0, runs[5].status);
	EXPECT_EQ(1, raw_figure(self->name, "delayed"));
	EXPECT_EQ(4, raw_figure(self->name, "leased"));
	EXPECT_EQ(1, raw_figure(self->name, "settled"));
}

TEST_HARNESS_MAIN
