// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "world.h"

const struct step steps[] = {
	{ "send", 30, step_send },
	{ "write", 12, step_write },
	{ "fetch", 28, step_fetch },
	{ "read", 16, step_read },
	{ "settle", 24, step_settle },
	{ "txn", 14, step_txn },
	{ "reply", 8, step_reply },
	{ "producer", 5, step_producer },
	{ "poll", 4, step_poll },
	{ "browse", 5, step_browse },
	{ "name", 3, step_name },
	{ "info", 2, step_info },
	{ "create", 8, step_create },
	{ "alter", 5, step_alter },
	{ "destroy", 3, step_destroy },
	{ "destroy-force", 1, step_destroy_force },
	{ "purge", 1, step_purge },
	{ "open", 10, step_open },
	{ "close", 3, step_close },
	{ "share", 4, step_share },
	{ "map", 2, step_map },
	{ "unmap", 1, step_unmap },
	{ "spawn", 5, step_spawn },
	{ "fork", 4, step_fork },
	{ "kill", 2, step_kill },
	{ "exit", 1, step_exit },
};

const int nr_steps = sizeof(steps) / sizeof(steps[0]);
