// SPDX-License-Identifier: MIT
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "weir.h"

static bool is_object(const char *word)
{
	unsigned int i;

	for (i = 0; i < nr_verbs; i++)
		if (verbs[i].object && !strcmp(verbs[i].object, word))
			return true;
	return false;
}

static enum status unknown(char **words, int nr)
{
	if (is_object(words[0]) && nr > 1)
		return usage(NULL, "there is no '%s %s'", words[0], words[1]);
	if (is_object(words[0]))
		return usage(NULL, "'%s' wants to know what to do", words[0]);
	return usage(NULL, "there is no '%s'", words[0]);
}

/* Options before the verb. Value: how many words, or -1 when it is done. */
static int global_options(int argc, char **argv, struct args *args,
			  enum status *status)
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "-j") || !strcmp(argv[i], "--json")) {
			args->json = true;
		} else if (!strcmp(argv[i], "-h") ||
			   !strcmp(argv[i], "--help")) {
			*status = help(&(struct args){ 0 });
			return -1;
		} else if (!strcmp(argv[i], "--version")) {
			printf("weir %s\n", weir_library_version());
			*status = print_end();
			return -1;
		} else {
			*status = usage(NULL, "there is no option '%s'",
					argv[i]);
			return -1;
		}
	}
	return i;
}

int main(int argc, char **argv)
{
	struct args args = { 0 };
	const struct verb *verb;
	enum status status;
	unsigned int nr;
	int skip;

	signal(SIGPIPE, SIG_IGN);
	skip = global_options(argc, argv, &args, &status);
	if (skip < 0)
		return status;
	argc -= skip;
	argv += skip;
	if (!argc)
		return usage(NULL, "what is to be done?");
	verb = verb_find(argv, argc, &nr);
	if (!verb)
		return unknown(argv, argc);
	/* getopt takes the first word for the name of the program. */
	argc -= nr - 1;
	argv += nr - 1;
	argv[0] = "weir";
	/* What it is asked about may look like options. */
	if (verb->run == complete) {
		args.words = argv + 1;
		args.nr_words = argc - 1;
		return complete(&args);
	}
	status = args_parse(verb, argc, argv, &args);
	return status ? status : verb->run(&args);
}
