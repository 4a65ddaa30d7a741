// SPDX-License-Identifier: MIT
#include "stress.h"

static uint32_t settle_time_flags(uint64_t seed, uint32_t queue, const struct weir_run *run)
{
	uint64_t ns = run->delay_ms * 1000000ULL;

	return run->op == WEIR_EXTEND ? stress_lease_flags(seed, queue, ns) :
					history_time_flags(ns);
}

static struct history_record *settle_log(struct stress_client *client, uint32_t queue,
					 uint32_t file, const struct weir_run *run, uint32_t i)
{
	static const uint8_t ops[] = {
		[WEIR_ACK] = HISTORY_ACK, [WEIR_RELEASE] = HISTORY_RELEASE,
		[WEIR_EXTEND] = HISTORY_EXTEND, [WEIR_TERM] = HISTORY_TERM,
	};
	struct history_record record = {
		.op = ops[run->op], .target = queue,
		.flags = settle_time_flags(client->stress->seed, queue, run),
		.file = file, .producer = HISTORY_NOBODY, .offset = run->offset + i,
		.deliveries = run->deliveries, .count = run->count, .txn = client->txn,
	};

	return history_begin(&client->log, &record);
}

static void settle_log_end(struct stress_client *client, struct history_record *record,
			   int status)
{
	if (status && status != -ECANCELED)
		__atomic_add_fetch(&client->stress->shared->refused, 1, __ATOMIC_RELAXED);
	history_end(record, !status ? HISTORY_OK :
			    status == -ESTALE ? HISTORY_STALE : HISTORY_FAILED);
}

/* A lease of @file, any if that is 0; the newest of them mostly. */
static bool settle_pick(struct stress_client *client, uint32_t file, struct stress_lease *lease)
{
	unsigned int n, i, from = stress_chance(client, client->nr_leases + 1);

	for (n = 0; n < client->nr_leases; n++) {
		i = (from + n) % client->nr_leases;
		if (file && client->leases[i].file != file)
			continue;
		*lease = client->leases[i];
		client->leases[i] = client->leases[--client->nr_leases];
		return true;
	}
	return false;
}

/* The one that continues @lease's run, if it has it. Requests stay by themselves. */
static bool settle_extend(struct stress_client *client, struct stress_lease *lease)
{
	unsigned int i;

	for (i = 0; i < client->nr_leases; i++) {
		const struct stress_lease *next = &client->leases[i];

		if (next->asks || lease->asks || next->queue != lease->queue ||
		    next->file != lease->file ||
		    next->run.offset != lease->run.offset + lease->run.count ||
		    next->run.slot != lease->run.slot + lease->run.count ||
		    next->run.deliveries != lease->run.deliveries)
			continue;
		lease->run.count++;
		client->leases[i] = client->leases[--client->nr_leases];
		return true;
	}
	return false;
}

void stress_settle_log(struct stress_client *client, const struct stress_lease *lease,
		       struct stress_settling *settling)
{
	uint32_t i;

	settling->lease = *lease;
	settling->run = lease->run;
	for (i = 0; i < lease->run.count; i++)
		settling->records[i] = settle_log(client, lease->queue, lease->file,
						  &lease->run, i);
}

static void settle_choose_op(struct stress_client *client, uint32_t queue,
			     struct weir_run *run)
{
	run->op = stress_chance(client, 4) ? WEIR_ACK :
		  stress_chance(client, 2) ? WEIR_RELEASE : WEIR_EXTEND;
	if (stress_mortal(queue) && !stress_chance(client, 12))
		run->op = WEIR_TERM;
	run->delay_ms = 0;
	if ((run->op == WEIR_RELEASE || run->op == WEIR_EXTEND) && stress_chance(client, 2))
		run->delay_ms = 1 + stress_chance(client, 30);
}

static bool settle_choose(struct stress_client *client, uint32_t file, struct stress_lease *lease)
{
	unsigned int most = 1 + stress_chance(client, 4);

	if (!settle_pick(client, file, lease))
		return false;
	while (lease->run.count < most && settle_extend(client, lease))
		;
	settle_choose_op(client, lease->queue, &lease->run);
	client->old = *lease;
	return true;
}

/* What was extended is still held; it had its places before. */
static void settle_keep(struct stress_client *client, const struct stress_lease *lease)
{
	uint32_t i;

	for (i = 0; i < lease->run.count && client->nr_leases < STRESS_LEASES; i++) {
		struct stress_lease *kept = &client->leases[client->nr_leases++];

		*kept = *lease;
		kept->run.offset += i;
		kept->run.slot += i;
		kept->run.count = 1;
		kept->nameless |= i > 0;
	}
}

bool stress_settle_begin(struct stress_client *client, uint32_t file, int fd,
			 struct stress_settling *settling)
{
	struct stress_lease lease;

	if (!settle_choose(client, file, &lease))
		return false;
	stress_settle_log(client, &lease, settling);
	return true;
}

void stress_settle_end(struct stress_client *client, struct stress_settling *settling)
{
	uint32_t i;

	for (i = 0; i < settling->run.count; i++)
		settle_log_end(client, settling->records[i], settling->run.status);
	/* Of a transaction that failed of something else nothing was changed. */
	if ((settling->run.op == WEIR_EXTEND && !settling->run.status) ||
	    settling->run.status == -ECANCELED)
		settle_keep(client, &settling->lease);
}

static void settle_call(struct stress_client *client, const struct stress_lease *lease,
			bool by_ring)
{
	struct stress_settling settling;
	struct weir_settle settle = {
		.runs = raw_address(&settling.run), .count = 1,
		.reason = raw_address("stress"), .reason_len = strlen("stress"),
	};
	int ret;

	stress_settle_log(client, lease, &settling);
	ret = stress_command(client, by_ring, lease->fd, WEIR_IOC_SETTLE, &settle);
	if (ret < 0)
		stress_fail(client, "settle", ret);
	if (ret != (settling.run.status ? 0 : settling.run.count))
		stress_fail(client, "number of messages settled", ret);
	stress_settle_end(client, &settling);
}

void stress_settle(struct stress_client *client, bool by_ring)
{
	struct stress_lease lease;

	if (settle_choose(client, 0, &lease))
		settle_call(client, &lease, by_ring);
}

/*
 * Settles what is not its own, or not any more. Should somebody else's lease be of
 * the description that both have, then this is allowed.
 */
void stress_probe(struct stress_client *client)
{
	struct stress_lease lease = client->old;

	if (stress_chance(client, 2))
		lease = client->stress->shared->seen[stress_chance(client, 64)];
	if (!lease.run.count || lease.run.count > STRESS_BATCH ||
	    lease.queue >= STRESS_COMMON)
		return;
	lease.fd = stress_pick_file(client, lease.queue, &lease.file);
	/* It shall not be right: others have that description, or a FETCH is under way. */
	if (lease.file > STRESS_ALL && !client->parked.waits)
		lease.run.deliveries += stress_chance(client, 8) == 0;
	lease.run.op = stress_chance(client, 2);
	lease.run.delay_ms = 0;
	lease.run.status = 0;
	settle_call(client, &lease, false);
}
