// SPDX-License-Identifier: GPL-2.0
#include <linux/err.h>
#include <linux/sched.h>

#include "account.h"
#include "index.h"

/* Allocates @size bytes for the pointer at @at, which is NULL if that fails. */
static int weir_index_alloc(struct weir_account *account, void *at, size_t size)
{
	void **pointer = at;
	void *mem = weir_account_alloc(account, size);

	if (IS_ERR(mem))
		return PTR_ERR(mem);
	*pointer = mem;
	return 0;
}

int weir_index_init(struct weir_index *index, struct weir_account *account,
		    u32 nr_slots)
{
	u32 max = DIV_ROUND_UP(nr_slots, WEIR_SEGMENT_SLOTS);
	int ret;

	index->max_segments = max;
	ret = weir_index_alloc(account, &index->segments, max * sizeof(*index->segments)) ?:
	      weir_index_alloc(account, &index->extras, max * sizeof(*index->extras)) ?:
	      weir_index_alloc(account, &index->free, max * sizeof(*index->free)) ?:
	      weir_index_alloc(account, &index->leased, max * sizeof(*index->leased)) ?:
	      weir_bits_init(&index->whole, account, max) ?:
	      weir_bits_init(&index->some, account, max);
	if (ret)
		weir_index_destroy(index, account);
	return ret;
}

void weir_index_destroy(struct weir_index *index, struct weir_account *account)
{
	u32 i;

	for (i = 0; i < index->nr_segments; i++) {
		weir_segment_free(index->segments[i], account);
		weir_account_free(account, index->extras[i], PAGE_SIZE);
		cond_resched();
	}
	/* It may have been made for a segment that never came. */
	if (index->extras && i < index->max_segments)
		weir_account_free(account, index->extras[i], PAGE_SIZE);
	weir_bits_destroy(&index->some, account);
	weir_bits_destroy(&index->whole, account);
	weir_account_free(account, index->leased,
			  index->max_segments * sizeof(*index->leased));
	weir_account_free(account, index->free, index->max_segments * sizeof(*index->free));
	weir_account_free(account, index->extras,
			  index->max_segments * sizeof(*index->extras));
	weir_account_free(account, index->segments,
			  index->max_segments * sizeof(*index->segments));
	memset(index, 0, sizeof(*index));
}

void *weir_segment_new(struct weir_account *account)
{
	struct page *page = weir_account_alloc_pages(account, 1);

	return IS_ERR(page) ? ERR_CAST(page) : page_address(page);
}

void weir_segment_free(void *segment, struct weir_account *account)
{
	weir_account_free_page(account, virt_to_page(segment));
	weir_account_free_page(account, virt_to_page(segment + PAGE_SIZE));
}

bool weir_index_add(struct weir_index *index, void *segment)
{
	u32 nr = index->nr_segments;
	u32 i;

	if (nr == index->max_segments)
		return false;
	index->free[nr] = U64_MAX;
	/* The first one is open from the beginning. */
	if (nr != index->open) {
		weir_bits_set(&index->whole, nr);
		weir_bits_set(&index->some, nr);
	}
	/* Pairs with the acquire in weir_index_page(). */
	smp_store_release(&index->segments[nr], segment);
	WRITE_ONCE(index->nr_segments, nr + 1);
	for (i = 0; i < WEIR_SEGMENT_SLOTS; i++)
		weir_index_at(index, nr * WEIR_SEGMENT_SLOTS + i)->slot =
			nr * WEIR_SEGMENT_SLOTS + i;
	return true;
}

int weir_index_need_extra(struct weir_index *index, struct weir_account *account, u32 slot)
{
	struct weir_extra **at = &index->extras[slot / WEIR_SEGMENT_SLOTS];
	struct weir_extra *extra;

	if (READ_ONCE(*at))
		return 0;
	extra = weir_account_alloc(account, PAGE_SIZE);
	if (IS_ERR(extra))
		return PTR_ERR(extra);
	/* Another sender may have been quicker. */
	if (cmpxchg(at, NULL, extra))
		weir_account_free(account, extra, PAGE_SIZE);
	return 0;
}

bool weir_index_reopen(struct weir_index *index)
{
	u32 open;

	open = weir_bits_first(&index->whole);
	if (open == WEIR_BITS_NONE)
		open = weir_bits_first(&index->some);
	if (open == WEIR_BITS_NONE)
		return false;
	/* Of the open one nothing is noted, so that most messages need not look. */
	weir_bits_clear(&index->whole, open);
	weir_bits_clear(&index->some, open);
	index->open = open;
	return true;
}
