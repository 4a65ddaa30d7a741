// SPDX-License-Identifier: GPL-2.0 OR MIT
/* libweir: what is given up goes to the dead letter queue. */
#include <weir/weir.h>

#include "../fixture.h"

TEST(term)
{
	struct weir_create_options create = { .size = sizeof(create) };
	char jobs[WEIR_NAME_SIZE], letters[WEIR_NAME_SIZE];
	struct weir_queue *queue, *dead;
	struct weir_batch *batch;
	int i;

	raw_name(jobs);
	raw_name(letters);
	ASSERT_EQ(0, weir_create(letters, NULL));
	ASSERT_EQ(0, weir_queue_open(letters, NULL, &dead));
	create.policy.flags = WEIR_POLICY_DEAD_LETTER;
	create.policy.dead_letter = weir_queue_fd(dead);
	ASSERT_EQ(0, weir_create(jobs, &create));
	ASSERT_EQ(0, weir_queue_open(jobs, NULL, &queue));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, weir_send(queue, "job", 3, WEIR_FOREVER));
	ASSERT_EQ(0, weir_batch_new(queue, NULL, &batch));
	ASSERT_EQ(3, weir_receive(batch, WEIR_FOREVER));
	EXPECT_EQ(1, weir_settle(batch, 0, 1, WEIR_ACK));
	EXPECT_EQ(2, weir_settle(batch, 1, 2, WEIR_TERM));
	EXPECT_EQ(-EINVAL, weir_settle(batch, 0, 3, WEIR_TERM + 1));
	wait_until(raw_figure(letters, "depth") == 2);
	EXPECT_EQ(2, raw_figure(jobs, "dead"));
	EXPECT_EQ(1, raw_figure(jobs, "settled"));
	weir_batch_free(batch);
	weir_queue_close(queue);
	weir_queue_close(dead);
	EXPECT_EQ(0, weir_destroy(jobs, 0));
	EXPECT_EQ(0, weir_destroy(letters, WEIR_DESTROY_FORCE));
}

TEST_HARNESS_MAIN
