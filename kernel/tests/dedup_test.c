// SPDX-License-Identifier: GPL-2.0
/* Ids and producers against lists that are searched from end to end. */
#include "../dedup.c"
#include "test.h"

#define KINDS	40		/* of ids */
#define STEPS	20000
#define MOST	50

struct past {
	struct weir_account account;
	struct weir_ids ids;
	u64 now;
	u64 taken;
	struct {
		u32 kind;
		u64 at;
	} log[STEPS];
};

/* An id of that kind; some have the same hash value, and some half of all. */
static struct weir_id some_id(u32 kind)
{
	return (struct weir_id){ { kind % 8 | (u64)(kind % 2) << 40, kind / 2 } };
}

static bool was_taken(const struct past *past, u32 kind)
{
	u64 i;

	for (i = past->taken; i && past->taken - i < past->ids.count; i--) {
		if (past->log[i - 1].kind == kind)
			return !past->ids.max_age_ns ||
			       past->now - past->log[i - 1].at < past->ids.max_age_ns;
	}
	return false;
}

static struct past *new_past(struct kunit *test, u32 count)
{
	struct past *past = kunit_kzalloc(test, sizeof(*past), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, past);
	weir_test_account(test, &past->account, 0);
	KUNIT_ASSERT_EQ(test, weir_ids_init(&past->ids, &past->account, count), 0);
	return past;
}

static void end_past(struct kunit *test, struct past *past)
{
	weir_ids_destroy(&past->ids, &past->account);
	KUNIT_EXPECT_EQ(test, weir_account_used(&past->account), 0);
	weir_account_destroy(&past->account);
}

static void random_ids(struct kunit *test)
{
	struct weir_random random = weir_random_begin(test);
	u32 count = weir_random_size(&random, MOST), i, taken = 0;
	struct past *past = new_past(test, count);

	for (i = 0; i < STEPS; i++) {
		u32 kind = weir_random(&random, KINDS);
		struct weir_id id = some_id(kind);
		bool was = was_taken(past, kind);

		KUNIT_ASSERT_EQ(test, weir_ids_take(&past->ids, &id, past->now), !was);
		if (!was) {
			past->log[past->taken].kind = kind;
			past->log[past->taken++].at = past->now;
			taken++;
		}
		past->now += weir_random(&random, 4);
		if (!weir_random(&random, 200)) {
			past->ids.count = weir_random(&random, count + 1);
			past->ids.max_age_ns = weir_random(&random, 100);
		}
	}
	KUNIT_EXPECT_GT(test, taken, 0);
	KUNIT_EXPECT_GT(test, STEPS, taken);
	end_past(test, past);
}

/* Numbers have 32 bits, and go round. */
static void numbers_go_round(struct kunit *test)
{
	struct past *past = new_past(test, 4);
	u32 i;

	past->ids.taken = U32_MAX - 20;
	for (i = 0; i < 1000; i++) {
		struct weir_id id = some_id(i % 7);

		/* The last four are known, the three before them not any more. */
		KUNIT_ASSERT_TRUE(test, weir_ids_take(&past->ids, &id, 0));
		id = some_id((i + 7 - (i > 3 ? 3 : 0)) % 7);
		KUNIT_ASSERT_FALSE(test, weir_ids_take(&past->ids, &id, 0));
	}
	end_past(test, past);
}

static void no_ids(struct kunit *test)
{
	struct past *past = new_past(test, 0);

	KUNIT_EXPECT_NULL(test, past->ids.ring);
	KUNIT_EXPECT_EQ(test, weir_account_used(&past->account), 0);
	end_past(test, past);
}

struct people {
	struct weir_account account;
	struct weir_producers producers;
	spinlock_t lock;
	u64 now;
	struct {
		bool known;
		u64 id;
		u64 sequence;
		u64 at;
		u32 epoch;
	} model[KINDS];			/* a name and a user each */
};

#define PEOPLE	(KINDS / 2)		/* of whom so many are known at a time */
#define FORGET	50

static struct people *new_people(struct kunit *test)
{
	struct people *people = kunit_kzalloc(test, sizeof(*people), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, people);
	weir_test_account(test, &people->account, 0);
	spin_lock_init(&people->lock);
	weir_producers_init(&people->producers, PEOPLE, FORGET);
	return people;
}

static void end_people(struct kunit *test, struct people *people)
{
	weir_producers_destroy(&people->producers, &people->account);
	KUNIT_EXPECT_EQ(test, weir_account_used(&people->account), 0);
	weir_account_destroy(&people->account);
}

/* Who makes room for another one: as many as KINDS, if nobody. */
static u32 unused_longest(const struct people *people)
{
	u32 i, found = KINDS;

	for (i = 0; i < KINDS; i++) {
		if (people->model[i].known &&
		    (found == KINDS || people->model[i].at < people->model[found].at))
			found = i;
	}
	return people->now - people->model[found].at < FORGET ? KINDS : found;
}

static u32 nr_known(const struct people *people)
{
	u32 i, n = 0;

	for (i = 0; i < KINDS; i++)
		n += people->model[i].known;
	return n;
}

static void register_one(struct kunit *test, struct people *people, u32 i)
{
	struct weir_producer producer = { .name = "a" };
	int ret = 0, expected = 0;

	producer.name[0] += i / 2;
	if (!people->model[i].known && nr_known(people) == PEOPLE) {
		u32 old = unused_longest(people);

		if (old == KINDS)
			expected = -ENOSPC;
		else
			people->model[old].known = false;
	}
	ret = weir_producers_register(&people->producers, &people->account, &people->lock,
				      i % 2, people->now, &producer);
	KUNIT_ASSERT_EQ(test, ret, expected);
	if (ret)
		return;
	if (people->model[i].known) {
		KUNIT_ASSERT_EQ(test, producer.id, people->model[i].id);
		KUNIT_ASSERT_EQ(test, producer.sequence, people->model[i].sequence);
		KUNIT_ASSERT_NE(test, producer.epoch, people->model[i].epoch);
	} else {
		KUNIT_ASSERT_GT(test, producer.id, 0);
		KUNIT_ASSERT_NE(test, producer.id, people->model[i].id);
		KUNIT_ASSERT_EQ(test, producer.sequence, 0);
	}
	people->model[i].known = true;
	people->model[i].id = producer.id;
	people->model[i].epoch = producer.epoch;
	people->model[i].sequence = producer.sequence;
	people->model[i].at = people->now;
}

static void send_one(struct kunit *test, struct people *people, u32 i, u64 sequence)
{
	struct weir_known *known;

	known = weir_producers_find(&people->producers, i % 2, people->model[i].id,
				    people->model[i].epoch);
	KUNIT_ASSERT_EQ(test, !!known, people->model[i].known);
	if (!known)
		return;
	KUNIT_ASSERT_NULL(test, weir_producers_find(&people->producers, !(i % 2), known->id,
						    known->epoch));
	KUNIT_ASSERT_NULL(test, weir_producers_find(&people->producers, i % 2, known->id,
						    known->epoch - 1));
	KUNIT_ASSERT_EQ(test,
			weir_known_take(&people->producers, known, sequence, people->now),
			sequence > people->model[i].sequence);
	people->model[i].sequence = max(people->model[i].sequence, sequence);
	people->model[i].at = people->now;
}

static void random_producers(struct kunit *test)
{
	struct weir_random random = weir_random_begin(test);
	struct people *people = new_people(test);
	u32 i;

	KUNIT_ASSERT_NULL(test, weir_producers_find(&people->producers, 0, 1, 1));
	for (i = 0; i < STEPS; i++) {
		u32 who = weir_random(&random, KINDS);

		/* No two at one time, or it is not told who is older. */
		people->now++;
		if (weir_random(&random, 3))
			send_one(test, people, who, weir_random(&random, 1000));
		else
			register_one(test, people, who);
	}
	end_people(test, people);
}

/* What could not be had leaves nothing behind. */
static void out_of_memory(struct kunit *test)
{
	struct people *people = new_people(test);
	struct weir_producer producer = { .name = "name" };
	u32 n, failed = 0;
	int ret;

	for (n = 1; n < PEOPLE; n++) {
		const u64 before = weir_account_used(&people->account);
		bool was;

		producer.name[0] = 'A' + n;
		weir_fail(n);
		ret = weir_producers_register(&people->producers, &people->account,
					      &people->lock, 0, 0, &producer);
		was = weir_failed(n);
		/* Not all that fails is ours. */
		if (ret) {
			KUNIT_EXPECT_TRUE(test, was);
			KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
			KUNIT_EXPECT_EQ(test, weir_account_used(&people->account), before);
			failed++;
		}
		if (!was)
			break;
	}
	if (IS_ENABLED(CONFIG_FAULT_INJECTION))
		KUNIT_EXPECT_GT(test, failed, 0);
	end_people(test, people);
}

/* Nor what the creator may not have: neither the first time, with the table, nor later. */
static void above_the_limit(struct kunit *test)
{
	struct people *people = new_people(test);
	struct weir_producer producer = { .name = "name" };
	u64 before;
	u32 i;

	for (i = 0; i < 3; i++) {
		before = weir_account_used(&people->account);
		/* The first one alone would fit, but for the table. */
		weir_test_limit(before + (i ? 1 : sizeof(struct weir_known)));
		producer.name[0] = 'A' + i;
		KUNIT_EXPECT_EQ(test,
				weir_producers_register(&people->producers, &people->account,
							&people->lock, 0, 0, &producer),
				-EDQUOT);
		KUNIT_EXPECT_EQ(test, weir_account_used(&people->account), before);
		weir_test_limit(0);
		KUNIT_EXPECT_EQ(test,
				weir_producers_register(&people->producers, &people->account,
							&people->lock, 0, 0, &producer), 0);
	}
	end_people(test, people);
}

static void dedup_exit(struct kunit *test)
{
	weir_fail(0);
	weir_test_limit(0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(random_ids),
	KUNIT_CASE(numbers_go_round),
	KUNIT_CASE(no_ids),
	KUNIT_CASE(random_producers),
	KUNIT_CASE(out_of_memory),
	KUNIT_CASE(above_the_limit),
	{}
};

static struct kunit_suite suite = {
	.name = "weir_dedup",
	.exit = dedup_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
