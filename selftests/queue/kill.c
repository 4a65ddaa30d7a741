// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Killed readers give back what they had not read to its end (I43), killed
 * writers leave each message whole or absent (I44).
 */
#include "../body.h"
#define QUEUE_DOORS
#define QUEUE_DOORS
#include "../fixture.h"

/* A child that has the next message and does not settle it, through @fd or, at -1, its own. */
static pid_t holder(FIXTURE_DATA(queue) *self, int fd, struct gate *gate)
{
	pid_t child = proc_fork();
	struct weir_run run;

	if (child) {
		gate_wait(gate);
		return child;
	}
	if (fd < 0)
		fd = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	if (door_hold(fd, &run))
		_exit(1);
	gate_open(gate);
	for (;;)
		pause();
}

#define with_gate(gate) struct gate gate; ASSERT_EQ(0, gate_make(&gate))

TEST_F(queue, reader_in_mid_message)
{
	struct weir_info info;
	char bytes[16];
	pid_t child;

	with_gate(gate);
	door_write_string(self->writer, "first");
	door_write_string(self->writer, "second");
	child = holder(self, -1, &gate);
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	EXPECT_EQ(1, raw_figure(self->name, "consumers"));
	proc_kill(child);
	wait_until(raw_figure(self->name, "leased") == 0);
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(2, info.depth);
	EXPECT_EQ(0, info.consumers);
	EXPECT_EQ(5, door_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_EQ(0, memcmp("first", bytes, 5));
	EXPECT_EQ(1, raw_figure(self->name, "redelivered"));
	EXPECT_EQ(6, door_read(self->reader, bytes, sizeof(bytes)));
}

/* The test itself still has the same open file. */
TEST_F(queue, description_lives_on)
{
	char bytes[16];
	pid_t child;

	with_gate(gate);
	door_write_string(self->writer, "hello");
	child = holder(self, self->reader, &gate);
	proc_kill(child);
	wait_until(raw_figure(self->name, "leased") == 0);
	/* Whole, and not the rest of it. */
	EXPECT_EQ(5, door_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_EQ(0, memcmp("hello", bytes, 5));
}

/* A child that was forked afterwards keeps the file, and is not the consumer. */
TEST_F(queue, child_keeps_the_file)
{
	pid_t *grandchild = proc_shared(sizeof(*grandchild));
	char bytes[16];
	pid_t child;

	with_gate(gate);
	door_write_string(self->writer, "hello");
	child = proc_fork();
	if (!child) {
		int fd = raw_open(self->name, O_RDONLY);
		struct weir_run run;

		if (door_hold(fd, &run))
			_exit(1);
		if (!fork()) {
			*grandchild = getpid();
			gate_open(&gate);
		}
		for (;;)
			pause();
	}
	gate_wait(&gate);
	proc_kill(child);
	wait_until(raw_figure(self->name, "leased") == 0);
	EXPECT_TRUE(strchr("RSD", proc_state(*grandchild)) != NULL);
	EXPECT_EQ(5, door_read(self->reader, bytes, sizeof(bytes)));
	kill(*grandchild, SIGKILL);
}

TEST_F(queue, file_was_passed_on)
{
	struct weir_run run;
	int sockets[2], fd;
	char bytes[16];
	pid_t child;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	door_write_string(self->writer, "hello");
	child = proc_fork();
	if (!child) {
		fd = raw_open(self->name, O_RDONLY);
		if (door_hold(fd, &run) || proc_pass_fd(sockets[1], fd))
			_exit(1);
		for (;;)
			pause();
	}
	fd = proc_receive_fd(sockets[0]);
	ASSERT_LE(0, fd);
	proc_kill(child);
	wait_until(raw_figure(self->name, "leased") == 0);
	EXPECT_EQ(5, door_read(fd, bytes, sizeof(bytes)));
}

/* Before all that was never out, and in their old order (I42). */
TEST_F(queue, old_order)
{
	pid_t children[9];
	char bytes[16];
	int i;

	for (i = 0; i < 12; i++) {
		snprintf(bytes, sizeof(bytes), "m%d.", i);
		door_write_string(self->writer, bytes);
	}
	for (i = 0; i < 9; i++) {
		with_gate(gate);
		children[i] = holder(self, -1, &gate);
	}
	/* They go in another order than they came. */
	for (i = 0; i < 9; i++)
		proc_kill(children[i * 4 % 9]);
	wait_until(raw_figure(self->name, "leased") == 0);
	for (i = 0; i < 12; i++) {
		ASSERT_LT(0, door_read(self->reader, bytes, sizeof(bytes)));
		EXPECT_EQ(i, atoi(bytes + 1));
	}
}

/* One process with many open files: all of them come back. */
TEST_F(queue, many_files)
{
	struct weir_run run;
	pid_t child;
	int i;

	with_gate(gate);
	for (i = 0; i < 300; i++)
		door_write_string(self->writer, "ab");
	child = proc_fork();
	if (!child) {
		for (i = 0; i < 300; i++)
			if (door_hold(raw_open(self->name, O_RDONLY), &run))
				_exit(1);
		gate_open(&gate);
		for (;;)
			pause();
	}
	gate_wait(&gate);
	EXPECT_EQ(300, raw_figure(self->name, "leased"));
	proc_kill(child);
	wait_until(raw_figure(self->name, "leased") == 0);
	EXPECT_EQ(300, raw_figure(self->name, "depth"));
	EXPECT_EQ(0, raw_figure(self->name, "consumers"));
}

struct thread_work {
	FIXTURE_DATA(queue) *self;
	struct weir_run run;
};

static void *settle_later(void *argument)
{
	struct thread_work *work = argument;

	/* Until the main thread is no more. */
	wait_until(proc_state(getpid()) == 'Z');
	if (raw_figure(work->self->name, "leased") != 1)
		_exit(1);
	_exit(door_settle(work->self->reader, &work->run) != 0);
}

/* A process lives as long as any of its threads. */
TEST_F(queue, main_thread_ends)
{
	static struct thread_work work;
	pid_t child;

	door_write_string(self->writer, "hello");
	work.self = self;
	child = proc_fork();
	if (!child) {
		pthread_t thread;

		if (door_hold(self->reader, &work.run) ||
		    pthread_create(&thread, NULL, settle_later, &work))
			_exit(1);
		syscall(SYS_exit, 0);
	}
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(1, raw_figure(self->name, "settled"));
	EXPECT_EQ(0, raw_figure(self->name, "redelivered"));
}

static void *hold_in_thread(void *argument)
{
	struct thread_work *work = argument;

	return door_hold(work->self->reader, &work->run) ? NULL : argument;
}

/* The thread that read is gone, its process goes on. */
TEST_F(queue, reading_thread_ends)
{
	struct thread_work work = { .self = self };
	pthread_t thread;
	void *result;

	door_write_string(self->writer, "hello");
	ASSERT_EQ(0, pthread_create(&thread, NULL, hold_in_thread, &work));
	ASSERT_EQ(0, pthread_join(thread, &result));
	ASSERT_TRUE(result == &work);
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	EXPECT_EQ(0, door_settle(self->reader, &work.run));
}

static void *exec_cat(void *argument)
{
	char name[32];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", *(int *)argument);
	execl("/bin/cat", "cat", name, NULL);
	_exit(1);
}

/* execve() is no end, not even in another than the main thread. */
TEST_F(queue, exec_goes_on)
{
	int gates[2], fd, main_thread;
	struct weir_run run;
	pid_t child;

	for (main_thread = 0; main_thread < 2; main_thread++) {
		door_write_string(self->writer, "hello");
		ASSERT_EQ(0, pipe2(gates, O_CLOEXEC));
		child = proc_fork();
		if (!child) {
			pthread_t thread;

			/* Survives execve(): cat waits for the end of our pipe. */
			fd = dup(gates[0]);
			fcntl(self->reader, F_SETFD, 0);
			close(gates[1]);
			if (door_hold(self->reader, &run))
				_exit(1);
			if (main_thread)
				exec_cat(&fd);
			pthread_create(&thread, NULL, exec_cat, &fd);
			for (;;)
				pause();
		}
		close(gates[0]);
		/* In cat, waiting. */
		wait_until(proc_executes(child, "cat") && proc_state(child) == 'S');
		EXPECT_EQ(1, raw_figure(self->name, "leased"));
		close(gates[1]);
		EXPECT_EQ(0, proc_wait(child));
		wait_until(raw_figure(self->name, "leased") == 0);
		EXPECT_EQ(1, raw_purge(self->name));
	}
}

/* Nobody waits for it: its end is seen all the same. */
TEST_F(queue, end_that_nobody_collects)
{
	pid_t child;

	with_gate(gate);
	door_write_string(self->writer, "hello");
	child = holder(self, self->reader, &gate);
	kill(child, SIGKILL);
	/* A zombie until the end of the test. */
	wait_until(raw_figure(self->name, "leased") == 0);
	EXPECT_EQ('Z', proc_state(child));
	proc_wait(child);
}

TEST_F(queue, end_that_is_ignored)
{
	char bytes[16];
	pid_t child;

	signal(SIGCHLD, SIG_IGN);
	with_gate(gate);
	door_write_string(self->writer, "hello");
	child = holder(self, self->reader, &gate);
	kill(child, SIGKILL);
	wait_until(raw_figure(self->name, "leased") == 0);
	EXPECT_EQ(5, door_read(self->reader, bytes, sizeof(bytes)));
	signal(SIGCHLD, SIG_DFL);
}

/* Writers of large messages, killed whenever. */
#define WRITERS		3
#define KILLS		60
#define LARGE		40000

static void write_for_ever(FIXTURE_DATA(queue) *self, uint32_t producer, uint32_t *begun)
{
	int fd = raw_open(self->name, O_WRONLY);
	char *bytes = malloc(LARGE);
	uint32_t seq;

	for (seq = 0;; seq++) {
		body_make(bytes, BODY_MIN + (seq * 977 + producer) % (LARGE - BODY_MIN),
			  producer, seq);
		__atomic_add_fetch(begun, 1, __ATOMIC_SEQ_CST);
		if (door_write(fd, bytes, ((struct body *)bytes)->length) < 0)
			_exit(1);
	}
}

/* Kills one writer, and starts another; the last time all. */
struct killing {
	pid_t children[WRITERS];
	uint32_t producers;
	uint32_t *begun;		/* messages */
	uint32_t goal;
	int kills, most;
};

static void start_writer(FIXTURE_DATA(queue) *self, struct killing *k, int i)
{
	k->children[i] = proc_fork();
	if (!k->children[i])
		write_for_ever(self, k->producers, k->begun);
	k->producers++;
}

static void kill_a_writer(FIXTURE_DATA(queue) *self, struct killing *k)
{
	uint32_t begun = __atomic_load_n(k->begun, __ATOMIC_SEQ_CST);
	int i = random() % WRITERS;

	if (begun < k->goal || k->kills == k->most)
		return;
	k->goal = begun + random() % 8;
	if (++k->kills < k->most) {
		proc_kill(k->children[i]);
		start_writer(self, k, i);
		return;
	}
	for (i = 0; i < WRITERS; i++)
		proc_kill(k->children[i]);
}

TEST_F(queue, writers_at_random)
{
	struct killing k = {
		.begun = proc_shared(sizeof(uint32_t)), .goal = 1, .most = raw_rounds(KILLS),
	};
	uint32_t next[WRITERS + KILLS] = { 0 };
	char *bytes = malloc(LARGE + 1);
	const struct body *body = (void *)bytes;
	struct weir_info info;
	long length;
	int i;

	ASSERT_EQ(0, queue_remake(self, 0, 1 << 20));
	srandom(2);
	for (i = 0; i < WRITERS; i++)
		start_writer(self, &k, i);
	do {
		kill_a_writer(self, &k);
		length = door_read(self->reader, bytes, LARGE + 1);
		if (length < 0) {
			ASSERT_EQ(-EAGAIN, length);
			continue;
		}
		ASSERT_TRUE(body_whole(bytes, length));
		ASSERT_LT(body->producer, k.producers);
		/* Each is there: none but the last of a producer may be absent. */
		ASSERT_EQ(next[body->producer]++, body->seq);
	} while (k.kills < k.most || length > 0);
	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(0, info.depth);
	EXPECT_EQ(0, info.bytes);
	EXPECT_EQ(info.sent, info.settled);
}

TEST_HARNESS_MAIN
