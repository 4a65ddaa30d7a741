// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The steps that receive and settle, but for FETCH. */
#include "world.h"

/* Expects every 0xa5 that was there before. */
void check_untouched(const char *what, const unsigned char *bytes, __u64 from, __u64 to)
{
	if (from < to && (bytes[from] != 0xa5 ||
			  memcmp(bytes + from, bytes + from + 1, to - from - 1)))
		disagree("%s: more than its %llu bytes were written", what, from);
}

/* Of what is next, or of its rest: bytes, and the model goes on. */
static __s64 read_message(struct file *file, int worker, __u64 length, __u64 there,
			  const unsigned char *data)
{
	struct message *message = file->partial;
	__u32 at = message ? file->partial_at : 0;
	__u64 rest, n;

	if (!message) {
		__s64 most = model_admit(file, worker);

		if (most < 0)
			return most;
		message = model_next(file->queue);
		if (!message)
			return -EAGAIN;
		model_lease(file->queue, message, file, worker, false);
		message->endless = true;
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
		model_settle(file->queue, message, WEIR_OUTCOME_TAKEN);
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
	if (!random_below(seed, 30))
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

/* Of which slot a message is that nobody was told of, nobody knows; it is not guessed. */
static void hide(struct queue *queue, struct weir_run *run)
{
	__u32 i;

	for (i = 1; unseen(queue) && i < run->count; i++) {
		const struct message *message = model_find(queue, run->offset + i);

		if (message && !message->placed)
			run->count = i;
	}
}

void pick_run(__u64 *seed, const struct file *file, struct weir_run *run, bool last, bool times)
{
	if (random_below(seed, 6) || !pick_late(seed, file, run)) {
		if (!pick_lease(seed, file, !random_below(seed, 15), run))
			*run = (struct weir_run){
				.offset = random_below(seed, file->queue->sent + 2),
				.slot = unseen(file->queue) ? 1 << 20 : random_below(seed, 70),
				.count = 1 + random_below(seed, 3), .deliveries = 1,
			};
	}
	pick_fate(seed, file->queue, run, last && model_may_pin(file->queue), times);
	if (!random_below(seed, 12))
		spoil_run(seed, run);
	hide(file->queue, run);
}

void pick_runs(__u64 *seed, const struct file *file, struct request *request, bool times)
{
	int i;

	request->nr_settle = 1 + random_below(seed, random_below(seed, 5) ? 3 : SETTLES);
	for (i = 0; i < request->nr_settle; i++)
		pick_run(seed, file, &request->settle[i],
			 times && i == request->nr_settle - 1, times);
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
void pick_text(__u64 *seed, struct request *request)
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

/*
 * Whether it may be said that there is room, as others may go; that has to be said if they are
 * thrown away, and that is enough for a small message.
 */
static bool others_make_room(struct queue *queue, int got)
{
	const struct space small = { .messages = 1, .units = 1 };

	if (!makes_room(queue) || !model_victim(queue))
		return false;
	if (!lets_die(queue) && !(got & POLLOUT) &&
	    model_has_room(queue, small, model_may_go(queue)))
		disagree("there is no room, and others may go");
	return true;
}

void step_poll(__u64 *seed)
{
	struct file *file;
	struct request *request;
	int f, worker, wanted = 0, got;

	if (!pick_descriptor(seed, NULL, &f, &worker))
		return;
	file = &world.files[f];
	request = prepare(worker);
	request->file = f;
	if (may_read(file) &&
	    (file->partial || (model_depth(file->queue) && model_is_turn(file))))
		wanted |= POLLIN;
	if (may_write(file) && model_room(file->queue, file->uid, 1, (struct space){ 0 }))
		wanted |= POLLOUT;
	if (file->queue->dead)
		wanted = POLLERR | POLLHUP;
	got = ask(worker, work_poll)->value;
	if (may_write(file) && !file->queue->dead && others_make_room(file->queue, got))
		wanted |= got & POLLOUT;
	agree("events", got, wanted);
}
