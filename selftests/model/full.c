// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * When it is full, and others go for what has no room. How many went the kernel tells, and
 * where it is free in that, the model goes along; but not in which, nor in whether one
 * more went than all of the call needed.
 */
#include "world.h"

/* While so many are ready or behind others, or more, some may go though all would not do. */
#define MANY 128

struct space model_space(const struct spec *specs, int count)
{
	struct space space = { .messages = count };
	int i;

	for (i = 0; i < count; i++)
		space.units += units_of(spec_size(&specs[i]));
	return space;
}

static struct space space_of(const struct message *message)
{
	return (struct space){ .messages = 1, .units = units_of(message->size) };
}

static void add_space(struct space *space, struct space more)
{
	space->messages += more.messages;
	space->units += more.units;
}

static bool is_free_to_go(const struct message *message)
{
	return message->state == READY && !message->nr_pins;
}

/* Of one key only if those before it may, too. */
static bool may_go(const struct queue *queue, const struct message *message)
{
	int i;

	if (!is_free_to_go(message))
		return false;
	for (i = 0; i < queue->held; i++)
		if (!is_free_to_go(queue->messages[i]) &&
		    model_is_ahead(queue, queue->messages[i], message))
			return false;
	return true;
}

struct space model_dying(const struct queue *queue)
{
	struct space space = { 0 };
	int i;

	for (i = 0; lets_die(queue) && i < queue->held; i++)
		if (queue->messages[i]->state == DYING)
			add_space(&space, space_of(queue->messages[i]));
	return space;
}

struct space model_may_go(const struct queue *queue)
{
	struct space space = model_dying(queue);
	int i;

	for (i = 0; makes_room(queue) && i < queue->held; i++)
		if (may_go(queue, queue->messages[i]))
			add_space(&space, space_of(queue->messages[i]));
	return space;
}

bool model_has_room(const struct queue *queue, struct space space, struct space less)
{
	const __u64 owed = queue->owed * units_of(sizeof(struct weir_receipt));

	return queue->held + queue->owed - less.messages + space.messages <=
	       queue->policy.max_messages &&
	       model_units(queue) + owed - less.units + space.units <= queue->max_units;
}

/* The lowest priority, and of that what was sent first. */
struct message *model_victim(struct queue *queue)
{
	struct message *victim = NULL;
	int i;

	for (i = 0; i < queue->held; i++) {
		struct message *message = queue->messages[i];

		if (!is_free_to_go(message) || !model_is_next(queue, message))
			continue;
		if (!victim || message->priority < victim->priority ||
		    (message->priority == victim->priority && message->offset < victim->offset))
			victim = message;
	}
	return victim;
}

static void let_go(struct queue *queue)
{
	struct message *victim = model_victim(queue);

	if (!victim)
		disagree("one of %s has gone for others, and none may", queue->name);
	if (lets_die(queue)) {
		model_die(queue, victim, "full", "");
		tally.full++;
	} else {
		queue->dropped++;
		model_gone(queue, victim, WEIR_OUTCOME_DROPPED, 0, "");
	}
}

/* Pages that they touch at most: where so much has place, all of them have. */
static __u32 span_of(const struct spec *specs, int count)
{
	__u32 span = 4096;
	int i;

	for (i = 0; i < count; i++)
		span += spec_size(&specs[i]) + (spec_size(&specs[i]) > 1024 ? 8192 : WEIR_ALIGN);
	return span;
}

/* How many went since the model was what the kernel is, apart from that. */
static int went_of(const struct queue *queue)
{
	struct weir_info info;

	get_info(queue, &info);
	if (lets_die(queue))
		return info.dead + info.dying - queue->dead_letters - model_count(queue, DYING);
	return info.dropped - queue->dropped;
}

static bool would_do(const struct queue *queue, const struct spec *specs)
{
	return model_count(queue, READY) >= MANY ||
	       model_has_room(queue, model_space(specs, 1), model_may_go(queue));
}

static __u64 living_units(const struct queue *queue)
{
	return model_units(queue) - model_dying(queue).units;
}

static __u64 largest(const struct spec *specs, int count)
{
	__u64 units = 0;
	int i;

	for (i = 0; i < count; i++)
		if (units_of(spec_size(&specs[i])) > units)
			units = units_of(spec_size(&specs[i]));
	return units;
}

void model_make_room(struct queue *queue, const struct spec *specs, int count, int taken)
{
	const struct space space = model_space(specs, count);
	const __u32 span = span_of(specs, count);
	bool pieces = false;
	__u64 before = 0;
	int went;

	if (queue->dead || !makes_room(queue))
		return;
	went = went_of(queue);
	if (went && count && !would_do(queue, specs))
		disagree("%d of %s have gone in vain", went, queue->name);
	for (; went > 0; let_go(queue), went--) {
		if (count && !model_has_room(queue, space, model_dying(queue)))
			continue;
		/* What is free may be in pieces: then as much goes as one needs, at once. */
		if (!before && count && !observe_fits(queue, span)) {
			pieces = true;
			before = living_units(queue);
		}
		if (!pieces || (observe_fits(queue, span) &&
				before - living_units(queue) >= largest(specs, count)))
			disagree("%d of %s too many have gone", went, queue->name);
	}
	if (went)
		disagree("%d of %s have gone", went, queue->name);
	if (lets_die(queue))
		bury_so_far(queue);
	if (taken && !model_has_room(queue, model_space(specs, taken), (struct space){ 0 }))
		disagree("%d taken by %s, which is full", taken, queue->name);
}

bool model_is_buried(const struct queue *queue)
{
	const struct queue *heir = queue->heir;
	struct space space = { 0 };
	__u32 span = 4096;
	int i;

	if (heir->dead || lets_die(heir))
		return false;
	for (i = 0; i < queue->held; i++) {
		struct message *letter;

		if (queue->messages[i]->state != DYING)
			continue;
		letter = model_dead_letter(queue, queue->messages[i], LONG_AT);
		add_space(&space, space_of(letter));
		span += letter->size + 8192;
		model_free(letter);
	}
	return model_has_room(heir, space, (struct space){ 0 }) && observe_fits(heir, span);
}

bool model_is_tangled(const struct queue *queue)
{
	int i;

	if (makes_room(queue) && !is_reachable(queue))
		return true;
	for (i = 0; makes_room(queue) && i < QUEUES; i++)
		if (world.queues[i] && world.queues[i]->heir == queue &&
		    model_count(world.queues[i], DYING))
			return true;
	/* Of so many that are still read not all are looked at. */
	return makes_room(queue) && model_pins(queue) > 60;
}

void model_let_go(struct queue *queue, int count)
{
	for (; count > 0; count--)
		let_go(queue);
}
