// SPDX-License-Identifier: MIT
/*
 * Standard output. What stands in a pipe is lost when its reader ends, so a
 * message in a pipe is out only when it was read. A pipe of one page tells that
 * to poll(): it is writable when it is empty.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "weir.h"

#define ONE_PAGE	1

void sink_open(struct sink *sink)
{
	struct stat st;

	sink->is_pipe = !fstat(STDOUT_FILENO, &st) && S_ISFIFO(st.st_mode);
	sink->pipe_size = fcntl(STDOUT_FILENO, F_GETPIPE_SZ);
}

void sink_close(struct sink *sink)
{
	if (sink->is_pipe && sink->pipe_size > 0)
		fcntl(STDOUT_FILENO, F_SETPIPE_SZ, sink->pipe_size);
}

/* Waits as long as others' bytes take more of the pipe than a page. */
static int pipe_shrink(void)
{
	struct timespec pause = { .tv_nsec = 1000000 };
	struct pollfd fd = { .fd = STDOUT_FILENO };

	while (fcntl(STDOUT_FILENO, F_SETPIPE_SZ, ONE_PAGE) < 0) {
		if (errno != EBUSY)
			return -errno;
		nanosleep(&pause, NULL);
		if (stopped())
			return -EINTR;
		/* Nobody is left to read them. */
		if (poll(&fd, 1, 0) > 0 && fd.revents & POLLERR)
			return -EPIPE;
	}
	return 0;
}

/*
 * For room in a file that does not wait, and for a pipe to be empty: what stands in one is its
 * reader's, who has it soon, and would have it again if it went back.
 */
static int wait_writable(bool begun)
{
	struct pollfd fd = { .fd = STDOUT_FILENO, .events = POLLOUT };
	int ret;

	do {
		ret = begun ? wait_stubbornly(&fd, 1) : wait_until(&fd, 1, -1);
	} while (ret == -EINTR && !stopped());
	if (ret < 0)
		return ret;
	return fd.revents & POLLOUT ? 0 : -EPIPE;
}

static int write_all(const struct sink *sink, const struct text *text, size_t *out)
{
	bool begun;
	ssize_t n;
	int ret;

	for (*out = 0; *out < text->len; *out += n) {
		/* Of what has begun a reader has a part. */
		begun = sink->is_pipe && *out;
		if (begun && stopped_twice())
			return -EINTR;
		n = write(STDOUT_FILENO, text->bytes + *out, text->len - *out);
		if (n >= 0)
			continue;
		n = 0;
		if (errno == EINTR && !begun && stopped())
			return -EINTR;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		ret = wait_writable(begun);
		if (ret)
			return ret;
	}
	return 0;
}

int sink_write(struct sink *sink, const struct text *text, size_t *out)
{
	int ret = 0;

	*out = 0;
	if (sink->is_pipe && !sink->is_small) {
		ret = pipe_shrink();
		sink->is_small = !ret;
	}
	if (!ret)
		ret = write_all(sink, text, out);
	if (!ret && sink->is_pipe && text->len)
		ret = wait_writable(true);
	if (ret && sink->is_pipe)
		*out = 0;
	return ret;
}
