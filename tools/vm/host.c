// SPDX-License-Identifier: MIT
/*
 * The host's side of tools/vm/run: start QEMU, have PID 1 of the guest
 * (init.c) run a command, be its standard input and output, and end with its
 * exit status. The command runs in this program's directory, and with its
 * environment.
 *
 * Success needs three things: the exit status that came over the channel, a
 * guest that went down by itself, and a console without trouble.
 */
#define _GNU_SOURCE
#include "channel.h"
#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* As timeout(1) and docker-run(1) have them. */
#define STATUS_TIMEOUT 124
#define STATUS_FAILED 125

/* Seconds. */
#define LEAVE_LIMIT 60

enum phase {
	BOOTING, /* until READY */
	RUNNING, /* until EXIT */
	LEAVING, /* until QEMU ends */
};

static const char *const phase_names[] = {
	[BOOTING] = "booting",
	[RUNNING] = "running the command",
	[LEAVING] = "going down",
};

struct vm {
	struct channel channel;
	struct source in;
	struct sink out[2]; /* standard output and error */
	enum phase phase;
	int status; /* of the command, from LEAVING on */
	time_t deadline; /* of this phase, or 0 */
	bool timed_out;
	int killed_by; /* the signal that ended this program, or 0 */

	pid_t qemu; /* 0 once it ended */
	int qemu_status;
	int console;
	int signals;

	time_t boot_limit, run_limit;
	bool terminal;
	struct termios cooked;
};

static void fatal(const char *what)
{
	fprintf(stderr, "vm: %s: %s\n", what, strerror(errno));
	exit(STATUS_FAILED);
}

static time_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static void enter_phase(struct vm *vm, enum phase phase, time_t limit)
{
	vm->phase = phase;
	vm->deadline = limit ? now() + limit : 0;
}

/* Add @argument to a NULL-terminated vector of @nr. */
static char **vector_add(char **vector, int *nr, char *argument)
{
	vector = realloc(vector, (*nr + 2) * sizeof(*vector));
	if (!vector)
		abort();
	vector[(*nr)++] = argument;
	vector[*nr] = NULL;
	return vector;
}

/* QEMU with the other end of the channel as its chardev "channel". */
static void start_qemu(struct vm *vm, char **argv)
{
	char *chardev, **qemu = NULL;
	pid_t parent = getpid();
	sigset_t none;
	int ends[2];
	int nr = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		fatal("socketpair");
	if (asprintf(&chardev, "socket,id=channel,fd=%d", ends[1]) < 0)
		abort();
	while (*argv)
		qemu = vector_add(qemu, &nr, *argv++);
	qemu = vector_add(qemu, &nr, "-chardev");
	qemu = vector_add(qemu, &nr, chardev);

	vm->qemu = fork();
	if (vm->qemu < 0)
		fatal("fork");
	if (!vm->qemu) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(STATUS_FAILED);
		/* The terminal's signals are for us; we end QEMU. */
		setpgid(0, 0);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		fcntl(ends[1], F_SETFD, 0);
		dup2(open("/dev/null", O_RDONLY), 0);
		dup2(vm->console, 1);
		dup2(vm->console, 2);
		execvp(qemu[0], qemu);
		perror(qemu[0]);
		_exit(STATUS_FAILED);
	}
	close(ends[1]);
	channel_open(&vm->channel, ends[0]);
	free(qemu);
	free(chardev);
}

static void send_size(struct vm *vm)
{
	struct winsize size;

	if (vm->terminal && !ioctl(0, TIOCGWINSZ, &size))
		channel_send(&vm->channel, FRAME_RESIZE, 0, &size, sizeof(size));
}

static void add_setting(struct buffer *b, const char *key, const char *value)
{
	buffer_add(b, key, strlen(key));
	buffer_add(b, "=", 1);
	buffer_add(b, value, strlen(value) + 1);
}

/* @settings are "key=value" for init.c already. */
static void send_start(struct vm *vm, char **settings, char **command)
{
	struct buffer start = { 0 };
	char *cwd = getcwd(NULL, 0);
	char **s;

	if (!cwd)
		fatal("the current directory");
	add_setting(&start, "cwd", cwd);
	add_setting(&start, "terminal", vm->terminal ? "1" : "0");
	for (s = settings; s && *s; s++)
		buffer_add(&start, *s, strlen(*s) + 1);
	for (s = environ; *s; s++)
		add_setting(&start, "env", *s);
	for (s = command; *s; s++)
		add_setting(&start, "arg", *s);
	channel_send(&vm->channel, FRAME_START, 0, start.bytes, buffer_used(&start));
	send_size(vm);
	free(start.bytes);
	free(cwd);
}

static struct termios *restore_at_exit;

static void restore_terminal(void)
{
	tcsetattr(0, TCSADRAIN, restore_at_exit);
}

/*
 * With a terminal at both ends the guest has one of its own, and this one
 * passes every key on, except Ctrl-] which ends the guest.
 */
static void take_terminal(struct vm *vm)
{
	struct termios raw;

	if (!isatty(0) || !isatty(1) || tcgetattr(0, &vm->cooked))
		return;
	vm->terminal = true;
	restore_at_exit = &vm->cooked;
	atexit(restore_terminal);
	raw = vm->cooked;
	cfmakeraw(&raw);
	raw.c_lflag |= ISIG;
	raw.c_cc[VINTR] = raw.c_cc[VSUSP] = _POSIX_VDISABLE;
	raw.c_cc[VQUIT] = ']' & 0x1f;
	tcsetattr(0, TCSADRAIN, &raw);
}

static void open_signals(struct vm *vm)
{
	static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD, SIGWINCH };
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < ARRAY_SIZE(caught); i++)
		sigaddset(&set, caught[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	vm->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (vm->signals < 0)
		fatal("signalfd");
}

static void kill_qemu(struct vm *vm)
{
	if (vm->qemu)
		kill(vm->qemu, SIGKILL);
	vm->deadline = 0;
}

static void take_signals(struct vm *vm)
{
	struct signalfd_siginfo info;

	while (read(vm->signals, &info, sizeof(info)) == sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			if (vm->qemu && waitpid(vm->qemu, &vm->qemu_status, WNOHANG) == vm->qemu)
				vm->qemu = 0;
			break;
		case SIGWINCH:
			send_size(vm);
			break;
		default:
			vm->killed_by = info.ssi_signo;
			kill_qemu(vm);
		}
	}
}

static void take_frame(struct vm *vm, const struct frame *frame, const char *payload)
{
	uint32_t status;

	if (stream_frame(frame, payload, &vm->in, 1, vm->out, 2))
		return;
	if (frame->type == FRAME_READY && vm->phase == BOOTING) {
		enter_phase(vm, RUNNING, vm->run_limit);
	} else if (frame->type == FRAME_EXIT && frame->length == sizeof(status)) {
		memcpy(&status, payload, sizeof(status));
		vm->status = status;
		enter_phase(vm, LEAVING, LEAVE_LIMIT);
		channel_send(&vm->channel, FRAME_EXIT, 0, NULL, 0);
	}
}

/* One turn: wait, then move what there is. */
static void turn(struct vm *vm)
{
	struct pollfd fds[] = {
		{ vm->signals, POLLIN, 0 },
		{ vm->channel.fd, channel_events(&vm->channel), 0 },
		{ vm->phase == RUNNING ? vm->in.fd : -1, source_events(&vm->in), 0 },
		{ vm->out[0].fd, sink_events(&vm->out[0]), 0 },
		{ vm->out[1].fd, sink_events(&vm->out[1]), 0 },
	};
	const char *payload;
	struct frame frame;
	size_t i;

	/* A hang-up that is not waited for would make poll() spin. */
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		if (!fds[i].events)
			fds[i].fd = -1;
	if (poll(fds, ARRAY_SIZE(fds), vm->deadline ? 1000 : -1) < 0)
		return;
	if (fds[0].revents)
		take_signals(vm);
	if (fds[1].revents)
		channel_transfer(&vm->channel);
	while (channel_receive(&vm->channel, &frame, &payload))
		take_frame(vm, &frame, payload);
	if (fds[2].revents)
		source_read(&vm->in, &vm->channel);
	for (i = 0; i < 2; i++)
		if (fds[3 + i].revents)
			sink_write(&vm->out[i], &vm->channel);
	/* The guest broke the protocol, or QEMU is ending. */
	if (vm->channel.fd < 0 && vm->phase != LEAVING)
		kill_qemu(vm);
	if (vm->deadline && now() >= vm->deadline) {
		vm->timed_out = true;
		kill_qemu(vm);
	}
}

static bool finished(const struct vm *vm)
{
	bool flushed = !sink_events(&vm->out[0]) && !sink_events(&vm->out[1]);

	return !vm->qemu && vm->channel.fd < 0 && (flushed || vm->killed_by);
}

/* The exit status of the whole. */
static int verdict(struct vm *vm)
{
	bool clean;

	if (vm->terminal)
		tcsetattr(0, TCSADRAIN, &vm->cooked);
	if (vm->killed_by)
		return 128 + vm->killed_by;
	if (vm->timed_out) {
		fprintf(stderr, "vm: timed out while %s; the console's end:\n",
			phase_names[vm->phase]);
		console_tail(vm->console);
		return STATUS_TIMEOUT;
	}
	clean = console_clean(vm->console);
	if (vm->phase != LEAVING) {
		fprintf(stderr, "vm: the guest ended while %s\n", phase_names[vm->phase]);
		if (clean)
			console_tail(vm->console);
	}
	if (!clean || vm->phase != LEAVING)
		return STATUS_FAILED;
	if (vm->qemu_status) {
		fprintf(stderr, "vm: QEMU failed (wait status %#x)\n", vm->qemu_status);
		return STATUS_FAILED;
	}
	return vm->status;
}

static void usage(void)
{
	fprintf(stderr, "usage: vm/host [--boot-limit S] [--run-limit S] [--log FILE]\n"
			"               [--set KEY=VALUE]... QEMU... -- COMMAND...\n");
	exit(STATUS_FAILED);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "boot-limit", required_argument, NULL, 'b' },
		{ "run-limit", required_argument, NULL, 'r' },
		{ "log", required_argument, NULL, 'l' },
		{ "set", required_argument, NULL, 's' },
		{ 0 },
	};
	struct vm vm = { .boot_limit = 300 };
	char **settings = NULL, **command;
	const char *log = NULL;
	int nr_settings = 0;
	int option, fd;

	/* None of our descriptors may become the command's 0, 1 or 2. */
	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= 2);
	close(fd);

	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (option) {
		case 'b':
			vm.boot_limit = atoi(optarg);
			break;
		case 'r':
			vm.run_limit = atoi(optarg);
			break;
		case 'l':
			log = optarg;
			break;
		case 's':
			settings = vector_add(settings, &nr_settings, optarg);
			break;
		default:
			usage();
		}
	}
	for (command = argv + optind; *command && strcmp(*command, "--"); command++)
		;
	if (!*command)
		usage();
	*command++ = NULL;

	open_signals(&vm);
	vm.console = console_open(log);
	start_qemu(&vm, argv + optind);
	take_terminal(&vm);
	/* The terminal's modes and our own messages outlive the streams. */
	source_open(&vm.in, 0, fcntl(0, F_DUPFD_CLOEXEC, 3));
	sink_open(&vm.out[0], 1, 1);
	sink_open(&vm.out[1], 2, fcntl(2, F_DUPFD_CLOEXEC, 3));
	enter_phase(&vm, BOOTING, vm.boot_limit);
	send_start(&vm, settings, command);
	while (!finished(&vm))
		turn(&vm);
	return verdict(&vm);
}
