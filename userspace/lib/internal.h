/* SPDX-License-Identifier: MIT */
/*
 * The inside of libweir, bottom up:
 *
 *   options.c  sized structures of the caller; wait.c: times and signals
 *   control.c  objects by name; sysfs.c: the same without the right to control
 *   door.c     one command, by ioctl or as an SQE
 *   ring.c     many commands; an io_uring, or ioctl and poll (ring_poll.c)
 *   queue.c    the handle; send.c on it
 *   batch.c    receiving and settling; view.c checks what was received
 *   txn.c      both, on several queues at once
 *   call.c     requests and their answers; asked.c: which are under way
 *   browse.c   looking at what is there
 *   prep.c     the same for a ring of the caller's
 *
 * Whatever the kernel fills in is checked before it is used, so that a broken
 * or hostile module cannot make the library touch memory that is not there.
 */
#ifndef WEIR_INTERNAL_H
#define WEIR_INTERNAL_H

#include <signal.h>
#include <stdbool.h>
#include <liburing.h>
#include <weir/weir.h>

#define WEIR_PUBLIC	__attribute__((visibility("default")))

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define NSEC_PER_SEC	1000000000LL

/* ---- options.c -------------------------------------------------------- */

/*
 * Copies the caller's structure of options, as long as the caller knows it, to
 * one of ours; E2BIG when the caller uses what we do not know.
 */
int options_take(void *ours, size_t size, const void *theirs);
/* The other direction: as much of @ours as the caller has room for. */
int info_give(void *theirs, size_t size, const void *ours, size_t known);
int name_check(const char *name);
/* AUTO, replaced by WEIR_DOOR of the environment. */
int door_choose(uint32_t door);

/* ---- wait.c ----------------------------------------------------------- */

int64_t now_ns(void);
/* By now_ns(); what is not positive stands for itself. */
int64_t deadline_of(int64_t timeout_ns);
int64_t time_left(int64_t deadline);
struct timespec *timespec_of(int64_t ns, struct timespec *ts);

/*
 * A call that waits more than once would lose the EINTR of a signal that comes
 * between two waits. So it holds signals, once it has to wait, and lets them in
 * only while it waits: the waits are given @before as their mask.
 */
struct held_signals {
	bool		held;
	sigset_t	before;
};

void signals_hold(struct held_signals *signals);
void signals_let_go(struct held_signals *signals);

/* ---- control.c -------------------------------------------------------- */

/* The descriptor of a queue without a name, or -errno. */
int control_anonymous(const struct weir_create_options *options);

/* ---- sysfs.c ---------------------------------------------------------- */

int sysfs_info(const char *name, struct weir_info *info);
int sysfs_list(weir_list_fn *each, void *context);

/* ---- door.c ----------------------------------------------------------- */

struct command {
	int		fd;
	uint32_t	number;		/* WEIR_IOC_* */
	uint32_t	size;
	void		*arg;
};

int command_ioctl(const struct command *command);
void command_sqe(const struct command *command, struct io_uring_sqe *sqe);

/* ---- queue.c ---------------------------------------------------------- */

struct area {
	const void	*base;
	size_t		length;
};

struct weir_queue {
	int		fd;
	int		access;		/* O_RDONLY, O_WRONLY or O_RDWR */
	bool		may_map;	/* until it was tried and refused */
	struct area	index;		/* base NULL until mapped */
	struct area	pool;
	uint64_t	features;	/* WEIR_FEATURE_* */
	struct weir_ring *ring;		/* the door of URING; NULL: ioctl */
};

/* Whether the queue's memory is mapped now, after trying. */
bool queue_map(struct weir_queue *queue);
/* A command that is done when this returns. */
int queue_run(struct weir_queue *queue, const struct command *command);

/* ---- send.c ----------------------------------------------------------- */

struct command send_command(struct weir_queue *queue, struct weir_send *send,
			    const struct weir_message *messages,
			    unsigned int count, int64_t timeout_ns);

/* ---- batch.c ---------------------------------------------------------- */

enum batch_state {
	BATCH_IDLE,
	BATCH_SETTLING,
	BATCH_RECEIVING,
	BATCH_REPLYING,
};

#define NO_SETTLEMENT	(-1)
#define STATUS_HELD	255

/* What is to become of messages: as in struct weir_run. */
struct fate {
	int		op;
	uint32_t	delay_ms;
};

struct span {
	unsigned int	at;
	unsigned int	count;
};

struct weir_batch {
	struct weir_queue *queue;
	enum batch_state state;
	uint32_t	flags;		/* WEIR_BATCH_* */
	uint32_t	max_messages;	/* that there is room for */
	uint32_t	limit;		/* and that are wanted */
	uint64_t	max_bytes;
	uint64_t	lease_ns;
	void		*buffer;	/* NULL: read in place */
	size_t		buffer_size;

	unsigned int	count;		/* messages, with a view and a status */
	unsigned int	held;		/* those of status WEIR_HELD */
	unsigned int	failed;		/* of the last settlement */
	struct weir_view *views;
	uint8_t		*status;	/* STATUS_HELD, 0, or an errno */

	struct weir_run	*runs;		/* as fetched, and checked */
	struct weir_run	*incoming;	/* what the kernel writes meanwhile */
	unsigned int	nr_runs;
	unsigned int	most_runs;
	struct fate	fate;		/* of the settlement under way */
	struct weir_run	*settle;	/* which it is */
	struct span	*spans;		/* the messages of each of its runs */
	unsigned int	nr_settle;

	struct weir_fetch fetch;	/* the command in flight */
	struct weir_settle settlement;
	struct weir_reply reply;
	struct weir_message answer;	/* of it */
	void		*answer_headers; /* of malloc(), or NULL */
};

/*
 * A command of the batch, from begin to complete; between them it is in flight.
 * @op is NO_SETTLEMENT, or what to do first with all that is held.
 */
int batch_begin_receive(struct weir_batch *batch, int op, int64_t timeout_ns,
			struct command *command);
int batch_begin_settle(struct weir_batch *batch, unsigned int first,
		       unsigned int count, struct fate fate,
		       struct command *command);
/* In call.c: message @i is answered. */
int batch_begin_reply(struct weir_batch *batch, unsigned int i,
		      const struct weir_message *answer, int op,
		      struct command *command);
/* Whether it ends a lease; WEIR_EXTEND does not. */
bool op_known(int op);
/* The fate of @op, @ns from now; without a meaning where that cannot be said. */
struct fate fate_in(int op, int64_t ns);
int batch_complete(struct weir_batch *batch, int res);
/* It never got into flight. */
void batch_abandon(struct weir_batch *batch);

/* ---- view.c ----------------------------------------------------------- */

/* Whether the message of @view, by its descriptor, lies in @length bytes at @base. */
bool view_fill(struct weir_view *view, const char *base, uint64_t length, uint64_t *ends);
/* Fills the views of @count messages that FETCH said to have given. */
int batch_load(struct weir_batch *batch, unsigned int count);

/* ---- asked.c ---------------------------------------------------------- */

struct asked {
	uint64_t	id;		/* 0: free */
	uint32_t	next_free;
	bool		answered;
};

struct asked_table {
	struct asked	*places;	/* of malloc() */
	uint32_t	size;		/* of them */
	uint32_t	used;
	uint32_t	most;		/* that may be used */
	uint32_t	first_free;	/* @size: none */
};

/* As many as leave half of a queue with that policy to the answers. */
void asked_limit(struct asked_table *table, const struct weir_policy *policy);
/* Another one, not answered: 0, -ENOBUFS or -ENOMEM. */
int asked_add(struct asked_table *table, uint64_t *id);
/* An id that is not found. */
int asked_nowhere(uint64_t *id);
struct asked *asked_find(const struct asked_table *table, uint64_t id);
void asked_end(struct asked_table *table, struct asked *asked);

/* ---- ring.c, ring_poll.c ---------------------------------------------- */

struct op {
	bool		busy;
	void		*user;
	struct weir_batch *batch;	/* NULL: a send */
	struct weir_send send;
	struct command	command;
	/* Of an io_uring: */
	bool		cancelled;
	struct weir_cancel cancel;
	/* Of a ring that polls: */
	struct op	*next;		/* in order of submission */
	bool		done;
	int		result;
	int64_t		deadline;	/* of deadline_of() */
};

struct weir_ring {
	bool		is_uring;
	bool		insist;		/* that it is */
	struct io_uring	uring;
	struct op	*first;		/* poll: what was submitted, and the end */
	struct op	**last;
	struct pollfd	*fds;		/* poll: as many as entries */
	unsigned int	entries;
	unsigned int	busy;		/* ops in use */
	unsigned int	next;		/* where to look for a free one first */
	struct op	ops[];
};

int ring_make(unsigned int entries, int door, struct weir_ring **ring);
/* One command, through an io_uring that has no other. */
int ring_run(struct weir_ring *ring, const struct command *command);

void poll_add(struct weir_ring *ring, struct op *op);
void poll_try_all(struct weir_ring *ring);
int poll_reap(struct weir_ring *ring, struct op **op, int64_t timeout_ns,
	      struct held_signals *signals);

#endif /* WEIR_INTERNAL_H */
