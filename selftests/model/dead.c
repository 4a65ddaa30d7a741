// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Time goes on: what is over ends, and what is dead is buried, in the kernel and in
 * the model. When the kernel buries is its own affair, and so is the order of what died
 * in one step: the dead letter queue tells who came.
 */
#include <time.h>

#include "world.h"

#define TICK_NS		200000
#define TICKS(seconds)	((int)((seconds) * 1e9 / TICK_NS))
/* Until it is believed that there is no place; the kernel tries ten times a second. */
#define BLOCKED_TICKS	TICKS(0.5)

struct block {
	unsigned char *bytes;
	__u32 len;
};

static void add_header(struct block *block, const char *name, const char *value)
{
	struct weir_header header = { .value_len = strlen(value), .name_len = strlen(name) };
	__u32 size = (sizeof(header) + header.name_len + header.value_len + 7) / 8 * 8;
	unsigned char *to = block->bytes + block->len;

	memset(to, 0, size);
	memcpy(to, &header, sizeof(header));
	memcpy(to + sizeof(header), name, header.name_len);
	memcpy(to + sizeof(header) + header.name_len, value, header.value_len);
	block->len += size;
}

static void add_number(struct block *block, const char *name, __u64 number)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", number);
	add_header(block, name, text);
}

struct message *model_dead_letter(const struct queue *queue, const struct message *message,
				  __u64 stamp)
{
	struct message *letter = calloc(1, sizeof(*letter));
	__u32 more = spec_headers_at(&message->spec) + message->spec.headers_len;
	struct block block;

	letter->bytes = calloc(1, more + 1024);
	memcpy(letter->bytes, message->bytes, message->size);
	block = (struct block){ letter->bytes + more, 0 };
	add_header(&block, "weir-dead-reason", message->reason);
	if (*message->text)
		add_header(&block, "weir-dead-text", message->text);
	add_header(&block, "weir-dead-queue", queue->name);
	add_number(&block, "weir-dead-offset", message->offset);
	add_number(&block, "weir-dead-deliveries", message->deliveries);
	add_number(&block, "weir-dead-sent", stamp);
	if (message->holder_pid) {
		add_number(&block, "weir-dead-uid", 0);
		add_number(&block, "weir-dead-pid", message->holder_pid);
		if (*message->holder)
			add_header(&block, "weir-dead-consumer", message->holder);
	}
	letter->spec = (struct spec){
		.len = message->spec.len, .key_len = message->spec.key_len,
		.headers_len = message->spec.headers_len + block.len,
		.uid = message->spec.uid,
	};
	letter->owner = letter->spec.uid;
	letter->size = more + block.len;
	letter->state = READY;
	letter->ttl = queue->heir->policy.ttl_ns;
	letter->asks = message->asks;
	letter->reply_to = message->reply_to;
	letter->ranked = letter->ttl || letter->asks || (letter->spec.key_len &&
					 has_flag(queue->heir, WEIR_POLICY_KEYED));
	letter->pid = message->pid;
	return letter;
}

/* The value of the last header of that name, or of the first; or NULL. */
static const char *find_header(const struct letter *letter, const char *name, bool first,
			       __u32 *length)
{
	const unsigned char *bytes = letter->bytes;
	__u32 at = spec_headers_at(&letter->spec), end = at + letter->spec.headers_len;
	const char *found = NULL;

	while (at < end && !(first && found)) {
		struct weir_header header;

		memcpy(&header, bytes + at, sizeof(header));
		at += sizeof(header);
		if (header.name_len == strlen(name) && !memcmp(bytes + at, name, header.name_len)) {
			found = (const char *)bytes + at + header.name_len;
			*length = header.value_len;
		}
		at = (at + header.name_len + header.value_len + 7) / 8 * 8;
	}
	return found;
}

bool letter_died_of(const struct letter *letter, const char *reason)
{
	__u32 length;
	const char *value = find_header(letter, "weir-dead-reason", false, &length);

	return value && length == strlen(reason) && !memcmp(value, reason, length);
}

__u64 letter_number(const struct letter *letter, const char *name, bool first)
{
	__u32 length;
	const char *value = find_header(letter, name, first, &length);

	return value ? strtoull(value, NULL, 10) : ~0ULL;
}

struct queue *letter_origin(const struct letter *letter, bool first)
{
	const char *value;
	__u32 length;
	int i;

	value = find_header(letter, "weir-dead-queue", first, &length);
	/* Of those without a name one has an heir. */
	for (i = 0; value && i < QUEUES; i++)
		if (world.queues[i] && world.queues[i]->heir &&
		    strlen(world.queues[i]->name) == length &&
		    !memcmp(world.queues[i]->name, value, length))
			return world.queues[i];
	return NULL;
}

/* Of those that died in one step any may be first. */
bool model_dies_first(const struct queue *queue, const struct message *message)
{
	int i;

	if (message->state != DYING)
		return false;
	for (i = 0; i < queue->held; i++)
		if (queue->messages[i]->state == DYING && queue->messages[i]->died < message->died)
			return false;
	return true;
}

struct message *model_bury(struct queue *queue, struct message *message, __u64 stamp)
{
	struct queue *heir = queue->heir;
	struct message *letter;

	letter = model_dead_letter(queue, message, message->placed ? message->stamp : stamp);
	if (!model_room(heir, 0, letter->size, (struct space){ 0 }))
		disagree("dead letter %llu of %s, which is full", heir->sent, heir->name);
	model_add(heir, letter);
	queue->dead_letters++;
	tally.letters++;
	model_gone(queue, message, WEIR_OUTCOME_DEAD_LETTER, message->holder_pid, message->holder);
	return letter;
}

/* A dead letter is in @heir; @others that came have gone again, nobody knows which. */
void bury_one(struct queue *heir, const struct weir_desc *desc, bool others)
{
	struct letter seen = {
		.spec = { desc->len, desc->key_len, desc->headers_len },
		.bytes = heir->pool + desc->pos,
	};
	struct queue *queue = letter_origin(&seen, false);
	struct message *message, *letter;

	if (!queue || queue->heir != heir)
		disagree("message %llu of %s is no dead letter for it", heir->sent, heir->name);
	message = lets_die(queue) ? model_dead_between(queue, &seen) :
		  model_find(queue, letter_number(&seen, "weir-dead-offset", false));
	if (!message || (!others && !model_dies_first(queue, message)))
		disagree("message %llu of %s was not to be buried",
			 message ? message->offset : ~0ULL, queue->name);
	letter = model_bury(queue, message, letter_number(&seen, "weir-dead-sent", false));
	observe_place(heir, letter, desc);
	if (memcmp(seen.bytes, letter->bytes, letter->size))
		disagree("the bytes of dead letter %llu", letter->offset);
}

void tick(void)
{
	const struct timespec time = { .tv_nsec = TICK_NS };

	nanosleep(&time, NULL);
}

/* What goes for a letter has gone a moment before the letter is there. */
static bool is_written(const struct queue *heir, const struct weir_info *info)
{
	if (info->drafts == heir->owed)
		return true;
	tick();
	return false;
}

/*
 * All of @heir, and how many of each queue were buried, at one moment, when no letter is on
 * the way, or will be soon.
 */
static void snapshot(const struct queue *heir, struct weir_info *info, __u64 dead[QUEUES])
{
	struct weir_info other;
	__u64 sent = ~0ULL;
	int ticks = 0, i;

	do {
		get_info(heir, info);
		ticks = info->sent == sent ? ticks + 1 : 0;
		sent = info->sent;
		for (i = 0; i < QUEUES; i++) {
			if (!world.queues[i] || world.queues[i]->heir != heir)
				continue;
			dead[i] = world.queues[i]->dead_letters;
			if (!is_reachable(world.queues[i]))
				continue;
			get_info(world.queues[i], &other);
			dead[i] = other.dead;
		}
		get_info(heir, info);
		if (ticks < QUIET_TICKS)
			tick();
	} while (ticks < QUIET_TICKS || info->sent != sent || !is_written(heir, info));
}

/* One that died in @queue is buried, and has gone from there: any of those that were first. */
static void bury_unseen(struct queue *queue)
{
	int i = 0;

	while (i < queue->held && !model_dies_first(queue, queue->messages[i]))
		i++;
	if (i == queue->held)
		disagree("more of %s are buried than had died", queue->name);
	queue->dead_letters++;
	model_gone(queue, queue->messages[i], WEIR_OUTCOME_DEAD_LETTER,
		   queue->messages[i]->holder_pid, queue->messages[i]->holder);
}

/* Of the letters that came to be in @heir: what they need; and how many went already. */
static int letters_space(struct queue *heir, __u64 sent, struct space *space, __u32 *span)
{
	int missing = 0;
	__u64 offset;

	for (offset = heir->sent; offset < sent; offset++) {
		const struct weir_desc *desc = observe_find(heir, offset);
		struct spec spec;

		if (!desc) {
			missing++;
			continue;
		}
		spec = (struct spec){ desc->len, desc->key_len, desc->headers_len };
		space->messages++;
		space->units += units_of(spec_size(&spec));
		*span += spec_size(&spec) + 8192;
	}
	return missing;
}

/*
 * Dead letters are in @heir, where others went for them, and then perhaps some of them for
 * those behind. Each of them is of the lowest priority: so what was there before went first,
 * as far as it did.
 */
static bool arrive_full(struct queue *heir)
{
	const __u64 before = heir->sent;
	struct space space = { 0 };
	struct weir_info info;
	__u64 dead[QUEUES], went;
	__u32 span = 4096;
	int missing, i;

	snapshot(heir, &info, dead);
	missing = letters_space(heir, info.sent, &space, &span);
	went = info.dropped - heir->dropped;
	if (went < (__u64)missing)
		disagree("%d letters are missing in %s", missing, heir->name);
	for (went -= missing; went; went--) {
		if (!missing && model_has_room(heir, space, (struct space){ 0 }) &&
		    observe_fits(heir, span))
			disagree("%llu of %s too many have gone for letters", went, heir->name);
		model_let_go(heir, 1);
	}
	while (heir->sent < info.sent) {
		const struct weir_desc *desc = observe_find(heir, heir->sent);

		if (desc)
			bury_one(heir, desc, missing);
		else
			heir->sent++;
	}
	heir->dropped += missing;
	for (i = 0; i < QUEUES; i++)
		while (world.queues[i] && world.queues[i]->heir == heir &&
		       world.queues[i]->dead_letters < dead[i])
			bury_unseen(world.queues[i]);
	return heir->sent > before;
}

bool arrive(struct queue *queue, __u64 sent)
{
	const __u64 before = queue->sent;

	if (lets_die(queue) && is_heir(queue))
		return arrive_between(queue);
	if (makes_room(queue) && is_heir(queue))
		return arrive_full(queue);

	while (queue->sent < sent) {
		const struct weir_desc *desc = observe_find(queue, queue->sent);

		if (!desc)
			disagree("message %llu of %s is in no slot", queue->sent, queue->name);
		/* A receipt may be dead itself. */
		if (desc->pid || desc->headers_len) {
			bury_one(queue, desc, false);
			continue;
		}
		agree("length of a receipt", desc->len, sizeof(struct weir_receipt));
		if (!model_hear(queue, (const void *)(queue->pool + desc->pos)))
			break;
		observe_place(queue, queue->messages[queue->held - 1], desc);
	}
	return queue->sent > before;
}

/* Whether any receipt came. */
static bool hear(struct queue *queue)
{
	struct weir_info info;
	int ticks;

	if (!queue->nr_receipts || !is_reachable(queue))
		return false;
	for (ticks = 0; ticks < TICKS(patience); ticks++) {
		get_info(queue, &info);
		if (info.sent > queue->sent)
			break;
		tick();
	}
	if (ticks == TICKS(patience))
		disagree("%d receipts do not come", queue->nr_receipts);
	return arrive(queue, info.sent);
}

static bool letter_fits(const struct queue *heir, const struct message *letter,
			struct space less)
{
	return model_has_room(heir, (struct space){ 1, units_of(letter->size) }, less);
}

/* Whether it has place for sure, and if that is made by what is buried in turn. */
static bool letter_has_place(const struct queue *heir, const struct message *letter)
{
	struct space less = { 0 };

	if (lets_die(heir) && model_is_passed_on(heir))
		return true;
	if (!lets_die(heir))
		less = model_may_go(heir);
	return letter_fits(heir, letter, less) && observe_fits(heir, letter->size);
}

/* Whether the one that may be first and is the hardest to place has place for sure. */
static bool has_place(const struct queue *queue)
{
	int i;

	for (i = 0; i < queue->held; i++) {
		struct message *letter;
		bool fits;

		if (!model_dies_first(queue, queue->messages[i]))
			continue;
		letter = model_dead_letter(queue, queue->messages[i], LONG_AT);
		fits = letter_has_place(queue->heir, letter);
		model_free(letter);
		if (!fits)
			return false;
	}
	return true;
}

/* Whether any that may be first has room, or will if others go. */
static bool has_room(const struct queue *queue, bool others)
{
	struct space less = { 0 };
	bool room = false;
	int i;

	if (others)
		less = model_may_go(queue->heir);
	for (i = 0; i < queue->held && !room; i++) {
		struct message *letter;

		if (!model_dies_first(queue, queue->messages[i]))
			continue;
		letter = model_dead_letter(queue, queue->messages[i], LONG_AT);
		room = letter_fits(queue->heir, letter, less);
		model_free(letter);
	}
	return room;
}

/* Whether others are to be buried before, which they cannot be. */
static bool is_stuck(const struct queue *queue)
{
	const struct queue *heir = queue->heir;

	return lets_die(heir) && model_count(heir, DYING) && !has_room(queue, false) &&
	       (heir->heir->dead || !has_room(heir, true));
}

/* To the dead letter queue: whether anything came to be there. */
static bool bequeath(struct queue *queue)
{
	struct queue *heir = queue->heir;
	struct weir_info info;
	int ticks;

	if (heir->dead || queue->blocked == heir->freed || !has_room(queue, true) ||
	    is_stuck(queue))
		return false;
	for (ticks = 0; ticks < TICKS(patience); ticks++) {
		get_info(heir, &info);
		if (info.sent > heir->sent)
			break;
		if (ticks > BLOCKED_TICKS && !has_place(queue)) {
			bool any = arrive(heir, info.sent);

			queue->blocked = heir->freed;
			tally.blocked++;
			return any;
		}
		tick();
	}
	if (ticks == TICKS(patience))
		disagree("what is dead of %s is not buried", queue->name);
	return arrive(heir, info.sent);
}

void bury_so_far(struct queue *queue)
{
	struct weir_info info;

	if (queue->heir->dead)
		return;
	get_info(queue->heir, &info);
	arrive(queue->heir, info.sent);
}

static bool discard(struct queue *queue)
{
	int i;

	for (i = queue->held - 1; i >= 0; i--) {
		if (queue->messages[i]->state != DYING)
			continue;
		queue->dead_letters++;
		model_gone(queue, queue->messages[i], WEIR_OUTCOME_DISCARDED,
			   queue->messages[i]->holder_pid, queue->messages[i]->holder);
	}
	return true;
}

static bool queue_calm_down(struct queue *queue)
{
	bool any = model_end_times(queue) | hear(queue);

	if (!model_count(queue, DYING))
		return any;
	return (queue->heir ? bequeath(queue) : discard(queue)) || any;
}

/* Whether the kernel is where the model is; if not, not yet perhaps. */
static bool is_calm(const struct queue *queue)
{
	struct weir_info info;

	if (!is_reachable(queue))
		return true;
	get_info(queue, &info);
	return info.expired >= queue->expired && info.dead >= queue->dead_letters &&
	       info.delayed <= (__u64)model_count(queue, DELAYED) &&
	       info.dying == (__u64)model_count(queue, DYING);
}

static int heirs(const struct queue *queue)
{
	return queue->heir ? 1 + heirs(queue->heir) : 0;
}

/* From the last heirs on: what goes there makes way for what comes from before them. */
static bool calm_down_once(bool ever[QUEUES])
{
	bool any = false;
	int i, nr_heirs;

	for (nr_heirs = 0; nr_heirs < QUEUES; nr_heirs++)
		for (i = 0; i < QUEUES; i++) {
			if (!world.queues[i] || heirs(world.queues[i]) != nr_heirs)
				continue;
			while (queue_calm_down(world.queues[i]))
				any = ever[i] = true;
		}
	return any;
}

void calm_down(void)
{
	bool ever[QUEUES] = { false };
	int i, ticks;

	while (calm_down_once(ever))
		;
	for (i = 0; i < QUEUES; i++)
		for (ticks = 0; ever[i] && ticks < TICKS(patience); ticks++) {
			if (is_calm(world.queues[i]))
				break;
			tick();
		}
}
