// SPDX-License-Identifier: MIT
/* Errors: what, and what to do. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "weir.h"

struct error {
	int		number;
	enum status	status;
	const char	*what;
	const char	*advice;
};

static const struct error errors[] = {
	{ ENODEV, NO_MODULE, "the module is not loaded",
	  "load it: modprobe weir" },
	{ EPROTONOSUPPORT, FAILED,
	  "the module speaks another version than this command",
	  "install both from one version" },
	{ ENOENT, NOT_FOUND, "there is no such queue",
	  "see which there are: weir queue list" },
	{ EEXIST, FAILED, "the name is taken",
	  "choose another, or destroy that one first" },
	{ EACCES, DENIED, "you may not",
	  "ask its owner, or look at its mode in /dev/weir/queue" },
	{ EPERM, DENIED, "you are not its creator",
	  "ask its owner, or be root" },
	{ ELOOP, FAILED, "it would be its own dead letter queue",
	  "choose another" },
	{ EBUSY, FAILED, "it holds messages, or somebody has it open",
	  "empty it and close it, or use --force" },
	{ EAGAIN, FULL, "it is full", "receive from it" },
	{ ENOBUFS, FULL, "it has no room for a receipt",
	  "take those that are there: weir recv --receipts" },
	{ EDQUOT, FULL, "the memory limit of its creator is reached",
	  "receive from the creator's queues, or have the limit raised" },
	{ ENOMEM, FULL, "there is no memory for it",
	  "look at the limit of the creator's cgroup" },
	{ EMSGSIZE, FAILED, "the message is larger than it takes",
	  "a queue takes up to a quarter of its max_bytes, and 16M" },
	{ ETIMEDOUT, TIMED_OUT, "nothing came in time", "wait longer" },
	{ ESHUTDOWN, FAILED, "it was destroyed meanwhile",
	  "if it is still needed, create it" },
	{ EINVAL, USAGE, "that is no name", "see: weir help names" },
	{ ENAMETOOLONG, USAGE, "the name is too long",
	  "see: weir help names" },
	{ ENOTTY, FAILED, "it is not a queue",
	  "give a name, or the path of a queue's node" },
	{ EBADMSG, FAILED, "the kernel handed out what cannot be",
	  "report this, with the output of: weir doctor" },
	{ EOPNOTSUPP, FAILED, "io_uring is insisted on, and is not allowed",
	  "unset WEIR_DOOR" },
};

static const struct error *error_find(int ret)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++)
		if (errors[i].number == -ret)
			return &errors[i];
	return NULL;
}

static enum status say(const char *subject, int ret, const char *advice)
{
	const struct error *error = error_find(ret);

	if (!error) {
		fprintf(stderr, "weir: %s: %s; see: weir doctor\n", subject,
			strerror(-ret));
		return FAILED;
	}
	fprintf(stderr, "weir: %s: %s; %s\n", subject, error->what,
		advice ? advice : error->advice);
	return error->status;
}

/* As the kernel has it. */
static bool is_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	return *name && *name != '.' && *name != '-' && !name[strspn(name, allowed)];
}

enum status fail_queue(const char *name, int ret)
{
	char subject[WEIR_NAME_SIZE + 16];

	snprintf(subject, sizeof(subject), "queue '%s'", name);
	/* Nothing is taken away here. */
	if (ret == -EBUSY) {
		fprintf(stderr,
			"weir: %s: only one may receive, or hold so many; weir queue show %s\n",
			subject, name);
		return FAILED;
	}
	if (ret == -EINVAL && (is_name(name) || strchr(name, '/'))) {
		fprintf(stderr, "weir: %s: something is not as it may be; is WEIR_DOOR auto, ioctl "
			"or uring?\n", subject);
		return USAGE;
	}
	return say(subject, ret, NULL);
}

void say_full(struct weir_queue *queue, const char *name)
{
	struct weir_info info;

	if (!weir_queue_info(queue, &info, sizeof(info)) &&
	    info.policy.when_full == WEIR_WHEN_FULL_REJECT)
		return;
	fprintf(stderr, "weir: queue '%s': full; waiting for room\n", name);
}

enum status fail_control(const char *name, int ret)
{
	char subject[WEIR_NAME_SIZE + 16];

	snprintf(subject, sizeof(subject), "queue '%s'", name);
	return say(subject, ret, ret == -EACCES ?
		   "be root, or in the group of /dev/weir/control" : NULL);
}

enum status fail_limits(const char *name, int ret)
{
	if (ret != -EINVAL || !is_name(name))
		return fail_control(name, ret);
	fprintf(stderr, "weir: queue '%s': a number is out of range, or something does not go "
		"together; see: weir help limits\n", name);
	return USAGE;
}

enum status fail_plain(const char *what, int ret)
{
	const struct error *error = error_find(ret);

	if (ret == -ENODEV && error)
		return say(what, ret, NULL);
	fprintf(stderr, "weir: %s: %s\n", what, strerror(-ret));
	return error ? error->status : FAILED;
}

enum status usage(const struct verb *verb, const char *format, ...)
{
	va_list ap;

	if (format) {
		fputs("weir: ", stderr);
		va_start(ap, format);
		vfprintf(stderr, format, ap);
		va_end(ap);
		fputc('\n', stderr);
	}
	if (verb)
		fprintf(stderr, "see: weir help %s%s%s\n",
			verb->object ? verb->object : "",
			verb->object ? " " : "", verb->name);
	else
		fputs("see: weir help\n", stderr);
	return USAGE;
}
