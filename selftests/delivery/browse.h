/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Looking at messages without taking them. */
#ifndef WEIR_SELFTESTS_BROWSE_H
#define WEIR_SELFTESTS_BROWSE_H

#include "policy.h"

static char browse_buffer[1 << 18] __attribute__((aligned(64)));

/* One call of it: how many, or -errno; @browse goes on. */
static inline int browse_some(int fd, struct weir_browse *browse, size_t room)
{
	browse->buffer = raw_address(browse_buffer);
	browse->buffer_len = room;
	return door_command(fd, WEIR_IOC_BROWSE, browse);
}

/* The record at *@at of the buffer, and the next one's place. */
static inline const struct weir_browsed *browse_next(__u64 *at)
{
	const struct weir_browsed *record = (void *)(browse_buffer + *at);

	*at += record->size;
	return record;
}

/* The message that is alone in its queue, in states; or NULL. */
static inline const struct weir_browsed *browse_one(int fd, __u32 states)
{
	struct weir_browse browse = { .states = states, .flags = WEIR_BROWSE_PAYLOAD };

	if (browse_some(fd, &browse, sizeof(browse_buffer)) != 1)
		return NULL;
	return (void *)browse_buffer;
}

/* How many there are in these states, some @room at a time. */
static inline int browse_count(int fd, __u32 states, size_t room)
{
	struct weir_browse browse = { .states = states };
	int n = 0, ret;

	while (browse.slot != WEIR_BROWSE_END) {
		ret = browse_some(fd, &browse, room);
		if (ret < 0)
			return ret;
		n += ret;
	}
	return n;
}

static inline int browse_name(int fd, const char *text)
{
	struct weir_name name = { .flags = 0 };

	strncpy(name.name, text, sizeof(name.name));
	return door_command(fd, WEIR_IOC_NAME, &name);
}

#endif
