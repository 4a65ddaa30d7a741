// SPDX-License-Identifier: GPL-2.0 OR MIT
/* A consumer is what it calls itself, wherever others are told of it. */
#include "browse.h"
#include "dead.h"

TEST_F(dead, told)
{
	const struct weir_browsed *record;
	struct weir_run run;

	lease_fill(self->writer, 2);
	run = lease_take(self->reader, 1, 0);
	record = browse_one(self->reader, WEIR_BROWSE_LEASED);
	ASSERT_TRUE(!!record);
	EXPECT_STREQ("", record->holder);
	/* Also of what it holds already. */
	ASSERT_EQ(0, browse_name(self->reader, "w\xc3\xb6rker 1"));
	ASSERT_TRUE(!!browse_one(self->reader, WEIR_BROWSE_LEASED));
	EXPECT_STREQ("w\xc3\xb6rker 1", record->holder);
	ASSERT_EQ(0, policy_term(self->reader, run, NULL, 0));
	wait_figure(self->heir, "depth", 1);
	ASSERT_EQ(1, letter_take(self->letters, &letter));
	EXPECT_STREQ("w\xc3\xb6rker 1", letter_header(&letter, "weir-dead-consumer"));
	EXPECT_EQ(getpid(), (int)letter_number(&letter, "weir-dead-pid"));
	EXPECT_EQ(geteuid(), letter_number(&letter, "weir-dead-uid"));
	/* And not any more. */
	ASSERT_EQ(0, browse_name(self->reader, ""));
	ASSERT_EQ(0, policy_term(self->reader, lease_take(self->reader, 1, 0), NULL, 0));
	wait_figure(self->heir, "depth", 1);
	ASSERT_EQ(1, letter_take(self->letters, &letter));
	EXPECT_TRUE(!letter_header(&letter, "weir-dead-consumer"));
	EXPECT_EQ(getpid(), (int)letter_number(&letter, "weir-dead-pid"));
}

/* Each process has its own, through one description too; its end does not change it. */
TEST_F(dead, each_its_own)
{
	const struct weir_browsed *record;
	pid_t child;

	ASSERT_EQ(0, policy_alter(self->name, policy_dead(self->target, 1)));
	ASSERT_EQ(0, browse_name(self->reader, "parent"));
	EXPECT_EQ(1, raw_figure(self->name, "consumers"));
	lease_fill(self->writer, 2);
	child = proc_fork();
	if (!child) {
		ASSERT_EQ(0, browse_name(self->reader, "child"));
		EXPECT_EQ(2, raw_figure(self->name, "consumers"));
		ASSERT_EQ(1, lease_take(self->reader, 1, 0).count);
		record = browse_one(self->reader, WEIR_BROWSE_LEASED);
		ASSERT_TRUE(!!record);
		EXPECT_STREQ("child", record->holder);
		EXPECT_EQ(getpid(), (int)record->holder_pid);
		_exit(0);
	}
	ASSERT_EQ(0, proc_wait(child));
	wait_figure(self->heir, "depth", 1);
	ASSERT_EQ(1, letter_take(self->letters, &letter));
	EXPECT_STREQ("child", letter_header(&letter, "weir-dead-consumer"));
	EXPECT_EQ(child, (int)letter_number(&letter, "weir-dead-pid"));
	ASSERT_EQ(1, lease_take(self->reader, 1, 0).count);
	record = browse_one(self->reader, WEIR_BROWSE_LEASED);
	ASSERT_TRUE(!!record);
	EXPECT_STREQ("parent", record->holder);
}

TEST_F(dead, refused)
{
	struct weir_name name = { .name = "a" };
	int i;

	EXPECT_EQ(-EACCES, door_command(self->writer, WEIR_IOC_NAME, &name));
	name.flags = 1;
	EXPECT_EQ(-EINVAL, door_command(self->reader, WEIR_IOC_NAME, &name));
	name = (struct weir_name){ .name = "a", .reserved = 1 };
	EXPECT_EQ(-EINVAL, door_command(self->reader, WEIR_IOC_NAME, &name));
	memset(name.name, 'x', sizeof(name.name));
	name.reserved = 0;
	EXPECT_EQ(-ENAMETOOLONG, door_command(self->reader, WEIR_IOC_NAME, &name));
	for (i = 1; i < 256; i++)
		EXPECT_EQ(i < ' ' || i == 127 ? -EINVAL : 0,
			  browse_name(self->reader, (char[]){ 'a', i, 0 }));
	EXPECT_EQ(-EFAULT, door_command(self->reader, WEIR_IOC_NAME, (void *)64));
	/* The longest that there is. */
	name.name[sizeof(name.name) - 1] = 0;
	ASSERT_EQ(0, door_command(self->reader, WEIR_IOC_NAME, &name));
	lease_fill(self->writer, 1);
	ASSERT_EQ(0, policy_term(self->reader, lease_take(self->reader, 1, 0), NULL, 0));
	wait_figure(self->heir, "depth", 1);
	ASSERT_EQ(1, letter_take(self->letters, &letter));
	EXPECT_STREQ(name.name, letter_header(&letter, "weir-dead-consumer"));
	ASSERT_EQ(0, raw_destroy_force(self->name));
	EXPECT_EQ(-ESHUTDOWN, browse_name(self->reader, "b"));
}

TEST_HARNESS_MAIN
