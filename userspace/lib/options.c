// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"

int options_take(void *ours, size_t size, const void *theirs)
{
	const unsigned char *bytes = theirs;
	size_t given, i;

	memset(ours, 0, size);
	if (!theirs)
		return 0;
	memcpy(&given, theirs, sizeof(given));
	if (given < sizeof(given))
		return -EINVAL;
	for (i = size; i < given; i++)
		if (bytes[i])
			return -E2BIG;
	memcpy(ours, theirs, given < size ? given : size);
	return 0;
}

int info_give(void *theirs, size_t size, const void *ours, size_t known)
{
	if (!theirs || !size)
		return -EINVAL;
	if (size > known) {
		memset((char *)theirs + known, 0, size - known);
		size = known;
	}
	memcpy(theirs, ours, size);
	return 0;
}

/* The kernel checks names too; here they are about to become a path. */
int name_check(const char *name)
{
	static const char first[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
	size_t n, i;

	if (!name || !*name)
		return -EINVAL;
	n = strnlen(name, WEIR_NAME_SIZE);
	if (!memchr(first, name[0], sizeof(first) - 1))
		return -EINVAL;
	for (i = 1; i < n; i++)
		if (!memchr(first, name[i], sizeof(first) - 1) &&
		    name[i] != '.' && name[i] != '-')
			return -EINVAL;
	return n > 249 ? -ENAMETOOLONG : 0;
}

int door_choose(uint32_t door)
{
	const char *env;

	if (door > WEIR_DOOR_URING)
		return -EINVAL;
	if (door != WEIR_DOOR_AUTO)
		return door;
	env = secure_getenv("WEIR_DOOR");
	if (!env || !*env || !strcmp(env, "auto"))
		return WEIR_DOOR_AUTO;
	if (!strcmp(env, "ioctl"))
		return WEIR_DOOR_IOCTL;
	if (!strcmp(env, "uring"))
		return WEIR_DOOR_URING;
	return -EINVAL;
}
