// SPDX-License-Identifier: MIT
/* A message as text. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "weir.h"

/* The end of what stands at '%', or NULL when it is not known. */
static const char *directive_end(const char *at)
{
	const char *end;

	if (at[1] == 'h' && at[2] == '{') {
		end = strchr(at, '}');
		return end && end > at + 3 ? end + 1 : NULL;
	}
	return at[1] && strchr("vkotupdn%", at[1]) ? at + 2 : NULL;
}

int format_check(const char *format, const char **bad)
{
	const char *at = format;

	while ((at = strchr(at, '%'))) {
		*bad = at;
		at = directive_end(at);
		if (!at)
			return -EINVAL;
	}
	return 0;
}

void format_time(struct text *text, uint64_t ns)
{
	time_t seconds = ns / 1000000000;
	char date[64];
	struct tm tm;

	if (!gmtime_r(&seconds, &tm))
		return;
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	text_printf(text, "%s.%09uZ", date, (unsigned int)(ns % 1000000000));
}

static void add_header(struct text *text, const struct weir_view *view,
		       const char *name, size_t len)
{
	struct weir_header_view header;
	size_t at = 0;

	while (weir_header_next(view, &at, &header) > 0) {
		if (header.name_len != len || memcmp(header.name, name, len))
			continue;
		text_add(text, header.value, header.value_len);
		return;
	}
}

static void add_directive(struct text *text, const char *at, const char *end,
			  const struct weir_view *view)
{
	switch (at[1]) {
	case 'v':
		text_add(text, view->data, view->desc.len);
		break;
	case 'k':
		text_add(text, view->key, view->desc.key_len);
		break;
	case 'o':
		text_printf(text, "%llu",
			    (unsigned long long)view->desc.offset);
		break;
	case 't':
		format_time(text, view->desc.stamp_ns);
		break;
	case 'u':
		text_printf(text, "%u", view->desc.uid);
		break;
	case 'p':
		text_printf(text, "%u", view->desc.priority);
		break;
	case 'd':
		text_printf(text, "%u", view->desc.deliveries);
		break;
	case 'h':
		add_header(text, view, at + 3, end - at - 4);
		break;
	case 'n':
		text_add(text, "\n", 1);
		break;
	default:
		text_add(text, "%", 1);
	}
}

void format_message(struct text *text, const char *format,
		    const struct weir_view *view)
{
	const char *at, *end;

	if (!format) {
		text_add(text, view->data, view->desc.len);
		text_add(text, "\n", 1);
		return;
	}
	while ((at = strchr(format, '%'))) {
		text_add(text, format, at - format);
		end = directive_end(at);
		add_directive(text, at, end, view);
		format = end;
	}
	text_add(text, format, strlen(format));
}

static json_t *base64(const unsigned char *bytes, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct text text = { 0 };
	json_t *string;
	size_t i;

	for (i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t three = bytes[i] << 16;
		char four[4];

		if (left > 1)
			three |= bytes[i + 1] << 8;
		if (left > 2)
			three |= bytes[i + 2];
		four[0] = digits[three >> 18];
		four[1] = digits[three >> 12 & 63];
		four[2] = left > 1 ? digits[three >> 6 & 63] : '=';
		four[3] = left > 2 ? digits[three & 63] : '=';
		text_add(&text, four, sizeof(four));
	}
	string = json_stringn(text.bytes ? text.bytes : "", text.len);
	free(text.bytes);
	return string;
}

void set_bytes(json_t *object, const char *name, const char *name64,
	       const void *bytes, size_t len)
{
	json_t *string = json_stringn(bytes, len);

	if (string)
		json_object_set_new(object, name, string);
	else
		json_object_set_new(object, name64, base64(bytes, len));
}

static json_t *headers_json(const struct weir_view *view)
{
	struct weir_header_view header;
	json_t *array = json_array();
	size_t at = 0;

	while (weir_header_next(view, &at, &header) > 0) {
		json_t *object = json_object();

		set_bytes(object, "name", "name_base64", header.name,
			  header.name_len);
		set_bytes(object, "value", "value_base64", header.value,
			  header.value_len);
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *message_json(const struct weir_view *view)
{
	const struct weir_desc *desc = &view->desc;
	json_t *object;

	object = json_pack("{sI sI sI si sI sI sI}",
			   "offset", (json_int_t)desc->offset,
			   "stamp_ns", (json_int_t)desc->stamp_ns,
			   "deliveries", (json_int_t)desc->deliveries,
			   "priority", (int)desc->priority,
			   "uid", (json_int_t)desc->uid,
			   "gid", (json_int_t)desc->gid,
			   "pid", (json_int_t)desc->pid);
	if (desc->flags & WEIR_DESC_REPLY)
		json_object_set_new(object, "reply", json_true());
	if (desc->key_len)
		set_bytes(object, "key", "key_base64", view->key,
			  desc->key_len);
	if (desc->headers_len)
		json_object_set_new(object, "headers", headers_json(view));
	set_bytes(object, "value", "value_base64", view->data, desc->len);
	return object;
}

void format_json(struct text *text, const struct weir_view *view)
{
	text_json(text, message_json(view));
}

static const char *state_name(uint32_t state)
{
	switch (state) {
	case WEIR_BROWSE_READY: return "ready";
	case WEIR_BROWSE_DELAYED: return "delayed";
	case WEIR_BROWSE_BEHIND: return "behind";
	case WEIR_BROWSE_LEASED: return "leased";
	case WEIR_BROWSE_DYING: return "dying";
	default: return "unknown";
	}
}

void format_browsed(struct text *text, const struct weir_browsed *browsed,
		    const struct weir_view *view)
{
	json_t *object = message_json(view);

	json_object_set_new(object, "state", json_string(state_name(browsed->state)));
	text_json(text, object);
}
