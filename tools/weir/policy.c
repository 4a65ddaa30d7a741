// SPDX-License-Identifier: MIT
/* The options that say how a queue treats messages. */
#include <string.h>
#include "weir.h"

struct kind {
	const char	*arg;		/* as in struct option_spec */
	const char	*what;
};

static const struct kind kinds[] = {
	{ "N", "a number that it can have" },
	{ "SIZE", "a size above 0, as 64K or 1G" },
	{ "DURATION", "a time above 0 with its unit, as 500ms or 30s" },
	{ "OCTAL", "a mode from 1 to 777, in octal" },
	{ "wait|reject|drop-oldest|dead-letter",
	  "one of wait, reject, drop-oldest and dead-letter" },
};

enum status bad_value(const struct args *args, enum option_id id)
{
	const char *what = "possible";
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(options[id].arg, kinds[i].arg))
			what = kinds[i].what;
	return usage(args->verb, "--%s: '%s' is not %s", options[id].name,
		     args->values[id], what);
}

struct limit {
	enum option_id	id;
	int		(*parse)(const char *text, uint64_t *value);
	size_t		offset;		/* in struct weir_policy, of an u64 */
	bool		none;		/* 0 is possible, and means none */
};

#define LIMIT(id, parse, field, none) \
	{ id, parse, offsetof(struct weir_policy, field), none }

static const struct limit limits[] = {
	LIMIT(OPT_MESSAGES, parse_count, max_messages, false),
	LIMIT(OPT_BYTES, parse_size, max_bytes, false),
	LIMIT(OPT_LEASE, parse_lease, lease_ns, false),
	LIMIT(OPT_BACKOFF, parse_pause, backoff_ns, true),
	LIMIT(OPT_BACKOFF_MAX, parse_lease, backoff_max_ns, false),
	LIMIT(OPT_TTL, parse_pause, ttl_ns, true),
	LIMIT(OPT_DEDUP_TIME, parse_pause, dedup_ns, true),
};

struct number {
	enum option_id	id;
	size_t		offset;		/* in struct weir_policy, of an u32 */
	bool		none;		/* as of limits */
};

#define NUMBER(id, field, none)	{ id, offsetof(struct weir_policy, field), none }

static const struct number numbers[] = {
	NUMBER(OPT_MAX_DELIVERIES, max_deliveries, true),
	NUMBER(OPT_PRIORITIES, priorities, false),
	NUMBER(OPT_STARVE_AFTER, starve_after, true),
	NUMBER(OPT_DEDUP_COUNT, dedup_count, true),
	NUMBER(OPT_PREFETCH, prefetch, true),
};

/* As weir queue show has them, and sysfs. */
static const char *const when_full_words[] = {
	[WEIR_WHEN_FULL_WAIT] = "wait",
	[WEIR_WHEN_FULL_REJECT] = "reject",
	[WEIR_WHEN_FULL_DROP_OLDEST] = "drop-oldest",
	[WEIR_WHEN_FULL_DEAD_LETTER] = "dead-letter",
};

const char *when_full_word(uint32_t when_full)
{
	return when_full < ARRAY_SIZE(when_full_words) ? when_full_words[when_full] : "unknown";
}

static enum status take_when_full(const struct args *args, struct weir_policy *policy)
{
	const char *word = args->values[OPT_WHEN_FULL];
	unsigned int i;

	for (i = 0; word && i < ARRAY_SIZE(when_full_words); i++) {
		if (strcmp(word, when_full_words[i]))
			continue;
		policy->when_full = i;
		return DONE;
	}
	return word ? bad_value(args, OPT_WHEN_FULL) : DONE;
}

/* 0 means the default to the kernel: to a user nothing, but where that is none. */
static enum status take_limits(const struct args *args, struct weir_policy *policy)
{
	uint64_t value;
	uint32_t narrow;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		const char *text = args->values[limits[i].id];

		if (!text)
			continue;
		if (limits[i].parse(text, &value) || (!value && !limits[i].none))
			return bad_value(args, limits[i].id);
		memcpy((char *)policy + limits[i].offset, &value, sizeof(value));
	}
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		const char *text = args->values[numbers[i].id];

		if (!text)
			continue;
		if (parse_count(text, &value) || (!value && !numbers[i].none) ||
		    value > UINT32_MAX)
			return bad_value(args, numbers[i].id);
		narrow = value;
		memcpy((char *)policy + numbers[i].offset, &narrow, sizeof(narrow));
	}
	return DONE;
}

static enum status take_dead_letter(const char *name, struct weir_policy *policy,
				    struct weir_queue **queue)
{
	struct weir_open_options open = {
		.size = sizeof(open), .flags = WEIR_OPEN_SEND,
	};
	int ret = weir_queue_open(name, &open, queue);

	if (ret)
		return fail_queue(name, ret);
	policy->flags |= WEIR_POLICY_DEAD_LETTER;
	policy->dead_letter = weir_queue_fd(*queue);
	return DONE;
}

/* What becomes of dead messages; both flags are alternatives. */
#define DEAD	(WEIR_POLICY_DEAD_LETTER | WEIR_POLICY_DISCARD)

enum status policy_take(const struct args *args, struct weir_policy *policy,
			struct weir_queue **dead_letter)
{
	const char *const *values = args->values;
	enum status status;

	*dead_letter = NULL;
	if (values[OPT_DISCARD] && values[OPT_DEAD_LETTER])
		return usage(args->verb, "--discard or --dead-letter, not both");
	status = take_limits(args, policy);
	if (!status)
		status = take_when_full(args, policy);
	if (status)
		return status;
	/* Where no other is named the ceiling is no lower than that. */
	if (policy->backoff_max_ns && values[OPT_BACKOFF] && !values[OPT_BACKOFF_MAX] &&
	    policy->backoff_ns > policy->backoff_max_ns)
		policy->backoff_max_ns = policy->backoff_ns;
	if (values[OPT_DISCARD] || values[OPT_DEAD_LETTER])
		policy->flags &= ~DEAD;
	if (values[OPT_DISCARD])
		policy->flags |= WEIR_POLICY_DISCARD;
	if (values[OPT_SINGLE_ACTIVE] && values[OPT_EXCLUSIVE])
		return usage(args->verb, "--single-active or --exclusive, not both");
	if (values[OPT_SINGLE_ACTIVE] || values[OPT_EXCLUSIVE])
		policy->flags &= ~(WEIR_POLICY_SINGLE_ACTIVE | WEIR_POLICY_EXCLUSIVE);
	if (values[OPT_SINGLE_ACTIVE])
		policy->flags |= WEIR_POLICY_SINGLE_ACTIVE;
	if (values[OPT_EXCLUSIVE])
		policy->flags |= WEIR_POLICY_EXCLUSIVE;
	if (values[OPT_FAIR_SHARE])
		policy->flags |= WEIR_POLICY_FAIR_SHARE;
	if (values[OPT_KEYED])
		policy->flags |= WEIR_POLICY_KEYED;
	if (values[OPT_DEAD_LETTER])
		status = take_dead_letter(values[OPT_DEAD_LETTER], policy, dead_letter);
	if (!status && policy->max_deliveries && !(policy->flags & DEAD)) {
		status = usage(args->verb,
			       "--max-deliveries needs --dead-letter or --discard");
	}
	if (!status && policy->when_full == WEIR_WHEN_FULL_DEAD_LETTER &&
	    !(policy->flags & WEIR_POLICY_DEAD_LETTER))
		status = usage(args->verb, "--when-full dead-letter needs --dead-letter");
	if (!status && policy->when_full >= WEIR_WHEN_FULL_DROP_OLDEST &&
	    policy->flags & WEIR_POLICY_FAIR_SHARE)
		status = usage(args->verb, "--fair-share goes with --when-full wait or reject");
	return status;
}

enum status policy_change(const struct args *args, struct weir_info *info,
			  struct weir_queue **dead_letter)
{
	struct args with = *args;

	if (with.values[OPT_NO_DEAD_LETTER] && with.values[OPT_DEAD_LETTER])
		return usage(args->verb, "--dead-letter or --no-dead-letter, not both");
	if (with.values[OPT_NO_DISCARD] && with.values[OPT_DISCARD])
		return usage(args->verb, "--discard or --no-discard, not both");
	if (with.values[OPT_NO_SINGLE_ACTIVE])
		info->policy.flags &= ~WEIR_POLICY_SINGLE_ACTIVE;
	if (with.values[OPT_NO_EXCLUSIVE])
		info->policy.flags &= ~WEIR_POLICY_EXCLUSIVE;
	if (with.values[OPT_NO_DISCARD])
		info->policy.flags &= ~WEIR_POLICY_DISCARD;
	if (with.values[OPT_NO_DEAD_LETTER])
		info->policy.flags &= ~WEIR_POLICY_DEAD_LETTER;
	if (!info->dead_letter[0] || with.values[OPT_NO_DEAD_LETTER] ||
	    with.values[OPT_DEAD_LETTER])
		return policy_take(&with, &info->policy, dead_letter);
	if (with.values[OPT_DISCARD])
		return usage(args->verb, "--discard goes with --no-dead-letter: what dies is "
				"kept in '%s'", info->dead_letter);
	if (!strcmp(info->dead_letter, WEIR_GONE))
		return usage(args->verb, "its dead letter queue was destroyed: name another one "
				"(--dead-letter), or none (--no-dead-letter)");
	/* What is not named anew stays, and is to be opened again. */
	with.values[OPT_DEAD_LETTER] = info->dead_letter;
	return policy_take(&with, &info->policy, dead_letter);
}
