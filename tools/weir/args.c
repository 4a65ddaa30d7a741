// SPDX-License-Identifier: MIT
/* The command line of a verb, by its row of the table. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include "weir.h"

/* Values of getopt_long() that are no letters. */
#define LONG	256
#define HELP	(LONG + NR_OPTIONS)
#define JSON	(HELP + 1)

struct tables {
	struct option	longs[NR_OPTIONS + 3];
	char		shorts[3 * NR_OPTIONS + 4];
};

static void tables_fill(struct tables *tables, const struct verb *verb)
{
	struct option *to = tables->longs;
	char *letter = tables->shorts;
	unsigned int i;

	/* '+' would end options at the first word; '-' is not for users. */
	*letter++ = 'j';
	*letter++ = 'h';
	*to++ = (struct option){ "help", no_argument, NULL, HELP };
	*to++ = (struct option){ "json", no_argument, NULL, JSON };
	for (i = 0; i < NR_OPTIONS; i++) {
		const struct option_spec *spec = &options[i];

		if (!(verb->options & BIT(i)))
			continue;
		*to++ = (struct option){
			spec->name,
			spec->arg ? required_argument : no_argument,
			NULL, LONG + i,
		};
		if (!spec->letter)
			continue;
		*letter++ = spec->letter;
		if (spec->arg)
			*letter++ = ':';
	}
	*to = (struct option){ 0 };
	*letter = 0;
}

static int option_of(const struct verb *verb, int c)
{
	int i;

	if (c >= LONG)
		return c - LONG;
	for (i = 0; i < NR_OPTIONS; i++)
		if (verb->options & BIT(i) && options[i].letter == c)
			return i;
	return -1;
}

static void option_set(struct args *args, int id, char *value)
{
	args->values[id] = value ? value : "";
	if (id == OPT_HEADER)
		args->headers[args->nr_headers++] = value;
}

static enum status words_check(const struct verb *verb, const struct args *args)
{
	if (args->nr_words < verb->least)
		return usage(verb, "something is missing");
	if (args->nr_words > verb->most)
		return usage(verb, "'%s' is too much", args->words[verb->most]);
	return DONE;
}

enum status args_parse(const struct verb *verb, int argc, char **argv,
		       struct args *args)
{
	struct tables tables;
	int c;

	tables_fill(&tables, verb);
	args->verb = verb;
	args->headers = calloc(argc, sizeof(*args->headers));
	if (!args->headers)
		abort();
	optind = 0;
	while ((c = getopt_long(argc, argv, tables.shorts, tables.longs,
				NULL)) != -1) {
		if (c == '?')
			return usage(verb, NULL);
		if (c == 'h' || c == HELP) {
			help_verb(verb);
			exit(print_end());
		}
		if (c == 'j' || c == JSON)
			args->json = true;
		else
			option_set(args, option_of(verb, c), optarg);
	}
	args->words = argv + optind;
	args->nr_words = argc - optind;
	return words_check(verb, args);
}
