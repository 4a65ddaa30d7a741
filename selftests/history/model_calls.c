// SPDX-License-Identifier: MIT
/* What a client of the model calls. */
#include "model_slot.h"

#define MOST_TIME	24

uint32_t chance(struct model *model, uint32_t below)
{
	model->random = body_mix(model->random);
	return model->random % below;
}

struct history_record *slot_log(struct model *model, struct slot *slot,
				struct history_record record)
{
	model->records++;
	history_append(&slot->log, &record);
	return &slot->log.records[slot->log.count - 1];
}

struct history_record slot_record(const struct model *model, const struct slot *slot, uint8_t op)
{
	return (struct history_record){
		.op = op, .client = slot->client, .target = slot->queue, .invoked = model->now,
		.file = slot->files[slot->queue], .offset = HISTORY_NOWHERE,
		.producer = HISTORY_NOBODY,
	};
}

uint32_t slot_producer(const struct slot *slot)
{
	return slot->client * MODEL_QUEUES + slot->queue;
}

/* Some have many messages. */
uint8_t model_pick_key(struct model *model)
{
	if (!model->plan->keyed || !chance(model, 4))
		return 0;
	return 1 + chance(model, 1 + chance(model, MODEL_KEYS));
}

static void begin_send(struct model *model, struct slot *slot)
{
	unsigned int i;

	slot->priority = slot->time = 0;
	slot->asked_end = model->plan->receipts &&
			  (model->plan->full ? chance(model, 4) : !chance(model, 3));
	if (model->plan->wishes && chance(model, 2))
		slot->priority = chance(model, MODEL_PRIORITIES);
	if (model->plan->wishes && !model->drains && !chance(model, 8))
		slot->time = 1 + chance(model, MOST_TIME);
	slot->asks = 0;
	if (model->plan->replies && !chance(model, 3))
		slot->asks = chance(model, 3) || !model_has_place(slot) ?
				     1 + chance(model, model->plan->queues) : MODEL_PRIVATE;
	slot->told = chance(model, 3);
	slot->asked = slot->told && !chance(model, 3) ? 1 + chance(model, MODEL_BATCH) : 1;
	for (i = 0; i < slot->asked; i++) {
		struct history_record r = slot_record(model, slot, HISTORY_SEND);

		r.producer = slot_producer(slot);
		r.seq = slot->seqs[slot->queue] + i;
		r.flags = slot->priority | slot->time << HISTORY_TIME_SHIFT |
			  (slot->asked_end ? HISTORY_ASKED : 0);
		r.key = slot->keys[i] = model_pick_key(model);
		slot_log(model, slot, r);
	}
}

static void begin_take(struct model *model, struct slot *slot)
{
	struct history_record r = slot_record(model, slot, HISTORY_TAKE);

	slot->told = chance(model, 3) || slot->queue == MODEL_DEAD;
	slot->settled = !slot->told || (slot->queue != MODEL_DEAD && !chance(model, 3));
	slot->partial = !slot->told && !model->plan->shared && !chance(model, 4);
	slot->asked = slot->told ? 1 + chance(model, MODEL_BATCH) : 1;
	if (slot->nr_leases + slot->asked > LEASES)
		slot->settled = true;
	slot->partial = slot->partial && slot->nr_leases < LEASES;
	slot->settled = slot->settled && !slot->partial;
	slot->time = 0;
	if (model->plan->timed && slot->told && !slot->settled && chance(model, 4))
		slot->time = 1 + chance(model, MOST_TIME);
	r.flags = slot->settled ? HISTORY_SETTLED : 0;
	r.flags |= slot->time << HISTORY_TIME_SHIFT;
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

void model_log_settle(struct model *model, struct slot *slot, const struct lease *lease,
		      uint32_t txn)
{
	const struct model_message *message =
		&model->queues[lease->queue].messages[lease->message];
	struct history_record r;

	slot->queue = lease->queue;
	slot->asked = 1;
	slot->messages[0] = lease->message;
	slot->got = lease->deliveries;
	r = slot_record(model, slot, slot->op);
	r.flags = slot->time << HISTORY_TIME_SHIFT;
	r.txn = txn;
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

static void pick_fate(struct model *model, struct slot *slot, bool ack, bool dead)
{
	slot->op = ack ? HISTORY_ACK : HISTORY_RELEASE;
	slot->time = 0;
	if (ack && model->plan->dead && dead && !chance(model, 4))
		slot->op = HISTORY_TERM;
	if (ack || !model->plan->timed || !chance(model, 3))
		return;
	if (chance(model, 2))
		slot->op = HISTORY_EXTEND;
	slot->time = 1 + chance(model, MOST_TIME);
}

static bool begin_settle(struct model *model, struct slot *slot)
{
	struct lease lease;

	if (!pick_lease(model, slot, &lease))
		return false;
	pick_fate(model, slot, !lease.deliveries || chance(model, 4),
		  lease.deliveries && lease.queue != MODEL_DEAD);
	slot->old = lease;
	model_log_settle(model, slot, &lease, 0);
	return true;
}

/* A settlement that has to be refused: of before, or of somebody else's lease. */
static bool begin_probe(struct model *model, struct slot *slot)
{
	struct slot *other = &model->slots[chance(model, model->plan->clients)];
	struct lease lease = slot->old;

	pick_fate(model, slot, true, false);
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
	model_log_settle(model, slot, &lease, 0);
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

bool slot_call(struct model *model, struct slot *slot)
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
	case TXN:
		model_txn_begin(model, slot);
		return slot->log.count > slot->first;
	case BROWSE:
		slot_log(model, slot, slot_record(model, slot, HISTORY_BROWSE));
		return true;
	case REPLY:
		model_reply_begin(model, slot);
		return slot->log.count > slot->first;
	case OPEN:
		model_open_begin(model, slot);
		return true;
	case ONCE:
	case REGISTER:
		model_once_begin(model, slot);
		return true;
	}
	return false;
}

void slot_begin(struct model *model, struct slot *slot)
{
	const struct model_plan *plan = model->plan;
	uint32_t dice = chance(model, 10000);

	slot->queue = chance(model, plan->queues);
	if (plan->dead && !chance(model, 8))
		slot->queue = MODEL_DEAD;
	slot->got = 0;
	slot->first = slot->log.count;
	slot->deadline = model->now + chance(model, 4) * chance(model, 3000);
	if (dice < plan->purges && slot->queue != MODEL_DEAD)
		slot->call = PURGE;
	else if (dice < plan->purges + plan->probes)
		slot->call = PROBE;
	else if (dice < plan->purges + plan->probes + 30)
		slot->call = CLOSE;
	else if (plan->walks && dice % 50 == 7)
		slot->call = BROWSE;
	else if (plan->exclusive && dice % 13 == 6)
		slot->call = OPEN;
	else if (plan->once && dice % 9 == 5)
		slot->call = dice % 7 ? ONCE : REGISTER;
	else if (plan->txns && dice % 10 == 7)
		slot->call = TXN;
	else if (plan->replies && dice % 5 == 3)
		slot->call = REPLY;
	else if (slot->nr_leases && dice % 3)
		slot->call = SETTLE;
	else
		slot->call = dice % 2 && slot->queue != MODEL_DEAD ? SEND : TAKE;
	model->wrong.calls++;
	if (slot_call(model, slot)) {
		slot->phase = CALLED;
		slot->at += chance(model, chance(model, 50) ? 1000 : 20000);
	}
	slot->at++;
}

static uint64_t slot_until(const struct model *model, const struct slot *slot)
{
	return slot->time ? model->now + ((uint64_t)slot->time << HISTORY_TIME_UNIT) : NEVER;
}

static void effect_send(struct model *model, struct slot *slot)
{
	struct model_queue *queue = &model->queues[slot->queue];
	struct model_wish wish = {
		.priority = slot->priority, .asked = slot->asked_end, .asks = slot->asks,
		.until = slot->time ? slot_until(model, slot) : 0,
	};

	while (slot->got < slot->asked && model_room(queue, &model->wrong)) {
		wish.key = slot->keys[slot->got];
		slot->messages[slot->got] = model_send(queue, &model->wrong, slot_producer(slot),
						       slot->seqs[slot->queue] + slot->got,
						       slot->told, wish);
		slot->got++;
	}
	if (!slot->got && model_strikes(&model->wrong, MODEL_FAIL_AND_SEND,
					slot->at >= slot->deadline))
		model_send(queue, &model->wrong, slot_producer(slot), slot->seqs[slot->queue],
			   true, wish);
}

static void effect_take(struct model *model, struct slot *slot)
{
	struct model_queue *queue = &model->queues[slot->queue];
	uint32_t file = slot->files[slot->queue], message, most;

	if (model_strikes(&model->wrong, MODEL_EMPTY, model_depth(queue) > 30)) {
		slot->deadline = 0;
		return;
	}
	most = model_admit(queue, &model->wrong, slot->client, file, model->plan->prefetch);
	slot->busy = most == MODEL_BUSY;
	if (slot->busy)
		slot->deadline = 0;
	while (!slot->busy && slot->got < slot->asked && slot->got < most) {
		message = model_take(queue, &model->wrong, slot->client, file, slot->told,
				     slot_until(model, slot));
		if (message == MODEL_NOTHING)
			break;
		slot->deliveries[slot->got] = queue->messages[message].deliveries;
		slot->messages[slot->got++] = message;
	}
}

/* What is taken and settled at once; and the leases of what is not. */
static void effect_taken(struct model *model, struct slot *slot)
{
	struct model_queue *queue = &model->queues[slot->queue];
	const struct model_fate ack = { .op = HISTORY_ACK };
	struct model_wrong right = { 0 };
	unsigned int i;

	for (i = 0; slot->settled && i < slot->got; i++)
		model_settle(queue, &right, slot->messages[i], slot->files[slot->queue], 0, ack);
}

void slot_effect(struct model *model, struct slot *slot)
{
	struct model_queue *queue = &model->queues[slot->queue];
	struct model_fate fate = {
		.op = slot->op, .until = slot->time ? slot_until(model, slot) : 0,
	};

	model->wrong.now = model->now;
	model->wrong.invoked = slot->log.records[slot->first].invoked;
	switch (slot->call) {
	case TXN:
		model_txn_effect(model, slot);
		break;
	case BROWSE:
		model_browse_effect(model, slot);
		break;
	case REPLY:
		model_reply_effect(model, slot);
		break;
	case OPEN:
		model_open_effect(model, slot);
		break;
	case ONCE:
	case REGISTER:
		model_once_effect(model, slot);
		break;
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
					      slot->files[slot->queue], slot->got, fate);
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

void slot_end(struct model *model, struct history_record *r, uint8_t outcome)
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

/* Where it died, as its headers say. */
static void log_buried(struct model *model, struct slot *slot, const struct model_message *letter)
{
	struct history_record r = slot_record(model, slot, HISTORY_BURIED);

	r.target = letter->died.target;
	r.file = MODEL_DEAD;
	r.offset = letter->died.offset;
	r.deliveries = letter->died.deliveries;
	r.producer = letter->producer;
	r.seq = letter->seq;
	r.count = letter->offset;
	r.flags = letter->died.reason | MODEL_MOST << HISTORY_TIME_SHIFT;
	slot_end(model, slot_log(model, slot, r), HISTORY_OK);
}

static void return_message(struct model *model, struct slot *slot, unsigned int i)
{
	const struct model_message *message =
		&model->queues[slot->queue].messages[slot->messages[i]];
	struct history_record *r = &slot->log.records[slot->first];
	size_t at;

	if (i) {
		struct history_record more = *r;

		more.op = HISTORY_MORE;
		r = slot_log(model, slot, more);
	}
	at = r - slot->log.records;
	if (slot->queue == MODEL_DEAD)
		log_buried(model, slot, message);
	r = &slot->log.records[at];
	r->producer = message->producer;
	r->seq = message->seq;
	r->offset = slot->told ? message->offset : HISTORY_NOWHERE;
	r->deliveries = slot->told ? slot->deliveries[i] : 0;
	slot_end(model, r, model_bytes_whole(model, message) ? HISTORY_OK : HISTORY_CORRUPT);
	if (!slot->settled)
		slot->leases[slot->nr_leases++] = (struct lease){
			.message = slot->messages[i], .file = r->file,
			.deliveries = r->deliveries, .queue = slot->queue,
		};
}

void slot_return(struct model *model, struct slot *slot)
{
	struct history_record *r = &slot->log.records[slot->first];
	unsigned int i;

	switch (slot->call) {
	case TXN:
		model_txn_return(model, slot);
		break;
	case BROWSE:
		model_browse_return(model, slot);
		break;
	case REPLY:
		model_reply_return(model, slot);
		break;
	case OPEN:
		model_open_return(model, slot);
		break;
	case ONCE:
	case REGISTER:
		model_once_return(model, slot);
		break;
	case SEND:
		return_send(model, slot);
		break;
	case TAKE:
		if (!slot->got)
			slot_end(model, r, slot->busy ? HISTORY_FAILED : HISTORY_EMPTY);
		for (i = 0; i < slot->got; i++)
			return_message(model, slot, i);
		break;
	case SETTLE:
	case PROBE:
		slot_end(model, r, slot->accepted ? HISTORY_OK : HISTORY_STALE);
		/* It is still held. */
		if (slot->accepted && slot->op == HISTORY_EXTEND && slot->nr_leases < LEASES)
			slot->leases[slot->nr_leases++] = slot->old;
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
