// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Messages die for others that have no room, and are in the dead letter queue before these. */
#include "dead.h"
#include "full.h"

/* The queue, once more: it holds so many, and its heir. */
static int remake_dead(FIXTURE_DATA(dead) *self, __u64 messages, struct weir_policy heir)
{
	struct weir_policy policy = policy_dead(self->target, 0);
	int ret;

	close(self->writer);
	close(self->reader);
	policy.max_messages = messages;
	policy.when_full = WEIR_WHEN_FULL_DEAD_LETTER;
	ret = raw_destroy_force(self->name);
	if (!ret)
		ret = policy_alter(self->heir, heir);
	if (!ret)
		ret = policy_create(self->name, policy);
	self->writer = raw_open(self->name, O_WRONLY | O_NONBLOCK);
	self->reader = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	return ret;
}

static const struct weir_policy large = { 0 };

/* The next letter is that of the message with this offset, and died so. */
static bool letter_is(FIXTURE_DATA(dead) *self, __u64 offset)
{
	const char *reason;

	if (letter_take(self->letters, &letter) != 1)
		return false;
	reason = letter_header(&letter, "weir-dead-reason");
	return reason && !strcmp(reason, "full") && !letter_header(&letter, "weir-dead-uid") &&
	       letter_number(&letter, "weir-dead-offset") == offset;
}

/* At once, in their order, whole, and no more than there has to. */
TEST_F(dead, dies)
{
	struct weir_info info;
	int i;

	ASSERT_EQ(0, remake_dead(self, 4, large));
	lease_fill(self->writer, 10);
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(6, info.dead);
	EXPECT_EQ(0, info.dying);
	EXPECT_EQ(4, info.depth);
	EXPECT_EQ(0, info.dropped);
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(POLLOUT, raw_poll(self->writer, POLLOUT));
	for (i = 0; i < 6; i++) {
		ASSERT_TRUE(letter_is(self, i));
		ASSERT_EQ(32, letter.desc.len);
		ASSERT_EQ('0' + 9 - i, letter.bytes[8]);
	}
	ASSERT_EQ(-EAGAIN, letter_take(self->letters, &letter));
	ASSERT_TRUE(full_has_just(self->reader, 6, 7, 8, 9));
}

TEST_F(dead, dies_for_a_batch)
{
	ASSERT_EQ(0, remake_dead(self, 40, large));
	ASSERT_EQ(40, full_send_batch(self->writer, 40, 0));
	ASSERT_LT(0, full_send_batch(self->writer, 3, 0));
	EXPECT_EQ(3, raw_figure(self->name, "dead") + raw_figure(self->name, "dying"));
	ASSERT_EQ(40, raw_figure(self->name, "depth") + raw_figure(self->name, "dying"));
	/* A ring is not held up: what it takes at once may be a part. */
	while (raw_figure(self->name, "sent") < 110)
		ASSERT_LT(0, full_send_batch(self->writer,
					     110 - raw_figure(self->name, "sent"), 0));
	wait_figure(self->name, "dead", 70);
	EXPECT_EQ(0, raw_figure(self->name, "dying"));
	EXPECT_EQ(70, raw_figure(self->heir, "depth"));
}

/* While the heir is full it is as with any full queue; one dies, and not one more each time. */
TEST_F(dead, heir_has_no_room)
{
	pid_t sender;
	int i;

	ASSERT_EQ(0, remake_dead(self, 3, (struct weir_policy){ .max_messages = 2 }));
	ASSERT_EQ(5, full_send(self->writer, 5));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(-EAGAIN, full_send_batch(self->writer, 1, 0));
	EXPECT_EQ(0, raw_poll(self->writer, POLLOUT));
	EXPECT_EQ(1, raw_figure(self->name, "dying"));
	EXPECT_EQ(2, raw_figure(self->name, "dead"));
	/* As soon as it has room, nobody needs patience. */
	ASSERT_TRUE(letter_is(self, 0));
	ASSERT_EQ(1, full_send_batch(self->writer, 1, 0));
	ASSERT_EQ(-EAGAIN, full_send_batch(self->writer, 1, 0));
	/* Who has some goes on then. */
	sender = full_sender(self->name);
	wait_waiters(self->name, 1);
	ASSERT_TRUE(letter_is(self, 1));
	EXPECT_EQ(0, proc_wait(sender));
	wait_until(raw_poll(self->writer, POLLOUT) == POLLOUT || raw_figure(self->name, "dying"));
	EXPECT_EQ(7, raw_figure(self->name, "sent"));
	wait_until(letter_is(self, 2));
}

/* What is out does not die, nor does who waits miss it when it is back. */
TEST_F(dead, never_what_is_out)
{
	struct weir_run run;
	pid_t sender;

	ASSERT_EQ(0, remake_dead(self, 3, large));
	ASSERT_EQ(3, full_send(self->writer, 3));
	run = lease_take(self->reader, 3, LEASE_LONG);
	ASSERT_EQ(3, run.count);
	EXPECT_EQ(-EAGAIN, full_send_batch(self->writer, 1, 0));
	EXPECT_EQ(0, raw_poll(self->writer, POLLOUT));
	sender = full_sender(self->name);
	wait_waiters(self->name, 1);
	ASSERT_EQ(0, lease_end(self->reader, lease_rest(run, 2), WEIR_RELEASE, 0));
	EXPECT_EQ(0, proc_wait(sender));
	ASSERT_TRUE(letter_is(self, 2));
	ASSERT_EQ(0, lease_end(self->reader, lease_first(run, 2), WEIR_ACK, 0));
}

/* What is dying makes room for those for whom others die, and for nobody else (I40). */
TEST_F(dead, none_in_vain)
{
	struct weir_policy policy;
	struct weir_run run;

	ASSERT_EQ(0, remake_dead(self, 3, (struct weir_policy){ .max_messages = 1 }));
	ASSERT_EQ(3, full_send(self->writer, 3));
	run = lease_take(self->reader, 2, LEASE_LONG);
	ASSERT_EQ(2, run.count);
	ASSERT_EQ(0, policy_term(self->reader, run, NULL, 0));
	wait_figure(self->name, "dying", 1);
	policy = policy_dead(self->target, 0);
	policy.max_messages = 2;
	policy.when_full = WEIR_WHEN_FULL_DROP_OLDEST;
	ASSERT_EQ(0, policy_alter(self->name, policy));
	/* The other one may go, though what died cannot be buried. */
	EXPECT_EQ(POLLOUT, raw_poll(self->writer, POLLOUT));
	policy.max_messages = 1;
	ASSERT_EQ(0, policy_alter(self->name, policy));
	EXPECT_EQ(-EAGAIN, full_send_batch(self->writer, 1, 0));
	EXPECT_EQ(0, raw_figure(self->name, "dropped"));
	ASSERT_EQ(1, raw_figure(self->name, "depth"));
	/* With it buried, that does. */
	ASSERT_EQ(1, letter_take(self->letters, &letter));
	wait_figure(self->name, "dying", 0);
	EXPECT_EQ(1, full_send_batch(self->writer, 1, 0));
	EXPECT_EQ(1, raw_figure(self->name, "dropped"));
}

/* Without an heir it is a full queue, until there is another one. */
TEST_F(dead, heir_ends)
{
	struct weir_policy policy;
	pid_t sender;

	ASSERT_EQ(0, remake_dead(self, 2, large));
	ASSERT_EQ(2, full_send(self->writer, 2));
	close(self->letters);
	close(self->target);
	ASSERT_EQ(0, raw_destroy_force(self->heir));
	EXPECT_EQ(-EAGAIN, full_send_batch(self->writer, 1, 0));
	EXPECT_EQ(-EAGAIN, full_send_batch(self->writer, 1, 0));
	EXPECT_EQ(1, raw_figure(self->name, "dying"));
	sender = full_sender(self->name);
	wait_waiters(self->name, 1);
	ASSERT_EQ(0, raw_create(self->heir));
	self->target = raw_open(self->heir, O_WRONLY | O_NONBLOCK);
	self->letters = raw_open(self->heir, O_RDONLY | O_NONBLOCK);
	policy = policy_dead(self->target, 0);
	policy.max_messages = 2;
	policy.when_full = WEIR_WHEN_FULL_DEAD_LETTER;
	ASSERT_EQ(0, policy_alter(self->name, policy));
	EXPECT_EQ(0, proc_wait(sender));
	EXPECT_TRUE(letter_is(self, 0));
}

/* A transaction waits for burials, too; and through a chain of such queues in the end. */
TEST_F(dead, transaction_and_chain)
{
	static struct weir_message messages[3];
	struct weir_part part = { .items = raw_address(messages), .count = 3 };
	struct weir_txn txn = { .parts = raw_address(&part), .count = 1, .timeout_ns = -1 };
	char last[WEIR_NAME_SIZE];
	struct weir_policy policy;
	int target, fd;

	raw_name(last);
	ASSERT_EQ(0, raw_create(last));
	target = raw_open(last, O_RDWR | O_NONBLOCK);
	policy = policy_dead(target, 0);
	policy.max_messages = 4;
	policy.when_full = WEIR_WHEN_FULL_DEAD_LETTER;
	ASSERT_EQ(0, remake_dead(self, 4, policy));
	ASSERT_EQ(4, full_send(self->writer, 4));
	part.fd = fd = raw_open(self->name, O_WRONLY);
	ASSERT_EQ(0, door_command(fd, WEIR_IOC_TXN, &txn));
	EXPECT_EQ(3, raw_figure(self->heir, "depth"));
	ASSERT_EQ(0, door_command(fd, WEIR_IOC_TXN, &txn));
	wait_figure(last, "depth", 2);
	EXPECT_EQ(4, raw_figure(self->heir, "depth"));
	EXPECT_EQ(10, raw_figure(self->name, "sent"));
	EXPECT_EQ(0, raw_destroy_force(last));
}

/* However full the dead letter queue is: what it buries itself is no reason to refuse. */
TEST_F(dead, chain_is_waited_for)
{
	char last[WEIR_NAME_SIZE];
	struct weir_policy policy;

	raw_name(last);
	ASSERT_EQ(0, raw_create(last));
	policy = policy_dead(raw_open(last, O_RDWR | O_NONBLOCK), 0);
	policy.max_messages = 2;
	policy.when_full = WEIR_WHEN_FULL_DEAD_LETTER;
	ASSERT_EQ(0, remake_dead(self, 2, policy));
	EXPECT_EQ(100, full_send(self->writer, 100));
	wait_figure(last, "depth", 96);
	/* Until the last one takes no more. */
	policy = (struct weir_policy){ .max_messages = 96 };
	ASSERT_EQ(0, policy_alter(last, policy));
	EXPECT_EQ(0, full_send(self->writer, 1));
	EXPECT_EQ(0, raw_destroy_force(last));
}

/* While those who die cannot be buried, nobody dies besides, however many are sent. */
TEST_F(dead, spares_others_when_stuck)
{
	const struct weir_policy tiny = { .max_messages = 1 };

	ASSERT_EQ(0, remake_dead(self, 4, tiny));
	ASSERT_EQ(5, full_send(self->writer, 5));
	EXPECT_EQ(-EAGAIN, full_send_batch(self->writer, 1, 0));
	EXPECT_EQ(-EAGAIN, full_send_batch(self->writer, 3, 0));
	EXPECT_EQ(1, raw_figure(self->name, "dying"));
	EXPECT_EQ(3, raw_figure(self->name, "depth"));
	ASSERT_TRUE(letter_is(self, 0));
	wait_figure(self->name, "dying", 0);
}

/* Where what is buried is still read, others die, though nothing is free. */
TEST_F(dead, buried_though_read)
{
	struct weir_run run;
	pid_t sender;
	int other;

	ASSERT_EQ(0, remake_dead(self, 2, (struct weir_policy){ .max_messages = 2 }));
	ASSERT_EQ(1, raw_write(self->target, "x", 1));
	ASSERT_EQ(1, raw_write(self->target, "x", 1));
	ASSERT_EQ(2, full_send(self->writer, 2));
	ASSERT_EQ(1, lease_take(self->reader, 1, LEASE_SHORT).count);
	wait_figure(self->name, "expired", 1);
	other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	run = lease_take(other, 1, LEASE_LONG);
	ASSERT_EQ(1, run.count);
	ASSERT_EQ(0, policy_term(other, run, NULL, 0));
	EXPECT_EQ(-EAGAIN, full_send_batch(self->writer, 1, 0));
	sender = full_sender(self->name);
	wait_waiters(self->name, 1);
	ASSERT_EQ(1, letter_take(self->letters, &letter));
	wait_figure(self->name, "pinned", 1);
	ASSERT_EQ(1, letter_take(self->letters, &letter));
	EXPECT_EQ(0, proc_wait(sender));
	EXPECT_EQ(2, raw_figure(self->name, "dead"));
}

/* For a letter that has never room nothing goes. */
TEST_F(dead, too_large_for_its_heir)
{
	const struct weir_policy drops = {
		.max_messages = 1000, .max_bytes = 1 << 20,
		.when_full = WEIR_WHEN_FULL_DROP_OLDEST,
	};
	struct weir_policy small = drops;
	int i;

	ASSERT_EQ(0, remake_dead(self, 2, large));
	ASSERT_EQ(0, policy_alter(self->heir, drops));
	for (i = 0; i < 200; i++)
		ASSERT_EQ(1, raw_write(self->target, "x", 1));
	ASSERT_EQ(1, full_send_sized(self->writer, 100000));
	small.max_bytes = 65536;
	ASSERT_EQ(0, policy_alter(self->heir, small));
	ASSERT_EQ(1, full_send(self->writer, 1));
	EXPECT_EQ(0, full_send(self->writer, 1));
	EXPECT_EQ(1, raw_figure(self->name, "dying"));
	EXPECT_EQ(200, raw_figure(self->heir, "depth"));
	EXPECT_EQ(0, raw_figure(self->heir, "dropped"));
	/* It is buried when it has. */
	ASSERT_EQ(0, policy_alter(self->heir, drops));
	wait_figure(self->name, "dying", 0);
	EXPECT_EQ(201, raw_figure(self->heir, "depth"));
}

/* Nor is it tried for ever where that would bury others. */
TEST_F(dead, too_large_for_an_heir_that_buries)
{
	const struct weir_policy discards = { .flags = WEIR_POLICY_DISCARD, .max_messages = 2 };
	char last[WEIR_NAME_SIZE];
	struct weir_policy buries;
	int target;

	raw_name(last);
	strcat(last, "-last");
	ASSERT_EQ(0, raw_create(last));
	target = raw_open(last, O_WRONLY);
	buries = policy_dead(target, 0);
	buries.when_full = WEIR_WHEN_FULL_DEAD_LETTER;
	buries.max_bytes = 1 << 20;
	ASSERT_EQ(0, remake_dead(self, 2, large));
	ASSERT_EQ(0, policy_alter(self->heir, buries));
	ASSERT_EQ(1, full_send_sized(self->writer, 100000));
	buries.max_bytes = 65536;
	ASSERT_EQ(0, policy_alter(self->heir, buries));
	ASSERT_EQ(1, full_send(self->writer, 1));
	EXPECT_EQ(0, full_send(self->writer, 1));
	EXPECT_EQ(1, raw_figure(self->name, "dying"));
	/* Who wants it otherwise is not held up by that. */
	ASSERT_EQ(0, policy_alter(self->name, discards));
	wait_figure(self->name, "dying", 0);
	EXPECT_EQ(0, raw_figure(self->heir, "sent"));
	ASSERT_EQ(0, raw_destroy_force(self->heir));
	close(target);
	ASSERT_EQ(0, raw_destroy_force(last));
}

/* IORING_OP_WRITE, which may not wait at first. */
TEST_F(dead, write_of_a_ring)
{
	struct io_uring_sqe *sqe;
	struct ring ring;
	int i, fd;

	ASSERT_EQ(0, remake_dead(self, 1, large));
	fd = raw_open(self->name, O_WRONLY);
	ASSERT_EQ(0, ring_make(&ring, 4, 0));
	for (i = 0; i < 20; i++) {
		sqe = ring_sqe(&ring);
		sqe->opcode = IORING_OP_WRITE;
		sqe->fd = fd;
		sqe->addr = raw_address("bytes");
		sqe->len = 5;
		ring_push(&ring);
		ASSERT_EQ(5, ring_next(&ring, NULL));
	}
	EXPECT_EQ(19, raw_figure(self->name, "dead"));
	ring_end(&ring);
}

enum { SENDERS = 3, EACH = 1000 };

static _Noreturn void send_each(const char *name, int count, __s64 timeout_ns)
{
	int fd = raw_open(name, O_WRONLY);

	while (count--) {
		if (full_send_batch(fd, 1, timeout_ns) != 1)
			_exit(1);
	}
	_exit(0);
}

/* One whose room another took waits for the next burial, for there is one (I40). */
TEST_F(dead, in_parallel_at_once)
{
	/* So many that nobody has waited long enough, however slow he is. */
	enum { FULL = SENDERS * (EACH + 1) };
	const int each = raw_rounds(EACH);
	pid_t senders[SENDERS];
	int i;

	ASSERT_EQ(0, remake_dead(self, FULL, large));
	ASSERT_EQ(FULL, full_send(self->writer, FULL));
	for (i = 0; i < SENDERS; i++) {
		senders[i] = proc_fork();
		if (!senders[i])
			send_each(self->name, each, 0);
	}
	for (i = 0; i < SENDERS; i++)
		EXPECT_EQ(0, proc_wait(senders[i]));
	EXPECT_EQ(FULL + SENDERS * each, raw_figure(self->name, "sent"));
	wait_figure(self->name, "dead", SENDERS * each);
	EXPECT_EQ(FULL, raw_figure(self->name, "depth"));
}

/* Small ones come, and die at once, for ever. */
static pid_t churn(const char *name)
{
	static const char page[4096];
	pid_t child = proc_fork();
	int fd;

	if (child)
		return child;
	fd = raw_open(name, O_RDWR | O_NONBLOCK);
	for (;;) {
		if (raw_write(fd, page, sizeof(page)) == sizeof(page))
			policy_term(fd, lease_take(fd, 1, LEASE_LONG), NULL, 0);
	}
}

/* Who does not wait is not held up for ever by others who are quicker when one is buried. */
TEST_F(dead, others_are_quicker)
{
	const struct weir_policy drops = {
		.max_messages = 1, .when_full = WEIR_WHEN_FULL_DROP_OLDEST,
	};
	struct weir_policy buries, policy = policy_dead(self->target, 0);
	static struct weir_message large = { .len = 64 << 10 };
	struct weir_send send = { .messages = raw_address(&large), .count = 1 };
	static const char bytes[64 << 10];
	char last[WEIR_NAME_SIZE];
	pid_t child;
	int i, ret;

	/* One or two a jiffy are buried, each in the place of another one. */
	raw_name(last);
	ASSERT_EQ(0, policy_create(last, drops));
	buries = policy_dead(raw_open(last, O_WRONLY), 0);
	buries.max_messages = 1;
	buries.when_full = WEIR_WHEN_FULL_DEAD_LETTER;
	ASSERT_EQ(0, remake_dead(self, 0, buries));
	policy.max_bytes = 512 << 10;
	policy.when_full = WEIR_WHEN_FULL_DEAD_LETTER;
	ASSERT_EQ(0, policy_alter(self->name, policy));
	child = churn(self->name);
	wait_until(raw_figure(self->name, "dying") > 100);
	large.data = raw_address(bytes);
	for (i = 0; i < 3; i++) {
		ret = door_command(self->writer, WEIR_IOC_SEND, &send);
		ASSERT_TRUE(ret == 1 || ret == -EAGAIN);
	}
	ASSERT_EQ(128 + SIGKILL, proc_kill(child));
	ASSERT_EQ(0, raw_destroy_force(last));
}

/* Takes and settles some, gives some back, and is killed with some. */
static _Noreturn void consume(const char *name)
{
	int fd = raw_open(name, O_RDONLY), n;
	struct weir_run run;

	for (n = 0;;) {
		run = lease_take(fd, 1, 0);
		n += run.count;
		if (run.count && n % 4 &&
		    lease_end(fd, run, n % 4 == 1 ? WEIR_RELEASE : WEIR_ACK, 0))
			_exit(1);
	}
}

/*
 * With senders that race and consumers that are killed no message is lost, or twice: each
 * is settled, or in the one queue or the other (I40, I41, I45).
 */
TEST_F(dead, in_parallel)
{
	const int each = raw_rounds(EACH);
	static bool seen[SENDERS * EACH];
	pid_t senders[SENDERS], consumer;
	struct weir_info info;
	__u64 last = 0, offset;
	bool living = true;
	int i;

	ASSERT_EQ(0, remake_dead(self, 10, large));
	for (i = 0; i < SENDERS; i++) {
		senders[i] = proc_fork();
		if (!senders[i])
			send_each(self->name, each, -1);
	}
	while (living) {
		consumer = proc_fork();
		if (!consumer)
			consume(self->name);
		wait_until(raw_figure(self->name, "received") > (long long)last + 20 ||
			   raw_figure(self->name, "sent") == SENDERS * each);
		ASSERT_EQ(128 + SIGKILL, proc_kill(consumer));
		ASSERT_EQ(0, raw_info(self->name, &info));
		ASSERT_ADDS_UP(&info);
		last = info.received;
		living = info.sent < (__u64)SENDERS * each;
	}
	for (i = 0; i < SENDERS; i++)
		ASSERT_EQ(0, proc_wait(senders[i]));
	wait_figure(self->name, "dying", 0);
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(SENDERS * each, info.sent);
	EXPECT_EQ(SENDERS * each, info.settled + info.dead + info.depth);
	ASSERT_GE(10, info.depth);
	EXPECT_EQ(info.dead, (__u64)raw_figure(self->heir, "sent"));
	while (letter_take(self->letters, &letter) == 1) {
		ASSERT_STREQ("full", letter_header(&letter, "weir-dead-reason"));
		offset = letter_number(&letter, "weir-dead-offset");
		ASSERT_GT(SENDERS * EACH, offset);
		ASSERT_FALSE(seen[offset]);
		seen[offset] = true;
	}
}

TEST_HARNESS_MAIN
