// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * WEIR_IOC_REPLY: who has the lease answers, once, without a right to the queue that the
 * answer is for; and with the answer the request is settled, or neither is done.
 */
#include "reply.h"

static struct letter letter;

TEST_F(reply, answers)
{
	struct weir_run run;

	ASSERT_EQ(1, reply_ask(self->writer, "how much?", self->answers));
	ASSERT_EQ(1, letter_fetch(self->reader, &letter, 0, &run));
	EXPECT_EQ(WEIR_DESC_REPLY, letter.desc.flags);
	ASSERT_REQUESTS(self, 0, 1, 0);
	EXPECT_TRUE(reply_none(self->answers));
	EXPECT_EQ(1, reply_to(self->reader, run, "42"));
	ASSERT_REQUESTS(self, 0, 0, 1);
	EXPECT_TRUE(reply_is(self->answers, "42"));
	/* Once. */
	EXPECT_EQ(-ESTALE, reply_to(self->reader, run, "43"));
	EXPECT_TRUE(reply_none(self->answers));
}

/* Seen in place, too; and who only looks sees it, and cannot answer. */
TEST_F(reply, is_told)
{
	struct weir_browsed browsed[4] __attribute__((aligned(64)));
	struct weir_browse browse = {
		.buffer = raw_address(browsed), .buffer_len = sizeof(browsed),
	};
	const struct weir_desc *index;
	struct weir_run plain, run;

	index = mmap(NULL, 4096, PROT_READ, MAP_SHARED, self->reader, 0);
	ASSERT_TRUE((void *)index != MAP_FAILED);
	ASSERT_EQ(1, raw_write(self->writer, "x", 1));
	ASSERT_EQ(1, reply_ask(self->writer, "a question", self->answers));
	ASSERT_EQ(2, door_command(self->reader, WEIR_IOC_BROWSE, &browse));
	EXPECT_EQ(0, browsed[0].desc.flags);
	EXPECT_EQ(WEIR_DESC_REPLY, browsed[1].desc.flags);
	plain = lease_take(self->reader, 1, 0);
	ASSERT_EQ(1, plain.count);
	run = lease_take(self->reader, 1, 0);
	ASSERT_EQ(1, run.count);
	EXPECT_EQ(0, index[plain.slot].flags);
	EXPECT_EQ(WEIR_DESC_REPLY, index[run.slot].flags);
	EXPECT_EQ(-EDESTADDRREQ, reply_to(self->reader, plain, "a"));
	EXPECT_EQ(1, reply_to(self->reader, run, "b"));
	ASSERT_REQUESTS(self, 0, 1, 1);
	EXPECT_TRUE(reply_is(self->answers, "b"));
	/* A slot is used again, and remembers nothing of it. */
	ASSERT_EQ(0, lease_end(self->reader, plain, WEIR_ACK, 0));
	ASSERT_EQ(1, raw_write(self->writer, "x", 1));
	ASSERT_EQ(1, raw_write(self->writer, "x", 1));
	run = lease_take(self->reader, 2, 0);
	ASSERT_EQ(2, run.count);
	EXPECT_EQ(0, index[run.slot].flags | index[run.slot + 1].flags);
	EXPECT_EQ(-EDESTADDRREQ, reply_to(self->reader, lease_first(run, 1), "a"));
	EXPECT_EQ(-EDESTADDRREQ, reply_to(self->reader, lease_rest(run, 1), "a"));
}

/* With all that a message may have; it is sent by who answers. */
TEST_F(reply, whole_messages)
{
	struct {
		struct weir_header header;
		char bytes[8];
	} header = { { .name_len = 2, .value_len = 3 }, "idabc" };
	struct weir_options options = { .delay_ns = HOUR_NS };
	struct weir_message message = {
		.data = raw_address("data"), .len = 4, .key = raw_address("key"), .key_len = 3,
		.headers = raw_address(&header), .headers_len = sizeof(header),
	};
	struct weir_info info = { 0 };
	struct weir_run run;
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(1, reply_ask(self->writer, "?", self->answers));
		run = lease_take(self->reader, 1, 0);
		EXPECT_EQ(1, reply_message(self->reader, run, &message));
		message.options = raw_address(&options);
		message.options_len = sizeof(options);
	}
	ASSERT_EQ(1, letter_take(self->answers, &letter));
	EXPECT_EQ(4, letter.desc.len);
	EXPECT_EQ(3, letter.desc.key_len);
	EXPECT_STREQ("abc", letter_header(&letter, "id"));
	EXPECT_EQ(getpid(), letter.desc.pid);
	ASSERT_EQ(0, raw_ioctl(self->answers, WEIR_IOC_INFO, &info));
	EXPECT_EQ(1, info.delayed);
}

/* An answer may ask for one itself. */
TEST_F(reply, conversation)
{
	struct weir_options options = reply_options(self->writer);
	struct weir_message message = {
		.data = raw_address("which one?"), .len = 10,
		.options = raw_address(&options), .options_len = sizeof(options),
	};
	struct weir_run run;

	ASSERT_EQ(1, reply_ask(self->writer, "give me one", self->answers));
	run = lease_take(self->reader, 1, 0);
	ASSERT_EQ(1, reply_message(self->reader, run, &message));
	run = lease_take(self->answers, 1, 0);
	ASSERT_EQ(1, reply_to(self->answers, run, "the red one"));
	EXPECT_TRUE(reply_is(self->reader, "the red one"));
	ASSERT_REQUESTS(self, 0, 0, 2);
}

/* As many answers as there are; the lease is as long as each says. */
TEST_F(reply, streams)
{
	struct weir_run run;
	int i;

	ASSERT_EQ(1, reply_ask(self->writer, "all of them", self->answers));
	run = lease_take(self->reader, 1, LEASE_LONG);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(1, reply_op(self->reader, run, "one", WEIR_EXTEND));
	ASSERT_REQUESTS(self, 0, 1, 0);
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(reply_is(self->answers, "one"));
	run.delay_ms = 1;
	ASSERT_EQ(1, reply_op(self->reader, run, "in a hurry", WEIR_EXTEND));
	run.delay_ms = 0;
	wait_figure(self->name, "depth", 1);
	EXPECT_EQ(-ESTALE, reply_to(self->reader, run, "too late"));
	EXPECT_TRUE(reply_is(self->answers, "in a hurry"));
	EXPECT_TRUE(reply_none(self->answers));
}

/* I41: late, foreign and guessed ones answer nothing, and change nothing. */
TEST_F(reply, fenced)
{
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	struct weir_run late, run, guess;

	ASSERT_EQ(1, reply_ask(self->writer, "?", self->answers));
	late = lease_take(self->reader, 1, LEASE_SHORT);
	ASSERT_EQ(1, late.count);
	wait_figure(self->name, "depth", 1);
	EXPECT_EQ(-ESTALE, reply_to(self->reader, late, "nobody has it"));
	run = lease_take(other, 1, 0);
	ASSERT_EQ(1, run.count);
	EXPECT_EQ(-ESTALE, reply_to(self->reader, late, "late"));
	EXPECT_EQ(-ESTALE, reply_op(self->reader, late, "late", WEIR_EXTEND));
	EXPECT_EQ(-ESTALE, reply_to(self->reader, run, "foreign"));
	guess = run;
	guess.offset++;
	EXPECT_EQ(-ESTALE, reply_to(other, guess, "guessed"));
	guess = run;
	guess.slot = ~0U;
	EXPECT_EQ(-ESTALE, reply_to(other, guess, "guessed"));
	guess = run;
	guess.deliveries--;
	EXPECT_EQ(-ESTALE, reply_to(other, guess, "guessed"));
	EXPECT_TRUE(reply_none(self->answers));
	ASSERT_REQUESTS(self, 0, 1, 0);
	EXPECT_EQ(1, reply_to(other, run, "in time"));
	EXPECT_TRUE(reply_is(self->answers, "in time"));
	close(other);
}

/* An error says whether it is of the answer, or of the request. */
TEST_F(reply, whose_error)
{
	struct weir_options options = { .producer = 1, .epoch = 1, .sequence = 1 };
	struct weir_message message = {
		.data = raw_address("x"), .len = 1,
		.options = raw_address(&options), .options_len = sizeof(options),
	};
	struct weir_reply reply = { .message = raw_address(&message) };

	ASSERT_EQ(1, reply_ask(self->writer, "?", self->answers));
	reply.run = lease_take(self->reader, 1, 0);
	ASSERT_EQ(1, reply.run.count);
	reply.run.status = 7;
	EXPECT_EQ(-ESTALE, door_command(self->reader, WEIR_IOC_REPLY, &reply));
	EXPECT_EQ(0, reply.run.status);
	ASSERT_REQUESTS(self, 0, 1, 0);
	message.options = 0;
	message.options_len = 0;
	reply.run.deliveries++;
	EXPECT_EQ(-ESTALE, door_command(self->reader, WEIR_IOC_REPLY, &reply));
	EXPECT_EQ(-ESTALE, reply.run.status);
	reply.run.deliveries--;
	EXPECT_EQ(1, door_command(self->reader, WEIR_IOC_REPLY, &reply));
	EXPECT_EQ(0, reply.run.status);
	EXPECT_EQ(-ESTALE, door_command(self->reader, WEIR_IOC_REPLY, &reply));
	EXPECT_EQ(-ESTALE, reply.run.status);
	EXPECT_TRUE(reply_is(self->answers, "x"));
	EXPECT_TRUE(reply_none(self->answers));
}

/* Of those who answer at the same time one has answered. */
TEST_F(reply, one_of_many)
{
	int rounds = raw_rounds(20), i, j, won;
	pid_t children[3];
	struct gate gate;

	for (i = 0; i < rounds; i++) {
		struct weir_run run;

		ASSERT_EQ(1, reply_ask(self->writer, "?", self->answers));
		run = lease_take(self->reader, 1, 0);
		ASSERT_EQ(0, gate_make(&gate));
		for (j = 0; j < 3; j++) {
			children[j] = proc_fork();
			if (!children[j]) {
				int ret;

				gate_wait(&gate);
				ret = reply_to(self->reader, run, "me");
				_exit(ret == 1 ? 0 : ret == -ESTALE ? 1 : 2);
			}
		}
		gate_open(&gate);
		for (j = 0, won = 0; j < 3; j++) {
			int status = proc_wait(children[j]);

			ASSERT_GE(1, status);
			won += !status;
		}
		ASSERT_EQ(1, won);
		EXPECT_TRUE(reply_is(self->answers, "me"));
		EXPECT_TRUE(reply_none(self->answers));
		close(gate.fds[0]);
		close(gate.fds[1]);
	}
}

/* I11: no room is no reason to wait, and the request is as it was. */
TEST_F(reply, no_room)
{
	int small = reply_queue((struct weir_policy){ .max_messages = 1, .max_bytes = 4096 });
	static char large[2048];
	struct weir_message message = { .data = raw_address(large), .len = sizeof(large) };
	struct weir_run run;

	ASSERT_LE(0, small);
	ASSERT_EQ(0, fcntl(small, F_SETFL, 0));
	ASSERT_EQ(0, fcntl(self->reader, F_SETFL, 0));
	ASSERT_EQ(1, reply_ask(self->writer, "?", small));
	run = lease_take(self->reader, 1, 0);
	ASSERT_EQ(1, raw_write(small, "x", 1));
	EXPECT_EQ(-EAGAIN, reply_to(self->reader, run, "answer"));
	EXPECT_EQ(-EAGAIN, reply_op(self->reader, run, "answer", WEIR_EXTEND));
	EXPECT_TRUE(reply_is(small, "x"));
	EXPECT_EQ(-EMSGSIZE, reply_message(self->reader, run, &message));
	ASSERT_REQUESTS(self, 0, 1, 0);
	EXPECT_EQ(1, reply_to(self->reader, run, "answer"));
	EXPECT_TRUE(reply_is(small, "answer"));
	close(small);
}

/* I11: nor are others who die for the answer: there is room when they are buried. */
TEST_F(reply, no_burial)
{
	char heir[WEIR_NAME_SIZE];
	int refused = 0, answers, target, ret, i;
	struct weir_policy policy;
	struct weir_run run;

	ASSERT_EQ(0, raw_create(raw_name(heir)));
	target = raw_open(heir, O_WRONLY);
	policy = policy_dead(target, 0);
	policy.max_messages = 1;
	policy.when_full = WEIR_WHEN_FULL_DEAD_LETTER;
	answers = reply_queue(policy);
	ASSERT_LE(0, answers);
	ASSERT_EQ(1, raw_write(answers, "x", 1));
	/* A burial may be over at once, but not each time. */
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(1, reply_ask(self->writer, "?", answers));
		run = lease_take(self->reader, 1, LEASE_LONG);
		while ((ret = reply_to(self->reader, run, "answer")) == -EAGAIN)
			refused++;
		ASSERT_EQ(1, ret);
	}
	EXPECT_LT(0, refused);
	EXPECT_EQ(50, raw_figure(heir, "sent"));
	EXPECT_TRUE(reply_is(answers, "answer"));
	EXPECT_TRUE(reply_none(answers));
	close(answers);
	close(target);
	EXPECT_EQ(0, raw_destroy_force(heir));
}

/* Whoever may receive may answer: he needs no right to that queue, and learns nothing of it. */
TEST_F(reply, by_anybody)
{
	uid_t uid = 100000 + getpid();
	pid_t child;

	ASSERT_EQ(1, reply_ask(self->writer, "?", self->answers));
	child = proc_fork();
	if (!child) {
		struct weir_run run;

		close(self->answers);
		close(self->writer);
		if (proc_become(uid, uid))
			_exit(1);
		run = lease_take(self->reader, 1, 0);
		_exit(run.count != 1 || reply_to(self->reader, run, "I") != 1);
	}
	ASSERT_EQ(0, proc_wait(child));
	ASSERT_EQ(1, letter_take(self->answers, &letter));
	/* Rights and names are of who opened; the process is who did it (I31). */
	EXPECT_EQ(0, letter.desc.uid);
	EXPECT_EQ(child, letter.desc.pid);
}

/* It goes along: who looks after dead letters answers for who could not. */
TEST_F(reply, dead_letters)
{
	char heir[WEIR_NAME_SIZE];
	struct weir_run run;
	int target, i;

	ASSERT_EQ(0, raw_create(raw_name(heir)));
	target = raw_open(heir, O_RDWR | O_NONBLOCK);
	ASSERT_LE(0, target);
	ASSERT_EQ(0, policy_alter(self->name, policy_dead(target, 0)));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(1, i ? raw_write(self->writer, "?", 1) :
				 reply_ask(self->writer, "?", self->answers));
		run = lease_take(self->reader, 1, 0);
		ASSERT_EQ(1, run.count);
		ASSERT_EQ(0, policy_term(self->reader, run, "no", 2));
		EXPECT_EQ(-ESTALE, reply_to(self->reader, run, "after all"));
		wait_figure(heir, "depth", 1);
		ASSERT_EQ(1, letter_fetch(target, &letter, 0, &run));
		EXPECT_EQ(i ? 0 : WEIR_DESC_REPLY, letter.desc.flags);
		EXPECT_EQ(i ? -EDESTADDRREQ : 1, reply_to(target, run, "it cannot be done"));
		if (i)
			ASSERT_EQ(0, lease_end(target, run, WEIR_ACK, 0));
	}
	EXPECT_TRUE(reply_is(self->answers, "it cannot be done"));
	EXPECT_TRUE(reply_none(self->answers));
	close(target);
	EXPECT_EQ(0, raw_destroy_force(heir));
}

/* One queue for both is odd, and no deadlock. */
TEST_F(reply, to_where_it_came_from)
{
	struct weir_run run;

	ASSERT_EQ(1, reply_ask(self->writer, "?", self->writer));
	run = lease_take(self->reader, 1, 0);
	ASSERT_EQ(1, reply_to(self->reader, run, "echo"));
	ASSERT_REQUESTS(self, 1, 0, 1);
	EXPECT_TRUE(reply_is(self->reader, "echo"));
}

TEST_F(reply, hostile_requests)
{
	struct weir_options options = { .reply = self->answers };
	int readable = raw_open(self->name, O_RDONLY), null = open("/dev/null", O_RDWR);
	int bad[] = { -1, 1 << 20, null, readable };
	size_t i;

	EXPECT_EQ(-EINVAL, reply_ask_so(self->writer, "?", &options));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EBADF, reply_ask(self->writer, "?", bad[i])) {
			TH_LOG("descriptor %d", bad[i]);
		}
	}
	ASSERT_REQUESTS(self, 0, 0, 0);
	close(readable);
	close(null);
}

TEST_F(reply, hostile_answers)
{
	struct weir_message message = { .data = raw_address("x"), .len = 1 };
	struct weir_run run;
	struct weir_reply good, bad;
	__u32 op;

	ASSERT_EQ(1, reply_ask(self->writer, "?", self->answers));
	run = lease_take(self->reader, 1, 0);
	good = (struct weir_reply){ .run = run, .message = raw_address(&message) };
	EXPECT_EQ(-EACCES, door_command(self->writer, WEIR_IOC_REPLY, &good));
	for (op = 1; op < 40; op++) {
		if (op == WEIR_EXTEND)
			continue;
		bad = good;
		bad.run.op = op;
		EXPECT_EQ(-EINVAL, door_command(self->reader, WEIR_IOC_REPLY, &bad));
	}
	bad = good;
	bad.run.count = 0;
	EXPECT_EQ(-EINVAL, door_command(self->reader, WEIR_IOC_REPLY, &bad));
	bad.run.count = 2;
	EXPECT_EQ(-EINVAL, door_command(self->reader, WEIR_IOC_REPLY, &bad));
	bad = good;
	bad.flags = 1;
	EXPECT_EQ(-EINVAL, door_command(self->reader, WEIR_IOC_REPLY, &bad));
	bad = good;
	bad.reserved = 1;
	EXPECT_EQ(-EINVAL, door_command(self->reader, WEIR_IOC_REPLY, &bad));
	bad = good;
	bad.run.delay_ms = 1;
	EXPECT_EQ(-EINVAL, door_command(self->reader, WEIR_IOC_REPLY, &bad));
	bad = good;
	bad.message = 64;
	EXPECT_EQ(-EFAULT, door_command(self->reader, WEIR_IOC_REPLY, &bad));
	message.flags = 1;
	EXPECT_EQ(-EINVAL, door_command(self->reader, WEIR_IOC_REPLY, &good));
	message.flags = 0;
	message.data = 64;
	EXPECT_EQ(-EFAULT, door_command(self->reader, WEIR_IOC_REPLY, &good));
	message.data = raw_address("x");
	EXPECT_TRUE(reply_none(self->answers));
	ASSERT_REQUESTS(self, 0, 1, 0);
	EXPECT_EQ(1, door_command(self->reader, WEIR_IOC_REPLY, &good));
	EXPECT_TRUE(reply_is(self->answers, "x"));
}

TEST_HARNESS_MAIN
