// SPDX-License-Identifier: MIT
/*
 * Messages that are sent again and taken once: as a producer that others have been, who
 * were killed, or still think that they are; or with an id, by any client.
 */
#include "stress.h"

#define ONCE_MOST	3

/* Above all that clients have. */
static uint32_t once_producer(unsigned int slot)
{
	return 0x80000000u + slot;
}

static struct history_record *once_begin(struct stress_client *client, uint32_t file,
					 uint32_t producer, uint32_t seq, uint32_t epoch)
{
	struct history_record record = {
		.op = HISTORY_SEND, .target = STRESS_ONCE, .file = file,
		.offset = HISTORY_NOWHERE, .producer = producer, .seq = seq,
		.deliveries = epoch, .flags = HISTORY_ONCE,
	};

	return history_begin(&client->log, &record);
}

static void once_make(struct stress_client *client, struct weir_message *message, uint32_t place,
		      const struct history_record *record, const struct weir_options *options)
{
	stress_message_make(message, client->bytes + place * (STRESS_BUFFER / STRESS_BATCH),
			    BODY_MIN + 1 + stress_chance(client, 300), record->producer,
			    record->seq, stress_chance(client, 2));
	message->options = raw_address(options);
	message->options_len = sizeof(*options);
}

/* How many were taken; it does not say which of some were duplicates. */
static int once_send(struct stress_client *client, int fd, struct weir_message *messages,
		     struct history_record **records, uint32_t count)
{
	struct weir_send send = { .messages = raw_address(messages), .count = count };
	bool by_ring = !stress_chance(client, 4);
	int i, ret;

	client->waited[STRESS_ONCE] |= by_ring;
	ret = stress_command(client, by_ring, fd, WEIR_IOC_SEND, &send);
	/* A thread for it could not be made: io_uring gives up after some tries. */
	if (by_ring && ret == -ECANCELED)
		ret = -EINTR;
	for (i = 0; i < count; i++) {
		if (ret > 0 && !send.duplicates)
			records[i]->offset = send.first_offset + i;
		history_end(records[i], i < ret ? HISTORY_OK : HISTORY_FAILED);
	}
	return ret;
}

static void once_register(struct stress_client *client, int fd, uint32_t file)
{
	struct stress_producer *self = &client->producer;
	struct weir_producer producer = { 0 };
	struct history_record *logged, record = {
		.op = HISTORY_REGISTER, .target = STRESS_ONCE, .file = file,
		.offset = HISTORY_NOWHERE,
	};
	int ret;

	/* His who had this place before, mostly. */
	self->slot = stress_chance(client, 8) ? client->slot :
						stress_chance(client, STRESS_CLIENTS);
	snprintf(producer.name, sizeof(producer.name), "slot-%u", self->slot);
	record.producer = once_producer(self->slot);
	logged = history_begin(&client->log, &record);
	ret = stress_command(client, false, fd, WEIR_IOC_PRODUCER, &producer);
	if (ret)
		stress_fail(client, "register", ret);
	logged->deliveries = producer.epoch;
	logged->seq = producer.sequence - 1;
	history_end(logged, HISTORY_OK);
	self->id = producer.id;
	self->epoch = producer.epoch;
	self->next = producer.sequence;
	/* In doubt: the last ones once more. */
	self->next -= stress_chance(client, 1 + (self->next < ONCE_MOST ? self->next : ONCE_MOST));
}

static void once_as_producer(struct stress_client *client, int fd, uint32_t file)
{
	struct stress_producer *self = &client->producer;
	uint32_t i, count = 1 + stress_chance(client, ONCE_MOST);
	struct weir_message messages[ONCE_MOST];
	struct weir_options options[ONCE_MOST];
	struct history_record *records[ONCE_MOST];
	int ret;

	if (!self->epoch || !stress_chance(client, 200))
		once_register(client, fd, file);
	for (i = 0; i < count; i++) {
		options[i] = (struct weir_options){
			.producer = self->id, .epoch = self->epoch, .sequence = self->next + i + 1,
		};
		records[i] = once_begin(client, file, once_producer(self->slot), self->next + i,
					self->epoch);
		once_make(client, &messages[i], i, records[i], &options[i]);
	}
	ret = once_send(client, fd, messages, records, count);
	if (ret == -ESTALE)
		self->epoch = 0;
	else if (ret < 0)
		stress_send_expected(client, ret);
	else if (stress_chance(client, 8))
		self->next += ret;
}

/* One of its own, or one that somebody else sends or has sent. */
static void once_by_id(struct stress_client *client, int fd, uint32_t file)
{
	uint64_t *seen = &client->stress->shared->ids[stress_chance(client, 16)];
	uint64_t id = __atomic_load_n(seen, __ATOMIC_RELAXED);
	struct weir_options options = { .id = raw_address(&id), .id_len = sizeof(id) };
	struct history_record *record;
	struct weir_message message;
	int ret;

	if (!id || !stress_chance(client, 3)) {
		id = (uint64_t)stress_producer(client, STRESS_ONCE) << 32 |
		     client->seqs[STRESS_ONCE]++;
		__atomic_store_n(seen, id, __ATOMIC_RELAXED);
	}
	record = once_begin(client, file, id >> 32, id, 0);
	once_make(client, &message, 0, record, &options);
	ret = once_send(client, fd, &message, &record, 1);
	if (ret < 0)
		stress_send_expected(client, ret);
}

void stress_once(struct stress_client *client)
{
	uint32_t file;
	int fd = stress_pick_file(client, STRESS_ONCE, &file);

	if (stress_chance(client, 2))
		once_as_producer(client, fd, file);
	else
		once_by_id(client, fd, file);
}
