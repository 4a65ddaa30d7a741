// SPDX-License-Identifier: MIT
/* Numbers, sizes and durations, as people write them. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "weir.h"

struct unit {
	const char	*name;
	uint64_t	factor;
};

static const struct unit sizes[] = {
	{ "", 1 }, { "K", 1ULL << 10 }, { "M", 1ULL << 20 }, { "G", 1ULL << 30 },
};

static const struct unit durations[] = {
	{ "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 },
	{ "m", 60000000000 }, { "h", 3600000000000 }, { "d", 86400000000000 },
};

static int parse_units(const char *text, const struct unit *units,
		       unsigned int nr, uint64_t most, uint64_t *value)
{
	unsigned int i;
	char *end;

	/* strtoull() takes signs and blanks. */
	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	*value = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	for (i = 0; i < nr; i++)
		if (!strcasecmp(end, units[i].name))
			break;
	if (i == nr)
		return -EINVAL;
	if (__builtin_mul_overflow(*value, units[i].factor, value) ||
	    *value > most)
		return -ERANGE;
	return 0;
}

int parse_count(const char *text, uint64_t *count)
{
	return parse_units(text, sizes, 1, UINT64_MAX, count);
}

int parse_size(const char *text, uint64_t *bytes)
{
	return parse_units(text, sizes, ARRAY_SIZE(sizes), UINT64_MAX, bytes);
}

int parse_duration(const char *text, int64_t *ns)
{
	uint64_t value;
	int ret;

	/* Nothing needs no unit. */
	if (!strcmp(text, "0"))
		text = "0s";
	ret = parse_units(text, durations, ARRAY_SIZE(durations), INT64_MAX,
			  &value);
	*ns = value;
	return ret;
}

int parse_pause(const char *text, uint64_t *ns)
{
	int64_t duration;
	int ret;

	if (!strcmp(text, "unlimited")) {
		*ns = WEIR_UNLIMITED;
		return 0;
	}
	ret = parse_duration(text, &duration);
	if (!ret)
		*ns = duration;
	return ret;
}

int parse_lease(const char *text, uint64_t *ns)
{
	int ret = parse_pause(text, ns);

	return ret || *ns ? ret : -EINVAL;
}

int parse_mode(const char *text, uint32_t *mode)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '7')
		return -EINVAL;
	value = strtoul(text, &end, 8);
	if (*end)
		return -EINVAL;
	if (!value || value > 0777)
		return -ERANGE;
	*mode = value;
	return 0;
}

int parse_delimiter(const char *text, char *delimiter)
{
	static const char escapes[] = "0\0n\nt\tr\r\\\\";
	unsigned int i;

	if (strlen(text) == 1) {
		*delimiter = *text;
		return 0;
	}
	for (i = 0; i < sizeof(escapes) - 1; i += 2) {
		if (text[0] == '\\' && text[1] == escapes[i] && !text[2]) {
			*delimiter = escapes[i + 1];
			return 0;
		}
	}
	return -EINVAL;
}
