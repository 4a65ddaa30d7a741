// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdarg.h>
#include <time.h>

#include "scene.h"

const char *scene_format(const char *format, ...)
{
	static char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return text;
}

long scene_fetch(struct scene *scene, struct weir_fetch *fetch)
{
	fetch->runs = raw_address(scene->runs);
	fetch->nr_runs = 16;
	fetch->max_messages = 16;
	return raw_ioctl(scene->fd, WEIR_IOC_FETCH, fetch);
}

const char *scene_told(struct scene *scene, __u64 count)
{
	struct weir_info info = { 0 };
	int ret = raw_ioctl(scene->told, WEIR_IOC_INFO, &info);

	if (ret)
		return scene_format("info: %d", ret);
	if (info.bytes != count * sizeof(struct weir_receipt) || info.sent)
		return scene_format("receipts: bytes %llu sent %llu", info.bytes, info.sent);
	return NULL;
}

const char *right_figures(struct scene *scene, __u64 depth, __u64 leased, __u64 settled)
{
	struct weir_info info;
	int ret = raw_info(scene->name, &info);

	if (ret)
		return scene_format("info: %d", ret);
	if (info.depth != depth || info.leased != leased || info.settled != settled)
		return scene_format("depth %llu leased %llu settled %llu", info.depth, info.leased,
				    info.settled);
	return NULL;
}

/* The queues beside that of the scene. */
static const char *begin_others(struct scene *scene, const struct sequence *sequence)
{
	struct weir_create told = {
		.type = WEIR_TYPE_QUEUE, .flags = WEIR_CREATE_ANONYMOUS,
		.policy = { .max_messages = 64, .max_bytes = 1 << 16 },
	};
	int ret;

	scene->told = scene->heir = -1;
	if (sequence->told) {
		scene->told = raw_ioctl(scene->control, WEIR_IOC_CREATE, &told);
		if (scene->told < 0)
			return scene_format("create: %d", scene->told);
	}
	if (!sequence->heir)
		return NULL;
	ret = raw_create_sized(raw_name(scene->heir_name), 64, 2 << 20);
	if (ret)
		return scene_format("create: %d", ret);
	scene->heir = raw_open(scene->heir_name, O_RDWR | O_NONBLOCK);
	return scene->heir < 0 ? scene_format("open: %d", scene->heir) : NULL;
}

static int begin_queue(struct scene *scene, const struct sequence *sequence)
{
	struct weir_create create = { .type = WEIR_TYPE_QUEUE, .policy = sequence->policy };

	if (!create.policy.max_messages)
		create.policy.max_messages = 64;
	create.policy.max_bytes = 2 << 20;
	if (create.policy.flags & WEIR_POLICY_DEAD_LETTER)
		create.policy.dead_letter = scene->heir;
	raw_set_name(&create, scene->name);
	return raw_ioctl(scene->control, WEIR_IOC_CREATE, &create);
}

static bool begin_message(struct scene *scene)
{
	struct weir_options options = { .flags = WEIR_OPTION_REPLY, .reply = scene->told };
	struct weir_message message = {
		.data = raw_address(scene->bytes), .len = LENGTH,
		.options = raw_address(&options), .options_len = sizeof(options),
	};
	struct weir_send send = { .messages = raw_address(&message), .count = 1 };

	if (scene->told < 0)
		return raw_write(scene->fd, scene->bytes, LENGTH) == LENGTH;
	return raw_ioctl(scene->fd, WEIR_IOC_SEND, &send) == 1;
}

const char *scene_begin(struct scene *scene, const struct sequence *sequence)
{
	struct weir_fetch fetch = { 0 };
	const char *wrong;
	int i, ret;

	raw_name(scene->name);
	scene->fd = -1;
	scene->nr_runs = 0;
	wrong = begin_others(scene, sequence);
	if (wrong)
		return wrong;
	if (sequence->ring && ring_make(&scene->ring, 4, 0))
		return "no ring";
	scene->has_ring = sequence->ring;
	if (sequence->no_queue)
		return NULL;
	ret = begin_queue(scene, sequence);
	if (ret)
		return scene_format("create: %d", ret);
	if (!sequence->closed) {
		scene->fd = raw_open(scene->name, O_RDWR | O_NONBLOCK);
		if (scene->fd < 0)
			return scene_format("open: %d", scene->fd);
	}
	for (i = 0; i < sequence->messages; i++)
		if (!begin_message(scene))
			return "send";
	if (sequence->leased) {
		if (scene_fetch(scene, &fetch) != sequence->leased)
			return "fetch";
		scene->nr_runs = fetch.nr_runs;
	}
	ret = raw_info(scene->name, &scene->before);
	return ret ? scene_format("info: %d", ret) : NULL;
}

const char *scene_nothing(struct scene *scene)
{
	char path[WEIR_NAME_SIZE + 32];
	struct weir_info info;
	int ret = raw_info(scene->name, &info);

	if (ret != -ENOENT)
		return scene_format("the queue is there: %d", ret);
	return access(raw_path(path, scene->name), F_OK) ? NULL : "the node is there";
}

const char *scene_unchanged(struct scene *scene, const struct sequence *sequence)
{
	const struct weir_info *before = &scene->before;
	struct weir_info info;
	int ret = raw_info(scene->name, &info);

	if (sequence->no_queue)
		return scene_nothing(scene);
	if (ret)
		return scene_format("info: %d", ret);
	if (info.sent != info.settled + info.purged + info.dropped + info.dead + info.depth +
	    info.leased + info.delayed + info.behind + info.dying)
		return "the figures do not add up";
	if (info.waiters)
		return "somebody waits";
	if (info.memory < before->memory)
		return scene_format("memory %llu after %llu", info.memory, before->memory);
	if (sequence->told && scene_told(scene, 0))
		return scene_told(scene, 0);
	if (sequence->quiet)
		return NULL;
	if (memcmp(&info.policy, &before->policy, sizeof(info.policy)) ||
	    strcmp(info.dead_letter, before->dead_letter))
		return "another policy";
	if (info.depth != before->depth || info.leased != before->leased ||
	    info.behind != before->behind || info.dropped != before->dropped ||
	    info.dead + info.dying != before->dead + before->dying ||
	    info.bytes != before->bytes || info.sent != before->sent ||
	    info.settled != before->settled || info.purged != before->purged)
		return scene_format("depth %llu leased %llu bytes %llu sent %llu settled %llu",
				    info.depth, info.leased, info.bytes, info.sent, info.settled);
	return NULL;
}

/* A ring that ends lets go of its files a little later. */
static int destroy(const char *name)
{
	struct timespec tick = { .tv_nsec = 10000000 };
	int i, ret;

	for (i = 0; i < 500; i++) {
		ret = raw_destroy(name);
		if (ret != -EBUSY)
			break;
		nanosleep(&tick, NULL);
	}
	return ret;
}

/* Emptied, it is in use by nobody. */
static const char *end_queue(const char *name)
{
	struct weir_info info;
	long ret;

	if (raw_info(name, &info) == -ENOENT)
		return NULL;
	ret = raw_purge(name);
	if (ret < 0)
		return scene_format("purge: %ld", ret);
	ret = destroy(name);
	if (!ret)
		return NULL;
	raw_info(name, &info);
	raw_destroy_force(name);
	return scene_format("destroy: %ld; depth %llu leased %llu bytes %llu", ret, info.depth,
			    info.leased, info.bytes);
}

const char *scene_end(struct scene *scene, const struct sequence *sequence)
{
	const char *wrong;

	if (scene->has_ring)
		ring_end(&scene->ring);
	scene->has_ring = false;
	if (scene->fd >= 0)
		close(scene->fd);
	scene->fd = -1;
	if (scene->told >= 0)
		close(scene->told);
	scene->told = -1;
	wrong = end_queue(scene->name);
	if (scene->heir < 0)
		return wrong;
	close(scene->heir);
	scene->heir = -1;
	return wrong ? wrong : end_queue(scene->heir_name);
}
