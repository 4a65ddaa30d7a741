// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Who asks for a receipt is told how his message ended, once, whatever became of it, and
 * not before it is gone.
 */
#include "receipt.h"

static struct weir_receipt receipt;

/* One message is delivered: to whom it is, is 0. */
static int hold(int fd, struct weir_run *run)
{
	*run = lease_take(fd, 1, 0);
	return run->count == 1 ? 0 : -ENOMSG;
}

TEST_F(receipt, acked)
{
	struct weir_run run;

	lease_fill(self->writer, 3);
	ASSERT_EQ(3, raw_purge(self->name));
	ASSERT_EQ(1, receipt_send(self->writer, receipt_options(self->to, 77)));
	ASSERT_EQ(0, browse_name(self->reader, "w\xc3\xb6rker"));
	ASSERT_EQ(0, hold(self->reader, &run));
	EXPECT_EQ(0, raw_figure(self->told, "sent"));
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_ACK, 0));
	ASSERT_EQ(0, receipt_take(self->receipts, &receipt));
	EXPECT_EQ(77, receipt.token);
	EXPECT_EQ(3, receipt.offset);
	EXPECT_EQ(WEIR_OUTCOME_ACKED, receipt.outcome);
	EXPECT_EQ(0, receipt.reason);
	EXPECT_EQ(1, receipt.deliveries);
	EXPECT_EQ(getpid(), (int)receipt.pid);
	EXPECT_EQ(geteuid(), receipt.uid);
	EXPECT_STREQ("w\xc3\xb6rker", receipt.consumer);
	EXPECT_STREQ(self->name, receipt.queue);
	EXPECT_TRUE(receipt_none(self->told));
	EXPECT_EQ(1, raw_figure(self->told, "sent"));
}

/* What does not end is not told of. It is once, by who ended it. */
TEST_F(receipt, in_the_end)
{
	struct weir_run run;
	pid_t child;

	ASSERT_EQ(1, receipt_send(self->writer, receipt_options(self->to, 1)));
	ASSERT_EQ(0, hold(self->reader, &run));
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_RELEASE, 0));
	child = proc_fork();
	if (!child) {
		if (!hold(self->reader, &run))
			raise(SIGKILL);
		_exit(1);
	}
	ASSERT_EQ(128 + SIGKILL, proc_wait(child));
	ASSERT_EQ(0, hold(self->reader, &run));
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_EXTEND, 1));
	wait_figure(self->name, "depth", 1);
	EXPECT_EQ(-ESTALE, lease_end(self->reader, run, WEIR_ACK, 0));
	child = proc_fork();
	if (!child)
		_exit(hold(self->reader, &run) || lease_end(self->reader, run, WEIR_ACK, 0));
	ASSERT_EQ(0, proc_wait(child));
	ASSERT_EQ(0, receipt_take(self->receipts, &receipt));
	EXPECT_EQ(WEIR_OUTCOME_ACKED, receipt.outcome);
	EXPECT_EQ(4, receipt.deliveries);
	EXPECT_EQ(child, (int)receipt.pid);
	EXPECT_STREQ("", receipt.consumer);
	EXPECT_TRUE(receipt_none(self->told));
}

/* It has the time to live of its queue when it is there, not that when its room was taken. */
TEST_F(receipt, lives_as_its_queue_says)
{
	const struct weir_browsed *browsed;
	struct weir_info info;
	struct weir_run run;

	ASSERT_EQ(1, receipt_send(self->writer, receipt_options(self->to, 5)));
	ASSERT_EQ(0, raw_info(self->told, &info));
	info.policy.ttl_ns = HOUR_NS;
	ASSERT_EQ(0, policy_alter(self->told, info.policy));
	ASSERT_EQ(0, hold(self->reader, &run));
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_ACK, 0));
	wait_figure(self->told, "depth", 1);
	browsed = browse_one(self->receipts, 0);
	ASSERT_TRUE(browsed != NULL);
	EXPECT_LT(0, browsed->expires_ns);
	EXPECT_GE(HOUR_NS, browsed->expires_ns);
}

/* Settled as it was handed out, however. */
TEST_F(receipt, taken)
{
	static struct letter letter;
	char bytes[8];
	int fd;

	ASSERT_EQ(4, receipt_send_row(self->writer, self->to, 1, 4));
	ASSERT_EQ(1, letter_take(self->reader, &letter));
	EXPECT_EQ(WEIR_OUTCOME_TAKEN, receipt_outcome(self, 1, 0));
	ASSERT_EQ(4, raw_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_EQ(WEIR_OUTCOME_TAKEN, receipt_outcome(self, 2, 0));
	/* In parts, of which the last is what counts. */
	fd = raw_open(self->name, O_RDONLY);
	ASSERT_EQ(1, raw_read(fd, bytes, 1));
	close(fd);
	ASSERT_EQ(3, raw_read(self->reader, bytes, 3));
	EXPECT_EQ(2, raw_figure(self->told, "sent"));
	ASSERT_EQ(1, raw_read(self->reader, bytes, 3));
	ASSERT_EQ(0, receipt_take(self->receipts, &receipt));
	EXPECT_EQ(WEIR_OUTCOME_TAKEN, receipt.outcome);
	EXPECT_EQ(2, receipt.deliveries);
	EXPECT_EQ(getpid(), (int)receipt.pid);
	/* It could not be told what was taken. */
	EXPECT_EQ(-EFAULT, door_fetch(self->reader, (void *)64, 1 << 12, WEIR_FETCH_SETTLED,
				      &(struct weir_run){ 0 }));
	EXPECT_EQ(3, raw_figure(self->told, "sent"));
	EXPECT_EQ(1, raw_figure(self->name, "depth"));
}

/* Dead, of each cause, and moved or thrown away. */
TEST_F(receipt, dead)
{
	const __u32 ends[] = { WEIR_POLICY_DISCARD, WEIR_POLICY_DEAD_LETTER };
	struct weir_options options = receipt_options(self->to, 3);
	char heir[WEIR_NAME_SIZE];
	struct weir_run run;
	int fd, i;

	ASSERT_EQ(0, raw_create(raw_name(heir)));
	fd = raw_open(heir, O_WRONLY);
	options.ttl_ns = 1;
	for (i = 0; i < 2; i++) {
		const int outcome = i ? WEIR_OUTCOME_DEAD_LETTER : WEIR_OUTCOME_DISCARDED;

		ASSERT_EQ(0, receipt_remake(self, (struct weir_policy){
			.flags = ends[i], .dead_letter = i ? fd : 0, .max_deliveries = 1,
		}));
		ASSERT_EQ(2, receipt_send_row(self->writer, self->to, 1, 2));
		ASSERT_EQ(0, hold(self->reader, &run));
		ASSERT_EQ(0, policy_term(self->reader, run, "so", 2));
		ASSERT_EQ(0, receipt_take(self->receipts, &receipt));
		EXPECT_EQ(outcome, receipt.outcome);
		EXPECT_EQ(WEIR_DEAD_TERM, receipt.reason);
		EXPECT_EQ(getpid(), (int)receipt.pid);
		EXPECT_EQ(i, raw_figure(heir, "depth"));
		ASSERT_EQ(0, hold(self->reader, &run));
		ASSERT_EQ(0, lease_end(self->reader, run, WEIR_RELEASE, 0));
		EXPECT_EQ(outcome, receipt_outcome(self, 2, WEIR_DEAD_DELIVERIES));
		ASSERT_EQ(1, receipt_send(self->writer, options));
		ASSERT_EQ(0, receipt_take(self->receipts, &receipt));
		EXPECT_EQ(outcome, receipt.outcome);
		EXPECT_EQ(WEIR_DEAD_EXPIRED, receipt.reason);
		EXPECT_EQ(0, receipt.deliveries);
		EXPECT_EQ(0, receipt.pid);
		EXPECT_EQ(3, raw_figure(self->name, "dead"));
	}
	/* The letters are other messages, of which nothing is told. */
	EXPECT_EQ(3, raw_purge(heir));
	EXPECT_TRUE(receipt_none(self->told));
	EXPECT_EQ(0, raw_destroy_force(heir));
}

TEST_F(receipt, dropped)
{
	ASSERT_EQ(0, receipt_remake(self, (struct weir_policy){
		.max_messages = 2, .when_full = WEIR_WHEN_FULL_DROP_OLDEST,
	}));
	ASSERT_EQ(2, receipt_send_row(self->writer, self->to, 1, 2));
	ASSERT_EQ(2, receipt_send_row(self->writer, self->to, 3, 2));
	EXPECT_EQ(WEIR_OUTCOME_DROPPED, receipt_outcome(self, 1, 0));
	EXPECT_EQ(WEIR_OUTCOME_DROPPED, receipt_outcome(self, 2, 0));
	EXPECT_EQ(2, raw_figure(self->name, "dropped"));
}

TEST_F(receipt, purged)
{
	struct weir_run run;

	ASSERT_EQ(0, receipt_remake(self, (struct weir_policy){ .flags = WEIR_POLICY_KEYED }));
	/* They have one key: one is ready, and then leased, the others are behind. */
	ASSERT_EQ(3, receipt_send_row(self->writer, self->to, 1, 3));
	ASSERT_EQ(0, hold(self->reader, &run));
	ASSERT_EQ(2, raw_figure(self->name, "behind"));
	ASSERT_EQ(2, raw_purge(self->name));
	EXPECT_EQ(WEIR_OUTCOME_PURGED, receipt_outcome(self, 2, 0));
	EXPECT_EQ(WEIR_OUTCOME_PURGED, receipt_outcome(self, 3, 0));
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_RELEASE, 0));
	ASSERT_EQ(1, raw_purge(self->name));
	ASSERT_EQ(0, receipt_take(self->receipts, &receipt));
	EXPECT_EQ(WEIR_OUTCOME_PURGED, receipt.outcome);
	EXPECT_EQ(1, receipt.deliveries);
	EXPECT_EQ(0, receipt.pid);
	EXPECT_TRUE(receipt_none(self->told));
}

/* With their queue: in each state, at once, though somebody has it open. */
TEST_F(receipt, destroyed)
{
	enum { MANY = 700 };
	struct weir_options options = receipt_options(self->to, 1);
	bool seen[MANY + 3] = { false };
	struct weir_run run;
	char bytes[4];
	int i;

	ASSERT_EQ(2, receipt_send_row(self->writer, self->to, 0, 2));
	ASSERT_EQ(0, hold(self->reader, &run));
	ASSERT_EQ(1, raw_read(self->reader, bytes, 1));
	options.delay_ns = LEASE_LONG;
	options.token = 2;
	ASSERT_EQ(1, receipt_send(self->writer, options));
	ASSERT_EQ(MANY, receipt_send_row(self->writer, self->to, 3, MANY));
	ASSERT_EQ(0, raw_destroy_force(self->name));
	for (i = 0; i < MANY + 3; i++) {
		ASSERT_EQ(0, receipt_take(self->receipts, &receipt));
		ASSERT_EQ(WEIR_OUTCOME_DESTROYED, receipt.outcome);
		ASSERT_GT(MANY + 3, receipt.token);
		ASSERT_TRUE(!seen[receipt.token]);
		ASSERT_EQ(receipt.token, receipt.offset);
		ASSERT_EQ(receipt.token < 2, receipt.deliveries);
		ASSERT_STREQ(self->name, receipt.queue);
		seen[receipt.token] = true;
	}
	EXPECT_EQ(-ESHUTDOWN, lease_end(self->reader, run, WEIR_ACK, 0));
	close(self->reader);
	close(self->writer);
	EXPECT_TRUE(receipt_none(self->told));
}

/* As many as there are, in the order of the ends, also when they end together. */
TEST_F(receipt, order)
{
	enum { MANY = 1000 };
	struct weir_run run;
	int i, n;

	ASSERT_EQ(MANY, receipt_send_row(self->writer, self->to, 0, MANY));
	for (i = 0; i < MANY; i += n) {
		n = MANY - i < 64 ? MANY - i : 64;
		run = lease_take(self->reader, n, 0);
		ASSERT_EQ(n, run.count);
		ASSERT_EQ(0, lease_end(self->reader, run, WEIR_ACK, 0));
	}
	for (i = 0; i < MANY; i++)
		ASSERT_EQ(WEIR_OUTCOME_ACKED, receipt_outcome(self, i, 0));
	EXPECT_TRUE(receipt_none(self->told));
	EXPECT_EQ(MANY, raw_figure(self->name, "settled"));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

/* A late holder may still read it: that is no reason to wait. */
TEST_F(receipt, pinned)
{
	struct weir_run late, run;

	ASSERT_EQ(1, receipt_send(self->writer, receipt_options(self->to, 9)));
	late = lease_take(self->reader, 1, LEASE_SHORT);
	ASSERT_EQ(1, late.count);
	wait_figure(self->name, "depth", 1);
	ASSERT_EQ(0, hold(self->reader, &run));
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_ACK, 0));
	EXPECT_EQ(WEIR_OUTCOME_ACKED, receipt_outcome(self, 9, 0));
	EXPECT_EQ(1, raw_figure(self->name, "pinned"));
	EXPECT_EQ(-ESTALE, lease_end(self->reader, late, WEIR_ACK, 0));
	EXPECT_EQ(0, raw_figure(self->name, "pinned"));
	EXPECT_TRUE(receipt_none(self->told));
}

/* Whoever sees a receipt does not find the message, and each is told of. */
TEST_F(receipt, atomic)
{
	const int rounds = raw_rounds(2000);
	struct weir_info told, info;
	pid_t child = proc_fork();

	if (!child) {
		struct weir_run run;
		int i;

		for (i = 0; i < rounds; i++) {
			if (receipt_send(self->writer, receipt_options(self->to, i)) != 1 ||
			    hold(self->reader, &run) ||
			    lease_end(self->reader, run, WEIR_ACK, 0))
				_exit(1);
			/* Its room is not to be all used up. */
			if (i % 64 == 63)
				wait_until(raw_figure(self->told, "depth") == 0);
		}
		_exit(0);
	}
	do {
		ASSERT_EQ(0, raw_info(self->told, &told));
		ASSERT_EQ(0, raw_info(self->name, &info));
		ASSERT_ADDS_UP(&told);
		ASSERT_ADDS_UP(&info);
		ASSERT_LE(told.sent, info.settled);
		if (told.depth)
			ASSERT_LE(1, raw_purge(self->told));
	} while (told.sent < (__u64)rounds);
	raw_purge(self->told);
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_TRUE(receipt_none(self->told));
}

TEST_HARNESS_MAIN
