// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A message is sent whole or not at all, comes out as it went in, once, and goes
 * back when it was not settled. What only read(2) and write(2) can do is in bytes.c.
 */
#define QUEUE_DOORS
#include "../fixture.h"

#define EXPECT_BYTES(string, bytes, length) do {				\
	EXPECT_EQ((long)strlen(string), (long)(length));			\
	EXPECT_EQ(0, memcmp(string, bytes, strlen(string)));			\
} while (0)

TEST_F(queue, first_in_first_out)
{
	char bytes[32];
	int i, length;

	for (i = 0; i < 1000; i++) {
		length = snprintf(bytes, sizeof(bytes), "message %d", i);
		ASSERT_EQ(length, door_write(self->writer, bytes, length));
	}
	for (i = 0; i < 1000; i++) {
		ASSERT_LT(0, length = door_read(self->reader, bytes, sizeof(bytes) - 1));
		bytes[length] = '\0';
		ASSERT_EQ(i, atoi(bytes + 8));
	}
	EXPECT_EQ(-EAGAIN, door_read(self->reader, bytes, sizeof(bytes)));
}

/* One message a read, though there is room for more. */
TEST_F(queue, boundaries_are_kept)
{
	char bytes[64];

	door_write_string(self->writer, "one");
	door_write_string(self->writer, "three");
	EXPECT_BYTES("one", bytes, door_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_BYTES("three", bytes, door_read(self->reader, bytes, sizeof(bytes)));
}

/* A read touches nothing behind what it returns. */
TEST_F(queue, no_byte_more)
{
	char bytes[64];
	size_t i;

	memset(bytes, 0x5a, sizeof(bytes));
	door_write_string(self->writer, "abc");
	EXPECT_EQ(3, door_read(self->reader, bytes, sizeof(bytes)));
	for (i = 3; i < sizeof(bytes); i++)
		ASSERT_EQ(0x5a, bytes[i]);
}

/* What one has is not another's: others get the next message. */
TEST_F(queue, held_is_nobody_elses)
{
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	struct weir_run run;
	char bytes[64];

	door_write_string(self->writer, "first");
	door_write_string(self->writer, "second");
	ASSERT_EQ(0, door_hold(self->reader, &run));
	EXPECT_BYTES("second", bytes, door_read(other, bytes, sizeof(bytes)));
	EXPECT_EQ(-EAGAIN, door_read(other, bytes, sizeof(bytes)));
	EXPECT_EQ(0, door_settle(self->reader, &run));
	EXPECT_EQ(2, raw_figure(self->name, "settled"));
}

/* Closed before it was settled: whole again, and before all that was never out (I42). */
TEST_F(queue, close_puts_back)
{
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	struct weir_run runs[2];
	char bytes[64];

	door_write_string(self->writer, "first");
	door_write_string(self->writer, "second");
	door_write_string(self->writer, "third");
	EXPECT_EQ(0, door_hold(self->reader, &runs[0]));
	EXPECT_EQ(0, door_hold(other, &runs[1]));
	close(other);
	close(self->reader);
	self->reader = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	EXPECT_BYTES("first", bytes, door_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_BYTES("second", bytes, door_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_BYTES("third", bytes, door_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_EQ(2, raw_figure(self->name, "redelivered"));
}

TEST_F(queue, too_large)
{
	char *bytes = calloc(1, WEIR_MESSAGE_MAX + 1);

	EXPECT_EQ(-EMSGSIZE, door_write(self->writer, bytes, WEIR_MESSAGE_MAX + 1));
	ASSERT_EQ(0, queue_remake(self, 0, 65536));
	EXPECT_EQ(-EMSGSIZE, door_write(self->writer, bytes, 16385));
	EXPECT_EQ(16384, door_write(self->writer, bytes, 16384));
	ASSERT_EQ(16384, door_read(self->reader, bytes, 65536));
	/* Refused at once also by a queue that is full, and never waited for. */
	while (door_write(self->writer, bytes, 1024) == 1024)
		;
	EXPECT_EQ(-EMSGSIZE, door_write(self->writer, bytes, 16385));
	EXPECT_EQ(-EMSGSIZE, door_write(raw_open(self->name, O_WRONLY), bytes, 16385));
	EXPECT_EQ(64, raw_figure(self->name, "depth"));
}

/* A write that cannot be read to its end sends nothing and keeps no room. */
TEST_F(queue, write_from_nowhere)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct weir_info info;
	char bytes[8192];

	mprotect(page + 4096, 4096, PROT_NONE);
	EXPECT_EQ(-EFAULT, door_write(self->writer, NULL, 100));
	EXPECT_EQ(-EFAULT, door_write(self->writer, page + 4096, 1));
	EXPECT_EQ(-EFAULT, door_write(self->writer, page, 4097));
	EXPECT_EQ(-EFAULT, door_write(self->writer, page + 4095, 2));
	EXPECT_EQ(-EFAULT, door_write(self->writer, page, 1 << 20));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(0, info.sent);
	EXPECT_EQ(0, info.depth);
	EXPECT_EQ(0, info.bytes);
	memset(page, 'p', 4096);
	EXPECT_EQ(4096, door_write(self->writer, page, 4096));
	EXPECT_EQ(4096, door_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_EQ('p', bytes[4095]);
}

/* Two copies of a descriptor are one open file. */
TEST_F(queue, duplicated)
{
	int copy = dup(self->reader);
	struct weir_run run;

	door_write_string(self->writer, "abcdef");
	ASSERT_EQ(0, door_hold(self->reader, &run));
	close(self->reader);
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	EXPECT_EQ(0, door_settle(copy, &run));
	EXPECT_EQ(1, raw_figure(self->name, "settled"));
}

/* Another descriptor in the same process is another open file. */
TEST_F(queue, read_and_written_by_one)
{
	int both = raw_open(self->name, O_RDWR | O_NONBLOCK);
	char bytes[16];

	EXPECT_EQ(3, door_write_string(both, "abc"));
	EXPECT_BYTES("abc", bytes, door_read(both, bytes, sizeof(bytes)));
	EXPECT_EQ(-EAGAIN, door_read(both, bytes, sizeof(bytes)));
}

/* Offsets are dense: what fails takes none (I45). */
TEST_F(queue, offsets_are_dense)
{
	int i;

	for (i = 0; i < 10; i++) {
		EXPECT_EQ(i, raw_figure(self->name, "sent"));
		EXPECT_EQ(-EFAULT, door_write(self->writer, NULL, 10));
		EXPECT_EQ(1, door_write(self->writer, "x", 1));
	}
}

TEST_HARNESS_MAIN
