// SPDX-License-Identifier: MIT
/*
 * The same as weir-place, and beside it in the queue many messages of which nothing is
 * wanted: does a message cost more for them? Where keys order messages, each has one of
 * its own, and what is beside it waits for another that is leased.
 */
#include "door.h"

#include <sys/ioctl.h>
#include <unistd.h>

#define DEEP	1000000U
#define BESIDE	100000U

/* Who holds what is held beside. */
static int other;

static void flat_open_as(const struct gate *gate, unsigned int beside, unsigned int flags)
{
	const struct weir_policy policy = {
		.max_messages = beside + 2 * GATE_BATCH_MAX,
		.max_bytes = 128ULL * beside + (1 << 20),
		.flags = flags,
	};

	door_open_mapped_as(gate, policy);
	other = door_open_again();
}

static void flat_open(const struct gate *gate, unsigned int beside)
{
	flat_open_as(gate, beside, 0);
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
static void send_beside(const struct weir_options *options, const char *key)
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
			.key = door_address(key), .key_len = key ? strlen(key) : 0,
		};
	for (i = 0; i < BESIDE / WEIR_BATCH_MAX; i++)
		gate_expect("SEND", ioctl(other, WEIR_IOC_SEND, &send), WEIR_BATCH_MAX);
}

static void lease_beside(unsigned int count)
{
	struct weir_fetch fetch = {
		.nr_runs = DOOR_RUNS, .max_messages = WEIR_BATCH_MAX,
		.runs = door_address(door.runs), .lease_ns = 3600000000000ULL,
	};
	unsigned int i;

	for (i = 0; i < count;) {
		fetch.nr_runs = DOOR_RUNS;
		i += gate_check("FETCH", ioctl(other, WEIR_IOC_FETCH, &fetch));
	}
}

static void leased_open(struct gate *gate)
{
	flat_open(gate, BESIDE);
	send_beside(NULL, NULL);
	lease_beside(BESIDE / WEIR_BATCH_MAX * WEIR_BATCH_MAX);
}

static void delayed_open(struct gate *gate)
{
	static const struct weir_options options = { .delay_ns = 3600000000000ULL };

	flat_open(gate, BESIDE);
	send_beside(&options, NULL);
}

/* The number that a message begins with is its key. */
static void keys_open_beside(struct gate *gate, unsigned int beside)
{
	unsigned int i;

	flat_open_as(gate, beside, WEIR_POLICY_KEYED);
	for (i = 0; i < gate->batch; i++) {
		door.messages[i].key = door.messages[i].data;
		door.messages[i].key_len = sizeof(uint64_t);
	}
}

static void keys_open(struct gate *gate)
{
	keys_open_beside(gate, BESIDE);
}

static void keyed_open(struct gate *gate)
{
	keys_open_beside(gate, BESIDE);
	send_beside(NULL, "one");
	lease_beside(1);
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
FLAT(keys, "nothing beside, where keys order", keys_open);
FLAT(keyed, "100,000 wait for their key", keyed_open);
