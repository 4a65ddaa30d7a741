// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * C and Python exchange messages: the programs of docs/languages.md take requests
 * that C sent, and C receives their answers.
 */
#include "../fixture.h"

#define REQUESTS	200
/* Requests that there are for one that is killed. */
#define UNFINISHED	3

FIXTURE(exchange) {
	char requests[WEIR_NAME_SIZE], answers[WEIR_NAME_SIZE];
	int to, from;			/* blocking */
	const char *script;
};

FIXTURE_VARIANT(exchange) {
	const char *script;
	bool leases;			/* until it has answered */
};

FIXTURE_VARIANT_ADD(exchange, device) {
	.script = "./device.py",
};

FIXTURE_VARIANT_ADD(exchange, library) {
	.script = "./library.py",
	.leases = true,
};

FIXTURE_SETUP(exchange)
{
	ASSERT_EQ(0, raw_create(raw_name(self->requests)));
	ASSERT_EQ(0, raw_create_sized(raw_name(self->answers), 1, 0));
	self->to = raw_open(self->requests, O_WRONLY);
	ASSERT_LE(0, self->to);
	self->from = raw_open(self->answers, O_RDONLY);
	ASSERT_LE(0, self->from);
	self->script = variant->script;
}

FIXTURE_TEARDOWN_PARENT(exchange)
{
	EXPECT_EQ(0, raw_destroy_force(self->requests));
	EXPECT_EQ(0, raw_destroy_force(self->answers));
}

static pid_t start(FIXTURE_DATA(exchange) *self)
{
	char requests[WEIR_NAME_SIZE + 32], answers[WEIR_NAME_SIZE + 32];
	pid_t child = proc_fork();

	if (child)
		return child;
	proc_close_files();
	raw_path(requests, self->requests);
	raw_path(answers, self->answers);
	setenv("LD_LIBRARY_PATH", ".", 1);
	execl(self->script, self->script, requests, answers, NULL);
	_exit(127);
}

static bool request(FIXTURE_DATA(exchange) *self, int id)
{
	char text[128];

	snprintf(text, sizeof(text), "{\"id\": %d, \"numbers\": [%d, 1, -3]}", id, id);
	return raw_write_string(self->to, text) == (long)strlen(text);
}

/* The answer comes, and it is the one for that request. */
static bool answered(FIXTURE_DATA(exchange) *self, int id)
{
	char text[128], wanted[128];
	long length = raw_read(self->from, text, sizeof(text));

	snprintf(wanted, sizeof(wanted), "{\"id\": %d, \"sum\": %d}", id, id - 2);
	return length == (long)strlen(wanted) && !memcmp(text, wanted, length);
}

/* Python waits in turn for a request and for room, C for an answer. */
TEST_F(exchange, answers)
{
	pid_t python = start(self), child = proc_fork();
	int i;

	if (!child) {
		for (i = 0; i < REQUESTS; i++)
			ASSERT_TRUE(request(self, i));
		_exit(raw_write_string(self->to, "null") != 4);
	}
	for (i = 0; i < REQUESTS; i++)
		ASSERT_TRUE(answered(self, i));
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(0, proc_wait(python));
	EXPECT_EQ(REQUESTS + 1, raw_figure(self->requests, "settled"));
	EXPECT_EQ(REQUESTS, raw_figure(self->answers, "settled"));
}

/*
 * The first answer fills the queue, the second waits. A request that was read is
 * gone with its reader; one that was fetched is answered by the next.
 */
TEST_F(exchange, killed)
{
	int i, redelivered = variant->leases ? UNFINISHED - 1 : 0;
	pid_t python;

	for (i = 0; i < UNFINISHED; i++)
		ASSERT_TRUE(request(self, i));
	python = start(self);
	wait_waiters(self->answers, 1);
	EXPECT_EQ(variant->leases ? 1 : 2, raw_figure(self->requests, "settled"));
	EXPECT_EQ(128 + SIGKILL, proc_kill(python));
	wait_until(raw_figure(self->requests, "leased") == 0);
	python = start(self);
	EXPECT_EQ(4, raw_write_string(self->to, "null"));
	for (i = 0; i < UNFINISHED; i++)
		if (i != 1 || variant->leases)
			EXPECT_TRUE(answered(self, i));
	EXPECT_EQ(0, proc_wait(python));
	EXPECT_EQ(redelivered, raw_figure(self->requests, "redelivered"));
	EXPECT_EQ(0, raw_figure(self->requests, "depth"));
	EXPECT_EQ(0, raw_figure(self->answers, "depth"));
}

TEST_HARNESS_MAIN
