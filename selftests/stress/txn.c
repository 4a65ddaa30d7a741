// SPDX-License-Identifier: MIT
/* Leases of a client are settled, and messages sent, to one or two queues, together. */
#include "stress.h"

#define TXN_SENDS	4
#define TXN_SETTLES	3

struct txn {
	struct weir_part parts[TXN_SENDS + TXN_SETTLES];
	uint32_t nr_parts;
	struct weir_message messages[TXN_SENDS];
	struct weir_options options[TXN_SENDS];
	struct history_record *sends[TXN_SENDS];
	uint32_t nr_sends;
	struct stress_settling settles[TXN_SETTLES];
	uint32_t nr_settles;
};

/* A part that sends @count messages more. */
static void txn_send(struct stress_client *client, struct txn *txn, uint32_t queue,
		     uint32_t count)
{
	struct weir_part *part = &txn->parts[txn->nr_parts++];
	uint32_t i, file;
	int fd = stress_pick_file(client, queue, &file);

	*part = (struct weir_part){
		.fd = fd, .op = WEIR_PART_SEND, .count = count,
		.items = raw_address(&txn->messages[txn->nr_sends]),
	};
	for (i = 0; i < count; i++, txn->nr_sends++)
		txn->sends[txn->nr_sends] =
			stress_send_make(client, queue, file, txn->nr_sends,
					 &txn->messages[txn->nr_sends],
					 &txn->options[txn->nr_sends]);
}

static void txn_settle(struct stress_client *client, struct txn *txn)
{
	struct stress_settling *settling = &txn->settles[txn->nr_settles];

	if (!stress_settle_begin(client, 0, 0, settling))
		return;
	txn->nr_settles++;
	txn->parts[txn->nr_parts++] = (struct weir_part){
		.fd = settling->lease.fd, .op = WEIR_PART_SETTLE, .count = 1,
		.items = raw_address(&settling->run),
	};
}

/* Nothing else may come of it. */
static void txn_expected(const struct stress_client *client, const struct txn *txn, int result,
			 uint32_t failed)
{
	bool settles = failed < txn->nr_parts && txn->parts[failed].op == WEIR_PART_SETTLE;

	if (settles ? result != -ESTALE && result != -EBUSY :
		      result != -EAGAIN && result != -ETIMEDOUT && result != -EINTR &&
			      result != -EMSGSIZE)
		stress_fail(client, "transaction", result);
}

static void txn_end(struct stress_client *client, struct txn *txn, int result, uint32_t failed)
{
	uint32_t i, sends = 0, nr = 0;

	for (i = 0; i < txn->nr_parts; i++) {
		const struct weir_part *part = &txn->parts[i];
		uint32_t n;

		if (part->op == WEIR_PART_SETTLE) {
			struct stress_settling *settling = &txn->settles[nr++];

			settling->run.status = !result ? 0 : i == failed ? result : -ECANCELED;
			stress_settle_end(client, settling);
			continue;
		}
		for (n = 0; n < part->count; n++, sends++) {
			if (!result)
				txn->sends[sends]->offset = part->first_offset + n;
			history_end(txn->sends[sends], result ? HISTORY_FAILED : HISTORY_OK);
		}
	}
}

void stress_txn(struct stress_client *client, uint32_t queue)
{
	struct weir_txn command = { .timeout_ns = stress_chance(client, 2) * 5000000 };
	bool by_ring = stress_chance(client, 2);
	uint32_t n = stress_chance(client, TXN_SENDS + 1), file, first;
	struct txn txn = { 0 };
	int ret, fd = stress_pick_file(client, queue, &file);

	client->txn = ++client->txns;
	first = n ? 1 + stress_chance(client, n) : 0;
	if (first)
		txn_send(client, &txn, queue, first);
	if (n > first)
		txn_send(client, &txn, stress_chance(client, STRESS_QUEUES), n - first);
	for (n = stress_chance(client, TXN_SETTLES + 1); n; n--)
		txn_settle(client, &txn);
	client->txn = 0;
	if (!txn.nr_parts)
		return;
	command.parts = raw_address(txn.parts);
	command.count = txn.nr_parts;
	for (n = 0; by_ring && n < STRESS_ALL; n++)
		client->waited[n] = true;
	ret = stress_command(client, by_ring, fd, WEIR_IOC_TXN, &command);
	/* A thread for it could not be made: io_uring gives up after some tries. */
	if (ret == -ECANCELED)
		ret = -EINTR;
	if (ret)
		txn_expected(client, &txn, ret, command.failed);
	txn_end(client, &txn, ret, command.failed);
}
