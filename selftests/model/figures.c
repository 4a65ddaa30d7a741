// SPDX-License-Identifier: GPL-2.0 OR MIT
/* All figures of a queue, as they are told after each step. */
#include "world.h"

/* At most. */
#define PIN_BYTES	64
#define PINS_BEFORE	64
#define ID_BYTES	160
/* Of each message that has a receipt; some have just gone. */
#define BOND_BYTES	128
#define BONDS_BEFORE	64

__u64 consumers_of(const struct queue *queue)
{
	__u64 count = 0;
	int i, j;

	for (i = 0; i < FILES; i++)
		for (j = 0; j < WORKERS; j++)
			count += world.files[i].queue == queue && world.files[i].consumer[j];
	return count;
}

void get_info(const struct queue *queue, struct weir_info *info)
{
	memset(info, 0, sizeof(*info));
	memcpy(info->name, queue->name, sizeof(info->name));
	if (queue->anonymous)
		observe_need((struct queue *)queue);
	agree("INFO", raw_ioctl(queue->anonymous ? queue->fd : world.control, WEIR_IOC_INFO, info),
	      0);
}

static void check_policy(const struct queue *queue, const struct weir_info *info)
{
	const struct weir_policy *got = &info->policy, *has = &queue->policy;
	const char *heir = !queue->heir ? "" : queue->heir->dead ? WEIR_GONE : queue->heir->name;

	agree("INFO dead_letter", strcmp(info->dead_letter, heir), 0);
	if (!memcmp(got, has, sizeof(*got)))
		return;
	agree("INFO max_messages", got->max_messages, has->max_messages);
	agree("INFO max_bytes", got->max_bytes, has->max_bytes);
	agree("INFO lease_ns", got->lease_ns, has->lease_ns);
	agree("INFO backoff_ns", got->backoff_ns, has->backoff_ns);
	agree("INFO backoff_max_ns", got->backoff_max_ns, has->backoff_max_ns);
	agree("INFO ttl_ns", got->ttl_ns, has->ttl_ns);
	agree("INFO max_deliveries", got->max_deliveries, has->max_deliveries);
	agree("INFO priorities", got->priorities, has->priorities);
	agree("INFO starve_after", got->starve_after, has->starve_after);
	agree("INFO flags", got->flags, has->flags);
	agree("INFO prefetch", got->prefetch, has->prefetch);
	agree("INFO dedup_ns", got->dedup_ns, has->dedup_ns);
	agree("INFO dedup_count", got->dedup_count, has->dedup_count);
	agree("INFO when_full", got->when_full, has->when_full);
	disagree("INFO policy: something else");
}

/* Only what is for pins and receipts goes, and some is had beforehand. */
static void check_memory(struct queue *queue, const struct weir_info *info)
{
	const __u64 for_pins = (model_pins(queue) + PINS_BEFORE) * PIN_BYTES +
			       (queue->held + BONDS_BEFORE) * BOND_BYTES;
	const __u64 most = (256 << 10) + 3 * queue->most_units * WEIR_ALIGN +
			   (__u64)queue->most_dedup * ID_BYTES;

	if (info->memory < queue->memory)
		disagree("INFO memory: %llu after %llu", info->memory, queue->memory);
	if (info->memory > most)
		disagree("INFO memory: %llu, and %llu at most", info->memory, most);
	if (info->memory > queue->memory + for_pins)
		queue->memory = info->memory - for_pins;
}

static void check_states(struct queue *queue, const struct weir_info *info)
{
	int count[PINNED + 1] = { 0 }, behind = model_behind(queue), i;
	__u64 units = queue->owed * units_of(sizeof(struct weir_receipt));

	for (i = 0; i < queue->held; i++) {
		count[queue->messages[i]->state]++;
		units += units_of(queue->messages[i]->size);
	}
	agree("INFO depth", info->depth, count[READY] - behind);
	agree("INFO behind", info->behind, behind);
	agree("INFO leased", info->leased, count[LEASED]);
	agree("INFO delayed", info->delayed, count[DELAYED]);
	agree("INFO pinned", info->pinned, count[PINNED]);
	agree("INFO dying", info->dying, count[DYING]);
	agree("INFO drafts", info->drafts, queue->owed);
	agree("INFO drafts", info->drafts, queue->owed);
	agree("INFO bytes", info->bytes, units * WEIR_ALIGN);
	/* By a coarse clock a message may be 0 ns old. */
	if (info->oldest_age_ns && count[READY] == behind)
		disagree("INFO oldest_age_ns: %llu, and none is ready", info->oldest_age_ns);
}

void check_figures(struct queue *queue)
{
	struct weir_info info;

	get_info(queue, &info);
	agree("INFO name", strcmp(info.name, queue->name), 0);
	agree("INFO create_flags", info.create_flags,
	      (queue->private ? WEIR_CREATE_PRIVATE : 0) |
	      (queue->anonymous ? WEIR_CREATE_ANONYMOUS : 0));
	check_policy(queue, &info);
	check_states(queue, &info);
	agree("INFO expired", info.expired, queue->expired);
	agree("INFO dead", info.dead, queue->dead_letters);
	agree("INFO sent", info.sent, queue->sent);
	agree("INFO received", info.received, queue->received);
	agree("INFO redelivered", info.redelivered, queue->redelivered);
	agree("INFO settled", info.settled, queue->settled);
	agree("INFO purged", info.purged, queue->purged);
	agree("INFO dropped", info.dropped, queue->dropped);
	agree("INFO duplicates", info.duplicates, queue->duplicates);
	agree("INFO consumers", info.consumers, consumers_of(queue));
	agree("INFO waiters", info.waiters, 0);
	agree("INFO sum", info.settled + info.purged + info.dropped + info.dead + info.depth +
	      info.leased + info.delayed + info.behind + info.dying, info.sent);
	check_memory(queue, &info);
}

static void check_sysfs(const struct queue *queue, const struct weir_info *info)
{
	const struct {
		const char *name;
		__u64 value;
	} figures[] = {
		{ "depth", info->depth }, { "leased", info->leased },
		{ "delayed", info->delayed }, { "behind", info->behind },
		{ "pinned", info->pinned }, { "expired", info->expired },
		{ "dying", info->dying }, { "dead", info->dead }, { "bytes", info->bytes },
		{ "sent", info->sent },
		{ "received", info->received }, { "redelivered", info->redelivered },
		{ "settled", info->settled }, { "purged", info->purged },
		{ "dropped", info->dropped },
		{ "duplicates", info->duplicates }, { "consumers", info->consumers },
		{ "prefetch", info->policy.prefetch },
	};
	const __u64 memory = raw_figure(queue->name, "memory");
	size_t i;

	/* What was noted for a receipt may just be freed, and a lease run out: see above. */
	if (memory > info->memory + PINS_BEFORE * PIN_BYTES)
		disagree("sysfs memory: %llu, after %llu", memory, info->memory);
	for (i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		agree(figures[i].name, raw_figure(queue->name, figures[i].name),
		      figures[i].value);
}

/* Figures are compared after each step by name; here by descriptor, and in sysfs. */
void step_info(__u64 *seed)
{
	struct request *request;
	struct queue *queue;
	struct reply *reply;
	int f, worker;

	if (!pick_descriptor(seed, NULL, &f, &worker))
		return;
	queue = world.files[f].queue;
	request = prepare(worker);
	request->file = f;
	request->uring = random_below(seed, 2);
	reply = ask(worker, work_info);
	agree("INFO", reply->value, queue->dead ? -ESHUTDOWN : 0);
	if (queue->dead)
		return;
	agree("INFO name", strcmp(reply->info.name, queue->name), 0);
	check_states(queue, &reply->info);
	if (queue->pool_length)
		agree("LAYOUT pool_length", reply->layout.pool_length, queue->pool_length);
	if (queue->slots)
		agree("LAYOUT index_length", reply->layout.index_length,
		      (__u64)queue->slots * sizeof(struct weir_desc));
	if (!queue->anonymous && !random_below(seed, 2))
		check_sysfs(queue, &reply->info);
}
