// SPDX-License-Identifier: GPL-2.0 OR MIT
/* What is taken once, however often it is sent. */
#include "model.h"

struct producer *model_producer(const struct queue *queue, const struct spec *spec)
{
	const struct weir_options *options = &spec->options;
	int i;

	for (i = 0; i < USERS * PRODUCERS; i++) {
		const struct producer *producer = &queue->producers[i];

		if (producer->id == options->producer && producer->epoch == options->epoch &&
		    producer->uid == spec->uid)
			return (struct producer *)producer;
	}
	return NULL;
}

bool model_is_fenced(const struct queue *queue, const struct spec *spec)
{
	return spec->options.producer && !model_producer(queue, spec);
}

/* Whether @id is one of the last so many, and its time is not over, which is none or long. */
static bool is_known(const struct queue *queue, __u64 id)
{
	int i, first = queue->nr_ids - (int)queue->policy.dedup_count;

	if (queue->policy.dedup_ns == SHORT_NS)
		return false;
	for (i = first > 0 ? first : 0; i < queue->nr_ids; i++)
		if (queue->ids[i] == id)
			return true;
	return false;
}

bool model_take_once(struct queue *queue, const struct spec *spec)
{
	if (spec->options.producer) {
		struct producer *producer = model_producer(queue, spec);

		if (spec->options.sequence <= producer->sequence)
			return false;
		producer->sequence = spec->options.sequence;
	}
	if (!spec->id)
		return true;
	if (is_known(queue, spec->id))
		return false;
	queue->ids[queue->nr_ids++] = spec->id;
	return true;
}
