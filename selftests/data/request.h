/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* FETCH commands that wait in a ring. */
#ifndef WEIR_SELFTESTS_REQUEST_H
#define WEIR_SELFTESTS_REQUEST_H

#include "../doors.h"

/* A FETCH that stands on its own. */
struct request {
	struct weir_fetch fetch;
	struct weir_run run;
};

static inline void request_make(struct request *request, __s64 timeout_ns)
{
	memset(request, 0, sizeof(*request));
	request->fetch.runs = raw_address(&request->run);
	request->fetch.nr_runs = 1;
	request->fetch.max_messages = 1;
	request->fetch.timeout_ns = timeout_ns;
}

static inline void request_queue(struct ring *ring, int fd, struct request *request, __u64 data)
{
	ring_command(ring, fd, WEIR_IOC_FETCH, &request->fetch, sizeof(request->fetch), data);
}

/* Descriptors that wait, as commands in rings need them. */
#define waiting_fd(self)	raw_open((self)->name, O_RDONLY)

static inline int cancel(int fd, struct request *request)
{
	struct weir_cancel cancel = {
		.fetch = request ? raw_address(&request->fetch) : 0,
	};

	return raw_ioctl(fd, WEIR_IOC_CANCEL, &cancel);
}

#endif
