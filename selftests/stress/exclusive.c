// SPDX-License-Identifier: MIT
/* A queue that one has open for receiving: clients come, take something, and go again. */
#include "stress.h"

static void exclusive_send(struct stress_client *client)
{
	struct history_record *logged, record = {
		.op = HISTORY_SEND, .target = STRESS_EXCLUSIVE, .file = 1 + STRESS_EXCLUSIVE,
		.offset = HISTORY_NOWHERE,
		.producer = stress_producer(client, STRESS_EXCLUSIVELY),
		.seq = client->seqs[STRESS_EXCLUSIVELY]++,
	};
	uint32_t length = BODY_MIN + 1 + stress_chance(client, 300);
	long ret;

	logged = history_begin(&client->log, &record);
	body_make(client->bytes, length, record.producer, record.seq);
	ret = raw_write(client->stress->inherited[STRESS_EXCLUSIVE], client->bytes, length);
	if (ret < 0)
		stress_send_expected(client, ret);
	history_end(logged, ret < 0 ? HISTORY_FAILED : HISTORY_OK);
}

static void exclusive_open(struct stress_client *client)
{
	struct history_record *logged, record = {
		.op = HISTORY_OPEN, .target = STRESS_EXCLUSIVE, .offset = HISTORY_NOWHERE,
		.producer = HISTORY_NOBODY,
		.file = client->id * STRESS_FILES + client->next_file++,
	};
	int fd;

	logged = history_begin(&client->log, &record);
	fd = raw_open(client->stress->names[STRESS_EXCLUSIVE], O_RDONLY | O_NONBLOCK);
	history_end(logged, fd < 0 ? HISTORY_FAILED : HISTORY_OK);
	if (fd == -EBUSY)
		return;
	if (fd < 0)
		stress_fail(client, "open exclusively", fd);
	client->exclusive = fd;
	client->exclusive_file = record.file;
	client->waited[STRESS_EXCLUSIVE] = false;
}

static void exclusive_close(struct stress_client *client)
{
	struct history_record *logged, record = {
		.op = HISTORY_CLOSE, .target = STRESS_EXCLUSIVE, .file = client->exclusive_file,
		.offset = HISTORY_NOWHERE, .producer = HISTORY_NOBODY,
	};

	/* A ring's thread still has the file for a while after it has said that it is done. */
	if (!client->waited[STRESS_EXCLUSIVE])
		record.flags = HISTORY_BACK;
	stress_forget(client, record.file);
	logged = history_begin(&client->log, &record);
	close(client->exclusive);
	history_end(logged, HISTORY_OK);
	client->exclusive = 0;
}

void stress_exclude(struct stress_client *client)
{
	const struct stress_how how = { .settled = stress_chance(client, 2) };

	if (!stress_chance(client, 3))
		exclusive_send(client);
	else if (!client->exclusive)
		exclusive_open(client);
	else if (stress_chance(client, 3))
		stress_fetch_from(client, STRESS_EXCLUSIVE, client->exclusive,
				  client->exclusive_file, how);
	else
		exclusive_close(client);
}
