// SPDX-License-Identifier: MIT
/*
 *	history check DIR...
 *		judges the logs in each DIR; status 1 if any cannot be right
 *	history make DIR [--seed N] [--records N] [--mutant NAME]
 *		logs that clients of a queue might have left, of some 10,000,000 records; with
 *		a fault, if that had an occasion, or else none
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "../number.h"
#include "model.h"

/* What has room in some 20 GB. */
#define MOST_RECORDS	100000000ULL

static void usage(void)
{
	fprintf(stderr, "usage: history check DIR...\n"
			"       history make DIR [--seed N] [--records N] [--mutant NAME]\n"
			"\n  --seed N     [1]\n  --records N  about so many [10000000]\n");
	exit(2);
}

static int check(const char *dir)
{
	struct history history = { 0 };
	uint64_t begin = history_now();
	struct rusage rusage;
	unsigned int kinds;
	int ret = history_load(&history, dir);

	if (ret) {
		fprintf(stderr, "history: %s: %s\n", dir, strerror(-ret));
		return 1;
	}
	if (!history.count) {
		fprintf(stderr, "history: %s: there are no records\n", dir);
		return 1;
	}
	kinds = history_check(&history);
	history_report(&history, stdout);
	getrusage(RUSAGE_SELF, &rusage);
	printf("%s: %zu records, seed %llu: %s (%.1f s, %ld MiB)\n", dir, history.count,
	       (unsigned long long)history.seed, kinds ? "FAULTS" : "right",
	       (history_now() - begin) / 1e9, rusage.ru_maxrss / 1024);
	history_free(&history);
	return kinds != 0;
}

/* The records of one client, into its log. */
static int make_log(const char *dir, const struct history *history, size_t begin, size_t end,
		    uint32_t number)
{
	struct history_log log;
	int ret = history_log_open(&log, dir, number, history->seed, end - begin);

	if (ret)
		return ret;
	memcpy(log.records, history->records + begin, (end - begin) * sizeof(*log.records));
	history_log_close(&log);
	return 0;
}

static int make(const char *dir, const struct model_plan *plan)
{
	struct history history = { 0 };
	size_t begin, end;
	uint32_t number = 0;
	int ret = 0;

	if (!model_run(plan, &history) && plan->mutant) {
		fprintf(stderr, "history: the mutant had no occasion: try another --seed, or more "
			"--records\n");
		history_free(&history);
		return 1;
	}
	mkdir(dir, 0777);
	for (begin = 0; !ret && begin < history.count; begin = end) {
		for (end = begin + 1; end < history.count; end++)
			if (history.records[end].client != history.records[begin].client)
				break;
		ret = make_log(dir, &history, begin, end, number++);
	}
	if (ret)
		fprintf(stderr, "history: %s: %s\n", dir, strerror(-ret));
	history_free(&history);
	return ret != 0;
}

static enum model_mutant mutant_of(const char *name)
{
	enum model_mutant mutant;

	for (mutant = MODEL_RIGHT; mutant < MODEL_MUTANTS; mutant++)
		if (!strcmp(name, model_mutant_name(mutant)))
			return mutant;
	fprintf(stderr, "history: no mutant '%s'; there are", name);
	for (mutant = MODEL_RIGHT + 1; mutant < MODEL_MUTANTS; mutant++)
		fprintf(stderr, " %s", model_mutant_name(mutant));
	fprintf(stderr, "\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "records", required_argument, NULL, 'r' },
		{ "mutant", required_argument, NULL, 'm' },
		{ NULL, 0, NULL, 0 },
	};
	struct model_plan plan = { .records = 10000000 };
	uint64_t seed = 1;
	int option, ret = 0;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			seed = number_parse("seed", optarg, 0, ~0ULL);
		else if (option == 'r')
			plan.records = number_parse("records", optarg, 1, MOST_RECORDS);
		else if (option == 'm')
			plan.mutant = mutant_of(optarg);
		else
			usage();
	}
	if (argc - optind < 2)
		usage();
	if (!strcmp(argv[optind], "make") && argc - optind == 2) {
		model_plan_random(&plan, seed);
		return make(argv[optind + 1], &plan);
	}
	if (strcmp(argv[optind], "check"))
		usage();
	for (optind++; optind < argc; optind++)
		ret |= check(argv[optind]);
	return ret;
}
