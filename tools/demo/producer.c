// SPDX-License-Identifier: MIT
/* A producer: sends its lines in order, and is done. */
#include "demo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int send_batches(struct demo *demo, unsigned int self, struct weir_queue *queue)
{
	static char bytes[BATCH][MESSAGE_ROOM];
	struct weir_message messages[BATCH] = { 0 };
	uint32_t n = self, count, sent;
	int ret;

	while (n < demo->text.count) {
		for (count = 0; count < BATCH && n < demo->text.count; count++, n += PRODUCERS) {
			messages[count].data = (uintptr_t)bytes[count];
			messages[count].len = text_message(&demo->text, n, bytes[count]);
		}
		/* There may be room for a part only; the rest waits. */
		for (sent = 0; sent < count; sent += ret) {
			ret = weir_send_batch(queue, messages + sent, count - sent,
					      WEIR_FOREVER, NULL);
			if (ret < 0)
				return failed("send", ret);
			demo->shared->sent[self] += ret;
		}
	}
	return 0;
}

static int producer_plain(struct demo *demo, unsigned int self)
{
	char path[WEIR_NAME_SIZE + 32], message[MESSAGE_ROOM];
	uint32_t n;
	int fd;

	snprintf(path, sizeof(path), "/dev/weir/queue/%s", demo->queue);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return failed(path, -errno);
	for (n = self; n < demo->text.count; n += PRODUCERS) {
		if (write(fd, message, text_message(&demo->text, n, message)) < 0)
			return failed("write", -errno);
		demo->shared->sent[self]++;
	}
	return 0;
}

int producer(struct demo *demo, unsigned int self)
{
	const struct weir_open_options options = {
		.size = sizeof(options), .flags = WEIR_OPEN_SEND, .door = demo->door,
	};
	struct weir_queue *queue;
	int ret;

	if (demo->plain)
		return producer_plain(demo, self);
	ret = weir_queue_open(demo->queue, &options, &queue);
	if (ret)
		return failed("open the queue to send", ret);
	ret = send_batches(demo, self, queue);
	weir_queue_close(queue);
	return ret;
}
