// SPDX-License-Identifier: MIT
/* Sending and settling on several queues, as a whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include "internal.h"

struct weir_transaction {
	struct weir_queue *first;	/* whose door, and patience, it is */
	unsigned int	nr_parts;
	struct weir_part parts[WEIR_TXN_PARTS];
	struct weir_batch *batches[WEIR_TXN_PARTS];	/* NULL: a send */
	struct weir_txn	txn;		/* the command */
};

WEIR_PUBLIC int weir_txn_new(struct weir_transaction **txn)
{
	struct weir_transaction *new = calloc(1, sizeof(*new));

	if (!new)
		return -ENOMEM;
	*txn = new;
	return 0;
}

static int part_add(struct weir_transaction *txn, struct weir_queue *queue,
		    struct weir_batch *batch, const struct weir_part *part)
{
	if (txn->nr_parts == WEIR_TXN_PARTS)
		return -EINVAL;
	if (!txn->nr_parts)
		txn->first = queue;
	txn->batches[txn->nr_parts] = batch;
	txn->parts[txn->nr_parts++] = *part;
	return 0;
}

WEIR_PUBLIC int weir_txn_send(struct weir_transaction *txn,
			      struct weir_queue *queue,
			      const struct weir_message *messages,
			      unsigned int count)
{
	const struct weir_part part = {
		.fd = queue->fd, .op = WEIR_PART_SEND,
		.items = (uintptr_t)messages, .count = count,
	};

	if (queue->access == O_RDONLY)
		return -EACCES;
	if (!count || count > WEIR_BATCH_MAX)
		return -EINVAL;
	return part_add(txn, queue, NULL, &part);
}

WEIR_PUBLIC int weir_txn_settle(struct weir_transaction *txn,
				struct weir_batch *batch, unsigned int first,
				unsigned int count, int op)
{
	struct command command;
	struct weir_part part;
	int ret;

	if (!op_known(op))
		return -EINVAL;
	ret = batch_begin_settle(batch, first, count, (struct fate){ .op = op },
				 &command);
	if (ret)
		return ret;
	part = (struct weir_part){
		.fd = batch->queue->fd, .op = WEIR_PART_SETTLE,
		.items = batch->settlement.runs, .count = batch->nr_settle,
	};
	ret = part.count ? part_add(txn, batch->queue, batch, &part) : 0;
	/* With nothing to settle it is not in flight, either. */
	if (ret || !part.count)
		batch_abandon(batch);
	return ret;
}

/* It is empty again, and its batches know what came of them. */
static void txn_end(struct weir_transaction *txn, int ret)
{
	unsigned int i;

	for (i = 0; i < txn->nr_parts; i++)
		if (txn->batches[i])
			batch_complete(txn->batches[i], ret);
	txn->nr_parts = 0;
}

WEIR_PUBLIC int weir_txn_commit(struct weir_transaction *txn, int64_t timeout_ns)
{
	const struct command command = {
		.fd = txn->nr_parts ? txn->first->fd : -1,
		.number = WEIR_IOC_TXN,
		.arg = &txn->txn, .size = sizeof(txn->txn),
	};
	int ret;

	if (!txn->nr_parts)
		return 0;
	txn->txn = (struct weir_txn){
		.parts = (uintptr_t)txn->parts,
		.count = txn->nr_parts,
		.timeout_ns = timeout_ns,
	};
	ret = queue_run(txn->first, &command);
	txn_end(txn, ret);
	return ret > 0 ? -EBADMSG : ret;
}

WEIR_PUBLIC void weir_txn_free(struct weir_transaction *txn)
{
	unsigned int i;

	if (!txn)
		return;
	for (i = 0; i < txn->nr_parts; i++)
		if (txn->batches[i])
			batch_abandon(txn->batches[i]);
	free(txn);
}
