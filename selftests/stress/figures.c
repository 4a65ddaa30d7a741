// SPDX-License-Identifier: MIT
/* What a queue says of itself, when nobody uses it. */
#include <time.h>

#include "../proc.h"
#include "round.h"

#define LIMIT	"/sys/module/weir/parameters/user_limit"

static int limit_write(long long bytes)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%lld", bytes), fd, ret;

	fd = open(LIMIT, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write(fd, text, length) == length ? 0 : -errno;
	close(fd);
	return ret;
}

static long long limit_read(void)
{
	char text[32] = "";
	int fd = open(LIMIT, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return -1;
	close(fd);
	return strtoll(text, NULL, 0);
}

long long figures_memory(void)
{
	char name[WEIR_NAME_SIZE];
	long long memory;

	if (round_create(raw_name(name), 0, 0, -1))
		return -1;
	memory = raw_figure(name, "memory");
	return raw_destroy(name) ? -1 : memory;
}

bool figures_memory_is_back(long long memory)
{
	const uint64_t end = stress_deadline();
	long long limit = limit_read();
	char name[WEIR_NAME_SIZE];
	int less, enough;

	raw_name(name);
	if (limit_write(memory - 1))
		return false;
	less = round_create(name, 0, 0, -1);
	if (!less)
		raw_destroy(name);
	limit_write(memory);
	/* The last release of a queue may be put off. */
	do {
		enough = round_create(name, 0, 0, -1);
	} while (enough == -EDQUOT && history_now() < end && !usleep(1000));
	if (!enough)
		raw_destroy(name);
	limit_write(limit);
	if (less != -EDQUOT || enough)
		printf("# memory: with a limit of %lld - 1: %d, of %lld: %d\n", memory, less,
		       memory, enough);
	return less == -EDQUOT && !enough;
}

static bool queue_is_quiet(const char *name, struct weir_info *info)
{
	return !raw_info(name, info) && !info->leased && !info->delayed &&
	       !info->dying && !info->pinned && !info->consumers && !info->waiters;
}

bool figures_quiet(const struct stress *stress)
{
	uint64_t end = stress_deadline();
	struct weir_info info;
	uint32_t queue;

	for (queue = 0; queue < STRESS_ALL; queue++) {
		while (!queue_is_quiet(stress->names[queue], &info)) {
			if (history_now() > end) {
				printf("# queue %u: all clients ended, and %llu leased, "
				       "%llu delayed, %llu dying, %llu pinned, %llu consumers, "
				       "%llu waiters\n", queue,
				       (unsigned long long)info.leased,
				       (unsigned long long)info.delayed,
				       (unsigned long long)info.dying,
				       (unsigned long long)info.pinned,
				       (unsigned long long)info.consumers,
				       (unsigned long long)info.waiters);
				return false;
			}
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		}
	}
	return true;
}

/* A figure, and the least and the most that it can be. */
static bool within(const char *what, uint32_t queue, uint64_t value, uint64_t least,
		   uint64_t unknown)
{
	if (value >= least && value - least <= unknown)
		return true;
	printf("# queue %u: %s is %llu, and should be %llu and up to %llu more\n", queue, what,
	       (unsigned long long)value, (unsigned long long)least,
	       (unsigned long long)unknown);
	return false;
}

/* How much the clients know of, and at most more of what is unknown. */
struct known {
	uint64_t sent, unsure_sent;
	uint64_t received, unsure_received;
	uint64_t purged, unsure_purged;
};

static void known_count(struct known *known, const struct history_record *r)
{
	if (r->op == HISTORY_SEND) {
		known->sent += r->outcome == HISTORY_OK;
		known->unsure_sent += r->outcome == HISTORY_UNKNOWN;
	} else if (r->op == HISTORY_TAKE || r->op == HISTORY_MORE) {
		known->received += r->outcome == HISTORY_OK || r->outcome == HISTORY_CORRUPT;
		if (!r->outcome)
			known->unsure_received += r->count;
	} else if (r->op == HISTORY_PURGE) {
		known->purged += r->count;
		if (!r->outcome)
			known->unsure_purged = UINT64_MAX;
	}
}

/* Dead letters of @queue, or of all if it is that of the dead; each is said to be often. */
static uint64_t count_buried(const struct history *history, uint32_t queue)
{
	bool *seen = calloc(1 << 20, sizeof(*seen));
	uint64_t count = 0;
	size_t i;

	for (i = 0; seen && i < history->count; i++) {
		const struct history_record *r = &history->records[i];

		if (r->op != HISTORY_BURIED || r->count >= 1 << 20 || seen[r->count] ||
		    (queue != STRESS_DEAD && r->target != queue))
			continue;
		seen[r->count] = true;
		count++;
	}
	free(seen);
	return count;
}

bool figures_right(const struct stress *stress, uint32_t queue, const struct history *history)
{
	uint64_t buried = count_buried(history, queue);
	struct known known = { 0 };
	struct weir_info info;
	bool right = true;
	size_t i;

	for (i = 0; i < history->count; i++)
		if (history->records[i].target == queue)
			known_count(&known, &history->records[i]);
	if (raw_info(stress->names[queue], &info))
		return false;
	/* They are sent by nobody who logs it. */
	if (queue == STRESS_DEAD)
		known.sent = buried;
	else
		right &= within("dead", queue, info.dead, buried, 0);
	right &= within("sent + duplicates", queue, info.sent + info.duplicates, known.sent,
			known.unsure_sent);
	right &= within("received", queue, info.received, known.received, known.unsure_received);
	right &= within("purged", queue, info.purged, known.purged, known.unsure_purged);
	right &= within("settled + purged + dropped + dead", queue,
			info.settled + info.purged + info.dropped + info.dead, info.sent, 0);
	right &= within("dropped", queue, info.dropped, 0,
			stress_drops(stress->seed, queue) ? UINT64_MAX : 0);
	right &= within("depth", queue, info.depth, 0, 0);
	right &= within("leased, delayed, behind, dying", queue,
			info.leased + info.delayed + info.behind + info.dying, 0, 0);
	right &= within("pinned", queue, info.pinned, 0, 0);
	right &= within("bytes", queue, info.bytes, 0, 0);
	right &= within("consumers", queue, info.consumers, 0, 0);
	return right;
}
