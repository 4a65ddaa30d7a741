// SPDX-License-Identifier: MIT
/* Who only looks: a walk through all that a queue has, in pieces. */
#include "stress.h"

#define BROWSE_MOST	2000		/* messages that a walk tells of */

struct walk {
	struct history_record told[BROWSE_MOST];
	uint32_t count;
};

/* What is in the buffer, of @length bytes. */
static void walk_add(struct walk *walk, const struct history_record *logged, const char *bytes,
		     uint64_t length)
{
	uint64_t at = 0;

	while (at < length && walk->count < BROWSE_MOST) {
		const struct weir_browsed *browsed = (const void *)(bytes + at);
		struct history_record *told = &walk->told[walk->count++];

		*told = *logged;
		told->op = HISTORY_TOLD;
		told->offset = browsed->desc.offset;
		told->outcome = HISTORY_OK;
		if (!stress_message_whole(&browsed->desc, bytes + browsed->desc.pos, told))
			told->outcome = HISTORY_CORRUPT;
		at += browsed->size;
	}
}

/* Whether it got to the end. */
static bool walk_do(struct stress_client *client, int fd, struct walk *walk,
		    const struct history_record *logged)
{
	struct weir_browse browse = { .buffer = raw_address(client->bytes) };
	bool by_ring = stress_chance(client, 2);
	int ret;

	while (browse.slot != WEIR_BROWSE_END && walk->count < BROWSE_MOST) {
		browse.flags = WEIR_BROWSE_PAYLOAD;
		browse.buffer_len = STRESS_LARGEST + STRESS_BUFFER / 2 +
				    stress_chance(client, STRESS_BUFFER / 2 - STRESS_LARGEST);
		ret = stress_command(client, by_ring, fd, WEIR_IOC_BROWSE, &browse);
		/* A thread for it could not be made: io_uring gives up after some tries. */
		if (ret == -EINTR || (by_ring && ret == -ECANCELED))
			return false;
		if (ret < 0)
			stress_fail(client, "browse", ret);
		walk_add(walk, logged, client->bytes, browse.buffer_len);
	}
	return walk->count < BROWSE_MOST;
}

void stress_browse(struct stress_client *client, uint32_t queue)
{
	struct history_record *logged, record = {
		.op = HISTORY_BROWSE, .target = queue, .offset = HISTORY_NOWHERE,
		.producer = HISTORY_NOBODY,
	};
	static struct walk walk;
	uint32_t i;
	bool end;
	int fd;

	/* Its messages would fill the log. */
	if (queue == STRESS_ONCE || client->log.room - client->log.used < 2 * BROWSE_MOST)
		return;
	fd = stress_pick_file(client, queue, &record.file);
	walk.count = 0;
	logged = history_begin(&client->log, &record);
	end = walk_do(client, fd, &walk, logged);
	/* All that it tells of is there before it has ended. */
	for (i = 0; i < walk.count; i++)
		history_add(&client->log, &walk.told[i], walk.told[i].outcome);
	history_end(logged, end ? HISTORY_OK : HISTORY_FAILED);
}
