// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "weir.h"

static void text_reserve(struct text *text, size_t more)
{
	size_t room = text->room ? text->room : 4096;

	if (more <= text->room - text->len)
		return;
	while (room - text->len < more)
		room *= 2;
	text->bytes = realloc(text->bytes, room);
	if (!text->bytes) {
		fputs("weir: no memory\n", stderr);
		exit(FAILED);
	}
	text->room = room;
}

void text_add(struct text *text, const void *bytes, size_t len)
{
	if (!len)
		return;
	text_reserve(text, len);
	memcpy(text->bytes + text->len, bytes, len);
	text->len += len;
}

void text_printf(struct text *text, const char *format, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	text_add(text, line, strlen(line));
}

static int add_chunk(const char *bytes, size_t len, void *text)
{
	text_add(text, bytes, len);
	return 0;
}

void text_json(struct text *text, json_t *object)
{
	json_dump_callback(object, add_chunk, text, JSON_COMPACT);
	text_add(text, "\n", 1);
	json_decref(object);
}

enum status print_json(json_t *object)
{
	struct text text = { 0 };

	text_json(&text, object);
	fwrite(text.bytes, 1, text.len, stdout);
	free(text.bytes);
	return print_end();
}

enum status print_end(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return DONE;
	/* Whoever read it has what was wanted. */
	if (errno != EPIPE)
		fail_plain("standard output", -errno);
	return FAILED;
}
