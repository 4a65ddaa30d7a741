// SPDX-License-Identifier: MIT
/*
 * A consumer: receives, logs, settles, until the parent says that all is there.
 *
 * When a third is settled, the others leave the queue to the victim, until it has
 * got something. It settles nothing of that, says so, and waits for its death.
 */
#include "demo.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* How long to wait for a message before looking whether to stop. */
#define PATIENCE_MS	100

static bool time_to_hold(const struct demo *demo)
{
	return demo->shared->settled >= demo->text.count / 3;
}

/* Before it receives; true if there is no more to come. */
static bool ended(const struct demo *demo, unsigned int self)
{
	while (self != VICTIM && time_to_hold(demo) && !demo->shared->stop &&
	       demo->logs[VICTIM]->state == LOG_WORKING)
		usleep(500);
	return demo->shared->stop;
}

static void count_settled(struct demo *demo, unsigned int self, uint32_t messages)
{
	log_settle(demo->logs[self], messages);
	demo->shared->settled += messages;
}

static void hold(struct log *log)
{
	log->state = LOG_HOLDING;
	for (;;)
		pause();
}

static int log_batch(struct log *log, const struct weir_batch *batch, int count)
{
	const struct weir_view *view;
	struct record *record;
	int i;

	for (i = 0; i < count; i++) {
		view = weir_batch_view(batch, i);
		record = log_next(log, view->desc.len);
		if (!record)
			return failed("log: more than was sent", -ENOSPC);
		record->offset = view->desc.offset;
		record->time_ns = clock_ns();
		record->deliveries = view->desc.deliveries;
		record->length = view->desc.len;
		memcpy(record->message, view->data, view->desc.len);
		log_add(log, record);
	}
	return 0;
}

static int receive_batches(struct demo *demo, unsigned int self, struct weir_batch *batch)
{
	struct log *log = demo->logs[self];
	int count;

	while (!ended(demo, self)) {
		count = weir_receive(batch, PATIENCE_MS * 1000000LL);
		if (count == -ETIMEDOUT)
			continue;
		if (count < 0)
			return failed("receive", count);
		if (log_batch(log, batch, count))
			return 1;
		if (self == VICTIM && time_to_hold(demo))
			hold(log);
		if (weir_settle(batch, 0, count, WEIR_ACK) != count)
			return failed("settle: not all of a batch", weir_batch_status(batch, 0));
		count_settled(demo, self, count);
	}
	return 0;
}

int consumer(struct demo *demo, unsigned int self)
{
	const struct weir_open_options open_options = {
		.size = sizeof(open_options), .flags = WEIR_OPEN_RECEIVE, .door = demo->door,
	};
	const struct weir_batch_options options = {
		.size = sizeof(options), .max_messages = BATCH,
	};
	struct weir_queue *queue;
	struct weir_batch *batch;
	int ret;

	ret = weir_queue_open(demo->queue, &open_options, &queue);
	if (ret)
		return failed("open the queue to receive", ret);
	ret = weir_batch_new(queue, &options, &batch);
	if (ret)
		return failed("map the queue", ret);
	if (!weir_batch_mapped(batch))
		return failed("map the queue: it copies", -EOPNOTSUPP);
	ret = receive_batches(demo, self, batch);
	weir_batch_free(batch);
	weir_queue_close(queue);
	return ret;
}

/*
 * Byte by byte, so that a message is begun and not finished: to the second
 * blank, which leaves at least the newline.
 */
static ssize_t read_prefix(int fd, char *bytes)
{
	ssize_t n = 0, ret;
	int blanks = 0;

	while (blanks < 2 && n < PREFIX_MAX) {
		ret = read(fd, bytes + n, 1);
		if (ret <= 0)
			return n ? n : ret;
		blanks += bytes[n++] == ' ';
	}
	return n;
}

static int read_messages(struct demo *demo, unsigned int self, int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	struct log *log = demo->logs[self];
	struct record *record;
	bool holding;
	ssize_t n;

	while (!ended(demo, self)) {
		record = log_next(log, MESSAGE_ROOM);
		if (!record)
			return failed("log: more than was sent", -ENOSPC);
		holding = self == VICTIM && time_to_hold(demo);
		n = holding ? read_prefix(fd, record->message) :
			      read(fd, record->message, MESSAGE_ROOM);
		if (n < 0 && errno == EAGAIN) {
			poll(&ready, 1, PATIENCE_MS);
			continue;
		}
		if (n < 0)
			return failed("read", -errno);
		record->time_ns = clock_ns();
		record->length = n;
		log_add(log, record);
		if (holding)
			hold(log);
		count_settled(demo, self, 1);
	}
	return 0;
}

int consumer_plain(struct demo *demo, unsigned int self)
{
	char path[WEIR_NAME_SIZE + 32];
	int fd, ret;

	snprintf(path, sizeof(path), "/dev/weir/queue/%s", demo->queue);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return failed(path, -errno);
	ret = read_messages(demo, self, fd);
	close(fd);
	return ret;
}
