/* SPDX-License-Identifier: MIT */
/*
 * The channel: frames between the host (host.c) and PID 1 of the guest
 * (init.c), over one virtio-serial port.
 *
 *	host				guest
 *	START  ------------------------>	what to run, and where
 *	       <------------------------  READY	about to run it
 *	DATA 0 ------------------------>	standard input
 *	       <------------------------  DATA 1, DATA 2
 *	       <------------------------  EXIT	status; all output came before it
 *	EXIT   ------------------------>	received: the guest may go down
 *
 * DATA of length 0 ends a stream. Each stream has a window: its sender may
 * have STREAM_WINDOW bytes under way that the receiver has not yet written
 * out, and every CREDIT gives some back. So both ends can always take what
 * arrives, a stalled stream holds up no other one, and the channel cannot
 * deadlock. CLOSE tells a sender that nobody reads any more (EPIPE).
 *
 * Both ends are the same machine: integers are in its byte order.
 */
#ifndef WEIR_VM_CHANNEL_H
#define WEIR_VM_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define STREAM_WINDOW (128u << 10)
#define FRAME_MAX (8u << 20)

enum frame_type {
	FRAME_START = 1, /* "key=value" strings, each with its NUL */
	FRAME_READY,
	FRAME_DATA,
	FRAME_CREDIT, /* uint32_t: bytes written out */
	FRAME_CLOSE,
	FRAME_RESIZE, /* struct winsize of the host's terminal */
	FRAME_EXIT, /* uint32_t: status as a shell has it */
};

struct frame {
	uint8_t type;
	uint8_t stream; /* 0, 1 or 2, for DATA, CREDIT and CLOSE */
	uint16_t zero;
	uint32_t length; /* of what follows */
};

struct buffer {
	char *bytes;
	size_t start, end, size;
};

size_t buffer_used(const struct buffer *b);
void buffer_add(struct buffer *b, const void *bytes, size_t length);

/* One end of the channel. Never blocks: @fd is non-blocking. */
struct channel {
	int fd; /* -1 once the other end is gone */
	struct buffer in, out;
};

void channel_open(struct channel *ch, int fd);
short channel_events(const struct channel *ch);
/* Move what can be moved without waiting. */
void channel_transfer(struct channel *ch);
void channel_send(struct channel *ch, enum frame_type type, int stream,
		  const void *payload, size_t length);
/*
 * Take the next whole frame. Its payload stays valid until the next
 * channel_transfer().
 */
bool channel_receive(struct channel *ch, struct frame *frame, const char **payload);

/* The sending end of a stream: reads @fd, sends DATA. */
struct source {
	int fd; /* -1 once it ended */
	int stream;
	uint32_t window;
};

void source_open(struct source *src, int stream, int fd);
short source_events(const struct source *src);
/* Read once: for when poll() said that it does not block. */
void source_read(struct source *src, struct channel *ch);
void source_close(struct source *src);

/* The receiving end of a stream: takes DATA, writes @fd. */
struct sink {
	int fd; /* -1 once it ended, or nobody reads */
	int stream;
	bool ended; /* the last DATA came */
	struct buffer pending;
};

void sink_open(struct sink *sink, int stream, int fd);
short sink_events(const struct sink *sink);
/* Write once: for when poll() said that it does not block. */
void sink_write(struct sink *sink, struct channel *ch);

/* DATA, CREDIT and CLOSE for one of these; false for any other frame. */
bool stream_frame(const struct frame *frame, const char *payload,
		  struct source *sources, int nr_sources, struct sink *sinks, int nr_sinks);

#endif
