// SPDX-License-Identifier: MIT
/* The text: a file, mapped, and where its lines are. */
#include "demo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static uint32_t split(const char *bytes, size_t size, struct line *lines)
{
	uint32_t count = 0;
	size_t at, length;
	const char *end;

	for (at = 0; at < size; at += length) {
		length = size - at < LINE_MAX_LENGTH ? size - at : LINE_MAX_LENGTH;
		end = memchr(bytes + at, '\n', length);
		if (end)
			length = end + 1 - (bytes + at);
		if (lines)
			lines[count] = (struct line){ bytes + at, length };
		count++;
	}
	return count;
}

int text_open(struct text *text, const char *path)
{
	struct stat st;
	char *bytes;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || !st.st_size)
		return -EINVAL;
	bytes = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	close(fd);

	text->path = path;
	text->size = st.st_size;
	text->count = split(bytes, text->size, NULL);
	text->lines = calloc(text->count, sizeof(*text->lines));
	if (!text->lines)
		return -ENOMEM;
	split(bytes, text->size, text->lines);
	return 0;
}

size_t text_message(const struct text *text, uint32_t n, char message[MESSAGE_ROOM])
{
	const struct line *line = &text->lines[n];
	size_t length = sprintf(message, "%u %u ", n % PRODUCERS, n);

	memcpy(message + length, line->start, line->length);
	return length + line->length;
}
