// SPDX-License-Identifier: MIT
/* weir doctor */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "weir.h"

enum state { OK, WARN, FAIL };

struct checkup {
	bool		json;
	enum status	status;		/* the first failure's */
};

static const char *const states[] = { "ok", "warn", "fail" };

/* @advice: NULL when nothing is to be done. */
static void report(struct checkup *checkup, enum state state, const char *check,
		   const char *advice, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

static void report(struct checkup *checkup, enum state state, const char *check,
		   const char *advice, const char *format, ...)
{
	char detail[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(detail, sizeof(detail), format, ap);
	va_end(ap);
	if (state == FAIL && !checkup->status)
		checkup->status = FAILED;
	if (checkup->json)
		print_json(json_pack("{ss ss ss ss*}", "check", check,
				     "state", states[state], "detail", detail,
				     "advice", advice));
	else
		printf("%-4s  %-9s  %s%s%s\n", states[state], check, detail,
		       advice ? "; " : "", advice ? advice : "");
}

static bool read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool got;

	if (!file)
		return false;
	got = fgets(line, size, file);
	fclose(file);
	if (got)
		line[strcspn(line, "\n")] = 0;
	return got;
}

static void check_kernel(struct checkup *checkup)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	uname(&name);
	sscanf(name.release, "%u.%u", &major, &minor);
	if (major > 6 || (major == 6 && minor >= 12))
		report(checkup, OK, "kernel", NULL, "%s", name.release);
	else
		report(checkup, WARN, "kernel", "use Linux 6.12 or later",
		       "%s is older than weir is made for", name.release);
}

static bool check_module(struct checkup *checkup)
{
	char version[64] = "";

	if (access("/sys/module/weir", F_OK)) {
		report(checkup, FAIL, "module", "load it: modprobe weir",
		       "not loaded");
		checkup->status = NO_MODULE;
		return false;
	}
	read_line("/sys/module/weir/version", version, sizeof(version));
	report(checkup, OK, "module", NULL, "loaded%s%s", *version ? ", " : "",
	       version);
	return true;
}

static const char *const features[] = { "io_uring" };

/* By name, and as a number where there is none. */
static const char *feature_names(uint64_t bits, char *names, size_t size)
{
	const char *between = "";
	size_t at = 0;
	unsigned int i;

	*names = 0;
	for (i = 0; i < 64 && at < size; i++) {
		if (!(bits >> i & 1))
			continue;
		if (i < ARRAY_SIZE(features))
			at += snprintf(names + at, size - at, "%s%s", between, features[i]);
		else
			at += snprintf(names + at, size - at, "%sbit %u", between, i);
		between = ", ";
	}
	return *names ? names : "none";
}

static void check_version(struct checkup *checkup)
{
	struct weir_version version;
	int ret = weir_version(&version, sizeof(version));
	char names[128];

	if (ret == -EACCES)
		report(checkup, WARN, "version", "ask root",
		       "cannot be asked without the right to control");
	else if (ret)
		report(checkup, FAIL, "version", "see dmesg",
		       "the module does not answer: %s", strerror(-ret));
	else if (version.abi != WEIR_ABI_VERSION)
		report(checkup, FAIL, "version",
		       "install both from one version",
		       "interface %u, and this command speaks %u", version.abi,
		       WEIR_ABI_VERSION);
	else
		report(checkup, OK, "version", NULL,
		       "interface %u, features: %s, libweir %s", version.abi,
		       feature_names(version.features, names, sizeof(names)),
		       weir_library_version());
}

static void check_control(struct checkup *checkup)
{
	static const char path[] = "/dev/weir/control";
	struct stat st;

	if (stat(path, &st))
		report(checkup, FAIL, "control",
		       "mount devtmpfs at /dev, or bind the node there",
		       "%s: %s", path, strerror(errno));
	else if (access(path, R_OK | W_OK))
		report(checkup, WARN, "control",
		       "be root or in its group to make queues",
		       "%s is not yours to use (group %u, mode %04o)", path,
		       st.st_gid, st.st_mode & 0777);
	else
		report(checkup, OK, "control", NULL, "%s can be used", path);
}

struct count {
	unsigned int	queues;
	unsigned int	missing;	/* nodes */
	unsigned int	denied;
	unsigned int	bereft;		/* their dead letter queues are gone */
};

static int count_one(const struct weir_info *info, void *context)
{
	char path[sizeof("/dev/weir/queue/") + WEIR_NAME_SIZE];
	struct count *count = context;

	if (info->type != WEIR_TYPE_QUEUE)
		return 0;
	count->queues++;
	snprintf(path, sizeof(path), "/dev/weir/queue/%s", info->name);
	if (access(path, F_OK))
		count->missing++;
	else if (access(path, R_OK) && access(path, W_OK))
		count->denied++;
	count->bereft += !strcmp(info->dead_letter, WEIR_GONE);
	return 0;
}

static void check_queues(struct checkup *checkup)
{
	struct count count = { 0 };
	int ret = weir_list(count_one, &count);

	if (ret)
		report(checkup, FAIL, "queues", "see dmesg",
		       "they cannot be listed: %s", strerror(-ret));
	else if (count.missing)
		report(checkup, WARN, "queues",
		       "mount devtmpfs at /dev, or bind what is needed there",
		       "%u, of which %u have no node here", count.queues,
		       count.missing);
	else
		report(checkup, OK, "queues", NULL, "%u, of which %u are not yours to use",
		       count.queues, count.denied);
	if (count.bereft)
		report(checkup, WARN, "letters",
		       "name another, or none: weir queue alter NAME --dead-letter NAME",
		       "%u have a dead letter queue that was destroyed: what dies waits there",
		       count.bereft);
}

static void check_uring(struct checkup *checkup)
{
	struct weir_ring_options options = {
		.size = sizeof(options),
		.door = WEIR_DOOR_URING,
		.entries = 1,
	};
	struct weir_ring *ring;
	char disabled[16] = "";
	int ret = weir_ring_new(&options, &ring);

	if (!ret) {
		report(checkup, OK, "io_uring", NULL, "allowed");
		weir_ring_free(ring);
		return;
	}
	read_line("/proc/sys/kernel/io_uring_disabled", disabled,
		  sizeof(disabled));
	report(checkup, WARN, "io_uring",
	       "nothing need be done: ioctl serves as well",
	       "not allowed here%s%s",
	       *disabled ? ", kernel.io_uring_disabled is " : "", disabled);
}

enum status doctor(const struct args *args)
{
	struct checkup checkup = { .json = args->json };

	check_kernel(&checkup);
	if (check_module(&checkup)) {
		check_version(&checkup);
		check_control(&checkup);
		check_queues(&checkup);
	}
	check_uring(&checkup);
	return print_end() ? FAILED : checkup.status;
}
