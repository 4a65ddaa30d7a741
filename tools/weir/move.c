// SPDX-License-Identifier: MIT
/*
 * weir queue move, weir queue redrive: messages go from one queue to another, each by
 * a transaction that settles it here and sends it there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "weir.h"

#define BATCH		256
/* To look whether it was stopped, while it waits for room. */
#define PATIENCE	500000000LL

struct target {
	struct target		*next;
	struct weir_queue	*queue;
	uint32_t		priorities;
	bool			has_waited;
	char			*name;
};

struct mover {
	const struct args	*args;
	const char		*name;
	char			own[WEIR_NAME_SIZE];	/* as the kernel has it */
	bool			redrives;
	struct weir_queue	*queue;
	struct weir_batch	*batch;
	struct weir_transaction	*txn;
	struct target		*targets;	/* those that were needed so far */
	uint64_t		wanted;		/* still */
	uint64_t		moved;
	uint64_t		left;
	struct weir_message	messages[BATCH];
	struct weir_options	options[BATCH];
	void			*headers[BATCH];
};

/* ---- Where to --------------------------------------------------------- */

static int target_open(const char *name, struct target *target)
{
	struct weir_open_options open = {
		.size = sizeof(open), .flags = WEIR_OPEN_SEND,
	};
	struct weir_info info;
	int ret = weir_queue_open(name, &open, &target->queue);

	if (ret)
		return ret;
	ret = weir_queue_info(target->queue, &info, sizeof(info));
	target->priorities = info.policy.priorities;
	return ret;
}

static void target_free(struct target *target)
{
	weir_queue_close(target->queue);
	free(target->name);
	free(target);
}

/* The queue of that name, or path, opened once. */
static int target_find(struct mover *mover, const char *name, struct target **found)
{
	struct target *target;
	int ret;

	for (target = mover->targets; target; target = target->next) {
		if (!strcmp(target->name, name)) {
			*found = target;
			return 0;
		}
	}
	target = calloc(1, sizeof(*target));
	if (!target)
		return -ENOMEM;
	target->name = strdup(name);
	ret = target->name ? target_open(name, target) : -ENOMEM;
	if (ret) {
		target_free(target);
		return ret;
	}
	target->next = mover->targets;
	mover->targets = target;
	*found = target;
	return 0;
}

static bool header_is(const struct weir_header_view *header, const char *name)
{
	return header->name_len == strlen(name) &&
	       !memcmp(header->name, name, header->name_len);
}

/*
 * Where the message died last, or "". @from: where the headers that say so begin;
 * those of a death before stand before them.
 */
static void last_death(const struct weir_view *view, size_t *from,
		       char name[WEIR_NAME_SIZE])
{
	struct weir_header_view header;
	size_t at = 0, before = 0;

	*from = view->desc.headers_len;
	*name = 0;
	while (weir_header_next(view, &at, &header) > 0) {
		if (header_is(&header, "weir-dead-reason"))
			*from = before;
		if (header_is(&header, "weir-dead-queue") && *from <= before &&
		    header.value_len < WEIR_NAME_SIZE) {
			memcpy(name, header.value, header.value_len);
			name[header.value_len] = 0;
		}
		before = at;
	}
}

/*
 * NULL in @found: the message stays, for it says of no queue that there is where it
 * is to go back to.
 */
static int target_of(struct mover *mover, const struct weir_view *view,
		     struct target **found)
{
	char name[WEIR_NAME_SIZE];
	size_t from;
	int ret;

	*found = NULL;
	if (mover->args->values[OPT_TO])
		return target_find(mover, mover->args->values[OPT_TO], found);
	if (!mover->redrives)
		return target_find(mover, mover->args->words[1], found);
	last_death(view, &from, name);
	/* A path is none of the kernel's. */
	if (!*name || strchr(name, '/') || !strcmp(name, mover->own))
		return 0;
	ret = target_find(mover, name, found);
	return ret == -ENOENT || ret == -EINVAL ? 0 : ret;
}

/* ---- What ------------------------------------------------------------- */

/* The message's headers, without those of its last death. */
static int headers_before_death(struct mover *mover, unsigned int i)
{
	const struct weir_view *view = weir_batch_view(mover->batch, i);
	struct weir_message *message = &mover->messages[i];
	const char *block = view->headers;
	struct weir_header_view header;
	char name[WEIR_NAME_SIZE];
	size_t from, at = 0, before = 0, used = 0;
	char *to;

	last_death(view, &from, name);
	if (from == view->desc.headers_len)
		return 0;
	to = malloc(view->desc.headers_len);
	if (!to)
		return -ENOMEM;
	while (weir_header_next(view, &at, &header) > 0) {
		if (before < from || header.name_len < 10 ||
		    memcmp(header.name, "weir-dead-", 10)) {
			memcpy(to + used, block + before, at - before);
			used += at - before;
		}
		before = at;
	}
	mover->headers[i] = to;
	message->headers = (uintptr_t)to;
	message->headers_len = used;
	return 0;
}

static int message_fill(struct mover *mover, unsigned int i, const struct target *target)
{
	const struct weir_view *view = weir_batch_view(mover->batch, i);
	struct weir_options *options = &mover->options[i];
	uint32_t priority = view->desc.priority;

	if (priority >= target->priorities)
		priority = target->priorities - 1;
	*options = (struct weir_options){ .priority = priority };
	mover->messages[i] = (struct weir_message){
		.data = (uintptr_t)view->data, .len = view->desc.len,
		.key = (uintptr_t)view->key, .key_len = view->desc.key_len,
		.headers = (uintptr_t)view->headers,
		.headers_len = view->desc.headers_len,
		.options = priority ? (uintptr_t)options : 0,
		.options_len = priority ? sizeof(*options) : 0,
	};
	return mover->redrives ? headers_before_death(mover, i) : 0;
}

static int commit(struct mover *mover, struct target *target, unsigned int first,
		  unsigned int count, int64_t timeout_ns)
{
	int ret = weir_txn_send(mover->txn, target->queue, mover->messages + first, count);

	if (!ret)
		ret = weir_txn_settle(mover->txn, mover->batch, first, count, WEIR_ACK);
	return ret ? ret : weir_txn_commit(mover->txn, timeout_ns);
}

static enum status move_failed(const struct target *target, int ret)
{
	return ret == -EINTR ? FAILED : fail_queue(target->name, ret);
}

/* As many at a time as there is room for. */
static enum status move_to(struct mover *mover, struct target *target,
			   unsigned int first, unsigned int count)
{
	unsigned int some = count;
	int64_t patience = WEIR_NOW;
	int ret;

	while (count) {
		if (stopped())
			return FAILED;
		if (some > count)
			some = count;
		ret = commit(mover, target, first, some, patience);
		if (!ret) {
			mover->moved += some;
			first += some;
			count -= some;
			some *= 2;
			patience = WEIR_NOW;
		} else if ((ret == -EAGAIN || ret == -EMSGSIZE) && some > 1) {
			some /= 2;
		} else if (ret == -EAGAIN && patience == WEIR_NOW) {
			if (!target->has_waited)
				say_full(target->queue, target->name);
			target->has_waited = true;
			patience = PATIENCE;
		} else if (ret != -ETIMEDOUT && (ret != -EINTR || stopped())) {
			return move_failed(target, ret);
		}
	}
	return DONE;
}

static void headers_free(struct mover *mover, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		free(mover->headers[i]);
		mover->headers[i] = NULL;
	}
}

/* Those that follow each other to one queue go there together. */
static enum status move_batch(struct mover *mover, unsigned int n)
{
	struct target *target, *last = NULL;
	enum status status = DONE;
	unsigned int i, first = 0;
	int ret = 0;

	for (i = 0; i < n && !status; i++) {
		ret = target_of(mover, weir_batch_view(mover->batch, i), &target);
		if (!ret && target != last) {
			if (last)
				status = move_to(mover, last, first, i - first);
			first = i;
			last = target;
		}
		if (!ret && !target)
			mover->left++;
		if (!ret && target)
			ret = message_fill(mover, i, target);
		if (ret)
			status = fail_queue(mover->args->values[OPT_TO] ?: mover->name, ret);
	}
	if (last && !status)
		status = move_to(mover, last, first, n - first);
	headers_free(mover, n);
	return status;
}

static enum status move_all(struct mover *mover)
{
	enum status status = DONE;
	int n;

	while (mover->wanted && !status) {
		if (stopped())
			return FAILED;
		weir_batch_limit(mover->batch, mover->wanted < BATCH ? mover->wanted : BATCH);
		n = weir_receive(mover->batch, WEIR_NOW);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return n == -EAGAIN ? DONE : fail_queue(mover->name, n);
		mover->wanted -= n;
		status = move_batch(mover, n);
	}
	return status;
}

/* ---- The verbs -------------------------------------------------------- */

/* All that is ready now, or the first N of it: not what comes meanwhile. */
static enum status mover_wants(struct mover *mover)
{
	const char *most = mover->args->values[OPT_MOST];
	struct weir_info info;
	uint64_t value;
	int ret;

	ret = weir_queue_info(mover->queue, &info, sizeof(info));
	if (ret)
		return fail_queue(mover->name, ret);
	memcpy(mover->own, info.name, sizeof(mover->own));
	mover->wanted = info.depth + info.behind;
	if (!most)
		return DONE;
	if (parse_count(most, &value))
		return bad_value(mover->args, OPT_MOST);
	if (value < mover->wanted)
		mover->wanted = value;
	return DONE;
}

/* What is said once for all messages is looked at before any is taken. */
static enum status mover_target(struct mover *mover)
{
	const char *name = mover->redrives ? mover->args->values[OPT_TO] :
					     mover->args->words[1];
	struct weir_info info;
	struct target *target;
	int ret;

	if (!name)
		return DONE;
	ret = target_find(mover, name, &target);
	if (!ret)
		ret = weir_queue_info(target->queue, &info, sizeof(info));
	if (ret)
		return fail_queue(name, ret);
	if (!strcmp(info.name, mover->own))
		return usage(mover->args->verb, "'%s' is where they are", name);
	return DONE;
}

static int mover_open(struct mover *mover)
{
	struct weir_open_options open = {
		.size = sizeof(open), .flags = WEIR_OPEN_RECEIVE,
	};
	/* It may wait for room; our end is what ends it. */
	struct weir_batch_options batch = {
		.size = sizeof(batch), .max_messages = BATCH,
		.lease_ns = WEIR_UNLIMITED,
	};
	int ret = weir_queue_open(mover->name, &open, &mover->queue);

	if (!ret)
		ret = weir_batch_new(mover->queue, &batch, &mover->batch);
	return ret ? ret : weir_txn_new(&mover->txn);
}

static void mover_close(struct mover *mover)
{
	struct target *target;

	weir_txn_free(mover->txn);
	weir_batch_free(mover->batch);
	/* What it has left goes back now, and is not put off as if it had failed. */
	weir_queue_close(mover->queue);
	while ((target = mover->targets)) {
		mover->targets = target->next;
		target_free(target);
	}
}

static enum status mover_tell(struct mover *mover, enum status status)
{
	enum status told;

	if (mover->left)
		fprintf(stderr,
			"weir: queue '%s': %llu stay, of no queue that there is; use --to\n",
			mover->name, (unsigned long long)mover->left);
	if (mover->left && !status)
		status = FAILED;
	if (mover->args->json)
		told = print_json(json_pack("{ss sI}", "name", mover->name, "moved",
					    (json_int_t)mover->moved));
	else
		told = printf("%llu\n", (unsigned long long)mover->moved) < 0 ?
		       FAILED : print_end();
	return status ? status : told;
}

static enum status mover_run(const struct args *args, bool redrives)
{
	struct mover *mover = calloc(1, sizeof(*mover));
	enum status status;
	int ret;

	if (!mover)
		return fail_plain("messages", -ENOMEM);
	mover->args = args;
	mover->name = args->words[0];
	mover->redrives = redrives;
	signals_catch();
	ret = mover_open(mover);
	status = ret ? fail_queue(mover->name, ret) : mover_wants(mover);
	if (!status)
		status = mover_target(mover);
	if (!status)
		status = mover_tell(mover, move_all(mover));
	mover_close(mover);
	free(mover);
	signals_repeat();
	return status;
}

enum status queue_move(const struct args *args)
{
	return mover_run(args, false);
}

enum status queue_redrive(const struct args *args)
{
	return mover_run(args, true);
}
