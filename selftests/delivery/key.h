/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Messages with keys, in queues where these order them. */
#ifndef WEIR_SELFTESTS_KEY_H
#define WEIR_SELFTESTS_KEY_H

#include "wish.h"

/* One message with that key of @len bytes, and those options or none: 1, or -errno. */
static inline int key_send_long(int fd, const void *key, size_t len,
				const struct weir_options *options)
{
	struct weir_message message = {
		.data = raw_address("keyed"), .len = 5, .key = raw_address(key), .key_len = len,
		.options = raw_address(options), .options_len = options ? sizeof(*options) : 0,
	};
	struct weir_send send = { .messages = raw_address(&message), .count = 1 };

	return door_command(fd, WEIR_IOC_SEND, &send);
}

/* One for each character, which is its key; a dot has none: how many, or -errno. */
static inline int key_send(int fd, const char *keys)
{
	int n, ret;

	for (n = 0; keys[n]; n++) {
		ret = key_send_long(fd, &keys[n], keys[n] != '.', NULL);
		if (ret != 1)
			return ret;
	}
	return n;
}

static inline struct weir_policy key_policy(void)
{
	return (struct weir_policy){ .flags = WEIR_POLICY_KEYED };
}

/* What can be had now, at once: its offsets as letters, 'a' for 0; leased for long. */
static inline const char *key_take(int fd, struct weir_run *runs, __u32 *nr)
{
	static char text[WISH_MOST];
	struct weir_fetch fetch = {
		.runs = raw_address(runs), .nr_runs = 16, .max_messages = 20,
		.lease_ns = LEASE_LONG,
	};
	int ret = door_command(fd, WEIR_IOC_FETCH, &fetch), n = 0;
	__u32 i, j;

	*nr = ret > 0 ? fetch.nr_runs : 0;
	for (i = 0; i < *nr; i++) {
		for (j = 0; j < runs[i].count; j++)
			text[n++] = 'a' + runs[i].offset + j;
	}
	text[n] = '\0';
	return ret < 0 && ret != -EAGAIN ? "an error" : text;
}

/* The same, and all of it is settled. */
static inline const char *key_settle(int fd)
{
	struct weir_run runs[16];
	const char *text;
	__u32 nr;

	text = key_take(fd, runs, &nr);
	if (nr && lease_settle(fd, runs, nr) != (int)strlen(text))
		return "not settled";
	return text;
}

#endif
