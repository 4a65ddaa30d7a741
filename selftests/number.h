/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Numbers of a command line: what is none ends the program, with status 2. */
#ifndef WEIR_SELFTESTS_NUMBER_H
#define WEIR_SELFTESTS_NUMBER_H

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* @text of option @name, from @least to @most. */
static inline unsigned long long number_parse(const char *name, const char *text,
					      unsigned long long least, unsigned long long most)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(text, &end, 0);
	if (!isdigit((unsigned char)*text) || *end || errno || number < least || number > most) {
		fprintf(stderr, "--%s takes a number from %llu to %llu, not '%s'\n", name, least,
			most, text);
		exit(2);
	}
	return number;
}

static inline double number_parse_seconds(const char *name, const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (!isdigit((unsigned char)*text) || *end || !(seconds < 1e6)) {
		fprintf(stderr, "--%s takes seconds, not '%s'\n", name, text);
		exit(2);
	}
	return seconds;
}

#endif
