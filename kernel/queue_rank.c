// SPDX-License-Identifier: GPL-2.0
/*
 * What is delivered before what.
 *
 * Most messages were never delivered and have no wish; they wait in a chain, by
 * offset. All others wait in a tree, by rank: higher priorities first, in a priority
 * what was put back before what was never delivered, and then by offset. The chain has
 * the rank of the lowest priority, never delivered.
 */
#include "queue_steps.h"

/* The higher part of a rank; the lower part is the offset. */
static u32 weir_rank_class(u32 priority, bool delivered)
{
	return 2 * (WEIR_MAX_PRIORITIES - 1 - priority) + (delivered ? 0 : 1);
}

static u32 weir_entry_class(const struct weir_entry *entry)
{
	return weir_rank_class(entry->priority, entry->deliveries);
}

static bool weir_entry_before(const struct weir_entry *a, const struct weir_entry *b)
{
	u32 class_a = weir_entry_class(a), class_b = weir_entry_class(b);

	return class_a != class_b ? class_a < class_b : a->offset < b->offset;
}

static struct weir_entry *weir_ranked(const struct rb_node *node)
{
	return rb_entry_safe(node, struct weir_entry, node);
}

static bool weir_node_before(struct rb_node *a, const struct rb_node *b)
{
	return weir_entry_before(weir_ranked(a), weir_ranked(b));
}

void weir_queue_rank(struct weir_queue *queue, struct weir_entry *entry)
{
	lockdep_assert_held(&queue->lock);
	entry->state = WEIR_RANKED;
	rb_add_cached(&entry->node, &queue->ranked, weir_node_before);
	WRITE_ONCE(queue->depth, queue->depth + 1);
	WRITE_ONCE(queue->arrived, queue->arrived + 1);
}

/* The first in the tree of @class or a later one, or NULL. */
static struct weir_entry *weir_ranked_from(const struct weir_queue *queue, u32 class)
{
	struct rb_node *node = queue->ranked.rb_root.rb_node, *found = NULL;

	while (node) {
		if (weir_entry_class(weir_ranked(node)) >= class) {
			found = node;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return weir_ranked(found);
}

/* The last in the tree of a class before @class, or NULL. */
static struct weir_entry *weir_ranked_before(const struct weir_queue *queue, u32 class)
{
	struct weir_entry *from = weir_ranked_from(queue, class);

	return weir_ranked(from ? rb_prev(&from->node) : rb_last(&queue->ranked.rb_root));
}

/* The first of the lowest priority there is. */
static struct weir_entry *weir_queue_lowest(const struct weir_queue *queue)
{
	u32 priority = weir_ranked(rb_last(&queue->ranked.rb_root))->priority;
	struct weir_entry *ready = queue->ready.first, *ranked;

	if (ready && priority)
		return ready;
	ranked = weir_ranked_from(queue, weir_rank_class(priority, true));
	return ready && weir_entry_before(ready, ranked) ? ready : ranked;
}

struct weir_entry *weir_queue_next_ranked(const struct weir_queue *queue)
{
	struct weir_entry *ranked = weir_ranked(rb_first_cached(&queue->ranked));
	struct weir_entry *ready = queue->ready.first;

	if (queue->starve_after && queue->starving >= queue->starve_after)
		return weir_queue_lowest(queue);
	return ready && weir_entry_before(ready, ranked) ? ready : ranked;
}

/* What was taken from the chain alone is not counted: it is of the lowest priority. */
void weir_queue_recall_starving(struct weir_queue *queue)
{
	lockdep_assert_held(&queue->lock);
	if (queue->starving_at == queue->received)
		return;
	queue->starving_at = queue->received;
	queue->starving = 0;
}

void weir_queue_count_starving(struct weir_queue *queue, u32 priority, u32 count)
{
	struct weir_entry *last = weir_ranked(rb_last(&queue->ranked.rb_root));

	lockdep_assert_held(&queue->lock);
	queue->starving_at += count;
	if ((priority && queue->ready.first) || (last && last->priority < priority))
		queue->starving += count;
	else
		queue->starving = 0;
}

struct weir_entry *weir_queue_sent_before(const struct weir_queue *queue, u64 end, u32 *class)
{
	struct weir_entry *entry = queue->ready.first;

	lockdep_assert_held(&queue->lock);
	if (entry && entry->offset < end)
		return entry;
	/* The first of each class is its oldest. */
	while ((entry = weir_ranked_from(queue, *class)) && entry->offset >= end)
		*class = weir_entry_class(entry) + 1;
	return entry;
}

u64 weir_queue_oldest_stamp(const struct weir_queue *queue, u64 now)
{
	struct weir_entry *entry = weir_ranked_from(queue, 0);
	u64 oldest = now;

	if (queue->ready.first)
		oldest = weir_entry_desc(queue->ready.first)->stamp_ns;
	/* The first of each class is its oldest. */
	while (entry) {
		oldest = min(oldest, weir_entry_desc(entry)->stamp_ns);
		entry = weir_ranked_from(queue, weir_entry_class(entry) + 1);
	}
	return oldest;
}

/* Of @class the first that nobody reads any more, or NULL; few are looked at. */
static struct weir_entry *weir_ranked_unpinned(const struct weir_queue *queue, u32 class,
					       u32 *looks)
{
	struct weir_entry *entry = weir_ranked_from(queue, class);
	u32 n;

	for (n = 0; n < 64 && entry && weir_entry_class(entry) == class; n++) {
		if (!entry->pins)
			break;
		entry = weir_ranked(rb_next(&entry->node));
	}
	*looks += n;
	return n < 64 && entry && weir_entry_class(entry) == class ? entry : NULL;
}

static struct weir_entry *weir_older(struct weir_entry *a, struct weir_entry *b)
{
	return !a || (b && b->offset < a->offset) ? b : a;
}

/* The first that was sent of those of @priority. */
static struct weir_entry *weir_queue_oldest_of(const struct weir_queue *queue, u32 priority,
					       u32 *looks)
{
	struct weir_entry *again, *oldest = priority ? NULL : queue->ready.first;

	again = weir_ranked_unpinned(queue, weir_rank_class(priority, true), looks);
	oldest = weir_older(oldest, again);
	return weir_older(oldest, weir_ranked_unpinned(queue, weir_rank_class(priority, false),
						       looks));
}

struct weir_entry *weir_queue_oldest(const struct weir_queue *queue, u32 *looks)
{
	struct weir_entry *oldest, *higher;
	u32 priority = 0;

	lockdep_assert_held(&queue->lock);
	if (likely(!queue->ranked.rb_leftmost))
		return queue->ready.first;
	for (;;) {
		oldest = weir_queue_oldest_of(queue, priority, looks);
		if (oldest)
			return oldest;
		/* All of this priority, if there are any, are still read. */
		higher = weir_ranked_before(queue, weir_rank_class(priority, true));
		if (!higher)
			return NULL;
		priority = higher->priority;
	}
}
