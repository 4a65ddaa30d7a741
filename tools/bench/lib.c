// SPDX-License-Identifier: MIT
/*
 * A queue by libweir: what weir-place and weir-uring do, so that what is more
 * than theirs is the library's.
 */
#include "gate.h"

#include <weir/weir.h>

#define NAME	"weir-bench"

static struct weir_queue *queue;
static struct weir_batch *batch;
static struct weir_message *messages;
static char *payloads;

static void open_by(const struct gate *gate, enum weir_door door)
{
	struct weir_open_options open = { .size = sizeof(open), .door = door };
	struct weir_batch_options in_place = {
		.size = sizeof(in_place), .max_messages = gate->batch,
	};
	unsigned int i;

	gate_check("weir_create", weir_create(NAME, NULL));
	gate_check("weir_queue_open", weir_queue_open(NAME, &open, &queue));
	gate_expect("weir_queue_door", weir_queue_door(queue), door);
	gate_check("weir_batch_new", weir_batch_new(queue, &in_place, &batch));
	gate_expect("weir_batch_mapped", weir_batch_mapped(batch), 1);
	payloads = gate_messages(gate);
	messages = calloc(gate->batch, sizeof(*messages));
	if (!messages)
		abort();
	for (i = 0; i < gate->batch; i++) {
		messages[i].data = (uintptr_t)(payloads + i * gate_stride(gate));
		messages[i].len = gate->size;
	}
}

static void ioctl_open(struct gate *gate)
{
	open_by(gate, WEIR_DOOR_IOCTL);
}

static void uring_open(struct gate *gate)
{
	open_by(gate, WEIR_DOOR_URING);
}

static void lib_send(struct gate *gate)
{
	char *payload = payloads;
	unsigned int i;

	for (i = 0; i < gate->batch; i++, payload += gate_stride(gate))
		gate_put(gate, payload);
	gate_expect("weir_send_batch",
		    weir_send_batch(queue, messages, gate->batch, WEIR_FOREVER, NULL), gate->batch);
}

static void lib_receive(struct gate *gate)
{
	unsigned int i;

	gate_expect("weir_settle_receive", weir_settle_receive(batch, WEIR_ACK, WEIR_FOREVER),
		    gate->batch);
	for (i = 0; i < gate->batch; i++)
		gate_got(gate, weir_batch_view(batch, i)->data);
}

static void lib_close(void)
{
	weir_batch_free(batch);
	weir_queue_close(queue);
	gate_check("weir_destroy", weir_destroy(NAME, WEIR_DESTROY_FORCE));
	free(messages);
	free(payloads);
}

const struct path lib_ioctl = {
	.name = "lib-ioctl",
	.what = "libweir by ioctl: send a batch; settle and receive in place",
	.open = ioctl_open,
	.send = lib_send,
	.receive = lib_receive,
	.close = lib_close,
};

const struct path lib_uring = {
	.name = "lib-uring",
	.what = "libweir by a ring of its own: the same",
	.open = uring_open,
	.send = lib_send,
	.receive = lib_receive,
	.close = lib_close,
};
