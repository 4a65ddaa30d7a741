// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Requests, and those who ask and answer, of whom one or the other ends: each request
 * is answered once, if anybody is there, and nothing is kept for who is not.
 */
#include "reply.h"

static int holders(void)
{
	char text[32] = "";
	int fd = open("/sys/module/weir/refcnt", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || raw_read(fd, text, sizeof(text) - 1) <= 0)
		abort();
	close(fd);
	return atoi(text);
}

/* Nobody is there: that is said, and the request is done with. */
TEST_F(reply, nobody_there)
{
	struct weir_run run;

	ASSERT_EQ(1, reply_ask(self->writer, "a", self->answers));
	ASSERT_EQ(1, reply_ask(self->writer, "b", self->answers));
	run = lease_take(self->reader, 2, LEASE_LONG);
	close(self->answers);
	EXPECT_EQ(0, reply_op(self->reader, lease_first(run, 1), "wait", WEIR_EXTEND));
	ASSERT_REQUESTS(self, 0, 2, 0);
	EXPECT_EQ(0, reply_to(self->reader, lease_first(run, 1), "x"));
	EXPECT_EQ(-ESTALE, reply_to(self->reader, lease_first(run, 1), "x"));
	ASSERT_REQUESTS(self, 0, 1, 1);
	EXPECT_EQ(0, reply_to(self->reader, lease_rest(run, 1), "y"));
	ASSERT_REQUESTS(self, 0, 0, 2);
}

/* The same of a queue that had a name; a new one of that name is another. */
TEST_F(reply, destroyed)
{
	char name[WEIR_NAME_SIZE];
	struct weir_run run;
	int fd, i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, raw_create(i ? name : raw_name(name)));
		fd = raw_open(name, O_WRONLY | O_NONBLOCK);
		ASSERT_LE(0, fd);
		ASSERT_EQ(1, reply_ask(self->writer, "?", fd));
		run = lease_take(self->reader, 1, 0);
		/* Open, or not. */
		if (i)
			close(fd);
		ASSERT_EQ(0, raw_destroy_force(name));
		ASSERT_EQ(0, raw_create(name));
		EXPECT_EQ(0, reply_to(self->reader, run, "x"));
		EXPECT_EQ(0, raw_figure(name, "depth"));
		ASSERT_EQ(0, raw_destroy(name));
		if (!i)
			close(fd);
	}
}

/* Killed with requests pending; the server finds nobody there, and goes on. */
TEST_F(reply, asker_killed)
{
	struct weir_run run;
	struct gate gate;
	pid_t asker;
	int i;

	ASSERT_EQ(0, gate_make(&gate));
	asker = proc_fork();
	if (!asker) {
		int answers = reply_queue((struct weir_policy){ 0 });

		for (i = 0; i < 10; i++) {
			if (reply_ask(self->writer, "?", answers) != 1)
				_exit(1);
		}
		gate_open(&gate);
		pause();
	}
	gate_wait(&gate);
	run = lease_take(self->reader, 10, 0);
	ASSERT_EQ(10, run.count);
	ASSERT_EQ(1, reply_to(self->reader, lease_first(run, 1), "x"));
	EXPECT_EQ(128 + SIGKILL, proc_kill(asker));
	for (i = 1; i < 10; i++)
		EXPECT_EQ(0, reply_to(self->reader, lease_first(lease_rest(run, i), 1), "x"));
	ASSERT_REQUESTS(self, 0, 0, 10);
}

/* Addresses keep nothing: neither one in a queue that stays, nor two that lead to each other. */
TEST_F(reply, keeps_nothing)
{
	int before = holders(), a = reply_queue((struct weir_policy){ 0 });
	int b = reply_queue((struct weir_policy){ 0 });

	ASSERT_LE(0, a);
	ASSERT_LE(0, b);
	ASSERT_EQ(1, reply_ask(self->writer, "?", a));
	ASSERT_EQ(1, reply_ask(a, "?", b));
	ASSERT_EQ(1, reply_ask(b, "?", a));
	ASSERT_EQ(1, reply_ask(a, "?", a));
	close(a);
	close(b);
	wait_until(holders() == before);
	ASSERT_REQUESTS(self, 1, 0, 0);
	EXPECT_EQ(1, raw_purge(self->name));
}

/* Requests that went with their queue are answered by nobody. */
TEST_F(reply, requests_destroyed)
{
	struct weir_run run;

	ASSERT_EQ(1, reply_ask(self->writer, "a", self->answers));
	ASSERT_EQ(1, reply_ask(self->writer, "b", self->answers));
	run = lease_take(self->reader, 1, 0);
	ASSERT_EQ(0, raw_destroy_force(self->name));
	EXPECT_EQ(-ESHUTDOWN, reply_to(self->reader, run, "x"));
	EXPECT_TRUE(reply_none(self->answers));
}

/* The first server dies with the request; the answer of the second arrives, and once. */
TEST_F(reply, server_dies)
{
	struct weir_run run = { 0 };
	struct gate gate;
	pid_t server;

	ASSERT_EQ(0, gate_make(&gate));
	ASSERT_EQ(1, reply_ask(self->writer, "?", self->answers));
	server = proc_fork();
	if (!server) {
		run = lease_take(self->reader, 1, LEASE_LONG);
		if (run.count != 1)
			_exit(1);
		gate_open(&gate);
		pause();
	}
	gate_wait(&gate);
	EXPECT_EQ(0, lease_take(self->reader, 1, 0).count);
	EXPECT_EQ(128 + SIGKILL, proc_kill(server));
	EXPECT_TRUE(reply_none(self->answers));
	run = lease_take(self->reader, 1, 0);
	ASSERT_EQ(1, run.count);
	EXPECT_EQ(2, run.deliveries);
	EXPECT_EQ(1, reply_to(self->reader, run, "second"));
	EXPECT_TRUE(reply_is(self->answers, "second"));
	EXPECT_TRUE(reply_none(self->answers));
}

/* Answers what it is asked, with what it was asked, until it is killed. */
static void serve(const char *name)
{
	static struct letter asked;
	int fd = raw_open(name, O_RDONLY);
	struct weir_run run;

	while (letter_fetch(fd, &asked, 0, &run) == 1) {
		char text[16] = "";

		memcpy(text, (char *)&asked + asked.desc.pos, asked.desc.len);
		if (reply_to(fd, run, text) != 1)
			_exit(1);
	}
	_exit(1);
}

/* I40, I41, I43: killed anywhere, servers leave each request answered or to be answered. */
TEST_F(reply, each_once)
{
	const int requests = raw_rounds(400);
	char *answered = calloc(1, requests);
	int asked = 0, got = 0, kills = 0, i;
	pid_t servers[2] = { 0 };

	srandom(1);
	while (got < requests) {
		char text[16];

		for (i = 0; i < 2; i++) {
			if (!servers[i]) {
				servers[i] = proc_fork();
				if (!servers[i])
					serve(self->name);
			}
		}
		for (i = 0; i < 8 && asked < requests; i++) {
			snprintf(text, sizeof(text), "%d", asked++);
			ASSERT_EQ(1, reply_ask(self->writer, text, self->answers));
		}
		for (i = random() % 12; i && got < requests; i--) {
			long ret, nr;

			memset(text, 0, sizeof(text));
			wait_until((ret = raw_read(self->answers, text, sizeof(text))) != -EAGAIN ||
				   got == asked);
			if (got == asked)
				break;
			ASSERT_LT(0, ret);
			nr = atol(text);
			ASSERT_GT(requests, nr);
			ASSERT_EQ(0, answered[nr]);
			answered[nr] = 1;
			got++;
		}
		i = random() % 2;
		ASSERT_EQ(128 + SIGKILL, proc_kill(servers[i]));
		servers[i] = 0;
		kills++;
	}
	for (i = 0; i < 2; i++) {
		if (servers[i])
			proc_kill(servers[i]);
	}
	TH_LOG("%d requests, %d servers killed", requests, kills);
	EXPECT_TRUE(reply_none(self->answers));
	ASSERT_REQUESTS(self, 0, 0, requests);
	free(answered);
}

/* Also from a queue without a name, and with a receipt besides. */
TEST_F(reply, between_nameless)
{
	int requests = reply_queue((struct weir_policy){ 0 });
	int receipts = reply_queue((struct weir_policy){ 0 });
	struct weir_options options = {
		.flags = WEIR_OPTION_REPLY | WEIR_OPTION_RECEIPT, .reply = self->answers,
		.receipt = receipts, .token = 7,
	};
	struct weir_receipt receipt = { 0 };
	struct weir_run run;

	ASSERT_LE(0, requests);
	ASSERT_LE(0, receipts);
	ASSERT_EQ(0, fcntl(receipts, F_SETFL, 0));
	ASSERT_EQ(1, reply_ask_so(requests, "?", &options));
	run = lease_take(requests, 1, 0);
	ASSERT_EQ(1, run.count);
	ASSERT_EQ(1, reply_to(requests, run, "!"));
	EXPECT_TRUE(reply_is(self->answers, "!"));
	ASSERT_EQ(sizeof(receipt), raw_read(receipts, &receipt, sizeof(receipt)));
	EXPECT_EQ(7, receipt.token);
	EXPECT_EQ(WEIR_OUTCOME_ACKED, receipt.outcome);
	EXPECT_STREQ("", receipt.queue);
	/* What ends with its queue is told, too. */
	ASSERT_EQ(1, reply_ask_so(requests, "?", &options));
	close(requests);
	ASSERT_EQ(sizeof(receipt), raw_read(receipts, &receipt, sizeof(receipt)));
	EXPECT_EQ(WEIR_OUTCOME_DESTROYED, receipt.outcome);
	close(receipts);
}

/* I30: what is noted of a request is the memory of its queue's creator, and given back. */
TEST_F(reply, charged)
{
	struct weir_info info;
	__u64 before;
	int i;

	ASSERT_EQ(1, reply_ask(self->writer, "?", self->answers));
	ASSERT_EQ(0, raw_info(self->name, &info));
	before = info.memory;
	for (i = 0; i < 50; i++)
		ASSERT_EQ(1, reply_ask(self->writer, "?", self->answers));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_LE(before + 50 * sizeof(void *), info.memory);
	ASSERT_EQ(51, raw_purge(self->name));
	/* All but the one of the first one. */
	wait_until(!raw_info(self->name, &info) && info.memory < before);
}

TEST_HARNESS_MAIN
