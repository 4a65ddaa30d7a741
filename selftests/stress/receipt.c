// SPDX-License-Identifier: MIT
/* What senders are told of the ends of their messages: one queue for all, read at the end. */
#include <time.h>

#include "round.h"

/* Between one reading of two clocks and the next, in ns. */
#define CLOCKS_PRECISION 1000

_Static_assert((int)HISTORY_END_ACKED == WEIR_OUTCOME_ACKED &&
	       (int)HISTORY_END_TAKEN == WEIR_OUTCOME_TAKEN &&
	       (int)HISTORY_END_DEAD == WEIR_OUTCOME_DEAD_LETTER &&
	       (int)HISTORY_END_DISCARDED == WEIR_OUTCOME_DISCARDED &&
	       (int)HISTORY_END_PURGED == WEIR_OUTCOME_PURGED &&
	       (int)HISTORY_END_DROPPED == WEIR_OUTCOME_DROPPED, "a log has the kernel's numbers");

int64_t round_clocks(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec - history_now();
}

/* When the message ended. The clocks may go apart a little, during a round. */
static void receipt_time(const struct stress *stress, struct history_record *record,
			 const struct weir_receipt *receipt)
{
	int64_t before = stress->clocks, now = round_clocks();
	int64_t most = before > now ? before : now, least = before > now ? now : before;

	record->invoked = receipt->ended_ns - most - CLOCKS_PRECISION;
	record->returned = receipt->ended_ns - least + CLOCKS_PRECISION;
}

static uint32_t receipt_origin(const struct stress *stress, const struct weir_receipt *receipt)
{
	uint32_t queue;

	for (queue = 0; queue < STRESS_QUEUES; queue++)
		if (!strcmp(stress->names[queue], receipt->queue))
			return queue;
	return STRESS_ALL;
}

static bool receipt_log(const struct stress *stress, struct history_log *log,
			const struct weir_desc *desc, const struct weir_receipt *receipt)
{
	struct history_record *logged, record = {
		.op = HISTORY_RECEIPT, .target = receipt_origin(stress, receipt),
		.invoked = history_now(), .producer = receipt->token >> 32,
		.seq = receipt->token, .offset = receipt->offset, .count = receipt->outcome,
		.deliveries = receipt->deliveries,
	};

	if (desc->len != sizeof(*receipt) || desc->pid || record.target == STRESS_ALL) {
		printf("# a receipt of %u bytes, from %u, of queue '%.20s'\n", desc->len,
		       desc->pid, receipt->queue);
		return false;
	}
	logged = history_add(log, &record, HISTORY_OK);
	if (receipt->outcome == WEIR_OUTCOME_DROPPED)
		receipt_time(stress, logged, receipt);
	return true;
}

/* The next one: 1, 0 if it is none of ours, or -errno. */
static int receipt_take(const struct stress *stress, struct history_log *log)
{
	static struct { struct weir_desc desc; struct weir_receipt receipt; char more[64]; } buffer;
	struct weir_run run;
	struct weir_fetch fetch = {
		.runs = raw_address(&run), .nr_runs = 1, .max_messages = 1,
		.flags = WEIR_FETCH_SETTLED, .buffer = raw_address(&buffer),
		.buffer_len = sizeof(buffer),
	};
	int ret = raw_ioctl(stress->receipts, WEIR_IOC_FETCH, &fetch);

	return ret == 1 ? receipt_log(stress, log, &buffer.desc, &buffer.receipt) : ret;
}

bool round_receipts(const struct stress *stress, struct history_log *log)
{
	uint64_t end = stress_deadline();
	struct weir_info info;
	int ret;

	for (;;) {
		do {
			ret = receipt_take(stress, log);
		} while (ret == 1);
		if (ret != -EAGAIN || raw_info(stress->receipts_name, &info))
			return false;
		/* Those that are still to come have their room. */
		if (!info.bytes)
			return true;
		if (history_now() > end) {
			printf("# receipts: %llu bytes are still taken\n",
			       (unsigned long long)info.bytes);
			return false;
		}
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
}
