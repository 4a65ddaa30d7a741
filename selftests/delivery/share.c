// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Users have shares of a queue, so that one cannot fill what others need. */
#include <sys/stat.h>

#include "full.h"

#define ALICE	60001
#define BOB	60002
#define FAIR	((struct weir_policy){ .flags = WEIR_POLICY_FAIR_SHARE, .max_messages = 10 })

/* The queue, of that policy, to which everybody may send. */
static int share_remake(FIXTURE_DATA(queue) *self, struct weir_policy policy)
{
	char path[WEIR_NAME_SIZE + 32];
	int ret = policy_remake(self, policy);

	return ret ?: raw_result(chmod(raw_path(path, self->name), 0666));
}

/* In a child that became @uid, and has the queue open for sending as @fd_. */
static pid_t share_fork(const char *name, uid_t uid, int *fd)
{
	pid_t child = proc_fork();

	if (child)
		return child;
	if (proc_become(uid, uid))
		_exit(255);
	*fd = raw_open(name, O_WRONLY);
	return 0;
}

/* As @uid, so many messages, if they have room: how many had. */
static int share_send(const char *name, uid_t uid, int count)
{
	pid_t child;
	int fd, n;

	child = share_fork(name, uid, &fd);
	if (child)
		return proc_wait(child);
	n = full_send_batch(fd, count, 0);
	_exit(n < 0 ? (n == -EAGAIN ? 0 : 254) : n);
}

TEST_F(queue, policy)
{
	struct weir_policy policy = FAIR;
	struct weir_info info;

	EXPECT_EQ(-EINVAL, policy_alter(self->name, policy));
	ASSERT_EQ(0, share_remake(self, policy));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(WEIR_POLICY_FAIR_SHARE, info.policy.flags);
	EXPECT_EQ(10, info.policy.max_messages);
	EXPECT_EQ(1, raw_figure(self->name, "fair_share"));
	for (policy.when_full = 0; policy.when_full < 5; policy.when_full++)
		EXPECT_EQ(policy.when_full < WEIR_WHEN_FULL_DROP_OLDEST ? 0 : -EINVAL,
			  policy_alter(self->name, policy));
	EXPECT_EQ(-EINVAL, policy_alter(self->name, full_policy(0, 10)));
}

/* One alone has half, however he sends. */
TEST_F(queue, alone)
{
	struct weir_run run;
	int fd;

	ASSERT_EQ(0, share_remake(self, FAIR));
	ASSERT_EQ(5, full_send_batch(self->writer, 10, 0));
	EXPECT_EQ(-EAGAIN, full_send_batch(self->writer, 1, 0));
	EXPECT_EQ(-EAGAIN, raw_write(self->writer, "x", 1));
	EXPECT_EQ(0, raw_poll(self->writer, POLLOUT));
	fd = raw_open(self->name, O_WRONLY);
	EXPECT_EQ(-ETIMEDOUT, full_send_batch(fd, 1, 1));
	/* What is out is still his. */
	run = lease_take(self->reader, 2, LEASE_LONG);
	ASSERT_EQ(2, run.count);
	EXPECT_EQ(-EAGAIN, full_send_batch(self->writer, 1, 0));
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_ACK, 0));
	EXPECT_EQ(POLLOUT, raw_poll(self->writer, POLLOUT));
	EXPECT_EQ(1, raw_write(self->writer, "x", 1));
	EXPECT_EQ(1, full_send(self->writer, 5));
	EXPECT_EQ(5, raw_purge(self->name));
	EXPECT_EQ(5, full_send(self->writer, 10));
}

/* Refused at once, where a queue does that. */
TEST_F(queue, rejects)
{
	struct weir_policy policy = FAIR;
	int fd;

	policy.when_full = WEIR_WHEN_FULL_REJECT;
	ASSERT_EQ(0, share_remake(self, policy));
	fd = raw_open(self->name, O_WRONLY);
	ASSERT_EQ(5, full_send_batch(fd, 10, -1));
	EXPECT_EQ(-EAGAIN, full_send_batch(fd, 1, -1));
	EXPECT_EQ(1, share_send(self->name, ALICE, 1));
}

/* Whoever comes has room, and what he may have is what is free. */
TEST_F(queue, room_for_others)
{
	ASSERT_EQ(0, share_remake(self, FAIR));
	ASSERT_EQ(5, full_send_batch(self->writer, 10, 0));
	EXPECT_EQ(3, share_send(self->name, ALICE, 10));
	EXPECT_EQ(0, share_send(self->name, ALICE, 1));
	EXPECT_EQ(1, share_send(self->name, BOB, 10));
	EXPECT_EQ(1, share_send(self->name, BOB + 1, 10));
	EXPECT_EQ(-EAGAIN, full_send_batch(self->writer, 1, 0));
}

/* By space, too: then that is what he may not have more of. */
TEST_F(queue, bytes)
{
	const struct weir_policy policy = {
		.flags = WEIR_POLICY_FAIR_SHARE, .max_bytes = 1 << 16,
	};
	int i;

	ASSERT_EQ(0, share_remake(self, policy));
	ASSERT_EQ(1, full_send_sized(self->writer, 16384));
	for (i = 0; i < 16; i++)
		ASSERT_EQ(1, full_send_sized(self->writer, 1024));
	EXPECT_EQ(-EAGAIN, full_send_sized(self->writer, 1));
	EXPECT_EQ(32768, raw_figure(self->name, "bytes"));
	EXPECT_EQ(200, share_send(self->name, ALICE, 200));
	EXPECT_EQ(56, share_send(self->name, ALICE, 200));
}

static int send_twice(int fd, const char *id)
{
	const struct weir_options options = { .id = raw_address(id), .id_len = strlen(id) };
	int ret = wish_send(fd, &options);

	return ret == 1 ? wish_send(fd, &options) : ret;
}

static int send_faulty(int fd)
{
	struct weir_message messages[2] = {
		{ .data = raw_address("fine"), .len = 4 }, { .data = 64, .len = 4 },
	};
	struct weir_part part = { .fd = fd, .items = raw_address(messages), .count = 2 };
	struct weir_txn txn = { .parts = raw_address(&part), .count = 1 };

	return door_command(fd, WEIR_IOC_TXN, &txn);
}

enum end {
	ACKED, TERMED, TOO_OFTEN, TWICE, LATER,	/* these are taken, and settled */
	READ, COPIED, TOO_LATE, PURGED, KEYED, FAULTY, ENDS
};

/* Sends one that is to be taken: how many there are. */
static long send_to_settle(int fd, enum end end, int i)
{
	char id[32];

	switch (end) {
	case TWICE:
		snprintf(id, sizeof(id), "%d", i);
		return send_twice(fd, id);
	case LATER:
		return wish_send_later(fd, 1);
	default:
		return full_send(fd, 1);
	}
}

static bool settles(FIXTURE_DATA(queue) *self, enum end end, int i)
{
	const __u32 op = end == TERMED ? WEIR_TERM : end == TOO_OFTEN ? WEIR_RELEASE : WEIR_ACK;
	struct weir_run run;

	if (send_to_settle(self->writer, end, i) != 1)
		return false;
	wait_figure(self->name, "delayed", 0);
	run = lease_take(self->reader, 1, LEASE_LONG);
	return run.count == 1 && lease_end(self->reader, run, op, 0) == 0;
}

/* Sends what ends so: whether it does. */
static bool ends(FIXTURE_DATA(queue) *self, enum end end, int i)
{
	char byte;

	switch (end) {
	case READ:
		return raw_write(self->writer, "x", 1) == 1 &&
		       raw_read(self->reader, &byte, 1) == 1;
	case COPIED:
		return full_send(self->writer, 1) == 1 &&
		       letter_take(self->reader, &(struct letter){ 0 }) == 1;
	case TOO_LATE:
		return wish_send_until(self->writer, 1) == 1;
	case PURGED:
		return full_send(self->writer, 1) == 1 && raw_purge(self->name) == 1;
	case KEYED:
		return key_send(self->writer, "aaa") == 3 && raw_purge(self->name) == 3;
	case FAULTY:
		return send_faulty(self->writer) == -EFAULT;
	default:
		return settles(self, end, i);
	}
}

/* What he has is exact, however it ended: in the end, half of it again. */
TEST_F(queue, exact)
{
	struct weir_policy policy = FAIR;
	enum end end;
	int i;

	policy.flags |= WEIR_POLICY_DISCARD | WEIR_POLICY_KEYED;
	policy.max_deliveries = 1;
	policy.dedup_count = 10;
	ASSERT_EQ(0, share_remake(self, policy));
	for (end = 0; end < ENDS; end++) {
		for (i = 0; i < 12; i++) {
			ASSERT_TRUE(ends(self, end, i)) {
				TH_LOG("end %d", end);
			}
			wait_figure(self->name, "bytes", 0);
		}
		ASSERT_EQ(5, full_send_batch(self->writer, 10, 0)) {
			TH_LOG("after end %d", end);
		}
		ASSERT_EQ(5, raw_purge(self->name));
	}
}

/* What a late holder still reads takes its sender's room. */
TEST_F(queue, pinned)
{
	struct weir_run late, run;

	ASSERT_EQ(0, share_remake(self, FAIR));
	ASSERT_EQ(2, full_send(self->writer, 2));
	late = lease_take(self->reader, 2, LEASE_SHORT);
	wait_figure(self->name, "depth", 2);
	run = lease_take(self->reader, 2, LEASE_LONG);
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_ACK, 0));
	ASSERT_EQ(2, raw_figure(self->name, "pinned"));
	ASSERT_EQ(3, full_send(self->writer, 10));
	ASSERT_EQ(-ESTALE, lease_end(self->reader, late, WEIR_ACK, 0));
	EXPECT_EQ(2, full_send(self->writer, 10));
	EXPECT_EQ(5, raw_purge(self->name));
	EXPECT_EQ(5, full_send(self->writer, 10));
}

/* All of a transaction is within it, or waits; or never is. */
TEST_F(queue, transaction)
{
	static struct weir_message messages[8];
	struct weir_part parts[2] = {
		{ .fd = self->writer, .items = raw_address(messages), .count = 3 },
		{ .fd = self->writer, .items = raw_address(messages), .count = 2 },
	};
	struct weir_txn txn = { .parts = raw_address(parts), .count = 2, .timeout_ns = -1 };
	struct weir_run run;
	pid_t child;

	ASSERT_EQ(0, share_remake(self, FAIR));
	parts[0].fd = parts[1].fd = raw_open(self->name, O_WRONLY);
	ASSERT_EQ(0, door_command(parts[0].fd, WEIR_IOC_TXN, &txn));
	run = lease_take(self->reader, 5, LEASE_LONG);
	ASSERT_EQ(5, run.count);
	child = proc_fork();
	if (!child)
		_exit(door_command(parts[0].fd, WEIR_IOC_TXN, &txn) != 0);
	wait_waiters(self->name, 1);
	ASSERT_EQ(0, lease_end(self->reader, lease_first(run, 2), WEIR_ACK, 0));
	ASSERT_EQ(1, raw_figure(self->name, "waiters"));
	ASSERT_EQ(0, lease_end(self->reader, lease_rest(run, 2), WEIR_ACK, 0));
	EXPECT_EQ(0, proc_wait(child));
	ASSERT_EQ(5, raw_purge(self->name));
	parts[1].count = 3;
	EXPECT_EQ(-EMSGSIZE, door_command(parts[0].fd, WEIR_IOC_TXN, &txn));
}

/* One of two users: each has his share, and the room of both is waited for. */
TEST_F(queue, transaction_of_two)
{
	static struct weir_message messages[3];
	struct weir_part parts[2] = {
		{ .items = raw_address(messages), .count = 3 },
		{ .items = raw_address(messages), .count = 3 },
	};
	struct weir_txn txn = { .parts = raw_address(parts), .count = 2 };
	pid_t child;

	ASSERT_EQ(0, share_remake(self, FAIR));
	ASSERT_EQ(3, share_send(self->name, BOB, 3));
	parts[0].fd = raw_open(self->name, O_WRONLY);
	for (txn.timeout_ns = 0; txn.timeout_ns >= -1; txn.timeout_ns--) {
		child = share_fork(self->name, ALICE, &parts[1].fd);
		if (!child)
			_exit(-door_command(parts[0].fd, WEIR_IOC_TXN, &txn));
		if (!txn.timeout_ns)
			ASSERT_EQ(EAGAIN, proc_wait(child));
	}
	wait_waiters(self->name, 1);
	ASSERT_EQ(3, raw_purge(self->name));
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(6, raw_figure(self->name, "depth"));
}

/* What a receipt takes is of who asked for it, though nobody sent it. */
TEST_F(queue, receipts)
{
	static struct letter letter;
	char path[WEIR_NAME_SIZE + 32], other[WEIR_NAME_SIZE];
	struct weir_options options = { .flags = WEIR_OPTION_RECEIPT };
	int fd, ret, i;
	pid_t child;

	ASSERT_EQ(0, share_remake(self, FAIR));
	ASSERT_EQ(0, raw_create(raw_name(other)));
	ASSERT_EQ(0, chmod(raw_path(path, other), 0666));
	child = share_fork(other, ALICE, &fd);
	if (!child) {
		options.receipt = raw_open(self->name, O_RDWR);
		for (i = 0; (ret = wish_send(fd, &options)) == 1; i++)
			;
		_exit(ret == -ENOBUFS ? i : 255);
	}
	EXPECT_EQ(5, proc_wait(child));
	EXPECT_EQ(0, share_send(self->name, ALICE, 1));
	EXPECT_EQ(3, full_send(self->writer, 10));
	EXPECT_EQ(5, raw_purge(other));
	wait_figure(self->name, "depth", 8);
	EXPECT_EQ(0, share_send(self->name, ALICE, 1));
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(1, letter_take(self->reader, &letter));
		EXPECT_EQ(i < 3 ? getpid() : 0, (int)letter.desc.pid);
		EXPECT_EQ(0, letter.desc.uid);
		EXPECT_EQ(0, letter.desc.gid);
	}
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
	EXPECT_EQ(5, share_send(self->name, ALICE, 10));
	EXPECT_EQ(0, raw_destroy(other));
}

/* Who waits for his share is told when it has room, and leaves others what is theirs. */
TEST_F(queue, waits_for_his)
{
	pid_t ours, alices;
	struct weir_run run;
	int fd;

	ASSERT_EQ(0, share_remake(self, FAIR));
	ASSERT_EQ(5, full_send(self->writer, 10));
	ASSERT_EQ(3, share_send(self->name, ALICE, 10));
	run = lease_take(self->reader, 8, LEASE_LONG);
	ASSERT_EQ(8, run.count);
	ours = full_sender(self->name);
	wait_waiters(self->name, 1);
	alices = share_fork(self->name, ALICE, &fd);
	if (!alices)
		_exit(full_send_batch(fd, 1, -1) != 1);
	wait_waiters(self->name, 2);
	/* Of hers: she may go on, we have as much as is free. */
	ASSERT_EQ(0, lease_end(self->reader, lease_rest(run, 5), WEIR_ACK, 0));
	EXPECT_EQ(0, proc_wait(alices));
	EXPECT_EQ(1, raw_figure(self->name, "waiters"));
	ASSERT_EQ(0, lease_end(self->reader, lease_first(run, 2), WEIR_ACK, 0));
	EXPECT_EQ(0, proc_wait(ours));
}

/* One user's share would hold up the letters of all: such a queue inherits nothing. */
TEST_F(queue, no_dead_letters)
{
	struct weir_policy policy;
	char other[WEIR_NAME_SIZE];

	ASSERT_EQ(0, share_remake(self, FAIR));
	policy = policy_dead(self->writer, 0);
	raw_name(other);
	EXPECT_EQ(-EINVAL, policy_create(other, policy));
	ASSERT_EQ(0, raw_create(other));
	EXPECT_EQ(-EINVAL, policy_alter(other, policy));
	ASSERT_EQ(0, raw_destroy(other));
	/* It may have one, as any queue. */
	ASSERT_EQ(0, policy_remake(self, (struct weir_policy){ 0 }));
	policy = policy_dead(self->writer, 0);
	policy.flags |= WEIR_POLICY_FAIR_SHARE;
	ASSERT_EQ(0, policy_create(other, policy));
	EXPECT_EQ(0, raw_destroy(other));
}

/* Those of whom nothing is left cost nothing that others would not. */
TEST_F(queue, many_users)
{
	long long memory = 0;
	int i;

	ASSERT_EQ(0, share_remake(self, FAIR));
	for (i = 0; i < 60; i++) {
		ASSERT_EQ(1, share_send(self->name, ALICE + i, 1));
		ASSERT_EQ(1, raw_purge(self->name));
		if (!i)
			memory = raw_figure(self->name, "memory");
	}
	EXPECT_EQ(memory, raw_figure(self->name, "memory"));
	EXPECT_EQ(5, share_send(self->name, ALICE, 9));
}

/* Several users at a time, and consumers who are killed: in the end it is exact (I43). */
TEST_F(queue, in_parallel)
{
	const int each = raw_rounds(100);
	pid_t senders[4], consumer;
	struct weir_run run;
	long long settled = 0;
	int i, j, fd;

	ASSERT_EQ(0, share_remake(self, FAIR));
	for (i = 0; i < 4; i++) {
		senders[i] = share_fork(self->name, ALICE + i / 2, &fd);
		if (!senders[i]) {
			for (j = 0; j < each; j++) {
				if (full_send_batch(fd, 1, -1) != 1)
					_exit(1);
			}
			_exit(0);
		}
	}
	while (settled < 4 * each) {
		consumer = proc_fork();
		if (!consumer) {
			fd = raw_open(self->name, O_RDONLY);
			for (j = 0;;) {
				run = lease_take(fd, 1, 0);
				j += run.count;
				if (run.count && j % 4 && lease_end(fd, run, WEIR_ACK, 0))
					_exit(1);
			}
		}
		/* Or what is left is what he keeps. */
		wait_until(raw_figure(self->name, "settled") >= settled + 8 ||
			   (raw_figure(self->name, "sent") == 4 * each &&
			    !raw_figure(self->name, "depth")));
		ASSERT_EQ(128 + SIGKILL, proc_kill(consumer));
		settled = raw_figure(self->name, "settled");
	}
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, proc_wait(senders[i]));
	ASSERT_EQ(0, raw_figure(self->name, "bytes"));
	EXPECT_EQ(5, share_send(self->name, ALICE, 10));
	EXPECT_EQ(3, share_send(self->name, ALICE + 1, 10));
}

TEST_HARNESS_MAIN
