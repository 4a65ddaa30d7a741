// SPDX-License-Identifier: GPL-2.0 OR MIT
/* libweir: what is given up goes to the dead letter queue. */
#include <weir/weir.h>

#include "../fixture.h"

/* Whether the next message that is received has that header. */
static bool has_header(struct weir_batch *batch, const char *name, const char *value)
{
	struct weir_header_view header;
	size_t at = 0;

	if (weir_receive(batch, WEIR_FOREVER) != 1)
		return false;
	while (weir_header_next(weir_batch_view(batch, 0), &at, &header) > 0) {
		if (header.name_len == strlen(name) && !memcmp(header.name, name, strlen(name)))
			return header.value_len == strlen(value) &&
			       !memcmp(header.value, value, strlen(value));
	}
	return false;
}

TEST(term)
{
	struct weir_batch_options one = { .size = sizeof(one), .max_messages = 1 };
	char too_long[WEIR_REASON_MAX + 2];
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
	EXPECT_EQ(1, weir_settle(batch, 1, 1, WEIR_TERM));
	memset(too_long, 'x', sizeof(too_long));
	too_long[WEIR_REASON_MAX + 1] = '\0';
	EXPECT_EQ(-EINVAL, weir_reject(batch, 2, 1, too_long));
	EXPECT_EQ(1, weir_reject(batch, 2, 1, "no good"));
	EXPECT_EQ(-EINVAL, weir_settle(batch, 0, 3, WEIR_TERM + 1));
	wait_until(raw_figure(letters, "depth") == 2);
	EXPECT_EQ(2, raw_figure(jobs, "dead"));
	EXPECT_EQ(1, raw_figure(jobs, "settled"));
	weir_batch_free(batch);
	ASSERT_EQ(0, weir_batch_new(dead, &one, &batch));
	EXPECT_FALSE(has_header(batch, "weir-dead-text", "no good"));
	EXPECT_TRUE(has_header(batch, "weir-dead-text", "no good"));
	weir_batch_free(batch);
	weir_queue_close(queue);
	weir_queue_close(dead);
	EXPECT_EQ(0, weir_destroy(jobs, 0));
	EXPECT_EQ(0, weir_destroy(letters, WEIR_DESTROY_FORCE));
}

TEST_HARNESS_MAIN
