// SPDX-License-Identifier: MIT
#include "demo.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* As the weir tool has them. */
#define EXIT_USAGE	2
#define EXIT_NO_MODULE	7

uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

int failed(const char *what, int error)
{
	fprintf(stderr, "weir-demo: %s: %s\n", what, strerror(-error));
	return 1;
}

static int usage(FILE *to)
{
	fputs("usage: weir-demo [--plain | --door auto|ioctl|uring] FILE\n"
	      "\n"
	      "Sends the lines of FILE (1000 or more) through a queue, between processes of\n"
	      "which one is killed, and checks that each came out once, whole and in order.\n"
	      "\n"
	      "  --plain   by write(2) and read(2) of the device alone\n"
	      "  --door    the way into the kernel [auto: io_uring if it is there]\n"
	      "\n"
	      "The status is 0 if all was right, 7 if the module is not loaded, else 1.\n",
	      to);
	return to == stdout ? 0 : EXIT_USAGE;
}

/* io_uring, if the queue and the system have it. */
static uint32_t best_door(const struct demo *demo)
{
	const struct weir_open_options options = {
		.size = sizeof(options), .door = WEIR_DOOR_URING,
	};
	struct weir_queue *queue;

	if (weir_queue_open(demo->queue, &options, &queue))
		return WEIR_DOOR_IOCTL;
	weir_queue_close(queue);
	return WEIR_DOOR_URING;
}

static int set_up(struct demo *demo)
{
	int i;

	demo->shared = mmap(NULL, sizeof(*demo->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (demo->shared == MAP_FAILED)
		return failed("memory", -errno);
	for (i = 0; i < CONSUMERS; i++) {
		demo->logs[i] = log_new(&demo->text);
		if (!demo->logs[i])
			return failed("memory", -errno);
	}
	return 0;
}

static int run(struct demo *demo)
{
	struct verdict verdict;
	bool good;
	int ret;

	if (!demo->plain && demo->door == WEIR_DOOR_AUTO)
		demo->door = best_door(demo);
	report_begin(demo);
	ret = conduct(demo);
	if (ret > 1)
		return ret;	/* told to end */
	good = !ret;
	ret = weir_info(demo->queue, &demo->info, sizeof(demo->info));
	if (ret)
		return failed("figures of the queue", ret);
	good = verify(demo, &verdict) && good;
	report(demo, &verdict, good);
	return !good;
}

static int run_with_queue(struct demo *demo)
{
	const struct weir_create_options options = {
		.size = sizeof(options), .type = WEIR_TYPE_QUEUE,
		.policy = { .max_messages = QUEUE_MESSAGES, .max_bytes = QUEUE_BYTES },
	};
	int ret, destroyed;

	snprintf(demo->queue, sizeof(demo->queue), "demo-%d", getpid());
	ret = weir_create(demo->queue, &options);
	if (ret == -ENODEV) {
		fputs("weir-demo: the module is not loaded: make run, or tools/vm/run\n", stderr);
		return EXIT_NO_MODULE;
	}
	if (ret)
		return failed("create a queue", ret);
	ret = run(demo);
	destroyed = weir_destroy(demo->queue, WEIR_DESTROY_FORCE);
	return destroyed ? failed("destroy the queue", destroyed) : ret;
}

static int door_number(const char *name)
{
	static const char *const names[] = { "auto", "ioctl", "uring" };
	int i;

	for (i = 0; i < 3; i++)
		if (!strcmp(name, names[i]))
			return i;
	return -1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "plain", no_argument, NULL, 'p' },
		{ "door", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct demo demo = { 0 };
	int option, door = WEIR_DOOR_AUTO, ret;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'p')
			demo.plain = true;
		else if (option == 'd')
			door = door_number(optarg);
		else
			return usage(option == 'h' ? stdout : stderr);
	}
	if (optind != argc - 1 || door < 0)
		return usage(stderr);
	demo.door = door;

	ret = text_open(&demo.text, argv[optind]);
	if (ret)
		return failed(argv[optind], ret);
	if (demo.text.count < LINES_MIN)
		return usage(stderr);
	if (set_up(&demo))
		return 1;
	return run_with_queue(&demo);
}
