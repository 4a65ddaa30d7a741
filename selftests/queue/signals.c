// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Signals that meet a call that waits. Through a ring nothing waits in a call of
 * ours, so there are two doors here: read and write, and ioctls.
 */
#include "../doors.h"
#include "../fixture.h"

static void on_signal(int signal)
{
}

/* A call of a child that waits, until something or a signal comes. */
struct waiting {
	enum door door;
	bool reads;
	int flags;			/* SA_RESTART */
	__s64 timeout_ns;		/* of an ioctl */
	long expect;
};

static long wait_in_call(const char *name, const struct waiting *w)
{
	struct weir_run run;
	struct weir_fetch fetch = {
		.runs = raw_address(&run), .nr_runs = 1, .max_messages = 1,
		.timeout_ns = w->timeout_ns,
	};
	char bytes[64] = { 0 };
	int fd = raw_open(name, O_RDWR);

	if (w->door == DOOR_RW)
		return w->reads ? raw_read(fd, bytes, sizeof(bytes)) : raw_write(fd, bytes, 3);
	if (w->reads)
		return raw_ioctl(fd, WEIR_IOC_FETCH, &fetch);
	return raw_send(fd, bytes, 3, w->timeout_ns);
}

static pid_t wait_in_child(const char *name, const struct waiting *w)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = w->flags };
	pid_t child = proc_fork();
	long ret;

	if (child)
		return child;
	sigaction(SIGUSR1, &action, NULL);
	ret = wait_in_call(name, w);
	if (ret != w->expect)
		fprintf(stderr, "# got %ld, not %ld\n", ret, w->expect);
	_exit(ret != w->expect);
}

#define HOUR	3600000000000LL

TEST_F(queue, interrupts)
{
	static const struct waiting cases[] = {
		{ DOOR_RW, true, 0, 0, -EINTR },
		{ DOOR_IOCTL, true, 0, -1, -EINTR },
		{ DOOR_IOCTL, true, 0, HOUR, -EINTR },
		{ DOOR_IOCTL, true, SA_RESTART, HOUR, -EINTR },
		{ DOOR_RW, false, 0, 0, -EINTR },
		{ DOOR_IOCTL, false, 0, -1, -EINTR },
		{ DOOR_IOCTL, false, SA_RESTART, HOUR, -EINTR },
	};
	pid_t child;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(0, queue_remake(self, 1, 4096));
		if (!cases[i].reads)
			ASSERT_EQ(1, raw_write(self->writer, "x", 1));
		child = wait_in_child(self->name, &cases[i]);
		wait_waiters(self->name, 1);
		kill(child, SIGUSR1);
		EXPECT_EQ(0, proc_wait(child)) {
			TH_LOG("case %zu", i);
		}
		EXPECT_EQ(0, raw_figure(self->name, "waiters"));
		EXPECT_EQ(!cases[i].reads, raw_figure(self->name, "sent"));
		EXPECT_EQ(!cases[i].reads, raw_purge(self->name));
		EXPECT_EQ(0, raw_figure(self->name, "bytes"));
	}
}

TEST_F(queue, restarts)
{
	static const struct waiting cases[] = {
		{ DOOR_RW, true, SA_RESTART, 0, 5 },
		{ DOOR_IOCTL, true, SA_RESTART, -1, 1 },
		{ DOOR_RW, false, SA_RESTART, 0, 3 },
		{ DOOR_IOCTL, false, SA_RESTART, -1, 1 },
	};
	char bytes[8];
	pid_t child;
	size_t i;
	int n;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(0, queue_remake(self, 1, 4096));
		if (!cases[i].reads)
			ASSERT_EQ(1, raw_write(self->writer, "x", 1));
		child = wait_in_child(self->name, &cases[i]);
		for (n = 0; n < 20; n++) {
			wait_waiters(self->name, 1);
			kill(child, SIGUSR1);
		}
		if (cases[i].reads)
			ASSERT_EQ(5, raw_write_string(self->writer, "hello"));
		if (!cases[i].reads)
			ASSERT_EQ(1, raw_read(self->reader, bytes, sizeof(bytes)));
		EXPECT_EQ(0, proc_wait(child)) {
			TH_LOG("case %zu", i);
		}
		if (!cases[i].reads)
			EXPECT_EQ(3, raw_read(self->reader, bytes, sizeof(bytes)));
		wait_until(raw_figure(self->name, "leased") == 0);
		raw_purge(self->name);
	}
}

/* A signal without a handler, as a stop and what ends it, interrupts nothing. */
TEST_F(queue, stops)
{
	static const struct waiting cases[] = {
		{ DOOR_RW, true, 0, 0, 5 },
		{ DOOR_IOCTL, true, 0, -1, 1 },
		{ DOOR_IOCTL, true, 0, HOUR, 1 },
		{ DOOR_RW, false, 0, 0, 3 },
		{ DOOR_IOCTL, false, 0, -1, 1 },
		{ DOOR_IOCTL, false, 0, HOUR, 1 },
	};
	char bytes[8];
	pid_t child;
	size_t i;
	int n;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(0, queue_remake(self, 1, 4096));
		if (!cases[i].reads)
			ASSERT_EQ(1, raw_write(self->writer, "x", 1));
		child = wait_in_child(self->name, &cases[i]);
		for (n = 0; n < 5; n++) {
			wait_waiters(self->name, 1);
			kill(child, SIGSTOP);
			wait_until(proc_state(child) == 'T');
			EXPECT_EQ(0, raw_figure(self->name, "waiters"));
			kill(child, SIGCONT);
		}
		wait_waiters(self->name, 1);
		if (cases[i].reads)
			ASSERT_EQ(5, raw_write_string(self->writer, "hello"));
		if (!cases[i].reads)
			ASSERT_EQ(1, raw_read(self->reader, bytes, sizeof(bytes)));
		EXPECT_EQ(0, proc_wait(child)) {
			TH_LOG("case %zu", i);
		}
		wait_until(raw_figure(self->name, "leased") == 0);
		raw_purge(self->name);
	}
}

TEST_HARNESS_MAIN
