/* SPDX-License-Identifier: GPL-2.0 */
/*
 * chain - entries in a row: added at the end, taken from the front
 *
 * A list with one pointer an entry, for what is done once or more a message.
 */
#ifndef _WEIR_CHAIN_H
#define _WEIR_CHAIN_H

#include <linux/types.h>

#include "index.h"

#define WEIR_DRAFTS_WISHES	BIT(0)
#define WEIR_DRAFTS_ONCE	BIT(1)

struct weir_chain {
	struct weir_entry *first;
	struct weir_entry **end;	/* where the next one is linked */
	u8 wishes;			/* of drafts: WEIR_DRAFTS_*, what some of them have */
	struct weir_once *spent;	/* if it is _ONCE: what was noted of those sent */
};

static inline void weir_chain_init(struct weir_chain *chain)
{
	chain->first = NULL;
	chain->end = &chain->first;
	chain->wishes = 0;
}

/* Adds @first to @last, which are linked. */
static inline void weir_chain_add_row(struct weir_chain *chain, struct weir_entry *first,
				      struct weir_entry *last)
{
	last->next = NULL;
	*chain->end = first;
	chain->end = &last->next;
}

/* Takes the first one of a chain that is not empty. */
static inline struct weir_entry *weir_chain_take(struct weir_chain *chain)
{
	struct weir_entry *entry = chain->first;

	chain->first = entry->next;
	if (!chain->first)
		chain->end = &chain->first;
	return entry;
}

/* Takes all before @next, which is in it, or NULL: all. */
static inline void weir_chain_skip(struct weir_chain *chain, struct weir_entry *next)
{
	chain->first = next;
	if (!next)
		chain->end = &chain->first;
}

/* Adds all of @from, which is not empty, and not to be used any more. */
static inline void weir_chain_splice(struct weir_chain *chain, const struct weir_chain *from)
{
	*chain->end = from->first;
	chain->end = from->end;
}

/* Cuts off what follows the link at @end into @rest. */
static inline void weir_chain_cut(struct weir_chain *chain, struct weir_entry **end,
				  struct weir_chain *rest)
{
	weir_chain_init(rest);
	if (!*end)
		return;
	rest->first = *end;
	rest->end = chain->end;
	*end = NULL;
	chain->end = end;
}

#endif
