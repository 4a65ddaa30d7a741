// SPDX-License-Identifier: MIT
/* weir queue browse, and weir queue show --leases: what is looked at and not taken */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "weir.h"

/* So many bytes of messages are held at a time, or one message. */
#define WINDOW		(32ULL << 20)

/* What is told of a message; @text only where it is printed. */
struct look {
	struct weir_browsed browsed;
	char		*text;
	size_t		len;
};

struct looks {
	const struct args *args;
	struct look	*list;
	size_t		nr;
	size_t		room;
};

static struct look *looks_add(struct looks *looks, const struct weir_browsed *browsed)
{
	struct look *list = looks->list;

	if (looks->nr == looks->room) {
		looks->room = looks->room * 2 + 1024;
		list = realloc(list, looks->room * sizeof(*list));
		if (!list)
			return NULL;
		looks->list = list;
	}
	list[looks->nr] = (struct look){ .browsed = *browsed };
	return &list[looks->nr++];
}

static void looks_free(struct looks *looks)
{
	size_t i;

	for (i = 0; i < looks->nr; i++)
		free(looks->list[i].text);
	free(looks->list);
	*looks = (struct looks){ .args = looks->args };
}

static int by_offset(const void *a, const void *b)
{
	uint64_t x = ((const struct look *)a)->browsed.desc.offset;
	uint64_t y = ((const struct look *)b)->browsed.desc.offset;

	return (x > y) - (x < y);
}

static int look_bare(const struct weir_browsed *browsed, const struct weir_view *view,
		     void *context)
{
	(void)view;
	return looks_add(context, browsed) ? 0 : -ENOMEM;
}

/* All that @options ask for, without the messages, by offset. */
static int looks_find(struct weir_queue *queue, struct weir_browse_options options,
		      struct looks *looks)
{
	int ret;

	options.flags = WEIR_BROWSE_BARE;
	ret = weir_browse(queue, &options, look_bare, looks);
	if (!ret && looks->nr)
		qsort(looks->list, looks->nr, sizeof(*looks->list), by_offset);
	return ret;
}

static int look_text(const struct weir_browsed *browsed, const struct weir_view *view,
		     void *context)
{
	struct looks *looks = context;
	struct look *look = looks_add(looks, browsed);
	struct text text = { 0 };

	if (!look)
		return -ENOMEM;
	if (looks->args->json)
		format_browsed(&text, browsed, view);
	else
		format_message(&text, looks->args->values[OPT_FORMAT], view);
	look->text = text.bytes;
	look->len = text.len;
	return 0;
}

/* Prints the messages from offset @first to @last. */
static int browse_window(struct weir_queue *queue, const struct args *args,
			 uint64_t first, uint64_t last)
{
	struct weir_browse_options options = {
		.size = sizeof(options), .first = first, .end = last + 1,
	};
	struct looks looks = { .args = args };
	size_t i;
	int ret;

	ret = weir_browse(queue, &options, look_text, &looks);
	if (!ret && looks.nr)
		qsort(looks.list, looks.nr, sizeof(*looks.list), by_offset);
	for (i = 0; i < looks.nr && !ret; i++)
		fwrite(looks.list[i].text, 1, looks.list[i].len, stdout);
	looks_free(&looks);
	return ret;
}

static uint64_t message_size(const struct look *look)
{
	const struct weir_desc *desc = &look->browsed.desc;

	return sizeof(*look) + desc->len + desc->key_len + desc->headers_len;
}

/* Of what was found the first @most, in windows: each is one look at the queue. */
static int browse_all(struct weir_queue *queue, const struct looks *looks, uint64_t most)
{
	const size_t nr = looks->nr < most ? looks->nr : most;
	size_t i = 0;
	int ret = 0;

	while (i < nr && !ret && !ferror(stdout)) {
		const uint64_t first = looks->list[i].browsed.desc.offset;
		uint64_t bytes = 0;

		do {
			bytes += message_size(&looks->list[i++]);
		} while (i < nr && bytes + message_size(&looks->list[i]) <= WINDOW);
		ret = browse_window(queue, looks->args, first,
				    looks->list[i - 1].browsed.desc.offset);
	}
	return ret;
}

static int open_to_look(const char *name, struct weir_queue **queue)
{
	struct weir_open_options open = {
		.size = sizeof(open), .flags = WEIR_OPEN_RECEIVE,
	};

	return weir_queue_open(name, &open, queue);
}

static enum status browse_options(const struct args *args, uint64_t *first, uint64_t *most)
{
	const char *bad;

	*first = 0;
	*most = UINT64_MAX;
	if (args->values[OPT_FROM] && parse_count(args->values[OPT_FROM], first))
		return usage(args->verb, "--from: '%s' is not an offset", args->values[OPT_FROM]);
	if (args->values[OPT_MOST] && parse_count(args->values[OPT_MOST], most))
		return usage(args->verb, "--count: '%s' is not a number", args->values[OPT_MOST]);
	if (args->values[OPT_FORMAT] && args->json)
		return usage(args->verb, "--format and -j exclude each other");
	if (args->values[OPT_FORMAT] && format_check(args->values[OPT_FORMAT], &bad))
		return usage(args->verb, "--format: '%s' is not known", bad);
	return DONE;
}

enum status queue_browse(const struct args *args)
{
	struct weir_browse_options options = { .size = sizeof(options) };
	struct looks looks = { .args = args };
	struct weir_queue *queue = NULL;
	const char *name = args->words[0];
	enum status status;
	uint64_t most;
	int ret;

	status = browse_options(args, &options.first, &most);
	if (status)
		return status;
	ret = open_to_look(name, &queue);
	if (!ret)
		ret = looks_find(queue, options, &looks);
	if (!ret)
		ret = browse_all(queue, &looks, most);
	looks_free(&looks);
	weir_queue_close(queue);
	return ret ? fail_queue(name, ret) : print_end();
}

static void print_lease_json(const struct weir_browsed *lease, int64_t age)
{
	json_t *object = json_pack("{sI sI sI sI si}",
				   "offset", (json_int_t)lease->desc.offset,
				   "pid", (json_int_t)lease->holder_pid,
				   "uid", (json_int_t)lease->holder_uid,
				   "age_ns", (json_int_t)age,
				   "deliveries", (int)lease->desc.deliveries);

	set_bytes(object, "name", "name_base64", lease->holder, strlen(lease->holder));
	json_object_set_new(object, "left_ns", json_integer(lease->left_ns));
	print_json(object);
}

static void print_lease(const struct weir_browsed *lease, int64_t age)
{
	char since[DURATION_SIZE], left[DURATION_SIZE];

	printf("%10llu %8u %8u %6u %10s %10s  %s\n",
	       (unsigned long long)lease->desc.offset, lease->holder_pid, lease->holder_uid,
	       lease->desc.deliveries, duration_short(age, since),
	       duration_short(lease->left_ns, left), lease->holder[0] ? lease->holder : "-");
}

enum status queue_leases(const struct args *args)
{
	struct weir_browse_options options = {
		.size = sizeof(options), .states = WEIR_BROWSE_LEASED,
	};
	struct looks looks = { .args = args };
	struct weir_queue *queue = NULL;
	const char *name = args->words[0];
	struct timespec now;
	size_t i;
	int ret;

	ret = open_to_look(name, &queue);
	if (!ret)
		ret = looks_find(queue, options, &looks);
	clock_gettime(CLOCK_REALTIME, &now);
	if (!ret && !args->json)
		printf("%10s %8s %8s %6s %10s %10s  %s\n", "OFFSET", "PID", "UID", "COUNT",
		       "AGE", "LEFT", "NAME");
	for (i = 0; i < looks.nr && !ret; i++) {
		const struct weir_browsed *lease = &looks.list[i].browsed;
		int64_t age = now.tv_sec * 1000000000LL + now.tv_nsec - lease->desc.stamp_ns;

		(args->json ? print_lease_json : print_lease)(lease, age < 0 ? 0 : age);
	}
	looks_free(&looks);
	weir_queue_close(queue);
	return ret ? fail_queue(name, ret) : print_end();
}
