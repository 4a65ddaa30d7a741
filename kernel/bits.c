// SPDX-License-Identifier: GPL-2.0
#include <linux/err.h>
#include <linux/math.h>

#include "account.h"
#include "bits.h"

int weir_bits_init(struct weir_bits *bits, struct weir_account *account, u32 count)
{
	u32 words[WEIR_BITS_LEVELS];
	u64 *mem;
	u32 i;

	bits->words = 0;
	for (i = 0; i < WEIR_BITS_LEVELS; i++) {
		count = DIV_ROUND_UP(count, 64);
		words[i] = count;
		bits->words += count;
		if (count == 1)
			break;
	}
	bits->levels = i + 1;
	mem = weir_account_alloc(account, bits->words * sizeof(*mem));
	if (IS_ERR(mem))
		return PTR_ERR(mem);
	for (i = 0; i < bits->levels; i++) {
		bits->level[i] = mem;
		mem += words[i];
	}
	return 0;
}

void weir_bits_destroy(struct weir_bits *bits, struct weir_account *account)
{
	weir_account_free(account, bits->level[0], bits->words * sizeof(*bits->level[0]));
	bits->level[0] = NULL;
}
