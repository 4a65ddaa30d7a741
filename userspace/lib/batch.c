// SPDX-License-Identifier: MIT
/* Receiving and settling. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"

#define DEFAULT_MESSAGES	64
#define DEFAULT_BUFFER		(256U << 10)
/* A record of the largest message. */
#define MOST_BUFFER		(WEIR_MESSAGE_MAX + 4096U)

#define BATCH_FLAGS	(WEIR_BATCH_COPY | WEIR_BATCH_SETTLED)

/* The kernel gives fewer at a time. */
#define MOST_RUNS		64

static int buffer_set(struct weir_batch *batch, size_t size)
{
	void *buffer;

	size = (size + WEIR_ALIGN - 1) & ~(size_t)(WEIR_ALIGN - 1);
	buffer = aligned_alloc(WEIR_ALIGN, size);
	if (!buffer)
		return -ENOMEM;
	free(batch->buffer);
	batch->buffer = buffer;
	batch->buffer_size = size;
	return 0;
}

static int batch_allocate(struct weir_batch *batch, uint64_t buffer_size)
{
	uint32_t n = batch->max_messages;

	batch->views = calloc(n, sizeof(*batch->views));
	batch->status = calloc(n, sizeof(*batch->status));
	batch->settle = calloc(n, sizeof(*batch->settle));
	batch->spans = calloc(n, sizeof(*batch->spans));
	batch->most_runs = n < MOST_RUNS ? n : MOST_RUNS;
	batch->runs = calloc(batch->most_runs, sizeof(*batch->runs));
	batch->incoming = calloc(batch->most_runs, sizeof(*batch->runs));
	if (!batch->views || !batch->status || !batch->settle ||
	    !batch->spans || !batch->runs || !batch->incoming)
		return -ENOMEM;
	if (!(batch->flags & BATCH_FLAGS) && queue_map(batch->queue))
		return 0;
	return buffer_set(batch, buffer_size);
}

static int batch_options(struct weir_batch_options *ours,
			 const struct weir_batch_options *theirs)
{
	int ret = options_take(ours, sizeof(*ours), theirs);

	if (ret)
		return ret;
	if (!ours->max_messages)
		ours->max_messages = DEFAULT_MESSAGES;
	if (!ours->buffer_size)
		ours->buffer_size = DEFAULT_BUFFER;
	if (ours->flags & ~BATCH_FLAGS || ours->max_messages > WEIR_BATCH_MAX ||
	    ours->buffer_size > PTRDIFF_MAX / 2)
		return -EINVAL;
	return 0;
}

WEIR_PUBLIC int weir_batch_new(struct weir_queue *queue,
			       const struct weir_batch_options *options,
			       struct weir_batch **batch)
{
	struct weir_batch_options ours;
	struct weir_batch *new;
	int ret;

	ret = batch_options(&ours, options);
	if (ret)
		return ret;
	if (queue->access == O_WRONLY)
		return -EACCES;
	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	new->queue = queue;
	new->flags = ours.flags;
	new->max_messages = ours.max_messages;
	new->limit = ours.max_messages;
	new->max_bytes = ours.max_bytes;
	new->lease_ns = ours.lease_ns;
	ret = batch_allocate(new, ours.buffer_size);
	if (ret) {
		weir_batch_free(new);
		return ret;
	}
	*batch = new;
	return 0;
}

WEIR_PUBLIC void weir_batch_free(struct weir_batch *batch)
{
	if (!batch)
		return;
	free(batch->buffer);
	free(batch->views);
	free(batch->status);
	free(batch->runs);
	free(batch->incoming);
	free(batch->settle);
	free(batch->spans);
	free(batch->answer_headers);
	free(batch);
}

WEIR_PUBLIC int weir_batch_limit(struct weir_batch *batch,
				 unsigned int max_messages)
{
	if (!max_messages || max_messages > batch->max_messages)
		return -EINVAL;
	batch->limit = max_messages;
	return 0;
}

WEIR_PUBLIC int weir_batch_mapped(const struct weir_batch *batch)
{
	return !batch->buffer;
}

WEIR_PUBLIC unsigned int weir_batch_count(const struct weir_batch *batch)
{
	return batch->count;
}

WEIR_PUBLIC const struct weir_view *
weir_batch_view(const struct weir_batch *batch, unsigned int i)
{
	return i < batch->count ? &batch->views[i] : NULL;
}

WEIR_PUBLIC int weir_batch_status(const struct weir_batch *batch,
				  unsigned int i)
{
	if (i >= batch->count)
		return -EINVAL;
	return batch->status[i] == STATUS_HELD ? WEIR_HELD : -batch->status[i];
}

WEIR_PUBLIC unsigned int weir_batch_failed(const struct weir_batch *batch)
{
	return batch->failed;
}

/* ---- Which runs are to be settled ------------------------------------- */

static void settle_add(struct weir_batch *batch, const struct weir_run *run,
		       unsigned int at)
{
	struct weir_run *to = &batch->settle[batch->nr_settle];

	*to = *run;
	to->op = batch->fate.op;
	to->status = 0;
	to->delay_ms = batch->fate.delay_ms;
	batch->spans[batch->nr_settle++] = (struct span){ at, run->count };
}

/* As they were fetched: the usual case, and no look at any message. */
static void settle_whole(struct weir_batch *batch)
{
	unsigned int at = 0, i;

	for (i = 0; i < batch->nr_runs; i++) {
		settle_add(batch, &batch->runs[i], at);
		at += batch->runs[i].count;
	}
}

/* The part of the run that begins at message @at which lies in first..end. */
static void settle_part(struct weir_batch *batch, const struct weir_run *run,
			unsigned int at, unsigned int first, unsigned int end)
{
	unsigned int i = at > first ? at : first, from;

	if (end > at + run->count)
		end = at + run->count;
	while (i < end) {
		struct weir_run part = *run;

		if (batch->status[i] != STATUS_HELD) {
			i++;
			continue;
		}
		for (from = i; i < end && batch->status[i] == STATUS_HELD; i++)
			;
		part.offset += from - at;
		part.slot += from - at;
		part.count = i - from;
		settle_add(batch, &part, from);
	}
}

static void settle_plan(struct weir_batch *batch, unsigned int first,
			unsigned int count, struct fate fate)
{
	unsigned int at = 0, i;

	batch->fate = fate;
	batch->nr_settle = 0;
	if (!batch->held)
		return;
	if (count == batch->count && batch->held == batch->count) {
		settle_whole(batch);
		return;
	}
	for (i = 0; i < batch->nr_runs; i++) {
		settle_part(batch, &batch->runs[i], at, first, first + count);
		at += batch->runs[i].count;
	}
}

/*
 * Whether a command of that result came to the settlement: one that only
 * receives nothing has done it before. Where that is not sure, the messages
 * stay held, and to settle what is settled is harmless.
 */
static bool settle_tried(const struct weir_batch *batch, int res)
{
	if (res >= 0)
		return true;
	return batch->state == BATCH_RECEIVING &&
	       (res == -EAGAIN || res == -ETIMEDOUT || res == -EINTR ||
		res == -EMSGSIZE || res == -ECANCELED || res == -ESHUTDOWN);
}

static unsigned int settle_collect(struct weir_batch *batch, int res)
{
	bool tried = settle_tried(batch, res);
	unsigned int settled = 0, i;

	batch->failed = 0;
	for (i = 0; i < batch->nr_settle; i++) {
		const struct span *span = &batch->spans[i];
		int status = batch->settle[i].status;

		/* Of what is too late that was said whatever became of the rest. */
		if (!tried && status != -ESTALE) {
			batch->failed += span->count;
			continue;
		}
		if (status > 0 || status <= -STATUS_HELD)
			status = -EBADMSG;
		if (status)
			batch->failed += span->count;
		else
			settled += span->count;
		/* What was extended is still held. */
		if (!status && batch->fate.op == WEIR_EXTEND)
			continue;
		memset(batch->status + span->at, -status, span->count);
		batch->held -= span->count;
	}
	batch->nr_settle = 0;
	return settled;
}

/* ---- Commands --------------------------------------------------------- */

bool op_known(int op)
{
	return op == WEIR_ACK || op == WEIR_RELEASE || op == WEIR_TERM;
}

#define NO_FATE		(-1)

/* The kernel counts in ms, up to so many; a part of one is one more. */
struct fate fate_in(int op, int64_t ns)
{
	int64_t ms = ns / 1000000 + (ns % 1000000 > 0);

	if (ns < 0 || ms > UINT32_MAX)
		return (struct fate){ .op = NO_FATE };
	return (struct fate){ .op = op, .delay_ms = ms };
}

int batch_begin_settle(struct weir_batch *batch, unsigned int first,
		       unsigned int count, struct fate fate,
		       struct command *command)
{
	if (batch->state != BATCH_IDLE)
		return -EBUSY;
	if ((!op_known(fate.op) && fate.op != WEIR_EXTEND) ||
	    first > batch->count || count > batch->count - first)
		return -EINVAL;
	settle_plan(batch, first, count, fate);
	batch->settlement = (struct weir_settle){
		.runs = (uintptr_t)batch->settle,
		.count = batch->nr_settle,
	};
	*command = (struct command){
		.fd = batch->queue->fd, .number = WEIR_IOC_SETTLE,
		.arg = &batch->settlement, .size = sizeof(batch->settlement),
	};
	batch->state = BATCH_SETTLING;
	return 0;
}

int batch_begin_receive(struct weir_batch *batch, int op, int64_t timeout_ns,
			struct command *command)
{
	struct weir_fetch *fetch = &batch->fetch;

	if (batch->state != BATCH_IDLE)
		return -EBUSY;
	if (op != NO_SETTLEMENT && !op_known(op))
		return -EINVAL;
	batch->nr_settle = 0;
	if (op != NO_SETTLEMENT)
		settle_plan(batch, 0, batch->count, (struct fate){ .op = op });
	*fetch = (struct weir_fetch){
		.runs = (uintptr_t)batch->incoming,
		.nr_runs = batch->most_runs,
		.max_messages = batch->limit,
		.lease_ns = batch->lease_ns,
		.max_bytes = batch->max_bytes,
		.timeout_ns = timeout_ns,
		.buffer = (uintptr_t)batch->buffer,
		.buffer_len = batch->buffer ? batch->buffer_size : 0,
		.settle = (uintptr_t)batch->settle,
		.nr_settle = batch->nr_settle,
	};
	if (batch->flags & WEIR_BATCH_SETTLED)
		fetch->flags |= WEIR_FETCH_SETTLED;
	*command = (struct command){
		.fd = batch->queue->fd, .number = WEIR_IOC_FETCH,
		.arg = fetch, .size = sizeof(*fetch),
	};
	batch->state = BATCH_RECEIVING;
	return 0;
}

static void batch_idle(struct weir_batch *batch)
{
	free(batch->answer_headers);
	batch->answer_headers = NULL;
	batch->state = BATCH_IDLE;
}

void batch_abandon(struct weir_batch *batch)
{
	batch->nr_settle = 0;
	batch_idle(batch);
}

static int batch_grow(struct weir_batch *batch)
{
	uint64_t need = batch->fetch.buffer_len;

	if (!batch->buffer || need <= batch->buffer_size || need > MOST_BUFFER)
		return -EBADMSG;
	/* The views lead into the buffer that goes. */
	batch->count = 0;
	batch->held = 0;
	return buffer_set(batch, need) ? -ENOMEM : -EMSGSIZE;
}

static int batch_received(struct weir_batch *batch, int res)
{
	bool settled = batch->flags & WEIR_BATCH_SETTLED;

	if (res == -EMSGSIZE)
		return batch_grow(batch);
	if (res < 0)
		return res;
	batch->count = 0;
	batch->held = 0;
	if (!res || batch_load(batch, res))
		return -EBADMSG;
	memset(batch->status, settled ? 0 : STATUS_HELD, res);
	batch->count = res;
	batch->held = settled ? 0 : res;
	return res;
}

int batch_complete(struct weir_batch *batch, int res)
{
	enum batch_state state = batch->state;
	unsigned int settled;

	if (state == BATCH_IDLE)
		return -EINVAL;
	if (state == BATCH_REPLYING) {
		batch->settle[0].status = batch->reply.run.status;
		res = res > 1 ? -EBADMSG : res;
	}
	settled = settle_collect(batch, res);
	batch_idle(batch);
	if (state == BATCH_RECEIVING)
		return batch_received(batch, res);
	if (state == BATCH_REPLYING)
		return res;
	return res < 0 ? res : (int)settled;
}

static int settle_because(struct weir_batch *batch, unsigned int first,
			  unsigned int count, struct fate fate, const char *reason)
{
	struct command command;
	size_t len = reason ? strlen(reason) : 0;
	int ret;

	if (len > WEIR_REASON_MAX)
		return -EINVAL;
	ret = batch_begin_settle(batch, first, count, fate, &command);
	if (ret)
		return ret;
	batch->settlement.reason = len ? (uintptr_t)reason : 0;
	batch->settlement.reason_len = len;
	ret = batch->nr_settle ? queue_run(batch->queue, &command) : 0;
	return batch_complete(batch, ret);
}

static int settle(struct weir_batch *batch, unsigned int first,
		  unsigned int count, struct fate fate)
{
	return settle_because(batch, first, count, fate, NULL);
}

WEIR_PUBLIC int weir_settle(struct weir_batch *batch, unsigned int first,
			    unsigned int count, int op)
{
	if (!op_known(op))
		return -EINVAL;
	return settle(batch, first, count, (struct fate){ .op = op });
}

WEIR_PUBLIC int weir_reject(struct weir_batch *batch, unsigned int first,
			    unsigned int count, const char *reason)
{
	return settle_because(batch, first, count, (struct fate){ .op = WEIR_TERM }, reason);
}

WEIR_PUBLIC int weir_release(struct weir_batch *batch, unsigned int first,
			     unsigned int count, int64_t delay_ns)
{
	return settle(batch, first, count, fate_in(WEIR_RELEASE, delay_ns));
}

WEIR_PUBLIC int weir_extend(struct weir_batch *batch, unsigned int first,
			    unsigned int count, int64_t lease_ns)
{
	return settle(batch, first, count, fate_in(WEIR_EXTEND, lease_ns));
}

static int receive(struct weir_batch *batch, int op, int64_t timeout_ns)
{
	struct command command;
	unsigned int failed = 0;
	int ret;

	/* Twice at most: the buffer is then as large as the message needs. */
	do {
		ret = batch_begin_receive(batch, op, timeout_ns, &command);
		if (ret)
			return ret;
		ret = queue_run(batch->queue, &command);
		ret = batch_complete(batch, ret);
		failed += batch->failed;
		op = NO_SETTLEMENT;
	} while (ret == -EMSGSIZE);
	batch->failed = failed;
	return ret;
}

WEIR_PUBLIC int weir_receive(struct weir_batch *batch, int64_t timeout_ns)
{
	return receive(batch, NO_SETTLEMENT, timeout_ns);
}

WEIR_PUBLIC int weir_settle_receive(struct weir_batch *batch, int op,
				    int64_t timeout_ns)
{
	if (!op_known(op))
		return -EINVAL;
	return receive(batch, op, timeout_ns);
}
