// SPDX-License-Identifier: GPL-2.0 OR MIT
/* WEIR_IOC_DESTROY: when it refuses, and what it leaves of those who were there. */
#include <sys/stat.h>

#define QUEUE_DOORS
#include "../fixture.h"

static void close_both(FIXTURE_DATA(queue) *self)
{
	close(self->writer);
	close(self->reader);
}

TEST_F(queue, leaves_nothing)
{
	char path[WEIR_NAME_SIZE + 64];
	struct weir_info info;

	close_both(self);
	ASSERT_EQ(0, raw_destroy(self->name));
	EXPECT_EQ(-1, access(raw_path(path, self->name), F_OK));
	snprintf(path, sizeof(path), RAW_CLASS "%s", self->name);
	EXPECT_EQ(-1, access(path, F_OK));
	EXPECT_EQ(-ENOENT, raw_info(self->name, &info));
	EXPECT_EQ(-ENOENT, raw_destroy(self->name));
}

TEST_F(queue, refuses_what_is_open)
{
	EXPECT_EQ(-EBUSY, raw_destroy(self->name));
	close(self->writer);
	EXPECT_EQ(-EBUSY, raw_destroy(self->name));
	close(self->reader);
	EXPECT_EQ(0, raw_destroy(self->name));
}

TEST_F(queue, refuses_what_holds_messages)
{
	char byte;

	ASSERT_EQ(1, door_write(self->writer, "x", 1));
	close_both(self);
	EXPECT_EQ(-EBUSY, raw_destroy(self->name));
	EXPECT_EQ(1, raw_figure(self->name, "depth"));
	self->reader = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	EXPECT_EQ(1, door_read(self->reader, &byte, 1));
	close(self->reader);
	EXPECT_EQ(0, raw_destroy(self->name));
}

/* A refusal changes nothing: those who have it open go on. */
TEST_F(queue, refused_is_undamaged)
{
	char byte;

	EXPECT_EQ(-EBUSY, raw_destroy(self->name));
	EXPECT_EQ(1, door_write(self->writer, "x", 1));
	EXPECT_EQ(1, door_read(self->reader, &byte, 1));
}

TEST_F(queue, forced_ends_everything)
{
	struct weir_info info = { 0 };
	struct weir_run run;
	char bytes[16];
	int full = raw_open(self->name, O_RDWR);

	ASSERT_EQ(5, door_write_string(self->writer, "hello"));
	ASSERT_EQ(5, door_write_string(self->writer, "world"));
	ASSERT_EQ(0, door_hold(self->reader, &run));
	ASSERT_EQ(0, raw_destroy_force(self->name));
	EXPECT_EQ(-ESHUTDOWN, door_write(self->writer, "x", 1));
	EXPECT_EQ(-ESHUTDOWN, door_read(self->reader, bytes, 1));
	/* Also without O_NONBLOCK, at once. */
	EXPECT_EQ(-ESHUTDOWN, door_read(full, bytes, 1));
	EXPECT_EQ(-ESHUTDOWN, door_write(full, bytes, 1));
	EXPECT_EQ(POLLERR | POLLHUP, raw_poll(full, 0) & (POLLERR | POLLHUP));
	EXPECT_EQ(-ESHUTDOWN, raw_ioctl(full, WEIR_IOC_INFO, &info));
	EXPECT_EQ(-ENOENT, raw_open(self->name, O_RDWR));
	EXPECT_EQ(0, close(full));
}

TEST_F(queue, new_one_is_another)
{
	char byte;
	int fd;

	ASSERT_EQ(1, door_write(self->writer, "o", 1));
	ASSERT_EQ(0, raw_destroy_force(self->name));
	ASSERT_EQ(0, raw_create(self->name));
	fd = raw_open(self->name, O_RDWR | O_NONBLOCK);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EAGAIN, door_read(fd, &byte, 1));
	EXPECT_EQ(1, door_write(fd, "n", 1));
	EXPECT_EQ(-ESHUTDOWN, door_read(self->reader, &byte, 1));
	EXPECT_EQ(1, raw_figure(self->name, "depth"));
	/* The old one's end takes nothing from it. */
	close_both(self);
	EXPECT_EQ(1, door_read(fd, &byte, 1));
	EXPECT_EQ('n', byte);
}

static pid_t blocked(const char *name, bool reads)
{
	pid_t child = proc_fork();
	char bytes[64] = { 0 };
	int fd;

	if (child)
		return child;
	fd = raw_open(name, O_RDWR);
	if (reads)
		_exit(door_read(fd, bytes, sizeof(bytes)) != -ESHUTDOWN);
	_exit(door_write(fd, bytes, sizeof(bytes)) != -ESHUTDOWN);
}

TEST_F(queue, wakes_readers)
{
	pid_t children[8];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(children); i++)
		children[i] = blocked(self->name, true);
	wait_waiters(self->name, (int)ARRAY_SIZE(children));
	EXPECT_EQ(-EBUSY, raw_destroy(self->name));
	ASSERT_EQ(0, raw_destroy_force(self->name));
	for (i = 0; i < ARRAY_SIZE(children); i++)
		EXPECT_EQ(0, proc_wait(children[i]));
}

TEST_F(queue, wakes_writers)
{
	pid_t children[8];
	size_t i;

	ASSERT_EQ(0, queue_remake(self, 2, 4096));
	while (door_write(self->writer, "x", 1) == 1)
		;
	for (i = 0; i < ARRAY_SIZE(children); i++)
		children[i] = blocked(self->name, false);
	wait_waiters(self->name, (int)ARRAY_SIZE(children));
	ASSERT_EQ(0, raw_destroy_force(self->name));
	for (i = 0; i < ARRAY_SIZE(children); i++)
		EXPECT_EQ(0, proc_wait(children[i]));
}

TEST_F(queue, wakes_pollers)
{
	struct gate gate;
	pid_t child;

	ASSERT_EQ(0, gate_make(&gate));
	child = proc_fork();
	if (!child) {
		struct pollfd pollfd = { .fd = self->reader, .events = POLLIN };

		gate_open(&gate);
		if (poll(&pollfd, 1, -1) != 1)
			_exit(1);
		_exit((pollfd.revents & (POLLERR | POLLHUP)) != (POLLERR | POLLHUP));
	}
	gate_wait(&gate);
	wait_until(proc_state(child) == 'S');
	ASSERT_EQ(0, raw_destroy_force(self->name));
	EXPECT_EQ(0, proc_wait(child));
}

/* From all sides at once; whatever is refused is refused for one of these reasons. */
static void hammer(const char *name, int seed, int rounds)
{
	static const int allowed[] = {
		0, -ENOENT, -EEXIST, -EBUSY, -ESHUTDOWN, -EAGAIN, -ENXIO, -ENODEV,
	};
	char bytes[256] = { 0 };
	int i, fd = -1, ret;
	size_t j, size;

	srandom(seed);
	for (i = 0; i < rounds; i++) {
		switch (random() % 6) {
		case 0:
			ret = raw_create_sized(name, 16, 4096);
			break;
		case 1:
			ret = raw_destroy(name);
			break;
		case 2:
			ret = raw_destroy_force(name);
			break;
		case 3:
			if (fd >= 0)
				close(fd);
			ret = fd = raw_open(name, O_RDWR | O_NONBLOCK);
			break;
		case 4:
			ret = fd < 0 ? 0 : door_write(fd, bytes, 1 + random() % 200);
			break;
		default:
			/* A part is refused to commands. */
			size = door_now == DOOR_RW ? 1 + random() % 200 : sizeof(bytes);
			ret = fd < 0 ? 0 : door_read(fd, bytes, size);
		}
		if (ret > 0)
			ret = 0;
		for (j = 0; ret != allowed[j]; j++) {
			if (j == ARRAY_SIZE(allowed) - 1) {
				fprintf(stderr, "# seed %d round %d: %d\n", seed, i, ret);
				_exit(1);
			}
		}
	}
	_exit(0);
}

TEST_F(queue, races)
{
	pid_t children[4];
	size_t i;

	close_both(self);
	for (i = 0; i < ARRAY_SIZE(children); i++) {
		children[i] = proc_fork();
		if (!children[i])
			hammer(self->name, i + 1, raw_rounds(1500));
	}
	for (i = 0; i < ARRAY_SIZE(children); i++)
		EXPECT_EQ(0, proc_wait(children[i]));
}

/* I25: the module is in use while any object exists. */
TEST_F(queue, holds_the_module)
{
	close_both(self);
	EXPECT_EQ(-EWOULDBLOCK, raw_result(syscall(SYS_delete_module, "weir", O_NONBLOCK)));
	EXPECT_EQ(0, access(RAW_CONTROL, F_OK));
}

TEST_HARNESS_MAIN
