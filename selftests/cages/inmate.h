/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The messages that an inmate is sent, and answers. */
#ifndef WEIR_SELFTESTS_INMATE_H
#define WEIR_SELFTESTS_INMATE_H

#include "../body.h"

#define INMATE_MESSAGES	3
#define INMATE_LARGEST	(1 << 20)

enum inmate_side { INMATE_QUESTION, INMATE_ANSWER };

static inline size_t inmate_size(int i)
{
	static const size_t sizes[INMATE_MESSAGES] = { 100, 4096, 300000 };

	return sizes[i];
}

static inline void inmate_question(void *bytes, int i)
{
	body_make(bytes, inmate_size(i), INMATE_QUESTION, i);
}

static inline void inmate_answer(void *bytes, int i)
{
	body_make(bytes, inmate_size(i), INMATE_ANSWER, i);
}

static inline bool inmate_is(const void *bytes, enum inmate_side side, int i)
{
	const struct body *body = bytes;

	return body_whole(bytes, inmate_size(i)) && body->producer == side &&
	       body->seq == (uint32_t)i;
}

#define inmate_is_question(bytes, i) inmate_is(bytes, INMATE_QUESTION, i)

#endif
