// SPDX-License-Identifier: MIT
/*
 * What weir is measured against: a POSIX message queue and a pipe.
 *
 * A pipe does not keep messages apart. Messages of one size can go through it
 * packed, a whole batch in one call; that is told apart.
 */
#include "gate.h"

#include <fcntl.h>
#include <mqueue.h>
#include <unistd.h>

/* Room for a batch of the largest messages twice over. */
#define PIPE_BYTES	(1U << 18)
#define MQUEUE_DEPTH	64

static char *messages, *buffer;
static mqd_t queue;
static int ends[2];

static void buffers_open(struct gate *gate)
{
	messages = gate_messages(gate);
	buffer = gate_messages(gate);
}

static void buffers_close(void)
{
	free(messages);
	free(buffer);
}

static void mqueue_open(struct gate *gate)
{
	static const char name[] = "/weir-bench";
	struct mq_attr attr = { .mq_maxmsg = MQUEUE_DEPTH, .mq_msgsize = gate->size };

	buffers_open(gate);
	queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
	gate_check("mq_open", queue);
	mq_unlink(name);
}

static void mqueue_send(struct gate *gate)
{
	char *message = messages;
	unsigned int i;

	for (i = 0; i < gate->batch; i++, message += gate_stride(gate)) {
		gate_put(gate, message);
		gate_expect("mq_send", mq_send(queue, message, gate->size, 0), 0);
	}
}

static void mqueue_receive(struct gate *gate)
{
	unsigned int i;

	for (i = 0; i < gate->batch; i++) {
		gate_expect("mq_receive", mq_receive(queue, buffer, gate->size, NULL), gate->size);
		gate_got(gate, buffer);
	}
}

static void mqueue_close(void)
{
	mq_close(queue);
	buffers_close();
}

const struct path peer_mqueue = {
	.name = "mqueue",
	.what = "mq_send, mq_receive; a call a message",
	.open = mqueue_open,
	.send = mqueue_send,
	.receive = mqueue_receive,
	.close = mqueue_close,
};

static void pipe_open(struct gate *gate)
{
	buffers_open(gate);
	gate_expect("pipe", pipe(ends), 0);
	gate_check("F_SETPIPE_SZ", fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES));
}

static void pipe_send(struct gate *gate)
{
	char *message = messages;
	unsigned int i;

	for (i = 0; i < gate->batch; i++, message += gate_stride(gate)) {
		gate_put(gate, message);
		gate_expect("write", write(ends[1], message, gate->size), gate->size);
	}
}

static void pipe_receive(struct gate *gate)
{
	unsigned int i;

	for (i = 0; i < gate->batch; i++) {
		gate_expect("read", read(ends[0], buffer, gate->size), gate->size);
		gate_got(gate, buffer);
	}
}

static void packed_send(struct gate *gate)
{
	long bytes = (long)gate->batch * gate->size;
	unsigned int i;

	for (i = 0; i < gate->batch; i++)
		gate_put(gate, messages + (size_t)i * gate->size);
	gate_expect("write", write(ends[1], messages, bytes), bytes);
}

static void packed_receive(struct gate *gate)
{
	long bytes = (long)gate->batch * gate->size;
	unsigned int i;

	gate_expect("read", read(ends[0], buffer, bytes), bytes);
	for (i = 0; i < gate->batch; i++)
		gate_got(gate, buffer + (size_t)i * gate->size);
}

static void pipe_close(void)
{
	close(ends[0]);
	close(ends[1]);
	buffers_close();
}

const struct path peer_pipe = {
	.name = "pipe",
	.what = "write, read; a call a message",
	.open = pipe_open,
	.send = pipe_send,
	.receive = pipe_receive,
	.close = pipe_close,
};

const struct path peer_pipe_packed = {
	.name = "pipe-packed",
	.what = "write, read; a call a batch of messages of one size",
	.open = pipe_open,
	.send = packed_send,
	.receive = packed_receive,
	.close = pipe_close,
};
