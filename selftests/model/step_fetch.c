// SPDX-License-Identifier: GPL-2.0 OR MIT
/* FETCH, in all its ways. */
#include "world.h"

#define LARGE		(300 << 10)
#define PAGE_SLOTS	64

/* What the model says that is taken. */
struct take {
	struct message *messages[1024];
	int count;
	struct weir_run runs[16];
	__u32 nr_runs;
	__u64 filled;
};

static __u64 record_size(const struct message *message)
{
	return sizeof(struct weir_desc) + (__u64)units_of(message->size) * WEIR_ALIGN;
}

static void pick_buffer(__u64 *seed, struct request *request)
{
	switch (random_below(seed, 4)) {
	case 0: request->fetch.buffer_len = random_below(seed, 500); break;
	case 1: request->fetch.buffer_len = random_below(seed, 9000); break;
	default: request->fetch.buffer_len = random_below(seed, 40) ? 10000 : LARGE; break;
	}
	request->there = (request->fetch.buffer_len + 7) & ~7ULL;
	if (!random_below(seed, 25))
		request->there = random_below(seed, 300) * 8;
	if (request->there > ((request->fetch.buffer_len + 7) & ~7ULL))
		request->there = (request->fetch.buffer_len + 7) & ~7ULL;
	if (!random_below(seed, 3))
		request->fetch.flags = WEIR_FETCH_SETTLED;
}

static void pick_fetch(__u64 *seed, const struct file *file, struct request *request)
{
	struct weir_fetch *fetch = &request->fetch;

	request->uring = !random_below(seed, 3);
	request->in_place = random_below(seed, 2) && (!file->queue->private ||
						      !random_below(seed, 10));
	request->bad_runs = !random_below(seed, 50);
	/* F3: what goes back then in place is put off as if it was released. */
	if (request->in_place && file->queue->policy.backoff_ns)
		request->bad_runs = false;
	fetch->nr_runs = 1 + random_below(seed, random_below(seed, 2) ? 20 : 3);
	fetch->max_messages = random_below(seed, 20) ? 1 + random_below(seed, 5) : ~0U;
	if (!random_below(seed, 6))
		fetch->max_messages = 1 + random_below(seed, 100);
	if (random_below(seed, 2))
		fetch->max_bytes = 1 + random_below(seed, 9000);
	if (!random_below(seed, 4))
		fetch->max_bytes = (1 + random_below(seed, 30)) * WEIR_ALIGN;
	fetch->timeout_ns = (__s64)random_below(seed, 3) - 1;
	if (!request->in_place)
		pick_buffer(seed, request);
	if (random_below(seed, 3))
		fetch->lease_ns = random_below(seed, 2) ? LONG_NS : WEIR_UNLIMITED;
	/* In place, and not told of: that may have ended before it is undone, or not. */
	else if (random_below(seed, 2) && !(request->in_place && request->bad_runs) &&
		 model_may_pin(file->queue))
		fetch->lease_ns = SHORT_NS;
	/* How many were taken is not told then: not so many that runs are all used up. */
	if (request->bad_runs || request->there < fetch->buffer_len) {
		fetch->nr_runs = 16;
		fetch->max_messages = 1 + random_below(seed, 15);
	}
	/* What is where cannot be learnt from what fails. */
	if (unseen(file->queue) && (request->bad_runs ||
				     request->there < fetch->buffer_len))
		fetch->max_messages = 1;
}

static bool spoil_fetch(__u64 *seed, struct request *request)
{
	if (random_below(seed, 60))
		return false;
	switch (random_below(seed, 4)) {
	case 0: request->fetch.flags |= 2 << random_below(seed, 30); break;
	case 1: request->fetch.nr_runs = 0; break;
	case 2: request->fetch.max_messages = 0; break;
	case 3:
		if (!request->in_place)
			return false;
		request->fetch.buffer_len = 1;
		break;
	}
	return true;
}

/* Notes @slot in the last run or in a new one. */
static bool note(struct take *take, __u32 max_runs, const struct message *message, __u32 slot)
{
	struct weir_run *run = &take->runs[take->nr_runs - 1];

	if (take->nr_runs && run->slot + run->count == slot &&
	    run->offset + run->count == message->offset &&
	    run->deliveries == message->deliveries + 1) {
		run->count++;
		return true;
	}
	if (take->nr_runs == max_runs)
		return false;
	take->runs[take->nr_runs++] = (struct weir_run){
		.offset = message->offset, .slot = slot, .count = 1,
		.deliveries = message->deliveries + 1,
	};
	return true;
}

/*
 * The last run may end before @message, though that would go on with it: slots are in
 * pages, and what differs in what it wishes, or is looked for anew, is not put together.
 * Of what is ranked it is not told how much is taken together.
 */
static bool may_end(const struct take *take, const struct queue *queue,
		    const struct message *message)
{
	const struct message *last = take->messages[take->count - 1];

	return (message->placed && message->slot % PAGE_SLOTS == 0) ||
	       message->ranked || last->ranked || queue->policy.starve_after;
}

/* Leases what is to be taken: 0, -EAGAIN, -EBUSY, -EMSGSIZE. */
static int model_take(struct file *file, int worker, const struct request *request,
		      const struct reply *reply, struct take *take)
{
	const struct weir_fetch *fetch = &request->fetch;
	__u32 max_runs = fetch->nr_runs < 16 ? fetch->nr_runs : 16;
	__u64 bytes = 0, record, at = 0;
	struct message *message;
	__s64 most;

	most = model_admit(file, worker);
	if (most < 0)
		return most;
	while (take->count < fetch->max_messages && take->count < most) {
		const struct weir_desc *desc = (const struct weir_desc *)(reply->data + at);
		bool told = take->count < reply->value;

		message = model_next(file->queue);
		if (!message)
			break;
		record = record_size(message);
		bytes += record - sizeof(*desc);
		if (take->count && fetch->max_bytes && bytes > fetch->max_bytes)
			break;
		if (!request->in_place && take->filled + record > fetch->buffer_len) {
			if (take->count)
				break;
			take->filled = record;
			return -EMSGSIZE;
		}
		/* Where it is can only be known from the answer, and if not there... */
		if (!message->placed && !told && take->count && take->nr_runs == max_runs)
			break;
		if (take->nr_runs == max_runs && take->count == reply->value &&
		    may_end(take, file->queue, message))
			break;
		if (!note(take, max_runs, message,
			  message->placed ? message->slot : told ? desc->slot : 0))
			break;
		model_lease(file->queue, message, file, worker, request->in_place);
		message->ends = fetch->lease_ns == SHORT_NS;
		message->endless = (fetch->lease_ns ?: file->queue->policy.lease_ns) ==
				   WEIR_UNLIMITED;
		take->messages[take->count++] = message;
		take->filled += request->in_place ? 0 : record;
		at += record;
	}
	return take->count ? 0 : -EAGAIN;
}

static void put_back(struct queue *queue, const struct take *take)
{
	int i;

	for (i = 0; i < take->count; i++)
		model_put_back(queue, take->messages[i], NOW);
}

static bool copy_fails(const struct request *request, const struct take *take)
{
	__u64 at = 0;
	int i;

	for (i = 0; i < take->count; i++) {
		if (at + sizeof(struct weir_desc) + take->messages[i]->size > request->there)
			return true;
		at += record_size(take->messages[i]);
	}
	return false;
}

/* One record at @at of what the worker read in place or got copied. */
static void check_record(struct queue *queue, struct message *message,
			 const struct request *request, const unsigned char *data, __u64 at)
{
	bool in_place = request->in_place;
	const struct weir_desc *desc = (const struct weir_desc *)(data + at);
	const unsigned char *bytes = (const unsigned char *)(desc + 1);
	__u32 i, space = units_of(message->size) * WEIR_ALIGN;

	compare_desc(message, desc);
	if (in_place && message->has_pos)
		agree("desc.pos", desc->pos, message->pos);
	if (!in_place)
		agree("desc.pos in the buffer", desc->pos, at + sizeof(*desc));
	if (!message->placed)
		observe_place(queue, message, desc);
	if (memcmp(bytes, message->bytes, message->size))
		disagree("the bytes of message %llu", message->offset);
	/* A buffer need not be there behind the last byte. */
	for (i = message->size; i < space; i++)
		if ((in_place && bytes[i]) ||
		    (!in_place && &bytes[i] < data + request->there && bytes[i] != 0xa5))
			disagree("byte %u of message %llu, behind its %u", i, message->offset,
				 message->size);
}

static void check_runs(const struct take *take, const struct reply *reply)
{
	__u32 i;

	agree("nr_runs", reply->fetch.nr_runs, take->nr_runs);
	for (i = 0; i < take->nr_runs; i++) {
		const struct weir_run *got = &reply->runs[i], *wanted = &take->runs[i];

		agree("run.offset", got->offset, wanted->offset);
		agree("run.slot", got->slot, wanted->slot);
		agree("run.count", got->count, wanted->count);
		agree("run.deliveries", got->deliveries, wanted->deliveries);
		agree("run", memcmp(got, wanted, sizeof(*got)), 0);
	}
	check_untouched("runs", (const unsigned char *)reply->runs,
			take->nr_runs * sizeof(*take->runs), sizeof(reply->runs));
}

/* Taking, once the arguments and the settlements are through. */
static __s64 fetch_messages(struct file *file, int worker, const struct request *request,
			    const struct reply *reply)
{
	bool settle = request->fetch.flags & WEIR_FETCH_SETTLED;
	static struct take take;
	__u64 at = 0;
	int ret, i;

	memset(&take, 0, sizeof(take));
	ret = model_take(file, worker, request, reply, &take);
	if (ret == -EMSGSIZE) {
		agree("buffer_len needed", reply->fetch.buffer_len, take.filled);
		agree("nr_runs", reply->fetch.nr_runs, 0);
	}
	if (ret)
		return ret;
	if (request->bad_runs || (!request->in_place && copy_fails(request, &take))) {
		put_back(file->queue, &take);
		return -EFAULT;
	}
	agree("value", reply->value, take.count);
	agree("buffer_len", reply->fetch.buffer_len, take.filled);
	check_runs(&take, reply);
	for (i = 0; i < take.count; i++) {
		check_record(file->queue, take.messages[i], request, reply->data, at);
		at += record_size(take.messages[i]);
		if (settle)
			model_settle(file->queue, take.messages[i], WEIR_OUTCOME_TAKEN);
	}
	if (!request->in_place)
		check_untouched("buffer", reply->data, at, request->there);
	return take.count;
}

void step_fetch(__u64 *seed)
{
	struct request *request;
	struct reply *reply;
	struct file *file;
	int f, worker;
	__s64 wanted;
	bool spoilt;

	if (!pick_descriptor(seed, can_receive, &f, &worker))
		return;
	file = &world.files[f];
	request = prepare(worker);
	request->file = f;
	pick_fetch(seed, file, request);
	if (!random_below(seed, 3))
		pick_runs(seed, file, request, false);
	spoilt = spoil_fetch(seed, request);
	reply = ask(worker, work_fetch);

	if (file->queue->dead) {
		wanted = -ESHUTDOWN;
	} else if (!may_read(file)) {
		wanted = -EACCES;
	} else if (spoilt) {
		wanted = -EINVAL;
	} else if (request->in_place && file->queue->private) {
		wanted = -EACCES;
	} else {
		check_settled(file, request, reply);
		file->consumer[worker] = true;
		wanted = fetch_messages(file, worker, request, reply);
	}
	/* F2: through io_uring the arguments of a FETCH are looked at before that. */
	if (wanted == -ESHUTDOWN && request->uring && (spoilt || !may_read(file) ||
						       (request->in_place && file->queue->private)))
		return;
	agree("value", reply->value, wanted);
	if (wanted < 0 && wanted != -EMSGSIZE)
		agree("buffer_len after an error", reply->fetch.buffer_len,
		      request->fetch.buffer_len);
}
