// SPDX-License-Identifier: MIT
/* weir send */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "weir.h"

/* More than a pipe has to give. */
#define READ_SIZE	(256U << 10)

struct sender {
	const struct args	*args;
	const char		*name;
	struct weir_queue	*queue;
	struct weir_queue	*receipts;	/* or NULL */
	struct letter		letter;
	struct weir_producer	producer;	/* id 0: none */
	uint64_t		taken;		/* messages so far */
	struct weir_options	numbered[WEIR_BATCH_MAX]; /* of each message */
	bool			has_waited;
	int64_t			until;		/* by now_ns(); < 0: for ever */
	uint64_t		sent;
	unsigned int		nr;
	struct weir_message	messages[WEIR_BATCH_MAX];
};

/* What the messages are to be beside their payloads. */
static enum status sender_letter(struct sender *sender)
{
	const char *const *values = sender->args->values;
	struct letter *letter = &sender->letter;
	enum status status = letter_begin(letter, sender->args);
	uint64_t value = 1;

	if (status)
		return status;
	if (letter->options.id_len && sender->args->nr_words != 2)
		return usage(sender->args->verb, "--id: of one MESSAGE");
	if (values[OPT_TOKEN] && !values[OPT_RECEIPT])
		return usage(sender->args->verb, "--token needs --receipt");
	if (values[OPT_TOKEN] && parse_count(values[OPT_TOKEN], &value))
		return bad_value(sender->args, OPT_TOKEN);
	if (values[OPT_RECEIPT])
		letter->options.token = value;
	if (values[OPT_PRODUCER] || values[OPT_RECEIPT])
		letter->options_len = sizeof(letter->options);
	return DONE;
}

static enum status sender_timeout(struct sender *sender)
{
	const char *timeout = sender->args->values[OPT_TIMEOUT];
	int64_t ns;

	sender->until = -1;
	if (!timeout)
		return DONE;
	if (parse_duration(timeout, &ns))
		return usage(sender->args->verb, "--timeout: '%s' is not a duration", timeout);
	if (__builtin_add_overflow(now_ns(), ns, &sender->until))
		sender->until = -1;
	return DONE;
}

/* How long it may still wait for room; WEIR_NOW when the time is over. */
static int64_t sender_patience(const struct sender *sender)
{
	int64_t left;

	if (sender->until < 0)
		return WEIR_FOREVER;
	left = sender->until - now_ns();
	return left > 0 ? left : WEIR_NOW;
}

static enum status sender_options(struct sender *sender)
{
	enum status status = sender_letter(sender);

	return status ? status : sender_timeout(sender);
}

static enum status send_failed(struct sender *sender, int ret)
{
	enum status status;

	if (ret == -EINVAL && sender->receipts && !sender->letter.options.priority &&
	    !sender->letter.options.id_len) {
		fprintf(stderr,
			"weir: queue '%s': receipts of its messages go to another queue\n",
			sender->name);
		status = USAGE;
	} else if (ret == -ENOBUFS || ret == -EBADF) {
		status = fail_queue(sender->args->values[OPT_RECEIPT],
				    ret == -EBADF ? -ESHUTDOWN : ret);
	} else if (ret == -ESTALE) {
		fprintf(stderr,
			"weir: queue '%s': another process is the producer '%s' now\n",
			sender->name, sender->producer.name);
		status = FAILED;
	} else if (ret == -ETIMEDOUT) {
		fprintf(stderr, "weir: queue '%s': full until the time was over; receive from it\n",
			sender->name);
		status = TIMED_OUT;
	} else {
		status = letter_failed(&sender->letter, sender->name, ret);
	}
	if (sender->sent)
		fprintf(stderr, "weir: queue '%s': the first %llu were sent\n",
			sender->name, (unsigned long long)sender->sent);
	return status;
}

/* Sends all that was added. */
static enum status sender_flush(struct sender *sender)
{
	int64_t patience = WEIR_NOW;
	unsigned int at = 0;
	int n;

	while (at < sender->nr) {
		n = weir_send_batch(sender->queue, sender->messages + at,
				    sender->nr - at, patience, NULL);
		if (n == -EAGAIN && patience == WEIR_NOW) {
			patience = sender_patience(sender);
			if (patience == WEIR_NOW)
				return send_failed(sender, -ETIMEDOUT);
			if (!sender->has_waited)
				say_full(sender->queue, sender->name);
			sender->has_waited = true;
			continue;
		}
		if (n == -EINTR) {
			patience = WEIR_NOW;
			continue;
		}
		if (n < 0)
			return send_failed(sender, n);
		at += n;
		sender->sent += n;
		patience = WEIR_NOW;
	}
	sender->nr = 0;
	return DONE;
}

static enum status sender_add(struct sender *sender, const void *data,
			      size_t len)
{
	struct weir_options *options;

	if (len > WEIR_MESSAGE_MAX) {
		enum status status = sender_flush(sender);

		return status ? status : send_failed(sender, -EMSGSIZE);
	}
	/* What was taken before needs no second try. */
	if (++sender->taken <= sender->producer.sequence)
		return DONE;
	options = &sender->numbered[sender->nr];
	*options = sender->letter.options;
	if (sender->producer.id) {
		options->producer = sender->producer.id;
		options->epoch = sender->producer.epoch;
		options->sequence = sender->taken;
	}
	if (sender->receipts)
		options->token += sender->taken - 1;
	sender->messages[sender->nr++] = letter_message(&sender->letter, options, data, len);
	return sender->nr == WEIR_BATCH_MAX ? sender_flush(sender) : DONE;
}

static enum status send_words(struct sender *sender)
{
	const struct args *args = sender->args;
	enum status status = DONE;
	unsigned int i;

	for (i = 1; i < args->nr_words && !status; i++)
		status = sender_add(sender, args->words[i],
				    strlen(args->words[i]));
	return status ? status : sender_flush(sender);
}

/*
 * What one read gave is sent before the next read: that is a batch from a pipe
 * that is full, and a line from somebody who types.
 */
struct input {
	char	*bytes;
	size_t	len;
	size_t	room;
	char	delimiter;
};

static ssize_t input_read(struct input *input)
{
	ssize_t n;

	if (input->room - input->len < READ_SIZE) {
		size_t room = input->room + input->room / 2 + READ_SIZE;
		char *bytes = realloc(input->bytes, room);

		if (!bytes)
			return -ENOMEM;
		input->bytes = bytes;
		input->room = room;
	}
	do {
		n = read(STDIN_FILENO, input->bytes + input->len,
			 input->room - input->len);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Of the first @fresh bytes there is known to be no delimiter. */
static enum status send_lines(struct sender *sender, struct input *input,
			      size_t fresh)
{
	char *begin = input->bytes, *end = begin + input->len;
	char *from = begin + fresh, *at;
	enum status status = DONE;

	while (!status && (at = memchr(from, input->delimiter, end - from))) {
		status = sender_add(sender, begin, at - begin);
		begin = from = at + 1;
	}
	if (!status && end - begin > WEIR_MESSAGE_MAX)
		status = sender_add(sender, begin, end - begin);
	if (!status)
		status = sender_flush(sender);
	input->len = end - begin;
	memmove(input->bytes, begin, input->len);
	return status;
}

static enum status send_input(struct sender *sender, char delimiter)
{
	struct input input = { .delimiter = delimiter };
	enum status status = DONE;
	size_t before;
	ssize_t n;

	while (!status) {
		before = input.len;
		n = input_read(&input);
		if (n < 0)
			status = fail_plain("standard input", n);
		if (n <= 0)
			break;
		input.len += n;
		status = send_lines(sender, &input, before);
	}
	/* The last line may lack its end. */
	if (!status && input.len)
		status = sender_add(sender, input.bytes, input.len);
	if (!status)
		status = sender_flush(sender);
	free(input.bytes);
	return status;
}

static enum status send_all(struct sender *sender)
{
	const char *delimiter = sender->args->values[OPT_DELIMITER];
	enum status status;
	char end = '\n';

	if (delimiter && parse_delimiter(delimiter, &end))
		return usage(sender->args->verb,
			     "--delimiter: '%s' is not one character",
			     delimiter);
	if (sender->args->nr_words > 1)
		status = send_words(sender);
	else
		status = send_input(sender, end);
	if (!status && sender->args->json)
		status = print_json(json_pack("{ss sI}", "name", sender->name,
					      "sent",
					      (json_int_t)sender->sent));
	return status;
}

static enum status send_begin(struct sender *sender)
{
	const char *producer = sender->args->values[OPT_PRODUCER];
	const char *receipts = sender->args->values[OPT_RECEIPT];
	struct weir_open_options open = {
		.size = sizeof(open),
		.flags = WEIR_OPEN_SEND,
	};
	int ret = weir_queue_open(sender->name, &open, &sender->queue);

	if (ret)
		return fail_queue(sender->name, ret);
	if (receipts) {
		ret = weir_queue_open(receipts, NULL, &sender->receipts);
		if (ret)
			return fail_queue(receipts, ret);
		sender->letter.options.flags |= WEIR_OPTION_RECEIPT;
		sender->letter.options.receipt = weir_queue_fd(sender->receipts);
	}
	if (!producer)
		return DONE;
	ret = weir_producer(sender->queue, producer, &sender->producer,
			    sizeof(sender->producer));
	if (ret == -EINVAL)
		return usage(sender->args->verb, "--producer: a name has 1 to 63 bytes");
	if (ret == -ENOSPC) {
		fprintf(stderr,
			"weir: queue '%s': it knows as many producers as it may\n",
			sender->name);
		return FULL;
	}
	return ret ? fail_queue(sender->name, ret) : DONE;
}

enum status send_messages(const struct args *args)
{
	struct sender *sender = calloc(1, sizeof(*sender));
	enum status status;

	if (!sender)
		return fail_plain("messages", -ENOMEM);
	sender->args = args;
	sender->name = args->words[0];
	status = sender_options(sender);
	if (!status)
		status = send_begin(sender);
	if (!status)
		status = send_all(sender);
	weir_queue_close(sender->queue);
	weir_queue_close(sender->receipts);
	letter_end(&sender->letter);
	free(sender);
	return status;
}
