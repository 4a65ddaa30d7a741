/* SPDX-License-Identifier: GPL-2.0 */
/*
 * doors - how user space reaches the objects
 *
 *   chardev.c   files: open, read, write, poll, ioctl
 *   command.c   the commands of a queue's file, whichever way they come
 *   command_txn.c   one of them, which is about several queues
 *   uring.c     the same commands through io_uring
 *   mmap.c      the index and the pool as receivers see them
 *   control.c   /dev/weir/control
 *   sysfs.c     /sys/class/weir
 *
 * Doors take arguments apart, once, and call the objects; what a command means
 * is decided there and not here.
 */
#ifndef _WEIR_DOORS_H
#define _WEIR_DOORS_H

#include <linux/bits.h>
#include <linux/compiler_types.h>
#include <linux/fs.h>
#include <linux/ioctl.h>
#include <linux/types.h>

#include "instance.h"
#include "queue.h"
#include "words.h"

struct io_uring_cmd;
struct vm_area_struct;

/* Where mmap() finds the areas; far apart, so that none can grow into the next. */
#define WEIR_INDEX_OFFSET	0
#define WEIR_POOL_OFFSET	BIT_ULL(40)

/* A command as it came: nothing at @arg was read yet. Fits two registers. */
struct weir_command {
	void __user *arg;
	unsigned int nr;		/* a WEIR_IOC_*, with the size of the caller's structure */
	bool nonblock;
	bool elsewhere;			/* it may wait, but not in this context */
};

/* Whether the number is one of ours, of any size. */
static inline bool weir_command_known(struct weir_command command)
{
	return _IOC_TYPE(command.nr) == WEIR_IOC_TYPE &&
	       _IOC_DIR(command.nr) == (_IOC_READ | _IOC_WRITE);
}

static inline struct weir_command weir_command_of_ioctl(const struct file *file,
							unsigned int nr, unsigned long arg)
{
	return (struct weir_command){
		.arg = (void __user *)arg,
		.nr = nr,
		.nonblock = file->f_flags & O_NONBLOCK,
	};
}

/*
 * weir_command_get() - reads a structure of @size, all of which must be there;
 * -E2BIG if there is more, and not all of it is zero
 */
static __always_inline int weir_command_get(struct weir_command command, void *args,
					    size_t size)
{
	if (likely(_IOC_SIZE(command.nr) == size))
		return weir_get_words(args, command.arg, size / sizeof(u64));
	if (_IOC_SIZE(command.nr) < size)
		return -EINVAL;
	return copy_struct_from_user(args, size, command.arg, _IOC_SIZE(command.nr));
}

/* weir_command_put() - writes it back */
static inline int weir_command_put(struct weir_command command, const void *args,
				   size_t size)
{
	return copy_to_user(command.arg, args, size) ? -EFAULT : 0;
}

/* weir_command_version() - WEIR_IOC_VERSION, of every file */
long weir_command_version(struct weir_command command);
/* weir_command_queue() - a command on a queue's file; may sleep */
long weir_command_queue(struct file *file, struct weir_command command);
/* weir_command_ioctl() - the same, as an ioctl of it */
long weir_command_ioctl(struct file *file, unsigned int nr, unsigned long arg);

/* weir_command_txn() - WEIR_IOC_TXN, on any queue's file; may sleep */
long weir_command_txn(struct weir_command command);

/*
 * A call with a time to wait is not begun anew behind the back of a handler, for it
 * would wait as long again; but where no handler ran, nobody was interrupted.
 */
static inline long weir_interrupted(long ret, const struct weir_patience *patience)
{
	return ret == -ERESTARTSYS && patience->timeout_ns > 0 ? -ERESTARTNOHAND : ret;
}

/* A FETCH that may go on in another context than it began in. */
struct weir_fetch_call {
	struct file *file;
	struct weir_fetch __user *user;
	struct weir_fetch fetch;
	struct weir_patience patience;
};

/* weir_fetch_begin() - reads and checks the arguments; may sleep */
int weir_fetch_begin(struct weir_fetch_call *call, struct file *file,
		     struct weir_command command);
/*
 * weir_fetch_take() - settles, the first time, takes, waiting as @patience says, and
 * writes back: messages, or -errno; may sleep
 */
long weir_fetch_take(struct weir_fetch_call *call, struct weir_patience *patience);

/* weir_uring_cmd() - a command that came through an io_uring */
int weir_uring_cmd(struct io_uring_cmd *ioucmd, unsigned int issue_flags);

/* weir_uring_cancel() - ends parked FETCHes, @addr's or all: how many */
long weir_uring_cancel(struct weir_queue_file *qfile, u64 addr);

/* weir_mmap() - maps the index or the pool of a queue's file */
int weir_mmap(struct file *file, struct vm_area_struct *vma);

/*
 * weir_chardev_install() - opens @queue, which nobody knows, for current: a descriptor,
 * the file of which is the only one; or -errno, and @queue is gone; may sleep
 */
int weir_chardev_install(struct weir_queue *queue);
/* weir_chardev_file() - the file of a queue behind a descriptor, counted; or ERR_PTR() */
struct file *weir_chardev_file(int fd);
/*
 * weir_chardev_target() - the queue behind a descriptor that is open for all of @mode
 * (FMODE_*), counted; or ERR_PTR()
 */
struct weir_queue *weir_chardev_target(int fd, fmode_t mode);

extern const struct weir_doors weir_queue_doors;
extern const struct attribute_group *weir_queue_groups[];

int weir_control_init(void);
void weir_control_exit(void);

#endif
