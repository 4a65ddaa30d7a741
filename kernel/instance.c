// SPDX-License-Identifier: GPL-2.0
#include <linux/device/class.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/kdev_t.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>

#include "instance.h"

#define WEIR_MINORS BIT(20)

struct weir_instance weir_instance = {
	.lock = __MUTEX_INITIALIZER(weir_instance.lock),
	.names = RB_ROOT,
};

const struct class weir_class = {
	.name = "weir",
};

static dev_t weir_devt;
static DEFINE_IDA(weir_minors);
static unsigned int weir_next_minor;	/* protected by weir_instance.lock */

int weir_instance_init(void)
{
	int ret;

	ret = alloc_chrdev_region(&weir_devt, 0, WEIR_MINORS, "weir");
	if (ret)
		return ret;
	ret = class_register(&weir_class);
	if (ret)
		goto err_devt;
	ret = -ENOMEM;
	weir_instance.workers = alloc_workqueue("weir", WQ_UNBOUND, 0);
	if (!weir_instance.workers)
		goto err_class;
	/* Where a user's memory is short his are held up, for seconds; others run beside. */
	weir_instance.burials = alloc_workqueue("weir_burials", WQ_UNBOUND, WQ_MAX_ACTIVE);
	if (weir_instance.burials)
		return 0;
	destroy_workqueue(weir_instance.workers);
err_class:
	class_unregister(&weir_class);
err_devt:
	unregister_chrdev_region(weir_devt, WEIR_MINORS);
	return ret;
}

/*
 * No file is open, or the module would be in use, and every name is gone, since
 * a name holds the module. What may be left is an object whose release() the
 * driver core puts off (CONFIG_DEBUG_KOBJECT_RELEASE), or of which there is still
 * something to tell.
 */
void weir_instance_exit(void)
{
	wait_var_event(&weir_instance.objects,
		       !atomic_read_acquire(&weir_instance.objects));
	/* Who put the last reference of one is still here. */
	destroy_workqueue(weir_instance.burials);
	destroy_workqueue(weir_instance.workers);
	class_unregister(&weir_class);
	unregister_chrdev_region(weir_devt, WEIR_MINORS);
	ida_destroy(&weir_minors);
}

/*
 * Numbers go round, so that a node which somebody has made or kept of an object
 * that is gone (mknod, a container's /dev) does not soon lead to another one.
 */
int weir_devt_get(dev_t *devt)
{
	int minor;

	lockdep_assert_held(&weir_instance.lock);
	minor = ida_alloc_range(&weir_minors, weir_next_minor, WEIR_MINORS - 1, GFP_KERNEL);
	if (minor == -ENOSPC)
		minor = ida_alloc_max(&weir_minors, WEIR_MINORS - 1, GFP_KERNEL);
	if (minor < 0)
		return minor;
	weir_next_minor = (minor + 1) % WEIR_MINORS;
	*devt = MKDEV(MAJOR(weir_devt), minor);
	return 0;
}

void weir_devt_put(dev_t devt)
{
	if (devt)
		ida_free(&weir_minors, MINOR(devt));
}
