// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "line.h"

void line_make(struct line *line, struct check *check, const uint64_t *keys)
{
	size_t i, count = check->nr_stays;

	*line = (struct line){ .check = check, .keys = keys, .count = count };
	line->ends = malloc((count + 1) * sizeof(*line->ends));
	line->places = malloc((count + 1) * sizeof(*line->places));
	line->minima = malloc((count + 1) * sizeof(*line->minima));
	if (!line->ends || !line->places || !line->minima)
		abort();
	for (i = 0; i < count; i++)
		check->items[i] = (struct sort_item){ check->stays[i].until, i };
	sort_items(check->items, check->spare, count);
	for (i = 0; i < count; i++) {
		line->ends[i] = check->items[i].key;
		line->places[check->items[i].index] = i;
	}
	for (i = 0; i <= count; i++)
		line->minima[i].key = UINT64_MAX;
	for (i = 0; i < count; i++)
		check->items[i] = (struct sort_item){ check->stays[i].from, i };
	sort_items(check->items, check->spare, count);
}

void line_free(struct line *line)
{
	free(line->ends);
	free(line->places);
	free(line->minima);
}

static void line_add(struct line *line, size_t stay)
{
	uint64_t key = line->keys[stay];
	size_t i = line->count - line->places[stay];

	/* What is above it is not larger either. */
	for (; i <= line->count && line->minima[i].key > key; i += i & -i)
		line->minima[i] = (struct first){ key, stay };
}

void line_go_on(struct line *line, uint64_t time)
{
	const struct sort_item *items = line->check->items;

	while (line->added < line->count && items[line->added].key < time)
		line_add(line, items[line->added++].index);
}

struct first line_first(const struct line *line, uint64_t time)
{
	size_t low = 0, high = line->count, middle, i;
	struct first first = { UINT64_MAX, CHECK_NONE };

	while (low < high) {
		middle = (low + high) / 2;
		if (line->ends[middle] > time)
			high = middle;
		else
			low = middle + 1;
	}
	for (i = line->count - low; i; i &= i - 1)
		if (line->minima[i].key < first.key)
			first = line->minima[i];
	return first;
}
