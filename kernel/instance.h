/* SPDX-License-Identifier: GPL-2.0 */
/*
 * instance - a name space of objects
 *
 * Everything hangs off an instance; today there is one.
 *
 * The order of locks, outer ones first; what is indented is taken inside:
 *
 *   instance->lock                  names: create, destroy, find
 *     (driver core, devtmpfs)
 *     queue->lock                   a queue's index, pool, lists and figures; of several
 *                                   queues in the order of their addresses
 *       address->lock               queue_address.c; takes none
 *   users_lock                      users of account.c; taken alone
 *   mmap_lock                       a page fault; takes none of ours
 *   pid->wait_pidfd.lock            death.c; only queues work inside
 *   locks of queue->readers and queue->writers
 *                                   wait queues; only wake inside, and are not
 *                                   taken under queue->lock
 *     parking->lock                 commands that wait; a timer's interrupt takes it
 *
 * No memory is allocated, nothing is copied from or to user space, and nobody
 * is woken under a queue's lock.
 */
#ifndef _WEIR_INSTANCE_H
#define _WEIR_INSTANCE_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/types.h>

struct attribute_group;
struct class;
struct weir_queue;
struct workqueue_struct;

/* What the doors give to the objects of one kind. */
struct weir_doors {
	const struct file_operations *fops;
	const struct attribute_group **groups;
};

struct weir_instance {
	struct mutex lock;
	struct rb_root names;		/* protected by lock; struct weir_object */
	atomic_t objects;		/* that exist, withdrawn ones too */
	struct workqueue_struct *workers; /* invariant; for work that keeps an object */
	struct workqueue_struct *burials; /* invariant; these wait for their creators' memory */
	/* Invariant; the doors' weir_chardev_target(): for descriptors that messages name. */
	struct weir_queue *(*target)(int fd, fmode_t mode);
};

extern struct weir_instance weir_instance;

extern const struct class weir_class;

/* A device number for an object, got under lock, until it is put. 0 is none. */
int weir_devt_get(dev_t *devt);
void weir_devt_put(dev_t devt);

/* weir_instance_init() - the device numbers, class and workers of all objects */
int weir_instance_init(void);
/* weir_instance_exit() - waits until the last withdrawn object is freed */
void weir_instance_exit(void);

#endif
