// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Who may receive, and how much at a time. */
#include "policy.h"
#include "waiter.h"

static const struct weir_policy single_active = { .flags = WEIR_POLICY_SINGLE_ACTIVE };

static int take_some(int fd, __u32 max, struct weir_run *runs, __u64 lease_ns)
{
	struct weir_fetch fetch = {
		.runs = raw_address(runs), .nr_runs = 16, .max_messages = max,
		.timeout_ns = -1, .lease_ns = lease_ns,
	};

	return door_command(fd, WEIR_IOC_FETCH, &fetch);
}

TEST_F(queue, policy)
{
	const __u32 both = WEIR_POLICY_SINGLE_ACTIVE | WEIR_POLICY_EXCLUSIVE;
	const struct weir_policy seven = { .flags = WEIR_POLICY_EXCLUSIVE, .prefetch = 7 };
	struct weir_info info;

	ASSERT_EQ(-EINVAL, policy_alter(self->name, (struct weir_policy){ .flags = both }));
	ASSERT_EQ(0, policy_alter(self->name, seven));
	ASSERT_EQ(0, raw_info(self->name, &info));
	ASSERT_EQ(WEIR_POLICY_EXCLUSIVE, info.policy.flags);
	ASSERT_EQ(7, info.policy.prefetch);
	ASSERT_EQ(7, raw_figure(self->name, "prefetch"));
	ASSERT_EQ(1, raw_figure(self->name, "exclusive"));
	ASSERT_EQ(0, raw_figure(self->name, "single_active"));
}

/* No more than that, at once, and nobody waits; others have theirs. */
TEST_F(queue, prefetch)
{
	int other, waits = raw_open(self->name, O_RDONLY);
	struct weir_run runs[16], more[16];
	char bytes[32];

	ASSERT_EQ(0, policy_alter(self->name, (struct weir_policy){ .prefetch = 3 }));
	other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	lease_fill(self->writer, 12);
	ASSERT_EQ(3, take_some(waits, 20, runs, LEASE_LONG));
	ASSERT_EQ(-EBUSY, take_some(waits, 20, more, LEASE_LONG));
	ASSERT_EQ(-EBUSY, raw_read(waits, bytes, 32));
	ASSERT_EQ(2, take_some(other, 2, more, LEASE_LONG));
	ASSERT_EQ(1, take_some(other, 2, more, LEASE_LONG));
	ASSERT_EQ(-EBUSY, take_some(other, 2, more, LEASE_LONG));
	/* One settled, two given back: three more. */
	ASSERT_EQ(0, lease_end(waits, lease_first(runs[0], 1), WEIR_ACK, 0));
	ASSERT_EQ(1, take_some(waits, 20, more, LEASE_LONG));
	ASSERT_EQ(-EBUSY, take_some(waits, 20, more, LEASE_LONG));
	ASSERT_EQ(0, lease_end(waits, lease_rest(runs[0], 1), WEIR_RELEASE, 0));
	ASSERT_EQ(2, take_some(waits, 20, runs, LEASE_SHORT));
	wait_figure(self->name, "expired", 2);
	ASSERT_EQ(2, take_some(waits, 20, runs, LEASE_LONG));
	ASSERT_EQ(-EBUSY, take_some(waits, 20, more, LEASE_LONG));
	ASSERT_EQ(0, policy_alter(self->name, (struct weir_policy){ .prefetch = 0 }));
	ASSERT_LT(0, take_some(waits, 20, runs, LEASE_LONG));
}

/* What is settled first makes room; what is read in part is held, and read on. */
TEST_F(queue, prefetch_of_one)
{
	char bytes[32];
	struct weir_run run;
	struct weir_fetch fetch = {
		.runs = raw_address(&run), .nr_runs = 1, .max_messages = 9,
		.settle = raw_address(&run),
	};
	int i;

	ASSERT_EQ(0, policy_alter(self->name, (struct weir_policy){ .prefetch = 1 }));
	lease_fill(self->writer, 5);
	for (i = 0; i < 3; i++) {
		fetch.nr_settle = i > 0;
		ASSERT_EQ(1, door_command(self->reader, WEIR_IOC_FETCH, &fetch));
		ASSERT_EQ(i, run.offset);
	}
	ASSERT_EQ(0, lease_end(self->reader, run, WEIR_ACK, 0));
	ASSERT_EQ(1, raw_read(self->reader, bytes, 1));
	fetch.nr_settle = 0;
	ASSERT_EQ(-EBUSY, door_command(self->reader, WEIR_IOC_FETCH, &fetch));
	ASSERT_EQ(31, raw_read(self->reader, bytes, 32));
	ASSERT_EQ(32, raw_read(self->reader, bytes, 32));
	ASSERT_EQ(-EAGAIN, raw_read(self->reader, bytes, 32));
}

TEST_F(queue, others_stand_by)
{
	struct weir_run runs[16];
	char bytes[32];
	int other;

	ASSERT_EQ(0, policy_remake(self, single_active));
	other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	/* Who took nothing is not active. */
	ASSERT_EQ(-EAGAIN, take_some(self->reader, 1, runs, 0));
	lease_fill(self->writer, 5);
	ASSERT_EQ(1, take_some(other, 1, runs, LEASE_LONG));
	ASSERT_EQ(-EAGAIN, take_some(self->reader, 1, runs + 1, 0));
	ASSERT_EQ(-EAGAIN, raw_read(self->reader, bytes, 32));
	ASSERT_EQ(0, raw_poll(self->reader, POLLIN));
	ASSERT_EQ(POLLIN, raw_poll(other, POLLIN));
	/* Though nothing of it is out. */
	ASSERT_EQ(0, lease_end(other, runs[0], WEIR_ACK, 0));
	ASSERT_EQ(-EAGAIN, take_some(self->reader, 1, runs, 0));
	ASSERT_EQ(2, take_some(other, 2, runs, LEASE_LONG));
	close(other);
	ASSERT_EQ(POLLIN, raw_poll(self->reader, POLLIN));
	ASSERT_EQ(2, take_some(self->reader, 2, runs, LEASE_LONG));
	ASSERT_EQ(1, runs[0].offset);
	ASSERT_EQ(2, runs[0].deliveries);
	other = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	ASSERT_EQ(-EAGAIN, take_some(other, 1, runs, 0));
	ASSERT_EQ(0, policy_alter(self->name, (struct weir_policy){ .flags = 0 }));
	ASSERT_EQ(1, take_some(other, 1, runs, 0));
}

/* The next one has it at once, however the active one ends and the next one waits. */
TEST_F(queue, takes_over)
{
	enum { CLOSES, DIES, DIES_ELSEWHERE, ENDS } end;
	enum waits how;

	for (end = 0; end < ENDS; end++) {
		for (how = 0; how < WAITS; how++) {
			int fd = -1, shared;
			struct gate took, got;
			pid_t active = 0, next;
			struct weir_run run;

			ASSERT_EQ(0, policy_remake(self, single_active));
			ASSERT_EQ(0, gate_make(&took));
			lease_fill(self->writer, 3);
			/* A description that we have open too does not keep it. */
			shared = raw_open(self->name, O_RDONLY | O_NONBLOCK);
			if (end == CLOSES) {
				fd = raw_open(self->name, O_RDONLY | O_NONBLOCK);
				ASSERT_EQ(1, lease_take(fd, 1, LEASE_LONG).count);
			} else {
				active = proc_fork();
				if (!active) {
					if (end == DIES)
						shared = raw_open(self->name, O_RDONLY);
					if (lease_take(shared, 1, LEASE_LONG).count != 1)
						_exit(1);
					gate_open(&took);
					pause();
				}
				gate_wait(&took);
			}
			next = waiter_begin(self->name, how, &got);
			ASSERT_FALSE(waiter_got(&got));
			/* A message is not for who waits. */
			lease_fill(self->writer, 1);
			ASSERT_EQ(-EAGAIN, take_some(self->reader, 1, &run, 0));
			ASSERT_FALSE(waiter_got(&got));
			if (end == CLOSES)
				close(fd);
			else
				ASSERT_EQ(128 + SIGKILL, proc_kill(active));
			gate_wait(&got);
			/* So it is active now, and not we. */
			ASSERT_EQ(-EAGAIN, take_some(self->reader, 1, &run, 0));
			ASSERT_EQ(128 + SIGKILL, proc_kill(next));
			ASSERT_EQ(1, take_some(self->reader, 1, &run, 0));
			close(shared);
		}
	}
}

TEST_F(queue, exclusive)
{
	int one;

	ASSERT_EQ(0, policy_remake(self, (struct weir_policy){ .flags = WEIR_POLICY_EXCLUSIVE }));
	ASSERT_EQ(-EBUSY, raw_open(self->name, O_RDONLY));
	ASSERT_EQ(-EBUSY, raw_open(self->name, O_RDWR));
	one = raw_open(self->name, O_WRONLY);
	ASSERT_LE(0, one);
	close(one);
	close(self->reader);
	one = raw_open(self->name, O_RDWR);
	ASSERT_LE(0, one);
	ASSERT_EQ(-EBUSY, raw_open(self->name, O_RDONLY));
	ASSERT_EQ(0, policy_alter(self->name, (struct weir_policy){ .flags = 0 }));
	self->reader = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->reader);
}

TEST_HARNESS_MAIN
