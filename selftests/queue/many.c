// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Many writers and many readers: each message once, whole, and those of one
 * writer in order for each reader (I40, I42).
 */
#include <sys/epoll.h>

#include "../body.h"
#define QUEUE_DOORS
#include "../fixture.h"

#define MOST	8

struct ledger {
	uint32_t got[MOST];		/* by reader */
	uint32_t errors;
	uint8_t times[MOST][20000];	/* by producer and number */
};

struct plan {
	int writers, readers;
	uint32_t messages;		/* of each writer */
	uint32_t length;		/* the largest */
	bool waits;			/* or O_NONBLOCK and poll() */
};

static void wait_for(int fd, short events)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	poll(&pollfd, 1, -1);
}

static void write_all(const char *name, const struct plan *plan, uint32_t producer)
{
	int fd = raw_open(name, O_WRONLY | (plan->waits ? 0 : O_NONBLOCK));
	char *bytes = malloc(plan->length);
	uint32_t seq, length;
	long ret;

	for (seq = 0; seq < plan->messages; seq++) {
		length = BODY_MIN + (seq * 61 + producer * 7) % (plan->length - BODY_MIN + 1);
		body_make(bytes, length, producer, seq);
		while ((ret = door_write(fd, bytes, length)) == -EAGAIN && !plan->waits)
			wait_for(fd, POLLOUT);
		if (ret != length) {
			fprintf(stderr, "# writer %u: %ld\n", producer, ret);
			_exit(1);
		}
	}
	_exit(0);
}

static int judge(struct ledger *ledger, const struct plan *plan, const char *bytes,
		 long length, uint32_t next[MOST])
{
	const struct body *body = (const void *)bytes;

	if (!body_whole(bytes, length) || body->producer >= (uint32_t)plan->writers ||
	    body->seq >= plan->messages)
		return 2;
	/* For one reader those of one producer ascend. */
	if (body->seq < next[body->producer])
		return 3;
	next[body->producer] = body->seq + 1;
	if (__atomic_add_fetch(&ledger->times[body->producer][body->seq], 1, __ATOMIC_SEQ_CST) > 1)
		return 4;
	return 0;
}

static void read_all(const char *name, const struct plan *plan, struct ledger *ledger, int me)
{
	int fd = raw_open(name, O_RDONLY | (plan->waits ? 0 : O_NONBLOCK));
	char *bytes = malloc(plan->length + 1);
	uint32_t next[MOST] = { 0 };
	long length;
	int ret;

	for (;;) {
		length = door_read(fd, bytes, plan->length + 1);
		if (length == -EAGAIN && !plan->waits) {
			wait_for(fd, POLLIN);
			continue;
		}
		/* The end of the test. */
		if (length == -ESHUTDOWN)
			_exit(0);
		if (length < 0)
			_exit(1);
		ret = judge(ledger, plan, bytes, length, next);
		if (ret) {
			fprintf(stderr, "# reader %d: fault %d\n", me, ret);
			_exit(ret);
		}
		__atomic_add_fetch(&ledger->got[me], 1, __ATOMIC_SEQ_CST);
	}
}

static int run(FIXTURE_DATA(queue) *self, struct plan *plan, struct ledger *ledger)
{
	pid_t writers[MOST], readers[MOST];
	int i, faults = 0;
	uint32_t n, producer;

	plan->messages = raw_rounds(plan->messages);
	close(self->writer);
	close(self->reader);
	for (i = 0; i < plan->readers; i++) {
		readers[i] = proc_fork();
		if (!readers[i])
			read_all(self->name, plan, ledger, i);
	}
	for (i = 0; i < plan->writers; i++) {
		writers[i] = proc_fork();
		if (!writers[i])
			write_all(self->name, plan, i);
	}
	for (i = 0; i < plan->writers; i++)
		faults += proc_wait(writers[i]) != 0;
	if (!faults)
		wait_until(raw_figure(self->name, "depth") + raw_figure(self->name, "leased") == 0);
	faults += raw_destroy_force(self->name) != 0;
	for (i = 0; i < plan->readers; i++)
		faults += proc_wait(readers[i]) != 0;
	for (producer = 0; producer < (uint32_t)plan->writers; producer++)
		for (n = 0; n < plan->messages; n++)
			faults += ledger->times[producer][n] != 1;
	return faults;
}

#define PLAN(name, ...)							\
TEST_F(queue, name)							\
{									\
	struct plan plan = { __VA_ARGS__ };				\
	struct ledger *ledger = proc_shared(sizeof(*ledger));		\
									\
	EXPECT_EQ(0, run(self, &plan, ledger));				\
}

PLAN(four_by_four, .writers = 4, .readers = 4, .messages = 3000, .length = 200, .waits = true)
PLAN(one_by_many, .writers = 1, .readers = 6, .messages = 6000, .length = 64, .waits = true)
PLAN(many_by_one, .writers = 6, .readers = 1, .messages = 1000, .length = 500, .waits = true)
PLAN(with_poll, .writers = 3, .readers = 3, .messages = 2000, .length = 300)
PLAN(large_ones, .writers = 3, .readers = 3, .messages = 60, .length = 200000, .waits = true)

/* Mostly full: everybody waits for everybody. */
TEST_F(queue, in_a_small_queue)
{
	struct plan plan = {
		.writers = 4, .readers = 4, .messages = 1500, .length = 1024, .waits = true,
	};
	struct ledger *ledger = proc_shared(sizeof(*ledger));

	ASSERT_EQ(0, queue_remake(self, 3, 4096));
	EXPECT_EQ(0, run(self, &plan, ledger));
}

TEST_F(queue, in_a_small_queue_with_poll)
{
	struct plan plan = { .writers = 3, .readers = 3, .messages = 1000, .length = 900 };
	struct ledger *ledger = proc_shared(sizeof(*ledger));

	ASSERT_EQ(0, queue_remake(self, 4, 4096));
	EXPECT_EQ(0, run(self, &plan, ledger));
}

/* The first messages of all: what a new queue grows by, it grows by for everybody. */
TEST_F(queue, first_messages)
{
	pid_t children[3];
	int *go = proc_shared(sizeof(*go));
	int i, round, fd, rounds = raw_rounds(150);
	char bytes[8];

	for (round = 0; round < rounds; round++) {
		ASSERT_EQ(0, queue_remake(self, 16, 4096));
		*go = 0;
		for (i = 0; i < 3; i++) {
			children[i] = proc_fork();
			if (children[i])
				continue;
			fd = raw_open(self->name, O_WRONLY | O_NONBLOCK);
			__atomic_add_fetch(go, 1, __ATOMIC_SEQ_CST);
			while (__atomic_load_n(go, __ATOMIC_SEQ_CST) < 3)
				sched_yield();
			_exit(-door_write(fd, "x", 1) & 127);
		}
		for (i = 0; i < 3; i++)
			ASSERT_EQ(127, proc_wait(children[i]));
		for (i = 0; i < 3; i++)
			ASSERT_EQ(1, door_read(self->reader, bytes, sizeof(bytes)));
	}
}

TEST_HARNESS_MAIN
