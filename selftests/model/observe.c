// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <sys/mman.h>

#include "../proc.h"
#include "world.h"

#define PAGE		4096
#define PAGE_SLOTS	(PAGE / sizeof(struct weir_desc))
#define PAGE_UNITS	(PAGE / WEIR_ALIGN)

static void *map(const struct queue *queue, __u64 offset, __u64 length)
{
	void *memory = mmap(NULL, length, PROT_READ, MAP_SHARED, queue->fd, offset);

	if (memory == MAP_FAILED)
		disagree("observer: mmap(%llu, %llu): %s", offset, length, strerror(errno));
	return memory;
}

static void observe_map(struct queue *queue)
{
	struct weir_layout layout = { 0 };

	agree("observer: LAYOUT", raw_ioctl(queue->fd, WEIR_IOC_LAYOUT, &layout), 0);
	queue->pool_length = layout.pool_length;
	queue->slots = layout.index_length / sizeof(struct weir_desc);
	if (queue->slots < queue->most_messages)
		disagree("%u slots for %llu messages", queue->slots, queue->most_messages);
	if (queue->private)
		return;
	queue->index = map(queue, layout.index_offset, layout.index_length);
	queue->pool = map(queue, layout.pool_offset, layout.pool_length);
}

/* What was there before he came, he finds. */
static void observe_found(struct queue *queue)
{
	int i;

	for (i = 0; i < queue->held; i++) {
		struct message *message = queue->messages[i];
		const struct weir_desc *desc = observe_find(queue, message->offset);

		if (!desc)
			disagree("message %llu is in no slot", message->offset);
		observe_place(queue, message, desc);
	}
}

/* A worker who has a descriptor of it, and of which file; or -1. */
static int holder_of(const struct queue *queue, int *file)
{
	int f, worker;

	for (f = 0; f < FILES; f++)
		for (worker = 0; worker < WORKERS; worker++)
			if (world.files[f].queue == queue && world.files[f].fd[worker]) {
				*file = f;
				return worker;
			}
	return -1;
}

bool is_reachable(const struct queue *queue)
{
	int file;

	return !queue->anonymous || holder_of(queue, &file) >= 0;
}

bool unseen(const struct queue *queue)
{
	if (queue->anonymous)
		return queue->private || queue->dead || !is_reachable(queue);
	return !queue->index;
}

void observe_need(struct queue *queue)
{
	int file, worker;

	if (!queue->anonymous || queue->fd >= 0)
		return;
	worker = holder_of(queue, &file);
	if (worker < 0)
		disagree("nobody has it open any more");
	queue->fd = proc_get_fd(world.workers[worker].pid, FD_BASE + file);
	if (queue->fd < 0)
		disagree("observer: pidfd_getfd: %s", strerror(-queue->fd));
}

void observe_look(struct queue *queue)
{
	if (!queue->anonymous || queue->index)
		return;
	observe_need(queue);
	observe_map(queue);
}

void observe_away(void)
{
	int i;

	for (i = NAMES; i < QUEUES; i++)
		if (world.queues[i])
			observe_close(world.queues[i]);
}

void observe_open(struct queue *queue)
{
	queue->fd = raw_open(queue->name, O_RDONLY | O_NONBLOCK);
	if (queue->fd < 0)
		disagree("observer: open: %s", strerror(-queue->fd));
	queue->slots_there = 0;
	observe_map(queue);
	if (!queue->private)
		observe_found(queue);
}

void observe_close(struct queue *queue)
{
	if (queue->fd < 0)
		return;
	if (queue->index) {
		munmap((void *)queue->index, queue->slots * sizeof(struct weir_desc));
		munmap((void *)queue->pool, queue->pool_length);
	}
	queue->index = NULL;
	queue->pool = NULL;
	close(queue->fd);
	queue->fd = -1;
}

void compare_desc(const struct message *message, const struct weir_desc *desc)
{
	agree("desc.offset", desc->offset, message->offset);
	agree("desc.stamp_ns", desc->stamp_ns, message->placed ? message->stamp : desc->stamp_ns);
	agree("desc.len", desc->len, message->spec.len);
	agree("desc.headers_len", desc->headers_len, message->spec.headers_len);
	agree("desc.key_len", desc->key_len, message->spec.key_len);
	agree("desc.priority", desc->priority, message->priority);
	agree("desc.flags", desc->flags, message->asks ? WEIR_DESC_REPLY : 0);
	agree("desc.deliveries", desc->deliveries, message->deliveries);
	agree("desc.uid", desc->uid, message->spec.uid);
	agree("desc.gid", desc->gid, 0);
	agree("desc.pid", desc->pid, message->pid);
	agree("desc.slot", desc->slot, message->placed ? message->slot : desc->slot);
	agree("first_ns is set", !!desc->first_ns, message->deliveries > 0);
}

/* Its slot is nobody else's, and so is its place, if that can be seen. */
void observe_place(struct queue *queue, struct message *message, const struct weir_desc *desc)
{
	__u64 end = desc->pos + (__u64)units_of(message->size) * WEIR_ALIGN;
	int i;

	compare_desc(message, desc);
	if (queue->slots && desc->slot >= queue->slots)
		disagree("slot %u of %u", desc->slot, queue->slots);
	if (model_in_slot(queue, desc->slot, message))
		disagree("slot %u is message %llu's too", desc->slot,
			 model_in_slot(queue, desc->slot, message)->offset);
	message->placed = true;
	message->slot = desc->slot;
	message->stamp = desc->stamp_ns;
	if (unseen(queue))
		return;
	if (desc->pos % WEIR_ALIGN || end > queue->pool_length)
		disagree("message %llu is at %llu", message->offset, desc->pos);
	message->pos = desc->pos;
	message->has_pos = true;
	for (i = 0; i < queue->held; i++) {
		const struct message *other = queue->messages[i];
		__u64 other_end = other->pos + (__u64)units_of(other->size) * WEIR_ALIGN;

		if (other != message && other->has_pos && other->size && message->size &&
		    other->pos < end && message->pos < other_end)
			disagree("messages %llu and %llu overlap at %llu", message->offset,
				 other->offset, message->pos);
	}
}

/* Offsets are used once, so what was left in other slots has others. */
const struct weir_desc *observe_find(struct queue *queue, __u64 offset)
{
	__u32 slot;

	observe_look(queue);
	for (slot = 0; slot < queue->slots; slot++) {
		const struct weir_desc *desc = &queue->index[slot];

		if (slot == queue->slots_there) {
			if (madvise((void *)desc, PAGE, MADV_POPULATE_READ))
				break;
			queue->slots_there += PAGE_SLOTS;
		}
		if (desc->offset == offset && desc->stamp_ns)
			return desc;
	}
	return NULL;
}

void observe_sent(struct queue *queue, int count)
{
	int i;

	for (i = queue->held - count; !unseen(queue) && i < queue->held; i++) {
		const struct weir_desc *desc = observe_find(queue, queue->messages[i]->offset);

		/* It may be dead and gone. */
		if (!desc && queue->messages[i]->ttl == SHORT_NS)
			continue;
		if (!desc)
			disagree("message %llu is in no slot", queue->messages[i]->offset);
		agree("observer: slot", desc->slot, desc - queue->index);
		observe_place(queue, queue->messages[i], desc);
	}
}

void observe_all(struct queue *queue, bool whole)
{
	int i;

	if (unseen(queue) || (queue->anonymous && !whole))
		return;
	observe_look(queue);
	for (i = 0; i < queue->held; i++) {
		const struct message *message = queue->messages[i];
		const struct weir_desc *desc = &queue->index[message->slot];

		if (!message->placed)
			continue;
		compare_desc(message, desc);
		agree("observer: pos", desc->pos, message->pos);
		if (whole && memcmp(queue->pool + desc->pos, message->bytes, message->size))
			disagree("observer: the bytes of message %llu", message->offset);
	}
}

/*
 * One page may be held for the next small message, and nobody can tell which. So
 * there is place when there would be twice.
 */
bool observe_fits(const struct queue *queue, __u32 size)
{
	__u64 pages = queue->pool_length / PAGE, page, run = 0, places = 0;
	__u32 wanted = (units_of(size) + PAGE_UNITS - 1) / PAGE_UNITS;
	int i;

	if (!wanted)
		return true;
	/* Where receipts are to be, nobody can tell. */
	if (queue->owed)
		return false;
	for (page = 0; page < pages && places < 2; page++) {
		for (i = 0; i < queue->held; i++) {
			const struct message *other = queue->messages[i];
			__u64 end = other->pos + (__u64)units_of(other->size) * WEIR_ALIGN;

			if (!other->has_pos || unseen(queue))
				return false;
			if (other->size && other->pos / PAGE <= page && page * PAGE < end)
				break;
		}
		run = i == queue->held ? run + 1 : 0;
		if (run == wanted) {
			places++;
			run = 0;
		}
	}
	return places == 2;
}
