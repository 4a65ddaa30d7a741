// SPDX-License-Identifier: GPL-2.0
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "doors.h"
#include "queue.h"

long weir_command_version(struct weir_command command)
{
	struct weir_version version;
	int ret;

	ret = weir_command_get(command, &version, sizeof(version));
	if (ret)
		return ret;
	if (version.reserved)
		return -EINVAL;
	version.abi = WEIR_ABI_VERSION;
	version.features = IS_ENABLED(CONFIG_IO_URING) ? WEIR_FEATURE_URING : 0;
	return weir_command_put(command, &version, sizeof(version));
}

static long weir_command_info(struct weir_queue *queue, struct weir_command command)
{
	struct weir_info info;
	int ret;

	ret = weir_command_get(command, &info, sizeof(info));
	if (ret)
		return ret;
	if (info.flags)
		return -EINVAL;
	weir_queue_settle_deaths(queue);
	weir_queue_info(queue, &info);
	return weir_command_put(command, &info, sizeof(info));
}

static long weir_command_send(struct file *file, struct weir_command command)
{
	struct weir_queue_file *qfile = file->private_data;
	struct weir_send __user *user = command.arg;
	struct weir_patience patience __uninitialized;
	struct weir_send send __uninitialized;
	struct weir_sent sent __uninitialized;
	int ret;

	ret = weir_command_get(command, &send, sizeof(send));
	if (ret)
		return ret;
	if (!(file->f_mode & FMODE_WRITE))
		return -EACCES;
	if (send.flags || !send.count || send.reserved)
		return -EINVAL;

	weir_patience_init(&patience, command.nonblock, command.elsewhere, send.timeout_ns);
	sent.duplicates = 0;
	ret = weir_queue_send(qfile->queue, u64_to_user_ptr(send.messages),
			      min(send.count, WEIR_BATCH_MAX), file->f_cred, &patience,
			      &sent);
	if (unlikely(ret < 0))
		return weir_interrupted(ret, &patience);
	/* What was sent was sent, even if its offset cannot be told. */
	weir_put_words(&user->first_offset, (const u64 *)&sent, sizeof(sent) / sizeof(u64));
	return ret;
}

static long weir_command_producer(struct file *file, struct weir_command command)
{
	struct weir_queue_file *qfile = file->private_data;
	struct weir_producer producer;
	size_t len;
	int ret;

	ret = weir_command_get(command, &producer, sizeof(producer));
	if (ret)
		return ret;
	if (!(file->f_mode & FMODE_WRITE))
		return -EACCES;
	len = strnlen(producer.name, sizeof(producer.name));
	if (producer.flags || !len || len == sizeof(producer.name))
		return -EINVAL;
	ret = weir_queue_producer(qfile->queue, file->f_cred, &producer);
	return ret ?: weir_command_put(command, &producer, sizeof(producer));
}

/* Runs are settled a few at a time: nothing is allocated for them. */
#define WEIR_FEW_RUNS 8

/* Settles @count runs at @runs: how many messages, or -EFAULT. */
static long weir_settle_runs(struct weir_queue_file *qfile, struct weir_run __user *runs,
			     u32 count, struct weir_reason *reason)
{
	struct weir_run few[WEIR_FEW_RUNS] __uninitialized;
	long settled = 0;

	while (count) {
		u32 n = min(count, WEIR_FEW_RUNS), i;

		if (weir_get_structs(few, runs, n))
			return -EFAULT;
		for (i = 0; i < n; i++) {
			s32 before = few[i].status;

			settled += weir_queue_settle(qfile, &few[i], reason);
			/* Mostly it says 0 already. */
			if (few[i].status != before &&
			    put_user(few[i].status, &runs[i].status))
				return -EFAULT;
		}
		runs += n;
		count -= n;
	}
	return settled;
}

static long weir_command_settle(struct file *file, struct weir_command command)
{
	struct weir_reason *reason;
	struct weir_settle settle;
	long settled;
	int ret;

	ret = weir_command_get(command, &settle, sizeof(settle));
	if (ret)
		return ret;
	if (!(file->f_mode & FMODE_READ))
		return -EACCES;
	if (settle.flags || settle.reserved || !settle.count ||
	    settle.count > WEIR_BATCH_MAX || settle.reason_len > WEIR_REASON_MAX)
		return -EINVAL;
	reason = weir_reason_new(u64_to_user_ptr(settle.reason), settle.reason_len);
	if (IS_ERR(reason))
		return PTR_ERR(reason);
	settled = weir_settle_runs(file->private_data, u64_to_user_ptr(settle.runs),
				   settle.count, reason);
	weir_reason_put(reason);
	return settled;
}

static long weir_command_reply(struct file *file, struct weir_command command)
{
	struct weir_reply __user *user = command.arg;
	struct weir_reply reply;
	s32 before;
	int ret;

	ret = weir_command_get(command, &reply, sizeof(reply));
	if (ret)
		return ret;
	if (!(file->f_mode & FMODE_READ))
		return -EACCES;
	if (reply.flags || reply.reserved || reply.run.count != 1 ||
	    (reply.run.op != WEIR_ACK && reply.run.op != WEIR_EXTEND))
		return -EINVAL;
	before = reply.run.status;
	reply.run.status = 0;
	ret = weir_queue_reply(file->private_data, &reply.run, u64_to_user_ptr(reply.message),
			       file->f_cred);
	/* What was done was done, even if that cannot be told. */
	if (reply.run.status != before)
		put_user(reply.run.status, &user->run.status);
	return ret;
}

static __always_inline int weir_check_fetch(const struct file *file, const struct weir_fetch *fetch)
{
	const struct weir_queue_file *qfile = file->private_data;

	if (!(file->f_mode & FMODE_READ))
		return -EACCES;
	if (fetch->flags & ~WEIR_FETCH_SETTLED || !fetch->nr_runs || !fetch->max_messages ||
	    fetch->nr_settle > WEIR_BATCH_MAX)
		return -EINVAL;
	if (fetch->buffer)
		return fetch->buffer % 8 ? -EINVAL : 0;
	if (fetch->flags & WEIR_FETCH_SETTLED || fetch->buffer_len)
		return -EINVAL;
	return qfile->queue->object.flags & WEIR_CREATE_PRIVATE ? -EACCES : 0;
}

static __always_inline int weir_call_begin(struct weir_fetch_call *call, struct file *file,
					   struct weir_command command)
{
	struct weir_fetch *fetch = &call->fetch;
	int ret;

	call->file = file;
	call->user = command.arg;
	ret = weir_command_get(command, fetch, sizeof(*fetch));
	if (!ret)
		ret = weir_check_fetch(file, fetch);
	weir_patience_init(&call->patience, command.nonblock, false, fetch->timeout_ns);
	return ret;
}

/*
 * Settles all that is to be settled but the last run, which is read into @last and
 * settled when messages are taken: mostly it is the only one.
 */
static __always_inline long weir_call_settle(const struct weir_fetch_call *call,
					     struct weir_run *last)
{
	struct weir_run __user *runs = u64_to_user_ptr(call->fetch.settle);
	const u32 before = call->fetch.nr_settle - 1;
	long ret = 0;

	if (unlikely(before))
		ret = weir_settle_runs(call->file->private_data, runs, before, NULL);
	if (ret < 0)
		return ret;
	return weir_get_structs(last, runs + before, 1);
}

/*
 * Tells user space what was taken; the fields of struct weir_fetch that are out. That
 * all is settled is said again, if it was said before: it costs less than to ask.
 */
static __always_inline int weir_call_taken(const struct weir_fetch_call *call,
					   const struct weir_take *take)
{
	const size_t words = sizeof(*take->runs) / sizeof(u64);
	u64 __user *to = u64_to_user_ptr(call->fetch.runs);
	const u64 *from = (const u64 *)take->runs;
	struct weir_fetch __user *user = call->user;
	u32 left = take->nr_runs;
	size_t i;

	if (!access_ok(to, left * sizeof(*take->runs)) ||
	    !user_write_access_begin(user, sizeof(*user)))
		return -EFAULT;
	for (; left; left--, from += words, to += words) {
#pragma GCC unroll 8
		for (i = 0; i < words; i++)
			unsafe_put_user(from[i], &to[i], fault);
	}
	unsafe_put_user(take->nr_runs, &user->nr_runs, fault);
	unsafe_put_user(0, &user->nr_settle, fault);
	if (take->buffer)
		unsafe_put_user(take->filled, &user->buffer_len, fault);
	user_write_access_end();
	return 0;

fault:
	user_write_access_end();
	return -EFAULT;
}

/*
 * The first try, with which is settled what has to be. It says so before anything
 * else is done, lest it is done again when the call is restarted.
 */
static __always_inline int weir_call_try(struct weir_fetch_call *call, struct weir_take *take)
{
	struct weir_queue_file *qfile = call->file->private_data;
	struct weir_run __user *runs = u64_to_user_ptr(call->fetch.settle);
	const u32 nr = call->fetch.nr_settle;
	struct weir_run last __uninitialized;
	s32 status;
	int ret;

	if (!nr)
		return weir_queue_take(qfile, take, NULL);
	ret = weir_call_settle(call, &last);
	if (ret)
		return ret;
	call->fetch.nr_settle = 0;
	status = last.status;
	ret = weir_queue_take(qfile, take, &last);
	if (likely(!ret && last.status == status))
		return 0;
	if (!put_user(last.status, &runs[nr - 1].status) && !put_user(0, &call->user->nr_settle))
		return ret;
	if (!ret)
		weir_queue_take_end(qfile, take, true);
	return -EFAULT;
}

static __always_inline long weir_call_take(struct weir_fetch_call *call,
					   struct weir_patience *patience)
{
	const struct weir_fetch *fetch = &call->fetch;
	struct weir_queue_file *qfile = call->file->private_data;
	struct weir_take take __uninitialized;
	bool failed;
	int ret;

	take.max_messages = min(fetch->max_messages, WEIR_BATCH_MAX);
	take.max_runs = min_t(u32, fetch->nr_runs, WEIR_TAKE_RUNS);
	take.max_bytes = fetch->max_bytes ?: U64_MAX;
	take.buffer = u64_to_user_ptr(fetch->buffer);
	take.room = fetch->buffer_len;
	take.lease_ns = fetch->lease_ns;
	take.settle = fetch->flags & WEIR_FETCH_SETTLED;

	ret = weir_call_try(call, &take);
	if (unlikely(ret || patience->woken))
		ret = weir_queue_take_again(qfile, &take, ret, patience);
	if (!ret && take.buffer)
		ret = weir_queue_take_copy(qfile, &take);
	if (unlikely(ret)) {
		if (ret != -EMSGSIZE)
			return ret;
		take.nr_runs = 0;
	}

	failed = weir_call_taken(call, &take);
	if (!ret)
		weir_queue_take_end(qfile, &take, failed);
	if (failed)
		return -EFAULT;
	return ret ?: take.messages;
}

int weir_fetch_begin(struct weir_fetch_call *call, struct file *file,
		     struct weir_command command)
{
	return weir_call_begin(call, file, command);
}

long weir_fetch_take(struct weir_fetch_call *call, struct weir_patience *patience)
{
	return weir_call_take(call, patience);
}

static long weir_command_fetch(struct file *file, struct weir_command command)
{
	struct weir_fetch_call call __uninitialized;
	long ret;

	ret = weir_call_begin(&call, file, command);
	if (!ret)
		ret = weir_call_take(&call, &call.patience);
	return weir_interrupted(ret, &call.patience);
}

static long weir_command_layout(struct weir_queue *queue, struct weir_command command)
{
	struct weir_layout layout;
	int ret;

	ret = weir_command_get(command, &layout, sizeof(layout));
	if (ret)
		return ret;
	layout.index_offset = WEIR_INDEX_OFFSET;
	layout.index_length = weir_index_length(&queue->index);
	layout.pool_offset = WEIR_POOL_OFFSET;
	layout.pool_length = weir_pool_length(&queue->pool);
	return weir_command_put(command, &layout, sizeof(layout));
}

static long weir_command_cancel(struct weir_queue_file *qfile,
				struct weir_command command)
{
	struct weir_cancel cancel;
	int ret;

	ret = weir_command_get(command, &cancel, sizeof(cancel));
	if (ret)
		return ret;
	if (cancel.flags || cancel.reserved)
		return -EINVAL;
	return weir_uring_cancel(qfile, cancel.fetch);
}

static long weir_command_name(struct file *file, struct weir_command command)
{
	struct weir_name name;
	const char *at;
	int ret;

	ret = weir_command_get(command, &name, sizeof(name));
	if (ret)
		return ret;
	if (!(file->f_mode & FMODE_READ))
		return -EACCES;
	if (name.flags || name.reserved)
		return -EINVAL;
	if (strnlen(name.name, sizeof(name.name)) == sizeof(name.name))
		return -ENAMETOOLONG;
	for (at = name.name; *at; at++) {
		if (iscntrl(*at))
			return -EINVAL;
	}
	return weir_queue_name(file->private_data, name.name);
}

static int weir_check_browse(const struct file *file, const struct weir_browse *browse)
{
	if (!(file->f_mode & FMODE_READ))
		return -EACCES;
	if (browse->flags & ~WEIR_BROWSE_PAYLOAD || browse->states & ~WEIR_BROWSE_STATES ||
	    browse->reserved || browse->buffer % 8)
		return -EINVAL;
	return 0;
}

static long weir_command_browse(struct file *file, struct weir_command command)
{
	struct weir_queue_file *qfile = file->private_data;
	struct weir_browse browse;
	long ret;
	int err;

	err = weir_command_get(command, &browse, sizeof(browse));
	if (!err)
		err = weir_check_browse(file, &browse);
	if (err)
		return err;
	/* There may be much to look at. */
	if (command.elsewhere)
		return -WEIR_MUST_WAIT;
	weir_queue_settle_deaths(qfile->queue);
	ret = weir_queue_browse(qfile->queue, &browse);
	if (ret < 0 && ret != -EMSGSIZE)
		return ret;
	return weir_command_put(command, &browse, sizeof(browse)) ?: ret;
}

long weir_command_queue(struct file *file, struct weir_command command)
{
	struct weir_queue_file *qfile = file->private_data;

	if (_IOC_NR(command.nr) == _IOC_NR(WEIR_IOC_VERSION))
		return weir_command_version(command);
	if (READ_ONCE(qfile->queue->dead))
		return -ESHUTDOWN;
	switch (_IOC_NR(command.nr)) {
	case _IOC_NR(WEIR_IOC_SEND):
		return weir_command_send(file, command);
	case _IOC_NR(WEIR_IOC_FETCH):
		return weir_command_fetch(file, command);
	case _IOC_NR(WEIR_IOC_SETTLE):
		return weir_command_settle(file, command);
	case _IOC_NR(WEIR_IOC_REPLY):
		return weir_command_reply(file, command);
	case _IOC_NR(WEIR_IOC_INFO):
		return weir_command_info(qfile->queue, command);
	case _IOC_NR(WEIR_IOC_TXN):
		return weir_command_txn(command);
	case _IOC_NR(WEIR_IOC_LAYOUT):
		return weir_command_layout(qfile->queue, command);
	case _IOC_NR(WEIR_IOC_PRODUCER):
		return weir_command_producer(file, command);
	case _IOC_NR(WEIR_IOC_NAME):
		return weir_command_name(file, command);
	case _IOC_NR(WEIR_IOC_BROWSE):
		return weir_command_browse(file, command);
	case _IOC_NR(WEIR_IOC_CANCEL):
		return weir_command_cancel(qfile, command);
	default:
		return -ENOTTY;
	}
}

long weir_command_ioctl(struct file *file, unsigned int nr, unsigned long arg)
{
	const struct weir_command command = weir_command_of_ioctl(file, nr, arg);

	return likely(weir_command_known(command)) ? weir_command_queue(file, command) :
						     -ENOTTY;
}
