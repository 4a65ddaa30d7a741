// SPDX-License-Identifier: MIT
/* Durations for people to read. */
#include <stdio.h>
#include "weir.h"

struct unit {
	const char	*name;
	uint64_t	ns;
};

static const struct unit units[] = {
	{ "d", 86400000000000 }, { "h", 3600000000000 }, { "m", 60000000000 },
	{ "s", 1000000000 }, { "ms", 1000000 }, { "us", 1000 }, { "ns", 1 },
};

/* From here on a decimal fraction says more than the next unit. */
#define SECONDS	3

const char *duration_exact(uint64_t ns, char text[DURATION_SIZE])
{
	const struct unit *unit = units;

	if (ns >= WEIR_UNLIMITED)
		return "unlimited";
	if (!ns)
		return "0";
	while (ns % unit->ns)
		unit++;
	snprintf(text, DURATION_SIZE, "%llu%s", (unsigned long long)(ns / unit->ns), unit->name);
	return text;
}

const char *duration_short(uint64_t ns, char text[DURATION_SIZE])
{
	const struct unit *unit = units;
	unsigned long long whole, tenths, rest;

	if (ns >= WEIR_UNLIMITED)
		return "unlimited";
	if (!ns)
		return "0";
	while (ns < unit->ns)
		unit++;
	whole = ns / unit->ns;
	tenths = ns % unit->ns * 10 / unit->ns;
	rest = unit->ns > 1 ? ns % unit->ns / unit[1].ns : 0;
	if (unit < units + SECONDS)
		snprintf(text, DURATION_SIZE, "%llu%s%llu%s", whole, unit->name, rest,
			 unit[1].name);
	else if (whole < 100 && tenths)
		snprintf(text, DURATION_SIZE, "%llu.%llu%s", whole, tenths, unit->name);
	else
		snprintf(text, DURATION_SIZE, "%llu%s", whole, unit->name);
	return text;
}
