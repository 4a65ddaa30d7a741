// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Reads of parts by several, through one open file; and readers that read in parts,
 * killed whenever (I43).
 */
#include "../body.h"
#include "../fixture.h"

/* A message that was read to its end and logged is never seen again; each is seen. */
#define READERS		3
#define MESSAGES	1500

struct reader_log {
	uint8_t done[MESSAGES];		/* times read to its end */
};

static void read_for_ever(FIXTURE_DATA(queue) *self, struct reader_log *log)
{
	int fd = raw_open(self->name, O_RDONLY);
	char bytes[512];
	const struct body *body = (void *)bytes;
	long length, part;

	for (;;) {
		length = 0;
		do {
			part = raw_read(fd, bytes + length, length ? 100 : BODY_MIN);
			if (part <= 0)
				_exit(1);
			length += part;
		} while (length < body->length);
		if (!body_whole(bytes, length))
			_exit(2);
		__atomic_add_fetch(&log->done[body->seq], 1, __ATOMIC_SEQ_CST);
	}
}

TEST_F(queue, readers_at_random)
{
	struct reader_log *log = proc_shared(sizeof(*log));
	pid_t children[READERS] = { 0 };
	char bytes[512];
	int i, kills = 0, unknown = 0;

	for (i = 0; i < MESSAGES; i++) {
		body_make(bytes, 64 + i % 400, 0, i);
		ASSERT_EQ(64 + i % 400, raw_write(self->writer, bytes, 64 + i % 400));
	}
	srandom(3);
	while (raw_figure(self->name, "settled") < MESSAGES) {
		i = random() % READERS;
		if (children[i]) {
			ASSERT_EQ(128 + SIGKILL, proc_kill(children[i]));
			kills++;
		}
		children[i] = proc_fork();
		if (!children[i])
			read_for_ever(self, log);
		wait_until(random() % 3 == 0);
	}
	for (i = 0; i < READERS; i++)
		if (children[i])
			proc_kill(children[i]);
	for (i = 0; i < MESSAGES; i++) {
		EXPECT_GE(1, log->done[i]);
		unknown += !log->done[i];
	}
	/* Settled by one that was killed before it could log it. */
	EXPECT_GE(kills + READERS, unknown);
	EXPECT_EQ(0, raw_figure(self->name, "leased"));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

TEST_F(queue, inherited)
{
	char bytes[16];
	pid_t child;

	raw_write_string(self->writer, "abcdef");
	ASSERT_EQ(2, raw_read(self->reader, bytes, 2));
	child = proc_fork();
	if (!child) {
		/* The rest of what the parent began. */
		if (raw_read(self->reader, bytes, 2) != 2 || memcmp("cd", bytes, 2))
			_exit(1);
		_exit(raw_write_string(self->writer, "next") != 4);
	}
	EXPECT_EQ(0, proc_wait(child));
	/* The child had it last and has ended: it went back whole. */
	wait_until(raw_figure(self->name, "leased") == 0);
	EXPECT_EQ(6, raw_read(self->reader, bytes, sizeof(bytes)));
	EXPECT_EQ(0, memcmp("abcdef", bytes, 6));
	EXPECT_EQ(4, raw_read(self->reader, bytes, sizeof(bytes)));
}

/* Several processes read in parts through one open file: no byte is lost or doubled. */
TEST_F(queue, read_in_parts_by_several)
{
	unsigned int *bytes_read = proc_shared(sizeof(*bytes_read));
	pid_t children[4];
	char bytes[64];
	size_t i;
	int n;

	memset(bytes, 'x', sizeof(bytes));
	for (i = 0; i < 200; i++)
		ASSERT_EQ(40, raw_write(self->writer, bytes, 40));
	for (i = 0; i < ARRAY_SIZE(children); i++) {
		children[i] = proc_fork();
		if (children[i])
			continue;
		while ((n = raw_read(self->reader, bytes, 7)) > 0)
			__atomic_add_fetch(bytes_read, n, __ATOMIC_SEQ_CST);
		_exit(n != -EAGAIN);
	}
	for (i = 0; i < ARRAY_SIZE(children); i++)
		EXPECT_EQ(0, proc_wait(children[i]));
	/*
	 * A message of which two had a part at once, or whose holder ended, began
	 * anew; then its first bytes were read twice.
	 */
	wait_until(raw_figure(self->name, "leased") == 0);
	while ((n = raw_read(self->reader, bytes, sizeof(bytes))) > 0)
		*bytes_read += n;
	EXPECT_LE(200 * 40, *bytes_read);
	EXPECT_EQ(200, raw_figure(self->name, "settled"));
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

TEST_HARNESS_MAIN
