/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Messages that tell who sent them and whether they are whole. The bytes of a
 * body follow from its header, so that a message with parts of two is noticed.
 */
#ifndef WEIR_SELFTESTS_BODY_H
#define WEIR_SELFTESTS_BODY_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct body {
	uint32_t length;		/* of all, the header included */
	uint32_t producer;
	uint32_t seq;			/* of its producer, from 0 */
	uint32_t check;			/* of the above */
	uint64_t words[];
};

#define BODY_MIN sizeof(struct body)

static inline uint64_t body_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static inline uint64_t body_seed(const struct body *body)
{
	return body_mix(body_mix(body->length) ^ ((uint64_t)body->producer << 32 | body->seq));
}

/* Fills bytes [16, length), a word at a time; the last word may be cut. */
static inline void body_words(void *bytes, uint32_t length, uint64_t seed, bool *same)
{
	char *at = (char *)bytes + BODY_MIN, *end = (char *)bytes + length;
	uint64_t word = seed;
	size_t part;

	for (; at < end; at += sizeof(word)) {
		part = end - at < (long)sizeof(word) ? (size_t)(end - at) : sizeof(word);
		word = word * 6364136223846793005ULL + 1442695040888963407ULL;
		if (!same)
			memcpy(at, &word, part);
		else if (memcmp(at, &word, part))
			*same = false;
	}
}

/* @length at least BODY_MIN. */
static inline void body_make(void *bytes, uint32_t length, uint32_t producer, uint32_t seq)
{
	struct body *body = bytes;

	body->length = length;
	body->producer = producer;
	body->seq = seq;
	body->check = body_seed(body);
	body_words(bytes, length, body_seed(body), NULL);
}

static inline bool body_whole(const void *bytes, long length)
{
	const struct body *body = bytes;
	bool same = true;

	if (length < (long)BODY_MIN || body->length != length ||
	    body->check != (uint32_t)body_seed(body))
		return false;
	body_words((void *)bytes, length, body_seed(body), &same);
	return same;
}

#endif
