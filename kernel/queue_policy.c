// SPDX-License-Identifier: GPL-2.0
/* How a queue treats messages: what was asked for, what is in force, and changes. */
#include <linux/err.h>
#include <linux/math64.h>
#include <linux/random.h>
#include <linux/string.h>

#include "queue_steps.h"

int weir_policy_check(const struct weir_policy *policy)
{
	const u32 turns = WEIR_POLICY_SINGLE_ACTIVE | WEIR_POLICY_EXCLUSIVE;
	const u32 others = policy->when_full >= WEIR_WHEN_FULL_DROP_OLDEST;
	const u32 ends = policy->flags & (WEIR_POLICY_DEAD_LETTER | WEIR_POLICY_DISCARD);

	if (memchr_inv(policy->reserved, 0, sizeof(policy->reserved)))
		return -EINVAL;
	if (policy->max_messages > WEIR_MAX_MESSAGES ||
	    (policy->dead_letter && !(policy->flags & WEIR_POLICY_DEAD_LETTER)))
		return -EINVAL;
	if (policy->max_bytes && (policy->max_bytes < WEIR_MIN_BYTES ||
				  policy->max_bytes > WEIR_MAX_BYTES))
		return -EINVAL;
	if (policy->flags & ~(WEIR_POLICY_DEAD_LETTER | WEIR_POLICY_DISCARD |
			      WEIR_POLICY_KEYED | WEIR_POLICY_FAIR_SHARE | turns) ||
	    hweight32(ends) > 1 || (policy->flags & turns) == turns ||
	    (policy->max_deliveries && !ends))
		return -EINVAL;
	if (policy->priorities > WEIR_MAX_PRIORITIES ||
	    policy->dedup_count > WEIR_MAX_DEDUP_COUNT ||
	    policy->when_full > WEIR_WHEN_FULL_DEAD_LETTER ||
	    (policy->when_full == WEIR_WHEN_FULL_DEAD_LETTER &&
	     !(policy->flags & WEIR_POLICY_DEAD_LETTER)))
		return -EINVAL;
	/* Within a share there is room, and above it nobody else's goes. */
	if (others && policy->flags & WEIR_POLICY_FAIR_SHARE)
		return -EINVAL;
	if (policy->backoff_ns > WEIR_UNLIMITED || policy->backoff_max_ns > WEIR_UNLIMITED)
		return -EINVAL;
	return 0;
}

static u64 weir_policy_messages(const struct weir_policy *policy)
{
	return policy->max_messages ?: WEIR_DEFAULT_MESSAGES;
}

static u64 weir_policy_units(const struct weir_policy *policy)
{
	return (policy->max_bytes ?: WEIR_DEFAULT_BYTES) / WEIR_ALIGN;
}

static u32 weir_policy_max_size(const struct weir_policy *policy)
{
	return min_t(u64, WEIR_MESSAGE_MAX, weir_policy_units(policy) * WEIR_ALIGN / 4);
}

static u32 weir_policy_dedup_count(const struct weir_policy *policy)
{
	return policy->dedup_count ?: policy->dedup_ns ? WEIR_DEFAULT_DEDUP_COUNT : 0;
}

/* To a queue that nobody knows yet, or under its lock. */
static void weir_policy_apply(struct weir_queue *queue, const struct weir_policy *policy)
{
	WRITE_ONCE(queue->max_messages, weir_policy_messages(policy));
	WRITE_ONCE(queue->max_units, weir_policy_units(policy));
	WRITE_ONCE(queue->max_size, weir_policy_max_size(policy));
	WRITE_ONCE(queue->lease_ns, policy->lease_ns ?: WEIR_DEFAULT_LEASE);
	queue->backoff_ns = policy->backoff_ns;
	queue->backoff_max_ns = policy->backoff_max_ns ?:
				max(policy->backoff_ns, WEIR_DEFAULT_BACKOFF_MAX);
	queue->max_deliveries = policy->max_deliveries;
	WRITE_ONCE(queue->ttl_ns, policy->ttl_ns);
	WRITE_ONCE(queue->priorities, policy->priorities ?: 1);
	queue->starve_after = policy->starve_after;
	queue->policy_flags = policy->flags;
	WRITE_ONCE(queue->ids.count, weir_policy_dedup_count(policy));
	queue->ids.max_age_ns = policy->dedup_ns;
	queue->prefetch = policy->prefetch;
	WRITE_ONCE(queue->when_full, policy->when_full);
	if (!(policy->flags & WEIR_POLICY_SINGLE_ACTIVE))
		WRITE_ONCE(queue->active, NULL);
	queue->careful = policy->prefetch ||
			 policy->flags & (WEIR_POLICY_KEYED | WEIR_POLICY_SINGLE_ACTIVE |
					  WEIR_POLICY_FAIR_SHARE);
	queue->limit_messages = queue->max_messages;
	queue->limit_units = queue->max_units;
	if (policy->flags & WEIR_POLICY_FAIR_SHARE)
		queue->limit_messages = 0;
	/* Pairs with weir_queue_altered_by(): who has this has all of it. */
	smp_store_release(&queue->altered, queue->altered + 1);
}

void weir_policy_tell(const struct weir_queue *queue, struct weir_info *info)
{
	lockdep_assert_held(&queue->lock);
	info->policy = (struct weir_policy){
		.max_messages = queue->max_messages,
		.max_bytes = queue->max_units * WEIR_ALIGN,
		.lease_ns = queue->lease_ns,
		.backoff_ns = queue->backoff_ns,
		.backoff_max_ns = queue->backoff_max_ns,
		.ttl_ns = queue->ttl_ns,
		.max_deliveries = queue->max_deliveries,
		.priorities = queue->priorities,
		.starve_after = queue->starve_after,
		.flags = queue->policy_flags,
		.dedup_ns = queue->ids.max_age_ns,
		.dedup_count = queue->ids.count,
		.prefetch = queue->prefetch,
		.when_full = queue->when_full,
	};
	if (queue->heir)
		strscpy(info->dead_letter, READ_ONCE(queue->heir->dead) ? WEIR_GONE :
					   weir_object_name(&queue->heir->object));
}

/* Whether @queue is an heir of @heir's, which has a name, or of its heirs, who all have. */
static bool weir_queue_inherits(struct weir_queue *queue, struct weir_queue *heir)
{
	/* Of those it is changed only under instance->lock. */
	lockdep_assert_held(&queue->object.instance->lock);
	for (; heir; heir = heir->heir) {
		if (heir == queue)
			return true;
	}
	return false;
}

/* It outlives those whose messages it keeps, and can be found then. */
static bool weir_may_be_heir(const struct weir_queue *heir)
{
	return !weir_object_anonymous(&heir->object);
}

/* An heir counts as open, so that it is not destroyed but by force. */
static int weir_heir_get(struct weir_queue *heir, u32 max_size)
{
	/* One user's share would be in the way of what others sent. */
	if (weir_queue_is_fair(heir))
		return -EINVAL;
	guard(spinlock)(&heir->lock);
	if (heir->dead)
		return -ESHUTDOWN;
	if (heir->max_size < max_size)
		return -EINVAL;
	heir->opens++;
	weir_object_get(&heir->object);
	return 0;
}

int weir_policy_init(struct weir_queue *queue, const struct weir_policy *policy,
		     struct weir_queue *heir)
{
	int ret;

	if (heir) {
		if (!weir_may_be_heir(heir))
			return -EINVAL;
		ret = weir_heir_get(heir, weir_policy_max_size(policy));
		if (ret)
			return ret;
		queue->heir = heir;
	}
	weir_policy_apply(queue, policy);
	queue->most_messages = queue->max_messages;
	queue->most_units = queue->max_units;
	queue->most_dedup = queue->ids.count;
	return 0;
}

int weir_queue_alter(struct weir_queue *queue, const struct weir_policy *policy,
		     struct weir_queue *heir, struct weir_queue **old)
{
	int ret;

	lockdep_assert_held(&queue->object.instance->lock);
	if (weir_policy_messages(policy) > queue->most_messages ||
	    weir_policy_units(policy) > queue->most_units ||
	    weir_policy_dedup_count(policy) > queue->most_dedup ||
	    (policy->flags ^ READ_ONCE(queue->policy_flags)) &
	    (WEIR_POLICY_KEYED | WEIR_POLICY_FAIR_SHARE))
		return -EINVAL;
	if (heir && !weir_may_be_heir(heir))
		return -EINVAL;
	if (weir_queue_inherits(queue, heir))
		return -ELOOP;
	if (heir) {
		ret = weir_heir_get(heir, weir_policy_max_size(policy));
		if (ret)
			return ret;
	}
	spin_lock(&queue->lock);
	/* At one moment: what dies by this policy is for this heir. */
	weir_policy_apply(queue, policy);
	*old = weir_queue_swap_heir(queue, heir);
	spin_unlock(&queue->lock);
	return 0;
}

void weir_queue_altered(struct weir_queue *queue, struct weir_queue *old)
{
	/* What was in the way of those who wait may be gone. */
	weir_queue_wake_writers(queue);
	weir_queue_pass_on(queue);
	/* That may take long. */
	weir_queue_leave_heir(queue, old);
	weir_queue_bury(queue);
}

u64 weir_queue_backoff(const struct weir_queue *queue, u32 deliveries)
{
	u64 ns = queue->backoff_ns;
	u32 times;

	if (likely(!ns))
		return 0;
	for (times = 1; times < deliveries && ns < queue->backoff_max_ns; times++)
		ns *= 2;
	ns = min(ns, queue->backoff_max_ns);
	/* Those that failed together need not come back together. */
	return weir_time_in(ns - mul_u64_u32_shr(ns / 2, get_random_u32(), 32));
}
