/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bits - numbers of which the least is found at once, however many there may be
 *
 * A bitmap; above it a bit for each of its words that is not 0; and so on, up to one
 * word. The caller's lock protects it.
 */
#ifndef _WEIR_BITS_H
#define _WEIR_BITS_H

#include <linux/bitops.h>
#include <linux/types.h>

struct weir_account;

/* 64^4 numbers. */
#define WEIR_BITS_LEVELS	4
#define WEIR_BITS_NONE		U32_MAX

struct weir_bits {
	u64 *level[WEIR_BITS_LEVELS];	/* the lowest one first, all in one piece */
	u32 levels;			/* invariant; the last has one word */
	u32 words;			/* invariant; of all of them */
};

/* weir_bits_init() - for numbers below @count, at most 1 << 24; may sleep */
int weir_bits_init(struct weir_bits *bits, struct weir_account *account, u32 count);
void weir_bits_destroy(struct weir_bits *bits, struct weir_account *account);

static inline bool weir_bits_test(const struct weir_bits *bits, u32 nr)
{
	return bits->level[0][nr / 64] & BIT_ULL(nr % 64);
}

static inline void weir_bits_set(struct weir_bits *bits, u32 nr)
{
	u32 i;

	for (i = 0; i < bits->levels; i++, nr /= 64) {
		u64 *word = &bits->level[i][nr / 64];
		u64 was = *word;

		*word = was | BIT_ULL(nr % 64);
		if (was)
			break;
	}
}

static inline void weir_bits_clear(struct weir_bits *bits, u32 nr)
{
	u32 i;

	for (i = 0; i < bits->levels; i++, nr /= 64) {
		u64 *word = &bits->level[i][nr / 64];

		*word &= ~BIT_ULL(nr % 64);
		if (*word)
			break;
	}
}

/* The least of them, or WEIR_BITS_NONE. */
static inline u32 weir_bits_first(const struct weir_bits *bits)
{
	u32 i = bits->levels, nr = 0;

	if (!bits->level[i - 1][0])
		return WEIR_BITS_NONE;
	while (i--)
		nr = nr * 64 + __ffs64(bits->level[i][nr]);
	return nr;
}

#endif
