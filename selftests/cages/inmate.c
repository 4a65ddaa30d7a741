// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What runs in a cage: inmate VERB OBJECT. The object is the path of a queue's
 * node, or "passed": then a descriptor comes over the socket. Status 0 if all was
 * as it has to be; what was not is said on standard error.
 */
#include <weir/weir.h>

#include "cage.h"
#include "inmate.h"

#define need(condition) do {						\
	if (!(condition)) {						\
		fprintf(stderr, "inmate: line %d: not so: %s (errno %d)\n", \
			__LINE__, #condition, errno);			\
		exit(1);						\
	}								\
} while (0)

static bool is_passed(const char *object)
{
	return !strcmp(object, "passed");
}

static int get(const char *object, int flags)
{
	int fd = is_passed(object) ? proc_receive_fd(CAGE_SOCKET) : open(object, flags);

	need(fd >= 0);
	return fd;
}

static void told(char byte)
{
	need(write(CAGE_SOCKET, &byte, 1) == 1);
}

static char hear(void)
{
	char byte;

	need(read(CAGE_SOCKET, &byte, 1) == 1);
	return byte;
}

/* It is a cage. */
static void do_look(const char *object)
{
	static const char * const gone[] = {
		"/dev/weir/control", "/sys/class/weir", "/proc/self", "/tmp", "/usr", "/etc",
	};
	size_t i;

	need(getpid() == 1);
	need(getuid() == 0 && getgid() == 0);
	for (i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		need(access(gone[i], F_OK) && errno == ENOENT);
	need(access("/dev/weir/queue", F_OK) == (is_passed(object) ? -1 : 0));
	need(syscall(SYS_io_uring_setup, 1, NULL) < 0 && (errno == ENOSYS || errno == EPERM));
	/* Not even here may it make a node of its own. */
	need(mknod("/null", S_IFCHR | 0666, 1 << 8 | 3) && errno == EPERM);
}

/* Read and write, and nothing else. */
static void do_plain(const char *object)
{
	char bytes[INMATE_LARGEST];
	int i, fd = get(object, O_RDWR);
	size_t n;

	for (i = 0; i < INMATE_MESSAGES; i++) {
		n = inmate_size(i);
		/* The first in two parts. */
		need(i || read(fd, bytes, 1) == 1);
		need(read(fd, bytes + !i, sizeof(bytes) - !i) == (ssize_t)n - !i);
		need(inmate_is_question(bytes, i));
	}
	need(raw_poll(fd, POLLIN | POLLOUT) == POLLOUT);
	for (i = 0; i < INMATE_MESSAGES; i++) {
		inmate_answer(bytes, i);
		need(write(fd, bytes, inmate_size(i)) == (ssize_t)inmate_size(i));
	}
	close(fd);
}

/* What needs more than the queue says so, and does no harm. */
static void look_around(struct weir_queue *queue)
{
	struct weir_version version;
	struct weir_caller *caller;
	struct weir_queue *other;
	struct weir_info info;

	need(!weir_queue_info(queue, &info, sizeof(info)));
	need(info.depth == INMATE_MESSAGES);
	need(weir_version(&version, sizeof(version)) == -ENODEV);
	need(weir_create("more", NULL) == -ENODEV);
	need(weir_alter(info.name, &info.policy) == -ENODEV);
	need(weir_purge(info.name, NULL) == -ENODEV);
	need(weir_destroy(info.name, 0) == -ENODEV);
	need(weir_queue_anonymous(NULL, NULL, &other) == -ENODEV);
	need(weir_caller_new(queue, NULL, &caller) == -ENODEV);
	need(weir_info(info.name, &info, sizeof(info)) < 0);
}

static struct weir_queue *open_queue(const char *object)
{
	struct weir_open_options uring = { .size = sizeof(uring), .door = WEIR_DOOR_URING };
	const char *name = strrchr(object, '/') + 1;
	struct weir_queue *queue;
	int fd;

	if (is_passed(object)) {
		fd = get(object, 0);
		need(weir_queue_adopt(fd, &uring, &queue) == -EOPNOTSUPP);
		need(!weir_queue_adopt(fd, NULL, &queue));
		need(weir_queue_fd(queue) == fd);
	} else {
		need(weir_queue_open(name, &uring, &queue) == -EOPNOTSUPP);
		need(!weir_queue_open(name, NULL, &queue));
	}
	need(weir_queue_door(queue) == WEIR_DOOR_IOCTL);
	return queue;
}

static void library_receive(struct weir_queue *queue, struct weir_ring *ring)
{
	struct weir_batch_options one = { .size = sizeof(one), .max_messages = 1 };
	struct weir_completion completion;
	const struct weir_view *view;
	struct weir_batch *batch;
	int i;

	need(!weir_batch_new(queue, &one, &batch));
	need(weir_batch_mapped(batch));
	for (i = 0; i < INMATE_MESSAGES; i++) {
		if (!i) {
			need(weir_receive(batch, WEIR_FOREVER) == 1);
		} else {
			need(!weir_ring_settle_receive(ring, batch, WEIR_ACK, WEIR_FOREVER, batch));
			need(!weir_ring_reap(ring, &completion, WEIR_FOREVER));
			need(completion.user == batch && completion.result == 1);
		}
		view = weir_batch_view(batch, 0);
		need(view->desc.len == inmate_size(i) && view->desc.deliveries == 1);
		need(inmate_is_question(view->data, i));
	}
	need(weir_settle(batch, 0, 1, WEIR_ACK) == 1);
	need(weir_receive(batch, WEIR_NOW) == -EAGAIN);
	weir_batch_free(batch);
}

static void library_send(struct weir_queue *queue, struct weir_ring *ring)
{
	static char bytes[INMATE_MESSAGES][INMATE_LARGEST];
	struct weir_message messages[INMATE_MESSAGES] = { 0 };
	struct weir_completion completion;
	int i;

	for (i = 0; i < INMATE_MESSAGES; i++) {
		inmate_answer(bytes[i], i);
		messages[i].data = (uintptr_t)bytes[i];
		messages[i].len = inmate_size(i);
	}
	need(!weir_send(queue, bytes[0], messages[0].len, WEIR_FOREVER));
	need(!weir_ring_send(ring, queue, messages + 1, INMATE_MESSAGES - 1, WEIR_FOREVER, NULL));
	need(!weir_ring_reap(ring, &completion, WEIR_FOREVER));
	need(completion.result == INMATE_MESSAGES - 1);
	need(completion.first_offset == INMATE_MESSAGES + 1);
}

static void do_library(const char *object)
{
	struct weir_queue *queue = open_queue(object);
	struct weir_ring_options insist = { .size = sizeof(insist), .door = WEIR_DOOR_URING };
	struct weir_ring *ring;

	need(weir_queue_wait(queue, WEIR_CAN_RECEIVE, WEIR_FOREVER) == WEIR_CAN_RECEIVE);
	need(weir_ring_new(&insist, &ring) == -EOPNOTSUPP);
	need(!weir_ring_new(NULL, &ring));
	need(weir_ring_door(ring) == WEIR_DOOR_IOCTL);
	told('.');
	hear();
	look_around(queue);
	library_receive(queue, ring);
	library_send(queue, ring);
	weir_ring_free(ring);
	weir_queue_close(queue);
}

/* Holds a message until it is killed. */
static void do_hold(const char *object)
{
	struct weir_queue *queue = open_queue(object);
	struct weir_batch *batch;

	need(!weir_batch_new(queue, NULL, &batch));
	need(weir_receive(batch, WEIR_FOREVER) == 1);
	told('.');
	for (;;)
		pause();
}

/* A child of the inmate holds it. */
static void do_hold_below(const char *object)
{
	if (!fork())
		do_hold(object);
	for (;;)
		pause();
}

/* Waits in read() until it is no use. */
static void do_wait(const char *object)
{
	int fd = get(object, O_RDWR);
	char byte;

	need(raw_read(fd, &byte, 1) == -ESHUTDOWN);
	need(raw_write(fd, &byte, 1) == -ESHUTDOWN);
	need(is_passed(object) || raw_result(open(object, O_RDWR)) < 0);
	told('.');
	hear();
	/* Another queue has its place by now. */
	need(is_passed(object) || raw_result(open(object, O_RDWR)) < 0);
}

/* Two descriptors come, one for reading and one for writing. */
static void do_halves(const char *object)
{
	int reader = get(object, 0), writer = get(object, 0);
	char path[64], byte = 'x';

	need(raw_write(reader, &byte, 1) == -EBADF);
	need(raw_send(reader, &byte, 1, 0) == -EACCES);
	need(raw_read(writer, &byte, 1) == -EBADF);
	need(raw_write(writer, &byte, 1) == 1);
	need(raw_read(reader, &byte, 1) == 1);
	/* There is no other way to it. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", reader);
	need(raw_result(open(path, O_RDWR)) == -ENOENT);
}

/* Root in here is nobody out there. */
static void do_refused(const char *object)
{
	need(raw_result(open(object, O_RDONLY)) == -EACCES);
	need(raw_result(open(object, O_WRONLY)) == -EACCES);
	need(raw_result(chmod(object, 0666)) == -EPERM);
	need(chown(object, 0, 0));
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*verb)(const char *object);
	} verbs[] = {
		{ "look", do_look }, { "plain", do_plain }, { "library", do_library },
		{ "hold", do_hold }, { "hold-below", do_hold_below }, { "wait", do_wait },
		{ "halves", do_halves }, { "refused", do_refused },
	};
	size_t i;

	need(argc == 3);
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (!strcmp(verbs[i].name, argv[1])) {
			verbs[i].verb(argv[2]);
			return 0;
		}
	}
	need(!"a verb");
}
