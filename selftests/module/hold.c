// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * hold create|destroy NAME: by the raw command, for scripts that test the module
 * and not its tool.
 * hold open|map|epoll PATH COMMAND...: runs COMMAND while PATH is open, or mapped,
 * or waited for.
 * hold rw|ioctl|uring PATH COMMAND...: runs COMMAND while a message is held that was
 * received through that door; it waits for one.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../doors.h"

static int map(int fd)
{
	struct weir_layout layout = { 0 };
	int ret = raw_ioctl(fd, WEIR_IOC_LAYOUT, &layout);

	if (ret)
		return ret;
	if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, layout.index_offset) == MAP_FAILED)
		return -errno;
	/* The mapping alone remains. */
	return close(fd);
}

static int wait_in_epoll(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return raw_result(epoll_ctl(epoll_create1(0), EPOLL_CTL_ADD, fd, &event));
}

/* Whether @door is the name of one; it is the one in use then. */
static bool is_door(const char *door)
{
	static const char * const doors[] = { "rw", "ioctl", "uring" };

	for (door_now = DOOR_RW; door_now <= DOOR_URING; door_now++)
		if (!strcmp(door, doors[door_now]))
			return true;
	return false;
}

static int run(char **command)
{
	int status;
	pid_t child = fork();

	if (!child) {
		execvp(command[0], command);
		_exit(127);
	}
	if (waitpid(child, &status, 0) != child)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int main(int argc, char **argv)
{
	struct weir_run lease;
	int fd, ret = 0;

	if (argc < 3)
		return 2;
	if (!strcmp(argv[1], "create")) {
		ret = raw_create(argv[2]);
	} else if (!strcmp(argv[1], "destroy")) {
		ret = raw_destroy_force(argv[2]);
	} else {
		/* As root may be for reading only: /dev/weir/control has no such files. */
		fd = open(argv[2], O_RDWR | O_CLOEXEC);
		if (fd < 0)
			ret = -errno;
		else if (!strcmp(argv[1], "map"))
			ret = map(fd);
		else if (!strcmp(argv[1], "epoll"))
			ret = wait_in_epoll(fd);
		else if (is_door(argv[1]))
			ret = door_hold(fd, &lease);
		if (!ret)
			return run(argv + 3);
	}
	if (ret)
		fprintf(stderr, "hold: %s %s: %s\n", argv[1], argv[2], strerror(-ret));
	return ret ? 1 : 0;
}
