// SPDX-License-Identifier: GPL-2.0
/* I30: what is charged to whom, and that all of it is given back. */
#include "../account.c"
#include "test.h"

#define ACCOUNTS	4
#define USERS		2	/* accounts 0 and 2 are of one user, 1 and 3 of another */
#define PIECES		200
#define STEPS		4000
#define SOME_UID	4000000000U

void weir_test_limit(unsigned long bytes)
{
	WRITE_ONCE(user_limit, bytes);
}

void weir_test_account(struct kunit *test, struct weir_account *account, u32 uid)
{
	memset(account, 0, sizeof(*account));
	KUNIT_ASSERT_EQ(test, weir_account_init(account, KUIDT_INIT(SOME_UID + uid)), 0);
	KUNIT_ASSERT_EQ(test, weir_account_used(account), 0);
}

struct piece {
	void *mem;
	struct page *page;
	size_t size;
	int account;
};

struct accounts {
	struct weir_account accounts[ACCOUNTS];
	struct piece pieces[PIECES];
};

static u64 charged(const struct accounts *a, int user, int account)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < PIECES; i++) {
		const struct piece *piece = &a->pieces[i];

		if (user == piece->account % USERS && (account < 0 || account == piece->account))
			sum += piece->size;
	}
	return sum;
}

static void check_charges(struct kunit *test, const struct accounts *a)
{
	int i;

	for (i = 0; i < ACCOUNTS; i++) {
		const struct weir_account *account = &a->accounts[i];

		KUNIT_ASSERT_EQ(test, weir_account_used(account), charged(a, i % USERS, i));
		KUNIT_ASSERT_EQ(test, atomic64_read(&account->user->used),
				charged(a, i % USERS, -1));
	}
}

static void put_piece(struct accounts *a, struct piece *piece)
{
	if (piece->page)
		weir_account_free_page(&a->accounts[piece->account], piece->page);
	else
		weir_account_free(&a->accounts[piece->account], piece->mem, piece->size);
	memset(piece, 0, sizeof(*piece));
}

static void take_piece(struct kunit *test, struct weir_random *random, struct accounts *a,
		       struct piece *piece)
{
	int nr = weir_random(random, ACCOUNTS);
	bool page = weir_random(random, 2);
	size_t size = page ? PAGE_SIZE : weir_random_size(random, 40000);
	bool fits = charged(a, nr % USERS, -1) + size <= weir_user_limit();
	unsigned int nth = weir_random(random, 10) ? 0 : 1;
	bool failed;
	void *mem;

	weir_fail(nth);
	if (page)
		mem = weir_account_alloc_pages(&a->accounts[nr], 0);
	else
		mem = weir_account_alloc(&a->accounts[nr], size);
	failed = weir_failed(nth);
	if (IS_ERR(mem)) {
		KUNIT_ASSERT_EQ(test, PTR_ERR(mem), fits ? -ENOMEM : -EDQUOT);
		KUNIT_ASSERT_TRUE(test, failed || !fits);
		return;
	}
	KUNIT_ASSERT_TRUE(test, fits);
	KUNIT_ASSERT_NULL(test, memchr_inv(page ? page_address(mem) : mem, 0, size));
	memset(page ? page_address(mem) : mem, 0xa5, size);
	*piece = (struct piece){ .size = size, .account = nr };
	if (page)
		piece->page = mem;
	else
		piece->mem = mem;
}

/* Any order of taking and giving back, under a limit that is often reached. */
static void account_random(struct kunit *test)
{
	struct weir_random random = weir_random_begin(test);
	struct accounts *a = kunit_kzalloc(test, sizeof(*a), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, a);
	for (i = 0; i < ACCOUNTS; i++)
		weir_test_account(test, &a->accounts[i], i % USERS);
	weir_test_limit(300000);
	for (i = 0; i < STEPS; i++) {
		struct piece *piece = &a->pieces[weir_random(&random, PIECES)];

		if (piece->size)
			put_piece(a, piece);
		else
			take_piece(test, &random, a, piece);
		check_charges(test, a);
	}
	for (i = 0; i < PIECES; i++)
		if (a->pieces[i].size)
			put_piece(a, &a->pieces[i]);
	check_charges(test, a);
	for (i = 0; i < ACCOUNTS; i++)
		weir_account_destroy(&a->accounts[i]);
	KUNIT_EXPECT_TRUE(test, hash_empty(users));
}

/* The limit may be used up to its last byte. */
static void account_limit(struct kunit *test)
{
	struct weir_account account;
	void *mem;

	weir_test_account(test, &account, 0);
	weir_test_limit(1000);
	mem = weir_account_alloc(&account, 1001);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mem), -EDQUOT);
	mem = weir_account_alloc(&account, 1000);
	KUNIT_ASSERT_FALSE(test, IS_ERR(mem));
	KUNIT_EXPECT_EQ(test, PTR_ERR(weir_account_alloc(&account, 1)), -EDQUOT);
	KUNIT_EXPECT_EQ(test, weir_account_used(&account), 1000);
	weir_account_free(&account, mem, 1000);
	weir_account_free(&account, NULL, 1000);
	KUNIT_EXPECT_EQ(test, weir_account_used(&account), 0);
	weir_account_destroy(&account);
	/* Once more, and one that never was: nothing. */
	weir_account_destroy(&account);
}

/* A user that cannot be noted. */
static void account_no_memory(struct kunit *test)
{
	struct weir_account account = {};
	int ret;

	weir_fail(1);
	ret = weir_account_init(&account, KUIDT_INIT(SOME_UID));
	if (weir_failed(1))
		KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
	weir_account_destroy(&account);
	KUNIT_EXPECT_TRUE(test, hash_empty(users));
}

static void account_exit(struct kunit *test)
{
	weir_fail(0);
	weir_test_limit(0);
}

static struct kunit_case account_cases[] = {
	KUNIT_CASE(account_random),
	KUNIT_CASE(account_limit),
	KUNIT_CASE(account_no_memory),
	{}
};

static struct kunit_suite account_suite = {
	.name = "weir_account",
	.exit = account_exit,
	.test_cases = account_cases,
};

kunit_test_suite(account_suite);
