// SPDX-License-Identifier: MIT
/* The handle of a queue: open, map, wait, close. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "internal.h"

#define OPEN_FLAGS	(WEIR_OPEN_SEND | WEIR_OPEN_RECEIVE | \
			 WEIR_OPEN_NONBLOCK | WEIR_OPEN_COPY)

/* What queue_run() ever has in flight: a command and its cancellation. */
#define OWN_RING_ENTRIES	2

static int queue_command(struct weir_queue *queue, uint32_t number, void *arg,
			 uint32_t size)
{
	struct command command = {
		.fd = queue->fd, .number = number, .arg = arg, .size = size,
	};

	return command_ioctl(&command);
}

/* Also tells a queue from any other descriptor: that says ENOTTY. */
static int queue_version(struct weir_queue *queue)
{
	struct weir_version version = { 0 };
	int ret;

	ret = queue_command(queue, WEIR_IOC_VERSION, &version, sizeof(version));
	if (ret < 0)
		return ret;
	if (version.abi != WEIR_ABI_VERSION)
		return -EPROTONOSUPPORT;
	queue->features = version.features;
	return 0;
}

static int queue_ring(struct weir_queue *queue, int door)
{
	if (door != WEIR_DOOR_URING)
		return door < 0 ? door : 0;
	if (!(queue->features & WEIR_FEATURE_URING))
		return -EOPNOTSUPP;
	return ring_make(OWN_RING_ENTRIES, door, &queue->ring);
}

static int queue_setup(struct weir_queue *queue,
		       const struct weir_open_options *options)
{
	int status, ret;

	status = fcntl(queue->fd, F_GETFL);
	if (status < 0)
		return -errno;
	queue->access = status & O_ACCMODE;
	queue->may_map = queue->access != O_WRONLY &&
			 !(options->flags & WEIR_OPEN_COPY);
	ret = queue_version(queue);
	if (ret)
		return ret;
	return queue_ring(queue, door_choose(options->door));
}

static int queue_new(int fd, const struct weir_open_options *options,
		     struct weir_queue **queue)
{
	struct weir_queue *new = calloc(1, sizeof(*new));
	int ret;

	if (!new)
		return -ENOMEM;
	new->fd = fd;
	ret = queue_setup(new, options);
	if (ret) {
		free(new);
		return ret;
	}
	*queue = new;
	return 0;
}

static int open_options(struct weir_open_options *ours,
			const struct weir_open_options *theirs)
{
	int ret = options_take(ours, sizeof(*ours), theirs);

	if (!ret && ours->flags & ~OPEN_FLAGS)
		ret = -EINVAL;
	return ret;
}

static int open_mode(uint32_t flags)
{
	int mode = O_RDWR;

	flags &= ~WEIR_OPEN_COPY;
	if ((flags & (WEIR_OPEN_SEND | WEIR_OPEN_RECEIVE)) == WEIR_OPEN_SEND)
		mode = O_WRONLY;
	if ((flags & (WEIR_OPEN_SEND | WEIR_OPEN_RECEIVE)) == WEIR_OPEN_RECEIVE)
		mode = O_RDONLY;
	if (flags & WEIR_OPEN_NONBLOCK)
		mode |= O_NONBLOCK;
	return mode | O_CLOEXEC;
}

static int open_node(const char *name, int mode)
{
	char path[sizeof("/dev/weir/queue/") + WEIR_NAME_SIZE];
	bool by_path = name && strchr(name, '/');
	int fd, ret;

	if (!by_path) {
		ret = name_check(name);
		if (ret)
			return ret;
		snprintf(path, sizeof(path), "/dev/weir/queue/%s", name);
		name = path;
	}
	fd = open(name, mode);
	if (fd >= 0)
		return fd;
	/* The node of a queue that is just going away is ENXIO. */
	ret = errno == ENXIO ? -ENOENT : -errno;
	if (ret == -ENOENT && !by_path && access("/dev/weir/control", F_OK))
		ret = -ENODEV;
	return ret;
}

WEIR_PUBLIC int weir_queue_open(const char *name,
				const struct weir_open_options *options,
				struct weir_queue **queue)
{
	struct weir_open_options ours;
	int fd, ret;

	ret = open_options(&ours, options);
	if (ret)
		return ret;
	fd = open_node(name, open_mode(ours.flags));
	if (fd < 0)
		return fd;
	ret = queue_new(fd, &ours, queue);
	if (ret)
		close(fd);
	return ret;
}

WEIR_PUBLIC int weir_queue_adopt(int fd,
				 const struct weir_open_options *options,
				 struct weir_queue **queue)
{
	struct weir_open_options ours;
	int ret = open_options(&ours, options);

	return ret ? ret : queue_new(fd, &ours, queue);
}

WEIR_PUBLIC int weir_queue_anonymous(const struct weir_create_options *create,
				     const struct weir_open_options *options,
				     struct weir_queue **queue)
{
	int fd, ret;

	fd = control_anonymous(create);
	if (fd < 0)
		return fd;
	ret = weir_queue_adopt(fd, options, queue);
	if (ret)
		close(fd);
	return ret;
}

static void area_unmap(struct area *area)
{
	if (area->base)
		munmap((void *)area->base, area->length);
	area->base = NULL;
}

WEIR_PUBLIC void weir_queue_close(struct weir_queue *queue)
{
	if (!queue)
		return;
	weir_ring_free(queue->ring);
	area_unmap(&queue->index);
	area_unmap(&queue->pool);
	close(queue->fd);
	free(queue);
}

static bool area_map(int fd, struct area *area, uint64_t offset, uint64_t length)
{
	void *base;

	if (!length || length > PTRDIFF_MAX || offset > INT64_MAX)
		return false;
	base = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, offset);
	if (base == MAP_FAILED)
		return false;
	area->base = base;
	area->length = length;
	return true;
}

/* Tried once: what is refused stays refused, and copying serves as well. */
bool queue_map(struct weir_queue *queue)
{
	struct weir_layout layout = { 0 };

	if (queue->pool.base || !queue->may_map)
		return queue->pool.base;
	queue->may_map = false;
	if (queue_command(queue, WEIR_IOC_LAYOUT, &layout, sizeof(layout)) < 0)
		return false;
	if (area_map(queue->fd, &queue->index, layout.index_offset,
		     layout.index_length) &&
	    area_map(queue->fd, &queue->pool, layout.pool_offset,
		     layout.pool_length))
		return true;
	area_unmap(&queue->index);
	return false;
}

int queue_run(struct weir_queue *queue, const struct command *command)
{
	if (queue->ring)
		return ring_run(queue->ring, command);
	return command_ioctl(command);
}

WEIR_PUBLIC int weir_queue_fd(const struct weir_queue *queue)
{
	return queue->fd;
}

WEIR_PUBLIC int weir_queue_door(const struct weir_queue *queue)
{
	return queue->ring ? WEIR_DOOR_URING : WEIR_DOOR_IOCTL;
}

WEIR_PUBLIC int weir_queue_info(struct weir_queue *queue,
				struct weir_info *info, size_t size)
{
	struct weir_info ours = { 0 };
	int ret = queue_command(queue, WEIR_IOC_INFO, &ours, sizeof(ours));

	ours.name[sizeof(ours.name) - 1] = 0;
	return ret < 0 ? ret : info_give(info, size, &ours, sizeof(ours));
}

WEIR_PUBLIC int weir_queue_wait(struct weir_queue *queue, unsigned int events,
				int64_t timeout_ns)
{
	struct pollfd poll = { .fd = queue->fd };
	struct timespec ts;
	unsigned int ready = 0;
	int n;

	if (!events || events & ~(WEIR_CAN_RECEIVE | WEIR_CAN_SEND))
		return -EINVAL;
	if (events & WEIR_CAN_RECEIVE)
		poll.events |= POLLIN;
	if (events & WEIR_CAN_SEND)
		poll.events |= POLLOUT;
	n = ppoll(&poll, 1, timespec_of(timeout_ns, &ts), NULL);
	if (n < 0)
		return -errno;
	if (poll.revents & (POLLERR | POLLHUP))
		return -ESHUTDOWN;
	if (poll.revents & POLLIN)
		ready |= WEIR_CAN_RECEIVE;
	if (poll.revents & POLLOUT)
		ready |= WEIR_CAN_SEND;
	if (ready & events)
		return ready & events;
	return timeout_ns ? -ETIMEDOUT : -EAGAIN;
}
