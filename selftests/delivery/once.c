// SPDX-License-Identifier: GPL-2.0 OR MIT
/* What is sent again is taken once: by its producer's sequence, and by its id. */
#include <sys/stat.h>

#include "wish.h"

static __u64 order[WISH_MOST];

/* A producer of that name: 0, or -errno. */
static int once_register(int fd, const char *name, struct weir_producer *producer)
{
	memset(producer, 0, sizeof(*producer));
	memcpy(producer->name, name, strnlen(name, sizeof(producer->name)));
	return door_command(fd, WEIR_IOC_PRODUCER, producer);
}

static struct weir_options once_of(const struct weir_producer *producer, __u64 sequence)
{
	return (struct weir_options){
		.producer = producer->id, .epoch = producer->epoch, .sequence = sequence,
	};
}

static struct weir_options once_id(const char *id)
{
	return (struct weir_options){ .id = raw_address(id), .id_len = strlen(id) };
}

/* Messages with those options: as SEND; what it told is in @send. */
static int once_send_batch(int fd, struct weir_options *options, __u32 count,
			   struct weir_send *send)
{
	static struct weir_message messages[WEIR_BATCH_MAX];
	__u32 i;

	for (i = 0; i < count; i++) {
		messages[i] = (struct weir_message){
			.data = raw_address(&options[i].sequence), .len = sizeof(__u64),
			.options = raw_address(&options[i]), .options_len = sizeof(*options),
		};
	}
	*send = (struct weir_send){ .messages = raw_address(messages), .count = count };
	return door_command(fd, WEIR_IOC_SEND, send);
}

/* One: 1 if it was taken now, 0 if it is a duplicate, or -errno. */
static int once_send(int fd, struct weir_options options)
{
	struct weir_send send;
	int ret = once_send_batch(fd, &options, 1, &send);

	return ret == 1 ? 1 - (int)send.duplicates : ret < 0 ? ret : -EPROTO;
}

/* Those of a producer from @first to @last. */
static int once_send_row(int fd, const struct weir_producer *producer, __u64 first, __u64 last,
			 struct weir_send *send)
{
	static struct weir_options options[WEIR_BATCH_MAX];
	__u64 i;

	for (i = first; i <= last; i++)
		options[i - first] = once_of(producer, i);
	return once_send_batch(fd, options, last - first + 1, send);
}

/* The sequence of the next message, settled; or ~0. */
static __u64 once_take(int fd)
{
	static struct letter letter;
	__u64 sequence;

	if (letter_take(fd, &letter) != 1 || letter.desc.len != sizeof(sequence))
		return ~0ULL;
	memcpy(&sequence, letter.bytes, sizeof(sequence));
	return sequence;
}

static void once_check(struct __test_metadata *_metadata, FIXTURE_DATA(queue) *self,
		       __u64 depth, __u64 duplicates)
{
	struct weir_info info;

	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_ADDS_UP(&info);
	ASSERT_EQ(depth, info.depth);
	ASSERT_EQ(duplicates, info.duplicates);
	ASSERT_EQ(depth * 64, info.bytes);
}

TEST_F(queue, sequences)
{
	struct weir_producer producer;
	struct weir_send send;
	int i;

	ASSERT_EQ(0, once_register(self->writer, "p", &producer));
	EXPECT_LT(0, producer.id);
	EXPECT_EQ(0, producer.sequence);
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(1, once_send(self->writer, once_of(&producer, 10 * i)));
		ASSERT_EQ(0, once_send(self->writer, once_of(&producer, 10 * i)));
		ASSERT_EQ(0, once_send(self->writer, once_of(&producer, 10 * i - 1)));
	}
	once_check(_metadata, self, 3, 6);
	/* Offsets are of those that were taken now. */
	ASSERT_EQ(10, once_send_row(self->writer, &producer, 26, 35, &send));
	EXPECT_EQ(5, send.duplicates);
	EXPECT_EQ(3, send.first_offset);
	once_check(_metadata, self, 8, 11);
	ASSERT_EQ(10, once_send_row(self->writer, &producer, 26, 35, &send));
	EXPECT_EQ(10, send.duplicates);
	EXPECT_EQ(8, raw_figure(self->name, "sent"));
	EXPECT_EQ(21, raw_figure(self->name, "duplicates"));
	/* Others are not concerned. */
	ASSERT_EQ(1, raw_write(self->writer, "x", 1));
	ASSERT_EQ(1, wish_send(self->writer, NULL));
	for (i = 1; i <= 3; i++)
		EXPECT_EQ(10 * i, once_take(self->reader));
	for (i = 31; i <= 35; i++)
		EXPECT_EQ(i, once_take(self->reader));
	EXPECT_EQ(2, wish_drain(self->reader, IN_PLACE, 9, order));
}

/* Of a batch that was taken in part, what is sent again is taken where it broke off. */
TEST_F(queue, retried_in_part)
{
	struct weir_message messages[10] = { 0 };
	struct weir_send send = { .messages = raw_address(messages), .count = 10 };
	struct weir_options options[10];
	struct weir_producer producer;
	int i;

	ASSERT_EQ(0, policy_remake(self, (struct weir_policy){ .max_messages = 6 }));
	ASSERT_EQ(0, once_register(self->writer, "p", &producer));
	for (i = 0; i < 10; i++) {
		options[i] = once_of(&producer, i + 1);
		messages[i].options = raw_address(&options[i]);
		messages[i].options_len = sizeof(options[i]);
		messages[i].data = raw_address(&options[i].sequence);
		messages[i].len = sizeof(__u64);
	}
	/* EFAULT at the fourth, and at the options of the fifth. */
	messages[3].data = 64;
	ASSERT_EQ(3, door_command(self->writer, WEIR_IOC_SEND, &send));
	ASSERT_EQ(0, send.duplicates);
	messages[3].data = messages[4].data;
	messages[4].options = 64;
	ASSERT_EQ(3, wish_drain(self->reader, IN_PLACE, 9, order));
	ASSERT_EQ(4, door_command(self->writer, WEIR_IOC_SEND, &send));
	ASSERT_EQ(3, send.duplicates);
	/* Full: duplicates want room for a moment, too. */
	messages[4].options = raw_address(&options[4]);
	ASSERT_EQ(5, door_command(self->writer, WEIR_IOC_SEND, &send));
	ASSERT_EQ(4, send.duplicates);
	ASSERT_EQ(2, wish_drain(self->reader, IN_PLACE, 9, order));
	ASSERT_EQ(6, door_command(self->writer, WEIR_IOC_SEND, &send));
	ASSERT_EQ(5, send.duplicates);
	lease_fill(self->writer, 5);
	ASSERT_EQ(-EAGAIN, once_send(self->writer, options[0]));
	ASSERT_EQ(6, wish_drain(self->reader, IN_PLACE, 9, order));
	send.messages = raw_address(&messages[6]);
	send.count = 4;
	ASSERT_EQ(4, door_command(self->writer, WEIR_IOC_SEND, &send));
	ASSERT_EQ(0, send.duplicates);
	for (i = 7; i <= 10; i++)
		ASSERT_EQ(i, once_take(self->reader));
	EXPECT_EQ(15, raw_figure(self->name, "sent"));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

/* It goes on where it was, and who was it before sends nothing more. */
TEST_F(queue, started_again)
{
	struct weir_producer first, second, other;
	struct weir_options options[4];
	struct weir_send send;
	int i;

	ASSERT_EQ(0, once_register(self->writer, "p", &first));
	ASSERT_EQ(7, once_send_row(self->writer, &first, 1, 7, &send));
	ASSERT_EQ(0, once_register(raw_open(self->name, O_WRONLY), "p", &second));
	EXPECT_EQ(first.id, second.id);
	EXPECT_NE(first.epoch, second.epoch);
	EXPECT_EQ(7, second.sequence);
	ASSERT_EQ(-ESTALE, once_send(self->writer, once_of(&first, 8)));
	ASSERT_EQ(-ESTALE, once_send(self->writer, once_of(&first, 3)));
	once_check(_metadata, self, 7, 0);
	ASSERT_EQ(5, once_send_row(self->writer, &second, 5, 9, &send));
	EXPECT_EQ(3, send.duplicates);
	/* A batch ends before the one that is fenced. */
	ASSERT_EQ(0, once_register(self->writer, "q", &other));
	EXPECT_NE(first.id, other.id);
	for (i = 0; i < 4; i++)
		options[i] = once_of(i == 2 ? &first : &other, i + 1);
	ASSERT_EQ(2, once_send_batch(self->writer, options, 4, &send));
	EXPECT_EQ(0, send.duplicates);
	EXPECT_EQ(9, send.first_offset);
	once_check(_metadata, self, 11, 3);
	ASSERT_EQ(0, once_register(self->writer, "q", &other));
	EXPECT_EQ(2, other.sequence);
	ASSERT_EQ(0, once_register(self->writer, "p", &second));
	EXPECT_EQ(9, second.sequence);
}

/* Two that send the same, each for itself: each message is taken, once, in order. */
TEST_F(queue, two_at_once)
{
	const __u64 rounds = raw_rounds(3000);
	struct weir_producer producer;
	pid_t children[2];
	__u64 i;

	ASSERT_EQ(0, once_register(self->writer, "p", &producer));
	for (i = 0; i < 2; i++) {
		children[i] = proc_fork();
		if (!children[i]) {
			unsigned int seed = i;
			struct weir_send send;
			__u64 at = 1;

			while (at <= rounds) {
				__u64 end = at + rand_r(&seed) % 20;
				int ret;

				end = end < rounds ? end : rounds;
				ret = once_send_row(self->writer, &producer, at, end, &send);
				if (ret != (int)(end - at + 1) || (int)send.duplicates > ret)
					_exit(1);
				at = end + 1;
			}
			_exit(0);
		}
	}
	EXPECT_EQ(0, proc_wait(children[0]));
	EXPECT_EQ(0, proc_wait(children[1]));
	once_check(_metadata, self, rounds, rounds);
	for (i = 1; i <= rounds; i++)
		ASSERT_EQ(i, once_take(self->reader));
}

TEST_F(queue, ids_by_count)
{
	struct weir_policy policy = { .dedup_count = 3 };
	int i;

	ASSERT_EQ(0, policy_remake(self, policy));
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(1, once_send(self->writer, once_id("a")));
		ASSERT_EQ(0, once_send(self->writer, once_id("a")));
		ASSERT_EQ(1, once_send(self->writer, once_id("aa")));
		ASSERT_EQ(1, once_send(self->writer, once_id("b")));
		/* One that is not taken is not counted. */
		ASSERT_EQ(0, once_send(self->writer, once_id("b")));
		ASSERT_EQ(0, once_send(self->writer, once_id("aa")));
		ASSERT_EQ(0, once_send(self->writer, once_id("a")));
		ASSERT_EQ(1, once_send(self->writer, once_id("c")));
	}
	once_check(_metadata, self, 400, 400);
	ASSERT_EQ(0, once_send(self->writer, once_id("b")));
	policy.dedup_count = 1;
	ASSERT_EQ(0, policy_alter(self->name, policy));
	ASSERT_EQ(0, once_send(self->writer, once_id("c")));
	ASSERT_EQ(1, once_send(self->writer, once_id("b")));
	policy.dedup_count = 4;
	ASSERT_EQ(-EINVAL, policy_alter(self->name, policy));
	ASSERT_EQ(0, policy_alter(self->name, (struct weir_policy){ 0 }));
	ASSERT_EQ(-EINVAL, once_send(self->writer, once_id("c")));
	policy.dedup_count = 3;
	ASSERT_EQ(0, policy_alter(self->name, policy));
	ASSERT_EQ(0, once_send(self->writer, once_id("b")));
}

TEST_F(queue, ids_by_time)
{
	const __u64 age = 30000000;
	struct weir_info info;
	int i, known = 0;

	ASSERT_EQ(0, policy_remake(self, (struct weir_policy){ .dedup_ns = age }));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(WEIR_DEFAULT_DEDUP_COUNT, info.policy.dedup_count);
	for (i = 0; i < 20; i++) {
		__u64 begin = lease_now();
		int ret;

		ASSERT_EQ(1, once_send(self->writer, once_id("a")));
		do {
			ret = once_send(self->writer, once_id("a"));
			known += !ret;
			if (lease_now() - begin < age)
				ASSERT_EQ(0, ret);
		} while (!ret);
		ASSERT_EQ(1, ret);
		ASSERT_LE(age, lease_now() - begin);
		nanosleep(&(struct timespec){ .tv_nsec = age }, NULL);
	}
	EXPECT_LT(0, known);
}

/* Some of a batch, also of each other. */
TEST_F(queue, ids_of_a_batch)
{
	static const char *const ids[] = { "a", "b", "a", "c", "", "b", "", "d" };
	struct weir_options options[8];
	struct weir_send send;
	int i;

	ASSERT_EQ(0, policy_remake(self, (struct weir_policy){
		.dedup_count = 100, .priorities = 2,
	}));
	ASSERT_EQ(1, once_send(self->writer, once_id("c")));
	for (i = 0; i < 8; i++)
		options[i] = *ids[i] ? once_id(ids[i]) : (struct weir_options){ 0 };
	/* With other wishes, too. */
	options[1].priority = 1;
	options[5].priority = 1;
	options[7].ttl_ns = HOUR_NS;
	ASSERT_EQ(8, once_send_batch(self->writer, options, 8, &send));
	EXPECT_EQ(3, send.duplicates);
	EXPECT_EQ(1, send.first_offset);
	once_check(_metadata, self, 6, 3);
	ASSERT_EQ(8, once_send_batch(self->writer, options, 8, &send));
	EXPECT_EQ(6, send.duplicates);
	EXPECT_EQ(6, send.first_offset);
	once_check(_metadata, self, 8, 9);
	ASSERT_EQ(8, wish_drain(self->reader, IN_PLACE, 9, order));
	EXPECT_EQ(2, order[0]);
	EXPECT_EQ(0, order[1]);
	EXPECT_EQ(1, order[2]);
	for (i = 3; i < 8; i++)
		EXPECT_EQ(i, order[i]);
	/* It was taken, wherever it is by now. */
	ASSERT_EQ(8, once_send_batch(self->writer, options, 8, &send));
	EXPECT_EQ(6, send.duplicates);
}

/* Known by either: what one producer sent is not taken of another one. */
TEST_F(queue, both)
{
	struct weir_producer one, two;
	struct weir_options options;

	ASSERT_EQ(0, policy_remake(self, (struct weir_policy){ .dedup_count = 100 }));
	ASSERT_EQ(0, once_register(self->writer, "one", &one));
	ASSERT_EQ(0, once_register(self->writer, "two", &two));
	options = once_of(&one, 1);
	options.id = raw_address("x");
	options.id_len = 1;
	ASSERT_EQ(1, once_send(self->writer, options));
	options.producer = two.id;
	options.epoch = two.epoch;
	ASSERT_EQ(0, once_send(self->writer, options));
	ASSERT_EQ(0, once_register(self->writer, "two", &two));
	EXPECT_EQ(1, two.sequence);
	/* One whose sequence is known tells nothing of its id. */
	options = once_of(&one, 1);
	options.id = raw_address("y");
	options.id_len = 1;
	ASSERT_EQ(0, once_send(self->writer, options));
	ASSERT_EQ(1, once_send(self->writer, once_id("y")));
}

/* In a transaction, too: all of it, or nothing where one is fenced. */
TEST_F(queue, transactions)
{
	struct weir_producer producer;
	struct weir_options options;
	struct weir_run run;
	struct weir_message message = {
		.data = raw_address(&run), .len = 1,
		.options = raw_address(&options), .options_len = sizeof(options),
	};
	struct weir_part parts[2] = {
		{ .op = WEIR_PART_SEND, .items = raw_address(&message), .count = 1 },
		{ .op = WEIR_PART_SETTLE, .count = 1 },
	};
	struct weir_txn txn = { .parts = raw_address(parts), .count = 2 };

	ASSERT_EQ(0, once_register(self->writer, "p", &producer));
	options = once_of(&producer, 1);
	parts[0].fd = self->writer;
	parts[1].fd = self->reader;
	lease_fill(self->writer, 3);
	parts[1].items = raw_address(&run);
	run = lease_take(self->reader, 1, 0);
	ASSERT_EQ(0, door_command(self->reader, WEIR_IOC_TXN, &txn));
	EXPECT_EQ(1, raw_figure(self->name, "settled"));
	EXPECT_EQ(4, raw_figure(self->name, "sent"));
	/* A duplicate is taken with the rest. */
	run = lease_take(self->reader, 1, 0);
	ASSERT_EQ(0, door_command(self->reader, WEIR_IOC_TXN, &txn));
	EXPECT_EQ(2, raw_figure(self->name, "settled"));
	once_check(_metadata, self, 2, 1);
	ASSERT_EQ(0, once_register(self->writer, "p", &producer));
	options.sequence = 2;
	run = lease_take(self->reader, 1, 0);
	ASSERT_EQ(-ESTALE, door_command(self->reader, WEIR_IOC_TXN, &txn));
	EXPECT_EQ(0, txn.failed);
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	EXPECT_EQ(4, raw_figure(self->name, "sent"));
	EXPECT_EQ(128, raw_figure(self->name, "bytes"));
}

/* What is 0 that must not be, or the other way, what is not there, and what is not his. */
TEST_F(queue, hostile_options)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct weir_producer producer;
	struct weir_options options;
	int i;

	EXPECT_EQ(-EINVAL, once_send(self->writer, once_id("x")));
	ASSERT_EQ(0, policy_remake(self, (struct weir_policy){ .dedup_count = 100 }));
	ASSERT_EQ(0, mprotect(page + 4096, 4096, PROT_NONE));
	options = (struct weir_options){ .producer = 1, .sequence = 1 };
	EXPECT_EQ(-ESTALE, once_send(self->writer, options));
	ASSERT_EQ(0, once_register(self->writer, "p", &producer));
	EXPECT_EQ(-EINVAL, once_send(self->writer, once_of(&producer, 0)));
	for (i = 0; i < 64; i++) {
		options = once_of(&producer, 1);
		options.producer ^= 1ULL << i;
		EXPECT_EQ(options.producer ? -ESTALE : -EINVAL, once_send(self->writer, options));
		options = once_of(&producer, 1);
		options.epoch ^= 1U << i % 32;
		EXPECT_EQ(-ESTALE, once_send(self->writer, options));
	}
	options = (struct weir_options){ .sequence = 1 };
	EXPECT_EQ(-EINVAL, once_send(self->writer, options));
	options = (struct weir_options){ .epoch = 1 };
	EXPECT_EQ(-EINVAL, once_send(self->writer, options));
	options = (struct weir_options){ .id = raw_address(page) };
	EXPECT_EQ(-EINVAL, once_send(self->writer, options));
	options.id_len = WEIR_ID_MAX + 1;
	EXPECT_EQ(-EINVAL, once_send(self->writer, options));
	options.id_len = ~0U;
	EXPECT_EQ(-EINVAL, once_send(self->writer, options));
	options.id_len = WEIR_ID_MAX;
	options.id = raw_address(page + 4096 - WEIR_ID_MAX + 1);
	EXPECT_EQ(-EFAULT, once_send(self->writer, options));
	once_check(_metadata, self, 0, 0);
	options.id--;
	EXPECT_EQ(1, once_send(self->writer, options));
	EXPECT_EQ(0, once_send(self->writer, options));
	options.id_len--;
	EXPECT_EQ(1, once_send(self->writer, options));
	EXPECT_EQ(1, once_send(self->writer, once_of(&producer, ~0ULL)));
	EXPECT_EQ(0, once_send(self->writer, once_of(&producer, ~0ULL)));
	once_check(_metadata, self, 3, 2);
}

TEST_F(queue, hostile_producers)
{
	char name[WEIR_PRODUCER_NAME_SIZE];
	struct weir_producer producer = { .name = "p", .flags = 1 };
	struct {
		struct weir_producer producer;
		char more[64];
	} grown = { .producer.name = "p" };
	int reader = raw_open(self->name, O_RDONLY);
	const size_t size = sizeof(producer);

	EXPECT_EQ(-EINVAL, door_command(self->writer, WEIR_IOC_PRODUCER, &producer));
	producer.flags = 0;
	EXPECT_EQ(-EACCES, door_command(reader, WEIR_IOC_PRODUCER, &producer));
	EXPECT_EQ(-EINVAL, once_register(self->writer, "", &producer));
	memset(name, 'n', sizeof(name));
	EXPECT_EQ(-EINVAL, once_register(self->writer, name, &producer));
	name[sizeof(name) - 1] = '\0';
	EXPECT_EQ(0, once_register(self->writer, name, &producer));
	EXPECT_EQ(-EFAULT, door_command(self->writer, WEIR_IOC_PRODUCER, (void *)64));
	EXPECT_EQ(-EINVAL, raw_ioctl(self->writer, raw_resized(WEIR_IOC_PRODUCER, size - 8),
				     &grown));
	EXPECT_EQ(0, raw_ioctl(self->writer, raw_resized(WEIR_IOC_PRODUCER, sizeof(grown)),
			       &grown));
	grown.more[63] = 1;
	EXPECT_EQ(-E2BIG, raw_ioctl(self->writer, raw_resized(WEIR_IOC_PRODUCER, sizeof(grown)),
				    &grown));
	EXPECT_EQ(0, raw_destroy_force(self->name));
	EXPECT_EQ(-ESHUTDOWN, once_register(self->writer, "p", &producer));
}

/* A name is its user's own: nobody fences another user's, or sends for him. */
TEST_F(queue, users)
{
	char path[WEIR_NAME_SIZE + 32];
	struct weir_producer mine, his;
	pid_t child;

	ASSERT_EQ(0, chmod(raw_path(path, self->name), 0666));
	ASSERT_EQ(0, once_register(self->writer, "p", &mine));
	ASSERT_EQ(1, once_send(self->writer, once_of(&mine, 5)));
	child = proc_fork();
	if (!child) {
		int fd;

		ASSERT_EQ(0, proc_become(1234, 1234));
		fd = raw_open(self->name, O_WRONLY | O_NONBLOCK);
		ASSERT_EQ(0, once_register(fd, "p", &his));
		ASSERT_NE(mine.id, his.id);
		ASSERT_EQ(0, his.sequence);
		ASSERT_EQ(-ESTALE, once_send(fd, once_of(&mine, 100)));
		ASSERT_EQ(1, once_send(fd, once_of(&his, 1)));
		/* Through what another one opened he is that one. */
		ASSERT_EQ(1, once_send(self->writer, once_of(&mine, 6)));
		ASSERT_EQ(-ESTALE, once_send(self->writer, once_of(&his, 2)));
		_exit(0);
	}
	ASSERT_EQ(0, proc_wait(child));
	ASSERT_EQ(1, once_send(self->writer, once_of(&mine, 7)));
	once_check(_metadata, self, 4, 0);
}

/* However many ids and producers there are, it takes what was said, and gives it back. */
TEST_F(queue, memory)
{
	enum { IDS = 5000, PRODUCERS = 4096 };
	static struct weir_options options[WEIR_BATCH_MAX];
	static __u64 numbers[WEIR_BATCH_MAX];
	struct weir_producer producer;
	__u64 before, next = 0;
	struct weir_send send;
	char name[32];
	int i, j;

	before = raw_figure(self->name, "memory");
	ASSERT_EQ(0, policy_remake(self, (struct weir_policy){ .dedup_count = IDS }));
	EXPECT_LE(before + IDS * 40, raw_figure(self->name, "memory"));
	EXPECT_GE(before + IDS * 80, raw_figure(self->name, "memory"));
	for (i = 0; i < 20; i++) {
		for (j = 0; j < WEIR_BATCH_MAX; j++) {
			numbers[j] = next++;
			options[j] = (struct weir_options){
				.id = raw_address(&numbers[j]), .id_len = sizeof(numbers[j]),
			};
		}
		ASSERT_EQ(WEIR_BATCH_MAX, once_send_batch(self->writer, options, j, &send));
		ASSERT_EQ(0, send.duplicates);
		ASSERT_EQ(WEIR_BATCH_MAX, once_send_batch(self->writer, options, j, &send));
		ASSERT_EQ(WEIR_BATCH_MAX, send.duplicates);
		ASSERT_EQ(WEIR_BATCH_MAX, wish_drain(self->reader, IN_PLACE, j, order));
		if (!i)
			before = raw_figure(self->name, "memory");
	}
	EXPECT_EQ(before, raw_figure(self->name, "memory"));
	for (i = 0; i < PRODUCERS; i++) {
		snprintf(name, sizeof(name), "producer %d", i);
		ASSERT_EQ(0, once_register(self->writer, name, &producer));
		ASSERT_EQ(1, once_send(self->writer, once_of(&producer, i + 1)));
	}
	ASSERT_EQ(PRODUCERS, raw_purge(self->name));
	before = raw_figure(self->name, "memory");
	EXPECT_EQ(-ENOSPC, once_register(self->writer, "one more", &producer));
	EXPECT_EQ(before, raw_figure(self->name, "memory"));
	for (i = 0; i < PRODUCERS; i += 7) {
		snprintf(name, sizeof(name), "producer %d", i);
		ASSERT_EQ(0, once_register(self->writer, name, &producer));
		ASSERT_EQ(i + 1, producer.sequence);
	}
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
	EXPECT_EQ(before, raw_figure(self->name, "memory"));
}

TEST_HARNESS_MAIN
