// SPDX-License-Identifier: MIT
/* weir queue ... */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "weir.h"

enum status queue_create(const struct args *args)
{
	struct weir_create_options create = { .size = sizeof(create) };
	const char *const *values = args->values;
	const char *name = args->words[0];
	struct weir_queue *dead_letter;
	enum status status;
	int ret;

	status = policy_take(args, &create.policy, &dead_letter);
	if (status)
		return status;
	if (values[OPT_MODE] && parse_mode(values[OPT_MODE], &create.mode)) {
		status = bad_value(args, OPT_MODE);
	} else {
		if (values[OPT_PRIVATE])
			create.flags |= WEIR_CREATE_PRIVATE;
		ret = weir_create(name, &create);
		status = ret ? fail_limits(name, ret) : DONE;
	}
	weir_queue_close(dead_letter);
	return status;
}

enum status queue_alter(const struct args *args)
{
	const char *name = args->words[0];
	struct weir_queue *dead_letter;
	struct weir_info info;
	enum status status;
	unsigned int i;
	int ret;

	for (i = 0; i < NR_OPTIONS && !args->values[i]; i++)
		;
	if (i == NR_OPTIONS)
		return usage(args->verb, "nothing is named that is to be changed");
	ret = weir_info(name, &info, sizeof(info));
	if (ret)
		return fail_queue(name, ret);
	status = policy_change(args, &info, &dead_letter);
	if (status)
		return status;
	ret = weir_alter(name, &info.policy);
	weir_queue_close(dead_letter);
	return ret ? fail_limits(name, ret) : DONE;
}

static const char *type_name(uint32_t type)
{
	return type == WEIR_TYPE_QUEUE ? "queue" : "unknown";
}

struct figure {
	const char	*name;
	size_t		offset;		/* in struct weir_info, of an u64 */
};

#define FIGURE(field)	{ #field, offsetof(struct weir_info, field) }
#define POLICY(field)	{ #field, offsetof(struct weir_info, policy.field) }

static const struct figure figures[] = {
	POLICY(max_messages), POLICY(max_bytes), POLICY(lease_ns),
	POLICY(backoff_ns), POLICY(backoff_max_ns), POLICY(ttl_ns),
	POLICY(dedup_ns),
	FIGURE(depth), FIGURE(leased), FIGURE(delayed), FIGURE(behind),
	FIGURE(dying),
	FIGURE(pinned), FIGURE(drafts),
	FIGURE(bytes), FIGURE(memory), FIGURE(sent), FIGURE(received),
	FIGURE(redelivered), FIGURE(expired), FIGURE(settled), FIGURE(purged),
	FIGURE(dropped), FIGURE(dead), FIGURE(duplicates),
	FIGURE(consumers), FIGURE(waiters), FIGURE(oldest_age_ns),
};

/* The names and order of sysfs, and the name. */
static json_t *info_json(const struct weir_info *info)
{
	json_t *object;
	char mode[16];
	size_t i;

	snprintf(mode, sizeof(mode), "%04o", info->mode);
	object = json_pack("{ss ss sI sI ss si sI sI sI sI sI si si si si si ss ss}",
			   "name", info->name,
			   "type", type_name(info->type),
			   "uid", (json_int_t)info->uid,
			   "gid", (json_int_t)info->gid, "mode", mode,
			   "private", !!(info->create_flags & WEIR_CREATE_PRIVATE),
			   "max_deliveries", (json_int_t)info->policy.max_deliveries,
			   "priorities", (json_int_t)info->policy.priorities,
			   "starve_after", (json_int_t)info->policy.starve_after,
			   "dedup_count", (json_int_t)info->policy.dedup_count,
			   "prefetch", (json_int_t)info->policy.prefetch,
			   "single_active",
			   !!(info->policy.flags & WEIR_POLICY_SINGLE_ACTIVE),
			   "exclusive", !!(info->policy.flags & WEIR_POLICY_EXCLUSIVE),
			   "keyed", !!(info->policy.flags & WEIR_POLICY_KEYED),
			   "fair_share", !!(info->policy.flags & WEIR_POLICY_FAIR_SHARE),
			   "discard", !!(info->policy.flags & WEIR_POLICY_DISCARD),
			   "dead_letter", info->dead_letter,
			   "when_full", when_full_word(info->policy.when_full));
	for (i = 0; i < ARRAY_SIZE(figures); i++) {
		uint64_t value;

		memcpy(&value, (const char *)info + figures[i].offset, sizeof(value));
		json_object_set_new(object, figures[i].name, json_integer(value));
	}
	return object;
}

struct listing {
	const struct args *args;
	bool		has_head;
};

static void list_head(struct listing *listing)
{
	if (!listing->args->json && !listing->has_head)
		printf("%-32s %10s %10s %10s %12s %12s %s\n", "NAME", "DEPTH",
		       "LEASED", "DELAYED", "BYTES", "MAX_BYTES", "MODE");
	listing->has_head = true;
}

static int list_one(const struct weir_info *info, void *context)
{
	struct listing *listing = context;

	if (info->type != WEIR_TYPE_QUEUE)
		return 0;
	if (listing->args->json)
		return print_json(info_json(info));
	list_head(listing);
	printf("%-32s %10llu %10llu %10llu %12llu %12llu %04o\n", info->name,
	       (unsigned long long)info->depth,
	       (unsigned long long)info->leased,
	       (unsigned long long)info->delayed,
	       (unsigned long long)info->bytes,
	       (unsigned long long)info->policy.max_bytes, info->mode);
	return 0;
}

enum status queue_list(const struct args *args)
{
	struct listing listing = { .args = args };
	int ret;

	ret = weir_list(list_one, &listing);
	if (ret < 0)
		return fail_plain("queues", ret);
	list_head(&listing);
	return ret ? (enum status)ret : print_end();
}

/* Limits as they are written, and without the unit that -j has. */
static bool print_duration(const char *name, uint64_t ns)
{
	size_t len = strlen(name);
	char text[DURATION_SIZE], stem[32];

	if (len < 4 || len > sizeof(stem) || strcmp(name + len - 3, "_ns"))
		return false;
	snprintf(stem, sizeof(stem), "%.*s", (int)len - 3, name);
	printf("%-16s %s\n", stem, strcmp(stem, "oldest_age") ? duration_exact(ns, text) :
								 duration_short(ns, text));
	return true;
}

static void print_field(const char *name, json_t *value)
{
	if (print_duration(name, json_integer_value(value)))
		return;
	if (json_is_string(value))
		printf("%-16s %s\n", name, json_string_value(value));
	else
		printf("%-16s %lld\n", name,
		       (long long)json_integer_value(value));
}

enum status queue_show(const struct args *args)
{
	const char *name = args->words[0], *field;
	struct weir_info info;
	json_t *object, *value;
	int ret;

	if (args->values[OPT_LEASES])
		return queue_leases(args);
	ret = weir_info(name, &info, sizeof(info));
	if (!ret && info.type != WEIR_TYPE_QUEUE)
		ret = -ENOENT;
	if (ret)
		return fail_queue(name, ret);
	object = info_json(&info);
	if (args->json)
		return print_json(object);
	json_object_foreach(object, field, value)
		print_field(field, value);
	json_decref(object);
	return print_end();
}

enum status queue_purge(const struct args *args)
{
	const char *name = args->words[0];
	uint64_t purged = 0;
	int ret;

	ret = weir_purge(name, &purged);
	if (ret < 0)
		return fail_control(name, ret);
	if (args->json)
		return print_json(json_pack("{ss sI}", "name", name, "purged",
					    (json_int_t)purged));
	printf("%llu\n", (unsigned long long)purged);
	return print_end();
}

/* Says so if the queue of that name gets the dead letters of this one. */
static int say_heir(const struct weir_info *info, void *context)
{
	const char *name = context;

	if (strcmp(info->dead_letter, name))
		return 0;
	fprintf(stderr,
		"weir: queue '%s': it gets dead letters of '%s'; alter that, or use --force\n",
		name, info->name);
	return FAILED;
}

enum status queue_destroy(const struct args *args)
{
	const char *name = args->words[0];
	int ret;

	ret = weir_destroy(name, args->values[OPT_FORCE] ?
			   WEIR_DESTROY_FORCE : 0);
	if (ret == -EBUSY && weir_list(say_heir, (void *)name) > 0)
		return FAILED;
	return ret < 0 ? fail_control(name, ret) : DONE;
}
