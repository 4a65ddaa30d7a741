// SPDX-License-Identifier: MIT
/* Figures of objects for those who may not open /dev/weir/control. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"

#define CLASS	"/sys/class/weir"

struct field {
	const char	*file;
	int		base;
	size_t		offset;		/* in struct weir_info */
	size_t		size;
};

#define NAMED(name, field, base) { \
	#name, base, offsetof(struct weir_info, field), \
	sizeof(((struct weir_info *)0)->field) }
#define FIELD(name, base)	NAMED(name, name, base)
#define POLICY(name, base)	NAMED(name, policy.name, base)

static const struct field fields[] = {
	FIELD(uid, 10), FIELD(gid, 10), FIELD(mode, 8),
	POLICY(max_messages, 10), POLICY(max_bytes, 10), POLICY(lease_ns, 10),
	POLICY(backoff_ns, 10), POLICY(backoff_max_ns, 10),
	POLICY(max_deliveries, 10), POLICY(ttl_ns, 10),
	POLICY(priorities, 10), POLICY(starve_after, 10),
	POLICY(dedup_ns, 10), POLICY(dedup_count, 10),
	POLICY(prefetch, 10),
	FIELD(depth, 10), FIELD(leased, 10), FIELD(delayed, 10),
	FIELD(behind, 10), FIELD(dying, 10),
	FIELD(pinned, 10), FIELD(drafts, 10), FIELD(bytes, 10), FIELD(memory, 10),
	FIELD(sent, 10), FIELD(received, 10), FIELD(redelivered, 10),
	FIELD(expired, 10), FIELD(settled, 10), FIELD(purged, 10),
	FIELD(dropped, 10),
	FIELD(dead, 10), FIELD(duplicates, 10),
	FIELD(consumers, 10), FIELD(waiters, 10), FIELD(oldest_age_ns, 10),
};

static int read_file(int dir, const char *file, char *text, size_t size)
{
	int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return n;
	text[n] = 0;
	text[strcspn(text, "\n")] = 0;
	return 0;
}

static int read_number(int dir, const char *file, int base, uint64_t *value)
{
	char text[64], *end;
	int ret = read_file(dir, file, text, sizeof(text));

	if (ret)
		return ret;
	*value = strtoull(text, &end, base);
	return end == text || *end ? -EBADMSG : 0;
}

static int read_field(int dir, const struct field *field,
		      struct weir_info *info)
{
	void *to = (char *)info + field->offset;
	uint64_t value;
	uint32_t narrow;
	int ret;

	ret = read_number(dir, field->file, field->base, &value);
	if (ret)
		return ret;
	narrow = value;
	if (field->size == sizeof(narrow))
		memcpy(to, &narrow, sizeof(narrow));
	else
		memcpy(to, &value, sizeof(value));
	return 0;
}

static int read_flag(int dir, const char *file, uint32_t flag, uint32_t *flags)
{
	uint64_t value;
	int ret = read_number(dir, file, 10, &value);

	if (!ret && value)
		*flags |= flag;
	return ret;
}

/* What it does when it is full, by its word. */
static int read_when_full(int dir, uint32_t *when_full)
{
	static const char *const words[] = {
		[WEIR_WHEN_FULL_WAIT] = "wait",
		[WEIR_WHEN_FULL_REJECT] = "reject",
		[WEIR_WHEN_FULL_DROP_OLDEST] = "drop-oldest",
		[WEIR_WHEN_FULL_DEAD_LETTER] = "dead-letter",
	};
	char text[64];
	int ret = read_file(dir, "when_full", text, sizeof(text));
	size_t i;

	if (ret)
		return ret;
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (!strcmp(text, words[i])) {
			*when_full = i;
			return 0;
		}
	}
	return -EBADMSG;
}

static int read_all(int dir, struct weir_info *info)
{
	uint32_t *flags = &info->policy.flags;
	char text[64];
	size_t i;
	int ret;

	ret = read_file(dir, "type", text, sizeof(text));
	if (ret)
		return ret;
	info->type = strcmp(text, "queue") ? 0 : WEIR_TYPE_QUEUE;
	ret = read_flag(dir, "private", WEIR_CREATE_PRIVATE, &info->create_flags);
	if (!ret)
		ret = read_flag(dir, "keyed", WEIR_POLICY_KEYED, flags);
	if (!ret)
		ret = read_flag(dir, "single_active", WEIR_POLICY_SINGLE_ACTIVE, flags);
	if (!ret)
		ret = read_flag(dir, "exclusive", WEIR_POLICY_EXCLUSIVE, flags);
	if (!ret)
		ret = read_flag(dir, "fair_share", WEIR_POLICY_FAIR_SHARE, flags);
	if (!ret)
		ret = read_flag(dir, "discard", WEIR_POLICY_DISCARD, flags);
	if (!ret)
		ret = read_when_full(dir, &info->policy.when_full);
	if (!ret)
		ret = read_file(dir, "dead_letter", info->dead_letter,
				sizeof(info->dead_letter));
	if (!ret && info->dead_letter[0])
		*flags |= WEIR_POLICY_DEAD_LETTER;
	for (i = 0; !ret && i < ARRAY_SIZE(fields); i++)
		ret = read_field(dir, &fields[i], info);
	return ret;
}

/* @name was checked: it has no '/' and does not begin with '.'. */
int sysfs_info(const char *name, struct weir_info *info)
{
	int class, dir, ret;

	memset(info, 0, sizeof(*info));
	strncpy(info->name, name, sizeof(info->name) - 1);
	class = open(CLASS, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (class < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	dir = openat(class, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		ret = -errno;
	else
		ret = read_all(dir, info);
	if (dir >= 0)
		close(dir);
	close(class);
	/* An attribute of an object that goes away meanwhile is ENODEV. */
	return ret == -ENODEV ? -ENOENT : ret;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* The control device is in the class too, and is no object. */
static int is_object(const struct dirent *entry)
{
	return !name_check(entry->d_name);
}

int sysfs_list(weir_list_fn *each, void *context)
{
	struct dirent **entries;
	struct weir_info info;
	int n, i, ret = 0;

	n = scandir(CLASS, &entries, is_object, by_bytes);
	if (n < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	for (i = 0; i < n; i++) {
		if (!ret && !sysfs_info(entries[i]->d_name, &info))
			ret = each(&info, context);
		free(entries[i]);
	}
	free(entries);
	return ret;
}
