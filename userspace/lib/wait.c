// SPDX-License-Identifier: MIT
#include <time.h>
#include "internal.h"

int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

int64_t deadline_of(int64_t timeout_ns)
{
	int64_t deadline;

	if (timeout_ns <= 0)
		return timeout_ns;
	if (__builtin_add_overflow(now_ns(), timeout_ns, &deadline))
		return WEIR_FOREVER;
	return deadline;
}

int64_t time_left(int64_t deadline)
{
	int64_t now;

	if (deadline <= 0)
		return deadline;
	now = now_ns();
	return deadline > now ? deadline - now : 0;
}

/* NULL, for ever, when @ns is negative. */
struct timespec *timespec_of(int64_t ns, struct timespec *ts)
{
	if (ns < 0)
		return NULL;
	ts->tv_sec = ns / NSEC_PER_SEC;
	ts->tv_nsec = ns % NSEC_PER_SEC;
	return ts;
}

void signals_hold(struct held_signals *signals)
{
	sigset_t all;

	if (signals->held)
		return;
	sigfillset(&all);
	signals->held = !pthread_sigmask(SIG_SETMASK, &all, &signals->before);
}

void signals_let_go(struct held_signals *signals)
{
	if (signals->held)
		pthread_sigmask(SIG_SETMASK, &signals->before, NULL);
	signals->held = false;
}
