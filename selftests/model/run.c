// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <linux/futex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "world.h"

/* Of the messages of a queue. */
#define MOST_TOLD 20

struct world world;
struct tally tally;
int patience;
char disagreement[1024];
const char *disagreement_kind;
static jmp_buf disagreed;
static struct request last_request;
static __s64 last_value;
static char *last;

void disagree(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(disagreement, sizeof(disagreement), format, args);
	va_end(args);
	disagreement_kind = format;
	longjmp(disagreed, 1);
}

void disagree_about(const char *what, __s64 got, __s64 wanted)
{
	snprintf(disagreement, sizeof(disagreement), "%s: %lld, and the model has %lld", what,
		 got, wanted);
	disagreement_kind = what;
	longjmp(disagreed, 1);
}

struct request *prepare(int worker)
{
	struct request *request = &world.workers[worker].channel->request;

	memset(request, 0, sizeof(*request));
	return request;
}

void turn_give(struct channel *channel, int turn)
{
	__atomic_store_n(&channel->turn, turn, __ATOMIC_RELEASE);
	syscall(SYS_futex, &channel->turn, FUTEX_WAKE, 1, NULL, NULL, 0);
}

bool turn_wait(struct channel *channel, int turn)
{
	const struct timespec second = { .tv_sec = 1 };
	int other;

	while ((other = __atomic_load_n(&channel->turn, __ATOMIC_ACQUIRE)) != turn)
		if (syscall(SYS_futex, &channel->turn, FUTEX_WAIT, other, &second, NULL, 0) &&
		    errno == ETIMEDOUT)
			return false;
	return true;
}

static void tell_request(FILE *to)
{
	const struct request *request = &last_request;
	const struct weir_fetch *fetch = &request->fetch;
	int i;

	fprintf(to, "#   file %d, flags %d, uring %d, waits %d, bad %d, ", request->file,
		request->flags, request->uring, request->waits, request->bad_runs);
	fprintf(to, "length %llu of %llu, parts %d: %lld\n", request->there, request->length,
		request->parts, last_value);
	for (i = 0; i < request->count; i++)
		fprintf(to, "#    message of %u+%u+%u, wrong %d\n", request->specs[i].len,
			request->specs[i].key_len, request->specs[i].headers_len,
			request->specs[i].wrong);
	if (fetch->max_messages)
		fprintf(to, "#    in place %d, %u runs, %u messages, %llu bytes, %llu room\n",
			request->in_place, fetch->nr_runs, fetch->max_messages,
			fetch->max_bytes, fetch->buffer_len);
	for (i = 0; i < request->nr_settle; i++)
		fprintf(to, "#    settle %llu+%u in slot %u, delivered %u, op %u\n",
			request->settle[i].offset, request->settle[i].count,
			request->settle[i].slot, request->settle[i].deliveries,
			request->settle[i].op);
	for (i = 0; i < request->nr_parts; i++)
		fprintf(to, "#    part of file %d, op %u, %d from %d, wrong %d\n",
			request->txn[i].file, request->txn[i].op, request->txn[i].count,
			request->txn[i].from, request->txn[i].wrong);
}

static void tell_queue(FILE *to, const struct queue *queue)
{
	int i;

	fprintf(to, "#   %s: flags %#x, prefetch %u, %u deliveries, dedup %u, ", queue->name,
		queue->policy.flags, queue->policy.prefetch, queue->policy.max_deliveries,
		queue->policy.dedup_count);
	fprintf(to, "when full %u: %d of %llu, %u owed, %llu of %llu units\n",
		queue->policy.when_full, queue->held, queue->policy.max_messages, queue->owed,
		model_units(queue), queue->max_units);
	for (i = 0; i < queue->held && i < MOST_TOLD; i++) {
		const struct message *message = queue->messages[i];

		fprintf(to, "#    %llu: state %d, delivered %u, ttl %llu, priority %u, pins %d, ",
			message->offset, message->state, message->deliveries, message->ttl,
			message->priority, message->nr_pins);
		fprintf(to, "key %llu of %u, arrived %llu, behind %d\n", message->spec.key_seed,
			message->spec.key_len, message->arrived, message->behind);
	}
}

/* What the last worker was asked for, and what the model has. */
static void remember(void)
{
	size_t size;
	FILE *to;
	int i;

	free(last);
	to = open_memstream(&last, &size);
	tell_request(to);
	for (i = 0; i < QUEUES; i++)
		if (world.queues[i])
			tell_queue(to, world.queues[i]);
	fclose(to);
}

void print_last(void)
{
	fputs(last, stdout);
}

static void await(int worker)
{
	struct worker *w = &world.workers[worker];
	int waited = 0;

	while (!turn_wait(w->channel, CONTROLLERS_TURN)) {
		if (waitpid(w->pid, NULL, WNOHANG))
			disagree("worker %d is gone", worker);
		if (waited++ >= patience)
			disagree("worker %d does not come back", worker);
	}
}

struct reply *ask(int worker, void (*work)(const struct request *, struct reply *))
{
	struct channel *channel = world.workers[worker].channel;

	world.asks++;
	channel->request.work = work;
	memset(&channel->reply, 0, offsetof(struct reply, data));
	turn_give(channel, WORKERS_TURN);
	await(worker);
	last_request = channel->request;
	last_value = channel->reply.value;
	return &channel->reply;
}

void start_worker(int worker, int parent)
{
	struct worker *w = &world.workers[worker];
	int i;

	world.asks++;
	w->channel->turn = WORKERS_TURN;
	if (parent >= 0) {
		struct request *request = prepare(parent);

		request->worker = worker;
		w->pid = ask(parent, work_fork)->value;
	} else {
		w->pid = fork();
		if (!w->pid) {
			for (i = 0; i < QUEUES; i++)
				if (world.queues[i])
					close(world.queues[i]->fd);
			close(world.control);
			worker_main(worker);
		}
	}
	if (w->pid <= 0)
		disagree("fork: %d", w->pid);
	model_pids[worker] = w->pid;
	/* It has the observer's descriptors until it runs. */
	await(worker);
}

/* Its files and mappings go, and the leases that it holds elsewhere. */
static void forget_worker(int worker)
{
	int i;

	world.workers[worker].pid = 0;
	for (i = 0; i < FILES; i++) {
		struct file *file = &world.files[i];

		if (!file->queue)
			continue;
		file->fd[worker] = false;
		file->mapped[worker] = false;
		model_end_consumer(file, worker);
		check_open(file);
	}
}

void end_worker(int worker, bool by_signal)
{
	struct worker *w = &world.workers[worker];
	int status;

	world.asks++;
	if (by_signal)
		kill(w->pid, SIGKILL);
	else
		ask(worker, work_exit);
	if (waitpid(w->pid, &status, 0) != w->pid)
		disagree("waitpid: %s", strerror(errno));
	forget_worker(worker);
}

void settle_down(void)
{
	struct timespec tick = { .tv_nsec = 200000 };
	struct weir_info info;
	int i, ticks;

	for (i = 0; i < QUEUES; i++) {
		if (!world.queues[i] || !is_reachable(world.queues[i]))
			continue;
		for (ticks = 0; ticks < patience * 5000; ticks++) {
			get_info(world.queues[i], &info);
			if (info.consumers == consumers_of(world.queues[i]))
				break;
			nanosleep(&tick, NULL);
		}
	}
}

bool pick_worker(__u64 *seed, int *worker)
{
	int i, from = random_below(seed, WORKERS);

	for (i = 0; i < WORKERS; i++) {
		*worker = (from + i) % WORKERS;
		if (world.workers[*worker].pid)
			return true;
	}
	return false;
}

bool pick_descriptor(__u64 *seed, bool (*filter)(const struct file *), int *file, int *worker)
{
	int i, from = random_below(seed, FILES * WORKERS);
	bool any = !filter || !random_below(seed, 12);

	for (i = 0; i < FILES * WORKERS; i++) {
		int at = (from + i) % (FILES * WORKERS);

		*file = at / WORKERS;
		*worker = at % WORKERS;
		if (world.files[*file].fd[*worker] && (any || filter(&world.files[*file])))
			return true;
	}
	return false;
}

static void *share(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		disagree("mmap: %s", strerror(errno));
	return memory;
}

static void begin(void)
{
	int i;

	memset(&world, 0, sizeof(world));
	world.control = -1;
	for (i = 0; i < WORKERS; i++)
		world.workers[i].channel = share(sizeof(struct channel));
	world.control = raw_open_control();
	if (world.control < 0)
		disagree("%s: %s", RAW_CONTROL, strerror(-world.control));
}

static void tally_up(const struct queue *queue)
{
	tally.sent += queue->sent;
	tally.received += queue->received;
	tally.redelivered += queue->redelivered;
	tally.expired += queue->expired;
	tally.settled += queue->settled;
	tally.dropped += queue->dropped;
	tally.dead += queue->dead_letters;
	tally.starved += queue->starved;
	tally.duplicates += queue->duplicates;
	tally.waited += queue->waited;
	tally.receipts += queue->heard;
}

/* Whatever state it is in. */
static void end(void)
{
	struct queue *queue;
	int i;

	for (i = 0; i < WORKERS; i++) {
		struct worker *w = &world.workers[i];

		if (w->pid > 0) {
			kill(w->pid, SIGKILL);
			waitpid(w->pid, NULL, 0);
		}
		if (w->channel)
			munmap(w->channel, sizeof(*w->channel));
	}
	for (i = 0; i < QUEUES; i++) {
		queue = world.queues[i];
		if (queue && queue->index)
			observe_close(queue);
		else if (queue && queue->fd >= 0)
			close(queue->fd);
		if (queue && !queue->anonymous)
			raw_destroy_force(queue->name);
	}
	for (i = 0; i < world.nr_all; i++) {
		tally_up(world.all[i]);
		model_empty(world.all[i]);
		free(world.all[i]);
	}
	close(world.control);
}

static void check_all(int at)
{
	int i;

	for (i = 0; i < QUEUES; i++) {
		if (!world.queues[i] || !is_reachable(world.queues[i]))
			continue;
		check_figures(world.queues[i]);
		observe_all(world.queues[i], at % 16 == 0);
	}
}

int play(struct op *ops, int nr, bool verbose)
{
	static volatile int at;
	__u64 asks;

	at = 0;
	if (setjmp(disagreed)) {
		remember();
		end();
		return at;
	}
	begin();
	for (; at < nr; at++) {
		__u64 seed = ops[at].seed;

		if (verbose)
			fprintf(stderr, "# %d: %s %llx\n", at, steps[ops[at].step].name, seed);
		asks = world.asks;
		model_step = at;
		steps[ops[at].step].play(&seed);
		ops[at].asked = world.asks != asks;
		if (verbose && ops[at].asked)
			tell_request(stderr);
		tally.asked += ops[at].asked;
		calm_down();
		check_all(at);
		observe_away();
	}
	end();
	return -1;
}
