// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The steps that make and end queues, descriptors, mappings and processes. */
#include "world.h"

void set_name(char name[WEIR_NAME_SIZE], int i)
{
	snprintf(name, WEIR_NAME_SIZE, "model-%d-%d", getpid(), i);
}

static bool is_open(const struct queue *queue)
{
	int i;

	for (i = 0; i < FILES; i++)
		if (world.files[i].queue == queue)
			return true;
	return is_heir(queue);
}

/* It lives on, empty, for those who have it open. */
static void end_queue(int i)
{
	struct queue *queue = world.queues[i];
	int j;

	queue->dead = true;
	queue->heir = NULL;
	world.queues[i] = NULL;
	for (j = 0; j < FILES; j++)
		if (world.files[j].queue == queue)
			world.files[j].partial = NULL;
	for (j = 0; j < queue->held; j++)
		model_tell(queue, queue->messages[j], WEIR_OUTCOME_DESTROYED, 0, "");
	queue->nr_receipts = 0;
	queue->owed = 0;
	memset(queue->owed_to, 0, sizeof(queue->owed_to));
	model_empty(queue);
}

void check_open(struct file *file)
{
	const struct queue *queue = file->queue;
	int i;

	model_check_open(file);
	if (file->queue || !queue->anonymous)
		return;
	for (i = NAMES; i < QUEUES; i++)
		if (world.queues[i] == queue)
			end_queue(i);
}

static void destroy(__u64 *seed, int flags)
{
	int worker, i = random_below(seed, NAMES), wanted = 0;
	struct queue *queue = world.queues[i];
	struct request *request;

	if (!pick_worker(seed, &worker))
		return;
	request = prepare(worker);
	set_name(request->name, i);
	request->flags = flags;
	/* The observer has it open too, unless told otherwise, or he could not come again. */
	if (queue && !has_flag(queue, WEIR_POLICY_EXCLUSIVE) &&
	    !(flags && random_below(seed, 2)))
		observe_close(queue);
	if (!queue)
		wanted = -ENOENT;
	else if (!flags && (queue->held || queue->owed || is_open(queue) || queue->fd >= 0))
		wanted = -EBUSY;
	agree("destroy", ask(worker, work_destroy)->value, wanted);
	if (wanted == -EBUSY) {
		if (queue->fd < 0 && !has_flag(queue, WEIR_POLICY_EXCLUSIVE))
			observe_open(queue);
	} else if (queue) {
		observe_close(queue);
		end_queue(i);
	}
}

void step_destroy(__u64 *seed)
{
	destroy(seed, 0);
}

void step_destroy_force(__u64 *seed)
{
	destroy(seed, WEIR_DESTROY_FORCE);
}

void step_purge(__u64 *seed)
{
	int worker, i = random_below(seed, NAMES);
	struct queue *queue = world.queues[i];

	if (!pick_worker(seed, &worker))
		return;
	set_name(prepare(worker)->name, i);
	agree("purge", ask(worker, work_purge)->value, queue ? (__s64)model_purge(queue) : -ENOENT);
}

/* Whether anybody has it open for reading, the observer too. */
static bool is_received(const struct queue *queue)
{
	int i;

	for (i = 0; i < FILES; i++)
		if (world.files[i].queue == queue && may_read(&world.files[i]))
			return true;
	return queue->fd >= 0;
}

int pick_free_file(void)
{
	int f;

	for (f = 0; f < FILES; f++)
		if (!world.files[f].queue)
			return f;
	return -1;
}

void step_open(__u64 *seed)
{
	static const int flags[] = { O_RDWR, O_RDWR, O_RDONLY, O_WRONLY };
	int worker, i = random_below(seed, NAMES), f = pick_free_file(), wanted;
	struct queue *queue = world.queues[i];
	struct request *request;

	if (f < 0 || !pick_worker(seed, &worker) || (!queue && random_below(seed, 10)))
		return;
	request = prepare(worker);
	request->file = f;
	request->flags = flags[random_below(seed, 4)];
	request->uid = model_users[random_below(seed, 2) ? random_below(seed, USERS) : 0];
	set_name(request->name, i);
	wanted = !queue ? -ENOENT :
		 request->flags != O_WRONLY && has_flag(queue, WEIR_POLICY_EXCLUSIVE) &&
		 is_received(queue) ? -EBUSY : 0;
	agree("open", ask(worker, work_open)->value, wanted);
	if (!wanted) {
		world.files[f].queue = queue;
		world.files[f].flags = request->flags;
		world.files[f].uid = request->uid;
		world.files[f].fd[worker] = true;
	}
}

static bool of_dead(const struct file *file)
{
	return file->queue->dead;
}

void step_close(__u64 *seed)
{
	int f, worker;

	if (!pick_descriptor(seed, random_below(seed, 2) ? of_dead : NULL, &f, &worker))
		return;
	prepare(worker)->file = f;
	agree("close", ask(worker, work_close)->value, 0);
	world.files[f].fd[worker] = false;
	check_open(&world.files[f]);
}

/* Another process gets a descriptor of the same open file description. */
void step_share(__u64 *seed)
{
	int f, worker, other;
	struct request *request;

	if (!pick_descriptor(seed, NULL, &f, &worker) || !pick_worker(seed, &other) ||
	    world.files[f].fd[other])
		return;
	request = prepare(other);
	request->file = f;
	request->pid = world.workers[worker].pid;
	agree("pidfd_getfd", ask(other, work_share)->value, 0);
	world.files[f].fd[other] = true;
}

/* A mapping keeps the description open. */
void step_map(__u64 *seed)
{
	struct file *file;
	int f, worker, wanted;

	if (!pick_descriptor(seed, may_read, &f, &worker))
		return;
	file = &world.files[f];
	if (file->mapped[worker])
		return;
	prepare(worker)->file = f;
	wanted = file->queue->private || !may_read(file) ? -EACCES : 0;
	if (file->queue->dead)
		wanted = -ESHUTDOWN;
	agree("mmap", ask(worker, work_map)->value, wanted);
	file->mapped[worker] = !wanted;
}

void step_unmap(__u64 *seed)
{
	int i, from = random_below(seed, FILES * WORKERS);

	for (i = 0; i < FILES * WORKERS; i++) {
		int f = (from + i) % (FILES * WORKERS) / WORKERS;
		int worker = (from + i) % WORKERS;

		if (!world.files[f].mapped[worker])
			continue;
		prepare(worker)->file = f;
		ask(worker, work_unmap);
		world.files[f].mapped[worker] = false;
		check_open(&world.files[f]);
		return;
	}
}

static bool pick_place(__u64 *seed, int *worker)
{
	int i, from = random_below(seed, WORKERS);

	for (i = 0; i < WORKERS; i++) {
		*worker = (from + i) % WORKERS;
		if (!world.workers[*worker].pid)
			return true;
	}
	return false;
}

void step_spawn(__u64 *seed)
{
	int worker;

	if (pick_place(seed, &worker))
		start_worker(worker, -1);
}

void step_fork(__u64 *seed)
{
	int worker, parent, i;

	if (!pick_worker(seed, &parent) || !pick_place(seed, &worker))
		return;
	start_worker(worker, parent);
	for (i = 0; i < FILES; i++)
		world.files[i].fd[worker] = world.files[i].fd[parent];
}

/*
 * Whether what has just gone may be somewhere else by now, or not: what died in a dead letter
 * queue; what was in a queue without a name, where there are receipts for it.
 */
static bool is_told(void)
{
	int i;

	for (i = 0; i < QUEUES; i++) {
		const struct queue *queue = world.queues[i];

		if (queue && (model_count(queue, DYING) ||
			      (queue->nr_receipts && is_reachable(queue))))
			return true;
	}
	return false;
}

/*
 * What it held is back at once for who receives next, in its old place in the
 * order; the figures may take a little longer.
 */
static void end(__u64 *seed, bool by_signal)
{
	int worker;
	bool told;

	if (!pick_worker(seed, &worker))
		return;
	end_worker(worker, by_signal);
	told = is_told();
	if (!told && random_below(seed, 2))
		step_fetch(seed);
	else if (!told && random_below(seed, 2))
		step_read(seed);
	settle_down();
}

void step_kill(__u64 *seed)
{
	end(seed, true);
}

void step_exit(__u64 *seed)
{
	end(seed, false);
}
