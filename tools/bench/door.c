// SPDX-License-Identifier: MIT
#include "door.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define CONTROL	"/dev/weir/control"
#define NAME	"weir-bench"
#define QUEUE	"/dev/weir/queue/" NAME

struct door door;

static void control(const char *what, unsigned long command, void *arg)
{
	int fd = open(CONTROL, O_RDWR | O_CLOEXEC);

	gate_check(CONTROL, fd);
	gate_check(what, ioctl(fd, command, arg));
	close(fd);
}

static void open_queue(const struct gate *gate, struct weir_policy policy)
{
	struct weir_create create = {
		.name = NAME, .type = WEIR_TYPE_QUEUE, .policy = policy,
	};
	unsigned int i;

	control("CREATE", WEIR_IOC_CREATE, &create);
	memset(&door, 0, sizeof(door));
	door.fd = gate_check(QUEUE, open(QUEUE, O_RDWR | O_CLOEXEC));
	door.payloads = gate_messages(gate);
	door.messages = calloc(gate->batch, sizeof(*door.messages));
	if (!door.messages)
		abort();
	for (i = 0; i < gate->batch; i++) {
		door.messages[i].data = door_address(door.payloads + i * gate_stride(gate));
		door.messages[i].len = gate->size;
	}
	door.send.messages = door_address(door.messages);
	door.send.count = gate->batch;
	door.send.timeout_ns = -1;

	door.fetch.runs = door.fetch.settle = door_address(door.runs);
	door.settle.runs = door_address(door.runs);
	door.fetch.max_messages = gate->batch;
	door.fetch.timeout_ns = -1;
}

void door_open_copied(struct gate *gate)
{
	open_queue(gate, (struct weir_policy){ 0 });
	/* A record is a descriptor and a message. */
	door.fetch.buffer_len = gate->batch * (sizeof(struct weir_desc) + gate_stride(gate));
	door.buffer = aligned_alloc(64, door.fetch.buffer_len);
	if (!door.buffer)
		abort();
	door.fetch.buffer = door_address(door.buffer);
}

static void *map(uint64_t offset, uint64_t length)
{
	void *area = mmap(NULL, length, PROT_READ, MAP_SHARED, door.fd, offset);

	gate_check("mmap", area == MAP_FAILED ? -1 : 0);
	return area;
}

void door_open_mapped_as(const struct gate *gate, struct weir_policy policy)
{
	open_queue(gate, policy);
	gate_check("LAYOUT", ioctl(door.fd, WEIR_IOC_LAYOUT, &door.layout));
	door.index = map(door.layout.index_offset, door.layout.index_length);
	door.pool = map(door.layout.pool_offset, door.layout.pool_length);
}

void door_open_mapped(struct gate *gate)
{
	door_open_mapped_as(gate, (struct weir_policy){ 0 });
}

int door_open_again(void)
{
	return gate_check(QUEUE, open(QUEUE, O_RDWR | O_CLOEXEC));
}

void door_close(void)
{
	struct weir_destroy destroy = { .name = NAME, .flags = WEIR_DESTROY_FORCE };

	if (door.index) {
		munmap((void *)door.index, door.layout.index_length);
		munmap((void *)door.pool, door.layout.pool_length);
	}
	close(door.fd);
	control("DESTROY", WEIR_IOC_DESTROY, &destroy);
	free(door.payloads);
	free(door.messages);
	free(door.buffer);
}

void door_fill(struct gate *gate)
{
	char *payload = door.payloads;
	unsigned int i;

	for (i = 0; i < gate->batch; i++, payload += gate_stride(gate))
		gate_put(gate, payload);
}

/* The kernel reads what is to be settled before it writes what it took. */
void door_want(struct gate *gate)
{
	door.fetch.nr_settle = gate->received ? door.fetch.nr_runs : 0;
	door.fetch.nr_runs = DOOR_RUNS;
}

void door_want_copied(struct gate *gate)
{
	door.fetch.nr_runs = DOOR_RUNS;
	door.fetch.buffer_len = gate->batch * (sizeof(struct weir_desc) + gate_stride(gate));
}

void door_read_mapped(struct gate *gate)
{
	const struct weir_run *run, *end = &door.runs[door.fetch.nr_runs];

	for (run = door.runs; run < end; run++) {
		const struct weir_desc *desc = &door.index[run->slot];
		const struct weir_desc *last = desc + run->count;

		for (; desc < last; desc++)
			gate_got(gate, door.pool + desc->pos);
	}
}

void door_read_copied(struct gate *gate)
{
	const size_t record = sizeof(struct weir_desc) + gate_stride(gate);
	const char *at = door.buffer;
	unsigned int i;

	for (i = 0; i < gate->batch; i++, at += record) {
		const struct weir_desc *desc = (const struct weir_desc *)at;

		gate_got(gate, door.buffer + desc->pos);
	}
}
