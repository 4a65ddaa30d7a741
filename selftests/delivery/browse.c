// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Who browses sees what is there, each message once, and changes nothing. */
#include <sys/mman.h>

#include "browse.h"

#define RECORD		sizeof(struct weir_browsed)

static char payload[1 << 16], got[1 << 16];

/* Message @nr: its bytes, from its number on. */
static size_t fill(char *bytes, unsigned int nr)
{
	const size_t len = 4 + nr * 977 % 9000;
	size_t i;

	for (i = 0; i < len; i++)
		bytes[i] = nr * 31 + i * 7 + i / 256;
	memcpy(bytes, &nr, sizeof(nr));
	return len;
}

static void send_nr(int fd, unsigned int nr)
{
	const size_t len = fill(payload, nr);

	if (raw_write(fd, payload, len) != (long)len)
		abort();
}

static bool is_whole(const struct weir_browsed *record)
{
	const char *bytes = browse_buffer + record->desc.pos;
	unsigned int nr;
	size_t len;

	memcpy(&nr, bytes, sizeof(nr));
	len = fill(got, nr);
	return record->desc.len == len && !memcmp(got, bytes, len) &&
	       record->size == RECORD + (len + 63) / 64 * 64;
}

/* Nothing is taken, no figure changes, and what is told is what FETCH tells. */
TEST_F(queue, all_of_it)
{
	struct weir_browse browse = { .flags = WEIR_BROWSE_PAYLOAD };
	const struct weir_browsed *record;
	struct weir_info before, after;
	char seen[10] = { 0 };
	__u64 at = 0;
	int i;

	for (i = 0; i < 10; i++)
		send_nr(self->writer, i);
	ASSERT_EQ(0, raw_info(self->name, &before));
	ASSERT_EQ(10, browse_some(self->reader, &browse, sizeof(browse_buffer)));
	ASSERT_EQ(WEIR_BROWSE_END, browse.slot);
	for (i = 0; i < 10; i++) {
		record = browse_next(&at);
		ASSERT_LT(record->desc.offset, 10);
		seen[record->desc.offset]++;
		EXPECT_TRUE(is_whole(record));
		EXPECT_EQ(WEIR_BROWSE_READY, record->state);
		EXPECT_EQ(0, record->desc.deliveries);
		EXPECT_EQ(getpid(), (int)record->desc.pid);
		EXPECT_EQ(0, record->holder_pid);
		EXPECT_EQ(WEIR_UNLIMITED, record->left_ns);
		EXPECT_EQ(WEIR_UNLIMITED, record->expires_ns);
	}
	EXPECT_EQ(browse.buffer_len, at);
	for (i = 0; i < 10; i++)
		EXPECT_EQ(1, seen[i]);
	ASSERT_EQ(0, raw_info(self->name, &after));
	before.oldest_age_ns = after.oldest_age_ns;
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	/* Behind the end there is nothing, and that is no error. */
	EXPECT_EQ(0, browse_some(self->reader, &browse, 0));
	EXPECT_EQ(0, browse.buffer_len);
	/* Of the first that comes then it is the first delivery. */
	EXPECT_EQ(1, lease_take(self->reader, 1, 0).deliveries);
}

TEST_F(queue, key_and_headers)
{
	struct { struct weir_header header; char text[8]; } header = { { 5, 3, 0 }, "nameva" };
	const struct weir_browsed *record;
	struct weir_message message = {
		.data = raw_address("abc"), .len = 3, .key = raw_address("ke"), .key_len = 2,
		.headers = raw_address(&header), .headers_len = sizeof(header),
	};
	struct weir_send send = { .messages = raw_address(&message), .count = 1 };

	ASSERT_EQ(1, raw_ioctl(self->writer, WEIR_IOC_SEND, &send));
	record = browse_one(self->reader, 0);
	ASSERT_TRUE(!!record);
	EXPECT_EQ(3, record->desc.len);
	EXPECT_EQ(2, record->desc.key_len);
	EXPECT_EQ(RECORD, record->desc.pos);
	EXPECT_EQ(0, memcmp(browse_buffer + RECORD, "abcke\0\0\0", 8));
	EXPECT_EQ(0, memcmp(browse_buffer + RECORD + 8, &header, sizeof(header)));
}

/* In states and between offsets; and each state says what it is. */
TEST_F(queue, states)
{
	struct weir_browse browse = { .first = 3, .end = 5 };
	const struct weir_browsed *record;
	struct weir_run run;
	__u64 now, at = 0;
	int i;

	lease_fill(self->writer, 10);
	now = lease_now();
	run = lease_take(self->reader, 6, LEASE_LONG);
	ASSERT_EQ(6, run.count);
	ASSERT_EQ(0, lease_end(self->reader, lease_first(run, 2), WEIR_RELEASE, HOUR_MS));
	EXPECT_EQ(4, browse_count(self->reader, WEIR_BROWSE_READY, RECORD));
	EXPECT_EQ(2, browse_count(self->reader, WEIR_BROWSE_DELAYED, RECORD));
	EXPECT_EQ(4, browse_count(self->reader, WEIR_BROWSE_LEASED, RECORD));
	EXPECT_EQ(0, browse_count(self->reader, WEIR_BROWSE_DYING, RECORD));
	EXPECT_EQ(6, browse_count(self->reader, WEIR_BROWSE_LEASED | WEIR_BROWSE_DELAYED, 4096));
	EXPECT_EQ(10, browse_count(self->reader, 0, 4096));
	ASSERT_EQ(2, browse_some(self->reader, &browse, sizeof(browse_buffer)));
	for (i = 0; i < 2; i++) {
		record = browse_next(&at);
		EXPECT_TRUE(record->desc.offset == 3 || record->desc.offset == 4);
		EXPECT_EQ(WEIR_BROWSE_LEASED, record->state);
		EXPECT_EQ(RECORD, record->size);
		EXPECT_EQ(0, record->desc.pos);
		EXPECT_EQ(1, record->desc.deliveries);
		EXPECT_EQ(getpid(), (int)record->holder_pid);
		EXPECT_EQ(geteuid(), record->holder_uid);
		EXPECT_GE(LEASE_LONG, record->left_ns);
		EXPECT_LE(LEASE_LONG - (lease_now() - now), record->left_ns);
	}
	browse = (struct weir_browse){ .first = 1, .end = 2 };
	ASSERT_EQ(1, browse_some(self->reader, &browse, sizeof(browse_buffer)));
	record = (void *)browse_buffer;
	EXPECT_EQ(WEIR_BROWSE_DELAYED, record->state);
	EXPECT_EQ(0, record->holder_pid);
	EXPECT_GE(HOUR_NS, record->left_ns);
	EXPECT_LE(HOUR_NS - (lease_now() - now), record->left_ns);
	browse = (struct weir_browse){ .first = 10 };
	EXPECT_EQ(0, browse_some(self->reader, &browse, sizeof(browse_buffer)));
	/* What is settled is not there. */
	ASSERT_EQ(0, lease_end(self->reader, lease_rest(run, 2), WEIR_ACK, 0));
	EXPECT_EQ(6, browse_count(self->reader, 0, RECORD));
	ASSERT_EQ(4, raw_purge(self->name));
	EXPECT_EQ(2, browse_count(self->reader, 0, RECORD));
}

TEST_F(queue, expires)
{
	struct weir_options options = { .ttl_ns = HOUR_NS };
	struct weir_message message = {
		.data = raw_address("a"), .len = 1, .options = raw_address(&options),
		.options_len = sizeof(options),
	};
	struct weir_send send = { .messages = raw_address(&message), .count = 1 };
	const struct weir_browsed *record;
	__u64 now = lease_now();

	ASSERT_EQ(1, raw_ioctl(self->writer, WEIR_IOC_SEND, &send));
	record = browse_one(self->reader, 0);
	ASSERT_TRUE(!!record);
	EXPECT_GE(HOUR_NS, record->expires_ns);
	EXPECT_LE(HOUR_NS - (lease_now() - now), record->expires_ns);
}

/* A private queue is looked at like any other: what is told is copied. */
TEST_F(queue, private)
{
	close(self->writer);
	close(self->reader);
	ASSERT_EQ(0, raw_destroy(self->name));
	ASSERT_EQ(0, raw_create_as(self->name, 0, 0, WEIR_CREATE_PRIVATE, 0));
	self->writer = raw_open(self->name, O_WRONLY);
	self->reader = raw_open(self->name, O_RDONLY);
	send_nr(self->writer, 7);
	ASSERT_TRUE(!!browse_one(self->reader, 0));
	EXPECT_TRUE(is_whole((void *)browse_buffer));
}

/* A message larger than the room says how much it needs, and is told then. */
TEST_F(queue, room)
{
	struct weir_browse browse = { .flags = WEIR_BROWSE_PAYLOAD };

	send_nr(self->writer, 5);
	EXPECT_EQ(-EMSGSIZE, browse_some(self->reader, &browse, 0));
	EXPECT_EQ(-EMSGSIZE, browse_some(self->reader, &browse, browse.buffer_len - 1));
	EXPECT_EQ(1, browse_some(self->reader, &browse, browse.buffer_len));
	EXPECT_TRUE(is_whole((void *)browse_buffer));
	EXPECT_EQ(0, browse_some(self->reader, &browse, sizeof(browse_buffer)));
	EXPECT_EQ(WEIR_BROWSE_END, browse.slot);
}

/* Those that stay are told once each while others come and go around them. */
TEST_F(queue, once_each)
{
	static unsigned char times[200000];
	const int rounds = raw_rounds(40);
	struct weir_run stay;
	struct weir_browse browse;
	int i, ret, round;
	pid_t child;

	for (i = 0; i < 300; i++)
		send_nr(self->writer, i);
	/* Every third one stays with us. */
	for (i = 0; i < 300; i++) {
		stay = lease_take(self->reader, 1, WEIR_UNLIMITED);
		ASSERT_EQ(1, stay.count);
		if (i % 3)
			ASSERT_EQ(0, lease_end(self->reader, stay, WEIR_ACK, 0));
	}
	child = proc_fork();
	if (!child) {
		int in = raw_open(self->name, O_RDONLY), out = raw_open(self->name, O_WRONLY);

		for (i = 1;; i++) {
			int n;

			for (n = 0; n < i % 70; n++)
				send_nr(out, 1000 + i);
			for (n = 0; n < i % 70; n++)
				raw_read(in, payload, sizeof(payload));
		}
	}
	for (round = 0; round < rounds; round++) {
		memset(times, 0, sizeof(times));
		browse = (struct weir_browse){ .flags = WEIR_BROWSE_PAYLOAD };
		while (browse.slot != WEIR_BROWSE_END) {
			__u64 at = 0;

			ret = browse_some(self->reader, &browse, 40000);
			ASSERT_LE(0, ret);
			for (i = 0; i < ret; i++) {
				const struct weir_browsed *record = browse_next(&at);

				ASSERT_TRUE(is_whole(record));
				if (record->desc.offset < 300)
					times[record->desc.offset]++;
			}
			ASSERT_EQ(browse.buffer_len, at);
		}
		for (i = 0; i < 300; i++)
			ASSERT_EQ(i % 3 == 0, times[i]) {
				TH_LOG("round %d, offset %d", round, i);
			}
	}
	proc_kill(child);
}

/* A message of many pages is settled, and others come in its place, while it is told. */
TEST_F(queue, whole_or_not)
{
	static char large[200000], *bytes = browse_buffer + RECORD;
	struct weir_browse browse;
	const int enough = raw_rounds(100);
	int i, ret, told = 0;
	pid_t child;

	child = proc_fork();
	if (!child) {
		int in = raw_open(self->name, O_RDONLY), out = raw_open(self->name, O_WRONLY);

		for (i = 1;; i++) {
			memset(large, i, sizeof(large));
			if (raw_write(out, large, sizeof(large)) != sizeof(large) ||
			    raw_read(in, large, sizeof(large)) != sizeof(large))
				_exit(1);
		}
	}
	/* Mostly there is one when it is looked for, and mostly not any more at its end. */
	while (told < enough) {
		browse = (struct weir_browse){ .flags = WEIR_BROWSE_PAYLOAD };
		ret = browse_some(self->reader, &browse, sizeof(browse_buffer));
		ASSERT_LE(0, ret);
		told += ret;
		if (ret)
			ASSERT_EQ(0, memcmp(bytes, bytes + 1, sizeof(large) - 1));
	}
	proc_kill(child);
}

/* More slots than are looked at in one hold of the lock, of which few have anything. */
TEST_F(queue, sparse)
{
	struct weir_run run;
	int i;

	for (i = 0; i < 5; i++) {
		lease_fill(self->writer, 1000);
		run = lease_take(self->reader, 1, WEIR_UNLIMITED);
		ASSERT_EQ(1, run.count);
		if (i % 2)
			continue;
		ASSERT_EQ(999 + (i ? 999 : 0), raw_purge(self->name));
	}
	EXPECT_EQ(5, browse_count(self->reader, WEIR_BROWSE_LEASED, sizeof(browse_buffer)));
	EXPECT_EQ(5, browse_count(self->reader, 0, RECORD));
}

/* What is dead and cannot go on is there, with who had it last. */
TEST_F(queue, dying)
{
	char heir[WEIR_NAME_SIZE];
	const struct weir_browsed *record;
	int target;

	raw_name(heir);
	ASSERT_EQ(0, raw_create(heir));
	target = raw_open(heir, O_WRONLY);
	ASSERT_EQ(0, policy_remake(self, policy_dead(target, 1)));
	close(target);
	ASSERT_EQ(0, raw_destroy_force(heir));
	ASSERT_EQ(0, browse_name(self->reader, "the last"));
	lease_fill(self->writer, 1);
	ASSERT_EQ(0, policy_term(self->reader, lease_take(self->reader, 1, 0), "no", 2));
	record = browse_one(self->reader, WEIR_BROWSE_DYING);
	ASSERT_TRUE(!!record);
	EXPECT_EQ(getpid(), (int)record->holder_pid);
	EXPECT_STREQ("the last", record->holder);
}

TEST_F(queue, hostile)
{
	struct weir_browse browse, zero = {
		.buffer = raw_address(browse_buffer), .buffer_len = 4096,
	};
	char *hole = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct weir_info before, after;

	ASSERT_EQ(0, mprotect(hole + 4096, 4096, PROT_NONE));
	send_nr(self->writer, 8);
	ASSERT_EQ(0, raw_info(self->name, &before));
#define REFUSED(error, ...) do { \
		browse = zero; \
		__VA_ARGS__; \
		EXPECT_EQ(-(error), door_command(self->reader, WEIR_IOC_BROWSE, &browse)); \
	} while (0)
	REFUSED(EINVAL, browse.flags = 2);
	REFUSED(EINVAL, browse.flags = ~0U);
	REFUSED(EINVAL, browse.states = 1U << 31);
	REFUSED(EINVAL, browse.reserved = 1);
	REFUSED(EINVAL, browse.buffer += 4);
	REFUSED(EFAULT, browse.buffer = 0);
	REFUSED(EFAULT, browse.buffer = 64);
	REFUSED(EFAULT, browse.buffer = -4096ULL);
	REFUSED(EFAULT, browse.buffer = raw_address(hole + 4096 - RECORD), browse.flags = 1,
		browse.buffer_len = ~0ULL);
	EXPECT_EQ(-EACCES, door_command(self->writer, WEIR_IOC_BROWSE, &zero));
	/* Slots that there are not. */
	browse = zero;
	browse.slot = 1 << 20;
	EXPECT_EQ(0, door_command(self->reader, WEIR_IOC_BROWSE, &browse));
	EXPECT_EQ(WEIR_BROWSE_END, browse.slot);
	browse = zero;
	browse.slot = WEIR_BROWSE_END - 1;
	EXPECT_EQ(0, door_command(self->reader, WEIR_IOC_BROWSE, &browse));
	browse = zero;
	browse.first = 5;
	browse.end = 2;
	EXPECT_EQ(0, door_command(self->reader, WEIR_IOC_BROWSE, &browse));
	ASSERT_EQ(0, raw_info(self->name, &after));
	before.oldest_age_ns = after.oldest_age_ns;
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	ASSERT_EQ(0, raw_destroy_force(self->name));
	EXPECT_EQ(-ESHUTDOWN, door_command(self->reader, WEIR_IOC_BROWSE, &zero));
}

TEST_HARNESS_MAIN
