/* SPDX-License-Identifier: MIT */
/* Stable sorting of many by 64-bit keys, in a time that grows with their number. */
#ifndef WEIR_SELFTESTS_SORT_H
#define WEIR_SELFTESTS_SORT_H

#include <stddef.h>
#include <stdint.h>

struct sort_item {
	uint64_t key;
	uint32_t index;
};

/* @spare has room for as many. */
void sort_items(struct sort_item *items, struct sort_item *spare, size_t count);
/* How many of @items, which are sorted, have a smaller key. */
size_t sort_below(const struct sort_item *items, size_t count, uint64_t key);

#endif
