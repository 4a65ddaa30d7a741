// SPDX-License-Identifier: MIT
/* A queue by write and read, and by ioctl. */
#include "door.h"

#include <sys/ioctl.h>
#include <unistd.h>

static void rw_send(struct gate *gate)
{
	char *payload = door.payloads;
	unsigned int i;

	for (i = 0; i < gate->batch; i++, payload += gate_stride(gate)) {
		gate_put(gate, payload);
		gate_expect("write", write(door.fd, payload, gate->size), gate->size);
	}
}

static void rw_receive(struct gate *gate)
{
	unsigned int i;

	for (i = 0; i < gate->batch; i++) {
		gate_expect("read", read(door.fd, door.buffer, gate->size), gate->size);
		gate_got(gate, door.buffer);
	}
}

const struct path weir_rw = {
	.name = "weir-rw",
	.what = "write, read; a call a message",
	.open = door_open_copied,
	.send = rw_send,
	.receive = rw_receive,
	.close = door_close,
};

static void ioctl_send(struct gate *gate)
{
	door_fill(gate);
	gate_expect("SEND", ioctl(door.fd, WEIR_IOC_SEND, &door.send), gate->batch);
}

static void ioctl_fetch(struct gate *gate)
{
	gate_expect("FETCH", ioctl(door.fd, WEIR_IOC_FETCH, &door.fetch), gate->batch);
}

static void copy_receive(struct gate *gate)
{
	door_want_copied(gate);
	ioctl_fetch(gate);
	door_read_copied(gate);
	door.settle.count = door.fetch.nr_runs;
	gate_expect("SETTLE", ioctl(door.fd, WEIR_IOC_SETTLE, &door.settle), gate->batch);
}

const struct path weir_copy = {
	.name = "weir-copy",
	.what = "ioctl: SEND; FETCH copied; SETTLE",
	.open = door_open_copied,
	.send = ioctl_send,
	.receive = copy_receive,
	.close = door_close,
};

static void once_open(struct gate *gate)
{
	door_open_copied(gate);
	door.fetch.flags = WEIR_FETCH_SETTLED;
}

static void once_receive(struct gate *gate)
{
	door_want_copied(gate);
	ioctl_fetch(gate);
	door_read_copied(gate);
}

const struct path weir_once = {
	.name = "weir-once",
	.what = "ioctl: SEND; FETCH copied and settled",
	.open = once_open,
	.send = ioctl_send,
	.receive = once_receive,
	.close = door_close,
};

static void place_receive(struct gate *gate)
{
	door_want(gate);
	ioctl_fetch(gate);
	door_read_mapped(gate);
}

const struct path weir_place = {
	.name = "weir-place",
	.what = "ioctl: SEND; settle and FETCH in place, mapped",
	.open = door_open_mapped,
	.send = ioctl_send,
	.receive = place_receive,
	.close = door_close,
};
