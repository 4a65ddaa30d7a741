// SPDX-License-Identifier: GPL-2.0
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "account.h"
#include "pool.h"

static u32 weir_pool_max_pages(const struct weir_pool *pool)
{
	return pool->max_blocks * WEIR_BLOCK_PAGES;
}

static size_t weir_pool_map_size(const struct weir_pool *pool)
{
	return BITS_TO_LONGS(weir_pool_max_pages(pool)) * sizeof(long);
}

int weir_pool_init(struct weir_pool *pool, struct weir_account *account, u64 bytes)
{
	u64 pages = 2 * DIV_ROUND_UP_ULL(bytes, PAGE_SIZE);
	void *mem;

	pool->max_blocks = DIV_ROUND_UP_ULL(pages, WEIR_BLOCK_PAGES);
	mem = weir_account_alloc(account, pool->max_blocks * sizeof(*pool->blocks));
	if (IS_ERR(mem))
		return PTR_ERR(mem);
	pool->blocks = mem;

	mem = weir_account_alloc(account, weir_pool_map_size(pool));
	if (IS_ERR(mem)) {
		weir_pool_destroy(pool, account);
		return PTR_ERR(mem);
	}
	pool->used = mem;
	return 0;
}

void weir_pool_destroy(struct weir_pool *pool, struct weir_account *account)
{
	u32 i;

	for (i = 0; i < pool->nr_blocks; i++) {
		weir_block_free(pool->blocks[i], account);
		cond_resched();
	}
	weir_account_free(account, pool->used, weir_pool_map_size(pool));
	weir_account_free(account, pool->blocks,
			  pool->max_blocks * sizeof(*pool->blocks));
	memset(pool, 0, sizeof(*pool));
}

struct weir_block *weir_block_new(struct weir_account *account)
{
	return weir_account_alloc(account, sizeof(struct weir_block));
}

void weir_block_free(struct weir_block *block, struct weir_account *account)
{
	u32 i;

	if (IS_ERR_OR_NULL(block))
		return;
	for (i = 0; i < WEIR_BLOCK_PAGES; i++) {
		if (block->pages[i])
			weir_account_free_page(account, virt_to_page(block->pages[i]));
	}
	weir_account_free(account, block, sizeof(*block));
}

bool weir_pool_add(struct weir_pool *pool, struct weir_block *block)
{
	if (pool->nr_blocks == pool->max_blocks)
		return false;
	/* Pairs with the acquire in weir_pool_page(). */
	smp_store_release(&pool->blocks[pool->nr_blocks], block);
	WRITE_ONCE(pool->nr_blocks, pool->nr_blocks + 1);
	return true;
}

static void weir_pool_hold(struct weir_pool *pool, u32 page)
{
	u16 *live = weir_pool_live(pool, page);

	if (!(*live)++)
		__set_bit(page, pool->used);
}

/* Nobody holds @page any more. */
void weir_pool_free_page(struct weir_pool *pool, u32 page)
{
	__clear_bit(page, pool->used);
	pool->low = min(pool->low, page);
}

/*
 * Makes [@place, @place + @units) a message's, and what is left of its last
 * page the cursor's.
 */
static void weir_pool_claim(struct weir_pool *pool, u32 place, u32 units)
{
	u32 end = place + units;
	u32 page;

	if (end % WEIR_PAGE_UNITS)
		weir_pool_hold(pool, end / WEIR_PAGE_UNITS);
	for (page = place / WEIR_PAGE_UNITS; page * WEIR_PAGE_UNITS < end; page++)
		weir_pool_hold(pool, page);
	if (pool->cursor % WEIR_PAGE_UNITS)
		weir_pool_drop(pool, pool->cursor / WEIR_PAGE_UNITS, 1);
	pool->cursor = end;
}

/* Holes that are looked at in one go. */
#define WEIR_POOL_HOLES 1024

/* The first of @wanted free pages of @pages, as weir_pool_take(). */
static u32 weir_pool_find(const struct weir_pool *pool, u32 pages, u32 wanted, u32 *seek)
{
	u32 page = max(*seek, pool->low);
	u32 holes, end;

	for (holes = 0; holes < WEIR_POOL_HOLES; holes++) {
		page = find_next_zero_bit(pool->used, pages, page);
		*seek = page;
		if (wanted > pages - page)
			return WEIR_NOWHERE;
		end = find_next_bit(pool->used, page + wanted, page);
		if (end == page + wanted) {
			*seek = 0;
			return page;
		}
		page = end + 1;
	}
	*seek = page;
	return WEIR_NOT_YET;
}

/*
 * Of a page that nobody else holds the cursor goes back to the beginning. So it keeps none
 * from who looks for many side by side: that page becomes free with what is in it.
 */
static void weir_pool_rewind(struct weir_pool *pool)
{
	u32 page = pool->cursor / WEIR_PAGE_UNITS;

	if (pool->cursor % WEIR_PAGE_UNITS && *weir_pool_live(pool, page) == 1) {
		pool->cursor = page * WEIR_PAGE_UNITS;
		weir_pool_drop(pool, page, 1);
	}
}

u32 weir_pool_take_pages(struct weir_pool *pool, u32 units, u32 *seek)
{
	u32 room, pages, page;

	if (!units)
		return 0;
	weir_pool_rewind(pool);
	room = -pool->cursor % WEIR_PAGE_UNITS;
	pages = pool->nr_blocks * WEIR_BLOCK_PAGES;
	pool->low = find_next_zero_bit(pool->used, pages, pool->low);
	if (units > room) {
		u32 next = (pool->cursor + room) / WEIR_PAGE_UNITS;
		u32 wanted = DIV_ROUND_UP(units - room, WEIR_PAGE_UNITS);

		if (!room || pool->low != next || next + wanted > pages ||
		    find_next_bit(pool->used, next + wanted, next) < next + wanted) {
			wanted = DIV_ROUND_UP(units, WEIR_PAGE_UNITS);
			page = weir_pool_find(pool, pages, wanted, seek);
			if (page >= WEIR_NOT_YET)
				return page;
			weir_pool_claim(pool, page * WEIR_PAGE_UNITS, units);
			return page * WEIR_PAGE_UNITS;
		}
	}
	page = pool->cursor;
	weir_pool_claim(pool, page, units);
	return page;
}

void weir_pool_put_pages(struct weir_pool *pool, u32 place, u32 units)
{
	u32 end = place + units;
	u32 page;

	for (page = place / WEIR_PAGE_UNITS; page * WEIR_PAGE_UNITS < end; page++)
		weir_pool_drop(pool, page, 1);
}

int weir_pool_populate(struct weir_pool *pool, struct weir_account *account,
		       u32 place, u32 units)
{
	u32 end = place + units;
	u32 nr;

	for (nr = place / WEIR_PAGE_UNITS; nr * WEIR_PAGE_UNITS < end; nr++) {
		struct weir_block *block = pool->blocks[nr / WEIR_BLOCK_PAGES];
		void **at = &block->pages[nr % WEIR_BLOCK_PAGES];
		struct page *page;

		if (likely(READ_ONCE(*at)))
			continue;
		page = weir_account_alloc_pages(account, 0);
		if (IS_ERR(page))
			return PTR_ERR(page);
		/* A neighbour in the same page may have been quicker. */
		if (cmpxchg(at, NULL, page_address(page)))
			weir_account_free_page(account, page);
	}
	return 0;
}

/* Runs @step once for each page of a range, with @mem and @part. */
#define weir_pool_for_each(pool, place, at, len, mem, part)			\
	for (; part = (len), (len) &&						\
	       (mem = weir_pool_at(pool, place, at, &(part)), true);		\
	     (at) += (part), (len) -= (part))

int weir_pool_write_iter(struct weir_pool *pool, u32 place, u32 at, u32 len,
			 struct iov_iter *from)
{
	void *mem;
	u32 part;

	weir_pool_for_each(pool, place, at, len, mem, part) {
		if (!copy_from_iter_full(mem, part, from))
			return -EFAULT;
	}
	return 0;
}

/*
 * The kernel's side of these is a page of the pool, of which @part does not reach
 * the end. So, as in copy_page_from_iter(), it is not asked if that is an object.
 */
int weir_pool_write_user(struct weir_pool *pool, u32 place, u32 at, u32 len,
			 const void __user *from)
{
	void *mem;
	u32 part;

	weir_pool_for_each(pool, place, at, len, mem, part) {
		if (_inline_copy_from_user(mem, from, part))
			return -EFAULT;
		from += part;
	}
	return 0;
}

int weir_pool_read_user(struct weir_pool *pool, u32 place, u32 at, u32 len,
			void __user *to)
{
	void *mem;
	u32 part;

	weir_pool_for_each(pool, place, at, len, mem, part) {
		if (_inline_copy_to_user(to, mem, part))
			return -EFAULT;
		to += part;
	}
	return 0;
}

size_t weir_pool_read_iter(struct weir_pool *pool, u32 place, u32 at, u32 len,
			   struct iov_iter *to)
{
	size_t copied = 0;
	void *mem;
	u32 part;

	weir_pool_for_each(pool, place, at, len, mem, part) {
		size_t n = copy_to_iter(mem, part, to);

		copied += n;
		if (n < part)
			break;
	}
	return copied;
}

void weir_pool_read(const struct weir_pool *pool, u32 place, u32 at, u32 len, void *to)
{
	void *mem;
	u32 part;

	weir_pool_for_each(pool, place, at, len, mem, part) {
		memcpy(to, mem, part);
		to += part;
	}
}

void weir_pool_write(struct weir_pool *pool, u32 place, u32 at, u32 len, const void *from)
{
	void *mem;
	u32 part;

	weir_pool_for_each(pool, place, at, len, mem, part) {
		memcpy(mem, from, part);
		from += part;
	}
}

void weir_pool_copy(struct weir_pool *pool, u32 place, const struct weir_pool *from,
		    u32 from_place, u32 len)
{
	void *mem;
	u32 at = 0;
	u32 part;

	weir_pool_for_each(pool, place, at, len, mem, part)
		weir_pool_read(from, from_place, at, part, mem);
}

void weir_pool_zero(struct weir_pool *pool, u32 place, u32 at, u32 len)
{
	void *mem;
	u32 part;

	weir_pool_for_each(pool, place, at, len, mem, part) {
		if (mem)
			memset(mem, 0, part);
		if (part == PAGE_SIZE)
			cond_resched();
	}
}
