// SPDX-License-Identifier: GPL-2.0 OR MIT
/* A policy that changes while the queue is in use: it is in force from then on. */
#include <sys/stat.h>

#include "wish.h"

static __u64 order[WISH_MOST];

/* What is in force. */
static struct weir_policy policy_now(FIXTURE_DATA(queue) *self)
{
	struct weir_info info;

	if (raw_info(self->name, &info))
		abort();
	return info.policy;
}

/* What INFO told, handed back, changes nothing; what is 0 is the default. */
TEST_F(queue, as_it_was)
{
	struct weir_policy before = policy_now(self), now;

	EXPECT_EQ(WEIR_DEFAULT_MESSAGES, before.max_messages);
	EXPECT_EQ(WEIR_DEFAULT_BYTES, before.max_bytes);
	EXPECT_EQ(WEIR_DEFAULT_LEASE, before.lease_ns);
	EXPECT_EQ(WEIR_DEFAULT_BACKOFF_MAX, before.backoff_max_ns);
	EXPECT_EQ(1, before.priorities);
	ASSERT_EQ(0, policy_alter(self->name, before));
	now = policy_now(self);
	EXPECT_EQ(0, memcmp(&before, &now, sizeof(now)));
	ASSERT_EQ(0, policy_alter(self->name, (struct weir_policy){ 0 }));
	now = policy_now(self);
	EXPECT_EQ(0, memcmp(&before, &now, sizeof(now)));
	before = (struct weir_policy){
		.max_messages = 77, .max_bytes = 128 * 64, .lease_ns = 3, .backoff_ns = 4,
		.backoff_max_ns = 5, .ttl_ns = HOUR_NS, .max_deliveries = 7, .priorities = 8,
		.starve_after = 9, .flags = WEIR_POLICY_DISCARD,
	};
	ASSERT_EQ(0, policy_alter(self->name, before));
	now = policy_now(self);
	EXPECT_EQ(0, memcmp(&before, &now, sizeof(now)));
}

/* Below what is held it takes no more, until it is under that. */
TEST_F(queue, fewer_messages)
{
	struct weir_policy policy = { .max_messages = 4 };
	int i;

	lease_fill(self->writer, 10);
	ASSERT_EQ(0, policy_alter(self->name, policy));
	EXPECT_EQ(10, raw_figure(self->name, "depth"));
	for (i = 0; i < 7; i++) {
		ASSERT_EQ(-EAGAIN, wish_send(self->writer, NULL));
		ASSERT_EQ(-EAGAIN, raw_write(self->writer, "x", 1));
		ASSERT_EQ(0, raw_poll(self->writer, POLLOUT));
		ASSERT_EQ(1, wish_fetch(self->reader, IN_PLACE, 1, order));
	}
	ASSERT_EQ(POLLOUT, raw_poll(self->writer, POLLOUT));
	ASSERT_EQ(1, wish_send(self->writer, NULL));
	ASSERT_EQ(-EAGAIN, wish_send(self->writer, NULL));
	policy.max_messages = 5;
	ASSERT_EQ(0, policy_alter(self->name, policy));
	ASSERT_EQ(1, wish_send(self->writer, NULL));
	ASSERT_EQ(-EAGAIN, wish_send(self->writer, NULL));
}

/* Their bytes likewise; and no larger ones than a quarter. */
TEST_F(queue, fewer_bytes)
{
	static char bytes[4096];
	struct weir_policy policy = { .max_bytes = 4096 };
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(2048, raw_write(self->writer, bytes, 2048));
	ASSERT_EQ(0, policy_alter(self->name, policy));
	EXPECT_EQ(8192, raw_figure(self->name, "bytes"));
	EXPECT_EQ(-EMSGSIZE, raw_write(self->writer, bytes, 2048));
	EXPECT_EQ(-EMSGSIZE, raw_send(self->writer, bytes, 1025, 0));
	/* Over the limit, and at it: an empty message needs no bytes. */
	ASSERT_EQ(-EAGAIN, raw_send(self->writer, bytes, 0, 0));
	ASSERT_EQ(2, wish_fetch(self->reader, IN_PLACE, 2, order));
	ASSERT_EQ(-EAGAIN, raw_send(self->writer, bytes, 1, 0));
	ASSERT_EQ(1, raw_send(self->writer, bytes, 0, 0));
	ASSERT_EQ(1, wish_fetch(self->reader, IN_PLACE, 1, order));
	ASSERT_EQ(1024, raw_write(self->writer, bytes, 1024));
	ASSERT_EQ(1024, raw_write(self->writer, bytes, 1024));
	ASSERT_EQ(-EAGAIN, raw_write(self->writer, bytes, 1));
}

/* What was made at creation is the most there can be. */
TEST_F(queue, not_above_creation)
{
	struct weir_policy policy = { .max_messages = 100, .max_bytes = 65536 };

	ASSERT_EQ(0, policy_remake(self, policy));
	policy.max_messages = 101;
	EXPECT_EQ(-EINVAL, policy_alter(self->name, policy));
	policy.max_messages = 0;
	EXPECT_EQ(-EINVAL, policy_alter(self->name, policy));
	policy.max_messages = 100;
	policy.max_bytes += 64;
	EXPECT_EQ(-EINVAL, policy_alter(self->name, policy));
	policy.max_bytes = 0;
	EXPECT_EQ(-EINVAL, policy_alter(self->name, policy));
	policy.max_bytes = 65536 + 63;
	EXPECT_EQ(0, policy_alter(self->name, policy));
	policy.max_bytes = 4096;
	policy.max_messages = 1;
	EXPECT_EQ(0, policy_alter(self->name, policy));
	policy.max_bytes = 65536;
	policy.max_messages = 100;
	EXPECT_EQ(0, policy_alter(self->name, policy));
}

/* A child that waits for room, in the way of @send, and ends with whether that was right. */
static pid_t waits_for_room(FIXTURE_DATA(queue) *self, bool (*send)(int fd))
{
	pid_t child;

	if (policy_alter(self->name, (struct weir_policy){ .max_messages = 1 }))
		return -1;
	lease_fill(self->writer, 1);
	child = proc_fork();
	if (!child)
		_exit(!send(raw_open(self->name, O_WRONLY)));
	wait_waiters(self->name, 1);
	return child;
}

static bool sends_one(int fd)
{
	return raw_write(fd, "x", 1) == 1;
}

static bool sends_in_a_transaction(int fd)
{
	struct weir_message message = { .data = raw_address("x"), .len = 1 };
	struct weir_part part = { .fd = fd, .items = raw_address(&message), .count = 1 };
	struct weir_txn txn = { .parts = raw_address(&part), .count = 1, .timeout_ns = -1 };

	return door_command(fd, WEIR_IOC_TXN, &txn) == 0;
}

static bool is_too_large(int fd)
{
	static char bytes[16384];

	return raw_write(fd, bytes, sizeof(bytes)) == -EMSGSIZE;
}

/* Who waits for room is told that there is more. */
TEST_F(queue, makes_room)
{
	pid_t child = waits_for_room(self, sends_one);

	ASSERT_EQ(0, policy_alter(self->name, (struct weir_policy){ .max_messages = 2 }));
	EXPECT_EQ(0, proc_wait(child));
}

TEST_F(queue, makes_room_for_a_transaction)
{
	pid_t child = waits_for_room(self, sends_in_a_transaction);

	ASSERT_EQ(0, policy_alter(self->name, (struct weir_policy){ .max_messages = 2 }));
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(2, raw_figure(self->name, "depth"));
}

/* For what waits, there is no room any more, ever. */
TEST_F(queue, too_large_by_then)
{
	pid_t child = waits_for_room(self, is_too_large);
	const struct weir_policy small = { .max_messages = 1, .max_bytes = 32768 };

	ASSERT_EQ(0, policy_alter(self->name, small));
	EXPECT_EQ(0, proc_wait(child));
}

/* Leases that begin from now on, and those that are extended. */
TEST_F(queue, leases)
{
	struct weir_run run, other;

	lease_fill(self->writer, 2);
	run = lease_take(self->reader, 1, 0);
	ASSERT_EQ(0, policy_alter(self->name, (struct weir_policy){ .lease_ns = 1 }));
	other = lease_take(self->reader, 1, 0);
	ASSERT_EQ(1, other.offset);
	wait_figure(self->name, "expired", 1);
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_EXTEND, 0));
	wait_figure(self->name, "expired", 2);
}

/* Those that have a priority that is not any more keep it. */
TEST_F(queue, fewer_priorities)
{
	struct weir_policy policy = { .priorities = 8 };
	int i;

	ASSERT_EQ(0, policy_alter(self->name, policy));
	for (i = 0; i < 8; i++)
		ASSERT_EQ(1, wish_send_first(self->writer, i));
	policy.priorities = 2;
	ASSERT_EQ(0, policy_alter(self->name, policy));
	EXPECT_EQ(-EINVAL, wish_send_first(self->writer, 2));
	ASSERT_EQ(1, wish_send_first(self->writer, 1));
	policy.starve_after = 2;
	ASSERT_EQ(0, policy_alter(self->name, policy));
	ASSERT_EQ(3, wish_fetch(self->reader, IN_PLACE, 3, order));
	EXPECT_EQ(7, order[0]);
	EXPECT_EQ(6, order[1]);
	EXPECT_EQ(0, order[2]);
	policy.starve_after = 0;
	ASSERT_EQ(0, policy_alter(self->name, policy));
	ASSERT_EQ(6, wish_drain(self->reader, IN_PLACE, 10, order));
	for (i = 0; i < 5; i++)
		EXPECT_EQ(5 - i, order[i]);
	EXPECT_EQ(8, order[5]);
}

/* A message that was delivered more often than it may be now is dead when it comes back. */
TEST_F(queue, fewer_deliveries)
{
	struct weir_policy policy = { .flags = WEIR_POLICY_DISCARD, .max_deliveries = 2 };
	struct weir_run run;
	int i;

	lease_fill(self->writer, 1);
	for (i = 0; i < 5; i++) {
		run = lease_take(self->reader, 1, 0);
		ASSERT_EQ(i + 1, run.deliveries);
		if (i == 4)
			ASSERT_EQ(0, policy_alter(self->name, policy));
		ASSERT_EQ(0, lease_end(self->reader, run, WEIR_RELEASE, 0));
	}
	wait_figure(self->name, "dead", 1);
}

static int alter_as(FIXTURE_DATA(queue) *self, uid_t uid)
{
	pid_t child = proc_fork();

	if (child)
		return -proc_wait(child);
	if (chmod(RAW_CONTROL, 0666) || proc_become(uid, uid))
		_exit(255);
	_exit(-policy_alter(self->name, (struct weir_policy){ .priorities = 3 }));
}

TEST_F(queue, rights)
{
	struct stat control;

	ASSERT_EQ(0, stat(RAW_CONTROL, &control));
	EXPECT_EQ(-EPERM, alter_as(self, 1234));
	EXPECT_EQ(1, raw_figure(self->name, "priorities"));
	EXPECT_EQ(0, alter_as(self, 0));
	EXPECT_EQ(3, raw_figure(self->name, "priorities"));
	ASSERT_EQ(0, chmod(RAW_CONTROL, control.st_mode & 07777));
}

TEST_F(queue, names)
{
	struct weir_alter alter = { 0 };

	EXPECT_EQ(-EINVAL, raw_control(WEIR_IOC_ALTER, &alter));
	EXPECT_EQ(-EINVAL, policy_alter("a/b", alter.policy));
	EXPECT_EQ(-ENOENT, policy_alter("there-is-none", alter.policy));
	memset(alter.name, 'a', sizeof(alter.name));
	EXPECT_EQ(-EINVAL, raw_control(WEIR_IOC_ALTER, &alter));
	/* It is of the control device. */
	raw_set_name(&alter, self->name);
	EXPECT_EQ(-ENOTTY, door_command(self->writer, WEIR_IOC_ALTER, &alter));
}

/* Each bit of each field: what is refused has changed nothing, and what is not is in force. */
TEST_F(queue, each_bit)
{
	struct weir_policy before = policy_now(self), now;
	struct weir_alter alter = { .policy = before };
	unsigned char *bytes = (void *)&alter;
	unsigned int bit;
	int ret;

	for (bit = sizeof(alter.name) * 8; bit < sizeof(alter) * 8; bit++) {
		memset(&alter, 0, sizeof(alter));
		raw_set_name(&alter, self->name);
		bytes[bit / 8] |= 1 << bit % 8;
		ret = raw_control(WEIR_IOC_ALTER, &alter);
		now = policy_now(self);
		ASSERT_TRUE(ret == 0 || ret == -EINVAL || ret == -EBADF) {
			TH_LOG("bit %u: %d", bit, ret);
		}
		if (ret)
			ASSERT_EQ(0, memcmp(&before, &now, sizeof(now)));
		if (alter.flags || alter.reserved)
			ASSERT_EQ(-EINVAL, ret);
		ASSERT_EQ(0, policy_alter(self->name, before));
	}
	lease_fill(self->writer, 1);
	EXPECT_EQ(1, wish_fetch(self->reader, IN_PLACE, 1, order));
}

TEST_F(queue, sizes)
{
	struct {
		struct weir_alter alter;
		char more[64];
	} grown = { 0 };
	const size_t size = sizeof(grown.alter);
	int fd = raw_open_control();

	raw_set_name(&grown.alter, self->name);
	EXPECT_EQ(-EINVAL, raw_ioctl(fd, raw_resized(WEIR_IOC_ALTER, size - 1), &grown));
	EXPECT_EQ(-EINVAL, raw_ioctl(fd, raw_resized(WEIR_IOC_ALTER, size - 8), &grown));
	EXPECT_EQ(0, raw_ioctl(fd, raw_resized(WEIR_IOC_ALTER, sizeof(grown)), &grown));
	grown.more[63] = 1;
	EXPECT_EQ(-E2BIG, raw_ioctl(fd, raw_resized(WEIR_IOC_ALTER, sizeof(grown)), &grown));
	EXPECT_EQ(-EFAULT, raw_ioctl(fd, WEIR_IOC_ALTER, (void *)64));
}

/* What nobody may throw away any more, nobody does, whatever he had in mind before. */
TEST_F(queue, nothing_goes_then)
{
	struct weir_policy policy = { .max_messages = 8 };
	pid_t child = proc_fork();
	int i, round;

	if (!child)
		for (;;)
			raw_write(self->writer, "message", 7);
	for (round = 0; round < raw_rounds(400); round++) {
		long long dropped;

		policy.when_full = WEIR_WHEN_FULL_DROP_OLDEST;
		ASSERT_EQ(0, policy_alter(self->name, policy));
		wait_until(raw_figure(self->name, "depth") == 8);
		policy.when_full = WEIR_WHEN_FULL_WAIT;
		ASSERT_EQ(0, policy_alter(self->name, policy));
		dropped = raw_figure(self->name, "dropped");
		for (i = 0; i < 8; i++)
			ASSERT_EQ(dropped, raw_figure(self->name, "dropped"));
	}
	proc_kill(child);
}

/* While all is in motion: nothing is lost, and in the end all comes. */
TEST_F(queue, in_motion)
{
	const __u64 rounds = raw_rounds(4000);
	unsigned int seed = 2;
	struct weir_info info;
	pid_t child = proc_fork();
	__u64 n = 0;

	if (!child) {
		int fd = raw_open(self->name, O_WRONLY);
		__u64 i;

		for (i = 0; i < rounds; i++)
			if (raw_write(fd, "message", 7) != 7)
				_exit(1);
		_exit(0);
	}
	while (n < rounds) {
		struct weir_policy policy = {
			.max_messages = 1 + rand_r(&seed) % 40, .priorities = rand_r(&seed) % 33,
			.max_bytes = 4096 << rand_r(&seed) % 4, .starve_after = rand_r(&seed) % 3,
			.ttl_ns = rand_r(&seed) % 2 * HOUR_NS,
		};
		int ret;

		ASSERT_EQ(0, policy_alter(self->name, policy));
		ret = wish_fetch(self->reader, rand_r(&seed) % 2, 1 + rand_r(&seed) % 60, order);
		ASSERT_TRUE(ret > 0 || ret == -EAGAIN);
		n += ret > 0 ? ret : 0;
		ASSERT_EQ(0, raw_info(self->name, &info));
		ASSERT_ADDS_UP(&info);
	}
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(rounds, raw_figure(self->name, "settled"));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

TEST_HARNESS_MAIN
