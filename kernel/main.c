// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>

#include "death.h"
#include "doors.h"
#include "instance.h"

static int __init weir_init(void)
{
	int ret;

	ret = weir_death_init();
	if (ret)
		return ret;
	ret = weir_instance_init();
	if (ret)
		goto err_death;
	ret = weir_control_init();
	if (ret)
		goto err_instance;
	return 0;

err_instance:
	weir_instance_exit();
err_death:
	weir_death_exit();
	return ret;
}

static void __exit weir_exit(void)
{
	weir_control_exit();
	weir_instance_exit();
	weir_death_exit();
}

module_init(weir_init);
module_exit(weir_exit);

MODULE_DESCRIPTION("Message queues as character devices");
MODULE_LICENSE("GPL");
