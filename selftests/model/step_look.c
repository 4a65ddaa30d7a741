// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The steps of who only looks, and of who says who he is. */
#include "world.h"

static __u32 state_of(const struct message *message)
{
	switch (message->state) {
	case READY: return message->behind ? WEIR_BROWSE_BEHIND : WEIR_BROWSE_READY;
	case LEASED: return WEIR_BROWSE_LEASED;
	case DELAYED: return WEIR_BROWSE_DELAYED;
	case DYING: return WEIR_BROWSE_DYING;
	default: return 0;
	}
}

/* Of times that end in no run; @is_over: at once. */
static void check_left(const char *what, __u64 left, bool endless, bool is_over)
{
	if (endless)
		agree(what, left, WEIR_UNLIMITED);
	else if (is_over ? left : !left || left == WEIR_UNLIMITED)
		disagree("%s: %llu ns are left", what, left);
}

static void check_holder(const struct message *message, const struct weir_browsed *got)
{
	const char *name = "";
	__u32 pid = 0;

	if (message->state == LEASED) {
		pid = world.workers[message->worker].pid;
		name = message->file->names[message->worker];
	} else if (message->state == DYING) {
		pid = message->holder_pid;
		name = message->holder;
	}
	agree("holder_pid", got->holder_pid, pid);
	agree("holder_uid", got->holder_uid, 0);
	agree("holder", strncmp(got->holder, name, sizeof(got->holder)), 0);
}

static void check_browsed(struct queue *queue, struct message *message,
			  const struct weir_browsed *got, __u64 at, bool payload)
{
	static const __u64 reserved[4];

	agree("state", got->state, state_of(message));
	compare_desc(message, &got->desc);
	if (!message->placed) {
		message->placed = true;
		message->slot = got->desc.slot;
		message->stamp = got->desc.stamp_ns;
	}
	agree("size of a record", got->size,
	      sizeof(*got) + (payload ? units_of(message->size) * WEIR_ALIGN : 0));
	agree("desc.pos", got->desc.pos, payload ? at + sizeof(*got) : 0);
	if (payload && memcmp(got + 1, message->bytes, message->size))
		disagree("the bytes of message %llu", message->offset);
	check_left("left_ns", got->left_ns, message->state == LEASED ? message->endless :
					    message->state != DELAYED, false);
	check_left("expires_ns", got->expires_ns, !message->ttl, message->ttl == SHORT_NS);
	check_holder(message, got);
	agree("reserved", memcmp(got->reserved, reserved, sizeof(reserved)), 0);
}

static bool is_wanted(const struct message *message, const struct weir_browse *browse)
{
	__u32 state = state_of(message);

	return (browse->states ? browse->states & state : state) &&
	       message->offset >= browse->first &&
	       (!browse->end || message->offset < browse->end);
}

/* What was told is what there is: each once, by its slot. */
static __s64 check_told(struct queue *queue, const struct weir_browse *browse,
			const struct reply *reply)
{
	__s64 wanted = 0, slot = -1;
	__u64 at = 0;
	int i;

	model_behind(queue);
	for (i = 0; i < queue->held; i++)
		wanted += is_wanted(queue->messages[i], browse);
	for (i = 0; i < reply->value; i++) {
		const struct weir_browsed *got = (const void *)(reply->data + at);
		struct message *message = model_find(queue, got->desc.offset);

		if (!message || !is_wanted(message, browse))
			disagree("message %llu is told of", got->desc.offset);
		if (got->desc.slot <= slot)
			disagree("slot %u after %lld", got->desc.slot, slot);
		slot = got->desc.slot;
		check_browsed(queue, message, got, at, browse->flags & WEIR_BROWSE_PAYLOAD);
		at += got->size;
	}
	return wanted;
}

static void pick_browse(__u64 *seed, const struct queue *queue, struct weir_browse *browse)
{
	if (random_below(seed, 2))
		browse->states = random_below(seed, WEIR_BROWSE_STATES + 1);
	if (!random_below(seed, 3))
		browse->first = random_below(seed, queue->sent + 2);
	if (!random_below(seed, 3))
		browse->end = random_below(seed, queue->sent + 2);
	if (random_below(seed, 2))
		browse->flags = WEIR_BROWSE_PAYLOAD;
	browse->buffer_len = random_below(seed, random_below(seed, 2) ? 20000 : 1000);
	switch (random_below(seed, 60)) {
	case 0: browse->flags |= 2; break;
	case 1: browse->states |= WEIR_BROWSE_STATES + 1; break;
	case 2: browse->reserved = 1; break;
	}
}

/* To its end, with a buffer that is made larger when the next one does not fit. */
void step_browse(__u64 *seed)
{
	struct weir_browse *browse;
	struct request *request;
	struct queue *queue;
	struct reply *reply;
	int f, worker;
	__s64 wanted;

	if (!pick_descriptor(seed, may_read, &f, &worker))
		return;
	queue = world.files[f].queue;
	request = prepare(worker);
	request->file = f;
	request->uring = !random_below(seed, 3);
	browse = &request->browse;
	pick_browse(seed, queue, browse);
	reply = ask(worker, work_browse);
	if (queue->dead)
		wanted = -ESHUTDOWN;
	else if (!may_read(&world.files[f]))
		wanted = -EACCES;
	else if (browse->flags > WEIR_BROWSE_PAYLOAD || browse->states > WEIR_BROWSE_STATES ||
		 browse->reserved)
		wanted = -EINVAL;
	else
		wanted = check_told(queue, browse, reply);
	agree("told of", reply->value, wanted);
}

void step_name(__u64 *seed)
{
	struct request *request;
	struct file *file;
	int f, worker, wanted = 0;
	__u32 i, length;

	if (!pick_descriptor(seed, may_read, &f, &worker))
		return;
	file = &world.files[f];
	request = prepare(worker);
	request->file = f;
	request->uring = !random_below(seed, 3);
	request->flags = !random_below(seed, 40);
	length = random_below(seed, random_below(seed, 4) ? 10 : WEIR_CONSUMER_NAME_SIZE);
	if (!random_below(seed, 40))
		length = WEIR_CONSUMER_NAME_SIZE, wanted = -ENAMETOOLONG;
	for (i = 0; i < length; i++)
		request->name[i] = ' ' + random_below(seed, 95);
	if (!wanted && length && !random_below(seed, 40))
		request->name[random_below(seed, length)] = '\n', wanted = -EINVAL;
	if (request->flags)
		wanted = -EINVAL;
	if (!may_read(file))
		wanted = -EACCES;
	if (file->queue->dead)
		wanted = -ESHUTDOWN;
	agree("name", ask(worker, work_name)->value, wanted);
	if (wanted)
		return;
	file->consumer[worker] = true;
	memcpy(file->names[worker], request->name, WEIR_CONSUMER_NAME_SIZE);
}
