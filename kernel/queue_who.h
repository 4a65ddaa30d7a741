/* SPDX-License-Identifier: GPL-2.0 */
/*
 * queue_who - what is told of a consumer after it, as long as anybody tells it: who it was,
 * and why it gave messages up
 *
 * Both are counted, and are never changed once others know of them.
 */
#ifndef _WEIR_QUEUE_WHO_H
#define _WEIR_QUEUE_WHO_H

#include <linux/refcount.h>
#include <linux/slab.h>
#include <uapi/linux/weir.h>

/* queue_name.c */

/* Who a consumer is; shared by what tells of it. */
struct weir_who {
	refcount_t refs;
	u32 uid;			/* effective, when it began to receive; and the process: */
	u32 pid;			/* as the initial namespaces number them */
	char name[WEIR_CONSUMER_NAME_SIZE]; /* "": it has none */
};

/* weir_who_new() - current, without a name, counted; or NULL; may sleep */
struct weir_who *weir_who_new(void);

static inline struct weir_who *weir_who_get(struct weir_who *who)
{
	refcount_inc(&who->refs);
	return who;
}

static inline void weir_who_put(struct weir_who *who)
{
	if (who && refcount_dec_and_test(&who->refs))
		kfree(who);
}

/* queue_dead.c */

/* What a consumer says of messages that it gives up; shared by them. */
struct weir_reason {
	refcount_t refs;
	u32 len;
	char text[] __counted_by(len);
};

/* weir_reason_new() - text of user space, counted; NULL for none, or ERR_PTR(); may sleep */
struct weir_reason *weir_reason_new(const char __user *text, u32 len);

static inline struct weir_reason *weir_reason_get(struct weir_reason *reason)
{
	if (reason)
		refcount_inc(&reason->refs);
	return reason;
}

static inline void weir_reason_put(struct weir_reason *reason)
{
	if (reason && refcount_dec_and_test(&reason->refs))
		kfree(reason);
}

#endif
