// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What may be the name of an object, in each command that takes one, and that
 * all objects share one name space.
 */
#include "../fixture.h"

FIXTURE(names) {
	char name[WEIR_NAME_SIZE];
};

FIXTURE_SETUP(names)
{
	raw_name(self->name);
}

FIXTURE_TEARDOWN_PARENT(names)
{
	raw_destroy_force(self->name);
}

/* The commands with a name, each as harmless as it can be. */
static int command_with(unsigned long command, const char name[WEIR_NAME_SIZE])
{
	union {
		struct weir_create create;
		struct weir_destroy destroy;
		struct weir_purge purge;
		struct weir_info info;
	} any;

	memset(&any, 0, sizeof(any));
	memcpy(any.create.name, name, WEIR_NAME_SIZE);
	if (command == WEIR_IOC_CREATE)
		any.create.type = WEIR_TYPE_QUEUE;
	return raw_control(command, &any);
}

static const unsigned long commands[] = {
	WEIR_IOC_CREATE, WEIR_IOC_DESTROY, WEIR_IOC_PURGE, WEIR_IOC_INFO,
};

static int create_bytes(const char *bytes, size_t length)
{
	char name[WEIR_NAME_SIZE] = { 0 };
	int ret;

	memcpy(name, bytes, length);
	ret = command_with(WEIR_IOC_CREATE, name);
	if (!ret)
		ret = command_with(WEIR_IOC_DESTROY, name);
	return ret;
}

static bool inner_character(int c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

TEST_F(names, every_character)
{
	char bytes[3] = "..";
	int c;

	for (c = 1; c < 256; c++) {
		bytes[0] = c;
		bytes[1] = 'x';
		EXPECT_EQ(inner_character(c) && c != '.' && c != '-' ? 0 : -EINVAL,
			  create_bytes(bytes, 2)) {
			TH_LOG("character %d first", c);
		}
		bytes[0] = 'x';
		bytes[1] = c;
		EXPECT_EQ(inner_character(c) ? 0 : -EINVAL, create_bytes(bytes, 2)) {
			TH_LOG("character %d second", c);
		}
	}
}

TEST_F(names, bad_in_each_command)
{
	static const char * const bad[] = {
		"", ".", "..", "-", "-x", ".x", "/", "a/b", "../control", "a b", " a", "a ",
		"a\n", "a\tb", "caf\303\251", "a%sb\\", "a*",
	};
	char name[WEIR_NAME_SIZE];
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		for (j = 0; j < ARRAY_SIZE(bad); j++) {
			memset(name, 0, sizeof(name));
			strcpy(name, bad[j]);
			EXPECT_EQ(-EINVAL, command_with(commands[i], name)) {
				TH_LOG("command %lx, name '%s'", commands[i], bad[j]);
			}
		}
	}
}

TEST_F(names, lengths_in_each_command)
{
	char name[WEIR_NAME_SIZE];
	size_t i, length;
	int ret;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		/* 256 is the array without a NUL: it must not be read past. */
		for (length = 248; length <= 256; length++) {
			memset(name, 0, sizeof(name));
			memset(name, 'n', length);
			ret = command_with(commands[i], name);
			if (length <= 249) {
				EXPECT_EQ(commands[i] == WEIR_IOC_CREATE ? 0 : -ENOENT, ret);
				if (!ret)
					command_with(WEIR_IOC_DESTROY, name);
			} else {
				EXPECT_EQ(length < 256 ? -ENAMETOOLONG : -EINVAL, ret) {
					TH_LOG("command %lx, length %zu", commands[i], length);
				}
			}
		}
	}
}

TEST_F(names, longest_is_usable)
{
	char name[WEIR_NAME_SIZE] = { 0 }, text[32];
	int fd;

	memset(name, 'L', 249);
	ASSERT_EQ(0, raw_create(name));
	fd = raw_open(name, O_RDWR);
	EXPECT_LE(0, fd);
	close(fd);
	EXPECT_LT(0, raw_sysfs(name, "type", text, sizeof(text)));
	EXPECT_STREQ("queue", text);
	EXPECT_EQ(0, raw_destroy(name));
}

/* One may have an object of any valid name, also where other things have theirs. */
TEST_F(names, words_of_our_own)
{
	static const char * const words[] = {
		"control", "queue", "topic", "weir", "power", "uevent", "subsystem", "0", "_",
		"a.b", "a-b", "null", "device",
	};
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		ASSERT_EQ(0, raw_create(words[i])) {
			TH_LOG("%s", words[i]);
		}
		fd = raw_open(words[i], O_RDWR);
		EXPECT_LE(0, fd);
		close(fd);
		EXPECT_EQ(65536, raw_figure(words[i], "max_messages")) {
			TH_LOG("%s", words[i]);
		}
		EXPECT_EQ(0, raw_destroy(words[i]));
	}
}

TEST_F(names, exists)
{
	ASSERT_EQ(0, raw_create(self->name));
	EXPECT_EQ(-EEXIST, raw_create(self->name));
	EXPECT_EQ(-EEXIST, raw_create_sized(self->name, 1, 4096));
	EXPECT_EQ(WEIR_DEFAULT_MESSAGES, raw_figure(self->name, "max_messages"));
}

TEST_F(names, unknown)
{
	struct weir_info info;

	EXPECT_EQ(-ENOENT, raw_destroy(self->name));
	EXPECT_EQ(-ENOENT, raw_destroy_force(self->name));
	EXPECT_EQ(-ENOENT, raw_purge(self->name));
	EXPECT_EQ(-ENOENT, raw_info(self->name, &info));
	EXPECT_EQ(-ENOENT, raw_open(self->name, O_RDWR));
}

/* Case counts, and a prefix is another name. */
TEST_F(names, distinct)
{
	struct weir_info info;
	char longer[WEIR_NAME_SIZE + 8];

	ASSERT_EQ(0, raw_create(self->name));
	snprintf(longer, sizeof(longer), "%sx", self->name);
	EXPECT_EQ(-ENOENT, raw_info(longer, &info));
	self->name[0] = 'T';
	EXPECT_EQ(-ENOENT, raw_info(self->name, &info));
	self->name[0] = 't';
	EXPECT_EQ(0, raw_info(self->name, &info));
}

TEST_F(names, reused_at_once)
{
	int i, rounds = raw_rounds(200);

	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, raw_create(self->name));
		ASSERT_EQ(0, raw_destroy(self->name));
	}
}

TEST_HARNESS_MAIN
