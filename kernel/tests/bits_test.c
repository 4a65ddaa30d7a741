// SPDX-License-Identifier: GPL-2.0
/* Numbers against an array that says of each whether it is in. */
#include "../bits.c"
#include "test.h"

#define MOST	5000
#define STEPS	20000

struct numbers {
	struct weir_account account;
	struct weir_bits bits;
	bool in[MOST];
};

static u32 least(const struct numbers *n, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (n->in[i])
			return i;
	return WEIR_BITS_NONE;
}

static void step(struct kunit *test, struct weir_random *random, struct numbers *n, u32 count)
{
	u32 nr = weir_random(random, count);

	/* Mostly few are in, so that words and whole levels become empty. */
	n->in[nr] = !n->in[nr] && !weir_random(random, 3);
	if (n->in[nr])
		weir_bits_set(&n->bits, nr);
	else
		weir_bits_clear(&n->bits, nr);
	KUNIT_ASSERT_EQ(test, weir_bits_test(&n->bits, nr), n->in[nr]);
	KUNIT_ASSERT_EQ(test, weir_bits_first(&n->bits), least(n, count));
}

static void bits_steps(struct kunit *test)
{
	static const u32 counts[] = { 1, 2, 63, 64, 65, 4095, 4096, 4097, MOST };
	struct weir_random random = weir_random_begin(test);
	struct numbers *n = kunit_kzalloc(test, sizeof(*n), GFP_KERNEL);
	u32 i, j;

	KUNIT_ASSERT_NOT_NULL(test, n);
	weir_test_account(test, &n->account, 0);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		memset(n->in, 0, sizeof(n->in));
		KUNIT_ASSERT_EQ(test, weir_bits_init(&n->bits, &n->account, counts[i]), 0);
		KUNIT_ASSERT_EQ(test, weir_bits_first(&n->bits), WEIR_BITS_NONE);
		for (j = 0; j < STEPS / ARRAY_SIZE(counts); j++)
			step(test, &random, n, counts[i]);
		weir_bits_destroy(&n->bits, &n->account);
		KUNIT_ASSERT_EQ(test, weir_account_used(&n->account), 0);
	}
	weir_account_destroy(&n->account);
}

/* As many as there may be: four levels, and the last number. */
static void bits_most(struct kunit *test)
{
	const u32 last = (1 << 24) - 1;
	struct numbers *n = kunit_kzalloc(test, sizeof(*n), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, n);
	weir_test_account(test, &n->account, 0);
	KUNIT_ASSERT_EQ(test, weir_bits_init(&n->bits, &n->account, last + 1), 0);
	weir_bits_set(&n->bits, last);
	KUNIT_EXPECT_EQ(test, weir_bits_first(&n->bits), last);
	weir_bits_set(&n->bits, 64 * 64);
	KUNIT_EXPECT_EQ(test, weir_bits_first(&n->bits), 64 * 64);
	weir_bits_clear(&n->bits, 64 * 64);
	KUNIT_EXPECT_EQ(test, weir_bits_first(&n->bits), last);
	weir_bits_clear(&n->bits, last);
	KUNIT_EXPECT_EQ(test, weir_bits_first(&n->bits), WEIR_BITS_NONE);
	weir_bits_destroy(&n->bits, &n->account);
	weir_account_destroy(&n->account);
}

static struct kunit_case bits_cases[] = {
	KUNIT_CASE(bits_steps),
	KUNIT_CASE(bits_most),
	{}
};

static struct kunit_suite bits_suite = {
	.name = "weir_bits",
	.test_cases = bits_cases,
};

kunit_test_suite(bits_suite);
