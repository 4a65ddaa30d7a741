// SPDX-License-Identifier: GPL-2.0 OR MIT
/* What becomes of a message for which there is no room, where it does not just wait. */
#include "full.h"

TEST_F(queue, policy)
{
	struct weir_info info;
	char word[32];

	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(WEIR_WHEN_FULL_WAIT, info.policy.when_full);
	ASSERT_EQ(0, policy_alter(self->name, full_policy(DROPS, 0)));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(DROPS, info.policy.when_full);
	raw_sysfs(self->name, "when_full", word, sizeof(word));
	EXPECT_STREQ("drop-oldest", word);
	EXPECT_EQ(-EINVAL, policy_alter(self->name, full_policy(~0U, 0)));
	EXPECT_EQ(-EINVAL, policy_create("new", full_policy(4, 0)));
	EXPECT_EQ(-EINVAL, policy_alter(self->name, full_policy(WEIR_WHEN_FULL_DEAD_LETTER, 0)));
	ASSERT_EQ(0, policy_alter(self->name, full_policy(REJECTS, 0)));
	raw_sysfs(self->name, "when_full", word, sizeof(word));
	EXPECT_STREQ("reject", word);
}

/* At once, however it is sent and however long it would have waited. */
TEST_F(queue, rejects)
{
	struct weir_message message = { .data = raw_address("x"), .len = 1 };
	struct weir_part part = { .items = raw_address(&message), .count = 1 };
	struct weir_txn txn = { .parts = raw_address(&part), .count = 1, .timeout_ns = -1 };
	struct iovec iov = { .iov_base = "ab", .iov_len = 2 };
	int fd;

	ASSERT_EQ(0, remake_when_full(self, REJECTS, 3));
	fd = part.fd = raw_open(self->name, O_WRONLY);
	ASSERT_EQ(3, full_send_batch(fd, 10, -1));
	EXPECT_EQ(-EAGAIN, full_send_batch(fd, 1, -1));
	EXPECT_EQ(-EAGAIN, full_send_batch(fd, 1, 1000000000000));
	EXPECT_EQ(-EAGAIN, raw_write(fd, "x", 1));
	EXPECT_EQ(-EAGAIN, raw_result(writev(fd, &iov, 1)));
	EXPECT_EQ(-EAGAIN, door_command(fd, WEIR_IOC_TXN, &txn));
	EXPECT_EQ(0, raw_poll(fd, POLLOUT));
	ASSERT_TRUE(full_has_just(self->reader, 0, 1, 2));
	EXPECT_EQ(POLLOUT, raw_poll(fd, POLLOUT));
	EXPECT_EQ(1, raw_write(fd, "x", 1));
}

/* The oldest goes, one for each that needs its room. */
TEST_F(queue, drops_the_oldest)
{
	struct weir_info info;

	ASSERT_EQ(0, remake_when_full(self, DROPS, 4));
	ASSERT_EQ(4, full_send(self->writer, 4));
	ASSERT_EQ(0, raw_figure(self->name, "dropped"));
	EXPECT_EQ(POLLOUT, raw_poll(self->writer, POLLOUT));
	ASSERT_EQ(5, full_send(self->writer, 5));
	ASSERT_EQ(5, raw_figure(self->name, "dropped"));
	ASSERT_EQ(1, full_send(self->writer, 1));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(10, info.sent);
	EXPECT_EQ(6, info.dropped);
	EXPECT_EQ(4, info.depth);
	ASSERT_ADDS_UP(&info);
	ASSERT_TRUE(full_has_just(self->reader, 6, 7, 8, 9));
	/* By write(2) and writev(2) likewise. */
	ASSERT_EQ(4, full_send(self->writer, 4));
	ASSERT_EQ(1, raw_write(self->writer, "x", 1));
	ASSERT_EQ(1, raw_result(writev(self->writer, &(struct iovec){ "x", 1 }, 1)));
	EXPECT_TRUE(full_has_just(self->reader, 12, 13, 14, 15));
	EXPECT_EQ(8, raw_figure(self->name, "dropped"));
}

/* No more than a batch needs; and no more of it is taken than the queue holds. */
TEST_F(queue, drops_for_a_batch)
{
	ASSERT_EQ(0, remake_when_full(self, DROPS, 40));
	ASSERT_EQ(40, full_send_batch(self->writer, 40, 0));
	ASSERT_EQ(33, full_send_batch(self->writer, 33, 0));
	EXPECT_EQ(33, raw_figure(self->name, "dropped"));
	EXPECT_EQ(40, full_send_batch(self->writer, 1024, 0));
	EXPECT_EQ(73, raw_figure(self->name, "dropped"));
	EXPECT_EQ(113, raw_figure(self->name, "sent"));
	EXPECT_EQ(40, raw_figure(self->name, "depth"));
}

/* By space: as many as are needed for it, and none if that would not do. */
TEST_F(queue, drops_by_bytes)
{
	const struct weir_policy policy = { .max_bytes = 65536, .when_full = DROPS };
	struct weir_run run;
	int i;

	ASSERT_EQ(0, policy_remake(self, policy));
	for (i = 0; i < 64; i++)
		ASSERT_EQ(1, full_send_sized(self->writer, 1024));
	ASSERT_EQ(1, full_send_sized(self->writer, 3 * 1024 - 1));
	EXPECT_EQ(3, raw_figure(self->name, "dropped"));
	EXPECT_EQ(65536, raw_figure(self->name, "bytes"));
	ASSERT_EQ(1, full_send_sized(self->writer, 1));
	EXPECT_EQ(4, raw_figure(self->name, "dropped"));
	/* 15360 bytes are left that may be free. */
	run = lease_take(self->reader, 49, 0);
	ASSERT_EQ(49, run.count);
	EXPECT_EQ(-EAGAIN, full_send_sized(self->writer, 16384));
	EXPECT_EQ(4, raw_figure(self->name, "dropped"));
	ASSERT_EQ(0, lease_end(self->reader, lease_first(run, 1), WEIR_RELEASE, 0));
	EXPECT_EQ(1, full_send_sized(self->writer, 16384));
	EXPECT_EQ(18, raw_figure(self->name, "dropped"));
}

/* What is of the lowest priority goes first, and in that what was sent first. */
TEST_F(queue, of_the_lowest_priority)
{
	static const __u32 priorities[] = { 1, 2, 0, 1, 0, 2 };
	struct weir_policy policy = full_policy(DROPS, 6);
	struct weir_run run;
	int i;

	policy.priorities = 3;
	ASSERT_EQ(0, policy_remake(self, policy));
	for (i = 0; i < 6; i++)
		ASSERT_EQ(1, wish_send_first(self->writer, priorities[i]));
	/* 1 and 0 of them were out, which changes nothing. */
	run = lease_take(self->reader, 1, 0);
	ASSERT_EQ(1, run.offset);
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_RELEASE, 0));
	/* Gone are 2, 4, 0, 3, 1 in turn, each for one of the highest. */
	for (i = 0; i < 5; i++)
		ASSERT_EQ(1, wish_send_first(self->writer, 2));
	EXPECT_EQ(5, raw_figure(self->name, "dropped"));
	ASSERT_TRUE(full_has_just(self->reader, 5, 6, 7, 8, 9, 10));
	/* One of the lowest takes the place of a higher one, if there is none like it. */
	for (i = 0; i < 6; i++)
		ASSERT_EQ(1, wish_send_first(self->writer, 2));
	ASSERT_EQ(2, full_send(self->writer, 2));
	EXPECT_TRUE(full_has_just(self->reader, 12, 13, 14, 15, 16, 18));
}

/* What was put back is as old as it is, beside what was never out. */
TEST_F(queue, put_back)
{
	struct weir_run run;

	ASSERT_EQ(0, remake_when_full(self, DROPS, 5));
	ASSERT_EQ(5, full_send(self->writer, 5));
	run = lease_take(self->reader, 5, 0);
	ASSERT_EQ(5, run.count);
	ASSERT_EQ(0, lease_end(self->reader, lease_rest(run, 3), WEIR_RELEASE, 0));
	ASSERT_EQ(0, lease_end(self->reader, lease_first(run, 1), WEIR_ACK, 0));
	/* 3 and 4 are back, 1 and 2 are out: 3 goes for the second. */
	ASSERT_EQ(2, full_send(self->writer, 2));
	EXPECT_EQ(1, raw_figure(self->name, "dropped"));
	ASSERT_EQ(0, lease_end(self->reader, lease_rest(lease_first(run, 3), 1), WEIR_RELEASE, 0));
	ASSERT_EQ(1, full_send(self->writer, 1));
	EXPECT_TRUE(full_has_just(self->reader, 2, 4, 5, 6, 7));
}

/* What is out, or not to be delivered yet, stays (I40, I41). */
TEST_F(queue, never_what_is_out)
{
	struct weir_run run, later;
	char byte;

	ASSERT_EQ(0, remake_when_full(self, DROPS, 6));
	ASSERT_EQ(1, wish_send_later(self->writer, HOUR_NS));
	ASSERT_EQ(5, full_send(self->writer, 5));
	run = lease_take(self->reader, 2, LEASE_LONG);
	later = lease_take(self->reader, 1, LEASE_LONG);
	ASSERT_EQ(0, lease_end(self->reader, later, WEIR_RELEASE, HOUR_MS));
	ASSERT_EQ(1, raw_read(self->reader, &byte, 1));
	/* One is left that may go; then there is only the one that came for it. */
	ASSERT_EQ(8, full_send(self->writer, 8));
	EXPECT_EQ(8, raw_figure(self->name, "dropped"));
	ASSERT_EQ(2, raw_figure(self->name, "delayed"));
	ASSERT_EQ(3, raw_figure(self->name, "leased"));
	ASSERT_EQ(1, lease_take(self->reader, 1, LEASE_LONG).count);
	EXPECT_EQ(-EAGAIN, full_send_batch(self->writer, 1, 0));
	EXPECT_EQ(0, raw_poll(self->writer, POLLOUT));
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_ACK, 0));
	EXPECT_EQ(2, full_send(self->writer, 2));
	EXPECT_EQ(8, raw_figure(self->name, "dropped"));
}

/* What a late holder still reads makes no room, and stays for others. */
TEST_F(queue, never_what_is_read)
{
	struct weir_run late, run;

	ASSERT_EQ(0, remake_when_full(self, DROPS, 4));
	ASSERT_EQ(4, full_send(self->writer, 4));
	late = lease_take(self->reader, 3, LEASE_SHORT);
	ASSERT_EQ(3, late.count);
	wait_figure(self->name, "depth", 4);
	/* 3 goes, and then what came for it. */
	ASSERT_EQ(3, full_send(self->writer, 3));
	run = lease_take(self->reader, 3, LEASE_LONG);
	ASSERT_EQ(3, run.count);
	ASSERT_EQ(0, run.offset);
	ASSERT_EQ(-ESTALE, lease_end(self->reader, late, WEIR_ACK, 0));
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_RELEASE, 0));
	/* Now they may go. */
	ASSERT_EQ(1, full_send(self->writer, 1));
	EXPECT_TRUE(full_has_just(self->reader, 1, 2, 6, 7));
}

/* So there is no room while all that is ready is read like that. */
TEST_F(queue, all_are_read)
{
	struct weir_run late;

	ASSERT_EQ(0, remake_when_full(self, DROPS, 2));
	ASSERT_EQ(2, full_send(self->writer, 2));
	late = lease_take(self->reader, 2, LEASE_SHORT);
	ASSERT_EQ(2, late.count);
	wait_figure(self->name, "depth", 2);
	EXPECT_EQ(-EAGAIN, full_send_batch(self->writer, 1, 0));
	EXPECT_EQ(0, raw_poll(self->writer, POLLOUT));
	ASSERT_EQ(-ESTALE, lease_end(self->reader, late, WEIR_ACK, 0));
	EXPECT_EQ(POLLOUT, raw_poll(self->writer, POLLOUT));
	EXPECT_EQ(1, full_send_batch(self->writer, 1, 0));
}

/* The next one of a key takes the place of one that went. */
TEST_F(queue, of_keys)
{
	struct weir_policy policy = full_policy(DROPS, 4);
	struct weir_run run;

	policy.flags = WEIR_POLICY_KEYED;
	ASSERT_EQ(0, policy_remake(self, policy));
	ASSERT_EQ(1, key_send(self->writer, "a"));
	ASSERT_EQ(1, key_send(self->writer, "b"));
	ASSERT_EQ(1, key_send(self->writer, "a"));
	ASSERT_EQ(1, key_send(self->writer, "a"));
	ASSERT_EQ(2, raw_figure(self->name, "behind"));
	ASSERT_EQ(1, key_send(self->writer, "a"));
	ASSERT_EQ(1, key_send(self->writer, "c"));
	/* 0 and 1 went. */
	run = lease_take(self->reader, 1, LEASE_LONG);
	ASSERT_EQ(2, run.offset);
	/* 5 is all that is ready; 3 and 4 are behind what is out. */
	ASSERT_EQ(1, key_send(self->writer, "d"));
	ASSERT_EQ(1, key_send(self->writer, "a"));
	ASSERT_EQ(3, raw_figure(self->name, "behind"));
	EXPECT_EQ(-EAGAIN, key_send(self->writer, "e"));
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_ACK, 0));
	EXPECT_TRUE(full_has_just(self->reader, 3, 4, 7));
	EXPECT_EQ(4, raw_figure(self->name, "dropped"));
}

/* Those behind one that was never delivered go after it, one by one. */
TEST_F(queue, behind_the_first)
{
	struct weir_policy policy = full_policy(DROPS, 100);
	int i;

	policy.flags = WEIR_POLICY_KEYED;
	policy.max_bytes = 4096;
	ASSERT_EQ(0, policy_remake(self, policy));
	for (i = 0; i < 64; i++)
		ASSERT_EQ(1, key_send(self->writer, "a"));
	ASSERT_EQ(63, raw_figure(self->name, "behind"));
	EXPECT_EQ(1, full_send_sized(self->writer, 1024));
	EXPECT_EQ(16, raw_figure(self->name, "dropped"));
}

/* None goes in vain: not where all of them would not do, with those behind them. */
TEST_F(queue, none_in_vain)
{
	struct weir_policy policy = full_policy(DROPS, 4);
	struct weir_run run;

	policy.flags = WEIR_POLICY_KEYED;
	ASSERT_EQ(0, policy_remake(self, policy));
	ASSERT_EQ(1, key_send(self->writer, "a"));
	ASSERT_EQ(1, key_send(self->writer, "a"));
	ASSERT_EQ(1, key_send(self->writer, "a"));
	ASSERT_EQ(1, key_send(self->writer, "b"));
	run = lease_take(self->reader, 1, LEASE_LONG);
	policy.max_messages = 2;
	ASSERT_EQ(0, policy_alter(self->name, policy));
	/* One may go, and three of two would be left. */
	EXPECT_EQ(-EAGAIN, key_send(self->writer, "c"));
	ASSERT_EQ(0, raw_figure(self->name, "dropped"));
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_RELEASE, 0));
	/* Now all may, one after the other. */
	EXPECT_EQ(1, key_send(self->writer, "c"));
	EXPECT_EQ(3, raw_figure(self->name, "dropped"));
	EXPECT_TRUE(full_has_just(self->reader, 3, 4));
}

/* For pages side by side, too. */
TEST_F(queue, drops_for_a_large_one)
{
	const struct weir_policy policy = { .max_bytes = 1 << 20, .when_full = DROPS };
	int i;

	ASSERT_EQ(0, policy_remake(self, policy));
	for (i = 0; i < 20000; i++)
		ASSERT_EQ(5, raw_write(self->writer, "small", 5));
	for (i = 0; i < 9; i++)
		ASSERT_EQ(1, full_send_sized(self->writer, 1 << 18));
	EXPECT_EQ(4, raw_figure(self->name, "depth"));
	for (i = 0; i < 100; i++)
		ASSERT_EQ(1, full_send_sized(self->writer, i % 3 ? 70000 : 200000));
	EXPECT_LT(4, raw_figure(self->name, "depth"));
}

/* All of a transaction has room, or has to wait. */
TEST_F(queue, drops_for_a_transaction)
{
	static struct weir_message messages[5];
	struct weir_part parts[2] = {
		{ .items = raw_address(messages), .count = 3 },
		{ .items = raw_address(messages), .count = 1 },
	};
	struct weir_txn txn = { .parts = raw_address(parts), .count = 2 };

	ASSERT_EQ(0, remake_when_full(self, DROPS, 4));
	parts[0].fd = parts[1].fd = self->writer;
	ASSERT_EQ(4, full_send(self->writer, 4));
	ASSERT_EQ(1, lease_take(self->reader, 1, LEASE_LONG).count);
	/* One is out: there never is room for four. */
	EXPECT_EQ(-EAGAIN, door_command(self->writer, WEIR_IOC_TXN, &txn));
	ASSERT_EQ(4, raw_figure(self->name, "sent"));
	parts[0].count = 2;
	ASSERT_EQ(0, door_command(self->writer, WEIR_IOC_TXN, &txn));
	EXPECT_EQ(3, raw_figure(self->name, "dropped"));
	EXPECT_TRUE(full_has_just(self->reader, 4, 5, 6));
}

/* A dead letter queue may throw away older dead letters. */
TEST_F(queue, of_dead_letters)
{
	struct weir_run run;
	char other[WEIR_NAME_SIZE];
	int fd;

	ASSERT_EQ(0, remake_when_full(self, DROPS, 3));
	ASSERT_EQ(0, policy_create(raw_name(other), policy_dead(self->writer, 0)));
	fd = raw_open(other, O_RDWR | O_NONBLOCK);
	lease_fill(fd, 10);
	run = lease_take(fd, 10, 0);
	ASSERT_EQ(0, policy_term(fd, run, NULL, 0));
	wait_figure(other, "dead", 10);
	EXPECT_EQ(7, raw_figure(self->name, "dropped"));
	EXPECT_TRUE(full_has_just(self->reader, 7, 8, 9));
	EXPECT_EQ(0, raw_destroy_force(other));
}

enum { SENDERS = 3, EACH = 3000 };

static _Noreturn void send_numbered(const char *name, __u64 sender, int count)
{
	int fd = raw_open(name, O_WRONLY | O_NONBLOCK), i;
	__u64 bytes[2] = { sender };

	for (i = 0; i < count; i++) {
		bytes[1] = i;
		while (raw_write(fd, bytes, sizeof(bytes)) != sizeof(bytes))
			if (errno != EAGAIN)
				_exit(1);
	}
	_exit(0);
}

/* Takes, and is killed at some time, holding some. */
static _Noreturn void consume(const char *name)
{
	int fd = raw_open(name, O_RDONLY);
	struct weir_run run;
	struct weir_fetch fetch = {
		.runs = raw_address(&run), .nr_runs = 1, .max_messages = 3,
	};
	int n;

	for (n = 0;; n++) {
		fetch.timeout_ns = -1;
		fetch.nr_settle = 0;
		if (raw_ioctl(fd, WEIR_IOC_FETCH, &fetch) <= 0)
			_exit(1);
		if (n % 4 && lease_end(fd, run, n % 4 == 1 ? WEIR_RELEASE : WEIR_ACK, 0))
			_exit(2);
	}
}

/*
 * With senders that race and consumers that are killed the figures add up, what was taken
 * has dense offsets, and of each sender what is left is in order (I40 to I45).
 */
TEST_F(queue, in_parallel)
{
	const int each = raw_rounds(EACH);
	pid_t senders[SENDERS], consumer;
	struct weir_info info;
	__u64 settled = 0, last[SENDERS] = { 0 }, bytes[2];
	bool living = true;
	int i;

	ASSERT_EQ(0, remake_when_full(self, DROPS, 20));
	for (i = 0; i < SENDERS; i++) {
		senders[i] = proc_fork();
		if (!senders[i])
			send_numbered(self->name, i, each);
	}
	while (living) {
		consumer = proc_fork();
		if (!consumer)
			consume(self->name);
		wait_until(raw_figure(self->name, "settled") > (long long)settled ||
			   raw_figure(self->name, "sent") == SENDERS * each);
		ASSERT_EQ(128 + SIGKILL, proc_kill(consumer));
		ASSERT_EQ(0, raw_info(self->name, &info));
		ASSERT_ADDS_UP(&info);
		settled = info.settled;
		living = info.sent < (__u64)SENDERS * each;
	}
	for (i = 0; i < SENDERS; i++)
		ASSERT_EQ(0, proc_wait(senders[i]));
	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(SENDERS * each, info.sent);
	ASSERT_GE(20, info.depth);
	EXPECT_EQ(info.depth * 64, info.bytes);
	for (i = 0; i < (int)info.depth; i++) {
		ASSERT_EQ(16, raw_read(self->reader, bytes, sizeof(bytes)));
		ASSERT_GT(SENDERS, bytes[0]);
		ASSERT_LE(last[bytes[0]], bytes[1]);
		last[bytes[0]] = bytes[1] + 1;
	}
}

TEST_HARNESS_MAIN
