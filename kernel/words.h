/* SPDX-License-Identifier: GPL-2.0 */
/*
 * words - copies of small structures of user space, a word at a time
 *
 * Our structures are whole numbers of u64, of fixed sizes. In line this takes a
 * fraction of what the general functions take, and it is done for each command.
 */
#ifndef _WEIR_WORDS_H
#define _WEIR_WORDS_H

#include <linux/uaccess.h>

static __always_inline int weir_get_words(u64 *to, const u64 __user *from, size_t n)
{
	size_t i;

	if (!user_read_access_begin(from, n * sizeof(*from)))
		return -EFAULT;
#pragma GCC unroll 8
	for (i = 0; i < n; i++)
		unsafe_get_user(to[i], &from[i], fault);
	user_read_access_end();
	return 0;

fault:
	user_read_access_end();
	return -EFAULT;
}

static __always_inline int weir_put_words(u64 __user *to, const u64 *from, size_t n)
{
	size_t i;

	if (!user_write_access_begin(to, n * sizeof(*to)))
		return -EFAULT;
#pragma GCC unroll 8
	for (i = 0; i < n; i++)
		unsafe_put_user(from[i], &to[i], fault);
	user_write_access_end();
	return 0;

fault:
	user_write_access_end();
	return -EFAULT;
}

/* @n structures of one type: 0 or -EFAULT. */
#define weir_get_structs(to, from, n)						\
	({									\
		BUILD_BUG_ON(sizeof(*(to)) % sizeof(u64));			\
		weir_get_words((u64 *)(to), (const u64 __user *)(from),		\
			       (n) * (sizeof(*(to)) / sizeof(u64)));		\
	})

#endif
