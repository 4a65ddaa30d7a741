// SPDX-License-Identifier: MIT
/* weir help; and what shells complete, from the same table */
#include <stdio.h>
#include <string.h>
#include "weir.h"

static void verb_line(const struct verb *verb)
{
	char name[32];

	if (!verb->summary)
		return;
	snprintf(name, sizeof(name), "%s%s%s", verb->object ? verb->object : "",
		 verb->object ? " " : "", verb->name);
	printf("  %-16s %s\n", name, verb->summary);
}

static enum status help_all(void)
{
	unsigned int i;

	puts("usage: weir [-j] COMMAND [WORD...] [OPTION...]\n");
	for (i = 0; i < nr_verbs; i++)
		verb_line(&verbs[i]);
	puts("\nTopics, for weir help TOPIC:\n");
	for (i = 0; i < nr_topics; i++)
		printf("  %-16s %s\n", topics[i].name, topics[i].summary);
	return print_end();
}

static void option_line(const struct verb *verb, const struct option_spec *spec)
{
	int len = strlen(spec->help);
	char name[64], letter[8] = "    ";
	const char *end;

	/* A default, in brackets at the end. */
	end = strstr(spec->help, " [");
	if (verb->no_defaults && end)
		len = end - spec->help;
	if (spec->letter)
		snprintf(letter, sizeof(letter), "-%c, ", spec->letter);
	snprintf(name, sizeof(name), "--%s%s%s", spec->name,
		 spec->arg ? " " : "", spec->arg ? spec->arg : "");
	printf("  %s%-22s %.*s\n", letter, name, len, spec->help);
}

void help_verb(const struct verb *verb)
{
	/* What is behind that is another command's. */
	const bool runs = strstr(verb->words, " -- ");
	unsigned int i;

	printf("usage: weir %s%s%s%s%s%s%s\n\n%s", runs ? "" : "[-j] ",
	       verb->object ? verb->object : "", verb->object ? " " : "",
	       verb->name, *verb->words ? " " : "", verb->words,
	       verb->options && !runs ? " [OPTION...]" : "",
	       verb->text ? verb->text : "");
	if (verb->options)
		putchar('\n');
	for (i = 0; i < NR_OPTIONS; i++)
		if (verb->options & BIT(i))
			option_line(verb, &options[i]);
}

static enum status help_object(const char *object)
{
	bool found = false;
	unsigned int i;

	for (i = 0; i < nr_verbs; i++) {
		if (!verbs[i].object || strcmp(verbs[i].object, object))
			continue;
		found = true;
		verb_line(&verbs[i]);
	}
	if (!found)
		return usage(NULL, "there is no topic '%s'", object);
	return print_end();
}

enum status help(const struct args *args)
{
	const struct verb *verb;
	unsigned int nr, i;

	if (!args->nr_words)
		return help_all();
	verb = verb_find(args->words, args->nr_words, &nr);
	if (verb && nr == args->nr_words) {
		help_verb(verb);
		return print_end();
	}
	for (i = 0; i < nr_topics && args->nr_words == 1; i++) {
		if (strcmp(topics[i].name, args->words[0]))
			continue;
		fputs(topics[i].text, stdout);
		return print_end();
	}
	if (args->nr_words > 1)
		return usage(NULL, "there is no topic '%s %s'", args->words[0],
			     args->words[1]);
	return help_object(args->words[0]);
}

/* ---- weir complete: candidates, "word:what it is" a line -------------- */

static int queue_word(const struct weir_info *info, void *context)
{
	(void)context;
	if (info->type == WEIR_TYPE_QUEUE)
		printf("%s:%llu messages\n", info->name,
		       (unsigned long long)info->depth);
	return 0;
}

static void verb_words(const char *object)
{
	unsigned int i;

	for (i = 0; i < nr_verbs; i++) {
		const struct verb *verb = &verbs[i];

		if (!verb->summary)
			continue;
		if (object ? verb->object && !strcmp(verb->object, object) :
			     !verb->object)
			printf("%s:%s\n", verb->name, verb->summary);
	}
}

static void option_words(const struct verb *verb)
{
	unsigned int i;

	puts("--json:one JSON object a line\n--help:this command, explained");
	for (i = 0; i < NR_OPTIONS; i++)
		if (verb->options & BIT(i))
			printf("--%s:%s\n", options[i].name, options[i].help);
}

static void topic_words(void)
{
	unsigned int i;

	for (i = 0; i < nr_topics; i++)
		printf("%s:%s\n", topics[i].name, topics[i].summary);
}

/* The option that takes the next word as its value, if @word is one, or NULL. */
static const struct option_spec *takes_next(const struct verb *verb, const char *word)
{
	unsigned int i;

	for (i = 0; i < NR_OPTIONS; i++) {
		const struct option_spec *spec = &options[i];

		if (!(verb->options & BIT(i)) || !spec->arg)
			continue;
		if (word[0] == '-' && word[1] == '-' &&
		    !strcmp(word + 2, spec->name))
			return spec;
		if (word[0] == '-' && word[1] && word[1] == spec->letter &&
		    !word[2])
			return spec;
	}
	return NULL;
}

/* Those that it can have, where it is one of some words. */
static void value_words(const struct option_spec *spec)
{
	const char *word = spec->arg, *end;

	if (!strchr(word, '|'))
		return;
	for (; *word; word = *end ? end + 1 : end) {
		end = word + strcspn(word, "|");
		printf("%.*s\n", (int)(end - word), word);
	}
}

static void complete_verb(const struct verb *verb, char **words,
			  unsigned int nr)
{
	const struct option_spec *taker;
	unsigned int plain = 0, i;

	for (i = 0; i + 1 < nr; i++) {
		taker = takes_next(verb, words[i]);
		if (taker && i + 2 == nr) {
			value_words(taker);
			return;
		}
		if (taker)
			i++;
		else if (words[i][0] != '-')
			plain++;
	}
	if (words[nr - 1][0] == '-')
		option_words(verb);
	else if (verb->run == help && !plain)
		topic_words();
	else if (verb->takes_queue && plain < verb->least)
		weir_list(queue_word, NULL);
}

/* The words so far; the last is the one that is being written. */
enum status complete(const struct args *args)
{
	char **words = args->words;
	unsigned int nr = args->nr_words, used;
	const struct verb *verb;

	while (nr > 1 && (!strcmp(*words, "-j") || !strcmp(*words, "--json"))) {
		words++;
		nr--;
	}
	if (!nr)
		return DONE;
	verb = verb_find(words, nr - 1, &used);
	if (verb)
		complete_verb(verb, words + used, nr - used);
	else if (nr == 2)
		verb_words(words[0]);
	if (nr == 1 || (nr == 2 && !strcmp(words[0], "help"))) {
		puts("queue:make, show and destroy queues");
		verb_words(NULL);
	} else if (nr == 3 && !strcmp(words[0], "help")) {
		verb_words(words[1]);
	}
	return print_end();
}
