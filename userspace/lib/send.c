// SPDX-License-Identifier: MIT
/* Sending, and the headers of what is sent. */
#include <errno.h>
#include <string.h>
#include "internal.h"

struct command send_command(struct weir_queue *queue, struct weir_send *send,
			    const struct weir_message *messages,
			    unsigned int count, int64_t timeout_ns)
{
	*send = (struct weir_send){
		.messages = (uintptr_t)messages,
		.count = count,
		.timeout_ns = timeout_ns,
	};
	return (struct command){
		.fd = queue->fd, .number = WEIR_IOC_SEND,
		.arg = send, .size = sizeof(*send),
	};
}

WEIR_PUBLIC int weir_send_batch(struct weir_queue *queue,
				const struct weir_message *messages,
				unsigned int count, int64_t timeout_ns,
				uint64_t *first_offset)
{
	struct weir_send send;
	struct command command;
	int ret;

	command = send_command(queue, &send, messages, count, timeout_ns);
	ret = queue_run(queue, &command);
	/* A caller counts up by this. */
	if (ret > 0 && (unsigned int)ret > count)
		return -EBADMSG;
	if (ret > 0 && first_offset)
		*first_offset = send.first_offset;
	return ret;
}

WEIR_PUBLIC int weir_send(struct weir_queue *queue, const void *data,
			  size_t len, int64_t timeout_ns)
{
	struct weir_message message = { .data = (uintptr_t)data, .len = len };
	int ret;

	if (len > WEIR_MESSAGE_MAX)
		return -EMSGSIZE;
	ret = weir_send_batch(queue, &message, 1, timeout_ns, NULL);
	return ret > 0 ? 0 : ret;
}

WEIR_PUBLIC int weir_producer(struct weir_queue *queue, const char *name,
			      struct weir_producer *producer, size_t size)
{
	struct weir_producer ours = { .flags = 0 };
	size_t len = strnlen(name, sizeof(ours.name));
	int ret;

	if (!len || len == sizeof(ours.name) || !producer || !size)
		return -EINVAL;
	memcpy(ours.name, name, len);
	ret = queue_run(queue, &(struct command){
		.fd = queue->fd, .number = WEIR_IOC_PRODUCER,
		.arg = &ours, .size = sizeof(ours),
	});
	return ret ? ret : info_give(producer, size, &ours, sizeof(ours));
}

WEIR_PUBLIC int weir_header_append(void *block, size_t room, size_t *used,
				   const char *name, const void *value,
				   size_t value_len)
{
	size_t name_len = strnlen(name, WEIR_HEADER_NAME_MAX + 1);
	struct weir_header header = {
		.value_len = value_len,
		.name_len = name_len,
	};
	char *to = (char *)block + *used;
	size_t len, padded;

	if (!name_len || name_len > WEIR_HEADER_NAME_MAX)
		return -EINVAL;
	if (room > WEIR_HEADERS_MAX)
		room = WEIR_HEADERS_MAX;
	if (*used > room || value_len > WEIR_HEADERS_MAX)
		return -EMSGSIZE;
	len = sizeof(header) + name_len + value_len;
	padded = (len + 7) & ~(size_t)7;
	if (padded > room - *used)
		return -EMSGSIZE;
	memcpy(to, &header, sizeof(header));
	memcpy(to + sizeof(header), name, name_len);
	if (value_len)
		memcpy(to + sizeof(header) + name_len, value, value_len);
	memset(to + len, 0, padded - len);
	*used += padded;
	return 0;
}
