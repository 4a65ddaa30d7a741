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
#define NAMES		3
#define QUEUES		5	/* with those that have none */
#define FILES		12	/* open file descriptions */
#define PRODUCERS	4	/* names, of each user */
#define USERS		3
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
	__u64 arrived;			/* in the line of its key; 0: it was never READY */
	bool behind;			/* see model_line() */
	struct file *file;		/* LEASED: through which */
	int worker;			/* LEASED: by whom */
	__u32 holder_pid;		/* LEASED, DYING: likewise; 0: nobody */
	bool in_place;			/* LEASED: and he reads it there */
	bool ends;			/* LEASED, DELAYED: at once */
	bool endless;			/* LEASED: never */
	__u64 ttl;			/* SHORT_NS: it is never to be delivered; 0: no end */
	bool ranked;			/* it had a wish, or its queue for it */
	__u32 priority;
	__u32 owner;			/* whose share it takes */
	struct queue *receipts;		/* where it is told how it ends, or NULL */
	__u64 token;
	bool asks;			/* for an answer, which goes there: */
	struct queue *reply_to;
	/* DYING: what of, what its consumer said, and in which step. */
	const char *reason;
	char text[WEIR_REASON_MAX + 1];
	char holder[WEIR_CONSUMER_NAME_SIZE];
	unsigned int died;
	struct pin pins[MOST_PINS];
	int nr_pins;
	__u32 pid;			/* of the sender */
	/* What the kernel chose, once it is known. */
	bool placed;
	__u32 slot;
	bool has_pos;
	__u64 pos;
	__u64 stamp;
};

/* What is to be told, in the queue that it is for. */
struct receipt {
	const struct queue *from;
	unsigned int ended;		/* in which step */
	__u32 owner;			/* whose share it takes */
	bool knows_stamp;		/* when it was sent */
	struct weir_receipt told;
};

#define MOST_RECEIPTS	512

struct producer {
	__u32 uid;
	__u64 id;			/* 0: it was never registered */
	__u32 epoch;
	__u64 sequence;
};

#define MOST_IDS	4096

struct queue {
	char name[WEIR_NAME_SIZE];
	struct weir_policy policy;	/* as INFO has it */
	__u64 most_messages, most_units; /* that it was created with */
	__u32 most_dedup;
	__u64 max_units;
	__u32 max_size;
	struct queue *heir;		/* the dead letter queue, also one that is destroyed */
	bool private, anonymous;
	bool dead;			/* destroyed */
	struct message *messages[MAX_HELD];
	int held;
	__u64 arrivals;
	bool line_changed;		/* since @behind was found out */
	struct file *active;		/* who receives, if one at a time does; or NULL */
	struct producer producers[USERS * PRODUCERS];
	__u64 ids[MOST_IDS];		/* that were taken, in this order */
	int nr_ids;
	struct receipt receipts[MOST_RECEIPTS];	/* that are to come */
	int nr_receipts;
	__u32 owed;			/* of these, and for what has not ended */
	__u32 owed_to[USERS];		/* and whose share that takes */
	__u64 heard;
	__u64 duplicates, waited;	/* @waited: sent behind others of their key */
	__u64 sent, received, redelivered, expired, settled, purged, dropped, dead_letters;
	__u32 starving;			/* deliveries in a row while a lower priority waited */
	__u64 starved;			/* deliveries for that */
	__u64 freed;			/* messages that left room, or may go for others */
	__u64 blocked;			/* its heir's @freed, when that had no place; ~0: not so */
	__u64 memory;			/* that it has for good, at least */
	/* The observer's, who is the controller: see observe.c. */
	int fd;				/* or -1 */
	const struct weir_desc *index;
	const unsigned char *pool;
	__u32 slots, slots_there;
	__u64 pool_length;
};

struct file {
	struct queue *queue;		/* NULL: not open */
	int flags;			/* O_RDONLY, O_WRONLY, O_RDWR */
	__u32 uid;			/* who opened it */
	struct message *partial;
	__u32 partial_at;
	bool consumer[WORKERS];		/* that received, or tried to */
	char names[WORKERS][WEIR_CONSUMER_NAME_SIZE];
	bool fd[WORKERS];		/* who has a descriptor */
	bool mapped[WORKERS];		/* who has a mapping */
};

static inline __u32 units_of(__u32 size)
{
	return (size + WEIR_ALIGN - 1) / WEIR_ALIGN;
}

static inline bool has_flag(const struct queue *queue, __u32 flag)
{
	return queue->policy.flags & flag;
}

/* Others go for what has no room. */
static inline bool makes_room(const struct queue *queue)
{
	return queue->policy.when_full >= WEIR_WHEN_FULL_DROP_OLDEST;
}

static inline bool lets_die(const struct queue *queue)
{
	return queue->policy.when_full == WEIR_WHEN_FULL_DEAD_LETTER && !queue->dead;
}

static inline bool may_read(const struct file *file)
{
	return file->flags != O_WRONLY;
}

static inline bool may_write(const struct file *file)
{
	return file->flags != O_RDONLY;
}

static inline bool may_both(const struct file *file)
{
	return may_read(file) && may_write(file);
}

/* In which step it is; and the processes that there are. */
extern unsigned int model_step;
extern __u32 model_pids[WORKERS];
extern const __u32 model_users[USERS];
int model_user(__u32 uid);

__u64 model_units(const struct queue *queue);
int model_count(const struct queue *queue, enum state state);
/* What is in force when @policy, which is right, was asked for. */
void model_policy(struct queue *queue, const struct weir_policy *policy, struct queue *heir);
/* What is to be delivered, and what waits for its key. */
int model_depth(struct queue *queue);
int model_behind(struct queue *queue);
/* So many messages, of that size in all. */
struct space {
	__u32 messages;
	__u64 units;
};

/* Whether a message of @size bytes, of @uid's, has room, beside @more of his. */
bool model_room(const struct queue *queue, __u32 uid, __u32 size, struct space more);
/* As far as shares go: beside @more, of which he has @his. */
bool model_share(const struct queue *queue, __u32 uid, __u32 size, struct space more,
		 struct space his);

/* How many of @specs room is looked for for; @error: of the next one, or 0. */
int model_tries(const struct queue *queue, const struct spec *specs, int count, int *error);
/* How many of @specs are taken, or -errno; @others: if these go for them. */
int model_admits(const struct queue *queue, const struct spec *specs, int count, bool others);
/* NULL: it is a duplicate. */
struct message *model_send(struct queue *queue, const struct spec *spec, __u32 pid);

/* full.c */

struct space model_space(const struct spec *specs, int count);
/* What is dying: as good as gone, where others die. */
struct space model_dying(const struct queue *queue);
/* What may go for others, all of it. */
struct space model_may_go(const struct queue *queue);
/* Whether @space has room as soon as @less is not there. */
bool model_has_room(const struct queue *queue, struct space space, struct space less);
/* What goes first, or NULL. */
struct message *model_victim(struct queue *queue);

/* model_once.c */

/* The one with that id and epoch, or NULL: it is fenced. */
struct producer *model_producer(const struct queue *queue, const struct spec *spec);
bool model_is_fenced(const struct queue *queue, const struct spec *spec);
/* Whether it was not taken before; from now on it was. */
bool model_take_once(struct queue *queue, const struct spec *spec);

/* receipt.c */

void model_owe(struct message *message);
/* It ends so, by @pid, or 0. */
void model_tell(struct queue *queue, const struct message *message, enum weir_outcome outcome,
		__u32 pid, const char *name);
/* Whether what came to be in @to is a receipt that is due. */
bool model_hear(struct queue *to, const struct weir_receipt *got);
/* The error that @specs[@nth] gets for what it asks of other queues, after those before. */
int model_bonds_error(const struct queue *queue, const struct spec *specs, int nth);

/* model_order.c */

struct message *model_next(struct queue *queue);
/* Whether it is to be delivered, and not behind others. */
bool model_is_next(struct queue *queue, const struct message *message);
/* Whether @other is before @message in the line of their key. */
bool model_is_ahead(const struct queue *queue, const struct message *other,
		    const struct message *message);
/* @message, which is READY, has its place in the line of its key. */
void model_arrive(struct queue *queue, struct message *message);
/* Whether @file may take anything, as long as others receive. */
bool model_is_turn(const struct file *file);
/* How many messages @worker may take through @file, or the error that he gets. */
__s64 model_admit(const struct file *file, int worker);
/* It was taken next: who starves by that. */
void model_count_starving(struct queue *queue, const struct message *message);

/* model.c */

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
/* It is gone, as @outcome says, but perhaps pinned. */
void model_gone(struct queue *queue, struct message *message, enum weir_outcome outcome,
		__u32 pid, const char *name);
void model_settle(struct queue *queue, struct message *message, enum weir_outcome outcome);
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
