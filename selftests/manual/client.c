/* SPDX-License-Identifier: MIT */
/*
 * A client written from <linux/weir.h> alone. It does what that header says a
 * program can do, and checks that each thing comes out as it says. What a
 * command does is checked through both doors, ioctl(2) and io_uring.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64	/* mmap() offsets are larger than 32 bits */
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "client.h"

static void test_version(void)
{
	struct weir_version v = { 0 };
	struct weir_fetch f = { 0 };

	IS(call(control, WEIR_IOC_VERSION, &v), 0);
	IS(v.abi, WEIR_ABI_VERSION);
	OK(v.features & WEIR_FEATURE_URING);
	IS(call(control, WEIR_IOC_FETCH, &f), -ENOTTY);
}

static void test_create(void)
{
	struct weir_create c = creation(8, 65536);
	struct stat st;
	int fd;

	c.flags = ~0U;
	IS(call(control, WEIR_IOC_CREATE, &c), -EINVAL);
	c = creation(8, 65536);
	c.reserved = 1;
	IS(call(control, WEIR_IOC_CREATE, &c), -EINVAL);
	c = creation(8, 65536);
	c.mode = 01000;
	IS(call(control, WEIR_IOC_CREATE, &c), -EINVAL);
	c = creation(8, WEIR_MIN_BYTES - 1);
	IS(call(control, WEIR_IOC_CREATE, &c), -EINVAL);
	c = creation(8, 65536);
	c.name[0] = '-';
	IS(call(control, WEIR_IOC_CREATE, &c), -EINVAL);
	memset(c.name, 'x', 250);
	IS(call(control, WEIR_IOC_CREATE, &c), -ENAMETOOLONG);
	c = creation(8, 65536);
	IS(call(control, WEIR_IOC_CREATE, &c), 0);
	IS(call(control, WEIR_IOC_CREATE, &c), -EEXIST);
	fd = reopen(O_RDWR);
	OK(!fstat(fd, &st) && S_ISCHR(st.st_mode));
	IS(st.st_mode & 07777, 0600);
	IS(st.st_uid, geteuid());
	end(fd);
	IS(destroy(0), -ENOENT);
	OK(reopen(O_RDWR) < 0);
	IS(errno, ENOENT);
}

static void test_info(void)
{
	int fd = queue(8, 65536), found = 0;
	struct weir_info i = info(fd), next = { .flags = WEIR_INFO_NEXT };
	char path[WEIR_NAME_SIZE + 64], last[WEIR_NAME_SIZE] = "";
	FILE *file;

	OK(!strcmp(i.name, name));
	IS(i.type, WEIR_TYPE_QUEUE);
	IS(i.uid, geteuid());
	IS(i.mode, 0600);
	IS(i.policy.max_messages, 8);
	IS(i.policy.max_bytes, 65536);
	IS(i.depth + i.leased + i.sent + i.oldest_age_ns, 0);
	printf("# %s: %llu messages, %llu bytes, mode %o, memory %llu\n", i.name,
	       i.policy.max_messages, i.policy.max_bytes, i.mode, i.memory);
	while (!call(control, WEIR_IOC_INFO, &next)) {
		printf("# object: %s\n", next.name);
		OK(strcmp(last, next.name) < 0);
		found += !strcmp(next.name, name);
		strcpy(last, next.name);
		next.flags = WEIR_INFO_NEXT;
	}
	IS(call(control, WEIR_IOC_INFO, &next), -ENOENT);
	IS(found, 1);
	snprintf(path, sizeof(path), "/sys/class/weir/%s/max_messages", name);
	file = fopen(path, "r");
	OK(file && fgets(path, sizeof(path), file) && !strcmp(path, "8\n"));
	if (file)
		fclose(file);
	end(fd);
}

static void test_read_write(void)
{
	int fd = queue(4, 65536), other = reopen(O_RDONLY);
	char b[16];

	IS(write(fd, "hello", 5), 5);
	IS(write(fd, "world", 5), 5);
	IS(write(fd, "", 0), 0);
	IS(info(fd).depth, 2);
	IS(write(fd, buffer, 65536 / 4 + 1), -1);
	IS(errno, EMSGSIZE);
	/* A short read, then the rest; closing before that puts it back. */
	IS(read(other, b, 2), 2);
	IS(info(fd).leased, 1);
	close(other);
	IS(info(fd).depth, 2);
	IS(read(fd, b, 2), 2);
	IS(read(fd, b + 2, 14), 3);
	OK(!memcmp(b, "hello", 5));
	IS(info(fd).settled, 1);
	IS(read(fd, b, 5), 5);
	OK(!memcmp(b, "world", 5));
	IS(info(fd).redelivered, 1);
	/* Full and empty. */
	close(fd);
	fd = reopen(O_RDWR | O_NONBLOCK);
	IS(read(fd, b, 5), -1);
	IS(errno, EAGAIN);
	while (write(fd, "x", 1) == 1)
		;
	IS(errno, EAGAIN);
	IS(info(fd).depth, 4);
	end(fd);
}

static void test_batch(void)
{
	int fd = queue(64, 65536);
	char block[64] = "", sent[64];
	struct weir_message m[] = {
		{ .data = PTR("payload"), .len = 7, .key = PTR("key"), .key_len = 3,
		  .headers = PTR(sent) },
		{ .len = 0 },
		{ .data = PTR("third"), .len = 5 },
	};
	const struct weir_desc *d;
	long long before = now(CLOCK_REALTIME);
	__u64 first = 99;
	__u32 len;

	len = add_header(block, 0, "a", "one");
	len = add_header(block, len, "a", "");
	memcpy(sent, block, len);
	memset(sent + 12, 0xff, 4);	/* the padding, to be made zero */
	m[0].headers_len = len;
	IS(send_some(fd, m, 3, &first), 3);
	IS(first, 0);
	IS(fetch(fd, 10), 3);
	IS(runs[0].offset, 0);
	IS(runs[0].count, 3);
	IS(runs[0].deliveries, 1);
	d = record(0);
	OK(holds(0, "payload"));
	IS(d->pos % WEIR_ALIGN, 0);
	OK(d->key_len == 3 && !memcmp(buffer + d->pos + d->len, "key", 3));
	OK(d->headers_len == len && !memcmp(buffer + headers_at(d), block, len));
	OK(d->uid == geteuid() && d->gid == getegid() && (int)d->pid == getpid());
	OK((long long)d->stamp_ns >= before && (long long)d->stamp_ns <= now(CLOCK_REALTIME));
	IS(record(1)->len + record(1)->key_len + record(1)->headers_len, 0);
	IS(record(1)->offset, 1);
	OK(holds(2, "third"));
	IS(record(2)->deliveries, 1);
	IS(record(2)->slot, runs[0].slot + 2);
	end(fd);
}

static void test_wrong_member(void)
{
	int fd = queue(64, 65536);
	struct weir_message good = { .data = PTR("g"), .len = 1 };
	struct weir_message m[] = { good, good, good, good };
	__u64 headers[2] = { 1 };	/* value_len 1, no name */

	m[2].flags = 1;
	IS(send_some(fd, m, 4, NULL), 2);
	IS(send_some(fd, m + 2, 2, NULL), -EINVAL);
	m[1].data = 0;
	IS(send_some(fd, m, 4, NULL), 1);
	IS(send_some(fd, m + 1, 3, NULL), -EFAULT);
	m[1].data = PTR(buffer);
	m[1].len = 65536 / 4 + 1;
	IS(send_some(fd, m, 4, NULL), 1);
	IS(send_some(fd, m + 1, 3, NULL), -EMSGSIZE);
	m[0].headers = PTR(headers);
	m[0].headers_len = sizeof(headers);
	IS(send_some(fd, m, 1, NULL), -EINVAL);
	m[0] = good;
	m[0].reserved[1] = 1;
	IS(send_some(fd, m, 1, NULL), -EINVAL);
	IS(send_some(fd, m, 0, NULL), -EINVAL);
	IS(info(fd).sent, 4);
	end(fd);
}

static void test_full(void)
{
	int fd = queue(4, 65536);
	struct weir_message m = { .data = PTR("m"), .len = 1 };
	struct weir_send s = { .messages = PTR(&m), .count = 1, .timeout_ns = 30 * MS };
	long long start;

	IS(send_chars(fd, "abcdef"), 4);
	IS(send_chars(fd, "ef"), -EAGAIN);
	start = now(CLOCK_MONOTONIC);
	IS(command(fd, WEIR_IOC_SEND, &s), -ETIMEDOUT);
	OK(now(CLOCK_MONOTONIC) - start >= 30 * MS);
	IS(info(fd).sent, 4);
	end(fd);
}

static void test_copied(void)
{
	int fd = queue(64, 65536), status;
	struct weir_fetch f = fetching(buffer, 127, 10);

	IS(write(fd, buffer, 64), 64);
	IS(send_chars(fd, "ab"), 2);
	/* The first does not fit, then it alone does, and then the others do. */
	IS(command(fd, WEIR_IOC_FETCH, &f), -EMSGSIZE);
	IS(f.buffer_len, 128);
	f = fetching(buffer, 128, 10);
	IS(command(fd, WEIR_IOC_FETCH, &f), 1);
	IS(f.buffer_len, 128);
	IS(f.nr_runs, 1);
	IS(record(0)->deliveries, 1);
	f = fetching((void *)8, sizeof(buffer), 10);
	IS(command(fd, WEIR_IOC_FETCH, &f), -EFAULT);
	IS(info(fd).depth, 2);
	f = fetching(buffer, sizeof(buffer), 10);
	f.max_bytes = 1;	/* one message in any case */
	IS(command(fd, WEIR_IOC_FETCH, &f), 1);
	OK(holds(0, "a"));
	IS(settle(fd, runs[0], WEIR_ACK, &status), 1);
	f = fetching(buffer, sizeof(buffer), 0);
	IS(command(fd, WEIR_IOC_FETCH, &f), -EINVAL);
	end(fd);
}

static void test_in_place(void)
{
	int fd = queue(64, 65536), status;
	struct weir_message m = { .data = PTR("payload"), .len = 7, .key = PTR("k"), .key_len = 1 };
	struct weir_fetch f = fetching(NULL, 0, 10);
	struct weir_layout l = { 0 };
	const struct weir_desc *index, *d;
	const char *pool;

	IS(command(fd, WEIR_IOC_LAYOUT, &l), 0);
	OK(l.index_length >= 64 * sizeof(struct weir_desc));
	index = map_area(fd, l.index_offset, l.index_length);
	pool = map_area(fd, l.pool_offset, l.pool_length);
	IS(send_chars(fd, "a"), 1);
	IS(send_some(fd, &m, 1, NULL), 1);
	IS(command(fd, WEIR_IOC_FETCH, &f), 2);
	IS(runs[0].count, 2);
	d = &index[runs[0].slot];
	IS(d->offset, runs[0].offset);
	IS(d->slot, runs[0].slot);
	OK(d->len == 1 && pool[d->pos] == 'a');
	d++;
	IS(d->pos % WEIR_ALIGN, 0);
	OK(d->len == 7 && !memcmp(pool + d->pos, "payloadk", 8));
	OK(d->key_len == 1 && d->deliveries == 1);
	IS(settle(fd, runs[0], WEIR_ACK, &status), 2);
	IS(status, 0);
	munmap((void *)index, l.index_length);
	munmap((void *)pool, l.pool_length);
	end(fd);
}

static void test_private(void)
{
	struct weir_create c = creation(0, 0);
	struct weir_layout l = { 0 };
	int fd;

	c.flags = WEIR_CREATE_PRIVATE;
	IS(call(control, WEIR_IOC_CREATE, &c), 0);
	fd = reopen(O_RDWR);
	IS(info(fd).policy.max_messages, WEIR_DEFAULT_MESSAGES);
	IS(info(fd).policy.max_bytes, WEIR_DEFAULT_BYTES);
	IS(info(fd).create_flags, WEIR_CREATE_PRIVATE);
	call(fd, WEIR_IOC_LAYOUT, &l);
	OK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, l.pool_offset) == MAP_FAILED);
	IS(errno, EACCES);
	IS(send_chars(fd, "a"), 1);
	IS(fetch(fd, 1), 1);
	end(fd);
}

static void test_settle_and_fetch(void)
{
	int fd = queue(64, 65536);
	struct weir_fetch f = fetching(buffer, sizeof(buffer), 2);
	struct weir_run done[2] = { 0 };

	IS(send_chars(fd, "abc"), 3);
	IS(fetch(fd, 2), 2);
	done[0] = done[1] = runs[0];
	done[0].count = 1;		/* the first of the two, and one never leased */
	done[1].slot++;
	done[1].offset = 7;
	f.settle = PTR(done);
	f.nr_settle = 2;
	IS(command(fd, WEIR_IOC_FETCH, &f), 1);
	IS(done[0].status, 0);
	IS(done[1].status, -ESTALE);
	OK(holds(0, "c"));
	IS(info(fd).settled, 1);
	IS(info(fd).leased, 2);
	/* The settlement stands also when there is nothing to take. */
	done[0] = runs[0];
	f.nr_settle = 1;
	f.nr_runs = N(runs);
	f.buffer_len = sizeof(buffer);
	IS(command(fd, WEIR_IOC_FETCH, &f), -EAGAIN);
	IS(done[0].status, 0);
	IS(info(fd).settled, 2);
	end(fd);
}

static void test_redelivery(void)
{
	int fd = queue(64, 65536), status;
	struct weir_run old, part;

	IS(send_chars(fd, "abcd"), 4);
	IS(fetch(fd, 3), 3);
	old = runs[0];
	part = old;			/* the last two of the three go back */
	part.offset++;
	part.slot++;
	part.count = 2;
	IS(settle(fd, part, WEIR_RELEASE, &status), 2);
	IS(status, 0);
	IS(fetch(fd, 10), 3);
	OK(holds(0, "b") && holds(1, "c") && holds(2, "d"));
	IS(record(0)->deliveries, 2);
	IS(record(2)->deliveries, 1);
	IS(runs[0].deliveries, 2);
	IS(runs[0].count, 2);
	IS(runs[1].deliveries, 1);
	IS(info(fd).redelivered, 2);
	/* Nothing of a run is settled when one of it is stale. */
	IS(settle(fd, part, WEIR_ACK, &status), 0);
	IS(status, -ESTALE);
	IS(settle(fd, old, WEIR_ACK, &status), 0);
	IS(status, -ESTALE);
	old.count = 1;
	IS(settle(fd, old, WEIR_ACK, &status), 1);
	IS(settle(fd, old, WEIR_ACK, &status), 0);
	IS(status, -ESTALE);
	IS(settle(fd, runs[0], WEIR_ACK, &status), 2);
	IS(settle(fd, runs[1], WEIR_ACK, &status), 1);
	IS(info(fd).settled, 4);
	end(fd);
}

static void test_settled_at_once(void)
{
	int fd = queue(64, 65536), status;
	struct weir_fetch f = fetching(buffer, sizeof(buffer), 10);

	IS(send_chars(fd, "ab"), 2);
	f.flags = WEIR_FETCH_SETTLED;
	IS(command(fd, WEIR_IOC_FETCH, &f), 2);
	OK(holds(0, "a") && holds(1, "b"));
	IS(info(fd).settled, 2);
	IS(info(fd).leased, 0);
	IS(settle(fd, runs[0], WEIR_ACK, &status), 0);
	IS(status, -ESTALE);
	f = fetching(NULL, 0, 10);
	f.flags = WEIR_FETCH_SETTLED;
	IS(command(fd, WEIR_IOC_FETCH, &f), -EINVAL);
	end(fd);
}

static void test_rights(void)
{
	int fd = queue(64, 65536), in = reopen(O_WRONLY), out = reopen(O_RDONLY), status;
	struct weir_run run = { .count = 1 };

	IS(send_chars(out, "a"), -EACCES);
	IS(send_chars(in, "a"), 1);
	IS(fetch(in, 1), -EACCES);
	IS(settle(in, run, WEIR_ACK, &status), -EACCES);
	IS(fetch(out, 1), 1);
	IS(settle(fd, runs[0], WEIR_ACK, &status), 0);	/* another description */
	IS(status, -ESTALE);
	IS(settle(out, runs[0], WEIR_ACK, &status), 1);
	close(in);
	close(out);
	end(fd);
}

static void test_growth(void)
{
	struct { struct weir_fetch f; __u64 more; } big = { .more = 0 };
	unsigned int op = _IOWR(WEIR_IOC_TYPE, 0x11, big);
	int fd = queue(64, 65536);

	big.f = fetching(buffer, sizeof(buffer), 1);
	IS(send_chars(fd, "ab"), 2);
	IS(command(fd, op, &big), 1);
	big.f = fetching(buffer, sizeof(buffer), 1);
	big.more = 1;
	IS(command(fd, op, &big), -E2BIG);
	big.f.flags = ~0U;
	IS(command(fd, WEIR_IOC_FETCH, &big), -EINVAL);
	end(fd);
}

static void test_death(void)
{
	int fd = queue(64, 65536), status, limit = 5000;
	pid_t child;

	IS(send_chars(fd, "abc"), 3);
	child = fork();
	if (!child)
		_exit(fetch(fd, 2) != 2);
	waitpid(child, &status, 0);
	IS(status, 0);
	while (info(fd).leased && limit--)	/* not said: how soon after */
		usleep(1000);
	IS(info(fd).depth, 3);
	IS(fetch(fd, 3), 3);
	OK(holds(0, "a") && holds(1, "b") && holds(2, "c"));
	IS(record(0)->deliveries, 2);
	IS(record(2)->deliveries, 1);
	end(fd);
}

static void test_purge(void)
{
	struct weir_purge p = { .flags = 0 };
	int fd = queue(64, 65536);

	strcpy(p.name, name);
	IS(send_chars(fd, "abc"), 3);
	IS(fetch(fd, 1), 1);
	IS(call(control, WEIR_IOC_PURGE, &p), 0);
	IS(p.purged, 2);
	IS(info(fd).leased, 1);
	IS(info(fd).depth, 0);
	end(fd);
}

static void test_parked(void)
{
	struct weir_fetch f = fetching(buffer, sizeof(buffer), 10);
	struct weir_cancel c = { .flags = 0 };
	int fd = queue(64, 65536);
	long long start;

	f.timeout_ns = -1;		/* a message comes later */
	ring_submit(fd, WEIR_IOC_FETCH, &f);
	OK(!ring_ready(50));
	IS(info(fd).waiters, 1);
	IS(write(fd, "later", 5), 5);
	IS(ring_wait(&f), 1);
	OK(holds(0, "later"));
	IS(runs[0].count, 1);

	f = fetching(buffer, sizeof(buffer), 10);
	f.timeout_ns = 50 * MS;		/* none does */
	start = now(CLOCK_MONOTONIC);
	ring_submit(fd, WEIR_IOC_FETCH, &f);
	IS(ring_wait(&f), -ETIMEDOUT);
	OK(now(CLOCK_MONOTONIC) - start >= 50 * MS);

	f.timeout_ns = -1;		/* one that is cancelled by its address */
	ring_submit(fd, WEIR_IOC_FETCH, &f);
	OK(!ring_ready(50));
	c.fetch = PTR(&c);
	IS(call(fd, WEIR_IOC_CANCEL, &c), 0);
	OK(!ring_ready(50));
	c.fetch = PTR(&f);
	IS(call(fd, WEIR_IOC_CANCEL, &c), 1);
	IS(ring_wait(&f), -ECANCELED);
	IS(info(fd).waiters, 0);
	end(fd);
}

static void test_poll(void)
{
	int fd = queue(4, 65536);
	char b[2];

	IS(ready(fd), POLLOUT);
	IS(write(fd, "ab", 2), 2);
	IS(ready(fd), POLLIN | POLLOUT);
	IS(read(fd, b, 1), 1);
	IS(ready(fd), POLLIN | POLLOUT);	/* the rest of it */
	IS(send_chars(fd, "cde"), 3);
	IS(ready(fd), POLLIN);
	IS(fetch(fd, 3), 3);
	IS(ready(fd), POLLIN);
	IS(read(fd, b, 1), 1);
	IS(ready(fd), POLLOUT);
	IS(destroy(WEIR_DESTROY_FORCE), 0);
	OK((ready(fd) & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP));
	close(fd);
}

static void test_wait(void)
{
	struct weir_fetch f = fetching(buffer, sizeof(buffer), 10);
	int fd = queue(64, 65536), status;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	pid_t child = fork();
	int i;

	if (!child) {
		alarm(30);
		for (i = 0; i < 3; i++) {	/* each when the last is gone */
			while (info(fd).depth || (i && !info(fd).waiters))
				usleep(1000);
			usleep(20000);
			bad += write(fd, "0123" + i, 1) != 1;
		}
		_exit(bad);
	}
	IS(poll(&p, 1, 10000), 1);
	IS(fetch(fd, 1), 1);
	IS(read(fd, buffer, 16), 1);
	IS(buffer[0], '1');
	f.timeout_ns = 10000 * MS;
	IS(command(fd, WEIR_IOC_FETCH, &f), 1);
	OK(holds(0, "2"));
	waitpid(child, &status, 0);
	IS(status, 0);
	end(fd);
}

static void test_destroy(void)
{
	struct weir_fetch f = fetching(buffer, sizeof(buffer), 10);
	int fd = queue(4, 65536), status, value;

	IS(destroy(0), -EBUSY);			/* open */
	IS(write(fd, "a", 1), 1);
	close(fd);
	IS(destroy(0), -EBUSY);			/* not empty */
	fd = reopen(O_RDWR);
	IS(fetch(fd, 1), 1);
	f.timeout_ns = -1;
	ring_submit(fd, WEIR_IOC_FETCH, &f);
	OK(!ring_ready(50));
	IS(destroy(WEIR_DESTROY_FORCE), 0);
	IS(ring_wait(&f), -ESHUTDOWN);
	IS(send_chars(fd, "b"), -ESHUTDOWN);
	IS(fetch(fd, 1), -ESHUTDOWN);
	value = settle(fd, runs[0], WEIR_ACK, &status);	/* of the call or the run */
	IS(value ? value : status, -ESHUTDOWN);
	IS(write(fd, "b", 1), -1);
	IS(errno, ESHUTDOWN);
	IS(read(fd, buffer, 1), -1);
	IS(errno, ESHUTDOWN);
	close(fd);
	fd = queue(4, 65536);			/* empty and closed: no force */
	close(fd);
	IS(destroy(0), 0);
}

static const struct test tests[] = {
	{ "version", test_version, 1 },
	{ "create", test_create, 1 },
	{ "info and list", test_info, 1 },
	{ "read and write", test_read_write, 1 },
	{ "send a batch, fetch it copied", test_batch, 2 },
	{ "a wrong member of a batch", test_wrong_member, 2 },
	{ "send to a full queue", test_full, 2 },
	{ "limits of a copied fetch", test_copied, 2 },
	{ "fetch in place", test_in_place, 2 },
	{ "a private queue", test_private, 2 },
	{ "settle and fetch", test_settle_and_fetch, 2 },
	{ "redelivery and stale settlements", test_redelivery, 2 },
	{ "fetch settled at once", test_settled_at_once, 2 },
	{ "rights of a descriptor", test_rights, 2 },
	{ "structures that grow", test_growth, 2 },
	{ "a consumer's end", test_death, 1 },
	{ "purge", test_purge, 1 },
	{ "poll, read and fetch wait", test_wait, 2 },
	{ "fetches that wait in a ring", test_parked, 1 },
	{ "poll", test_poll, 1 },
	{ "destroy", test_destroy, 2 },
};

int main(void)
{
	return run_tests(tests, N(tests));
}
