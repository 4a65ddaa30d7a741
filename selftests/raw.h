/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * weir by raw system calls. Nothing of the project's library: its bug must not
 * be able to hide one of the kernel's.
 *
 * Whatever can fail returns a value, or -errno.
 */
#ifndef WEIR_SELFTESTS_RAW_H
#define WEIR_SELFTESTS_RAW_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/weir.h>

#define RAW_CONTROL	"/dev/weir/control"
#define RAW_QUEUES	"/dev/weir/queue/"
#define RAW_CLASS	"/sys/class/weir/"

#define raw_address(p)	((__u64)(uintptr_t)(p))

/*
 * How often to try what goes wrong by chance. On a slow kernel, which sees it the
 * first time, it is WEIR_FEWER times more seldom; and 4 times where it is tried once more
 * as a 32-bit caller, for whom the kernel takes no chance that it does not take for others.
 */
static inline int raw_rounds(int rounds)
{
	const char *fewer = getenv("WEIR_FEWER");
	int divisor = (fewer ? atoi(fewer) : 1) * (sizeof(long) < sizeof(__u64) ? 4 : 1);

	return divisor > 1 ? (rounds + divisor - 1) / divisor : rounds;
}

/* How long to wait for what may never come: WEIR_SLOW times longer on a slow kernel. */
static inline int raw_seconds(int seconds)
{
	const char *slow = getenv("WEIR_SLOW");
	int factor = slow ? atoi(slow) : 1;

	return factor > 1 ? seconds * factor : seconds;
}

static inline long raw_result(long value)
{
	return value < 0 ? -errno : value;
}

static inline int raw_ioctl(int fd, unsigned long command, void *arg)
{
	return raw_result(ioctl(fd, command, arg));
}

/* A command whose structure has another size than the header's. */
static inline unsigned long raw_resized(unsigned long command, size_t size)
{
	return _IOC(_IOC_DIR(command), _IOC_TYPE(command), _IOC_NR(command), size);
}

static inline int raw_open_control(void)
{
	return raw_result(open(RAW_CONTROL, O_RDWR | O_CLOEXEC));
}

/* A command for control, through a descriptor of its own. */
static inline int raw_control(unsigned long command, void *arg)
{
	int fd = raw_open_control(), ret;

	if (fd < 0)
		return fd;
	ret = raw_ioctl(fd, command, arg);
	close(fd);
	return ret;
}

/* A name that no other test has. */
static inline const char *raw_name(char name[WEIR_NAME_SIZE])
{
	static unsigned int nr;

	memset(name, 0, WEIR_NAME_SIZE);
	snprintf(name, WEIR_NAME_SIZE, "test-%d-%u", getpid(), nr++);
	return name;
}

/* @structure has its name as first field. */
#define raw_set_name(structure, string) \
	snprintf((structure)->name, WEIR_NAME_SIZE, "%s", string)

static inline int raw_create_as(const char *name, __u64 messages, __u64 bytes, __u32 flags,
				__u32 mode)
{
	struct weir_create create = {
		.type = WEIR_TYPE_QUEUE, .flags = flags, .mode = mode,
		.policy = { .max_messages = messages, .max_bytes = bytes },
	};

	raw_set_name(&create, name);
	return raw_control(WEIR_IOC_CREATE, &create);
}

static inline int raw_create(const char *name)
{
	return raw_create_as(name, 0, 0, 0, 0);
}

static inline int raw_create_sized(const char *name, __u64 messages, __u64 bytes)
{
	return raw_create_as(name, messages, bytes, 0, 0);
}

static inline int raw_destroy_flags(const char *name, __u32 flags)
{
	struct weir_destroy destroy = { .flags = flags };

	raw_set_name(&destroy, name);
	return raw_control(WEIR_IOC_DESTROY, &destroy);
}

static inline int raw_destroy(const char *name)
{
	return raw_destroy_flags(name, 0);
}

static inline int raw_destroy_force(const char *name)
{
	return raw_destroy_flags(name, WEIR_DESTROY_FORCE);
}

/* How many. */
static inline long raw_purge(const char *name)
{
	struct weir_purge purge = { 0 };
	int ret;

	raw_set_name(&purge, name);
	ret = raw_control(WEIR_IOC_PURGE, &purge);
	return ret < 0 ? ret : (long)purge.purged;
}

static inline int raw_info_flags(const char *name, struct weir_info *info, __u32 flags)
{
	memset(info, 0, sizeof(*info));
	raw_set_name(info, name);
	info->flags = flags;
	return raw_control(WEIR_IOC_INFO, info);
}

static inline int raw_info(const char *name, struct weir_info *info)
{
	return raw_info_flags(name, info, 0);
}

static inline const char *raw_path(char path[WEIR_NAME_SIZE + 32], const char *name)
{
	snprintf(path, WEIR_NAME_SIZE + 32, "%s%s", RAW_QUEUES, name);
	return path;
}

static inline int raw_open(const char *name, int flags)
{
	char path[WEIR_NAME_SIZE + 32];

	return raw_result(open(raw_path(path, name), flags | O_CLOEXEC));
}

static inline long raw_write(int fd, const void *bytes, size_t length)
{
	return raw_result(write(fd, bytes, length));
}

static inline long raw_read(int fd, void *bytes, size_t length)
{
	return raw_result(read(fd, bytes, length));
}

static inline long raw_write_string(int fd, const char *string)
{
	return raw_write(fd, string, strlen(string));
}

/* Which of @events there are now. */
static inline int raw_poll(int fd, short events)
{
	struct pollfd pollfd = { .fd = fd, .events = events };
	int ret = poll(&pollfd, 1, 0);

	return ret < 0 ? -errno : pollfd.revents;
}

/* The text of a sysfs file of an object, without its newline. */
static inline int raw_sysfs(const char *name, const char *file, char *text, size_t size)
{
	char path[WEIR_NAME_SIZE + 64];
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "%s%s/%s", RAW_CLASS, name, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	length = raw_read(fd, text, size - 1);
	close(fd);
	if (length < 0)
		return length;
	text[length] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return length;
}

static inline long long raw_figure(const char *name, const char *file)
{
	char text[64];
	int ret = raw_sysfs(name, file, text, sizeof(text));

	return ret < 0 ? ret : strtoll(text, NULL, 0);
}

/* One message, by WEIR_IOC_SEND: 1, or -errno. */
static inline int raw_send(int fd, const void *bytes, size_t length, __s64 timeout_ns)
{
	struct weir_message message = { .data = raw_address(bytes), .len = length };
	struct weir_send send = {
		.messages = raw_address(&message), .count = 1, .timeout_ns = timeout_ns,
	};

	return raw_ioctl(fd, WEIR_IOC_SEND, &send);
}

#endif
