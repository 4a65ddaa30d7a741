/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Queues that do something else than to let senders wait when they are full. */
#ifndef WEIR_SELFTESTS_FULL_H
#define WEIR_SELFTESTS_FULL_H

#include "key.h"

#define DROPS	WEIR_WHEN_FULL_DROP_OLDEST
#define REJECTS	WEIR_WHEN_FULL_REJECT

static inline struct weir_policy full_policy(__u32 when_full, __u64 messages)
{
	return (struct weir_policy){ .max_messages = messages, .when_full = when_full };
}

/* The queue once more, with that many. */
static inline int remake_when_full(FIXTURE_DATA(queue) *self, __u32 when_full, __u64 messages)
{
	return policy_remake(self, full_policy(when_full, messages));
}

/* Sends @count small ones, one by one: how many until one was refused. */
static inline int full_send(int fd, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		if (wish_send(fd, NULL) != 1)
			break;
	}
	return i;
}

static inline int full_send_sized(int fd, size_t size)
{
	static char bytes[1 << 20];
	struct weir_message message = { .data = raw_address(bytes), .len = size };
	struct weir_send send = {
		.messages = raw_address(&message), .count = 1, .timeout_ns = -1,
	};

	return door_command(fd, WEIR_IOC_SEND, &send);
}

/* As one batch of small ones: how many were taken, or -errno. */
static inline int full_send_batch(int fd, __u32 count, __s64 timeout_ns)
{
	static struct weir_message messages[WEIR_BATCH_MAX];
	struct weir_send send = {
		.messages = raw_address(messages), .count = count, .timeout_ns = timeout_ns,
	};
	__u32 i;

	for (i = 0; i < count; i++)
		messages[i] = (struct weir_message){ .data = raw_address("batch"), .len = 5 };
	return door_command(fd, WEIR_IOC_SEND, &send);
}

/* Whether these, and nothing else, are ready, in that order; they are settled. */
static inline bool full_has(int fd, const __u64 *offsets, int count)
{
	static __u64 got[WISH_MOST];
	int n = wish_drain(fd, IN_PLACE, 16, got), i;

	for (i = 0; i < n && i < count; i++) {
		if (got[i] != offsets[i])
			fprintf(stderr, "# %d: %llu\n", i, (unsigned long long)got[i]);
	}
	if (n != count)
		fprintf(stderr, "# there were %d\n", n);
	return n == count && !memcmp(got, offsets, count * sizeof(*got));
}

#define full_has_just(fd, ...)	({						\
	const __u64 offsets_[] = { __VA_ARGS__ };				\
										\
	full_has(fd, offsets_, ARRAY_SIZE(offsets_));				\
})

/* A child that sends one message, and waits for room if it has to. */
static inline pid_t full_sender(const char *name)
{
	pid_t child = proc_fork();

	if (!child)
		_exit(full_send_batch(raw_open(name, O_WRONLY), 1, -1) != 1);
	return child;
}

#endif
