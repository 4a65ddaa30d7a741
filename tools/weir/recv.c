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
	bool			strange[BATCH];	/* and these of the batch are not */
	uint64_t		strangers;	/* that there were */
	uint64_t		late;		/* settled when the lease was over */
	uint64_t		lease_ns;
	int64_t			until;		/* by now_ns(); < 0: for ever */
	struct text		text;
	size_t			ends[BATCH];	/* of each message, in @text */
};

/* False: it is none. */
static bool format_as_receipt(struct receiver *receiver, const struct weir_view *view)
{
	if (!format_receipt(&receiver->text, view, receiver->args->json))
		return true;
	fprintf(stderr, "weir: queue '%s': message %llu is no receipt, and goes back at the end; "
			"user %u sent it\n",
		receiver->name, (unsigned long long)view->desc.offset, view->desc.uid);
	receiver->strangers++;
	return false;
}

static void format_one(struct receiver *receiver, const struct weir_view *view)
{
	struct text *text = &receiver->text;

	if (receiver->args->json) {
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
		const struct weir_view *view = weir_batch_view(receiver->batch, i);

		if (receiver->receipts)
			receiver->strange[i] = !format_as_receipt(receiver, view);
		else
			format_one(receiver, view);
		receiver->ends[i] = text->len;
	}
}

/* Where the next one is that is not as the one at @from, of @n. */
static unsigned int run_end(const struct receiver *receiver, unsigned int from, unsigned int n)
{
	unsigned int to = from + 1;

	while (to < n && receiver->strange[to] == receiver->strange[from])
		to++;
	return to;
}

/* The longest that there is, in ns: 49 days. */
#define LONGEST		(UINT32_MAX * INT64_C(1000000))

/* The first @n are done with; but what is no receipt is held, and nobody's to throw away. */
static int settle_first(struct receiver *receiver, unsigned int n)
{
	unsigned int from, to;
	int ret = 0, failed;

	for (from = 0; from < n; from = to) {
		to = run_end(receiver, from, n);
		if (receiver->strange[from]) {
			if (receiver->lease_ns != WEIR_UNLIMITED)
				weir_extend(receiver->batch, from, to - from, LONGEST);
			continue;
		}
		failed = weir_settle(receiver->batch, from, to - from, WEIR_ACK);
		if (failed < 0)
			ret = failed;
		else
			receiver->late += weir_batch_failed(receiver->batch);
	}
	return ret;
}

/* What did not get out goes back; what did is settled. */
static int settle_parted(struct receiver *receiver, unsigned int n, size_t out)
{
	unsigned int i;
	int ret;

	for (i = 0; i < n && receiver->ends[i] <= out; i++)
		;
	/* A message of no bytes, where nothing got out. */
	if (!out)
		i = 0;
	ret = settle_first(receiver, i);
	weir_settle(receiver->batch, i, n - i, WEIR_RELEASE);
	return ret;
}

static enum status sink_failed(int ret)
{
	if (ret == -EINTR || ret == -EPIPE)
		return FAILED;
	return fail_plain("standard output", ret);
}

static enum status print_batch(struct receiver *receiver, unsigned int n)
{
	const uint64_t strangers = receiver->strangers;
	size_t out;
	int ret, settled;

	format_batch(receiver, n);
	ret = sink_write(&receiver->sink, &receiver->text, &out);
	receiver->wanted -= n;
	/* Who waits for receipts waits for these. */
	if (receiver->waits)
		receiver->wanted += receiver->strangers - strangers;
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

/* Said at once: with a lease that is too short it may be so for ever. */
static void note_late(struct receiver *receiver, uint64_t before)
{
	if (!before && receiver->late)
		fprintf(stderr, "weir: queue '%s': printed too late, and delivered again; use a "
				"longer --lease\n", receiver->name);
}

static int settle_receive(struct receiver *receiver)
{
	const uint64_t before = receiver->late;
	int ret;

	if (receiver->receipts) {
		ret = settle_first(receiver, weir_batch_count(receiver->batch));
		if (!ret)
			ret = weir_receive(receiver->batch, WEIR_NOW);
	} else {
		ret = weir_settle_receive(receiver->batch, WEIR_ACK, WEIR_NOW);
		if (ret > 0 || ret == -EAGAIN || ret == -EINTR)
			receiver->late += weir_batch_failed(receiver->batch);
	}
	note_late(receiver, before);
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
	const uint64_t before = receiver->late;
	int ret = 0;

	if (receiver->settles)
		ret = settle_first(receiver, weir_batch_count(receiver->batch));
	if (ret < 0)
		return fail_queue(receiver->name, ret);
	note_late(receiver, before);
	return receiver->late || receiver->strangers ? FAILED : DONE;
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
		receiver->wanted = info.depth + info.behind;
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
