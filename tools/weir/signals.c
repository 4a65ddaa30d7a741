// SPDX-License-Identifier: MIT
/* Being told to stop, so that what is out can still be settled. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include "weir.h"

static volatile sig_atomic_t stop_signal, nr_stops;

static const int stops[] = { SIGINT, SIGTERM, SIGHUP };

/* Who is told by several at a time (his group, too, or by timeout(1)) is told once. */
#define ONE_STOP_NS	200000000

static void on_signal(int number)
{
	static int64_t first;

	stop_signal = number;
	if (!nr_stops)
		first = now_ns();
	if (!nr_stops || now_ns() - first > ONE_STOP_NS)
		nr_stops++;
}

void signals_catch(void)
{
	struct sigaction action = { .sa_handler = on_signal }, old;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(stops); i++)
		sigaddset(&action.sa_mask, stops[i]);
	/* Without SA_RESTART: they end waits. What nohup ignores stays so. */
	for (i = 0; i < ARRAY_SIZE(stops); i++) {
		sigaction(stops[i], NULL, &old);
		if (old.sa_handler != SIG_IGN)
			sigaction(stops[i], &action, NULL);
	}
}

bool stopped(void)
{
	return nr_stops;
}

bool stopped_twice(void)
{
	return nr_stops > 1;
}

void signals_repeat(void)
{
	if (!stop_signal)
		return;
	signal(stop_signal, SIG_DFL);
	raise(stop_signal);
}

int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* A signal between the look and the wait must end the wait. */
static int wait_for(struct pollfd *fds, unsigned int nr, int64_t until, bool (*ends)(void))
{
	struct timespec ts, *timeout = NULL;
	sigset_t block, before;
	unsigned int i;
	int64_t left;
	int ret;

	if (until >= 0) {
		left = until - now_ns();
		if (left < 0)
			left = 0;
		ts.tv_sec = left / 1000000000;
		ts.tv_nsec = left % 1000000000;
		timeout = &ts;
	}
	sigemptyset(&block);
	for (i = 0; i < ARRAY_SIZE(stops); i++)
		sigaddset(&block, stops[i]);
	sigprocmask(SIG_BLOCK, &block, &before);
	if (ends()) {
		ret = -EINTR;
	} else {
		ret = ppoll(fds, nr, timeout, &before);
		if (ret < 0)
			ret = -errno;
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return ret;
}

int wait_until(struct pollfd *fds, unsigned int nr, int64_t until)
{
	return wait_for(fds, nr, until, stopped);
}

int wait_stubbornly(struct pollfd *fds, unsigned int nr)
{
	int ret;

	do {
		ret = wait_for(fds, nr, -1, stopped_twice);
	} while (ret == -EINTR && !stopped_twice());
	return ret;
}
