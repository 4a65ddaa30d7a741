// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "../proc.h"
#include "round.h"

/* A place for clients: one after the other. */
struct slot {
	pid_t pid;
	uint32_t client;
	uint64_t stopped_until;	/* 0: it runs */
};

struct round {
	struct stress stress;
	const struct round_plan *plan;
	struct round_totals *totals;
	struct history_log log;
	struct slot slots[STRESS_CLIENTS];
	uint32_t clients;
	uint64_t random;
	bool failed;
};

static uint32_t chance(struct round *round, uint32_t below)
{
	round->random = body_mix(round->random);
	return round->random % below;
}

int round_create(const char *name, uint64_t seed, unsigned int queue, int heir)
{
	struct weir_create create = { .type = WEIR_TYPE_QUEUE };

	stress_policy(&create.policy, seed, queue, heir);
	raw_set_name(&create, name);
	return raw_control(WEIR_IOC_CREATE, &create);
}

static void slot_start(struct round *round, struct slot *slot)
{
	round->stress.shared->ending[slot - round->slots] = 0;
	slot->client = ++round->clients;
	slot->stopped_until = 0;
	slot->pid = proc_fork();
	if (!slot->pid)
		stress_client(&round->stress, slot->client, slot - round->slots);
}

/* It has ended, by a kill that was sent at @killed or by itself. */
static void slot_ended(struct round *round, struct slot *slot, uint64_t killed)
{
	uint64_t itself = round->stress.shared->ending[slot - round->slots];
	struct history_record record = {
		.op = HISTORY_DEATH, .client = slot->client, .offset = HISTORY_NOWHERE,
		.producer = HISTORY_NOBODY, .invoked = killed, .flags = HISTORY_BACK,
	};

	if (itself && itself < killed)
		record.invoked = itself;
	history_add(&round->log, &record, HISTORY_OK);
	slot->pid = 0;
}

static void slot_kill(struct round *round, struct slot *slot)
{
	uint64_t now = history_now();
	int status = proc_kill(slot->pid);

	if (status != 128 + SIGKILL && status) {
		printf("# client %u ended with status %d\n", slot->client, status);
		round->failed = true;
	}
	round->totals->kills++;
	slot_ended(round, slot, now);
}

/* Whether it has, by itself. */
static bool slot_has_ended(struct round *round, struct slot *slot)
{
	int status;

	if (waitpid(slot->pid, &status, WNOHANG) != slot->pid)
		return false;
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		printf("# client %u ended with status %#x\n", slot->client, status);
		round->failed = true;
	}
	slot_ended(round, slot, history_now());
	return true;
}

static void slot_stop(struct round *round, struct slot *slot)
{
	kill(slot->pid, SIGSTOP);
	slot->stopped_until = history_now() + chance(round, 100000000);
	round->totals->stops++;
}

static void round_look_after(struct round *round)
{
	unsigned int i;

	for (i = 0; i < round->plan->clients; i++) {
		struct slot *slot = &round->slots[i];

		if (slot->stopped_until && slot->stopped_until < history_now()) {
			kill(slot->pid, SIGCONT);
			slot->stopped_until = 0;
		}
		if (slot_has_ended(round, slot))
			slot_start(round, slot);
	}
}

static uint64_t round_ops(const struct round *round)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < STRESS_OPS; i++)
		sum += round->stress.shared->ops[i];
	return sum;
}

/* Its time is over, and all kills were done; or the calls that it was to last. */
static bool round_is_over(const struct round *round, uint64_t begin, unsigned int kills)
{
	const struct round_plan *plan = round->plan;

	if (round->failed || (plan->ops && round_ops(round) >= plan->ops))
		return true;
	return kills >= plan->kills && history_now() - begin >= plan->seconds * 1e9;
}

/* Kills and stops, spread over the time that it is to take. */
static void round_disturb(struct round *round)
{
	const struct round_plan *plan = round->plan;
	uint64_t begin = history_now(), next = begin, step = 0;

	unsigned int kills = 0;

	if (plan->kills)
		step = plan->seconds * 1e9 / plan->kills;
	while (!round_is_over(round, begin, kills)) {
		struct slot *slot = &round->slots[chance(round, plan->clients)];

		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
		round_look_after(round);
		if (!step || history_now() < next)
			continue;
		next += 1 + step / 2 + (uint64_t)(step * (chance(round, 1000) / 1000.0));
		if (!slot->stopped_until && chance(round, 4) == 0)
			slot_stop(round, slot);
		slot = &round->slots[chance(round, plan->clients)];
		slot_kill(round, slot);
		slot_start(round, slot);
		kills++;
	}
}

/* All of them, when they have done what they are at. */
static void round_stop(struct round *round)
{
	uint64_t end = stress_deadline();
	unsigned int i;

	__atomic_store_n(&round->stress.shared->stop, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i < round->plan->clients; i++) {
		struct slot *slot = &round->slots[i];

		kill(slot->pid, SIGCONT);
		while (!slot_has_ended(round, slot)) {
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
			if (history_now() < end)
				continue;
			printf("# client %u does not end: %c\n", slot->client,
			       proc_state(slot->pid));
			round->failed = true;
			slot_kill(round, slot);
			break;
		}
	}
}

static bool drain_one(struct round *round, uint32_t queue, int fd, struct history_record *record)
{
	static struct { struct weir_desc desc; char bytes[STRESS_BUFFER]; } buffer;
	struct history_record buried;
	bool whole;
	struct weir_run run;
	struct weir_fetch fetch = {
		.runs = raw_address(&run), .nr_runs = 1, .max_messages = 1,
		.flags = WEIR_FETCH_SETTLED, .buffer = raw_address(&buffer),
		.buffer_len = sizeof(buffer),
	};
	int ret = raw_ioctl(fd, WEIR_IOC_FETCH, &fetch);

	if (ret != 1) {
		history_end(record, ret == -EAGAIN ? HISTORY_EMPTY : HISTORY_FAILED);
		return false;
	}
	record->offset = run.offset;
	record->deliveries = run.deliveries;
	if (queue == STRESS_DEAD) {
		whole = stress_letter_whole(&round->stress, &buffer.desc, buffer.bytes, record,
					    &buried);
		if (whole)
			history_add(&round->log, &buried, HISTORY_OK);
	} else {
		whole = stress_message_whole(&buffer.desc, buffer.bytes, record);
	}
	history_end(record, whole ? HISTORY_OK : HISTORY_CORRUPT);
	return true;
}

static void round_drain(struct round *round, uint32_t queue)
{
	struct history_record record = {
		.op = HISTORY_TAKE, .target = queue, .file = STRESS_ALL + 1 + queue,
		.offset = HISTORY_NOWHERE, .producer = HISTORY_NOBODY, .count = 1,
		.flags = HISTORY_SETTLED,
	};
	int fd = raw_open(round->stress.names[queue], O_RDONLY | O_NONBLOCK);

	while (drain_one(round, queue, fd, history_begin(&round->log, &record)))
		;
	close(fd);
	record.op = HISTORY_DRAINED;
	record.count = raw_figure(round->stress.names[queue], "dropped");
	history_end(history_begin(&round->log, &record), HISTORY_OK);
}

static void round_judge(struct round *round)
{
	struct history history = { 0 };
	uint32_t queue;
	size_t i;
	int ret = history_load(&history, round->stress.logs);

	if (ret) {
		printf("# logs: %s\n", strerror(-ret));
		round->totals->histories_wrong++;
		return;
	}
	for (queue = 0; queue < STRESS_ALL; queue++)
		if (!figures_right(&round->stress, queue, &history))
			round->totals->figures_wrong++;
	for (queue = 0; queue < STRESS_ALL; queue++) {
		round->totals->expired += raw_figure(round->stress.names[queue], "expired");
		round->totals->dead += raw_figure(round->stress.names[queue], "dead");
		round->totals->dropped += raw_figure(round->stress.names[queue], "dropped");
	}
	round->totals->records += history.count;
	for (i = 0; i < history.count; i++)
		round->totals->messages += history.records[i].op == HISTORY_SEND &&
					   history.records[i].outcome == HISTORY_OK;
	if (history_check(&history)) {
		round->totals->histories_wrong++;
		history_report(&history, stdout);
	}
	history_free(&history);
}

/* What others are to know of the queues. */
static void round_tell(struct round *round, uint32_t queue)
{
	const uint64_t seed = round->stress.seed;
	struct history_record record = {
		.op = HISTORY_QUEUE, .target = queue, .offset = HISTORY_NOWHERE,
		.producer = HISTORY_NOBODY, .invoked = history_now(),
	};

	/* The first one is full of bytes before. */
	if (queue)
		record.deliveries = stress_least_messages(seed, queue);
	if (stress_drops(seed, queue))
		record.flags |= HISTORY_DROPS;
	if (stress_when_full(seed, queue) == WEIR_WHEN_FULL_DEAD_LETTER)
		record.flags |= HISTORY_KILLS;
	if (queue == STRESS_EXCLUSIVE)
		record.flags |= HISTORY_EXCLUSIVE;
	if (queue == STRESS_SINGLE) {
		record.count = STRESS_PREFETCH;
		record.flags |= HISTORY_SINGLE;
	}
	history_add(&round->log, &record, HISTORY_OK);
}

static void round_begin(struct round *round, const char *logs)
{
	struct stress *stress = &round->stress;
	uint32_t queue, i;
	int ret;

	stress->seed = round->plan->seed;
	stress->logs = logs;
	stress->clocks = round_clocks();
	stress->shared = proc_shared(sizeof(*stress->shared));
	round->random = body_mix(stress->seed);
	ret = history_log_open(&round->log, logs, 0, stress->seed, 1 << 20);
	/* From the heir on. */
	for (queue = STRESS_ALL; !ret && queue--;) {
		ret = round_create(raw_name(stress->names[queue]), stress->seed, queue,
				   queue < STRESS_DEAD ? stress->inherited[STRESS_DEAD] : -1);
		stress->inherited[queue] =
			raw_open(stress->names[queue], queue == STRESS_EXCLUSIVE ?
				 O_WRONLY | O_NONBLOCK : O_RDWR);
	}
	if (!ret)
		ret = raw_create(raw_name(stress->receipts_name));
	stress->receipts = raw_open(stress->receipts_name, O_RDWR | O_NONBLOCK);
	if (ret || !stress->shared) {
		printf("Bail out! cannot begin: %d\n", ret);
		exit(1);
	}
	for (queue = 0; queue < STRESS_ALL; queue++)
		round_tell(round, queue);
	for (i = 0; i < round->plan->clients; i++)
		slot_start(round, &round->slots[i]);
}

static void round_end(struct round *round)
{
	struct stress *stress = &round->stress;
	uint32_t queue, i;

	for (queue = 0; queue < STRESS_ALL; queue++) {
		close(stress->inherited[queue]);
		if (raw_destroy(stress->names[queue])) {
			round->totals->figures_wrong++;
			raw_destroy_force(stress->names[queue]);
		}
	}
	close(stress->receipts);
	if (raw_destroy(stress->receipts_name)) {
		round->totals->figures_wrong++;
		raw_destroy_force(stress->receipts_name);
	}
	for (i = 0; i < STRESS_OPS; i++)
		round->totals->ops[i] += stress->shared->ops[i];
	round->totals->refused += stress->shared->refused;
	munmap(stress->shared, sizeof(*stress->shared));
	history_log_close(&round->log);
}

void round_run(const struct round_plan *plan, const char *logs, struct round_totals *totals)
{
	struct round round = { .plan = plan, .totals = totals };
	long long memory = figures_memory();
	uint32_t queue;

	round_begin(&round, logs);
	round_disturb(&round);
	round_stop(&round);
	if (!figures_quiet(&round.stress))
		round.failed = true;
	for (queue = 0; queue < STRESS_ALL; queue++)
		round_drain(&round, queue);
	if (!round_receipts(&round.stress, &round.log))
		round.failed = true;
	round_judge(&round);
	round_end(&round);
	totals->ends_wrong += round.failed;
	totals->memory_wrong += memory < 0 || !figures_memory_is_back(memory);
	totals->rounds++;
}
