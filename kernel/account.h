/* SPDX-License-Identifier: GPL-2.0 */
/*
 * account - who pays for memory
 *
 * Every byte of an object is paid for by its creator, whoever causes it to be
 * used: a sender fills a queue that somebody else made. An account names the
 * two who pay, both captured when the object is made: a user, held to one limit
 * over all objects of that user, and a memory cgroup.
 *
 *   -EDQUOT  the user's limit would be passed
 *   -ENOMEM  the cgroup, or the machine, has no memory left; nobody is killed
 *            for it
 */
#ifndef _WEIR_ACCOUNT_H
#define _WEIR_ACCOUNT_H

#include <linux/atomic.h>
#include <linux/types.h>
#include <linux/uidgid.h>

struct mem_cgroup;
struct page;
struct weir_user;

struct weir_account {
	struct weir_user *user;		/* invariant; counted */
	struct mem_cgroup *memcg;	/* invariant; counted, may be NULL */
	atomic64_t used;		/* bytes charged through this account */
};

/* weir_account_init() - charge @uid and the cgroup of current; may sleep */
int weir_account_init(struct weir_account *account, kuid_t uid);
/* weir_account_destroy() - all must have been freed; a zeroed account is fine */
void weir_account_destroy(struct weir_account *account);

static inline u64 weir_account_used(const struct weir_account *account)
{
	return atomic64_read(&account->used);
}

/* Zeroed memory or ERR_PTR(); may sleep. Free with the same @size. */
void *weir_account_alloc(struct weir_account *account, size_t size);
void weir_account_free(struct weir_account *account, void *mem, size_t size);

/*
 * 1 << @order zeroed pages side by side, each with one reference and freed by
 * itself; or ERR_PTR(). May sleep.
 */
struct page *weir_account_alloc_pages(struct weir_account *account, unsigned int order);
/* Drops our reference; who has pinned the page keeps it, unpaid, until he lets go. */
void weir_account_free_page(struct weir_account *account, struct page *page);

#endif
