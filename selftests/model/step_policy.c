// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The steps that say how a queue is to treat its messages. */
#include "world.h"

static const int messages[] = { 1, 7, 64, 65, 100, 128, 200, 300, 300, 300 };
static const int bytes[] = { 4096, 4159, 20000, 65536, 100000, 150000, 262144, 262144 };

bool is_heir(const struct queue *queue)
{
	int i;

	for (i = 0; i < QUEUES; i++)
		if (world.queues[i] && world.queues[i]->heir == queue)
			return true;
	return false;
}

/* Some of what a queue may do with what fails. */
static void pick_ends(__u64 *seed, struct weir_policy *policy)
{
	policy->flags = random_below(seed, 3) ? WEIR_POLICY_DEAD_LETTER : WEIR_POLICY_DISCARD;
	if (random_below(seed, 4))
		policy->max_deliveries = 1 + random_below(seed, 3);
}

/* Who may receive, and how much. */
static void pick_turns(__u64 *seed, struct weir_policy *policy)
{
	if (!random_below(seed, 4))
		policy->prefetch = 1 + random_below(seed, random_below(seed, 2) ? 4 : 30);
	if (!random_below(seed, 6))
		policy->flags |= WEIR_POLICY_SINGLE_ACTIVE;
	else if (!random_below(seed, 16))
		policy->flags |= WEIR_POLICY_EXCLUSIVE;
}

/* Ids are known for no time, or long; the last few, or all. */
static void pick_dedup(__u64 *seed, struct weir_policy *policy)
{
	if (!random_below(seed, 3))
		policy->dedup_ns = random_below(seed, 4) ? LONG_NS : SHORT_NS;
	if (!policy->dedup_ns || random_below(seed, 20))
		policy->dedup_count = 1 + random_below(seed, random_below(seed, 2) ? 8 : 100);
}

/* What is to be done when it is full; what dies for others is to be told from the rest. */
static void pick_full(__u64 *seed, struct weir_policy *policy)
{
	policy->when_full = random_below(seed, 2) ? WEIR_WHEN_FULL_WAIT : 1 + random_below(seed, 3);
	if (policy->when_full != WEIR_WHEN_FULL_DEAD_LETTER)
		return;
	if (!(policy->flags & WEIR_POLICY_DEAD_LETTER))
		policy->when_full = WEIR_WHEN_FULL_DROP_OLDEST;
	else if (policy->ttl_ns == SHORT_NS)
		policy->ttl_ns = LONG_NS;
}

/*
 * By chance alone hardly ever one would inherit that lets die: so the first lean to let
 * die, and the last one to keep all.
 */
static void lean(int i, struct weir_policy *policy)
{
	policy->flags &= ~(WEIR_POLICY_DISCARD | WEIR_POLICY_DEAD_LETTER);
	policy->when_full = WEIR_WHEN_FULL_WAIT;
	if (i == NAMES - 1) {
		policy->max_messages = 300;
		policy->max_bytes = 262144;
		policy->max_deliveries = 0;
		return;
	}
	if (policy->max_messages > 2)
		policy->max_messages = i ? 2 : 5;
	if (policy->max_bytes > 65536)
		policy->max_bytes = 65536;
	policy->flags |= WEIR_POLICY_DEAD_LETTER;
	policy->when_full = WEIR_WHEN_FULL_DEAD_LETTER;
	if (policy->ttl_ns == SHORT_NS)
		policy->ttl_ns = LONG_NS;
}

/* Of the queue with number @i. */
static void pick_policy(__u64 *seed, int i, struct weir_policy *policy)
{
	policy->lease_ns = random_below(seed, 2) ? LONG_NS : WEIR_UNLIMITED;
	if (!random_below(seed, 4)) {
		policy->backoff_ns = !random_below(seed, 5) ? LONG_NS : SHORT_NS;
		/* It is doubled until then. */
		policy->backoff_max_ns = policy->backoff_ns == SHORT_NS ? 1 : 0;
	}
	if (!random_below(seed, 6))
		policy->ttl_ns = random_below(seed, 4) ? LONG_NS : SHORT_NS;
	if (random_below(seed, 2))
		policy->priorities = 1 + random_below(seed, random_below(seed, 2) ? 4 : 32);
	if (random_below(seed, 2))
		policy->starve_after = 1 + random_below(seed, 5);
	if (random_below(seed, 2))
		pick_ends(seed, policy);
	pick_turns(seed, policy);
	if (!random_below(seed, 3))
		pick_dedup(seed, policy);
	pick_full(seed, policy);
	if (i < NAMES && random_below(seed, 3))
		lean(i, policy);
}

/*
 * Who is to inherit; NULL: a descriptor that is none, of a queue that is not there, or
 * not for writing. What an heir gets has to be seen, so it is none that is private.
 */
static struct queue *pick_heir(__u64 *seed, struct request *request, const struct queue *queue,
			       int of, const struct weir_policy *policy)
{
	const struct policy_asked asked = { policy->when_full, of >= NAMES };
	int i, from = random_below(seed, 2) ? of + 1 : random_below(seed, NAMES);

	request->flags = O_WRONLY;
	for (i = 0; i < NAMES; i++) {
		struct queue *heir = world.queues[(from + i) % NAMES];

		if (!heir || unseen(heir) || heir->policy.ttl_ns == SHORT_NS ||
		    !may_inherit(queue, &asked, heir) || (makes_room(heir) && heir->owed) ||
		    (has_flag(heir, WEIR_POLICY_FAIR_SHARE) && random_below(seed, 20)) ||
		    (heir->max_size < policy->max_bytes / 4 && random_below(seed, 20)))
			continue;
		memcpy(request->heir, heir->name, sizeof(heir->name));
		if (random_below(seed, 40))
			return heir;
		request->flags = O_RDONLY;
		return NULL;
	}
	snprintf(request->heir, sizeof(request->heir), "model-none");
	return NULL;
}

static int spoil_policy(__u64 *seed, struct weir_policy *policy)
{
	if (random_below(seed, 30))
		return 0;
	switch (random_below(seed, 12)) {
	case 0: policy->max_messages = WEIR_MAX_MESSAGES + 1; break;
	case 1: policy->max_bytes = WEIR_MIN_BYTES - 1; break;
	case 2: policy->flags = WEIR_POLICY_DISCARD | WEIR_POLICY_DEAD_LETTER; break;
	case 3: policy->flags = 0, policy->max_deliveries = 1; break;
	case 4: policy->priorities = WEIR_MAX_PRIORITIES + 1; break;
	case 5: policy->backoff_max_ns = WEIR_UNLIMITED + 1; break;
	case 6: policy->flags |= 0x80000000U; break;
	case 7: policy->flags |= WEIR_POLICY_SINGLE_ACTIVE | WEIR_POLICY_EXCLUSIVE; break;
	case 8: policy->dedup_count = WEIR_MAX_DEDUP_COUNT + 1; break;
	case 11:
		policy->flags |= WEIR_POLICY_FAIR_SHARE;
		policy->when_full = WEIR_WHEN_FULL_DROP_OLDEST;
		break;
	case 9: policy->when_full = WEIR_WHEN_FULL_DEAD_LETTER + 1; break;
	case 10:
		policy->flags = 0, policy->max_deliveries = 0;
		policy->when_full = WEIR_WHEN_FULL_DEAD_LETTER;
		break;
	}
	return -EINVAL;
}

static int check_heir(const struct weir_policy *policy, const struct queue *heir)
{
	if (!(policy->flags & WEIR_POLICY_DEAD_LETTER))
		return 0;
	if (!heir)
		return -EBADF;
	if (has_flag(heir, WEIR_POLICY_FAIR_SHARE))
		return -EINVAL;
	return heir->max_size < policy->max_bytes / WEIR_ALIGN * WEIR_ALIGN / 4 ? -EINVAL : 0;
}

/*
 * Where one at a time may have it open for reading the observer makes way; but what
 * others bequeath, or are told, has to be seen.
 */
static void observe_policy(struct queue *queue)
{
	if (!has_flag(queue, WEIR_POLICY_EXCLUSIVE)) {
		if (queue->fd < 0)
			observe_open(queue);
	} else if (!is_heir(queue) && !queue->owed) {
		observe_close(queue);
	}
}

static struct queue *add_queue(int i, const struct weir_create *create, struct queue *heir)
{
	struct queue *queue = calloc(1, sizeof(*queue));

	memcpy(queue->name, create->name, sizeof(queue->name));
	model_policy(queue, &create->policy, heir);
	queue->most_messages = queue->policy.max_messages;
	queue->most_units = queue->max_units;
	queue->most_dedup = queue->policy.dedup_count;
	queue->private = create->flags & WEIR_CREATE_PRIVATE;
	queue->anonymous = create->flags & WEIR_CREATE_ANONYMOUS;
	queue->fd = -1;
	world.queues[i] = queue;
	world.all[world.nr_all++] = queue;
	if (!queue->anonymous)
		observe_policy(queue);
	return queue;
}

static bool another_inherits(void)
{
	int i;

	for (i = NAMES; i < QUEUES; i++)
		if (world.queues[i] && world.queues[i]->heir)
			return true;
	return false;
}

/*
 * One without a name: 0, or what is wrong. What dies as it ends is buried yet, or not; and of
 * two it could not be told whose letters they are.
 */
static int pick_anonymous(__u64 *seed, struct weir_create *create)
{
	struct weir_policy *policy = &create->policy;

	create->flags |= WEIR_CREATE_ANONYMOUS;
	memset(create->name, 0, sizeof(create->name));
	create->mode = 0;
	policy->max_deliveries = 0;
	if (another_inherits() && policy->flags & WEIR_POLICY_DEAD_LETTER) {
		policy->flags ^= WEIR_POLICY_DEAD_LETTER;
		policy->when_full %= 3;
	}
	if (random_below(seed, 30))
		return 0;
	if (random_below(seed, 2))
		create->mode = 0600;
	else
		set_name(create->name, 0);
	return -EINVAL;
}

/* Mostly not before those from which it might choose an heir. */
static int pick_number(__u64 *seed)
{
	int i = random_below(seed, QUEUES);

	while (i < NAMES - 1 && !world.queues[i + 1] && random_below(seed, 8))
		i++;
	return i;
}

void step_create(__u64 *seed)
{
	int worker, i = pick_number(seed), error = 0;
	int wanted = world.queues[i] ? -EEXIST : 0;
	int f = pick_free_file();
	struct queue *heir = NULL;
	struct weir_create *create;
	struct request *request;

	if (i >= NAMES && (wanted || f < 0))
		return;
	if ((wanted && random_below(seed, 10)) || !pick_worker(seed, &worker) ||
	    world.nr_all == sizeof(world.all) / sizeof(world.all[0]))
		return;
	request = prepare(worker);
	create = &request->create;
	set_name(create->name, i);
	create->type = WEIR_TYPE_QUEUE;
	create->flags = random_below(seed, i ? 8 : 4) ? 0 : WEIR_CREATE_PRIVATE;
	/* Whoever opens it. */
	create->mode = 0666;
	create->policy.max_messages = messages[random_below(seed, 10)];
	create->policy.max_bytes = bytes[random_below(seed, 8)];
	pick_policy(seed, i, &create->policy);
	if (!random_below(seed, 3))
		create->policy.flags |= WEIR_POLICY_KEYED;
	if (!random_below(seed, i ? 8 : 3)) {
		create->policy.flags |= WEIR_POLICY_FAIR_SHARE;
		create->policy.when_full %= 2;
	}
	if (i >= NAMES)
		error = pick_anonymous(seed, create);
	error = spoil_policy(seed, &create->policy) ?: error;
	request->file = f;
	if (create->policy.flags & WEIR_POLICY_DEAD_LETTER)
		heir = pick_heir(seed, request, NULL, i, &create->policy);
	if (!error)
		error = check_heir(&create->policy, heir);
	/* Which is looked at first is not said. */
	if (wanted && error)
		return;
	wanted = wanted ?: error;
	agree("create", ask(worker, work_create)->value, wanted);
	if (wanted)
		return;
	add_queue(i, create, heir);
	if (i < NAMES)
		return;
	world.files[f].queue = world.queues[i];
	world.files[f].flags = O_RDWR;
	world.files[f].fd[worker] = true;
}

static bool inherits(const struct queue *queue, const struct queue *heir)
{
	for (; heir; heir = heir->heir)
		if (heir == queue)
			return true;
	return false;
}

/* What ALTER of @queue may ask for, but for its heir. */
static void fit_policy(__u64 *seed, const struct queue *queue, struct weir_policy *policy)
{
	if (has_flag(queue, WEIR_POLICY_KEYED))
		policy->flags |= WEIR_POLICY_KEYED;
	if (has_flag(queue, WEIR_POLICY_FAIR_SHARE)) {
		policy->flags |= WEIR_POLICY_FAIR_SHARE;
		policy->when_full %= 2;
	}
	if (policy->dedup_ns || policy->dedup_count > queue->most_dedup)
		policy->dedup_count = queue->most_dedup;
	if (!queue->most_dedup)
		policy->dedup_ns = 0;
	policy->max_messages = 1 + random_below(seed, queue->most_messages);
	policy->max_bytes = queue->most_units * WEIR_ALIGN;
	if (random_below(seed, 4))
		policy->max_messages = queue->most_messages;
	if (policy->max_bytes > 8192 && !random_below(seed, 4))
		policy->max_bytes /= 2;
	if ((is_heir(queue) || queue->owed) && policy->ttl_ns == SHORT_NS)
		policy->ttl_ns = 0;
	if (is_heir(queue) && (queue->owed || is_last(queue) ||
			       (policy->when_full == WEIR_WHEN_FULL_DEAD_LETTER &&
				!may_be_between(queue))))
		policy->when_full = random_below(seed, 2);
}

void step_alter(__u64 *seed)
{
	int worker, i = random_below(seed, NAMES), wanted = 0;
	struct queue *queue = world.queues[i], *heir = NULL;
	struct weir_policy *policy;
	struct request *request;

	if (!pick_worker(seed, &worker) || (!queue && random_below(seed, 20)))
		return;
	request = prepare(worker);
	set_name(request->alter.name, i);
	policy = &request->alter.policy;
	pick_policy(seed, i, policy);
	policy->max_messages = 1;
	policy->max_bytes = 4096;
	if (queue)
		fit_policy(seed, queue, policy);
	if (queue && !random_below(seed, 40))
		policy->max_messages = queue->most_messages + 1, wanted = -EINVAL;
	if (queue && !random_below(seed, 40))
		policy->flags ^= random_below(seed, 2) ? WEIR_POLICY_KEYED :
							WEIR_POLICY_FAIR_SHARE, wanted = -EINVAL;
	if (queue && !random_below(seed, 40))
		policy->dedup_count = queue->most_dedup + 1, wanted = -EINVAL;
	wanted = spoil_policy(seed, policy) ?: wanted;
	if (policy->flags & WEIR_POLICY_DEAD_LETTER)
		heir = pick_heir(seed, request, queue, i, policy);
	if (!wanted && (policy->flags & WEIR_POLICY_DEAD_LETTER) && !heir)
		wanted = -EBADF;
	else if (wanted && !heir && *request->heir)
		return;
	if (!queue && !wanted)
		wanted = -ENOENT;
	if (!wanted && inherits(queue, heir))
		wanted = -ELOOP;
	if (!wanted)
		wanted = check_heir(policy, heir);
	agree("alter", ask(worker, work_alter)->value, wanted);
	if (wanted)
		return;
	model_policy(queue, policy, heir);
	observe_policy(queue);
	for (i = 0; i < QUEUES; i++)
		if (world.queues[i])
			world.queues[i]->blocked = ~0ULL;
}
