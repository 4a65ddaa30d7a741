// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Mapped memory: what it shows (I10), and what it does not allow (I12 to I18). */
#include <setjmp.h>
#include <sys/ptrace.h>
#include <sys/stat.h>

#include "../fixture.h"

struct maps {
	struct weir_layout layout;
	const struct weir_desc *index;
	const unsigned char *pool;
	size_t index_size, pool_size;	/* mapped */
};

#define PAGE	4096UL

static void *map(int fd, int prot, int flags, size_t size, __u64 offset)
{
	/* 32-bit callers have no larger offsets without this. */
#ifdef __i386__
	long ret = syscall(SYS_mmap2, NULL, size, prot, flags, fd, (long)(offset / PAGE));

	return (void *)ret;
#else
	return mmap(NULL, size, prot, flags, fd, offset);
#endif
}

#define MAPPED(...)	(map(__VA_ARGS__) != MAP_FAILED)

/* Both areas, of the pool no more than @pool_size bytes. */
static int map_both(int fd, struct maps *maps, size_t pool_size)
{
	int ret = raw_ioctl(fd, WEIR_IOC_LAYOUT, &maps->layout);

	if (ret)
		return ret;
	maps->index_size = maps->layout.index_length;
	maps->pool_size = pool_size;
	maps->index = map(fd, PROT_READ, MAP_SHARED, maps->index_size, maps->layout.index_offset);
	if (maps->index == MAP_FAILED)
		return -errno;
	maps->pool = map(fd, PROT_READ, MAP_SHARED, pool_size, maps->layout.pool_offset);
	return maps->pool == MAP_FAILED ? -errno : 0;
}

static int fetch_in_place(int fd, struct weir_run *run, __u32 count)
{
	struct weir_fetch fetch = {
		.runs = raw_address(run), .nr_runs = 1, .max_messages = count,
	};

	return raw_ioctl(fd, WEIR_IOC_FETCH, &fetch);
}

static int settle(int fd, struct weir_run *run)
{
	struct weir_settle settle = { .runs = raw_address(run), .count = 1 };

	return raw_ioctl(fd, WEIR_IOC_SETTLE, &settle);
}

/* Where the next message stands, which stays in the queue. */
static size_t place_of_next(const char *name, const struct maps *maps)
{
	int fd = raw_open(name, O_RDONLY | O_NONBLOCK);
	struct weir_run run;

	if (fetch_in_place(fd, &run, 1) != 1)
		abort();
	close(fd);
	return maps->index[run.slot].pos;
}

/* The signal that touching @address gives; 0: none. */
static sigjmp_buf touch_env;

static void on_fault(int signal)
{
	siglongjmp(touch_env, signal);
}

static int touch(const volatile void *address, bool write)
{
	struct sigaction action = { .sa_handler = on_fault }, old[2];
	volatile char *byte = (volatile char *)address;
	int signal;

	sigaction(SIGSEGV, &action, &old[0]);
	sigaction(SIGBUS, &action, &old[1]);
	signal = sigsetjmp(touch_env, 1);
	if (!signal) {
		if (write)
			*byte = 'w';
		else
			(void)*byte;
	}
	sigaction(SIGSEGV, &old[0], NULL);
	sigaction(SIGBUS, &old[1], NULL);
	return signal;
}

TEST_F(queue, layout)
{
	struct weir_layout layout;

	memset(&layout, 0, sizeof(layout));
	ASSERT_EQ(0, raw_ioctl(self->reader, WEIR_IOC_LAYOUT, &layout));
	EXPECT_EQ(0, layout.index_offset % PAGE);
	EXPECT_EQ(0, layout.pool_offset % PAGE);
	EXPECT_EQ(0, layout.index_length % PAGE);
	EXPECT_EQ(0, layout.pool_length % PAGE);
	EXPECT_LE(WEIR_DEFAULT_MESSAGES * sizeof(struct weir_desc), layout.index_length);
	EXPECT_LE(WEIR_DEFAULT_BYTES, layout.pool_length);
	EXPECT_TRUE(layout.index_offset + layout.index_length <= layout.pool_offset ||
		    layout.pool_offset + layout.pool_length <= layout.index_offset);
}

TEST_F(queue, in_place)
{
	struct weir_run run;
	const struct weir_desc *desc;
	struct maps maps;
	char bytes[300];
	__u32 i, n, seen = 0;
	int ret;

	ASSERT_EQ(0, map_both(self->reader, &maps, 1 << 20));
	for (i = 0; i < 1000; i++) {
		memset(bytes, i, sizeof(bytes));
		ASSERT_LT(0, raw_write(self->writer, bytes, 1 + i % 300));
	}
	while ((ret = fetch_in_place(self->reader, &run, 100)) > 0) {
		for (n = 0; n < run.count; n++, seen++) {
			desc = &maps.index[run.slot + n];
			ASSERT_EQ(seen, desc->offset);
			ASSERT_EQ(run.slot + n, desc->slot);
			ASSERT_EQ(1 + seen % 300, desc->len);
			ASSERT_EQ(run.deliveries, desc->deliveries);
			ASSERT_EQ(0, desc->pos % WEIR_ALIGN);
			ASSERT_LE(desc->pos + desc->len, maps.layout.pool_length);
			memset(bytes, seen, sizeof(bytes));
			ASSERT_EQ(0, memcmp(bytes, maps.pool + desc->pos, desc->len));
		}
		run.op = WEIR_ACK;
		ASSERT_EQ((int)run.count, settle(self->reader, &run));
	}
	EXPECT_EQ(-EAGAIN, ret);
	EXPECT_EQ(1000, seen);
}

/* A leased message stays as it is, whatever comes and goes around it. */
TEST_F(queue, leased_stays)
{
	struct weir_desc before;
	struct weir_run run;
	struct maps maps;
	char bytes[4000];
	int i;

	ASSERT_EQ(0, queue_remake(self, 0, 65536));
	ASSERT_EQ(0, map_both(self->reader, &maps, 128 << 10));
	memset(bytes, 'k', sizeof(bytes));
	ASSERT_EQ(3000, raw_write(self->writer, bytes, 3000));
	ASSERT_EQ(1, fetch_in_place(self->reader, &run, 1));
	before = maps.index[run.slot];
	memset(bytes, 'z', sizeof(bytes));
	for (i = 0; i < 500; i++) {
		ASSERT_EQ(1 + i * 8, raw_write(self->writer, bytes, 1 + i * 8));
		ASSERT_EQ(1 + i * 8, raw_read(self->reader, bytes, sizeof(bytes)));
	}
	EXPECT_EQ(0, memcmp(&before, &maps.index[run.slot], sizeof(before)));
	for (i = 0; i < 3000; i++)
		ASSERT_EQ('k', maps.pool[before.pos + i]);
}

/* I10: what follows a message in its last unit is zero, also where others were before. */
TEST_F(queue, padding_is_zero)
{
	struct {
		struct weir_header header;
		char bytes[8];
	} block = { { .name_len = 1, .value_len = 2 }, { 'n', 'v', 'v', 1, 2, 3, 4, 5 } };
	struct weir_message message = {
		.data = raw_address("payload"), .len = 7, .key = raw_address("key"), .key_len = 3,
		.headers = raw_address(&block), .headers_len = 16,
	};
	struct weir_send send = { .messages = raw_address(&message), .count = 1 };
	static unsigned char ones[1024];
	const struct weir_desc *desc;
	struct weir_run run;
	struct maps maps;
	int round, i, length;

	ASSERT_EQ(0, queue_remake(self, 64, 4096));
	ASSERT_EQ(0, map_both(self->reader, &maps, 8192));
	memset(ones, 0xff, sizeof(ones));
	for (round = 0; round < 40; round++) {
		/* All that there is was written over. */
		for (i = 0; i < 4; i++)
			ASSERT_EQ(1024, raw_write(self->writer, ones, 1024));
		for (i = 0; i < 4; i++)
			ASSERT_EQ(1024, raw_read(self->reader, ones, 1024));
		length = 1 + round * 5;
		ASSERT_EQ(length, raw_write(self->writer, ones, length));
		ASSERT_EQ(1, fetch_in_place(self->reader, &run, 1));
		desc = &maps.index[run.slot];
		for (i = length; i % WEIR_ALIGN; i++)
			ASSERT_EQ(0, maps.pool[desc->pos + i]);
		run.op = WEIR_ACK;
		ASSERT_EQ(1, settle(self->reader, &run));
		ASSERT_EQ(1, raw_ioctl(self->writer, WEIR_IOC_SEND, &send));
		ASSERT_EQ(1, fetch_in_place(self->reader, &run, 1));
		desc = &maps.index[run.slot];
		ASSERT_EQ(0, memcmp("payloadkey\0\0\0\0\0\0", maps.pool + desc->pos, 16));
		ASSERT_EQ(0, memcmp("nvv\0\0\0\0\0", maps.pool + desc->pos + 24, 8));
		for (i = 32; i < 64; i++)
			ASSERT_EQ(0, maps.pool[desc->pos + i]);
		run.op = WEIR_ACK;
		ASSERT_EQ(1, settle(self->reader, &run));
	}
}

/* I10: a fresh page is zero but for what was sent into it. */
TEST_F(queue, fresh_pages_are_zero)
{
	size_t i, at, end;
	struct maps maps;

	ASSERT_EQ(0, map_both(self->reader, &maps, 1 << 20));
	ASSERT_EQ(3, raw_write(self->writer, "abc", 3));
	at = place_of_next(self->name, &maps);
	EXPECT_EQ(0, memcmp("abc", maps.pool + at, 3));
	end = (at / PAGE + 1) * PAGE;
	for (i = at / PAGE * PAGE; i < end; i++)
		if (i < at || i >= at + 3)
			ASSERT_EQ(0, maps.pool[i]);
	for (i = sizeof(struct weir_desc); i < PAGE; i++)
		ASSERT_EQ(0, ((unsigned char *)maps.index)[i]);
}

/* Where in a page there is one that is not zero, @but for one; -1: nowhere. */
static int find_byte(const unsigned char *page, size_t but)
{
	size_t i;

	for (i = 0; i < PAGE; i++)
		if (page[i] && i != but)
			return i;
	return -1;
}

/* What was not sent in the end is nowhere. */
TEST_F(queue, failed_sends_leave_nothing)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct maps maps;
	size_t i, at;

	mprotect(page + 4096, 4096, PROT_NONE);
	memset(page, 0x53, 4096);
	ASSERT_EQ(0, map_both(self->reader, &maps, 1 << 20));
	EXPECT_EQ(-EFAULT, raw_write(self->writer, page, 8192));
	EXPECT_EQ(-EFAULT, raw_write(self->writer, page + 4000, 100));
	ASSERT_EQ(1, raw_write(self->writer, "x", 1));
	at = place_of_next(self->name, &maps);
	for (i = 0; i < 64; i++)
		if (!touch(maps.pool + i * PAGE, false))
			ASSERT_EQ(-1, find_byte(maps.pool + i * PAGE, at - i * PAGE));
}

/* Memory that no message has reached. */
TEST_F(queue, unreached)
{
	struct maps maps;

	ASSERT_EQ(0, map_both(self->reader, &maps, 1 << 20));
	EXPECT_EQ(SIGBUS, touch(maps.pool, false));
	EXPECT_EQ(SIGBUS, touch(maps.index, false));
	ASSERT_EQ(1, raw_write(self->writer, "x", 1));
	EXPECT_EQ(0, touch(maps.index, false));
	EXPECT_EQ(0, touch(maps.pool + place_of_next(self->name, &maps), false));
	EXPECT_EQ(SIGBUS, touch(maps.pool + (1 << 20) - 1, false));
}

/* I12: read-only it is and stays. */
TEST_F(queue, never_writable)
{
	int both = raw_open(self->name, O_RDWR | O_NONBLOCK);
	struct maps maps;
	size_t at;

	ASSERT_EQ(0, map_both(both, &maps, 1 << 20));
	ASSERT_EQ(1, raw_write(both, "x", 1));
	at = place_of_next(self->name, &maps);
	EXPECT_EQ(SIGSEGV, touch(maps.pool + at, true));
	EXPECT_EQ(SIGSEGV, touch(maps.index, true));
	EXPECT_EQ(-EACCES, raw_result(mprotect((void *)maps.pool, PAGE, PROT_READ | PROT_WRITE)));
	EXPECT_EQ(-EACCES, raw_result(mprotect((void *)maps.index, PAGE, PROT_WRITE)));
	EXPECT_EQ(-EACCES, raw_result(mprotect((void *)maps.pool, PAGE, PROT_READ | PROT_EXEC)));
	EXPECT_EQ('x', maps.pool[at]);
}

/* Nor by those who may write to any memory of a process. */
TEST_F(queue, never_writable_by_force)
{
	struct maps maps;
	int mem = open("/proc/self/mem", O_RDWR);
	pid_t child;
	size_t at;
	int status;

	ASSERT_EQ(0, map_both(self->reader, &maps, 1 << 20));
	ASSERT_EQ(1, raw_write(self->writer, "x", 1));
	at = place_of_next(self->name, &maps);
	EXPECT_EQ(0, touch(maps.pool + at, false));
	EXPECT_GE(0, pwrite64(mem, "y", 1, (uintptr_t)maps.pool + at));
	child = proc_fork();
	if (!child) {
		/* A mapping is not inherited, so it makes its own. */
		if (map_both(self->reader, &maps, 1 << 20) || touch(maps.pool + at, false))
			_exit(1);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(maps.pool[at] != 'x');
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status));
	EXPECT_EQ(-1, ptrace(PTRACE_POKEDATA, child, maps.pool + at, 0x7979));
	ptrace(PTRACE_CONT, child, NULL, NULL);
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ('x', maps.pool[at]);
}

/* I13: what may not be mapped at all. */
TEST_F(queue, refused)
{
	int both = raw_open(self->name, O_RDWR);
	struct weir_layout l;

	ASSERT_EQ(0, raw_ioctl(both, WEIR_IOC_LAYOUT, &l));
	EXPECT_FALSE(MAPPED(both, PROT_READ | PROT_WRITE, MAP_SHARED, PAGE, l.pool_offset));
	EXPECT_FALSE(MAPPED(both, PROT_WRITE, MAP_SHARED, PAGE, l.index_offset));
	EXPECT_FALSE(MAPPED(both, PROT_READ | PROT_EXEC, MAP_SHARED, PAGE, l.pool_offset));
	EXPECT_FALSE(MAPPED(both, PROT_READ, MAP_PRIVATE, PAGE, l.pool_offset));
	EXPECT_FALSE(MAPPED(both, PROT_READ | PROT_WRITE, MAP_PRIVATE, PAGE, l.pool_offset));
	EXPECT_FALSE(MAPPED(self->writer, PROT_READ, MAP_SHARED, PAGE, l.pool_offset));
	EXPECT_FALSE(MAPPED(self->writer, PROT_WRITE, MAP_SHARED, PAGE, l.pool_offset));
	EXPECT_TRUE(MAPPED(both, PROT_READ, MAP_SHARED, PAGE, l.pool_offset));
}

TEST_F(queue, private_is_refused)
{
	struct weir_layout l;
	int fd;

	close(self->writer);
	close(self->reader);
	ASSERT_EQ(0, raw_destroy(self->name));
	ASSERT_EQ(0, raw_create_as(self->name, 0, 0, WEIR_CREATE_PRIVATE, 0));
	fd = raw_open(self->name, O_RDWR);
	ASSERT_EQ(0, raw_ioctl(fd, WEIR_IOC_LAYOUT, &l));
	EXPECT_TRUE(map(fd, PROT_READ, MAP_SHARED, PAGE, l.pool_offset) == MAP_FAILED);
	EXPECT_EQ(EACCES, errno);
	EXPECT_TRUE(map(fd, PROT_READ, MAP_SHARED, PAGE, l.index_offset) == MAP_FAILED);
	EXPECT_EQ(EACCES, errno);
}

/* I14: offsets and lengths up to the border, and past it by a page or by all. */
TEST_F(queue, borders)
{
	struct weir_layout l;
	__u64 ends[2], begins[2];
	size_t i;

	ASSERT_EQ(0, queue_remake(self, 64, 65536));
	ASSERT_EQ(0, raw_ioctl(self->reader, WEIR_IOC_LAYOUT, &l));
	begins[0] = l.index_offset;
	begins[1] = l.pool_offset;
	ends[0] = l.index_offset + l.index_length;
	ends[1] = l.pool_offset + l.pool_length;
#define MAP_AT(size, offset) MAPPED(self->reader, PROT_READ, MAP_SHARED, size, offset)
	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(MAP_AT(ends[i] - begins[i], begins[i]));
		EXPECT_TRUE(MAP_AT(PAGE, ends[i] - PAGE));
		EXPECT_FALSE(MAP_AT(PAGE, ends[i]));
		EXPECT_FALSE(MAP_AT(2 * PAGE, ends[i] - PAGE));
		EXPECT_FALSE(MAP_AT(ends[i] - begins[i] + PAGE, begins[i]));
		EXPECT_FALSE(MAP_AT(ends[i] - begins[i], begins[i] + PAGE));
		EXPECT_FALSE(MAP_AT(1UL << 30, begins[i]));
	}
	EXPECT_FALSE(MAP_AT(PAGE, l.pool_offset - PAGE));
	EXPECT_FALSE(MAP_AT(2 * PAGE, l.pool_offset - PAGE));
	EXPECT_FALSE(MAP_AT(PAGE, 1ULL << 43));
	EXPECT_FALSE(MAP_AT(PAGE, 0xfffff000ULL));
#ifndef __i386__
	EXPECT_FALSE(MAP_AT(PAGE, 0x7ffffffffffff000ULL));
	EXPECT_FALSE(MAP_AT(PAGE, 0xfffffffffffff000ULL));
	EXPECT_FALSE(MAP_AT(2 * PAGE, 0xfffffffffffff000ULL));
	EXPECT_FALSE(MAP_AT(1UL << 46, l.pool_offset));
#endif
}

/* I15: a mapping does not grow, and a child does not have it. */
TEST_F(queue, not_grown_nor_inherited)
{
	struct maps maps;
	pid_t child;

	ASSERT_EQ(1, raw_write(self->writer, "x", 1));
	ASSERT_EQ(0, map_both(self->reader, &maps, 1 << 20));
	EXPECT_TRUE(mremap((void *)maps.pool, 1 << 20, 2 << 20, MREMAP_MAYMOVE) == MAP_FAILED);
	EXPECT_TRUE(mremap((void *)maps.pool, 0, 2 << 20, MREMAP_MAYMOVE) == MAP_FAILED);
	EXPECT_EQ(0, touch(maps.index, false));
	child = proc_fork();
	if (!child)
		_exit(touch(maps.pool, false) != SIGSEGV || touch(maps.index, false) != SIGSEGV);
	EXPECT_EQ(0, proc_wait(child));
}

/* I16: it outlives the descriptor and the queue, and then keeps the module. */
TEST_F(queue, outlives_the_queue)
{
	struct weir_desc desc[1000];
	struct weir_run run;
	struct maps maps;
	size_t i;

	ASSERT_EQ(0, map_both(self->reader, &maps, 1 << 20));
	for (i = 0; i < 1000; i++) {
		ASSERT_EQ(4, raw_write(self->writer, "mine", 4));
		ASSERT_EQ(1, fetch_in_place(self->reader, &run, 1));
		desc[i] = maps.index[run.slot];
	}
	EXPECT_EQ(0, memcmp("mine", maps.pool + desc[0].pos, 4));
	close(self->reader);
	EXPECT_EQ(-EBUSY, raw_destroy(self->name));
	ASSERT_EQ(0, raw_destroy_force(self->name));
	close(self->writer);
	EXPECT_EQ(-EWOULDBLOCK, raw_result(syscall(SYS_delete_module, "weir", O_NONBLOCK)));
	/* Also pages that were not touched before. */
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(0, memcmp("mine", maps.pool + desc[i].pos, 4));
	EXPECT_EQ(0, munmap((void *)maps.pool, 1 << 20));
	EXPECT_EQ(0, munmap((void *)maps.index, maps.index_size));
}

/* As long as it is mapped the open file is not closed, and holds its leases. */
TEST_F(queue, holds_the_leases)
{
	struct weir_run run;
	struct maps maps;

	ASSERT_EQ(0, map_both(self->reader, &maps, 1 << 20));
	ASSERT_EQ(4, raw_write(self->writer, "mine", 4));
	ASSERT_EQ(1, fetch_in_place(self->reader, &run, 1));
	close(self->reader);
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	EXPECT_EQ(0, memcmp("mine", maps.pool + maps.index[run.slot].pos, 4));
	munmap((void *)maps.pool, maps.pool_size);
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	munmap((void *)maps.index, maps.index_size);
	wait_until(raw_figure(self->name, "leased") == 0);
	EXPECT_EQ(1, raw_figure(self->name, "depth"));
}

/* I17: mapping, touching and unmapping, while the queue is destroyed and made anew. */
static void map_for_ever(const char *name)
{
	struct maps maps;
	int fd;

	for (;;) {
		fd = raw_open(name, O_RDWR | O_NONBLOCK);
		if (fd < 0)
			continue;
		raw_write(fd, "x", 1);
		if (!map_both(fd, &maps, 65536)) {
			touch(maps.pool, false);
			touch(maps.index, false);
			touch(maps.pool + 65535, false);
			if (random() % 2)
				close(fd), fd = -1;
			munmap((void *)maps.pool, 65536);
			munmap((void *)maps.index, maps.index_size);
		}
		if (fd >= 0)
			close(fd);
	}
}

TEST_F(queue, races_with_destroy)
{
	pid_t children[2];
	int i, rounds = raw_rounds(400);

	for (i = 0; i < 2; i++) {
		children[i] = proc_fork();
		if (!children[i])
			map_for_ever(self->name);
	}
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, raw_destroy_force(self->name));
		ASSERT_EQ(0, raw_create_sized(self->name, 64, 65536));
		sched_yield();
	}
	for (i = 0; i < 2; i++)
		ASSERT_EQ(128 + SIGKILL, proc_kill(children[i]));
}

TEST_HARNESS_MAIN
