// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Who may do what: nodes have owners and modes, managing is the creator's, and a
 * descriptor has the rights of the one who opened it (I31).
 */
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "../doors.h"
#include "../fixture.h"

#define ALICE	60001
#define BOB	60002

FIXTURE(rights) {
	char name[WEIR_NAME_SIZE];
	char path[WEIR_NAME_SIZE + 32];
	mode_t mode;			/* of control, before */
};

FIXTURE_SETUP(rights)
{
	struct stat status;

	raw_name(self->name);
	raw_path(self->path, self->name);
	ASSERT_EQ(0, stat(RAW_CONTROL, &status));
	self->mode = status.st_mode & 07777;
	/* So that the others can get at it at all. */
	ASSERT_EQ(0, chmod(RAW_CONTROL, 0666));
}

FIXTURE_TEARDOWN_PARENT(rights)
{
	EXPECT_EQ(0, chmod(RAW_CONTROL, self->mode));
	raw_destroy_force(self->name);
}

/* In a child that became @uid (and group @uid). */
#define as_user(uid) for (pid_t child_ = proc_fork(), once_ = 1; once_; \
			  once_ = 0, ({ if (!child_) _exit(0); proc_wait(child_); })) \
	if (!child_ && proc_become(uid, uid)) \
		_exit(1); \
	else if (!child_)

TEST(control_is_for_root)
{
	struct stat status;
	pid_t child;

	ASSERT_EQ(0, stat(RAW_CONTROL, &status));
	EXPECT_EQ(S_IFCHR | 0660, status.st_mode);
	EXPECT_EQ(0, status.st_uid);
	child = proc_fork();
	if (!child)
		_exit(proc_become(ALICE, ALICE) || raw_open_control() != -EACCES);
	EXPECT_EQ(0, proc_wait(child));
}

TEST_F(rights, node_is_its_creators)
{
	struct weir_info info;
	struct stat status;

	as_user(ALICE)
		ASSERT_EQ(0, raw_create_as(self->name, 0, 0, 0, 0640));
	ASSERT_EQ(0, stat(self->path, &status));
	EXPECT_EQ(ALICE, status.st_uid);
	EXPECT_EQ(ALICE, status.st_gid);
	EXPECT_EQ(S_IFCHR | 0640, status.st_mode);
	ASSERT_EQ(0, raw_info(self->name, &info));
	EXPECT_EQ(ALICE, info.uid);
	EXPECT_EQ(ALICE, info.gid);
}

TEST_F(rights, effective_ids_count)
{
	struct stat status;
	pid_t child = proc_fork();

	if (!child) {
		ASSERT_EQ(0, setresgid(0, ALICE, 0));
		ASSERT_EQ(0, setresuid(0, BOB, 0));
		ASSERT_EQ(0, raw_create(self->name));
		_exit(0);
	}
	EXPECT_EQ(0, proc_wait(child));
	ASSERT_EQ(0, stat(self->path, &status));
	EXPECT_EQ(BOB, status.st_uid);
	EXPECT_EQ(ALICE, status.st_gid);
}

/* w sends, r receives. */
TEST_F(rights, mode_of_the_node)
{
	static const struct {
		mode_t mode;
		int owner[3], other[3];		/* O_RDONLY, O_WRONLY, O_RDWR */
	} cases[] = {
		{ 0600, { 1, 1, 1 }, { 0, 0, 0 } },
		{ 0604, { 1, 1, 1 }, { 1, 0, 0 } },
		{ 0602, { 1, 1, 1 }, { 0, 1, 0 } },
		{ 0206, { 0, 1, 0 }, { 1, 1, 1 } },
		{ 0404, { 1, 0, 0 }, { 1, 0, 0 } },
	};
	size_t i;
	int access;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		as_user(ALICE) {
			ASSERT_EQ(0, raw_create_as(self->name, 0, 0, 0, cases[i].mode));
			for (access = O_RDONLY; access <= O_RDWR; access++)
				EXPECT_EQ(cases[i].owner[access],
					  raw_open(self->name, access) != -EACCES);
		}
		as_user(BOB)
			for (access = O_RDONLY; access <= O_RDWR; access++)
				EXPECT_EQ(cases[i].other[access],
					  raw_open(self->name, access) != -EACCES);
		ASSERT_EQ(0, raw_destroy(self->name));
	}
}

TEST_F(rights, group)
{
	as_user(ALICE)
		ASSERT_EQ(0, raw_create(self->name));
	as_user(BOB)
		EXPECT_EQ(-EACCES, raw_open(self->name, O_RDONLY));
	ASSERT_EQ(0, chown(self->path, -1, BOB));
	as_user(BOB)
		EXPECT_LE(0, raw_open(self->name, O_RDWR));
}

TEST_F(rights, chmod_and_chown)
{
	struct stat status;

	ASSERT_EQ(0, raw_create_as(self->name, 0, 0, 0, 0600));
	as_user(ALICE) {
		EXPECT_EQ(-EACCES, raw_open(self->name, O_RDONLY));
		EXPECT_EQ(-1, chmod(self->path, 0666));
	}
	ASSERT_EQ(0, chown(self->path, ALICE, ALICE));
	as_user(ALICE) {
		EXPECT_LE(0, raw_open(self->name, O_RDWR));
		EXPECT_EQ(0, chmod(self->path, 0400));
		EXPECT_EQ(-EACCES, raw_open(self->name, O_WRONLY));
	}
	ASSERT_EQ(0, stat(self->path, &status));
	EXPECT_EQ(0400, status.st_mode & 07777);
}

TEST_F(rights, managing_is_the_creators)
{
	int fd;

	as_user(ALICE) {
		ASSERT_EQ(0, raw_create_as(self->name, 0, 0, 0, 0666));
		fd = raw_open(self->name, O_RDWR);
		EXPECT_EQ(1, raw_write(fd, "x", 1));
	}
	as_user(BOB) {
		EXPECT_EQ(-EPERM, raw_purge(self->name));
		EXPECT_EQ(-EPERM, raw_destroy(self->name));
		EXPECT_EQ(-EPERM, raw_destroy_force(self->name));
	}
	EXPECT_EQ(1, raw_figure(self->name, "depth"));
	as_user(ALICE) {
		EXPECT_EQ(1, raw_purge(self->name));
		EXPECT_EQ(0, raw_destroy(self->name));
		ASSERT_EQ(0, raw_create(self->name));
	}
	/* CAP_SYS_ADMIN may. */
	EXPECT_EQ(0, raw_purge(self->name));
	EXPECT_EQ(0, raw_destroy(self->name));
}

static int drop_capability(int capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	data[capability / 32].effective &= ~(1U << (capability % 32));
	data[capability / 32].permitted &= ~(1U << (capability % 32));
	return raw_result(syscall(SYS_capset, &header, data));
}

TEST_F(rights, uid_0_is_no_capability)
{
	pid_t child;

	as_user(ALICE)
		ASSERT_EQ(0, raw_create(self->name));
	child = proc_fork();
	if (!child) {
		ASSERT_EQ(0, drop_capability(CAP_SYS_ADMIN));
		EXPECT_EQ(-EPERM, raw_purge(self->name));
		EXPECT_EQ(-EPERM, raw_destroy_force(self->name));
		_exit(0);
	}
	EXPECT_EQ(0, proc_wait(child));
	EXPECT_EQ(0, raw_destroy(self->name));
}

/* I31: of control, the opener's rights count, in both directions. */
TEST_F(rights, passed_control)
{
	struct weir_destroy destroy = { 0 };
	struct weir_create create = { .type = WEIR_TYPE_QUEUE };
	struct stat status;
	int roots = raw_open_control(), alices, sockets[2];
	pid_t child;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	raw_set_name(&destroy, self->name);
	raw_set_name(&create, self->name);
	ASSERT_EQ(0, raw_create(self->name));
	child = proc_fork();
	if (!child) {
		ASSERT_EQ(0, proc_become(ALICE, ALICE));
		EXPECT_EQ(-EPERM, raw_destroy(self->name));
		EXPECT_EQ(0, raw_ioctl(roots, WEIR_IOC_DESTROY, &destroy));
		/* Made with root's descriptor it is root's. */
		EXPECT_EQ(0, raw_ioctl(roots, WEIR_IOC_CREATE, &create));
		EXPECT_EQ(0, proc_pass_fd(sockets[1], raw_open_control()));
		_exit(0);
	}
	EXPECT_EQ(0, proc_wait(child));
	ASSERT_EQ(0, stat(self->path, &status));
	EXPECT_EQ(0, status.st_uid);
	alices = proc_receive_fd(sockets[0]);
	ASSERT_LE(0, alices);
	EXPECT_EQ(-EPERM, raw_ioctl(alices, WEIR_IOC_DESTROY, &destroy));
	EXPECT_EQ(0, raw_ioctl(roots, WEIR_IOC_DESTROY, &destroy));
	EXPECT_EQ(0, raw_ioctl(alices, WEIR_IOC_CREATE, &create));
	ASSERT_EQ(0, stat(self->path, &status));
	EXPECT_EQ(ALICE, status.st_uid);
}

/* As the kernel has them in extended attributes. */
struct acl {
	uint32_t version;
	struct {
		uint16_t tag, rights;
		uint32_t id;
	} entries[5];
};

/* Access to the node is its owner's, and @user's as far as @rights go. */
static int acl_set(const char *path, uint16_t rights, uint32_t user)
{
	const struct acl acl = {
		.version = 2,
		.entries = {
			{ 0x01, 6, -1 },		/* the owner */
			{ 0x02, rights, user },		/* a user by name */
			{ 0x04, 0, -1 },		/* the group */
			{ 0x10, 6, -1 },		/* the mask */
			{ 0x20, 0, -1 },		/* others */
		},
	};

	return raw_result(setxattr(path, "system.posix_acl_access", &acl, sizeof(acl), 0));
}

/* An access control list lets in whom it names, for what it says, and nobody else. */
TEST_F(rights, access_control_list)
{
	int ret;

	ASSERT_EQ(0, raw_create_as(self->name, 0, 0, 0, 0600));
	as_user(ALICE)
		EXPECT_EQ(-EACCES, raw_open(self->name, O_WRONLY));
	ret = acl_set(self->path, 2, ALICE);
	if (ret == -EOPNOTSUPP)
		SKIP(return, "the file system has no access control lists");
	ASSERT_EQ(0, ret);
	as_user(ALICE) {
		EXPECT_EQ(-EACCES, raw_open(self->name, O_RDONLY));
		EXPECT_EQ(-EACCES, raw_open(self->name, O_RDWR));
		EXPECT_EQ(5, raw_write_string(raw_open(self->name, O_WRONLY), "hello"));
		/* Sending is not managing. */
		EXPECT_EQ(-EPERM, raw_destroy(self->name));
		EXPECT_EQ(-EPERM, raw_purge(self->name));
	}
	as_user(BOB)
		EXPECT_EQ(-EACCES, raw_open(self->name, O_WRONLY));
	ASSERT_EQ(0, acl_set(self->path, 4, BOB));
	as_user(BOB) {
		char bytes[16];

		EXPECT_EQ(-EACCES, raw_open(self->name, O_WRONLY));
		EXPECT_EQ(5, raw_read(raw_open(self->name, O_RDONLY), bytes, sizeof(bytes)));
	}
	as_user(ALICE)
		EXPECT_EQ(-EACCES, raw_open(self->name, O_WRONLY));
}

/* I31: of a queue too, whatever became of the node and of us. */
TEST_F(rights, passed_queue)
{
	char byte;
	int fd;

	ASSERT_EQ(0, raw_create_as(self->name, 0, 0, 0, 0600));
	fd = raw_open(self->name, O_RDWR | O_NONBLOCK);
	ASSERT_EQ(0, chmod(self->path, 0));
	as_user(ALICE) {
		EXPECT_EQ(-EACCES, raw_open(self->name, O_RDONLY));
		for (door_now = DOOR_RW; door_now <= DOOR_URING; door_now++) {
			EXPECT_EQ(1, door_write(fd, "x", 1));
			EXPECT_EQ(1, door_read(fd, &byte, 1));
		}
	}
}

/* What was not opened for it. */
TEST_F(rights, direction)
{
	struct weir_send send = { 0 };
	struct weir_fetch fetch = { 0 };
	struct weir_settle settle = { 0 };
	char byte = 0;
	int in, out;

	ASSERT_EQ(0, raw_create(self->name));
	in = raw_open(self->name, O_RDONLY | O_NONBLOCK);
	out = raw_open(self->name, O_WRONLY | O_NONBLOCK);
	EXPECT_EQ(-EBADF, raw_write(in, &byte, 1));
	EXPECT_EQ(-EBADF, raw_read(out, &byte, 1));
	for (door_now = DOOR_IOCTL; door_now <= DOOR_URING; door_now++) {
		EXPECT_EQ(-EACCES, door_command(in, WEIR_IOC_SEND, &send));
		EXPECT_EQ(-EACCES, door_command(out, WEIR_IOC_FETCH, &fetch));
		EXPECT_EQ(-EACCES, door_command(out, WEIR_IOC_SETTLE, &settle));
	}
}

TEST_HARNESS_MAIN
