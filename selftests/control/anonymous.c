// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * WEIR_CREATE_ANONYMOUS: a queue like any other, of which there is a descriptor, and
 * nothing else. What is left of it is seen in the number of those that hold the module.
 */
#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "../doors.h"
#include "../fixture.h"

#define LIMIT	"/sys/module/weir/parameters/user_limit"

FIXTURE(anonymous) {
	struct weir_create create;
	int before;			/* who held the module */
	int fd;				/* non-blocking */
};

FIXTURE_VARIANT(anonymous) {
	enum door door;
};

FIXTURE_VARIANT_ADD(anonymous, rw) {
	.door = DOOR_RW,
};

FIXTURE_VARIANT_ADD(anonymous, ioctl) {
	.door = DOOR_IOCTL,
};

FIXTURE_VARIANT_ADD(anonymous, uring) {
	.door = DOOR_URING,
};

static long read_number(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || raw_read(fd, text, sizeof(text) - 1) <= 0)
		abort();
	close(fd);
	return atol(text);
}

static int holders(void)
{
	return read_number("/sys/module/weir/refcnt");
}

static int create(const struct weir_create *create)
{
	int fd = raw_control(WEIR_IOC_CREATE, (void *)create);

	if (fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK))
		abort();
	return fd;
}

FIXTURE_SETUP(anonymous)
{
	door_now = variant->door;
	self->before = holders();
	self->create.type = WEIR_TYPE_QUEUE;
	self->create.flags = WEIR_CREATE_ANONYMOUS;
	self->fd = create(&self->create);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(self->before + 1, holders());
}

FIXTURE_TEARDOWN(anonymous)
{
	close(self->fd);
	wait_until(holders() == self->before);
}

TEST_F(anonymous, is_a_queue)
{
	struct weir_info info = { .name = "whatever" };
	struct weir_run run;
	char bytes[16];

	EXPECT_EQ(O_RDWR, fcntl(self->fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->fd, F_GETFD));
	EXPECT_EQ(-EAGAIN, door_read(self->fd, bytes, sizeof(bytes)));
	EXPECT_EQ(POLLOUT, raw_poll(self->fd, POLLIN | POLLOUT));
	ASSERT_EQ(5, door_write_string(self->fd, "hello"));
	ASSERT_EQ(5, door_write_string(self->fd, "again"));
	EXPECT_EQ(POLLIN | POLLOUT, raw_poll(self->fd, POLLIN | POLLOUT));
	EXPECT_EQ(5, door_read(self->fd, bytes, sizeof(bytes)));
	EXPECT_EQ(0, memcmp(bytes, "hello", 5));
	ASSERT_EQ(0, door_hold(self->fd, &run));
	ASSERT_EQ(0, raw_ioctl(self->fd, WEIR_IOC_INFO, &info));
	EXPECT_STREQ("", info.name);
	EXPECT_EQ(WEIR_CREATE_ANONYMOUS, info.create_flags);
	EXPECT_EQ(WEIR_DEFAULT_MESSAGES, info.policy.max_messages);
	EXPECT_EQ(1, info.leased);
	ASSERT_ADDS_UP(&info);
	EXPECT_EQ(0, door_settle(self->fd, &run));
}

/* Nothing on control finds it, and nothing in the file system. */
TEST_F(anonymous, nowhere)
{
	struct weir_info info = { 0 };
	char path[64], link[64];
	ssize_t length;

	EXPECT_EQ(-EINVAL, raw_info("", &info));
	EXPECT_EQ(-EINVAL, raw_destroy_force(""));
	EXPECT_EQ(-EINVAL, raw_purge(""));
	for (memset(&info, 0, sizeof(info)); !raw_info_flags(info.name, &info, WEIR_INFO_NEXT);)
		EXPECT_STRNE("", info.name);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	length = readlink(path, link, sizeof(link) - 1);
	ASSERT_LT(0, length);
	link[length] = '\0';
	EXPECT_STREQ("anon_inode:[weir]", link);
	/* It cannot be opened again, so what its file knows is all. */
	EXPECT_EQ(-ENXIO, raw_result(open(path, O_RDWR)));
}

TEST_F(anonymous, fields)
{
	struct weir_create bad = self->create;

	raw_set_name(&bad, "name");
	EXPECT_EQ(-EINVAL, create(&bad));
	bad = self->create;
	bad.mode = 0600;
	EXPECT_EQ(-EINVAL, create(&bad));
	bad = self->create;
	bad.flags |= 1U << 2;
	EXPECT_EQ(-EINVAL, create(&bad));
	bad = self->create;
	bad.policy.when_full = ~0U;
	EXPECT_EQ(-EINVAL, create(&bad));
	bad = self->create;
	bad.reserved = 1;
	EXPECT_EQ(-EINVAL, create(&bad));
	/* Without the flag, "" is no name. */
	bad = self->create;
	bad.flags = 0;
	EXPECT_EQ(-EINVAL, create(&bad));
	EXPECT_EQ(self->before + 1, holders());
}

TEST_F(anonymous, private_and_exclusive)
{
	struct weir_layout layout = { 0 };
	int fd;

	self->create.flags |= WEIR_CREATE_PRIVATE;
	self->create.policy.flags = WEIR_POLICY_EXCLUSIVE;
	fd = create(&self->create);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, raw_ioctl(fd, WEIR_IOC_LAYOUT, &layout));
	EXPECT_TRUE(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
	EXPECT_EQ(EACCES, errno);
	close(fd);
}

/* Tries to make some while there may be no more descriptors. */
static int create_many_without(int control, struct weir_create *create, int count)
{
	struct rlimit limit;
	int ret = -EMFILE;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return -errno;
	limit.rlim_cur = 0;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		return -errno;
	while (count-- && ret == -EMFILE)
		ret = raw_ioctl(control, WEIR_IOC_CREATE, create);
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit) ? -errno : ret;
}

/* With messages in it, and with some that are held. */
TEST_F(anonymous, ends_with_its_last_descriptor)
{
	int other = dup(self->fd);
	struct weir_run run;
	char byte[2];

	ASSERT_LE(0, other);
	ASSERT_EQ(2, door_write(self->fd, "ab", 2));
	ASSERT_EQ(2, door_write(self->fd, "cd", 2));
	close(self->fd);
	EXPECT_EQ(2, door_read(other, byte, 2));
	ASSERT_EQ(2, door_write(other, "ef", 2));
	ASSERT_EQ(0, door_hold(other, &run));
	EXPECT_EQ(self->before + 1, holders());
	close(other);
	wait_until(holders() == self->before);
}

/* Killed with messages ready and held; a child that has it inherited lives on with it. */
TEST_F(anonymous, dies_with_its_owner)
{
	struct gate made, end;
	pid_t owner;

	ASSERT_EQ(0, gate_make(&made));
	ASSERT_EQ(0, gate_make(&end));
	owner = proc_fork();
	if (!owner) {
		int fd = create(&self->create), control = raw_open_control();
		struct weir_run run;

		/* With it, files of the parent's would remain open. */
		close(self->fd);
		if (fd < 0 || door_write(fd, "ab", 2) != 2 || door_write(fd, "cd", 2) != 2 ||
		    door_hold(fd, &run))
			_exit(1);
		if (!fork()) {
			char bytes[2];

			/* What the owner held is back when he is known to be dead. */
			close(control);
			gate_open(&made);
			gate_wait(&end);
			_exit(door_read(fd, bytes, 2) != 2 || memcmp(bytes, "ab", 2));
		}
		pause();
	}
	gate_wait(&made);
	/* This one's, the owner's, and control, which he has open. */
	wait_until(holders() == self->before + 3);
	EXPECT_EQ(128 + SIGKILL, proc_kill(owner));
	wait_until(holders() == self->before + 2);
	gate_open(&end);
	wait_until(holders() == self->before + 1);
}

/* The receiver's side of it is a consumer of its own; it outlives who made it. */
TEST_F(anonymous, passed_on)
{
	int sockets[2], fd;
	pid_t maker;
	char byte;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets));
	maker = proc_fork();
	if (!maker) {
		int made = create(&self->create);

		_exit(made < 0 || door_write(made, "x", 1) != 1 ||
		      proc_pass_fd(sockets[1], made));
	}
	ASSERT_EQ(0, proc_wait(maker));
	/* In flight it is held by the socket. */
	EXPECT_EQ(self->before + 2, holders());
	fd = proc_receive_fd(sockets[0]);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, door_read(fd, &byte, 1));
	EXPECT_EQ('x', byte);
	EXPECT_EQ(1, door_write(fd, "y", 1));
	close(fd);
	wait_until(holders() == self->before + 1);
}

/* I16: a mapping is a way to it as good as a descriptor. */
TEST_F(anonymous, mapping_outlives_descriptor)
{
	const struct weir_desc *index;

	ASSERT_EQ(5, door_write_string(self->fd, "hello"));
	index = mmap(NULL, 4096, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_TRUE((void *)index != MAP_FAILED);
	close(self->fd);
	EXPECT_EQ(self->before + 1, holders());
	EXPECT_EQ(5, index[0].len);
	ASSERT_EQ(0, munmap((void *)index, 4096));
	wait_until(holders() == self->before);
}

/* So is a FETCH that waits in a ring. */
TEST_F(anonymous, parked_command_outlives_descriptor)
{
	struct weir_run run = { 0 };
	struct weir_fetch fetch = {
		.runs = raw_address(&run), .nr_runs = 1, .max_messages = 1, .timeout_ns = -1,
	};
	struct weir_info info = { 0 };
	struct ring ring;

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, 0));
	ASSERT_EQ(0, ring_make(&ring, 4, 0));
	ring_command(&ring, self->fd, WEIR_IOC_FETCH, &fetch, sizeof(fetch), 0);
	ASSERT_EQ(1, ring_enter(&ring, 0));
	ASSERT_EQ(0, raw_ioctl(self->fd, WEIR_IOC_INFO, &info));
	EXPECT_EQ(1, info.waiters);
	close(self->fd);
	EXPECT_EQ(self->before + 1, holders());
	ring_end(&ring);
	wait_until(holders() == self->before);
}

/* I25 */
TEST_F(anonymous, holds_the_module)
{
	EXPECT_EQ(-EWOULDBLOCK, raw_result(syscall(SYS_delete_module, "weir", O_NONBLOCK)));
	EXPECT_EQ(1, door_write(self->fd, "x", 1));
}

/* A descriptor of control that somebody else opened. */
static int control_of(uid_t uid)
{
	struct stat status;
	int fd;

	if (stat(RAW_CONTROL, &status) || setresgid(-1, status.st_gid, -1) ||
	    setresuid(-1, uid, -1))
		return -errno;
	fd = raw_open_control();
	return setresuid(-1, 0, -1) ? -errno : fd;
}

/* Writes until it fails, or that was enough: the bytes, and in @why the last result. */
static long fill(int fd, long enough, long *why)
{
	static char bytes[4096];
	long sent = 0;

	while (sent < enough && (*why = door_write(fd, bytes, sizeof(bytes))) > 0)
		sent += *why;
	return sent;
}

static int set_limit(long limit)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%ld", limit);
	int fd = open(LIMIT, O_WRONLY | O_CLOEXEC);
	int ret = raw_write(fd, text, length);

	close(fd);
	return ret == length ? 0 : -EIO;
}

/*
 * I30: memory is the creator's, and given back, also that of those that were never there
 * for want of a descriptor (EMFILE). The second one needs all that the first one had.
 */
TEST_F(anonymous, charged)
{
	const uid_t uid = 100000 + getpid();
	long limit = read_number(LIMIT), sent, why;
	int control = control_of(uid), fd;
	struct weir_info info = { 0 };

	ASSERT_LE(0, control);
	ASSERT_EQ(0, set_limit(4 << 20));
	fd = raw_ioctl(control, WEIR_IOC_CREATE, &self->create);
	ASSERT_LE(0, fd);
	sent = fill(fd, LONG_MAX, &why);
	EXPECT_EQ(-EDQUOT, why);
	ASSERT_EQ(0, raw_ioctl(fd, WEIR_IOC_INFO, &info));
	EXPECT_EQ(uid, info.uid);
	EXPECT_LT((__u64)sent, info.memory);
	close(fd);

	wait_until((why = create_many_without(control, &self->create,
					      raw_rounds(100))) != -EDQUOT);
	EXPECT_EQ(-EMFILE, why);
	EXPECT_EQ(self->before + 2, holders());
	wait_until((fd = raw_ioctl(control, WEIR_IOC_CREATE, &self->create)) != -EDQUOT);
	ASSERT_LE(0, fd);
	/* On some kernels what was closed is gone only after a while. */
	while (sent > 0)
		sent -= fill(fd, sent, &why);
	EXPECT_EQ(0, sent);
	close(fd);
	close(control);
	ASSERT_EQ(0, set_limit(limit));
}

/* It has a dead letter queue, as long as it is there; and is nobody's. */
TEST_F(anonymous, dead_letters)
{
	struct weir_run run = { 0 };
	struct weir_fetch fetch = {
		.runs = raw_address(&run), .nr_runs = 1, .max_messages = 1,
	};
	struct weir_settle settle = { .runs = raw_address(&run), .count = 1 };
	char heir[WEIR_NAME_SIZE], byte;
	struct weir_create other = { .type = WEIR_TYPE_QUEUE };
	int target, fd;

	raw_set_name(&other, raw_name(heir));
	other.policy.flags = WEIR_POLICY_DEAD_LETTER;
	other.policy.dead_letter = self->fd;
	EXPECT_EQ(-EINVAL, raw_control(WEIR_IOC_CREATE, &other));
	ASSERT_EQ(0, raw_create(heir));
	target = raw_open(heir, O_RDWR);
	ASSERT_LE(0, target);

	self->create.policy.flags = WEIR_POLICY_DEAD_LETTER;
	self->create.policy.dead_letter = target;
	fd = create(&self->create);
	ASSERT_LE(0, fd);
	ASSERT_EQ(1, raw_write(fd, "x", 1));
	ASSERT_EQ(1, raw_ioctl(fd, WEIR_IOC_FETCH, &fetch));
	run.op = WEIR_TERM;
	ASSERT_EQ(1, raw_ioctl(fd, WEIR_IOC_SETTLE, &settle));
	EXPECT_EQ(1, raw_read(target, &byte, 1));
	EXPECT_EQ('x', byte);
	close(target);
	EXPECT_EQ(-EBUSY, raw_destroy(heir));
	close(fd);
	EXPECT_EQ(0, raw_destroy(heir));
}

TEST_HARNESS_MAIN
