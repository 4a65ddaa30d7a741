// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * I30: memory is charged to the creator of a queue, whoever fills it, held to a
 * limit of that user, and given back.
 */
#include <sys/stat.h>

#include "../doors.h"
#include "../fixture.h"

/* Users of each test's own: release() of what one made may be put off for some seconds. */
#define ALICE	(self->users)
#define BOB	(self->users + 1)
#define LIMIT	"/sys/module/weir/parameters/user_limit"

FIXTURE(limits) {
	char names[2][WEIR_NAME_SIZE];
	char limit[32];
	mode_t mode;
	uid_t users;
};

FIXTURE_VARIANT(limits) {
	enum door door;
};

FIXTURE_VARIANT_ADD(limits, rw) {
	.door = DOOR_RW,
};

FIXTURE_VARIANT_ADD(limits, ioctl) {
	.door = DOOR_IOCTL,
};

FIXTURE_VARIANT_ADD(limits, uring) {
	.door = DOOR_URING,
};

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	long ret;

	if (fd < 0)
		return -errno;
	ret = raw_write_string(fd, text);
	close(fd);
	return ret < 0 ? ret : 0;
}

FIXTURE_SETUP(limits)
{
	int fd = open(LIMIT, O_RDONLY);
	struct stat status;
	long length;

	door_now = variant->door;
	self->users = 100000 + 2 * getpid();
	raw_name(self->names[0]);
	raw_name(self->names[1]);
	ASSERT_LE(0, fd);
	length = raw_read(fd, self->limit, sizeof(self->limit) - 1);
	ASSERT_LT(0, length);
	close(fd);
	ASSERT_EQ(0, write_file(LIMIT, "8388608"));
	/* So that users may open it. */
	ASSERT_EQ(0, stat(RAW_CONTROL, &status));
	ASSERT_EQ(0, setresgid(-1, status.st_gid, -1));
}

FIXTURE_TEARDOWN_PARENT(limits)
{
	raw_destroy_force(self->names[0]);
	raw_destroy_force(self->names[1]);
	EXPECT_EQ(0, write_file(LIMIT, self->limit));
}

/* A queue as if @uid had made it: by a descriptor that it opened. */
static int create_as(uid_t uid, const char *name, __u64 messages, __u64 bytes)
{
	struct weir_create create = {
		.type = WEIR_TYPE_QUEUE, .policy = { .max_messages = messages, .max_bytes = bytes },
		.mode = 0666,
	};
	int fd, ret;

	raw_set_name(&create, name);
	if (setresuid(-1, uid, -1))
		return -errno;
	fd = raw_open_control();
	ret = fd < 0 ? fd : raw_ioctl(fd, WEIR_IOC_CREATE, &create);
	close(fd);
	return setresuid(-1, 0, -1) ? -errno : ret;
}

/* Writes until it fails: bytes written, and why not more. */
static long fill(const char *name, size_t length, long *why)
{
	int fd = raw_open(name, O_WRONLY | O_NONBLOCK);
	char *bytes = calloc(1, length);
	long total = 0;

	while ((*why = door_write(fd, bytes, length)) == (long)length)
		total += length;
	free(bytes);
	close(fd);
	return total;
}

static long long memory(const char *name)
{
	return raw_figure(name, "memory");
}

TEST_F(limits, figure_grows_and_stays)
{
	long long empty, full;
	long why;

	ASSERT_EQ(0, create_as(ALICE, self->names[0], 0, 4 << 20));
	empty = memory(self->names[0]);
	EXPECT_LE(0, empty);
	EXPECT_EQ(4 << 20, fill(self->names[0], 65536, &why));
	EXPECT_EQ(-EAGAIN, why);
	full = memory(self->names[0]);
	EXPECT_LE(empty + (4 << 20), full);
	/* No more than it can explain. */
	EXPECT_GE(empty + (5 << 20), full);
}

/* Your limit is EDQUOT, a full queue is EAGAIN. */
TEST_F(limits, users_limit)
{
	long total, why;

	ASSERT_EQ(0, create_as(ALICE, self->names[0], 0, 64 << 20));
	total = fill(self->names[0], 65536, &why);
	EXPECT_EQ(-EDQUOT, why);
	EXPECT_LT(6 << 20, total);
	EXPECT_GE(8 << 20, total);
	EXPECT_GE(8 << 20, memory(self->names[0]));
	/* Nothing of what failed is left. */
	EXPECT_EQ(total, raw_figure(self->names[0], "bytes"));
	EXPECT_EQ(total / 65536, raw_figure(self->names[0], "sent"));
}

/* It does not wait for what would not come. */
TEST_F(limits, waiting_writer)
{
	static char bytes[65536];
	long why;
	int fd;

	ASSERT_EQ(0, create_as(ALICE, self->names[0], 0, 64 << 20));
	fill(self->names[0], 65536, &why);
	fd = raw_open(self->names[0], O_WRONLY);
	EXPECT_EQ(-EDQUOT, door_write(fd, bytes, sizeof(bytes)));
}

/* Over all objects of the user, and of nobody else. */
TEST_F(limits, one_users_objects)
{
	long first, second, why;

	ASSERT_EQ(0, create_as(ALICE, self->names[0], 0, 4 << 20));
	ASSERT_EQ(0, create_as(ALICE, self->names[1], 0, 64 << 20));
	first = fill(self->names[0], 65536, &why);
	EXPECT_EQ(-EAGAIN, why);
	second = fill(self->names[1], 65536, &why);
	EXPECT_EQ(-EDQUOT, why);
	EXPECT_GE(8 << 20, first + second);
	EXPECT_EQ(0, raw_destroy_force(self->names[1]));
	ASSERT_EQ(0, create_as(BOB, self->names[1], 0, 4 << 20));
	EXPECT_EQ(4 << 20, fill(self->names[1], 65536, &why));
	EXPECT_EQ(-EAGAIN, why);
}

/* With its object it is given back, as often as one likes. */
TEST_F(limits, given_back)
{
	long total = 0, again, why;
	int i, rounds = raw_rounds(10);

	for (i = 0; i < rounds; i++) {
		wait_until(!create_as(ALICE, self->names[0], 0, 64 << 20));
		if (!i)
			total = fill(self->names[0], 65536, &why);
		/* What was destroyed may take a while to be gone. */
		for (again = i ? 0 : total; again < total;)
			again += fill(self->names[0], 65536, &why);
		ASSERT_EQ(total, again);
		ASSERT_EQ(-EDQUOT, why);
		ASSERT_EQ(0, raw_destroy_force(self->names[0]));
	}
}

/* The largest objects that may be asked for are held to the limit too. */
TEST_F(limits, creation)
{
	ASSERT_EQ(0, write_file(LIMIT, "65536"));
	EXPECT_EQ(-EDQUOT, create_as(ALICE, self->names[0], WEIR_MAX_MESSAGES, WEIR_MAX_BYTES));
	EXPECT_EQ(-ENOENT, raw_destroy(self->names[0]));
	/* Also when it fails, nothing stays charged. */
	EXPECT_EQ(0, create_as(ALICE, self->names[0], 16, 4096));
}

/* Who writes does not pay: Bob fills what Alice made. */
TEST_F(limits, sender_does_not_pay)
{
	long why, total;
	pid_t child;

	ASSERT_EQ(0, create_as(ALICE, self->names[0], 0, 64 << 20));
	child = proc_fork();
	if (!child) {
		if (proc_become(BOB, BOB))
			_exit(1);
		fill(self->names[0], 65536, &why);
		_exit(why != -EDQUOT);
	}
	EXPECT_EQ(0, proc_wait(child));
	ASSERT_EQ(0, create_as(BOB, self->names[1], 0, 4 << 20));
	total = fill(self->names[1], 65536, &why);
	EXPECT_EQ(-EAGAIN, why);
	EXPECT_EQ(4 << 20, total);
}

/* The queue goes on within what it has. */
TEST_F(limits, life_goes_on)
{
	static char bytes[65536];
	long why;
	int i, in, out, rounds = raw_rounds(300);

	ASSERT_EQ(0, create_as(ALICE, self->names[0], 0, 64 << 20));
	fill(self->names[0], 65536, &why);
	in = raw_open(self->names[0], O_RDONLY | O_NONBLOCK);
	out = raw_open(self->names[0], O_WRONLY | O_NONBLOCK);
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(65536, door_read(in, bytes, sizeof(bytes)));
		ASSERT_EQ(65536, door_write(out, bytes, sizeof(bytes)));
	}
}

TEST_HARNESS_MAIN
