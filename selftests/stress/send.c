// SPDX-License-Identifier: MIT
#include "stress.h"

/* Mostly small; the smallest has a byte behind its header, for reads in parts. */
static uint32_t send_length(struct stress_client *client)
{
	uint32_t most = stress_chance(client, 8) ? 300 : STRESS_LARGEST - BODY_MIN;

	return BODY_MIN + 1 + stress_chance(client, most);
}

uint32_t stress_producer(const struct stress_client *client, uint32_t queue)
{
	return client->id * STRESS_PRODUCERS + queue;
}

static struct history_record *send_begin(struct stress_client *client, uint32_t queue,
					 uint32_t file, uint32_t flags)
{
	struct history_record record = {
		.op = HISTORY_SEND, .target = queue, .file = file, .offset = HISTORY_NOWHERE,
		.producer = stress_producer(client, queue), .seq = client->seqs[queue]++,
		.flags = flags, .txn = client->txn,
	};

	return history_begin(&client->log, &record);
}

void stress_send_expected(const struct stress_client *client, long result)
{
	if (result != -EAGAIN && result != -ETIMEDOUT && result != -EINTR)
		stress_fail(client, "send", result);
}

void stress_write(struct stress_client *client, uint32_t queue, bool in_parts)
{
	uint32_t file, length = send_length(client), cut = length;
	int fd = stress_pick_file(client, queue, &file);
	struct history_record *record = send_begin(client, queue, file, 0);
	struct iovec parts[2];
	long ret;

	body_make(client->bytes, length, record->producer, record->seq);
	if (in_parts)
		cut = stress_chance(client, length);
	parts[0] = (struct iovec){ client->bytes, cut };
	parts[1] = (struct iovec){ client->bytes + cut, length - cut };
	ret = in_parts ? raw_result(writev(fd, parts, 2)) : raw_write(fd, client->bytes, length);
	if (ret >= 0 && ret != length)
		stress_fail(client, "a message written in part", ret);
	if (ret < 0)
		stress_send_expected(client, ret);
	history_end(record, ret < 0 ? HISTORY_FAILED : HISTORY_OK);
}

/* Before it is sent, for it is in the log then. */
static uint32_t send_wish(struct stress_client *client, uint32_t queue,
			  struct weir_options *options)
{
	*options = (struct weir_options){ 0 };
	if (queue == 1)
		options->priority = stress_chance(client, STRESS_PRIORITIES);
	if (queue == 1 && !stress_chance(client, 8))
		options->delay_ns = STRESS_LEAST_DELAY + stress_chance(client, 30000000);
	/* The token comes later. */
	if (stress_drops(client->stress->seed, queue) ?
	    stress_chance(client, 8) : !stress_chance(client, 4)) {
		options->flags = WEIR_OPTION_RECEIPT;
		options->receipt = client->stress->receipts;
	}
	return options->priority | history_time_flags(options->delay_ns) |
	       (options->flags ? HISTORY_ASKED : 0);
}

struct history_record *stress_send_make(struct stress_client *client, uint32_t queue,
					uint32_t file, uint32_t place,
					struct weir_message *message,
					struct weir_options *options)
{
	char *bytes = client->bytes + place * (STRESS_BUFFER / STRESS_BATCH);
	struct history_record *record =
		send_begin(client, queue, file, send_wish(client, queue, options));

	stress_message_make(message, bytes, send_length(client), record->producer, record->seq,
			    stress_chance(client, 2));
	if (options->flags & WEIR_OPTION_RECEIPT)
		options->token = (uint64_t)record->producer << 32 | record->seq;
	if (!stress_chance(client, 5)) {
		options->flags |= WEIR_OPTION_REPLY;
		options->reply = stress_reply_to(client, record->producer, record->seq);
	}
	message->options = raw_address(options);
	message->options_len = sizeof(*options);
	if (message->key_len && stress_keyed(client->stress->seed, queue))
		record->key = stress_key((void *)bytes);
	return record;
}

void stress_send(struct stress_client *client, uint32_t queue, bool by_ring)
{
	struct weir_message messages[STRESS_BATCH];
	struct weir_options options[STRESS_BATCH];
	struct history_record *records[STRESS_BATCH];
	uint32_t file, count = 1 + stress_chance(client, STRESS_BATCH);
	int i, ret, fd = stress_pick_file(client, queue, &file);
	struct weir_send send = {
		.messages = raw_address(messages), .count = count,
		.timeout_ns = stress_chance(client, 2) * stress_chance(client, 20000000),
	};

	for (i = 0; i < count; i++)
		records[i] = stress_send_make(client, queue, file, i, &messages[i], &options[i]);
	client->waited[queue] |= by_ring;
	ret = stress_command(client, by_ring, fd, WEIR_IOC_SEND, &send);
	/* A thread for it could not be made: io_uring gives up after some tries. */
	if (by_ring && ret == -ECANCELED)
		ret = -EINTR;
	if (ret < 0)
		stress_send_expected(client, ret);
	if (ret == -ETIMEDOUT && stress_when_full(client->stress->seed, queue) ==
				 WEIR_WHEN_FULL_REJECT)
		stress_fail(client, "waits where it is refused", ret);
	for (i = 0; i < count; i++) {
		if (i < ret)
			records[i]->offset = send.first_offset + i;
		history_end(records[i], i < ret ? HISTORY_OK : HISTORY_FAILED);
	}
}
