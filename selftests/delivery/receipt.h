/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* A queue, and one for the receipts of what is sent to it. */
#ifndef WEIR_SELFTESTS_RECEIPT_H
#define WEIR_SELFTESTS_RECEIPT_H

#include "browse.h"

FIXTURE(receipt) {
	char name[WEIR_NAME_SIZE], told[WEIR_NAME_SIZE];
	int writer, reader;		/* of the queue; non-blocking */
	int to;				/* of that for receipts, for writing */
	int receipts;			/* for reading; waits */
};

FIXTURE_VARIANT(receipt) {
	enum door door;
};

FIXTURE_VARIANT_ADD(receipt, ioctl) {
	.door = DOOR_IOCTL,
};

FIXTURE_VARIANT_ADD(receipt, uring) {
	.door = DOOR_URING,
};

/* The queue, once more, with that policy. */
static inline int receipt_remake(FIXTURE_DATA(receipt) *self, struct weir_policy policy)
{
	return policy_renew(self->name, policy, &self->writer, &self->reader);
}

FIXTURE_SETUP(receipt)
{
	door_now = variant->door;
	raw_name(self->told);
	ASSERT_EQ(0, raw_create_as(self->told, 1024, 1 << 20, 0, 0666));
	self->to = raw_open(self->told, O_RDWR);
	ASSERT_LE(0, self->to);
	self->receipts = raw_open(self->told, O_RDONLY);
	ASSERT_LE(0, self->receipts);
	raw_name(self->name);
	ASSERT_EQ(0, raw_create(self->name));
	self->writer = self->reader = -1;
	ASSERT_EQ(0, receipt_remake(self, (struct weir_policy){ 0 }));
}

FIXTURE_TEARDOWN_PARENT(receipt)
{
	int ret = raw_destroy_force(self->name);

	EXPECT_TRUE(ret == 0 || ret == -ENOENT);
	ret = raw_destroy_force(self->told);
	EXPECT_TRUE(ret == 0 || ret == -ENOENT);
}

static inline struct weir_options receipt_options(int to, __u64 token)
{
	return (struct weir_options){
		.flags = WEIR_OPTION_RECEIPT, .receipt = to, .token = token,
	};
}

/* Messages that ask for what each of @options says: how many were taken, or -errno. */
static inline int receipt_send_batch(int fd, const struct weir_options *options, __u32 count)
{
	static struct weir_message messages[WEIR_BATCH_MAX];
	struct weir_send send = { .messages = raw_address(messages), .count = count };
	__u32 i;

	for (i = 0; i < count; i++)
		messages[i] = (struct weir_message){
			.data = raw_address("told"), .len = 4,
			.key = raw_address("k"), .key_len = 1,
			.options = raw_address(&options[i]), .options_len = sizeof(*options),
		};
	return door_command(fd, WEIR_IOC_SEND, &send);
}

static inline int receipt_send(int fd, struct weir_options options)
{
	return receipt_send_batch(fd, &options, 1);
}

/* So many, with tokens from @token on: how many were taken, or -errno. */
static inline int receipt_send_row(int fd, int to, __u64 token, __u32 count)
{
	static struct weir_options options[WEIR_BATCH_MAX];
	__u32 i;

	for (i = 0; i < count; i++)
		options[i] = receipt_options(to, token + i);
	return receipt_send_batch(fd, options, count);
}

/*
 * The next receipt, which is waited for: 0, or -errno. -EBADMSG if it is none, or says
 * what no receipt says.
 */
static inline int receipt_take(int fd, struct weir_receipt *receipt)
{
	static struct letter letter;
	int ret = letter_take(fd, &letter);

	if (ret != 1)
		return ret;
	memcpy(receipt, letter.bytes, sizeof(*receipt));
	if (letter.desc.uid || letter.desc.gid || letter.desc.pid || letter.desc.key_len ||
	    letter.desc.headers_len || letter.desc.priority ||
	    letter.desc.len != sizeof(*receipt) || receipt->reserved ||
	    receipt->ended_ns > letter.desc.stamp_ns || receipt->sent_ns > receipt->ended_ns ||
	    !receipt->first_ns != !receipt->deliveries ||
	    (receipt->first_ns && receipt->first_ns < receipt->sent_ns))
		return -EBADMSG;
	return 0;
}

/* The next one has these: its outcome; or -errno. */
static inline int receipt_outcome(FIXTURE_DATA(receipt) *self, __u64 token, __u32 reason)
{
	struct weir_receipt receipt;
	int ret = receipt_take(self->receipts, &receipt);

	if (ret)
		return ret;
	if (receipt.token != token || receipt.reason != reason ||
	    strcmp(receipt.queue, self->name))
		return -EBADMSG;
	return receipt.outcome;
}

/* No receipt is there, nor on the way: nothing is kept for one. */
static inline bool receipt_none(const char *told)
{
	struct weir_info info;

	return !raw_info(told, &info) && !info.depth && !info.bytes;
}

#endif
