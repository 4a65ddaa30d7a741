/* SPDX-License-Identifier: MIT */
/*
 * weir-demo: a text goes through a queue, line by line, between processes of
 * which one is killed.
 *
 *	text ──► producers ──► queue ──► consumers ──► logs ──► verify
 *	                                   │ SIGKILL, holding messages
 *	                                   └───────► back to the queue, to another one
 *
 * Line n (from 0) is sent by producer n modulo the number of producers, as a
 * message "PRODUCER LINE TEXT\n". Each consumer keeps a log in memory that it
 * shares with the parent, who reads it in the end, whatever became of the
 * consumer, and compares it with the text.
 */
#ifndef WEIR_DEMO_H
#define WEIR_DEMO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <weir/weir.h>

#define PRODUCERS	4
#define CONSUMERS	3
#define VICTIM		1	/* the consumer that is killed */
#define LINES_MIN	1000	/* so that there is enough left for it to hold */
#define BATCH		32	/* messages of one send or receive */

/* Of the queue: far less than the text, so that producers meet a full one. */
#define QUEUE_MESSAGES	1024
#define QUEUE_BYTES	(1 << 20)

/* Room in front of a line for "PRODUCER LINE ". */
#define PREFIX_MAX	32
/* A longer line is taken for several. */
#define LINE_MAX_LENGTH	4096
#define MESSAGE_ROOM	(PREFIX_MAX + LINE_MAX_LENGTH)

struct line {
	const char *start;
	uint32_t length;	/* with its newline */
};

struct text {
	const char *path;
	size_t size;
	struct line *lines;
	uint32_t count;
};

int text_open(struct text *text, const char *path);
/* Line @n as the message that producer @n % PRODUCERS sends; its length. */
size_t text_message(const struct text *text, uint32_t n, char message[MESSAGE_ROOM]);

/* A message that a consumer was handed. */
struct record {
	uint64_t offset;	/* plain: not known, 0 */
	uint64_t time_ns;	/* when it was received, CLOCK_MONOTONIC */
	uint32_t deliveries;	/* plain: not known, 0 */
	uint32_t length;	/* received; plain: may be the beginning only */
	char message[] __attribute__((aligned(8)));
};

enum log_state {
	LOG_WORKING,
	LOG_HOLDING,	/* has what is logged and not settled, and waits to be killed */
};

/*
 * What one consumer received. It counts up @logged before it settles and
 * @settled after, so that a death leaves unknown only what stands between the
 * two; and not even that in state LOG_HOLDING.
 */
struct log {
	size_t room;			/* bytes of @records; invariant */
	_Atomic size_t logged;		/* bytes of @records that are filled */
	_Atomic size_t settled;		/* of these, the settled ones */
	_Atomic uint32_t messages;	/* that were settled */
	_Atomic uint32_t state;		/* enum log_state */
	char *records;			/* struct record one behind the other; invariant */
};

struct log *log_new(const struct text *text);
/* The record to fill next, for a message of up to @length bytes; NULL: no room. */
struct record *log_next(struct log *log, size_t length);
/* Count the filled record as logged. */
void log_add(struct log *log, const struct record *record);
/* Count all that is logged as settled. */
void log_settle(struct log *log, uint32_t messages);
/* The record at @at, which is moved behind it; NULL behind the last. */
const struct record *log_walk(const struct log *log, size_t *at);

/* What parent and children tell each other while they work. */
struct shared {
	_Atomic uint32_t sent[PRODUCERS];
	_Atomic uint32_t settled;	/* by all */
	_Atomic bool stop;		/* all is there: consumers end */
};

struct demo {
	struct text text;
	char queue[WEIR_NAME_SIZE];
	bool plain;			/* by read(2) and write(2) alone */
	uint32_t door;			/* else: enum weir_door */
	int start;			/* pipe that ends when all may begin */
	struct log *logs[CONSUMERS];
	struct shared *shared;

	/* for the parent alone */
	pid_t producers[PRODUCERS], consumers[CONSUMERS];	/* 0: ended */
	uint64_t started_ns, killed_ns, finished_ns;
	uint64_t leased;		/* by the queue's figures, before the kill */
	struct weir_info info;		/* at the end */
};

uint64_t clock_ns(void);
/* Say what failed, as libweir or errno (negative) has it; the exit status. */
int failed(const char *what, int error);

int producer(struct demo *demo, unsigned int self);
int consumer(struct demo *demo, unsigned int self);
int consumer_plain(struct demo *demo, unsigned int self);

/* Make the processes, kill one, wait for the end. */
int conduct(struct demo *demo);

struct verdict {
	uint32_t lost, twice, changed, disordered, unsettled;
	uint32_t first_bad;		/* a line that is one of these */
	uint32_t held;			/* by the killed one, when it was killed */
	uint32_t back;			/* of these, settled by others */
	uint32_t back_to[CONSUMERS];
	uint32_t first_held, last_held;	/* lines */
	uint64_t back_ns;		/* from the kill until another had the first */
};

/* Compare the logs with the text; true if all is as it should be. */
bool verify(const struct demo *demo, struct verdict *verdict);

void progress(const struct demo *demo, uint32_t done);
void progress_end(void);
void report_begin(const struct demo *demo);
void report(const struct demo *demo, const struct verdict *verdict, bool good);

#endif
