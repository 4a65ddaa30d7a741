// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * weir recv q | head -n 1 on a full queue, a thousand times: what head printed and
 * what is still in the queue are all there was, each time.
 */
#include <spawn.h>

#include "../fixture.h"

#define TIMES	1000
#define ROOM	64

/*
 * Programs start twice as quickly where there is one processor, so that is what three
 * rounds of four have. The fourth has all.
 */
static void processors(const cpu_set_t *all, int round)
{
	cpu_set_t one;
	int nr = 0;

	while (!CPU_ISSET(nr, all))
		nr++;
	CPU_ZERO(&one);
	CPU_SET(nr, &one);
	sched_setaffinity(0, sizeof(one), round % 4 ? &one : all);
}

/* Line @nr; each fourth does not fit into the one page of the pipe. */
static int line(char *bytes, int nr)
{
	return sprintf(bytes, "%d %*s.", nr, nr % 4 ? 10 : 9000, "");
}

static pid_t spawn(char *const argv[], int in, int out)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int ret;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, 0);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	ret = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return ret ? -ret : pid;
}

/* What head printed, without its newline: its length, or -errno. */
static int receive_head(char *name, char *bytes, int size)
{
	char *const recv[] = { "weir", "recv", name, NULL };
	char *const head[] = { "head", "-n", "1", NULL };
	int from_recv[2], from_head[2], length = 0;
	pid_t pids[2];
	long n;

	if (pipe2(from_recv, O_CLOEXEC) || pipe2(from_head, O_CLOEXEC))
		return -errno;
	pids[0] = spawn(recv, STDIN_FILENO, from_recv[1]);
	pids[1] = spawn(head, from_recv[0], from_head[1]);
	close(from_recv[0]);
	close(from_recv[1]);
	close(from_head[1]);
	while ((n = read(from_head[0], bytes + length, size - length)) > 0)
		length += n;
	close(from_head[0]);
	/* Its reader went, which recv says by its status. */
	if (pids[0] < 0 || pids[1] < 0 || proc_wait(pids[0]) != 1 || proc_wait(pids[1]))
		return -ECHILD;
	return length && bytes[length - 1] == '\n' ? length - 1 : -EPROTO;
}

TEST_F(queue, recv_to_head_loses_nothing)
{
	const int times = raw_rounds(TIMES);
	char want[16384], got[16384];
	struct weir_info info;
	cpu_set_t all;
	int i, length;

	ASSERT_EQ(0, queue_remake(self, ROOM, 0));
	for (i = 0; i < ROOM; i++) {
		length = line(want, i);
		ASSERT_EQ(length, raw_write(self->writer, want, length));
	}
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(all), &all));
	for (i = 0; i < times; i++) {
		processors(&all, i / 4);
		ASSERT_EQ(-EAGAIN, raw_write(self->writer, "x", 1));
		length = line(want, i);
		ASSERT_EQ(length, receive_head(self->name, got, sizeof(got))) {
			TH_LOG("round %d", i);
		}
		ASSERT_EQ(0, memcmp(want, got, length));
		ASSERT_EQ(0, raw_info(self->name, &info));
		ASSERT_EQ(ROOM - 1, info.depth) {
			TH_LOG("round %d", i);
		}
		ASSERT_EQ(0, info.leased);
		ASSERT_EQ(i + 1, info.settled);
		length = line(want, i + ROOM);
		ASSERT_EQ(length, raw_write(self->writer, want, length));
	}
	/* Not only as many, but those. */
	for (i = times; i < times + ROOM; i++) {
		length = line(want, i);
		ASSERT_EQ(length, raw_read(self->reader, got, sizeof(got)));
		ASSERT_EQ(0, memcmp(want, got, length));
	}
	EXPECT_EQ(-EAGAIN, raw_read(self->reader, got, sizeof(got)));
}

TEST_HARNESS_MAIN
