/* SPDX-License-Identifier: MIT */
/*
 * A path is a way for messages to go from a sender to a receiver. One thread is
 * both of them here, in turns: it sends a batch, then receives and settles one.
 * Nobody ever waits, so what is counted is the work and nothing else.
 *
 * Each message has its number in its first bytes; the receiver looks at it, in
 * whatever way the path brings it there, and at nothing else of the payload.
 */
#ifndef WEIR_BENCH_GATE_H
#define WEIR_BENCH_GATE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define GATE_BATCH_MAX 1024U

struct gate {
	unsigned int batch;
	unsigned int size;	/* of a message, in bytes; at least 8 */
	uint64_t sent;		/* messages, ever */
	uint64_t received;
};

struct path {
	const char *name;
	const char *what;
	void (*open)(struct gate *gate);
	void (*send)(struct gate *gate);
	void (*receive)(struct gate *gate);
	void (*close)(void);
};

extern const struct path weir_rw, weir_copy, weir_once, weir_place;
extern const struct path weir_uring, weir_uring_copy;
extern const struct path lib_ioctl, lib_uring;
extern const struct path flat_bare, flat_deep, flat_leased, flat_delayed;
extern const struct path flat_keys, flat_keyed;
extern const struct path peer_mqueue, peer_pipe, peer_pipe_packed;

/* Ends the program if @value is not what it has to be; says which call it was. */
void gate_expect(const char *what, long value, long wanted);
/* The same for calls whose value is their own affair, if it is not negative. */
long gate_check(const char *what, long value);
__attribute__((noreturn)) void gate_broken(const struct gate *gate, uint64_t number);

/* @batch messages of @size bytes, one behind the other, each at a multiple of 64. */
char *gate_messages(const struct gate *gate);

static inline size_t gate_stride(const struct gate *gate)
{
	return (gate->size + 63UL) & ~63UL;
}

static inline void gate_put(struct gate *gate, char *message)
{
	uint64_t number = gate->sent++;

	memcpy(message, &number, sizeof(number));
}

static inline void gate_got(struct gate *gate, const char *message)
{
	uint64_t number;

	memcpy(&number, message, sizeof(number));
	if (__builtin_expect(number != gate->received, 0))
		gate_broken(gate, number);
	gate->received++;
}

#endif
