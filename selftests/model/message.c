// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "message.h"

#define HEADER_SIZE sizeof(struct weir_header)

__u32 spec_headers_at(const struct spec *spec)
{
	return (spec->len + spec->key_len + 7) / 8 * 8;
}

__u32 spec_size(const struct spec *spec)
{
	if (spec->headers_len)
		return spec_headers_at(spec) + spec->headers_len;
	return spec->len + spec->key_len;
}

static void random_bytes(__u64 *seed, unsigned char *bytes, __u32 length)
{
	__u64 word = random_next(seed);

	for (; length >= sizeof(word); length -= sizeof(word), bytes += sizeof(word)) {
		memcpy(bytes, &word, sizeof(word));
		word = word * 6364136223846793005ULL + 1442695040888963407ULL;
	}
	memcpy(bytes, &word, length);
}

/* @length is a multiple of 8; a header with its padding takes at least 16. */
static void make_headers(__u64 *seed, unsigned char *bytes, __u32 length)
{
	while (length) {
		__u32 size = length < 32 ? length : 16 + 8 * random_below(seed, length / 8 - 3);
		struct weir_header header = { 0 };
		__u32 strings = size - HEADER_SIZE - random_below(seed, 8);

		header.name_len = 1 + random_below(seed, strings < 255 ? strings : 255);
		header.value_len = strings - header.name_len;
		memset(bytes, 0, size);
		memcpy(bytes, &header, HEADER_SIZE);
		random_bytes(seed, bytes + HEADER_SIZE, strings);
		bytes += size;
		length -= size;
	}
}

__u32 spec_id_len(__u64 id)
{
	return 1 + id % WEIR_ID_MAX;
}

void spec_id_bytes(__u64 id, unsigned char bytes[WEIR_ID_MAX])
{
	random_bytes(&id, bytes, WEIR_ID_MAX);
}

void spec_bytes(const struct spec *spec, unsigned char *bytes)
{
	__u64 seed = spec->seed, key_seed = spec->key_seed;
	__u32 rest = spec->len + spec->key_len, headers = spec_headers_at(spec);

	random_bytes(&seed, bytes, rest);
	if (key_seed)
		random_bytes(&key_seed, bytes + spec->len, spec->key_len);
	if (!spec->headers_len)
		return;
	memset(bytes + rest, 0, headers - rest);
	if (spec->headers_len % 8 == 0 && spec->headers_len >= 16)
		make_headers(&seed, bytes + headers, spec->headers_len);
}

void spec_spoil_headers(const struct spec *spec, unsigned char *bytes)
{
	struct weir_header header;
	__u32 at = 0, end, size;

	for (;;) {
		memcpy(&header, bytes + at, HEADER_SIZE);
		end = at + HEADER_SIZE + header.name_len + header.value_len;
		size = (end + 7) / 8 * 8;
		memset(bytes + end, 0xee, size - end);
		if (size == spec->headers_len)
			break;
		at = size;
	}
	if (spec->wrong == WRONG_NAME)
		header.name_len = 0;
	else if (spec->wrong == WRONG_VALUE)
		header.value_len = spec->seed % 2 ? header.value_len + 8 : 0xfffffff8U;
	else if (spec->wrong == WRONG_HEADER_RESERVED)
		header.reserved = 1;
	memcpy(bytes + at, &header, HEADER_SIZE);
}

int spec_early_error(const struct spec *spec)
{
	switch (spec->wrong) {
	case WRONG_FLAGS:
	case WRONG_RESERVED:
	case WRONG_KEY_LEN:
	case WRONG_HEADERS_LEN:
	case WRONG_NO_OPTIONS:
		return -EINVAL;
	case WRONG_LEN:
		return -EMSGSIZE;
	default:
		return 0;
	}
}

int spec_late_error(const struct spec *spec)
{
	switch (spec->wrong) {
	case WRONG_DATA:
	case WRONG_DATA_END:
	case WRONG_KEY:
	case WRONG_HEADERS:
	case WRONG_OPTIONS:
	case WRONG_ID_DATA:
		return -EFAULT;
	case WRONG_OPTIONS_TAIL:
		return -E2BIG;
	case WRONG_OPTIONS_LEN:
	case WRONG_OPTION_FLAGS:
	case WRONG_PRIORITY:
	case WRONG_SEQUENCE:
	case WRONG_EPOCH:
	case WRONG_ID:
	case WRONG_ID_LEN:
	case WRONG_NO_WINDOW:
	case WRONG_NAME:
	case WRONG_VALUE:
	case WRONG_HEADER_RESERVED:
		return -EINVAL;
	default:
		return 0;
	}
}
