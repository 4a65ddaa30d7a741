// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Hostile neighbours: processes that change every word of their commands while the
 * kernel reads them, others that are stuck in memory that does not come, and some that
 * are killed; beside them an honest pair loses nothing and waits for nobody (I4, I5,
 * I11, I22, I41).
 */
#include <stddef.h>
#include "../fixture.h"
#include "../uring.h"

#define BATCH	32

/* All that a command may point to. */
struct words {
	union {
		struct weir_send send;
		struct weir_fetch fetch;
		struct weir_settle settle;
		struct weir_info info;
		struct weir_layout layout;
		struct weir_cancel cancel;
		__u64 command[128];
	};
	struct weir_message messages[BATCH];
	struct weir_run runs[BATCH];
	struct weir_options options;
	char bytes[8192];
};

static __u64 next_random(__u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static __u64 nasty(__u64 *state, const struct words *words)
{
	const __u64 values[] = {
		0, 1, 2, 63, 64, 1024, 1025, 0xffff, 1ULL << 31, 0xffffffff, 1ULL << 32,
		~0ULL, ~0ULL >> 1, 1ULL << 47, 1ULL << 63, raw_address(words),
		raw_address(words->messages), raw_address(words->runs),
		raw_address(words->bytes), raw_address(&words->options), next_random(state),
	};

	return values[next_random(state) % ARRAY_SIZE(values)];
}

/* What one thread fills in sensibly, again and again, ... */
static void make_sense(struct words *words, unsigned long command, __u64 *state)
{
	static const __u32 slots[] = { 0, 1, 63, 64, 1023, 1024, 1 << 20, ~0U };
	int i;

	memset(words->command, 0, sizeof(words->command));
	for (i = 0; i < BATCH; i++)
		words->messages[i] = (struct weir_message){
			.data = raw_address(words->bytes), .len = 100 * i,
			.options = raw_address(&words->options),
			.options_len = sizeof(words->options),
		};
	words->options = (struct weir_options){ .ttl_ns = 100000000 };
	if (command == WEIR_IOC_SEND) {
		words->send.messages = raw_address(words->messages);
		words->send.count = BATCH;
	} else if (command == WEIR_IOC_FETCH) {
		words->fetch.runs = words->fetch.settle = raw_address(words->runs);
		words->fetch.nr_runs = BATCH;
		words->fetch.max_messages = BATCH;
		words->fetch.lease_ns = 1000000;
	} else if (command == WEIR_IOC_SETTLE) {
		words->settle.runs = raw_address(words->runs);
		words->settle.count = BATCH;
		/* Some as they were fetched, some guessed. */
		for (i = 0; i < BATCH; i += 2)
			words->runs[i] = (struct weir_run){
				.offset = next_random(state) % 64,
				.slot = slots[next_random(state) % ARRAY_SIZE(slots)],
				.count = 1 + next_random(state) % 4, .deliveries = 1,
				.op = next_random(state) % 4,
			};
	}
}

/* ... others change, anywhere, for ever. */
static void *scribble(void *argument)
{
	struct words *words = argument;
	const size_t n = offsetof(struct words, bytes) / sizeof(__u64);
	__u64 state = raw_address(&state) | 1;

	for (;;) {
		size_t at = next_random(&state) % n;

		__atomic_store_n((__u64 *)words + at, nasty(&state, words), __ATOMIC_RELAXED);
	}
	return NULL;
}

static const unsigned long commands[] = {
	WEIR_IOC_SEND, WEIR_IOC_FETCH, WEIR_IOC_SETTLE, WEIR_IOC_LAYOUT, WEIR_IOC_CANCEL,
	WEIR_IOC_INFO, WEIR_IOC_VERSION,
};

/* Behind them is nothing: what is written there is not to be a stack of this process's. */
static struct words *make_words(void)
{
	const size_t size = (sizeof(struct words) + 4095) / 4096 * 4096, nothing = 1 << 20;
	char *memory = proc_shared(size + nothing);

	if (!memory || mprotect(memory + size, nothing, PROT_NONE))
		return NULL;
	return (struct words *)memory;
}

/* By ioctl, until killed. The descriptor never waits. */
static void scribbler(int fd)
{
	struct words *words = make_words();
	pthread_t thread;
	__u64 state = getpid();

	if (!words || pthread_create(&thread, NULL, scribble, words))
		_exit(1);
	for (;;) {
		unsigned long command = commands[next_random(&state) % ARRAY_SIZE(commands)];

		make_sense(words, command, &state);
		ioctl(fd, command, words->command);
	}
}

/* Through a ring, the SQEs of which are changed as well. */
static void ring_scribbler(int fd)
{
	struct words *words = make_words();
	struct io_uring_sqe *sqe;
	struct ring ring;
	pthread_t thread;
	__u64 state = getpid();
	int n;

	if (!words || ring_make(&ring, 64, 0) ||
	    pthread_create(&thread, NULL, scribble, words))
		_exit(1);
	for (n = 0;; n++) {
		unsigned long command = commands[next_random(&state) % ARRAY_SIZE(commands)];
		__u64 data;
		int res;

		make_sense(words, command, &state);
		sqe = ring_sqe(&ring);
		ring_command(&ring, fd, command, words->command, _IOC_SIZE(command), n);
		/* After it was pushed: the kernel may be reading it. */
		if (n % 4 == 0)
			((struct weir_uring_cmd *)sqe->cmd)->len = nasty(&state, words);
		ring_enter(&ring, 0);
		while (ring_reap(&ring, &res, &data))
			;
	}
}

/* Stuck for as long as it lives in a payload that does not come. */
static void stuck_sender(int fd, struct stall *stall)
{
	if (stall_make(stall, 3, 1))
		_exit(1);
	fcntl(fd, F_SETFL, 0);
	raw_write(fd, stall->memory, 3 * 4096);
	_exit(1);
}

enum kind { SCRIBBLER, RING_SCRIBBLER, STUCK, KINDS };

/* A neighbour of that kind: with @own all of a queue's commands, with @others sending only. */
static pid_t neighbour(enum kind kind, int own, int others)
{
	struct stall *stall = proc_shared(sizeof(*stall));
	pid_t child = proc_fork();

	if (child)
		return child;
	switch (kind) {
	case SCRIBBLER:
		scribbler(own);
		break;
	case RING_SCRIBBLER:
		ring_scribbler(own);
		break;
	default:
		stuck_sender(others, stall);
	}
	_exit(1);
}

/* The honest sender: its messages are numbered, each of a length and bytes of its own. */
static void honest_sender(const char *name, int count)
{
	int fd = raw_open(name, O_WRONLY), i, length;
	char bytes[600], number[16];

	for (i = 0; i < count; i++) {
		length = 8 + i % 500;
		memset(bytes, 'a' + i % 26, length);
		snprintf(number, sizeof(number), "%07d", i);
		memcpy(bytes, number, 8);
		if (raw_write(fd, bytes, length) != length)
			_exit(1);
	}
	_exit(0);
}

static bool is_honest(const char *bytes, long length, int i)
{
	int at;

	if (length != 8 + i % 500 || atoi(bytes) != i)
		return false;
	for (at = 8; at < length; at++)
		if (bytes[at] != 'a' + i % 26)
			return false;
	return true;
}

TEST_F(queue, honest_pair)
{
	pid_t children[2 * KINDS], sender;
	int own, i, count = raw_rounds(8000);
	char name[WEIR_NAME_SIZE], bytes[600];
	unsigned int n;

	/* Theirs: what they send, take and settle there is theirs to spoil. */
	raw_name(name);
	strcat(name, "-theirs");
	ASSERT_EQ(0, raw_create(name));
	own = raw_open(name, O_RDWR | O_NONBLOCK);
	ASSERT_LE(0, own);
	for (n = 0; n < ARRAY_SIZE(children); n++)
		children[n] = neighbour(n % KINDS, own, self->writer);

	sender = proc_fork();
	if (!sender)
		honest_sender(self->name, count);
	fcntl(self->reader, F_SETFL, 0);
	for (i = 0; i < count; i++) {
		long length = raw_read(self->reader, bytes, sizeof(bytes));

		ASSERT_TRUE(is_honest(bytes, length, i)) {
			TH_LOG("message %d: %ld bytes", i, length);
		}
		if (i % 500)
			continue;
		/* One dies in the middle of whatever it does, and another one comes. */
		n = (i / 500) % ARRAY_SIZE(children);
		EXPECT_EQ(128 + SIGKILL, proc_kill(children[n]));
		children[n] = neighbour(n % KINDS, own, self->writer);
	}
	EXPECT_EQ(0, proc_wait(sender));
	for (n = 0; n < ARRAY_SIZE(children); n++) {
		EXPECT_EQ(128 + SIGKILL, proc_kill(children[n]));
	}
	close(own);
	/* What they were stuck in, and what they had taken, is not kept. */
	wait_until(!raw_figure(self->name, "bytes"));
	EXPECT_EQ(count, raw_figure(self->name, "settled"));
	wait_until(!raw_figure(name, "leased") && !raw_figure(name, "pinned"));
	EXPECT_EQ(0, raw_destroy_force(name));
}

TEST_HARNESS_MAIN
