// SPDX-License-Identifier: MIT
/*
 * What a caller asked and is not done with: until the receipt of the request is there,
 * which is the last that is heard of it.
 *
 * An id is the place in a table, and above it what nobody can guess who holds others.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include "internal.h"

#define PLACE_BITS	26
#define PLACE_MASK	((1U << PLACE_BITS) - 1)
/* Of what is not in the table. */
#define NO_PLACE	PLACE_MASK

#define FIRST_PLACES	16

/* What a receipt takes. */
#define RECEIPT_SPACE \
	((sizeof(struct weir_receipt) + WEIR_ALIGN - 1) / WEIR_ALIGN * WEIR_ALIGN)

void asked_limit(struct asked_table *table, const struct weir_policy *policy)
{
	uint64_t most = policy->max_bytes / RECEIPT_SPACE;

	if (most > policy->max_messages)
		most = policy->max_messages;
	most /= 2;
	table->most = most < NO_PLACE ? most : NO_PLACE;
}

static int asked_grow(struct asked_table *table)
{
	uint32_t size = table->size ? 2 * table->size : FIRST_PLACES;
	struct asked *places = realloc(table->places, size * sizeof(*places));

	if (!places)
		return -ENOMEM;
	table->places = places;
	for (; table->size < size; table->size++)
		places[table->size] = (struct asked){ .next_free = table->size + 1 };
	return 0;
}

/* One of that place, never 0: 0 or -errno. */
static int id_make(uint32_t place, uint64_t *id)
{
	uint64_t drawn;

	do {
		if (getrandom(&drawn, sizeof(drawn), 0) != sizeof(drawn))
			return -errno;
	} while (!(drawn >> PLACE_BITS));
	*id = (drawn & ~(uint64_t)PLACE_MASK) | place;
	return 0;
}

int asked_nowhere(uint64_t *id)
{
	return id_make(NO_PLACE, id);
}

int asked_add(struct asked_table *table, uint64_t *id)
{
	struct asked *asked;
	int ret = 0;

	if (table->used >= table->most)
		return -ENOBUFS;
	if (table->first_free == table->size)
		ret = asked_grow(table);
	if (!ret)
		ret = id_make(table->first_free, id);
	if (ret)
		return ret;
	asked = &table->places[table->first_free];
	table->first_free = asked->next_free;
	table->used++;
	*asked = (struct asked){ .id = *id };
	return 0;
}

struct asked *asked_find(const struct asked_table *table, uint64_t id)
{
	uint32_t place = id & PLACE_MASK;

	if (!id || place >= table->size || table->places[place].id != id)
		return NULL;
	return &table->places[place];
}

void asked_end(struct asked_table *table, struct asked *asked)
{
	*asked = (struct asked){ .next_free = table->first_free };
	table->first_free = asked - table->places;
	table->used--;
}
