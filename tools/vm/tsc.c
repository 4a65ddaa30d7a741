// SPDX-License-Identifier: MIT
/*
 * Prints the kHz of this machine's time stamp counter, which an emulated guest's
 * is too (QEMU's TCG): a guest that has to find out by timers while the machine is
 * busy may be wrong by a factor, and so would its clock be.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#ifdef __x86_64__
#include <x86intrin.h>

struct moment {
	uint64_t ns, ticks;
};

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* The one of many tries that was interrupted least. */
static struct moment look(void)
{
	struct moment best = { 0 };
	uint64_t shortest = UINT64_MAX;
	int i;

	for (i = 0; i < 1000; i++) {
		uint64_t before = now(), ticks = __rdtsc(), after = now();

		if (after - before < shortest) {
			shortest = after - before;
			best = (struct moment){ .ns = before + shortest / 2, .ticks = ticks };
		}
	}
	return best;
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 50000000 };
	struct moment first = look(), last;

	nanosleep(&pause, NULL);
	last = look();
	printf("%.0f\n", (last.ticks - first.ticks) * 1e6 / (last.ns - first.ns));
	return 0;
}
#else
int main(void)
{
	return 1;
}
#endif
