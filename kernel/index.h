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

#include "bits.h"

struct weir_account;
struct weir_bonds;
struct weir_consumer;
struct weir_once;
struct weir_reason;
struct weir_share;
struct weir_who;

/**
 * enum weir_state - of an entry
 * @WEIR_FREE:   in no list
 * @WEIR_DRAFT:  reserved by a sender, in a chain of its own
 * @WEIR_READY:  sent and never delivered, in the chain of such, by offset
 * @WEIR_RANKED: to be delivered, too, but put back, or sent with a wish; in the tree of
 *               such, by rank
 * @WEIR_DELAYED: put back, or sent, to be delivered later; in no list
 * @WEIR_BEHIND: to be delivered when the one before it of its key is gone; in the ring of
 *               such of this key
 * @WEIR_LEASED: delivered, its holder's; in no list
 * @WEIR_DYING:  dead, in the chain of those that are to be buried
 * @WEIR_PINNED: settled, but its bytes may still be read by who held it before; in
 *               no list
 */
enum weir_state {
	WEIR_FREE,
	WEIR_DRAFT,
	WEIR_READY,
	WEIR_RANKED,
	WEIR_DELAYED,
	WEIR_BEHIND,
	WEIR_LEASED,
	WEIR_DYING,
	WEIR_PINNED,
};

struct weir_entry {
	union {
		struct {
			struct weir_entry *next; /* DRAFT, READY, DYING: in a chain */
			union {
				struct weir_reason *text; /* DYING: counted, or NULL */
				struct weir_once *once;	/* DRAFT: if @has_once */
			};
			struct weir_who *who;	/* DYING: who held it, counted, or NULL */
		};
		struct rb_node node;		/* RANKED */
		struct list_head link;		/* BEHIND: the others of its key */
		u64 due;			/* LEASED, DELAYED: when that ends */
	};
	u64 offset;
	union {
		struct weir_consumer *holder;	/* LEASED */
		u32 reason;		/* DYING: enum weir_dead_reason */
	};
	u32 slot;			/* invariant */
	u32 place;			/* in the pool, in units */
	u32 len;			/* of the payload, in bytes */
	u32 size;			/* of everything, in bytes */
	union {
		/* All of these, to be compared and set at once. */
		u64 mark;
		struct {
			u32 deliveries;
			u8 state;	/* enum weir_state */
			u8 busy:1;	/* being copied out, or read in part */
			u8 in_place:1;	/* LEASED: its holder reads it in the pool */
			u8 wishes:1;	/* there is a struct weir_extra of it */
			u8 has_once:1;	/* DRAFT */
			u8 priority;
			u8 pins;	/* former holders who may still do so */
		};
	};
};

/* On a machine that begins with the low end; those that are not here are 0. */
#define WEIR_MARK_IN_PLACE	BIT_ULL(41)

static inline u64 weir_mark(enum weir_state state, u32 deliveries)
{
	return (u64)state << 32 | deliveries;
}

/* What few messages have: a page of these for a segment with such. */
struct weir_extra {
	union {
		u64 delay_until;	/* DRAFT: CLOCK_BOOTTIME, or 0 */
		struct weir_entry *behind; /* a head: who comes next; or NULL */
	};
	u64 expires;			/* CLOCK_BOOTTIME, or WEIR_NEVER */
	u64 key;			/* see queue_key.c; 0: none */
	u32 next;			/* a head: 1 + the slot of another one; or 0 */
	bool head;
	struct weir_bonds *bonds;	/* see queue_bonds.h; or NULL */
	struct weir_share *share;	/* see queue_share.c; in some queues of every message */
	u64 reserved[2];
};

#define WEIR_SEGMENT_SLOTS (PAGE_SIZE / sizeof(struct weir_desc))

/* A bit a slot in a u64, and both sides of a slot at the same place in a page. */
static_assert(PAGE_SIZE == 4096);
static_assert(WEIR_SEGMENT_SLOTS == 64);
static_assert(sizeof(struct weir_entry) == sizeof(struct weir_desc));
static_assert(sizeof(struct weir_extra) * WEIR_SEGMENT_SLOTS == PAGE_SIZE);

struct weir_index {
	u32 max_segments;		/* invariant */
	u32 nr_segments;		/* [0, nr_segments) are there */
	u32 open;			/* the segment that slots come from now */
	struct weir_bits whole;		/* other segments, with all slots free */
	struct weir_bits some;		/* other segments, with any slot free */
	u64 *free;			/* for each segment, a bit a slot */
	u8 *leased;			/* for each segment, how many slots are LEASED */
	void **segments;		/* each is set once; see weir_index_page() */
	struct weir_extra **extras;	/* for each segment, set once by cmpxchg, or NULL */
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
/* weir_index_is_most() - no segment can be added */
static inline bool weir_index_is_most(const struct weir_index *index)
{
	return index->nr_segments == index->max_segments;
}

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

/* weir_index_need_extra() - there is one for each slot of @slot's segment; may sleep */
int weir_index_need_extra(struct weir_index *index, struct weir_account *account, u32 slot);

/* That of a slot for which it was needed. */
static inline struct weir_extra *weir_index_extra(const struct weir_index *index, u32 slot)
{
	struct weir_extra *extras = READ_ONCE(index->extras[slot / WEIR_SEGMENT_SLOTS]);

	return &extras[slot % WEIR_SEGMENT_SLOTS];
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

/* A descriptor by words, the first field lowest: what stands together is stored at once. */
struct weir_desc_words {
	u64 offset;
	u64 pos;
	u64 stamp_ns;
	u64 lens;			/* len, headers_len */
	u64 parts;			/* key_len, flags, deliveries */
	u64 ids;			/* uid, gid */
	u64 pid_slot;
	u64 first_ns;
};

#define weir_desc_has(word, field)						\
	(offsetof(struct weir_desc_words, word) == offsetof(struct weir_desc, field))

static_assert(weir_desc_has(lens, len) && weir_desc_has(parts, key_len) &&
	      weir_desc_has(ids, uid) && weir_desc_has(pid_slot, pid));
static_assert(sizeof(struct weir_desc_words) == sizeof(struct weir_desc));

static inline struct weir_desc *weir_entry_desc(const struct weir_entry *entry)
{
	return (void *)entry - PAGE_SIZE;
}

/* @n bits from @bit on, 1 to as many as there are. */
static inline u64 weir_index_bits(u32 bit, u32 n)
{
	return U64_MAX >> (WEIR_SEGMENT_SLOTS - n) << bit;
}

/*
 * weir_index_take() - up to @want slots side by side in one segment, from *@slot on:
 * how many; 0 when a segment must be added first
 */
static __always_inline u32 weir_index_take(struct weir_index *index, u32 want, u32 *slot)
{
	u64 free, taken;
	u32 bit, n;

	if (unlikely(!index->free[index->open]) && !weir_index_reopen(index))
		return 0;
	free = index->free[index->open];
	bit = __ffs64(free);
	n = min(want, (u32)WEIR_SEGMENT_SLOTS - bit);
	taken = weir_index_bits(bit, n);
	if (unlikely(taken & ~free)) {
		/* The carry goes up to the first one that is not free. */
		taken &= free & ~(free + BIT_ULL(bit));
		n = hweight64(taken);
	}
	index->free[index->open] = free & ~taken;
	*slot = index->open * WEIR_SEGMENT_SLOTS + bit;
	return n;
}

/* weir_index_put_row() - frees @n slots of one segment, the entries of which are FREE */
static inline void weir_index_put_row(struct weir_index *index, u32 slot, u32 n)
{
	u32 nr = slot / WEIR_SEGMENT_SLOTS;
	u64 was = index->free[nr];
	u64 free = was | weir_index_bits(slot % WEIR_SEGMENT_SLOTS, n);

	index->free[nr] = free;
	if (unlikely(!was) && nr != index->open)
		weir_bits_set(&index->some, nr);
	if (unlikely(free == U64_MAX) && nr != index->open)
		weir_bits_set(&index->whole, nr);
}

/* weir_index_put() - frees @n slots side by side, the entries of which are FREE */
static inline void weir_index_put(struct weir_index *index, u32 slot, u32 n)
{
	while (n) {
		u32 part = weir_index_row(slot, n);

		weir_index_put_row(index, slot, part);
		slot += part;
		n -= part;
	}
}

#endif
