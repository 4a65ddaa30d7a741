/* SPDX-License-Identifier: MIT */
/*
 * How the program tells the plugin (trace.c) where the part to be traced begins
 * and ends: by an instruction that does nothing,
 *
 *   0f 1f 80 xx 69 65 77	nopl 0x776569xx(%rax)
 *
 * that no compiler makes, with an enum mark as xx.
 */
#ifndef WEIR_BENCH_MARK_H
#define WEIR_BENCH_MARK_H

enum mark {
	MARK_BEGIN	= 1,
	MARK_TURN	= 2,	/* each turn begins with one, and the last ends */
	MARK_END	= 3,
};

#define MARK_BYTES	7
#define MARK_PREFIX	"\x0f\x1f\x80"	/* xx follows */
#define MARK_SUFFIX	"\x69\x65\x77"

#define mark(what)							\
	asm volatile(".byte 0x0f, 0x1f, 0x80, %c0, 0x69, 0x65, 0x77"	\
		     : : "i"(what) : "memory")

#endif
