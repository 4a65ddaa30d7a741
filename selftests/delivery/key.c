// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Of the messages of one key one at a time is out, and they come in order. */
#include "browse.h"
#include "dead.h"
#include "key.h"

static __u64 order[WISH_MOST];

#define ASSERT_KEYED(self) ASSERT_EQ(0, policy_remake(self, key_policy()))

#define ASSERT_INFO(self, _depth, _leased, _delayed, _behind) do {		\
	struct weir_info _info;							\
										\
	ASSERT_EQ(0, raw_info((self)->name, &_info));				\
	ASSERT_ADDS_UP(&_info);							\
	ASSERT_EQ(_depth, _info.depth);						\
	ASSERT_EQ(_leased, _info.leased);					\
	ASSERT_EQ(_delayed, _info.delayed);					\
	ASSERT_EQ(_behind, _info.behind);					\
	ASSERT_EQ(_behind, raw_figure((self)->name, "behind"));			\
} while (0)

TEST_F(queue, one_at_a_time)
{
	struct weir_run runs[16], first;
	__u32 nr;

	ASSERT_KEYED(self);
	ASSERT_EQ(7, key_send(self->writer, "AAB.ABA"));
	ASSERT_INFO(self, 3, 0, 0, 4);
	ASSERT_STREQ("acd", key_take(self->reader, runs, &nr));
	ASSERT_INFO(self, 0, 3, 0, 4);
	ASSERT_EQ(4, browse_count(self->reader, WEIR_BROWSE_BEHIND, 4096));
	ASSERT_EQ(7, browse_count(self->reader, 0, 4096));
	ASSERT_STREQ("", key_settle(self->reader));
	ASSERT_EQ(2, nr);
	first = runs[0];
	ASSERT_EQ(0, lease_end(self->reader, runs[1], WEIR_ACK, 0));
	ASSERT_STREQ("f", key_settle(self->reader));
	ASSERT_STREQ("", key_settle(self->reader));
	ASSERT_EQ(0, lease_end(self->reader, first, WEIR_ACK, 0));
	ASSERT_STREQ("b", key_settle(self->reader));
	ASSERT_STREQ("e", key_settle(self->reader));
	ASSERT_STREQ("g", key_settle(self->reader));
	ASSERT_INFO(self, 0, 0, 0, 0);
	/* And begins anew. */
	ASSERT_EQ(3, key_send(self->writer, "BAA"));
	ASSERT_STREQ("hi", key_settle(self->reader));
	ASSERT_STREQ("j", key_settle(self->reader));
}

/* Where keys are not asked for they mean nothing. */
TEST_F(queue, plain)
{
	ASSERT_EQ(4, key_send(self->writer, "AAAA"));
	ASSERT_INFO(self, 4, 0, 0, 0);
	ASSERT_STREQ("abcd", key_settle(self->reader));
	ASSERT_EQ(0, raw_figure(self->name, "keyed"));
}

TEST_F(queue, policy)
{
	struct weir_policy policy = key_policy();

	ASSERT_EQ(-EINVAL, policy_alter(self->name, policy));
	ASSERT_KEYED(self);
	ASSERT_EQ(1, raw_figure(self->name, "keyed"));
	policy.priorities = 2;
	ASSERT_EQ(0, policy_alter(self->name, policy));
	policy.flags = 0;
	ASSERT_EQ(-EINVAL, policy_alter(self->name, policy));
	ASSERT_EQ(2, raw_figure(self->name, "priorities"));
}

TEST_F(queue, read)
{
	char bytes[8];
	int i;

	ASSERT_KEYED(self);
	ASSERT_EQ(6, key_send(self->writer, "AAB.AB"));
	/* Part of one is as if leased. */
	ASSERT_EQ(1, raw_read(self->reader, bytes, 1));
	ASSERT_INFO(self, 2, 1, 0, 3);
	ASSERT_EQ(4, raw_read(self->reader, bytes, 8));
	for (i = 1; i < 6; i++)
		ASSERT_EQ(5, raw_read(self->reader, bytes, 8));
	ASSERT_EQ(-EAGAIN, raw_read(self->reader, bytes, 8));
	ASSERT_INFO(self, 0, 0, 0, 0);
}

/* Copied and settled by one command: a key gives one message to each. */
TEST_F(queue, settled_fetch)
{
	static char buffer[1 << 12] __attribute__((aligned(64)));
	struct weir_run runs[16];
	struct weir_fetch fetch = {
		.runs = raw_address(runs), .max_messages = 16, .flags = WEIR_FETCH_SETTLED,
		.buffer = raw_address(buffer),
	};
	static const int gets[] = { 3, 2, 1, -EAGAIN };
	int i;

	ASSERT_KEYED(self);
	ASSERT_EQ(6, key_send(self->writer, "AABBAC"));
	for (i = 0; i < 4; i++) {
		fetch.nr_runs = 16;
		fetch.buffer_len = sizeof(buffer);
		ASSERT_EQ(gets[i], door_command(self->reader, WEIR_IOC_FETCH, &fetch));
	}
}

/* Each key's in their order, each round one of each. */
TEST_F(queue, parallel)
{
	enum { KEYS = 60, EACH = 5 };
	unsigned int key, seed = 11, i, sent[KEYS] = { 0 }, got[KEYS] = { 0 };
	static unsigned int key_of[KEYS * EACH];
	static struct weir_run held[KEYS];
	bool now[KEYS];
	int n, round;

	ASSERT_KEYED(self);
	for (i = 0; i < KEYS * EACH; i++) {
		do
			key = rand_r(&seed) % KEYS;
		while (sent[key] == EACH);
		sent[key]++;
		key_of[i] = key;
		ASSERT_EQ(1, key_send_long(self->writer, &key, sizeof(key), NULL));
	}
	ASSERT_INFO(self, KEYS, 0, 0, KEYS * (EACH - 1));
	memset(got, 0xff, sizeof(got));
	for (round = 0; round < EACH; round++) {
		memset(now, 0, sizeof(now));
		for (n = 0; n < KEYS; n++) {
			struct weir_run run = lease_take(self->reader, 1, LEASE_LONG);

			ASSERT_EQ(1, run.count);
			order[n] = run.offset;
			key = key_of[run.offset];
			ASSERT_FALSE(now[key]);
			now[key] = true;
			ASSERT_TRUE(got[key] == ~0U || got[key] < run.offset);
			got[key] = run.offset;
			if (n)
				ASSERT_LT(order[n - 1], order[n]);
			held[n] = run;
		}
		ASSERT_EQ(-EAGAIN, wish_fetch(self->reader, IN_PLACE, 1, order));
		ASSERT_INFO(self, 0, KEYS, 0, KEYS * (EACH - 1 - round));
		for (n = 0; n < KEYS; n++)
			ASSERT_EQ(0, lease_end(self->reader, held[(n * 7) % KEYS], WEIR_ACK, 0));
	}
	ASSERT_INFO(self, 0, 0, 0, 0);
}

/* However one comes back: what is behind it stays there. */
TEST_F(queue, comes_back)
{
	enum way way;
	int i;

	for (way = 0; way < WAYS; way++) {
		struct weir_run runs[16];
		__u32 nr;

		ASSERT_KEYED(self);
		ASSERT_EQ(3, key_send(self->writer, "AAA"));
		for (i = 0; i < 3; i++) {
			char next[] = { 'a' + i, '\0' };

			ASSERT_EQ(0, come_back(self->name, self->reader, way)) {
				TH_LOG("way %d", way);
			}
			wait_figure(self->name, "depth", 1);
			ASSERT_INFO(self, 1, 0, 0, 2 - i);
			ASSERT_STREQ(next, key_take(self->reader, runs, &nr));
			ASSERT_EQ(2, runs[0].deliveries);
			ASSERT_EQ(1, lease_settle(self->reader, runs, nr));
		}
	}
}

/* While one waits to be delivered again its key has nothing to give, and others have. */
TEST_F(queue, delayed_again)
{
	struct weir_run runs[16];
	__u32 nr;

	ASSERT_KEYED(self);
	ASSERT_EQ(5, key_send(self->writer, "AABBA"));
	ASSERT_STREQ("ac", key_take(self->reader, runs, &nr));
	ASSERT_EQ(0, lease_end(self->reader, runs[0], WEIR_RELEASE, HOUR_MS));
	ASSERT_INFO(self, 0, 1, 1, 3);
	ASSERT_STREQ("", key_settle(self->reader));
	ASSERT_EQ(0, lease_end(self->reader, runs[1], WEIR_ACK, 0));
	ASSERT_STREQ("d", key_settle(self->reader));
	ASSERT_EQ(1, key_send(self->writer, "A"));
	ASSERT_STREQ("", key_settle(self->reader));
	ASSERT_INFO(self, 0, 0, 1, 3);
}

/* The key of a dead consumer is free at once, and for what he held first. */
TEST_F(queue, consumer_dies)
{
	struct gate gate;
	pid_t child;
	int i;

	ASSERT_KEYED(self);
	ASSERT_EQ(4, key_send(self->writer, "AABB"));
	for (i = 0; i < raw_rounds(10); i++) {
		struct weir_run runs[16];
		__u32 nr;

		ASSERT_EQ(0, gate_make(&gate));
		child = proc_fork();
		if (!child) {
			if (strcmp("ac", key_take(self->reader, runs, &nr)))
				_exit(1);
			gate_open(&gate);
			pause();
		}
		gate_wait(&gate);
		ASSERT_STREQ("", key_settle(self->reader));
		ASSERT_EQ(128 + SIGKILL, proc_kill(child));
		ASSERT_STREQ("ac", key_take(self->reader, runs, &nr));
		while (nr)
			ASSERT_EQ(0, lease_end(self->reader, runs[--nr], WEIR_RELEASE, 0));
	}
	ASSERT_INFO(self, 2, 0, 0, 2);
}

/* One that is dead is not waited for. */
TEST_F(queue, given_up)
{
	struct weir_policy policy = key_policy();
	struct weir_run runs[16];
	__u32 nr;

	policy.flags |= WEIR_POLICY_DISCARD;
	policy.max_deliveries = 2;
	ASSERT_EQ(0, policy_remake(self, policy));
	ASSERT_EQ(3, key_send(self->writer, "AAA"));
	ASSERT_STREQ("a", key_take(self->reader, runs, &nr));
	ASSERT_EQ(0, policy_term(self->reader, runs[0], NULL, 0));
	ASSERT_STREQ("b", key_take(self->reader, runs, &nr));
	ASSERT_EQ(0, lease_end(self->reader, runs[0], WEIR_RELEASE, 0));
	ASSERT_STREQ("b", key_take(self->reader, runs, &nr));
	ASSERT_EQ(0, lease_end(self->reader, runs[0], WEIR_RELEASE, 0));
	ASSERT_STREQ("c", key_settle(self->reader));
	wait_figure(self->name, "dead", 2);
	ASSERT_INFO(self, 0, 0, 0, 0);
}

/* Dead letters have their keys, and order by them where they go. */
TEST_F(dead, keyed)
{
	struct weir_policy policy = policy_dead(self->target, 1);
	struct weir_run run;
	int i, fd;

	ASSERT_EQ(0, raw_destroy_force(self->name));
	close(self->letters);
	close(self->target);
	ASSERT_EQ(0, raw_destroy(self->heir));
	ASSERT_EQ(0, policy_create(self->heir, key_policy()));
	self->target = raw_open(self->heir, O_WRONLY | O_NONBLOCK);
	self->letters = raw_open(self->heir, O_RDONLY | O_NONBLOCK);
	policy.flags |= WEIR_POLICY_KEYED;
	policy.dead_letter = self->target;
	ASSERT_EQ(0, policy_create(self->name, policy));
	fd = raw_open(self->name, O_RDWR | O_NONBLOCK);
	ASSERT_EQ(6, key_send(fd, "ABAAB."));
	for (i = 0; i < 6; i++) {
		run = lease_take(fd, 1, 0);
		ASSERT_EQ(1, run.count);
		ASSERT_EQ(0, lease_end(fd, run, WEIR_RELEASE, 0));
	}
	wait_figure(self->heir, "sent", 6);
	ASSERT_EQ(3, raw_figure(self->heir, "depth"));
	ASSERT_EQ(3, raw_figure(self->heir, "behind"));
	for (i = 0; i < 6; i++) {
		__u64 nr;

		ASSERT_EQ(1, letter_take(self->letters, &letter));
		nr = letter_number(&letter, "weir-dead-offset");
		ASSERT_EQ("ABAAB."[nr] == '.' ? 0 : 1, letter.desc.key_len);
		if (letter.desc.key_len)
			ASSERT_EQ("ABAAB."[nr],
				  ((char *)&letter)[letter.desc.pos + letter.desc.len]);
	}
}

/* What is behind has a time to live as well, and goes from its place. */
TEST_F(queue, expires_behind)
{
	const struct weir_options brief = { .ttl_ns = 1000000 };
	struct weir_run runs[16];
	const char *keep;
	__u32 nr;
	int i;

	for (i = 0; i < 8; i++) {
		static const char *const keeps[] = {
			"abcd", "abd", "ac", "a", "bcd", "bd", "c", "",
		};
		char got[8] = "";

		ASSERT_KEYED(self);
		keep = keeps[i];
		for (nr = 0; nr < 4; nr++)
			ASSERT_EQ(1, key_send_long(self->writer, "A", 1,
						   strchr(keep, 'a' + nr) ? NULL : &brief));
		wait_figure(self->name, "dead", 4 - strlen(keep));
		ASSERT_INFO(self, !!*keep, 0, 0, *keep ? strlen(keep) - 1 : 0);
		while (*key_take(self->reader, runs, &nr)) {
			ASSERT_EQ(1, nr);
			got[strlen(got)] = 'a' + runs[0].offset;
			ASSERT_EQ(1, lease_settle(self->reader, runs, 1));
		}
		ASSERT_STREQ(keep, got);
	}
}

/* It is not handed out late either when it has its turn. */
TEST_F(queue, never_late)
{
	struct weir_run runs[16];
	int i, late = 0, n;
	__u32 nr;

	for (i = 0; i < raw_rounds(100); i++) {
		const struct weir_options brief = { .ttl_ns = 200000 + i * 1000 };
		__u64 over;

		ASSERT_KEYED(self);
		ASSERT_EQ(1, key_send(self->writer, "A"));
		ASSERT_STREQ("a", key_take(self->reader, runs, &nr));
		ASSERT_EQ(1, key_send_long(self->writer, "A", 1, &brief));
		over = lease_now() + brief.ttl_ns;
		ASSERT_EQ(1, lease_settle(self->reader, runs, 1));
		while (i % 2 && lease_now() < over)
			;
		n = lease_now() >= over;
		if (n) {
			late++;
			ASSERT_STREQ("", key_settle(self->reader));
		}
		ASSERT_EQ(1, key_send(self->writer, "A"));
		wait_until(raw_figure(self->name, "depth") <= 1);
		while (*key_settle(self->reader))
			;
		wait_figure(self->name, "behind", 0);
	}
	EXPECT_LT(0, late);
}

TEST_F(queue, purged)
{
	struct weir_run runs[16];
	__u32 nr;

	ASSERT_KEYED(self);
	ASSERT_EQ(7, key_send(self->writer, "AABB.CA"));
	ASSERT_EQ(1, lease_take(self->reader, 1, LEASE_LONG).count);
	ASSERT_INFO(self, 3, 1, 0, 3);
	ASSERT_EQ(6, raw_purge(self->name));
	ASSERT_INFO(self, 0, 1, 0, 0);
	ASSERT_EQ(6, raw_figure(self->name, "purged"));
	/* Its key is not free yet; others are. */
	ASSERT_EQ(3, key_send(self->writer, "ABA"));
	ASSERT_STREQ("i", key_settle(self->reader));
	close(self->reader);
	self->reader = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	ASSERT_STREQ("a", key_take(self->reader, runs, &nr));
	ASSERT_EQ(1, lease_settle(self->reader, runs, nr));
	ASSERT_STREQ("h", key_settle(self->reader));
	ASSERT_STREQ("j", key_settle(self->reader));
	ASSERT_INFO(self, 0, 0, 0, 0);
}

/* A message that its sender delayed has its place behind what is there by then. */
TEST_F(queue, sent_for_later)
{
	const struct weir_options later = { .delay_ns = 1000000 };
	struct weir_run runs[16];
	__u32 nr;

	ASSERT_KEYED(self);
	ASSERT_EQ(2, key_send(self->writer, "AA"));
	ASSERT_EQ(1, key_send_long(self->writer, "A", 1, &later));
	ASSERT_EQ(1, key_send_long(self->writer, "B", 1, &later));
	wait_figure(self->name, "delayed", 0);
	ASSERT_INFO(self, 2, 0, 0, 2);
	ASSERT_EQ(1, key_send(self->writer, "A"));
	ASSERT_STREQ("ad", key_take(self->reader, runs, &nr));
	ASSERT_EQ(2, lease_settle(self->reader, runs, nr));
	ASSERT_STREQ("b", key_settle(self->reader));
	ASSERT_STREQ("c", key_settle(self->reader));
	ASSERT_STREQ("e", key_settle(self->reader));
}

/* Priorities are between keys: within one the order is that of sending. */
TEST_F(queue, priorities)
{
	struct weir_policy policy = key_policy();
	static const char keys[] = "AABBC";
	static const unsigned char priorities[] = { 0, 2, 1, 2, 1 };
	char bytes[8];
	int i;

	policy.priorities = 3;
	ASSERT_EQ(0, policy_remake(self, policy));
	for (i = 0; i < 5; i++) {
		const struct weir_options options = { .priority = priorities[i] };

		ASSERT_EQ(1, key_send_long(self->writer, &keys[i], 1, &options));
	}
	for (i = 0; i < 5; i++) {
		static const int expected[] = { 2, 3, 4, 0, 1 };
		struct weir_run run = lease_take(self->reader, 1, 0);

		ASSERT_EQ(1, run.count);
		ASSERT_EQ(expected[i], run.offset);
		ASSERT_EQ(0, lease_end(self->reader, run, WEIR_ACK, 0));
	}
	ASSERT_EQ(-EAGAIN, raw_read(self->reader, bytes, 8));
}

/* Keys are told from each other by all of their bytes. */
TEST_F(queue, long_keys)
{
	static const int lengths[] = { 1, 2, 127, 128, 129, 255, 256, 257, 2000, 4095, 4096 };
	static char key[WEIR_KEY_MAX];
	enum { COUNT = sizeof(lengths) / sizeof(*lengths) };
	int i, j;

	ASSERT_KEYED(self);
	memset(key, 'k', sizeof(key));
	for (i = 0; i < COUNT; i++) {
		/* Twice the same one, and with another byte at its end, and beginning. */
		for (j = 0; j < 4; j++) {
			key[lengths[i] - 1] ^= j == 2;
			key[0] ^= (j == 3) << 1;
			ASSERT_EQ(1, key_send_long(self->writer, key, lengths[i], NULL));
			key[0] ^= (j == 3) << 1;
			key[lengths[i] - 1] ^= j == 2;
		}
	}
	ASSERT_INFO(self, 3 * COUNT, 0, 0, COUNT);
}

TEST_HARNESS_MAIN
