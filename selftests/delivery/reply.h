/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* A queue of requests, and one without a name for the answers. */
#ifndef WEIR_SELFTESTS_REPLY_H
#define WEIR_SELFTESTS_REPLY_H

#include "policy.h"

FIXTURE(reply) {
	char name[WEIR_NAME_SIZE];
	int writer, reader;		/* of the requests; non-blocking */
	int answers;			/* likewise */
};

FIXTURE_VARIANT(reply) {
	enum door door;
};

FIXTURE_VARIANT_ADD(reply, ioctl) {
	.door = DOOR_IOCTL,
};

FIXTURE_VARIANT_ADD(reply, uring) {
	.door = DOOR_URING,
};

/* A queue without a name, non-blocking. */
static inline int reply_queue(struct weir_policy policy)
{
	struct weir_create create = {
		.type = WEIR_TYPE_QUEUE, .flags = WEIR_CREATE_ANONYMOUS, .policy = policy,
	};
	int fd = raw_control(WEIR_IOC_CREATE, &create);

	if (fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK))
		return -errno;
	return fd;
}

FIXTURE_SETUP(reply)
{
	door_now = variant->door;
	ASSERT_EQ(0, raw_create(raw_name(self->name)));
	self->writer = raw_open(self->name, O_WRONLY | O_NONBLOCK);
	ASSERT_LE(0, self->writer);
	self->reader = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->reader);
	self->answers = reply_queue((struct weir_policy){ 0 });
	ASSERT_LE(0, self->answers);
}

FIXTURE_TEARDOWN_PARENT(reply)
{
	int ret = raw_destroy_force(self->name);

	EXPECT_TRUE(ret == 0 || ret == -ENOENT);
}

static inline struct weir_options reply_options(int answers)
{
	return (struct weir_options){ .flags = WEIR_OPTION_REPLY, .reply = answers };
}

/* A request with those options: 1, or -errno. */
static inline int reply_ask_so(int fd, const char *text, const struct weir_options *options)
{
	struct weir_message message = {
		.data = raw_address(text), .len = strlen(text),
		.options = raw_address(options), .options_len = sizeof(*options),
	};
	struct weir_send send = { .messages = raw_address(&message), .count = 1 };

	return door_command(fd, WEIR_IOC_SEND, &send);
}

static inline int reply_ask(int fd, const char *text, int answers)
{
	struct weir_options options = reply_options(answers);

	return reply_ask_so(fd, text, &options);
}

static inline int reply_message(int fd, struct weir_run run, const struct weir_message *message)
{
	struct weir_reply reply = { .run = run, .message = raw_address(message) };

	return door_command(fd, WEIR_IOC_REPLY, &reply);
}

/* As WEIR_IOC_REPLY with @op. */
static inline int reply_op(int fd, struct weir_run run, const char *text, __u32 op)
{
	struct weir_message message = { .data = raw_address(text), .len = strlen(text) };

	run.op = op;
	return reply_message(fd, run, &message);
}

static inline int reply_to(int fd, struct weir_run run, const char *text)
{
	return reply_op(fd, run, text, WEIR_ACK);
}

/* Whether the next answer is @text; it is settled. */
static inline bool reply_is(int fd, const char *text)
{
	char bytes[256];
	long ret = raw_read(fd, bytes, sizeof(bytes));

	return ret == (long)strlen(text) && !memcmp(bytes, text, ret);
}

static inline bool reply_none(int fd)
{
	char byte;

	return raw_read(fd, &byte, 1) == -EAGAIN;
}

#define ASSERT_REQUESTS(self, d, l, s) do {				\
	struct weir_info info_;						\
									\
	ASSERT_EQ(0, raw_info((self)->name, &info_));			\
	ASSERT_ADDS_UP(&info_);						\
	ASSERT_EQ(d, info_.depth);					\
	ASSERT_EQ(l, info_.leased);					\
	ASSERT_EQ(s, info_.settled);					\
} while (0)

#endif
