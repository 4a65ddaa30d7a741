// SPDX-License-Identifier: MIT
/*
 * The same as weir-place, and beside it in the queue many messages of which nothing is
 * wanted: does a message cost more for them?
 */
#include "door.h"

#include <sys/ioctl.h>
#include <unistd.h>

#define DEEP	1000000U
#define BESIDE	100000U

/* Who holds what is held beside. */
static int other;

static void flat_open(const struct gate *gate, unsigned int beside)
{
	const struct weir_policy policy = {
		.max_messages = beside + 2 * GATE_BATCH_MAX,
		.max_bytes = 64ULL * beside + (1 << 20),
	};

	door_open_mapped_as(gate, policy);
	other = door_open_again();
}

static void flat_close(void)
{
	close(other);
	door_close();
}

static void bare_open(struct gate *gate)
{
	flat_open(gate, BESIDE);
}

static void flat_send(struct gate *gate)
{
	door_fill(gate);
	gate_expect("SEND", ioctl(door.fd, WEIR_IOC_SEND, &door.send), gate->batch);
}

static void flat_receive(struct gate *gate)
{
	door_want(gate);
	gate_expect("FETCH", ioctl(door.fd, WEIR_IOC_FETCH, &door.fetch), gate->batch);
	door_read_mapped(gate);
}

/* As where it goes round for long: what is mapped has been looked at once. */
static void touch_all(unsigned int slots)
{
	const volatile struct weir_desc *index = door.index;
	const volatile char *pool = door.pool;
	unsigned int i;

	for (i = 0; i < slots; i++)
		(void)pool[index[i].pos];
}

/* Each is received when it is its turn, behind all that are there. */
static void deep_open(struct gate *gate)
{
	flat_open(gate, DEEP);
	while (gate->sent < DEEP)
		flat_send(gate);
	touch_all(DEEP);
}

/* As many as are sent together, to be where they are for the whole time. */
static void send_beside(const struct weir_options *options)
{
	static struct weir_message messages[WEIR_BATCH_MAX];
	struct weir_send send = {
		.messages = door_address(messages), .count = WEIR_BATCH_MAX,
	};
	unsigned int i;

	for (i = 0; i < WEIR_BATCH_MAX; i++)
		messages[i] = (struct weir_message){
			.data = door_address(door.payloads), .len = 64,
			.options = door_address(options),
			.options_len = options ? sizeof(*options) : 0,
		};
	for (i = 0; i < BESIDE / WEIR_BATCH_MAX; i++)
		gate_expect("SEND", ioctl(other, WEIR_IOC_SEND, &send), WEIR_BATCH_MAX);
}

static void leased_open(struct gate *gate)
{
	struct weir_fetch fetch = {
		.nr_runs = DOOR_RUNS, .max_messages = WEIR_BATCH_MAX,
		.runs = door_address(door.runs), .lease_ns = 3600000000000ULL,
	};
	unsigned int i;

	flat_open(gate, BESIDE);
	send_beside(NULL);
	for (i = 0; i < BESIDE / WEIR_BATCH_MAX * WEIR_BATCH_MAX;) {
		fetch.nr_runs = DOOR_RUNS;
		i += gate_check("FETCH", ioctl(other, WEIR_IOC_FETCH, &fetch));
	}
}

static void delayed_open(struct gate *gate)
{
	static const struct weir_options options = { .delay_ns = 3600000000000ULL };

	flat_open(gate, BESIDE);
	send_beside(&options);
}

#define FLAT(word, text, begin)						\
	const struct path flat_##word = {				\
		.name = "flat-" #word,					\
		.what = text,						\
		.open = begin,						\
		.send = flat_send,					\
		.receive = flat_receive,				\
		.close = flat_close,					\
	}

FLAT(bare, "nothing beside", bare_open);
FLAT(deep, "a million messages before it", deep_open);
FLAT(leased, "100,000 are leased", leased_open);
FLAT(delayed, "100,000 wait for their time", delayed_open);
