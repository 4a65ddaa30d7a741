/* SPDX-License-Identifier: MIT */
/* A line a check, and a status that tells. */
#ifndef WEIR_TESTS_TAP_H
#define WEIR_TESTS_TAP_H

#include <stdio.h>
#include <stdbool.h>

static unsigned int tap_run, tap_failed;

static inline void ok(bool good, const char *what)
{
	tap_run++;
	tap_failed += !good;
	printf("%sok %u %s\n", good ? "" : "not ", tap_run, what);
}

static inline int tap_end(void)
{
	printf("1..%u\n", tap_run);
	return tap_failed ? 1 : 0;
}

#endif
