// SPDX-License-Identifier: GPL-2.0
/* Slots against an array that says of each whether it is taken. */
#include "../index.c"
#include "test.h"

#define SLOTS	1000	/* not a multiple of a segment's */
#define STEPS	20000

struct slots {
	struct weir_account account;
	struct weir_index index;
	u32 there;
	bool taken[DIV_ROUND_UP(SLOTS, WEIR_SEGMENT_SLOTS) * WEIR_SEGMENT_SLOTS];
};

static u32 count_taken(const struct slots *s, u32 from, u32 to)
{
	u32 count = 0;

	for (; from < to; from++)
		count += s->taken[from];
	return count;
}

static void check_segment(struct kunit *test, const struct slots *s, u32 nr)
{
	u32 first = nr * WEIR_SEGMENT_SLOTS, i;
	u32 taken = count_taken(s, first, first + WEIR_SEGMENT_SLOTS);
	bool other = nr != s->index.open;

	KUNIT_ASSERT_EQ(test, weir_bits_test(&s->index.whole, nr), other && taken == 0);
	KUNIT_ASSERT_EQ(test, weir_bits_test(&s->index.some, nr),
			other && taken < WEIR_SEGMENT_SLOTS);
	for (i = 0; i < WEIR_SEGMENT_SLOTS; i++)
		if (!(s->index.free[nr] & BIT_ULL(i)) != s->taken[first + i])
			KUNIT_FAIL_AND_ABORT(test, "slot %u", first + i);
}

static void check_all(struct kunit *test, const struct slots *s)
{
	u32 i;

	KUNIT_ASSERT_EQ(test, s->index.nr_segments * WEIR_SEGMENT_SLOTS, s->there);
	for (i = 0; i < s->index.nr_segments; i++)
		check_segment(test, s, i);
	for (; i < s->index.max_segments; i++)
		KUNIT_ASSERT_NULL(test, weir_index_page(&s->index, i));
}

/* The lowest of the segments with no slot taken, else with any free; or none. */
static u32 expected_segment(const struct slots *s)
{
	u32 most, slot;

	for (most = 0; most < WEIR_SEGMENT_SLOTS; most += WEIR_SEGMENT_SLOTS - 1)
		for (slot = 0; slot < s->there; slot += WEIR_SEGMENT_SLOTS)
			if (count_taken(s, slot, slot + WEIR_SEGMENT_SLOTS) <= most)
				return slot / WEIR_SEGMENT_SLOTS;
	return U32_MAX;
}

/* A new segment is zeroed, and its entries know their slots. */
static void add_segment(struct kunit *test, struct slots *s)
{
	u32 nr = s->index.nr_segments;
	void *segment = weir_segment_new(&s->account);
	bool added;
	u32 i;

	KUNIT_ASSERT_FALSE(test, IS_ERR(segment));
	KUNIT_ASSERT_NULL(test, memchr_inv(segment, 0, 2 * PAGE_SIZE));
	added = weir_index_add(&s->index, segment);
	KUNIT_ASSERT_EQ(test, added, s->there < ARRAY_SIZE(s->taken));
	if (!added) {
		weir_segment_free(segment, &s->account);
		return;
	}
	for (i = 0; i < WEIR_SEGMENT_SLOTS; i++, s->there++) {
		struct weir_entry *entry = weir_index_find(&s->index, s->there);

		KUNIT_ASSERT_PTR_EQ(test, entry, weir_index_at(&s->index, s->there));
		KUNIT_ASSERT_EQ(test, entry->slot, s->there);
		KUNIT_ASSERT_EQ(test, entry->state, WEIR_FREE);
		KUNIT_ASSERT_PTR_EQ(test, weir_entry_desc(entry),
				    (struct weir_desc *)segment + i);
	}
	KUNIT_ASSERT_NULL(test, weir_index_find(&s->index, s->there));
	KUNIT_ASSERT_PTR_EQ(test, page_address(weir_index_page(&s->index, nr)), segment);
}

static void take(struct kunit *test, struct slots *s, u32 want)
{
	u32 open = s->index.open, first = open * WEIR_SEGMENT_SLOTS, slot, n, i;
	u32 segment = open;

	if (!s->there || count_taken(s, first, first + WEIR_SEGMENT_SLOTS) == WEIR_SEGMENT_SLOTS)
		segment = expected_segment(s);
	n = weir_index_take(&s->index, want, &slot);
	if (segment == U32_MAX) {
		KUNIT_ASSERT_EQ(test, n, 0);
		add_segment(test, s);
		return;
	}
	KUNIT_ASSERT_GE(test, n, 1);
	KUNIT_ASSERT_LE(test, n, want);
	KUNIT_ASSERT_EQ(test, slot / WEIR_SEGMENT_SLOTS, segment);
	/* The lowest one that is free, and as many as stand there. */
	first = segment * WEIR_SEGMENT_SLOTS;
	KUNIT_ASSERT_EQ(test, count_taken(s, first, slot), slot - first);
	for (i = 0; i < n; i++) {
		KUNIT_ASSERT_FALSE(test, s->taken[slot + i]);
		s->taken[slot + i] = true;
	}
	KUNIT_ASSERT_TRUE(test, n == want || (slot + n) % WEIR_SEGMENT_SLOTS == 0 ||
			  s->taken[slot + n]);
}

static void put(struct weir_random *random, struct slots *s)
{
	u32 slot = weir_random(random, s->there), n = 0, most = weir_random_size(random, 200);

	while (n < most && slot + n < s->there && s->taken[slot + n])
		s->taken[slot + n++] = false;
	if (n)
		weir_index_put(&s->index, slot, n);
}

static struct slots *new_slots(struct kunit *test, u32 nr_slots)
{
	struct slots *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, s);
	weir_test_account(test, &s->account, 0);
	KUNIT_ASSERT_EQ(test, weir_index_init(&s->index, &s->account, nr_slots), 0);
	return s;
}

static void end_slots(struct kunit *test, struct slots *s)
{
	weir_index_destroy(&s->index, &s->account);
	KUNIT_EXPECT_EQ(test, weir_account_used(&s->account), 0);
	weir_account_destroy(&s->account);
}

/* In turns it gets fuller and emptier. */
static void index_random(struct kunit *test)
{
	struct weir_random random = weir_random_begin(test);
	struct slots *s = new_slots(test, SLOTS);
	u32 i, much = 5;

	for (i = 0; i < STEPS; i++) {
		if (i % 500 == 0)
			much = 2 + weir_random(&random, 7);
		if (!s->there || weir_random(&random, 10) < much)
			take(test, s, weir_random_size(&random, 100));
		else
			put(&random, s);
		if (i % 10 == 0)
			check_all(test, s);
	}
	/* When all is given back, all is free. */
	for (i = 0; i < s->there; i++) {
		if (s->taken[i])
			weir_index_put(&s->index, i, 1);
		s->taken[i] = false;
	}
	check_all(test, s);
	end_slots(test, s);
}

/* All slots can be had, each once, and no segment more than that. */
static void index_full(struct kunit *test)
{
	struct slots *s = new_slots(test, SLOTS);
	u32 i;

	for (i = 0; i < 2 * SLOTS; i++)
		take(test, s, 1);
	KUNIT_EXPECT_EQ(test, count_taken(s, 0, s->there), ARRAY_SIZE(s->taken));
	KUNIT_EXPECT_NULL(test, weir_index_find(&s->index, U32_MAX));
	check_all(test, s);
	end_slots(test, s);
}

/* Each allocation fails once: by itself, and by the limit. */
static void index_no_memory(struct kunit *test)
{
	struct weir_account account;
	struct weir_index index;
	unsigned long limit, n;
	void *segment;
	bool failed;
	int ret;

	weir_test_account(test, &account, 0);
	for (n = 1, failed = true; failed; n++) {
		memset(&index, 0, sizeof(index));
		weir_fail(n);
		ret = weir_index_init(&index, &account, SLOTS);
		failed = weir_failed(n);
		KUNIT_ASSERT_TRUE(test, !ret || (failed && ret == -ENOMEM));
		if (!ret)
			weir_index_destroy(&index, &account);
		KUNIT_ASSERT_EQ(test, weir_account_used(&account), 0);
	}
	kunit_info(test, "%lu allocations\n", n - 2);
	for (limit = 1, ret = -EDQUOT; ret; limit += 8) {
		memset(&index, 0, sizeof(index));
		weir_test_limit(limit);
		ret = weir_index_init(&index, &account, SLOTS);
		KUNIT_ASSERT_TRUE(test, !ret || ret == -EDQUOT);
		KUNIT_ASSERT_TRUE(test, !ret || !weir_account_used(&account));
	}
	segment = weir_segment_new(&account);
	KUNIT_EXPECT_EQ(test, PTR_ERR(segment), -EDQUOT);
	weir_test_limit(0);
	weir_fail(1);
	segment = weir_segment_new(&account);
	if (weir_failed(1))
		KUNIT_EXPECT_EQ(test, PTR_ERR(segment), -ENOMEM);
	if (!IS_ERR(segment))
		weir_segment_free(segment, &account);
	weir_index_destroy(&index, &account);
	KUNIT_EXPECT_EQ(test, weir_account_used(&account), 0);
	weir_account_destroy(&account);
}

static void index_exit(struct kunit *test)
{
	weir_fail(0);
	weir_test_limit(0);
}

static struct kunit_case index_cases[] = {
	KUNIT_CASE(index_random),
	KUNIT_CASE(index_full),
	KUNIT_CASE(index_no_memory),
	{}
};

static struct kunit_suite index_suite = {
	.name = "weir_index",
	.exit = index_exit,
	.test_cases = index_cases,
};

kunit_test_suite(index_suite);
