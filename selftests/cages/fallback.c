// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * libweir where io_uring is not to be had: it uses ioctl, and all it does comes to
 * the same. One script is run with io_uring, and again with it forbidden in each of
 * the ways that there are; each time it says the same.
 */
#include <stdarg.h>
#include <sys/stat.h>
#include <weir/weir.h>

#include "../fixture.h"
#include "forbid.h"

#define SYSCTL		"/proc/sys/kernel/io_uring_disabled"
#define SOON_NS		20000000

/* What the script has said. */
struct script {
	size_t length;
	char text[16 << 10];
};

/* One process's part of it. */
struct actor {
	struct script *script;
	const char *name;
	int control;
	struct weir_queue *queue;
	struct weir_ring *ring;
	struct weir_batch *batch;
};

__attribute__((format(printf, 2, 3)))
static void say(struct script *script, const char *format, ...)
{
	size_t room = sizeof(script->text) - script->length;
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(script->text + script->length, room, format, args);
	va_end(args);
	if (length < 0 || (size_t)length >= room)
		_exit(100);
	script->length += length;
}

static void say_batch(struct actor *actor)
{
	const struct weir_view *view;
	unsigned int i;

	say(actor->script, " [");
	for (i = 0; i < weir_batch_count(actor->batch); i++) {
		view = weir_batch_view(actor->batch, i);
		say(actor->script, " %llu:%.*s*%u=%d", (unsigned long long)view->desc.offset,
		    (int)view->desc.len, (const char *)view->data, view->desc.deliveries,
		    weir_batch_status(actor->batch, i));
	}
	say(actor->script, " ] %u not\n", weir_batch_failed(actor->batch));
}

/* The next completion; @all: and what the batch has come to. */
static void say_next(struct actor *actor, const char *what, bool all)
{
	struct weir_completion completion;
	int ret = weir_ring_reap(actor->ring, &completion, WEIR_FOREVER);

	if (ret) {
		say(actor->script, "%s: reap %d\n", what, ret);
		return;
	}
	say(actor->script, "%s: %s %d %llu", what, (char *)completion.user, completion.result,
	    (unsigned long long)completion.first_offset);
	if (all)
		say_batch(actor);
	else
		say(actor->script, "\n");
}

static int send_words(struct actor *actor, const char * const *words, int count,
		      int64_t timeout_ns, char *user)
{
	static struct weir_message messages[16];
	int i;

	memset(messages, 0, sizeof(messages));
	for (i = 0; i < count; i++) {
		messages[i].data = (uintptr_t)words[i];
		messages[i].len = strlen(words[i]);
	}
	return weir_ring_send(actor->ring, actor->queue, messages, count, timeout_ns, user);
}

static const char * const words[] = { "one", "two", "three", "four", "five", "six" };

/* The queue has room for four. */
static void act_send(struct actor *actor)
{
	say(actor->script, "send %d\n", send_words(actor, words, 6, WEIR_FOREVER, "six"));
	say_next(actor, "takes what it has room for", false);
	say(actor->script, "send %d\n", send_words(actor, words, 1, WEIR_NOW, "now"));
	say_next(actor, "full", false);
	say(actor->script, "send %d\n", send_words(actor, words, 1, SOON_NS, "soon"));
	say_next(actor, "full in the end", false);
	say(actor->script, "nothing in flight %d\n",
	    weir_ring_reap(actor->ring, &(struct weir_completion){ 0 }, WEIR_NOW));
}

static void act_receive(struct actor *actor)
{
	struct weir_ring *ring = actor->ring;
	struct weir_batch *batch = actor->batch;

	say(actor->script, "mapped %d\n", weir_batch_mapped(batch));
	say(actor->script, "receive %d\n", weir_ring_receive(ring, batch, WEIR_FOREVER, "all"));
	say(actor->script, "busy %d\n", weir_ring_receive(ring, batch, WEIR_FOREVER, "twice"));
	say_next(actor, "received", true);
	say(actor->script, "settle %d\n", weir_ring_settle(ring, batch, 1, 1, WEIR_ACK, "second"));
	say_next(actor, "settled", true);
	say(actor->script, "settle %d\n", weir_ring_settle(ring, batch, 1, 1, WEIR_ACK, "again"));
	say(actor->script, "release %d\n",
	    weir_ring_settle(ring, batch, 2, 1, WEIR_RELEASE, "third"));
	say_next(actor, "released", true);
	say(actor->script, "settle-receive %d\n",
	    weir_ring_settle_receive(ring, batch, WEIR_ACK, WEIR_FOREVER, "rest"));
	say_next(actor, "redelivered", true);
	say(actor->script, "settle-receive %d\n",
	    weir_ring_settle_receive(ring, batch, WEIR_ACK, WEIR_NOW, "none"));
	say_next(actor, "empty now", true);
	say(actor->script, "receive %d\n", weir_ring_receive(ring, batch, SOON_NS, "none"));
	say_next(actor, "empty in the end", true);
}

/* One that waits gets what comes, or is called back. */
static void act_wait(struct actor *actor)
{
	struct weir_ring *ring = actor->ring;
	struct weir_batch *batch = actor->batch;

	say(actor->script, "receive %d\n", weir_ring_receive(ring, batch, WEIR_FOREVER, "waits"));
	say(actor->script, "submit %d\n", weir_ring_submit(ring));
	say(actor->script, "nothing yet %d\n",
	    weir_ring_reap(ring, &(struct weir_completion){ 0 }, WEIR_NOW));
	say(actor->script, "nor soon %d\n",
	    weir_ring_reap(ring, &(struct weir_completion){ 0 }, SOON_NS));
	say(actor->script, "sent %d\n", weir_send(actor->queue, "late", 4, WEIR_FOREVER));
	say_next(actor, "came", true);
	say(actor->script, "settled %d\n", weir_settle(batch, 0, 1, WEIR_ACK));
	say(actor->script, "receive %d\n", weir_ring_receive(ring, batch, WEIR_FOREVER, "in vain"));
	say(actor->script, "submit %d\n", weir_ring_submit(ring));
	say(actor->script, "cancel %d\n", weir_ring_cancel(ring, "nobody"));
	say(actor->script, "nothing yet %d\n",
	    weir_ring_reap(ring, &(struct weir_completion){ 0 }, WEIR_NOW));
	say(actor->script, "cancel %d\n", weir_ring_cancel(ring, "in vain"));
	say_next(actor, "called back", true);
}

/* A sender that waits, and a receiver behind it that makes room. */
static void act_both(struct actor *actor)
{
	struct weir_batch *batch = actor->batch;
	int i;

	for (i = 0; i < 4; i++)
		say(actor->script, "sent %d\n", weir_send(actor->queue, words[i], 3, WEIR_NOW));
	say(actor->script, "full %d\n", weir_send(actor->queue, words[4], 3, WEIR_NOW));
	say(actor->script, "send %d\n", send_words(actor, words + 4, 1, WEIR_FOREVER, "fifth"));
	say(actor->script, "submit %d\n", weir_ring_submit(actor->ring));
	say(actor->script, "received %d\n", weir_receive(batch, WEIR_FOREVER));
	say(actor->script, "settled %d\n",
	    weir_settle(batch, 0, weir_batch_count(batch), WEIR_ACK));
	say_next(actor, "has room", false);
	say(actor->script, "received %d", weir_receive(batch, WEIR_FOREVER));
	say_batch(actor);
	say(actor->script, "settled %d\n", weir_settle(batch, 0, 1, WEIR_ACK));
}

static void act_end(struct actor *actor)
{
	struct weir_destroy destroy = { .flags = WEIR_DESTROY_FORCE };
	struct weir_batch *batch = actor->batch;

	say(actor->script, "sent %d\n", weir_send(actor->queue, "last", 4, WEIR_NOW));
	say(actor->script, "received %d\n", weir_receive(batch, WEIR_NOW));
	say(actor->script, "receive %d\n",
	    weir_ring_settle_receive(actor->ring, batch, WEIR_RELEASE, WEIR_FOREVER, "back"));
	say_next(actor, "released and had again", true);
	say(actor->script, "receive %d\n",
	    weir_ring_settle_receive(actor->ring, batch, WEIR_ACK, WEIR_FOREVER, "over"));
	say(actor->script, "submit %d\n", weir_ring_submit(actor->ring));
	raw_set_name(&destroy, actor->name);
	say(actor->script, "destroyed %d\n",
	    raw_ioctl(actor->control, WEIR_IOC_DESTROY, &destroy));
	say_next(actor, "destroyed", false);
	say(actor->script, "send %d\n", weir_send(actor->queue, "x", 1, WEIR_FOREVER));
}

struct way {
	enum forbid forbid;
	int disabled;			/* kernel.io_uring_disabled */
	uid_t uid;
	enum weir_door door;		/* that the library has to take */
};

static const struct way free_way = { .door = WEIR_DOOR_URING };

/* In a process of its own: it does not come back from what it forbids itself. */
static void act(struct actor *actor, const struct way *way, bool copy)
{
	struct weir_batch_options batch = {
		.size = sizeof(batch), .flags = copy ? WEIR_BATCH_COPY : 0,
	};
	struct weir_ring_options wanted = { .size = sizeof(wanted) };

	actor->control = raw_open_control();
	if (actor->control < 0 || (way->uid && proc_become(way->uid, way->uid)) ||
	    forbid(way->forbid))
		_exit(101);
	if (weir_queue_open(actor->name, NULL, &actor->queue) ||
	    weir_batch_new(actor->queue, &batch, &actor->batch) ||
	    weir_ring_new(&wanted, &actor->ring))
		_exit(102);
	if (weir_ring_door(actor->ring) != (int)way->door)
		_exit(103);
	act_send(actor);
	act_receive(actor);
	act_wait(actor);
	act_both(actor);
	act_end(actor);
	weir_ring_free(actor->ring);
	weir_batch_free(actor->batch);
	weir_queue_close(actor->queue);
	_exit(0);
}

static int set_disabled(int value)
{
	int fd = open(SYSCTL, O_WRONLY | O_CLOEXEC), ret;
	char digit = '0' + value;

	if (fd < 0)
		return -errno;
	ret = raw_write(fd, &digit, 1);
	close(fd);
	return ret < 0 ? ret : 0;
}

/* The whole script; the status of its process. */
static int play(struct script *script, const struct way *way, bool copy)
{
	char name[WEIR_NAME_SIZE], node[WEIR_NAME_SIZE + 32];
	struct actor actor = { .script = script, .name = raw_name(name) };
	int ret = raw_create_as(name, 4, 0, copy ? WEIR_CREATE_PRIVATE : 0, 0);
	pid_t child;

	if (ret || chmod(raw_path(node, name), 0666) || set_disabled(way->disabled))
		return -1;
	script->length = 0;
	child = proc_fork();
	if (!child)
		act(&actor, way, copy);
	ret = proc_wait(child);
	raw_destroy_force(name);
	set_disabled(0);
	return ret;
}

FIXTURE(fallback) {
	struct script *with, *without;
};

FIXTURE_VARIANT(fallback) {
	struct way way;
};

FIXTURE_VARIANT_ADD(fallback, asked_for_ioctl) {
	.way = { .door = WEIR_DOOR_IOCTL },
};

FIXTURE_VARIANT_ADD(fallback, seccomp_enosys) {
	.way = { .forbid = FORBID_URING_ENOSYS, .door = WEIR_DOOR_IOCTL },
};

FIXTURE_VARIANT_ADD(fallback, seccomp_eperm) {
	.way = { .forbid = FORBID_URING_EPERM, .door = WEIR_DOOR_IOCTL },
};

/* A ring, but it cannot be asked whether it does commands. */
FIXTURE_VARIANT_ADD(fallback, no_probe) {
	.way = { .forbid = FORBID_REGISTER, .door = WEIR_DOOR_IOCTL },
};

FIXTURE_VARIANT_ADD(fallback, disabled) {
	.way = { .disabled = 2, .door = WEIR_DOOR_IOCTL },
};

FIXTURE_VARIANT_ADD(fallback, disabled_for_users) {
	.way = { .disabled = 1, .uid = 60001, .door = WEIR_DOOR_IOCTL },
};

FIXTURE_VARIANT_ADD(fallback, disabled_but_not_for_root) {
	.way = { .disabled = 1, .door = WEIR_DOOR_URING },
};

FIXTURE_SETUP(fallback)
{
	self->with = proc_shared(sizeof(*self->with));
	self->without = proc_shared(sizeof(*self->without));
	ASSERT_NE(NULL, self->with);
	ASSERT_NE(NULL, self->without);
}

FIXTURE_TEARDOWN_PARENT(fallback)
{
	EXPECT_EQ(0, set_disabled(0));
}

/* Where they part. */
static void show(struct __test_metadata *_metadata, const char *with, const char *without)
{
	const char *line = with, *end;

	for (; *with && *with == *without; with++, without++)
		if (*with == '\n')
			line = with + 1;
	without -= with - line;
	for (end = line; *end && *end != '\n'; end++)
		;
	TH_LOG("with:    %.*s", (int)(end - line), line);
	TH_LOG("without: %.*s", (int)strcspn(without, "\n"), without);
}

static void compare(struct __test_metadata *_metadata, FIXTURE_DATA(fallback) *self,
		    const struct way *way, bool copy)
{
	setenv("WEIR_DOOR", "auto", 1);
	ASSERT_EQ(0, play(self->with, &free_way, copy));
	if (way->door == WEIR_DOOR_IOCTL && !way->forbid && !way->disabled)
		setenv("WEIR_DOOR", "ioctl", 1);
	EXPECT_EQ(0, play(self->without, way, copy));
	EXPECT_EQ(0, strcmp(self->with->text, self->without->text)) {
		show(_metadata, self->with->text, self->without->text);
	}
}

TEST_F(fallback, in_place)
{
	compare(_metadata, self, &variant->way, false);
}

TEST_F(fallback, copied)
{
	compare(_metadata, self, &variant->way, true);
}

/* The script is one that says something. */
TEST_F(queue, script)
{
	struct script *script = proc_shared(sizeof(*script));

	ASSERT_EQ(0, play(script, &free_way, false));
	TH_LOG("\n%s", script->text);
	EXPECT_NE(NULL, strstr(script->text, "takes what it has room for: six 4 0\n"));
	EXPECT_NE(NULL, strstr(script->text, "redelivered: rest 1 0 [ 2:three*2=1 ] 0 not\n"));
}

TEST_HARNESS_MAIN
