// SPDX-License-Identifier: GPL-2.0
#include <linux/bitops.h>
#include <linux/module.h>
#include <linux/random.h>

#include "../account.h"
#include "test.h"

static ulong seed;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "of all that is random; 0: a new one");

struct weir_random weir_random_begin(struct kunit *test)
{
	struct weir_random random = { .state = seed ?: get_random_u32() };

	kunit_info(test, "seed=%llu\n", random.state);
	return random;
}

u32 weir_random(struct weir_random *random, u32 end)
{
	u64 x = random->state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return (u32)(x >> 32) % end;
}

u32 weir_random_size(struct weir_random *random, u32 most)
{
	u32 below = min(BIT(weir_random(random, fls(most)) + 1) - 1, (unsigned long)most);

	return 1 + weir_random(random, below);
}

MODULE_DESCRIPTION("Tests of weir's mechanism");
MODULE_LICENSE("GPL");
