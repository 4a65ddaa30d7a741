/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Other processes of a test, and waiting for them. Nothing here sleeps for a
 * time and hopes: wait_until() looks until it is so, and the harness ends a test
 * in which it never is.
 */
#ifndef WEIR_SELFTESTS_PROC_H
#define WEIR_SELFTESTS_PROC_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "raw.h"

#define wait_until(condition) do {				\
	while (!(condition))					\
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL); \
} while (0)

/* Calls of @name's queue that wait now. */
#define wait_waiters(name, number)	wait_until(raw_figure(name, "waiters") == (number))

/* Memory that children share with the test. */
static inline void *proc_shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* fork(); the child does not outlive the test. */
static inline pid_t proc_fork(void)
{
	pid_t parent = getpid(), child = fork();

	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return child;
}

/* So that a child is not one more who holds what its parent has open. */
static inline void proc_close_files(void)
{
	syscall(SYS_close_range, 3, ~0U, 0);
}

/* Exit status; 128 and the signal's number for one that was killed. */
static inline int proc_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline int proc_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	return proc_wait(pid);
}

/* R, S, D, Z, ...; 0 if there is no such thread. */
static inline char proc_state(pid_t tid)
{
	char path[64], text[512], *paren;
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length <= 0)
		return 0;
	text[length] = '\0';
	paren = strrchr(text, ')');
	return paren ? paren[2] : 0;
}

/* Whether @pid runs a program of that name. */
static inline bool proc_executes(pid_t pid, const char *program)
{
	char path[64], text[64];
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length <= 0)
		return false;
	text[length - 1] = '\0';
	return !strcmp(text, program);
}

/* Drops to @uid and @gid with no other group, for good. */
static inline int proc_become(uid_t uid, gid_t gid)
{
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		return -errno;
	/* Cleared by the change of uid. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return 0;
}

/* A gate is a byte in a pipe: it opens once, for everyone who waits. */
struct gate {
	int fds[2];
};

static inline int gate_make(struct gate *gate)
{
	return raw_result(pipe2(gate->fds, O_CLOEXEC));
}

static inline void gate_wait(struct gate *gate)
{
	struct pollfd pollfd = { .fd = gate->fds[0], .events = POLLIN };

	while (poll(&pollfd, 1, -1) < 0 && errno == EINTR)
		;
}

static inline void gate_open(struct gate *gate)
{
	if (write(gate->fds[1], "", 1) != 1)
		abort();
}

/* Descriptor @fd of process @pid. */
static inline int proc_get_fd(pid_t pid, int fd)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0), got;

	if (pidfd < 0)
		return -errno;
	got = raw_result(syscall(SYS_pidfd_getfd, pidfd, fd, 0));
	close(pidfd);
	return got;
}

/* Over a socket. */
static inline int proc_pass_fd(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec iov = { .iov_base = "", .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(socket, &message, 0) == 1 ? 0 : -errno;
}

static inline int proc_receive_fd(int socket)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	int fd;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1)
		return -errno;
	cmsg = CMSG_FIRSTHDR(&message);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return -ENOMSG;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

/*
 * Memory of which the page at @stalled does not come before stall_end(): whoever
 * touches it, the kernel for them included, waits. The pages around are there.
 */
struct stall {
	char *memory;
	size_t size;
	char *stalled;
	size_t page;
	int fd;
};

static inline int stall_make(struct stall *stall, size_t pages, size_t which)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	size_t i;

	stall->page = sysconf(_SC_PAGESIZE);
	stall->size = pages * stall->page;
	stall->memory = mmap(NULL, stall->size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stall->memory == MAP_FAILED)
		return -errno;
	madvise(stall->memory, stall->size, MADV_NOHUGEPAGE);
	stall->stalled = stall->memory + which * stall->page;
	stall->fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (stall->fd < 0 || ioctl(stall->fd, UFFDIO_API, &api))
		return -errno;
	range.range.start = (uintptr_t)stall->stalled;
	range.range.len = stall->page;
	if (ioctl(stall->fd, UFFDIO_REGISTER, &range))
		return -errno;
	for (i = 0; i < pages; i++)
		if (i != which)
			memset(stall->memory + i * stall->page, 'a' + i % 26, stall->page);
	return 0;
}

/* Until somebody is stuck at the page. @fd is the stall's, or a copy of it. */
static inline void stall_wait(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	while (poll(&pollfd, 1, -1) < 0 && errno == EINTR)
		;
}

/* The page comes, full of @byte. */
static inline int stall_end(int fd, struct stall *stall, char byte)
{
	struct uffdio_copy copy = { .len = stall->page };
	char *page = malloc(2 * stall->page);
	int ret;

	if (!page)
		return -ENOMEM;
	memset(page, byte, stall->page);
	copy.dst = (uintptr_t)stall->stalled;
	copy.src = (uintptr_t)page;
	ret = raw_result(ioctl(fd, UFFDIO_COPY, &copy));
	free(page);
	return ret;
}

#endif
