// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Order keys: who waits for one is told; many cost no more than few; what memory they take. */
#include "key.h"
#include "waiter.h"

/* The ways in which one that is out ends, so that the next of its key is to be had. */
enum end { BY_ACK, BY_TERM, BY_READING, BY_LIMIT, BY_TIME, ENDS };

static int end_begin(int reader, enum end end, struct weir_run *run)
{
	char byte;

	if (end == BY_READING)
		return raw_read(reader, &byte, 1);
	*run = lease_take(reader, 1, LEASE_LONG);
	return run->count;
}

static int end_end(int reader, enum end end, struct weir_run run)
{
	char bytes[4];

	switch (end) {
	case BY_ACK:
		return lease_end(reader, run, WEIR_ACK, 0);
	case BY_TERM:
		return policy_term(reader, run, NULL, 0);
	case BY_READING:
		return raw_read(reader, bytes, 4) == 4 ? 0 : -EIO;
	case BY_LIMIT:
		return lease_end(reader, run, WEIR_RELEASE, 0);
	default:
		/* Its time to live is over before it is to be had again. */
		return lease_end(reader, run, WEIR_RELEASE, 2);
	}
}

/* A queue that takes no dead letters any more, so that these stay where they are; or -errno. */
static int full_heir(const char *name)
{
	int fd, ret = raw_create_sized(name, 1, 1 << 26);

	if (ret)
		return ret;
	fd = raw_open(name, O_WRONLY | O_NONBLOCK);
	return fd < 0 || raw_write(fd, "full", 4) != 4 ? -EIO : fd;
}

TEST_F(queue, who_waits_is_told)
{
	const __u32 dead_letter = WEIR_POLICY_KEYED | WEIR_POLICY_DEAD_LETTER;
	const __u32 discard = WEIR_POLICY_KEYED | WEIR_POLICY_DISCARD;
	struct weir_policy policy = { .dead_letter = 0 };
	char heir[WEIR_NAME_SIZE];
	struct weir_run run = { 0 };
	int full = full_heir(raw_name(heir));
	struct gate got;
	enum waits how;
	enum end end;
	pid_t child;

	ASSERT_LE(0, full);
	for (end = 0; end < ENDS; end++) {
		const struct weir_options options = {
			.ttl_ns = end == BY_TIME ? 2000000 : HOUR_NS,
		};

		/* What is given up stays, and no burial tells anybody. */
		policy.flags = end == BY_TERM ? dead_letter : discard;
		policy.dead_letter = end == BY_TERM ? full : 0;
		policy.max_deliveries = end == BY_LIMIT;
		for (how = 0; how < WAITS; how++) {
			ASSERT_EQ(0, policy_remake(self, policy));
			ASSERT_EQ(1, key_send_long(self->writer, "A", 1, &options));
			if (end_begin(self->reader, end, &run) != 1) {
				/* It took so long that it was over. */
				ASSERT_EQ(BY_TIME, end);
				continue;
			}
			ASSERT_EQ(1, key_send(self->writer, "A"));
			child = waiter_begin(self->name, how, &got);
			ASSERT_FALSE(waiter_got(&got));
			ASSERT_EQ(0, end_end(self->reader, end, run)) {
				TH_LOG("end %d", end);
			}
			gate_wait(&got);
			ASSERT_EQ(128 + SIGKILL, proc_kill(child));
		}
	}
	ASSERT_EQ(0, policy_remake(self, key_policy()));
	close(full);
	ASSERT_EQ(0, raw_destroy_force(heir));
}

/* @count messages, of keys from @key on, or all of @key. */
static int send_many(int fd, unsigned int key, unsigned int count, bool same)
{
	static unsigned int keys[WEIR_BATCH_MAX];
	static struct weir_message messages[WEIR_BATCH_MAX];
	struct weir_send send = { .messages = raw_address(messages) };
	unsigned int i;

	while (count) {
		send.count = count < WEIR_BATCH_MAX ? count : WEIR_BATCH_MAX;
		for (i = 0; i < send.count; i++) {
			keys[i] = same ? key : key++;
			messages[i] = (struct weir_message){
				.data = raw_address("m"), .len = 1,
				.key = raw_address(&keys[i]), .key_len = sizeof(*keys),
			};
		}
		if (door_command(fd, WEIR_IOC_SEND, &send) != (int)send.count)
			return -EIO;
		count -= send.count;
	}
	return 0;
}

/* The shortest of some times that it takes to deliver, settle and send some. */
static __u64 time_of_some(FIXTURE_DATA(queue) *self, bool same)
{
	__u64 best = ~0ULL, begin;
	unsigned int i, j;

	for (i = 0; i < 9; i++) {
		begin = lease_now();
		for (j = 0; j < 300; j++) {
			struct weir_run run = lease_take(self->reader, 1, LEASE_LONG);

			if (run.count != 1 || lease_end(self->reader, run, WEIR_ACK, 0) ||
			    send_many(self->writer, same ? 1 : 1000000 + j, 1, true))
				return 0;
		}
		begin = lease_now() - begin;
		if (begin < best)
			best = begin;
	}
	return best;
}

static __u64 time_with(FIXTURE_DATA(queue) *self, unsigned int keys, unsigned int behind,
		       bool same)
{
	struct weir_policy policy = key_policy();
	__u64 time;

	policy.max_messages = 200000;
	policy.lease_ns = WEIR_UNLIMITED;
	if (policy_remake(self, policy))
		return 0;
	if (send_many(self->writer, 1, behind, true))
		return 0;
	/* What is behind that one is beside the others, or it is the one. */
	if (behind && !same && lease_take(self->reader, 1, LEASE_LONG).count != 1)
		return 0;
	if (send_many(self->writer, 10, keys, false))
		return 0;
	time = time_of_some(self, same);
	return time;
}

/*
 * In time a key is free of charge: one that can be had, and one that others are behind.
 * (Else it would be thousands of times as much; others on the machine may cost a few.)
 */
TEST_F(queue, costs_no_time)
{
	const unsigned int many = raw_rounds(100000);
	__u64 few = time_with(self, 2, 0, false), time;

	ASSERT_LT(0, few);
	time = time_with(self, many, 0, false);
	ASSERT_LT(0, time);
	EXPECT_LT(time, 16 * few);
	time = time_with(self, 2, many, false);
	ASSERT_LT(0, time);
	EXPECT_LT(time, 16 * few);
	time = time_with(self, 0, many, true);
	ASSERT_LT(0, time);
	EXPECT_LT(time, 16 * few);
	ASSERT_EQ(many - 1, raw_figure(self->name, "behind"));
	ASSERT_EQ(many, raw_purge(self->name));
	ASSERT_EQ(0, raw_figure(self->name, "behind"));
}

static long long memory_of(FIXTURE_DATA(queue) *self, __u32 flags)
{
	struct weir_policy policy = { .flags = flags, .max_messages = 1 << 20 };
	int ret = policy_remake(self, policy);

	return ret ?: raw_figure(self->name, "memory");
}

/* The table of keys is charged, as what messages have of them is; both are given back. */
TEST_F(queue, memory)
{
	long long plain = memory_of(self, 0), keyed = memory_of(self, WEIR_POLICY_KEYED);
	struct weir_policy policy = key_policy();
	int i;

	ASSERT_LT(0, plain);
	ASSERT_EQ(plain + (4 << 20), keyed);
	ASSERT_EQ(0, send_many(self->writer, 1, 64, true));
	keyed = raw_figure(self->name, "memory");
	/* No more for more in the same place. */
	ASSERT_EQ(64, raw_purge(self->name));
	ASSERT_EQ(0, send_many(self->writer, 100, 64, false));
	ASSERT_EQ(keyed, raw_figure(self->name, "memory"));
	/* More than there may be at a time, if none were given back (but on a slow kernel). */
	policy.max_messages = WEIR_MAX_MESSAGES / 4;
	for (i = 0; i < raw_rounds(60); i++)
		wait_until(policy_remake(self, policy) == 0);
}

enum { KEYS = 16, EACH = 200, CONSUMERS = 3 };

struct shared {
	unsigned int out[KEYS];		/* how many of that key are held just now */
	unsigned long long last[KEYS];	/* the offset that was settled last, plus 1 */
	unsigned int settled, wrong;
};

/* Takes, notes, and settles or gives back. */
static void consume(const char *name, struct shared *shared, unsigned int seed)
{
	static char buffer[1 << 12] __attribute__((aligned(64)));
	int fd = raw_open(name, O_RDONLY | O_NONBLOCK);
	unsigned int key, i;

	while (__atomic_load_n(&shared->settled, __ATOMIC_SEQ_CST) < KEYS * EACH) {
		struct weir_run runs[8];
		struct weir_fetch fetch = {
			.runs = raw_address(runs), .nr_runs = 8,
			.max_messages = 1 + rand_r(&seed) % 6,
			.buffer = raw_address(buffer), .buffer_len = sizeof(buffer),
		};
		struct weir_run all[8 * 8];
		unsigned int n = 0;
		char *at = buffer;

		if (door_command(fd, WEIR_IOC_FETCH, &fetch) < 0) {
			sched_yield();
			continue;
		}
		for (i = 0; i < fetch.nr_runs; i++) {
			while (runs[i].count) {
				all[n++] = lease_first(runs[i], 1);
				runs[i] = lease_rest(runs[i], 1);
			}
		}
		for (i = 0; i < n; i++, at += 128) {
			memcpy(&key, at + 64 + 1, sizeof(key));
			if (__atomic_fetch_add(&shared->out[key], 1, __ATOMIC_SEQ_CST) ||
			    shared->last[key] > all[i].offset)
				shared->wrong++;
		}
		for (i = 0, at = buffer; i < n; i++, at += 128) {
			const bool done = rand_r(&seed) % 4;

			memcpy(&key, at + 64 + 1, sizeof(key));
			if (done)
				shared->last[key] = all[i].offset + 1;
			__atomic_fetch_sub(&shared->out[key], 1, __ATOMIC_SEQ_CST);
			if (lease_end(fd, all[i], done ? WEIR_ACK : WEIR_RELEASE,
				      done ? 0 : rand_r(&seed) % 3))
				shared->wrong++;
			if (done)
				__atomic_fetch_add(&shared->settled, 1, __ATOMIC_SEQ_CST);
		}
	}
	_exit(0);
}

/* Consumers in parallel never have two of a key, and none before an earlier one is settled. */
TEST_F(queue, in_parallel)
{
	struct shared *shared = proc_shared(sizeof(*shared));
	pid_t children[CONSUMERS];
	unsigned int i;

	ASSERT_EQ(0, policy_remake(self, key_policy()));
	for (i = 0; i < CONSUMERS; i++) {
		children[i] = proc_fork();
		if (!children[i])
			consume(self->name, shared, i);
	}
	for (i = 0; i < EACH; i++)
		ASSERT_EQ(0, send_many(self->writer, 0, KEYS, false));
	for (i = 0; i < CONSUMERS; i++)
		ASSERT_EQ(0, proc_wait(children[i]));
	EXPECT_EQ(0, shared->wrong);
	EXPECT_EQ(KEYS * EACH, raw_figure(self->name, "settled"));
	EXPECT_EQ(0, raw_figure(self->name, "behind"));
}

TEST_HARNESS_MAIN
