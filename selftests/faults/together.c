// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Calls that are about more than one queue, or about what a queue is. */
#include "../proc.h"
#include "scene.h"

static const char *info_of(struct scene *scene, int fd, struct weir_info *info)
{
	int ret;

	memset(info, 0, sizeof(*info));
	ret = fd < 0 ? raw_info(scene->name, info) : raw_ioctl(fd, WEIR_IOC_INFO, info);
	return ret ? scene_format("info: %d", ret) : NULL;
}

/* So many are ready in the queue behind @fd. */
static const char *has(struct scene *scene, int fd, __u64 depth)
{
	struct weir_info info;
	const char *wrong = info_of(scene, fd, &info);

	if (wrong)
		return wrong;
	return info.depth == depth ? NULL : scene_format("depth %llu there", info.depth);
}

/* What dies is moved a moment later. */
static const char *gets(struct scene *scene, int fd, __u64 depth)
{
	struct weir_info info;
	const char *wrong;

	wait_until((wrong = info_of(scene, fd, &info)) || info.depth == depth);
	return wrong;
}

long call_create_all(struct scene *scene)
{
	struct weir_create create = {
		.type = WEIR_TYPE_QUEUE,
		.policy = {
			.max_messages = 64, .max_bytes = 2 << 20, .dedup_count = 100,
			.flags = WEIR_POLICY_KEYED | WEIR_POLICY_DEAD_LETTER,
			.dead_letter = scene->heir, .when_full = WEIR_WHEN_FULL_DEAD_LETTER,
		},
	};

	raw_set_name(&create, scene->name);
	return raw_ioctl(scene->control, WEIR_IOC_CREATE, &create);
}

long call_alter(struct scene *scene)
{
	struct weir_alter alter = {
		.policy = {
			.max_messages = 32, .max_bytes = 1 << 20,
			.max_deliveries = 3, .prefetch = 5,
			.flags = WEIR_POLICY_DEAD_LETTER, .dead_letter = scene->heir,
		},
	};

	raw_set_name(&alter, scene->name);
	return raw_ioctl(scene->control, WEIR_IOC_ALTER, &alter);
}

const char *right_altered(struct scene *scene, long value)
{
	struct weir_info info;
	const char *wrong = info_of(scene, -1, &info);

	if (wrong)
		return wrong;
	if (info.policy.prefetch != 5 || info.policy.max_messages != 32)
		return "not all was altered";
	return strcmp(info.dead_letter, scene->heir_name) ? "no dead letter queue" : NULL;
}

/* Settles what is leased, and sends two to another queue and one to the same. */
static long txn(struct scene *scene, bool uring)
{
	struct weir_message messages[2] = {
		{ .data = raw_address(scene->bytes), .len = LENGTH },
		{ .data = raw_address(scene->bytes), .len = 5000 },
	};
	struct weir_part parts[] = {
		{ .fd = scene->told, .items = raw_address(messages), .count = 2 },
		{ .fd = scene->fd, .op = WEIR_PART_SETTLE, .items = raw_address(scene->runs),
		  .count = scene->nr_runs },
		{ .fd = scene->fd, .items = raw_address(messages), .count = 1 },
	};
	struct weir_txn txn = { .parts = raw_address(parts), .count = 3 };

	if (uring)
		return ring_do(&scene->ring, scene->fd, WEIR_IOC_TXN, &txn, sizeof(txn));
	return raw_ioctl(scene->fd, WEIR_IOC_TXN, &txn);
}

long call_txn(struct scene *scene)
{
	return txn(scene, false);
}

long call_txn_uring(struct scene *scene)
{
	return txn(scene, true);
}

const char *right_txn(struct scene *scene, long value)
{
	const char *wrong = right_figures(scene, 1, 0, MESSAGES);

	return wrong ? wrong : has(scene, scene->told, 2);
}

long call_reply(struct scene *scene)
{
	struct weir_message answer = { .data = raw_address(scene->bytes), .len = 5000 };
	struct weir_reply reply = { .run = scene->runs[0], .message = raw_address(&answer) };

	reply.run.count = 1;
	return raw_ioctl(scene->fd, WEIR_IOC_REPLY, &reply);
}

const char *right_replied(struct scene *scene, long value)
{
	const char *wrong = right_figures(scene, 0, MESSAGES - 1, 1);

	return wrong ? wrong : has(scene, scene->told, 1);
}

long call_producer(struct scene *scene)
{
	struct weir_producer producer = { .name = "producer" };
	long ret = raw_ioctl(scene->fd, WEIR_IOC_PRODUCER, &producer);

	return ret ? ret : !producer.id;
}

/* Each has an id of its own. */
long call_send_ids(struct scene *scene)
{
	struct weir_options options[BATCH] = { 0 };
	struct weir_message messages[BATCH] = { 0 };
	struct weir_send send = { .messages = raw_address(messages), .count = BATCH };
	__u32 i;

	for (i = 0; i < BATCH; i++) {
		options[i].id = raw_address(scene->bytes + i);
		options[i].id_len = 16;
		messages[i].data = raw_address(scene->bytes);
		messages[i].len = LENGTH;
		messages[i].options = raw_address(&options[i]);
		messages[i].options_len = sizeof(*options);
	}
	return raw_ioctl(scene->fd, WEIR_IOC_SEND, &send);
}

const char *right_ids(struct scene *scene, long value)
{
	struct weir_info info;
	const char *wrong;

	if (call_send_ids(scene) != BATCH)
		return "it cannot be sent again";
	wrong = info_of(scene, -1, &info);
	if (wrong)
		return wrong;
	if (info.sent != BATCH || info.duplicates != (__u64)value)
		return scene_format("sent %llu duplicates %llu", info.sent, info.duplicates);
	return NULL;
}

const char *right_behind(struct scene *scene, long value)
{
	struct weir_info info;
	const char *wrong = info_of(scene, -1, &info);

	if (wrong)
		return wrong;
	if (info.depth != 1 || info.behind != (__u64)value - 1)
		return scene_format("depth %llu behind %llu", info.depth, info.behind);
	return NULL;
}

/* Others go before what comes for them is read, and stay away if that fails. */
static const char *made_room(const struct weir_info *info, __u64 gone, long value)
{
	if (gone < (__u64)value || gone > 5 || info->depth != FEW - gone + value)
		return scene_format("depth %llu, %llu are gone for %ld", info->depth, gone, value);
	return NULL;
}

const char *right_dropped(struct scene *scene, long value)
{
	struct weir_info info;
	const char *wrong = info_of(scene, -1, &info);

	return wrong ? wrong : made_room(&info, info.dropped, value);
}

const char *right_buried(struct scene *scene, long value)
{
	struct weir_info info;
	const char *wrong = info_of(scene, -1, &info);

	if (!wrong)
		wrong = made_room(&info, info.dying + info.dead, value);
	return wrong ? wrong : gets(scene, scene->heir, info.dying + info.dead);
}

/* What was settled before it failed is stale when it is tried once more. */
long call_give_up(struct scene *scene)
{
	struct weir_settle settle = {
		.runs = raw_address(scene->runs), .count = scene->nr_runs,
		.reason = raw_address("no good"), .reason_len = 7,
	};
	struct weir_info info;
	long ret;
	int i;

	for (i = 0; i < scene->nr_runs; i++)
		scene->runs[i].op = WEIR_TERM;
	ret = raw_ioctl(scene->fd, WEIR_IOC_SETTLE, &settle);
	if (ret)
		return ret;
	return info_of(scene, -1, &info) ? -EIO : (long)(info.dying + info.dead);
}

const char *right_given_up(struct scene *scene, long value)
{
	const char *wrong = gets(scene, scene->heir, MESSAGES);

	return wrong ? wrong : right_figures(scene, 0, 0, 0);
}

long call_browse(struct scene *scene)
{
	struct weir_browse browse = {
		.buffer = raw_address(scene->buffer), .buffer_len = BUFFER,
		.flags = WEIR_BROWSE_PAYLOAD,
	};

	return raw_ioctl(scene->fd, WEIR_IOC_BROWSE, &browse);
}

long call_name(struct scene *scene)
{
	struct weir_name name = { .name = "worker" };

	return raw_ioctl(scene->fd, WEIR_IOC_NAME, &name);
}

const char *right_named(struct scene *scene, long value)
{
	return raw_figure(scene->name, "consumers") == 1 ? NULL : "it is no consumer";
}
