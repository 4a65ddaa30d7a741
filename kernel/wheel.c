// SPDX-License-Identifier: GPL-2.0
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/limits.h>
#include <linux/minmax.h>

#include "account.h"
#include "wheel.h"

#define WEIR_WHEEL_MASK (WEIR_WHEEL_BUCKETS - 1)

int weir_wheel_init(struct weir_wheel *wheel, struct weir_account *account, u32 nr_items)
{
	struct weir_wheel_item *items;
	u32 i;

	items = weir_account_alloc(account, nr_items * sizeof(*items));
	if (IS_ERR(items))
		return PTR_ERR(items);
	for (i = 0; i < nr_items; i++)
		items[i].due = WEIR_NEVER;
	wheel->items = items;
	wheel->nr_items = nr_items;
	return 0;
}

void weir_wheel_destroy(struct weir_wheel *wheel, struct weir_account *account)
{
	weir_account_free(account, wheel->items, wheel->nr_items * sizeof(*wheel->items));
	wheel->items = NULL;
}

/* The first tick that is not before @due. */
static u64 weir_wheel_tick(u64 due)
{
	return (due >> WEIR_WHEEL_SHIFT) + 1;
}

static unsigned int weir_wheel_level(const struct weir_wheel *wheel, u64 tick)
{
	return (fls64((tick ^ wheel->tick) | 1) - 1) / WEIR_WHEEL_BITS;
}

static void weir_wheel_add(struct weir_wheel *wheel, struct weir_wheel_item *item)
{
	/* What is late comes out at the next look. */
	u64 tick = max(weir_wheel_tick(item->due), wheel->tick);
	unsigned int level = weir_wheel_level(wheel, tick);
	unsigned int bucket = (tick >> (level * WEIR_WHEEL_BITS)) & WEIR_WHEEL_MASK;

	wheel->used[level] |= BIT_ULL(bucket);
	hlist_add_head(&item->node, &wheel->buckets[level][bucket]);
}

void weir_wheel_move(struct weir_wheel *wheel, u32 nr, u64 due)
{
	struct weir_wheel_item *item = &wheel->items[nr];

	/* A bucket that this leaves empty is found out when it is reached. */
	hlist_del_init(&item->node);
	item->due = due;
	if (due != WEIR_NEVER)
		weir_wheel_add(wheel, item);
}

/* The first bucket that has anything in it, and the tick at which it begins. */
static bool weir_wheel_first(const struct weir_wheel *wheel, unsigned int *level,
			     unsigned int *bucket, u64 *tick)
{
	unsigned int l, shift;

	for (l = 0; l < WEIR_WHEEL_LEVELS; l++) {
		if (!wheel->used[l])
			continue;
		shift = l * WEIR_WHEEL_BITS;
		*level = l;
		*bucket = __ffs64(wheel->used[l]);
		*tick = (wheel->tick >> shift & ~(u64)WEIR_WHEEL_MASK) + *bucket;
		*tick <<= shift;
		return true;
	}
	return false;
}

/* Goes to the next bucket that begins until @end, or to @end. */
static bool weir_wheel_advance(struct weir_wheel *wheel, u64 end)
{
	unsigned int level, bucket;
	u64 tick;

	if (!weir_wheel_first(wheel, &level, &bucket, &tick) || tick > end) {
		wheel->tick = max(wheel->tick, end);
		return false;
	}
	wheel->tick = tick;
	wheel->used[level] &= ~BIT_ULL(bucket);
	hlist_move_list(&wheel->buckets[level][bucket], &wheel->reached);
	return true;
}

u32 weir_wheel_take(struct weir_wheel *wheel, u64 now, u32 *work)
{
	const u64 end = now >> WEIR_WHEEL_SHIFT;

	while (*work) {
		struct weir_wheel_item *item;

		if (hlist_empty(&wheel->reached)) {
			if (!weir_wheel_advance(wheel, end))
				break;
			continue;
		}
		--*work;
		item = hlist_entry(wheel->reached.first, struct weir_wheel_item, node);
		hlist_del_init(&item->node);
		if (weir_wheel_tick(item->due) <= end) {
			item->due = WEIR_NEVER;
			return item - wheel->items;
		}
		weir_wheel_add(wheel, item);
	}
	return WEIR_NO_ITEM;
}

u64 weir_wheel_next(const struct weir_wheel *wheel)
{
	unsigned int level, bucket;
	u64 tick;

	if (!hlist_empty(&wheel->reached))
		return 0;
	if (!weir_wheel_first(wheel, &level, &bucket, &tick))
		return WEIR_NEVER;
	return tick << WEIR_WHEEL_SHIFT;
}
