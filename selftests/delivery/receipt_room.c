// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A receipt has its room before its message is sent, and gives it back when that is not
 * sent after all; whichever queue goes first, nothing is kept (I30, I44).
 */
#include "receipt.h"

static struct weir_receipt receipt;

static struct weir_run take_one(int fd)
{
	return lease_take(fd, 1, 0);
}

/* Who does not take them stops himself, at once, and nobody else. */
TEST_F(receipt, full)
{
	char small[WEIR_NAME_SIZE];
	struct weir_run run;
	int to, fd;

	ASSERT_EQ(0, raw_create_sized(raw_name(small), 2, 4096));
	to = raw_open(small, O_RDWR);
	/* The batch ends before what has none. */
	ASSERT_EQ(2, receipt_send_row(self->writer, to, 1, 4));
	ASSERT_EQ(-ENOBUFS, receipt_send(self->writer, receipt_options(to, 3)));
	/* Also who would wait for room in the queue itself. */
	fd = raw_open(self->name, O_WRONLY);
	ASSERT_EQ(-ENOBUFS, receipt_send(fd, receipt_options(to, 3)));
	EXPECT_EQ(2, raw_figure(self->name, "sent"));
	EXPECT_EQ(0, raw_figure(small, "depth"));
	EXPECT_EQ(2 * sizeof(receipt), raw_figure(small, "bytes"));
	EXPECT_EQ(0, raw_poll(to, POLLOUT));
	/* Who settles never waits, nor fails. */
	run = lease_take(self->reader, 2, 0);
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_ACK, 0));
	wait_figure(small, "depth", 2);
	EXPECT_EQ(-ENOBUFS, receipt_send(self->writer, receipt_options(to, 3)));
	/* Neither does who asks for none. */
	lease_fill(self->writer, 1);
	ASSERT_EQ(0, receipt_take(raw_open(small, O_RDONLY), &receipt));
	EXPECT_EQ(1, receipt.token);
	EXPECT_EQ(1, receipt_send(self->writer, receipt_options(to, 3)));
	EXPECT_EQ(0, raw_destroy_force(small));
}

/* Nothing goes for one, whatever that queue does when it is full. */
TEST_F(receipt, spares_others)
{
	struct weir_policy policy = { .max_messages = 2, .max_bytes = 1 << 16 };
	char small[WEIR_NAME_SIZE];
	struct weir_info info;
	int fd;

	ASSERT_EQ(0, policy_create(raw_name(small), policy));
	fd = raw_open(small, O_RDWR | O_NONBLOCK);
	lease_fill(fd, 2);
	policy.flags = WEIR_POLICY_DEAD_LETTER;
	policy.dead_letter = self->to;
	for (policy.when_full = WEIR_WHEN_FULL_WAIT;
	     policy.when_full <= WEIR_WHEN_FULL_DEAD_LETTER; policy.when_full++) {
		ASSERT_EQ(0, policy_alter(small, policy));
		EXPECT_EQ(-ENOBUFS, receipt_send(self->writer, receipt_options(fd, 1)));
		ASSERT_EQ(0, raw_info(small, &info));
		EXPECT_EQ(2, info.depth);
		EXPECT_EQ(0, info.dropped + info.dying + info.dead);
	}
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
	EXPECT_EQ(1, raw_write(fd, "x", 1));
	EXPECT_EQ(0, raw_destroy_force(small));
}

/* It is there that it counts: in the bytes, in the memory, and as a message. */
TEST_F(receipt, counts)
{
	struct weir_info info;

	ASSERT_EQ(0, raw_info(self->told, &info));
	ASSERT_EQ(0, info.bytes);
	ASSERT_EQ(10, receipt_send_row(self->writer, self->to, 0, 10));
	ASSERT_EQ(0, raw_info(self->told, &info));
	EXPECT_EQ(10 * sizeof(receipt), info.bytes);
	EXPECT_LT(10 * sizeof(receipt), info.memory);
	EXPECT_EQ(0, info.depth);
	EXPECT_EQ(0, info.sent);
	EXPECT_EQ(10, info.drafts);
	EXPECT_EQ(10, raw_figure(self->told, "drafts"));
	close(self->receipts);
	close(self->to);
	EXPECT_EQ(-EBUSY, raw_destroy(self->told));
	/* What is there is purged, and not what is to come. */
	EXPECT_EQ(0, raw_purge(self->told));
	EXPECT_EQ(10, raw_purge(self->name));
	wait_figure(self->told, "depth", 10);
	EXPECT_EQ(0, raw_figure(self->told, "drafts"));
	EXPECT_EQ(10, raw_purge(self->told));
	EXPECT_EQ(0, raw_destroy(self->told));
}

/* What is noted of a message is paid by who made its queue, and given back. */
TEST_F(receipt, paid)
{
	static struct weir_options later[64];
	struct weir_info before, info;
	int i;

	/* Pages stay, so they are to be there. */
	for (i = 0; i < 64; i++)
		later[i].delay_ns = 1;
	ASSERT_EQ(64, receipt_send_batch(self->writer, later, 64));
	wait_figure(self->name, "depth", 64);
	ASSERT_EQ(64, raw_purge(self->name));
	ASSERT_EQ(0, raw_info(self->name, &before));
	ASSERT_EQ(64, receipt_send_row(self->writer, self->to, 0, 64));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_LE(before.memory + 64 * 64, info.memory);
	ASSERT_EQ(64, raw_purge(self->name));
	wait_until(!raw_info(self->name, &info) && info.memory == before.memory);
}

/* What is not sent leaves nothing there: a batch that is fenced, a duplicate, a part. */
TEST_F(receipt, not_sent)
{
	struct weir_producer first = { .name = "p" }, second = { .name = "p" };
	struct weir_options options[3];
	struct weir_message message = {
		.data = raw_address("told"), .len = 4, .options_len = sizeof(options[0]),
		.options = raw_address(&options[0]),
	};
	struct weir_part parts[2] = {
		{ .fd = self->writer, .items = raw_address(&message), .count = 1 },
		{ .fd = self->reader, .op = WEIR_PART_SETTLE, .count = 1 },
	};
	struct weir_txn txn = { .parts = raw_address(parts), .count = 2 };
	struct weir_run run = { .count = 1 };

	ASSERT_EQ(0, receipt_remake(self, (struct weir_policy){ .dedup_count = 16 }));
	ASSERT_EQ(0, door_command(self->writer, WEIR_IOC_PRODUCER, &first));
	ASSERT_EQ(0, door_command(self->writer, WEIR_IOC_PRODUCER, &second));
	options[0] = receipt_options(self->to, 1);
	options[0].producer = first.id;
	options[0].epoch = first.epoch;
	options[0].sequence = 1;
	EXPECT_EQ(-ESTALE, receipt_send_batch(self->writer, options, 1));
	EXPECT_TRUE(receipt_none(self->told));
	/* Sent again, and again: there is one receipt, that of the first try. */
	options[0] = receipt_options(self->to, 1);
	options[0].id = raw_address("id");
	options[0].id_len = 2;
	options[2] = options[1] = options[0];
	options[1].token = 2;
	EXPECT_EQ(3, receipt_send_batch(self->writer, options, 3));
	EXPECT_EQ(1, receipt_send_batch(self->writer, options, 1));
	EXPECT_EQ(3, raw_figure(self->name, "duplicates"));
	EXPECT_EQ(sizeof(receipt), raw_figure(self->told, "bytes"));
	EXPECT_EQ(1, raw_purge(self->name));
	EXPECT_EQ(WEIR_OUTCOME_PURGED, receipt_outcome(self, 1, 0));
	EXPECT_TRUE(receipt_none(self->told));
	/* Nothing is leased. */
	options[0] = receipt_options(self->to, 1);
	parts[0].fd = self->writer;
	parts[1].fd = self->reader;
	parts[1].items = raw_address(&run);
	EXPECT_EQ(-ESTALE, door_command(self->writer, WEIR_IOC_TXN, &txn));
	EXPECT_TRUE(receipt_none(self->told));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

/* By a transaction: both what it sends and what it settles. */
TEST_F(receipt, txn)
{
	struct weir_options options = receipt_options(self->to, 2);
	struct weir_message message = {
		.data = raw_address("told"), .len = 4, .options_len = sizeof(options),
		.options = raw_address(&options),
	};
	struct weir_run run;
	struct weir_part parts[2] = {
		{ .fd = self->writer, .items = raw_address(&message), .count = 1 },
		{ .fd = self->reader, .op = WEIR_PART_SETTLE, .items = raw_address(&run),
		  .count = 1 },
	};
	struct weir_txn txn = { .parts = raw_address(parts), .count = 2 };

	ASSERT_EQ(1, receipt_send(self->writer, receipt_options(self->to, 1)));
	run = take_one(self->reader);
	ASSERT_EQ(0, door_command(self->writer, WEIR_IOC_TXN, &txn));
	EXPECT_EQ(WEIR_OUTCOME_ACKED, receipt_outcome(self, 1, 0));
	run = take_one(self->reader);
	txn.parts = raw_address(&parts[1]);
	txn.count = 1;
	ASSERT_EQ(0, door_command(self->writer, WEIR_IOC_TXN, &txn));
	EXPECT_EQ(WEIR_OUTCOME_ACKED, receipt_outcome(self, 2, 0));
	EXPECT_TRUE(receipt_none(self->told));
	/* The queue of the receipts is no part of it, and may be full. */
	ASSERT_EQ(1024, receipt_send_row(self->writer, self->to, 0, 1024));
	txn.parts = raw_address(&parts[0]);
	txn.timeout_ns = -1;
	EXPECT_EQ(-ENOBUFS, door_command(raw_open(self->name, O_RDWR), WEIR_IOC_TXN, &txn));
}

/*
 * One that sends where its own receipts go waits for both rooms, asleep: what it gives back
 * meanwhile is no reason to try again.
 */
TEST_F(receipt, txn_waits)
{
	struct weir_options options;
	struct weir_message message = { .data = raw_address("told"), .len = 4 };
	struct weir_message with;
	char small[WEIR_NAME_SIZE];
	struct weir_part parts[2] = {
		{ .fd = self->writer, .items = raw_address(&with), .count = 1 },
		{ .items = raw_address(&message), .count = 1 },
	};
	struct weir_txn txn = { .parts = raw_address(parts), .count = 2, .timeout_ns = -1 };
	pid_t child;
	int fd, n;

	ASSERT_EQ(0, raw_create_sized(raw_name(small), 2, 1 << 13));
	fd = raw_open(small, O_RDWR);
	ASSERT_EQ(1, raw_write(fd, "x", 1));
	options = receipt_options(fd, 1);
	with = message;
	with.options = raw_address(&options);
	with.options_len = sizeof(options);
	parts[1].fd = fd;
	child = proc_fork();
	if (!child)
		_exit(door_command(raw_open(self->name, O_RDWR), WEIR_IOC_TXN, &txn));
	wait_waiters(small, 1);
	/* Who tried again and again would be seen at it. */
	for (n = 0; n < 100; n++) {
		wait_until(proc_state(child) == 'S');
		if (raw_figure(small, "bytes") != WEIR_ALIGN)
			n = 0;
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	}
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
	EXPECT_EQ(1, raw_purge(small));
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(1, raw_figure(self->name, "sent"));
	EXPECT_EQ(2, raw_figure(small, "sent"));
	EXPECT_EQ(0, raw_destroy_force(small));
}

/* The one who sends is killed: before, nothing was sent, and nothing is kept for it. */
TEST_F(receipt, sender_is_killed)
{
	struct weir_options options = receipt_options(self->to, 1);
	struct weir_message messages[2];
	struct weir_part part = {
		.fd = self->writer, .items = raw_address(messages), .count = 2,
	};
	struct weir_txn txn = { .parts = raw_address(&part), .count = 1 };
	struct stall stall;
	pid_t child;
	int i;

	child = proc_fork();
	if (!child) {
		if (stall_make(&stall, 2, 1))
			_exit(1);
		for (i = 0; i < 2; i++)
			messages[i] = (struct weir_message){
				.data = raw_address(i ? stall.stalled : stall.memory), .len = 8,
				.options = raw_address(&options), .options_len = sizeof(options),
			};
		raw_ioctl(self->writer, WEIR_IOC_TXN, &txn);
		_exit(0);
	}
	wait_figure(self->told, "bytes", sizeof(receipt));
	EXPECT_EQ(128 + SIGKILL, proc_kill(child));
	EXPECT_TRUE(receipt_none(self->told));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
	EXPECT_EQ(0, raw_figure(self->name, "sent"));
	/* After that, all of it was. */
	child = proc_fork();
	if (!child) {
		receipt_send(self->writer, receipt_options(self->to, 3));
		raise(SIGKILL);
	}
	EXPECT_EQ(128 + SIGKILL, proc_wait(child));
	EXPECT_EQ(1, raw_purge(self->name));
	EXPECT_EQ(WEIR_OUTCOME_PURGED, receipt_outcome(self, 3, 0));
}

/* The queue for receipts goes first: who settles does not notice. */
TEST_F(receipt, nowhere)
{
	struct weir_run run;

	ASSERT_EQ(3, receipt_send_row(self->writer, self->to, 1, 3));
	run = take_one(self->reader);
	ASSERT_EQ(0, raw_destroy_force(self->told));
	EXPECT_EQ(-EBADF, receipt_send(self->writer, receipt_options(self->to, 4)));
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_ACK, 0));
	close(self->to);
	close(self->receipts);
	ASSERT_EQ(1, take_one(self->reader).count);
	EXPECT_EQ(1, raw_purge(self->name));
	/* Another one of that name is another one. */
	ASSERT_EQ(0, raw_create(self->told));
	EXPECT_EQ(0, raw_destroy_force(self->name));
	EXPECT_EQ(0, raw_figure(self->told, "sent"));
}

/* A queue of the sender's alone, which ends with him: as if it had been destroyed. */
TEST_F(receipt, anonymous)
{
	struct weir_create create = {
		.type = WEIR_TYPE_QUEUE, .flags = WEIR_CREATE_ANONYMOUS,
	};
	struct weir_run run;
	pid_t child;
	int fd;

	fd = raw_control(WEIR_IOC_CREATE, &create);
	ASSERT_LE(0, fd);
	ASSERT_EQ(1, receipt_send(self->writer, receipt_options(fd, 5)));
	run = take_one(self->reader);
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_ACK, 0));
	ASSERT_EQ(0, receipt_take(fd, &receipt));
	EXPECT_EQ(5, receipt.token);
	EXPECT_STREQ(self->name, receipt.queue);
	/* From such a queue, too, which is destroyed by closing it. */
	ASSERT_EQ(2, receipt_send_row(fd, self->to, 1, 2));
	close(fd);
	for (fd = 0; fd < 2; fd++) {
		ASSERT_EQ(0, receipt_take(self->receipts, &receipt));
		EXPECT_EQ(WEIR_OUTCOME_DESTROYED, receipt.outcome);
		EXPECT_STREQ("", receipt.queue);
	}
	child = proc_fork();
	if (!child) {
		fd = raw_control(WEIR_IOC_CREATE, &create);
		receipt_send_row(self->writer, fd, 1, 2);
		raise(SIGKILL);
	}
	EXPECT_EQ(128 + SIGKILL, proc_wait(child));
	run = take_one(self->reader);
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_ACK, 0));
	EXPECT_EQ(1, raw_purge(self->name));
}

/* Fewer messages or bytes are allowed there meanwhile: what has its room, has it. */
TEST_F(receipt, altered)
{
	int i;

	ASSERT_EQ(9, receipt_send_row(self->writer, self->to, 0, 9));
	ASSERT_EQ(0, policy_alter(self->told, (struct weir_policy){
		.max_messages = 1, .max_bytes = WEIR_MIN_BYTES,
	}));
	ASSERT_EQ(9, raw_purge(self->name));
	for (i = 0; i < 9; i++)
		EXPECT_EQ(WEIR_OUTCOME_PURGED, receipt_outcome(self, i, 0));
	EXPECT_TRUE(receipt_none(self->told));
	EXPECT_EQ(1, receipt_send(self->writer, receipt_options(self->to, 9)));
}

/* Its time to live begins when it is there. */
TEST_F(receipt, lives)
{
	const struct weir_browsed *record;
	int fd = raw_open(self->told, O_RDONLY);
	__u64 before;

	ASSERT_EQ(0, policy_alter(self->told, (struct weir_policy){
		.max_messages = 8, .max_bytes = 1 << 16, .ttl_ns = HOUR_NS,
	}));
	ASSERT_EQ(1, receipt_send(self->writer, receipt_options(self->to, 1)));
	before = lease_now();
	ASSERT_EQ(1, raw_purge(self->name));
	wait_figure(self->told, "depth", 1);
	record = browse_one(fd, 0);
	ASSERT_TRUE(!!record);
	EXPECT_LE(before + HOUR_NS, lease_now() + record->expires_ns);
	/* So it is as the queue is altered meanwhile. */
	ASSERT_EQ(1, receipt_send(self->writer, receipt_options(self->to, 2)));
	ASSERT_EQ(1, raw_purge(self->told));
	ASSERT_EQ(0, policy_alter(self->told, (struct weir_policy){
		.max_messages = 8, .max_bytes = 1 << 16,
	}));
	ASSERT_EQ(1, raw_purge(self->name));
	wait_figure(self->told, "depth", 1);
	record = browse_one(fd, 0);
	ASSERT_TRUE(!!record);
	EXPECT_EQ(WEIR_UNLIMITED, record->expires_ns);
}

/* Two queues whose messages name each other: neither keeps the other. */
TEST_F(receipt, each_other)
{
	const int rounds = raw_rounds(50);
	char names[2][WEIR_NAME_SIZE];
	int fds[2], i, round;

	for (round = 0; round < rounds; round++) {
		const int first = round & 1;

		for (i = 0; i < 2; i++) {
			ASSERT_EQ(0, raw_create_sized(raw_name(names[i]), 256, 1 << 17));
			fds[i] = raw_open(names[i], O_RDWR | O_NONBLOCK);
		}
		for (i = 0; i < 2; i++)
			ASSERT_EQ(70, receipt_send_row(fds[i], fds[!i], 0, 70));
		if (round & 2)
			ASSERT_EQ(64, lease_take(fds[0], 64, 0).count);
		for (i = 0; round & 4 && i < 2; i++)
			close(fds[i]);
		ASSERT_EQ(0, raw_destroy_force(names[first]));
		/* Its messages may still tell there of their end. */
		ASSERT_EQ(0, raw_destroy_force(names[!first]));
		for (i = 0; !(round & 4) && i < 2; i++)
			close(fds[i]);
	}
}

/* Nobody makes one up: its sender is nobody. */
TEST_F(receipt, not_forged)
{
	static struct letter letter;
	struct weir_receipt forged = { .token = 1, .outcome = WEIR_OUTCOME_ACKED };

	ASSERT_EQ(sizeof(forged), raw_write(self->to, &forged, sizeof(forged)));
	ASSERT_EQ(1, letter_take(self->receipts, &letter));
	EXPECT_EQ(getpid(), (int)letter.desc.pid);
	EXPECT_EQ(-EBADMSG, (raw_write(self->to, &forged, sizeof(forged)),
			     receipt_take(self->receipts, &receipt)));
}

TEST_F(receipt, wrong)
{
	const struct weir_options good = receipt_options(self->to, 0);
	int closed = dup(self->to), fds[9], own, n = 0, i;
	char path[WEIR_NAME_SIZE + 32];
	struct weir_options options;

	close(closed);
	fds[n++] = -1;
	fds[n++] = INT32_MAX;
	fds[n++] = INT32_MIN;
	fds[n++] = closed;
	fds[n++] = self->receipts;
	/* Who cannot take them must not fill the queue with them (I11). */
	fds[n++] = raw_open(self->told, O_WRONLY);
	fds[n++] = open("/dev/null", O_RDWR);
	fds[n++] = raw_open_control();
	fds[n++] = open(raw_path(path, self->told), O_PATH);
	for (i = 0; i < n; i++) {
		EXPECT_EQ(-EBADF, receipt_send(self->writer, receipt_options(fds[i], 1))) {
			TH_LOG("descriptor %d", i);
		}
	}
	own = raw_open(self->name, O_RDWR);
	EXPECT_EQ(-EINVAL, receipt_send(self->writer, receipt_options(own, 1)));
	options = good;
	options.flags = 0;
	EXPECT_EQ(-EINVAL, receipt_send(self->writer, options));
	options.receipt = 0;
	options.token = 1;
	EXPECT_EQ(-EINVAL, receipt_send(self->writer, options));
	options = good;
	options.reply = 1;
	EXPECT_EQ(-EINVAL, receipt_send(self->writer, options));
	options = good;
	options.flags |= 1U << 31;
	EXPECT_EQ(-EINVAL, receipt_send(self->writer, options));
	EXPECT_TRUE(receipt_none(self->told));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
	EXPECT_EQ(1, receipt_send(self->writer, good));
}

TEST_HARNESS_MAIN
