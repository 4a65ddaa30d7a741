// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "../body.h"
#include "model_queue.h"

#define SLOTS	16
#define LEASES	64
#define NEVER	UINT64_MAX

/* Where a client is in its call. */
enum phase { IDLE, CALLED, DONE };
enum call { SEND, TAKE, SETTLE, PROBE, CLOSE, PURGE };

struct lease {
	uint32_t message, file, deliveries;
	uint16_t queue;
};

struct slot {
	struct history log;		/* of this client */
	uint64_t at, deadline;
	uint32_t client;
	uint32_t files[MODEL_QUEUES], seqs[MODEL_QUEUES];
	struct lease leases[LEASES], old;
	unsigned int nr_leases;
	enum phase phase;
	enum call call;
	uint16_t queue;
	size_t first;			/* record of the call */
	unsigned int asked, got;
	uint32_t messages[MODEL_BATCH];
	bool told, settled, partial, ack, accepted;
};

struct zombie {
	uint32_t client;
	uint64_t at;
};

struct model {
	const struct model_plan *plan;
	struct model_wrong wrong;
	struct model_queue queues[MODEL_QUEUES];
	struct slot slots[SLOTS];
	struct zombie zombies[SLOTS];
	struct history *history, control;
	uint64_t random, now, records;
	uint32_t clients, files;
};

static uint32_t chance(struct model *model, uint32_t below)
{
	model->random = body_mix(model->random);
	return model->random % below;
}

static struct history_record *slot_log(struct model *model, struct slot *slot,
				       struct history_record record)
{
	model->records++;
	history_append(&slot->log, &record);
	return &slot->log.records[slot->log.count - 1];
}

static struct history_record slot_record(const struct model *model, const struct slot *slot,
					 uint8_t op)
{
	return (struct history_record){
		.op = op, .client = slot->client, .target = slot->queue, .invoked = model->now,
		.file = slot->files[slot->queue], .offset = HISTORY_NOWHERE,
		.producer = HISTORY_NOBODY,
	};
}

static uint32_t slot_producer(const struct slot *slot)
{
	return slot->client * MODEL_QUEUES + slot->queue;
}

static void slot_born(struct model *model, struct slot *slot)
{
	struct slot *partner = &model->slots[(slot - model->slots) ^ 1];
	unsigned int i;

	memset(slot, 0, sizeof(*slot));
	slot->client = ++model->clients;
	slot->at = model->now + 1 + chance(model, 100);
	for (i = 0; i < MODEL_QUEUES; i++)
		slot->files[i] = model->plan->shared && partner->client ? partner->files[i] :
									  ++model->files;
}

static void begin_send(struct model *model, struct slot *slot)
{
	unsigned int i;

	slot->told = chance(model, 3);
	slot->asked = slot->told && !chance(model, 3) ? 1 + chance(model, MODEL_BATCH) : 1;
	for (i = 0; i < slot->asked; i++) {
		struct history_record r = slot_record(model, slot, HISTORY_SEND);

		r.producer = slot_producer(slot);
		r.seq = slot->seqs[slot->queue] + i;
		slot_log(model, slot, r);
	}
}

static void begin_take(struct model *model, struct slot *slot)
{
	struct history_record r = slot_record(model, slot, HISTORY_TAKE);

	slot->told = chance(model, 3);
	slot->settled = !slot->told || !chance(model, 3);
	slot->partial = !slot->told && !model->plan->shared && !chance(model, 4);
	slot->asked = slot->told ? 1 + chance(model, MODEL_BATCH) : 1;
	if (slot->nr_leases + slot->asked > LEASES)
		slot->settled = true;
	slot->partial = slot->partial && slot->nr_leases < LEASES;
	slot->settled = slot->settled && !slot->partial;
	r.flags = slot->settled ? HISTORY_SETTLED : 0;
	r.count = slot->asked;
	slot_log(model, slot, r);
}

/* One of its own leases, or of its partner's, whose descriptor it has too. */
static bool pick_lease(struct model *model, struct slot *slot, struct lease *lease)
{
	struct slot *holder = slot;
	unsigned int i;

	if (model->plan->shared && chance(model, 2))
		holder = &model->slots[(slot - model->slots) ^ 1];
	if (!holder->nr_leases)
		return false;
	i = chance(model, holder->nr_leases);
	*lease = holder->leases[i];
	holder->leases[i] = holder->leases[--holder->nr_leases];
	/* The rest of what was read in part is not for sale. */
	return lease->deliveries || holder == slot;
}

static void log_settle(struct model *model, struct slot *slot, const struct lease *lease)
{
	const struct model_message *message =
		&model->queues[lease->queue].messages[lease->message];
	struct history_record r;

	slot->queue = lease->queue;
	slot->asked = 1;
	slot->messages[0] = lease->message;
	slot->got = lease->deliveries;
	r = slot_record(model, slot, slot->ack ? HISTORY_ACK : HISTORY_RELEASE);
	r.deliveries = lease->deliveries;
	r.count = 1;
	/* Some know only the offset. */
	if (lease->deliveries)
		r.offset = message->offset;
	if (!lease->deliveries || chance(model, 2)) {
		r.producer = message->producer;
		r.seq = message->seq;
	}
	slot_log(model, slot, r);
}

static bool begin_settle(struct model *model, struct slot *slot)
{
	struct lease lease;

	if (!pick_lease(model, slot, &lease))
		return false;
	slot->ack = !lease.deliveries || chance(model, 4);
	slot->old = lease;
	log_settle(model, slot, &lease);
	return true;
}

/* A settlement that has to be refused: of before, or of somebody else's lease. */
static bool begin_probe(struct model *model, struct slot *slot)
{
	struct slot *other = &model->slots[chance(model, model->plan->clients)];
	struct lease lease = slot->old;

	slot->ack = true;
	if (!chance(model, 3) && other->nr_leases) {
		lease = other->leases[chance(model, other->nr_leases)];
		slot->queue = lease.queue;
		if (lease.file == slot->files[slot->queue])
			return false;
	}
	if (!lease.deliveries)
		return false;
	if (!model->plan->shared)
		lease.deliveries += !chance(model, 8);
	log_settle(model, slot, &lease);
	return true;
}

static bool begin_close(struct model *model, struct slot *slot)
{
	struct history_record r = slot_record(model, slot, HISTORY_CLOSE);
	unsigned int i;

	if (model->plan->shared)
		return false;
	r.flags = HISTORY_BACK;
	for (i = 0; i < slot->nr_leases;) {
		if (slot->leases[i].file == r.file)
			slot->leases[i] = slot->leases[--slot->nr_leases];
		else
			i++;
	}
	slot_log(model, slot, r);
	return true;
}

static bool slot_call(struct model *model, struct slot *slot)
{
	switch (slot->call) {
	case SEND:
		begin_send(model, slot);
		return true;
	case TAKE:
		begin_take(model, slot);
		return true;
	case SETTLE:
		return begin_settle(model, slot);
	case PROBE:
		return begin_probe(model, slot);
	case CLOSE:
		return begin_close(model, slot);
	case PURGE:
		slot_log(model, slot, slot_record(model, slot, HISTORY_PURGE));
		return true;
	}
	return false;
}

static void slot_begin(struct model *model, struct slot *slot)
{
	const struct model_plan *plan = model->plan;
	uint32_t dice = chance(model, 10000);

	slot->queue = chance(model, plan->queues);
	slot->got = 0;
	slot->first = slot->log.count;
	slot->deadline = model->now + chance(model, 4) * chance(model, 3000);
	if (dice < plan->purges)
		slot->call = PURGE;
	else if (dice < plan->purges + plan->probes)
		slot->call = PROBE;
	else if (dice < plan->purges + plan->probes + 30)
		slot->call = CLOSE;
	else if (slot->nr_leases && dice % 3)
		slot->call = SETTLE;
	else
		slot->call = dice % 2 ? SEND : TAKE;
	model->wrong.calls++;
	if (slot_call(model, slot)) {
		slot->phase = CALLED;
		slot->at += chance(model, chance(model, 50) ? 1000 : 20000);
	}
	slot->at++;
}

static void effect_send(struct model *model, struct slot *slot)
{
	struct model_queue *queue = &model->queues[slot->queue];

	while (slot->got < slot->asked && queue->held < model->plan->capacity) {
		slot->messages[slot->got] = model_send(queue, &model->wrong, slot_producer(slot),
						       slot->seqs[slot->queue] + slot->got,
						       slot->told);
		slot->got++;
	}
	if (!slot->got && model_strikes(&model->wrong, MODEL_FAIL_AND_SEND,
					slot->at >= slot->deadline))
		model_send(queue, &model->wrong, slot_producer(slot), slot->seqs[slot->queue],
			   true);
}

static void effect_take(struct model *model, struct slot *slot)
{
	struct model_queue *queue = &model->queues[slot->queue];
	uint32_t file = slot->files[slot->queue], message;

	if (model_strikes(&model->wrong, MODEL_EMPTY, model_depth(queue) > 30)) {
		slot->deadline = 0;
		return;
	}
	while (slot->got < slot->asked) {
		message = model_take(queue, &model->wrong, slot->client, file, slot->told);
		if (message == MODEL_NOTHING)
			break;
		slot->messages[slot->got++] = message;
	}
}

/* What is taken and settled at once; and the leases of what is not. */
static void effect_taken(struct model *model, struct slot *slot)
{
	struct model_queue *queue = &model->queues[slot->queue];
	struct model_wrong right = { 0 };
	unsigned int i;

	for (i = 0; slot->settled && i < slot->got; i++)
		model_settle(queue, &right, slot->messages[i], slot->files[slot->queue], 0, true);
}

static void slot_effect(struct model *model, struct slot *slot)
{
	struct model_queue *queue = &model->queues[slot->queue];

	model->wrong.now = model->now;
	model->wrong.invoked = slot->log.records[slot->first].invoked;
	switch (slot->call) {
	case SEND:
		effect_send(model, slot);
		break;
	case TAKE:
		effect_take(model, slot);
		effect_taken(model, slot);
		break;
	case SETTLE:
	case PROBE:
		slot->accepted = model_settle(queue, &model->wrong, slot->messages[0],
					      slot->files[slot->queue], slot->got, slot->ack);
		break;
	case CLOSE:
		model_put_back(queue, &model->wrong, MODEL_NOTHING, slot->files[slot->queue]);
		break;
	case PURGE:
		slot->got = model_purge(queue);
		break;
	}
	/* Nothing, or no room: it waits. */
	if (slot->call <= TAKE && !slot->got && slot->at < slot->deadline) {
		slot->at += 1 + chance(model, 300);
		return;
	}
	slot->phase = DONE;
	slot->at += 1 + chance(model, chance(model, 50) ? 1000 : 20000);
}

static void slot_end(struct model *model, struct history_record *r, uint8_t outcome)
{
	r->returned = model->now;
	r->outcome = outcome;
}

static void return_send(struct model *model, struct slot *slot)
{
	const struct model_queue *queue = &model->queues[slot->queue];
	unsigned int i;

	for (i = 0; i < slot->asked; i++) {
		struct history_record *r = &slot->log.records[slot->first + i];

		/* As the kernel tells it: the first, and those behind it. */
		if (i < slot->got && slot->told)
			r->offset = queue->messages[slot->messages[0]].offset + i;
		slot_end(model, r, i < slot->got ? HISTORY_OK : HISTORY_FAILED);
	}
	/* What was not taken is not tried again. */
	slot->seqs[slot->queue] += slot->asked;
}

/* The bytes of a message, as they arrive. */
static bool model_bytes_whole(struct model *model, const struct model_message *message)
{
	uint64_t bytes[16];
	bool flip = model_strikes(&model->wrong, MODEL_FLIP, true);

	/* Only a look at those that it is about. */
	if (!flip)
		return true;
	body_make(bytes, sizeof(bytes), message->producer, message->seq);
	((char *)bytes)[chance(model, sizeof(bytes))] ^= 1 << chance(model, 8);
	return body_whole(bytes, sizeof(bytes));
}

static void return_message(struct model *model, struct slot *slot, unsigned int i)
{
	const struct model_message *message =
		&model->queues[slot->queue].messages[slot->messages[i]];
	struct history_record *r = &slot->log.records[slot->first];

	if (i) {
		struct history_record more = *r;

		more.op = HISTORY_MORE;
		r = slot_log(model, slot, more);
	}
	r->producer = message->producer;
	r->seq = message->seq;
	r->offset = slot->told ? message->offset : HISTORY_NOWHERE;
	r->deliveries = slot->told ? message->deliveries : 0;
	slot_end(model, r, model_bytes_whole(model, message) ? HISTORY_OK : HISTORY_CORRUPT);
	if (!slot->settled)
		slot->leases[slot->nr_leases++] = (struct lease){
			.message = slot->messages[i], .file = r->file,
			.deliveries = r->deliveries, .queue = slot->queue,
		};
}

static void slot_return(struct model *model, struct slot *slot)
{
	struct history_record *r = &slot->log.records[slot->first];
	unsigned int i;

	switch (slot->call) {
	case SEND:
		return_send(model, slot);
		break;
	case TAKE:
		if (!slot->got)
			slot_end(model, r, HISTORY_EMPTY);
		for (i = 0; i < slot->got; i++)
			return_message(model, slot, i);
		break;
	case SETTLE:
	case PROBE:
		slot_end(model, r, slot->accepted ? HISTORY_OK : HISTORY_STALE);
		break;
	case CLOSE:
		slot_end(model, r, HISTORY_OK);
		slot->files[slot->queue] = ++model->files;
		break;
	case PURGE:
		r->count = slot->got;
		slot_end(model, r, HISTORY_OK);
		break;
	}
	slot->phase = IDLE;
	slot->at += 1 + chance(model, 500);
}

static void queues_put_back(struct model *model, uint32_t client)
{
	unsigned int i;

	for (i = 0; i < model->plan->queues; i++)
		model_put_back(&model->queues[i], &model->wrong, client, 0);
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
		.producer = HISTORY_NOBODY, .invoked = model->now, .outcome = HISTORY_OK,
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
	zombies_bury(model, model->now);
	if (slot->phase == CALLED)
		slot_effect(model, slot);
	else if (slot->phase == DONE)
		slot_return(model, slot);
	else if (model->records < model->plan->records)
		slot_begin(model, slot);
	else
		slot->at = NEVER;
}

static void model_step(struct model *model)
{
	struct slot *slot = model_next(model);

	if (chance(model, 10000) >= model->plan->kills) {
		slot_step(model, slot);
		return;
	}
	model->now = slot->at;
	slot_kill(model, slot, !model->plan->rough || chance(model, 3));
	slot_born(model, slot);
}

/* The last one sends and receives alone. */
static void model_drain(struct model *model, struct slot *slot, uint16_t queue)
{
	struct history_record r;
	unsigned int i;

	slot->queue = queue;
	for (i = 0; i < 40; i++) {
		slot->call = i < 4 ? SEND : TAKE;
		do {
			slot->at = ++model->now;
			slot->deadline = 0;
			slot->first = slot->log.count;
			slot->got = 0;
			slot_call(model, slot);
			slot->settled = slot->settled || slot->call == TAKE;
			slot->partial = false;
			slot->log.records[slot->first].flags = slot->settled ? HISTORY_SETTLED : 0;
			model->now++;
			if (slot->call == TAKE)
				model_lose_tail(&model->queues[queue], &model->wrong);
			slot_effect(model, slot);
			model->now++;
			slot_return(model, slot);
		} while (slot->call == TAKE && slot->got);
	}
	r = slot_record(model, slot, HISTORY_DRAINED);
	model->now++;
	slot_end(model, slot_log(model, slot, r), HISTORY_OK);
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
	for (i = 0; i < plan->clients; i++)
		slot_born(model, &model->slots[i]);
	while (model->records < plan->records)
		model_step(model);
	while (!plan->rough && (slot = model_next(model))->at != NEVER)
		slot_step(model, slot);
	for (i = 0; i < plan->clients; i++)
		slot_kill(model, &model->slots[i], true);
	model->now += 100000;
	zombies_bury(model, model->now);
	slot_born(model, &model->slots[0]);
	for (i = 0; i < plan->queues; i++)
		model_drain(model, &model->slots[0], i);
	history_take_over(history, &model->slots[0].log);
	history_take_over(history, &model->control);
	for (i = 0; i < MODEL_QUEUES; i++)
		model_queue_free(&model->queues[i]);
	struck = model->wrong.struck;
	free(model);
	return struck;
}
