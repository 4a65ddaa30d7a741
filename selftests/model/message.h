/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * message - one message to send, as the controller asks a worker for it
 *
 * Its bytes follow from a seed, so both sides make them for themselves.
 */
#ifndef WEIR_MODEL_MESSAGE_H
#define WEIR_MODEL_MESSAGE_H

#include <stdbool.h>

#include "../body.h"
#include "../raw.h"

struct queue;

/* What is wrong with it. */
enum wrong {
	RIGHT,
	WRONG_FLAGS,
	WRONG_RESERVED,
	WRONG_KEY_LEN,
	WRONG_HEADERS_LEN,
	WRONG_LEN,		/* more than any queue takes */
	WRONG_NO_OPTIONS,	/* an address, and no length */
	/* The kernel notices these when it copies, so space is reserved by then. */
	WRONG_DATA,
	WRONG_DATA_END,		/* its beginning is there */
	WRONG_KEY,
	WRONG_HEADERS,
	WRONG_NAME,		/* empty */
	WRONG_VALUE,		/* reaches beyond the block */
	WRONG_HEADER_RESERVED,
	WRONG_OPTIONS,		/* from here on: there are options */
	WRONG_OPTIONS_LEN,
	WRONG_OPTIONS_TAIL,
	WRONG_OPTION_FLAGS,
	WRONG_PRIORITY,		/* the queue has not as many */
	WRONG_SEQUENCE,		/* without a producer */
	WRONG_EPOCH,
	WRONG_ID,		/* an address, and no length */
	WRONG_ID_LEN,
	WRONG_ID_DATA,
	WRONG_NO_WINDOW,	/* the queue knows no ids */
	NR_WRONG,
};

struct spec {
	__u32 len, key_len, headers_len;
	enum wrong wrong;
	bool wishes;			/* it has options */
	struct weir_options options;	/* but for the address of the id */
	struct queue *receipts;		/* behind the descriptor for these; NULL: none */
	struct queue *reply_to;		/* likewise, for an answer */
	int receipt_file, reply_file;
	__u32 uid;			/* who sends it */
	__u64 id;			/* of which its bytes are made; 0: it has none */
	__u64 key_seed;			/* likewise, of the key; 0: of @seed */
	__u64 seed;
};

/* A generator of its own: the same numbers on every machine. */
static inline __u64 random_next(__u64 *seed)
{
	*seed += 0x9e3779b97f4a7c15ULL;
	return body_mix(*seed);
}

static inline __u64 random_below(__u64 *seed, __u64 end)
{
	return random_next(seed) % end;
}

__u32 spec_headers_at(const struct spec *spec);
__u32 spec_size(const struct spec *spec);
/* All bytes, as receivers shall see them: payload, key, zeros, headers. */
void spec_bytes(const struct spec *spec, unsigned char *bytes);
__u32 spec_id_len(__u64 id);
void spec_id_bytes(__u64 id, unsigned char bytes[WEIR_ID_MAX]);
/* Makes the block of headers at @bytes what a careless or bad sender has. */
void spec_spoil_headers(const struct spec *spec, unsigned char *bytes);
/* The error that @spec gets before any space is looked for; and after. */
int spec_early_error(const struct spec *spec);
int spec_late_error(const struct spec *spec);

#endif
