// SPDX-License-Identifier: GPL-2.0 OR MIT
/* WEIR_IOC_CREATE: each field, what stands there afterwards, and the defaults. */
#include <sys/stat.h>

#include "../fixture.h"

FIXTURE(create) {
	char name[WEIR_NAME_SIZE];
	struct weir_create create;
};

FIXTURE_SETUP(create)
{
	raw_name(self->name);
	raw_set_name(&self->create, self->name);
	self->create.type = WEIR_TYPE_QUEUE;
}

FIXTURE_TEARDOWN_PARENT(create)
{
	raw_destroy_force(self->name);
}

static int try_create(struct weir_create *create)
{
	int ret = raw_control(WEIR_IOC_CREATE, create);

	if (!ret && raw_destroy(create->name))
		abort();
	return ret;
}

TEST_F(create, defaults)
{
	struct weir_info info;

	ASSERT_EQ(0, raw_control(WEIR_IOC_CREATE, &self->create));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_STREQ(self->name, info.name);
	EXPECT_EQ(WEIR_TYPE_QUEUE, info.type);
	EXPECT_EQ(0660, info.mode);
	EXPECT_EQ(0, info.create_flags);
	EXPECT_EQ(WEIR_DEFAULT_MESSAGES, info.policy.max_messages);
	EXPECT_EQ(WEIR_DEFAULT_BYTES, info.policy.max_bytes);
	EXPECT_EQ(0, info.depth);
	EXPECT_EQ(0, info.sent);
	EXPECT_EQ(0, info.uid);
	EXPECT_EQ(0, info.gid);
}

TEST_F(create, limits_are_kept)
{
	struct weir_info info;

	self->create.policy.max_messages = 7;
	self->create.policy.max_bytes = 1 << 20;
	self->create.mode = 0640;
	self->create.flags = WEIR_CREATE_PRIVATE;
	ASSERT_EQ(0, raw_control(WEIR_IOC_CREATE, &self->create));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(7, info.policy.max_messages);
	EXPECT_EQ(1 << 20, info.policy.max_bytes);
	EXPECT_EQ(0640, info.mode);
	EXPECT_EQ(WEIR_CREATE_PRIVATE, info.create_flags);
}

/* The node is there when the command returns. */
TEST_F(create, node)
{
	char path[WEIR_NAME_SIZE + 32];
	struct stat stat_buffer;

	umask(0777);
	self->create.mode = 0624;
	ASSERT_EQ(0, raw_control(WEIR_IOC_CREATE, &self->create));
	ASSERT_EQ(0, stat(raw_path(path, self->name), &stat_buffer));
	EXPECT_EQ(S_IFCHR | 0624, stat_buffer.st_mode);
	EXPECT_EQ(0, stat_buffer.st_uid);
	ASSERT_EQ(0, raw_destroy(self->name));
	EXPECT_EQ(-1, stat(path, &stat_buffer));
	EXPECT_EQ(ENOENT, errno);
}

TEST_F(create, type)
{
	static const __u32 bad[] = { 0, 2, 3, 0x101, 0x80000001, ~0U };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		self->create.type = bad[i];
		EXPECT_EQ(-EINVAL, try_create(&self->create)) {
			TH_LOG("type %x", bad[i]);
		}
	}
}

TEST_F(create, flags)
{
	int bit;

	for (bit = 0; bit < 32; bit++) {
		self->create.flags = 1U << bit;
		EXPECT_EQ(self->create.flags == WEIR_CREATE_PRIVATE ? 0 : -EINVAL,
			  try_create(&self->create)) {
			TH_LOG("bit %d", bit);
		}
	}
}

TEST_F(create, reserved)
{
	int bit;

	for (bit = 0; bit < 32; bit++) {
		self->create.reserved = 1U << bit;
		EXPECT_EQ(-EINVAL, try_create(&self->create)) {
			TH_LOG("bit %d", bit);
		}
	}
}

/* Also in the policy, which is to grow there; ALTER looks at it likewise. */
TEST_F(create, reserved_policy)
{
	struct weir_alter alter = { 0 };
	struct weir_info info;
	size_t i;

	for (i = 0; i < sizeof(self->create.policy.reserved); i++) {
		((char *)self->create.policy.reserved)[i] = 1;
		EXPECT_EQ(-EINVAL, try_create(&self->create)) {
			TH_LOG("byte %zu", i);
		}
		((char *)self->create.policy.reserved)[i] = 0;
	}
	ASSERT_EQ(0, raw_control(WEIR_IOC_CREATE, &self->create));
	ASSERT_EQ(0, raw_info(self->name, &info));
	for (i = 0; i < ARRAY_SIZE(info.policy.reserved); i++) {
		EXPECT_EQ(0, info.policy.reserved[i]);
		raw_set_name(&alter, self->name);
		alter.policy = info.policy;
		EXPECT_EQ(0, raw_control(WEIR_IOC_ALTER, &alter));
		alter.policy.reserved[i] = 1;
		EXPECT_EQ(-EINVAL, raw_control(WEIR_IOC_ALTER, &alter));
	}
}

TEST_F(create, mode)
{
	int bit;

	for (bit = 0; bit < 32; bit++) {
		self->create.mode = 1U << bit;
		EXPECT_EQ(bit < 9 ? 0 : -EINVAL, try_create(&self->create)) {
			TH_LOG("bit %d", bit);
		}
	}
}

TEST_F(create, max_messages)
{
	static const __u64 bad[] = {
		WEIR_MAX_MESSAGES + 1ULL, 1ULL << 31, 1ULL << 32, (1ULL << 32) + 1, 1ULL << 58,
		1ULL << 63, ~0ULL, ~0ULL - 1, ~0ULL >> 6,
	};
	static const __u64 good[] = { 0, 1, 2, 3, 63, 64, 65, 65537, WEIR_MAX_MESSAGES };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		self->create.policy.max_messages = bad[i];
		EXPECT_EQ(-EINVAL, try_create(&self->create)) {
			TH_LOG("%llx messages", bad[i]);
		}
	}
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		self->create.policy.max_messages = good[i];
		EXPECT_EQ(0, try_create(&self->create)) {
			TH_LOG("%llx messages", good[i]);
		}
	}
}

TEST_F(create, max_bytes)
{
	static const __u64 bad[] = {
		1, 63, 64, WEIR_MIN_BYTES - 1, WEIR_MAX_BYTES + 1, WEIR_MAX_BYTES * 2, 1ULL << 63,
		~0ULL, ~0ULL - 4095, ~0ULL - 63,
	};
	static const __u64 good[] = {
		0, WEIR_MIN_BYTES, 65536, WEIR_DEFAULT_BYTES, WEIR_MAX_BYTES,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		self->create.policy.max_bytes = bad[i];
		EXPECT_EQ(-EINVAL, try_create(&self->create)) {
			TH_LOG("%llx bytes", bad[i]);
		}
	}
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		self->create.policy.max_bytes = good[i];
		EXPECT_EQ(0, try_create(&self->create)) {
			TH_LOG("%llx bytes", good[i]);
		}
	}
}

TEST_F(create, max_bytes_in_units)
{
	struct weir_info info;

	self->create.policy.max_bytes = 4096 + 63;
	ASSERT_EQ(0, raw_control(WEIR_IOC_CREATE, &self->create));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(4096, info.policy.max_bytes);
}

/* The largest that may be asked for costs nothing until it is used (I30). */
TEST_F(create, memory_comes_as_it_is_used)
{
	struct weir_info empty, info;
	char bytes[100] = { 1 };
	int fd;

	self->create.policy.max_messages = WEIR_MAX_MESSAGES;
	self->create.policy.max_bytes = WEIR_MAX_BYTES;
	ASSERT_EQ(0, raw_control(WEIR_IOC_CREATE, &self->create));
	ASSERT_EQ(0, raw_info(self->name, &empty));
	EXPECT_GT(64 << 20, empty.memory);
	fd = raw_open(self->name, O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(100, raw_write(fd, bytes, 100));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_LT(0, info.memory);
	EXPECT_GT(empty.memory + (1 << 20), info.memory);
	EXPECT_EQ(100, raw_read(fd, bytes, 100));
	EXPECT_EQ(1, bytes[0]);
}

/*
 * I4: what was checked is what is used, while another thread changes it. Each
 * object that comes to be is as one of the two asked for.
 */
static void *flip(void *argument)
{
	struct weir_create *create = argument;

	for (;;) {
		__atomic_store_n(&create->policy.max_messages, ~0ULL, __ATOMIC_RELAXED);
		__atomic_store_n(&create->mode, 0170777, __ATOMIC_RELAXED);
		__atomic_store_n(&create->type, 77, __ATOMIC_RELAXED);
		__atomic_store_n(&create->policy.max_messages, 5, __ATOMIC_RELAXED);
		__atomic_store_n(&create->mode, 0600, __ATOMIC_RELAXED);
		__atomic_store_n(&create->type, WEIR_TYPE_QUEUE, __ATOMIC_RELAXED);
	}
	return NULL;
}

TEST_F(create, changed_during_the_call)
{
	struct weir_info info;
	pthread_t thread;
	int i, ret, rounds = raw_rounds(2000);

	ASSERT_EQ(0, pthread_create(&thread, NULL, flip, &self->create));
	for (i = 0; i < rounds; i++) {
		ret = raw_control(WEIR_IOC_CREATE, &self->create);
		if (ret) {
			ASSERT_EQ(-EINVAL, ret);
			continue;
		}
		ASSERT_EQ(0, raw_info(self->name, &info));
		ASSERT_EQ(WEIR_TYPE_QUEUE, info.type);
		ASSERT_TRUE(info.policy.max_messages == 5 ||
			    info.policy.max_messages == WEIR_DEFAULT_MESSAGES);
		ASSERT_TRUE(info.mode == 0600 || info.mode == 0660);
		ASSERT_EQ(0, raw_destroy(self->name));
	}
}

/* While the memory of a large queue is freed others are created, told of and destroyed. */
TEST(destroyed_in_peace)
{
	enum { SIZE = 4 << 20, COUNT = 48 };
	char large[WEIR_NAME_SIZE], *bytes = calloc(1, SIZE);
	struct weir_info info;
	int *asked = proc_shared(sizeof(*asked)), before, i, fd;
	pid_t child;

	ASSERT_EQ(0, raw_create_sized(raw_name(large), 0, (__u64)SIZE * COUNT));
	fd = raw_open(large, O_WRONLY | O_NONBLOCK);
	for (i = 0; i < COUNT; i++)
		ASSERT_EQ(SIZE, raw_write(fd, bytes, SIZE));
	close(fd);
	child = proc_fork();
	if (!child)
		for (;; __atomic_fetch_add(asked, 1, __ATOMIC_RELAXED))
			raw_info("none", &info);
	wait_until(__atomic_load_n(asked, __ATOMIC_RELAXED));
	before = __atomic_load_n(asked, __ATOMIC_RELAXED);
	ASSERT_EQ(0, raw_destroy_force(large));
	/* A kernel that reports puts off releases, and has freed nothing yet: it tells nothing. */
	if (raw_seconds(1) == 1)
		EXPECT_LT(before + 100, __atomic_load_n(asked, __ATOMIC_RELAXED));
	proc_kill(child);
	free(bytes);
}

TEST_HARNESS_MAIN
