// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <sys/epoll.h>

#include "scene.h"

static long create(struct scene *scene)
{
	struct weir_create create = {
		.type = WEIR_TYPE_QUEUE, .policy = { .max_messages = 64, .max_bytes = 2 << 20 },
	};

	raw_set_name(&create, scene->name);
	return raw_ioctl(scene->control, WEIR_IOC_CREATE, &create);
}

/* The descriptor is as far as it goes, or there is none, and nothing else either. */
static long create_anonymous(struct scene *scene)
{
	struct weir_create create = {
		.type = WEIR_TYPE_QUEUE, .flags = WEIR_CREATE_ANONYMOUS,
		.policy = { .max_messages = 64, .max_bytes = 2 << 20 },
	};

	scene->fd = raw_ioctl(scene->control, WEIR_IOC_CREATE, &create);
	return scene->fd < 0 ? scene->fd : 0;
}

static const char *usable(struct scene *scene, long value)
{
	if (scene->fd < 0)
		scene->fd = raw_open(scene->name, O_RDWR | O_NONBLOCK);
	if (scene->fd < 0)
		return scene_format("open: %d", scene->fd);
	if (raw_write(scene->fd, scene->bytes, LENGTH) != LENGTH)
		return "write";
	return raw_read(scene->fd, scene->buffer, BUFFER) == LENGTH ? NULL : "read";
}

static long open_node(struct scene *scene)
{
	scene->fd = raw_open(scene->name, O_RDWR | O_NONBLOCK);
	return scene->fd < 0 ? scene->fd : 0;
}

static long send_messages(struct scene *scene, __u32 count, __u32 length, bool uring)
{
	struct weir_options options = {
		.flags = WEIR_OPTION_RECEIPT, .receipt = scene->told, .token = 1,
	};
	struct weir_message messages[BATCH] = { 0 };
	struct weir_send send = { .messages = raw_address(messages), .count = count };
	__u32 i;

	for (i = 0; i < count; i++) {
		messages[i].data = messages[i].key = raw_address(scene->bytes);
		messages[i].len = length;
		messages[i].key_len = 10;
		if (scene->told < 0)
			continue;
		messages[i].options = raw_address(&options);
		messages[i].options_len = sizeof(options);
	}
	if (uring)
		return ring_do(&scene->ring, scene->fd, WEIR_IOC_SEND, &send, sizeof(send));
	return raw_ioctl(scene->fd, WEIR_IOC_SEND, &send);
}

static long send_one(struct scene *scene)
{
	return send_messages(scene, 1, LENGTH, false);
}

static long send_batch(struct scene *scene)
{
	return send_messages(scene, BATCH, LENGTH, false);
}

static long send_five(struct scene *scene)
{
	return send_messages(scene, 5, LENGTH, false);
}

static long send_large(struct scene *scene)
{
	return send_messages(scene, 2, LARGE, false);
}

static long send_uring(struct scene *scene)
{
	return send_messages(scene, BATCH, LENGTH, true);
}

static const char *sent(struct scene *scene, long value)
{
	return right_figures(scene, value, 0, 0);
}

static const char *sent_and_told(struct scene *scene, long value)
{
	const char *wrong = sent(scene, value);

	return wrong ? wrong : scene_told(scene, value);
}

static long write_one(struct scene *scene)
{
	return raw_write(scene->fd, scene->bytes, 5000);
}

static const char *written(struct scene *scene, long value)
{
	if (raw_read(scene->fd, scene->buffer, BUFFER) != 5000 ||
	    memcmp(scene->buffer, scene->bytes, 5000))
		return "read";
	return NULL;
}

static long fetch_in_place(struct scene *scene)
{
	struct weir_fetch fetch = { 0 };

	return scene_fetch(scene, &fetch);
}

static long fetch_copied(struct scene *scene)
{
	struct weir_fetch fetch = { .buffer = raw_address(scene->buffer), .buffer_len = BUFFER };

	return scene_fetch(scene, &fetch);
}

static const char *leased(struct scene *scene, long value)
{
	return right_figures(scene, 0, MESSAGES, 0);
}

static long fetch_settled(struct scene *scene)
{
	struct weir_fetch fetch = {
		.buffer = raw_address(scene->buffer), .buffer_len = BUFFER,
		.flags = WEIR_FETCH_SETTLED,
	};

	return scene_fetch(scene, &fetch);
}

static const char *settled(struct scene *scene, long value)
{
	return right_figures(scene, 0, 0, MESSAGES);
}

static long fetch_uring(struct scene *scene)
{
	struct weir_fetch fetch = {
		.runs = raw_address(scene->runs), .nr_runs = 16, .max_messages = 16,
	};

	return ring_do(&scene->ring, scene->fd, WEIR_IOC_FETCH, &fetch, sizeof(fetch));
}

/* It says whether it is parked; it waits since the descriptor may. */
static long fetch_parked(struct scene *scene)
{
	static struct weir_fetch fetch;
	int ret;

	fetch = (struct weir_fetch){
		.runs = raw_address(scene->runs), .nr_runs = 16, .max_messages = 16,
		.timeout_ns = -1,
	};
	fcntl(scene->fd, F_SETFL, O_RDWR);
	/* A ring that could not submit still has what was to be submitted. */
	ring_end(&scene->ring);
	scene->has_ring = false;
	ret = ring_make(&scene->ring, 4, 0);
	if (ret)
		return ret;
	scene->has_ring = true;
	ring_command(&scene->ring, scene->fd, WEIR_IOC_FETCH, &fetch, sizeof(fetch), 0);
	ret = ring_enter(&scene->ring, 0);
	if (ret < 0)
		return ret;
	return ring_reap(&scene->ring, &ret, NULL) ? ret : 0;
}

static const char *parked(struct scene *scene, long value)
{
	if (raw_figure(scene->name, "waiters") != 1)
		return "nobody waits";
	if (raw_write(scene->fd, scene->bytes, LENGTH) != LENGTH)
		return "write";
	return ring_next(&scene->ring, NULL) == 1 ? NULL : "no message came";
}

static long read_one(struct scene *scene)
{
	return raw_read(scene->fd, scene->buffer, BUFFER);
}

static const char *was_read(struct scene *scene, long value)
{
	if (memcmp(scene->buffer, scene->bytes, LENGTH))
		return "other bytes";
	return right_figures(scene, MESSAGES - 1, 0, 1);
}

/* What was settled before it failed is stale when it is tried once more. */
static long settle(struct scene *scene)
{
	struct weir_settle settle = {
		.runs = raw_address(scene->runs), .count = scene->nr_runs,
	};
	long ret = raw_ioctl(scene->fd, WEIR_IOC_SETTLE, &settle);

	return ret ? ret : raw_figure(scene->name, "settled");
}

static long map(struct scene *scene)
{
	struct weir_layout layout = { 0 };
	volatile const char *memory;
	long ret = raw_ioctl(scene->fd, WEIR_IOC_LAYOUT, &layout);

	if (ret)
		return ret;
	memory = mmap(NULL, layout.pool_length, PROT_READ, MAP_SHARED, scene->fd,
		      layout.pool_offset);
	if (memory == MAP_FAILED)
		return -errno;
	ret = memory[0] == scene->bytes[0] ? 0 : -EIO;
	munmap((void *)memory, layout.pool_length);
	return ret;
}

static long info(struct scene *scene)
{
	struct weir_info info = { 0 };

	raw_set_name(&info, scene->name);
	return raw_ioctl(scene->control, WEIR_IOC_INFO, &info);
}

static long purge(struct scene *scene)
{
	struct weir_purge purge = { 0 };

	raw_set_name(&purge, scene->name);
	return raw_ioctl(scene->control, WEIR_IOC_PURGE, &purge);
}

static const char *purged(struct scene *scene, long value)
{
	return right_figures(scene, 0, 0, 0);
}

static long destroy(struct scene *scene)
{
	struct weir_destroy destroy = { 0 };

	raw_set_name(&destroy, scene->name);
	return raw_ioctl(scene->control, WEIR_IOC_DESTROY, &destroy);
}

static const char *gone(struct scene *scene, long value)
{
	return scene_nothing(scene);
}

static long watch(struct scene *scene)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC), ret;

	if (epoll < 0)
		return -errno;
	ret = raw_result(epoll_ctl(epoll, EPOLL_CTL_ADD, scene->fd, &event));
	if (!ret)
		ret = raw_result(epoll_wait(epoll, &event, 1, 0));
	close(epoll);
	return ret;
}

const struct sequence sequences[] = {
	{ "create", .no_queue = true, .call = create, .verify = usable },
	{ "create without a name", .no_queue = true, .call = create_anonymous, .verify = usable },
	{ "create with all", .no_queue = true, .heir = true, .call = call_create_all,
	  .verify = usable },
	{ "open", .closed = true, .call = open_node, .verify = usable },
	{ "send", .want = 1, .call = send_one, .verify = sent },
	{ "send a batch", .want = BATCH, .partly = true, .call = send_batch, .verify = sent },
	{ "send large ones", .want = 2, .partly = true, .call = send_large, .verify = sent },
	{ "send by uring", .want = BATCH, .partly = true, .ring = true, .call = send_uring,
	  .verify = sent },
	{ "send with receipts", .want = BATCH, .partly = true, .told = true, .call = send_batch,
	  .verify = sent_and_told },
	{ "send with keys", .want = BATCH, .partly = true, .call = send_batch,
	  .policy.flags = WEIR_POLICY_KEYED, .verify = right_behind },
	{ "send with ids", .want = BATCH, .partly = true, .call = call_send_ids,
	  .policy.dedup_count = 100, .verify = right_ids },
	{ "send where others are dropped", .want = 5, .partly = true, .quiet = true,
	  .messages = FEW,
	  .policy = { .max_messages = FEW, .when_full = WEIR_WHEN_FULL_DROP_OLDEST },
	  .call = send_five, .verify = right_dropped },
	{ "send where others die", .want = 5, .partly = true, .quiet = true, .messages = FEW,
	  .heir = true,
	  .policy = { .max_messages = FEW, .when_full = WEIR_WHEN_FULL_DEAD_LETTER,
		      .flags = WEIR_POLICY_DEAD_LETTER },
	  .call = send_five, .verify = right_buried },
	{ "producer", .call = call_producer },
	{ "write", .want = 5000, .call = write_one, .verify = written },
	{ "fetch in place", .want = MESSAGES, .messages = MESSAGES, .call = fetch_in_place,
	  .verify = leased },
	{ "fetch copied", .want = MESSAGES, .messages = MESSAGES, .call = fetch_copied,
	  .verify = leased },
	{ "fetch settled", .want = MESSAGES, .messages = MESSAGES, .call = fetch_settled,
	  .verify = settled },
	{ "fetch by uring", .want = MESSAGES, .messages = MESSAGES, .ring = true,
	  .call = fetch_uring, .verify = leased },
	{ "fetch parked", .ring = true, .call = fetch_parked, .verify = parked },
	{ "read", .want = LENGTH, .messages = MESSAGES, .call = read_one, .verify = was_read },
	{ "settle", .want = MESSAGES, .messages = MESSAGES, .leased = MESSAGES, .quiet = true,
	  .call = settle, .verify = settled },
	{ "give up", .want = MESSAGES, .messages = MESSAGES, .leased = MESSAGES, .quiet = true,
	  .heir = true, .policy.flags = WEIR_POLICY_DEAD_LETTER, .call = call_give_up,
	  .verify = right_given_up },
	{ "reply", .want = 1, .messages = MESSAGES, .leased = MESSAGES, .told = true,
	  .call = call_reply, .verify = right_replied },
	{ "transaction", .messages = MESSAGES, .leased = MESSAGES, .told = true,
	  .call = call_txn, .verify = right_txn },
	{ "transaction by uring", .messages = MESSAGES, .leased = MESSAGES, .told = true,
	  .ring = true, .call = call_txn_uring, .verify = right_txn },
	{ "browse", .want = MESSAGES, .messages = MESSAGES, .call = call_browse },
	{ "name", .call = call_name, .verify = right_named },
	{ "alter", .messages = MESSAGES, .heir = true, .call = call_alter,
	  .verify = right_altered },
	{ "mmap", .messages = MESSAGES, .call = map },
	{ "epoll", .want = 1, .messages = MESSAGES, .call = watch },
	{ "info", .call = info },
	{ "purge", .messages = MESSAGES, .quiet = true, .call = purge, .verify = purged },
	{ "destroy", .closed = true, .call = destroy, .verify = gone },
};

const int nr_sequences = sizeof(sequences) / sizeof(sequences[0]);
