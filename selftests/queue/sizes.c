// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Messages of all sizes keep their bytes, alone and among others, in any order of going. */
#include "../body.h"
#define QUEUE_DOORS
#include "../fixture.h"

static bool round_trip(FIXTURE_DATA(queue) *self, char *out, char *in, size_t size, uint8_t seed)
{
	size_t i;

	for (i = 0; i < 4096 && i < size; i++)
		out[i] = out[size - 1 - i] = body_mix(seed + i);
	if (door_write(self->writer, out, size) != (long)size)
		return false;
	memset(in, 0, size < 64 ? size : 64);
	in[size - 1] = ~out[size - 1];
	return door_read(self->reader, in, size + 1) == (long)size && !memcmp(out, in, size);
}

/* Around each border of units, of pages, and of powers of two up to the largest. */
TEST_F(queue, alone)
{
	static const size_t borders[] = {
		64, 128, 192, 1024, 2048, 4096, 4096 + 64, 8192, 12288, 65536, 65536 + 4096,
		1 << 18, 1 << 20, 2 << 20, 4 << 20, (16 << 20) - 4096, 16 << 20,
	};
	char *out = malloc(WEIR_MESSAGE_MAX + 1), *in = malloc(WEIR_MESSAGE_MAX + 2);
	size_t i, size, d;

	for (i = 0; i < WEIR_MESSAGE_MAX; i += 8)
		*(uint64_t *)(out + i) = body_mix(i);
	for (size = 1; size < 200; size++) {
		ASSERT_TRUE(round_trip(self, out, in, size, size)) {
			TH_LOG("size %zu", size);
		}
	}
	for (i = 0; i < ARRAY_SIZE(borders); i++) {
		for (d = 0; d < 3; d++) {
			size = borders[i] - 1 + d;
			if (size > WEIR_MESSAGE_MAX)
				continue;
			ASSERT_TRUE(round_trip(self, out, in, size, i * 3 + d)) {
				TH_LOG("size %zu", size);
			}
		}
	}
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

/*
 * Against a model: sizes and turns at random, in a queue that is mostly full, so
 * that room is found between what is stuck.
 */
struct model {
	unsigned int head, tail;
	uint32_t sizes[4096];
};

static uint32_t random_size(void)
{
	switch (random() % 8) {
	case 0:
		return BODY_MIN + random() % 16368;
	case 1:
		return 4096 * (1 + random() % 4);
	case 2:
		return BODY_MIN + random() % 4096;
	default:
		return BODY_MIN + random() % 300;
	}
}

static bool model_full(const struct model *model, uint64_t units, uint32_t size)
{
	return units + (size + 63) / 64 > 65536 / 64 || model->head - model->tail >= 200;
}

TEST_F(queue, among_others)
{
	static struct model model;
	static char bytes[16385], back[16385];
	uint64_t units = 0;
	uint32_t size;
	int i, fill, rounds = raw_rounds(20000);
	long ret;

	ASSERT_EQ(0, queue_remake(self, 200, 65536));
	srandom(1);
	for (i = 0; i < rounds; i++) {
		fill = (i / 500) % 2 ? 40 : 60;
		if (random() % 100 < fill) {
			size = random_size();
			body_make(bytes, size, 0, model.head);
			ret = door_write(self->writer, bytes, size);
			if (model_full(&model, units, size)) {
				ASSERT_EQ(-EAGAIN, ret);
				continue;
			}
			ASSERT_EQ(size, ret) {
				TH_LOG("round %d, %u messages", i, model.head - model.tail);
			}
			model.sizes[model.head++ % 4096] = size;
			units += (size + 63) / 64;
			continue;
		}
		ret = door_read(self->reader, back, sizeof(back));
		if (model.head == model.tail) {
			ASSERT_EQ(-EAGAIN, ret);
			continue;
		}
		size = model.sizes[model.tail % 4096];
		ASSERT_EQ(size, ret);
		ASSERT_TRUE(body_whole(back, ret));
		ASSERT_EQ(model.tail++, ((struct body *)back)->seq);
		units -= (size + 63) / 64;
		if (!(i % 100))
			ASSERT_EQ(units * 64, raw_figure(self->name, "bytes"));
	}
}

/* What is stuck in the middle holds up nothing but its own room. */
TEST_F(queue, around_what_is_stuck)
{
	int holders[8];
	struct weir_run run;
	static char bytes[4096];
	int n, rounds = raw_rounds(2000);
	size_t i;

	ASSERT_EQ(0, queue_remake(self, 0, 65536));
	/* Every third of these stays, held by one who does not settle it. */
	for (i = 0; i < ARRAY_SIZE(holders); i++) {
		for (n = 0; n < 3; n++) {
			body_make(bytes, 1000 + 64 * n, i, n);
			ASSERT_EQ(1000 + 64 * n, door_write(self->writer, bytes, 1000 + 64 * n));
		}
		holders[i] = raw_open(self->name, O_RDONLY | O_NONBLOCK);
		ASSERT_EQ(0, door_hold(holders[i], &run));
		for (n = 0; n < 2; n++)
			ASSERT_LT(0, door_read(self->reader, bytes, sizeof(bytes)));
	}
	for (n = 0; n < rounds; n++) {
		uint32_t size = BODY_MIN + n * 13 % 4000;

		body_make(bytes, size, 99, n);
		ASSERT_EQ(size, door_write(self->writer, bytes, size));
		ASSERT_EQ(size, door_read(self->reader, bytes, sizeof(bytes)));
		ASSERT_TRUE(body_whole(bytes, size));
		ASSERT_EQ(n, ((struct body *)bytes)->seq);
	}
	for (i = 0; i < ARRAY_SIZE(holders); i++) {
		close(holders[i]);
		ASSERT_EQ(1000, door_read(self->reader, bytes, sizeof(bytes)));
		ASSERT_TRUE(body_whole(bytes, 1000));
		ASSERT_EQ(i, ((struct body *)bytes)->producer);
	}
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

/* Full to the last unit and the last message, again and again. */
TEST_F(queue, to_the_brim)
{
	char bytes[1024] = { 0 };
	int round, n;

	ASSERT_EQ(0, queue_remake(self, 0, 4096));
	for (round = 1; round <= 20; round++) {
		for (n = 0; n < 64; n++)
			ASSERT_EQ(1 + round, door_write(self->writer, bytes, 1 + round));
		ASSERT_EQ(-EAGAIN, door_write(self->writer, bytes, 1));
		ASSERT_EQ(4096, raw_figure(self->name, "bytes"));
		for (n = 0; n < 64; n++)
			ASSERT_EQ(1 + round, door_read(self->reader, bytes, sizeof(bytes)));
		for (n = 0; n < 4; n++)
			ASSERT_EQ(1024, door_write(self->writer, bytes, 1024));
		ASSERT_EQ(-EAGAIN, door_write(self->writer, bytes, 1));
		for (n = 0; n < 4; n++)
			ASSERT_EQ(1024, door_read(self->reader, bytes, sizeof(bytes)));
	}
}

TEST_F(queue, many_small_ones)
{
	const int most = raw_rounds(65536);
	char bytes[64];
	int i;

	if (most < 65536)
		ASSERT_EQ(0, queue_remake(self, most, 0));
	for (i = 0; i < most; i++)
		ASSERT_EQ(4, door_write(self->writer, &i, 4));
	ASSERT_EQ(-EAGAIN, door_write(self->writer, &i, 4));
	ASSERT_EQ(most, raw_figure(self->name, "depth"));
	for (i = 0; i < most; i++) {
		ASSERT_EQ(4, door_read(self->reader, bytes, sizeof(bytes)));
		ASSERT_EQ(0, memcmp(&i, bytes, 4));
	}
	EXPECT_EQ(0, raw_figure(self->name, "bytes"));
}

TEST_HARNESS_MAIN
