// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Answers to what asks for one: sent and settled at one moment, or neither. */
#include "world.h"

/* One that is leased through @file and asks, or NULL. */
static const struct message *pick_asking(__u64 *seed, const struct file *file)
{
	const struct queue *queue = file->queue;
	int i, from = queue->held ? random_below(seed, queue->held) : 0;

	for (i = 0; i < queue->held; i++) {
		const struct message *message = queue->messages[(from + i) % queue->held];

		if (message->state == LEASED && message->file == file && message->placed &&
		    message->asks)
			return message;
	}
	return NULL;
}

/* What is answered; where to, if anywhere. */
static struct queue *pick_answered(__u64 *seed, const struct file *file, struct weir_run *run)
{
	const struct message *message = random_below(seed, 20) ? pick_asking(seed, file) : NULL;

	if (message)
		*run = (struct weir_run){ .offset = message->offset, .slot = message->slot,
					  .count = 1, .deliveries = message->deliveries };
	else
		pick_run(seed, file, run, true, true);
	run->op = random_below(seed, 4) ? WEIR_ACK : WEIR_EXTEND;
	run->delay_ms = run->op == WEIR_EXTEND && random_below(seed, 2) ? LONG_MS : 0;
	if (!random_below(seed, 40))
		run->op = random_below(seed, 2) ? WEIR_RELEASE : WEIR_TERM;
	message = model_find(file->queue, run->offset);
	return message && message->asks && !message->reply_to->dead ? message->reply_to : NULL;
}

/* The run is right: what becomes of the answer, 1, 0 or an error. */
static __s64 answer(struct file *file, const struct request *request, int worker, __s64 value)
{
	const struct weir_run *run = &request->settle[0];
	const struct message *message = model_find(file->queue, run->offset);
	const struct spec *spec = &request->specs[0];
	struct queue *to = message->reply_to;
	__s64 wanted;
	int error;

	if (!message->asks)
		return -EDESTADDRREQ;
	/* For a burial it is not waited. */
	wanted = to->dead ? 0 : model_admits(to, spec, 1, !lets_die(to));
	model_make_room(to, spec, model_tries(to, spec, 1, &error), value == 1);
	/* What is free may be in pieces. */
	if (wanted == 1 && value == -EAGAIN && !observe_fits(to, spec_size(spec)))
		return value;
	if (wanted < 0)
		return wanted;
	agree("a run that is answered", model_settle_run(file, run, ""), 0);
	if (wanted)
		add_sent(to, spec, 1, worker);
	return wanted;
}

void step_reply(__u64 *seed)
{
	struct request *request;
	struct weir_run *run;
	struct queue *to;
	struct file *file;
	__s64 value, wanted;
	int f, worker;

	if (!pick_descriptor(seed, can_settle, &f, &worker))
		return;
	file = &world.files[f];
	request = prepare(worker);
	request->file = f;
	request->uring = !random_below(seed, 3);
	request->flags = !random_below(seed, 100);
	run = &request->settle[0];
	request->nr_settle = 1;
	to = pick_answered(seed, file, run);
	if (to && model_is_tangled(to))
		return;
	pick_spec(seed, to ? to : file->queue, file, worker, request->specs, 0);
	request->count = 1;
	value = ask(worker, work_reply)->value;

	wanted = model_run_status(file, run);
	if (file->queue->dead)
		wanted = -ESHUTDOWN;
	else if (!may_read(file))
		wanted = -EACCES;
	else if (request->flags || run->count != 1 ||
		 (run->op != WEIR_ACK && run->op != WEIR_EXTEND))
		wanted = -EINVAL;
	else if (wanted == -ESTALE)
		model_settle_run(file, run, "");
	else if (!wanted)
		wanted = answer(file, request, worker, value);
	agree("answer", value, wanted);
	tally.answers += value == 1;
}
