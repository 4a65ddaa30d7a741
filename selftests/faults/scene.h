/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * scene - a queue in which one call is made, with a fault in it or without
 */
#ifndef WEIR_FAULTS_SCENE_H
#define WEIR_FAULTS_SCENE_H

#include "../raw.h"
#include "../uring.h"

#define MESSAGES	3	/* that are there when a call is to receive */
#define LENGTH		100	/* bytes of each */
#define BATCH		20
#define FEW		8	/* that fill a queue of that policy */
#define LARGE		300000
#define BUFFER		(64 << 10)

struct scene {
	char name[WEIR_NAME_SIZE];
	int control;
	int fd;			/* of the queue; -1: not open */
	int told;		/* of one for receipts and answers; -1: there is none */
	int heir;		/* of one for the dead; likewise */
	char heir_name[WEIR_NAME_SIZE];
	struct ring ring;
	bool has_ring;
	bool parked;
	char *bytes;		/* LARGE of them, to send */
	char *buffer;		/* BUFFER, to receive */
	struct weir_run runs[16];
	int nr_runs;
	struct weir_info before;
};

/*
 * struct sequence - one call, and what is right before and after it
 * @want: the value when nothing fails
 * @partly: it may do less than all, and say so
 * @quiet: what it changes when it fails is within the manual
 * @told: there is a queue without a name, and messages ask for answers that go there
 * @heir: there is a dead letter queue, which @policy is to name if that has the flag
 * @call: with faults; once more without, when it failed
 * @verify: after a call that did not fail: NULL, or what is wrong
 */
struct sequence {
	const char *name;
	long want;
	bool no_queue, closed, partly, quiet, ring, told, heir;
	struct weir_policy policy;
	int messages;
	int leased;
	long (*call)(struct scene *scene);
	const char *(*verify)(struct scene *scene, long value);
};

extern const struct sequence sequences[];
extern const int nr_sequences;

/* Both: NULL, or what went wrong. */
const char *scene_begin(struct scene *scene, const struct sequence *sequence);
/* Everything is given back, so the queue can be destroyed without force. */
const char *scene_end(struct scene *scene, const struct sequence *sequence);
/* So many receipts have room, and nothing else has: NULL, or what there is. */
const char *scene_told(struct scene *scene, __u64 count);
/* There is no queue, and no node. */
const char *scene_nothing(struct scene *scene);
/* What a call that failed has left behind. */
const char *scene_unchanged(struct scene *scene, const struct sequence *sequence);
/* Figures after a call that did not fail. */
const char *right_figures(struct scene *scene, __u64 depth, __u64 leased, __u64 settled);
long scene_fetch(struct scene *scene, struct weir_fetch *fetch);
const char *scene_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* together.c */
long call_create_all(struct scene *scene);
long call_alter(struct scene *scene);
long call_txn(struct scene *scene);
long call_txn_uring(struct scene *scene);
long call_reply(struct scene *scene);
long call_producer(struct scene *scene);
long call_send_ids(struct scene *scene);
long call_give_up(struct scene *scene);
long call_browse(struct scene *scene);
long call_name(struct scene *scene);
const char *right_altered(struct scene *scene, long value);
const char *right_txn(struct scene *scene, long value);
const char *right_replied(struct scene *scene, long value);
const char *right_ids(struct scene *scene, long value);
const char *right_behind(struct scene *scene, long value);
const char *right_dropped(struct scene *scene, long value);
const char *right_buried(struct scene *scene, long value);
const char *right_given_up(struct scene *scene, long value);
const char *right_named(struct scene *scene, long value);

#endif
