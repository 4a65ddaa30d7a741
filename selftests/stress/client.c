// SPDX-License-Identifier: MIT
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>

#include "stress.h"

/* In how many of all calls. */
static const unsigned int shares[STRESS_OPS] = {
	[STRESS_WRITE] = 12, [STRESS_WRITEV] = 5, [STRESS_SEND] = 10, [STRESS_URING_SEND] = 4,
	[STRESS_READ] = 10, [STRESS_READ_PARTS] = 5, [STRESS_FETCH] = 10,
	[STRESS_FETCH_IN_PLACE] = 10, [STRESS_FETCH_SETTLED] = 5, [STRESS_URING_FETCH] = 5,
	[STRESS_PARK] = 5, [STRESS_CANCEL] = 1, [STRESS_SETTLE] = 30,
	[STRESS_URING_SETTLE] = 5, [STRESS_SETTLE_AND_FETCH] = 10, [STRESS_PROBE] = 5,
	[STRESS_BROWSE] = 1,
	[STRESS_SEND_ONCE] = 8, [STRESS_TXN] = 8, [STRESS_REPLY] = 8, [STRESS_HEAR] = 1,
	[STRESS_EXCLUDE] = 10,
	[STRESS_POLL] = 3, [STRESS_REOPEN] = 1, [STRESS_ALTER] = 1,
};

#define PURGE_RARELY	2000

void stress_fail(const struct stress_client *client, const char *what, long result)
{
	fprintf(stderr, "# client %u: %s: %ld (%s)\n", client->id, what, result,
		result < 0 ? strerror(-result) : "");
	_exit(1);
}

uint32_t stress_chance(struct stress_client *client, uint32_t below)
{
	client->random = body_mix(client->random);
	return client->random % below;
}

int stress_pick_file(struct stress_client *client, uint32_t queue, uint32_t *file)
{
	if (stress_chance(client, 3)) {
		*file = client->files[queue];
		return client->fds[queue];
	}
	*file = 1 + queue;
	return client->stress->inherited[queue];
}

int stress_command(struct stress_client *client, bool by_ring, int fd, unsigned long command,
		   void *arg)
{
	if (by_ring)
		return ring_do(&client->ring, fd, command, arg, _IOC_SIZE(command));
	return raw_ioctl(fd, command, arg);
}

static void client_open(struct stress_client *client, uint32_t queue)
{
	int flags = O_RDWR | (stress_chance(client, 2) ? O_NONBLOCK : 0);

	client->files[queue] = client->id * STRESS_FILES + client->next_file++;
	client->waited[queue] = false;
	client->fds[queue] = raw_open(client->stress->names[queue], flags);
	if (client->fds[queue] < 0)
		stress_fail(client, "open", client->fds[queue]);
}

/* Through a description that nothing else is done with, for a mapping keeps it. */
static void client_map(struct stress_client *client, uint32_t queue)
{
	struct weir_layout layout = { 0 };
	int fd = raw_open(client->stress->names[queue], O_RDONLY);
	int ret = raw_ioctl(fd, WEIR_IOC_LAYOUT, &layout);

	if (ret)
		stress_fail(client, "layout", ret);
	client->index[queue] = mmap(NULL, layout.index_length, PROT_READ, MAP_SHARED, fd,
				    layout.index_offset);
	client->pool[queue] = mmap(NULL, layout.pool_length, PROT_READ, MAP_SHARED, fd,
				   layout.pool_offset);
	if (client->index[queue] == MAP_FAILED || client->pool[queue] == MAP_FAILED)
		stress_fail(client, "mmap", -errno);
	close(fd);
}

void stress_forget(struct stress_client *client, uint32_t file)
{
	unsigned int i;

	for (i = 0; i < client->nr_leases;) {
		if (client->leases[i].file == file)
			client->leases[i] = client->leases[--client->nr_leases];
		else
			i++;
	}
}

/* What it holds through the old one goes back. */
static void client_reopen(struct stress_client *client, uint32_t queue)
{
	struct history_record record = {
		.op = HISTORY_CLOSE, .target = queue, .file = client->files[queue],
		.offset = HISTORY_NOWHERE, .producer = HISTORY_NOBODY,
	};
	struct history_record *logged;

	/* A ring's thread still has the file for a while after it has said that it is done. */
	if (!client->waited[queue])
		record.flags = HISTORY_BACK;

	if (client->parked.waits && client->parked.fd == client->fds[queue])
		return;
	stress_forget(client, record.file);
	logged = history_begin(&client->log, &record);
	close(client->fds[queue]);
	history_end(logged, HISTORY_OK);
	client_open(client, queue);
}

static void client_purge(struct stress_client *client, uint32_t queue)
{
	struct history_record *logged, record = {
		.op = HISTORY_PURGE, .target = queue, .offset = HISTORY_NOWHERE,
		.producer = HISTORY_NOBODY,
	};
	long ret;

	logged = history_begin(&client->log, &record);
	ret = raw_purge(client->stress->names[queue]);
	if (ret < 0)
		stress_fail(client, "purge", ret);
	logged->count = ret;
	history_end(logged, HISTORY_OK);
}

static void client_poll(struct stress_client *client, uint32_t queue)
{
	uint32_t file;
	struct pollfd pollfd = {
		.fd = stress_pick_file(client, queue, &file), .events = POLLIN | POLLOUT,
	};

	if (poll(&pollfd, 1, stress_chance(client, 10)) > 0 &&
	    pollfd.revents & ~(POLLIN | POLLOUT))
		stress_fail(client, "poll", pollfd.revents);
}

static void client_do(struct stress_client *client, enum stress_op op, uint32_t queue)
{
	static const struct stress_how copied, by_ring = { .by_ring = true };
	static const struct stress_how in_place = { .in_place = true };
	static const struct stress_how settled = { .settled = true };
	static const struct stress_how and_settle = { .and_settle = true };

	switch (op) {
	case STRESS_WRITE:
	case STRESS_WRITEV:
		return stress_write(client, queue, op == STRESS_WRITEV);
	case STRESS_SEND:
	case STRESS_URING_SEND:
		return stress_send(client, queue, op == STRESS_URING_SEND);
	case STRESS_READ:
		return stress_read(client, queue);
	case STRESS_READ_PARTS:
		return stress_read_parts(client, queue);
	case STRESS_FETCH:
		return stress_fetch(client, queue, copied);
	case STRESS_FETCH_IN_PLACE:
		return stress_fetch(client, queue, in_place);
	case STRESS_FETCH_SETTLED:
		return stress_fetch(client, queue, settled);
	case STRESS_URING_FETCH:
		return stress_fetch(client, queue, by_ring);
	case STRESS_SETTLE_AND_FETCH:
		return stress_fetch(client, queue, and_settle);
	case STRESS_PARK:
		return stress_park(client, queue);
	case STRESS_CANCEL:
		return stress_cancel(client);
	case STRESS_SETTLE:
	case STRESS_URING_SETTLE:
		return stress_settle(client, op == STRESS_URING_SETTLE);
	case STRESS_PROBE:
		return stress_probe(client);
	case STRESS_BROWSE:
		return stress_browse(client, queue);
	case STRESS_SEND_ONCE:
		return stress_once(client);
	case STRESS_TXN:
		return stress_txn(client, queue);
	case STRESS_REPLY:
		return stress_reply(client);
	case STRESS_HEAR:
		return stress_hear(client);
	case STRESS_EXCLUDE:
		return stress_exclude(client);
	case STRESS_POLL:
		return client_poll(client, queue);
	case STRESS_REOPEN:
		return client_reopen(client, queue);
	case STRESS_ALTER:
		return stress_alter(client, queue);
	case STRESS_PURGE:
		return client_purge(client, queue);
	case STRESS_OPS:
		break;
	}
}

/* The dead are not settled unseen. */
static uint32_t client_choose_queue(struct stress_client *client, enum stress_op op)
{
	switch (op) {
	case STRESS_FETCH:
	case STRESS_FETCH_IN_PLACE:
	case STRESS_URING_FETCH:
	case STRESS_SETTLE_AND_FETCH:
	case STRESS_PARK:
	case STRESS_POLL:
	case STRESS_REOPEN:
		return stress_chance(client, STRESS_COMMON);
	default:
		return stress_chance(client, STRESS_QUEUES);
	}
}

static enum stress_op client_choose(struct stress_client *client)
{
	unsigned int total = 0, dice;
	enum stress_op op;

	for (op = 0; op < STRESS_OPS; op++)
		total += shares[op];
	if (!stress_chance(client, PURGE_RARELY))
		return STRESS_PURGE;
	dice = stress_chance(client, total);
	for (op = 0; dice >= shares[op]; op++)
		dice -= shares[op];
	return op;
}

static void client_wake(int signal)
{
}

/* Calls that wait for ever end now and then, by a signal. */
static void client_alarms(void)
{
	const struct itimerval every = { { 0, 50000 }, { 0, 50000 } };
	struct sigaction action = { .sa_handler = client_wake };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
}

static void client_prepare(struct stress_client *client, const struct stress *stress,
			   uint32_t id)
{
	uint32_t queue;
	int ret;

	client->stress = stress;
	client->id = id;
	client->random = body_mix(stress->seed ^ body_mix(id));
	client->bytes = malloc(STRESS_BUFFER);
	client->parked_bytes = malloc(STRESS_BUFFER);
	ret = history_log_open(&client->log, stress->logs, id, stress->seed, STRESS_RECORDS);
	if (ret)
		stress_fail(client, "log", ret);
	for (queue = 0; queue < STRESS_COMMON; queue++) {
		client_open(client, queue);
		client_map(client, queue);
	}
	stress_place(client);
	ret = ring_make(&client->ring, 4, 0);
	if (!ret)
		ret = ring_make(&client->parking, 4, 0);
	if (ret)
		stress_fail(client, "io_uring", ret);
	client_alarms();
}

void stress_client(const struct stress *stress, uint32_t id, unsigned int slot)
{
	static struct stress_client client;
	enum stress_op op;

	client.slot = slot;
	client_prepare(&client, stress, id);
	while (!__atomic_load_n(&stress->shared->stop, __ATOMIC_RELAXED) &&
	       client.log.used + 8 * STRESS_BATCH < client.log.room) {
		stress_look_after_parked(&client);
		op = client_choose(&client);
		client_do(&client, op, client_choose_queue(&client, op));
		__atomic_add_fetch(&stress->shared->ops[op], 1, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&stress->shared->ending[slot], history_now(), __ATOMIC_SEQ_CST);
	_exit(0);
}
