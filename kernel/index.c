// SPDX-License-Identifier: GPL-2.0
#include <linux/bitmap.h>
#include <linux/err.h>

#include "account.h"
#include "index.h"

static size_t weir_index_map_size(const struct weir_index *index)
{
	return BITS_TO_LONGS(index->max_segments) * sizeof(long);
}

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
	size_t map_size;
	int ret;

	index->max_segments = max;
	map_size = weir_index_map_size(index);
	ret = weir_index_alloc(account, &index->segments, max * sizeof(*index->segments)) ?:
	      weir_index_alloc(account, &index->extras, max * sizeof(*index->extras)) ?:
	      weir_index_alloc(account, &index->free, max * sizeof(*index->free)) ?:
	      weir_index_alloc(account, &index->leased, max * sizeof(*index->leased)) ?:
	      weir_index_alloc(account, &index->whole, map_size) ?:
	      weir_index_alloc(account, &index->some, map_size);
	if (ret)
		weir_index_destroy(index, account);
	return ret;
}

void weir_index_destroy(struct weir_index *index, struct weir_account *account)
{
	size_t map_size = weir_index_map_size(index);
	u32 i;

	for (i = 0; i < index->nr_segments; i++) {
		weir_segment_free(index->segments[i], account);
		weir_account_free(account, index->extras[i], PAGE_SIZE);
	}
	weir_account_free(account, index->some, map_size);
	weir_account_free(account, index->whole, map_size);
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
		__set_bit(nr, index->whole);
		__set_bit(nr, index->some);
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
	u32 nr = index->nr_segments;
	u32 open;

	open = find_first_bit(index->whole, nr);
	if (open == nr)
		open = find_first_bit(index->some, nr);
	if (open == nr)
		return false;
	/* Of the open one nothing is noted, so that most messages need not look. */
	__clear_bit(open, index->whole);
	__clear_bit(open, index->some);
	index->open = open;
	return true;
}
