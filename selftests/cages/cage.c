// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A queue is all that a cage needs: bind-mounted, or passed as a descriptor; by
 * read and write, or with the library; while io_uring is not there (cage.h).
 */
#include "../fixture.h"
#include "cage.h"
#include "inmate.h"

FIXTURE(cage) {
	char name[WEIR_NAME_SIZE];
	char node[WEIR_NAME_SIZE + 32];
	const char *object;
	int queue;
	struct cage cage;
};

FIXTURE_VARIANT(cage) {
	bool passed;			/* or mounted */
	enum forbid forbid;
};

FIXTURE_VARIANT_ADD(cage, mounted_enosys) {
	.forbid = FORBID_URING_ENOSYS,
};

FIXTURE_VARIANT_ADD(cage, mounted_eperm) {
	.forbid = FORBID_URING_EPERM,
};

FIXTURE_VARIANT_ADD(cage, passed_enosys) {
	.passed = true, .forbid = FORBID_URING_ENOSYS,
};

FIXTURE_VARIANT_ADD(cage, passed_eperm) {
	.passed = true, .forbid = FORBID_URING_EPERM,
};

FIXTURE_SETUP(cage)
{
	ASSERT_EQ(0, raw_create(raw_name(self->name)));
	raw_path(self->node, self->name);
	ASSERT_EQ(0, chown(self->node, variant->passed ? 0 : CAGE_UID, 0));
	ASSERT_EQ(0, chmod(self->node, 0600));
	self->queue = raw_open(self->name, O_RDWR);
	ASSERT_LE(0, self->queue);
	self->object = variant->passed ? "passed" : self->node;
	self->cage.node = variant->passed ? NULL : self->node;
	self->cage.forbid = variant->forbid;
}

FIXTURE_TEARDOWN_PARENT(cage)
{
	int ret = raw_destroy_force(self->name);

	EXPECT_TRUE(ret == 0 || ret == -ENOENT);
}

static int begin(FIXTURE_DATA(cage) *self, const char *verb)
{
	int ret = cage_open(&self->cage, verb, self->object);

	return ret || self->cage.node ? ret : proc_pass_fd(self->cage.socket, self->queue);
}

/* Until the inmate has come so far; false when it ended instead. */
static bool wait_for(FIXTURE_DATA(cage) *self)
{
	char byte;

	return read(self->cage.socket, &byte, 1) == 1;
}

static bool ask(FIXTURE_DATA(cage) *self)
{
	static char bytes[INMATE_LARGEST];
	int i;

	for (i = 0; i < INMATE_MESSAGES; i++) {
		inmate_question(bytes, i);
		if (raw_write(self->queue, bytes, inmate_size(i)) != (long)inmate_size(i))
			return false;
	}
	return true;
}

/* The answer, and that its sender has the names which it has here. */
static bool answered(FIXTURE_DATA(cage) *self, int i)
{
	static _Alignas(struct weir_desc) char buffer[INMATE_LARGEST];
	const struct weir_desc *desc = (void *)buffer;
	struct weir_run run;
	struct weir_fetch fetch = {
		.runs = raw_address(&run), .nr_runs = 1, .max_messages = 1,
		.flags = WEIR_FETCH_SETTLED,
		.buffer = raw_address(buffer), .buffer_len = sizeof(buffer),
	};

	return raw_ioctl(self->queue, WEIR_IOC_FETCH, &fetch) == 1 &&
	       desc->len == inmate_size(i) && inmate_is(desc + 1, INMATE_ANSWER, i) &&
	       desc->uid == (self->cage.node ? CAGE_UID : 0) &&
	       desc->gid == (self->cage.node ? CAGE_GID : 0) &&
	       desc->pid == *self->cage.inmate;
}

TEST_F(cage, is_one)
{
	ASSERT_EQ(0, begin(self, "look"));
	EXPECT_EQ(0, cage_wait(&self->cage));
}

TEST_F(cage, read_and_write)
{
	int i;

	ASSERT_EQ(0, begin(self, "plain"));
	/* It waits as anybody does. */
	wait_waiters(self->name, 1);
	ASSERT_TRUE(ask(self));
	ASSERT_EQ(0, cage_wait(&self->cage));
	for (i = 0; i < INMATE_MESSAGES; i++)
		EXPECT_TRUE(answered(self, i));
	EXPECT_EQ(0, raw_figure(self->name, "depth"));
}

TEST_F(cage, library)
{
	int i;

	ASSERT_EQ(0, begin(self, "library"));
	ASSERT_TRUE(ask(self));
	ASSERT_TRUE(wait_for(self));
	EXPECT_EQ(1, write(self->cage.socket, "", 1));
	ASSERT_EQ(0, cage_wait(&self->cage));
	for (i = 0; i < INMATE_MESSAGES; i++)
		EXPECT_TRUE(answered(self, i));
	EXPECT_EQ(0, raw_figure(self->name, "depth"));
}

/* What an inmate held goes back when it is killed (I43). */
static void killed(struct __test_metadata *_metadata, FIXTURE_DATA(cage) *self, const char *verb)
{
	static _Alignas(struct weir_desc) char buffer[4096];
	struct weir_run run;
	struct weir_fetch fetch = {
		.runs = raw_address(&run), .nr_runs = 1, .max_messages = 1, .timeout_ns = -1,
		.buffer = raw_address(buffer), .buffer_len = sizeof(buffer),
	};

	ASSERT_EQ(4, raw_write_string(self->queue, "held"));
	ASSERT_EQ(0, begin(self, verb));
	ASSERT_TRUE(wait_for(self));
	EXPECT_EQ(1, raw_figure(self->name, "leased"));
	ASSERT_EQ(0, kill(*self->cage.inmate, SIGKILL));
	ASSERT_EQ(1, raw_ioctl(self->queue, WEIR_IOC_FETCH, &fetch));
	EXPECT_EQ(2, ((struct weir_desc *)buffer)->deliveries);
	EXPECT_EQ(128 + SIGKILL, cage_wait(&self->cage));
}

TEST_F(cage, killed_while_it_holds)
{
	killed(_metadata, self, "hold");
}

/* Its namespace ends, and so does everybody in it. */
TEST_F(cage, killed_with_its_namespace)
{
	killed(_metadata, self, "hold-below");
}

/* Destroyed meanwhile; and the place of the node is no way to the next queue. */
TEST_F(cage, node_of_a_destroyed_queue)
{
	ASSERT_EQ(0, begin(self, "wait"));
	wait_waiters(self->name, 1);
	ASSERT_EQ(0, raw_destroy_force(self->name));
	ASSERT_TRUE(wait_for(self));
	ASSERT_EQ(0, raw_create(self->name));
	EXPECT_EQ(1, write(self->cage.socket, "", 1));
	EXPECT_EQ(0, cage_wait(&self->cage));
}

/* A passed descriptor is good for what it was opened for. */
TEST_F(cage, halves)
{
	int reader = raw_open(self->name, O_RDONLY), writer = raw_open(self->name, O_WRONLY);

	ASSERT_EQ(0, cage_open(&self->cage, "halves", "passed"));
	ASSERT_EQ(0, proc_pass_fd(self->cage.socket, reader));
	ASSERT_EQ(0, proc_pass_fd(self->cage.socket, writer));
	EXPECT_EQ(0, cage_wait(&self->cage));
}

/* The node of somebody else, in the cage all the same. */
TEST_F(cage, refused)
{
	ASSERT_EQ(0, chown(self->node, 0, 0));
	self->cage.node = self->node;
	ASSERT_EQ(0, cage_open(&self->cage, "refused", self->node));
	EXPECT_EQ(0, cage_wait(&self->cage));
}

/* Nor for root, whom no mode of a node stops: its mount is of what is gone. */
TEST_F(queue, mounted_elsewhere)
{
	char node[WEIR_NAME_SIZE + 32], other[WEIR_NAME_SIZE];
	pid_t child = proc_fork();

	if (!child) {
		ASSERT_EQ(0, unshare(CLONE_NEWNS));
		ASSERT_EQ(0, mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
		ASSERT_EQ(0, mount(raw_path(node, self->name), "/dev/null", NULL, MS_BIND, NULL));
		EXPECT_EQ(1, raw_write_string(open("/dev/null", O_WRONLY), "x"));
		ASSERT_EQ(0, raw_destroy_force(self->name));
		EXPECT_EQ(-ENXIO, raw_result(open("/dev/null", O_WRONLY)));
		ASSERT_EQ(0, raw_create(raw_name(other)));
		EXPECT_EQ(-ENXIO, raw_result(open("/dev/null", O_WRONLY)));
		EXPECT_EQ(0, raw_destroy_force(other));
		_exit(0);
	}
	EXPECT_EQ(0, proc_wait(child));
}

TEST_HARNESS_MAIN
