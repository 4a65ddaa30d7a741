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
 *   | desc, desc, .. (64) |  | desc, desc, .. (64) |  one mapped page each
 *   | entry, .....  (64) |  | entry, .....  (64) |  one private page each
 *   | free: a bit a slot  |  |                     |
 *   +---------------------+  +---------------------+
 *
 * Order is not kept here, but by lists through the entries. So messages may be
 * settled in any order: one that is stuck holds its own slot and nothing else.
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

#include <linux/build_bug.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/rbtree.h>
#include <uapi/linux/weir.h>

struct weir_account;
struct weir_consumer;

/**
 * enum weir_state - of an entry
 * @WEIR_FREE:   in no list
 * @WEIR_DRAFT:  reserved by a sender, in a list of its own
 * @WEIR_READY:  sent and never delivered, in the list of such, by offset
 * @WEIR_BACK:   delivered and put back, in the tree of such, by offset
 * @WEIR_LEASED: delivered, in its holder's list
 */
enum weir_state {
	WEIR_FREE,
	WEIR_DRAFT,
	WEIR_READY,
	WEIR_BACK,
	WEIR_LEASED,
};

struct weir_entry {
	union {
		struct list_head link;	/* DRAFT, READY, LEASED */
		struct rb_node node;	/* BACK */
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
};

#define WEIR_SEGMENT_SLOTS (PAGE_SIZE / sizeof(struct weir_desc))

/* One bit a slot in a u64; larger pages hold as many slots for each bit map. */
static_assert(PAGE_SIZE == 4096);
static_assert(WEIR_SEGMENT_SLOTS == 64);
static_assert(sizeof(struct weir_entry) * WEIR_SEGMENT_SLOTS == PAGE_SIZE);

struct weir_segment {
	struct page *descs;		/* invariant */
	struct weir_entry *entries;	/* invariant */
	u64 free;			/* a bit a slot */
};

struct weir_index {
	u32 max_segments;		/* invariant */
	u32 nr_segments;		/* [0, nr_segments) are there */
	u32 open;			/* the segment that slots come from now */
	unsigned long *whole;		/* segments with all slots free */
	unsigned long *some;		/* segments with any slot free */
	struct weir_segment **segments;	/* each is set once; see weir_index_page() */
};

/* weir_index_init() - for @nr_slots at most; may sleep */
int weir_index_init(struct weir_index *index, struct weir_account *account,
		    u32 nr_slots);
/* weir_index_destroy() - with nothing left in it that matters; may sleep */
void weir_index_destroy(struct weir_index *index, struct weir_account *account);

/* A new segment or ERR_PTR(); may sleep, needs no lock. */
struct weir_segment *weir_segment_new(struct weir_account *account);
void weir_segment_free(struct weir_segment *segment, struct weir_account *account);
/* weir_index_add() - adds @segment, false if there are as many as may be */
bool weir_index_add(struct weir_index *index, struct weir_segment *segment);

/* An entry in state DRAFT, or NULL: a segment must be added first. */
struct weir_entry *weir_index_take(struct weir_index *index);
void weir_index_put(struct weir_index *index, struct weir_entry *entry);

static inline u64 weir_index_length(const struct weir_index *index)
{
	return (u64)index->max_segments << PAGE_SHIFT;
}

/* The page of a segment, for mapping; NULL when not there. Needs no lock. */
static inline struct page *weir_index_page(const struct weir_index *index, u32 nr)
{
	/* Pairs with the release in weir_index_add(). */
	struct weir_segment *segment = smp_load_acquire(&index->segments[nr]);

	return segment ? segment->descs : NULL;
}

/* The entry in a slot that the kernel gave out, or that user space names. */
struct weir_entry *weir_index_entry(const struct weir_index *index, u32 slot);
struct weir_desc *weir_index_desc(const struct weir_index *index, u32 slot);

#endif
