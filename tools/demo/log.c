// SPDX-License-Identifier: MIT
#include "demo.h"

#include <sys/mman.h>

static size_t record_size(size_t length)
{
	return (sizeof(struct record) + length + 7) & ~(size_t)7;
}

/* Room for the whole text, if one consumer gets it all; pages come when used. */
struct log *log_new(const struct text *text)
{
	size_t room = text->size + text->count * record_size(PREFIX_MAX) +
		      BATCH * record_size(MESSAGE_ROOM);
	struct log *log;

	log = mmap(NULL, sizeof(*log) + room, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (log == MAP_FAILED)
		return NULL;
	log->room = room;
	log->records = (char *)(log + 1);
	return log;
}

struct record *log_next(struct log *log, size_t length)
{
	size_t logged = log->logged;

	if (record_size(length) > log->room - logged)
		return NULL;
	return (struct record *)(log->records + logged);
}

void log_add(struct log *log, const struct record *record)
{
	log->logged += record_size(record->length);
}

void log_settle(struct log *log, uint32_t messages)
{
	log->settled = log->logged;
	log->messages += messages;
}

const struct record *log_walk(const struct log *log, size_t *at)
{
	const struct record *record = (struct record *)(log->records + *at);

	if (*at >= log->logged)
		return NULL;
	*at += record_size(record->length);
	return record;
}
