/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The kernel's harness, and a queue for each test. Where QUEUE_DOORS is defined
 * each test of that fixture runs once through each door; QUEUE_COMMANDS leaves
 * out the one that has no commands, read and write.
 *
 * Children that a test forks may use ASSERT_* and EXPECT_* too: the verdict is
 * in shared memory, and a failed ASSERT_* ends the child. Threads may not.
 */
#ifndef WEIR_SELFTESTS_FIXTURE_H
#define WEIR_SELFTESTS_FIXTURE_H

#include "kselftest_harness.h"
#include "proc.h"
#include "raw.h"

/*
 * Nothing here waits for a time. What hangs is ended by whoever runs the program, after
 * what its settings say, times what this kernel is slower: the harness knows no such
 * factor, and would end what is only slow.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	3600

FIXTURE(queue) {
	char name[WEIR_NAME_SIZE];
	int writer, reader;		/* non-blocking */
};

#if defined(QUEUE_DOORS) || defined(QUEUE_COMMANDS)
#include "doors.h"

FIXTURE_VARIANT(queue) {
	enum door door;
};

#ifdef QUEUE_DOORS
FIXTURE_VARIANT_ADD(queue, rw) {
	.door = DOOR_RW,
};
#endif

FIXTURE_VARIANT_ADD(queue, ioctl) {
	.door = DOOR_IOCTL,
};

FIXTURE_VARIANT_ADD(queue, uring) {
	.door = DOOR_URING,
};
#endif

FIXTURE_SETUP(queue)
{
#if defined(QUEUE_DOORS) || defined(QUEUE_COMMANDS)
	door_now = variant->door;
#endif
	raw_name(self->name);
	ASSERT_EQ(0, raw_create(self->name));
	self->writer = raw_open(self->name, O_WRONLY | O_NONBLOCK);
	ASSERT_LE(0, self->writer);
	self->reader = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->reader);
}

FIXTURE_TEARDOWN_PARENT(queue)
{
	int ret = raw_destroy_force(self->name);

	EXPECT_TRUE(ret == 0 || ret == -ENOENT) {
		TH_LOG("destroy: %d", ret);
	}
}

/* The queue once more, with other limits. */
static inline int queue_remake(FIXTURE_DATA(queue) *self, __u64 messages, __u64 bytes)
{
	int ret;

	close(self->writer);
	close(self->reader);
	ret = raw_destroy(self->name);
	if (!ret)
		ret = raw_create_sized(self->name, messages, bytes);
	if (ret)
		return ret;
	self->writer = raw_open(self->name, O_WRONLY | O_NONBLOCK);
	self->reader = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	return self->writer < 0 ? self->writer : self->reader < 0 ? self->reader : 0;
}

/* The figures always add up. */
#define ASSERT_ADDS_UP(info) \
	ASSERT_EQ((info)->sent, (info)->settled + (info)->purged + (info)->dropped + \
		  (info)->dead + (info)->depth + (info)->leased + (info)->delayed + \
		  (info)->behind + (info)->dying)

#endif
