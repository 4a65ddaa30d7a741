/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test - what the tests of the mechanism share
 *
 * Each file here holds one mechanism against a model that is as naive as can be:
 * a byte for each slot or unit, a sum of what was charged. What is done is
 * random; a failure says which seed= of weir_test.ko does it again.
 */
#ifndef _WEIR_TEST_H
#define _WEIR_TEST_H

#include <kunit/test.h>
#include <linux/sched.h>

/* account_test.c */

/* An account of a user of its own, or of the one of that number. */
void weir_test_account(struct kunit *test, struct weir_account *account, u32 uid);
/* weir_test_limit() - bytes for each user; 0: as much as there is */
void weir_test_limit(unsigned long bytes);

/* test.c */

struct weir_random {
	u64 state;
};

/* weir_random_begin() - tells the seed */
struct weir_random weir_random_begin(struct kunit *test);
/* weir_random() - below @end */
u32 weir_random(struct weir_random *random, u32 end);
/* weir_random_size() - from 1 to @most, each order of magnitude as often */
u32 weir_random_size(struct weir_random *random, u32 most);

/* The @n-th allocation from now on fails; 0: none. */
static inline void weir_fail(unsigned int n)
{
#ifdef CONFIG_FAULT_INJECTION
	WRITE_ONCE(current->fail_nth, n);
#endif
}

/* weir_failed() - whether it did; none will from here on */
static inline bool weir_failed(unsigned int n)
{
#ifdef CONFIG_FAULT_INJECTION
	bool failed = n && !READ_ONCE(current->fail_nth);

	WRITE_ONCE(current->fail_nth, 0);
	return failed;
#else
	return false;
#endif
}

#endif
