// SPDX-License-Identifier: MIT
/* What a message is beside its payload, as the options of a command say. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "weir.h"

static enum status letter_options(struct letter *letter, const struct args *args)
{
	const char *const *values = args->values;
	struct weir_options *options = &letter->options;
	uint64_t value;

	if (values[OPT_DELAY]) {
		if (parse_lease(values[OPT_DELAY], &value))
			return bad_value(args, OPT_DELAY);
		options->delay_ns = value;
	}
	if (values[OPT_TTL]) {
		if (parse_lease(values[OPT_TTL], &value))
			return bad_value(args, OPT_TTL);
		options->ttl_ns = value;
	}
	if (values[OPT_PRIORITY]) {
		if (parse_count(values[OPT_PRIORITY], &value) || value >= WEIR_MAX_PRIORITIES)
			return bad_value(args, OPT_PRIORITY);
		options->priority = value;
	}
	if (values[OPT_ID]) {
		options->id = (uintptr_t)values[OPT_ID];
		options->id_len = strlen(values[OPT_ID]);
		if (!options->id_len || options->id_len > WEIR_ID_MAX)
			return usage(args->verb, "--id: an id has 1 to 64 bytes");
	}
	if (options->delay_ns || options->ttl_ns || options->priority || options->id_len)
		letter->options_len = sizeof(*options);
	return DONE;
}

static enum status add_header(struct letter *letter, const struct args *args, const char *header)
{
	const char *equals = strchr(header, '=');
	char name[WEIR_HEADER_NAME_MAX + 1];
	int ret = -EINVAL;

	if (equals && equals - header < (ptrdiff_t)sizeof(name)) {
		memcpy(name, header, equals - header);
		name[equals - header] = 0;
		ret = weir_header_append(letter->headers, WEIR_HEADERS_MAX, &letter->headers_len,
					 name, equals + 1, strlen(equals + 1));
	}
	if (ret == -EMSGSIZE)
		return usage(args->verb, "--header: the headers are larger than 64K");
	return ret ? usage(args->verb, "--header: '%s' is no NAME=VALUE", header) : DONE;
}

static enum status letter_headers(struct letter *letter, const struct args *args)
{
	enum status status = DONE;
	unsigned int i;

	if (!args->nr_headers)
		return DONE;
	letter->headers = aligned_alloc(8, WEIR_HEADERS_MAX);
	if (!letter->headers)
		return fail_plain("headers", -ENOMEM);
	for (i = 0; i < args->nr_headers && !status; i++)
		status = add_header(letter, args, args->headers[i]);
	return status;
}

enum status letter_begin(struct letter *letter, const struct args *args)
{
	enum status status = letter_options(letter, args);

	letter->key = args->values[OPT_KEY];
	if (letter->key) {
		letter->key_len = strlen(letter->key);
		if (!letter->key_len || letter->key_len > WEIR_KEY_MAX)
			return usage(args->verb, "--key: a key has 1 to 4096 bytes");
	}
	return status ? status : letter_headers(letter, args);
}

struct weir_message letter_message(const struct letter *letter, const struct weir_options *options,
				   const void *data, size_t len)
{
	return (struct weir_message){
		.data = (uintptr_t)data,
		.len = len,
		.key = (uintptr_t)letter->key,
		.key_len = letter->key_len,
		.headers = (uintptr_t)letter->headers,
		.headers_len = letter->headers_len,
		.options = letter->options_len ? (uintptr_t)options : 0,
		.options_len = letter->options_len,
	};
}

enum status letter_failed(const struct letter *letter, const char *name, int ret)
{
	if (ret == -EINVAL && letter->options.priority)
		fprintf(stderr,
			"weir: queue '%s': it has no priority %u; see: weir queue show %s\n",
			name, letter->options.priority, name);
	else if (ret == -EINVAL && letter->options.id_len)
		fprintf(stderr, "weir: queue '%s': it knows no ids; make it with --dedup-count\n",
			name);
	else
		return fail_queue(name, ret);
	return USAGE;
}

void letter_end(struct letter *letter)
{
	free(letter->headers);
}
