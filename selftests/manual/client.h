/* SPDX-License-Identifier: MIT */
/* What client.c makes its tests of: checks, a small io_uring, and commands. */
#ifndef WEIR_MANUAL_CLIENT_H
#define WEIR_MANUAL_CLIENT_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <linux/io_uring.h>
#include <linux/weir.h>

#define N(a)		(sizeof(a) / sizeof((a)[0]))
#define UP(x, to)	(((x) + (to) - 1) / (to) * (to))
#define PTR(p)		((__u64)(uintptr_t)(p))
#define MS		1000000LL
#define ROOM		65536

static int bad;			/* checks of this test that failed */
static int control;
static int by_ring;		/* commands go through the ring, not ioctl */
static char name[WEIR_NAME_SIZE];
static struct weir_run runs[16];
static char buffer[ROOM] __attribute__((aligned(WEIR_ALIGN)));

static void is(long long got, long long want, const char *what, int line)
{
	if (got == want)
		return;
	printf("# line %d: %s is %lld, not %lld\n", line, what, got, want);
	bad++;
}

#define IS(got, want)	is(got, want, #got, __LINE__)
#define OK(cond)	is(!!(cond), 1, #cond, __LINE__)

static long long now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* io_uring, as little of it as this needs */

static struct {
	int fd;
	unsigned int *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
} ring;

static int ring_open(void)
{
	struct io_uring_params p = { .flags = 0 };
	size_t size, cq;
	char *at;

	ring.fd = syscall(__NR_io_uring_setup, 8, &p);
	if (ring.fd < 0)
		return -errno;
	size = p.sq_off.array + p.sq_entries * sizeof(__u32);
	cq = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	if (size < cq)
		size = cq;
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd,
		  IORING_OFF_SQ_RING);
	ring.sqes = mmap(NULL, p.sq_entries * sizeof(struct io_uring_sqe),
			 PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd,
			 IORING_OFF_SQES);
	if (at == MAP_FAILED || ring.sqes == MAP_FAILED)
		return -errno;
	ring.sq_tail = (void *)(at + p.sq_off.tail);
	ring.sq_mask = (void *)(at + p.sq_off.ring_mask);
	ring.sq_array = (void *)(at + p.sq_off.array);
	ring.cq_head = (void *)(at + p.cq_off.head);
	ring.cq_tail = (void *)(at + p.cq_off.tail);
	ring.cq_mask = (void *)(at + p.cq_off.ring_mask);
	ring.cqes = (void *)(at + p.cq_off.cqes);
	return 0;
}

static void ring_submit(int fd, unsigned int op, void *arg)
{
	struct weir_uring_cmd cmd = { .addr = PTR(arg), .len = _IOC_SIZE(op) };
	unsigned int tail = *ring.sq_tail, at = tail & *ring.sq_mask;
	struct io_uring_sqe *sqe = &ring.sqes[at];

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = op;
	sqe->user_data = PTR(arg);
	memcpy(sqe->cmd, &cmd, sizeof(cmd));
	ring.sq_array[at] = at;
	__atomic_store_n(ring.sq_tail, tail + 1, __ATOMIC_RELEASE);
	IS(syscall(__NR_io_uring_enter, ring.fd, 1, 0, 0, NULL, 0), 1);
}

/* Is the CQE there after so many milliseconds? */
static int ring_ready(int ms)
{
	struct __kernel_timespec t = { .tv_nsec = ms % 1000 * MS, .tv_sec = ms / 1000 };
	struct io_uring_getevents_arg arg = { .ts = PTR(&t) };

	syscall(__NR_io_uring_enter, ring.fd, 0, 1,
		IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof(arg));
	return __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE) != *ring.cq_head;
}

static int ring_wait(void *arg)
{
	struct io_uring_cqe *cqe = &ring.cqes[*ring.cq_head & *ring.cq_mask];
	int res;

	if (!ring_ready(10000)) {
		OK(!"no CQE");
		return -ENODATA;
	}
	IS(cqe->user_data, PTR(arg));
	res = cqe->res;
	__atomic_store_n(ring.cq_head, *ring.cq_head + 1, __ATOMIC_RELEASE);
	return res;
}

/* A command, by the door that is tried, and by ioctl in any case */

static int call(int fd, unsigned int op, void *arg)
{
	int value = ioctl(fd, op, arg);

	return value < 0 ? -errno : value;
}

static int command(int fd, unsigned int op, void *arg)
{
	if (!by_ring)
		return call(fd, op, arg);
	ring_submit(fd, op, arg);
	return ring_wait(arg);
}

static struct weir_create creation(__u32 messages, __u64 bytes)
{
	struct weir_create c = { .type = WEIR_TYPE_QUEUE, .mode = 0600,
		.policy = { .max_messages = messages, .max_bytes = bytes } };

	strcpy(c.name, name);
	return c;
}

static int reopen(int flags)
{
	char path[WEIR_NAME_SIZE + 32];

	snprintf(path, sizeof(path), "/dev/weir/queue/%s", name);
	return open(path, flags | O_CLOEXEC);
}

static int queue(__u32 messages, __u64 bytes)
{
	struct weir_create c = creation(messages, bytes);
	int fd;

	IS(call(control, WEIR_IOC_CREATE, &c), 0);
	fd = reopen(O_RDWR);
	OK(fd >= 0);
	return fd;
}

static int destroy(__u32 flags)
{
	struct weir_destroy d = { .flags = flags };

	strcpy(d.name, name);
	return call(control, WEIR_IOC_DESTROY, &d);
}

static void end(int fd)
{
	close(fd);
	IS(destroy(WEIR_DESTROY_FORCE), 0);
}

static struct weir_info info(int fd)
{
	struct weir_info i = { .name = "" };

	IS(call(fd, WEIR_IOC_INFO, &i), 0);
	IS(i.sent, i.settled + i.purged + i.depth + i.leased + i.delayed + i.behind);
	return i;
}

static int send_some(int fd, struct weir_message *m, __u32 n, __u64 *first)
{
	struct weir_send s = { .messages = PTR(m), .count = n };
	int value = command(fd, WEIR_IOC_SEND, &s);

	if (first)
		*first = s.first_offset;
	return value;
}

/* A message of one byte for each character. */
static int send_chars(int fd, const char *s)
{
	struct weir_message m[16] = { 0 };
	unsigned int n = strlen(s), i;

	for (i = 0; i < n; i++) {
		m[i].data = PTR(s + i);
		m[i].len = 1;
	}
	return send_some(fd, m, n, NULL);
}

static struct weir_fetch fetching(void *to, __u64 len, __u32 max)
{
	struct weir_fetch f = { .runs = PTR(runs), .nr_runs = N(runs),
		.max_messages = max, .buffer = PTR(to), .buffer_len = len };

	return f;
}

/* Copies what there is, without waiting; whoever wants the runs finds them. */
static int fetch(int fd, __u32 max)
{
	struct weir_fetch f = fetching(buffer, sizeof(buffer), max);

	return command(fd, WEIR_IOC_FETCH, &f);
}

static int settle(int fd, struct weir_run run, __u32 op, int *status)
{
	struct weir_settle s = { .runs = PTR(&run), .count = 1 };
	int value;

	run.op = op;
	run.status = 1;
	value = command(fd, WEIR_IOC_SETTLE, &s);
	*status = run.status;
	return value;
}

static __u64 headers_at(const struct weir_desc *d)
{
	return UP(d->pos + d->len + d->key_len, 8);
}

/* The descriptor of the copied message @n, by a walk over those before it. */
static const struct weir_desc *record(unsigned int n)
{
	const struct weir_desc *d = (void *)buffer;
	__u64 at;

	while (n--) {
		at = d->headers_len ? headers_at(d) + d->headers_len :
				      d->pos + d->len + d->key_len;
		d = (void *)(buffer + UP(at, WEIR_ALIGN));
	}
	return d;
}

static int holds(unsigned int n, const char *s)
{
	const struct weir_desc *d = record(n);

	return d->len == strlen(s) && !memcmp(buffer + d->pos, s, d->len);
}

static __u32 add_header(char *block, __u32 at, const char *key, const char *value)
{
	struct weir_header h = { .value_len = strlen(value), .name_len = strlen(key) };

	memcpy(block + at, &h, sizeof(h));
	memcpy(block + at + sizeof(h), key, h.name_len);
	memcpy(block + at + sizeof(h) + h.name_len, value, h.value_len);
	return at + UP(sizeof(h) + h.name_len + h.value_len, 8);
}

static int ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	poll(&p, 1, 0);
	return p.revents;
}

static const void *map_area(int fd, __u64 offset, __u64 length)
{
	const void *at = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, offset);

	OK(at != MAP_FAILED);
	return at;
}

struct test {
	const char *what;
	void (*run)(void);
	int doors;		/* 1: by ioctl; 2: through a ring too */
};

static int run_tests(const struct test *tests, unsigned int nr)
{
	unsigned int i, n = 0, failed = 0, count = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n");
	control = open("/dev/weir/control", O_RDWR | O_CLOEXEC);
	if (control < 0) {
		printf("1..0 # SKIP /dev/weir/control: %s\n", strerror(errno));
		return 4;
	}
	if (ring_open()) {
		printf("1..0 # SKIP no io_uring\n");
		return 4;
	}
	for (i = 0; i < nr; i++)
		count += tests[i].doors;
	printf("1..%u\n", count);
	alarm(120);
	for (i = 0; i < nr; i++) {
		for (by_ring = 0; by_ring < tests[i].doors; by_ring++) {
			bad = 0;
			snprintf(name, sizeof(name), "manual-%d-%u", getpid(), ++n);
			tests[i].run();
			printf("%sok %u %s%s\n", bad ? "not " : "", n, tests[i].what,
			       by_ring ? ", through a ring" : "");
			failed += !!bad;
		}
	}
	return failed ? 1 : 0;
}

#endif
