/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A cage: a process of a plain user, in a user, a mount and a pid namespace of its
 * own, whose root is empty but for the node of one queue, if it is given one. It
 * has a socket besides, over which it can be passed a descriptor, and runs
 * inmate.c.
 */
#ifndef WEIR_SELFTESTS_CAGE_H
#define WEIR_SELFTESTS_CAGE_H

#include <sys/mount.h>
#include <sys/stat.h>

#include "../proc.h"
#include "forbid.h"

/* Who is in there, as everybody else sees it. */
#define CAGE_UID	60001
#define CAGE_GID	60002

/* Standard error, then this. */
#define CAGE_SOCKET	3

struct cage {
	const char *node;	/* mounted at the same path, or NULL */
	enum forbid forbid;
	int socket;		/* the other end */
	pid_t keeper;		/* outside of the pid namespace */
	pid_t *inmate;		/* inside, as it is numbered outside */
};

static inline int cage_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = raw_write_string(fd, text);
	close(fd);
	return ret < 0 ? ret : 0;
}

static inline int cage_namespaces(void)
{
	char uids[32], gids[32];
	int ret;

	ret = proc_become(CAGE_UID, CAGE_GID);
	if (ret)
		return ret;
	/* Or the maps are not its own to write. */
	prctl(PR_SET_DUMPABLE, 1);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID))
		return -errno;
	snprintf(uids, sizeof(uids), "0 %d 1", CAGE_UID);
	snprintf(gids, sizeof(gids), "0 %d 1", CAGE_GID);
	ret = cage_write_file("/proc/self/setgroups", "deny");
	ret = ret ? ret : cage_write_file("/proc/self/uid_map", uids);
	return ret ? ret : cage_write_file("/proc/self/gid_map", gids);
}

static inline int cage_mount_node(const char *node)
{
	char path[512];
	int fd;

	if (mkdir("dev", 0755) || mkdir("dev/weir", 0755) || mkdir("dev/weir/queue", 0755))
		return -errno;
	snprintf(path, sizeof(path), ".%s", node);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || mount(node, path, NULL, MS_BIND, NULL))
		return -errno;
	close(fd);
	return 0;
}

/* A root that has nothing but the node. */
static inline int cage_root(const char *node)
{
	int ret = 0;

	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("cage", "/tmp", "tmpfs", 0, "mode=0755") || chdir("/tmp"))
		return -errno;
	if (node)
		ret = cage_mount_node(node);
	if (ret)
		return ret;
	if (syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/"))
		return -errno;
	return 0;
}

/* Of the process that becomes the inmate; only returns what went wrong. */
static inline int cage_run(const struct cage *cage, int program, int socket, char **argv)
{
	static char *none[] = { NULL };
	int ret = forbid(cage->forbid);

	if (ret)
		return ret;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(socket, CAGE_SOCKET) < 0)
		return -errno;
	syscall(SYS_execveat, program, "", argv, none, AT_EMPTY_PATH);
	return -errno;
}

static inline void cage_keep(struct cage *cage, int socket, char **argv)
{
	int program = open("./inmate", O_RDONLY | O_CLOEXEC), ret;
	pid_t inmate = -1;

	/* Above those that it is given. */
	program = fcntl(program, F_DUPFD_CLOEXEC, 16);
	socket = fcntl(socket, F_DUPFD_CLOEXEC, 16);
	syscall(SYS_close_range, 3, 15, 0);
	ret = program < 0 ? -ENOENT : cage_namespaces();
	ret = ret ? ret : cage_root(cage->node);
	if (!ret) {
		inmate = fork();
		if (!inmate)
			ret = cage_run(cage, program, socket, argv);
		else
			*cage->inmate = inmate;
	}
	if (ret) {
		fprintf(stderr, "cage: %s\n", strerror(-ret));
		_exit(126);
	}
	close(socket);
	_exit(proc_wait(inmate));
}

/* @verb and the one object of it tell the inmate what to do. */
static inline int cage_open(struct cage *cage, const char *verb, const char *object)
{
	char *argv[] = { "inmate", (char *)verb, (char *)object, NULL };
	int sockets[2];

	cage->inmate = proc_shared(sizeof(*cage->inmate));
	if (!cage->inmate || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return -errno;
	cage->keeper = proc_fork();
	if (!cage->keeper) {
		close(sockets[0]);
		cage_keep(cage, sockets[1], argv);
	}
	close(sockets[1]);
	cage->socket = sockets[0];
	return 0;
}

/* The inmate's status. */
static inline int cage_wait(struct cage *cage)
{
	int ret = proc_wait(cage->keeper);

	close(cage->socket);
	return ret;
}

#endif
