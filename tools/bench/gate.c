// SPDX-License-Identifier: MIT
/*
 * Counts instructions per message. It runs in a guest in which the time stamp
 * counter counts instructions (tools/vm/run --icount), and prints lines of
 *
 *   PATH BATCH SIZE INSTRUCTIONS SPREAD
 *
 * A figure is the median of several rounds, so that a timer's tick in some of
 * them does not count. What comes between only ever adds, so the spread, in
 * percent, is that from the lower quartile to the median.
 */
#include "gate.h"
#include "mark.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <x86intrin.h>

#define ROUNDS_MAX 99

static const struct path *const paths[] = {
	&weir_place, &weir_once, &weir_copy, &weir_rw, &weir_uring, &weir_uring_copy,
	&lib_ioctl, &lib_uring,
	&peer_mqueue, &peer_pipe, &peer_pipe_packed,
};

/* What stands beside the messages that are measured. */
static const struct path *const flat_paths[] = {
	&flat_bare, &flat_deep, &flat_leased, &flat_delayed,
	&flat_keys, &flat_keyed,
};

static const unsigned int batches[] = { 1, 32 };
static const unsigned int sizes[] = { 64, 4096 };

static struct options {
	const char *path;	/* NULL: all */
	unsigned int batch;	/* 0: all of the above */
	unsigned int size;	/* likewise */
	unsigned int rounds;
	unsigned int messages;	/* in a round, at least */
	bool flat;		/* those paths instead, with small messages */
	bool trace;		/* show one round to the plugin, measure nothing */
} options = {
	.rounds = 25,
	.messages = 256,
};

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

long gate_check(const char *what, long value)
{
	if (value < 0) {
		fprintf(stderr, "gate: %s: %s\n", what, strerror(value == -1 ? errno : -value));
		exit(1);
	}
	return value;
}

void gate_expect(const char *what, long value, long wanted)
{
	if (__builtin_expect(value == wanted, 1))
		return;
	gate_check(what, value);
	fprintf(stderr, "gate: %s: %ld instead of %ld\n", what, value, wanted);
	exit(1);
}

void gate_broken(const struct gate *gate, uint64_t number)
{
	fprintf(stderr, "gate: message %llu came when %llu was due\n",
		(unsigned long long)number, (unsigned long long)gate->received);
	exit(1);
}

char *gate_messages(const struct gate *gate)
{
	size_t bytes = gate->batch * gate_stride(gate);
	char *messages = aligned_alloc(4096, (bytes + 4095) & ~4095UL);

	if (!messages)
		abort();
	memset(messages, 'm', bytes);
	return messages;
}

static void take_turns(const struct path *path, struct gate *gate, unsigned int turns)
{
	while (turns--) {
		path->send(gate);
		path->receive(gate);
	}
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void measure(const struct path *path, struct gate *gate, unsigned int turns)
{
	double round[ROUNDS_MAX], median;
	unsigned int nr = options.rounds;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		uint64_t begin = __rdtsc();

		take_turns(path, gate, turns);
		round[i] = (double)(__rdtsc() - begin) / turns / gate->batch;
	}
	qsort(round, nr, sizeof(*round), compare);
	median = round[nr / 2];
	printf("%-15s %5u %5u %9.1f %6.2f\n", path->name, gate->batch, gate->size, median,
	       (median - round[nr / 4]) * 100 / median);
	fflush(stdout);
}

static void show(const struct path *path, struct gate *gate, unsigned int turns)
{
	mark(MARK_BEGIN);
	while (turns--) {
		mark(MARK_TURN);
		take_turns(path, gate, 1);
	}
	mark(MARK_TURN);
	mark(MARK_END);
}

static void run(const struct path *path, unsigned int batch, unsigned int size)
{
	unsigned int turns = (options.messages + batch - 1) / batch;
	struct gate gate = { .batch = batch, .size = size };

	path->open(&gate);
	/* All memory is there, all pages are mapped, once as much again went through. */
	take_turns(path, &gate, turns);
	if (options.trace)
		show(path, &gate, turns);
	else
		measure(path, &gate, turns);
	path->close();
}

static void run_all(const struct path *path)
{
	unsigned int i, j;

	for (i = 0; i < (options.flat ? 1 : ARRAY_SIZE(sizes)); i++) {
		for (j = 0; j < ARRAY_SIZE(batches); j++) {
			if ((!options.batch || options.batch == batches[j]) &&
			    (!options.size || options.size == sizes[i]))
				run(path, batches[j], sizes[i]);
		}
	}
}

static void usage(FILE *to)
{
	size_t i;

	fprintf(to, "usage: gate [--flat] [--path PATH] [--batch N] [--size BYTES] [--rounds N]\n"
		    "            [--messages N] [--trace]\n\npaths:\n");
	for (i = 0; i < ARRAY_SIZE(paths); i++)
		fprintf(to, "  %-15s  %s\n", paths[i]->name, paths[i]->what);
	fprintf(to, "\npaths of --flat:\n");
	for (i = 0; i < ARRAY_SIZE(flat_paths); i++)
		fprintf(to, "  %-15s  %s\n", flat_paths[i]->name, flat_paths[i]->what);
	exit(to == stderr ? 2 : 0);
}

static unsigned int number(const char *text, unsigned int least, unsigned int most)
{
	unsigned long value = strtoul(text, NULL, 0);

	if (value < least || value > most)
		usage(stderr);
	return value;
}

static void parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "path", required_argument, NULL, 'p' },
		{ "batch", required_argument, NULL, 'b' },
		{ "size", required_argument, NULL, 's' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "messages", required_argument, NULL, 'm' },
		{ "flat", no_argument, NULL, 'f' },
		{ "trace", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		switch (option) {
		case 'p':
			options.path = optarg;
			break;
		case 'b':
			options.batch = number(optarg, 1, GATE_BATCH_MAX);
			break;
		case 's':
			options.size = number(optarg, sizeof(uint64_t), 1 << 20);
			break;
		case 'r':
			options.rounds = number(optarg, 1, ROUNDS_MAX);
			break;
		case 'm':
			options.messages = number(optarg, 1, 1 << 20);
			break;
		case 'f':
			options.flat = true;
			break;
		case 't':
			options.trace = true;
			break;
		case 'h':
			usage(stdout);
			break;
		default:
			usage(stderr);
		}
	}
}

/* A young guest still has work of its own to do; and no page shall be missing. */
static void settle_down(void)
{
	const struct sched_param param = { .sched_priority = 1 };

	gate_check("sched_setscheduler", sched_setscheduler(0, SCHED_FIFO, &param));
	gate_check("mlockall", mlockall(MCL_CURRENT | MCL_ONFAULT));
}

static void run_path(const struct path *path)
{
	/* A batch and a size that are named need not be among the usual ones. */
	if (options.batch && options.size)
		run(path, options.batch, options.size);
	else
		run_all(path);
}

/* Whether there was anything to run. */
static bool run_paths(const struct path *const *path, size_t count)
{
	bool found = false;

	for (; count--; path++) {
		if (options.path && strcmp(options.path, (*path)->name))
			continue;
		found = true;
		run_path(*path);
	}
	return found;
}

int main(int argc, char **argv)
{
	bool found = false;

	parse(argc, argv);
	settle_down();
	if (options.path || !options.flat)
		found |= run_paths(paths, ARRAY_SIZE(paths));
	if (options.path || options.flat)
		found |= run_paths(flat_paths, ARRAY_SIZE(flat_paths));
	if (!found)
		usage(stderr);
	return 0;
}
