// SPDX-License-Identifier: MIT
#include "stress.h"

/* @lease_ns as for FETCH; read(2) has none. */
static struct history_record *take_begin(struct stress_client *client, uint32_t queue,
					 uint32_t file, uint32_t count, bool settled,
					 uint64_t lease_ns)
{
	struct history_record record = {
		.op = HISTORY_TAKE, .target = queue, .file = file, .offset = HISTORY_NOWHERE,
		.producer = HISTORY_NOBODY, .count = count,
		.flags = settled ? HISTORY_SETTLED :
			 stress_lease_flags(client->stress->seed, queue, lease_ns),
	};

	return history_begin(&client->log, &record);
}

static void take_failed(struct stress_client *client, struct history_record *record, long result)
{
	if (result == -EAGAIN || result == -ETIMEDOUT)
		history_end(record, HISTORY_EMPTY);
	else if (result == -EINTR || result == -EMSGSIZE || result == -ECANCELED ||
		 (result == -EBUSY && record->target == STRESS_SINGLE))
		history_end(record, HISTORY_FAILED);
	else
		stress_fail(client, "receive", result);
}

void stress_read(struct stress_client *client, uint32_t queue)
{
	uint32_t file;
	int fd = stress_pick_file(client, queue, &file);
	struct history_record *record = take_begin(client, queue, file, 1, true, 0);
	long ret = raw_read(fd, client->bytes, STRESS_BUFFER);
	struct weir_desc desc = { .len = ret };
	bool whole;

	if (ret < 0) {
		take_failed(client, record, ret);
		return;
	}
	whole = stress_message_whole(&desc, client->bytes, record);
	history_end(record, whole ? HISTORY_OK : HISTORY_CORRUPT);
}

/* The rest of a message whose header was read. */
static void read_rest(struct stress_client *client, int fd, uint32_t length)
{
	uint32_t at = BODY_MIN;
	long ret;

	while (at < length) {
		ret = raw_read(fd, client->bytes + at, 1 + stress_chance(client, length - at));
		if (ret == -EINTR)
			continue;
		if (ret <= 0 || ret > length - at)
			stress_fail(client, "the rest of a message", ret);
		at += ret;
	}
}

/* Through its own description only: what others read through one is not known. */
void stress_read_parts(struct stress_client *client, uint32_t queue)
{
	const struct body *body = (void *)client->bytes;
	uint32_t file = client->files[queue];
	struct history_record *take, *rest, record = {
		.op = HISTORY_ACK, .target = queue, .file = file, .offset = HISTORY_NOWHERE,
		.count = 1,
	};
	int fd = client->fds[queue];
	long ret;

	take = take_begin(client, queue, file, 1, false, WEIR_UNLIMITED);
	ret = raw_read(fd, client->bytes, BODY_MIN);
	if (ret < 0) {
		take_failed(client, take, ret);
		return;
	}
	if (ret != BODY_MIN || body->check != (uint32_t)body_seed(body) ||
	    body->length > STRESS_LARGEST)
		stress_fail(client, "the header of a message", ret);
	record.producer = take->producer = body->producer;
	record.seq = take->seq = body->seq;
	history_end(take, HISTORY_OK);
	rest = history_begin(&client->log, &record);
	read_rest(client, fd, body->length);
	history_end(rest, HISTORY_OK);
	if (!body_whole(client->bytes, body->length))
		take->outcome = HISTORY_CORRUPT;
}

/* Message @i of @run, as it is in the log. */
static void take_lease(struct stress_client *client, const struct history_record *record, int fd,
		       const struct weir_run *run, uint32_t i, bool asks)
{
	struct stress_lease lease = {
		.queue = record->target, .file = record->file, .fd = fd,
		.asks = asks && record->outcome == HISTORY_OK, .producer = record->producer,
		.seq = record->seq,
		.run = { .offset = run->offset + i, .slot = run->slot + i, .count = 1,
			 .deliveries = run->deliveries },
	};

	client->leases[client->nr_leases++] = lease;
}

/* In place it says how often it was delivered until now: its time may be over already. */
static bool take_told_right(const struct weir_desc *desc, const struct weir_run *run, uint32_t i,
			    bool in_place)
{
	return desc->offset == run->offset + i && desc->slot == run->slot + i &&
	       (desc->deliveries == run->deliveries ||
		(in_place && desc->deliveries > run->deliveries));
}

/* Where the next record of a buffer begins. */
static uint64_t record_end(const struct weir_desc *desc)
{
	uint64_t size = desc->len + desc->key_len;

	if (desc->headers_len)
		size = (size + 7) / 8 * 8 + desc->headers_len;
	return (desc->pos + size + WEIR_ALIGN - 1) / WEIR_ALIGN * WEIR_ALIGN;
}

/* A dead letter is said to be one before it is said to be here. */
static bool take_whole(struct stress_client *client, const struct weir_desc *desc,
		       const char *payload, struct history_record *record)
{
	struct history_record buried;

	if (record->target != STRESS_DEAD)
		return stress_message_whole(desc, payload, record);
	if (!stress_letter_whole(client->stress, desc, payload, record, &buried))
		return false;
	history_add(&client->log, &buried, HISTORY_OK);
	return true;
}

/* What a call got, message by message; the first one's record is the call's. */
static void take_messages(struct stress_client *client, struct history_record *call, int fd,
			  const struct weir_fetch *fetch, const struct weir_run *runs, int count)
{
	struct history_record records[STRESS_BATCH];
	const char *bytes = (const char *)(uintptr_t)fetch->buffer;
	const struct weir_desc *desc = NULL;
	const struct weir_run *run = runs;
	uint32_t queue = call->target, in_run = 0, i;
	uint64_t at = 0;

	for (i = 0; i < count; i++) {
		struct history_record *record = &records[i];
		const char *payload;

		if (in_run == run->count) {
			run++;
			in_run = 0;
		}
		desc = bytes ? (const void *)(bytes + at) :
			       (const struct weir_desc *)client->index[queue] + run->slot + in_run;
		payload = bytes ? bytes + desc->pos : client->pool[queue] + desc->pos;
		*record = *call;
		record->op = HISTORY_MORE;
		record->offset = run->offset + in_run;
		record->deliveries = run->deliveries;
		record->outcome = HISTORY_OK;
		if (!take_told_right(desc, run, in_run, !bytes) ||
		    !take_whole(client, desc, payload, record))
			record->outcome = HISTORY_CORRUPT;
		if (!(call->flags & HISTORY_SETTLED))
			take_lease(client, record, fd, run, in_run,
				   desc->flags & WEIR_DESC_REPLY);
		at = record_end(desc);
		in_run++;
	}
	for (i = 1; i < count; i++)
		history_add(&client->log, &records[i], records[i].outcome);
	call->offset = records[0].offset;
	call->deliveries = records[0].deliveries;
	call->producer = records[0].producer;
	call->seq = records[0].seq;
	history_end(call, records[0].outcome);
	/* Not before: who settles it through the same description comes after us. */
	if (!(call->flags & HISTORY_SETTLED))
		client->stress->shared->seen[stress_chance(client, 64)] =
			client->leases[client->nr_leases - 1];
}

static void take_prepare(struct stress_client *client, struct weir_fetch *fetch,
			 struct weir_run *runs, char *bytes, struct stress_how how)
{
	*fetch = (struct weir_fetch){
		.runs = raw_address(runs), .nr_runs = 1 + stress_chance(client, STRESS_BATCH),
		.max_messages = 1 + stress_chance(client, STRESS_BATCH),
		.max_bytes = stress_chance(client, 4) ? 0 : 1 + stress_chance(client, 2000),
		.timeout_ns = stress_chance(client, 2) * stress_chance(client, 20000000),
		.flags = how.settled ? WEIR_FETCH_SETTLED : 0,
	};
	/* Every third client is in a hurry, or too slow for what it asked for. */
	if (client->id % 3 == 0 && stress_chance(client, 2))
		fetch->lease_ns = 10000 + stress_chance(client, 30000000);
	if (how.in_place)
		return;
	fetch->buffer = raw_address(bytes);
	fetch->buffer_len = stress_chance(client, 8) ? STRESS_BUFFER : stress_chance(client, 2000);
}

void stress_fetch(struct stress_client *client, uint32_t queue, struct stress_how how)
{
	uint32_t file;
	int fd = stress_pick_file(client, queue, &file);

	stress_fetch_from(client, queue, fd, file, how);
}

void stress_fetch_from(struct stress_client *client, uint32_t queue, int fd, uint32_t file,
		       struct stress_how how)
{
	struct stress_settling settling;
	struct history_record *record;
	struct weir_run runs[STRESS_BATCH];
	struct weir_fetch fetch;
	bool settles;
	int ret;

	if (client->nr_leases + STRESS_BATCH > STRESS_LEASES)
		return;
	take_prepare(client, &fetch, runs, client->bytes, how);
	settles = how.and_settle && stress_settle_begin(client, file, fd, &settling);
	if (settles) {
		fetch.settle = raw_address(&settling.run);
		fetch.nr_settle = 1;
	}
	record = take_begin(client, queue, file, fetch.max_messages, how.settled, fetch.lease_ns);
	ret = stress_command(client, how.by_ring, fd, WEIR_IOC_FETCH, &fetch);
	if (settles)
		stress_settle_end(client, &settling);
	if (ret <= 0)
		take_failed(client, record, ret);
	else
		take_messages(client, record, fd, &fetch, runs, ret);
}

void stress_park(struct stress_client *client, uint32_t queue)
{
	struct stress_parked *parked = &client->parked;
	struct stress_how how = {
		.in_place = stress_chance(client, 2), .settled = stress_chance(client, 2),
	};
	uint32_t file;
	int ret;

	if (parked->waits)
		return;
	how.settled = how.settled && !how.in_place && queue != STRESS_DEAD;
	parked->fd = stress_pick_file(client, queue, &file);
	parked->queue = queue;
	take_prepare(client, &parked->fetch, parked->runs, client->parked_bytes, how);
	if (stress_chance(client, 2))
		parked->fetch.timeout_ns = -1;
	parked->record = take_begin(client, queue, file, parked->fetch.max_messages, how.settled,
				    parked->fetch.lease_ns);
	ring_command(&client->parking, parked->fd, WEIR_IOC_FETCH, &parked->fetch,
		     sizeof(parked->fetch), 0);
	do {
		ret = ring_enter(&client->parking, 0);
	} while (ret == -EINTR);
	if (ret != 1)
		stress_fail(client, "submit", ret);
	parked->waits = true;
}

/* Leases that it got are kept for, or else it is looked after later. */
void stress_look_after_parked(struct stress_client *client)
{
	struct stress_parked *parked = &client->parked;
	int ret;

	if (!parked->waits || client->nr_leases + STRESS_BATCH > STRESS_LEASES ||
	    !ring_reap(&client->parking, &ret, NULL))
		return;
	parked->waits = false;
	if (ret <= 0)
		take_failed(client, parked->record, ret);
	else
		take_messages(client, parked->record, parked->fd, &parked->fetch, parked->runs,
			      ret);
}

void stress_cancel(struct stress_client *client)
{
	struct stress_parked *parked = &client->parked;
	struct weir_cancel cancel = { .fetch = raw_address(&parked->fetch) };
	int ret;

	if (!parked->waits)
		return;
	ret = raw_ioctl(parked->fd, WEIR_IOC_CANCEL, &cancel);
	if (ret < 0)
		stress_fail(client, "cancel", ret);
}
