// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "model.h"

unsigned int model_step;
__u32 model_pids[WORKERS];
const __u32 model_users[USERS] = { 0, 60001, 60002 };

int model_user(__u32 uid)
{
	int user = 0;

	while (model_users[user] != uid)
		user++;
	return user;
}

__u64 model_units(const struct queue *queue)
{
	__u64 units = 0;
	int i;

	for (i = 0; i < queue->held; i++)
		units += units_of(queue->messages[i]->size);
	return units;
}

int model_count(const struct queue *queue, enum state state)
{
	int i, count = 0;

	for (i = 0; i < queue->held; i++)
		count += queue->messages[i]->state == state;
	return count;
}

void model_policy(struct queue *queue, const struct weir_policy *policy, struct queue *heir)
{
	queue->policy = *policy;
	queue->max_units = policy->max_bytes / WEIR_ALIGN;
	queue->policy.max_bytes = queue->max_units * WEIR_ALIGN;
	queue->max_size = queue->policy.max_bytes / 4;
	if (!policy->backoff_max_ns)
		queue->policy.backoff_max_ns = policy->backoff_ns > WEIR_DEFAULT_BACKOFF_MAX ?
					       policy->backoff_ns : WEIR_DEFAULT_BACKOFF_MAX;
	if (!policy->priorities)
		queue->policy.priorities = 1;
	if (policy->dedup_ns && !policy->dedup_count)
		queue->policy.dedup_count = WEIR_DEFAULT_DEDUP_COUNT;
	if (!has_flag(queue, WEIR_POLICY_SINGLE_ACTIVE))
		queue->active = NULL;
	queue->policy.dead_letter = 0;
	queue->heir = heir;
	queue->blocked = ~0ULL;
}

bool model_share(const struct queue *queue, __u32 uid, __u32 size, struct space more,
		 struct space his)
{
	const __u32 owed = queue->owed_to[model_user(uid)];
	__u64 units = his.units + owed * units_of(sizeof(struct weir_receipt));
	__u64 count = his.messages + owed;
	int i;

	for (i = 0; i < queue->held; i++) {
		if (queue->messages[i]->owner != uid)
			continue;
		units += units_of(queue->messages[i]->size);
		count++;
	}
	more.messages += count + 1;
	more.units += units + units_of(size);
	return model_has_room(queue, more, (struct space){ 0 });
}

bool model_room(const struct queue *queue, __u32 uid, __u32 size, struct space more)
{
	if (has_flag(queue, WEIR_POLICY_FAIR_SHARE))
		return model_share(queue, uid, size, more, more);
	more.messages++;
	more.units += units_of(size);
	return model_has_room(queue, more, (struct space){ 0 });
}

/* Whether the last of @count of @specs has room, where those before it have. */
static bool model_reserves(const struct queue *queue, const struct spec *specs, int count,
			   struct space less)
{
	const struct spec *last = &specs[count - 1];

	if (has_flag(queue, WEIR_POLICY_FAIR_SHARE))
		return model_room(queue, last->uid, spec_size(last),
				  model_space(specs, count - 1));
	return model_has_room(queue, model_space(specs, count), less);
}

/* What is wrong before any space is looked for ends the batch before it. */
int model_tries(const struct queue *queue, const struct spec *specs, int count, int *error)
{
	int i;

	for (i = 0, *error = 0; i < count && !*error; i++)
		*error = spec_early_error(&specs[i]);
	if (*error)
		count = i - 1;
	for (i = 0; i < count; i++)
		if (spec_size(&specs[i]) > queue->max_size) {
			*error = -EMSGSIZE;
			return i;
		}
	return count;
}

/* So does what no space can be had for, and then what cannot be copied. */
int model_admits(const struct queue *queue, const struct spec *specs, int count, bool others)
{
	struct space less = { 0 };
	int error, reserved = 0, i;

	if (queue->dead)
		return -ESHUTDOWN;
	count = model_tries(queue, specs, count, &error);
	if (!count)
		return error;
	if (others && makes_room(queue) &&
	    !model_has_room(queue, model_space(specs, count), less))
		less = model_may_go(queue);
	while (reserved < count && model_reserves(queue, specs, reserved + 1, less))
		reserved++;
	if (!reserved)
		return -EAGAIN;
	for (i = 0; i < reserved; i++) {
		error = spec_late_error(&specs[i]) ?: model_bonds_error(queue, specs, i);
		if (!error && model_is_fenced(queue, &specs[i]))
			error = -ESTALE;
		if (error)
			return i ? i : error;
	}
	return reserved;
}

static enum wait model_delay(const struct weir_options *options)
{
	if (options->flags & WEIR_OPTION_AT)
		return options->delay_ns == PAST_AT ? NOW : LONG;
	if (!options->delay_ns)
		return NOW;
	return options->delay_ns == SHORT_NS ? SHORT : LONG;
}

void model_add(struct queue *queue, struct message *message)
{
	message->offset = queue->sent++;
	queue->messages[queue->held++] = message;
	if (message->state == READY)
		model_arrive(queue, message);
}

struct message *model_send(struct queue *queue, const struct spec *spec, __u32 pid)
{
	struct message *message;
	enum wait wait;

	if (!model_take_once(queue, spec)) {
		queue->duplicates++;
		return NULL;
	}
	message = calloc(1, sizeof(*message));
	message->spec = *spec;
	message->size = spec_size(spec);
	message->bytes = malloc(message->size + 1);
	spec_bytes(spec, message->bytes);
	message->state = READY;
	message->pid = pid;
	message->owner = spec->uid;
	message->priority = spec->options.priority;
	message->ttl = spec->options.ttl_ns ?: queue->policy.ttl_ns;
	message->ranked = spec->wishes || queue->policy.ttl_ns ||
			  (spec->key_len && has_flag(queue, WEIR_POLICY_KEYED));
	message->token = spec->options.token;
	message->receipts = spec->receipts;
	if (message->receipts)
		model_owe(message);
	message->asks = spec->options.flags & WEIR_OPTION_REPLY;
	message->reply_to = spec->reply_to;
	wait = model_delay(&spec->options);
	if (wait)
		message->state = DELAYED;
	message->ends = wait == SHORT;
	model_add(queue, message);
	model_behind(queue);
	queue->waited += message->behind;
	return message;
}

struct message *model_find(struct queue *queue, __u64 offset)
{
	int i;

	for (i = 0; i < queue->held; i++)
		if (queue->messages[i]->offset == offset)
			return queue->messages[i];
	return NULL;
}

struct message *model_in_slot(struct queue *queue, __u32 slot, const struct message *but)
{
	int i;

	for (i = 0; i < queue->held; i++) {
		struct message *message = queue->messages[i];

		if (message != but && message->placed && message->slot == slot)
			return message;
	}
	return NULL;
}

void model_lease(struct queue *queue, struct message *message, struct file *file, int worker,
		 bool in_place)
{
	message->state = LEASED;
	message->in_place = in_place;
	message->ends = false;
	message->file = file;
	message->worker = worker;
	queue->received++;
	if (message->deliveries++)
		queue->redelivered++;
	if (has_flag(queue, WEIR_POLICY_SINGLE_ACTIVE))
		queue->active = file;
	model_count_starving(queue, message);
}

/* What was read of it is read again. */
static void model_end_lease(struct message *message)
{
	if (message->file->partial == message)
		message->file->partial = NULL;
	message->file = NULL;
}

void model_die(struct queue *queue, struct message *message, const char *reason,
	       const char *text)
{
	if (message->state == LEASED) {
		message->holder_pid = model_pids[message->worker];
		memcpy(message->holder, message->file->names[message->worker],
		       sizeof(message->holder));
		model_end_lease(message);
	} else {
		message->holder_pid = 0;
		*message->holder = '\0';
	}
	message->state = DYING;
	queue->line_changed = true;
	message->ends = false;
	message->reason = reason;
	snprintf(message->text, sizeof(message->text), "%s", text);
	message->died = model_step;
	queue->blocked = ~0ULL;
}

void model_put_back(struct queue *queue, struct message *message, enum wait wait)
{
	__u32 most = queue->policy.max_deliveries;

	if (most && message->deliveries >= most) {
		model_die(queue, message, "deliveries", "");
		return;
	}
	model_end_lease(message);
	message->state = wait ? DELAYED : READY;
	message->ends = wait == SHORT;
	queue->freed++;
}

static enum wait model_backoff(const struct queue *queue)
{
	if (!queue->policy.backoff_ns)
		return NOW;
	return queue->policy.backoff_ns == SHORT_NS ? SHORT : LONG;
}

void model_free(struct message *message)
{
	free(message->bytes);
	free(message);
}

static void model_remove(struct queue *queue, struct message *message)
{
	int i = 0;

	while (queue->messages[i] != message)
		i++;
	queue->held--;
	for (; i < queue->held; i++)
		queue->messages[i] = queue->messages[i + 1];
	queue->freed++;
	queue->line_changed = true;
	model_free(message);
}

/* What somebody may still read keeps its place. */
void model_gone(struct queue *queue, struct message *message, enum weir_outcome outcome,
		__u32 pid, const char *name)
{
	model_tell(queue, message, outcome, pid, name);
	message->receipts = NULL;
	queue->line_changed = true;
	if (message->nr_pins)
		message->state = PINNED;
	else
		model_remove(queue, message);
}

void model_settle(struct queue *queue, struct message *message, enum weir_outcome outcome)
{
	const char *name = message->file->names[message->worker];

	model_end_lease(message);
	queue->settled++;
	model_gone(queue, message, outcome, model_pids[message->worker], name);
}

/* Also what is behind others. */
__u64 model_purge(struct queue *queue)
{
	__u64 purged = 0;
	int i;

	/* From the last one, as some go. */
	for (i = queue->held - 1; i >= 0; i--) {
		if (queue->messages[i]->state != READY)
			continue;
		model_gone(queue, queue->messages[i], WEIR_OUTCOME_PURGED, 0, "");
		purged++;
	}
	queue->purged += purged;
	return purged;
}

__u64 model_pins(const struct queue *queue)
{
	__u64 pins = 0;
	int i;

	for (i = 0; i < queue->held; i++)
		pins += queue->messages[i]->nr_pins;
	return pins;
}

bool model_may_pin(const struct queue *queue)
{
	int i;

	for (i = 0; i < queue->held; i++)
		if (queue->messages[i]->nr_pins >= MOST_PINS - 1)
			return false;
	return true;
}

static void model_expire(struct queue *queue, struct message *message)
{
	if (message->in_place)
		message->pins[message->nr_pins++] = (struct pin){
			.file = message->file, .worker = message->worker,
			.deliveries = message->deliveries,
		};
	queue->expired++;
	model_put_back(queue, message, model_backoff(queue));
}

/* Whether there was anything. */
static bool model_end_time(struct queue *queue, struct message *message)
{
	if (message->ends) {
		message->ends = false;
		if (message->state == LEASED)
			model_expire(queue, message);
		else if (message->state == DELAYED)
			model_arrive(queue, message);
		return true;
	}
	if ((message->state != READY && message->state != DELAYED) || message->ttl != SHORT_NS)
		return false;
	model_die(queue, message, "expired", "");
	return true;
}

bool model_end_times(struct queue *queue)
{
	bool any = false;
	int i;

	for (i = 0; i < queue->held; i++)
		while (model_end_time(queue, queue->messages[i]))
			any = true;
	return any;
}

/* Those pins of @message go that are @file's, and @worker's and of that delivery, if any. */
static void model_unpin(struct queue *queue, struct message *message, const struct file *file,
			int worker, __u32 deliveries)
{
	int i, kept = 0;

	for (i = 0; i < message->nr_pins; i++) {
		const struct pin *pin = &message->pins[i];

		if (pin->file != file || (worker >= 0 && pin->worker != worker) ||
		    (deliveries && pin->deliveries != deliveries))
			message->pins[kept++] = *pin;
	}
	message->nr_pins = kept;
	queue->freed++;
	if (!kept && message->state == PINNED)
		model_remove(queue, message);
}

/* Who is late is told so, and reads none of it any more. */
static void model_late(struct file *file, const struct weir_run *run)
{
	__u32 i;

	for (i = 0; i < run->count; i++) {
		struct message *message = model_find(file->queue, run->offset + i);

		if (!message || !message->placed || message->slot != run->slot + i ||
		    !run->deliveries)
			continue;
		if (message->state == LEASED && message->file == file &&
		    message->deliveries == run->deliveries)
			message->in_place = false;
		model_unpin(file->queue, message, file, -1, run->deliveries);
	}
}

int model_run_status(struct file *file, const struct weir_run *run)
{
	int worker = -1;
	__u32 i;

	if (!run->count || run->count > WEIR_BATCH_MAX || run->op > WEIR_TERM ||
	    (run->delay_ms && run->op != WEIR_RELEASE && run->op != WEIR_EXTEND))
		return -EINVAL;
	for (i = 0; i < run->count; i++) {
		struct message *message = model_find(file->queue, run->offset + i);

		if (!message || message->state != LEASED || message->file != file ||
		    !message->placed || message->slot != run->slot + i ||
		    message->deliveries != run->deliveries)
			return -ESTALE;
		/* A run is one consumer's. */
		if (i && message->worker != worker)
			return -ESTALE;
		worker = message->worker;
		if (file->partial == message)
			return -EBUSY;
	}
	return 0;
}

static void model_settle_as(struct queue *queue, struct message *message,
			    const struct weir_run *run, const char *text)
{
	enum wait wait = run->delay_ms == SHORT_MS ? SHORT : LONG;

	switch (run->op) {
	case WEIR_ACK:
		model_settle(queue, message, WEIR_OUTCOME_ACKED);
		break;
	case WEIR_RELEASE:
		if (!run->delay_ms)
			wait = model_backoff(queue);
		model_put_back(queue, message, wait);
		break;
	case WEIR_EXTEND:
		message->ends = run->delay_ms == SHORT_MS;
		message->endless = !run->delay_ms && queue->policy.lease_ns == WEIR_UNLIMITED;
		break;
	case WEIR_TERM:
		model_die(queue, message, "term", text);
		break;
	}
}

int model_settle_run(struct file *file, const struct weir_run *run, const char *text)
{
	int status = model_run_status(file, run);
	__u32 i;

	for (i = 0; !status && i < run->count; i++)
		model_settle_as(file->queue, model_find(file->queue, run->offset + i), run,
				text);
	if (status == -ESTALE)
		model_late(file, run);
	return status;
}

void model_end_consumer(struct file *file, int worker)
{
	int i;

	/* From the last one, as some go. */
	for (i = file->queue->held - 1; i >= 0; i--) {
		struct message *message = file->queue->messages[i];

		if (message->state == LEASED && message->file == file &&
		    message->worker == worker)
			model_put_back(file->queue, message, NOW);
		model_unpin(file->queue, message, file, worker, 0);
	}
	file->consumer[worker] = false;
	*file->names[worker] = '\0';
	if (file->queue->active != file)
		return;
	for (i = 0; i < WORKERS; i++)
		if (file->consumer[i])
			return;
	file->queue->active = NULL;
}

void model_check_open(struct file *file)
{
	int i;

	for (i = 0; i < WORKERS; i++)
		if (file->fd[i] || file->mapped[i])
			return;
	for (i = 0; i < WORKERS; i++)
		model_end_consumer(file, i);
	memset(file, 0, sizeof(*file));
}

void model_empty(struct queue *queue)
{
	while (queue->held)
		model_remove(queue, queue->messages[0]);
}
