// SPDX-License-Identifier: GPL-2.0
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/hashtable.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/refcount.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "account.h"

/*
 * ucounts and struct user_struct are not for modules, so users are kept here.
 * One table for all instances: a limit is a promise about the machine.
 */
struct weir_user {
	struct hlist_node node;		/* protected by users_lock */
	kuid_t uid;			/* invariant */
	unsigned int refs;		/* protected by users_lock */
	atomic64_t used;		/* bytes */
};

static DEFINE_HASHTABLE(users, 6);	/* protected by users_lock */
static DEFINE_MUTEX(users_lock);

static unsigned long user_limit;
module_param(user_limit, ulong, 0644);
MODULE_PARM_DESC(user_limit,
		 "bytes that all objects of one user may take; 0: a quarter of memory");

/*
 * No retries: a sender must not get processes of the creator's cgroup killed,
 * it gets -ENOMEM.
 */
#define WEIR_GFP (GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NORETRY | __GFP_NOWARN)

static u64 weir_user_limit(void)
{
	unsigned long limit = READ_ONCE(user_limit);

	return limit ?: (u64)totalram_pages() << (PAGE_SHIFT - 2);
}

static struct weir_user *weir_user_get(kuid_t uid)
{
	struct weir_user *user;

	guard(mutex)(&users_lock);
	hash_for_each_possible(users, user, node, __kuid_val(uid)) {
		if (uid_eq(user->uid, uid)) {
			user->refs++;
			return user;
		}
	}
	user = kzalloc(sizeof(*user), GFP_KERNEL);
	if (!user)
		return NULL;
	user->uid = uid;
	user->refs = 1;
	hash_add(users, &user->node, __kuid_val(uid));
	return user;
}

static void weir_user_put(struct weir_user *user)
{
	guard(mutex)(&users_lock);
	if (--user->refs)
		return;
	WARN_ON_ONCE(atomic64_read(&user->used));
	hash_del(&user->node);
	kfree(user);
}

int weir_account_init(struct weir_account *account, kuid_t uid)
{
	account->user = weir_user_get(uid);
	if (!account->user)
		return -ENOMEM;
	account->memcg = get_mem_cgroup_from_mm(current->mm);
	atomic64_set(&account->used, 0);
	return 0;
}

void weir_account_destroy(struct weir_account *account)
{
	if (!account->user)
		return;
	WARN_ON_ONCE(atomic64_read(&account->used));
	mem_cgroup_put(account->memcg);
	weir_user_put(account->user);
	account->user = NULL;
}

static int weir_account_charge(struct weir_account *account, size_t size)
{
	const u64 limit = weir_user_limit();
	s64 used = atomic64_read(&account->user->used);

	/* What does not fit is not counted, not for a moment: others would be refused. */
	do {
		if (used + size > limit)
			return -EDQUOT;
	} while (!atomic64_try_cmpxchg(&account->user->used, &used, used + size));
	atomic64_add(size, &account->used);
	return 0;
}

static void weir_account_uncharge(struct weir_account *account, size_t size)
{
	atomic64_sub(size, &account->used);
	atomic64_sub(size, &account->user->used);
}

void *weir_account_alloc(struct weir_account *account, size_t size)
{
	struct mem_cgroup *old;
	void *mem;
	int ret;

	ret = weir_account_charge(account, size);
	if (ret)
		return ERR_PTR(ret);
	old = set_active_memcg(account->memcg);
	mem = kvmalloc(size, WEIR_GFP);
	set_active_memcg(old);
	if (!mem) {
		weir_account_uncharge(account, size);
		return ERR_PTR(-ENOMEM);
	}
	return mem;
}

void weir_account_free(struct weir_account *account, void *mem, size_t size)
{
	if (!mem)
		return;
	kvfree(mem);
	weir_account_uncharge(account, size);
}

struct page *weir_account_alloc_pages(struct weir_account *account, unsigned int order)
{
	struct mem_cgroup *old;
	struct page *page;
	int ret;

	ret = weir_account_charge(account, PAGE_SIZE << order);
	if (ret)
		return ERR_PTR(ret);
	old = set_active_memcg(account->memcg);
	page = alloc_pages(WEIR_GFP, order);
	set_active_memcg(old);
	if (!page) {
		weir_account_uncharge(account, PAGE_SIZE << order);
		return ERR_PTR(-ENOMEM);
	}
	if (order)
		split_page(page, order);
	return page;
}

void weir_account_free_page(struct weir_account *account, struct page *page)
{
	put_page(page);
	weir_account_uncharge(account, PAGE_SIZE);
}
