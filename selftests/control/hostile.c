// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Control's commands with structures of wrong sizes, at wrong places, with
 * unknown bits, and on the wrong files (I8, I32).
 */
#include <stddef.h>

#include "../fixture.h"

struct command {
	const char *name;
	unsigned long number;
	size_t size;
	size_t flags, reserved;		/* where, 0: has none */
	__u32 known;			/* flags */
};

#define COMMAND(command, structure, flags_known) \
	{ #command, command, sizeof(struct structure), offsetof(struct structure, flags), \
	  offsetof(struct structure, reserved), flags_known }

static const struct command commands[] = {
	COMMAND(WEIR_IOC_CREATE, weir_create, WEIR_CREATE_PRIVATE),
	COMMAND(WEIR_IOC_DESTROY, weir_destroy, WEIR_DESTROY_FORCE),
	COMMAND(WEIR_IOC_PURGE, weir_purge, 0),
	{ "WEIR_IOC_INFO", WEIR_IOC_INFO, sizeof(struct weir_info),
	  offsetof(struct weir_info, flags), 0, WEIR_INFO_NEXT },
	{ "WEIR_IOC_VERSION", WEIR_IOC_VERSION, sizeof(struct weir_version),
	  0, offsetof(struct weir_version, reserved), 0 },
};

#define for_each_command(c) \
	for ((c) = commands; (c) < commands + ARRAY_SIZE(commands); (c)++)

FIXTURE(hostile) {
	char name[WEIR_NAME_SIZE];
	int control, queue;
};

FIXTURE_SETUP(hostile)
{
	raw_name(self->name);
	ASSERT_EQ(0, raw_create(self->name));
	self->control = raw_open_control();
	ASSERT_LE(0, self->control);
	self->queue = raw_open(self->name, O_RDWR | O_NONBLOCK);
	ASSERT_LE(0, self->queue);
}

FIXTURE_TEARDOWN_PARENT(hostile)
{
	EXPECT_EQ(0, raw_destroy_force(self->name));
}

/* @bytes becomes the command's structure; what it does is undone. Room for 16 KiB. */
static int run(int fd, const struct command *command, const char *name, void *bytes, size_t size)
{
	char other[WEIR_NAME_SIZE];
	int ret;

	if (command->number == WEIR_IOC_CREATE) {
		name = raw_name(other);
		((struct weir_create *)bytes)->type = WEIR_TYPE_QUEUE;
	}
	if (command->number != WEIR_IOC_VERSION)
		memcpy(bytes, name, strlen(name));
	ret = raw_ioctl(fd, raw_resized(command->number, size), bytes);
	if (command->number == WEIR_IOC_CREATE && !ret && raw_destroy(name))
		abort();
	return ret;
}

TEST_F(hostile, pointers)
{
	const struct command *c;
	void *hole = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *readable = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for_each_command(c) {
		EXPECT_EQ(-EFAULT, raw_ioctl(self->control, c->number, NULL)) {
			TH_LOG("%s", c->name);
		}
		EXPECT_EQ(-EFAULT, raw_ioctl(self->control, c->number, hole));
		EXPECT_EQ(-EFAULT, raw_ioctl(self->control, c->number, (void *)-1L));
		EXPECT_EQ(-EFAULT, raw_ioctl(self->control, c->number, (void *)-4096L));
		EXPECT_EQ(-EFAULT, raw_ioctl(self->control, c->number, (void *)-(1L << 30)));
	}
	/* What is asked for cannot be written back. */
	EXPECT_EQ(-EFAULT, raw_ioctl(self->control, WEIR_IOC_VERSION, readable));
}

/* Only its size bytes are touched: behind them there is no memory. */
TEST_F(hostile, at_the_end_of_memory)
{
	const struct command *c;
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t size;
	int ret;

	ASSERT_EQ(0, mprotect(page + 4096, 4096, PROT_NONE));
	for_each_command(c) {
		memset(page, 0, 4096);
		ret = run(self->control, c, self->name, page + 4096 - c->size, c->size);
		/* The queue is open. */
		EXPECT_EQ(c->number == WEIR_IOC_DESTROY ? -EBUSY : 0, ret) {
			TH_LOG("%s", c->name);
		}
		EXPECT_EQ(-EFAULT, raw_ioctl(self->control, c->number, page + 4097 - c->size));
		/* A caller who knows less: taken, or refused as such. */
		for (size = 0; size < c->size; size++) {
			memset(page, 0, 4096);
			ret = raw_ioctl(self->control, raw_resized(c->number, size),
					page + 4096 - size);
			ASSERT_NE(-EFAULT, ret) {
				TH_LOG("%s size %zu", c->name, size);
			}
		}
	}
}

/* A caller who knows more, but uses nothing of it. */
TEST_F(hostile, larger_structures)
{
	const struct command *c;
	char bytes[16384];
	size_t size, at;
	int ret;

	for_each_command(c) {
		for (size = c->size + 1; size < sizeof(bytes); size += 1 + size / 3) {
			memset(bytes, 0, sizeof(bytes));
			ret = run(self->control, c, self->name, bytes, size);
			EXPECT_EQ(c->number == WEIR_IOC_DESTROY ? -EBUSY : 0, ret) {
				TH_LOG("%s size %zu", c->name, size);
			}
			for (at = c->size; at < size; at += 1 + (size - 1 - at) / 2) {
				memset(bytes, 0, sizeof(bytes));
				bytes[at] = 1;
				EXPECT_EQ(-E2BIG, run(self->control, c, self->name, bytes, size)) {
					TH_LOG("%s size %zu byte %zu", c->name, size, at);
				}
			}
		}
	}
}

TEST_F(hostile, unknown_flags)
{
	const struct command *c;
	char bytes[1024];
	__u32 flags;
	int bit;

	for_each_command(c) {
		for (bit = 0; c->flags && bit < 32; bit++) {
			flags = 1U << bit;
			if (flags & c->known)
				continue;
			memset(bytes, 0, sizeof(bytes));
			memcpy(bytes + c->flags, &flags, sizeof(flags));
			EXPECT_EQ(-EINVAL, run(self->control, c, self->name, bytes, c->size)) {
				TH_LOG("%s bit %d", c->name, bit);
			}
			flags |= c->known;
			memset(bytes, 0, sizeof(bytes));
			memcpy(bytes + c->flags, &flags, sizeof(flags));
			EXPECT_EQ(-EINVAL, run(self->control, c, self->name, bytes, c->size));
		}
	}
}

TEST_F(hostile, reserved_fields)
{
	const struct command *c;
	char bytes[1024];
	__u32 value;
	int bit;

	for_each_command(c) {
		for (bit = 0; c->reserved && bit < 32; bit++) {
			value = 1U << bit;
			memset(bytes, 0, sizeof(bytes));
			memcpy(bytes + c->reserved, &value, sizeof(value));
			EXPECT_EQ(-EINVAL, run(self->control, c, self->name, bytes, c->size)) {
				TH_LOG("%s bit %d", c->name, bit);
			}
		}
	}
}

/* Not a command of this kind of file. */
TEST_F(hostile, wrong_file)
{
	static const unsigned long of_queue[] = {
		WEIR_IOC_SEND, WEIR_IOC_FETCH, WEIR_IOC_SETTLE, WEIR_IOC_LAYOUT,
		WEIR_IOC_CANCEL,
	};
	static const unsigned long of_control[] = {
		WEIR_IOC_CREATE, WEIR_IOC_DESTROY, WEIR_IOC_PURGE,
	};
	char bytes[1024] = { 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(of_queue); i++) {
		EXPECT_EQ(-ENOTTY, raw_ioctl(self->control, of_queue[i], bytes)) {
			TH_LOG("%lx", of_queue[i]);
		}
	}
	for (i = 0; i < ARRAY_SIZE(of_control); i++) {
		raw_set_name((struct weir_create *)bytes, self->name);
		EXPECT_EQ(-ENOTTY, raw_ioctl(self->queue, of_control[i], bytes)) {
			TH_LOG("%lx", of_control[i]);
		}
	}
}

TEST_F(hostile, no_commands)
{
	char bytes[16384] = { 0 };
	int nr, fd, i;

	for (i = 0; i < 2; i++) {
		fd = i ? self->queue : self->control;
		for (nr = 0; nr < 256; nr++) {
			if (nr <= 0x05 || (nr >= 0x10 && nr <= 0x19))
				continue;
			EXPECT_EQ(-ENOTTY, raw_ioctl(fd, _IOWR(WEIR_IOC_TYPE, nr, __u64), bytes)) {
				TH_LOG("nr %x", nr);
			}
		}
		EXPECT_EQ(-ENOTTY, raw_ioctl(fd, _IOWR(WEIR_IOC_TYPE + 1, 0, struct weir_version),
					     bytes));
		EXPECT_EQ(-ENOTTY, raw_ioctl(fd, _IOW(WEIR_IOC_TYPE, 0, struct weir_version),
					     bytes));
		EXPECT_EQ(-ENOTTY, raw_ioctl(fd, 0, bytes));
		EXPECT_EQ(-ENOTTY, raw_ioctl(fd, ~0U, bytes));
		EXPECT_EQ(-ENOTTY, raw_ioctl(fd, 0x5401 /* TCGETS */, bytes));
	}
}

/* Control is no queue. */
TEST_F(hostile, control_has_no_bytes)
{
	char bytes[64] = { 0 };

	EXPECT_GT(0, raw_read(self->control, bytes, sizeof(bytes)));
	EXPECT_GT(0, raw_write(self->control, bytes, sizeof(bytes)));
	EXPECT_TRUE(mmap(NULL, 4096, PROT_READ, MAP_SHARED, self->control, 0) == MAP_FAILED);
}

TEST_HARNESS_MAIN
