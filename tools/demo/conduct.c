// SPDX-License-Identifier: MIT
/* The parent's part while the others work: start them, kill one, see the end. */
#include "demo.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Nothing moved for so long: something is wrong. */
#define STALL_NS	30000000000ULL
#define LOOK_US		2000

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	interrupted = signal;
}

static pid_t start(struct demo *demo, int (*work)(struct demo *, unsigned int), unsigned int self)
{
	pid_t parent = getpid(), pid;
	char byte;

	pid = fork();
	if (pid)
		return pid;
	/* Whatever becomes of the parent, we do not outlive it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	signal(SIGINT, SIG_IGN);
	if (read(demo->start, &byte, 1) < 0)
		_exit(1);
	_exit(work(demo, self));
}

static int start_all(struct demo *demo)
{
	int ends[2], i;

	if (pipe(ends))
		return failed("pipe", -errno);
	demo->start = ends[0];
	fflush(NULL);
	for (i = 0; i < PRODUCERS; i++)
		demo->producers[i] = start(demo, producer, i);
	for (i = 0; i < CONSUMERS; i++)
		demo->consumers[i] = start(demo, demo->plain ? consumer_plain : consumer, i);
	for (i = 0; i < PRODUCERS; i++)
		if (demo->producers[i] < 0)
			return failed("fork", -EAGAIN);
	for (i = 0; i < CONSUMERS; i++)
		if (demo->consumers[i] < 0)
			return failed("fork", -EAGAIN);

	demo->started_ns = clock_ns();
	/* A byte for each. */
	if (write(ends[1], "go, go!", PRODUCERS + CONSUMERS) < 0)
		return failed("pipe", -errno);
	close(ends[0]);
	close(ends[1]);
	return 0;
}

/* Forget the process, if it is one of these. */
static void forget(pid_t *pids, int count, pid_t pid)
{
	int i;

	for (i = 0; i < count; i++)
		if (pids[i] == pid)
			pids[i] = 0;
}

/* Processes that ended by themselves are forgotten; none may have failed. */
static int reap(struct demo *demo)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		forget(demo->producers, PRODUCERS, pid);
		forget(demo->consumers, CONSUMERS, pid);
		if (status) {
			fprintf(stderr, "weir-demo: process %d ended: status %#x\n", pid, status);
			return 1;
		}
	}
	return 0;
}

static int kill_victim(struct demo *demo)
{
	struct weir_info info;
	int ret;

	ret = weir_info(demo->queue, &info, sizeof(info));
	if (ret)
		return failed("figures of the queue", ret);
	demo->leased = info.leased;
	demo->killed_ns = clock_ns();
	kill(demo->consumers[VICTIM], SIGKILL);
	waitpid(demo->consumers[VICTIM], NULL, 0);
	demo->consumers[VICTIM] = 0;
	return 0;
}

/* Until as many messages are settled as there are lines. */
static int watch(struct demo *demo)
{
	uint64_t moved_ns = clock_ns();
	uint32_t done, before = 0;

	while ((done = demo->shared->settled) < demo->text.count) {
		if (interrupted)
			return 128 + interrupted;
		if (reap(demo))
			return 1;
		if (done != before)
			moved_ns = clock_ns();
		before = done;
		if (clock_ns() - moved_ns > STALL_NS)
			return failed("nothing moves any more", -ETIMEDOUT);
		if (demo->logs[VICTIM]->state == LOG_HOLDING && !demo->killed_ns &&
		    kill_victim(demo))
			return 1;
		progress(demo, done);
		usleep(LOOK_US);
	}
	demo->finished_ns = clock_ns();
	progress(demo, done);
	return 0;
}

static int end_all(struct demo *demo)
{
	int status, failures = 0;

	demo->shared->stop = true;
	while (wait(&status) > 0)
		failures += status != 0;
	return failures ? failed("a process failed", -ECHILD) : 0;
}

static void kill_all(const struct demo *demo)
{
	int i;

	for (i = 0; i < PRODUCERS; i++)
		if (demo->producers[i] > 0)
			kill(demo->producers[i], SIGKILL);
	for (i = 0; i < CONSUMERS; i++)
		if (demo->consumers[i] > 0)
			kill(demo->consumers[i], SIGKILL);
	while (wait(NULL) > 0)
		;
}

int conduct(struct demo *demo)
{
	const struct sigaction action = { .sa_handler = interrupt };
	int ret;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN);

	ret = start_all(demo);
	if (!ret)
		ret = watch(demo);
	progress_end();
	if (!ret)
		ret = end_all(demo);
	else
		kill_all(demo);
	return ret;
}
