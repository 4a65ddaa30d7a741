// SPDX-License-Identifier: GPL-2.0
/*
 * Who may receive, and how much: consumers that hold as much as they may, and queues of
 * which one description receives at a time, the *active* one.
 *
 *   nobody --- takes a message ---> active --- closed, or none of its consumers lives --+
 *     ^                                                                                 |
 *     +---------------------------------------------------------------------------------+
 *
 * It is active until all that it held is put back, so that the next one gets that first.
 * Those whose turn it is not wait as for a message, and are passed by wake-ups that they
 * can do nothing with.
 */
#include "queue_steps.h"

int weir_queue_admit(const struct weir_queue *queue, const struct weir_consumer *consumer,
		     u32 *most)
{
	lockdep_assert_held(&queue->lock);
	if (!weir_queue_is_turn(queue, consumer->file))
		return -EAGAIN;
	*most = U32_MAX;
	if (!queue->prefetch)
		return 0;
	if (consumer->leased >= queue->prefetch)
		return -EBUSY;
	*most = queue->prefetch - consumer->leased;
	return 0;
}

void weir_queue_admitted(struct weir_queue *queue, struct weir_queue_file *file)
{
	lockdep_assert_held(&queue->lock);
	if (queue->policy_flags & WEIR_POLICY_SINGLE_ACTIVE)
		WRITE_ONCE(queue->active, file);
}

void weir_queue_leave(struct weir_queue *queue, struct weir_queue_file *file)
{
	lockdep_assert_held(&queue->lock);
	if (queue->active == file)
		WRITE_ONCE(queue->active, NULL);
}

void weir_consumer_gone(struct weir_consumer *consumer)
{
	struct weir_queue_file *file = consumer->file;

	lockdep_assert_held(&file->queue->lock);
	/* Once by who fetches, perhaps, and then by who is told. */
	if (consumer->gone)
		return;
	consumer->gone = true;
	if (!--file->living)
		weir_queue_leave(file->queue, file);
}
