/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pool - where the bytes of messages are
 *
 * A pool is a range of pages that receivers map read-only. A message takes
 * consecutive units of WEIR_ALIGN bytes, its *place* being the first of them.
 * Small messages are laid one behind the other, across pages if need be:
 *
 *   page      0          1          2          3          4
 *        +----------+----------+----------+----------+----------+
 *        |aaaabbbbbb|bbccc.....|          |dddddddddd|ddd.......|
 *        +----------+----------+----------+----------+----------+
 *   live      2          2+1        0          1          1
 *                           ^cursor
 *
 * @live counts the messages that touch a page, and the cursor. A page at zero is
 * free, and the lowest free pages are taken next: messages may go in any order,
 * one that is stuck holds the pages that it touches and no more, and a pool
 * that is never full stays small. Since what is free may be in pieces, there
 * are twice as many pages as are needed for the bytes that a queue may hold.
 *
 * Memory is added in two steps: blocks (the counts of 64 pages), always at the
 * end, and pages, when a message first needs them. A page that is there stays
 * until the pool goes, so mappings of it never change.
 *
 * The caller's lock protects a pool, except where said. The bytes of a place
 * belong to whoever took it.
 */
#ifndef _WEIR_POOL_H
#define _WEIR_POOL_H

#include <linux/align.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/types.h>
#include <uapi/linux/weir.h>

struct iov_iter;
struct weir_account;

#define WEIR_PAGE_UNITS		(PAGE_SIZE / WEIR_ALIGN)
#define WEIR_BLOCK_PAGES	64

static inline u32 weir_units(u32 bytes)
{
	return DIV_ROUND_UP(bytes, WEIR_ALIGN);
}

struct weir_block {
	void *pages[WEIR_BLOCK_PAGES];	/* each is set once, by cmpxchg */
	u16 live[WEIR_BLOCK_PAGES];
};

struct weir_pool {
	u32 max_blocks;			/* invariant */
	u32 nr_blocks;			/* [0, nr_blocks) are there */
	u32 low;			/* no free page is below */
	u32 cursor;			/* the next unit; holds its page unless that begins there */
	unsigned long *used;		/* a bit a page */
	struct weir_block **blocks;	/* each is set once; see weir_pool_page() */
};

/* No place, from a search that is over; and from one that is to go on. */
#define WEIR_NOWHERE	U32_MAX
#define WEIR_NOT_YET	(U32_MAX - 1)

/* weir_pool_init() - for messages of @bytes in all; may sleep */
int weir_pool_init(struct weir_pool *pool, struct weir_account *account, u64 bytes);
/* weir_pool_destroy() - nobody may use it any more but mappings; may sleep */
void weir_pool_destroy(struct weir_pool *pool, struct weir_account *account);

/* A new block or ERR_PTR(); may sleep, needs no lock. */
struct weir_block *weir_block_new(struct weir_account *account);
void weir_block_free(struct weir_block *block, struct weir_account *account);
/* weir_pool_add() - adds @block, false if there are as many as may be */
bool weir_pool_add(struct weir_pool *pool, struct weir_block *block);

/* weir_pool_is_most() - no block can be added */
static inline bool weir_pool_is_most(const struct weir_pool *pool)
{
	return pool->nr_blocks == pool->max_blocks;
}

static inline u16 *weir_pool_live(const struct weir_pool *pool, u32 page)
{
	return &pool->blocks[page / WEIR_BLOCK_PAGES]->live[page % WEIR_BLOCK_PAGES];
}

/* The slow paths of those below. */
void weir_pool_free_page(struct weir_pool *pool, u32 page);
u32 weir_pool_take_pages(struct weir_pool *pool, u32 units, u32 *seek);
void weir_pool_put_pages(struct weir_pool *pool, u32 place, u32 units);

/* Places that are taken together: messages so far in the cursor's page. */
struct weir_takes {
	u32 place;			/* where the next one is */
	u32 room;			/* its most units: all of the page but one */
	u32 messages;
};

/*
 * weir_pool_take_begin() - weir_pool_take() may follow, then weir_pool_take_end() must
 */
static inline void weir_pool_take_begin(const struct weir_pool *pool,
					struct weir_takes *takes)
{
	u32 room = -pool->cursor % WEIR_PAGE_UNITS;

	takes->place = pool->cursor;
	takes->room = room ? room - 1 : 0;
	takes->messages = 0;
}

static inline void weir_pool_take_end(struct weir_pool *pool, struct weir_takes *takes)
{
	if (!takes->messages)
		return;
	*weir_pool_live(pool, pool->cursor / WEIR_PAGE_UNITS) += takes->messages;
	pool->cursor = takes->place;
}

/*
 * Puts @units at *@place; or false, and *@place is WEIR_NOWHERE: a block must be added, or
 * something freed; or WEIR_NOT_YET: it was looked for as long as others may be held up,
 * and is to be tried again, with the same *@seek, the page below which there is none;
 * 0 begins a search.
 */
static inline bool weir_pool_take(struct weir_pool *pool, u32 units,
				  struct weir_takes *takes, u32 *seek, u32 *place)
{
	/* One comparison for nothing, and for more than is left. */
	if (unlikely(units - 1 >= takes->room)) {
		weir_pool_take_end(pool, takes);
		*place = weir_pool_take_pages(pool, units, seek);
		weir_pool_take_begin(pool, takes);
		return *place < WEIR_NOT_YET;
	}
	*place = takes->place;
	takes->place += units;
	takes->room -= units;
	takes->messages++;
	return true;
}

/* Drops @messages holds of @page. */
static inline void weir_pool_drop(struct weir_pool *pool, u32 page, u32 messages)
{
	u16 *live = weir_pool_live(pool, page);

	*live -= messages;
	if (unlikely(!*live))
		weir_pool_free_page(pool, page);
}

/* Places that are put back together: messages so far in one page. */
struct weir_puts {
	u32 page;
	u32 messages;
};

static inline void weir_pool_put_end(struct weir_pool *pool, struct weir_puts *puts)
{
	if (puts->messages)
		weir_pool_drop(pool, puts->page, puts->messages);
	puts->messages = 0;
}

/* Gives back a place; weir_pool_put_end() must follow, after perhaps many. */
static inline void weir_pool_put(struct weir_pool *pool, u32 place, u32 units,
				 struct weir_puts *puts)
{
	u32 page = place / WEIR_PAGE_UNITS;

	/* All in one page; nothing, at 0, is not. */
	if (likely((place + units - 1) / WEIR_PAGE_UNITS == page)) {
		if (unlikely(page != puts->page)) {
			weir_pool_put_end(pool, puts);
			puts->page = page;
		}
		puts->messages++;
	} else {
		weir_pool_put_pages(pool, place, units);
	}
}

/*
 * weir_pool_at() - where byte @at of @place is, or NULL without a page; @room is
 * cut to the bytes that follow in the same page
 */
static inline void *weir_pool_at(const struct weir_pool *pool, u32 place, u32 at,
				 u32 *room)
{
	u64 byte = (u64)place * WEIR_ALIGN + at;
	u32 page = byte >> PAGE_SHIFT;

	const struct weir_block *block = pool->blocks[page / WEIR_BLOCK_PAGES];
	void *mem = READ_ONCE(block->pages[page % WEIR_BLOCK_PAGES]);

	*room = min(*room, (u32)(PAGE_SIZE - offset_in_page(byte)));
	return likely(mem) ? mem + offset_in_page(byte) : NULL;
}

/* Where @len bytes at @place are, if there are any, in one page that is there; or NULL. */
static inline void *weir_pool_in_page(const struct weir_pool *pool, u32 place, u32 len)
{
	u32 at = place % WEIR_PAGE_UNITS * WEIR_ALIGN;
	u32 page = place / WEIR_PAGE_UNITS;
	void *mem;

	/* One comparison for nothing, and for what goes on in the next page. */
	if (unlikely(len - 1 >= PAGE_SIZE - at))
		return NULL;
	mem = READ_ONCE(pool->blocks[page / WEIR_BLOCK_PAGES]->pages[page % WEIR_BLOCK_PAGES]);
	if (unlikely(!mem))
		return NULL;
	return mem + at;
}

/* A page that is there, for many places that mostly are in the same one. */
struct weir_window {
	u64 start;			/* in bytes; behind all places: none yet */
	void *mem;
};

#define WEIR_NO_WINDOW { .start = BIT_ULL(63) }

/* weir_pool_in_window() - the same; @window is the caller's */
static inline void *weir_pool_in_window(const struct weir_pool *pool, u32 place, u32 len,
					struct weir_window *window)
{
	const u64 pos = (u64)place * WEIR_ALIGN;
	u64 at = pos - window->start;

	if (unlikely(at >= PAGE_SIZE || at + len > PAGE_SIZE)) {
		void *mem = weir_pool_in_page(pool, place, len);

		at = offset_in_page(pos);
		if (unlikely(!mem))
			return NULL;
		window->mem = mem - at;
		window->start = pos - at;
	}
	return window->mem + at;
}

/*
 * Of a place that the caller owns, without the lock. They may sleep; bytes are
 * counted from @place on.
 */
/* weir_pool_populate() - makes sure that the pages are there: 0 or -errno */
int weir_pool_populate(struct weir_pool *pool, struct weir_account *account,
		       u32 place, u32 units);
/* Whole, or -EFAULT. */
int weir_pool_write_iter(struct weir_pool *pool, u32 place, u32 at, u32 len,
			 struct iov_iter *from);
int weir_pool_write_user(struct weir_pool *pool, u32 place, u32 at, u32 len,
			 const void __user *from);
int weir_pool_read_user(struct weir_pool *pool, u32 place, u32 at, u32 len,
			void __user *to);
/* As far as it goes: bytes copied. */
size_t weir_pool_read_iter(struct weir_pool *pool, u32 place, u32 at, u32 len,
			   struct iov_iter *to);
void weir_pool_read(const struct weir_pool *pool, u32 place, u32 at, u32 len, void *to);
/* Kernel memory, and a place of another pool; both places are there. */
void weir_pool_write(struct weir_pool *pool, u32 place, u32 at, u32 len, const void *from);
void weir_pool_copy(struct weir_pool *pool, u32 place, const struct weir_pool *from,
		    u32 from_place, u32 len);
/* Pages that are not there are left out. */
void weir_pool_zero(struct weir_pool *pool, u32 place, u32 at, u32 len);

static inline u64 weir_pool_length(const struct weir_pool *pool)
{
	return (u64)pool->max_blocks * WEIR_BLOCK_PAGES << PAGE_SHIFT;
}

/* A page, for mapping; NULL when not there. Needs no lock. */
static inline struct page *weir_pool_page(const struct weir_pool *pool, u32 page)
{
	/* Pairs with the release in weir_pool_add(). */
	struct weir_block *block = smp_load_acquire(&pool->blocks[page / WEIR_BLOCK_PAGES]);
	void *mem;

	if (!block)
		return NULL;
	/* Pairs with the cmpxchg in weir_pool_populate(). */
	mem = smp_load_acquire(&block->pages[page % WEIR_BLOCK_PAGES]);
	return mem ? virt_to_page(mem) : NULL;
}

#endif
