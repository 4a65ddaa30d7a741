// SPDX-License-Identifier: MIT
/* weir recv */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "weir.h"

/*
 * A reader at the other end of a pipe gets one message, and the next when it
 * took that; elsewhere a write is worth more of them.
 */
#define BATCH		256

struct receiver {
	const struct args	*args;
	const char		*name;
	const char		*format;
	struct weir_queue	*queue;
	struct weir_batch	*batch;
	struct sink		sink;
	unsigned int		at_a_time;
	uint64_t		wanted;		/* still */
	bool			waits;		/* when there is nothing */
	bool			settles;
	bool			receipts;	/* that is what they are */
	uint64_t		strangers;	/* and what these are not */
	uint64_t		late;		/* settled when the lease was over */
	uint64_t		lease_ns;
	int64_t			until;		/* by now_ns(); < 0: for ever */
	struct text		text;
	size_t			ends[BATCH];	/* of each message, in @text */
};

static void format_one(struct receiver *receiver, const struct weir_view *view)
{
	struct text *text = &receiver->text;

	if (receiver->receipts && !format_receipt(text, view, receiver->args->json))
		return;
	if (receiver->receipts) {
		fprintf(stderr, "weir: queue '%s': message %llu is no receipt, and left out; "
				"user %u sent it\n",
			receiver->name, (unsigned long long)view->desc.offset, view->desc.uid);
		receiver->strangers++;
	} else if (receiver->args->json) {
		format_json(text, view);
	} else {
		format_message(text, receiver->format, view);
	}
}

static void format_batch(struct receiver *receiver, unsigned int n)
{
	struct text *text = &receiver->text;
	unsigned int i;

	text->len = 0;
	for (i = 0; i < n; i++) {
		format_one(receiver, weir_batch_view(receiver->batch, i));
		receiver->ends[i] = text->len;
	}
}

/* What did not get out goes back; what did is settled. */
static int settle_parted(struct receiver *receiver, unsigned int n, size_t out)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < n && receiver->ends[i] <= out; i++)
		;
	/* A message of no bytes, where nothing got out. */
	if (!out)
		i = 0;
	if (i)
		ret = weir_settle(receiver->batch, 0, i, WEIR_ACK);
	weir_settle(receiver->batch, i, n - i, WEIR_RELEASE);
	return ret < 0 ? ret : 0;
}

static enum status sink_failed(int ret)
{
	if (ret == -EINTR || ret == -EPIPE)
		return FAILED;
	return fail_plain("standard output", ret);
}

static enum status print_batch(struct receiver *receiver, unsigned int n)
{
	size_t out;
	int ret, settled;

	format_batch(receiver, n);
	ret = sink_write(&receiver->sink, &receiver->text, &out);
	receiver->wanted -= n;
	if (!ret)
		return DONE;
	settled = receiver->settles ? settle_parted(receiver, n, out) : 0;
	if (settled)
		fail_queue(receiver->name, settled);
	return sink_failed(ret);
}

/*
 * Until there is something to receive (or, with @for_message false, until there
 * is a reason to stop).
 */
static int wait_queue(struct receiver *receiver, bool for_message)
{
	struct pollfd fds[] = {
		{ .fd = weir_queue_fd(receiver->queue),
		  .events = for_message ? POLLIN : 0 },
		{ .fd = STDOUT_FILENO },
	};
	int ret = wait_until(fds, ARRAY_SIZE(fds), receiver->until);

	if (ret <= 0)
		return ret ? ret : -ETIMEDOUT;
	if (fds[0].revents & (POLLERR | POLLHUP))
		return -ESHUTDOWN;
	/* Nobody reads any more: do not wait to find out by a message. */
	if (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL))
		return -EPIPE;
	return 0;
}

static int settle_receive(struct receiver *receiver)
{
	int ret = weir_settle_receive(receiver->batch, WEIR_ACK, WEIR_NOW);

	receiver->late += weir_batch_failed(receiver->batch);
	return ret;
}

/* 0 in @n: there is nothing, and no waiting for it. */
static int receive(struct receiver *receiver, unsigned int *n)
{
	uint64_t most = receiver->at_a_time;
	int ret;

	if (most > receiver->wanted)
		most = receiver->wanted;
	weir_batch_limit(receiver->batch, most);
	for (;;) {
		if (receiver->settles)
			ret = settle_receive(receiver);
		else
			ret = weir_receive(receiver->batch, WEIR_NOW);
		*n = ret > 0 ? ret : 0;
		if (ret > 0 || (ret == -EAGAIN && !receiver->waits))
			return 0;
		if (ret == -EAGAIN)
			ret = wait_queue(receiver, true);
		if (ret < 0 && (ret != -EINTR || stopped()))
			return ret;
	}
}

static enum status receive_failed(struct receiver *receiver, int ret)
{
	if (ret == -EINTR || ret == -EPIPE)
		return FAILED;
	return fail_queue(receiver->name, ret);
}

/* The last batch was printed, and is not settled by a next one. */
static enum status settle_last(struct receiver *receiver)
{
	int ret = 0;

	if (receiver->settles)
		ret = weir_settle(receiver->batch, 0,
				  weir_batch_count(receiver->batch), WEIR_ACK);
	if (ret < 0)
		return fail_queue(receiver->name, ret);
	if (receiver->settles)
		receiver->late += weir_batch_failed(receiver->batch);
	if (!receiver->late)
		return receiver->strangers ? FAILED : DONE;
	fprintf(stderr, "weir: queue '%s': %llu were printed too late, and are delivered again; "
			"use a longer --lease\n",
		receiver->name, (unsigned long long)receiver->late);
	return FAILED;
}

/* -n N --follow: there were N, and what is held is held on to. */
static enum status stay(struct receiver *receiver)
{
	int ret;

	do {
		ret = wait_queue(receiver, false);
	} while (!ret || (ret == -EINTR && !stopped()));
	return ret == -ETIMEDOUT ? DONE : receive_failed(receiver, ret);
}

static enum status receive_all(struct receiver *receiver)
{
	enum status status, last;
	unsigned int n;
	int ret;

	while (receiver->wanted && !stopped()) {
		ret = receive(receiver, &n);
		if (ret) {
			last = settle_last(receiver);
			status = receive_failed(receiver, ret);
			return last ? last : status;
		}
		if (!n)
			break;
		status = print_batch(receiver, n);
		if (status)
			return status;
	}
	status = settle_last(receiver);
	if (!status && receiver->args->values[OPT_COUNT] &&
	    receiver->args->values[OPT_FOLLOW])
		status = stay(receiver);
	return status;
}

/* Without -n: those that are there now, not those that come meanwhile. */
static int count_ready(struct receiver *receiver)
{
	struct weir_info info;
	int ret = weir_queue_info(receiver->queue, &info, sizeof(info));

	if (!ret)
		receiver->wanted = info.depth;
	return ret;
}

static bool name_fits(const char *name)
{
	size_t len = strlen(name), i;

	for (i = 0; i < len && !iscntrl((unsigned char)name[i]); i++)
		;
	return i == len && len < WEIR_CONSUMER_NAME_SIZE;
}

static enum status receiver_options(struct receiver *receiver)
{
	const char *const *values = receiver->args->values;
	const char *bad;
	int64_t timeout;

	receiver->settles = !values[OPT_NO_SETTLE];
	receiver->receipts = values[OPT_RECEIPTS];
	receiver->waits = values[OPT_COUNT] || values[OPT_FOLLOW];
	receiver->wanted = UINT64_MAX;
	receiver->until = -1;
	receiver->format = values[OPT_FORMAT];
	if (values[OPT_COUNT] &&
	    parse_count(values[OPT_COUNT], &receiver->wanted))
		return usage(receiver->args->verb, "--count: '%s' is not a number",
			     values[OPT_COUNT]);
	if (receiver->format && format_check(receiver->format, &bad))
		return usage(receiver->args->verb, "--format: '%s' is not known", bad);
	if (receiver->format && receiver->args->json)
		return usage(receiver->args->verb,
			     "--format and -j exclude each other");
	if (receiver->format && receiver->receipts)
		return usage(receiver->args->verb,
			     "--format and --receipts exclude each other");
	if (values[OPT_NAME] && !name_fits(values[OPT_NAME]))
		return usage(receiver->args->verb,
			     "--name: it has up to 63 bytes and no control characters");
	receiver->lease_ns = WEIR_UNLIMITED;
	if (values[OPT_LEASE] && parse_lease(values[OPT_LEASE], &receiver->lease_ns))
		return bad_value(receiver->args, OPT_LEASE);
	if (!values[OPT_TIMEOUT])
		return DONE;
	if (!receiver->waits)
		return usage(receiver->args->verb,
			     "--timeout needs -n or --follow");
	if (parse_duration(values[OPT_TIMEOUT], &timeout))
		return usage(receiver->args->verb, "--timeout: '%s' is not a duration",
			     values[OPT_TIMEOUT]);
	if (__builtin_add_overflow(now_ns(), timeout, &receiver->until))
		receiver->until = -1;
	return DONE;
}

static int receiver_open(struct receiver *receiver)
{
	struct weir_open_options open = {
		.size = sizeof(open),
		.flags = WEIR_OPEN_RECEIVE,
	};
	/* Whoever reads the output may take his time; our end is what ends it. */
	struct weir_batch_options batch = {
		.size = sizeof(batch), .lease_ns = receiver->lease_ns,
	};
	int ret;

	sink_open(&receiver->sink);
	receiver->at_a_time = receiver->sink.is_pipe ? 1 : BATCH;
	batch.max_messages = receiver->at_a_time;
	ret = weir_queue_open(receiver->name, &open, &receiver->queue);
	if (!ret && receiver->args->values[OPT_NAME])
		ret = weir_name(receiver->queue, receiver->args->values[OPT_NAME]);
	if (!ret && !receiver->waits)
		ret = count_ready(receiver);
	if (!ret)
		ret = weir_batch_new(receiver->queue, &batch,
				     &receiver->batch);
	return ret;
}

enum status receive_messages(const struct args *args)
{
	struct receiver *receiver = calloc(1, sizeof(*receiver));
	enum status status;
	int ret;

	if (!receiver)
		return fail_plain("messages", -ENOMEM);
	receiver->args = args;
	receiver->name = args->words[0];
	status = receiver_options(receiver);
	if (!status) {
		ret = receiver_open(receiver);
		signals_catch();
		status = ret ? fail_queue(receiver->name, ret) :
			       receive_all(receiver);
		sink_close(&receiver->sink);
	}
	weir_batch_free(receiver->batch);
	weir_queue_close(receiver->queue);
	free(receiver->text.bytes);
	free(receiver);
	signals_repeat();
	return status;
}
