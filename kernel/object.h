/* SPDX-License-Identifier: GPL-2.0 */
/*
 * object - what every kind of object has: a name, a node, an owner, an account
 *
 *   weir_object_init()      PRIVATE   nobody knows it, it pays for its memory
 *   weir_object_publish()   PUBLIC    found by name, can be opened
 *   weir_object_withdraw()  GONE      no new name, node or opener finds it
 *   last reference          freed by its kind's release()
 *
 * An anonymous object is not published: it has one open file, from the beginning, and
 * ends with that.
 *
 * References: one for the name, one for each open file, and those of who has work to do
 * with it, which does not take long. Nothing else keeps an object: a mapping and an
 * io_uring command hold the file, sysfs readers end before weir_object_withdraw()
 * returns.
 *
 * Withdrawn, an object lives on until the last file is closed, but all that it
 * answers is ESHUTDOWN; that is up to its kind.
 */
#ifndef _WEIR_OBJECT_H
#define _WEIR_OBJECT_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/rbtree.h>
#include <uapi/linux/weir.h>

#include "account.h"
#include "instance.h"

struct weir_object {
	struct device dev;
	struct cdev cdev;
	struct rb_node node;		/* protected by instance->lock */
	struct weir_instance *instance;	/* invariant */
	u32 type;			/* invariant; enum weir_type */
	u32 flags;			/* invariant; WEIR_CREATE_* */
	umode_t mode;			/* invariant; that it was made with */
	kuid_t uid;			/* invariant */
	kgid_t gid;			/* invariant */
	struct weir_account account;
};

static inline const char *weir_object_name(const struct weir_object *object)
{
	return dev_name(&object->dev);
}

/* It has no name (""), no node and nothing in sysfs. */
static inline bool weir_object_anonymous(const struct weir_object *object)
{
	return object->flags & WEIR_CREATE_ANONYMOUS;
}

/*
 * weir_object_init() - @object is zeroed and, whatever this returns, ends by
 * weir_object_put(), which calls the release() of @type.
 */
int weir_object_init(struct weir_object *object, struct weir_instance *instance,
		     const struct device_type *type, const struct weir_create *create,
		     const struct cred *cred);
/* weir_object_publish() - under instance->lock: 0, or -EEXIST and others */
int weir_object_publish(struct weir_object *object, const struct weir_doors *doors);
/* weir_object_withdraw() - under instance->lock; keeps the name's reference */
void weir_object_withdraw(struct weir_object *object);
/* weir_object_exit() - last thing in release(), before the memory is freed */
void weir_object_exit(struct weir_object *object);

static inline void weir_object_get(struct weir_object *object)
{
	get_device(&object->dev);
}

static inline void weir_object_put(struct weir_object *object)
{
	put_device(&object->dev);
}

/* Under instance->lock: the object of that name, or the next one; or NULL. */
struct weir_object *weir_object_find(struct weir_instance *instance, const char *name);
struct weir_object *weir_object_next(struct weir_instance *instance, const char *name);

/* Whether a file opened with @cred may alter, purge or destroy. */
bool weir_object_may_manage(const struct weir_object *object, const struct file *file);

#endif
