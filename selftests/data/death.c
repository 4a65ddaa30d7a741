// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * I43: leases go back at once when their holder's process ends, whoever else
 * still has the descriptor: a child, another process, an io_uring.
 */
#define QUEUE_COMMANDS
#include "../fixture.h"

#define MANY	3000

static void fill(FIXTURE_DATA(queue) *self, int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (raw_write(self->writer, &i, sizeof(i)) != sizeof(i))
			abort();
}

/* Takes as many as that through @fd and holds them: 0, or -errno. */
static int take(int fd, int count)
{
	struct weir_run runs[16];
	struct weir_fetch fetch;
	int ret;

	while (count > 0) {
		fetch = (struct weir_fetch){
			.runs = raw_address(runs), .nr_runs = ARRAY_SIZE(runs),
			.max_messages = count,
		};
		ret = door_command(fd, WEIR_IOC_FETCH, &fetch);
		if (ret <= 0)
			return ret ? ret : -EPROTO;
		count -= ret;
	}
	return 0;
}

struct holder {
	struct gate gate;
	pid_t pid;
};

/* A child that does @work, tells, and then sits there. */
#define hold_in_child(h, work) do {				\
	ASSERT_EQ(0, gate_make(&(h)->gate));			\
	(h)->pid = proc_fork();					\
	if (!(h)->pid) {					\
		work;						\
		gate_open(&(h)->gate);				\
		for (;;)					\
			pause();				\
	}							\
	gate_wait(&(h)->gate);					\
} while (0)

/* All is back, in order, and marked as delivered before. */
#define expect_all_back(count) do {						\
	int i_, value_;								\
										\
	wait_until(raw_figure(self->name, "leased") == 0);			\
	EXPECT_EQ(count, raw_figure(self->name, "depth"));			\
	for (i_ = 0; i_ < (count); i_++) {					\
		ASSERT_EQ(sizeof(value_), raw_read(self->reader, &value_, sizeof(value_))); \
		ASSERT_EQ(i_, value_);						\
	}									\
} while (0)

TEST_F(queue, many_leases)
{
	struct holder h;

	fill(self, MANY);
	hold_in_child(&h, if (take(raw_open(self->name, O_RDONLY), MANY)) _exit(1));
	EXPECT_EQ(MANY, raw_figure(self->name, "leased"));
	EXPECT_EQ(1, raw_figure(self->name, "consumers"));
	proc_kill(h.pid);
	expect_all_back(MANY);
	EXPECT_EQ(MANY, raw_figure(self->name, "redelivered"));
}

/*
 * What takes long to put back is back when the death is known, for whoever comes then.
 * The holder keeps a descriptor open in the parent, so that only his death gives back.
 */
TEST_F(queue, all_at_once)
{
	const int most = WEIR_DEFAULT_MESSAGES - 1;
	struct weir_info info;
	struct holder holder;
	char bytes[128] __attribute__((aligned(8)));
	struct weir_run run;

	fill(self, most);
	hold_in_child(&holder, if (take(self->reader, most)) _exit(1));
	fill(self, 1);
	proc_kill(holder.pid);
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(0, info.leased);
	EXPECT_EQ(most + 1, info.depth);
	ASSERT_EQ(1, door_fetch(self->reader, bytes, sizeof(bytes), 0, &run));
	EXPECT_EQ(0, run.offset);
	EXPECT_EQ(2, run.deliveries);
}

TEST_F(queue, exits)
{
	pid_t child;

	fill(self, 100);
	child = proc_fork();
	if (!child)
		_exit(take(raw_open(self->name, O_RDONLY), 100));
	EXPECT_EQ(0, proc_wait(child));
	expect_all_back(100);
}

TEST_F(queue, closes)
{
	int fd = raw_open(self->name, O_RDONLY);

	fill(self, MANY);
	ASSERT_EQ(0, take(fd, MANY));
	close(fd);
	expect_all_back(MANY);
}

/* Our copy of the open file stays. */
TEST_F(queue, description_stays)
{
	struct holder h;

	fill(self, 100);
	hold_in_child(&h, if (take(self->reader, 100)) _exit(1));
	proc_kill(h.pid);
	expect_all_back(100);
}

/* Each process of an open file is a consumer of its own. */
TEST_F(queue, only_its_own)
{
	struct holder h;

	fill(self, 200);
	ASSERT_EQ(0, take(self->reader, 50));
	hold_in_child(&h, if (take(self->reader, 100)) _exit(1));
	EXPECT_EQ(2, raw_figure(self->name, "consumers"));
	proc_kill(h.pid);
	wait_until(raw_figure(self->name, "leased") == 50);
	EXPECT_EQ(150, raw_figure(self->name, "depth"));
	wait_until(raw_figure(self->name, "consumers") == 1);
}

/* One process through two open files: closing one gives back that one's. */
TEST_F(queue, one_of_two_files)
{
	int other = raw_open(self->name, O_RDONLY);

	fill(self, 20);
	ASSERT_EQ(0, take(self->reader, 10));
	ASSERT_EQ(0, take(other, 10));
	close(other);
	EXPECT_EQ(10, raw_figure(self->name, "leased"));
	EXPECT_EQ(10, raw_figure(self->name, "depth"));
}

TEST_F(queue, child_keeps_it)
{
	pid_t *grandchild = proc_shared(sizeof(*grandchild));
	struct holder h;

	fill(self, 100);
	hold_in_child(&h, {
		int fd = raw_open(self->name, O_RDONLY);

		if (take(fd, 100))
			_exit(1);
		*grandchild = getpid();
		if (!fork()) {
			*grandchild = getpid();
			for (;;)
				pause();
		}
		wait_until(*grandchild != getpid());
	});
	proc_kill(h.pid);
	expect_all_back(100);
	kill(*grandchild, SIGKILL);
}

TEST_F(queue, another_process_has_it)
{
	struct holder h;
	int fd, *theirs = proc_shared(sizeof(*theirs));

	fill(self, 100);
	hold_in_child(&h, {
		*theirs = raw_open(self->name, O_RDONLY);
		if (take(*theirs, 100))
			_exit(1);
	});
	fd = proc_get_fd(h.pid, *theirs);
	ASSERT_LE(0, fd);
	proc_kill(h.pid);
	expect_all_back(100);
}

/* The ring of another process has it as a registered file. */
TEST_F(queue, a_ring_has_it)
{
	struct ring ring;
	struct holder h;
	int fd, *theirs = proc_shared(sizeof(*theirs));

	fill(self, 100);
	hold_in_child(&h, {
		*theirs = raw_open(self->name, O_RDONLY);
		if (take(*theirs, 100))
			_exit(1);
	});
	fd = proc_get_fd(h.pid, *theirs);
	ASSERT_EQ(0, ring_make(&ring, 4, 0));
	ASSERT_EQ(0, raw_result(syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES,
					&fd, 1)));
	close(fd);
	proc_kill(h.pid);
	expect_all_back(100);
	ring_end(&ring);
}

/* Its own ring has it, and we have its ring. */
TEST_F(queue, its_ring_lives_on)
{
	struct ring *theirs = proc_shared(sizeof(*theirs));
	struct holder h;
	int ring_fd;

	fill(self, 100);
	hold_in_child(&h, {
		int fd = raw_open(self->name, O_RDONLY);

		if (take(fd, 100) || ring_make(theirs, 4, 0) ||
		    syscall(SYS_io_uring_register, theirs->fd, IORING_REGISTER_FILES, &fd, 1))
			_exit(1);
	});
	ring_fd = proc_get_fd(h.pid, theirs->fd);
	ASSERT_LE(0, ring_fd);
	proc_kill(h.pid);
	expect_all_back(100);
	close(ring_fd);
}

/* With a FETCH that waits in its ring, of which others have the descriptor. */
TEST_F(queue, with_a_command_pending)
{
	struct ring *theirs = proc_shared(sizeof(*theirs));
	static struct weir_run run;
	static struct weir_fetch fetch = {
		.nr_runs = 1, .max_messages = 1, .timeout_ns = -1,
	};
	struct holder h;
	int ring_fd;

	fill(self, 10);
	fetch.runs = raw_address(&run);
	hold_in_child(&h, {
		int fd = raw_open(self->name, O_RDONLY);

		if (take(fd, 10) || ring_make(theirs, 4, 0))
			_exit(1);
		ring_command(theirs, fd, WEIR_IOC_FETCH, &fetch, sizeof(fetch), 0);
		if (ring_enter(theirs, 0) != 1)
			_exit(2);
	});
	ASSERT_EQ(1, raw_figure(self->name, "waiters"));
	ring_fd = proc_get_fd(h.pid, theirs->fd);
	ASSERT_LE(0, ring_fd);
	proc_kill(h.pid);
	expect_all_back(10);
	wait_until(raw_figure(self->name, "waiters") == 0);
	/* It takes nothing that comes later. */
	fill(self, 1);
	EXPECT_EQ(1, raw_figure(self->name, "depth"));
	EXPECT_EQ(4, raw_read(self->reader, &run, 4));
	close(ring_fd);
}

/* Main thread gone, process not: it keeps what it has. */
static void *sit(void *argument)
{
	struct holder *h = argument;

	wait_until(proc_state(getpid()) == 'Z');
	gate_open(&h->gate);
	for (;;)
		pause();
	return NULL;
}

TEST_F(queue, threads_live_on)
{
	struct holder h;
	pthread_t thread;

	fill(self, 10);
	ASSERT_EQ(0, gate_make(&h.gate));
	h.pid = proc_fork();
	if (!h.pid) {
		if (take(self->reader, 10) || pthread_create(&thread, NULL, sit, &h))
			_exit(1);
		syscall(SYS_exit, 0);
	}
	gate_wait(&h.gate);
	EXPECT_EQ(10, raw_figure(self->name, "leased"));
	EXPECT_EQ(1, raw_figure(self->name, "consumers"));
	proc_kill(h.pid);
	expect_all_back(10);
}

/* Killed somewhere between FETCH and SETTLE, over and over. */
#define ROUND_MESSAGES	400
#define KILLS		40

struct log {
	uint8_t settled[ROUND_MESSAGES];
};

static void consume(FIXTURE_DATA(queue) *self, struct log *log)
{
	static struct {
		struct weir_desc desc;
		int value;
		char rest[60];
	} records[8];
	struct weir_run runs[8];
	int fd = raw_open(self->name, O_RDONLY);
	__u32 i, n = 0;
	int ret;

	for (;;) {
		struct weir_fetch fetch = {
			.runs = raw_address(runs), .nr_runs = 8, .max_messages = 8,
			.timeout_ns = -1, .buffer = raw_address(records),
			.buffer_len = sizeof(records),
			.settle = raw_address(runs), .nr_settle = n,
		};

		ret = door_command(fd, WEIR_IOC_FETCH, &fetch);
		if (ret <= 0)
			_exit(1);
		n = fetch.nr_runs;
		/* What was logged is settled next, or delivered again. */
		for (i = 0; i < (__u32)ret; i++)
			__atomic_add_fetch(&log->settled[records[i].value], 1, __ATOMIC_SEQ_CST);
	}
}

TEST_F(queue, killed_at_random)
{
	struct log *log = proc_shared(sizeof(*log));
	pid_t children[3] = { 0 };
	struct weir_info info;
	int i, kills;

	fill(self, ROUND_MESSAGES);
	srandom(4);
	for (kills = 0; kills < KILLS; kills++) {
		i = random() % 3;
		if (children[i])
			ASSERT_EQ(128 + SIGKILL, proc_kill(children[i]));
		children[i] = proc_fork();
		if (!children[i])
			consume(self, log);
		wait_until(random() % 4 == 0);
	}
	/* The last ones settle the rest, and hold nothing but what comes next. */
	wait_until(raw_figure(self->name, "depth") == 0);
	for (i = 0; i < 3; i++)
		if (children[i])
			proc_kill(children[i]);
	wait_until(raw_figure(self->name, "leased") == 0);
	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(ROUND_MESSAGES, info.sent);
	EXPECT_EQ(ROUND_MESSAGES, info.received - info.redelivered);
	for (i = 0; i < ROUND_MESSAGES; i++)
		EXPECT_LE(1, log->settled[i]);
}

TEST_HARNESS_MAIN
