// SPDX-License-Identifier: MIT
/* Requests and their answers. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"

#define DEFAULT_ANSWERS		1024
#define DEFAULT_ANSWER_BYTES	(16ULL << 20)

#define CORRELATION	"weir-correlation-id"

/* Of a header with that name, without its value and what aligns it. */
#define CORRELATION_SIZE	(sizeof(struct weir_header) + sizeof(CORRELATION) + 8)

struct weir_caller {
	struct weir_queue *requests;	/* the program's */
	struct weir_queue *answers;	/* ours, without a name */
	struct weir_batch *batch;	/* of answers, settled */
	unsigned int	at;		/* those before it were given out */
	struct asked_table asked;
};

/* How many may be under way is as the kernel has the policy. */
static int answers_limit(struct weir_caller *caller)
{
	struct weir_info info;
	int ret = weir_queue_info(caller->answers, &info, sizeof(info));

	if (!ret)
		asked_limit(&caller->asked, &info.policy);
	return ret;
}

static int answers_open(struct weir_caller *caller,
			const struct weir_caller_options *options)
{
	struct weir_create_options create = {
		.size = sizeof(create), .policy = options->policy,
	};
	const struct weir_open_options open = {
		.size = sizeof(open), .flags = WEIR_OPEN_COPY, .door = options->door,
	};
	const struct weir_batch_options batch = {
		.size = sizeof(batch), .flags = WEIR_BATCH_SETTLED,
	};
	int ret;

	/* Whoever holds a request may fill it. */
	if (!create.policy.max_messages)
		create.policy.max_messages = DEFAULT_ANSWERS;
	if (!create.policy.max_bytes)
		create.policy.max_bytes = DEFAULT_ANSWER_BYTES;
	ret = weir_queue_anonymous(&create, &open, &caller->answers);

	if (!ret)
		ret = weir_batch_new(caller->answers, &batch, &caller->batch);
	return ret ? ret : answers_limit(caller);
}

WEIR_PUBLIC int weir_caller_new(struct weir_queue *queue,
				const struct weir_caller_options *options,
				struct weir_caller **caller)
{
	struct weir_caller_options ours;
	struct weir_caller *new;
	int ret = options_take(&ours, sizeof(ours), options);

	if (ret)
		return ret;
	if (ours.reserved)
		return -EINVAL;
	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	new->requests = queue;
	ret = answers_open(new, &ours);
	if (ret)
		weir_caller_free(new);
	else
		*caller = new;
	return ret;
}

WEIR_PUBLIC void weir_caller_free(struct weir_caller *caller)
{
	if (!caller)
		return;
	weir_batch_free(caller->batch);
	weir_queue_close(caller->answers);
	free(caller->asked.places);
	free(caller);
}

/* The headers of @message and one more, in memory to be freed: 0 or -errno. */
static int correlate(struct weir_message *message, const void *value, size_t len,
		     void **block)
{
	size_t used = message->headers_len;
	size_t room = used + CORRELATION_SIZE + len;
	int ret;

	*block = malloc(room);
	if (!*block)
		return -ENOMEM;
	if (used)
		memcpy(*block, (void *)(uintptr_t)message->headers, used);
	ret = weir_header_append(*block, room, &used, CORRELATION, value, len);
	message->headers = (uintptr_t)*block;
	message->headers_len = used;
	return ret;
}

/*
 * What is asked for besides: the answer, and, if the program asks for no receipt itself,
 * one that comes behind the answer, or without one. Both come to the same queue.
 */
static int request_options(struct weir_caller *caller, const struct weir_message *request,
			   struct weir_options *options, uint64_t *id)
{
	int ret;

	if (request->options_len && request->options_len != sizeof(*options))
		return -EINVAL;
	if (request->options_len)
		memcpy(options, (void *)(uintptr_t)request->options, sizeof(*options));
	options->reply = caller->answers->fd;
	if (options->flags & WEIR_OPTION_RECEIPT) {
		options->flags |= WEIR_OPTION_REPLY;
		return asked_nowhere(id);
	}
	ret = asked_add(&caller->asked, id);
	options->flags |= WEIR_OPTION_REPLY | WEIR_OPTION_RECEIPT;
	options->receipt = caller->answers->fd;
	options->token = *id;
	return ret;
}

/* Sends it with the header that tells its answer: 0 or -errno. */
static int request_send(struct weir_caller *caller, struct weir_message *message,
			uint64_t id, int64_t timeout_ns)
{
	struct command command;
	struct weir_send send;
	char text[17];
	void *block;
	int ret;

	snprintf(text, sizeof(text), "%016" PRIx64, id);
	ret = correlate(message, text, strlen(text), &block);
	if (!ret) {
		command = send_command(caller->requests, &send, message, 1, timeout_ns);
		ret = queue_run(caller->requests, &command);
		/* The answer to a duplicate is for who asked first. */
		if (ret == 1)
			ret = send.duplicates ? -ENOMSG : 0;
		else if (ret >= 0)
			ret = -EBADMSG;
	}
	free(block);
	return ret;
}

WEIR_PUBLIC int weir_ask(struct weir_caller *caller,
			 const struct weir_message *request, int64_t timeout_ns,
			 uint64_t *id)
{
	struct weir_message message = *request;
	struct weir_options options = { .flags = 0 };
	struct asked *asked;
	uint64_t its;
	int ret;

	ret = request_options(caller, request, &options, &its);
	if (ret)
		return ret;
	message.options = (uintptr_t)&options;
	message.options_len = sizeof(options);
	ret = request_send(caller, &message, its, timeout_ns);
	asked = asked_find(&caller->asked, its);
	if (ret && asked)
		asked_end(&caller->asked, asked);
	if (!ret)
		*id = its;
	return ret;
}

/* The last header of that name: what forwards may have put its own before it. */
static bool correlation_of(const struct weir_view *view, struct weir_header_view *found)
{
	struct weir_header_view header;
	size_t at = 0;
	bool any = false;

	while (weir_header_next(view, &at, &header) > 0) {
		if (header.name_len != strlen(CORRELATION) ||
		    memcmp(header.name, CORRELATION, header.name_len))
			continue;
		*found = header;
		any = true;
	}
	return any;
}

/* Which request it answers; 0: none that can be told. */
static uint64_t answered_id(const struct weir_view *view)
{
	struct weir_header_view header;
	char text[17] = "", *end;
	uint64_t id;

	if (!correlation_of(view, &header) || header.value_len != sizeof(text) - 1)
		return 0;
	memcpy(text, header.value, header.value_len);
	id = strtoull(text, &end, 16);
	return *end ? 0 : id;
}

/* Until there is an answer, or there are no requests any more: 0 or -errno. */
static int answer_wait(struct weir_caller *caller, int64_t deadline)
{
	struct pollfd fds[] = {
		{ .fd = caller->answers->fd, .events = POLLIN },
		{ .fd = caller->requests->fd },
	};
	struct held_signals signals = { .held = false };
	struct timespec ts;
	int ret;

	signals_hold(&signals);
	ret = weir_receive(caller->batch, WEIR_NOW);
	if (ret == -EAGAIN && deadline) {
		ret = ppoll(fds, ARRAY_SIZE(fds), timespec_of(time_left(deadline), &ts),
			    &signals.before);
		ret = ret < 0 ? -errno : ret ? weir_receive(caller->batch, WEIR_NOW) :
					       -ETIMEDOUT;
		if (ret == -EAGAIN && fds[1].revents)
			ret = -ESHUTDOWN;
	}
	signals_let_go(&signals);
	if (ret > 0)
		caller->at = 0;
	return ret > 0 ? 0 : ret;
}

/* What comes next, answer or receipt. */
static int view_next(struct weir_caller *caller, int64_t deadline,
		     const struct weir_view **view)
{
	int ret = 0;

	while (caller->at >= weir_batch_count(caller->batch)) {
		ret = answer_wait(caller, deadline);
		/* It may have been woken by what is no answer. */
		if (ret && (ret != -EAGAIN || !deadline))
			return ret;
	}
	*view = weir_batch_view(caller->batch, caller->at++);
	return 0;
}

/*
 * A request has ended: 0, or, if there was no answer to it and there will be none, why.
 * An answer is there when the request is settled, and the receipt after that. What died
 * may be answered from the dead letter queue.
 */
static int request_ended(struct weir_caller *caller, const struct weir_receipt *receipt)
{
	struct asked *asked = asked_find(&caller->asked, receipt->token);
	bool answered = !asked || asked->answered;

	if (asked)
		asked_end(&caller->asked, asked);
	if (answered || receipt->outcome == WEIR_OUTCOME_DEAD_LETTER)
		return 0;
	return receipt->outcome == WEIR_OUTCOME_DESTROYED ? -ESHUTDOWN : -ENOMSG;
}

/* With -ENOMSG and -ESHUTDOWN @id may be set; else it is left alone on an error. */
static int answer_next(struct weir_caller *caller, int64_t deadline, uint64_t *id,
		       const struct weir_view **answer)
{
	const struct weir_view *view;
	struct weir_receipt receipt;
	struct asked *asked;
	int ret;

	do {
		ret = view_next(caller, deadline, &view);
		if (ret)
			return ret;
		if (weir_view_receipt(view, &receipt, sizeof(receipt))) {
			*answer = view;
			*id = answered_id(view);
			asked = asked_find(&caller->asked, *id);
			if (asked)
				asked->answered = true;
			return 0;
		}
		ret = request_ended(caller, &receipt);
	} while (!ret);
	*id = receipt.token;
	return ret;
}

WEIR_PUBLIC int weir_answer(struct weir_caller *caller, int64_t timeout_ns,
			    uint64_t *id, const struct weir_view **answer)
{
	*id = 0;
	return answer_next(caller, deadline_of(timeout_ns), id, answer);
}

WEIR_PUBLIC int weir_call(struct weir_caller *caller,
			  const struct weir_message *request, int64_t timeout_ns,
			  const struct weir_view **answer)
{
	int64_t deadline = deadline_of(timeout_ns);
	uint64_t asked, id;
	int ret;

	ret = weir_ask(caller, request, timeout_ns, &asked);
	if (ret)
		return ret;
	do {
		id = 0;
		ret = answer_next(caller, deadline, &id, answer);
		/* Until it is of this one, or of the wait. */
	} while (id != asked && (!ret || id));
	return ret;
}

/* The answer as it is sent: with what tells the request that it is to. */
static int answer_take(struct weir_batch *batch, const struct weir_view *request,
		       const struct weir_message *answer)
{
	struct weir_header_view header;

	batch->answer = *answer;
	if (!correlation_of(request, &header))
		return 0;
	return correlate(&batch->answer, header.value, header.value_len, &batch->answer_headers);
}

int batch_begin_reply(struct weir_batch *batch, unsigned int i,
		      const struct weir_message *answer, int op,
		      struct command *command)
{
	const struct weir_view *view = weir_batch_view(batch, i);
	int ret;

	if (!view || (op != WEIR_ACK && op != WEIR_EXTEND))
		return -EINVAL;
	ret = batch_begin_settle(batch, i, 1, (struct fate){ .op = op }, command);
	if (ret)
		return ret;
	ret = batch->nr_settle ? answer_take(batch, view, answer) : -ESTALE;
	if (ret) {
		batch_abandon(batch);
		return ret;
	}
	batch->state = BATCH_REPLYING;
	batch->reply = (struct weir_reply){
		.run = batch->settle[0], .message = (uintptr_t)&batch->answer,
	};
	command->number = WEIR_IOC_REPLY;
	command->arg = &batch->reply;
	command->size = sizeof(batch->reply);
	return 0;
}

WEIR_PUBLIC int weir_reply(struct weir_batch *batch, unsigned int i,
			   const struct weir_message *answer, int op)
{
	struct command command;
	int ret;

	ret = batch_begin_reply(batch, i, answer, op, &command);
	return ret ? ret : batch_complete(batch, queue_run(batch->queue, &command));
}
