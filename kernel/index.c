// SPDX-License-Identifier: GPL-2.0
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/nospec.h>

#include "account.h"
#include "index.h"

static size_t weir_index_map_size(const struct weir_index *index)
{
	return BITS_TO_LONGS(index->max_segments) * sizeof(long);
}

int weir_index_init(struct weir_index *index, struct weir_account *account,
		    u32 nr_slots)
{
	size_t map_size;
	void *mem;

	index->max_segments = DIV_ROUND_UP(nr_slots, WEIR_SEGMENT_SLOTS);
	map_size = weir_index_map_size(index);

	mem = weir_account_alloc(account, index->max_segments * sizeof(*index->segments));
	if (IS_ERR(mem))
		return PTR_ERR(mem);
	index->segments = mem;

	mem = weir_account_alloc(account, map_size);
	if (IS_ERR(mem))
		goto fail;
	index->whole = mem;

	mem = weir_account_alloc(account, map_size);
	if (IS_ERR(mem))
		goto fail;
	index->some = mem;
	return 0;

fail:
	weir_index_destroy(index, account);
	return PTR_ERR(mem);
}

void weir_index_destroy(struct weir_index *index, struct weir_account *account)
{
	size_t map_size = weir_index_map_size(index);
	u32 i;

	for (i = 0; i < index->nr_segments; i++)
		weir_segment_free(index->segments[i], account);
	weir_account_free(account, index->some, map_size);
	weir_account_free(account, index->whole, map_size);
	weir_account_free(account, index->segments,
			  index->max_segments * sizeof(*index->segments));
	memset(index, 0, sizeof(*index));
}

struct weir_segment *weir_segment_new(struct weir_account *account)
{
	struct weir_segment *segment;
	struct page *page;
	void *mem;

	segment = weir_account_alloc(account, sizeof(*segment));
	if (IS_ERR(segment))
		return segment;

	page = weir_account_alloc_page(account);
	if (IS_ERR(page)) {
		weir_segment_free(segment, account);
		return ERR_CAST(page);
	}
	segment->descs = page;

	mem = weir_account_alloc(account, PAGE_SIZE);
	if (IS_ERR(mem)) {
		weir_segment_free(segment, account);
		return mem;
	}
	segment->entries = mem;
	segment->free = U64_MAX;
	return segment;
}

void weir_segment_free(struct weir_segment *segment, struct weir_account *account)
{
	if (IS_ERR_OR_NULL(segment))
		return;
	weir_account_free(account, segment->entries, PAGE_SIZE);
	weir_account_free_page(account, segment->descs);
	weir_account_free(account, segment, sizeof(*segment));
}

bool weir_index_add(struct weir_index *index, struct weir_segment *segment)
{
	u32 nr = index->nr_segments;
	u32 i;

	if (nr == index->max_segments)
		return false;
	for (i = 0; i < WEIR_SEGMENT_SLOTS; i++)
		segment->entries[i].slot = nr * WEIR_SEGMENT_SLOTS + i;
	__set_bit(nr, index->whole);
	__set_bit(nr, index->some);
	/* Pairs with the acquire in weir_index_page(). */
	smp_store_release(&index->segments[nr], segment);
	WRITE_ONCE(index->nr_segments, nr + 1);
	return true;
}

/* The segment to go on with, or NULL when all slots are taken. */
static struct weir_segment *weir_index_open(struct weir_index *index)
{
	u32 nr = index->nr_segments;
	u32 open;

	open = find_first_bit(index->whole, nr);
	if (open == nr)
		open = find_first_bit(index->some, nr);
	if (open == nr)
		return NULL;
	index->open = open;
	return index->segments[open];
}

struct weir_entry *weir_index_take(struct weir_index *index)
{
	struct weir_segment *segment = index->segments[index->open];
	struct weir_entry *entry;
	unsigned int bit;

	if (unlikely(!segment || !segment->free)) {
		segment = weir_index_open(index);
		if (!segment)
			return NULL;
	}
	if (segment->free == U64_MAX)
		__clear_bit(index->open, index->whole);
	bit = __ffs64(segment->free);
	segment->free &= segment->free - 1;
	if (!segment->free)
		__clear_bit(index->open, index->some);
	entry = &segment->entries[bit];
	entry->state = WEIR_DRAFT;
	return entry;
}

void weir_index_put(struct weir_index *index, struct weir_entry *entry)
{
	u32 nr = entry->slot / WEIR_SEGMENT_SLOTS;
	struct weir_segment *segment = index->segments[nr];

	entry->state = WEIR_FREE;
	if (!segment->free)
		__set_bit(nr, index->some);
	segment->free |= BIT_ULL(entry->slot % WEIR_SEGMENT_SLOTS);
	if (segment->free == U64_MAX)
		__set_bit(nr, index->whole);
}

struct weir_entry *weir_index_entry(const struct weir_index *index, u32 slot)
{
	u32 nr = slot / WEIR_SEGMENT_SLOTS;

	u32 there = READ_ONCE(index->nr_segments);

	if (nr >= there)
		return NULL;
	nr = array_index_nospec(nr, there);
	return &index->segments[nr]->entries[slot % WEIR_SEGMENT_SLOTS];
}

struct weir_desc *weir_index_desc(const struct weir_index *index, u32 slot)
{
	struct weir_segment *segment = index->segments[slot / WEIR_SEGMENT_SLOTS];

	return (struct weir_desc *)page_address(segment->descs) +
	       slot % WEIR_SEGMENT_SLOTS;
}
