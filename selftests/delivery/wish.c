// SPDX-License-Identifier: GPL-2.0 OR MIT
/* What is to be delivered later is not early, and what is not to be late is not late. */
#include "wish.h"

static struct letter letter;
static __u64 order[WISH_MOST];

static __u64 real_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* Waits for the next message and settles it: its offset, or ~0. */
static __u64 wait_for_one(int waits)
{
	struct weir_run run;
	struct weir_fetch fetch = {
		.runs = raw_address(&run), .max_messages = 1, .nr_runs = 1, .timeout_ns = -1,
	};

	if (door_command(waits, WEIR_IOC_FETCH, &fetch) != 1 ||
	    lease_end(waits, run, WEIR_ACK, 0))
		return ~0ULL;
	return run.offset;
}

TEST_F(queue, not_early)
{
	int waits = raw_open(self->name, O_RDONLY), i;
	unsigned int seed = 3;

	for (i = 0; i < 40; i++) {
		__u64 delay_ns = (1 + rand_r(&seed) % 40) * 1000000ULL;
		struct weir_options options = { .delay_ns = delay_ns };
		__u64 begin = lease_now();

		if (i % 2) {
			begin = real_now();
			options.delay_ns += begin;
			options.flags = WEIR_OPTION_AT;
		}
		ASSERT_EQ(1, wish_send(self->writer, &options));
		ASSERT_EQ(i, wait_for_one(waits));
		ASSERT_LE(begin + delay_ns, i % 2 ? real_now() : lease_now());
	}
}

/* A time that is over is none. */
TEST_F(queue, in_the_past)
{
	const __u64 times[] = { 0, 1, real_now() - 1, real_now() };
	unsigned int i;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(1, wish_send(self->writer, &(struct weir_options){
			.delay_ns = times[i], .flags = WEIR_OPTION_AT,
		}));
		ASSERT_EQ(1, wish_fetch(self->reader, IN_PLACE, 1, order));
		ASSERT_EQ(i, order[0]);
	}
}

/* When it is due it has its place by its offset, never delivered as it is. */
TEST_F(queue, place)
{
	static const __u64 delays[] = { 20, 0, 5, 0, 30, 1, 0, 10 };
	unsigned int i;

	for (i = 0; i < 8; i++)
		ASSERT_EQ(1, delays[i] ? wish_send_later(self->writer, delays[i] * 1000000) :
					 wish_send(self->writer, NULL));
	wait_figure(self->name, "delayed", 0);
	ASSERT_EQ(8, wish_drain(self->reader, BY_COPY, 3, order));
	for (i = 0; i < 8; i++)
		ASSERT_EQ(i, order[i]);
	EXPECT_EQ(0, raw_figure(self->name, "redelivered"));
}

/* However long: it is delayed, and the timer goes on for others. */
TEST_F(queue, absurd_times)
{
	static const __u64 times[] = {
		1ULL << 61, (1ULL << 62) - 1, 1ULL << 62, WEIR_UNLIMITED, 1ULL << 63, ~0ULL,
	};
	struct weir_info info;
	unsigned int i;

	for (i = 0; i < 6; i++) {
		ASSERT_EQ(1, wish_send_later(self->writer, times[i]));
		ASSERT_EQ(1, wish_send_until(self->writer, times[i]));
		ASSERT_EQ(1, wish_send(self->writer, &(struct weir_options){
			.delay_ns = times[i], .flags = WEIR_OPTION_AT,
		}));
	}
	ASSERT_EQ(1, wish_send_later(self->writer, 1));
	wait_figure(self->name, "delayed", 12);
	wait_figure(self->name, "depth", 7);
	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(0, info.dead + info.dying);
}

/* Nothing is handed out whose time was over when it was asked for; the others are dead. */
TEST_F(queue, never_late)
{
	enum { COUNT = 600 };
	static __u64 over[COUNT];
	unsigned int seed = 7;
	struct weir_info info;
	int sent = 0, got = 0, i;

	while (sent < COUNT) {
		__u32 max = 1 + rand_r(&seed) % 20;
		enum receive how = rand_r(&seed) % 2 ? BY_COPY : IN_PLACE;
		__u64 begin;
		int n;

		for (i = rand_r(&seed) % 30; i && sent < COUNT; i--) {
			__u64 ttl = rand_r(&seed) % 8 ? 1 + rand_r(&seed) % 20000000 : 300000;

			ASSERT_EQ(1, wish_send_until(self->writer, ttl));
			over[sent++] = lease_now() + ttl;
		}
		nanosleep(&(struct timespec){ .tv_nsec = rand_r(&seed) % 8000000 }, NULL);
		begin = lease_now();
		n = wish_fetch(self->reader, how, max, order);
		for (i = 0; i < n; i++)
			ASSERT_LE(begin, over[order[i]]) {
				TH_LOG("%llu", (unsigned long long)order[i]);
			}
		got += n > 0 ? n : 0;
	}
	wait_figure(self->name, "depth", 0);
	wait_figure(self->name, "dying", 0);
	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(got, info.settled);
	EXPECT_EQ(COUNT - got, info.dead);
	EXPECT_LT(0, got);
	EXPECT_LT(0, info.dead);
	EXPECT_EQ(0, info.bytes);
}

/* They go when their time is over, with nobody there, and say so. */
TEST_F(queue, expired_letters)
{
	char heir[WEIR_NAME_SIZE];
	struct weir_run run;
	int fd;

	ASSERT_EQ(0, raw_create(raw_name(heir)));
	fd = raw_open(heir, O_RDWR | O_NONBLOCK);
	ASSERT_EQ(0, policy_alter(self->name, policy_dead(fd, 0)));
	ASSERT_EQ(1, wish_send_until(self->writer, 1000000));
	wait_figure(heir, "depth", 1);
	ASSERT_EQ(1, letter_take(fd, &letter));
	EXPECT_STREQ("expired", letter_header(&letter, "weir-dead-reason"));
	EXPECT_EQ(0, letter_number(&letter, "weir-dead-deliveries"));
	EXPECT_TRUE(!letter_header(&letter, "weir-dead-pid"));
	EXPECT_TRUE(!letter_header(&letter, "weir-dead-uid"));
	EXPECT_EQ(4, letter.desc.len);

	/* While it is leased its holder may still do it; put back, it is dead. */
	ASSERT_EQ(1, wish_send_until(self->writer, 300000000));
	ASSERT_EQ(1, wish_send_until(self->writer, 300000000));
	run = lease_take(self->reader, 2, 0);
	ASSERT_EQ(2, run.count);
	nanosleep(&(struct timespec){ .tv_nsec = 350000000 }, NULL);
	EXPECT_EQ(2, raw_figure(self->name, "leased"));
	EXPECT_EQ(0, lease_end(self->reader, lease_first(run, 1), WEIR_ACK, 0));
	EXPECT_EQ(0, lease_end(self->reader, lease_rest(run, 1), WEIR_RELEASE, 0));
	EXPECT_EQ(0, lease_take(self->reader, 1, 0).count);
	wait_figure(heir, "depth", 1);
	ASSERT_EQ(1, letter_take(fd, &letter));
	EXPECT_STREQ("expired", letter_header(&letter, "weir-dead-reason"));
	EXPECT_EQ(1, letter_number(&letter, "weir-dead-deliveries"));
	EXPECT_EQ(2, letter_number(&letter, "weir-dead-offset"));
	EXPECT_EQ(getpid(), letter_number(&letter, "weir-dead-pid"));
	/* What is delayed for longer than it lives is dead meanwhile. */
	ASSERT_EQ(1, wish_send(self->writer, &(struct weir_options){
		.delay_ns = HOUR_NS, .ttl_ns = 10000000,
	}));
	wait_figure(heir, "depth", 1);
	EXPECT_EQ(0, raw_figure(self->name, "delayed"));
	EXPECT_EQ(2, raw_figure(self->name, "received"));
	EXPECT_EQ(0, raw_destroy_force(self->name));
	EXPECT_EQ(0, raw_destroy_force(heir));
}

/* The queue's own, for whoever asks for none: by write(2), too. */
TEST_F(queue, of_the_queue)
{
	struct weir_info info;

	ASSERT_EQ(0, policy_remake(self, (struct weir_policy){ .ttl_ns = 2000000 }));
	ASSERT_EQ(1, raw_write(self->writer, "w", 1));
	ASSERT_EQ(1, wish_send(self->writer, NULL));
	ASSERT_EQ(1, wish_send_first(self->writer, 0));
	ASSERT_EQ(1, wish_send_until(self->writer, HOUR_NS));
	ASSERT_EQ(1, wish_send_until(self->writer, WEIR_UNLIMITED));
	ASSERT_EQ(1, wish_send_until(self->writer, ~0ULL));
	wait_figure(self->name, "dead", 3);
	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(3, info.depth);
	EXPECT_EQ(2000000, info.policy.ttl_ns);
	/* It is of what is sent from now on. */
	ASSERT_EQ(0, policy_alter(self->name, (struct weir_policy){ .ttl_ns = HOUR_NS }));
	ASSERT_EQ(1, raw_write(self->writer, "w", 1));
	ASSERT_EQ(0, policy_alter(self->name, (struct weir_policy){ 0 }));
	ASSERT_EQ(1, raw_write(self->writer, "w", 1));
	ASSERT_EQ(5, wish_drain(self->reader, IN_PLACE, 9, order));
}

/* @len bytes of options: what SEND says. */
static int send_sized(int fd, const void *options, __u16 len)
{
	struct weir_message message = {
		.options = raw_address(options), .options_len = len,
	};
	struct weir_send send = { .messages = raw_address(&message), .count = 1 };

	return door_command(fd, WEIR_IOC_SEND, &send);
}

TEST_F(queue, hostile_options)
{
	static unsigned char bytes[1 << 16] __attribute__((aligned(8)));
	struct weir_options *options = (void *)bytes;
	const int size = sizeof(*options);
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i;

	ASSERT_EQ(72, size);
	ASSERT_EQ(0, mprotect(page + 4096, 4096, PROT_NONE));
	EXPECT_EQ(-EINVAL, send_sized(self->writer, bytes, 0));
	for (i = 1; i < size; i++)
		EXPECT_EQ(-EINVAL, send_sized(self->writer, bytes, i));
	for (i = size; i < 65536; i = i * 3 / 2)
		EXPECT_EQ(1, send_sized(self->writer, bytes, i));
	EXPECT_EQ(1, send_sized(self->writer, bytes, 65535));
	for (i = size; i < 65535; i = i * 3 / 2) {
		bytes[i] = 1;
		EXPECT_EQ(-E2BIG, send_sized(self->writer, bytes, i + 1));
		EXPECT_EQ(-E2BIG, send_sized(self->writer, bytes, 65535));
		EXPECT_EQ(1, send_sized(self->writer, bytes, i));
		bytes[i] = 0;
	}
	for (i = 3; i < 32; i++) {
		options->flags = 1U << i;
		EXPECT_EQ(-EINVAL, send_sized(self->writer, bytes, size));
	}
	EXPECT_EQ(-EFAULT, send_sized(self->writer, NULL, size));
	EXPECT_EQ(-EFAULT, send_sized(self->writer, page + 4096 - size + 1, size));
	EXPECT_EQ(-EFAULT, send_sized(self->writer, page + 4096 - size, size + 1));
	EXPECT_EQ(1, send_sized(self->writer, page + 4096 - size, size));
	/* What was refused has left nothing. */
	raw_purge(self->name);
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
	EXPECT_EQ(0, raw_figure(self->name, "delayed"));
}

/* A wrong one ends its batch before it. */
TEST_F(queue, wrong_in_a_batch)
{
	struct weir_options good = { .delay_ns = HOUR_NS }, bad = { .priority = 1 };
	struct weir_message messages[20] = { 0 };
	struct weir_send send = { .messages = raw_address(messages), .count = 20 };
	struct weir_info info;
	int i, n;

	for (n = 0; n < 20; n++) {
		for (i = 0; i < 20; i++) {
			messages[i].options = raw_address(i == n ? &bad : &good);
			messages[i].options_len = sizeof(good);
		}
		ASSERT_EQ(n ? n : -EINVAL, door_command(self->writer, WEIR_IOC_SEND, &send));
	}
	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(190, info.delayed);
	EXPECT_EQ(190, info.sent);
}

/* They are held, by nobody. */
TEST_F(queue, purged_and_destroyed)
{
	struct weir_info info;
	int i;

	ASSERT_EQ(0, queue_remake(self, 20, 0));
	for (i = 0; i < 20; i++)
		ASSERT_EQ(1, i % 2 ? wish_send_later(self->writer, HOUR_NS) :
				     wish_send_until(self->writer, HOUR_NS));
	EXPECT_EQ(-EAGAIN, wish_send(self->writer, NULL));
	EXPECT_EQ(10, raw_purge(self->name));
	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(10, info.delayed);
	EXPECT_EQ(640, info.bytes);
	EXPECT_EQ(0, raw_poll(self->reader, POLLIN));
	close(self->writer);
	close(self->reader);
	EXPECT_EQ(-EBUSY, raw_destroy(self->name));
	EXPECT_EQ(0, raw_destroy_force(self->name));
}

static __u64 cpu_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* The least time that some messages take, there and back. */
static __u64 time_of_some(FIXTURE_DATA(queue) *self)
{
	__u64 least = ~0ULL, begin, took;
	int i, j;

	for (i = 0; i < 12; i++) {
		begin = cpu_now();
		for (j = 0; j < 500; j++)
			if (wish_send_first(self->writer, 0) != 1 ||
			    wish_fetch(self->reader, IN_PLACE, 1, order) != 1)
				return 0;
		took = cpu_now() - begin;
		least = took < least ? took : least;
	}
	return least;
}

/* Those that wait cost memory, not time. */
TEST_F(queue, many)
{
	enum { BATCH = 1000, BATCHES = 100 };
	static struct weir_options options[BATCH];
	static struct weir_message messages[BATCH];
	struct weir_send send = { .messages = raw_address(messages), .count = BATCH };
	unsigned int seed = 1;
	__u64 before, after;
	int i, j;

	ASSERT_EQ(0, queue_remake(self, BATCH * (BATCHES + 1), 0));
	before = time_of_some(self);
	ASSERT_LT(0, before);
	for (i = 0; i < BATCHES; i++) {
		for (j = 0; j < BATCH; j++) {
			options[j].delay_ns = HOUR_NS + rand_r(&seed) * 1000ULL;
			messages[j].options = raw_address(&options[j]);
			messages[j].options_len = sizeof(options[j]);
		}
		ASSERT_EQ(BATCH, door_command(self->writer, WEIR_IOC_SEND, &send));
	}
	ASSERT_EQ(BATCH * BATCHES, raw_figure(self->name, "delayed"));
	after = time_of_some(self);
	EXPECT_LT(after, 3 * before);
}

TEST_HARNESS_MAIN
