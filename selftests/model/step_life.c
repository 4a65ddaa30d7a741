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
	model_empty(queue);
}

static void destroy(__u64 *seed, int flags)
{
	int worker, i = random_below(seed, QUEUES), wanted = 0;
	struct queue *queue = world.queues[i];
	struct request *request;

	if (!pick_worker(seed, &worker))
		return;
	request = prepare(worker);
	set_name(request->name, i);
	request->flags = flags;
	if (!queue)
		wanted = -ENOENT;
	else if (!flags && (queue->held || is_open(queue)))
		wanted = -EBUSY;
	/* The observer has it open too, unless told otherwise. */
	if (queue && !(flags && random_below(seed, 2)))
		observe_close(queue);
	agree("destroy", ask(worker, work_destroy)->value, wanted);
	if (wanted == -EBUSY) {
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
	int worker, i = random_below(seed, QUEUES);
	struct queue *queue = world.queues[i];

	if (!pick_worker(seed, &worker))
		return;
	set_name(prepare(worker)->name, i);
	agree("purge", ask(worker, work_purge)->value, queue ? (__s64)model_purge(queue) : -ENOENT);
}

void step_open(__u64 *seed)
{
	static const int flags[] = { O_RDWR, O_RDWR, O_RDONLY, O_WRONLY };
	int worker, i = random_below(seed, QUEUES), f = 0;
	struct queue *queue = world.queues[i];
	struct request *request;

	while (f < FILES && world.files[f].queue)
		f++;
	if (f == FILES || !pick_worker(seed, &worker) || (!queue && random_below(seed, 10)))
		return;
	request = prepare(worker);
	request->file = f;
	request->flags = flags[random_below(seed, 4)];
	set_name(request->name, i);
	agree("open", ask(worker, work_open)->value, queue ? 0 : -ENOENT);
	if (queue) {
		world.files[f].queue = queue;
		world.files[f].flags = request->flags;
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
	model_check_open(&world.files[f]);
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
		model_check_open(&world.files[f]);
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
 * What it held is back at once for who receives next, in its old place in the
 * order; the figures may take a little longer.
 */
static void end(__u64 *seed, bool by_signal)
{
	bool dead = false;
	int worker, i;

	if (!pick_worker(seed, &worker))
		return;
	end_worker(worker, by_signal);
	/* What died with it may be in a dead letter queue by now, or not. */
	for (i = 0; i < QUEUES; i++)
		dead |= world.queues[i] && model_count(world.queues[i], DYING);
	if (!dead && random_below(seed, 2))
		step_fetch(seed);
	else if (!dead && random_below(seed, 2))
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

static void check_sysfs(const struct queue *queue, const struct weir_info *info)
{
	agree("sysfs depth", raw_figure(queue->name, "depth"), info->depth);
	agree("sysfs leased", raw_figure(queue->name, "leased"), info->leased);
	agree("sysfs delayed", raw_figure(queue->name, "delayed"), info->delayed);
	agree("sysfs pinned", raw_figure(queue->name, "pinned"), info->pinned);
	agree("sysfs expired", raw_figure(queue->name, "expired"), info->expired);
	agree("sysfs dying", raw_figure(queue->name, "dying"), info->dying);
	agree("sysfs dead", raw_figure(queue->name, "dead"), info->dead);
	agree("sysfs bytes", raw_figure(queue->name, "bytes"), info->bytes);
	agree("sysfs memory", raw_figure(queue->name, "memory"), info->memory);
	agree("sysfs sent", raw_figure(queue->name, "sent"), info->sent);
	agree("sysfs received", raw_figure(queue->name, "received"), info->received);
	agree("sysfs redelivered", raw_figure(queue->name, "redelivered"), info->redelivered);
	agree("sysfs settled", raw_figure(queue->name, "settled"), info->settled);
	agree("sysfs purged", raw_figure(queue->name, "purged"), info->purged);
	agree("sysfs consumers", raw_figure(queue->name, "consumers"), info->consumers);
}

/* Figures are compared after each step by name; here by descriptor, and in sysfs. */
void step_info(__u64 *seed)
{
	const struct queue *queue;
	struct request *request;
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
	agree("INFO depth", reply->info.depth, model_depth(queue));
	agree("INFO leased", reply->info.leased, model_count(queue, LEASED));
	agree("LAYOUT pool_length", reply->layout.pool_length, queue->pool_length);
	agree("LAYOUT index_length", reply->layout.index_length,
	      (__u64)queue->slots * sizeof(struct weir_desc));
	check_sysfs(queue, &reply->info);
}
