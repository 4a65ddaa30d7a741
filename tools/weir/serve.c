// SPDX-License-Identifier: MIT
/* weir serve */
#include <errno.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "weir.h"

extern char **environ;

struct server {
	const struct args	*args;
	const char		*name;
	struct weir_queue	*queue;
	struct weir_batch	*batch;		/* of one */
	uint64_t		wanted;		/* still */
};

/*
 * A file in memory, for what goes into COMMAND and what comes out: unlike a pipe it is
 * never full, and nobody has to read and write at the same time.
 */
static int file_new(const void *bytes, size_t len)
{
	const char *at = bytes;
	int fd = memfd_create("weir-serve", MFD_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -errno;
	for (; len; at += got, len -= got) {
		got = write(fd, at, len);
		if (got < 0) {
			got = -errno;
			close(fd);
			return got;
		}
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* Its exit status; 128 and the number of the signal that ended it; or -errno. */
static int run(char **command, int in, int out)
{
	posix_spawn_file_actions_t actions;
	int ret, status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	ret = -posix_spawnp(&pid, command[0], &actions, NULL, command, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (ret)
		return ret;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The request is settled, or goes back. */
static enum status say_settled(struct server *server, int ret)
{
	switch (ret) {
	case -ESTALE:
		fprintf(stderr, "weir: queue '%s': answered too late, and others may have the "
				"request; use a longer --lease\n", server->name);
		return DONE;
	case -EAGAIN:
		fprintf(stderr, "weir: queue '%s': no room for the answer; the request goes back\n",
			server->name);
		ret = weir_release(server->batch, 0, 1, 1000000000);
		break;
	case -EMSGSIZE:
		fprintf(stderr, "weir: queue '%s': the answer is larger than is taken; "
				"the request is dead\n", server->name);
		ret = weir_reject(server->batch, 0, 1, "the answer is too large");
		break;
	}
	return ret < 0 ? fail_queue(server->name, ret) : DONE;
}

/* What COMMAND has written is the answer. */
static int answer(struct server *server, const struct weir_view *request, int out)
{
	struct weir_message message = { .len = 0 };
	off_t len = lseek(out, 0, SEEK_END);
	void *bytes = NULL;
	int ret;

	if (!(request->desc.flags & WEIR_DESC_REPLY))
		return weir_settle(server->batch, 0, 1, WEIR_ACK);
	if (len > WEIR_MESSAGE_MAX)
		return -EMSGSIZE;
	if (len > 0) {
		bytes = mmap(NULL, len, PROT_READ, MAP_SHARED, out, 0);
		if (bytes == MAP_FAILED)
			return -errno;
		message.data = (uintptr_t)bytes;
		message.len = len;
	}
	ret = weir_reply(server->batch, 0, &message, WEIR_ACK);
	if (bytes)
		munmap(bytes, len);
	return ret;
}

static enum status serve_one(struct server *server)
{
	const struct weir_view *request = weir_batch_view(server->batch, 0);
	char **command = server->args->words + 1;
	int in, out = -1, ret;
	enum status status;

	in = file_new(request->data, request->desc.len);
	ret = in < 0 ? in : (out = file_new(NULL, 0));
	if (ret >= 0)
		ret = run(command, in, out);
	if (!ret) {
		status = say_settled(server, answer(server, request, out));
	} else {
		weir_settle(server->batch, 0, 1, WEIR_RELEASE);
		if (ret > 0)
			fprintf(stderr, "weir: queue '%s': %s: status %d; the request goes back\n",
				server->name, command[0], ret);
		/* Where it cannot even be run, it cannot for the next one. */
		status = ret < 0 ? fail_plain(command[0], ret) : DONE;
	}
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return status;
}

static enum status serve_all(struct server *server)
{
	struct pollfd poll = { .fd = weir_queue_fd(server->queue), .events = POLLIN };
	enum status status = DONE;
	int ret;

	while (server->wanted && !stopped() && !status) {
		ret = weir_receive(server->batch, WEIR_NOW);
		if (ret > 0) {
			server->wanted--;
			status = serve_one(server);
		} else if (ret == -EAGAIN) {
			ret = wait_until(&poll, 1, -1);
			if (ret < 0 && ret != -EINTR)
				status = fail_queue(server->name, ret);
		} else if (ret != -EINTR) {
			status = fail_queue(server->name, ret);
		}
	}
	return stopped() ? FAILED : status;
}

static enum status server_open(struct server *server, uint64_t lease_ns)
{
	const struct weir_open_options open = {
		.size = sizeof(open), .flags = WEIR_OPEN_RECEIVE,
	};
	const struct weir_batch_options batch = {
		.size = sizeof(batch), .max_messages = 1, .lease_ns = lease_ns,
	};
	const char *name = server->args->values[OPT_NAME];
	int ret = weir_queue_open(server->name, &open, &server->queue);

	if (!ret && name)
		ret = weir_name(server->queue, name);
	if (!ret)
		ret = weir_batch_new(server->queue, &batch, &server->batch);
	return ret ? fail_queue(server->name, ret) : DONE;
}

enum status serve_queue(const struct args *args)
{
	struct server server = { .args = args, .name = args->words[0], .wanted = UINT64_MAX };
	uint64_t lease_ns = WEIR_UNLIMITED;
	enum status status;

	if (args->nr_words < 2)
		return usage(args->verb, "a COMMAND is missing");
	if (args->values[OPT_MOST] && parse_count(args->values[OPT_MOST], &server.wanted))
		return usage(args->verb, "--count: '%s' is not a number", args->values[OPT_MOST]);
	if (args->values[OPT_LEASE] && parse_lease(args->values[OPT_LEASE], &lease_ns))
		return bad_value(args, OPT_LEASE);
	signals_catch();
	status = server_open(&server, lease_ns);
	if (!status)
		status = serve_all(&server);
	weir_batch_free(server.batch);
	weir_queue_close(server.queue);
	signals_repeat();
	return status;
}
