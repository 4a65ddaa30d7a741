// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Who waits, for there is no room and nothing that may go: what he is told of. */
#include <sys/epoll.h>

#include "full.h"

/* Who waits is refused, all of them, when the queue is told so. */
TEST_F(queue, rejects_who_waits)
{
	pid_t children[3];
	int i;

	ASSERT_EQ(0, remake_when_full(self, WEIR_WHEN_FULL_WAIT, 2));
	ASSERT_EQ(2, full_send(self->writer, 3));
	for (i = 0; i < 3; i++) {
		children[i] = proc_fork();
		if (!children[i])
			_exit(full_send_batch(raw_open(self->name, O_WRONLY), 1, -1) != -EAGAIN);
	}
	wait_waiters(self->name, 3);
	ASSERT_EQ(0, policy_alter(self->name, full_policy(REJECTS, 2)));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, proc_wait(children[i]));
}

/* And who waits goes on where others go for him now. */
TEST_F(queue, drops_for_who_waits)
{
	pid_t children[3];
	int i;

	ASSERT_EQ(0, remake_when_full(self, WEIR_WHEN_FULL_WAIT, 2));
	ASSERT_EQ(2, full_send(self->writer, 3));
	for (i = 0; i < 3; i++)
		children[i] = full_sender(self->name);
	wait_waiters(self->name, 3);
	ASSERT_EQ(0, policy_alter(self->name, full_policy(DROPS, 2)));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, proc_wait(children[i]));
	EXPECT_EQ(3, raw_figure(self->name, "dropped"));
	EXPECT_TRUE(full_has_just(self->reader, 3, 4));
}

/* The ways in which something arrives that may go. */
enum arrival { PUT_BACK, ENDED, DUE, EXPIRED, ARRIVALS };

static void arrive(FIXTURE_DATA(queue) *self, enum arrival how, pid_t holder,
		   struct weir_run run)
{
	switch (how) {
	case PUT_BACK:
	case DUE:
		if (lease_end(self->reader, run, WEIR_RELEASE, how == DUE))
			abort();
		break;
	case ENDED:
		proc_kill(holder);
		break;
	default:
		if (lease_end(self->reader, run, WEIR_EXTEND, 1))
			abort();
		wait_figure(self->name, "expired", 1);
		/* As long as it may be read in its place it does not go. */
		wait_until(raw_figure(self->name, "waiters") == 1);
		if (lease_end(self->reader, run, WEIR_ACK, 0) != -ESTALE)
			abort();
	}
}

/* Who waits since all is out is told of what arrives, and so is who polls. */
TEST_F(queue, waits_for_what_arrives)
{
	struct epoll_event event = { .events = EPOLLOUT | EPOLLET };
	enum arrival how;

	for (how = 0; how < ARRIVALS; how++) {
		struct weir_run run = { 0 };
		struct gate taken;
		pid_t holder = 0, sender;
		int epoll;

		ASSERT_EQ(0, remake_when_full(self, DROPS, 1));
		ASSERT_EQ(1, full_send(self->writer, 1));
		if (how == ENDED) {
			ASSERT_EQ(0, gate_make(&taken));
			holder = proc_fork();
			if (!holder) {
				if (lease_take(self->reader, 1, LEASE_LONG).count != 1)
					_exit(1);
				gate_open(&taken);
				pause();
			}
			gate_wait(&taken);
		} else {
			run = lease_take(self->reader, 1, LEASE_LONG);
			ASSERT_EQ(1, run.count);
		}
		epoll = epoll_create1(EPOLL_CLOEXEC);
		ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->writer, &event));
		ASSERT_EQ(0, epoll_wait(epoll, &event, 1, 0));
		sender = full_sender(self->name);
		wait_waiters(self->name, 1);
		arrive(self, how, holder, run);
		ASSERT_EQ(0, proc_wait(sender));
		ASSERT_EQ(1, epoll_wait(epoll, &event, 1, -1));
		ASSERT_EQ(1, raw_figure(self->name, "dropped"));
		close(epoll);
	}
}

/* What is settled makes room, with what may go, though neither would do. */
TEST_F(queue, waits_for_what_is_settled)
{
	enum { SIZE = 4096, COUNT = 15 };
	struct weir_policy policy = full_policy(DROPS, 0);
	struct weir_run run;
	pid_t sender;
	int i;

	policy.max_bytes = (COUNT + 1) * SIZE;
	ASSERT_EQ(0, policy_remake(self, policy));
	for (i = 0; i < COUNT; i++)
		ASSERT_EQ(1, full_send_sized(self->writer, SIZE));
	run = lease_take(self->reader, COUNT - 1, LEASE_LONG);
	ASSERT_EQ(COUNT - 1, run.count);
	sender = proc_fork();
	if (!sender)
		_exit(full_send_sized(raw_open(self->name, O_WRONLY), 4 * SIZE) != 1);
	wait_waiters(self->name, 1);
	run.count = 2;
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_ACK, 0));
	EXPECT_EQ(0, proc_wait(sender));
	EXPECT_EQ(1, raw_figure(self->name, "dropped"));
}

struct slow {
	int fd;
	const char *bytes;
};

static void *send_slowly(void *arg)
{
	const struct slow *slow = arg;

	return (void *)raw_write(slow->fd, slow->bytes, 9);
}

/* What somebody is about to send takes room that cannot be had; until it is sent. */
TEST_F(queue, waits_for_what_is_sent)
{
	struct slow slow;
	struct stall stall;
	pthread_t thread;
	pid_t sender;
	void *sent;

	ASSERT_EQ(0, remake_when_full(self, DROPS, 1));
	ASSERT_EQ(0, stall_make(&stall, 1, 0));
	slow.fd = self->writer;
	slow.bytes = stall.stalled;
	ASSERT_EQ(0, pthread_create(&thread, NULL, send_slowly, &slow));
	stall_wait(stall.fd);
	EXPECT_EQ(-EAGAIN, full_send_batch(self->writer, 1, 0));
	EXPECT_EQ(0, raw_poll(self->writer, POLLOUT));
	sender = full_sender(self->name);
	wait_waiters(self->name, 1);
	ASSERT_EQ(0, stall_end(stall.fd, &stall, 'x'));
	ASSERT_EQ(0, pthread_join(thread, &sent));
	EXPECT_EQ(9, (long)sent);
	EXPECT_EQ(0, proc_wait(sender));
	EXPECT_TRUE(full_has_just(self->reader, 1));
}

TEST_HARNESS_MAIN
