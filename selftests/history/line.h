/* SPDX-License-Identifier: MIT */
/*
 * Stays as they come, and the first in line of those that last beyond a time: a tree of
 * minima, indexed by their ends, the latest first; so those that last until some time
 * are a prefix.
 */
#ifndef WEIR_SELFTESTS_LINE_H
#define WEIR_SELFTESTS_LINE_H

#include "check.h"

struct first {
	uint64_t key;
	uint32_t stay;
};

struct line {
	struct check *check;
	const uint64_t *keys;	/* by stay: which is first */
	uint64_t *ends;		/* of the stays, ascending */
	uint32_t *places;	/* in that order, by stay */
	struct first *minima;
	size_t count;
	size_t added;		/* of the stays by when they begin, in the check's items */
};

void line_make(struct line *line, struct check *check, const uint64_t *keys);
void line_free(struct line *line);
/* Those that begin before @time are in it from now on; it does not go back. */
void line_go_on(struct line *line, uint64_t time);
/* The first of those that last beyond @time; its key is UINT64_MAX: there is none. */
struct first line_first(const struct line *line, uint64_t time);

#endif
