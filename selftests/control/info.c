// SPDX-License-Identifier: GPL-2.0 OR MIT
/* WEIR_IOC_VERSION, INFO, PURGE, and that sysfs shows the same figures. */
#include <dirent.h>
#include <stddef.h>
#include <sys/stat.h>

#define QUEUE_DOORS
#include "../fixture.h"

/* On all kinds of file. */
TEST_F(queue, version)
{
	struct weir_version version;
	int fds[] = { raw_open_control(), self->reader, self->writer };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		memset(&version, 0xff, sizeof(version));
		version.reserved = 0;
		ASSERT_EQ(0, raw_ioctl(fds[i], WEIR_IOC_VERSION, &version));
		EXPECT_EQ(WEIR_ABI_VERSION, version.abi);
		EXPECT_EQ(0, version.reserved);
		EXPECT_EQ(0, version.features & ~WEIR_FEATURE_URING);
	}
}

TEST_F(queue, figures_of_a_life)
{
	struct weir_info info;
	struct weir_run run;
	char bytes[200];

	memset(bytes, 'x', sizeof(bytes));
	ASSERT_EQ(1, door_write(self->writer, bytes, 1));
	ASSERT_EQ(64, door_write(self->writer, bytes, 64));
	ASSERT_EQ(65, door_write(self->writer, bytes, 65));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(3, info.depth);
	EXPECT_EQ(3, info.sent);
	EXPECT_EQ(0, info.leased);
	EXPECT_EQ(0, info.received);
	EXPECT_EQ(0, info.consumers);
	EXPECT_EQ(64 + 64 + 128, info.bytes);
	EXPECT_LE(info.bytes, info.memory);
	EXPECT_LT(0, info.oldest_age_ns);
	ASSERT_ADDS_UP(&info);

	ASSERT_EQ(1, door_read(self->reader, bytes, sizeof(bytes)));
	ASSERT_EQ(0, door_hold(self->reader, &run));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(1, info.depth);
	EXPECT_EQ(1, info.leased);
	EXPECT_EQ(1, info.settled);
	EXPECT_EQ(2, info.received);
	EXPECT_EQ(1, info.consumers);
	EXPECT_EQ(64 + 128, info.bytes);
	ASSERT_ADDS_UP(&info);

	close(self->reader);
	wait_until(raw_figure(self->name, "leased") == 0);
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(2, info.depth);
	EXPECT_EQ(1, info.settled);
	EXPECT_EQ(0, info.redelivered);
	ASSERT_ADDS_UP(&info);

	self->reader = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	ASSERT_EQ(64, door_read(self->reader, bytes, sizeof(bytes)));
	ASSERT_EQ(65, door_read(self->reader, bytes, sizeof(bytes)));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(0, info.depth);
	EXPECT_EQ(0, info.leased);
	EXPECT_EQ(0, info.bytes);
	EXPECT_EQ(3, info.sent);
	EXPECT_EQ(3, info.settled);
	EXPECT_EQ(4, info.received);
	EXPECT_EQ(1, info.redelivered);
	EXPECT_EQ(0, info.oldest_age_ns);
	ASSERT_ADDS_UP(&info);
}

/* On its own descriptor, whatever the name field says; the rest of it is zero (I10). */
TEST_F(queue, info_by_descriptor)
{
	struct weir_info info;
	size_t i;

	memset(&info, 0, sizeof(info));
	memset(info.name, 'j', sizeof(info.name));
	ASSERT_EQ(0, raw_ioctl(self->reader, WEIR_IOC_INFO, &info));
	EXPECT_STREQ(self->name, info.name);
	for (i = strlen(self->name); i < sizeof(info.name); i++)
		ASSERT_EQ(0, info.name[i]);
	memset(&info, 0, sizeof(info));
	strcpy(info.name, "-no/such name");
	ASSERT_EQ(0, raw_ioctl(self->writer, WEIR_IOC_INFO, &info));
	EXPECT_STREQ(self->name, info.name);
	info.flags = WEIR_INFO_NEXT;
	EXPECT_EQ(-EINVAL, raw_ioctl(self->writer, WEIR_IOC_INFO, &info));
}

/* The oldest one's age, not the youngest's. */
TEST_F(queue, oldest_age)
{
	struct weir_info info;
	__u64 age;
	char bytes[8];

	ASSERT_EQ(1, door_write(self->writer, "a", 1));
	ASSERT_EQ(0, raw_info(self->name, &info));
	do {
		age = info.oldest_age_ns;
		ASSERT_EQ(0, raw_info(self->name, &info));
	} while (info.oldest_age_ns == age);
	EXPECT_LT(age, info.oldest_age_ns);
	age = info.oldest_age_ns;
	ASSERT_EQ(1, door_write(self->writer, "b", 1));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_LE(age, info.oldest_age_ns);
	ASSERT_EQ(1, door_read(self->reader, bytes, 8));
	ASSERT_EQ(1, door_read(self->reader, bytes, 8));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(0, info.oldest_age_ns);
}

static int next_name(const char *name, char *next)
{
	struct weir_info info;
	int ret = raw_info_flags(name, &info, WEIR_INFO_NEXT);

	if (!ret)
		strcpy(next, info.name);
	return ret;
}

/* In byte order, and each object that is there all the time is met once. */
TEST_F(queue, next)
{
	static const char * const sorted[] = { "0nn", "A", "Z", "_", "a", "a.", "a0", "aa", "z" };
	static const size_t order[] = { 4, 0, 8, 2, 5, 7, 1, 3, 6 };
	char name[WEIR_NAME_SIZE] = "", next[WEIR_NAME_SIZE];
	size_t i, met = 0;
	int ret;

	for (i = 0; i < ARRAY_SIZE(order); i++)
		ASSERT_EQ(0, raw_create(sorted[order[i]]));
	for (;;) {
		ret = next_name(name, next);
		if (ret)
			break;
		EXPECT_LT(strcmp(name, next), 0);
		if (met < ARRAY_SIZE(sorted) && !strcmp(next, sorted[met]))
			met++;
		strcpy(name, next);
	}
	EXPECT_EQ(-ENOENT, ret);
	EXPECT_EQ(ARRAY_SIZE(sorted), met);
	/* After a name that there is not. */
	EXPECT_EQ(0, next_name("a-", next));
	EXPECT_STREQ("a.", next);
	for (i = 0; i < ARRAY_SIZE(sorted); i++)
		ASSERT_EQ(0, raw_destroy(sorted[i]));
}

TEST_F(queue, purge)
{
	struct weir_info info;
	struct weir_run run;
	char bytes[10];
	int i;

	EXPECT_EQ(0, raw_purge(self->name));
	for (i = 0; i < 10; i++)
		ASSERT_EQ(5, door_write_string(self->writer, "hello"));
	/* One is not settled, and stays its reader's. */
	ASSERT_EQ(0, door_hold(self->reader, &run));
	EXPECT_EQ(9, raw_purge(self->name));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(0, info.depth);
	EXPECT_EQ(1, info.leased);
	EXPECT_EQ(9, info.purged);
	EXPECT_EQ(64, info.bytes);
	EXPECT_EQ(0, info.oldest_age_ns);
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(0, door_settle(self->reader, &run));
	EXPECT_EQ(-EAGAIN, door_read(self->reader, bytes, sizeof(bytes)));
	/* Offsets are never used again (I45). */
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(10, info.sent);
	EXPECT_EQ(0, info.bytes);
	ASSERT_EQ(5, door_write_string(self->writer, "again"));
	EXPECT_EQ(5, door_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_EQ(0, memcmp("again", bytes, 5));
}

/* Room comes back, also for those who wait for it. */
TEST_F(queue, purge_lets_writers_in)
{
	pid_t child;
	int fd;

	ASSERT_EQ(0, queue_remake(self, 4, 4096));
	while (door_write(self->writer, "x", 1) == 1)
		;
	fd = raw_open(self->name, O_WRONLY);
	child = proc_fork();
	if (!child)
		_exit(door_write(fd, "y", 1) != 1);
	wait_waiters(self->name, 1);
	EXPECT_EQ(4, raw_purge(self->name));
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(1, raw_figure(self->name, "depth"));
}

struct figure {
	const char *file;
	size_t at, size;
};

#define NAMED(name, field) \
	{ #name, offsetof(struct weir_info, field), sizeof(((struct weir_info *)0)->field) }
#define FIGURE(field) NAMED(field, field)
#define POLICY(field) NAMED(field, policy.field)

static const struct figure figures[] = {
	POLICY(max_messages), POLICY(max_bytes), POLICY(lease_ns), FIGURE(depth), FIGURE(leased),
	FIGURE(delayed), FIGURE(behind), FIGURE(pinned), FIGURE(drafts), FIGURE(expired),
	FIGURE(bytes), FIGURE(memory), FIGURE(sent), FIGURE(received), FIGURE(redelivered),
	FIGURE(settled), FIGURE(purged), FIGURE(consumers), FIGURE(waiters),
};

TEST_F(queue, sysfs_is_equal)
{
	struct weir_info info;
	struct weir_run run;
	char bytes[64], text[64];
	__u64 value;
	size_t i;

	for (i = 0; i < 20; i++)
		ASSERT_EQ(64, door_write(self->writer, bytes, 64));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(64, door_read(self->reader, bytes, 64));
	ASSERT_EQ(0, door_hold(self->reader, &run));
	ASSERT_EQ(0, raw_info(self->name, &info));
	for (i = 0; i < ARRAY_SIZE(figures); i++) {
		memcpy(&value, (char *)&info + figures[i].at, sizeof(value));
		ASSERT_LT(0, raw_sysfs(self->name, figures[i].file, text, sizeof(text))) {
			TH_LOG("%s", figures[i].file);
		}
		EXPECT_EQ(value, strtoull(text, NULL, 10)) {
			TH_LOG("%s", figures[i].file);
		}
	}
	EXPECT_LT(0, raw_sysfs(self->name, "type", text, sizeof(text)));
	EXPECT_STREQ("queue", text);
	EXPECT_LE((long long)info.oldest_age_ns, raw_figure(self->name, "oldest_age_ns"));
}

/* One value a file, one line, for everybody to read and nobody to write. */
TEST_F(queue, sysfs_files)
{
	char path[WEIR_NAME_SIZE + 32], text[4096];
	struct dirent *entry;
	struct stat status;
	int fd, files = 0;
	ssize_t length;
	DIR *dir;

	snprintf(path, sizeof(path), RAW_CLASS "%s", self->name);
	dir = opendir(path);
	ASSERT_TRUE(dir != NULL);
	while ((entry = readdir(dir))) {
		if (entry->d_type != DT_REG || !strcmp(entry->d_name, "uevent"))
			continue;
		files++;
		ASSERT_EQ(0, fstatat(dirfd(dir), entry->d_name, &status, 0));
		EXPECT_EQ(0444, status.st_mode & 0777) {
			TH_LOG("%s", entry->d_name);
		}
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY);
		ASSERT_LE(0, fd);
		length = read(fd, text, sizeof(text));
		close(fd);
		ASSERT_LT(0, length);
		EXPECT_EQ('\n', text[length - 1]);
		EXPECT_TRUE(memchr(text, '\n', length) == text + length - 1);
		EXPECT_TRUE(!memchr(text, ' ', length));
	}
	closedir(dir);
	EXPECT_LE((int)ARRAY_SIZE(figures) + 2, files);
}

/* Figures that are read while they change are from one moment: they add up. */
TEST_F(queue, info_is_of_one_moment)
{
	struct weir_info info;
	pid_t child;
	int i, rounds = raw_rounds(3000);

	child = proc_fork();
	if (!child) {
		struct weir_run run;

		for (;;) {
			door_write(self->writer, "12345678", 8);
			door_hold(self->reader, &run);
			door_settle(self->reader, &run);
		}
	}
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, raw_info(self->name, &info));
		ASSERT_ADDS_UP(&info);
		/* What is being written counts too. */
		ASSERT_LE(64 * (info.depth + info.leased), info.bytes);
		ASSERT_GE(64 * (info.depth + info.leased + 1), info.bytes);
	}
	proc_kill(child);
}

TEST_HARNESS_MAIN
