// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What only read(2) and write(2) can do: reads of a part, vectors, lengths of zero
 * and beyond. The rest is in whole.c, by each door.
 */
#include <limits.h>

#include "../fixture.h"

#define EXPECT_BYTES(string, bytes, length) do {				\
	EXPECT_EQ((long)strlen(string), (long)(length));			\
	EXPECT_EQ(0, memcmp(string, bytes, strlen(string)));			\
} while (0)

TEST_F(queue, short_reads)
{
	char bytes[64];
	int i;

	raw_write_string(self->writer, "hello, world");
	raw_write_string(self->writer, "next");
	EXPECT_BYTES("hello", bytes, raw_read(self->reader, bytes, 5));
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	EXPECT_EQ(0, raw_figure(self->name, "settled"));
	for (i = 5; i < 11; i++) {
		EXPECT_EQ(1, raw_read(self->reader, bytes, 1));
		EXPECT_EQ("hello, world"[i], bytes[0]);
	}
	EXPECT_EQ(0, raw_figure(self->name, "settled"));
	/* The last byte of one, and nothing of the next. */
	EXPECT_BYTES("d", bytes, raw_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_EQ(1, raw_figure(self->name, "settled"));
	EXPECT_EQ(0, raw_figure(self->name, "leased"));
	EXPECT_BYTES("next", bytes, raw_read(self->reader, bytes, sizeof(bytes)));
}

/* The rest belongs to the open file: others get the next message. */
TEST_F(queue, the_rest_is_nobody_elses)
{
	int other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	char bytes[64];

	raw_write_string(self->writer, "first");
	raw_write_string(self->writer, "second");
	EXPECT_BYTES("fi", bytes, raw_read(self->reader, bytes, 2));
	EXPECT_BYTES("second", bytes, raw_read(other, bytes, sizeof(bytes)));
	EXPECT_EQ(-EAGAIN, raw_read(other, bytes, sizeof(bytes)));
	EXPECT_BYTES("rst", bytes, raw_read(self->reader, bytes, sizeof(bytes)));
}

TEST_F(queue, nothing_to_write)
{
	struct iovec iov = { .iov_base = "", .iov_len = 0 };
	char byte;

	EXPECT_EQ(0, raw_write(self->writer, "", 0));
	EXPECT_EQ(0, raw_result(writev(self->writer, &iov, 1)));
	EXPECT_EQ(0, raw_result(writev(self->writer, &iov, 0)));
	EXPECT_EQ(0, raw_figure(self->name, "sent"));
	EXPECT_EQ(-EAGAIN, raw_read(self->reader, &byte, 1));
}

/* Reading nothing takes nothing and waits for nothing. */
TEST_F(queue, nothing_to_read)
{
	int waiting = raw_open(self->name, O_RDONLY);
	char bytes[8];

	EXPECT_EQ(0, raw_read(waiting, bytes, 0));
	raw_write_string(self->writer, "x");
	EXPECT_EQ(0, raw_read(waiting, bytes, 0));
	EXPECT_EQ(1, raw_figure(self->name, "depth"));
}

TEST_F(queue, vectors)
{
	struct iovec out[] = {
		{ "ab", 2 }, { "", 0 }, { "cdefg", 5 }, { NULL, 0 }, { "h", 1 },
	};
	char first[3], second[100];
	struct iovec in[] = { { first, 3 }, { second, 100 } };

	EXPECT_EQ(8, raw_result(writev(self->writer, out, ARRAY_SIZE(out))));
	EXPECT_EQ(1, raw_figure(self->name, "sent"));
	raw_write_string(self->writer, "xyz1");
	EXPECT_EQ(8, raw_result(readv(self->reader, in, 2)));
	EXPECT_EQ(0, memcmp("abc", first, 3));
	EXPECT_EQ(0, memcmp("defgh", second, 5));
	EXPECT_EQ(2, raw_result(readv(self->reader, &(struct iovec){ first, 2 }, 1)));
	EXPECT_EQ(2, raw_result(readv(self->reader, in, 2)));
	EXPECT_EQ(0, memcmp("z1", first, 2));
}

TEST_F(queue, longest_vector)
{
	static char bytes[IOV_MAX * 3], back[IOV_MAX * 3 + 1];
	struct iovec iov[IOV_MAX];
	size_t i;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = i * 7;
	for (i = 0; i < IOV_MAX; i++)
		iov[i] = (struct iovec){ bytes + 3 * i, 3 };
	EXPECT_EQ(sizeof(bytes), raw_result(writev(self->writer, iov, IOV_MAX)));
	EXPECT_EQ(sizeof(bytes), raw_read(self->reader, back, sizeof(back)));
	EXPECT_EQ(0, memcmp(bytes, back, sizeof(bytes)));
}

TEST_F(queue, too_large_a_vector)
{
	char *bytes = calloc(1, WEIR_MESSAGE_MAX);
	struct iovec iov[2] = { { bytes, WEIR_MESSAGE_MAX }, { bytes, 1 } };

	EXPECT_EQ(-EMSGSIZE, raw_result(writev(self->writer, iov, 2)));
	EXPECT_EQ(0, raw_figure(self->name, "sent"));
}

/* Lengths at which sums overflow (I8). */
TEST_F(queue, absurd_lengths)
{
	static const size_t lengths[] = {
		1UL << 31, (1UL << 31) - 1, -1UL, -63UL, -64UL, -4096UL, ~0UL >> 1, UINT_MAX,
		UINT_MAX - 63, (size_t)(1ULL << 32), (size_t)((1ULL << 32) + 1),
	};
	char *bytes = mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;
	long ret;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		/* Cut by a 32-bit size_t. */
		if (lengths[i] <= WEIR_MESSAGE_MAX)
			continue;
		ret = raw_write(self->writer, bytes, lengths[i]);
		EXPECT_GT(0, ret) {
			TH_LOG("length %zx: %ld", lengths[i], ret);
		}
	}
	EXPECT_EQ(0, raw_figure(self->name, "sent"));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
	/* A huge buffer is fine for reading a small message. */
	raw_write_string(self->writer, "x");
	bytes = malloc(64);
	EXPECT_EQ(1, raw_read(self->reader, bytes, INT_MAX));
}

/* What cannot be written to its reader stays in the queue, whole or as the rest. */
TEST_F(queue, read_to_nowhere)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char bytes[10000], back[10000];
	long first, second;
	size_t i;

	mprotect(page + 4096, 4096, PROT_NONE);
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = i % 251;
	ASSERT_EQ(10000, raw_write(self->writer, bytes, 10000));
	EXPECT_EQ(-EFAULT, raw_read(self->reader, NULL, 10000));
	EXPECT_EQ(-EFAULT, raw_read(self->reader, page + 4096, 10000));
	EXPECT_EQ(0, raw_figure(self->name, "settled"));
	first = raw_read(self->reader, page + 2096, 10000);
	/* As everywhere: what was copied, or nothing at all. */
	if (first < 0) {
		EXPECT_EQ(-EFAULT, first);
		first = 0;
	}
	EXPECT_GE(2000, first);
	EXPECT_EQ(0, memcmp(bytes, page + 2096, first));
	second = raw_read(self->reader, back, sizeof(back));
	EXPECT_EQ(10000, first + second);
	EXPECT_EQ(0, memcmp(bytes + first, back, second));
	EXPECT_EQ(1, raw_figure(self->name, "settled"));
}

/* A small one, to somebody who has read before: that is taken and copied in one go (I11). */
TEST_F(queue, small_read_to_nowhere)
{
	char *page = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *const nowhere[] = { NULL, page + 4096, page + 4092 };
	char bytes[64];
	long got, rest;
	size_t i;

	mprotect(page + 4096, 4096, PROT_NONE);
	raw_write_string(self->writer, "first");
	EXPECT_BYTES("first", bytes, raw_read(self->reader, bytes, sizeof(bytes)));
	for (i = 0; i < sizeof(nowhere) / sizeof(*nowhere); i++) {
		raw_write_string(self->writer, "0123456789");
		got = raw_read(self->reader, nowhere[i], sizeof(bytes));
		EXPECT_EQ(i + 1, raw_figure(self->name, "settled"));
		if (got < 0) {
			EXPECT_EQ(-EFAULT, got);
			got = 0;
		}
		EXPECT_GE(i < 2 ? 0 : 4, got);
		rest = raw_read(self->reader, bytes, sizeof(bytes));
		EXPECT_EQ(10, got + rest);
		EXPECT_EQ(0, memcmp("0123456789" + got, bytes, rest));
		EXPECT_EQ(i + 2, raw_figure(self->name, "settled"));
	}
	/* A page that is only made when it is written to is as good as any. */
	raw_write_string(self->writer, "late");
	EXPECT_BYTES("late", page + 8192, raw_read(self->reader, page + 8192, sizeof(bytes)));
}

TEST_F(queue, no_position)
{
	char byte = 0;

	EXPECT_EQ(-ESPIPE, raw_result(lseek(self->reader, 0, SEEK_SET)));
	EXPECT_EQ(-ESPIPE, raw_result(pread(self->reader, &byte, 1, 0)));
	EXPECT_EQ(-ESPIPE, raw_result(pwrite(self->writer, &byte, 1, 0)));
	EXPECT_EQ(0, raw_figure(self->name, "sent"));
}

/* Two copies of a descriptor are one open file. */
TEST_F(queue, duplicated)
{
	int copy = dup(self->reader);
	char bytes[16];

	raw_write_string(self->writer, "abcdef");
	EXPECT_BYTES("abc", bytes, raw_read(self->reader, bytes, 3));
	close(self->reader);
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	EXPECT_BYTES("def", bytes, raw_read(copy, bytes, sizeof(bytes)));
}

TEST_HARNESS_MAIN
