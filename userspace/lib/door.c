// SPDX-License-Identifier: MIT
/* One command, by either door. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include "internal.h"

int command_ioctl(const struct command *command)
{
	int ret = ioctl(command->fd, command->number, command->arg);

	return ret < 0 ? -errno : ret;
}

/* liburing before 2.4 has no helper for this opcode. */
void command_sqe(const struct command *command, struct io_uring_sqe *sqe)
{
	struct weir_uring_cmd cmd = {
		.addr = (uintptr_t)command->arg,
		.len = command->size,
	};

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = command->fd;
	sqe->cmd_op = command->number;
	memcpy(&sqe->addr3, &cmd, sizeof(cmd));
}
