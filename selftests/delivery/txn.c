// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What one transaction sends and settles is done as a whole or not at all, whoever is
 * killed when (I47).
 */
#include "lease.h"

#define QUEUES	(WEIR_TXN_QUEUES + 1)

FIXTURE(txn) {
	char names[QUEUES][WEIR_NAME_SIZE];
	int fds[QUEUES];		/* non-blocking, for both */
};

FIXTURE_VARIANT(txn) {
	enum door door;
};

FIXTURE_VARIANT_ADD(txn, ioctl) {
	.door = DOOR_IOCTL,
};

FIXTURE_VARIANT_ADD(txn, uring) {
	.door = DOOR_URING,
};

FIXTURE_SETUP(txn)
{
	int i;

	door_now = variant->door;
	for (i = 0; i < QUEUES; i++) {
		ASSERT_EQ(0, raw_create_sized(raw_name(self->names[i]), 10, 1 << 16));
		self->fds[i] = raw_open(self->names[i], O_RDWR | O_NONBLOCK);
		ASSERT_LE(0, self->fds[i]);
	}
}

FIXTURE_TEARDOWN_PARENT(txn)
{
	int i;

	for (i = 0; i < QUEUES; i++)
		EXPECT_EQ(0, raw_destroy_force(self->names[i]));
}

static char payload[] = "a payload";

static struct weir_message messages[WEIR_BATCH_MAX + 1];

static struct weir_part part_send(int fd, __u32 count)
{
	__u32 i;

	for (i = 0; i < count; i++)
		messages[i] = (struct weir_message){
			.data = raw_address(payload), .len = sizeof(payload),
		};
	return (struct weir_part){
		.fd = fd, .op = WEIR_PART_SEND, .items = raw_address(messages), .count = count,
	};
}

static struct weir_part part_settle(int fd, struct weir_run *runs, __u32 count)
{
	return (struct weir_part){
		.fd = fd, .op = WEIR_PART_SETTLE, .items = raw_address(runs), .count = count,
	};
}

static __u32 failed;

static int txn_for(int fd, struct weir_part *parts, __u32 count, __s64 timeout_ns)
{
	struct weir_txn txn = {
		.parts = raw_address(parts), .count = count, .timeout_ns = timeout_ns,
		.failed = 1234,
	};
	int ret = door_command(fd, WEIR_IOC_TXN, &txn);

	failed = txn.failed;
	return ret;
}

static int txn_do(int fd, struct weir_part *parts, __u32 count)
{
	return txn_for(fd, parts, count, 0);
}

#define ASSERT_FIGURES(name, d, l, s) do {				\
	struct weir_info info_;						\
									\
	ASSERT_EQ(0, raw_info(name, &info_));				\
	ASSERT_ADDS_UP(&info_);						\
	ASSERT_EQ(d, info_.depth);					\
	ASSERT_EQ(l, info_.leased);					\
	ASSERT_EQ(s, info_.settled);					\
} while (0)

/* All of it, each in its queue and in order. */
TEST_F(txn, done)
{
	struct weir_part parts[3];
	struct weir_run run;
	int i;

	lease_fill(self->fds[0], 5);
	lease_fill(self->fds[1], 2);
	run = lease_take(self->fds[0], 3, 0);
	ASSERT_EQ(3, run.count);
	parts[0] = part_send(self->fds[1], 4);
	parts[1] = part_settle(self->fds[0], &run, 1);
	parts[2] = part_send(self->fds[2], 1);
	run.status = 77;
	ASSERT_EQ(0, txn_do(self->fds[3], parts, 3));
	EXPECT_EQ(0, run.status);
	EXPECT_EQ(2, parts[0].first_offset);
	EXPECT_EQ(0, parts[2].first_offset);
	ASSERT_FIGURES(self->names[0], 2, 0, 3);
	ASSERT_FIGURES(self->names[1], 6, 0, 0);
	ASSERT_FIGURES(self->names[2], 1, 0, 0);
	for (i = 0; i < 6; i++) {
		run = lease_take(self->fds[1], 1, 0);
		ASSERT_EQ(i, run.offset);
	}
}

/* What a settlement can say can be said here. */
TEST_F(txn, each_settlement)
{
	struct weir_run run, runs[4];
	struct weir_part part;
	int i;

	ASSERT_EQ(0, raw_destroy_force(self->names[0]));
	ASSERT_EQ(0, raw_create_sized(self->names[0], 10, 1 << 16));
	close(self->fds[0]);
	self->fds[0] = raw_open(self->names[0], O_RDWR | O_NONBLOCK);
	lease_fill(self->fds[0], 4);
	run = lease_take(self->fds[0], 4, LEASE_LONG);
	for (i = 0; i < 4; i++)
		runs[i] = lease_first(lease_rest(run, i), 1);
	runs[0].op = WEIR_ACK;
	runs[1].op = WEIR_RELEASE;
	runs[2].op = WEIR_EXTEND;
	runs[2].delay_ms = 1;
	runs[3].op = WEIR_TERM;
	part = part_settle(self->fds[0], runs, 4);
	ASSERT_EQ(0, txn_do(self->fds[0], &part, 1));
	wait_figure(self->names[0], "expired", 1);
	wait_figure(self->names[0], "dying", 0);
	ASSERT_FIGURES(self->names[0], 2, 0, 1);
	ASSERT_EQ(1, raw_figure(self->names[0], "dead"));
	run = lease_take(self->fds[0], 2, LEASE_LONG);
	ASSERT_EQ(1, run.offset);
	ASSERT_EQ(2, run.deliveries);
}

/* One run that is not as it says, and nothing of all that is done, nor anything kept. */
TEST_F(txn, stale)
{
	struct weir_part parts[4];
	struct weir_run run, runs[2];

	lease_fill(self->fds[0], 4);
	run = lease_take(self->fds[0], 4, 0);
	runs[0] = lease_first(run, 2);
	runs[1] = lease_rest(run, 2);
	runs[1].deliveries++;
	runs[0].status = runs[1].status = 77;
	parts[0] = part_send(self->fds[1], 3);
	parts[1] = part_settle(self->fds[0], runs, 2);
	parts[2] = part_send(self->fds[2], 3);
	ASSERT_EQ(-ESTALE, txn_do(self->fds[1], parts, 3));
	EXPECT_EQ(1, failed);
	EXPECT_EQ(77, runs[0].status);
	EXPECT_EQ(-ESTALE, runs[1].status);
	ASSERT_FIGURES(self->names[0], 0, 4, 0);
	ASSERT_FIGURES(self->names[1], 0, 0, 0);
	EXPECT_EQ(0, raw_figure(self->names[1], "bytes"));
	EXPECT_EQ(0, raw_figure(self->names[2], "bytes"));
	EXPECT_EQ(0, raw_figure(self->names[1], "sent"));
	/* Nothing of it is busy. */
	ASSERT_EQ(0, lease_end(self->fds[0], run, WEIR_ACK, 0));
}

TEST_F(txn, twice)
{
	struct weir_part parts[2];
	struct weir_run run, same, other;

	lease_fill(self->fds[0], 4);
	run = lease_take(self->fds[0], 4, 0);
	same = lease_rest(run, 3);
	other = lease_first(run, 4);
	parts[0] = part_settle(self->fds[0], &other, 1);
	parts[1] = part_settle(self->fds[0], &same, 1);
	ASSERT_EQ(-EBUSY, txn_do(self->fds[0], parts, 2));
	EXPECT_EQ(1, failed);
	EXPECT_EQ(-EBUSY, same.status);
	ASSERT_FIGURES(self->names[0], 0, 4, 0);
	ASSERT_EQ(0, txn_do(self->fds[0], parts, 1));
	ASSERT_FIGURES(self->names[0], 0, 0, 4);
}

/* Room for all, or for none. */
TEST_F(txn, full)
{
	struct weir_part parts[3];
	struct weir_run run;
	pid_t child;
	int fd;

	lease_fill(self->fds[2], 9);
	parts[0] = part_send(self->fds[1], 10);
	parts[1] = part_send(self->fds[2], 2);
	ASSERT_EQ(-EAGAIN, txn_do(self->fds[0], parts, 2));
	EXPECT_EQ(1, failed);
	parts[2] = part_send(self->fds[2], 11);
	ASSERT_EQ(-EMSGSIZE, txn_do(self->fds[0], &parts[2], 1));
	/* Two parts for one queue have room together, or not at all. */
	parts[1] = parts[2] = part_send(self->fds[2], 1);
	ASSERT_EQ(-EAGAIN, txn_do(self->fds[0], parts, 3));
	EXPECT_EQ(2, failed);
	ASSERT_FIGURES(self->names[1], 0, 0, 0);
	ASSERT_FIGURES(self->names[2], 9, 0, 0);

	/* It waits, and holds nothing while it does. */
	fd = raw_open(self->names[0], O_RDWR);
	ASSERT_EQ(-ETIMEDOUT, txn_for(fd, parts, 3, 1000000));
	child = proc_fork();
	if (!child)
		_exit(txn_for(fd, parts, 3, -1) != 0);
	wait_waiters(self->names[2], 1);
	lease_fill(self->fds[1], 10);
	ASSERT_EQ(10, raw_purge(self->names[1]));
	lease_fill(self->fds[2], 1);
	run = lease_take(self->fds[2], 1, 0);
	ASSERT_EQ(0, lease_end(self->fds[2], run, WEIR_ACK, 0));
	run = lease_take(self->fds[2], 1, 0);
	ASSERT_EQ(0, lease_end(self->fds[2], run, WEIR_ACK, 0));
	ASSERT_EQ(0, proc_wait(child));
	ASSERT_FIGURES(self->names[1], 10, 0, 0);
	ASSERT_FIGURES(self->names[2], 10, 0, 2);
}

TEST_F(txn, destroyed)
{
	struct weir_part parts[2];

	parts[0] = part_send(self->fds[1], 1);
	parts[1] = part_send(self->fds[2], 1);
	ASSERT_EQ(0, raw_destroy_force(self->names[2]));
	ASSERT_EQ(-ESHUTDOWN, txn_do(self->fds[0], parts, 2));
	EXPECT_EQ(1, failed);
	ASSERT_FIGURES(self->names[1], 0, 0, 0);
	ASSERT_EQ(0, raw_create(self->names[2]));
}

TEST_F(txn, wrong)
{
	static struct weir_part parts[WEIR_TXN_PARTS + 1];
	static struct weir_run runs[2];
	struct weir_txn txn = { .parts = raw_address(parts), .count = 1 };
	int reader = raw_open(self->names[0], O_RDONLY);
	int writer = raw_open(self->names[0], O_WRONLY);
	int control = raw_open_control();
	__u32 i;

	for (i = 0; i <= WEIR_TXN_PARTS; i++)
		parts[i] = part_send(self->fds[i % QUEUES], 1);
	EXPECT_EQ(-EINVAL, txn_do(self->fds[0], parts, 0));
	EXPECT_EQ(-EINVAL, txn_do(self->fds[0], parts, WEIR_TXN_PARTS + 1));
	EXPECT_EQ(-EINVAL, txn_do(self->fds[0], parts, QUEUES));
	EXPECT_EQ(0, txn_do(self->fds[0], parts, WEIR_TXN_QUEUES));
	EXPECT_EQ(-EFAULT, txn_do(self->fds[0], NULL, 1));
	txn.flags = 1;
	EXPECT_EQ(-EINVAL, door_command(self->fds[0], WEIR_IOC_TXN, &txn));
	txn.flags = 0;
	txn.reserved = 1;
	EXPECT_EQ(-EINVAL, door_command(self->fds[0], WEIR_IOC_TXN, &txn));

#define EXPECT_PART(error, part) do {					\
	parts[1] = part;						\
	EXPECT_EQ(error, txn_do(self->fds[0], parts, 2));		\
	EXPECT_EQ(1, failed);						\
} while (0)
	EXPECT_PART(-EINVAL, part_send(self->fds[1], 0));
	EXPECT_PART(-EINVAL, part_send(self->fds[1], WEIR_BATCH_MAX));
	EXPECT_PART(-EACCES, part_send(reader, 1));
	EXPECT_PART(-EACCES, part_settle(writer, runs, 1));
	EXPECT_PART(-EBADF, part_send(control, 1));
	EXPECT_PART(-EBADF, part_send(-1, 1));
	EXPECT_PART(-EFAULT, part_settle(reader, NULL, 1));
	EXPECT_PART(-EFAULT, ((struct weir_part){ .fd = writer, .count = 1 }));
	EXPECT_PART(-EINVAL, ((struct weir_part){ .fd = writer, .count = 1, .op = 2 }));
	EXPECT_PART(-EINVAL, ((struct weir_part){ .fd = writer, .count = 1, .reason_len = 1 }));
	EXPECT_PART(-EINVAL, part_settle(reader, runs, 1));
	runs[0].count = WEIR_BATCH_MAX;
	EXPECT_PART(-ESTALE, part_settle(reader, runs, 1));
	runs[1].count = 1;
	EXPECT_PART(-EINVAL, part_settle(reader, runs, 2));
	runs[1].count = ~0U;
	EXPECT_PART(-EINVAL, part_settle(reader, runs, 2));
	for (i = 0; i < QUEUES; i++)
		ASSERT_FIGURES(self->names[i], i < WEIR_TXN_QUEUES, 0, 0);
}

/* A late holder in place lets go of what he cannot settle. */
TEST_F(txn, late)
{
	struct weir_part part;
	struct weir_run run, other;

	lease_fill(self->fds[0], 1);
	run = lease_take(self->fds[0], 1, LEASE_SHORT);
	wait_figure(self->names[0], "expired", 1);
	other = lease_take(self->fds[0], 1, LEASE_LONG);
	ASSERT_EQ(0, lease_end(self->fds[0], other, WEIR_ACK, 0));
	ASSERT_EQ(1, raw_figure(self->names[0], "pinned"));
	part = part_settle(self->fds[0], &run, 1);
	ASSERT_EQ(-ESTALE, txn_do(self->fds[0], &part, 1));
	ASSERT_EQ(0, raw_figure(self->names[0], "pinned"));
}

/* One message of @from goes to @to, as it is. */
static int move_one(int from, int to)
{
	static struct { struct weir_desc desc; char bytes[128]; } __attribute__((aligned(64))) got;
	struct weir_run run = lease_copy(from, 1, 0, &got, sizeof(got));
	struct weir_part parts[2];

	if (!run.count)
		return -EAGAIN;
	parts[0] = part_send(to, 1);
	messages[0] = (struct weir_message){ .data = raw_address(got.bytes), .len = got.desc.len };
	parts[1] = part_settle(from, &run, 1);
	return txn_do(to, parts, 2);
}

/* However the movers are killed, each message is once in one of the two queues. */
TEST_F(txn, killed)
{
	const int rounds = raw_rounds(100);
	bool seen[8] = { false };
	long long settled[2];
	pid_t movers[2];
	int i, n = 0;
	char number;

	for (number = 0; number < 8; number++)
		ASSERT_EQ(1, raw_write(self->fds[number & 1], &number, 1));
	for (i = 0; i < rounds; i++) {
		int j;

		/* In both directions, so with both orders of the queues. */
		for (j = 0; j < 2; j++) {
			settled[j] = raw_figure(self->names[j], "settled");
			movers[j] = proc_fork();
			if (movers[j])
				continue;
			for (;;)
				move_one(self->fds[j], self->fds[!j]);
		}
		for (j = 0; j < 2; j++)
			wait_until(raw_figure(self->names[j], "settled") > settled[j]);
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 + i * 100000 % 20000000 }, NULL);
		for (j = 0; j < 2; j++)
			ASSERT_EQ(128 + SIGKILL, proc_kill(movers[j]));
	}
	for (i = 0; i < 2; i++) {
		while (raw_read(self->fds[i], &number, 1) == 1) {
			ASSERT_FALSE(seen[(int)number]);
			seen[(int)number] = true;
			n++;
		}
	}
	EXPECT_EQ(8, n);
}

TEST_HARNESS_MAIN
