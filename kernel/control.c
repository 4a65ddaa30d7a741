// SPDX-License-Identifier: GPL-2.0
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "doors.h"
#include "queue.h"

#define WEIR_NAME_MAX 249

static int weir_control_check_name(const char *name)
{
	size_t len = strnlen(name, WEIR_NAME_SIZE);
	size_t i;

	if (!len || len == WEIR_NAME_SIZE)
		return -EINVAL;
	if (len > WEIR_NAME_MAX)
		return -ENAMETOOLONG;
	for (i = 0; i < len; i++) {
		if (!isascii(name[i]) || (!isalnum(name[i]) && name[i] != '_' &&
					  (!i || (name[i] != '.' && name[i] != '-'))))
			return -EINVAL;
	}
	return 0;
}

static int weir_control_check_create(const struct weir_create *create)
{
	int ret;

	if (create->type != WEIR_TYPE_QUEUE || create->reserved ||
	    create->flags & ~(WEIR_CREATE_PRIVATE | WEIR_CREATE_ANONYMOUS) ||
	    create->mode & ~0777)
		return -EINVAL;
	ret = weir_policy_check(&create->policy);
	if (ret)
		return ret;
	if (create->flags & WEIR_CREATE_ANONYMOUS)
		return create->name[0] || create->mode ? -EINVAL : 0;
	return weir_control_check_name(create->name);
}

/* The dead letter queue that @policy names, counted, or NULL; or ERR_PTR(). */
static struct weir_queue *weir_control_heir(const struct weir_policy *policy)
{
	if (!(policy->flags & WEIR_POLICY_DEAD_LETTER))
		return NULL;
	return weir_chardev_target(policy->dead_letter, FMODE_WRITE);
}

static long weir_control_create(struct file *file, struct weir_command command)
{
	struct weir_instance *instance = file->private_data;
	struct weir_queue *queue, *heir;
	struct weir_create create;
	int ret;

	ret = weir_command_get(command, &create, sizeof(create));
	if (ret)
		return ret;
	ret = weir_control_check_create(&create);
	if (ret)
		return ret;
	heir = weir_control_heir(&create.policy);
	if (IS_ERR(heir))
		return PTR_ERR(heir);
	queue = weir_queue_new(instance, &create, heir, file->f_cred);
	weir_queue_put(heir);
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	if (create.flags & WEIR_CREATE_ANONYMOUS)
		return weir_chardev_install(queue);
	return weir_queue_publish(queue, &weir_queue_doors);
}

/* The object that a command is to change; under instance->lock. */
static struct weir_queue *weir_control_managed(struct file *file, const char *name)
{
	struct weir_object *object;
	int ret;

	ret = weir_control_check_name(name);
	if (ret)
		return ERR_PTR(ret);
	object = weir_object_find(file->private_data, name);
	if (!object)
		return ERR_PTR(-ENOENT);
	if (!weir_object_may_manage(object, file))
		return ERR_PTR(-EPERM);
	return weir_queue_of(object);
}

static long weir_control_destroy(struct file *file, struct weir_command command)
{
	struct weir_instance *instance = file->private_data;
	struct weir_queue *queue, *heir;
	struct weir_destroy destroy;
	int ret;

	ret = weir_command_get(command, &destroy, sizeof(destroy));
	if (ret)
		return ret;
	if (destroy.flags & ~WEIR_DESTROY_FORCE || destroy.reserved)
		return -EINVAL;
	mutex_lock(&instance->lock);
	queue = weir_control_managed(file, destroy.name);
	ret = PTR_ERR_OR_ZERO(queue);
	if (!ret)
		ret = weir_queue_destroy(queue, destroy.flags & WEIR_DESTROY_FORCE, &heir);
	mutex_unlock(&instance->lock);
	if (ret)
		return ret;
	weir_queue_leave_heir(queue, heir);
	weir_queue_put(queue);
	return 0;
}

/* The queue, counted, is altered; or ERR_PTR(). */
static struct weir_queue *weir_control_alter_named(struct file *file,
						   const struct weir_alter *alter,
						   struct weir_queue *heir,
						   struct weir_queue **old)
{
	struct weir_instance *instance = file->private_data;
	struct weir_queue *queue;
	int ret;

	guard(mutex)(&instance->lock);
	queue = weir_control_managed(file, alter->name);
	if (IS_ERR(queue))
		return queue;
	ret = weir_queue_alter(queue, &alter->policy, heir, old);
	if (ret)
		return ERR_PTR(ret);
	weir_object_get(&queue->object);
	return queue;
}

static long weir_control_alter(struct file *file, struct weir_command command)
{
	struct weir_queue *queue, *heir, *old;
	struct weir_alter alter;
	int ret;

	ret = weir_command_get(command, &alter, sizeof(alter));
	if (ret)
		return ret;
	if (alter.flags || alter.reserved)
		return -EINVAL;
	ret = weir_policy_check(&alter.policy);
	if (ret)
		return ret;
	heir = weir_control_heir(&alter.policy);
	if (IS_ERR(heir))
		return PTR_ERR(heir);
	queue = weir_control_alter_named(file, &alter, heir, &old);
	weir_queue_put(heir);
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	weir_queue_altered(queue, old);
	weir_queue_put(queue);
	return 0;
}

static long weir_control_purge(struct file *file, struct weir_command command)
{
	struct weir_instance *instance = file->private_data;
	struct weir_queue *queue;
	struct weir_purge purge;
	int ret;

	ret = weir_command_get(command, &purge, sizeof(purge));
	if (ret)
		return ret;
	if (purge.flags || purge.reserved)
		return -EINVAL;

	mutex_lock(&instance->lock);
	queue = weir_control_managed(file, purge.name);
	if (!IS_ERR(queue))
		weir_object_get(&queue->object);
	mutex_unlock(&instance->lock);
	if (IS_ERR(queue))
		return PTR_ERR(queue);

	purge.purged = weir_queue_purge(queue);
	weir_object_put(&queue->object);
	return weir_command_put(command, &purge, sizeof(purge));
}

static int weir_control_find_info(struct weir_instance *instance, struct weir_info *info)
{
	struct weir_object *object;

	mutex_lock(&instance->lock);
	if (info->flags & WEIR_INFO_NEXT)
		object = weir_object_next(instance, info->name);
	else
		object = weir_object_find(instance, info->name);
	if (object)
		weir_object_get(object);
	mutex_unlock(&instance->lock);
	if (!object)
		return -ENOENT;

	weir_queue_settle_deaths(weir_queue_of(object));
	weir_queue_info(weir_queue_of(object), info);
	weir_object_put(object);
	return 0;
}

static long weir_control_info(struct file *file, struct weir_command command)
{
	struct weir_info info;
	int ret;

	ret = weir_command_get(command, &info, sizeof(info));
	if (ret)
		return ret;
	if (info.flags & ~WEIR_INFO_NEXT)
		return -EINVAL;
	if (!(info.flags & WEIR_INFO_NEXT && !info.name[0])) {
		ret = weir_control_check_name(info.name);
		if (ret)
			return ret;
	}
	ret = weir_control_find_info(file->private_data, &info);
	return ret ?: weir_command_put(command, &info, sizeof(info));
}

static long weir_control_ioctl(struct file *file, unsigned int nr, unsigned long arg)
{
	const struct weir_command command = weir_command_of_ioctl(file, nr, arg);

	if (!weir_command_known(command))
		return -ENOTTY;
	switch (_IOC_NR(nr)) {
	case _IOC_NR(WEIR_IOC_VERSION):
		return weir_command_version(command);
	case _IOC_NR(WEIR_IOC_CREATE):
		return weir_control_create(file, command);
	case _IOC_NR(WEIR_IOC_DESTROY):
		return weir_control_destroy(file, command);
	case _IOC_NR(WEIR_IOC_PURGE):
		return weir_control_purge(file, command);
	case _IOC_NR(WEIR_IOC_ALTER):
		return weir_control_alter(file, command);
	case _IOC_NR(WEIR_IOC_INFO):
		return weir_control_info(file, command);
	default:
		return -ENOTTY;
	}
}

static int weir_control_open(struct inode *inode, struct file *file)
{
	file->private_data = &weir_instance;
	return nonseekable_open(inode, file);
}

static const struct file_operations weir_control_fops = {
	.owner = THIS_MODULE,
	.open = weir_control_open,
	.unlocked_ioctl = weir_control_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice weir_control = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "weir-control",
	.nodename = "weir/control",
	.mode = 0660,
	.fops = &weir_control_fops,
};

int weir_control_init(void)
{
	weir_instance.target = weir_chardev_target;
	return misc_register(&weir_control);
}

void weir_control_exit(void)
{
	misc_deregister(&weir_control);
}
