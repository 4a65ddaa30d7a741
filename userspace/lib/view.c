// SPDX-License-Identifier: MIT
/*
 * What was received, checked. A descriptor is copied once, the copy is checked
 * and only the copy is used: memory that is mapped is not ours.
 */
#include <errno.h>
#include <string.h>
#include "internal.h"

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) & ~(to - 1);
}

/*
 * Whether the message lies within @length, which is that of a mapping or an
 * allocation, so that no sum here can wrap; and where it ends.
 */
static inline bool view_place(struct weir_view *view, const char *base,
			      uint64_t length, uint64_t *ends)
{
	const struct weir_desc *desc = &view->desc;
	uint64_t key, headers, end;

	if (desc->pos > length)
		return false;
	key = desc->pos + desc->len;
	headers = key + desc->key_len;
	end = headers;
	if (desc->headers_len) {
		headers = round_up(headers, 8);
		end = headers + desc->headers_len;
	}
	view->data = base + desc->pos;
	view->key = base + key;
	view->headers = base + headers;
	*ends = end;
	return end <= length;
}

bool view_fill(struct weir_view *view, const char *base, uint64_t length, uint64_t *ends)
{
	return view_place(view, base, length, ends);
}

static bool run_fits(const struct weir_run *run, const struct area *index)
{
	uint64_t slots = index->length / sizeof(struct weir_desc);

	return (uint64_t)run->slot + run->count <= slots;
}

static int load_run(struct weir_batch *batch, const struct weir_run *run,
		    unsigned int at)
{
	const struct weir_queue *queue = batch->queue;
	const struct weir_desc *desc = queue->index.base;
	const struct area pool = queue->pool;
	struct weir_view *view = &batch->views[at];
	uint64_t offset = run->offset, ends;
	unsigned int left;

	if (!run_fits(run, &queue->index))
		return -EBADMSG;
	desc += run->slot;
	for (left = run->count; left; left--) {
		view->desc = *desc++;
		if (view->desc.offset != offset++ ||
		    !view_place(view++, pool.base, pool.length, &ends))
			return -EBADMSG;
	}
	return 0;
}

static int load_mapped(struct weir_batch *batch)
{
	unsigned int at = 0, i;

	for (i = 0; i < batch->nr_runs; i++) {
		if (load_run(batch, &batch->runs[i], at))
			return -EBADMSG;
		at += batch->runs[i].count;
	}
	return 0;
}

/* The records that FETCH filled the buffer with: descriptor, message, gap. */
static int load_copied(struct weir_batch *batch, unsigned int count,
		       uint64_t filled)
{
	uint64_t at = 0;
	unsigned int i;

	if (filled > batch->buffer_size)
		return -EBADMSG;
	for (i = 0; i < count; i++) {
		struct weir_view *view = &batch->views[i];

		if (at > filled || filled - at < sizeof(view->desc))
			return -EBADMSG;
		memcpy(&view->desc, (char *)batch->buffer + at,
		       sizeof(view->desc));
		if (view->desc.pos < at + sizeof(view->desc))
			return -EBADMSG;
		if (!view_place(view, batch->buffer, filled, &at))
			return -EBADMSG;
		at = round_up(at, WEIR_ALIGN);
	}
	return 0;
}

static bool runs_add_up(const struct weir_batch *batch, unsigned int count)
{
	uint64_t sum = 0;
	unsigned int i;

	if (batch->nr_runs > batch->most_runs)
		return false;
	for (i = 0; i < batch->nr_runs; i++)
		sum += batch->runs[i].count;
	return sum == count;
}

int batch_load(struct weir_batch *batch, unsigned int count)
{
	struct weir_run *fetched = batch->incoming;

	batch->incoming = batch->runs;
	batch->runs = fetched;
	if (count > batch->max_messages)
		return -EBADMSG;
	batch->nr_runs = batch->fetch.nr_runs;
	/* What is settled already has no runs that anybody needs. */
	if (!(batch->flags & WEIR_BATCH_SETTLED) && !runs_add_up(batch, count))
		return -EBADMSG;
	if (batch->buffer)
		return load_copied(batch, count, batch->fetch.buffer_len);
	return load_mapped(batch);
}

WEIR_PUBLIC int weir_header_next(const struct weir_view *view, size_t *at,
				 struct weir_header_view *header)
{
	const char *block = view->headers;
	size_t left, len = view->desc.headers_len;
	struct weir_header raw;

	if (*at == len)
		return 0;
	if (*at > len || len - *at < sizeof(raw))
		return -EBADMSG;
	memcpy(&raw, block + *at, sizeof(raw));
	left = len - *at - sizeof(raw);
	if (!raw.name_len || raw.name_len > left ||
	    raw.value_len > left - raw.name_len)
		return -EBADMSG;
	header->name = block + *at + sizeof(raw);
	header->name_len = raw.name_len;
	header->value = header->name + raw.name_len;
	header->value_len = raw.value_len;
	len = round_up((uint64_t)raw.name_len + raw.value_len, 8);
	*at += sizeof(raw) + (len > left ? left : len);
	return 1;
}

WEIR_PUBLIC int weir_view_receipt(const struct weir_view *view, struct weir_receipt *receipt,
				  size_t size)
{
	struct weir_receipt its;

	/* No process is that one; and a dead letter that was a receipt is none of ours. */
	if (view->desc.uid || view->desc.gid || view->desc.pid ||
	    view->desc.key_len || view->desc.headers_len || view->desc.len < sizeof(its))
		return -EBADMSG;
	memcpy(&its, view->data, sizeof(its));
	if (!memchr(its.consumer, 0, sizeof(its.consumer)) ||
	    !memchr(its.queue, 0, sizeof(its.queue)))
		return -EBADMSG;
	memset(receipt, 0, size);
	memcpy(receipt, view->data, size < view->desc.len ? size : view->desc.len);
	return 0;
}
