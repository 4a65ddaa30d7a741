/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Queues that treat their messages in a way of their own, and what comes of these. */
#ifndef WEIR_SELFTESTS_POLICY_H
#define WEIR_SELFTESTS_POLICY_H

#include "lease.h"

#define HOUR_NS		3600000000000ULL
#define HOUR_MS		3600000U

static inline int policy_create(const char *name, struct weir_policy policy)
{
	struct weir_create create = { .type = WEIR_TYPE_QUEUE, .policy = policy };

	raw_set_name(&create, name);
	return raw_control(WEIR_IOC_CREATE, &create);
}

static inline int policy_alter(const char *name, struct weir_policy policy)
{
	struct weir_alter alter = { .policy = policy };

	raw_set_name(&alter, name);
	return raw_control(WEIR_IOC_ALTER, &alter);
}

/* One whose dead letters go to the queue that @fd is open for. */
static inline struct weir_policy policy_dead(int fd, __u32 max_deliveries)
{
	return (struct weir_policy){
		.flags = WEIR_POLICY_DEAD_LETTER, .dead_letter = fd,
		.max_deliveries = max_deliveries,
	};
}

/* The queue once more, with that policy, and opened anew, not to wait. */
static inline int policy_renew(const char *name, struct weir_policy policy, int *writer,
			       int *reader)
{
	int ret;

	close(*writer);
	close(*reader);
	ret = raw_destroy_force(name);
	if (!ret)
		ret = policy_create(name, policy);
	if (ret)
		return ret;
	*writer = raw_open(name, O_WRONLY | O_NONBLOCK);
	*reader = raw_open(name, O_RDONLY | O_NONBLOCK);
	return *writer < 0 ? *writer : *reader < 0 ? *reader : 0;
}

/* That of the fixture. */
static inline int policy_remake(FIXTURE_DATA(queue) *self, struct weir_policy policy)
{
	return policy_renew(self->name, policy, &self->writer, &self->reader);
}

/* A message as it was copied out: its descriptor, and what that tells of. */
struct letter {
	struct weir_desc desc;
	char bytes[1 << 16];
} __attribute__((aligned(64)));

/* The next message, settled, if @flags say so: 1, or -errno. */
static inline int letter_fetch(int fd, struct letter *letter, __u32 flags,
			       struct weir_run *run)
{
	memset(letter, 0, sizeof(*letter));
	return door_fetch(fd, letter, sizeof(*letter), flags, run);
}

static inline int letter_take(int fd, struct letter *letter)
{
	struct weir_run run;

	return letter_fetch(fd, letter, WEIR_FETCH_SETTLED, &run);
}

static inline const char *letter_headers(const struct letter *letter)
{
	return (const char *)letter + ((letter->desc.pos + letter->desc.len +
					letter->desc.key_len + 7) & ~7ULL);
}

/*
 * The value of its header @name, the one with that number of those of this name, with
 * a NUL behind it; NULL if there is none. @at: which header it is.
 */
static inline const char *letter_header_nr(const struct letter *letter, const char *name,
					   int nr, int *at)
{
	static char value[1 << 10];
	const char *begin = letter_headers(letter), *end = begin + letter->desc.headers_len;
	struct weir_header header;

	for (*at = 0; begin < end; ++*at) {
		const char *its = begin + sizeof(header);

		memcpy(&header, begin, sizeof(header));
		if (header.name_len == strlen(name) && !memcmp(its, name, header.name_len) &&
		    !nr--) {
			memcpy(value, its + header.name_len, header.value_len);
			value[header.value_len] = '\0';
			return value;
		}
		begin = its + ((header.name_len + header.value_len + 7) & ~7U);
	}
	return NULL;
}

static inline const char *letter_header(const struct letter *letter, const char *name)
{
	int at;

	return letter_header_nr(letter, name, 0, &at);
}

/* ~0 if there is no such header, or no number in it. */
static inline __u64 letter_number(const struct letter *letter, const char *name)
{
	const char *value = letter_header(letter, name);
	char *end;
	__u64 number;

	if (!value || !*value)
		return ~0ULL;
	number = strtoull(value, &end, 10);
	return *end ? ~0ULL : number;
}

/* Gives up one run, with that reason: its status, or the error of the call. */
static inline int policy_term(int fd, struct weir_run run, const char *reason, __u32 len)
{
	struct weir_settle settle = {
		.runs = raw_address(&run), .count = 1,
		.reason = raw_address(reason), .reason_len = len,
	};
	int ret;

	run.op = WEIR_TERM;
	ret = door_command(fd, WEIR_IOC_SETTLE, &settle);
	if (ret < 0)
		return ret;
	return ret == (run.status ? 0 : (int)run.count) ? run.status : -EPROTO;
}

#endif
