// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Transactions: all parts or none. Each part is judged by itself, as a SEND or a SETTLE
 * beside those before it; when several are wrong, any of them may be the one that is
 * told of, with what is wrong with it.
 */
#include "world.h"

#define MOST_ERRORS	128
#define MOST_RUNS	(SETTLES * 40)

/* What is wrong with one part. */
struct wrongs {
	int errors[MOST_ERRORS];
	int count;
};

/* What the parts before need, and settle. */
struct judged {
	struct queue *queues[PARTS];	/* one a part, of those that send; else NULL */
	const struct spec *specs[PARTS];
	__u32 messages[PARTS];
	__u64 units[PARTS];
	const struct message *settled[MOST_RUNS];
	int nr_settled;
	__u64 settles;			/* messages, as the runs have it */
	struct wrongs wrongs[PARTS];
	bool in_pieces[PARTS];		/* for it there may be no place */
};

static void add_wrong(struct wrongs *wrongs, int error)
{
	if (error && wrongs->count < MOST_ERRORS)
		wrongs->errors[wrongs->count++] = error;
}

static bool is_wrong(const struct wrongs *wrongs, int error)
{
	int i;

	for (i = 0; i < wrongs->count; i++)
		if (wrongs->errors[i] == error)
			return true;
	return false;
}

/* Pages that messages touch at most; all together they have place if one so large has. */
static __u32 span_of(__u32 size)
{
	return (size + 4095) / 4096 * 4096;
}

/* Whether each message has room in its sender's share, beside all that is before it. */
static bool has_share(const struct judged *judged, const struct queue *queue, int nr)
{
	struct space more = { 0 }, his[USERS] = { 0 };
	__u32 j;
	int i;

	for (i = 0; i <= nr; i++) {
		if (judged->queues[i] != judged->queues[nr])
			continue;
		for (j = 0; j < judged->messages[i]; j++) {
			const struct spec *spec = &judged->specs[i][j];
			struct space *has = &his[model_user(spec->uid)];

			if (!model_share(queue, spec->uid, spec_size(spec), more, *has))
				return false;
			more.messages++;
			has->messages++;
			more.units += units_of(spec_size(spec));
			has->units += units_of(spec_size(spec));
		}
	}
	return true;
}

/* Of what would not have room in an empty queue it may seem that others are in the way. */
static void judge_share(struct judged *judged, int nr)
{
	const struct queue *queue = judged->queues[nr];
	static struct queue empty;

	if (has_share(judged, queue, nr))
		return;
	empty.policy = queue->policy;
	empty.max_units = queue->max_units;
	if (!has_share(judged, &empty, nr))
		add_wrong(&judged->wrongs[nr], -EMSGSIZE);
	if (!judged->wrongs[nr].count || queue->held || queue->owed)
		add_wrong(&judged->wrongs[nr], -EAGAIN);
}

/* There has to be room for this part and for those before it. */
static void judge_room(struct judged *judged, int nr)
{
	struct queue *queue = judged->queues[nr];
	__u64 units = 0, messages = 0;
	int i;

	for (i = 0; i <= nr; i++) {
		if (judged->queues[i] != queue)
			continue;
		messages += judged->messages[i];
		units += judged->units[i];
	}
	if (messages > queue->policy.max_messages) {
		add_wrong(&judged->wrongs[nr], -EMSGSIZE);
	} else if (units > queue->max_units) {
		/* As long as others are in it, it may seem that they are in the way. */
		add_wrong(&judged->wrongs[nr], -EMSGSIZE);
		if (queue->held)
			add_wrong(&judged->wrongs[nr], -EAGAIN);
	} else if (!model_has_room(queue, (struct space){ messages, units },
				   (struct space){ 0 })) {
		judged->in_pieces[nr] |= lets_die(queue);
		if (!model_has_room(queue, (struct space){ messages, units },
				    model_may_go(queue)))
			add_wrong(&judged->wrongs[nr], -EAGAIN);
	}
}

static void judge_send(struct judged *judged, int nr, struct queue *queue,
		       const struct spec *specs, int count)
{
	struct wrongs *wrongs = &judged->wrongs[nr];
	__u32 span = 0;
	int i;

	if (queue->dead)
		add_wrong(wrongs, -ESHUTDOWN);
	for (i = 0; i < count; i++) {
		add_wrong(wrongs, spec_early_error(&specs[i]));
		add_wrong(wrongs, spec_late_error(&specs[i]));
		add_wrong(wrongs, model_bonds_error(queue, &specs[i], 0));
		if (spec_size(&specs[i]) > queue->max_size)
			add_wrong(wrongs, -EMSGSIZE);
		if (model_is_fenced(queue, &specs[i]))
			add_wrong(wrongs, -ESTALE);
		judged->units[nr] += units_of(spec_size(&specs[i]));
		span += span_of(spec_size(&specs[i]));
	}
	judged->queues[nr] = queue;
	judged->messages[nr] = count;
	judged->specs[nr] = specs;
	if (has_flag(queue, WEIR_POLICY_FAIR_SHARE))
		judge_share(judged, nr);
	else
		judge_room(judged, nr);
	for (i = 0; i < nr; i++)
		if (judged->queues[i] == queue)
			span += judged->units[i] * WEIR_ALIGN + 4096ULL * judged->messages[i];
	judged->in_pieces[nr] |= queue->dead || !observe_fits(queue, span);
}

/* Whether @run has anything that an earlier one has. */
static bool is_held(const struct judged *judged, struct queue *queue, const struct weir_run *run)
{
	__u32 i;
	int j;

	for (i = 0; i < run->count; i++) {
		const struct message *message = model_find(queue, run->offset + i);

		for (j = 0; message && j < judged->nr_settled; j++)
			if (judged->settled[j] == message)
				return true;
	}
	return false;
}

static void hold(struct judged *judged, struct queue *queue, const struct weir_run *run)
{
	__u32 i;

	for (i = 0; i < run->count; i++)
		judged->settled[judged->nr_settled++] = model_find(queue, run->offset + i);
}

/* The first of @runs that is wrong, or @count. */
static int judge_settle(struct judged *judged, int nr, struct file *file,
			const struct weir_run *runs, int count)
{
	int i, status;

	if (file->queue->dead)
		add_wrong(&judged->wrongs[nr], -ESHUTDOWN);
	for (i = 0; i < count; i++)
		judged->settles += runs[i].count;
	if (judged->settles > WEIR_BATCH_MAX)
		add_wrong(&judged->wrongs[nr], -EINVAL);
	if (judged->wrongs[nr].count)
		return count;
	for (i = 0; i < count; i++) {
		status = model_run_status(file, &runs[i]);
		add_wrong(&judged->wrongs[nr], status);
		if (status != -EINVAL && is_held(judged, file->queue, &runs[i]))
			add_wrong(&judged->wrongs[nr], -EBUSY);
		if (judged->wrongs[nr].count)
			break;
		hold(judged, file->queue, &runs[i]);
	}
	return i;
}

static void judge_part(struct judged *judged, const struct request *request, int nr, int *bad)
{
	const struct part *part = &request->txn[nr];
	struct file *file = &world.files[part->file];
	const int mode = part->op == WEIR_PART_SEND ? O_RDONLY : O_WRONLY;

	*bad = part->count;
	switch (part->wrong) {
	case PART_COUNT:
	case PART_OP:
	case PART_REASON: add_wrong(&judged->wrongs[nr], -EINVAL); return;
	case PART_FD: add_wrong(&judged->wrongs[nr], -EBADF); return;
	case PART_RIGHT: break;
	}
	if (file->flags == mode)
		add_wrong(&judged->wrongs[nr], -EACCES);
	else if (part->op == WEIR_PART_SEND)
		judge_send(judged, nr, file->queue, &request->specs[part->from], part->count);
	else
		*bad = judge_settle(judged, nr, file, &request->settle[part->from], part->count);
}

/* One of @worker's descriptors, mostly one with which something can be done. */
static int pick_file(__u64 *seed, int worker, bool (*filter)(const struct file *))
{
	int i, from = random_below(seed, FILES), found = -1;
	bool any = !random_below(seed, 30);

	for (i = 0; i < FILES; i++) {
		int f = (from + i) % FILES;

		if (!world.files[f].fd[worker])
			continue;
		found = f;
		if (any || filter(&world.files[f]))
			break;
	}
	return found;
}

static void pick_part(__u64 *seed, int worker, struct request *request, struct part *part)
{
	int i;

	part->op = random_below(seed, 2) ? WEIR_PART_SEND : WEIR_PART_SETTLE;
	part->file = pick_file(seed, worker, part->op == WEIR_PART_SEND ? can_send : can_settle);
	part->count = 1 + random_below(seed, random_below(seed, 4) ? 2 : 6);
	if (part->op == WEIR_PART_SEND) {
		part->from = request->count;
		for (i = 0; i < part->count; i++)
			pick_spec(seed, world.files[part->file].queue, &world.files[part->file],
				  worker, request->specs, request->count++);
	} else {
		part->from = request->nr_settle;
		for (i = 0; i < part->count; i++)
			pick_run(seed, &world.files[part->file],
				 &request->settle[request->nr_settle++], true, true);
	}
	if (!random_below(seed, 100))
		part->wrong = 1 + random_below(seed, PART_FD);
	if (part->wrong == PART_REASON && part->op != WEIR_PART_SEND)
		part->wrong = PART_RIGHT;
}

/* Where there is little room, or others send to, no receipts are asked for. */
static void drop_receipts(struct request *request)
{
	const struct space many = { BATCH, BATCH * units_of(sizeof(struct weir_receipt)) };
	int i, j;

	for (i = 0; i < request->count; i++) {
		struct spec *spec = &request->specs[i];
		bool drop = spec->receipts && !model_room(spec->receipts, spec->uid, 0, many);

		for (j = 0; j < request->nr_parts && spec->receipts; j++)
			drop |= request->txn[j].op == WEIR_PART_SEND &&
				world.files[request->txn[j].file].queue == spec->receipts;
		if (!drop)
			continue;
		spec->receipts = NULL;
		spec->options.flags &= ~WEIR_OPTION_RECEIPT;
		spec->options.token = 0;
	}
}

static void do_part(const struct request *request, int nr, int worker, const struct reply *reply)
{
	const struct part *part = &request->txn[nr];
	struct file *file = &world.files[part->file];
	const __u64 first = file->queue->sent;
	int i;

	if (part->op == WEIR_PART_SEND) {
		if (add_sent(file->queue, &request->specs[part->from], part->count, worker))
			agree("first_offset of a part", reply->first_offsets[nr], first);
		return;
	}
	for (i = 0; i < part->count; i++) {
		agree("status of a run", reply->settle[part->from + i].status, 0);
		agree("a run in the model",
		      model_settle_run(file, &request->settle[part->from + i], request->text), 0);
	}
}

/* Nothing was done; and only that is told which is wrong. */
static void check_failed(const struct judged *judged, const struct request *request,
			 const struct reply *reply, const int bad[PARTS])
{
	const __u32 failed = reply->failed;
	const struct part *part = &request->txn[failed];
	const struct weir_run *run = NULL;
	int i;

	if (failed >= (__u32)request->nr_parts)
		disagree("part %u of %d has failed: %lld", failed, request->nr_parts,
			 reply->value);
	if (!is_wrong(&judged->wrongs[failed], reply->value) &&
	    !(judged->in_pieces[failed] && reply->value == -EAGAIN))
		disagree("part %u has failed: %lld, and the model has %d", failed, reply->value,
			 judged->wrongs[failed].count ? judged->wrongs[failed].errors[0] : 0);
	if (part->op == WEIR_PART_SETTLE && bad[failed] < part->count)
		run = &request->settle[part->from + bad[failed]];
	for (i = 0; i < request->nr_settle; i++)
		agree("status of a run of what has failed", reply->settle[i].status,
		      &request->settle[i] == run ? reply->value : request->settle[i].status);
	/* Who is told that he is late, reads no more. */
	if (run && reply->value == -ESTALE)
		model_settle_run(&world.files[part->file], run, "");
}

/* Whether what dies in the queue of @part has @heir for its heir, perhaps through others. */
static bool bequeaths(const struct part *part, const struct queue *heir)
{
	const struct queue *queue = world.files[part->file].queue->heir;

	while (queue && queue != heir)
		queue = queue->heir;
	return queue;
}

/* Whether what goes for others in @queue, before all is done, may be told of in @to. */
static bool tells(const struct queue *queue, const struct queue *to)
{
	int i;

	for (i = 0; i < queue->held; i++)
		if (queue->messages[i]->receipts == to)
			return true;
	return false;
}

/* Whether it could not be told what goes for what is sent, and what for other reasons. */
static bool is_tangled(const struct request *request)
{
	int i, j;

	for (i = 0; i < request->nr_parts; i++) {
		const struct part *part = &request->txn[i];
		const struct queue *queue = world.files[part->file].queue;

		if (part->op != WEIR_PART_SEND || queue->dead)
			continue;
		if (model_is_tangled(queue))
			return true;
		for (j = 0; j < request->nr_parts; j++) {
			const struct part *other = &request->txn[j];

			if (makes_room(queue) && (bequeaths(other, queue) ||
						  tells(queue, world.files[other->file].queue)))
				return true;
			if (lets_die(queue) && (other->op == WEIR_PART_SETTLE ||
						bequeaths(part, world.files[other->file].queue)))
				return true;
		}
	}
	return false;
}

/* In each queue that was sent to, others went for all of it. */
static void make_room(const struct request *request, bool done)
{
	struct spec specs[BATCH];
	int i, j, count;

	for (i = 0; i < request->nr_parts; i++) {
		struct queue *queue = world.files[request->txn[i].file].queue;
		bool first = true;

		for (j = 0, count = 0; j < request->nr_parts; j++) {
			const struct part *part = &request->txn[j];

			if (part->op != WEIR_PART_SEND || world.files[part->file].queue != queue)
				continue;
			first &= j >= i;
			memcpy(&specs[count], &request->specs[part->from],
			       part->count * sizeof(*specs));
			count += part->count;
		}
		if (count && first)
			model_make_room(queue, specs, count, done ? count : 0);
	}
}

void step_txn(__u64 *seed)
{
	static struct judged judged;
	struct request *request;
	struct reply *reply;
	int f, worker, bad[PARTS], wrong = 0, i;

	if (!pick_descriptor(seed, can_settle, &f, &worker))
		return;
	request = prepare(worker);
	request->file = f;
	request->uring = !random_below(seed, 3);
	request->timeout_ns = (__s64)random_below(seed, 3) - 1;
	request->nr_parts = 1 + random_below(seed, random_below(seed, 4) ? 3 : PARTS);
	for (i = 0; i < request->nr_parts && request->nr_settle < SETTLES - 6; i++)
		pick_part(seed, worker, request, &request->txn[i]);
	request->nr_parts = i;
	drop_receipts(request);
	if (is_tangled(request))
		return;
	for (i = 0; i < request->nr_settle; i++)
		request->settle[i].status = 7;
	pick_text(seed, request);
	request->text_len %= WEIR_REASON_MAX + 1;
	request->text[request->text_len] = '\0';

	memset(&judged, 0, sizeof(judged));
	for (i = 0; i < request->nr_parts; i++) {
		judge_part(&judged, request, i, &bad[i]);
		wrong += judged.wrongs[i].count;
	}
	reply = ask(worker, work_txn);
	if (!world.files[f].queue->dead)
		make_room(request, !reply->value);
	if (world.files[f].queue->dead) {
		agree("txn", reply->value, -ESHUTDOWN);
	} else if (reply->value) {
		check_failed(&judged, request, reply, bad);
	} else {
		if (wrong)
			disagree("txn was done, and %d of it is wrong", wrong);
		for (i = 0; i < request->nr_parts; i++)
			do_part(request, i, worker, reply);
		tally.txns++;
	}
}
