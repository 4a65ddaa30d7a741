// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The steps that move messages. */
#include "world.h"

/* Expects every 0xa5 that was there before. */
void check_untouched(const char *what, const unsigned char *bytes, __u64 from, __u64 to)
{
	if (from < to && (bytes[from] != 0xa5 ||
			  memcmp(bytes + from, bytes + from + 1, to - from - 1)))
		disagree("%s: more than its %llu bytes were written", what, from);
}

static __u32 pick_len(__u64 *seed, const struct queue *queue)
{
	__u32 most = queue->max_size;

	switch (random_below(seed, 40)) {
	case 0: return 0;
	case 1: return 63 + random_below(seed, 3);
	case 2: return 4095 + random_below(seed, 3);
	case 3: return 1 + random_below(seed, most);
	case 4: return most - random_below(seed, 3);
	case 5: return random_below(seed, 8) ? 1 : most + 1;
	case 6 ... 8: return 1 + random_below(seed, most < 3000 ? most : 3000);
	default: return 1 + random_below(seed, 150);
	}
}

/* It waits for no time, or for ever; or it is never delivered. */
static void pick_wishes(__u64 *seed, const struct queue *queue, struct spec *spec)
{
	struct weir_options *options = &spec->options;

	spec->wishes = true;
	options->priority = random_below(seed, queue->policy.priorities);
	if (!random_below(seed, 4))
		options->delay_ns = random_below(seed, 20) ? SHORT_NS : LONG_NS;
	if (!random_below(seed, 8)) {
		options->flags = WEIR_OPTION_AT;
		options->delay_ns = random_below(seed, 20) ? PAST_AT : LONG_AT;
	}
	if (!random_below(seed, 4))
		options->ttl_ns = random_below(seed, 3) ? LONG_NS : SHORT_NS;
}

static void pick_spec(__u64 *seed, const struct queue *queue, struct spec *spec)
{
	*spec = (struct spec){ .len = pick_len(seed, queue), .seed = random_next(seed) };
	if (!random_below(seed, 3))
		spec->key_len = random_below(seed, 20) ? 1 + random_below(seed, 40) : WEIR_KEY_MAX;
	if (!random_below(seed, 4))
		spec->headers_len = random_below(seed, 40) ? 16 + 8 * random_below(seed, 24) :
							     WEIR_HEADERS_MAX;
	if (!random_below(seed, queue->policy.priorities > 1 ? 2 : 6))
		pick_wishes(seed, queue, spec);
	if (random_below(seed, 12))
		return;
	spec->wrong = 1 + random_below(seed, NR_WRONG - 1);
	/* There has to be something that can be wrong, and nothing else. */
	spec->len = 2 + random_below(seed, 200);
	if (spec->key_len > 40)
		spec->key_len = 40;
	if (spec->headers_len > 200)
		spec->headers_len = 200;
	if (spec->wrong == WRONG_KEY && !spec->key_len)
		spec->key_len = 9;
	if (spec->wrong >= WRONG_HEADERS && !spec->headers_len)
		spec->headers_len = 16 + 8 * random_below(seed, 8);
	if (spec->wrong >= WRONG_OPTIONS)
		spec->wishes = true;
	if (spec->wrong == WRONG_NO_OPTIONS)
		spec->wishes = false;
	if (spec->wrong == WRONG_PRIORITY)
		spec->options.priority = random_below(seed, 2) ? queue->policy.priorities : ~0U;
	if (spec->wrong == WRONG_OPTION_FLAGS)
		spec->options.flags |= 0x80000000U;
}

/*
 * What was sent is in the model from here on. Fewer may have been taken than
 * there is room for when what is free is in pieces.
 */
static void check_sent(struct queue *queue, int worker, __s64 value, __s64 wanted)
{
	const struct spec *specs = world.workers[worker].channel->request.specs;
	int taken = value > 0 ? value : 0, i;
	bool in_pieces = wanted > 0 && value < wanted && (value > 0 || value == -EAGAIN);

	if (!in_pieces)
		agree("value", value, wanted);
	for (i = 0; i < taken; i++)
		model_send(queue, &specs[i], world.workers[worker].pid);
	observe_sent(queue, taken);
	if (in_pieces && observe_fits(queue, spec_size(&specs[taken])))
		disagree("%lld of %lld taken, and %u bytes have place", value, wanted,
			 spec_size(&specs[taken]));
}

void step_send(__u64 *seed)
{
	int f, worker, i, wanted;
	struct request *request;
	struct reply *reply;
	struct queue *queue;

	if (!pick_descriptor(seed, can_send, &f, &worker))
		return;
	queue = world.files[f].queue;
	request = prepare(worker);
	request->file = f;
	request->uring = !random_below(seed, 3);
	request->timeout_ns = (__s64)random_below(seed, 3) - 1;
	request->flags = !random_below(seed, 200);
	request->bad_runs = !random_below(seed, 100);
	request->count = random_below(seed, 100) ? 1 + random_below(seed, 8) : 0;
	if (!random_below(seed, 5))
		request->count = 1 + random_below(seed, BATCH);
	for (i = 0; i < request->count; i++)
		pick_spec(seed, queue, &request->specs[i]);

	wanted = model_admits(queue, request->specs, request->count);
	if (request->bad_runs)
		wanted = -EFAULT;
	if (request->flags || !request->count)
		wanted = -EINVAL;
	if (!may_write(&world.files[f]))
		wanted = -EACCES;
	if (queue->dead)
		wanted = -ESHUTDOWN;
	reply = ask(worker, work_send);
	agree("first_offset", reply->first_offset, reply->value > 0 ? queue->sent : ~0ULL);
	check_sent(queue, worker, reply->value, wanted);
}

void step_write(__u64 *seed)
{
	struct request *request;
	struct reply *reply;
	struct queue *queue;
	int f, worker, wanted;

	if (!pick_descriptor(seed, can_send, &f, &worker))
		return;
	queue = world.files[f].queue;
	request = prepare(worker);
	request->file = f;
	request->specs[0] = (struct spec){ .len = pick_len(seed, queue),
					   .seed = random_next(seed) };
	request->length = request->there = request->specs[0].len;
	if (!random_below(seed, 30) && request->length) {
		request->there = random_below(seed, request->length);
		request->specs[0].wrong = WRONG_DATA_END;
	}
	request->parts = random_below(seed, 2) ? 0 : 1 + random_below(seed, 5);

	wanted = model_admits(queue, request->specs, 1);
	/* It is too large for a queue that is gone, too. */
	if (request->length > queue->max_size)
		wanted = -EMSGSIZE;
	if (!request->length)
		wanted = 0;
	if (!may_write(&world.files[f]))
		wanted = -EBADF;
	reply = ask(worker, work_write);
	if (reply->value > 0) {
		agree("bytes", reply->value, request->length);
		reply->value = 1;
	}
	check_sent(queue, worker, reply->value, wanted);
}

/* Of what is next, or of its rest: bytes, and the model goes on. */
static __s64 read_message(struct file *file, int worker, __u64 length, __u64 there,
			  const unsigned char *data)
{
	struct message *message = file->partial;
	__u32 at = message ? file->partial_at : 0;
	__u64 rest, n;

	if (!message) {
		message = model_next(file->queue);
		if (!message)
			return -EAGAIN;
		model_lease(file->queue, message, file, worker, false);
	}
	message->worker = worker;
	file->partial = NULL;
	rest = message->spec.len - at;
	if (rest > length)
		rest = length;
	n = rest < there ? rest : there;
	if (memcmp(data, message->bytes + at, n))
		disagree("the bytes of message %llu from %u on", message->offset, at);
	check_untouched("read", data, n, there);
	if (at + n == message->spec.len) {
		model_settle(file->queue, message);
	} else if (at + n) {
		file->partial = message;
		file->partial_at = at + n;
	} else {
		model_put_back(file->queue, message, NOW);
	}
	return n || !rest ? (__s64)n : -EFAULT;
}

void step_read(__u64 *seed)
{
	struct request *request;
	struct reply *reply;
	struct file *file;
	int f, worker;
	__s64 wanted;

	if (!pick_descriptor(seed, can_receive, &f, &worker))
		return;
	file = &world.files[f];
	request = prepare(worker);
	request->file = f;
	request->length = random_below(seed, 3) ? 4200 : random_below(seed, 300);
	if (!random_below(seed, 10))
		request->length = 100000;
	if (!random_below(seed, 6))
		request->length = random_below(seed, 9000);
	request->there = request->length;
	if (!random_below(seed, 30))
		request->there = random_below(seed, random_below(seed, 2) ? 5000 : 50);
	if (request->there > request->length)
		request->there = request->length;
	request->parts = random_below(seed, 2) ? 0 : 1 + random_below(seed, 5);
	reply = ask(worker, work_read);

	if (!may_read(file)) {
		wanted = -EBADF;
	} else if (!request->length) {
		wanted = 0;
	} else {
		file->consumer[worker] = true;
		wanted = file->queue->dead ? -ESHUTDOWN :
			 read_message(file, worker, request->length, request->there, reply->data);
	}
	agree("value", reply->value, wanted);
}

/* A run of what @file has leased, as long as it goes; or of any other. */
static bool pick_lease(__u64 *seed, const struct file *file, bool foreign, struct weir_run *run)
{
	const struct queue *queue = file->queue;
	int i, from = queue->held ? random_below(seed, queue->held) : 0;
	__u32 most = 1 + random_below(seed, 30);

	for (i = 0; i < queue->held; i++) {
		const struct message *message = queue->messages[(from + i) % queue->held];

		if (message->state != LEASED || !message->placed ||
		    (message->file != file) != foreign)
			continue;
		*run = (struct weir_run){ .offset = message->offset, .slot = message->slot,
					  .deliveries = message->deliveries };
		do {
			run->count++;
			message = model_find((struct queue *)queue, run->offset + run->count);
		} while (run->count < most && message && message->state == LEASED &&
			 message->placed && message->file->queue == queue &&
			 (message->file != file) == foreign &&
			 message->slot == run->slot + run->count &&
			 message->deliveries == run->deliveries);
		return true;
	}
	return false;
}

static void spoil_run(__u64 *seed, struct weir_run *run)
{
	switch (random_below(seed, 8)) {
	case 0: run->deliveries++; break;
	case 1: run->slot++; break;
	case 2: run->offset++; break;
	case 3: run->count++; break;
	case 4: run->count = random_below(seed, 2) ? 0 : 1025; break;
	case 5: run->op = WEIR_TERM + 1 + random_below(seed, 1000); break;
	case 6: run->op = random_below(seed, 2) ? WEIR_ACK : WEIR_TERM, run->delay_ms = 1; break;
	case 7: run->slot = -run->count; break;
	}
}

/* What @file has lost in place, as it had it, as long as that goes. */
static bool pick_late(__u64 *seed, const struct file *file, struct weir_run *run)
{
	const struct queue *queue = file->queue;
	int i, from = queue->held ? random_below(seed, queue->held) : 0;

	for (i = 0; i < queue->held; i++) {
		const struct message *message = queue->messages[(from + i) % queue->held];

		if (!message->nr_pins || !message->placed)
			continue;
		*run = (struct weir_run){
			.offset = message->offset, .slot = message->slot,
			.count = 1 + random_below(seed, 3),
		};
		i = random_below(seed, message->nr_pins);
		run->deliveries = message->pins[i].deliveries;
		return true;
	}
	return false;
}

/* Times of the last run may be over when the call returns; of others it could not be told. */
static void pick_fate(__u64 *seed, const struct queue *queue, struct weir_run *run, bool last,
		      bool times)
{
	run->op = random_below(seed, 3) ? WEIR_ACK :
		  random_below(seed, 3) ? WEIR_RELEASE : WEIR_EXTEND;
	if (!random_below(seed, 6))
		run->op = WEIR_TERM;
	if (run->op == WEIR_RELEASE && !times && queue->policy.backoff_ns == SHORT_NS)
		run->op = WEIR_ACK;
	if (run->op == WEIR_ACK || run->op == WEIR_TERM)
		return;
	if (!random_below(seed, run->op == WEIR_RELEASE ? 25 : 2))
		run->delay_ms = LONG_MS + random_below(seed, 1000);
	else if (last && random_below(seed, 2))
		run->delay_ms = SHORT_MS;
}

void pick_runs(__u64 *seed, const struct file *file, struct request *request, bool times)
{
	int i;

	request->nr_settle = 1 + random_below(seed, random_below(seed, 5) ? 3 : SETTLES);
	for (i = 0; i < request->nr_settle; i++) {
		struct weir_run *run = &request->settle[i];

		if (random_below(seed, 6) || !pick_late(seed, file, run)) {
			if (!pick_lease(seed, file, !random_below(seed, 15), run))
				*run = (struct weir_run){
					.offset = random_below(seed, file->queue->sent + 2),
					.slot = file->queue->private ? 1 << 20 :
								       random_below(seed, 70),
					.count = 1 + random_below(seed, 3), .deliveries = 1,
				};
		}
		pick_fate(seed, file->queue, run, times && i == request->nr_settle - 1 &&
				     model_may_pin(file->queue), times);
		if (!random_below(seed, 12))
			spoil_run(seed, run);
	}
}

__s64 check_settled(struct file *file, const struct request *request,
		    const struct reply *reply)
{
	__s64 settled = 0;
	int i;

	for (i = 0; i < request->nr_settle; i++) {
		struct weir_run run = request->settle[i];

		run.status = model_settle_run(file, &run, request->text);
		settled += run.status ? 0 : run.count;
		agree("status of a run", reply->settle[i].status, run.status);
		agree("a run", memcmp(&run, &reply->settle[i], sizeof(run)), 0);
	}
	return settled;
}

/* A reason, for what is given up. */
static void pick_text(__u64 *seed, struct request *request)
{
	__u32 i;

	if (random_below(seed, 2))
		return;
	request->text_len = 1 + random_below(seed, random_below(seed, 10) ? 40 : 280);
	for (i = 0; i < request->text_len; i++)
		request->text[i] = 'a' + random_below(seed, 26);
}

void step_settle(__u64 *seed)
{
	struct request *request;
	struct reply *reply;
	struct file *file;
	int f, worker;
	__s64 wanted;

	if (!pick_descriptor(seed, can_settle, &f, &worker))
		return;
	file = &world.files[f];
	request = prepare(worker);
	request->file = f;
	request->uring = !random_below(seed, 3);
	request->flags = !random_below(seed, 100);
	request->bad_runs = !random_below(seed, 100);
	pick_runs(seed, file, request, true);
	if (!random_below(seed, 100))
		request->nr_settle = 0;
	pick_text(seed, request);
	reply = ask(worker, work_settle);

	if (file->queue->dead)
		wanted = -ESHUTDOWN;
	else if (!may_read(file))
		wanted = -EACCES;
	else if (request->flags || !request->nr_settle || request->text_len > WEIR_REASON_MAX)
		wanted = -EINVAL;
	else if (request->bad_runs)
		wanted = -EFAULT;
	else
		wanted = check_settled(file, request, reply);
	agree("value", reply->value, wanted);
}

void step_poll(__u64 *seed)
{
	struct file *file;
	struct request *request;
	int f, worker, wanted = 0;

	if (!pick_descriptor(seed, NULL, &f, &worker))
		return;
	file = &world.files[f];
	request = prepare(worker);
	request->file = f;
	if (may_read(file) && (model_depth(file->queue) || file->partial))
		wanted |= POLLIN;
	if (may_write(file) && model_room(file->queue, 1, 0, 0))
		wanted |= POLLOUT;
	if (file->queue->dead)
		wanted = POLLERR | POLLHUP;
	agree("events", ask(worker, work_poll)->value, wanted);
}
