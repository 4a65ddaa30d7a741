// SPDX-License-Identifier: GPL-2.0
/* Who a consumer is: what is told of it, also when it has ended. */
#include <linux/cred.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "queue_steps.h"

struct weir_who *weir_who_new(void)
{
	struct weir_who *who = kzalloc(sizeof(*who), GFP_KERNEL_ACCOUNT);

	if (!who)
		return NULL;
	refcount_set(&who->refs, 1);
	who->uid = __kuid_val(current_euid());
	who->pid = task_tgid_nr(current);
	return who;
}

/* *@who is who the consumer is from now on, and then who it was; false: there is none. */
static bool weir_consumer_name(struct weir_queue_file *file, struct weir_who **who)
{
	struct weir_consumer *consumer;

	guard(spinlock)(&file->queue->lock);
	consumer = weir_queue_find_consumer(file);
	if (!consumer)
		return false;
	/* What it may do since does not change who it was to begin with. */
	(*who)->uid = consumer->who->uid;
	swap(*who, consumer->who);
	return true;
}

int weir_queue_name(struct weir_queue_file *file, const char *name)
{
	struct weir_who *who = weir_who_new();
	int ret = 0;

	if (!who)
		return -ENOMEM;
	strscpy(who->name, name);
	while (!ret && !weir_consumer_name(file, &who))
		ret = weir_queue_add_consumer(file);
	weir_who_put(who);
	return ret;
}
