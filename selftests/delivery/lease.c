// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Leases end in time: what is taken and not settled goes back in its place (I42), and
 * whoever is late is told so (I41).
 */
#include "lease.h"

static char buffer[1 << 16] __attribute__((aligned(64)));

TEST_F(queue, thirty_seconds)
{
	struct weir_info info;

	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(WEIR_DEFAULT_LEASE, info.policy.lease_ns);
	EXPECT_EQ(30000000000ULL, WEIR_DEFAULT_LEASE);
	EXPECT_EQ(30000000000LL, raw_figure(self->name, "lease_ns"));
	ASSERT_EQ(0, lease_remake(self, 123456789));
	EXPECT_EQ(123456789, raw_figure(self->name, "lease_ns"));
	ASSERT_EQ(0, lease_remake(self, WEIR_UNLIMITED));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(WEIR_UNLIMITED, info.policy.lease_ns);
}

/* All that ran out is there again, in order, before what was never out. */
static void runs_out(struct __test_metadata *_metadata, FIXTURE_DATA(queue) *self, bool copied)
{
	struct weir_run run, one;
	struct weir_info info;
	int i;

	lease_fill(self->writer, 40);
	for (i = 0; i < 30; i += 10) {
		run = copied ? lease_copy(self->reader, 10, LEASE_SHORT, buffer, sizeof(buffer)) :
			       lease_take(self->reader, 10, LEASE_SHORT);
		ASSERT_EQ(10, run.count);
		/* Each goes back at once, so the next one takes what was not out yet. */
		wait_figure(self->name, "expired", i + 10);
		ASSERT_EQ(0, run.offset);
		ASSERT_EQ(i / 10 + 1, run.deliveries);
	}
	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(40, info.depth);
	EXPECT_EQ(0, info.leased);
	EXPECT_EQ(20, info.redelivered);
	for (i = 0; i < 40; i++) {
		one = lease_take(self->reader, 1, LEASE_LONG);
		ASSERT_EQ(1, one.count);
		ASSERT_EQ(i, one.offset);
		ASSERT_EQ(i < 10 ? 4 : 1, one.deliveries);
	}
}

TEST_F(queue, runs_out_in_place)
{
	runs_out(_metadata, self, false);
}

TEST_F(queue, runs_out_copied)
{
	runs_out(_metadata, self, true);
}

/* The first delivery is noted for good; the number grows. */
TEST_F(queue, first_delivery)
{
	struct weir_desc *desc = (void *)buffer;
	__u64 first;

	lease_fill(self->writer, 1);
	ASSERT_EQ(1, lease_copy(self->reader, 1, LEASE_SHORT, buffer, sizeof(buffer)).count);
	first = desc->first_ns;
	EXPECT_LE(desc->stamp_ns, first);
	EXPECT_EQ(1, desc->deliveries);
	wait_figure(self->name, "expired", 1);
	ASSERT_EQ(1, lease_copy(self->reader, 1, 0, buffer, sizeof(buffer)).count);
	EXPECT_EQ(first, desc->first_ns);
	EXPECT_EQ(2, desc->deliveries);
}

/* Who is late learns it, before and after another has it, and changes nothing. */
TEST_F(queue, late)
{
	static const __u32 ops[] = { WEIR_ACK, WEIR_RELEASE, WEIR_EXTEND };
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	struct weir_info before, after;
	struct weir_run run, again;
	int i, round;

	lease_fill(self->writer, 8);
	run = lease_copy(self->reader, 8, LEASE_SHORT, buffer, sizeof(buffer));
	ASSERT_EQ(8, run.count);
	wait_figure(self->name, "expired", 8);
	for (round = 0; round < 3; round++) {
		if (round == 1)
			again = lease_take(other, 8, LEASE_LONG);
		if (round == 2)
			ASSERT_EQ(0, lease_end(other, again, WEIR_ACK, 0));
		ASSERT_EQ(0, raw_info(self->name, &before));
		for (i = 0; i < ARRAY_SIZE(ops); i++) {
			EXPECT_EQ(-ESTALE, lease_end(self->reader, run, ops[i], 0));
			EXPECT_EQ(-ESTALE, lease_end(self->reader, lease_first(run, 1), ops[i], 0));
			EXPECT_EQ(-ESTALE, lease_end(self->reader, run, ops[i], ops[i] ? 5 : 0));
		}
		ASSERT_EQ(0, raw_info(self->name, &after));
		before.oldest_age_ns = after.oldest_age_ns;
		EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	}
	EXPECT_EQ(8, raw_figure(self->name, "settled"));
}

/* Late through the description of both: it is the delivery that counts. */
TEST_F(queue, late_to_himself)
{
	struct weir_run run, again;

	lease_fill(self->writer, 1);
	run = lease_take(self->reader, 1, LEASE_SHORT);
	wait_figure(self->name, "expired", 1);
	again = lease_take(self->reader, 1, LEASE_LONG);
	ASSERT_EQ(2, again.deliveries);
	EXPECT_EQ(-ESTALE, lease_end(self->reader, run, WEIR_ACK, 0));
	EXPECT_EQ(-ESTALE, lease_end(self->reader, run, WEIR_EXTEND, 1));
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	EXPECT_EQ(0, lease_end(self->reader, again, WEIR_ACK, 0));
}

/* A FETCH has its own time, shorter or longer than the queue's, or none. */
TEST_F(queue, time_of_a_fetch)
{
	struct weir_run longer, endless, own;

	ASSERT_EQ(0, lease_remake(self, LEASE_SHORT));
	lease_fill(self->writer, 12);
	longer = lease_take(self->reader, 4, LEASE_LONG);
	endless = lease_take(self->reader, 4, WEIR_UNLIMITED);
	ASSERT_EQ(4, longer.count);
	ASSERT_EQ(4, endless.count);
	own = lease_take(self->reader, 4, 0);
	ASSERT_EQ(4, own.count);
	wait_figure(self->name, "expired", 4);
	EXPECT_EQ(8, raw_figure(self->name, "leased"));
	EXPECT_EQ(-ESTALE, lease_end(self->reader, own, WEIR_ACK, 0));
	EXPECT_EQ(0, lease_end(self->reader, longer, WEIR_ACK, 0));
	EXPECT_EQ(0, lease_end(self->reader, endless, WEIR_ACK, 0));

	ASSERT_EQ(4, lease_take(self->reader, 4, LEASE_LONG).count);
	close(self->reader);
	self->reader = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	wait_figure(self->name, "leased", 0);
	ASSERT_EQ(4, lease_take(self->reader, 4, 0).count);
	wait_figure(self->name, "expired", 8);
}

TEST_F(queue, shorter_than_the_queues)
{
	struct weir_run run;

	ASSERT_EQ(0, lease_remake(self, WEIR_UNLIMITED));
	lease_fill(self->writer, 2);
	run = lease_take(self->reader, 1, 0);
	ASSERT_EQ(1, lease_take(self->reader, 1, LEASE_SHORT).count);
	wait_figure(self->name, "expired", 1);
	EXPECT_EQ(0, lease_end(self->reader, run, WEIR_ACK, 0));
}

/*
 * Times up to the largest number: the timer neither goes off at once nor for ever, which
 * would be seen as leases that end, and as one that then does not.
 */
TEST_F(queue, absurd_times)
{
	static const __u64 times[] = {
		1ULL << 62, WEIR_UNLIMITED / 2, WEIR_UNLIMITED - 1000000000, WEIR_UNLIMITED - 1,
		WEIR_UNLIMITED, WEIR_UNLIMITED + 1, 1ULL << 63, ~0ULL - 1, ~0ULL,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(times); i++) {
		lease_fill(self->writer, 2);
		ASSERT_EQ(1, lease_take(self->reader, 1, times[i]).count);
		ASSERT_EQ(1, lease_take(self->reader, 1, LEASE_SHORT).count);
		wait_figure(self->name, "expired", i + 1);
		EXPECT_EQ(i + 1, raw_figure(self->name, "leased"));
		ASSERT_EQ(1, lease_copy(self->reader, 1, 0, buffer, sizeof(buffer)).count);
		EXPECT_EQ(2, ((struct weir_desc *)buffer)->deliveries);
		ASSERT_EQ(0, lease_end(self->reader, (struct weir_run){
			.offset = ((struct weir_desc *)buffer)->offset, .count = 1,
			.slot = ((struct weir_desc *)buffer)->slot, .deliveries = 2,
		}, WEIR_ACK, 0));
	}
}

TEST_F(queue, extends)
{
	struct weir_run run;

	lease_fill(self->writer, 30);
	run = lease_take(self->reader, 30, LEASE_LONG);
	ASSERT_EQ(30, run.count);
	/* Shorter: however long it was. */
	EXPECT_EQ(0, lease_end(self->reader, lease_first(run, 10), WEIR_EXTEND, 1));
	wait_figure(self->name, "expired", 10);
	EXPECT_EQ(20, raw_figure(self->name, "leased"));
	EXPECT_EQ(-ESTALE, lease_end(self->reader, lease_first(run, 10), WEIR_EXTEND, 0));
	EXPECT_EQ(-ESTALE, lease_end(self->reader, lease_first(run, 11), WEIR_EXTEND, 0));
	/* It counts as settled by the call, and is not. */
	EXPECT_EQ(0, lease_end(self->reader, lease_rest(run, 10), WEIR_EXTEND, ~0U));
	EXPECT_EQ(20, raw_figure(self->name, "leased"));
	EXPECT_EQ(0, raw_figure(self->name, "settled"));
	EXPECT_EQ(0, lease_end(self->reader, lease_rest(run, 10), WEIR_ACK, 0));
	EXPECT_EQ(10, raw_figure(self->name, "expired"));
}

/* Longer: what was extended does not go with what was not. */
TEST_F(queue, extended_outlasts)
{
	struct weir_run run;
	int i;

	lease_fill(self->writer, 40);
	for (i = 0; i < 20; i++) {
		/* Who comes too late tries it once more. */
		do {
			run = lease_copy(self->reader, 2, 50000000, buffer, sizeof(buffer));
			ASSERT_EQ(2 * i, run.offset);
		} while (run.count != 2 || lease_end(self->reader, lease_first(run, 1),
						     WEIR_EXTEND, 3600000));
		wait_figure(self->name, "leased", i + 1);
		run = lease_take(self->reader, 1, WEIR_UNLIMITED);
		ASSERT_EQ(2 * i + 1, run.offset);
		ASSERT_EQ(0, lease_end(self->reader, run, WEIR_ACK, 0));
	}
	EXPECT_EQ(20, raw_figure(self->name, "settled"));
}

/* 0 is the queue's time from now on, also where the FETCH had another. */
TEST_F(queue, extends_by_the_queues)
{
	struct weir_run run;

	ASSERT_EQ(0, lease_remake(self, LEASE_SHORT));
	lease_fill(self->writer, 2);
	run = lease_take(self->reader, 2, WEIR_UNLIMITED);
	EXPECT_EQ(0, lease_end(self->reader, lease_first(run, 1), WEIR_EXTEND, 0));
	wait_figure(self->name, "expired", 1);
	EXPECT_EQ(0, lease_end(self->reader, lease_rest(run, 1), WEIR_ACK, 0));
	EXPECT_EQ(-ESTALE, lease_end(self->reader, lease_first(run, 1), WEIR_EXTEND, 0));

	ASSERT_EQ(1, lease_take(self->reader, 1, WEIR_UNLIMITED).count);
	close(self->reader);
	self->reader = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	wait_figure(self->name, "leased", 0);
	ASSERT_EQ(1, lease_copy(self->reader, 1, 0, buffer, sizeof(buffer)).count);
	wait_figure(self->name, "expired", 2);
}

/* Extended by any process through that description, and by none through another. */
TEST_F(queue, extended_by_another)
{
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	struct weir_run run;
	pid_t child;

	lease_fill(self->writer, 1);
	run = lease_take(self->reader, 1, LEASE_LONG);
	EXPECT_EQ(-ESTALE, lease_end(other, run, WEIR_EXTEND, 1));
	EXPECT_EQ(-EACCES, lease_end(self->writer, run, WEIR_EXTEND, 1));
	child = proc_fork();
	if (!child)
		_exit(lease_end(self->reader, run, WEIR_EXTEND, 1) != 0);
	EXPECT_EQ(0, proc_wait(child));
	wait_figure(self->name, "expired", 1);
}

/* What read(2) has in part it has until it ends. */
TEST_F(queue, read_has_no_time)
{
	struct weir_run other;
	char bytes[32];

	ASSERT_EQ(0, lease_remake(self, LEASE_SHORT));
	lease_fill(self->writer, 2);
	ASSERT_EQ(1, raw_read(self->reader, bytes, 1));
	/* In the same segment, so it is looked at when this one is over. */
	other = lease_take(self->reader, 1, 0);
	ASSERT_EQ(1, other.offset);
	wait_figure(self->name, "expired", 1);
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	EXPECT_EQ(-EBUSY, lease_end(self->reader, (struct weir_run){
		.count = 1, .deliveries = 1 }, WEIR_EXTEND, 1));
	EXPECT_EQ(31, raw_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_EQ(1, raw_figure(self->name, "settled"));
}

/* Nothing is taken away while it is being copied out. */
TEST_F(queue, while_it_is_copied)
{
	struct stall *stall = proc_shared(sizeof(*stall));
	struct weir_run *run = proc_shared(sizeof(*run)), mark;
	static char bytes[8192];
	struct gate gate;
	pid_t child;
	int fd;

	ASSERT_EQ(0, gate_make(&gate));
	memset(bytes, 'm', sizeof(bytes));
	ASSERT_EQ(8192, raw_write(self->writer, bytes, 8192));
	lease_fill(self->writer, 1);
	child = proc_fork();
	if (!child) {
		size_t i;

		if (stall_make(stall, 4, 2))
			_exit(100);
		gate_open(&gate);
		*run = lease_copy(self->reader, 1, LEASE_SHORT, stall->memory, 4 * stall->page);
		for (i = 0; i < 8192; i++)
			if (stall->memory[64 + i] != 'm')
				_exit(101);
		_exit(run->count != 1);
	}
	gate_wait(&gate);
	fd = proc_get_fd(child, stall->fd);
	ASSERT_LE(0, fd);
	stall_wait(fd);
	/* Another one in its segment is over, and over again. */
	mark = lease_take(self->reader, 1, LEASE_SHORT);
	ASSERT_EQ(1, mark.offset);
	wait_figure(self->name, "expired", 1);
	mark = lease_take(self->reader, 1, 30000000);
	ASSERT_EQ(1, mark.offset);
	wait_figure(self->name, "expired", 2);
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	EXPECT_EQ(1, raw_figure(self->name, "depth"));
	ASSERT_EQ(0, stall_end(fd, stall, 'm'));
	ASSERT_EQ(0, proc_wait(child));
	/* From there on it may. */
	wait_until(raw_figure(self->name, "depth") == 2);
	EXPECT_EQ(-ESTALE, lease_end(self->reader, *run, WEIR_ACK, 0));
	mark = lease_take(self->reader, 1, LEASE_LONG);
	ASSERT_EQ(1, mark.count);
	EXPECT_EQ(0, mark.offset);
}

/* At most once is settled when all is told, whatever the time. */
TEST_F(queue, settled_by_the_fetch)
{
	struct weir_run run;
	struct weir_fetch fetch = {
		.runs = raw_address(&run), .nr_runs = 1, .max_messages = 1,
		.buffer = raw_address(buffer), .buffer_len = sizeof(buffer),
		.flags = WEIR_FETCH_SETTLED, .lease_ns = LEASE_SHORT,
	};
	int i;

	for (i = 0; i < 50; i++) {
		lease_fill(self->writer, 1);
		ASSERT_EQ(1, door_command(self->reader, WEIR_IOC_FETCH, &fetch));
	}
	EXPECT_EQ(50, raw_figure(self->name, "settled"));
	EXPECT_EQ(0, raw_figure(self->name, "expired"));
}

/* Who waits for a message is told of one that comes back, not before its time. */
TEST_F(queue, not_early)
{
	int waits = raw_open(self->name, O_RDONLY);
	unsigned int seed = 1;
	int i;

	lease_fill(self->writer, 1);
	for (i = 0; i < 60; i++) {
		__u64 lease = 1 + rand_r(&seed) % 40000000, begin = lease_now();
		struct weir_fetch fetch = {
			.max_messages = 1, .nr_runs = 1, .timeout_ns = -1,
			.buffer = raw_address(buffer), .buffer_len = sizeof(buffer),
		};
		struct weir_run run;

		ASSERT_EQ(1, lease_copy(self->reader, 1, lease, buffer, sizeof(buffer)).count);
		fetch.runs = raw_address(&run);
		ASSERT_EQ(1, door_command(waits, WEIR_IOC_FETCH, &fetch));
		ASSERT_LE(begin + lease, lease_now());
		ASSERT_EQ(2 * i + 2, run.deliveries);
		ASSERT_EQ(0, lease_end(waits, run, WEIR_RELEASE, 0));
	}
}

/* Many times at once, in many segments: each is over after its own, none before. */
TEST_F(queue, many_times)
{
	enum { MANY = 1000 };
	static __u64 over[MANY];
	unsigned int seed = 7;
	int i, expired = 0, back;

	ASSERT_EQ(0, lease_remake(self, WEIR_UNLIMITED));
	lease_fill(self->writer, MANY + 1);
	for (i = 0; i < MANY; i++) {
		__u64 lease = 1 + rand_r(&seed) % (i % 4 ? 200000000 : 1500000000);

		over[i] = lease_now() + lease;
		ASSERT_EQ(1, lease_copy(self->reader, 1, lease, buffer, sizeof(buffer)).count);
	}
	do {
		__u64 now;

		nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
		expired = raw_figure(self->name, "expired");
		now = lease_now();
		for (i = 0, back = 0; i < MANY; i++)
			back += over[i] <= now;
		/* No more than had to be by then. */
		ASSERT_LE(expired, back);
	} while (expired < MANY);
	for (i = 0; i <= MANY; i++) {
		struct weir_run run = lease_take(self->reader, 1, 0);

		ASSERT_EQ(1, run.count);
		ASSERT_EQ(i, run.offset);
	}
}

TEST_F(queue, destroyed_while_leased)
{
	struct weir_run run;

	lease_fill(self->writer, 10);
	run = lease_take(self->reader, 5, 20000000);
	ASSERT_EQ(5, run.count);
	EXPECT_EQ(-EBUSY, raw_destroy(self->name));
	ASSERT_EQ(0, raw_destroy_force(self->name));
	EXPECT_EQ(-ESHUTDOWN, lease_end(self->reader, run, WEIR_EXTEND, 1));
}

/* Those who are out in time are not thrown away; those who came back are. */
TEST_F(queue, purged)
{
	struct weir_run run;
	struct weir_info info;

	lease_fill(self->writer, 10);
	run = lease_copy(self->reader, 4, LEASE_LONG, buffer, sizeof(buffer));
	ASSERT_EQ(4, lease_copy(self->reader, 4, LEASE_SHORT, buffer, sizeof(buffer)).count);
	wait_figure(self->name, "expired", 4);
	EXPECT_EQ(6, raw_purge(self->name));
	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(4, info.leased);
	EXPECT_EQ(0, info.depth);
	EXPECT_EQ(0, lease_end(self->reader, run, WEIR_ACK, 0));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

TEST_HARNESS_MAIN
