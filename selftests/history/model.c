// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "model_slot.h"

/* So long may a call go on whose client is killed. */
#define MOST_LINGER	100000

static void slot_born(struct model *model, struct slot *slot)
{
	struct slot *partner = &model->slots[(slot - model->slots) ^ 1];
	unsigned int i;

	memset(slot, 0, sizeof(*slot));
	slot->client = ++model->clients;
	slot->at = model->now + 1 + chance(model, 100);
	for (i = 0; i < MODEL_ALL; i++)
		slot->files[i] = model->plan->shared && partner->client ? partner->files[i] :
									  ++model->files;
	model_reply_place(model, slot);
}

static void queues_put_back(struct model *model, uint32_t client)
{
	unsigned int i;

	for (i = 0; i < MODEL_ALL; i++)
		model_put_back(&model->queues[i], &model->wrong, client, 0);
	model_open_end(model, client);
}

static void history_take_over(struct history *history, struct history *log)
{
	size_t i;

	for (i = 0; i < log->count; i++)
		history_append(history, &log->records[i]);
	history_free(log);
}

/* What it holds comes back at once, or in a while. */
static void slot_kill(struct model *model, struct slot *slot, bool at_once)
{
	struct zombie *zombie = &model->zombies[slot - model->slots];
	struct history_record r = {
		.op = HISTORY_DEATH, .client = slot->client, .offset = HISTORY_NOWHERE,
		.producer = HISTORY_NOBODY, .outcome = HISTORY_OK,
		.invoked = slot->killed ? slot->killed : model->now,
	};

	if (zombie->client)
		queues_put_back(model, zombie->client);
	*zombie = (struct zombie){ slot->client, model->now + chance(model, 5000) };
	if (at_once) {
		queues_put_back(model, slot->client);
		zombie->client = 0;
		r.flags = HISTORY_BACK;
	}
	r.returned = model->now + chance(model, 1000);
	history_append(&model->control, &r);
	history_take_over(model->history, &slot->log);
	history_free(&slot->walk);
}

static void zombies_bury(struct model *model, uint64_t now)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++) {
		if (!model->zombies[i].client || model->zombies[i].at > now)
			continue;
		queues_put_back(model, model->zombies[i].client);
		model->zombies[i].client = 0;
	}
}

/* All that comes by itself when time goes on. */
static void time_goes_on(struct model *model)
{
	unsigned int i;

	model->wrong.now = model->now;
	for (i = 0; i < MODEL_ALL; i++)
		model_tick(&model->queues[i], &model->wrong);
	zombies_bury(model, model->now);
}

static struct slot *model_next(struct model *model)
{
	struct slot *slot = &model->slots[0];
	unsigned int i;

	for (i = 1; i < model->plan->clients; i++)
		if (model->slots[i].at < slot->at)
			slot = &model->slots[i];
	return slot;
}

static void slot_step(struct model *model, struct slot *slot)
{
	model->now = slot->at;
	time_goes_on(model);
	if (slot->phase == CALLED)
		slot_effect(model, slot);
	else if (slot->phase == DONE)
		slot_return(model, slot);
	else if (model->records < model->plan->records)
		slot_begin(model, slot);
	else
		slot->at = NEVER;
}

static void slot_end_it(struct model *model, struct slot *slot)
{
	slot_kill(model, slot, !model->plan->rough || chance(model, 3));
	slot_born(model, slot);
}

/* What it was at when it was killed it still does, and its own lease may be over by then. */
static void slot_last_step(struct model *model, struct slot *slot)
{
	model->now = slot->at;
	time_goes_on(model);
	slot_effect(model, slot);
	slot_end_it(model, slot);
}

static void slot_go_on(struct model *model, struct slot *slot)
{
	if (slot->killed)
		slot_last_step(model, slot);
	else
		slot_step(model, slot);
}

static void model_step(struct model *model)
{
	struct slot *slot = model_next(model);

	if (slot->killed || chance(model, 10000) >= model->plan->kills) {
		slot_go_on(model, slot);
		return;
	}
	model->now = slot->at;
	if (slot->phase == CALLED && chance(model, 2)) {
		slot->killed = model->now;
		slot->at += chance(model, MOST_LINGER);
		return;
	}
	slot_end_it(model, slot);
}

/* The last one sends and receives alone. */
static void model_drain(struct model *model, struct slot *slot, uint16_t queue)
{
	struct history_record r;
	unsigned int i;

	slot->queue = queue;
	model->drains = true;
	for (i = 0; i < 40; i++) {
		slot->call = i < 4 && queue != MODEL_DEAD ? SEND : TAKE;
		do {
			slot->at = ++model->now;
			slot->deadline = 0;
			slot->first = slot->log.count;
			slot->got = 0;
			slot_call(model, slot);
			slot->time = 0;
			slot->settled = slot->settled || slot->call == TAKE;
			slot->partial = false;
			if (slot->call == TAKE)
				slot->log.records[slot->first].flags = HISTORY_SETTLED;
			model->now++;
			if (slot->call == TAKE)
				model_lose_tail(&model->queues[queue], &model->wrong);
			slot_effect(model, slot);
			model->now++;
			slot_return(model, slot);
		} while (slot->call == TAKE && slot->got);
	}
	model_receipts(model, slot, queue);
	slot->queue = queue;
	r = slot_record(model, slot, HISTORY_DRAINED);
	r.count = model->queues[queue].dropped;
	model->now++;
	slot_end(model, slot_log(model, slot, r), HISTORY_OK);
}

static void queue_tell(struct model *model, uint16_t queue)
{
	const struct model_plan *plan = model->plan;
	const struct history_record r = {
		.op = HISTORY_QUEUE, .target = queue, .count = plan->prefetch, .invoked = 1,
		.returned = 1, .outcome = HISTORY_OK, .offset = HISTORY_NOWHERE,
		.producer = HISTORY_NOBODY, .deliveries = plan->capacity,
		.flags = (plan->single ? HISTORY_SINGLE : 0) |
			 (queue == MODEL_DEAD ? 0 : plan->full),
	};

	model->queues[queue].single = plan->single;
	model->queues[queue].full = queue == MODEL_DEAD ? 0 : plan->full;
	model->queues[queue].capacity = plan->capacity;
	history_append(&model->control, &r);
}

bool model_run(const struct model_plan *plan, struct history *history)
{
	struct model *model = calloc(1, sizeof(*model));
	struct slot *slot;
	bool struck;
	unsigned int i;

	if (!model)
		abort();
	model->plan = plan;
	model->wrong = (struct model_wrong){ .mutant = plan->mutant, .after = plan->records / 8 };
	model->random = body_mix(plan->seed);
	model->history = history;
	model->now = 1;
	history->seed = plan->seed;
	for (i = 0; plan->dead && i < MODEL_QUEUES; i++)
		model->queues[i].heir = &model->queues[MODEL_DEAD];
	for (i = 0; i < MODEL_ALL; i++)
		queue_tell(model, i);
	model_open_tell(model);
	for (i = 0; i < plan->clients; i++)
		slot_born(model, &model->slots[i]);
	while (model->records < plan->records)
		model_step(model);
	while (!plan->rough && (slot = model_next(model))->at != NEVER)
		slot_go_on(model, slot);
	for (i = 0; i < plan->clients; i++)
		slot_kill(model, &model->slots[i], true);
	model->now += 100000;
	time_goes_on(model);
	slot_born(model, &model->slots[0]);
	for (i = 0; i < plan->queues; i++)
		model_drain(model, &model->slots[0], i);
	if (plan->dead)
		model_drain(model, &model->slots[0], MODEL_DEAD);
	history_take_over(history, &model->slots[0].log);
	history_free(&model->slots[0].walk);
	history_take_over(history, &model->control);
	free(model->ids);
	for (i = 0; i < MODEL_ALL; i++)
		model_queue_free(&model->queues[i]);
	struck = model->wrong.struck;
	free(model);
	return struck;
}
