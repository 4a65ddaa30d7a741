// SPDX-License-Identifier: GPL-2.0 OR MIT
/* libweir: requests and answers, from both sides, and one of them killed. */
#include <weir/weir.h>

#include "../fixture.h"

FIXTURE(call) {
	char name[WEIR_NAME_SIZE];
	struct weir_queue *asks, *serves;
	struct weir_caller *caller;
	struct weir_batch *batch;
};

FIXTURE_VARIANT(call) {
	enum weir_door door;
};

FIXTURE_VARIANT_ADD(call, ioctl) {
	.door = WEIR_DOOR_IOCTL,
};

FIXTURE_VARIANT_ADD(call, uring) {
	.door = WEIR_DOOR_URING,
};

static int serve_open(const char *name, enum weir_door door, struct weir_queue **queue,
		      struct weir_batch **batch)
{
	struct weir_open_options open = {
		.size = sizeof(open), .flags = WEIR_OPEN_RECEIVE, .door = door,
	};
	int ret = weir_queue_open(name, &open, queue);

	return ret ? ret : weir_batch_new(*queue, NULL, batch);
}

static int ask_open(const char *name, enum weir_door door, struct weir_queue **queue,
		    struct weir_caller **caller)
{
	struct weir_open_options open = {
		.size = sizeof(open), .flags = WEIR_OPEN_SEND, .door = door,
	};
	struct weir_caller_options options = { .size = sizeof(options), .door = door };
	int ret = weir_queue_open(name, &open, queue);

	return ret ? ret : weir_caller_new(*queue, &options, caller);
}

FIXTURE_SETUP(call)
{
	ASSERT_EQ(0, weir_create(raw_name(self->name), NULL));
	ASSERT_EQ(0, ask_open(self->name, variant->door, &self->asks, &self->caller));
	ASSERT_EQ(0, serve_open(self->name, variant->door, &self->serves, &self->batch));
}

FIXTURE_TEARDOWN_PARENT(call)
{
	int ret = raw_destroy_force(self->name);

	EXPECT_TRUE(ret == 0 || ret == -ENOENT);
}

static struct weir_message text(const char *string)
{
	return (struct weir_message){ .data = raw_address(string), .len = strlen(string) };
}

static bool view_is(const struct weir_view *view, const char *string)
{
	return view->desc.len == strlen(string) &&
	       !memcmp(view->data, string, view->desc.len);
}

static int answer(struct weir_batch *batch, unsigned int i, const char *string, int op)
{
	struct weir_message message = text(string);

	return weir_reply(batch, i, &message, op);
}

static void echo(struct weir_batch *batch, unsigned int i, int from)
{
	const struct weir_view *view = weir_batch_view(batch, i);
	struct weir_message message = { .data = (uintptr_t)view->data, .len = view->desc.len };

	while ((int)view->desc.deliveries < from)
		pause();
	if (weir_reply(batch, i, &message, WEIR_ACK) < 0)
		_exit(1);
}

/* Echoes until it is killed; the first request only if it is delivered @from times. */
static pid_t server(const char *name, enum weir_door door, int from)
{
	struct weir_queue *queue;
	struct weir_batch *batch;
	pid_t child = proc_fork();

	if (child)
		return child;
	if (serve_open(name, door, &queue, &batch))
		_exit(1);
	for (;;) {
		int i, n = weir_receive(batch, WEIR_FOREVER);

		for (i = 0; i < n; i++)
			echo(batch, i, from);
	}
}

TEST_F(call, is_answered)
{
	char headers[64] __attribute__((aligned(8)));
	struct weir_message request = text("question");
	const struct weir_view *view;
	struct weir_header_view header;
	size_t used = 0, at = 0;
	pid_t child = server(self->name, variant->door, 0);

	/* Its own headers come first, and options stay what they are. */
	ASSERT_EQ(0, weir_header_append(headers, sizeof(headers), &used, "mine", "yes", 3));
	request.headers = raw_address(headers);
	request.headers_len = used;
	request.options = raw_address(&(struct weir_options){ .ttl_ns = 3600000000000ULL });
	request.options_len = sizeof(struct weir_options);
	ASSERT_EQ(0, weir_call(self->caller, &request, WEIR_FOREVER, &view));
	EXPECT_TRUE(view_is(view, "question"));
	EXPECT_EQ(child, view->desc.pid);
	ASSERT_EQ(1, weir_header_next(view, &at, &header));
	EXPECT_EQ(0, strncmp(header.name, "weir-correlation-id", header.name_len));
	EXPECT_EQ(0, weir_header_next(view, &at, &header));
	request = text("another");
	ASSERT_EQ(0, weir_call(self->caller, &request, WEIR_FOREVER, &view));
	EXPECT_TRUE(view_is(view, "another"));
	proc_kill(child);
	EXPECT_EQ(2, raw_figure(self->name, "settled"));
}

/* Killed with the request in hand; the next one answers, and that arrives once. */
TEST_F(call, server_is_killed)
{
	pid_t first = server(self->name, variant->door, 2), second;
	struct weir_message request = text("question");
	const struct weir_view *view;
	uint64_t asked, id;

	ASSERT_EQ(0, weir_ask(self->caller, &request, WEIR_NOW, &asked));
	wait_until(raw_figure(self->name, "leased") == 1);
	EXPECT_EQ(-EAGAIN, weir_answer(self->caller, WEIR_NOW, &id, &view));
	proc_kill(first);
	second = server(self->name, variant->door, 2);
	ASSERT_EQ(0, weir_answer(self->caller, WEIR_FOREVER, &id, &view));
	EXPECT_EQ(asked, id);
	EXPECT_TRUE(view_is(view, "question"));
	EXPECT_EQ(-EAGAIN, weir_answer(self->caller, WEIR_NOW, &id, &view));
	proc_kill(second);
}

/* Many under way, answered in another order. */
TEST_F(call, told_from_each_other)
{
	struct weir_message request = text("?");
	const struct weir_view *view;
	uint64_t ids[5], id;
	int i;

	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, weir_ask(self->caller, &request, WEIR_NOW, &ids[i]));
	ASSERT_EQ(5, weir_receive(self->batch, WEIR_NOW));
	EXPECT_EQ(1, answer(self->batch, 3, "third", WEIR_EXTEND));
	EXPECT_EQ(WEIR_HELD, weir_batch_status(self->batch, 3));
	EXPECT_EQ(1, answer(self->batch, 3, "third again", WEIR_ACK));
	EXPECT_EQ(0, weir_batch_status(self->batch, 3));
	EXPECT_EQ(1, answer(self->batch, 0, "first", WEIR_ACK));
	EXPECT_EQ(-ESTALE, answer(self->batch, 0, "first", WEIR_ACK));
	ASSERT_EQ(0, weir_answer(self->caller, WEIR_NOW, &id, &view));
	EXPECT_TRUE(view_is(view, "third") && id == ids[3]);
	ASSERT_EQ(0, weir_answer(self->caller, WEIR_NOW, &id, &view));
	EXPECT_TRUE(view_is(view, "third again") && id == ids[3]);
	ASSERT_EQ(0, weir_answer(self->caller, WEIR_NOW, &id, &view));
	EXPECT_TRUE(view_is(view, "first") && id == ids[0]);
	EXPECT_EQ(3, weir_settle(self->batch, 0, 5, WEIR_ACK));
}

/* Through a ring, whose answers are done in any order; of one batch one at a time. */
TEST_F(call, through_a_ring)
{
	struct weir_ring_options options = { .size = sizeof(options), .door = variant->door };
	struct weir_batch_options brief = { .size = sizeof(brief), .lease_ns = 1 };
	struct weir_message request = text("?"), message = text("!");
	struct weir_completion done;
	const struct weir_view *view;
	struct weir_batch *late;
	struct weir_ring *ring;
	uint64_t ids[2], id;

	ASSERT_EQ(0, weir_ring_new(&options, &ring));
	ASSERT_EQ(0, weir_ask(self->caller, &request, WEIR_NOW, &ids[0]));
	ASSERT_EQ(0, weir_ask(self->caller, &request, WEIR_NOW, &ids[1]));
	ASSERT_EQ(2, weir_receive(self->batch, WEIR_NOW));
	ASSERT_EQ(0, weir_ring_reply(ring, self->batch, 1, &message, WEIR_ACK, &ids[1]));
	EXPECT_EQ(-EBUSY, weir_ring_reply(ring, self->batch, 0, &message, WEIR_ACK, NULL));
	EXPECT_EQ(-EBUSY, weir_reply(self->batch, 0, &message, WEIR_ACK));
	ASSERT_EQ(0, weir_ring_reap(ring, &done, WEIR_FOREVER));
	EXPECT_TRUE(done.user == &ids[1] && done.result == 1);
	EXPECT_EQ(0, weir_batch_status(self->batch, 1));
	ASSERT_EQ(0, weir_answer(self->caller, WEIR_FOREVER, &id, &view));
	EXPECT_TRUE(view_is(view, "!") && id == ids[1]);
	EXPECT_EQ(-ESTALE, weir_ring_reply(ring, self->batch, 1, &message, WEIR_ACK, NULL));
	EXPECT_EQ(-EINVAL, weir_ring_reply(ring, self->batch, 0, &message, WEIR_TERM, NULL));
	/* One that is late is told so by its completion, and so is the batch. */
	ASSERT_EQ(0, weir_batch_new(self->serves, &brief, &late));
	ASSERT_EQ(0, weir_ask(self->caller, &request, WEIR_NOW, &ids[1]));
	ASSERT_EQ(1, weir_receive(late, WEIR_NOW));
	wait_until(raw_figure(self->name, "expired") == 1);
	ASSERT_EQ(0, weir_ring_reply(ring, late, 0, &message, WEIR_ACK, NULL));
	ASSERT_EQ(0, weir_ring_reap(ring, &done, WEIR_FOREVER));
	EXPECT_EQ(-ESTALE, done.result);
	EXPECT_EQ(-ESTALE, weir_batch_status(late, 0));
	weir_ring_free(ring);
}

/* An answer of an epoch that is over says nothing of the request. */
TEST_F(call, answer_of_another_epoch)
{
	struct weir_options options = { .producer = 1, .epoch = 1, .sequence = 1 };
	struct weir_message request = text("?"), message = text("!");
	uint64_t id;

	message.options = raw_address(&options);
	message.options_len = sizeof(options);
	ASSERT_EQ(0, weir_ask(self->caller, &request, WEIR_NOW, &id));
	ASSERT_EQ(1, weir_receive(self->batch, WEIR_NOW));
	EXPECT_EQ(-ESTALE, weir_reply(self->batch, 0, &message, WEIR_ACK));
	EXPECT_EQ(WEIR_HELD, weir_batch_status(self->batch, 0));
	EXPECT_EQ(1, answer(self->batch, 0, "!", WEIR_ACK));
	EXPECT_EQ(0, weir_batch_status(self->batch, 0));
}

/* A request that ends unanswered is told, once; one that was answered is not. */
TEST_F(call, ends_unanswered)
{
	struct weir_message request = text("?");
	const struct weir_view *view;
	uint64_t ids[4], id;
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, weir_ask(self->caller, &request, WEIR_NOW, &ids[i]));
	ASSERT_EQ(4, weir_receive(self->batch, WEIR_NOW));
	EXPECT_EQ(1, answer(self->batch, 0, "!", WEIR_ACK));
	EXPECT_EQ(1, weir_settle(self->batch, 1, 1, WEIR_ACK));
	EXPECT_EQ(1, weir_settle(self->batch, 2, 1, WEIR_RELEASE));
	EXPECT_EQ(1, raw_purge(self->name));
	ASSERT_EQ(0, weir_answer(self->caller, WEIR_FOREVER, &id, &view));
	EXPECT_TRUE(view_is(view, "!") && id == ids[0]);
	for (i = 1; i < 3; i++) {
		EXPECT_EQ(-ENOMSG, weir_answer(self->caller, WEIR_FOREVER, &id, &view));
		EXPECT_EQ(ids[i], id);
	}
	EXPECT_EQ(-EAGAIN, weir_answer(self->caller, WEIR_NOW, &id, &view));
	/* And the call, of its own request only. */
	EXPECT_EQ(1, weir_settle(self->batch, 3, 1, WEIR_ACK));
	if (!proc_fork()) {
		if (serve_open(self->name, variant->door, &self->serves, &self->batch) ||
		    weir_receive(self->batch, WEIR_FOREVER) != 1)
			_exit(1);
		_exit(weir_settle(self->batch, 0, 1, WEIR_ACK) != 1);
	}
	EXPECT_EQ(-ENOMSG, weir_call(self->caller, &request, WEIR_FOREVER, &view));
}

/* Requests leave half of the room to the answers, and say so. */
TEST_F(call, no_room_for_more)
{
	struct weir_caller_options options = {
		.size = sizeof(options), .door = variant->door, .policy.max_messages = 4,
	};
	struct weir_message request = text("?");
	const struct weir_view *view;
	struct weir_caller *caller;
	uint64_t id;
	int i;

	ASSERT_EQ(0, weir_caller_new(self->asks, &options, &caller));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, weir_ask(caller, &request, WEIR_NOW, &id));
	EXPECT_EQ(-ENOBUFS, weir_ask(caller, &request, WEIR_NOW, &id));
	EXPECT_EQ(-ENOBUFS, weir_call(caller, &request, WEIR_NOW, &view));
	EXPECT_EQ(2, raw_figure(self->name, "depth"));
	ASSERT_EQ(2, weir_receive(self->batch, WEIR_NOW));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(1, answer(self->batch, i, "!", WEIR_ACK));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, weir_answer(caller, WEIR_NOW, &id, &view));
	wait_until(weir_answer(caller, WEIR_NOW, &id, &view) == -EAGAIN &&
		   weir_ask(caller, &request, WEIR_NOW, &id) == 0);
	weir_caller_free(caller);
}

/* A caller takes little, if nothing else is asked for, and no id tells the next one. */
TEST_F(call, small_and_random)
{
	struct weir_message request = text("?");
	uint64_t ids[512], id;
	int i, rising = 0;

	for (i = 0; i < 512; i++) {
		ASSERT_EQ(0, weir_ask(self->caller, &request, WEIR_NOW, &ids[i]));
		rising += i && ids[i] > ids[i - 1];
	}
	EXPECT_EQ(-ENOBUFS, weir_ask(self->caller, &request, WEIR_NOW, &id));
	EXPECT_GT(500, rising);
}

/* What was given up is answered in vain, and disturbs nobody. */
TEST_F(call, given_up)
{
	struct weir_message request = text("slow");
	const struct weir_view *view;
	pid_t child;

	EXPECT_EQ(-EAGAIN, weir_call(self->caller, &request, WEIR_NOW, &view));
	EXPECT_EQ(-ETIMEDOUT, weir_call(self->caller, &request, 1000000, &view));
	child = server(self->name, variant->door, 0);
	request = text("quick");
	ASSERT_EQ(0, weir_call(self->caller, &request, WEIR_FOREVER, &view));
	EXPECT_TRUE(view_is(view, "quick"));
	proc_kill(child);
}

/* Who asked is gone: the server is told, and goes on. */
TEST_F(call, nobody_waits)
{
	struct weir_message request = text("?");
	uint64_t id;

	ASSERT_EQ(0, weir_ask(self->caller, &request, WEIR_NOW, &id));
	ASSERT_EQ(0, weir_send(self->asks, "no question", 11, WEIR_NOW));
	weir_caller_free(self->caller);
	self->caller = NULL;
	ASSERT_EQ(2, weir_receive(self->batch, WEIR_NOW));
	EXPECT_EQ(-EINVAL, answer(self->batch, 2, "x", WEIR_ACK));
	EXPECT_EQ(-EINVAL, answer(self->batch, 0, "x", WEIR_RELEASE));
	EXPECT_EQ(0, answer(self->batch, 0, "x", WEIR_ACK));
	EXPECT_EQ(0, weir_batch_status(self->batch, 0));
	EXPECT_EQ(-EDESTADDRREQ, answer(self->batch, 1, "x", WEIR_ACK));
	EXPECT_EQ(WEIR_HELD, weir_batch_status(self->batch, 1));
}

static void noted(int signal)
{
}

/* A call ends with the queue, and by a signal. */
TEST_F(call, ends)
{
	struct weir_message request = text("?");
	const struct weir_view *view;
	pid_t children[2];
	int i;

	for (i = 0; i < 2; i++) {
		children[i] = proc_fork();
		if (!children[i]) {
			struct sigaction action = { .sa_handler = noted };

			sigaction(SIGUSR1, &action, NULL);
			if (ask_open(self->name, variant->door, &self->asks, &self->caller))
				_exit(1);
			_exit(weir_call(self->caller, &request, WEIR_FOREVER, &view) !=
			      (i ? -ESHUTDOWN : -EINTR));
		}
	}
	wait_until(raw_figure(self->name, "depth") == 2);
	wait_until(proc_state(children[0]) == 'S');
	kill(children[0], SIGUSR1);
	EXPECT_EQ(0, proc_wait(children[0]));
	ASSERT_EQ(0, raw_destroy_force(self->name));
	EXPECT_EQ(0, proc_wait(children[1]));
}

/* A queue without a name, as such. */
TEST_F(call, anonymous)
{
	struct weir_create_options create = {
		.size = sizeof(create), .policy = { .max_messages = 7 },
	};
	struct weir_info info;
	struct weir_queue *queue;

	ASSERT_EQ(0, weir_queue_anonymous(&create, NULL, &queue));
	ASSERT_EQ(0, weir_queue_info(queue, &info, sizeof(info)));
	EXPECT_STREQ("", info.name);
	EXPECT_EQ(7, info.policy.max_messages);
	EXPECT_EQ(0, weir_send(queue, "x", 1, WEIR_NOW));
	weir_queue_close(queue);
	create.mode = 0600;
	EXPECT_EQ(-EINVAL, weir_queue_anonymous(&create, NULL, &queue));
	create.mode = 0;
	create.flags = WEIR_CREATE_ANONYMOUS;
	EXPECT_EQ(-EINVAL, weir_create(self->name, &create));
}

TEST_HARNESS_MAIN
