// SPDX-License-Identifier: GPL-2.0
/* Times against an array that says of each item when it is due, if it is in. */
#include "../wheel.c"
#include "test.h"

#define ITEMS	300
#define STEPS	20000
#define TICK	BIT_ULL(WEIR_WHEEL_SHIFT)
/* At a look what was due this long before is out. */
#define LATE	TICK
/* As far as the queue's times go. */
#define END	((u64)S64_MAX)

struct times {
	struct weir_account account;
	struct weir_wheel wheel;
	u64 due[ITEMS];		/* WEIR_NEVER: it is not in */
	u64 now;
};

static struct times *new_times(struct kunit *test)
{
	struct times *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	weir_test_account(test, &t->account, 0);
	KUNIT_ASSERT_EQ(test, weir_wheel_init(&t->wheel, &t->account, ITEMS), 0);
	KUNIT_ASSERT_EQ(test, weir_wheel_next(&t->wheel), WEIR_NEVER);
	memset(t->due, 0xff, sizeof(t->due));
	return t;
}

static void end_times(struct kunit *test, struct times *t)
{
	weir_wheel_destroy(&t->wheel, &t->account);
	KUNIT_EXPECT_EQ(test, weir_account_used(&t->account), 0);
	weir_account_destroy(&t->account);
}

static u64 earliest(const struct times *t)
{
	u64 due = WEIR_NEVER;
	u32 i;

	for (i = 0; i < ITEMS; i++)
		due = min(due, t->due[i]);
	return due;
}

/* A time from now on, or some before it, of any order of magnitude. */
static u64 some_time(struct weir_random *random, const struct times *t)
{
	u64 span = BIT_ULL(weir_random(random, 62));
	u64 in = ((u64)weir_random(random, U32_MAX) << 32 | weir_random(random, U32_MAX)) % span;

	if (!weir_random(random, 8))
		return t->now - min(t->now, in);
	return min(t->now + in, END);
}

/* Nothing may be slept through. */
static void check_next(struct kunit *test, const struct times *t)
{
	u64 next = weir_wheel_next(&t->wheel), due = earliest(t);

	if (due != WEIR_NEVER)
		KUNIT_ASSERT_LE(test, next, max(due + TICK, t->now));
}

static void put(struct kunit *test, struct times *t, u32 item, u64 due)
{
	KUNIT_ASSERT_EQ(test, weir_wheel_put(&t->wheel, item, due), due < t->due[item]);
	t->due[item] = min(t->due[item], due);
	KUNIT_ASSERT_EQ(test, t->wheel.items[item].due, t->due[item]);
}

static void move(struct times *t, u32 item, u64 due)
{
	weir_wheel_move(&t->wheel, item, due);
	t->due[item] = due;
}

/* Takes out what is due, with @budget at a time: how many. */
static u32 take_due(struct kunit *test, struct times *t, u32 budget)
{
	u32 item, work = budget, n = 0, touched = 0, i;

	while ((item = weir_wheel_take(&t->wheel, t->now, &work)) != WEIR_NO_ITEM || !work) {
		touched += budget - work;
		/* Each is touched once a level at most, or it would go round for ever. */
		KUNIT_ASSERT_LE(test, touched, ITEMS * WEIR_WHEEL_LEVELS);
		work = budget;
		if (item == WEIR_NO_ITEM)
			continue;
		KUNIT_ASSERT_LT(test, item, ITEMS);
		/* It was in, so it comes out once; and it is not early. */
		KUNIT_ASSERT_NE(test, t->due[item], WEIR_NEVER);
		KUNIT_ASSERT_LE(test, t->due[item], t->now);
		KUNIT_ASSERT_EQ(test, t->wheel.items[item].due, WEIR_NEVER);
		t->due[item] = WEIR_NEVER;
		n++;
	}
	for (i = 0; i < ITEMS; i++)
		if (t->due[i] != WEIR_NEVER && t->due[i] + LATE <= t->now)
			KUNIT_FAIL_AND_ABORT(test, "item %u, due at %llu, is in at %llu", i,
					     t->due[i], t->now);
	return n;
}

/* Time goes on by nothing, by little, by much, or to when the wheel says. */
static void advance(struct weir_random *random, struct times *t)
{
	u64 next;

	switch (weir_random(random, 4)) {
	case 0:
		next = weir_wheel_next(&t->wheel);
		if (next != WEIR_NEVER)
			t->now = max(t->now, next);
		break;
	case 1:
		t->now += weir_random(random, 4 * TICK);
		break;
	case 2:
		t->now += BIT_ULL(weir_random(random, 40));
		break;
	}
	t->now = min(t->now, END);
}

static void wheel_random(struct kunit *test)
{
	struct weir_random random = weir_random_begin(test);
	struct times *t = new_times(test);
	u32 i, out = 0;

	for (i = 0; i < STEPS; i++) {
		u32 item = weir_random(&random, ITEMS);

		switch (weir_random(&random, 6)) {
		case 0:
			move(t, item, WEIR_NEVER);
			break;
		case 1:
			move(t, item, some_time(&random, t));
			break;
		default:
			put(test, t, item, some_time(&random, t));
			break;
		}
		check_next(test, t);
		if (!weir_random(&random, 3)) {
			advance(&random, t);
			out += take_due(test, t, weir_random_size(&random, 2 * ITEMS));
			check_next(test, t);
		}
	}
	KUNIT_EXPECT_GT(test, out, STEPS / 100);
	kunit_info(test, "%u came out\n", out);
	end_times(test, t);
}

/*
 * Who sleeps until the wheel says so, and looks, gets all of it, in few looks: an item
 * is moved down a level at most each time.
 */
static void wheel_sleeper(struct kunit *test)
{
	struct weir_random random = weir_random_begin(test);
	struct times *t = new_times(test);
	u32 i, looks = 0, out = 0;

	for (i = 0; i < ITEMS; i++)
		put(test, t, i, some_time(&random, t));
	while (out < ITEMS) {
		u64 next = weir_wheel_next(&t->wheel);

		KUNIT_ASSERT_NE(test, next, WEIR_NEVER);
		KUNIT_ASSERT_LE(test, ++looks, ITEMS * WEIR_WHEEL_LEVELS);
		t->now = max(t->now, next);
		out += take_due(test, t, ITEMS);
	}
	KUNIT_EXPECT_EQ(test, earliest(t), WEIR_NEVER);
	KUNIT_EXPECT_EQ(test, out, ITEMS);
	end_times(test, t);
}

/* No more than @work items are touched, and what is left over comes at the next call. */
static void wheel_budget(struct kunit *test)
{
	struct times *t = new_times(test);
	u32 i, work, calls = 0, out = 0;

	for (i = 0; i < ITEMS; i++)
		put(test, t, i, TICK);
	t->now = 10 * TICK;
	work = 0;
	KUNIT_EXPECT_EQ(test, weir_wheel_take(&t->wheel, t->now, &work), WEIR_NO_ITEM);
	while (out < ITEMS) {
		work = 7;
		while (work) {
			u32 before = work;

			i = weir_wheel_take(&t->wheel, t->now, &work);
			if (i == WEIR_NO_ITEM)
				break;
			KUNIT_ASSERT_EQ(test, work, before - 1);
			out++;
		}
		/* There is more: look again, at once. */
		if (out < ITEMS)
			KUNIT_ASSERT_EQ(test, weir_wheel_next(&t->wheel), 0);
		KUNIT_ASSERT_LE(test, ++calls, ITEMS);
	}
	KUNIT_EXPECT_EQ(test, calls, DIV_ROUND_UP(ITEMS, 7));
	KUNIT_EXPECT_EQ(test, weir_wheel_next(&t->wheel), WEIR_NEVER);
	end_times(test, t);
}

/* The ends of each bucket of each level, put from many points of time. */
static void wheel_edges(struct kunit *test)
{
	struct times *t = new_times(test);
	unsigned int level, at;
	u32 i;

	for (at = 0; at < 60; at += 3) {
		t->now = at ? max(t->now, BIT_ULL(at) - 1) : 0;
		take_due(test, t, ITEMS);
		i = 0;
		for (level = 0; level < WEIR_WHEEL_LEVELS - 1; level++) {
			u64 long_is = TICK << (level * WEIR_WHEEL_BITS);

			put(test, t, i++, t->now + long_is - 1);
			put(test, t, i++, t->now + long_is);
			put(test, t, i++, round_up(t->now + 1, long_is) - 1);
			put(test, t, i++, round_up(t->now + 1, long_is));
			check_next(test, t);
		}
		for (i = 0; earliest(t) != WEIR_NEVER; i++) {
			KUNIT_ASSERT_LE(test, i, 1000);
			t->now = max(t->now, weir_wheel_next(&t->wheel));
			take_due(test, t, ITEMS);
		}
	}
	end_times(test, t);
}

/* The allocation fails: by itself, and by the limit. */
static void wheel_no_memory(struct kunit *test)
{
	struct weir_account account;
	struct weir_wheel wheel;
	int ret;

	weir_test_account(test, &account, 0);
	memset(&wheel, 0, sizeof(wheel));
	weir_fail(1);
	/* Few enough for one page: more would be tried twice. */
	ret = weir_wheel_init(&wheel, &account, 100);
	if (weir_failed(1))
		KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
	if (!ret)
		weir_wheel_destroy(&wheel, &account);
	KUNIT_EXPECT_EQ(test, weir_account_used(&account), 0);

	memset(&wheel, 0, sizeof(wheel));
	weir_test_limit(1);
	KUNIT_EXPECT_EQ(test, weir_wheel_init(&wheel, &account, ITEMS), -EDQUOT);
	/* As a queue does that could not be made. */
	weir_wheel_destroy(&wheel, &account);
	KUNIT_EXPECT_EQ(test, weir_account_used(&account), 0);
	weir_account_destroy(&account);
}

static void wheel_exit(struct kunit *test)
{
	weir_fail(0);
	weir_test_limit(0);
}

static struct kunit_case wheel_cases[] = {
	KUNIT_CASE(wheel_random),
	KUNIT_CASE(wheel_sleeper),
	KUNIT_CASE(wheel_budget),
	KUNIT_CASE(wheel_edges),
	KUNIT_CASE(wheel_no_memory),
	{}
};

static struct kunit_suite wheel_suite = {
	.name = "weir_wheel",
	.exit = wheel_exit,
	.test_cases = wheel_cases,
};

kunit_test_suite(wheel_suite);
