// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What is free is in pieces that are too small, more of them than are looked at in one
 * hold of the lock, and none may go: that is found out once, and told.
 */
#include "dead.h"
#include "full.h"

#define PAGE	4096UL
#define MOST	6000

static struct weir_run runs[MOST];

/* @count messages of so many pages each, all of them leased: the first one's place in runs. */
static int fill(struct __test_metadata *_metadata, FIXTURE_DATA(dead) *self, int at, int count,
		int pages)
{
	int i;

	for (i = 0; i < count; i++) {
		ASSERT_EQ(1, full_send_sized(self->writer, pages * PAGE));
		runs[at + i] = lease_take(self->reader, 1, LEASE_LONG);
		ASSERT_EQ(1, runs[at + i].count);
	}
	return at + count;
}

/* Of those all but each fourth go. */
static void thin(struct __test_metadata *_metadata, FIXTURE_DATA(dead) *self, int from, int to)
{
	for (; from < to; from++) {
		if (from % 4)
			ASSERT_EQ(0, lease_end(self->reader, runs[from], WEIR_ACK, 0));
	}
}

/* Of a pool of 8192 pages: runs of 3, then of 12, then none. */
static void crumble(struct __test_metadata *_metadata, FIXTURE_DATA(dead) *self, __u32 when_full)
{
	struct weir_policy policy = policy_dead(self->target, 0);
	int ones, fours;

	close(self->writer);
	close(self->reader);
	policy.max_bytes = 4096 * PAGE;
	policy.when_full = when_full;
	ASSERT_EQ(0, raw_destroy_force(self->name));
	ASSERT_EQ(0, policy_alter(self->heir, (struct weir_policy){ 0 }));
	ASSERT_EQ(0, policy_create(self->name, policy));
	self->writer = raw_open(self->name, O_WRONLY | O_NONBLOCK);
	self->reader = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	ones = fill(_metadata, self, 0, 4096, 1);
	thin(_metadata, self, 0, ones);
	fours = fill(_metadata, self, ones, 768, 4);
	thin(_metadata, self, ones, fours);
	fill(_metadata, self, fours, 78, 13);
}

static int send_now(int fd, size_t size)
{
	static char bytes[64 * PAGE];
	struct weir_message message = { .data = raw_address(bytes), .len = size };
	struct weir_send send = { .messages = raw_address(&message), .count = 1 };

	return door_command(fd, WEIR_IOC_SEND, &send);
}

static void refused(struct __test_metadata *_metadata, FIXTURE_DATA(dead) *self, __u32 when_full)
{
	struct weir_info info;
	int i;

	crumble(_metadata, self, when_full);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(-EAGAIN, send_now(self->writer, 64 * PAGE));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(0, info.dropped + info.dead + info.dying);
	EXPECT_EQ(4096 + 768 + 78, info.sent);
	/* The limit is not what stops it. */
	EXPECT_GT(info.policy.max_bytes - 64 * PAGE, info.bytes);
	/* What has place there has. */
	ASSERT_EQ(1, send_now(self->writer, 12 * PAGE));
	ASSERT_EQ(-EAGAIN, letter_take(self->letters, &letter));
}

TEST_F(dead, pieces_where_oldest_are_dropped)
{
	refused(_metadata, self, WEIR_WHEN_FULL_DROP_OLDEST);
}

TEST_F(dead, pieces_where_oldest_die)
{
	refused(_metadata, self, WEIR_WHEN_FULL_DEAD_LETTER);
}

TEST_HARNESS_MAIN
