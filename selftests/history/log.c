// SPDX-License-Identifier: MIT
/*
 * Logs. A file is one block the size of a record, then records up to the first
 * empty one; the rest of it is a hole.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "history.h"

#define LOG_MAGIC 0x31676f6c72696577ULL

struct log_head {
	uint64_t magic;
	uint64_t seed;
	uint64_t unused[6];
};

_Static_assert(sizeof(struct log_head) == sizeof(struct history_record), "one block");

uint64_t history_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

int history_log_open(struct history_log *log, const char *dir, uint32_t client, uint64_t seed,
		     size_t room)
{
	size_t length = (room + 1) * sizeof(struct history_record);
	struct log_head *head;
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%u.log", dir, client);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	head = MAP_FAILED;
	if (!ftruncate(fd, length))
		head = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (head == MAP_FAILED)
		return -errno;
	head->seed = seed;
	head->magic = LOG_MAGIC;
	*log = (struct history_log){
		.records = (struct history_record *)(head + 1), .room = room, .client = client,
	};
	return 0;
}

void history_log_close(struct history_log *log)
{
	munmap((struct log_head *)log->records - 1,
	       (log->room + 1) * sizeof(struct history_record));
}

/* Whoever reads the log after a kill takes a record for one by its op. */
static struct history_record *log_put(struct history_log *log, struct history_record record)
{
	struct history_record *at = &log->records[log->used];
	uint8_t op = record.op;

	if (log->used++ == log->room) {
		fprintf(stderr, "history: the log of client %u is full\n", log->client);
		abort();
	}
	record.op = HISTORY_NONE;
	if (op != HISTORY_DEATH)
		record.client = log->client;
	*at = record;
	__atomic_store_n(&at->op, op, __ATOMIC_RELEASE);
	return at;
}

struct history_record *history_begin(struct history_log *log, const struct history_record *what)
{
	struct history_record record = *what;

	record.outcome = HISTORY_UNKNOWN;
	record.invoked = history_now();
	return log_put(log, record);
}

void history_end(struct history_record *record, enum history_outcome outcome)
{
	record->returned = history_now();
	__atomic_store_n(&record->outcome, outcome, __ATOMIC_RELEASE);
}

struct history_record *history_add(struct history_log *log, const struct history_record *what,
				   enum history_outcome outcome)
{
	struct history_record record = *what;

	record.outcome = outcome;
	record.returned = history_now();
	return log_put(log, record);
}

void history_append(struct history *history, const struct history_record *record)
{
	if (history->count == history->room) {
		history->room = history->room ? history->room * 2 : 1024;
		history->records = realloc(history->records,
					   history->room * sizeof(*history->records));
		if (!history->records)
			abort();
	}
	history->records[history->count++] = *record;
}

static int log_load(struct history *history, int fd)
{
	const struct history_record *record, *end;
	const struct log_head *head;
	struct stat stat;

	if (fstat(fd, &stat))
		return -errno;
	/* Of a client that was killed at once. */
	if (stat.st_size < (off_t)sizeof(*head))
		return 0;
	head = mmap(NULL, stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (head == MAP_FAILED)
		return -errno;
	/* A client that was killed before its first record. */
	if (head->magic == LOG_MAGIC) {
		history->seed = head->seed;
		record = (const void *)(head + 1);
		end = record + stat.st_size / sizeof(*record) - 1;
		for (; record < end && record->op; record++)
			history_append(history, record);
	}
	munmap((void *)head, stat.st_size);
	return 0;
}

int history_load(struct history *history, const char *dir)
{
	struct dirent *entry;
	DIR *logs = opendir(dir);
	int fd, ret = 0;

	if (!logs)
		return -errno;
	while (!ret && (entry = readdir(logs))) {
		size_t length = strlen(entry->d_name);

		if (length < 4 || strcmp(entry->d_name + length - 4, ".log"))
			continue;
		fd = openat(dirfd(logs), entry->d_name, O_RDONLY | O_CLOEXEC);
		ret = fd < 0 ? -errno : log_load(history, fd);
		close(fd);
	}
	closedir(logs);
	return ret;
}

void history_free(struct history *history)
{
	free(history->records);
	memset(history, 0, sizeof(*history));
}
