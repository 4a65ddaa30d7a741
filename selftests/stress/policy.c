// SPDX-License-Identifier: MIT
/* What the queues of a round are like, and how clients alter that while they are in use. */
#include "stress.h"

const __u64 stress_messages[STRESS_ALL] = { 40, 120, 65536, 1000, 60, 65536, 100 };

/*
 * One that is mostly full, by its bytes too, and has messages that are delivered too often;
 * one that is full by their number only, with priorities, and in every other round with
 * keys; one that never is; one with keys; one for a single receiver; one for the dead; and an
 * exclusive one.
 */
void stress_policy(struct weir_policy *policy, uint64_t seed, uint32_t queue, int heir)
{
	static const __u64 bytes[STRESS_ALL] = {
		64 << 10, 8 << 20, 64 << 20, 16 << 20, 8 << 20, 64 << 20, 1 << 20,
	};

	*policy = (struct weir_policy){
		.max_messages = stress_messages[queue], .max_bytes = bytes[queue],
		.priorities = queue == 1 ? STRESS_PRIORITIES : 0,
		.when_full = stress_when_full(seed, queue),
	};
	if (queue == STRESS_ONCE)
		policy->dedup_count = WEIR_DEFAULT_DEDUP_COUNT;
	if (queue == STRESS_SINGLE) {
		policy->flags |= WEIR_POLICY_SINGLE_ACTIVE;
		policy->prefetch = STRESS_PREFETCH;
	}
	if (queue == STRESS_EXCLUSIVE)
		policy->flags |= WEIR_POLICY_EXCLUSIVE;
	/* For the dead there has to be a place. */
	if (heir < 0 && policy->when_full == WEIR_WHEN_FULL_DEAD_LETTER)
		policy->when_full = WEIR_WHEN_FULL_WAIT;
	if (stress_keyed(seed, queue))
		policy->flags |= WEIR_POLICY_KEYED;
	if (stress_mortal(queue) && heir >= 0) {
		policy->flags |= WEIR_POLICY_DEAD_LETTER;
		policy->dead_letter = heir;
		policy->max_deliveries = stress_most(queue);
	}
}

/* Mostly to less than it holds, for it is full. */
static void alter_limits(struct stress_client *client, struct weir_policy *policy,
			 uint32_t queue)
{
	uint64_t least = stress_least_messages(client->stress->seed, queue);

	policy->max_messages -= stress_chance(client, policy->max_messages - least + 1);
	if (queue == 0)
		policy->max_bytes -= stress_chance(client, policy->max_bytes / 4);
}

/*
 * Within what the judge was told of the queue, for it does not know who was first: an
 * altering client may be killed, or be another one's at the same time.
 */
void stress_alter(struct stress_client *client, uint32_t queue)
{
	const struct stress *stress = client->stress;
	struct weir_alter alter = { 0 };
	struct weir_policy *policy = &alter.policy;
	int ret;

	raw_set_name(&alter, stress->names[queue]);
	stress_policy(policy, stress->seed, queue, stress->inherited[STRESS_DEAD]);
	alter_limits(client, policy, queue);
	if (policy->max_deliveries)
		policy->max_deliveries -= stress_chance(client, STRESS_SPARED + 1);
	if (policy->prefetch)
		policy->prefetch -= stress_chance(client, STRESS_PREFETCH / 2);
	if (stress_alters_full(stress->seed, queue))
		policy->when_full = stress_chance(client, WEIR_WHEN_FULL_DROP_OLDEST + 1);
	if (stress_hurries(stress->seed, queue) && stress_chance(client, 2))
		policy->lease_ns = STRESS_HURRY;
	ret = raw_control(WEIR_IOC_ALTER, &alter);
	if (ret)
		stress_fail(client, "alter", ret);
}
