// SPDX-License-Identifier: GPL-2.0
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/user_namespace.h>
#include <linux/wait_bit.h>

#include "object.h"

int weir_object_init(struct weir_object *object, struct weir_instance *instance,
		     const struct device_type *type, const struct weir_create *create,
		     const struct cred *cred)
{
	int ret;

	atomic_inc(&instance->objects);
	object->instance = instance;
	object->type = create->type;
	object->flags = create->flags;
	object->mode = create->mode ?: 0660;
	object->uid = cred->euid;
	object->gid = cred->egid;
	RB_CLEAR_NODE(&object->node);

	object->dev.type = type;
	object->dev.class = &weir_class;
	device_initialize(&object->dev);

	ret = weir_account_init(&object->account, object->uid);
	if (ret)
		return ret;
	return dev_set_name(&object->dev, "%s", create->name);
}

void weir_object_exit(struct weir_object *object)
{
	struct weir_instance *instance = object->instance;

	weir_devt_put(object->dev.devt);
	weir_account_destroy(&object->account);
	if (atomic_dec_return_release(&instance->objects) == 0)
		wake_up_var(&instance->objects);
}

static bool weir_object_before(struct rb_node *a, const struct rb_node *b)
{
	return strcmp(weir_object_name(rb_entry(a, struct weir_object, node)),
		      weir_object_name(rb_entry(b, struct weir_object, node))) < 0;
}

static int weir_object_compare(const void *name, const struct rb_node *node)
{
	return strcmp(name, weir_object_name(rb_entry(node, struct weir_object, node)));
}

struct weir_object *weir_object_find(struct weir_instance *instance, const char *name)
{
	lockdep_assert_held(&instance->lock);
	return rb_entry_safe(rb_find(name, &instance->names, weir_object_compare),
			     struct weir_object, node);
}

struct weir_object *weir_object_next(struct weir_instance *instance, const char *name)
{
	struct rb_node *node = instance->names.rb_node;
	struct weir_object *next = NULL;

	lockdep_assert_held(&instance->lock);
	while (node) {
		if (weir_object_compare(name, node) < 0) {
			next = rb_entry(node, struct weir_object, node);
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return next;
}

int weir_object_publish(struct weir_object *object, const struct weir_doors *doors)
{
	struct weir_instance *instance = object->instance;
	int ret;

	if (weir_object_find(instance, weir_object_name(object)))
		return -EEXIST;
	ret = weir_devt_get(&object->dev.devt);
	if (ret)
		return ret;

	object->dev.groups = doors->groups;
	cdev_init(&object->cdev, doors->fops);
	object->cdev.owner = THIS_MODULE;
	ret = cdev_device_add(&object->cdev, &object->dev);
	if (ret)
		return ret;

	rb_add(&object->node, &instance->names, weir_object_before);
	/* The caller came through a file of ours, so the module is held. */
	__module_get(THIS_MODULE);
	return 0;
}

void weir_object_withdraw(struct weir_object *object)
{
	struct weir_instance *instance = object->instance;

	lockdep_assert_held(&instance->lock);
	rb_erase(&object->node, &instance->names);
	cdev_device_del(&object->cdev, &object->dev);
	module_put(THIS_MODULE);
}

bool weir_object_may_manage(const struct weir_object *object, const struct file *file)
{
	return uid_eq(file->f_cred->euid, object->uid) ||
	       file_ns_capable(file, &init_user_ns, CAP_SYS_ADMIN);
}
