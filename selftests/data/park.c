// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Many commands that wait in rings: whose turn it is, and what waking them costs. */
#include <ctype.h>
#include <dirent.h>

#include "../fixture.h"
#include "request.h"

#define MANY	300

/* The commands of one open file are served in their order. */
TEST_F(queue, in_their_order)
{
	struct request *requests = proc_shared(MANY * sizeof(*requests));
	int i, fd = waiting_fd(self);
	struct ring ring;
	__u64 data;

	ASSERT_EQ(0, ring_make(&ring, 512, 0));
	for (i = 0; i < MANY; i++) {
		request_make(&requests[i], -1);
		request_queue(&ring, fd, &requests[i], i);
	}
	ASSERT_EQ(MANY, ring_enter(&ring, 0));
	wait_waiters(self->name, MANY);
	for (i = 0; i < MANY; i++)
		ASSERT_EQ(1, raw_write(self->writer, "x", 1));
	for (i = 0; i < MANY; i++) {
		ASSERT_EQ(1, ring_next(&ring, &data));
		ASSERT_EQ(i, data);
		ASSERT_EQ(i, requests[i].run.offset);
	}
	ring_end(&ring);
}

/* How often a process has gone to sleep. */
static long sleeps(pid_t pid)
{
	static const char wanted[] = "\nvoluntary_ctxt_switches:";
	char path[64], text[4096], *found;
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length <= 0)
		return -1;
	text[length] = '\0';
	found = strstr(text, wanted);
	return found ? atol(found + sizeof(wanted) - 1) : -1;
}

#define HERD		32
#define HERD_ROUNDS	20

FIXTURE(herd) {
	char name[WEIR_NAME_SIZE];
	int writer;
};

FIXTURE_VARIANT(herd) {
	bool shared;
};

FIXTURE_VARIANT_ADD(herd, of_one_file) {
	.shared = true,
};

FIXTURE_VARIANT_ADD(herd, of_a_file_each) {
	.shared = false,
};

FIXTURE_SETUP(herd)
{
	ASSERT_EQ(0, raw_create(raw_name(self->name)));
	self->writer = raw_open(self->name, O_WRONLY | O_NONBLOCK);
}

FIXTURE_TEARDOWN(herd)
{
	raw_destroy_force(self->name);
}

/* Takes one message after the other by a command that waits in a ring. */
static void herd_member(const char *name, int fd)
{
	static struct request request;

	if (fd < 0)
		fd = raw_open(name, O_RDONLY);
	for (;;) {
		struct weir_settle settle = { .runs = raw_address(&request.run), .count = 1 };

		request_make(&request, -1);
		request_queue(door_ring(), fd, &request, 0);
		if (ring_next(door_ring(), NULL) != 1 ||
		    raw_ioctl(fd, WEIR_IOC_SETTLE, &settle) != 1)
			_exit(1);
	}
}

/* One message is for one of those who wait: it does not get all of them up. */
TEST_F(herd, one_is_woken)
{
	int i, fd = variant->shared ? raw_open(self->name, O_RDONLY) : -1;
	pid_t children[HERD];
	long before = 0, after = 0;

	for (i = 0; i < HERD; i++) {
		children[i] = proc_fork();
		if (!children[i])
			herd_member(self->name, fd);
	}
	wait_waiters(self->name, HERD);
	for (i = 0; i < HERD; i++) {
		wait_until(proc_state(children[i]) == 'S');
		before += sleeps(children[i]);
	}
	for (i = 0; i < HERD_ROUNDS; i++) {
		ASSERT_EQ(1, raw_write(self->writer, "x", 1));
		wait_until(raw_figure(self->name, "settled") == i + 1);
		wait_waiters(self->name, HERD);
	}
	for (i = 0; i < HERD; i++) {
		wait_until(proc_state(children[i]) == 'S');
		after += sleeps(children[i]);
		ASSERT_EQ(128 + SIGKILL, proc_kill(children[i]));
	}
	/*
	 * Once each, and perhaps a few more on a busy machine, where who was told
	 * may be late and then others are told too. All would be 32 times as many.
	 */
	EXPECT_LE(HERD_ROUNDS, after - before);
	EXPECT_GT(HERD_ROUNDS * HERD / 4, after - before);
}

/* Of many commands with few addresses, exactly those that are meant end. */
TEST_F(queue, cancel_of_many)
{
	struct request requests[3];
	int i, res, fd = waiting_fd(self);
	struct ring ring;
	__u64 data;

	ASSERT_EQ(0, ring_make(&ring, 512, 0));
	for (i = 0; i < 3; i++)
		request_make(&requests[i], i ? -1 : 1LL << 60);
	for (i = 0; i < MANY; i++)
		request_queue(&ring, fd, &requests[i % 3], i % 3);
	ASSERT_EQ(MANY, ring_enter(&ring, 0));
	wait_waiters(self->name, MANY);
	EXPECT_EQ(MANY / 3, cancel(fd, &requests[1]));
	for (i = 0; i < MANY / 3; i++) {
		ASSERT_EQ(-ECANCELED, ring_next(&ring, &data));
		ASSERT_EQ(1, data);
	}
	EXPECT_FALSE(ring_reap(&ring, &res, &data));
	EXPECT_EQ(0, cancel(fd, &requests[1]));
	EXPECT_EQ(2 * MANY / 3, cancel(fd, NULL));
	for (i = 0; i < 2 * MANY / 3; i++)
		ASSERT_EQ(-ECANCELED, ring_next(&ring, &data));
	EXPECT_EQ(0, raw_figure(self->name, "waiters"));
	ring_end(&ring);
}

/* A process with many commands through @fd, that is stopped then. */
static pid_t stopped(const char *name, int fd, int number)
{
	static struct request request;
	struct gate gate;
	pid_t child;
	int i;

	if (gate_make(&gate))
		return -1;
	child = proc_fork();
	if (!child) {
		if (fd < 0)
			fd = raw_open(name, O_RDONLY);
		request_make(&request, -1);
		for (i = 0; i < number; i++) {
			request_queue(door_ring(), fd, &request, 0);
			if (ring_enter(door_ring(), 0) != 1)
				_exit(1);
		}
		gate_open(&gate);
		for (;;)
			pause();
	}
	gate_wait(&gate);
	kill(child, SIGSTOP);
	wait_until(proc_state(child) == 'T');
	return child;
}

/* I11: several that were told and do not come, and one behind them all. */
TEST_F(queue, stopped_ones_stall_nobody)
{
	pid_t children[8], reader;
	char byte;
	int i;

	for (i = 0; i < 8; i++) {
		children[i] = stopped(self->name, -1, 2);
		ASSERT_LT(0, children[i]);
	}
	reader = proc_fork();
	if (!reader)
		_exit(raw_read(waiting_fd(self), &byte, 1) != 1);
	wait_waiters(self->name, 17);
	ASSERT_EQ(1, raw_write(self->writer, "x", 1));
	EXPECT_EQ(0, proc_wait(reader));
	/* They are told of the next one too, and one of them has it. */
	ASSERT_EQ(1, raw_write(self->writer, "y", 1));
	for (i = 0; i < 8; i++)
		kill(children[i], SIGCONT);
	wait_until(raw_figure(self->name, "leased") == 1);
	for (i = 0; i < 8; i++)
		proc_kill(children[i]);
}

/* Commands of a file whose first was told, in a process that does not come by. */
TEST_F(queue, queue_ends_for_all)
{
	struct request request;
	int i, fd = waiting_fd(self);
	pid_t child = stopped(self->name, fd, 2);
	struct ring ring;

	ASSERT_EQ(0, ring_make(&ring, 512, 0));
	request_make(&request, -1);
	for (i = 0; i < MANY; i++)
		request_queue(&ring, fd, &request, 0);
	ASSERT_EQ(MANY, ring_enter(&ring, 0));
	wait_waiters(self->name, MANY + 2);
	ASSERT_EQ(1, raw_write(self->writer, "x", 1));
	ASSERT_EQ(0, raw_destroy_force(self->name));
	for (i = 0; i < MANY; i++)
		ASSERT_EQ(-ESHUTDOWN, ring_next(&ring, NULL));
	ring_end(&ring);
	proc_kill(child);
}

/* The worker that is about to end a ring; 0 if there is none. */
static pid_t ring_ender(void)
{
	char path[300], name[64];
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	pid_t found = 0;
	FILE *file;

	while (proc && !found && (entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		file = isdigit((unsigned char)*entry->d_name) ? fopen(path, "re") : NULL;
		if (!file)
			continue;
		if (fgets(name, sizeof(name), file) && strstr(name, "+iou_exit"))
			found = atoi(entry->d_name);
		fclose(file);
	}
	if (proc)
		closedir(proc);
	return found;
}

/*
 * The ring is closed by others while a command in it was told and its task is stopped:
 * what ends the ring waits for it, but not with a processor of its own.
 */
TEST_F(queue, ring_ends_while_stopped)
{
	static struct request request;
	struct gate gate;
	struct ring ring;
	pid_t child, worker;
	long before;

	ASSERT_EQ(0, gate_make(&gate));
	ASSERT_EQ(0, ring_make(&ring, 4, 0));
	child = proc_fork();
	if (!child) {
		request_make(&request, -1);
		request_queue(&ring, waiting_fd(self), &request, 0);
		if (ring_enter(&ring, 0) != 1)
			_exit(1);
		ring_end(&ring);
		gate_open(&gate);
		for (;;)
			pause();
	}
	gate_wait(&gate);
	kill(child, SIGSTOP);
	wait_until(proc_state(child) == 'T');
	ASSERT_EQ(1, raw_write(self->writer, "x", 1));
	ring_end(&ring);
	wait_until((worker = ring_ender()) > 0);
	before = sleeps(worker);
	/* By itself it never sleeps: it only lets others go first. */
	wait_until(sleeps(worker) >= before + 20);
	EXPECT_EQ(1, raw_figure(self->name, "waiters"));
	kill(child, SIGCONT);
	wait_until(raw_figure(self->name, "waiters") == 0);
	proc_kill(child);
	EXPECT_EQ(1, raw_figure(self->name, "depth"));
}

TEST_HARNESS_MAIN
