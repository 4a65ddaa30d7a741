// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * libweir's commands in an io_uring of the program's, beside its other I/O: here a
 * read of a pipe, which waits meanwhile.
 */
#include <liburing.h>
#include <weir/weir.h>

#include "../fixture.h"

enum user { SEND = 1, RECEIVE, SETTLE, REPLY, PIPE };

FIXTURE(own_ring) {
	char name[WEIR_NAME_SIZE];
	struct io_uring ring;
	struct weir_queue *queue;
	struct weir_batch *batch;
	struct weir_send send;
	int pipe[2];
	char bytes[16];			/* of the pipe */
};

FIXTURE_VARIANT(own_ring) {
	unsigned int setup;		/* IORING_SETUP_* */
	__u32 batch;			/* WEIR_BATCH_* */
	bool fixed;			/* the queue is a registered file */
};

FIXTURE_VARIANT_ADD(own_ring, plain) {
	.setup = 0,
};

FIXTURE_VARIANT_ADD(own_ring, copied) {
	.batch = WEIR_BATCH_COPY,
};

FIXTURE_VARIANT_ADD(own_ring, deferring) {
	.setup = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	.fixed = true,
};

FIXTURE_SETUP(own_ring)
{
	struct weir_batch_options batch = {
		.size = sizeof(batch), .flags = variant->batch, .max_messages = 8,
		.buffer_size = 4096,
	};
	struct io_uring_sqe *sqe;
	int fd;

	raw_name(self->name);
	ASSERT_EQ(0, weir_create(self->name, NULL));
	ASSERT_EQ(0, weir_queue_open(self->name, NULL, &self->queue));
	ASSERT_EQ(0, weir_batch_new(self->queue, &batch, &self->batch));
	ASSERT_EQ(0, io_uring_queue_init(8, &self->ring, variant->setup));
	fd = weir_queue_fd(self->queue);
	if (variant->fixed)
		ASSERT_EQ(0, io_uring_register_files(&self->ring, &fd, 1));
	ASSERT_EQ(0, pipe(self->pipe));
	sqe = io_uring_get_sqe(&self->ring);
	io_uring_prep_read(sqe, self->pipe[0], self->bytes, sizeof(self->bytes), 0);
	io_uring_sqe_set_data64(sqe, PIPE);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
}

FIXTURE_TEARDOWN(own_ring)
{
	io_uring_queue_exit(&self->ring);
	weir_batch_free(self->batch);
	weir_queue_close(self->queue);
	EXPECT_EQ(0, weir_destroy(self->name, WEIR_DESTROY_FORCE));
}

#define OWN FIXTURE_DATA(own_ring) *self, const FIXTURE_VARIANT(own_ring) *variant

/* What a program sets once the library has filled an SQE. */
static void go(OWN, struct io_uring_sqe *sqe, enum user user)
{
	io_uring_sqe_set_data64(sqe, user);
	if (variant->fixed) {
		sqe->fd = 0;
		sqe->flags |= IOSQE_FIXED_FILE;
	}
	io_uring_submit(&self->ring);
}

/* The res of the next CQE, which is @user's; a value that no command has if not. */
static int reap(FIXTURE_DATA(own_ring) *self, enum user user)
{
	struct __kernel_timespec patience = { .tv_sec = 60 };
	struct io_uring_cqe *cqe;
	int ret = io_uring_wait_cqe_timeout(&self->ring, &cqe, &patience);

	if (ret)
		return ret;
	ret = cqe->user_data == user ? cqe->res : -1000 - (int)cqe->user_data;
	io_uring_cqe_seen(&self->ring, cqe);
	return ret;
}

static int send_message(OWN, const char *text)
{
	struct weir_message message = { .data = raw_address(text), .len = strlen(text) };
	struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
	int ret = weir_prep_send(self->queue, sqe, &self->send, &message, 1, WEIR_NOW);

	if (ret)
		return ret;
	go(self, variant, sqe, SEND);
	return reap(self, SEND);
}

static int receive_begin(OWN)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
	int ret = weir_prep_receive(self->batch, sqe, WEIR_FOREVER);

	if (!ret)
		go(self, variant, sqe, RECEIVE);
	return ret;
}

static bool holds(FIXTURE_DATA(own_ring) *self, unsigned int i, const char *text)
{
	const struct weir_view *view = weir_batch_view(self->batch, i);

	return view->desc.len == strlen(text) && !memcmp(view->data, text, view->desc.len);
}

/* The read of the pipe waited all the time, and is not disturbed. */
#define ASSERT_OTHER_IO(self) do {						\
	ASSERT_EQ(3, write((self)->pipe[1], "I/O", 3));				\
	ASSERT_EQ(3, reap(self, PIPE));						\
	ASSERT_EQ(0, memcmp("I/O", (self)->bytes, 3));				\
} while (0)

TEST_F(own_ring, life_of_messages)
{
	struct weir_message second = { .data = raw_address("second"), .len = 6 };
	struct io_uring_sqe *sqe;

	ASSERT_EQ(1, send_message(self, variant, "first"));
	ASSERT_EQ(0, receive_begin(self, variant));
	ASSERT_EQ(1, weir_complete(self->batch, reap(self, RECEIVE)));
	EXPECT_TRUE(holds(self, 0, "first"));

	/* One settles and goes on; what it waits for comes by the same ring. */
	sqe = io_uring_get_sqe(&self->ring);
	ASSERT_EQ(0, weir_prep_settle_receive(self->batch, sqe, WEIR_ACK, WEIR_FOREVER));
	go(self, variant, sqe, RECEIVE);
	wait_waiters(self->name, 1);
	EXPECT_EQ(1, raw_figure(self->name, "settled"));
	sqe = io_uring_get_sqe(&self->ring);
	ASSERT_EQ(0, weir_prep_send(self->queue, sqe, &self->send, &second, 1, WEIR_NOW));
	go(self, variant, sqe, SEND);
	ASSERT_EQ(1, reap(self, SEND));
	ASSERT_EQ(1, weir_complete(self->batch, reap(self, RECEIVE)));
	EXPECT_TRUE(holds(self, 0, "second"));

	sqe = io_uring_get_sqe(&self->ring);
	ASSERT_EQ(0, weir_prep_settle(self->batch, sqe, 0, 1, WEIR_ACK));
	go(self, variant, sqe, SETTLE);
	ASSERT_EQ(1, weir_complete(self->batch, reap(self, SETTLE)));
	EXPECT_EQ(2, raw_figure(self->name, "settled"));
	EXPECT_EQ(0, raw_figure(self->name, "leased"));
	ASSERT_OTHER_IO(self);
}

/* A server: the answer and the settlement are one. */
TEST_F(own_ring, answers)
{
	struct weir_message request = { .data = raw_address("2 + 2"), .len = 5 };
	struct weir_message answer = { .data = raw_address("four"), .len = 4 };
	struct weir_caller *caller;
	const struct weir_view *view;
	struct io_uring_sqe *sqe;
	uint64_t asked, id;

	ASSERT_EQ(0, weir_caller_new(self->queue, NULL, &caller));
	ASSERT_EQ(0, weir_ask(caller, &request, WEIR_NOW, &asked));
	ASSERT_EQ(0, receive_begin(self, variant));
	ASSERT_EQ(1, weir_complete(self->batch, reap(self, RECEIVE)));
	EXPECT_TRUE(holds(self, 0, "2 + 2"));
	sqe = io_uring_get_sqe(&self->ring);
	EXPECT_EQ(-EINVAL, weir_prep_reply(self->batch, sqe, 1, &answer, WEIR_ACK));
	ASSERT_EQ(0, weir_prep_reply(self->batch, sqe, 0, &answer, WEIR_ACK));
	/* What was given is not looked at again, but for its bytes. */
	answer.len = 0;
	go(self, variant, sqe, REPLY);
	ASSERT_EQ(1, weir_complete(self->batch, reap(self, REPLY)));
	EXPECT_EQ(0, weir_batch_status(self->batch, 0));
	ASSERT_EQ(0, weir_answer(caller, WEIR_NOW, &id, &view));
	EXPECT_EQ(asked, id);
	EXPECT_TRUE(view->desc.len == 4 && !memcmp(view->data, "four", 4));
	EXPECT_EQ(1, raw_figure(self->name, "settled"));
	weir_caller_free(caller);
	ASSERT_OTHER_IO(self);
}

/* The library's own cancellation; the batch is as good as new. */
TEST_F(own_ring, canceled)
{
	ASSERT_EQ(0, receive_begin(self, variant));
	wait_waiters(self->name, 1);
	ASSERT_LE(0, weir_batch_cancel(self->batch));
	ASSERT_EQ(-ECANCELED, weir_complete(self->batch, reap(self, RECEIVE)));
	EXPECT_EQ(0, raw_figure(self->name, "waiters"));
	ASSERT_EQ(1, send_message(self, variant, "after"));
	ASSERT_EQ(0, receive_begin(self, variant));
	ASSERT_EQ(1, weir_complete(self->batch, reap(self, RECEIVE)));
	EXPECT_TRUE(holds(self, 0, "after"));
	ASSERT_OTHER_IO(self);
}

/* One command of a batch at a time, and each is completed once. */
TEST_F(own_ring, one_at_a_time)
{
	struct io_uring_sqe unused;

	EXPECT_EQ(-EINVAL, weir_complete(self->batch, 1));
	EXPECT_EQ(-ENODATA, weir_prep_settle(self->batch, &unused, 0, 0, WEIR_ACK));
	ASSERT_EQ(0, receive_begin(self, variant));
	EXPECT_EQ(-EBUSY, weir_prep_receive(self->batch, &unused, WEIR_NOW));
	EXPECT_EQ(-EBUSY, weir_prep_settle(self->batch, &unused, 0, 0, WEIR_ACK));
	EXPECT_EQ(-EBUSY, weir_receive(self->batch, WEIR_NOW));
	ASSERT_EQ(1, send_message(self, variant, "one"));
	ASSERT_EQ(1, weir_complete(self->batch, reap(self, RECEIVE)));
	EXPECT_EQ(-EINVAL, weir_complete(self->batch, 1));
	EXPECT_TRUE(holds(self, 0, "one"));
	ASSERT_OTHER_IO(self);
}

/* Larger than the buffer of a batch that copies: asked once more, it has room. */
TEST_F(own_ring, grows)
{
	char *text = malloc(20001);
	int ret;

	memset(text, 'x', 20000);
	text[20000] = '\0';
	ASSERT_EQ(1, send_message(self, variant, text));
	ASSERT_EQ(0, receive_begin(self, variant));
	ret = weir_complete(self->batch, reap(self, RECEIVE));
	if (!weir_batch_mapped(self->batch)) {
		ASSERT_EQ(-EMSGSIZE, ret);
		ASSERT_EQ(0, receive_begin(self, variant));
		ret = weir_complete(self->batch, reap(self, RECEIVE));
	}
	ASSERT_EQ(1, ret);
	EXPECT_TRUE(holds(self, 0, text));
	ASSERT_OTHER_IO(self);
}

/* The queue goes while a receive waits. */
TEST_F(own_ring, destroyed)
{
	ASSERT_EQ(0, receive_begin(self, variant));
	wait_waiters(self->name, 1);
	ASSERT_EQ(0, weir_destroy(self->name, WEIR_DESTROY_FORCE));
	ASSERT_EQ(-ESHUTDOWN, weir_complete(self->batch, reap(self, RECEIVE)));
	ASSERT_OTHER_IO(self);
	ASSERT_EQ(0, weir_create(self->name, NULL));
}

TEST_HARNESS_MAIN
