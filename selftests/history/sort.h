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

#endif
