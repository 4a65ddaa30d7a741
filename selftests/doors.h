/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The ways into a queue: read(2) and write(2), ioctls, io_uring. They have one
 * meaning, so one test goes through each of them.
 */
#ifndef WEIR_SELFTESTS_DOORS_H
#define WEIR_SELFTESTS_DOORS_H

#include "raw.h"
#include "uring.h"

enum door { DOOR_RW, DOOR_IOCTL, DOOR_URING };

/* The one of the test that runs. */
static enum door door_now;

/* A ring for each process: they are not inherited. */
static inline struct ring *door_ring(void)
{
	static __thread struct ring ring;
	static __thread pid_t owner;

	if (owner != getpid()) {
		if (ring_make(&ring, 8, 0))
			abort();
		owner = getpid();
	}
	return &ring;
}

/* A command; there are none for read and write, so that door has the ioctl too. */
static inline int door_command(int fd, unsigned long command, void *arg)
{
	if (door_now == DOOR_URING)
		return ring_do(door_ring(), fd, command, arg, _IOC_SIZE(command));
	return raw_ioctl(fd, command, arg);
}

static inline long door_write(int fd, const void *bytes, size_t length)
{
	struct weir_message message = { .data = raw_address(bytes), .len = length };
	struct weir_send send = {
		.messages = raw_address(&message), .count = 1, .timeout_ns = -1,
	};
	int ret;

	if (door_now == DOOR_RW)
		return raw_write(fd, bytes, length);
	ret = door_command(fd, WEIR_IOC_SEND, &send);
	return ret < 0 ? ret : ret == 1 ? (long)length : -EPROTO;
}

static inline long door_write_string(int fd, const char *string)
{
	return door_write(fd, string, strlen(string));
}

/* One message into @buffer, a weir_desc before it: 1, or -errno. */
static inline int door_fetch(int fd, void *buffer, size_t size, __u32 flags,
			     struct weir_run *run)
{
	struct weir_fetch fetch = {
		.runs = raw_address(run), .nr_runs = 1, .max_messages = 1, .timeout_ns = -1,
		.buffer = raw_address(buffer), .buffer_len = size, .flags = flags,
	};

	return door_command(fd, WEIR_IOC_FETCH, &fetch);
}

/* The next message, settled: its length, of which @size bytes were copied. */
static inline long door_read(int fd, void *bytes, size_t size)
{
	static __thread struct weir_desc *buffer;
	static __thread size_t room;
	struct weir_run run;
	int ret;

	if (door_now == DOOR_RW)
		return raw_read(fd, bytes, size);
	if (room < size + 2 * WEIR_ALIGN) {
		free(buffer);
		room = size + 2 * WEIR_ALIGN;
		buffer = malloc(room);
	}
	ret = door_fetch(fd, buffer, size + 2 * WEIR_ALIGN, WEIR_FETCH_SETTLED, &run);
	if (ret != 1)
		return ret < 0 ? ret : -EPROTO;
	memcpy(bytes, buffer + 1, buffer->len < size ? buffer->len : size);
	return buffer->len;
}

/*
 * The next message, of at least two bytes, is had by this process and not yet
 * settled: 0, or -errno.
 */
static inline int door_hold(int fd, struct weir_run *run)
{
	char byte;
	long ret;

	if (door_now == DOOR_RW)
		ret = raw_read(fd, &byte, 1);
	else
		ret = door_fetch(fd, NULL, 0, 0, run);
	return ret == 1 ? 0 : ret < 0 ? ret : -EPROTO;
}

/* Settles what is had: 0, or -errno. */
static inline int door_settle(int fd, struct weir_run *run)
{
	struct weir_settle settle = { .runs = raw_address(run), .count = 1 };
	char bytes[4096];
	int ret;

	if (door_now == DOOR_RW) {
		while ((ret = raw_read(fd, bytes, sizeof(bytes))) == sizeof(bytes))
			;
		return ret < 0 ? ret : 0;
	}
	run->op = WEIR_ACK;
	ret = door_command(fd, WEIR_IOC_SETTLE, &settle);
	return ret < 0 ? ret : ret == 1 ? 0 : run->status ? run->status : -EPROTO;
}

#endif
