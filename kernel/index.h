/* SPDX-License-Identifier: GPL-2.0 */
/*
 * index - where messages are noted
 *
 * An index is an array of slots. A message takes one from the time that its
 * sender reserves it until it is settled. A slot has two sides:
 *
 *   struct weir_desc   for receivers, in pages that they map read-only; only
 *                      ever written by the kernel
 *   struct weir_entry  private to the kernel, which acts on nothing else
 *
 *        segment 0                segment 1
 *   +---------------------+  +---------------------+
 *   | desc, desc, .. (64) |  | desc, desc, .. (64) |  a page that is mapped
 *   +---------------------+  +---------------------+
 *   | entry, .....   (64) |  | entry, .....   (64) |  the private page behind it
 *   +---------------------+  +---------------------+
 *
 * Order is not kept here, but by chains and trees of entries. So messages may be
 * settled in any order: one that is stuck holds its own slot and nothing else.
 * What a receiver holds is in no list, for that would cost each message what only
 * a death needs: it is found again by a walk over the segments with leases.
 *
 * Slots are taken from one segment after the other, from the lowest that is
 * wholly free where there is one. So messages sent together mostly stand
 * together and can be told as one run, a queue that is never deep stays in a
 * few pages, and segments are only added at the end.
 *
 * The caller's lock protects an index, except where said.
 */
#ifndef _WEIR_INDEX_H
#define _WEIR_INDEX_H

#include <linux/bitops.h>
#include <linux/build_bug.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/rbtree.h>
#include <uapi/linux/weir.h>

struct weir_account;
struct weir_consumer;

/**
 * enum weir_state - of an entry
 * @WEIR_FREE:   in no list
 * @WEIR_DRAFT:  reserved by a sender, in a chain of its own
 * @WEIR_READY:  sent and never delivered, in the chain of such, by offset
 * @WEIR_BACK:   delivered and put back, in the tree of such, by offset
 * @WEIR_DELAYED: put back, or sent, to be delivered later; in no list
 * @WEIR_LEASED: delivered, its holder's; in no list
 * @WEIR_PINNED: settled, but its bytes may still be read by who held it before; in
 *               no list
 */
enum weir_state {
	WEIR_FREE,
	WEIR_DRAFT,
	WEIR_READY,
	WEIR_BACK,
	WEIR_DELAYED,
	WEIR_LEASED,
	WEIR_PINNED,
};

struct weir_entry {
	union {
		struct weir_entry *next;	/* DRAFT, READY: in a chain */
		struct rb_node node;		/* BACK */
		u64 due;			/* LEASED, DELAYED: when that ends */
	};
	u64 offset;
	struct weir_consumer *holder;	/* LEASED */
	u32 slot;			/* invariant */
	u32 place;			/* in the pool, in units */
	u32 len;			/* of the payload, in bytes */
	u32 size;			/* of everything, in bytes */
	u32 deliveries;
	u8 state;			/* enum weir_state */
	bool busy;			/* its bytes are being copied out */
	bool in_place;			/* LEASED: its holder reads it in the pool */
	u8 pins;			/* former holders who may still do so */
};

#define WEIR_SEGMENT_SLOTS (PAGE_SIZE / sizeof(struct weir_desc))

/* A bit a slot in a u64, and both sides of a slot at the same place in a page. */
static_assert(PAGE_SIZE == 4096);
static_assert(WEIR_SEGMENT_SLOTS == 64);
static_assert(sizeof(struct weir_entry) == sizeof(struct weir_desc));

struct weir_index {
	u32 max_segments;		/* invariant */
	u32 nr_segments;		/* [0, nr_segments) are there */
	u32 open;			/* the segment that slots come from now */
	unsigned long *whole;		/* segments with all slots free */
	unsigned long *some;		/* segments with any slot free */
	u64 *free;			/* for each segment, a bit a slot */
	u8 *leased;			/* for each segment, how many slots are LEASED */
	void **segments;		/* each is set once; see weir_index_page() */
};

/* weir_index_init() - for @nr_slots at most; may sleep */
int weir_index_init(struct weir_index *index, struct weir_account *account,
		    u32 nr_slots);
/* weir_index_destroy() - with nothing left in it that matters; may sleep */
void weir_index_destroy(struct weir_index *index, struct weir_account *account);

/* A new segment or ERR_PTR(); may sleep, needs no lock. */
void *weir_segment_new(struct weir_account *account);
void weir_segment_free(void *segment, struct weir_account *account);
/* weir_index_add() - adds @segment, false if there are as many as may be */
bool weir_index_add(struct weir_index *index, void *segment);
/* weir_index_reopen() - finds a segment to go on with; false if all are full */
bool weir_index_reopen(struct weir_index *index);

static inline u64 weir_index_length(const struct weir_index *index)
{
	return (u64)index->max_segments << PAGE_SHIFT;
}

/* The page of a segment, for mapping; NULL when not there. Needs no lock. */
static inline struct page *weir_index_page(const struct weir_index *index, u32 nr)
{
	/* Pairs with the release in weir_index_add(). */
	void *segment = smp_load_acquire(&index->segments[nr]);

	return segment ? virt_to_page(segment) : NULL;
}

/* The entry in a slot that was taken. */
static inline struct weir_entry *weir_index_at(const struct weir_index *index, u32 slot)
{
	struct weir_entry *entries =
		index->segments[slot / WEIR_SEGMENT_SLOTS] + PAGE_SIZE;

	return &entries[slot % WEIR_SEGMENT_SLOTS];
}

/* How many of @count slots from @slot on are in one segment, their entries in a row. */
static inline u32 weir_index_row(u32 slot, u32 count)
{
	return min(count, (u32)(WEIR_SEGMENT_SLOTS - slot % WEIR_SEGMENT_SLOTS));
}

/* The entry in a slot that user space names, or NULL. */
static inline struct weir_entry *weir_index_find(const struct weir_index *index, u32 slot)
{
	u32 nr = slot / WEIR_SEGMENT_SLOTS;

	if (nr >= index->nr_segments)
		return NULL;
	nr = array_index_nospec(nr, index->nr_segments);
	return weir_index_at(index, nr * WEIR_SEGMENT_SLOTS + slot % WEIR_SEGMENT_SLOTS);
}

static inline struct weir_desc *weir_entry_desc(const struct weir_entry *entry)
{
	return (void *)entry - PAGE_SIZE;
}

/*
 * weir_index_take() - up to @want slots side by side in one segment, from *@slot on:
 * how many; 0 when a segment must be added first
 */
static inline u32 weir_index_take(struct weir_index *index, u32 want, u32 *slot)
{
	u64 free, mask;
	u32 bit, n;

	if (unlikely(!index->free[index->open]) && !weir_index_reopen(index))
		return 0;
	free = index->free[index->open];
	bit = __ffs64(free);
	n = ~(free >> bit) ? __ffs64(~(free >> bit)) : WEIR_SEGMENT_SLOTS;
	n = min3(n, want, (u32)WEIR_SEGMENT_SLOTS - bit);
	mask = GENMASK_ULL(bit + n - 1, bit);

	if (unlikely(free == U64_MAX))
		__clear_bit(index->open, index->whole);
	if (unlikely(free == mask))
		__clear_bit(index->open, index->some);
	index->free[index->open] = free & ~mask;
	*slot = index->open * WEIR_SEGMENT_SLOTS + bit;
	return n;
}

/* weir_index_put() - frees @n slots side by side, the entries of which are FREE */
static inline void weir_index_put(struct weir_index *index, u32 slot, u32 n)
{
	while (n) {
		u32 nr = slot / WEIR_SEGMENT_SLOTS;
		u32 bit = slot % WEIR_SEGMENT_SLOTS;
		u32 part = weir_index_row(slot, n);
		u64 free = index->free[nr];

		if (unlikely(!free))
			__set_bit(nr, index->some);
		free |= GENMASK_ULL(bit + part - 1, bit);
		if (unlikely(free == U64_MAX))
			__set_bit(nr, index->whole);
		index->free[nr] = free;
		slot += part;
		n -= part;
	}
}

#endif
