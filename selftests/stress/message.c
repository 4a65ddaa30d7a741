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
	more->key = stress_key(body);
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

/* The text of the header @name among those of @desc, or NULL; *@at: where it begins. */
static const char *header_find(const struct weir_desc *desc, const char *payload,
			       const char *name, uint32_t *length, uint32_t *at)
{
	uint32_t i = (desc->len + desc->key_len + 7) / 8 * 8, end = i + desc->headers_len;

	while (i < end) {
		const struct weir_header *header = (const void *)(payload + i);
		const char *text = (const char *)(header + 1);

		*at = i;
		*length = header->value_len;
		if (header->name_len == strlen(name) && !memcmp(text, name, header->name_len))
			return text + header->name_len;
		i += (sizeof(*header) + header->name_len + header->value_len + 7) / 8 * 8;
	}
	return NULL;
}

static uint64_t header_number(const struct weir_desc *desc, const char *payload, const char *name)
{
	uint32_t length, at;
	const char *text = header_find(desc, payload, name, &length, &at);
	char number[32] = "";

	if (!text || length >= sizeof(number))
		return UINT64_MAX;
	memcpy(number, text, length);
	return strtoull(number, NULL, 10);
}

/* The queue that it says it is from. */
static uint32_t letter_origin(const struct stress *stress, const struct weir_desc *desc,
			      const char *payload)
{
	uint32_t length, at, queue;
	const char *name = header_find(desc, payload, "weir-dead-queue", &length, &at);

	for (queue = 0; name && queue < STRESS_DEAD; queue++)
		if (strlen(stress->names[queue]) == length &&
		    !memcmp(stress->names[queue], name, length))
			return queue;
	return STRESS_ALL;
}

bool stress_letter_whole(const struct stress *stress, const struct weir_desc *desc,
			 const char *payload, struct history_record *record,
			 struct history_record *buried)
{
	uint32_t length, at, origin = letter_origin(stress, desc, payload);
	const char *reason = header_find(desc, payload, "weir-dead-reason", &length, &at);
	struct weir_desc before = *desc;

	if (!reason || origin == STRESS_ALL)
		return false;
	/* What its sender gave it is before that. */
	before.headers_len = at - (desc->len + desc->key_len + 7) / 8 * 8;
	if (!stress_message_whole(&before, payload, record))
		return false;
	*buried = (struct history_record){
		.op = HISTORY_BURIED, .target = origin, .file = STRESS_DEAD,
		.invoked = record->invoked, .producer = record->producer, .seq = record->seq,
		.offset = header_number(desc, payload, "weir-dead-offset"),
		.deliveries = header_number(desc, payload, "weir-dead-deliveries"),
		.count = desc->offset, .flags = stress_most(origin) << HISTORY_TIME_SHIFT,
		.key = STRESS_SPARED,
	};
	if (length == 4 && !memcmp(reason, "term", length))
		buried->flags |= HISTORY_GIVEN_UP;
	if (length == 4 && !memcmp(reason, "full", length))
		buried->flags |= HISTORY_MADE_ROOM;
	return true;
}
