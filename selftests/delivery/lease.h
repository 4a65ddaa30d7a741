/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Leases with a time: taking, settling, and waiting for the time to be over. */
#ifndef WEIR_SELFTESTS_LEASE_H
#define WEIR_SELFTESTS_LEASE_H

#define QUEUE_COMMANDS
#include "../fixture.h"

/* Over as soon as it began, and never over while a test runs. */
#define LEASE_SHORT	1ULL
#define LEASE_LONG	3600000000000ULL

/* As leases are timed. */
static inline __u64 lease_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static inline int lease_settle(int fd, struct weir_run *runs, __u32 count)
{
	struct weir_settle settle = { .runs = raw_address(runs), .count = count };

	return door_command(fd, WEIR_IOC_SETTLE, &settle);
}

/* One run: its status, 0 where all of it was settled. */
static inline int lease_end(int fd, struct weir_run run, __u32 op, __u32 delay_ms)
{
	int ret;

	run.op = op;
	run.delay_ms = delay_ms;
	run.status = 1234;
	ret = lease_settle(fd, &run, 1);
	if (ret < 0)
		return ret;
	return ret == (run.status ? 0 : (int)run.count) ? run.status : -EPROTO;
}

/* @count messages in place, as one run; none of them where that cannot be. */
static inline struct weir_run lease_take(int fd, __u32 count, __u64 lease_ns)
{
	struct weir_run run = { 0 };
	struct weir_fetch fetch = {
		.runs = raw_address(&run), .nr_runs = 1, .max_messages = count,
		.lease_ns = lease_ns,
	};
	int ret = door_command(fd, WEIR_IOC_FETCH, &fetch);

	if (ret != (int)count || run.count != count)
		run.count = 0;
	return run;
}

/* The same, copied into @buffer. */
static inline struct weir_run lease_copy(int fd, __u32 count, __u64 lease_ns, void *buffer,
					 size_t size)
{
	struct weir_run run = { 0 };
	struct weir_fetch fetch = {
		.runs = raw_address(&run), .nr_runs = 1, .max_messages = count,
		.lease_ns = lease_ns, .buffer = raw_address(buffer), .buffer_len = size,
	};
	int ret = door_command(fd, WEIR_IOC_FETCH, &fetch);

	if (ret != (int)count || run.count != count)
		run.count = 0;
	return run;
}

/* The first @count of @run, and what is behind them. */
static inline struct weir_run lease_first(struct weir_run run, __u32 count)
{
	run.count = count;
	return run;
}

static inline struct weir_run lease_rest(struct weir_run run, __u32 count)
{
	run.offset += count;
	run.slot += count;
	run.count -= count;
	return run;
}

static inline void lease_fill(int fd, int count)
{
	char bytes[32];

	while (count--) {
		snprintf(bytes, sizeof(bytes), "message %d", count);
		if (raw_write(fd, bytes, sizeof(bytes)) != sizeof(bytes))
			abort();
	}
}

#define wait_figure(name, figure, number) \
	wait_until(raw_figure(name, figure) == (number))

/* The queue once more, with another lease. */
static inline int lease_remake(FIXTURE_DATA(queue) *self, __u64 lease_ns)
{
	struct weir_create create = {
		.type = WEIR_TYPE_QUEUE, .policy = { .lease_ns = lease_ns },
	};
	int ret;

	close(self->writer);
	close(self->reader);
	ret = raw_destroy(self->name);
	if (ret)
		return ret;
	raw_set_name(&create, self->name);
	ret = raw_control(WEIR_IOC_CREATE, &create);
	if (ret)
		return ret;
	self->writer = raw_open(self->name, O_WRONLY | O_NONBLOCK);
	self->reader = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	return self->writer < 0 ? self->writer : self->reader < 0 ? self->reader : 0;
}

#endif
