// SPDX-License-Identifier: GPL-2.0 OR MIT
/* libweir: what a transaction sends and settles. */
#include <weir/weir.h>

#include "../fixture.h"

enum { ORDERS, INVOICES, PARCELS, QUEUES };

FIXTURE(txn) {
	char names[QUEUES][WEIR_NAME_SIZE];
	struct weir_queue *queues[QUEUES];
	struct weir_batch *batch;	/* of ORDERS */
	struct weir_transaction *txn;
};

FIXTURE_VARIANT(txn) {
	enum weir_door door;
};

FIXTURE_VARIANT_ADD(txn, ioctl) {
	.door = WEIR_DOOR_IOCTL,
};

FIXTURE_VARIANT_ADD(txn, uring) {
	.door = WEIR_DOOR_URING,
};

FIXTURE_SETUP(txn)
{
	struct weir_create_options create = {
		.size = sizeof(create), .policy.max_messages = 4,
	};
	struct weir_open_options open = { .size = sizeof(open), .door = variant->door };
	int i;

	for (i = 0; i < QUEUES; i++) {
		raw_name(self->names[i]);
		ASSERT_EQ(0, weir_create(self->names[i], &create));
		ASSERT_EQ(0, weir_queue_open(self->names[i], &open, &self->queues[i]));
	}
	ASSERT_EQ(0, weir_batch_new(self->queues[ORDERS], NULL, &self->batch));
	ASSERT_EQ(0, weir_txn_new(&self->txn));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, weir_send(self->queues[ORDERS], "order", 5, WEIR_NOW));
	ASSERT_EQ(3, weir_receive(self->batch, WEIR_NOW));
}

FIXTURE_TEARDOWN(txn)
{
	int i;

	weir_txn_free(self->txn);
	weir_batch_free(self->batch);
	for (i = 0; i < QUEUES; i++) {
		weir_queue_close(self->queues[i]);
		EXPECT_EQ(0, weir_destroy(self->names[i], WEIR_DESTROY_FORCE));
	}
}

static const struct weir_message message = { .len = 0 };

/* Sends one to each of the others, and settles the first two orders. */
static int fill(FIXTURE_DATA(txn) *self)
{
	return weir_txn_send(self->txn, self->queues[INVOICES], &message, 1) ?:
	       weir_txn_settle(self->txn, self->batch, 0, 2, WEIR_ACK) ?:
	       weir_txn_send(self->txn, self->queues[PARCELS], &message, 1);
}

TEST_F(txn, done)
{
	ASSERT_EQ(0, fill(self));
	/* Nothing yet. */
	EXPECT_EQ(0, raw_figure(self->names[ORDERS], "settled"));
	EXPECT_EQ(0, raw_figure(self->names[INVOICES], "depth"));
	ASSERT_EQ(0, weir_txn_commit(self->txn, WEIR_NOW));
	EXPECT_EQ(2, raw_figure(self->names[ORDERS], "settled"));
	EXPECT_EQ(1, raw_figure(self->names[INVOICES], "depth"));
	EXPECT_EQ(1, raw_figure(self->names[PARCELS], "depth"));
	EXPECT_EQ(0, weir_batch_status(self->batch, 1));
	EXPECT_EQ(WEIR_HELD, weir_batch_status(self->batch, 2));

	/* And once more, with the rest. */
	ASSERT_EQ(0, weir_txn_settle(self->txn, self->batch, 0, 3, WEIR_ACK));
	ASSERT_EQ(0, weir_txn_commit(self->txn, WEIR_NOW));
	EXPECT_EQ(3, raw_figure(self->names[ORDERS], "settled"));
}

TEST_F(txn, nothing_done)
{
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, weir_send(self->queues[PARCELS], "", 0, WEIR_NOW));
	ASSERT_EQ(0, fill(self));
	ASSERT_EQ(-EAGAIN, weir_txn_commit(self->txn, WEIR_NOW));
	ASSERT_EQ(0, fill(self));
	ASSERT_EQ(-ETIMEDOUT, weir_txn_commit(self->txn, 1000000));
	EXPECT_EQ(0, raw_figure(self->names[INVOICES], "depth"));
	EXPECT_EQ(3, raw_figure(self->names[ORDERS], "leased"));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(WEIR_HELD, weir_batch_status(self->batch, i));
	EXPECT_EQ(3, weir_settle(self->batch, 0, 3, WEIR_ACK));
}

TEST_F(txn, too_late)
{
	ASSERT_EQ(3, weir_extend(self->batch, 0, 3, 1000000));
	wait_until(raw_figure(self->names[ORDERS], "expired") == 3);
	ASSERT_EQ(0, fill(self));
	ASSERT_EQ(-ESTALE, weir_txn_commit(self->txn, WEIR_NOW));
	EXPECT_EQ(-ESTALE, weir_batch_status(self->batch, 0));
	EXPECT_EQ(WEIR_HELD, weir_batch_status(self->batch, 2));
	EXPECT_EQ(0, raw_figure(self->names[INVOICES], "sent"));
	EXPECT_EQ(3, raw_figure(self->names[ORDERS], "depth"));
}

TEST_HARNESS_MAIN
