// SPDX-License-Identifier: GPL-2.0 OR MIT
/* What nobody could do is dead, exactly when its queue's policy says. */
#include "dead.h"

/* Each time it comes back, in whatever way, counts; the last one is its end. */
TEST_F(dead, exactly_then)
{
	struct weir_info info;
	int n, i, dead = 0;
	enum way way;

	for (n = 1; n <= 3; n++) {
		ASSERT_EQ(0, policy_alter(self->name, policy_dead(self->target, n)));
		for (way = RELEASED; way < WAYS; way++) {
			lease_fill(self->writer, 1);
			for (i = 0; i < n; i++) {
				wait_figure(self->name, "depth", 1);
				ASSERT_EQ(0, raw_info(self->name, &info));
				ASSERT_ADDS_UP(&info);
				ASSERT_EQ(dead, info.dead + info.dying);
				ASSERT_EQ(0, come_back(self->name, self->reader, way)) {
					TH_LOG("way %d, %d of %d", way, i, n);
				}
			}
			dead++;
			wait_figure(self->name, "dead", dead);
			ASSERT_EQ(0, lease_take(self->reader, 1, 0).count);
			ASSERT_EQ(1, letter_take(self->letters, &letter));
			ASSERT_STREQ("deliveries", letter_header(&letter, "weir-dead-reason"));
			ASSERT_EQ(n, letter_number(&letter, "weir-dead-deliveries"));
			ASSERT_EQ(dead - 1, letter_number(&letter, "weir-dead-offset"));
			ASSERT_EQ(getpid(), (int)letter.desc.pid);
		}
	}
	EXPECT_EQ(-EAGAIN, letter_take(self->letters, &letter));
	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(0, info.settled + info.depth + info.leased + info.dying);
	/* But for what this process may still read in place. */
	EXPECT_EQ(1 + 1 + 1, info.pinned);
	EXPECT_EQ(64 * info.pinned, info.bytes);
}

/* What is settled at the last time is not dead, nor what is extended. */
TEST_F(dead, in_time)
{
	struct weir_run run;
	int i;

	lease_fill(self->writer, 1);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, come_back(self->name, self->reader, RELEASED));
	run = lease_take(self->reader, 1, 0);
	ASSERT_EQ(3, run.deliveries);
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_EXTEND, HOUR_MS));
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_ACK, 0));
	EXPECT_EQ(0, raw_figure(self->name, "dying"));
	EXPECT_EQ(0, raw_figure(self->name, "dead"));
	EXPECT_EQ(1, raw_figure(self->name, "settled"));
}

TEST_F(dead, reason)
{
	static char text[300];
	static const __u32 lengths[] = { 0, 1, 2, 7, 8, 9, 254, 255 };
	struct weir_run run;
	unsigned int i;

	for (i = 0; i < sizeof(text); i++)
		text[i] = 'a' + i % 26;
	for (i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		const char *value;

		lease_fill(self->writer, 1);
		run = lease_take(self->reader, 1, 0);
		ASSERT_EQ(0, policy_term(self->reader, run, text, lengths[i]));
		wait_figure(self->heir, "depth", 1);
		ASSERT_EQ(1, letter_take(self->letters, &letter));
		value = letter_header(&letter, "weir-dead-text");
		ASSERT_EQ(!lengths[i], !value);
		if (!value)
			continue;
		ASSERT_EQ(lengths[i], strlen(value));
		ASSERT_EQ(0, memcmp(text, value, lengths[i]));
	}
	lease_fill(self->writer, 1);
	run = lease_take(self->reader, 1, 0);
	EXPECT_EQ(-EINVAL, policy_term(self->reader, run, text, 256));
	EXPECT_EQ(-EINVAL, policy_term(self->reader, run, text, ~0U));
	EXPECT_EQ(-EFAULT, policy_term(self->reader, run, (void *)64, 1));
	EXPECT_EQ(-EFAULT, policy_term(self->reader, run, NULL, 255));
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	/* Of what is not given up it says nothing, and does no harm. */
	EXPECT_EQ(0, lease_end(self->reader, run, WEIR_ACK, 0));
	EXPECT_EQ(-EAGAIN, letter_take(self->letters, &letter));
}

/* In runs, in parts of runs, among others, and by the FETCH that settles first. */
TEST_F(dead, parts_of_runs)
{
	struct weir_run run, runs[4], next;
	struct weir_settle settle = {
		.runs = raw_address(runs), .count = 4, .reason = raw_address("no"),
		.reason_len = 2,
	};
	struct weir_fetch fetch = {
		.runs = raw_address(&next), .nr_runs = 1, .max_messages = 1,
		.settle = raw_address(runs), .nr_settle = 1,
	};
	static const int dead[] = { 10, 11, 12, 50, 54, 55, 56, 57, 58, 59 };
	unsigned int i;

	lease_fill(self->writer, 61);
	run = lease_take(self->reader, 60, 0);
	ASSERT_EQ(60, run.count);
	runs[0] = lease_first(lease_rest(run, 10), 3);
	runs[0].op = WEIR_TERM;
	runs[1] = lease_first(lease_rest(run, 20), 5);
	runs[2] = lease_first(lease_rest(run, 50), 1);
	runs[2].op = WEIR_TERM;
	runs[3] = lease_first(lease_rest(run, 30), 2);
	runs[3].op = WEIR_RELEASE;
	ASSERT_EQ(11, door_command(self->reader, WEIR_IOC_SETTLE, &settle));
	/* Late now, and a whole that has such a part. */
	EXPECT_EQ(-ESTALE, policy_term(self->reader, lease_first(lease_rest(run, 10), 3), "x", 1));
	EXPECT_EQ(-ESTALE, policy_term(self->reader, run, "x", 1));
	EXPECT_EQ(-ESTALE, policy_term(self->reader, lease_first(lease_rest(run, 8), 3), "x", 1));
	EXPECT_EQ(-ESTALE, lease_end(self->reader, lease_first(lease_rest(run, 10), 1),
				     WEIR_ACK, 0));
	runs[0] = lease_rest(run, 54);
	runs[0].op = WEIR_TERM;
	ASSERT_EQ(1, door_command(self->reader, WEIR_IOC_FETCH, &fetch));
	EXPECT_EQ(0, runs[0].status);
	wait_figure(self->heir, "depth", 10);
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(1, letter_take(self->letters, &letter));
		ASSERT_EQ(dead[i], (int)letter_number(&letter, "weir-dead-offset"));
		ASSERT_EQ(i < 4, !!letter_header(&letter, "weir-dead-text"));
	}
	EXPECT_EQ(10, raw_figure(self->name, "dead"));
	/* Two came back, of which one was taken again. */
	EXPECT_EQ(60 - 10 - 5 - 2 + 1, raw_figure(self->name, "leased"));
}

/* A lease that is over is over. */
TEST_F(dead, late)
{
	struct weir_run run;

	lease_fill(self->writer, 4);
	run = lease_take(self->reader, 4, LEASE_SHORT);
	wait_figure(self->name, "expired", 4);
	EXPECT_EQ(-ESTALE, policy_term(self->reader, run, "late", 4));
	EXPECT_EQ(4, raw_figure(self->name, "depth"));
	EXPECT_EQ(0, raw_figure(self->name, "dead"));
}

/* Who waits for room is told when the dead make some. */
TEST_F(dead, makes_room)
{
	struct weir_run run;
	pid_t child;

	ASSERT_EQ(0, policy_alter(self->name, (struct weir_policy){
		.max_messages = 1, .flags = WEIR_POLICY_DISCARD,
	}));
	lease_fill(self->writer, 1);
	run = lease_take(self->reader, 1, 0);
	child = proc_fork();
	if (!child)
		_exit(raw_write(raw_open(self->name, O_WRONLY), "x", 1) != 1);
	wait_waiters(self->name, 1);
	ASSERT_EQ(0, policy_term(self->reader, run, "room", 4));
	EXPECT_EQ(0, proc_wait(child));
}

TEST_F(dead, discarded)
{
	struct weir_policy policies[] = {
		{ .flags = WEIR_POLICY_DISCARD, .max_deliveries = 2 }, { 0 },
	};
	struct weir_info info;
	struct weir_run run;
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, policy_alter(self->name, policies[i]));
		lease_fill(self->writer, 4);
		run = lease_take(self->reader, 4, 0);
		ASSERT_EQ(0, policy_term(self->reader, lease_first(run, 2), "away", 4));
		ASSERT_EQ(0, lease_end(self->reader, lease_rest(run, 2), WEIR_RELEASE, 0));
		run = lease_take(self->reader, 2, 0);
		ASSERT_EQ(2, run.deliveries);
		ASSERT_EQ(0, lease_end(self->reader, run, WEIR_RELEASE, 0));
		wait_figure(self->name, "dying", 0);
		ASSERT_EQ(0, raw_info(self->name, &info));
		ASSERT_ADDS_UP(&info);
		EXPECT_EQ(i ? 4 + 2 : 4, info.dead);
		EXPECT_EQ(i ? 2 : 0, info.depth);
	}
	EXPECT_EQ(0, raw_figure(self->heir, "sent"));
}

/* What is wrong with a policy is said of both commands. */
TEST_F(dead, wrong_policies)
{
	struct weir_policy wrong[] = {
		{ .max_deliveries = 1 },
		{ .flags = WEIR_POLICY_DEAD_LETTER | WEIR_POLICY_DISCARD },
		{ .flags = ~0U }, { .flags = 1U << 31 },
		{ .flags = WEIR_POLICY_SINGLE_ACTIVE | WEIR_POLICY_EXCLUSIVE },
		{ .backoff_ns = WEIR_UNLIMITED + 1 }, { .backoff_max_ns = ~0ULL },
	};
	char other[WEIR_NAME_SIZE];
	unsigned int i;

	raw_name(other);
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		wrong[i].dead_letter = self->target;
		EXPECT_EQ(-EINVAL, policy_create(other, wrong[i])) {
			TH_LOG("%u", i);
		}
		EXPECT_EQ(-EINVAL, policy_alter(self->name, wrong[i]));
	}
	EXPECT_EQ(3, raw_figure(self->name, "max_deliveries"));
}

/* Each time later, by the doubled time or down to half of it, up to a limit. */
/* In place, with nowhere to tell what was taken. */
static int take_in_vain(int fd)
{
	struct weir_fetch fetch = { .runs = 64, .nr_runs = 1, .max_messages = 1 };

	return door_command(fd, WEIR_IOC_FETCH, &fetch);
}

TEST_F(dead, backoff)
{
	struct weir_policy policy = {
		.backoff_ns = 8000000, .backoff_max_ns = 60000000,
	};
	__u64 least, begin;
	int i;

	ASSERT_EQ(0, policy_alter(self->name, policy));
	lease_fill(self->writer, 1);
	for (i = 0; i < 8; i++) {
		least = policy.backoff_ns << i;
		least = (least < policy.backoff_max_ns ? least : policy.backoff_max_ns) / 2;
		begin = lease_now();
		ASSERT_EQ(0, come_back(self->name, self->reader, i % 2 ? EXPIRED : RELEASED));
		wait_figure(self->name, "depth", 1);
		ASSERT_LE(begin + least, lease_now());
	}
	/* It has an end, and one of its own is a time of its own. */
	policy.backoff_ns = HOUR_NS;
	policy.backoff_max_ns = 0;
	ASSERT_EQ(0, policy_alter(self->name, policy));
	EXPECT_EQ(3600000000000LL, raw_figure(self->name, "backoff_max_ns"));
	policy.backoff_ns = 2 * HOUR_NS;
	ASSERT_EQ(0, policy_alter(self->name, policy));
	EXPECT_EQ(7200000000000LL, raw_figure(self->name, "backoff_max_ns"));
	ASSERT_EQ(0, come_back(self->name, self->reader, LATER));
	wait_figure(self->name, "depth", 1);
	/* Who ends, or whose memory is wrong, has not failed at it. */
	ASSERT_EQ(-EFAULT, take_in_vain(self->reader));
	wait_figure(self->name, "depth", 1);
	ASSERT_EQ(0, come_back(self->name, self->reader, ENDED));
	wait_figure(self->name, "depth", 1);
	ASSERT_EQ(0, come_back(self->name, self->reader, CLOSED));
	wait_figure(self->name, "depth", 1);
	ASSERT_EQ(0, come_back(self->name, self->reader, RELEASED));
	EXPECT_EQ(1, raw_figure(self->name, "delayed"));
}

/* Nobody waits an hour for what nobody can have. */
TEST_F(dead, backoff_and_the_end)
{
	struct weir_policy policy = policy_dead(self->target, 2);

	policy.backoff_ns = 1;
	policy.backoff_max_ns = 1;
	ASSERT_EQ(0, policy_alter(self->name, policy));
	lease_fill(self->writer, 1);
	ASSERT_EQ(0, come_back(self->name, self->reader, RELEASED));
	wait_figure(self->name, "depth", 1);
	policy.backoff_ns = WEIR_UNLIMITED;
	policy.backoff_max_ns = WEIR_UNLIMITED;
	ASSERT_EQ(0, policy_alter(self->name, policy));
	ASSERT_EQ(0, come_back(self->name, self->reader, RELEASED));
	wait_figure(self->heir, "depth", 1);
	EXPECT_EQ(0, raw_figure(self->name, "delayed"));
}

/* What is read in place by who lost it stays, when it is dead and moved, too. */
TEST_F(dead, pinned)
{
	struct weir_run run, again;
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK);

	lease_fill(self->writer, 1);
	run = lease_take(self->reader, 1, LEASE_SHORT);
	wait_figure(self->name, "expired", 1);
	again = lease_take(other, 1, 0);
	ASSERT_EQ(2, again.deliveries);
	ASSERT_EQ(0, policy_term(other, again, "mine", 4));
	wait_figure(self->heir, "depth", 1);
	EXPECT_EQ(1, raw_figure(self->name, "pinned"));
	EXPECT_EQ(64, raw_figure(self->name, "bytes"));
	EXPECT_EQ(-ESTALE, policy_term(self->reader, run, "his", 3));
	EXPECT_EQ(0, raw_figure(self->name, "pinned"));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

/* Many at once, in all ways, while the queue goes away under them. */
TEST_F(dead, destroyed_meanwhile)
{
	struct weir_policy policy = policy_dead(self->target, 1);
	char name[WEIR_NAME_SIZE];
	int i, fd;

	for (i = 0; i < raw_rounds(20); i++) {
		ASSERT_EQ(0, policy_create(raw_name(name), policy));
		fd = raw_open(name, O_RDWR | O_NONBLOCK);
		lease_fill(fd, 200);
		ASSERT_EQ(0, policy_term(fd, lease_take(fd, 64, 0), "going", 5));
		lease_take(fd, 64, LEASE_SHORT);
		ASSERT_EQ(0, lease_end(fd, lease_take(fd, 64, 0), WEIR_RELEASE, 1));
		if (i % 2)
			close(fd);
		ASSERT_EQ(0, raw_destroy_force(name));
		if (!(i % 2))
			close(fd);
	}
	/* Those that came are whole. */
	while (letter_take(self->letters, &letter) == 1)
		ASSERT_TRUE(!!letter_header(&letter, "weir-dead-reason"));
}

TEST_HARNESS_MAIN
