// SPDX-License-Identifier: MIT
/*
 * Requests are answered: some to a queue without a name, that ends with who asked, and
 * some to one that all use. Where a request is answered to follows from its number, so
 * that the log of who answers can say so; the kernel does not.
 */
#include "stress.h"

void stress_place(struct stress_client *client)
{
	struct history_record record = {
		.op = HISTORY_QUEUE, .target = STRESS_PLACE(client->id),
		.offset = HISTORY_NOWHERE, .producer = HISTORY_NOBODY,
		.flags = HISTORY_TEMPORARY, .invoked = history_now(),
	};

	client->place = raw_create_as("", 100, 64 << 10, WEIR_CREATE_ANONYMOUS, 0);
	if (client->place < 0)
		stress_fail(client, "a queue without a name", client->place);
	client->place_file = client->id * STRESS_FILES + client->next_file++;
	history_add(&client->log, &record, HISTORY_OK);
}

/* Or STRESS_PRIVATELY. */
static uint32_t reply_queue(uint32_t producer, uint32_t seq)
{
	uint32_t queue = body_mix((uint64_t)producer << 32 | seq) % (STRESS_QUEUES + 2);

	return queue < STRESS_QUEUES ? queue : STRESS_PRIVATELY;
}

int stress_reply_to(const struct stress_client *client, uint32_t producer, uint32_t seq)
{
	uint32_t queue = reply_queue(producer, seq);

	return queue < STRESS_QUEUES ? client->stress->inherited[queue] : client->place;
}

/* A lease that asks for an answer, or any; or @again the one that was settled last. */
static bool reply_pick(struct stress_client *client, struct stress_lease *lease, bool *again)
{
	unsigned int n, i, from = stress_chance(client, client->nr_leases + 1);
	bool any = !stress_chance(client, 16);

	*lease = client->old;
	*again = !stress_chance(client, 10);
	if (*again)
		return lease->run.count == 1 && lease->asks;
	for (n = 0; n < client->nr_leases; n++) {
		i = (from + n) % client->nr_leases;
		*lease = client->leases[i];
		if (lease->nameless || (!any && !lease->asks))
			continue;
		client->leases[i] = client->leases[--client->nr_leases];
		return true;
	}
	return false;
}

static struct history_record *reply_make(struct stress_client *client,
					 const struct stress_lease *request,
					 struct weir_message *message)
{
	uint32_t queue = reply_queue(request->producer, request->seq);
	struct history_record record = {
		.op = HISTORY_SEND, .target = queue, .offset = HISTORY_NOWHERE,
		.producer = stress_producer(client, queue), .seq = client->seqs[queue]++,
		.count = HISTORY_ANSWER, .txn = client->txn,
	};

	if (queue == STRESS_PRIVATELY)
		record.target = STRESS_PLACE(request->producer / STRESS_PRODUCERS);
	stress_message_make(message, client->bytes, BODY_MIN + 1 + stress_chance(client, 300),
			    record.producer, record.seq, stress_chance(client, 2));
	if (message->key_len && queue < STRESS_QUEUES &&
	    stress_keyed(client->stress->seed, queue))
		record.key = stress_key((void *)client->bytes);
	return history_begin(&client->log, &record);
}

/* Nothing else may come of it. */
static void reply_expected(const struct stress_client *client, const struct stress_lease *lease,
			   const struct history_record *send, int result, int status)
{
	bool right = result == -EAGAIN || result == -EINTR ? !status :
		     result == -EDESTADDRREQ ? !status && !lease->asks :
		     result == -ESTALE || result == -EBUSY ? status == result :
		     result == 0 ? send->target >= STRESS_ALL && !status :
				   result == 1 && !status;

	if (!right)
		stress_fail(client, "answer", result);
}

void stress_reply(struct stress_client *client)
{
	bool by_ring = !stress_chance(client, 3), again;
	struct stress_settling settling;
	struct history_record *send;
	struct weir_message message;
	struct stress_lease lease;
	struct weir_reply reply = { .message = raw_address(&message) };
	int ret;

	if (!reply_pick(client, &lease, &again))
		return;
	lease.run.op = again || stress_chance(client, 5) ? WEIR_ACK : WEIR_EXTEND;
	lease.run.delay_ms = lease.run.op == WEIR_EXTEND ? stress_chance(client, 30) : 0;
	client->old = lease;
	client->txn = ++client->txns;
	send = reply_make(client, &lease, &message);
	stress_settle_log(client, &lease, &settling);
	client->txn = 0;
	settling.records[0]->flags |= HISTORY_ANSWERED;
	settling.records[0]->producer = lease.producer;
	settling.records[0]->seq = lease.seq;
	reply.run = settling.run;
	client->waited[lease.queue] |= by_ring;
	ret = stress_command(client, by_ring, lease.fd, WEIR_IOC_REPLY, &reply);
	/* A thread for it could not be made: io_uring gives up after some tries. */
	if (by_ring && ret == -ECANCELED)
		ret = -EINTR;
	reply_expected(client, &lease, send, ret, reply.run.status);
	history_end(send, ret == 1 ? HISTORY_OK : HISTORY_FAILED);
	/* What it had settled before it may still have, and has in its list then. */
	settling.run.status = ret >= 0 ? 0 : reply.run.status || again ? ret : -ECANCELED;
	stress_settle_end(client, &settling);
}

/* What was answered to it privately. */
void stress_hear(struct stress_client *client)
{
	struct history_record *take, record = {
		.op = HISTORY_TAKE, .target = STRESS_PLACE(client->id),
		.file = client->place_file, .offset = HISTORY_NOWHERE,
		.producer = HISTORY_NOBODY, .count = 1, .flags = HISTORY_SETTLED,
	};
	const struct weir_desc *desc = (const void *)client->bytes;
	struct weir_fetch fetch = {
		.nr_runs = 1, .max_messages = 1, .flags = WEIR_FETCH_SETTLED,
		.buffer = raw_address(client->bytes), .buffer_len = STRESS_BUFFER,
	};
	struct weir_run run;
	int ret;

	fetch.runs = raw_address(&run);
	take = history_begin(&client->log, &record);
	ret = raw_ioctl(client->place, WEIR_IOC_FETCH, &fetch);
	if (ret == -EAGAIN || ret == -EINTR) {
		history_end(take, ret == -EAGAIN ? HISTORY_EMPTY : HISTORY_FAILED);
		return;
	}
	if (ret != 1)
		stress_fail(client, "hear", ret);
	take->offset = run.offset;
	take->deliveries = run.deliveries;
	history_end(take, stress_message_whole(desc, client->bytes + desc->pos, take) ?
				  HISTORY_OK : HISTORY_CORRUPT);
}
