// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * I30: memory is the creator's. What a cgroup has no room for fails with ENOMEM,
 * for its own objects only; nothing is half done, and nobody is killed.
 */
#include <sys/mount.h>
#include <sys/stat.h>

#include "../fixture.h"

#define LARGE	65536
#define HUGE	(64ULL << 30)

FIXTURE(memory) {
	char name[WEIR_NAME_SIZE];
	char mounted[64], group[WEIR_NAME_SIZE + 64];
};

static int file_put(const char *folder, const char *file, const char *text)
{
	char path[WEIR_NAME_SIZE + 128];
	int fd, ret;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = raw_write(fd, text, strlen(text));
	close(fd);
	return ret < 0 ? ret : 0;
}

/* The number behind @word in a file of the group's. */
static long group_figure(const char *group, const char *file, const char *word)
{
	char path[WEIR_NAME_SIZE + 128], text[4096], *found;
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", group, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length <= 0)
		return -1;
	text[length] = '\0';
	found = strstr(text, word);
	return found ? atol(found + strlen(word)) : -1;
}

FIXTURE_SETUP(memory)
{
	raw_name(self->name);
	strcpy(self->mounted, "/tmp/weir-cgroup-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->mounted));
	ASSERT_EQ(0, mount("none", self->mounted, "cgroup2", 0, NULL));
	ASSERT_EQ(0, file_put(self->mounted, "cgroup.subtree_control", "+memory"));
	snprintf(self->group, sizeof(self->group), "%s/%s", self->mounted, self->name);
	ASSERT_EQ(0, mkdir(self->group, 0700));
	ASSERT_EQ(0, file_put(self->group, "memory.max", "16M"));
}

FIXTURE_TEARDOWN_PARENT(memory)
{
	raw_destroy_force(self->name);
	EXPECT_EQ(0, rmdir(self->group));
	EXPECT_EQ(0, umount(self->mounted));
	EXPECT_EQ(0, rmdir(self->mounted));
}

/* A child in the group; 0 in it. */
static pid_t group_fork(const char *group)
{
	pid_t child = proc_fork();

	if (!child && file_put(group, "cgroup.procs", "0"))
		_exit(99);
	return child;
}

static void group_create(const char *group, const char *name, __u64 bytes, int expect)
{
	pid_t child = group_fork(group);
	int ret;

	if (!child) {
		ret = raw_create_sized(name, 0, bytes);
		if (ret != expect)
			fprintf(stderr, "# create: %d\n", ret);
		_exit(ret != expect);
	}
	if (proc_wait(child))
		abort();
}

static void expect_whole(struct __test_metadata *_metadata, const char *name, int sent)
{
	struct weir_info info;

	ASSERT_EQ(0, raw_info(name, &info));
	EXPECT_EQ(sent, info.sent);
	EXPECT_EQ(sent, info.depth);
	EXPECT_EQ(sent * LARGE, info.bytes);
}

/* Sent by whom it may be: it is the creator's group that has no room. */
TEST_F(memory, send)
{
	static char bytes[LARGE];
	char other[WEIR_NAME_SIZE];
	int i, fd, sent = 0, more;
	long ret;

	group_create(self->group, self->name, 128 << 20, 0);
	fd = raw_open(self->name, O_RDWR | O_NONBLOCK);
	while ((ret = raw_write(fd, bytes, LARGE)) == LARGE)
		sent++;
	EXPECT_EQ(-ENOMEM, ret);
	EXPECT_LT(16, sent);
	expect_whole(_metadata, self->name, sent);
	/* Not even for one who would wait: there is room in the queue. */
	for (i = 0; i < 20; i++) {
		ret = raw_send(fd, bytes, LARGE, i % 2 ? -1 : 0);
		/* The group may have got rid of some other memory meanwhile. */
		if (ret == 1)
			sent++;
		else
			EXPECT_EQ(-ENOMEM, ret);
	}
	EXPECT_EQ(-ENOMEM, ret);
	expect_whole(_metadata, self->name, sent);
	EXPECT_EQ(0, group_figure(self->group, "memory.events", "oom_kill "));

	/* Others have room. */
	ASSERT_EQ(0, raw_create_sized(raw_name(other), 0, 32 << 20));
	more = raw_open(other, O_WRONLY | O_NONBLOCK);
	EXPECT_EQ(LARGE, raw_write(more, bytes, LARGE));
	EXPECT_EQ(0, raw_destroy_force(other));

	/* What is given back can be used again, and what comes is whole. */
	EXPECT_EQ(LARGE, raw_read(fd, bytes, LARGE));
	EXPECT_EQ(LARGE, raw_write(fd, bytes, LARGE));
	ASSERT_EQ(0, file_put(self->group, "memory.max", "32M"));
	EXPECT_EQ(LARGE, raw_write(fd, bytes, LARGE));
	EXPECT_EQ(sent + 1, raw_purge(self->name));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
	close(fd);
	ASSERT_EQ(0, raw_destroy(self->name));
}

/* Of a batch the first ones are sent that there was memory for. */
TEST_F(memory, batch)
{
	static char bytes[LARGE];
	struct weir_message messages[WEIR_BATCH_MAX];
	struct weir_send send = { .messages = raw_address(messages), .count = WEIR_BATCH_MAX };
	int i, fd, sent, ret;

	for (i = 0; i < WEIR_BATCH_MAX; i++)
		messages[i] = (struct weir_message){ .data = raw_address(bytes), .len = LARGE };
	group_create(self->group, self->name, 128 << 20, 0);
	fd = raw_open(self->name, O_RDWR | O_NONBLOCK);
	sent = raw_ioctl(fd, WEIR_IOC_SEND, &send);
	EXPECT_LT(16, sent);
	EXPECT_GT(16 << 20, sent * LARGE);
	EXPECT_EQ(0, send.first_offset);
	expect_whole(_metadata, self->name, sent);
	while ((ret = raw_ioctl(fd, WEIR_IOC_SEND, &send)) > 0)
		sent += ret;
	EXPECT_EQ(-ENOMEM, ret);
	expect_whole(_metadata, self->name, sent);
	for (i = 0; i < sent; i++)
		ASSERT_EQ(LARGE, raw_read(fd, bytes, LARGE));
	EXPECT_EQ(-EAGAIN, raw_read(fd, bytes, LARGE));
	EXPECT_EQ(0, group_figure(self->group, "memory.events", "oom_kill "));
	close(fd);
}

/* A queue that there is no memory for is not there, and leaves nothing behind. */
TEST_F(memory, create)
{
	struct weir_info info;
	char path[WEIR_NAME_SIZE + 32];
	int i;

	ASSERT_EQ(0, file_put(self->group, "memory.max", "4M"));
	for (i = 0; i < 20; i++) {
		group_create(self->group, self->name, HUGE, -ENOMEM);
		EXPECT_EQ(-ENOENT, raw_info(self->name, &info));
		EXPECT_EQ(-1, access(raw_path(path, self->name), F_OK));
	}
	EXPECT_EQ(0, group_figure(self->group, "memory.events", "oom_kill "));
	ASSERT_EQ(0, file_put(self->group, "memory.max", "64M"));
	group_create(self->group, self->name, HUGE, 0);
	EXPECT_EQ(0, access(path, F_OK));
	ASSERT_EQ(0, raw_destroy(self->name));
}

TEST_HARNESS_MAIN
