/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Messages that ask for something, told from each other by their offsets. */
#ifndef WEIR_SELFTESTS_WISH_H
#define WEIR_SELFTESTS_WISH_H

#include "policy.h"

#define WISH_MOST	1024

/* The ways in which messages are received. */
enum receive { BY_READ, BY_COPY, IN_PLACE, RECEIVES };

/* One message with those options, or none: 1, or -errno. */
static inline int wish_send(int fd, const struct weir_options *options)
{
	struct weir_message message = {
		.data = raw_address("wish"), .len = 4, .options = raw_address(options),
		.options_len = options ? sizeof(*options) : 0,
	};
	struct weir_send send = { .messages = raw_address(&message), .count = 1 };

	return door_command(fd, WEIR_IOC_SEND, &send);
}

static inline int wish_send_first(int fd, __u32 priority)
{
	return wish_send(fd, &(struct weir_options){ .priority = priority });
}

static inline int wish_send_later(int fd, __u64 delay_ns)
{
	return wish_send(fd, &(struct weir_options){ .delay_ns = delay_ns });
}

static inline int wish_send_until(int fd, __u64 ttl_ns)
{
	return wish_send(fd, &(struct weir_options){ .ttl_ns = ttl_ns });
}

/* Up to @max messages, in place or copied, and settled: how many, their offsets in @offsets. */
static inline int wish_fetch(int fd, enum receive how, __u32 max, __u64 *offsets)
{
	static char buffer[1 << 17] __attribute__((aligned(64)));
	struct weir_run runs[16];
	struct weir_fetch fetch = {
		.runs = raw_address(runs), .nr_runs = 16, .max_messages = max,
		.buffer = how == BY_COPY ? raw_address(buffer) : 0,
		.buffer_len = how == BY_COPY ? sizeof(buffer) : 0,
	};
	int ret = door_command(fd, WEIR_IOC_FETCH, &fetch), n = 0;
	__u32 i, j;

	if (ret < 0)
		return ret;
	for (i = 0; i < fetch.nr_runs; i++) {
		for (j = 0; j < runs[i].count; j++)
			offsets[n++] = runs[i].offset + j;
		runs[i].op = WEIR_ACK;
	}
	if (n != ret || lease_settle(fd, runs, fetch.nr_runs) != ret)
		return -EPROTO;
	return ret;
}

/* All there is, in the order in which it comes: how many. */
static inline int wish_drain(int fd, enum receive how, __u32 max, __u64 *offsets)
{
	int n = 0, ret;

	while ((ret = wish_fetch(fd, how, max, offsets + n)) > 0)
		n += ret;
	return ret == -EAGAIN ? n : ret;
}

#endif
