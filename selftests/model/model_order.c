// SPDX-License-Identifier: GPL-2.0 OR MIT
/* What is delivered next, and to whom. */
#include "model.h"

static bool same_key(const struct message *a, const struct message *b)
{
	return a->spec.key_len == b->spec.key_len &&
	       !memcmp(a->bytes + a->spec.len, b->bytes + b->spec.len, a->spec.key_len);
}

/* Whether it has come into the line of its key, and has not left it. */
static bool is_in_line(const struct message *message)
{
	return message->arrived && (message->state == READY || message->state == LEASED ||
				    message->state == DELAYED);
}

bool model_is_ahead(const struct queue *queue, const struct message *other,
		    const struct message *message)
{
	return has_flag(queue, WEIR_POLICY_KEYED) && message->spec.key_len &&
	       is_in_line(other) && other->arrived < message->arrived &&
	       same_key(other, message);
}

static bool is_behind(const struct queue *queue, const struct message *message)
{
	int i;

	for (i = 0; i < queue->held; i++)
		if (model_is_ahead(queue, queue->messages[i], message))
			return true;
	return false;
}

/*
 * Messages of one key stand in a line as they came, and leave it when they are gone. Only
 * the first one is given to anybody; who comes back is where he was.
 */
static void model_line(struct queue *queue)
{
	int i;

	if (!queue->line_changed || !has_flag(queue, WEIR_POLICY_KEYED))
		return;
	queue->line_changed = false;
	for (i = 0; i < queue->held; i++) {
		struct message *message = queue->messages[i];

		message->behind = is_in_line(message) && is_behind(queue, message);
	}
}

void model_arrive(struct queue *queue, struct message *message)
{
	message->state = READY;
	if (!message->arrived)
		message->arrived = ++queue->arrivals;
	queue->line_changed = true;
	queue->freed++;
}

static bool is_next(const struct message *message)
{
	return message->state == READY && !message->behind;
}

bool model_is_next(struct queue *queue, const struct message *message)
{
	model_line(queue);
	return is_next(message);
}

int model_depth(struct queue *queue)
{
	return model_count(queue, READY) - model_behind(queue);
}

int model_behind(struct queue *queue)
{
	int i, count = 0;

	model_line(queue);
	for (i = 0; i < queue->held; i++)
		count += queue->messages[i]->state == READY && queue->messages[i]->behind;
	return count;
}

/*
 * Higher priorities are first, or the lowest, if that waits for long; in each what
 * was delivered before; then by offset.
 */
static bool before(const struct message *a, const struct message *b, bool lowest)
{
	if (a->priority != b->priority)
		return (a->priority > b->priority) != lowest;
	if (!a->deliveries != !b->deliveries)
		return a->deliveries;
	return a->offset < b->offset;
}

struct message *model_next(struct queue *queue)
{
	__u32 most = queue->policy.starve_after;
	bool lowest = most && queue->starving >= most;
	struct message *next = NULL;
	int i;

	model_line(queue);
	for (i = 0; i < queue->held; i++)
		if (is_next(queue->messages[i]) &&
		    (!next || before(queue->messages[i], next, lowest)))
			next = queue->messages[i];
	return next;
}

/* Whether what has a lower priority waits. */
static bool starves(struct queue *queue, __u32 priority)
{
	int i;

	model_line(queue);
	for (i = 0; i < queue->held; i++)
		if (is_next(queue->messages[i]) && queue->messages[i]->priority < priority)
			return true;
	return false;
}

void model_count_starving(struct queue *queue, const struct message *message)
{
	const __u32 most = queue->policy.starve_after;

	queue->starved += most && queue->starving >= most;
	queue->starving = most && starves(queue, message->priority) ? queue->starving + 1 : 0;
}

bool model_is_turn(const struct file *file)
{
	return !file->queue->active || file->queue->active == file;
}

__s64 model_admit(const struct file *file, int worker)
{
	const __u32 most = file->queue->policy.prefetch;
	__u32 holds = 0;
	int i;

	if (!model_is_turn(file))
		return -EAGAIN;
	if (!most)
		return WEIR_BATCH_MAX;
	for (i = 0; i < file->queue->held; i++) {
		const struct message *message = file->queue->messages[i];

		holds += message->state == LEASED && message->file == file &&
			 message->worker == worker;
	}
	return holds < most ? (__s64)(most - holds) : -EBUSY;
}
