// SPDX-License-Identifier: GPL-2.0
#include <linux/err.h>
#include <linux/slab.h>

#include "queue_steps.h"

/* Slots, or segments without leases, gone through before others get the lock. */
#define WEIR_PUT_BACK_CHUNK	4096

/* One more who has @queue open: 0 or -errno. */
static int weir_queue_enter(struct weir_queue *queue, bool receives)
{
	guard(spinlock)(&queue->lock);
	if (queue->dead)
		return -ENXIO;
	if (receives && queue->receivers && queue->policy_flags & WEIR_POLICY_EXCLUSIVE)
		return -EBUSY;
	queue->opens++;
	queue->receivers += receives;
	return 0;
}

struct weir_queue_file *weir_queue_open(struct weir_queue *queue, bool receives)
{
	struct weir_queue_file *file;
	int ret;

	file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	if (!file)
		return ERR_PTR(-ENOMEM);
	file->queue = queue;
	file->receives = receives;
	file->consumers = RB_ROOT;
	weir_parking_init(&file->parking);
	file->pins = RB_ROOT;
	INIT_LIST_HEAD(&file->let_go);

	ret = weir_queue_enter(queue, receives);
	if (ret) {
		kfree(file);
		return ERR_PTR(ret);
	}
	weir_object_get(&queue->object);
	return file;
}

static void weir_segment_put_back(struct weir_queue *queue, struct weir_consumer *consumer,
				  u32 nr)
{
	struct weir_entry *entry = weir_index_at(&queue->index, nr * WEIR_SEGMENT_SLOTS);
	u32 i;

	for (i = 0; i < WEIR_SEGMENT_SLOTS; i++, entry++) {
		if (entry->state == WEIR_LEASED && entry->holder == consumer)
			weir_entry_return(queue, entry, 0);
	}
}

/*
 * Puts back some of what @consumer holds, which takes nothing any more: true when
 * nothing is left.
 */
static bool weir_consumer_put_back(struct weir_queue *queue, struct weir_consumer *consumer)
{
	u32 end = consumer->highest + 1;
	u32 work = 0;

	lockdep_assert_held(&queue->lock);
	while (consumer->leased && work < WEIR_PUT_BACK_CHUNK && consumer->lowest < end) {
		u32 nr = consumer->lowest++;

		work++;
		if (queue->index.leased[nr]) {
			weir_segment_put_back(queue, consumer, nr);
			work += WEIR_SEGMENT_SLOTS;
		}
	}
	return !consumer->leased || WARN_ON_ONCE(consumer->lowest >= end);
}

/* Takes @consumer out of its file. */
static void weir_consumer_unlink(struct weir_consumer *consumer)
{
	struct weir_queue_file *file = consumer->file;

	lockdep_assert_held(&file->queue->lock);
	rb_erase(&consumer->node, &file->consumers);
	RB_CLEAR_NODE(&consumer->node);
	file->queue->consumers--;
}

static void weir_consumer_free(struct weir_consumer *consumer)
{
	/* Entries that were lost track of, of which a warning told, have it as holder. */
	if (consumer->leased)
		return;
	weir_who_put(consumer->who);
	kfree(consumer);
}

/* Puts back some, and lets go of some that it pins: true when nothing is left. */
static bool weir_consumer_let_go(struct weir_queue *queue, struct weir_consumer *consumer,
				 struct list_head *pins)
{
	return weir_consumer_put_back(queue, consumer) &&
	       weir_consumer_unpin(queue, consumer, pins);
}

/* After that, without the lock. */
static void weir_consumer_let_gone(struct weir_queue *queue, struct list_head *pins)
{
	weir_queue_wake_readers(queue);
	if (!list_empty(pins)) {
		weir_queue_wake_writers(queue);
		weir_pins_free(queue, pins);
	}
	cond_resched();
}

/*
 * Of deaths that are noted, as many as @left, some is put into effect: whether there is
 * more of it.
 */
static bool weir_queue_mourn_some(struct weir_queue *queue, u32 *left)
{
	struct weir_death *death;

	guard(spinlock)(&queue->lock);
	death = *left ? weir_deaths_first(&queue->deaths) : NULL;
	if (!death)
		return false;
	if (weir_consumer_put_back(queue, container_of(death, struct weir_consumer, death))) {
		weir_consumer_gone(container_of(death, struct weir_consumer, death));
		weir_death_forget(death);
		--*left;
	}
	return true;
}

void weir_queue_mourn(struct weir_queue *queue)
{
	/* Those that come later are not waited for. */
	u32 left = atomic_read(&queue->deaths.nr);

	while (weir_queue_mourn_some(queue, &left) && !fatal_signal_pending(current)) {
		weir_queue_wake_readers(queue);
		cond_resched();
	}
}

/* Forgotten, @consumer is nobody's, and neither the file nor the queue is looked at. */
static void weir_consumer_end(struct weir_consumer *consumer)
{
	weir_death_put(&consumer->death);
	weir_consumer_free(consumer);
}

/*
 * The process has ended. Either this or weir_queue_close() takes the consumer
 * out of its file, under the lock, and then owns it. As long as it is in there
 * the file and the queue are, for weir_queue_close() waits for this to return; and
 * after that as long as it is counted in file->ending.
 */
static void weir_consumer_died(struct weir_death *death)
{
	struct weir_consumer *consumer = container_of(death, struct weir_consumer, death);
	struct weir_queue_file *file = consumer->file;
	struct weir_queue *queue = file->queue;
	LIST_HEAD(pins);
	bool done, ours;

	do {
		spin_lock(&queue->lock);
		ours = !RB_EMPTY_NODE(&consumer->node);
		done = !ours || weir_consumer_let_go(queue, consumer, &pins);
		if (ours && done) {
			weir_consumer_gone(consumer);
			weir_consumer_unlink(consumer);
			WRITE_ONCE(file->ending, file->ending + 1);
		}
		spin_unlock(&queue->lock);
		weir_consumer_let_gone(queue, &pins);
	} while (!done);
	if (!ours)
		return;

	weir_death_end(death);
	spin_lock(&queue->lock);
	weir_death_forget(death);
	WRITE_ONCE(file->ending, file->ending - 1);
	spin_unlock(&queue->lock);
	/* Only the address of it is used. */
	wake_up_var(&file->ending);
	weir_consumer_end(consumer);
}

static void weir_consumer_close(struct weir_queue *queue, struct weir_consumer *consumer)
{
	LIST_HEAD(pins);
	bool done;

	weir_death_cancel(&consumer->death);
	do {
		spin_lock(&queue->lock);
		done = weir_consumer_let_go(queue, consumer, &pins);
		if (done)
			weir_death_forget(&consumer->death);
		spin_unlock(&queue->lock);
		weir_consumer_let_gone(queue, &pins);
	} while (!done);
	weir_consumer_end(consumer);
}

/*
 * No call is in progress on @file, so no consumer is made any more and nothing
 * is taken; deaths are still told until each consumer is closed.
 */
void weir_queue_close(struct weir_queue_file *file)
{
	struct weir_queue *queue = file->queue;
	struct weir_consumer *consumer;
	struct rb_node *node;

	for (;;) {
		spin_lock(&queue->lock);
		node = rb_first(&file->consumers);
		if (!node)
			break;
		consumer = rb_entry(node, struct weir_consumer, node);
		weir_consumer_unlink(consumer);
		spin_unlock(&queue->lock);
		weir_consumer_close(queue, consumer);
	}
	spin_unlock(&queue->lock);
	/* Who ended by his death just now still looks at the file. */
	wait_var_event(&file->ending, !READ_ONCE(file->ending));
	spin_lock(&queue->lock);
	queue->opens--;
	queue->receivers -= file->receives;
	weir_queue_leave(queue, file);
	spin_unlock(&queue->lock);
	weir_queue_pass_on(queue);
	weir_parking_end(&file->parking);
	kfree(file);
	if (weir_object_anonymous(&queue->object))
		weir_queue_end(queue);
	weir_object_put(&queue->object);
}

static bool weir_consumer_less(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct weir_consumer, node)->death.pid <
	       rb_entry(b, struct weir_consumer, node)->death.pid;
}

int weir_queue_add_consumer(struct weir_queue_file *file)
{
	struct weir_queue *queue = file->queue;
	struct weir_consumer *new;
	bool added = false;

	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	new->who = weir_who_new();
	if (!new->who) {
		kfree(new);
		return -ENOMEM;
	}
	new->file = file;
	RB_CLEAR_NODE(&new->node);
	INIT_LIST_HEAD(&new->pins);
	weir_death_watch(&new->death, weir_consumer_died, &queue->deaths);

	/* Another thread of this process may have been quicker. */
	spin_lock(&queue->lock);
	if (!weir_queue_find_consumer(file)) {
		rb_add(&new->node, &file->consumers, weir_consumer_less);
		queue->consumers++;
		file->living++;
		added = true;
	}
	spin_unlock(&queue->lock);
	if (!added)
		weir_consumer_close(queue, new);
	return 0;
}
