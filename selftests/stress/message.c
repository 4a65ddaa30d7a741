// SPDX-License-Identifier: MIT
/*
 * A message is a body; perhaps it has a key and a header, which follow from the
 * body too.
 */
#include "stress.h"

struct more {
	uint64_t key;
	struct weir_header head;
	char name[8];
	uint64_t value;
};

static void more_make(struct more *more, const struct body *body)
{
	memset(more, 0, sizeof(*more));
	more->key = body_mix(body_seed(body));
	more->head.name_len = sizeof(more->name);
	more->head.value_len = sizeof(more->value);
	memcpy(more->name, "checksum", sizeof(more->name));
	more->value = body_mix(more->key);
}

/* @bytes has room for @length, rounded up to 8, and a struct more. */
void stress_message_make(struct weir_message *message, char *bytes, uint32_t length,
			 uint32_t producer, uint32_t seq, bool with_more)
{
	struct more *more = (void *)(bytes + (length + 7) / 8 * 8);

	body_make(bytes, length, producer, seq);
	*message = (struct weir_message){ .data = raw_address(bytes), .len = length };
	if (!with_more)
		return;
	more_make(more, (void *)bytes);
	message->key = raw_address(&more->key);
	message->key_len = sizeof(more->key);
	message->headers = raw_address(&more->head);
	message->headers_len = sizeof(*more) - sizeof(more->key);
}

static bool more_whole(const struct weir_desc *desc, const char *payload)
{
	uint32_t headers = (desc->len + desc->key_len + 7) / 8 * 8;
	struct more more;

	if (!desc->key_len && !desc->headers_len)
		return true;
	more_make(&more, (const void *)payload);
	return desc->key_len == sizeof(more.key) &&
	       desc->headers_len == sizeof(more) - sizeof(more.key) &&
	       !memcmp(payload + desc->len, &more.key, sizeof(more.key)) &&
	       !memcmp(payload + headers, &more.head, desc->headers_len);
}

bool stress_message_whole(const struct weir_desc *desc, const char *payload,
			  struct history_record *record)
{
	const struct body *body = (const void *)payload;

	if (!body_whole(payload, desc->len) || !more_whole(desc, payload))
		return false;
	record->producer = body->producer;
	record->seq = body->seq;
	return true;
}
