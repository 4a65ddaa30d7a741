// SPDX-License-Identifier: GPL-2.0
/* WEIR_IOC_TXN: takes it apart, and gets hold of what it names. */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "doors.h"
#include "queue_txn.h"

static_assert(WEIR_TXN_QUEUES == WEIR_TXN_LOCKS);

/* What is held for a part of a transaction. */
struct weir_part_held {
	struct file *file;		/* counted */
	struct weir_run __user *runs;	/* where its runs came from */
};

struct weir_txn_call {
	struct weir_txn args;
	struct weir_part __user *parts;
	struct weir_deeds all;
	struct weir_part_held *held;	/* one a deed */
	u64 sends, settles;		/* messages */
};

static int weir_part_check(const struct weir_part *part)
{
	if (!part->count || part->count > WEIR_BATCH_MAX || part->op > WEIR_PART_SETTLE)
		return -EINVAL;
	if (part->op == WEIR_PART_SETTLE)
		return part->reason_len > WEIR_REASON_MAX ? -EINVAL : 0;
	return part->reason_len || part->reason ? -EINVAL : 0;
}

static int weir_part_open(const struct weir_part *part, struct weir_deed *deed,
			  struct weir_part_held *held)
{
	const fmode_t mode = part->op == WEIR_PART_SEND ? FMODE_WRITE : FMODE_READ;
	struct file *file = weir_chardev_file(part->fd);

	if (IS_ERR(file))
		return PTR_ERR(file);
	held->file = file;
	deed->file = file->private_data;
	deed->queue = deed->file->queue;
	deed->cred = file->f_cred;
	return file->f_mode & mode ? 0 : -EACCES;
}

/* Gets what @part settles. */
static int weir_part_get_runs(struct weir_txn_call *call, const struct weir_part *part,
			      struct weir_deed *deed, struct weir_part_held *held)
{
	u32 i;

	deed->reason = weir_reason_new(u64_to_user_ptr(part->reason), part->reason_len);
	if (IS_ERR(deed->reason)) {
		int ret = PTR_ERR(deed->reason);

		deed->reason = NULL;
		return ret;
	}
	held->runs = u64_to_user_ptr(part->items);
	deed->runs = kvmalloc_array(part->count, sizeof(*deed->runs), GFP_KERNEL_ACCOUNT);
	if (!deed->runs)
		return -ENOMEM;
	if (copy_from_user(deed->runs, held->runs, part->count * sizeof(*deed->runs)))
		return -EFAULT;
	for (i = 0; i < part->count; i++) {
		deed->runs[i].status = 0;
		call->settles += deed->runs[i].count;
	}
	return call->settles > WEIR_BATCH_MAX ? -EINVAL : 0;
}

static int weir_part_get(struct weir_txn_call *call, u32 nr)
{
	struct weir_part_held *held = &call->held[nr];
	struct weir_deed *deed = &call->all.deeds[nr];
	struct weir_part part;
	int ret;

	if (weir_get_structs(&part, &call->parts[nr], 1))
		return -EFAULT;
	ret = weir_part_check(&part) ?: weir_part_open(&part, deed, held);
	if (ret)
		return ret;
	deed->count = part.count;
	if (part.op == WEIR_PART_SETTLE)
		return weir_part_get_runs(call, &part, deed, held);
	deed->messages = u64_to_user_ptr(part.items);
	call->sends += part.count;
	return call->sends > WEIR_BATCH_MAX ? -EINVAL : 0;
}

static int weir_txn_get(struct weir_txn_call *call)
{
	u32 i;
	int ret;

	for (i = 0; i < call->args.count; i++) {
		call->all.failed = i;
		ret = weir_part_get(call, i);
		if (ret)
			return ret;
	}
	return 0;
}

static void weir_txn_put(struct weir_txn_call *call)
{
	u32 i;

	for (i = 0; i < call->all.count; i++) {
		weir_reason_put(call->all.deeds[i].reason);
		kvfree(call->all.deeds[i].runs);
		if (call->held[i].file)
			fput(call->held[i].file);
	}
	kfree(call->all.deeds);
	kfree(call->held);
}

/* Memory for as many deeds as there are parts. */
static int weir_txn_alloc(struct weir_txn_call *call)
{
	const u32 count = call->args.count;

	call->all.deeds = kcalloc(count, sizeof(*call->all.deeds), GFP_KERNEL_ACCOUNT);
	call->held = kcalloc(count, sizeof(*call->held), GFP_KERNEL_ACCOUNT);
	if (!call->all.deeds || !call->held)
		return -ENOMEM;
	call->all.count = count;
	return 0;
}

/* Statuses, where they are not as they were; it is too late for an error. */
static void weir_part_tell(struct weir_txn_call *call, u32 nr, bool done)
{
	const struct weir_deed *deed = &call->all.deeds[nr];
	u32 i;

	if (!deed->runs) {
		if (done)
			weir_put_words(&call->parts[nr].first_offset, &deed->first_offset, 1);
		return;
	}
	for (i = 0; i < deed->count; i++) {
		const s32 status = deed->runs[i].status;

		if ((done || status) && put_user(status, &call->held[nr].runs[i].status))
			return;
	}
}

static long weir_txn_do(struct weir_txn_call *call, struct weir_patience *patience)
{
	struct weir_deeds *all = &call->all;
	u32 i;
	int ret;

	ret = weir_txn_get(call);
	if (ret)
		return ret;
	ret = weir_queue_txn(all, patience);
	if (ret) {
		weir_part_tell(call, all->failed, false);
		return ret;
	}
	for (i = 0; i < all->count; i++)
		weir_part_tell(call, i, true);
	return 0;
}

long weir_command_txn(struct weir_command command)
{
	struct weir_txn __user *user = command.arg;
	struct weir_txn_call call = {};
	struct weir_patience patience;
	long ret;

	ret = weir_command_get(command, &call.args, sizeof(call.args));
	if (ret)
		return ret;
	if (call.args.flags || call.args.reserved || !call.args.count ||
	    call.args.count > WEIR_TXN_PARTS)
		return -EINVAL;
	call.parts = u64_to_user_ptr(call.args.parts);
	weir_patience_init(&patience, command.nonblock, command.elsewhere,
			   call.args.timeout_ns);
	ret = weir_txn_alloc(&call);
	if (!ret)
		ret = weir_txn_do(&call, &patience);
	weir_txn_put(&call);
	if (ret && put_user(call.all.failed, &user->failed))
		return -EFAULT;
	return weir_interrupted(ret, &patience);
}
