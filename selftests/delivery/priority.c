// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Higher priorities first, strictly, unless lower ones are not to starve. */
#include "wish.h"

static __u64 order[WISH_MOST], expected[WISH_MOST];

static int with_priorities(FIXTURE_DATA(queue) *self, __u32 priorities, __u32 starve_after)
{
	return policy_remake(self, (struct weir_policy){
		.priorities = priorities, .starve_after = starve_after,
	});
}

/* Sends @count messages, in batches, with what priorities says @of; 0 in two ways. */
static int send_batches(int fd, const __u32 *of, int count)
{
	static struct weir_options options[WISH_MOST];
	static struct weir_message messages[WISH_MOST];
	struct weir_send send;
	int i, n;

	for (i = 0; i < count; i++) {
		options[i] = (struct weir_options){ .priority = of[i] };
		messages[i] = (struct weir_message){ .data = raw_address(&i), .len = sizeof(i) };
		if (!of[i] && i % 3)
			continue;
		messages[i].options = raw_address(&options[i]);
		messages[i].options_len = sizeof(options[i]);
	}
	for (i = 0; i < count; i += n) {
		send = (struct weir_send){
			.messages = raw_address(messages + i), .count = 1 + i * 7 % 40,
		};
		if (i + (int)send.count > count)
			send.count = count - i;
		n = door_command(fd, WEIR_IOC_SEND, &send);
		if (n <= 0 || send.first_offset != (__u64)i)
			return -EPROTO;
	}
	return 0;
}

/* By priority, and then as sent, however they are sent and received. */
TEST_F(queue, strict)
{
	enum { COUNT = 600 };
	static __u32 of[COUNT];
	unsigned int seed = 5;
	__u32 max, priority;
	int i, n;

	for (max = 1; max < 1000; max = max * 5 + 2) {
		enum receive how = max % 2 ? BY_COPY : IN_PLACE;

		ASSERT_EQ(0, with_priorities(self, 32, 0));
		for (i = 0; i < COUNT; i++)
			of[i] = rand_r(&seed) % 4 ? 0 : rand_r(&seed) % 32;
		ASSERT_EQ(0, send_batches(self->writer, of, COUNT));
		for (n = 0, priority = 32; priority--;)
			for (i = 0; i < COUNT; i++)
				if (of[i] == priority)
					expected[n++] = i;
		ASSERT_EQ(COUNT, wish_drain(self->reader, how, max, order));
		for (i = 0; i < COUNT; i++)
			ASSERT_EQ(expected[i], order[i]) {
				TH_LOG("%d of batches of %u", i, max);
			}
	}
}

TEST_F(queue, by_read)
{
	static const char letters[] = "abcdefgh";
	static const __u32 of[] = { 0, 2, 1, 0, 2, 2, 1, 0 };
	char got[9] = "";
	int i;

	ASSERT_EQ(0, with_priorities(self, 3, 0));
	for (i = 0; i < 8; i++) {
		struct weir_options options = { .priority = of[i] };
		struct weir_message message = {
			.data = raw_address(letters + i), .len = 1,
			.options = raw_address(&options), .options_len = sizeof(options),
		};
		struct weir_send send = { .messages = raw_address(&message), .count = 1 };

		ASSERT_EQ(1, door_command(self->writer, WEIR_IOC_SEND, &send));
	}
	for (i = 0; i < 8; i++)
		ASSERT_EQ(1, raw_read(self->reader, got + i, 1));
	EXPECT_STREQ("befcgadh", got);
}

/* What was put back comes first within its priority, not before higher ones (I42). */
TEST_F(queue, put_back)
{
	static const __u32 of[] = { 2, 2, 2, 1, 1 };
	static const __u64 then[] = { 7, 1, 5, 4, 6, 8 };
	struct weir_run runs[5];
	int i;

	ASSERT_EQ(0, with_priorities(self, 4, 0));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(1, wish_send_first(self->writer, of[i]));
	for (i = 0; i < 5; i++) {
		runs[i] = lease_take(self->reader, 1, 0);
		ASSERT_EQ(i, runs[i].offset);
	}
	ASSERT_EQ(0, lease_end(self->reader, runs[4], WEIR_RELEASE, 0));
	ASSERT_EQ(0, lease_end(self->reader, runs[1], WEIR_RELEASE, 0));
	ASSERT_EQ(1, wish_send_first(self->writer, 2));
	ASSERT_EQ(1, wish_send_first(self->writer, 1));
	ASSERT_EQ(1, wish_send_first(self->writer, 3));
	ASSERT_EQ(1, wish_send(self->writer, NULL));
	ASSERT_EQ(6, wish_drain(self->reader, IN_PLACE, 10, order));
	for (i = 0; i < 6; i++)
		EXPECT_EQ(then[i], order[i]);
}

TEST_F(queue, told)
{
	static struct letter letter;
	__u32 priority;

	ASSERT_EQ(0, with_priorities(self, 32, 0));
	for (priority = 0; priority < 32; priority++) {
		ASSERT_EQ(1, wish_send_first(self->writer, priority));
		ASSERT_EQ(1, letter_take(self->reader, &letter));
		ASSERT_EQ(priority, letter.desc.priority);
		ASSERT_EQ(priority, letter.desc.offset);
	}
	/* The slot is used again, by one that asks for nothing. */
	for (priority = 0; priority < 100; priority++) {
		ASSERT_EQ(1, raw_write(self->writer, "x", 1));
		ASSERT_EQ(1, letter_take(self->reader, &letter));
		ASSERT_EQ(0, letter.desc.priority);
	}
}

TEST_F(queue, too_high)
{
	struct weir_info info;
	__u32 n;

	for (n = 0; n <= 32; n += n ? 31 : 1) {
		ASSERT_EQ(0, with_priorities(self, n, 0));
		ASSERT_EQ(0, raw_info(self->name, &info));
		EXPECT_EQ(n ? n : 1, info.policy.priorities);
		EXPECT_EQ(-EINVAL, wish_send_first(self->writer, n ? n : 1));
		EXPECT_EQ(-EINVAL, wish_send_first(self->writer, 256));
		EXPECT_EQ(-EINVAL, wish_send_first(self->writer, ~0U));
		EXPECT_EQ(1, wish_send_first(self->writer, n ? n - 1 : 0));
	}
	EXPECT_EQ(-EINVAL, policy_alter(self->name, (struct weir_policy){ .priorities = 33 }));
	EXPECT_EQ(-EINVAL, policy_alter(self->name, (struct weir_policy){ .priorities = ~0U }));
}

/* What order there is to be, of @of: how many. */
static int expect_fed(const __u32 *of, int count, __u32 starve_after)
{
	static bool gone[WISH_MOST];
	__u32 hungry = 0;
	int n, i, next, lowest;

	memset(gone, 0, sizeof(gone));
	for (n = 0; n < count; n++) {
		next = lowest = -1;
		for (i = 0; i < count; i++) {
			if (gone[i])
				continue;
			if (next < 0 || of[i] > of[next])
				next = i;
			if (lowest < 0 || of[i] < of[lowest])
				lowest = i;
		}
		if (starve_after && hungry >= starve_after)
			next = lowest;
		hungry = of[next] > of[lowest] ? hungry + 1 : 0;
		gone[next] = true;
		expected[n] = next;
	}
	return n;
}

/* One of the lowest after so many of others: not one more, whatever is fetched at once. */
TEST_F(queue, nobody_starves)
{
	static const __u32 afters[] = { 1, 2, 3, 7, 20 };
	static const __u32 batches[] = { 1, 2, 5, 64 };
	enum { COUNT = 120 };
	static __u32 of[COUNT];
	unsigned int seed = 9, i, j;
	int n;

	for (i = 0; i < 5; i++) {
		for (j = 0; j < 4; j++) {
			enum receive how = (i + j) % 2 ? BY_COPY : IN_PLACE;

			ASSERT_EQ(0, with_priorities(self, 4, afters[i]));
			for (n = 0; n < COUNT; n++)
				of[n] = rand_r(&seed) % 3 ? 3 : rand_r(&seed) % 4;
			ASSERT_EQ(0, send_batches(self->writer, of, COUNT));
			expect_fed(of, COUNT, afters[i]);
			ASSERT_EQ(COUNT, wish_drain(self->reader, how, batches[j], order));
			for (n = 0; n < COUNT; n++)
				ASSERT_EQ(expected[n], order[n]) {
					TH_LOG("%d, after %u, batches of %u", n, afters[i],
					       batches[j]);
				}
		}
	}
}

/* Another sends those of the higher priority, until he is killed. */
static pid_t send_first_for_ever(int fd)
{
	pid_t child = proc_fork();
	int ret = 1;

	if (!child) {
		while (ret == 1 || ret == -EAGAIN)
			ret = wish_send_first(fd, 1);
		_exit(1);
	}
	return child;
}

/*
 * PURGE takes what was sent before it, all of that, and nothing of higher priority since.
 * Whether anything is sent just then is chance, so it is tried several times.
 */
TEST_F(queue, purged_meanwhile)
{
	enum { BATCH = 1000, BEFORE = 20 * BATCH, TRIES = 8 };
	static const struct weir_message messages[BATCH];
	static __u64 offsets[WEIR_DEFAULT_MESSAGES + WISH_MOST];
	struct weir_send send = { .messages = raw_address(messages), .count = BATCH };
	long purged, least;
	int i, n, tries;
	pid_t child;

	for (tries = 0; tries < TRIES; tries++) {
		ASSERT_EQ(0, with_priorities(self, 2, 0));
		for (i = 0; i < BEFORE / BATCH; i++)
			ASSERT_EQ(BATCH, door_command(self->writer, WEIR_IOC_SEND, &send));
		child = send_first_for_ever(self->writer);
		wait_until(raw_figure(self->name, "sent") > BEFORE + 10);
		purged = raw_purge(self->name);
		ASSERT_EQ(128 + SIGKILL, proc_kill(child));
		n = wish_drain(self->reader, IN_PLACE, WISH_MOST, offsets);
		ASSERT_LE(0, n);
		least = purged;
		for (i = 0; i < n; i++)
			least = (long)offsets[i] < least ? (long)offsets[i] : least;
		/* What is left is what was sent last. */
		ASSERT_EQ(raw_figure(self->name, "sent"), purged + n);
		ASSERT_EQ(purged, least);
	}
}

/* Those that go while nobody waits lower down do not count, and one that was fed is not hungry. */
TEST_F(queue, hunger_begins_anew)
{
	int i;

	ASSERT_EQ(0, with_priorities(self, 2, 3));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(1, wish_send_first(self->writer, 1));
	ASSERT_EQ(5, wish_drain(self->reader, IN_PLACE, 1, order));
	ASSERT_EQ(1, wish_send(self->writer, NULL));
	ASSERT_EQ(1, wish_send(self->writer, NULL));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(1, wish_send_first(self->writer, 1));
		ASSERT_EQ(1, wish_fetch(self->reader, IN_PLACE, 1, order));
		ASSERT_EQ(7 + i, order[0]);
	}
	/* A low one has its turn, since nothing else is there. */
	ASSERT_EQ(1, wish_fetch(self->reader, IN_PLACE, 1, order));
	ASSERT_EQ(5, order[0]);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(1, wish_send_first(self->writer, 1));
	ASSERT_EQ(5, wish_drain(self->reader, IN_PLACE, 1, order));
	EXPECT_EQ(11, order[2]);
	EXPECT_EQ(6, order[3]);
	EXPECT_EQ(12, order[4]);
}

/* INFO's oldest is the oldest of all priorities. */
TEST_F(queue, oldest)
{
	struct weir_info info;
	__u64 begin, age;
	int i;

	ASSERT_EQ(0, with_priorities(self, 4, 0));
	begin = lease_now();
	ASSERT_EQ(1, wish_send_first(self->writer, 1));
	nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	age = lease_now() - begin;
	for (i = 3; i >= 0; i--)
		ASSERT_EQ(1, wish_send_first(self->writer, i));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_LE(50000000, info.oldest_age_ns);
	EXPECT_GE(lease_now() - begin, info.oldest_age_ns);
	EXPECT_LT(0, age);
	EXPECT_EQ(5, raw_purge(self->name));
	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(0, info.oldest_age_ns);
}

TEST_HARNESS_MAIN
