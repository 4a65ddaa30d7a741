// SPDX-License-Identifier: MIT
/*
 *	stress [--seed N] [--rounds N] [--seconds S] [--ops N] [--clients N] [--kills N]
 *	       [--reload WEIR.KO] [--logs DIR]
 *
 * Rounds of clients at random (I40 to I45, I48), each of S seconds or more and N kills,
 * or of N calls, and judged as a history. --reload takes the module out and in between
 * them. --logs keeps the logs of a round that is wrong, for history check.
 *
 * Said nothing, it is a short run. The seed is printed; a round has the seed before
 * it and one more.
 */
#include <dirent.h>
#include <getopt.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "../number.h"
#include "kselftest.h"
#include "round.h"

static const char * const op_names[STRESS_OPS] = {
	"write", "writev", "send", "uring-send", "read", "read-parts", "fetch",
	"fetch-in-place", "fetch-settled", "uring-fetch", "park", "cancel", "settle",
	"uring-settle", "settle-and-fetch", "probe", "browse", "send-once", "txn",
	"reply", "hear", "exclude", "poll", "reopen", "alter", "purge",
};

static void remove_logs(const char *dir)
{
	DIR *logs = opendir(dir);
	struct dirent *entry;

	while (logs && (entry = readdir(logs)))
		if (*entry->d_name != '.')
			unlinkat(dirfd(logs), entry->d_name, 0);
	if (logs)
		closedir(logs);
	rmdir(dir);
}

/* Nothing of the module is in use, so it goes at once. */
static int reload(const char *path)
{
	int ret, fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	ret = raw_result(syscall(SYS_delete_module, "weir", O_NONBLOCK));
	if (!ret)
		ret = raw_result(syscall(SYS_finit_module, fd, "", 0));
	close(fd);
	return ret;
}

static void print_totals(const struct round_totals *totals, uint64_t reloads)
{
	unsigned int i;

	ksft_print_msg("%llu rounds, %llu kills, %llu stops, %llu reloads, %llu messages, "
		       "%llu records, %llu settlements refused, %llu leases ran out, "
		       "%llu dead, %llu thrown away\n",
		       (unsigned long long)totals->rounds, (unsigned long long)totals->kills,
		       (unsigned long long)totals->stops, (unsigned long long)reloads,
		       (unsigned long long)totals->messages,
		       (unsigned long long)totals->records, (unsigned long long)totals->refused,
		       (unsigned long long)totals->expired,
		       (unsigned long long)totals->dead,
		       (unsigned long long)totals->dropped);
	for (i = 0; i < STRESS_OPS; i++)
		ksft_print_msg("%-16s %llu\n", op_names[i], (unsigned long long)totals->ops[i]);
}

struct options {
	struct round_plan plan;
	unsigned int rounds;
	const char *module, *logs;
};

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: stress [--seed N] [--rounds N] [--seconds S] [--ops N] "
		"[--clients N]\n"
		"              [--kills N] [--reload WEIR.KO] [--logs DIR]\n");
	exit(2);
}

static void parse(struct options *options, int argc, char **argv)
{
	static const struct option names[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "seconds", required_argument, NULL, 't' },
		{ "ops", required_argument, NULL, 'o' },
		{ "clients", required_argument, NULL, 'c' },
		{ "kills", required_argument, NULL, 'k' },
		{ "reload", required_argument, NULL, 'm' },
		{ "logs", required_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 },
	};
	struct round_plan *plan = &options->plan;
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (option) {
		case 's': plan->seed = number_parse("seed", optarg, 0, ~0ULL); break;
		case 'r': options->rounds = number_parse("rounds", optarg, 1, 1000000); break;
		case 't': plan->seconds = number_parse_seconds("seconds", optarg); break;
		case 'o': plan->ops = number_parse("ops", optarg, 1, ~0ULL); break;
		case 'c': plan->clients = number_parse("clients", optarg, 1, STRESS_CLIENTS); break;
		case 'k': plan->kills = number_parse("kills", optarg, 0, 1000000); break;
		case 'm': options->module = optarg; break;
		case 'l': options->logs = optarg; break;
		default: usage();
		}
	}
	if (optind != argc)
		usage();
}

static unsigned int wrong(const struct round_totals *totals)
{
	return totals->histories_wrong + totals->figures_wrong + totals->ends_wrong +
	       totals->memory_wrong;
}

static void run_round(const struct options *options, const struct round_plan *plan,
		      struct round_totals *totals)
{
	char dir[] = "/tmp/stress.XXXXXX", kept[4096];
	unsigned int before = wrong(totals);

	if (!mkdtemp(dir))
		ksft_exit_fail_msg("no folder for logs\n");
	round_run(plan, dir, totals);
	if (wrong(totals) == before) {
		remove_logs(dir);
		return;
	}
	ksft_print_msg("wrong: the round of seed %llu\n", (unsigned long long)plan->seed);
	if (!options->logs) {
		remove_logs(dir);
		return;
	}
	snprintf(kept, sizeof(kept), "cp -r %s '%s'", dir, options->logs);
	if (system(kept))
		ksft_print_msg("the logs stay in %s\n", dir);
}

int main(int argc, char **argv)
{
	struct options options = {
		.plan = { .seed = time(NULL), .seconds = 8, .clients = 6,
			  .kills = raw_rounds(60) },
		.rounds = 3,
	};
	struct round_totals totals = { 0 };
	uint64_t reloads = 0;
	unsigned int i;
	int ret = 0;

	setlinebuf(stdout);
	parse(&options, argc, argv);
	ksft_print_header();
	ksft_set_plan(5);
	ksft_print_msg("seed %llu\n", (unsigned long long)options.plan.seed);
	for (i = 0; i < options.rounds && !ret; i++, options.plan.seed++) {
		run_round(&options, &options.plan, &totals);
		if (!options.module)
			continue;
		ret = reload(options.module);
		reloads += !ret;
	}
	print_totals(&totals, reloads);
	ksft_test_result(!totals.histories_wrong, "histories_are_right\n");
	ksft_test_result(!totals.figures_wrong, "figures_add_up\n");
	ksft_test_result(!totals.ends_wrong, "clients_end_and_give_back\n");
	ksft_test_result(!totals.memory_wrong, "memory_is_given_back\n");
	ksft_test_result(!ret, "module_comes_and_goes\n");
	ksft_finished();
}
