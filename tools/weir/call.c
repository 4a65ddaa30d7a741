// SPDX-License-Identifier: MIT
/* weir call */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "weir.h"

#define READ_SIZE	(64U << 10)

/* All of standard input. */
static int read_input(struct text *text)
{
	char bytes[READ_SIZE];
	ssize_t got;

	while ((got = read(STDIN_FILENO, bytes, sizeof(bytes))) > 0) {
		text_add(text, bytes, got);
		if (text->len > WEIR_MESSAGE_MAX)
			return -EMSGSIZE;
	}
	return got < 0 ? -errno : 0;
}

static enum status call_options(const struct args *args, struct letter *letter, int64_t *timeout)
{
	enum status status = letter_begin(letter, args);
	const char *bad;

	if (status)
		return status;
	*timeout = WEIR_FOREVER;
	if (args->values[OPT_FORMAT] && format_check(args->values[OPT_FORMAT], &bad))
		return usage(args->verb, "--format: '%s' is not known", bad);
	if (args->values[OPT_FORMAT] && args->json)
		return usage(args->verb, "--format and -j exclude each other");
	if (!args->values[OPT_TIMEOUT])
		return DONE;
	if (parse_duration(args->values[OPT_TIMEOUT], timeout))
		return usage(args->verb, "--timeout: '%s' is not a duration",
			     args->values[OPT_TIMEOUT]);
	/* That there was no time is a time that was over. */
	if (!*timeout)
		*timeout = 1;
	return DONE;
}

static enum status print_answer(const struct args *args, const struct weir_view *answer)
{
	struct text text = { 0 };

	if (args->json)
		format_json(&text, answer);
	else
		format_message(&text, args->values[OPT_FORMAT], answer);
	fwrite(text.bytes, 1, text.len, stdout);
	free(text.bytes);
	return print_end();
}

static enum status fail_call(const struct letter *letter, const char *name, int ret)
{
	if (ret != -ENOMSG)
		return letter_failed(letter, name, ret);
	fprintf(stderr, "weir: queue '%s': the request has ended, and nobody has answered it\n",
		name);
	return FAILED;
}

static enum status ask(const struct args *args, const struct letter *letter,
		       struct weir_queue *queue, const struct weir_message *request,
		       int64_t timeout)
{
	const struct weir_view *answer;
	struct weir_caller *caller;
	enum status status;
	int ret;

	ret = weir_caller_new(queue, NULL, &caller);
	if (ret)
		return fail_control(args->words[0], ret);
	ret = weir_call(caller, request, timeout, &answer);
	status = ret ? fail_call(letter, args->words[0], ret) : print_answer(args, answer);
	weir_caller_free(caller);
	return status;
}

static enum status call_letter(const struct args *args, const struct letter *letter,
			       int64_t timeout)
{
	const struct weir_open_options open = { .size = sizeof(open), .flags = WEIR_OPEN_SEND };
	const char *message = args->nr_words > 1 ? args->words[1] : NULL;
	struct weir_message request;
	struct weir_queue *queue;
	struct text text = { 0 };
	enum status status;
	int ret;

	ret = weir_queue_open(args->words[0], &open, &queue);
	if (ret)
		return fail_queue(args->words[0], ret);
	if (message)
		text_add(&text, message, strlen(message));
	else
		ret = read_input(&text);
	request = letter_message(letter, &letter->options, text.bytes, text.len);
	status = ret ? fail_plain("standard input", ret) :
		       ask(args, letter, queue, &request, timeout);
	weir_queue_close(queue);
	free(text.bytes);
	return status;
}

/* Signals need no care: the place for the answer ends with the process. */
enum status call_queue(const struct args *args)
{
	struct letter letter = { 0 };
	enum status status;
	int64_t timeout;

	status = call_options(args, &letter, &timeout);
	if (!status)
		status = call_letter(args, &letter, timeout);
	letter_end(&letter);
	return status;
}
