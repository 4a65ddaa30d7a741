/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * world - the model beside what it is a model of
 *
 * The controller plays one step after the other: it picks what is to be done
 * with the step's own random numbers, among what there is at that moment, asks
 * one worker, a process, to do it, and compares the answer with the model's.
 * Then it compares all figures of all queues.
 *
 * A step to add: a row in table.c, a step_*() that picks, asks, compares and
 * applies it to the model, and a work_*() that does it in the worker.
 */
#ifndef WEIR_WORLD_H
#define WEIR_WORLD_H

#include <sys/types.h>

#include "model.h"

struct request;
struct reply;

#define FD_BASE	100	/* of open file description 0; the same in each worker */
#define BATCH	40	/* messages of a SEND */
#define SETTLES	20	/* runs of a SETTLE */
#define PARTS	6	/* of a TXN */

enum part_wrong {
	PART_RIGHT,
	PART_COUNT,
	PART_OP,
	PART_REASON,		/* of what is sent */
	PART_FD,
};

struct part {
	int file;
	__u32 op;
	int from, count;		/* of the request's specs, or runs */
	enum part_wrong wrong;
};

/* What a worker is asked for. What @work does not use is zero. */
struct request {
	void (*work)(const struct request *request, struct reply *reply);
	int file;			/* a descriptor's number follows from it */
	int flags;
	__u32 uid;			/* who opens it */
	bool uring;			/* a command: through an io_uring */
	char name[WEIR_NAME_SIZE];
	struct weir_create create;
	pid_t pid;			/* of another worker */
	int worker;			/* another worker */
	int count;
	struct spec specs[BATCH];
	__s64 timeout_ns;
	bool waits;			/* it is done without O_NONBLOCK */
	bool bad_runs;			/* no memory at the array of the command */
	bool in_place;
	struct weir_fetch fetch;	/* figures; addresses are the worker's */
	__u64 length;			/* of a buffer */
	__u64 there;			/* bytes of it that are memory */
	int parts;			/* of an iovec */
	int nr_settle;
	struct weir_run settle[SETTLES];
	char text[300];			/* a reason */
	__u32 text_len;
	struct weir_alter alter;
	char heir[WEIR_NAME_SIZE];	/* of a create or alter with one */
	struct weir_browse browse;
	struct part txn[PARTS];
	int nr_parts;
};

struct reply {
	__s64 value;			/* or -errno */
	__u64 first_offset, first_offsets[PARTS];
	__u32 duplicates, failed;
	struct weir_producer producer;
	struct weir_fetch fetch;
	struct weir_run runs[20];
	struct weir_run settle[SETTLES];
	struct weir_info info;
	struct weir_layout layout;
	unsigned char data[2 << 20];
};

#define CONTROLLERS_TURN	0
#define WORKERS_TURN		1

/* Between the controller and a worker; both belong to whose turn it is. */
struct channel {
	int turn;
	struct request request;
	struct reply reply;
};

struct worker {
	pid_t pid;			/* 0: there is none */
	struct channel *channel;	/* in shared memory */
};

struct step {
	const char *name;
	unsigned int weight;
	void (*play)(__u64 *seed);
};

/* What is played: everything that happens follows from it. */
struct op {
	int step;
	__u64 seed;
	bool asked;			/* out: a worker was asked for something */
};

/* What happened, over all that was ever played. */
struct tally {
	__u64 asked;			/* steps that were more than nothing */
	__u64 sent, received, redelivered, expired, settled, dead, letters, blocked, starved;
	__u64 duplicates, waited, txns, receipts, answers, dropped, full, between;
};

struct world {
	struct worker workers[WORKERS];
	struct queue *queues[QUEUES];	/* by name, then without; NULL: there is none */
	struct queue *all[4096];	/* that were ever made */
	int nr_all;
	struct file files[FILES];
	int control;
	__u64 asks;			/* of workers; what was done to them too */
};

extern struct world world;
extern struct tally tally;
extern const struct step steps[];
extern const int nr_steps;

/* run.c */

/* Plays @ops: the index of the one that disagreed, or -1. */
int play(struct op *ops, int nr, bool verbose);
/* What the last worker was asked for, and what the model had, when they disagreed. */
void print_last(void);
/* What disagreed. */
extern char disagreement[1024];
/* Two that have the same are about the same thing. */
extern const char *disagreement_kind;
_Noreturn void disagree(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void disagree_about(const char *what, __s64 got, __s64 wanted);

static inline void agree(const char *what, __s64 got, __s64 wanted)
{
	if (got != wanted)
		disagree_about(what, got, wanted);
}


/* turn_wait() - false when it was not given within a second */
void turn_give(struct channel *channel, int turn);
bool turn_wait(struct channel *channel, int turn);
/* ask() - what is to be done is in the worker's request since prepare() */
struct request *prepare(int worker);
struct reply *ask(int worker, void (*work)(const struct request *, struct reply *));
/* start_worker() - as a child of @parent, or of the controller if -1 */
void start_worker(int worker, int parent);
void end_worker(int worker, bool kill);
/* Until the kernel has heard of every process that ended. */
void settle_down(void);
/* Seconds that a worker may take over one step, and the kernel over a death. */
extern int patience;
#define PATIENCE raw_seconds(30)

/* figures.c */

__u64 consumers_of(const struct queue *queue);
void get_info(const struct queue *queue, struct weir_info *info);
void check_figures(struct queue *queue);

/* dead.c */

/* Until what was to end at once has, in the kernel and in the model. */
void calm_down(void);
/* What is buried of @queue by now is, in the model. */
void bury_so_far(struct queue *queue);
/*
 * More is in @queue than the model has, up to offset @sent: dead letters, or receipts, which
 * nobody sent. What is not due yet is perhaps when others have been buried: whether any was.
 */
bool arrive(struct queue *queue, __u64 sent);
void tick(void);
/* If for so long in a row nothing was buried, nothing will be. */
#define QUIET_TICKS 60

/* A dead letter, as it is found. */
struct letter {
	struct spec spec;
	const unsigned char *bytes;
};

/* What is said of its last death, or its @first; ~0: nothing. */
__u64 letter_number(const struct letter *letter, const char *name, bool first);
struct queue *letter_origin(const struct letter *letter, bool first);
bool letter_died_of(const struct letter *letter, const char *reason);
/* Whether @message is DYING, and among those that may be buried next. */
bool model_dies_first(const struct queue *queue, const struct message *message);
/* @message is buried; if its @stamp is not known it is that. The letter. */
struct message *model_bury(struct queue *queue, struct message *message, __u64 stamp);
/* The next message in @heir, at @desc, is a letter; see arrive_full() for @others. */
void bury_one(struct queue *heir, const struct weir_desc *desc, bool others);

/* between.c: what inherits and lets die; and the last one, which inherits from that. */

bool is_last(const struct queue *queue);
bool may_be_between(const struct queue *queue);

/* What a policy, of a queue to be created or altered, has to do with that. */
struct policy_asked {
	__u32 when_full;
	bool anonymous;
};

/* Whether @heir may be that of @queue, or NULL, which is to be created. */
bool may_inherit(const struct queue *queue, const struct policy_asked *asked,
		 const struct queue *heir);
/* arrive() at a queue between others. */
bool arrive_between(struct queue *queue);
/* Which message, of a queue that lets die, is in @seen; or NULL. */
struct message *model_dead_between(struct queue *queue, const struct letter *seen);
/* Whether all that is in @queue, between others, has place for sure in its heir. */
bool model_is_passed_on(const struct queue *queue);

/* full.c */

/*
 * @queue was to be sent @count of @specs, all in one call, of which @taken were taken: what
 * went for them goes in the model. That is not done yet, and nothing else died there.
 */
void model_make_room(struct queue *queue, const struct spec *specs, int count, int taken);
/* @count of those in @queue go for others. */
void model_let_go(struct queue *queue, int count);
/* Whether all that is dying has place for sure where it is to be buried. */
bool model_is_buried(const struct queue *queue);
/* Whether it could not be told what goes for which: dead letters come meanwhile, perhaps. */
bool model_is_tangled(const struct queue *queue);

/* Picks of what there is; false when there is none. Mostly such as @filter. */
bool pick_descriptor(__u64 *seed, bool (*filter)(const struct file *), int *file, int *worker);
bool pick_worker(__u64 *seed, int *worker);

static inline bool can_send(const struct file *file)
{
	return may_write(file) && !file->queue->dead &&
	       (model_room(file->queue, file->uid, 64, (struct space){ 0 }) ||
		(makes_room(file->queue) && model_depth(file->queue)));
}

static inline bool can_receive(const struct file *file)
{
	return may_read(file) && !file->queue->dead && model_depth(file->queue);
}

static inline bool can_settle(const struct file *file)
{
	return may_read(file) && !file->queue->dead && model_count(file->queue, LEASED);
}

/* observe.c: the controller's own look at a queue, through a mapping. */

/* What is where in it is not seen but by who takes it. */
bool unseen(const struct queue *queue);
/* Whether anybody has a descriptor of it, or can get one. */
bool is_reachable(const struct queue *queue);
/*
 * One that has no name is looked at through a descriptor of a worker's, and its memory if that
 * is to be seen; and let go of after each step, lest it live on by that.
 */
void observe_need(struct queue *queue);
void observe_look(struct queue *queue);
void observe_away(void);
void observe_open(struct queue *queue);
void observe_close(struct queue *queue);
/* The last @count messages were just sent. */
void observe_sent(struct queue *queue, int count);
/* Compares what is mapped of all messages, their bytes too if @whole. */
void observe_all(struct queue *queue, bool whole);
/* What is in the index, or was last in that slot; NULL: it is not. */
const struct weir_desc *observe_find(struct queue *queue, __u64 offset);
/* Whether the pool has place for sure. */
bool observe_fits(const struct queue *queue, __u32 size);
/* The kernel says that @message is there. */
void observe_place(struct queue *queue, struct message *message, const struct weir_desc *desc);
/* A descriptor as @message's receiver sees it, but for @pos. */
void compare_desc(const struct message *message, const struct weir_desc *desc);

/* step_data.c */

/* Bytes of a buffer that are as the worker had prepared them. */
void check_untouched(const char *what, const unsigned char *bytes, __u64 from, __u64 to);
/*
 * Runs to settle, good and bad ones; also with a time that is over at once if @times, and
 * that of a run only if it is the last one.
 */
void pick_run(__u64 *seed, const struct file *file, struct weir_run *run, bool last, bool times);
void pick_runs(__u64 *seed, const struct file *file, struct request *request, bool times);
/* How many messages were settled. */
__s64 check_settled(struct file *file, const struct request *request,
		    const struct reply *reply);

/* A reason, for what is given up. */
void pick_text(__u64 *seed, struct request *request);

/* step_send.c */

/* @specs[@nth], for @queue, of @file's user's; those before it are of the same call. */
void pick_spec(__u64 *seed, const struct queue *queue, const struct file *file, int worker,
	       struct spec *specs, int nth);
/* Of @specs that were taken: how many are no duplicates. */
int add_sent(struct queue *queue, const struct spec *specs, int count, int worker);

/* step_life.c */

/* Of the queue with that number. */
void set_name(char name[WEIR_NAME_SIZE], int i);
/* The number of a file that is not open, or -1. */
int pick_free_file(void);
/* After a descriptor or a mapping went: if that was the last, the file, and what ends by that. */
void check_open(struct file *file);

/* step_policy.c */

/* Whether it is somebody's dead letter queue. */
bool is_heir(const struct queue *queue);

/* step_*.c, figures.c */

void step_send(__u64 *seed);
void step_write(__u64 *seed);
void step_read(__u64 *seed);
void step_fetch(__u64 *seed);
void step_settle(__u64 *seed);
void step_poll(__u64 *seed);
void step_reply(__u64 *seed);
void step_producer(__u64 *seed);
void step_txn(__u64 *seed);
void step_browse(__u64 *seed);
void step_name(__u64 *seed);
void step_info(__u64 *seed);
void step_create(__u64 *seed);
void step_alter(__u64 *seed);
void step_destroy(__u64 *seed);
void step_destroy_force(__u64 *seed);
void step_purge(__u64 *seed);
void step_open(__u64 *seed);
void step_close(__u64 *seed);
void step_share(__u64 *seed);
void step_map(__u64 *seed);
void step_unmap(__u64 *seed);
void step_spawn(__u64 *seed);
void step_fork(__u64 *seed);
void step_kill(__u64 *seed);
void step_exit(__u64 *seed);

/* work.c */

_Noreturn void worker_main(int worker);
void work_send(const struct request *request, struct reply *reply);
void work_write(const struct request *request, struct reply *reply);
void work_read(const struct request *request, struct reply *reply);
void work_fetch(const struct request *request, struct reply *reply);
void work_settle(const struct request *request, struct reply *reply);
void work_poll(const struct request *request, struct reply *reply);
void work_reply(const struct request *request, struct reply *reply);
void work_producer(const struct request *request, struct reply *reply);
void work_txn(const struct request *request, struct reply *reply);
void work_browse(const struct request *request, struct reply *reply);
void work_name(const struct request *request, struct reply *reply);
void work_info(const struct request *request, struct reply *reply);
void work_create(const struct request *request, struct reply *reply);
void work_alter(const struct request *request, struct reply *reply);
void work_destroy(const struct request *request, struct reply *reply);
void work_purge(const struct request *request, struct reply *reply);
void work_open(const struct request *request, struct reply *reply);
void work_close(const struct request *request, struct reply *reply);
void work_share(const struct request *request, struct reply *reply);
void work_map(const struct request *request, struct reply *reply);
void work_unmap(const struct request *request, struct reply *reply);
void work_fork(const struct request *request, struct reply *reply);
void work_exit(const struct request *request, struct reply *reply);

#endif
