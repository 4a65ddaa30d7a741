// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * I11: a process whose memory does not come stalls nobody but itself. Its page
 * is one that userfaultfd holds back.
 */
#define QUEUE_DOORS
#include "../fixture.h"

/* A child that is stuck in its copy, and a descriptor to get it out by. */
struct stuck {
	pid_t child;
	struct stall *stall;		/* in shared memory */
	int fd;
};

/* With the descriptor of a record before it: three pages. */
#define SIZE	(3 * 4096 - (long)sizeof(struct weir_desc))

static long stuck_call(const char *name, char *memory, bool reads)
{
	struct weir_run run;
	int fd = raw_open(name, reads ? O_RDONLY : O_WRONLY);

	if (!reads)
		return door_write(fd, memory, SIZE);
	if (door_now == DOOR_RW)
		return raw_read(fd, memory, SIZE);
	return door_fetch(fd, memory, 3 * 4096, WEIR_FETCH_SETTLED, &run) == 1 ? SIZE : -EPROTO;
}

/* Till it comes to the page. */
static int stick_begin(FIXTURE_DATA(queue) *self, struct stuck *stuck, bool reads, long expect)
{
	struct gate gate;
	long ret;

	stuck->stall = proc_shared(sizeof(*stuck->stall));
	if (!stuck->stall || gate_make(&gate))
		return -ENOMEM;
	stuck->child = proc_fork();
	if (!stuck->child) {
		if (stall_make(stuck->stall, 3, 1))
			_exit(100);
		gate_open(&gate);
		ret = stuck_call(self->name, stuck->stall->memory, reads);
		if (ret != expect)
			fprintf(stderr, "# got %ld, not %ld\n", ret, expect);
		_exit(ret != expect);
	}
	gate_wait(&gate);
	stuck->fd = proc_get_fd(stuck->child, stuck->stall->fd);
	return stuck->fd < 0 ? stuck->fd : 0;
}

static int stick(FIXTURE_DATA(queue) *self, struct stuck *stuck, bool reads, long expect)
{
	int ret = stick_begin(self, stuck, reads, expect);

	if (!ret)
		stall_wait(stuck->fd);
	return ret;
}

static int unstick(struct stuck *stuck)
{
	int ret = stall_end(stuck->fd, stuck->stall, 'S');

	return ret < 0 ? ret : proc_wait(stuck->child);
}

/* Everybody else's traffic. */
static bool flows(FIXTURE_DATA(queue) *self, int rounds)
{
	char bytes[64];
	int i, length;

	for (i = 0; i < rounds; i++) {
		length = snprintf(bytes, sizeof(bytes), "round %d", i);
		if (door_write(self->writer, bytes, length) != length ||
		    door_read(self->reader, bytes, sizeof(bytes)) != length ||
		    atoi(bytes + 6) != i)
			return false;
	}
	return true;
}

TEST_F(queue, writer)
{
	static char bytes[SIZE + 1];
	struct stuck stuck;

	ASSERT_EQ(0, stick(self, &stuck, false, SIZE));
	EXPECT_TRUE(flows(self, 500));
	/* It has no offset yet, and nobody sees it. */
	EXPECT_EQ(500, raw_figure(self->name, "sent"));
	EXPECT_EQ(0, raw_figure(self->name, "depth"));
	EXPECT_EQ(-EAGAIN, door_read(self->reader, bytes, sizeof(bytes)));
	ASSERT_EQ(0, unstick(&stuck));
	EXPECT_EQ(SIZE, door_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_EQ('a', bytes[0]);
	EXPECT_EQ('S', bytes[4096]);
	EXPECT_EQ('S', bytes[8191]);
	EXPECT_EQ('c', bytes[8192]);
	EXPECT_EQ(501, raw_figure(self->name, "sent"));
}

TEST_F(queue, reader)
{
	static char bytes[SIZE + 1];
	struct stuck stuck;

	memset(bytes, 'm', SIZE);
	ASSERT_EQ(SIZE, door_write(self->writer, bytes, SIZE));
	ASSERT_EQ(0, stick(self, &stuck, true, SIZE));
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	EXPECT_TRUE(flows(self, 500));
	ASSERT_EQ(0, unstick(&stuck));
	EXPECT_EQ(501, raw_figure(self->name, "settled"));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

/* Woken for two messages, it is stuck in the first: the other is the next one's. */
TEST_F(queue, woken_reader)
{
	static char bytes[SIZE + 1];
	struct weir_message messages[2] = {
		{ .data = raw_address(bytes), .len = SIZE },
		{ .data = raw_address(bytes), .len = SIZE },
	};
	struct weir_send send = { .messages = raw_address(messages), .count = 2 };
	struct stuck stuck;
	pid_t child;

	ASSERT_EQ(0, stick_begin(self, &stuck, true, SIZE));
	wait_waiters(self->name, 1);
	child = proc_fork();
	if (!child)
		_exit(door_read(raw_open(self->name, O_RDONLY), bytes, sizeof(bytes)) != SIZE);
	wait_waiters(self->name, 2);
	ASSERT_EQ(2, raw_ioctl(self->writer, WEIR_IOC_SEND, &send));
	stall_wait(stuck.fd);
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(0, unstick(&stuck));
}

/* Several at once, of both kinds, while the others also wait and wake. */
TEST_F(queue, several)
{
	struct stuck writers[3], readers[3];
	static char bytes[SIZE];
	pid_t child;
	int i, fd;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(SIZE, door_write(self->writer, bytes, SIZE));
		ASSERT_EQ(0, stick(self, &readers[i], true, SIZE));
		ASSERT_EQ(0, stick(self, &writers[i], false, SIZE));
	}
	EXPECT_TRUE(flows(self, 100));
	fd = raw_open(self->name, O_RDONLY);
	child = proc_fork();
	if (!child)
		_exit(door_read(fd, bytes, 1) != 1);
	wait_waiters(self->name, 1);
	ASSERT_EQ(1, door_write(self->writer, "x", 1));
	EXPECT_EQ(0, proc_wait(child));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, unstick(&readers[i]));
		EXPECT_EQ(0, unstick(&writers[2 - i]));
		EXPECT_EQ(SIZE, door_read(self->reader, bytes, SIZE));
	}
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

/* Commands and figures do not wait for it either. */
TEST_F(queue, commands)
{
	struct stuck reader, writer;
	static char bytes[SIZE];
	struct weir_info info;
	char name[WEIR_NAME_SIZE];

	ASSERT_EQ(SIZE, door_write(self->writer, bytes, SIZE));
	ASSERT_EQ(0, stick(self, &reader, true, SIZE));
	ASSERT_EQ(0, stick(self, &writer, false, SIZE));
	EXPECT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(1, info.leased);
	EXPECT_EQ(0, raw_purge(self->name));
	EXPECT_EQ(-EBUSY, raw_destroy(self->name));
	EXPECT_EQ(0, raw_create(raw_name(name)));
	EXPECT_EQ(0, raw_destroy(name));
	EXPECT_EQ(0, unstick(&reader));
	EXPECT_EQ(0, unstick(&writer));
}

/* Killed where it is stuck, it takes with it what it had (I43, I44). */
TEST_F(queue, killed_writer)
{
	struct stuck stuck;

	ASSERT_EQ(0, stick(self, &stuck, false, SIZE));
	EXPECT_EQ(128 + SIGKILL, proc_kill(stuck.child));
	EXPECT_EQ(0, raw_figure(self->name, "sent"));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
	EXPECT_TRUE(flows(self, 10));
}

TEST_F(queue, killed_reader)
{
	static char bytes[SIZE + 1];
	struct stuck stuck;

	memset(bytes, 'm', SIZE);
	ASSERT_EQ(SIZE, door_write(self->writer, bytes, SIZE));
	ASSERT_EQ(0, stick(self, &stuck, true, SIZE));
	EXPECT_EQ(128 + SIGKILL, proc_kill(stuck.child));
	wait_until(raw_figure(self->name, "leased") == 0);
	EXPECT_EQ(SIZE, door_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_EQ('m', bytes[0]);
	EXPECT_EQ('m', bytes[SIZE - 1]);
}

/* Room that is given back by one who failed is room for one who waits. */
TEST_F(queue, killed_writer_makes_room)
{
	struct stuck stuck;
	pid_t child;
	int fd;

	ASSERT_EQ(0, queue_remake(self, 1, 1 << 20));
	ASSERT_EQ(0, stick(self, &stuck, false, SIZE));
	EXPECT_EQ(-EAGAIN, door_write(self->writer, "x", 1));
	fd = raw_open(self->name, O_WRONLY);
	child = proc_fork();
	if (!child)
		_exit(door_write(fd, "y", 1) != 1);
	wait_waiters(self->name, 1);
	proc_kill(stuck.child);
	EXPECT_EQ(0, proc_wait(child));
}

/* The end of the queue waits for nobody, and they learn of it when they can. */
TEST_F(queue, destroyed)
{
	struct stuck reader, writer;
	static char bytes[SIZE];

	ASSERT_EQ(SIZE, door_write(self->writer, bytes, SIZE));
	/* What was read before its end came was read: the copy is complete. */
	ASSERT_EQ(0, stick(self, &reader, true, SIZE));
	ASSERT_EQ(0, stick(self, &writer, false, -ESHUTDOWN));
	ASSERT_EQ(0, raw_destroy_force(self->name));
	ASSERT_EQ(0, raw_create(self->name));
	EXPECT_EQ(0, unstick(&writer));
	EXPECT_EQ(0, unstick(&reader));
	EXPECT_EQ(0, raw_figure(self->name, "sent"));
}

TEST_HARNESS_MAIN
