// SPDX-License-Identifier: GPL-2.0 OR MIT
/* WEIR_IOC_SEND: batches, keys, headers, each field of each structure. */
#include <sys/stat.h>
#include <time.h>

#define QUEUE_COMMANDS
#include "../fixture.h"

#define MESSAGE(bytes, length) { .data = raw_address(bytes), .len = (length) }

static int send_batch(int fd, struct weir_message *messages, __u32 count, __s64 timeout_ns,
		      __u64 *first)
{
	struct weir_send send = {
		.messages = raw_address(messages), .count = count, .timeout_ns = timeout_ns,
		.first_offset = 77,
	};
	int ret = door_command(fd, WEIR_IOC_SEND, &send);

	if (first)
		*first = send.first_offset;
	return ret;
}

static int send_one(int fd, struct weir_message message)
{
	return send_batch(fd, &message, 1, 0, NULL);
}

/* The next message with its descriptor before it, settled. */
static struct weir_desc *receive(int fd)
{
	static char buffer[1 << 17] __attribute__((aligned(64)));
	struct weir_run run;

	memset(buffer, 0x5a, sizeof(buffer));
	if (door_fetch(fd, buffer, sizeof(buffer), WEIR_FETCH_SETTLED, &run) != 1)
		return NULL;
	return (void *)buffer;
}

TEST_F(queue, batch)
{
	struct weir_message messages[100];
	char bytes[100][16];
	struct weir_desc *desc;
	__u64 first;
	int i;

	memset(messages, 0, sizeof(messages));
	for (i = 0; i < 100; i++) {
		messages[i].data = raw_address(bytes[i]);
		messages[i].len = snprintf(bytes[i], sizeof(bytes[i]), "message %d", i);
	}
	ASSERT_EQ(100, send_batch(self->writer, messages, 100, 0, &first));
	EXPECT_EQ(0, first);
	ASSERT_EQ(7, send_batch(self->writer, messages, 7, 0, &first));
	EXPECT_EQ(100, first);
	for (i = 0; i < 107; i++) {
		desc = receive(self->reader);
		ASSERT_TRUE(desc != NULL);
		ASSERT_EQ(i, desc->offset);
		ASSERT_EQ(messages[i % 100].len, desc->len);
		ASSERT_EQ(0, memcmp(bytes[i % 100], desc + 1, desc->len));
	}
}

/* As many as there is room for, and then as many as may be at a time. */
TEST_F(queue, taken_in_part)
{
	struct weir_message *messages = calloc(5000, sizeof(*messages));
	__u64 first;
	int i;

	for (i = 0; i < 5000; i++)
		messages[i] = (struct weir_message)MESSAGE("x", 1);
	EXPECT_EQ(1024, send_batch(self->writer, messages, 5000, 0, &first));
	ASSERT_EQ(1024, raw_purge(self->name));
	ASSERT_EQ(0, queue_remake(self, 10, 4096));
	EXPECT_EQ(10, send_batch(self->writer, messages, 5000, 0, &first));
	EXPECT_EQ(-EAGAIN, send_batch(self->writer, messages, 5000, 0, &first));
	EXPECT_EQ(10, raw_figure(self->name, "sent"));
	ASSERT_EQ(10, raw_purge(self->name));
	ASSERT_EQ(0, queue_remake(self, 0, 4096));
	EXPECT_EQ(64, send_batch(self->writer, messages, 100, 0, &first));
	EXPECT_EQ(4096, raw_figure(self->name, "bytes"));
	/* One that does not fit keeps none of the earlier ones out. */
	ASSERT_EQ(64, raw_purge(self->name));
	messages[3].len = 2000;
	messages[3].data = raw_address(messages);
	EXPECT_EQ(3, send_batch(self->writer, messages, 10, 0, &first));
	EXPECT_EQ(-EMSGSIZE, send_batch(self->writer, messages + 3, 10, 0, &first));
}

/* An error only for the first: those before a bad one are taken. */
TEST_F(queue, bad_one_in_the_middle)
{
	struct weir_message good = MESSAGE("good", 4);
	struct weir_message bad[] = {
		MESSAGE((void *)8, 4), MESSAGE("x", WEIR_MESSAGE_MAX + 1), MESSAGE("x", 1),
		MESSAGE("x", 1),
	};
	static const int errors[] = { -EFAULT, -EMSGSIZE, -EINVAL, -EINVAL };
	struct weir_message messages[3];
	size_t i;

	bad[2].flags = 1;
	bad[3].headers_len = 8;
	bad[3].headers = raw_address("\0\0\0\0\0\0\0\0");
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		messages[0] = good;
		messages[1] = bad[i];
		messages[2] = good;
		EXPECT_EQ(1, send_batch(self->writer, messages, 3, 0, NULL)) {
			TH_LOG("case %zu", i);
		}
		EXPECT_EQ(errors[i], send_batch(self->writer, messages + 1, 2, 0, NULL)) {
			TH_LOG("case %zu", i);
		}
	}
	EXPECT_EQ((int)ARRAY_SIZE(bad), raw_figure(self->name, "sent"));
	EXPECT_EQ((int)ARRAY_SIZE(bad) * 64, raw_figure(self->name, "bytes"));
}

TEST_F(queue, key_and_headers)
{
	static const struct {
		struct weir_header header;
		char bytes[8];
	} __attribute__((packed)) headers[] = {
		{ { .name_len = 3, .value_len = 5 }, "abcvalue" },
		/* What stands in the padding is not passed on (I10). */
		{ { .name_len = 1, .value_len = 0 }, "nSECRET" },
		{ { .name_len = 3, .value_len = 5 }, "abcVALUE" },
	};
	struct weir_message message = {
		.data = raw_address("payload"), .len = 7,
		.key = raw_address("key"), .key_len = 3,
		.headers = raw_address(headers), .headers_len = sizeof(headers),
	};
	struct weir_desc *desc;
	const char *bytes;

	ASSERT_EQ(1, send_one(self->writer, message));
	EXPECT_EQ(64, raw_figure(self->name, "bytes"));
	desc = receive(self->reader);
	ASSERT_TRUE(desc != NULL);
	bytes = (const char *)(desc + 1);
	EXPECT_EQ(sizeof(*desc), desc->pos);
	EXPECT_EQ(7, desc->len);
	EXPECT_EQ(3, desc->key_len);
	EXPECT_EQ(sizeof(headers), desc->headers_len);
	EXPECT_EQ(0, memcmp("payloadkey\0\0\0\0\0\0", bytes, 16));
	EXPECT_EQ(0, memcmp(&headers[0], bytes + 16, 16));
	EXPECT_EQ(0, memcmp("n\0\0\0\0\0\0\0", bytes + 40, 8));
	EXPECT_EQ(0, memcmp(&headers[2], bytes + 48, 16));
	/* read(2) gives the payload alone. */
	ASSERT_EQ(1, send_one(self->writer, message));
	EXPECT_EQ(7, raw_read(self->reader, (char *)bytes, 100));
	EXPECT_EQ(1, raw_figure(self->name, "settled") - 1);
}

/* Each wrong block of headers. */
TEST_F(queue, headers)
{
	struct {
		struct weir_header header;
		char rest[248 + 16];
	} block = { 0 };
	static const struct {
		__u32 value_len;
		__u16 name_len, reserved;
		__u32 length;
		int expect;
	} cases[] = {
		{ 0, 1, 0, 16, 1 },
		{ 7, 1, 0, 16, 1 },
		{ 0, 255, 0, 264, 1 },
		{ 0, 256, 0, 264, -EINVAL },
		{ 0, 0, 0, 16, -EINVAL },
		{ 0, 0, 0, 8, -EINVAL },
		{ 8, 1, 0, 16, -EINVAL },		/* longer than the block */
		{ 0, 1, 0, 24, -EINVAL },		/* shorter: another one of no name */
		{ 0, 1, 0, 8, -EINVAL },
		{ 7, 1, 1, 16, -EINVAL },
		{ 0xffffffff, 1, 0, 16, -EINVAL },
		{ 0xfffffff8, 1, 0, 16, -EINVAL },
		{ 0xfffffff0, 8, 0, 16, -EINVAL },
		{ 0xffffffff - 8, 65535, 0, 16, -EINVAL },
		{ 7, 1, 0, 15, -EINVAL },
		{ 7, 1, 0, 17, -EINVAL },
		{ 7, 1, 0, 4, -EINVAL },
		{ 7, 1, 0, WEIR_HEADERS_MAX + 8, -EINVAL },
		{ 7, 1, 0, 0x80000000, -EINVAL },
		{ 7, 1, 0, 0xfffffff8, -EINVAL },
	};
	struct weir_message message = { .headers = raw_address(&block) };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		block.header.value_len = cases[i].value_len;
		block.header.name_len = cases[i].name_len;
		block.header.reserved = cases[i].reserved;
		message.headers_len = cases[i].length;
		EXPECT_EQ(cases[i].expect, send_one(self->writer, message)) {
			TH_LOG("case %zu", i);
		}
	}
	EXPECT_EQ(3, raw_purge(self->name));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

TEST_F(queue, largest_key_and_headers)
{
	static char key[WEIR_KEY_MAX + 1], block[WEIR_HEADERS_MAX];
	struct weir_header *header = (void *)block;
	struct weir_message message = {
		.key = raw_address(key), .key_len = WEIR_KEY_MAX,
		.headers = raw_address(block), .headers_len = sizeof(block),
	};
	struct weir_desc *desc;

	memset(block, 'h', sizeof(block));
	memset(key, 'k', sizeof(key));
	header->name_len = 255;
	header->reserved = 0;
	header->value_len = sizeof(block) - sizeof(*header) - 255;
	ASSERT_EQ(1, send_one(self->writer, message));
	desc = receive(self->reader);
	ASSERT_TRUE(desc != NULL);
	EXPECT_EQ(0, desc->len);
	EXPECT_EQ(0, memcmp(key, desc + 1, WEIR_KEY_MAX));
	EXPECT_EQ(0, memcmp(block, (char *)(desc + 1) + WEIR_KEY_MAX, sizeof(block)));
	message.key_len++;
	EXPECT_EQ(-EINVAL, send_one(self->writer, message));
	message.key_len = 65535;
	EXPECT_EQ(-EINVAL, send_one(self->writer, message));
}

/* Payload, key and headers together are what the limits are about. */
TEST_F(queue, parts_count_together)
{
	static char bytes[1024];
	struct weir_message message = MESSAGE(bytes, 1024);

	ASSERT_EQ(0, queue_remake(self, 0, 4096));
	EXPECT_EQ(1, send_one(self->writer, message));
	message.key = raw_address(bytes);
	message.key_len = 1;
	EXPECT_EQ(-EMSGSIZE, send_one(self->writer, message));
	message.len = 1023;
	EXPECT_EQ(1, send_one(self->writer, message));
	EXPECT_EQ(2048, raw_figure(self->name, "bytes"));
}

TEST_F(queue, reserved_fields)
{
	struct weir_message message = MESSAGE("x", 1), bad;
	struct weir_send send = { .messages = raw_address(&message), .count = 1 };
	int bit;

	for (bit = 0; bit < 32; bit++) {
		bad = message;
		bad.flags = 1U << bit;
		EXPECT_EQ(-EINVAL, send_one(self->writer, bad));
		send.flags = 1U << bit;
		EXPECT_EQ(-EINVAL, door_command(self->writer, WEIR_IOC_SEND, &send));
		send.flags = 0;
		send.reserved = 1U << bit;
		EXPECT_EQ(-EINVAL, door_command(self->writer, WEIR_IOC_SEND, &send));
		send.reserved = 0;
	}
	for (bit = 0; bit < 16; bit++) {
		bad = message;
		/* Shorter than they can be, or where there is nothing. */
		bad.options_len = 1U << bit;
		EXPECT_EQ(1U << bit < sizeof(struct weir_options) ? -EINVAL : -EFAULT,
			  send_one(self->writer, bad));
	}
	for (bit = 0; bit < 64; bit++) {
		bad = message;
		bad.options = 1ULL << bit;
		EXPECT_EQ(-EINVAL, send_one(self->writer, bad));
	}
	for (bit = 0; bit < 2 * 64; bit++) {
		bad = message;
		bad.reserved[bit / 64] = 1ULL << (bit % 64);
		EXPECT_EQ(-EINVAL, send_one(self->writer, bad));
	}
	send.flags = 0;
	send.count = 0;
	EXPECT_EQ(-EINVAL, door_command(self->writer, WEIR_IOC_SEND, &send));
	EXPECT_EQ(0, raw_figure(self->name, "sent"));
}

TEST_F(queue, pointers)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct weir_message message = MESSAGE(page + 4000, 96);
	struct weir_send send = { .messages = 8, .count = 1 };
	struct weir_message *at_end = (void *)(page + 4096 - sizeof(*at_end));

	mprotect(page + 4096, 4096, PROT_NONE);
	EXPECT_EQ(-EFAULT, door_command(self->writer, WEIR_IOC_SEND, &send));
	EXPECT_EQ(-EFAULT, door_command(self->writer, WEIR_IOC_SEND, NULL));
	EXPECT_EQ(1, send_one(self->writer, message));
	message.len++;
	EXPECT_EQ(-EFAULT, send_one(self->writer, message));
	message.data = ~0ULL - 63;
	EXPECT_EQ(-EFAULT, send_one(self->writer, message));
	message.data = 1ULL << 63;
	EXPECT_EQ(-EFAULT, send_one(self->writer, message));
	message = (struct weir_message)MESSAGE("x", 1);
	message.key_len = 3;
	EXPECT_EQ(-EFAULT, send_one(self->writer, message));
	message.key_len = 0;
	message.headers_len = 16;
	EXPECT_EQ(-EFAULT, send_one(self->writer, message));
	/* No byte of the array more than its count says. */
	*at_end = (struct weir_message)MESSAGE("x", 1);
	EXPECT_EQ(1, send_batch(self->writer, at_end, 1, 0, NULL));
	EXPECT_EQ(-EFAULT, send_batch(self->writer, at_end, 2, 0, NULL));
	EXPECT_EQ(2, raw_figure(self->name, "sent"));
	EXPECT_EQ(192, raw_figure(self->name, "bytes"));
}

/* Nothing at all is a message, too. Nobody looks at the pointer then. */
TEST_F(queue, empty_message)
{
	struct weir_message message = { .data = 1 };
	struct weir_desc *desc;
	char byte;

	ASSERT_EQ(1, send_one(self->writer, message));
	EXPECT_EQ(POLLIN, raw_poll(self->reader, POLLIN));
	EXPECT_EQ(0, raw_read(self->reader, &byte, 1));
	EXPECT_EQ(-EAGAIN, raw_read(self->reader, &byte, 1));
	ASSERT_EQ(1, send_one(self->writer, message));
	desc = receive(self->reader);
	ASSERT_TRUE(desc != NULL);
	EXPECT_EQ(0, desc->len);
	EXPECT_EQ(1, desc->offset);
	/* As many as are allowed, though they take no bytes (I6). */
	ASSERT_EQ(0, queue_remake(self, 3, 4096));
	EXPECT_EQ(1, send_one(self->writer, message));
	EXPECT_EQ(1, send_one(self->writer, message));
	EXPECT_EQ(1, send_one(self->writer, message));
	EXPECT_EQ(-EAGAIN, send_one(self->writer, message));
}

TEST_F(queue, patience)
{
	struct weir_message message = MESSAGE("x", 1);
	int waits;

	ASSERT_EQ(0, queue_remake(self, 1, 4096));
	waits = raw_open(self->name, O_WRONLY);
	ASSERT_EQ(1, send_one(self->writer, message));
	EXPECT_EQ(-EAGAIN, send_batch(waits, &message, 1, 0, NULL));
	EXPECT_EQ(-ETIMEDOUT, send_batch(waits, &message, 1, 1, NULL));
	EXPECT_EQ(-ETIMEDOUT, send_batch(waits, &message, 1, 1000000, NULL));
	/* O_NONBLOCK is stronger. */
	EXPECT_EQ(-EAGAIN, send_batch(self->writer, &message, 1, -1, NULL));
	EXPECT_EQ(-EAGAIN, send_batch(self->writer, &message, 1, 1LL << 62, NULL));
	EXPECT_EQ(0, raw_figure(self->name, "waiters"));
	EXPECT_EQ(1, raw_figure(self->name, "sent"));
}

/* A wait of almost for ever is no overflow. */
TEST_F(queue, longest_patience)
{
	struct weir_message message = MESSAGE("x", 1);
	pid_t child;
	char byte;

	ASSERT_EQ(0, queue_remake(self, 1, 4096));
	ASSERT_EQ(1, send_one(self->writer, message));
	child = proc_fork();
	if (!child)
		_exit(send_batch(raw_open(self->name, O_WRONLY), &message, 1,
				 0x7fffffffffffffffLL, NULL) != 1);
	wait_waiters(self->name, 1);
	EXPECT_EQ(1, raw_read(self->reader, &byte, 1));
	EXPECT_EQ(0, proc_wait(child));
}

/* Who sent it is who opened the descriptor, and which process used it. */
TEST_F(queue, stamp)
{
	char path[WEIR_NAME_SIZE + 32];
	struct timespec before, after;
	struct weir_desc *desc;
	pid_t child;
	int fd;

	ASSERT_EQ(0, chmod(raw_path(path, self->name), 0666));
	ASSERT_EQ(0, setresgid(-1, 60002, -1));
	ASSERT_EQ(0, setresuid(-1, 60001, -1));
	fd = raw_open(self->name, O_WRONLY);
	ASSERT_EQ(0, setresuid(-1, 0, -1));
	ASSERT_EQ(0, setresgid(-1, 0, -1));
	ASSERT_LE(0, fd);
	clock_gettime(CLOCK_REALTIME, &before);
	child = proc_fork();
	if (!child)
		_exit(send_one(fd, (struct weir_message)MESSAGE("x", 1)) != 1);
	ASSERT_EQ(0, proc_wait(child));
	clock_gettime(CLOCK_REALTIME, &after);
	ASSERT_EQ(1, raw_write(self->writer, "y", 1));
	desc = receive(self->reader);
	ASSERT_TRUE(desc != NULL);
	EXPECT_EQ(60001, desc->uid);
	EXPECT_EQ(60002, desc->gid);
	EXPECT_EQ(child, desc->pid);
	EXPECT_LE(before.tv_sec * 1000000000LL + before.tv_nsec, desc->stamp_ns);
	EXPECT_GE(after.tv_sec * 1000000000LL + after.tv_nsec, desc->stamp_ns);
	desc = receive(self->reader);
	ASSERT_TRUE(desc != NULL);
	EXPECT_EQ(0, desc->uid);
	EXPECT_EQ(getpid(), desc->pid);
	EXPECT_EQ(1, desc->deliveries);
	EXPECT_EQ(0, desc->priority);
	EXPECT_LE(desc->stamp_ns, desc->first_ns);
}

/* I4: whatever another thread makes of the structures, what comes out is sound. */
static struct {
	struct weir_message message;
	struct {
		struct weir_header header;
		char bytes[24];
	} headers;
} shaky;

static void *shake(void *argument)
{
	volatile typeof(shaky) *s = argument;

	for (;;) {
		s->message.len = 100;
		s->message.headers_len = 16;
		s->headers.header.value_len = 7;
		s->message.key_len = 5;
		s->message.len = 0x7fffffff;
		s->headers.header.value_len = 0xffffff00;
		s->message.headers_len = 0xfffffff0;
		s->message.key_len = 0xffff;
		s->headers.header.value_len = 23;
		s->message.headers_len = 32;
		s->message.len = 3;
		s->message.key_len = 0;
	}
	return NULL;
}

static bool sound(const struct weir_desc *desc)
{
	const struct weir_header *header;
	size_t at = (desc->len + desc->key_len + 7) / 8 * 8;

	if (desc->len != 100 && desc->len != 3)
		return false;
	if (desc->key_len != 5 && desc->key_len != 0)
		return false;
	if (desc->headers_len != 16 && desc->headers_len != 32)
		return false;
	header = (void *)((char *)(desc + 1) + at);
	return header->name_len == 1 && !header->reserved &&
	       (8 + 1 + header->value_len + 7) / 8 * 8 == desc->headers_len;
}

TEST_F(queue, changed_during_the_call)
{
	static char bytes[0x1000];
	struct weir_desc *desc;
	pthread_t thread;
	int i, ret, sent = 0, rounds = raw_rounds(4000);

	shaky.message = (struct weir_message)MESSAGE(bytes, 3);
	shaky.message.key = raw_address(bytes);
	shaky.message.headers = raw_address(&shaky.headers);
	shaky.message.headers_len = 16;
	shaky.headers.header.name_len = 1;
	shaky.headers.header.value_len = 7;
	ASSERT_EQ(0, pthread_create(&thread, NULL, shake, &shaky));
	for (i = 0; i < rounds; i++) {
		struct weir_send send = { .messages = raw_address(&shaky.message), .count = 1 };

		ret = door_command(self->writer, WEIR_IOC_SEND, &send);
		if (ret != 1) {
			ASSERT_TRUE(ret == -EINVAL || ret == -EMSGSIZE || ret == -EFAULT);
			continue;
		}
		sent++;
		desc = receive(self->reader);
		ASSERT_TRUE(desc != NULL);
		ASSERT_TRUE(sound(desc));
	}
	EXPECT_EQ(sent, raw_figure(self->name, "sent"));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

/* Room in the midst of more holes than are looked through in one go. */
#define HOLES	1500

TEST_F(queue, room_behind_many_holes)
{
	static char bytes[8192];
	static struct weir_run runs[2 * HOLES + 2];
	struct weir_settle settle = { .count = 1 };
	long long memory;
	int i;

	ASSERT_EQ(0, queue_remake(self, 0, 16 << 20));
	for (i = 0; i < 2 * HOLES + 2; i++)
		ASSERT_EQ(4096, raw_write(self->writer, bytes, 4096));
	for (i = 0; i < 2 * HOLES + 2; i++) {
		struct weir_fetch fetch = {
			.runs = raw_address(&runs[i]), .nr_runs = 1, .max_messages = 1,
		};

		ASSERT_EQ(1, raw_ioctl(self->reader, WEIR_IOC_FETCH, &fetch));
	}
	/* Every second page but the last three is free, where two are needed. */
	for (i = 0; i < 2 * HOLES + 1; i += i < 2 * HOLES - 2 ? 2 : 1) {
		settle.runs = raw_address(&runs[i]);
		runs[i].op = WEIR_ACK;
		ASSERT_EQ(1, raw_ioctl(self->reader, WEIR_IOC_SETTLE, &settle));
	}
	memory = raw_figure(self->name, "memory");
	ASSERT_EQ(8192, raw_write(self->writer, bytes, 8192));
	EXPECT_EQ(memory, raw_figure(self->name, "memory"));
}

TEST_HARNESS_MAIN
