// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What is dead is in the dead letter queue, whole, once, and with what became of it,
 * wherever that queue is, and as soon as it has room.
 */
#include <sys/stat.h>

#include "dead.h"

struct headers {
	struct weir_header first;
	char first_bytes[8];
	struct weir_header second;
	char second_bytes[16];
};

static const struct headers headers = {
	{ .name_len = 4, .value_len = 2 }, "samexy",
	{ .name_len = 4, .value_len = 7 }, "same\0\1\2\3\4\5\6",
};

/* As somebody else: sends a message with all that it may have, or holds one to the end. */
static pid_t somebody(FIXTURE_DATA(dead) *self, bool sends)
{
	static char payload[777];
	struct weir_message message = {
		.data = raw_address(payload), .len = sizeof(payload),
		.key = raw_address("a key"), .key_len = 5,
		.headers = raw_address(&headers), .headers_len = sizeof(headers),
	};
	struct weir_send send = { .messages = raw_address(&message), .count = 1 };
	char path[WEIR_NAME_SIZE + 32];
	pid_t child;

	if (chmod(raw_path(path, self->name), 0666))
		return -errno;
	child = proc_fork();
	if (child)
		return child;
	memset(payload, 'p', sizeof(payload));
	if (proc_become(sends ? 1234 : 4321, sends ? 2345 : 5432))
		_exit(1);
	if (sends)
		_exit(door_command(raw_open(self->name, O_WRONLY), WEIR_IOC_SEND, &send) != 1);
	_exit(lease_take(raw_open(self->name, O_RDONLY), 1, 0).count != 1);
}

TEST_F(dead, whole)
{
	static struct letter before;
	static const char *const names[] = {
		"weir-dead-reason", "weir-dead-queue", "weir-dead-offset",
		"weir-dead-deliveries", "weir-dead-sent", "weir-dead-uid", "weir-dead-pid",
	};
	struct weir_run run;
	pid_t sender, holder;
	int at, i;

	lease_fill(self->writer, 5);
	ASSERT_EQ(5, raw_purge(self->name));
	sender = somebody(self, true);
	ASSERT_EQ(0, proc_wait(sender));
	ASSERT_EQ(1, letter_fetch(self->reader, &before, 0, &run));
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_RELEASE, 0));
	ASSERT_EQ(0, come_back(self->name, self->reader, RELEASED));
	holder = somebody(self, false);
	ASSERT_EQ(0, proc_wait(holder));
	wait_figure(self->heir, "depth", 1);

	ASSERT_EQ(1, letter_take(self->letters, &letter));
	EXPECT_EQ(0, letter.desc.offset);
	EXPECT_EQ(1, letter.desc.deliveries);
	EXPECT_EQ(1234, letter.desc.uid);
	EXPECT_EQ(2345, letter.desc.gid);
	EXPECT_EQ(sender, letter.desc.pid);
	EXPECT_LE(before.desc.stamp_ns, letter.desc.stamp_ns);
	EXPECT_LE(letter.desc.stamp_ns, letter.desc.first_ns);
	ASSERT_EQ(before.desc.len, letter.desc.len);
	ASSERT_EQ(5, letter.desc.key_len);
	/* What it had stands as it did, zeros between included. */
	EXPECT_EQ(0, memcmp(before.bytes, letter.bytes,
			    letter_headers(&before) + sizeof(headers) - before.bytes));
	EXPECT_EQ(0, memcmp(letter_headers(&letter), &headers, sizeof(headers)));

	for (i = 0; i < 7; i++) {
		ASSERT_TRUE(!!letter_header_nr(&letter, names[i], 0, &at));
		EXPECT_EQ(2 + i, at);
		EXPECT_TRUE(!letter_header_nr(&letter, names[i], 1, &at));
	}
	/* There is nothing else. */
	EXPECT_EQ(9, at);
	EXPECT_STREQ("deliveries", letter_header(&letter, "weir-dead-reason"));
	EXPECT_STREQ(self->name, letter_header(&letter, "weir-dead-queue"));
	EXPECT_EQ(5, letter_number(&letter, "weir-dead-offset"));
	EXPECT_EQ(3, letter_number(&letter, "weir-dead-deliveries"));
	EXPECT_EQ(before.desc.stamp_ns, letter_number(&letter, "weir-dead-sent"));
	EXPECT_EQ(4321, letter_number(&letter, "weir-dead-uid"));
	EXPECT_EQ(holder, letter_number(&letter, "weir-dead-pid"));
}

/* Of any size: what is behind the payload has its place, and zeros before it. */
TEST_F(dead, of_any_size)
{
	static char bytes[9000];
	size_t size;

	memset(bytes, 'b', sizeof(bytes));
	for (size = 0; size < sizeof(bytes); size += size < 130 ? 1 : 997) {
		struct weir_run run;
		size_t i;

		ASSERT_EQ(1, raw_send(self->writer, bytes, size, 0));
		run = lease_take(self->reader, 1, 0);
		ASSERT_EQ(0, policy_term(self->reader, run, NULL, 0));
		wait_figure(self->heir, "depth", 1);
		ASSERT_EQ(1, letter_take(self->letters, &letter));
		ASSERT_EQ(size, letter.desc.len);
		ASSERT_EQ(0, memcmp(bytes, letter.bytes, size));
		for (i = size; letter.bytes + i < letter_headers(&letter); i++)
			ASSERT_EQ(0, letter.bytes[i]);
		ASSERT_STREQ("term", letter_header(&letter, "weir-dead-reason"));
		ASSERT_EQ(getpid(), (int)letter_number(&letter, "weir-dead-pid"));
		ASSERT_EQ(getuid(), (uid_t)letter_number(&letter, "weir-dead-uid"));
	}
}

/* A message is in one of the two at any moment: in neither never, nor in both. */
TEST_F(dead, atomic)
{
	const int rounds = raw_rounds(3000);
	struct weir_info before, info, after;
	pid_t child = proc_fork();

	if (!child) {
		struct weir_run run;
		int i;

		for (i = 0; i < rounds; i++) {
			lease_fill(self->writer, 1);
			run = lease_take(self->reader, 1, 0);
			if (policy_term(self->reader, run, NULL, 0))
				_exit(1);
			if (i % 3)
				continue;
			while (letter_take(self->letters, &letter) == 1)
				;
		}
		_exit(0);
	}
	do {
		ASSERT_EQ(0, raw_info(self->heir, &before));
		ASSERT_EQ(0, raw_info(self->name, &info));
		ASSERT_EQ(0, raw_info(self->heir, &after));
		ASSERT_ADDS_UP(&before);
		ASSERT_ADDS_UP(&info);
		ASSERT_LE(before.sent, info.dead);
		ASSERT_LE(info.dead, after.sent);
	} while (info.dead < (__u64)rounds);
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(rounds, raw_figure(self->heir, "sent"));
}

/* They wait for room, and take it in turn. */
TEST_F(dead, heir_is_full)
{
	struct weir_run run;
	int i;

	ASSERT_EQ(0, policy_alter(self->heir, (struct weir_policy){ .max_messages = 4 }));
	lease_fill(self->writer, 20);
	run = lease_take(self->reader, 20, 0);
	ASSERT_EQ(20, run.count);
	ASSERT_EQ(0, policy_term(self->reader, run, "full", 4));
	wait_figure(self->heir, "depth", 4);
	EXPECT_EQ(16, raw_figure(self->name, "dying"));
	EXPECT_EQ(4, raw_figure(self->name, "dead"));
	EXPECT_EQ(16 * 64, raw_figure(self->name, "bytes"));
	/* They are not ready, and nobody's. */
	EXPECT_EQ(0, raw_purge(self->name));
	EXPECT_EQ(-EBUSY, raw_destroy(self->name));
	for (i = 0; i < 20; i++) {
		wait_until(letter_take(self->letters, &letter) == 1);
		ASSERT_EQ(i, (int)letter_number(&letter, "weir-dead-offset"));
		ASSERT_STREQ("full", letter_header(&letter, "weir-dead-text"));
	}
	wait_figure(self->name, "dead", 20);
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

/* Without an heir they are kept, until ALTER names another, or says that there is none. */
TEST_F(dead, heir_is_destroyed)
{
	struct weir_info info;
	struct weir_run run;
	int i, j;

	for (i = 0; i < 2; i++) {
		lease_fill(self->writer, 10);
		run = lease_take(self->reader, 10, 0);
		close(self->letters);
		close(self->target);
		ASSERT_EQ(0, raw_destroy_force(self->heir));
		ASSERT_EQ(0, policy_term(self->reader, lease_first(run, 3), "a", 1));
		ASSERT_EQ(0, policy_term(self->reader, lease_rest(run, 3), "b", 1));
		EXPECT_EQ(10, raw_figure(self->name, "dying"));
		ASSERT_EQ(0, raw_info(self->name, &info));
		EXPECT_STREQ(WEIR_GONE, info.dead_letter);
		ASSERT_EQ(0, raw_create(self->heir));
		self->target = raw_open(self->heir, O_WRONLY | O_NONBLOCK);
		self->letters = raw_open(self->heir, O_RDONLY | O_NONBLOCK);
		/* That of the same name is another. */
		EXPECT_EQ(10, raw_figure(self->name, "dying"));
		ASSERT_EQ(0, raw_info(self->name, &info));
		EXPECT_STREQ(WEIR_GONE, info.dead_letter);
		ASSERT_EQ(0, policy_alter(self->name, policy_dead(self->target, 0)));
		wait_figure(self->heir, "depth", 10);
		EXPECT_EQ(0, raw_figure(self->name, "dying"));
		for (j = 0; j < 10; j++) {
			ASSERT_EQ(1, letter_take(self->letters, &letter));
			ASSERT_STREQ(j < 3 ? "a" : "b", letter_header(&letter, "weir-dead-text"));
		}
	}
	/* Or there is to be none. */
	lease_fill(self->writer, 2);
	run = lease_take(self->reader, 2, 0);
	ASSERT_EQ(0, raw_destroy_force(self->heir));
	ASSERT_EQ(0, policy_term(self->reader, run, "c", 1));
	EXPECT_EQ(2, raw_figure(self->name, "dying"));
	ASSERT_EQ(0, policy_alter(self->name, (struct weir_policy){ 0 }));
	wait_figure(self->name, "dead", 22);
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

/* ALTER waits for the message that is being moved, and not for all of them. */
TEST_F(dead, heir_changes_meanwhile)
{
	enum { ROW = 64 };
	const int count = raw_rounds(320) * ROW;
	char other[WEIR_NAME_SIZE];
	struct weir_run run;
	int fd, left, i;

	raw_name(other);
	ASSERT_EQ(0, raw_create(other));
	fd = raw_open(other, O_WRONLY);
	/* They are kept until there is an heir. */
	close(self->letters);
	close(self->target);
	ASSERT_EQ(0, raw_destroy_force(self->heir));
	for (i = 0; i < count; i += ROW) {
		lease_fill(self->writer, ROW);
		run = lease_take(self->reader, ROW, 0);
		ASSERT_EQ(0, policy_term(self->reader, run, NULL, 0));
	}
	ASSERT_EQ(count, raw_figure(self->name, "dying"));
	ASSERT_EQ(0, raw_create(self->heir));
	self->target = raw_open(self->heir, O_WRONLY);
	ASSERT_EQ(0, policy_alter(self->name, policy_dead(self->target, 0)));
	wait_until(raw_figure(self->heir, "sent") > 0);
	ASSERT_EQ(0, policy_alter(self->name, policy_dead(fd, 0)));
	left = raw_figure(self->name, "dying");
	EXPECT_LT(0, left);
	/* It goes on, and none is lost. */
	wait_figure(self->name, "dead", count);
	EXPECT_EQ(count, raw_figure(self->heir, "sent") + raw_figure(other, "sent"));
	EXPECT_LE(left, raw_figure(other, "sent"));
	EXPECT_EQ(0, raw_destroy_force(other));
}

/* What dies by a new policy is for the dead letter queue that came with it. */
TEST_F(dead, comes_with_its_heir)
{
	const struct weir_policy none = { .max_messages = 64 };
	pid_t child = proc_fork();
	int round;

	if (!child) {
		for (;;) {
			struct weir_run run = lease_take(self->reader, 1, LEASE_LONG);

			if (run.count)
				lease_end(self->reader, run, WEIR_RELEASE, 0);
			else
				lease_fill(self->writer, 1);
		}
	}
	for (round = 0; round < raw_rounds(400); round++) {
		/* What is dying when there is no heir any more is thrown away. */
		kill(child, SIGSTOP);
		wait_until(proc_state(child) == 'T');
		wait_figure(self->name, "dying", 0);
		ASSERT_EQ(raw_figure(self->name, "dead"), raw_figure(self->heir, "sent"));
		ASSERT_EQ(0, policy_alter(self->name, none));
		kill(child, SIGCONT);
		ASSERT_EQ(0, policy_alter(self->name, policy_dead(self->target, 1)));
	}
	/* Perhaps none has died yet. */
	wait_until(raw_figure(self->name, "dead") > 0);
	proc_kill(child);
}

/* Who waits for dead letters is told of them, too. */
TEST_F(dead, wakes)
{
	struct pollfd pollfd = { .fd = self->letters, .events = POLLIN };
	struct weir_run run;
	pid_t child;

	lease_fill(self->writer, 1);
	run = lease_take(self->reader, 1, 0);
	child = proc_fork();
	if (!child)
		_exit(raw_read(raw_open(self->heir, O_RDONLY), letter.bytes, 1) != 1);
	wait_waiters(self->heir, 1);
	ASSERT_EQ(0, policy_term(self->reader, run, "wake", 4));
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(1, poll(&pollfd, 1, -1));
}

/* A dead letter queue counts as open. */
TEST_F(dead, heir_is_busy)
{
	close(self->letters);
	close(self->target);
	EXPECT_EQ(-EBUSY, raw_destroy(self->heir));
	ASSERT_EQ(0, policy_alter(self->name, (struct weir_policy){ 0 }));
	EXPECT_EQ(0, raw_destroy(self->heir));

	ASSERT_EQ(0, raw_create(self->heir));
	self->target = raw_open(self->heir, O_WRONLY);
	ASSERT_EQ(0, policy_alter(self->name, policy_dead(self->target, 0)));
	/* Named again, it counts once. */
	ASSERT_EQ(0, policy_alter(self->name, policy_dead(self->target, 1)));
	close(self->target);
	EXPECT_EQ(-EBUSY, raw_destroy(self->heir));
	close(self->writer);
	close(self->reader);
	ASSERT_EQ(0, raw_destroy(self->name));
	EXPECT_EQ(0, raw_destroy(self->heir));
}

TEST_F(dead, told_by_info)
{
	struct weir_info info;

	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(3, info.policy.max_deliveries);
	EXPECT_EQ(WEIR_POLICY_DEAD_LETTER, info.policy.flags);
	EXPECT_EQ(0, info.policy.dead_letter);
	EXPECT_STREQ(self->heir, info.dead_letter);
	ASSERT_EQ(0, policy_alter(self->name, (struct weir_policy){ 0 }));
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_STREQ("", info.dead_letter);
	EXPECT_EQ(0, info.policy.max_deliveries);
	EXPECT_EQ(0, info.policy.flags);
}

/* Round in a circle they would go for ever. */
TEST_F(dead, no_circles)
{
	char third[WEIR_NAME_SIZE];
	int writer = self->writer, fd;

	EXPECT_EQ(-ELOOP, policy_alter(self->name, policy_dead(writer, 0)));
	EXPECT_EQ(-ELOOP, policy_alter(self->heir, policy_dead(writer, 0)));
	EXPECT_EQ(-ELOOP, policy_alter(self->heir, policy_dead(self->target, 0)));
	raw_name(third);
	ASSERT_EQ(0, policy_create(third, policy_dead(writer, 0)));
	fd = raw_open(third, O_WRONLY);
	EXPECT_EQ(-ELOOP, policy_alter(self->heir, policy_dead(fd, 0)));
	EXPECT_EQ(-ELOOP, policy_alter(self->name, policy_dead(fd, 0)));
	/* What was refused has changed nothing; what is no circle is allowed. */
	EXPECT_EQ(3, raw_figure(self->name, "max_deliveries"));
	EXPECT_EQ(0, policy_alter(third, policy_dead(self->target, 0)));
	EXPECT_EQ(0, policy_alter(self->name, policy_dead(fd, 0)));
	EXPECT_EQ(0, raw_destroy_force(third));
}

TEST_F(dead, wrong_descriptors)
{
	char other[WEIR_NAME_SIZE], path[WEIR_NAME_SIZE + 32];
	int closed = dup(self->target), fds[8], n = 0, i;

	close(closed);
	raw_name(other);
	fds[n++] = -1;
	fds[n++] = INT32_MAX;
	fds[n++] = closed;
	fds[n++] = self->letters;
	fds[n++] = open("/dev/null", O_RDWR);
	fds[n++] = raw_open_control();
	fds[n++] = open(raw_path(path, self->heir), O_PATH);
	for (i = 0; i < n; i++) {
		EXPECT_EQ(-EBADF, policy_create(other, policy_dead(fds[i], 0))) {
			TH_LOG("descriptor %d", i);
		}
		EXPECT_EQ(-EBADF, policy_alter(self->name, policy_dead(fds[i], 0)));
	}
	/* Too small for what may die. */
	ASSERT_EQ(0, policy_create(other, (struct weir_policy){ .max_bytes = 8192 }));
	i = raw_open(other, O_WRONLY);
	EXPECT_EQ(-EINVAL, policy_alter(self->name, policy_dead(i, 0)));
	ASSERT_EQ(0, raw_destroy_force(other));
	EXPECT_EQ(-ESHUTDOWN, policy_alter(self->name, policy_dead(i, 0)));
	EXPECT_EQ(-ESHUTDOWN, policy_create(other, policy_dead(i, 0)));
	EXPECT_EQ(-ENOENT, raw_info(other, &(struct weir_info){ 0 }));
}

/* Dead letters die like others, and tell of each time. */
TEST_F(dead, again)
{
	char last[WEIR_NAME_SIZE];
	struct weir_run run;
	int target, at;

	raw_name(last);
	ASSERT_EQ(0, raw_create(last));
	target = raw_open(last, O_RDWR | O_NONBLOCK);
	ASSERT_EQ(0, policy_alter(self->heir, policy_dead(target, 1)));
	lease_fill(self->writer, 1);
	ASSERT_EQ(0, policy_term(self->reader, lease_take(self->reader, 1, 0), "one", 3));
	wait_figure(self->heir, "depth", 1);
	run = lease_take(self->letters, 1, 0);
	ASSERT_EQ(0, lease_end(self->letters, run, WEIR_RELEASE, 0));
	wait_figure(last, "depth", 1);
	ASSERT_EQ(1, letter_take(target, &letter));
	EXPECT_STREQ("message 0", letter.bytes);
	EXPECT_STREQ("term", letter_header_nr(&letter, "weir-dead-reason", 0, &at));
	EXPECT_EQ(0, at);
	EXPECT_STREQ("deliveries", letter_header_nr(&letter, "weir-dead-reason", 1, &at));
	EXPECT_EQ(8, at);
	EXPECT_STREQ(self->name, letter_header_nr(&letter, "weir-dead-queue", 0, &at));
	EXPECT_STREQ(self->heir, letter_header_nr(&letter, "weir-dead-queue", 1, &at));
	EXPECT_EQ(0, raw_destroy_force(last));
}

/*
 * However often it dies it fits into the smallest dead letter queues, and says where it
 * came from, and why it is there. Its own headers stay, though they look alike.
 */
TEST_F(dead, again_and_again)
{
	enum { TIMES = 10, LEAST = 4096 };
	static char names[TIMES + 1][WEIR_NAME_SIZE], text[WEIR_REASON_MAX], payload[950];
	static const struct { struct weir_header header; char bytes[16]; } own = {
		{ .name_len = 9, .value_len = 4 }, "weir-deadmine",
	};
	struct weir_message message = {
		.data = raw_address(payload), .len = sizeof(payload),
		.headers = raw_address(&own), .headers_len = sizeof(own),
	};
	struct weir_send send = { .messages = raw_address(&message), .count = 1 };
	int fds[TIMES + 1], i, at;

	memset(text, 't', sizeof(text));
	ASSERT_EQ(0, raw_create_sized(raw_name(names[TIMES]), 0, LEAST));
	fds[TIMES] = raw_open(names[TIMES], O_RDWR | O_NONBLOCK);
	for (i = TIMES - 1; i >= 0; i--) {
		struct weir_policy policy = policy_dead(fds[i + 1], 0);

		policy.max_bytes = LEAST;
		ASSERT_EQ(0, policy_create(raw_name(names[i]), policy));
		fds[i] = raw_open(names[i], O_RDWR | O_NONBLOCK);
	}
	ASSERT_EQ(1, door_command(fds[0], WEIR_IOC_SEND, &send));
	for (i = 0; i < TIMES; i++) {
		ASSERT_EQ(0, policy_term(fds[i], lease_take(fds[i], 1, 0), text, sizeof(text)));
		wait_figure(names[i + 1], "depth", 1);
	}
	ASSERT_EQ(1, letter_take(fds[TIMES], &letter));
	EXPECT_STREQ("mine", letter_header_nr(&letter, "weir-dead", 0, &at));
	EXPECT_EQ(0, at);
	EXPECT_STREQ(names[0], letter_header_nr(&letter, "weir-dead-queue", 0, &at));
	EXPECT_STREQ(names[TIMES - 1], letter_header_nr(&letter, "weir-dead-queue", 1, &at));
	EXPECT_TRUE(!letter_header_nr(&letter, "weir-dead-queue", 2, &at));
	for (i = TIMES; i >= 0; i--)
		EXPECT_EQ(0, raw_destroy_force(names[i]));
}

/* Through a long row of them, which then ends from either side. */
TEST_F(dead, chain)
{
	enum { LINKS = 100 };
	static char names[LINKS][WEIR_NAME_SIZE];
	static const struct weir_policy small = { .max_messages = 64, .max_bytes = 65536 };
	int order, i, fd, first, links = raw_rounds(LINKS);

	for (order = 0; order < 2; order++) {
		fd = self->target;
		first = -1;
		for (i = 0; i < links; i++) {
			struct weir_policy policy = policy_dead(fd, 1);

			policy.max_messages = small.max_messages;
			policy.max_bytes = small.max_bytes;
			ASSERT_EQ(0, policy_create(raw_name(names[i]), policy));
			if (first >= 0)
				close(fd);
			fd = first = raw_open(names[i], O_RDWR | O_NONBLOCK);
			ASSERT_LE(0, fd);
		}
		lease_fill(fd, 1);
		ASSERT_EQ(0, policy_term(fd, lease_take(fd, 1, 0), "first", 5));
		ASSERT_EQ(1, raw_figure(names[links - 1], "sent"));
		for (i = links - 2; i >= links / 2; i--) {
			int next = raw_open(names[i], O_RDONLY | O_NONBLOCK);

			wait_figure(names[i], "depth", 1);
			ASSERT_EQ(0, lease_end(next, lease_take(next, 1, 0), WEIR_RELEASE, 0));
			close(next);
		}
		close(fd);
		for (i = 0; i < links; i++)
			ASSERT_EQ(0, raw_destroy_force(names[order ? i : links - 1 - i]));
	}
	close(self->letters);
	close(self->target);
	EXPECT_EQ(-EBUSY, raw_destroy(self->heir));
	ASSERT_EQ(0, raw_destroy_force(self->name));
	/* Nobody names it any more: all references are gone. */
	EXPECT_EQ(0, raw_destroy(self->heir));
}

TEST_HARNESS_MAIN
