/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* io_uring, forbidden by a filter of system calls as sandboxes have it. */
#ifndef WEIR_SELFTESTS_FORBID_H
#define WEIR_SELFTESTS_FORBID_H

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum forbid {
	FORBID_NOTHING,
	FORBID_URING_ENOSYS,		/* as where it is not built in */
	FORBID_URING_EPERM,
	FORBID_REGISTER,		/* rings, but nothing can be asked of them */
};

#define forbid_jump(nr, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, yes, no)

/* For good, for this process and what it starts. */
static inline int forbid(enum forbid what)
{
	__u32 error = what == FORBID_URING_ENOSYS ? ENOSYS : EPERM;
	bool all = what != FORBID_REGISTER;
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		forbid_jump(all ? SYS_io_uring_setup : SYS_io_uring_register, 2, 0),
		forbid_jump(all ? SYS_io_uring_enter : SYS_io_uring_register, 1, 0),
		forbid_jump(SYS_io_uring_register, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {
		.len = sizeof(filter) / sizeof(filter[0]), .filter = filter,
	};

	if (what == FORBID_NOTHING)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return -errno;
	return 0;
}

#endif
