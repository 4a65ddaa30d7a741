// SPDX-License-Identifier: MIT
/*
 * PID 1 of the guest: makes a Linux system of the machine's root, runs the
 * command that the host asks for, and hands its input, output and exit status
 * over the channel (channel.h).
 *
 * The end of the command is the end of the guest: what it left running is
 * killed, and only output that was already written is waited for.
 */
#define _GNU_SOURCE
#include "channel.h"
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT "/dev/vport0p1"
#define PORT_LIMIT_MS 30000

/* What START asks for. */
struct request {
	char **argv, **env;
	int nr_argv, nr_env;
	const char *cwd;
	const char *module; /* weir.ko, or NULL */
	const char *modules; /* for /lib/modules, or NULL */
	const char *share; /* directory to write to, or NULL */
	bool terminal;
};

struct session {
	struct channel channel;
	struct sink in;
	struct source out[2]; /* standard output and error */
	pid_t command; /* 0 once it ended */
	int status;
	int signals;
	int terminal; /* the pty's master, or -1 */
	bool confirmed; /* the host has the exit status */
};

static void open_channel(struct channel *ch)
{
	int fd, waited;

	for (waited = 0; waited < PORT_LIMIT_MS; waited += 10) {
		fd = open(PORT, O_RDWR | O_CLOEXEC);
		if (fd >= 0) {
			channel_open(ch, fd);
			return;
		}
		usleep(10000);
	}
	guest_fail(PORT);
}

static void wait_channel(struct channel *ch)
{
	struct pollfd fd = { ch->fd, channel_events(ch), 0 };

	poll(&fd, 1, -1);
	channel_transfer(ch);
	if (ch->fd < 0)
		guest_fail("the channel broke");
}

static char **vector_add(char **vector, int *nr, const char *string)
{
	vector = realloc(vector, (*nr + 2) * sizeof(*vector));
	if (!vector)
		abort();
	vector[(*nr)++] = strdup(string);
	vector[*nr] = NULL;
	return vector;
}

static void take_setting(struct request *rq, const char *setting)
{
	size_t key = strcspn(setting, "=");
	const char *value = setting + key + !!setting[key];

	if (!strncmp(setting, "arg=", 4))
		rq->argv = vector_add(rq->argv, &rq->nr_argv, value);
	else if (!strncmp(setting, "env=", 4))
		rq->env = vector_add(rq->env, &rq->nr_env, value);
	else if (!strncmp(setting, "cwd=", 4))
		rq->cwd = strdup(value);
	else if (!strncmp(setting, "module=", 7))
		rq->module = strdup(value);
	else if (!strncmp(setting, "modules=", 8))
		rq->modules = strdup(value);
	else if (!strncmp(setting, "share=", 6))
		rq->share = strdup(value);
	else if (!strncmp(setting, "terminal=", 9))
		rq->terminal = *value == '1';
}

static void receive_request(struct channel *ch, struct request *rq)
{
	const char *payload, *end;
	struct frame frame;

	while (!channel_receive(ch, &frame, &payload))
		wait_channel(ch);
	errno = EPROTO;
	if (frame.type != FRAME_START || !frame.length || payload[frame.length - 1])
		guest_fail("START");
	for (end = payload + frame.length; payload < end; payload += strlen(payload) + 1)
		take_setting(rq, payload);
	if (!rq->argv || !rq->cwd)
		guest_fail("START");
}

static void make_system(const struct request *rq)
{
	guest_load_carried_modules();
	guest_enter_root();
	guest_start_processors();
	guest_network_up();
	if (rq->modules)
		guest_bind_modules(rq->modules);
	if (rq->share)
		guest_mount_share(rq->share);
	if (rq->module)
		guest_load_module(rq->module);
}

/* In the child. */
static void exec_command(const struct request *rq, const int fds[3])
{
	sigset_t none;
	int i;

	setsid();
	for (i = 0; i < 3; i++)
		dup2(fds[i], i);
	if (rq->terminal)
		ioctl(0, TIOCSCTTY, 0);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (chdir(rq->cwd)) {
		dprintf(2, "vm: %s: %s\n", rq->cwd, strerror(errno));
		_exit(126);
	}
	environ = rq->env;
	execvp(rq->argv[0], rq->argv);
	dprintf(2, "vm: %s: %s\n", rq->argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* @ends are the command's; the session keeps the others. */
static void open_streams(struct session *s, const struct request *rq, int ends[3])
{
	int in[2], out[2], err[2];

	if (rq->terminal) {
		if (openpty(&s->terminal, &ends[0], NULL, NULL, NULL))
			guest_fail("openpty");
		fcntl(s->terminal, F_SETFD, FD_CLOEXEC);
		fcntl(ends[0], F_SETFD, FD_CLOEXEC);
		ends[1] = ends[2] = ends[0];
		sink_open(&s->in, 0, fcntl(s->terminal, F_DUPFD_CLOEXEC, 0));
		source_open(&s->out[0], 1, s->terminal);
		source_open(&s->out[1], 2, -1);
		return;
	}
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		guest_fail("pipe");
	s->terminal = -1;
	sink_open(&s->in, 0, in[1]);
	source_open(&s->out[0], 1, out[0]);
	source_open(&s->out[1], 2, err[0]);
	ends[0] = in[0];
	ends[1] = out[1];
	ends[2] = err[1];
}

static void start_command(struct session *s, const struct request *rq)
{
	int ends[3];
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	open_streams(s, rq, ends);
	channel_send(&s->channel, FRAME_READY, 0, NULL, 0);
	s->command = fork();
	if (s->command < 0)
		guest_fail("fork");
	if (!s->command)
		exec_command(rq, ends);
	close(ends[0]);
	if (!rq->terminal) {
		close(ends[1]);
		close(ends[2]);
	}
}

/* PID 1 is everyone's last parent. */
static void reap(struct session *s)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(s->signals, &info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != s->command)
			continue;
		s->command = 0;
		s->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
}

static void take_frame(struct session *s, const struct frame *frame, const char *payload)
{
	struct winsize size;

	if (stream_frame(frame, payload, s->out, 2, &s->in, 1))
		return;
	if (frame->type == FRAME_RESIZE && frame->length == sizeof(size)) {
		memcpy(&size, payload, sizeof(size));
		if (s->terminal >= 0)
			ioctl(s->terminal, TIOCSWINSZ, &size);
	} else if (frame->type == FRAME_EXIT) {
		s->confirmed = true;
	}
}

static void turn(struct session *s)
{
	struct pollfd fds[] = {
		{ s->signals, POLLIN, 0 },
		{ s->channel.fd, channel_events(&s->channel), 0 },
		{ s->in.fd, sink_events(&s->in), 0 },
		{ s->out[0].fd, source_events(&s->out[0]), 0 },
		{ s->out[1].fd, source_events(&s->out[1]), 0 },
	};
	const char *payload;
	struct frame frame;
	size_t i;

	/* A hang-up that is not waited for would make poll() spin. */
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		if (!fds[i].events)
			fds[i].fd = -1;
	if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
		return;
	if (fds[0].revents)
		reap(s);
	if (fds[2].revents)
		sink_write(&s->in, &s->channel);
	for (i = 0; i < 2; i++)
		if (fds[3 + i].revents)
			source_read(&s->out[i], &s->channel);
	if (fds[1].revents || buffer_used(&s->channel.out))
		channel_transfer(&s->channel);
	if (s->channel.fd < 0)
		guest_fail("the channel broke");
	while (channel_receive(&s->channel, &frame, &payload))
		take_frame(s, &frame, payload);
}

/*
 * Has everything that the command wrote been read? A pty says so by an end:
 * its session's leader is gone, so all its users are hung up. A pipe may be
 * held open by what the command left behind.
 */
static bool drained(const struct source *src, bool terminal)
{
	int waiting = 0;

	if (src->fd < 0)
		return true;
	if (terminal)
		return false;
	ioctl(src->fd, FIONREAD, &waiting);
	return !waiting;
}

static void run_session(struct session *s, const struct request *rq)
{
	uint32_t status;

	while (s->command || !drained(&s->out[0], rq->terminal) ||
	       !drained(&s->out[1], rq->terminal))
		turn(s);
	source_close(&s->out[0]);
	source_close(&s->out[1]);
	status = s->status;
	channel_send(&s->channel, FRAME_EXIT, 0, &status, sizeof(status));
	while (!s->confirmed)
		turn(s);
}

int main(void)
{
	struct session session = { 0 };
	struct request request = { 0 };

	guest_mount_devices();
	open_channel(&session.channel);
	receive_request(&session.channel, &request);
	make_system(&request);
	start_command(&session, &request);
	run_session(&session, &request);
	/* One that cannot be killed is a bug in the kernel: the host's limit ends it. */
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	guest_restart();
}
