// SPDX-License-Identifier: MIT
/* Objects by name, through /dev/weir/control. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"

WEIR_PUBLIC const char *weir_library_version(void)
{
	return WEIR_LIBRARY_VERSION;
}

static int control_open(void)
{
	int fd = open("/dev/weir/control", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	return errno == ENOENT || errno == ENXIO ? -ENODEV : -errno;
}

static int control_command(uint32_t number, void *arg, uint32_t size)
{
	struct command command = { .number = number, .arg = arg, .size = size };
	int ret;

	command.fd = control_open();
	if (command.fd < 0)
		return command.fd;
	ret = command_ioctl(&command);
	close(command.fd);
	return ret;
}

static int name_put(char *to, const char *name)
{
	int ret = name_check(name);

	if (!ret)
		strcpy(to, name);
	return ret;
}

WEIR_PUBLIC int weir_version(struct weir_version *version, size_t size)
{
	struct weir_version ours = { 0 };
	int ret = control_command(WEIR_IOC_VERSION, &ours, sizeof(ours));

	return ret < 0 ? ret : info_give(version, size, &ours, sizeof(ours));
}

/* All of @create but its name. */
static int create_take(struct weir_create *create,
		       const struct weir_create_options *options)
{
	struct weir_create_options ours;
	int ret = options_take(&ours, sizeof(ours), options);

	if (ret)
		return ret;
	if (ours.reserved)
		return -EINVAL;
	*create = (struct weir_create){
		.type = ours.type ? ours.type : WEIR_TYPE_QUEUE,
		.flags = ours.flags, .mode = ours.mode, .policy = ours.policy,
	};
	return 0;
}

WEIR_PUBLIC int weir_create(const char *name,
			    const struct weir_create_options *options)
{
	struct weir_create create;
	int ret = create_take(&create, options);

	if (!ret && create.flags & WEIR_CREATE_ANONYMOUS)
		ret = -EINVAL;
	if (!ret)
		ret = name_put(create.name, name);
	return ret ? ret : control_command(WEIR_IOC_CREATE, &create, sizeof(create));
}

int control_anonymous(const struct weir_create_options *options)
{
	struct weir_create create;
	int ret = create_take(&create, options);

	create.flags |= WEIR_CREATE_ANONYMOUS;
	return ret ? ret : control_command(WEIR_IOC_CREATE, &create, sizeof(create));
}

WEIR_PUBLIC int weir_destroy(const char *name, unsigned int flags)
{
	struct weir_destroy destroy = { .flags = flags };
	int ret = name_put(destroy.name, name);

	if (ret)
		return ret;
	return control_command(WEIR_IOC_DESTROY, &destroy, sizeof(destroy));
}

WEIR_PUBLIC int weir_alter(const char *name, const struct weir_policy *policy)
{
	struct weir_alter alter = { .policy = *policy };
	int ret = name_put(alter.name, name);

	if (ret)
		return ret;
	return control_command(WEIR_IOC_ALTER, &alter, sizeof(alter));
}

WEIR_PUBLIC int weir_purge(const char *name, uint64_t *purged)
{
	struct weir_purge purge = { 0 };
	int ret = name_put(purge.name, name);

	if (!ret)
		ret = control_command(WEIR_IOC_PURGE, &purge, sizeof(purge));
	if (ret >= 0 && purged)
		*purged = purge.purged;
	return ret;
}

static bool denied(int ret)
{
	return ret == -EACCES || ret == -EPERM;
}

WEIR_PUBLIC int weir_info(const char *name, struct weir_info *info, size_t size)
{
	struct weir_info ours = { 0 };
	int ret = name_put(ours.name, name);

	if (ret)
		return ret;
	ret = control_command(WEIR_IOC_INFO, &ours, sizeof(ours));
	if (denied(ret))
		ret = sysfs_info(name, &ours);
	ours.name[sizeof(ours.name) - 1] = 0;
	return ret < 0 ? ret : info_give(info, size, &ours, sizeof(ours));
}

/*
 * Names only ever go up, or a module that answers anything could keep us here
 * for ever.
 */
static int list_next(int fd, struct weir_info *info, const char *last)
{
	struct command command = {
		.fd = fd, .number = WEIR_IOC_INFO,
		.arg = info, .size = sizeof(*info),
	};
	int ret;

	memset(info, 0, sizeof(*info));
	strcpy(info->name, last);
	info->flags = WEIR_INFO_NEXT;
	ret = command_ioctl(&command);
	if (ret < 0)
		return ret;
	if (!memchr(info->name, 0, sizeof(info->name)) ||
	    strcmp(info->name, last) <= 0)
		return -EBADMSG;
	return 0;
}

WEIR_PUBLIC int weir_list(weir_list_fn *each, void *context)
{
	char last[WEIR_NAME_SIZE] = "";
	struct weir_info info;
	int fd, ret, ended = 0;

	fd = control_open();
	if (denied(fd))
		return sysfs_list(each, context);
	if (fd < 0)
		return fd;
	do {
		ret = list_next(fd, &info, last);
		if (ret)
			break;
		strcpy(last, info.name);
		ended = each(&info, context);
	} while (!ended);
	close(fd);
	return ret && ret != -ENOENT ? ret : ended;
}
