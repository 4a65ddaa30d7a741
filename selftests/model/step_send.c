// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The steps that send, and what they send. */
#include "world.h"

/* Of a call: how many messages it tries, and how many of these are taken, or -errno. */
struct expected {
	int tried;
	__s64 least, most;
};

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

/* One of few keys, so that some wait for others; or one of its own. */
static void pick_key(__u64 *seed, const struct queue *queue, struct spec *spec)
{
	if (!random_below(seed, has_flag(queue, WEIR_POLICY_KEYED) ? 10 : 2)) {
		spec->key_len = random_below(seed, 20) ? 1 + random_below(seed, 40) : WEIR_KEY_MAX;
		return;
	}
	spec->key_seed = 1 + random_below(seed, 3);
	spec->key_len = random_below(seed, 100) ? 10 * spec->key_seed : 1000;
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
		options->ttl_ns = random_below(seed, 3) || lets_die(queue) ? LONG_NS : SHORT_NS;
}

/* The next one of a producer, or an earlier one; or one of who is fenced. */
static void pick_sequence(__u64 *seed, const struct queue *queue, int nth, struct spec *spec)
{
	const struct producer *producer = &queue->producers[random_below(seed, PRODUCERS) +
							    PRODUCERS * model_user(spec->uid)];
	struct weir_options *options = &spec->options;

	/* Or that of any user. */
	if (!random_below(seed, 20))
		producer = &queue->producers[random_below(seed, USERS * PRODUCERS)];
	if (!producer->id)
		return;
	options->producer = producer->id;
	options->epoch = producer->epoch;
	options->sequence = producer->sequence + nth + 1 + random_below(seed, 2);
	if (!random_below(seed, 4))
		options->sequence = 1 + random_below(seed, options->sequence);
	if (!random_below(seed, 12))
		options->epoch--;
	if (!random_below(seed, 100))
		options->producer += 1 << 20;
	/* For that there is room. */
	if (model_is_fenced(queue, spec))
		spec->len %= 200;
}

static void pick_once(__u64 *seed, const struct queue *queue, int nth, struct spec *spec)
{
	spec->wishes = true;
	if (random_below(seed, 3))
		pick_sequence(seed, queue, nth, spec);
	if (queue->policy.dedup_count && random_below(seed, 2) && queue->nr_ids < MOST_IDS - BATCH)
		spec->id = 1 + random_below(seed, 2 + random_below(seed, 30));
	spec->options.id_len = spec->id ? spec_id_len(spec->id) : 0;
}

/*
 * Where it is told how it ends: has to be seen there, and to stay; and it is not to be told
 * whether there was room for that before what died for it came there.
 */
static void pick_receipt(__u64 *seed, const struct queue *queue, int worker, struct spec *spec)
{
	int i, from = random_below(seed, FILES);
	bool any = !random_below(seed, 20);

	for (i = 0; i < FILES; i++) {
		int f = (from + i) % FILES;
		const struct file *file = &world.files[f];

		if (!file->fd[worker] || (!any && (!may_both(file) || file->queue == queue ||
						   file->queue->dead)))
			continue;
		/* The last one is mostly to be such that it may inherit from those between. */
		if (file->queue == world.queues[NAMES - 1] && random_below(seed, 8))
			continue;
		if (!file->queue->dead && (unseen(file->queue) ||
					   file->queue->policy.ttl_ns == SHORT_NS ||
					   (makes_room(file->queue) && is_heir(file->queue)) ||
					   is_last(file->queue) ||
					   (lets_die(queue) && queue->heir == file->queue)))
			continue;
		spec->wishes = true;
		spec->options.flags |= WEIR_OPTION_RECEIPT;
		spec->options.token = random_next(seed);
		spec->receipt_file = f;
		spec->receipts = may_both(file) ? file->queue : NULL;
		if (!may_both(file) || file->queue->dead || file->queue == queue)
			spec->len %= 200;
		return;
	}
}

/* Where its answer is to go. */
static void pick_reply(__u64 *seed, int worker, struct spec *spec)
{
	int i, from = random_below(seed, FILES);
	bool any = !random_below(seed, 20);

	for (i = 0; i < FILES; i++) {
		int f = (from + i) % FILES;
		const struct file *file = &world.files[f];

		if (!file->fd[worker] || file->queue->dead || (!any && !may_write(file)))
			continue;
		spec->wishes = true;
		spec->options.flags |= WEIR_OPTION_REPLY;
		spec->reply_file = f;
		spec->reply_to = may_write(file) ? file->queue : NULL;
		if (!may_write(file))
			spec->len %= 200;
		return;
	}
}

/* Of what is wrong with the options, the rest of them is right. */
static void pick_wrong_options(__u64 *seed, const struct queue *queue, struct spec *spec)
{
	struct weir_options *options = &spec->options;

	spec->wishes = true;
	if (spec->wrong == WRONG_ID_DATA && !queue->policy.dedup_count)
		spec->wrong = WRONG_NO_WINDOW;
	if (spec->wrong == WRONG_NO_WINDOW && queue->policy.dedup_count)
		spec->wrong = WRONG_ID_LEN;
	if (spec->wrong >= WRONG_SEQUENCE) {
		spec->id = 0;
		options->producer = options->sequence = options->epoch = options->id_len = 0;
	}
	switch (spec->wrong) {
	case WRONG_PRIORITY:
		options->priority = random_below(seed, 2) ? queue->policy.priorities : ~0U;
		break;
	case WRONG_OPTION_FLAGS: options->flags |= 0x80000000U; break;
	case WRONG_SEQUENCE: options->sequence = 1 + random_below(seed, 100); break;
	case WRONG_EPOCH: options->epoch = 1 + random_below(seed, 100); break;
	case WRONG_ID_LEN: options->id_len = WEIR_ID_MAX + 1 + random_below(seed, 100); break;
	case WRONG_ID_DATA:
	case WRONG_NO_WINDOW:
		options->id_len = 1 + random_below(seed, WEIR_ID_MAX);
		break;
	default: break;
	}
}

static void pick_wrong(__u64 *seed, const struct queue *queue, struct spec *spec)
{
	spec->wrong = 1 + random_below(seed, NR_WRONG - 1);
	spec->receipts = spec->reply_to = NULL;
	spec->options.flags &= WEIR_OPTION_AT;
	spec->options.token = 0;
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
		pick_wrong_options(seed, queue, spec);
	if (spec->wrong == WRONG_NO_OPTIONS)
		spec->wishes = false;
	if (!spec->wishes)
		memset(&spec->options, 0, sizeof(spec->options)), spec->id = 0;
}

static bool is_short(const struct spec *spec)
{
	return spec->options.delay_ns == SHORT_NS && !(spec->options.flags & WEIR_OPTION_AT);
}

/*
 * What ends its time at one moment comes into the line of its key in any order; and of
 * one id in a batch it could not be told whether time goes on between the two.
 */
static void part(const struct queue *queue, const struct spec *specs, int nth)
{
	struct spec *spec = (struct spec *)&specs[nth];
	int i;

	for (i = 0; i < nth; i++) {
		if (has_flag(queue, WEIR_POLICY_KEYED) && is_short(spec) && is_short(&specs[i]) &&
		    specs[i].key_len == spec->key_len && specs[i].key_seed == spec->key_seed)
			spec->options.delay_ns = 0;
		if (spec->id && queue->policy.dedup_ns == SHORT_NS && specs[i].id == spec->id)
			spec->id = spec->options.id_len = 0;
	}
}

void pick_spec(__u64 *seed, const struct queue *queue, const struct file *file, int worker,
	       struct spec *specs, int nth)
{
	struct spec *spec = &specs[nth];

	*spec = (struct spec){ .len = pick_len(seed, queue), .seed = random_next(seed),
			       .uid = file->uid };
	if (!random_below(seed, has_flag(queue, WEIR_POLICY_KEYED) ? 1 : 3))
		pick_key(seed, queue, spec);
	if (!random_below(seed, 4))
		spec->headers_len = random_below(seed, 40) ? 16 + 8 * random_below(seed, 24) :
							     WEIR_HEADERS_MAX;
	if (!random_below(seed, queue->policy.priorities > 1 ? 2 : 6))
		pick_wishes(seed, queue, spec);
	if (!random_below(seed, queue->policy.dedup_count ? 2 : 4))
		pick_once(seed, queue, nth, spec);
	if (!random_below(seed, 5))
		pick_receipt(seed, queue, worker, spec);
	if (!random_below(seed, 5))
		pick_reply(seed, worker, spec);
	if (!random_below(seed, 16))
		pick_wrong(seed, queue, spec);
	part(queue, specs, nth);
}

/* How many of the @count that were taken are no duplicates: they are in the model now. */
int add_sent(struct queue *queue, const struct spec *specs, int count, int worker)
{
	int i, added = 0;

	for (i = 0; i < count; i++)
		added += !!model_send(queue, &specs[i], world.workers[worker].pid);
	observe_sent(queue, added);
	return added;
}

/* What is told when there is no room. */
static int no_room(const struct queue *queue, const struct request *request)
{
	return request->waits && queue->policy.when_full != WEIR_WHEN_FULL_REJECT ? -ETIMEDOUT :
										    -EAGAIN;
}

/* Where it is waited for burials, as many may be taken as there are, or as had room before. */
static bool is_between(__s64 value, __s64 least, __s64 most)
{
	return value == least || (value > 0 && value >= least && value <= most);
}

/*
 * What was sent is in the model from here on, and what went for it is not. Fewer may have
 * been taken than there is room for when what is free is in pieces.
 */
static int check_sent(struct queue *queue, const struct request *request, int worker,
		      __s64 value, const struct expected *expected)
{
	const struct spec *specs = request->specs;
	const __s64 wanted = expected->most;
	int taken = value > 0 ? value : 0, added;
	bool in_pieces = wanted > 0 && value < wanted && (value > 0 || value == -ENOBUFS ||
							  value == no_room(queue, request));
	bool buried;

	model_make_room(queue, specs, expected->tried, taken);
	buried = !lets_die(queue) || !is_between(value, expected->least, wanted) ||
		 (!request->uring && model_is_buried(queue));
	if (!in_pieces && buried)
		agree("value", value, wanted);
	added = add_sent(queue, specs, taken, worker);
	if (in_pieces && buried && observe_fits(queue, spec_size(&specs[taken])) &&
	    (!specs[taken].receipts ||
	     observe_fits(specs[taken].receipts, sizeof(struct weir_receipt))))
		disagree("%lld of %lld taken, and %u bytes have place", value, wanted,
			 spec_size(&specs[taken]));
	return added;
}

/* Of @count messages, when the call itself is right; if it is not, @error. */
static struct expected expect(const struct queue *queue, const struct request *request,
			      int count, int error)
{
	struct expected expected = { .least = error, .most = error };
	const int full = no_room(queue, request);

	if (error)
		return expected;
	expected.tried = model_tries(queue, request->specs, count, &error);
	expected.most = model_admits(queue, request->specs, count, true);
	expected.least = model_admits(queue, request->specs, count, !lets_die(queue));
	if (expected.most == -EAGAIN)
		expected.most = full;
	if (expected.least == -EAGAIN)
		expected.least = full;
	return expected;
}

/* Without O_NONBLOCK, where that is not for ever. */
static void pick_wait(__u64 *seed, const struct queue *queue, struct request *request)
{
	request->timeout_ns = (__s64)random_below(seed, 3) - 1;
	request->waits = !random_below(seed, 4);
	if (request->waits)
		request->timeout_ns = queue->policy.when_full == WEIR_WHEN_FULL_REJECT ? -1 : 1;
}

void step_send(__u64 *seed)
{
	int f, worker, i, error = 0, added;
	struct expected expected;
	struct request *request;
	struct reply *reply;
	struct queue *queue;
	__u64 first;

	if (!pick_descriptor(seed, can_send, &f, &worker))
		return;
	queue = world.files[f].queue;
	if (model_is_tangled(queue))
		return;
	request = prepare(worker);
	request->file = f;
	request->uring = !random_below(seed, 3);
	pick_wait(seed, queue, request);
	request->flags = !random_below(seed, 200);
	request->bad_runs = !random_below(seed, 100);
	request->count = random_below(seed, 100) ? 1 + random_below(seed, 8) : 0;
	if (!random_below(seed, 5))
		request->count = 1 + random_below(seed, BATCH);
	for (i = 0; i < request->count; i++)
		pick_spec(seed, queue, &world.files[f], worker, request->specs, i);

	if (request->bad_runs)
		error = -EFAULT;
	if (request->flags || !request->count)
		error = -EINVAL;
	if (!may_write(&world.files[f]))
		error = -EACCES;
	if (queue->dead)
		error = -ESHUTDOWN;
	expected = expect(queue, request, request->count, error);
	first = queue->sent;
	reply = ask(worker, work_send);
	added = check_sent(queue, request, worker, reply->value, &expected);
	if (reply->value <= 0)
		agree("first_offset", reply->first_offset, ~0ULL);
	else if (added)
		agree("first_offset", reply->first_offset, first);
	agree("duplicates", reply->duplicates, reply->value > 0 ? reply->value - added : 0);
}

void step_write(__u64 *seed)
{
	int f, worker, error = 0;
	struct expected expected;
	struct request *request;
	struct reply *reply;
	struct queue *queue;

	if (!pick_descriptor(seed, can_send, &f, &worker))
		return;
	queue = world.files[f].queue;
	if (model_is_tangled(queue))
		return;
	request = prepare(worker);
	request->file = f;
	request->specs[0] = (struct spec){ .len = pick_len(seed, queue),
					   .seed = random_next(seed),
					   .uid = world.files[f].uid };
	request->length = request->there = request->specs[0].len;
	if (!random_below(seed, 30) && request->length) {
		request->there = random_below(seed, request->length);
		request->specs[0].wrong = WRONG_DATA_END;
	}
	request->parts = random_below(seed, 2) ? 0 : 1 + random_below(seed, 5);
	request->waits = queue->policy.when_full == WEIR_WHEN_FULL_REJECT && !queue->dead &&
			 random_below(seed, 2);

	if (queue->dead)
		error = -ESHUTDOWN;
	/* It is too large for a queue that is gone, too. */
	if (request->length > queue->max_size)
		error = -EMSGSIZE;
	if (!may_write(&world.files[f]))
		error = -EBADF;
	expected = expect(queue, request, 1, error);
	if (!request->length && !(error == -EBADF))
		expected = (struct expected){ 0 };
	reply = ask(worker, work_write);
	if (reply->value > 0) {
		agree("bytes", reply->value, request->length);
		reply->value = 1;
	}
	check_sent(queue, request, worker, reply->value, &expected);
}

/* Who calls himself so from now on fences whoever did before. */
void step_producer(__u64 *seed)
{
	int f, worker, nr = random_below(seed, PRODUCERS), wanted = 0, i;
	struct producer *producer;
	struct request *request;
	struct reply *reply;
	struct queue *queue;

	if (!pick_descriptor(seed, can_send, &f, &worker))
		return;
	queue = world.files[f].queue;
	nr += PRODUCERS * model_user(world.files[f].uid);
	producer = &queue->producers[nr];
	request = prepare(worker);
	request->file = f;
	request->uring = !random_below(seed, 3);
	request->flags = !random_below(seed, 40);
	snprintf(request->name, sizeof(request->name), "p%d", nr % PRODUCERS);
	if (!random_below(seed, 40))
		memset(request->name, random_below(seed, 2) ? 'x' : 0, sizeof(request->name));
	if (request->flags || request->name[0] != 'p')
		wanted = -EINVAL;
	if (!may_write(&world.files[f]))
		wanted = -EACCES;
	if (queue->dead)
		wanted = -ESHUTDOWN;
	reply = ask(worker, work_producer);
	agree("producer", reply->value, wanted);
	if (wanted)
		return;
	if (reply->producer.epoch == producer->epoch || !reply->producer.id)
		disagree("producer %llu in epoch %u again", reply->producer.id, producer->epoch);
	agree("producer's sequence", reply->producer.sequence, producer->sequence);
	if (producer->id)
		agree("producer's id", reply->producer.id, producer->id);
	for (i = 0; i < USERS * PRODUCERS; i++)
		if (i != nr && queue->producers[i].id == reply->producer.id)
			disagree("two producers are %llu", reply->producer.id);
	producer->uid = world.files[f].uid;
	producer->id = reply->producer.id;
	producer->epoch = reply->producer.epoch;
}
