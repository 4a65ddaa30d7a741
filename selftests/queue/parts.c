// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Readers that read in parts, killed whenever (I43). */
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

TEST_HARNESS_MAIN
