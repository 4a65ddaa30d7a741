// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A queue between two: it is somebody's heir, and what it holds dies for what it inherits,
 * to its own heir, the last one. Which of them died, and what was already dead again when
 * it was looked for, is told by the letters in the last one, in their order.
 */
#include "world.h"

bool is_last(const struct queue *queue)
{
	int i;

	for (i = 0; i < QUEUES; i++)
		if (world.queues[i] && world.queues[i]->heir == queue &&
		    lets_die(world.queues[i]) && is_heir(world.queues[i]))
			return true;
	return false;
}

bool may_be_between(const struct queue *queue)
{
	int i;

	for (i = 0; i < QUEUES; i++)
		if (world.queues[i] && world.queues[i]->heir == queue &&
		    (world.queues[i]->anonymous || is_heir(world.queues[i])))
			return false;
	return true;
}

/* What comes and goes there tells all that is to be told. */
static bool may_be_last(const struct queue *queue)
{
	return queue && !queue->dead && !makes_room(queue) && !queue->owed;
}

bool may_inherit(const struct queue *queue, const struct policy_asked *asked,
		 const struct queue *heir)
{
	if (heir->heir && lets_die(heir->heir))
		return false;
	if (lets_die(heir))
		return !asked->anonymous && !(queue && is_heir(queue)) && may_be_last(heir->heir);
	if (asked->when_full == WEIR_WHEN_FULL_DEAD_LETTER && queue && is_heir(queue))
		return may_be_last(heir);
	return true;
}

/* @message of @queue, or nothing, died for a letter. */
static void die_for(struct queue *queue, struct message *message)
{
	if (!message || model_victim(queue) != message)
		disagree("message %llu of %s was not to die for a letter",
			 message ? message->offset : ~0ULL, queue->name);
	model_die(queue, message, "full", "");
	tally.between++;
}

/* The next letter that came to @queue is dead again: all that is left of it is @seen. */
static void bury_again(struct queue *queue, const struct letter *seen)
{
	struct queue *origin = letter_origin(seen, true);
	struct message *message = NULL;

	if (origin && origin->heir == queue)
		message = model_find(origin, letter_number(seen, "weir-dead-offset", true));
	if (!message || !model_dies_first(origin, message))
		disagree("message %llu of %s was not to be buried", queue->sent, queue->name);
	model_bury(origin, message, letter_number(seen, "weir-dead-sent", true));
}

struct message *model_dead_between(struct queue *queue, const struct letter *seen)
{
	__u64 offset = letter_number(seen, "weir-dead-offset", false);
	struct message *message;

	if (is_heir(queue) && offset == queue->sent)
		bury_again(queue, seen);
	message = model_find(queue, offset);
	if (message && message->state == READY && is_heir(queue) && letter_died_of(seen, "full"))
		die_for(queue, message);
	return message;
}

struct moves {
	__u64 sent, dead, dying, last_sent;
};

static struct moves moves_of(const struct queue *queue)
{
	struct weir_info info, last = { 0 };

	get_info(queue, &info);
	if (!queue->heir->dead)
		get_info(queue->heir, &last);
	return (struct moves){ info.sent, info.dead, info.dying, last.sent };
}

static struct moves wait_quiet(const struct queue *queue)
{
	struct moves moves = moves_of(queue), next;
	int ticks;

	for (ticks = 0; ticks < QUIET_TICKS; ticks++) {
		tick();
		next = moves_of(queue);
		if (memcmp(&next, &moves, sizeof(next)))
			ticks = 0;
		moves = next;
	}
	return moves;
}

static bool has_moved(const struct queue *queue, const struct moves *moves)
{
	return moves->sent != queue->sent || moves->last_sent > queue->heir->sent ||
	       moves->dead + moves->dying != queue->dead_letters + model_count(queue, DYING);
}

/* The letters in the last one. */
static void arrive_last(struct queue *queue, const struct moves *moves)
{
	if (!queue->heir->dead)
		arrive(queue->heir, moves->last_sent);
}

static __u64 span_from(const struct queue *queue, __u64 offset)
{
	__u64 span = 0;
	int i;

	for (i = 0; i < queue->held; i++)
		if (queue->messages[i]->offset >= offset)
			span += queue->messages[i]->size + 8192;
	return span;
}

/* Whether there are more letters to come. */
static bool is_expecting(const struct queue *queue)
{
	int i;

	for (i = 0; i < QUEUES; i++)
		if (world.queues[i] && world.queues[i]->heir == queue &&
		    model_count(world.queues[i], DYING))
			return true;
	return false;
}

/*
 * Of the @living, and of @letters that came and may be dead again, @deaths had to be: that
 * is known where all together are so small that only their number can matter.
 */
static void check_deaths(const struct queue *queue, __u64 span, __u64 living, __u64 letters,
			 __u64 deaths)
{
	__u64 most = queue->policy.max_messages;

	if (span > queue->max_units * WEIR_ALIGN / 2)
		return;
	letters += is_expecting(queue);
	if (deaths > (living + letters > most ? living + letters - most : 0))
		disagree("%llu of %s have died for %llu letters, which is too many", deaths,
			 queue->name, letters);
}

bool arrive_between(struct queue *queue)
{
	const __u64 living = queue->held - model_count(queue, DYING), sent = queue->sent;
	const __u64 before = tally.between, last_sent = queue->heir->sent;
	struct moves moves = moves_of(queue);
	const struct weir_desc *desc;
	__u64 went, span;

	if (!has_moved(queue, &moves))
		return false;
	span = span_from(queue, 0);
	moves = wait_quiet(queue);
	arrive_last(queue, &moves);
	while (queue->sent < moves.sent) {
		desc = observe_find(queue, queue->sent);
		if (!desc)
			disagree("message %llu of %s is in no slot", queue->sent, queue->name);
		bury_one(queue, desc, false);
		/* What went for the next one is told there, behind a receipt of this perhaps. */
		arrive_last(queue, &moves);
	}
	went = moves.dead + moves.dying - queue->dead_letters - model_count(queue, DYING);
	for (; went; went--)
		die_for(queue, model_victim(queue));
	span += span_from(queue, sent) + span_from(queue->heir, last_sent);
	check_deaths(queue, span, living, queue->sent - sent, tally.between - before);
	return true;
}

bool model_is_passed_on(const struct queue *queue)
{
	struct space space = { 0 };
	__u32 span = 4096;
	int i;

	if (queue->heir->dead)
		return false;
	for (i = 0; i < queue->held; i++) {
		const struct message *message = queue->messages[i];
		/* With all that a letter says. */
		__u32 size = message->size + 2048;

		if (message->state != READY && message->state != DYING)
			continue;
		space.messages++;
		space.units += units_of(size);
		span += size + 8192;
	}
	return model_has_room(queue->heir, space, (struct space){ 0 }) &&
	       observe_fits(queue->heir, span);
}
