// SPDX-License-Identifier: MIT
#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE (32u << 10)

size_t buffer_used(const struct buffer *b)
{
	return b->end - b->start;
}

/* Room for @length more bytes behind what is there. */
static char *buffer_room(struct buffer *b, size_t length)
{
	size_t used = buffer_used(b);

	if (b->end + length > b->size && used) {
		memmove(b->bytes, b->bytes + b->start, used);
		b->start = 0;
		b->end = used;
	}
	if (b->end + length > b->size) {
		b->size = (b->end + length) * 2;
		b->bytes = realloc(b->bytes, b->size);
		if (!b->bytes)
			abort();
	}
	return b->bytes + b->end;
}

void buffer_add(struct buffer *b, const void *bytes, size_t length)
{
	if (!length)
		return;
	memcpy(buffer_room(b, length), bytes, length);
	b->end += length;
}

static void buffer_drop(struct buffer *b, size_t length)
{
	b->start += length;
	if (b->start == b->end)
		b->start = b->end = 0;
}

static bool transient(int error)
{
	return error == EAGAIN || error == EINTR;
}

void channel_open(struct channel *ch, int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	*ch = (struct channel){ .fd = fd };
}

static void channel_break(struct channel *ch)
{
	close(ch->fd);
	ch->fd = -1;
}

short channel_events(const struct channel *ch)
{
	return POLLIN | (buffer_used(&ch->out) ? POLLOUT : 0);
}

void channel_transfer(struct channel *ch)
{
	ssize_t n;

	while (ch->fd >= 0 && buffer_used(&ch->out)) {
		n = write(ch->fd, ch->out.bytes + ch->out.start, buffer_used(&ch->out));
		if (n < 0 && transient(errno))
			break;
		/* After an error, what the other end sent before may still be read. */
		buffer_drop(&ch->out, n > 0 ? (size_t)n : buffer_used(&ch->out));
	}
	if (ch->fd < 0)
		return;
	n = read(ch->fd, buffer_room(&ch->in, READ_SIZE), READ_SIZE);
	if (n > 0)
		ch->in.end += n;
	else if (n == 0 || !transient(errno))
		channel_break(ch);
}

void channel_send(struct channel *ch, enum frame_type type, int stream,
		  const void *payload, size_t length)
{
	struct frame frame = { .type = type, .stream = stream, .length = length };

	if (ch->fd < 0)
		return;
	buffer_add(&ch->out, &frame, sizeof(frame));
	buffer_add(&ch->out, payload, length);
}

bool channel_receive(struct channel *ch, struct frame *frame, const char **payload)
{
	if (buffer_used(&ch->in) < sizeof(*frame))
		return false;
	memcpy(frame, ch->in.bytes + ch->in.start, sizeof(*frame));
	if (frame->zero || frame->length > FRAME_MAX) {
		/* A guest that breaks down may write anything. */
		ch->in.start = ch->in.end = 0;
		if (ch->fd >= 0)
			channel_break(ch);
		return false;
	}
	if (buffer_used(&ch->in) < sizeof(*frame) + frame->length)
		return false;
	*payload = ch->in.bytes + ch->in.start + sizeof(*frame);
	buffer_drop(&ch->in, sizeof(*frame) + frame->length);
	return true;
}

void source_open(struct source *src, int stream, int fd)
{
	*src = (struct source){ .fd = fd, .stream = stream, .window = STREAM_WINDOW };
}

short source_events(const struct source *src)
{
	return src->fd >= 0 && src->window ? POLLIN : 0;
}

void source_read(struct source *src, struct channel *ch)
{
	char bytes[READ_SIZE];
	ssize_t n;

	if (!source_events(src))
		return;
	n = read(src->fd, bytes, src->window < sizeof(bytes) ? src->window : sizeof(bytes));
	if (n < 0 && transient(errno))
		return;
	/* An error is an end: EIO is how a pty's master reads its slave's last close. */
	if (n < 0)
		n = 0;
	channel_send(ch, FRAME_DATA, src->stream, bytes, n);
	src->window -= n;
	if (!n)
		source_close(src);
}

void source_close(struct source *src)
{
	if (src->fd >= 0)
		close(src->fd);
	src->fd = -1;
}

void sink_open(struct sink *sink, int stream, int fd)
{
	*sink = (struct sink){ .fd = fd, .stream = stream };
}

short sink_events(const struct sink *sink)
{
	return sink->fd >= 0 && buffer_used(&sink->pending) ? POLLOUT : 0;
}

static void sink_close(struct sink *sink)
{
	if (sink->fd >= 0)
		close(sink->fd);
	sink->fd = -1;
	sink->pending.start = sink->pending.end = 0;
}

void sink_write(struct sink *sink, struct channel *ch)
{
	size_t length = buffer_used(&sink->pending);
	uint32_t written;
	ssize_t n;

	if (!sink_events(sink))
		return;
	/*
	 * The file may be shared with other processes, so it is not made
	 * non-blocking; a pipe that polls writable takes PIPE_BUF at once.
	 */
	n = write(sink->fd, sink->pending.bytes + sink->pending.start,
		  length < PIPE_BUF ? length : PIPE_BUF);
	if (n < 0) {
		if (!transient(errno)) {
			channel_send(ch, FRAME_CLOSE, sink->stream, NULL, 0);
			sink_close(sink);
		}
		return;
	}
	written = n;
	channel_send(ch, FRAME_CREDIT, sink->stream, &written, sizeof(written));
	buffer_drop(&sink->pending, n);
	if (sink->ended && !buffer_used(&sink->pending))
		sink_close(sink);
}

static void sink_take(struct sink *sink, const char *payload, size_t length)
{
	if (sink->fd < 0)
		return;
	buffer_add(&sink->pending, payload, length);
	if (length)
		return;
	sink->ended = true;
	if (!buffer_used(&sink->pending))
		sink_close(sink);
}

bool stream_frame(const struct frame *frame, const char *payload,
		  struct source *sources, int nr_sources, struct sink *sinks, int nr_sinks)
{
	uint32_t credit;
	int i;

	if (frame->type == FRAME_DATA) {
		for (i = 0; i < nr_sinks; i++)
			if (sinks[i].stream == frame->stream)
				sink_take(&sinks[i], payload, frame->length);
		return true;
	}
	if (frame->type != FRAME_CREDIT && frame->type != FRAME_CLOSE)
		return false;
	for (i = 0; i < nr_sources; i++) {
		if (sources[i].stream != frame->stream)
			continue;
		if (frame->type == FRAME_CLOSE) {
			source_close(&sources[i]);
		} else if (frame->length == sizeof(credit)) {
			memcpy(&credit, payload, sizeof(credit));
			sources[i].window += credit;
		}
	}
	return true;
}
