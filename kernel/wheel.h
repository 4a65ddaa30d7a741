/* SPDX-License-Identifier: GPL-2.0 */
/*
 * wheel - what is to be looked at when
 *
 * A wheel has a fixed number of items, which are numbers to it. An item is in it
 * with a time, at which, or less than 2 ms later, it comes out. Putting an item in
 * costs the same however many there are, and each is moved a few times at most
 * before it comes out.
 *
 *   level 0   64 buckets of one tick (2^20 ns)
 *   level 1   64 buckets of 64 ticks
 *   ...       each bucket as long as the whole level below
 *
 * An item is on the level of the highest six bits in which its tick differs from
 * the wheel's. When the wheel reaches a bucket, what is in it comes out, or goes to
 * lower levels. Since a bucket's beginning is the earliest that anything in it can be
 * due, the first bucket of the lowest level in use says when to look again.
 *
 * The caller's lock protects a wheel.
 */
#ifndef _WEIR_WHEEL_H
#define _WEIR_WHEEL_H

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/types.h>

struct weir_account;

#define WEIR_WHEEL_SHIFT	20	/* of a tick, in ns */
#define WEIR_WHEEL_BITS		6
#define WEIR_WHEEL_BUCKETS	BIT(WEIR_WHEEL_BITS)
#define WEIR_WHEEL_LEVELS	8	/* all that 64 bits of ns can say */

#define WEIR_NEVER		U64_MAX
/* Times from here on are rounded up to what no timer can have. */
#define WEIR_WHEEL_END		(BIT_ULL(63) - BIT_ULL(WEIR_WHEEL_SHIFT))

struct weir_wheel_item {
	struct hlist_node node;
	u64 due;			/* in ns; WEIR_NEVER: it is not in */
};

struct weir_wheel {
	u32 nr_items;			/* invariant */
	struct weir_wheel_item *items;
	u64 tick;			/* that was reached */
	u64 used[WEIR_WHEEL_LEVELS];	/* a bit for each bucket with anything in it */
	struct hlist_head buckets[WEIR_WHEEL_LEVELS][WEIR_WHEEL_BUCKETS];
	struct hlist_head reached;	/* of buckets that were reached: to be gone through */
};

/* weir_wheel_init() - an empty wheel of items 0 to @nr_items - 1; may sleep */
int weir_wheel_init(struct weir_wheel *wheel, struct weir_account *account, u32 nr_items);
void weir_wheel_destroy(struct weir_wheel *wheel, struct weir_account *account);

/* weir_wheel_move() - puts @item in with time @due, wherever it was */
void weir_wheel_move(struct weir_wheel *wheel, u32 item, u64 due);

/* weir_wheel_put() - puts @item in, or sees that it comes out no later than @due */
static inline bool weir_wheel_put(struct weir_wheel *wheel, u32 item, u64 due)
{
	if (likely(wheel->items[item].due <= due))
		return false;
	weir_wheel_move(wheel, item, due);
	return true;
}

#define WEIR_NO_ITEM U32_MAX

/*
 * weir_wheel_take() - takes out an item that is due at @now: WEIR_NO_ITEM when there
 * is none, or, with *@work 0, when it is to be called again. Each item that is
 * touched takes 1 of *@work.
 */
u32 weir_wheel_take(struct weir_wheel *wheel, u64 now, u32 *work);

/* weir_wheel_next() - when to look again, in ns; WEIR_NEVER when nothing is in */
u64 weir_wheel_next(const struct weir_wheel *wheel);

#endif
