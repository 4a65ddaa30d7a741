// SPDX-License-Identifier: MIT
#include <string.h>

#include "sort.h"

#define DIGITS	8		/* of a byte each */

void sort_items(struct sort_item *items, struct sort_item *spare, size_t count)
{
	size_t starts[DIGITS][256] = { 0 };
	struct sort_item *from = items, *to = spare, *swap;
	size_t i, start, here;
	unsigned int digit;

	for (i = 0; i < count; i++)
		for (digit = 0; digit < DIGITS; digit++)
			starts[digit][items[i].key >> 8 * digit & 255]++;
	for (digit = 0; digit < DIGITS; digit++) {
		/* The same in all of them. */
		if (!count || starts[digit][items[0].key >> 8 * digit & 255] == count)
			continue;
		for (i = 0, start = 0; i < 256; i++) {
			here = starts[digit][i];
			starts[digit][i] = start;
			start += here;
		}
		for (i = 0; i < count; i++)
			to[starts[digit][from[i].key >> 8 * digit & 255]++] = from[i];
		swap = from;
		from = to;
		to = swap;
	}
	if (from != items)
		memcpy(items, from, count * sizeof(*items));
}

size_t sort_below(const struct sort_item *items, size_t count, uint64_t key)
{
	size_t low = 0, high = count, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (items[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
