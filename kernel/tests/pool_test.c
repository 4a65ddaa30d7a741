// SPDX-License-Identifier: GPL-2.0
/* Places against an array with a byte a unit, and bytes against an array of them. */
#include "../pool.c"
#include "test.h"

#define BYTES	(600 << 10)
#define PAGES	((u32)(2 * BYTES / PAGE_SIZE))
#define BLOCKS	DIV_ROUND_UP(PAGES, WEIR_BLOCK_PAGES)
#define UNITS	(BLOCKS * WEIR_BLOCK_PAGES * WEIR_PAGE_UNITS)
#define PLACES	2000
#define STEPS	20000

struct place {
	u32 at, units;
};

struct places {
	struct weir_account account;
	struct weir_pool pool;
	struct weir_puts puts;		/* not ended yet */
	struct place places[PLACES];
	bool taken[UNITS];
	u32 in_pieces;
};

static u32 pages_there(const struct places *p)
{
	return p->pool.nr_blocks * WEIR_BLOCK_PAGES;
}

/* Whether @place has any of the units of @page. */
static bool touches(const struct place *place, u32 page)
{
	return place->units && place->at < (page + 1) * WEIR_PAGE_UNITS &&
	       page * WEIR_PAGE_UNITS < place->at + place->units;
}

static void check_all(struct kunit *test, const struct places *p)
{
	const struct weir_pool *pool = &p->pool;
	u32 page, i;

	for (page = 0; page < pages_there(p); page++) {
		u32 live = pool->cursor % WEIR_PAGE_UNITS &&
			   pool->cursor / WEIR_PAGE_UNITS == page;

		for (i = 0; i < PLACES; i++)
			live += touches(&p->places[i], page);
		KUNIT_ASSERT_EQ(test, *weir_pool_live(pool, page), live);
		KUNIT_ASSERT_EQ(test, test_bit(page, pool->used), live != 0);
		KUNIT_ASSERT_TRUE(test, live || page >= pool->low);
	}
}

/* Whether @units have place in the first @n pages that are wholly free in a row. */
static bool has_place(const struct places *p, u32 units)
{
	u32 wanted = DIV_ROUND_UP(units, WEIR_PAGE_UNITS), run = 0, page;

	for (page = 0; page < pages_there(p) && run < wanted; page++)
		run = *weir_pool_live(&p->pool, page) ? 0 : run + 1;
	return run >= wanted;
}

static u32 take_one(struct places *p, u32 units, u32 *seek)
{
	struct weir_takes takes;
	u32 at;

	weir_pool_take_begin(&p->pool, &takes);
	weir_pool_take(&p->pool, units, &takes, seek, &at);
	weir_pool_take_end(&p->pool, &takes);
	return at;
}

static void take(struct kunit *test, struct places *p, struct place *place, u32 units)
{
	u32 seek = 0, at, i;

	while ((at = take_one(p, units, &seek)) >= WEIR_NOT_YET) {
		struct weir_block *block;

		if (at == WEIR_NOT_YET)
			continue;
		KUNIT_ASSERT_FALSE(test, has_place(p, units));
		block = weir_block_new(&p->account);
		KUNIT_ASSERT_FALSE(test, IS_ERR(block));
		if (!weir_pool_add(&p->pool, block)) {
			KUNIT_ASSERT_EQ(test, p->pool.nr_blocks, BLOCKS);
			weir_block_free(block, &p->account);
			p->in_pieces++;
			return;
		}
	}
	KUNIT_ASSERT_LE(test, (u64)at + units, (u64)pages_there(p) * WEIR_PAGE_UNITS);
	for (i = 0; i < units; i++) {
		if (p->taken[at + i])
			KUNIT_FAIL_AND_ABORT(test, "unit %u is taken twice", at + i);
		p->taken[at + i] = true;
	}
	*place = (struct place){ .at = at, .units = units };
}

/* Until put_end() the pool may not know of it. */
static void put(struct places *p, struct place *place)
{
	weir_pool_put(&p->pool, place->at, place->units, &p->puts);
	memset(p->taken + place->at, false, place->units);
	place->units = 0;
}

static void put_end(struct places *p)
{
	weir_pool_put_end(&p->pool, &p->puts);
}

static struct places *new_places(struct kunit *test)
{
	struct places *p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, p);
	weir_test_account(test, &p->account, 0);
	KUNIT_ASSERT_EQ(test, weir_pool_init(&p->pool, &p->account, BYTES), 0);
	KUNIT_ASSERT_EQ(test, p->pool.max_blocks, BLOCKS);
	return p;
}

static void end_places(struct kunit *test, struct places *p)
{
	weir_pool_destroy(&p->pool, &p->account);
	KUNIT_EXPECT_EQ(test, weir_account_used(&p->account), 0);
	weir_account_destroy(&p->account);
}

/* All is given back: what is left is the cursor's page, if it has one. */
static void check_empty(struct kunit *test, struct places *p)
{
	u32 i;

	for (i = 0; i < PLACES; i++)
		if (p->places[i].units)
			put(p, &p->places[i]);
	put_end(p);
	check_all(test, p);
	KUNIT_EXPECT_LE(test, bitmap_weight(p->pool.used, pages_there(p)), 1);
	/* Which is in nobody's way. */
	take(test, p, &p->places[0], WEIR_BLOCK_PAGES * WEIR_PAGE_UNITS);
	KUNIT_EXPECT_EQ(test, p->places[0].at, 0);
}

static void run_random(struct kunit *test, u32 most_units)
{
	struct weir_random random = weir_random_begin(test);
	struct places *p = new_places(test);
	u32 i, much = 8, high = 0;

	for (i = 0; i < STEPS; i++) {
		struct place *place = &p->places[weir_random(&random, PLACES)];

		if (i % 1000 == 0)
			much = 3 + weir_random(&random, 8);
		if (place->units)
			put(p, place);
		/* Several that go together are put back together. */
		if (!weir_random(&random, 3))
			put_end(p);
		if (!p->puts.messages && !place->units && weir_random(&random, 10) < much)
			take(test, p, place, weir_random_size(&random, most_units));
		high = max_t(u32, high, bitmap_weight(p->pool.used, pages_there(p)));
		if (i % 100 == 0) {
			put_end(p);
			check_all(test, p);
		}
	}
	kunit_info(test, "%u pages of %u were used, %u times what was free was in pieces\n",
		   high, BLOCKS * WEIR_BLOCK_PAGES, p->in_pieces);
	check_empty(test, p);
	end_places(test, p);
}

/* Small messages, which share pages. */
static void pool_small(struct kunit *test)
{
	run_random(test, 20);
}

/* Of all sizes up to a quarter of the pool, so that it is mostly full. */
static void pool_mixed(struct kunit *test)
{
	run_random(test, BYTES / 4 / WEIR_ALIGN);
}

/* A message without bytes has no place, and takes none. */
static void pool_empty_messages(struct kunit *test)
{
	struct places *p = new_places(test);
	u32 seek = 0;

	KUNIT_EXPECT_EQ(test, take_one(p, 0, &seek), 0);
	weir_pool_put(&p->pool, 0, 0, &p->puts);
	put_end(p);
	take(test, p, &p->places[0], 3);
	KUNIT_EXPECT_EQ(test, take_one(p, 0, &seek), 0);
	check_all(test, p);
	weir_pool_put(&p->pool, 0, 0, &p->puts);
	put_end(p);
	check_all(test, p);
	check_empty(test, p);
	end_places(test, p);
}

/*
 * A queue that holds no more than its limit: a message that stays for long keeps
 * its own pages and no others.
 */
static void pool_stuck(struct kunit *test)
{
	struct weir_random random = weir_random_begin(test);
	struct places *p = new_places(test);
	u32 i, next = 1;

	take(test, p, &p->places[0], 1);
	for (i = 0; i < STEPS; i++) {
		struct place *place = &p->places[next];

		if (place->units)
			put(p, place);
		put_end(p);
		take(test, p, place, 1 + weir_random(&random, 64));
		next = 1 + next % 100;
	}
	KUNIT_EXPECT_EQ(test, p->in_pieces, 0);
	KUNIT_EXPECT_LE(test, p->pool.nr_blocks, 4);
	check_all(test, p);
	end_places(test, p);
}

static void copy_in(struct kunit *test, struct places *p, const struct place *place, u32 at,
		    u8 *bytes, u32 len)
{
	struct kvec kvec = { .iov_base = bytes, .iov_len = len };
	struct iov_iter iter;

	iov_iter_kvec(&iter, ITER_SOURCE, &kvec, 1, len);
	KUNIT_ASSERT_EQ(test, weir_pool_write_iter(&p->pool, place->at, at, len, &iter), 0);
}

/* What is in @place from @at on is @bytes, both ways of reading it. */
static void compare(struct kunit *test, struct places *p, const struct place *place, u32 at,
		    const u8 *bytes, u32 len, u8 *buffer)
{
	struct kvec kvec = { .iov_base = buffer, .iov_len = len };
	struct iov_iter iter;

	memset(buffer, 0xee, len);
	weir_pool_read(&p->pool, place->at, at, len, buffer);
	KUNIT_ASSERT_EQ(test, memcmp(buffer, bytes, len), 0);
	memset(buffer, 0xee, len);
	iov_iter_kvec(&iter, ITER_DEST, &kvec, 1, len);
	KUNIT_ASSERT_EQ(test, weir_pool_read_iter(&p->pool, place->at, at, len, &iter), len);
	KUNIT_ASSERT_EQ(test, memcmp(buffer, bytes, len), 0);
}

/* Bytes go where they belong, and nowhere else; fresh ones are zero. */
static void pool_bytes(struct kunit *test)
{
	struct weir_random random = weir_random_begin(test);
	const u32 size = 20000, units = weir_units(size);
	struct places *p = new_places(test);
	u8 *model = kunit_kzalloc(test, size, GFP_KERNEL);
	u8 *buffer = kunit_kzalloc(test, size, GFP_KERNEL);
	struct place *place = &p->places[1];
	u32 i, at, len;

	KUNIT_ASSERT_NOT_NULL(test, model);
	KUNIT_ASSERT_NOT_NULL(test, buffer);
	take(test, p, &p->places[0], 1 + weir_random(&random, 70));
	take(test, p, place, units);
	KUNIT_ASSERT_EQ(test, weir_pool_populate(&p->pool, &p->account, place->at, units), 0);
	for (i = 0; i < 500; i++) {
		at = weir_random(&random, size);
		len = weir_random_size(&random, size - at);
		compare(test, p, place, at, model + at, len, buffer);
		if (weir_random(&random, 3)) {
			memset(model + at, i, len);
			copy_in(test, p, place, at, model + at, len);
		} else {
			memset(model + at, 0, len);
			weir_pool_zero(&p->pool, place->at, at, len);
		}
	}
	compare(test, p, place, 0, model, size, buffer);
	end_places(test, p);
}

/* Each allocation fails once; what was got before it is kept, or given back. */
static void pool_no_memory(struct kunit *test)
{
	struct weir_account account;
	struct places *p = new_places(test);
	struct weir_pool pool;
	bool failed = true;
	unsigned long n;
	int ret;

	weir_test_account(test, &account, 1);
	for (n = 1; failed; n++) {
		memset(&pool, 0, sizeof(pool));
		weir_fail(n);
		ret = weir_pool_init(&pool, &account, BYTES);
		failed = weir_failed(n);
		KUNIT_ASSERT_TRUE(test, !ret || (failed && ret == -ENOMEM));
		if (!ret)
			weir_pool_destroy(&pool, &account);
		KUNIT_ASSERT_EQ(test, weir_account_used(&account), 0);
	}
	take(test, p, &p->places[0], 10 * WEIR_PAGE_UNITS);
	for (n = 1, failed = true; failed; n++) {
		weir_fail(1);
		ret = weir_pool_populate(&p->pool, &p->account, p->places[0].at,
					 min(n, 10UL) * WEIR_PAGE_UNITS);
		failed = weir_failed(1);
		KUNIT_ASSERT_TRUE(test, !ret || (failed && ret == -ENOMEM));
		if (ret)
			ret = weir_pool_populate(&p->pool, &p->account, p->places[0].at,
						 min(n, 10UL) * WEIR_PAGE_UNITS);
		KUNIT_ASSERT_EQ(test, ret, 0);
	}
	weir_test_limit(1);
	take(test, p, &p->places[1], WEIR_PAGE_UNITS);
	KUNIT_EXPECT_EQ(test, weir_pool_populate(&p->pool, &p->account, p->places[1].at,
						 WEIR_PAGE_UNITS), -EDQUOT);
	check_all(test, p);
	end_places(test, p);
	weir_account_destroy(&account);
}

static void pool_exit(struct kunit *test)
{
	weir_fail(0);
	weir_test_limit(0);
}

static struct kunit_case pool_cases[] = {
	KUNIT_CASE(pool_small),
	KUNIT_CASE(pool_mixed),
	KUNIT_CASE(pool_empty_messages),
	KUNIT_CASE(pool_stuck),
	KUNIT_CASE(pool_bytes),
	KUNIT_CASE(pool_no_memory),
	{}
};

static struct kunit_suite pool_suite = {
	.name = "weir_pool",
	.exit = pool_exit,
	.test_cases = pool_cases,
};

kunit_test_suite(pool_suite);
