/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* A queue with a dead letter queue, and the ways in which messages come back. */
#ifndef WEIR_SELFTESTS_DEAD_H
#define WEIR_SELFTESTS_DEAD_H

#include "policy.h"

static struct letter letter;

FIXTURE(dead) {
	char name[WEIR_NAME_SIZE], heir[WEIR_NAME_SIZE];
	int writer, reader;		/* of the queue */
	int letters, target;		/* of its heir, for reading and for writing */
};

FIXTURE_VARIANT(dead) {
	enum door door;
};

FIXTURE_VARIANT_ADD(dead, ioctl) {
	.door = DOOR_IOCTL,
};

FIXTURE_VARIANT_ADD(dead, uring) {
	.door = DOOR_URING,
};

FIXTURE_SETUP(dead)
{
	door_now = variant->door;
	raw_name(self->heir);
	ASSERT_EQ(0, raw_create_as(self->heir, 0, 0, 0, 0666));
	self->target = raw_open(self->heir, O_WRONLY | O_NONBLOCK);
	ASSERT_LE(0, self->target);
	self->letters = raw_open(self->heir, O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->letters);
	raw_name(self->name);
	ASSERT_EQ(0, policy_create(self->name, policy_dead(self->target, 3)));
	self->writer = raw_open(self->name, O_WRONLY | O_NONBLOCK);
	ASSERT_LE(0, self->writer);
	self->reader = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->reader);
}

FIXTURE_TEARDOWN_PARENT(dead)
{
	int ret = raw_destroy_force(self->name);

	EXPECT_TRUE(ret == 0 || ret == -ENOENT);
	ret = raw_destroy_force(self->heir);
	EXPECT_TRUE(ret == 0 || ret == -ENOENT);
}

/* The ways in which a message comes back. */
enum way { RELEASED, LATER, EXPIRED, CLOSED, ENDED, READ, FAULTED, WAYS };

/* It is delivered, and comes back in that way, or is dead. */
static inline int come_back(const char *name, int reader, enum way way)
{
	struct weir_run run;
	pid_t child;
	char byte;
	int fd;

	switch (way) {
	case RELEASED:
	case LATER:
		run = lease_take(reader, 1, 0);
		if (run.count != 1)
			return -ENOMSG;
		return lease_end(reader, run, WEIR_RELEASE, way == LATER);
	case EXPIRED:
		return lease_take(reader, 1, LEASE_SHORT).count == 1 ? 0 : -ENOMSG;
	case CLOSED:
		fd = raw_open(name, O_RDONLY | O_NONBLOCK);
		run = lease_take(fd, 1, 0);
		close(fd);
		return run.count == 1 ? 0 : -ENOMSG;
	case ENDED:
		child = proc_fork();
		if (!child)
			_exit(lease_take(reader, 1, 0).count != 1);
		return proc_wait(child);
	case READ:
		fd = raw_open(name, O_RDONLY | O_NONBLOCK);
		run.count = raw_read(fd, &byte, 1);
		close(fd);
		return run.count == 1 ? 0 : -ENOMSG;
	default:
		return door_fetch(reader, (void *)64, 1 << 12, 0, &run) == -EFAULT ? 0 : -ENOMSG;
	}
}

#endif
