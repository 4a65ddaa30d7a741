/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * model - what a queue is, as naive as can be
 *
 * A queue is an array of the messages that it holds, by offset. Every figure is
 * counted when it is asked for, and everything is found by looking at all of it.
 * Nothing here knows how the kernel does it: what it may choose (the slot and
 * the place of a message) is told to the model, which looks whether it may.
 */
#ifndef WEIR_MODEL_H
#define WEIR_MODEL_H

#include "message.h"

#define WORKERS		4	/* processes */
#define QUEUES		3	/* names */
#define FILES		12	/* open file descriptions */
#define MAX_HELD	512

enum state {
	READY,
	LEASED,
	DELAYED,
	DYING,
	PINNED,				/* gone, but not for who was late */
};

/* A time that ends during no run; and one that has ended at once. */
#define LONG_NS		3600000000000ULL
#define SHORT_NS	1ULL
/* On CLOCK_REALTIME. */
#define LONG_AT		4000000000000000000ULL
#define PAST_AT		1ULL
#define LONG_MS		3600000U
#define SHORT_MS	1U

/* Who had a message in place when his lease ended. */
struct pin {
	struct file *file;
	int worker;
	__u32 deliveries;
};

#define MOST_PINS	200

struct message {
	__u64 offset;
	struct spec spec;
	unsigned char *bytes;		/* as receivers see them */
	__u32 size;			/* of these */
	__u32 deliveries;
	enum state state;
	struct file *file;		/* LEASED: through which */
	int worker;			/* LEASED: by whom */
	__u32 holder_pid;		/* LEASED, DYING: likewise; 0: nobody */
	bool in_place;			/* LEASED: and he reads it there */
	bool ends;			/* LEASED, DELAYED: at once */
	bool expires;			/* it is never to be delivered */
	bool ranked;			/* it had a wish, or its queue for it */
	__u32 priority;
	/* DYING: what of, what its consumer said, and in which step. */
	const char *reason;
	char text[WEIR_REASON_MAX + 1];
	unsigned int died;
	struct pin pins[MOST_PINS];
	int nr_pins;
	__u32 pid;			/* of the sender */
	/* What the kernel chose, once it is known. */
	bool placed;
	__u32 slot;
	__u64 pos;
	__u64 stamp;
};

struct queue {
	char name[WEIR_NAME_SIZE];
	struct weir_policy policy;	/* as INFO has it */
	__u64 most_messages, most_units; /* that it was created with */
	__u64 max_units;
	__u32 max_size;
	struct queue *heir;		/* the dead letter queue, also one that is destroyed */
	bool private;
	bool dead;			/* destroyed */
	struct message *messages[MAX_HELD];
	int held;
	__u64 sent, received, redelivered, expired, settled, purged, dead_letters;
	__u32 starving;			/* deliveries in a row while a lower priority waited */
	__u64 starved;			/* deliveries for that */
	__u64 freed;			/* messages that left room */
	__u64 blocked;			/* its heir's @freed, when that had no place; ~0: not so */
	__u64 memory;			/* that it has for good, at least */
	/* The observer's, who is the controller: see observe.c. */
	int fd;
	const struct weir_desc *index;
	const unsigned char *pool;
	__u32 slots, slots_there;
	__u64 pool_length;
};

struct file {
	struct queue *queue;		/* NULL: not open */
	int flags;			/* O_RDONLY, O_WRONLY, O_RDWR */
	struct message *partial;
	__u32 partial_at;
	bool consumer[WORKERS];		/* that received, or tried to */
	bool fd[WORKERS];		/* who has a descriptor */
	bool mapped[WORKERS];		/* who has a mapping */
};

static inline __u32 units_of(__u32 size)
{
	return (size + WEIR_ALIGN - 1) / WEIR_ALIGN;
}

static inline bool may_read(const struct file *file)
{
	return file->flags != O_WRONLY;
}

static inline bool may_write(const struct file *file)
{
	return file->flags != O_RDONLY;
}

/* In which step it is; and the processes that there are. */
extern unsigned int model_step;
extern __u32 model_pids[WORKERS];

__u64 model_units(const struct queue *queue);
int model_count(const struct queue *queue, enum state state);
/* What is in force when @policy, which is right, was asked for. */
void model_policy(struct queue *queue, const struct weir_policy *policy, struct queue *heir);
__u64 model_depth(const struct queue *queue);
/* Whether a message of @size bytes has room, beside @more with @units. */
bool model_room(const struct queue *queue, __u32 size, __u32 more, __u64 units);

/* How many of @specs are taken, or -errno. */
int model_admits(const struct queue *queue, const struct spec *specs, int count);
struct message *model_send(struct queue *queue, const struct spec *spec, __u32 pid);

struct message *model_next(struct queue *queue);
/* The dead letter that becomes of @message; @stamp is when that was sent. */
struct message *model_dead_letter(const struct queue *queue, const struct message *message,
				  __u64 stamp);
void model_add(struct queue *queue, struct message *message);
void model_free(struct message *message);
/* The held message with that offset, or NULL. */
struct message *model_find(struct queue *queue, __u64 offset);
/* Who else has @slot, or NULL. */
struct message *model_in_slot(struct queue *queue, __u32 slot, const struct message *but);
void model_lease(struct queue *queue, struct message *message, struct file *file, int worker,
		 bool in_place);
/* It goes back, now, or to wait: not at all, for no time, for ever; or it dies. */
enum wait { NOW, SHORT, LONG };
void model_put_back(struct queue *queue, struct message *message, enum wait wait);
void model_die(struct queue *queue, struct message *message, const char *reason,
	       const char *text);
/* It is gone, but perhaps pinned. */
void model_gone(struct queue *queue, struct message *message);
void model_settle(struct queue *queue, struct message *message);
__u64 model_purge(struct queue *queue);
__u64 model_pins(const struct queue *queue);
/* Whether another lease in place may end at once, as far as the model can count. */
bool model_may_pin(const struct queue *queue);
/* Time goes on: what was to end at once has. Whether anything was. */
bool model_end_times(struct queue *queue);

/* What SETTLE says of @run, and does; @text is the reason of what is given up. */
int model_run_status(struct file *file, const struct weir_run *run);
int model_settle_run(struct file *file, const struct weir_run *run, const char *text);

/* @worker's leases through @file end, and what he was late for is free. */
void model_end_consumer(struct file *file, int worker);
/* After a descriptor or a mapping went: closes @file if that was the last. */
void model_check_open(struct file *file);
/* A queue's memory; its name is left, for files that are still open. */
void model_empty(struct queue *queue);

#endif
