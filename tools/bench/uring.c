// SPDX-License-Identifier: MIT
/*
 * A queue by io_uring: a command a batch and an io_uring_enter a command. File
 * and ring are registered, and the ring is for one thread.
 *
 * Two processes would have a ring each. Here both sides use one: the kernel
 * remembers the ring that a thread used last, and would have to look for the
 * other one each time.
 */
#include "door.h"

#include <liburing.h>

#define RING_ENTRIES 4

static struct io_uring ring;

static void ring_open(void)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};

	gate_check("io_uring_setup", io_uring_queue_init_params(RING_ENTRIES, &ring, &params));
	gate_check("register_files", io_uring_register_files(&ring, &door.fd, 1));
	gate_check("register_ring_fd", io_uring_register_ring_fd(&ring));
}

static void uring_open(struct gate *gate)
{
	door_open_mapped(gate);
	ring_open();
}

static void uring_copy_open(struct gate *gate)
{
	door_open_copied(gate);
	ring_open();
}

static void uring_close(void)
{
	io_uring_queue_exit(&ring);
	door_close();
}

static void command(const char *what, __u32 nr, void *arg, __u32 size, long wanted)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	struct weir_uring_cmd *cmd = (struct weir_uring_cmd *)sqe->cmd;
	struct io_uring_cqe *cqe;

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->ioprio = 0;
	sqe->fd = 0;
	sqe->off = 0;
	sqe->cmd_op = nr;
	sqe->rw_flags = 0;
	sqe->user_data = 0;
	sqe->buf_index = 0;
	sqe->personality = 0;
	cmd->addr = door_address(arg);
	cmd->len = size;
	cmd->flags = 0;

	gate_expect("io_uring_enter", io_uring_submit(&ring), 1);
	gate_expect(what, io_uring_wait_cqe(&ring, &cqe), 0);
	gate_expect(what, cqe->res, wanted);
	io_uring_cqe_seen(&ring, cqe);
}

static void uring_send(struct gate *gate)
{
	door_fill(gate);
	command("SEND", WEIR_IOC_SEND, &door.send, sizeof(door.send), gate->batch);
}

static void uring_fetch(struct gate *gate)
{
	command("FETCH", WEIR_IOC_FETCH, &door.fetch, sizeof(door.fetch), gate->batch);
}

static void uring_receive(struct gate *gate)
{
	door_want(gate);
	uring_fetch(gate);
	door_read_mapped(gate);
}

const struct path weir_uring = {
	.name = "weir-uring",
	.what = "io_uring: SEND; settle and FETCH in place, mapped",
	.open = uring_open,
	.send = uring_send,
	.receive = uring_receive,
	.close = uring_close,
};

/* The runs that were fetched last are settled by the next FETCH here too. */
static void uring_copy_receive(struct gate *gate)
{
	door_want(gate);
	door_want_copied(gate);
	uring_fetch(gate);
	door_read_copied(gate);
}

const struct path weir_uring_copy = {
	.name = "weir-uring-copy",
	.what = "io_uring: SEND; settle and FETCH copied",
	.open = uring_copy_open,
	.send = uring_send,
	.receive = uring_copy_receive,
	.close = uring_close,
};
