/* SPDX-License-Identifier: MIT */
/*
 * libweir: message queues of the weir kernel module, from C.
 *
 * What a queue is, and what the words mean, is told in <linux/weir.h>; this
 * library adds nothing to the meaning, only ease: checked views of what was
 * received, in place where the queue can be mapped; one way to settle it; and
 * a choice of doors into the kernel, ioctl or io_uring, that mean the same.
 *
 *	struct weir_queue *q;
 *	struct weir_batch *b;
 *
 *	weir_queue_open("jobs", NULL, &q);
 *	weir_send(q, "hello", 5, WEIR_FOREVER);
 *
 *	weir_batch_new(q, NULL, &b);
 *	int n = weir_receive(b, WEIR_FOREVER);
 *	for (int i = 0; i < n; i++) {
 *		const struct weir_view *v = weir_batch_view(b, i);
 *		fwrite(v->data, 1, v->desc.len, stdout);
 *	}
 *	weir_settle(b, 0, n, WEIR_ACK);
 *	weir_batch_free(b);
 *	weir_queue_close(q);
 *
 * Values and errors. Calls return 0 or a count, or a negative errno of
 * <linux/weir.h>; errno means nothing after them. What the library adds:
 *
 *	-ENODEV		the module is not loaded
 *	-EPROTONOSUPPORT  the module speaks another version than this library
 *	-EBADMSG	the kernel handed out what cannot be: a message that does
 *			not lie within its memory, counts that do not add up
 *	-ENOMEM		no memory here, too
 *	-EOPNOTSUPP	the io_uring door was insisted on and is not open
 *	-EBUSY		the batch or ring has a command in flight already
 *
 * Times to wait are in nanoseconds: WEIR_FOREVER (or any negative number) waits
 * without limit, WEIR_NOW (0) not at all. A call that waited for nothing is
 * -EAGAIN after WEIR_NOW and -ETIMEDOUT after more; a signal that has a handler
 * ends a wait with -EINTR, though one installed with SA_RESTART need not. On a
 * descriptor with O_NONBLOCK nothing ever waits. But a full queue may be told otherwise
 * (enum weir_when_full): where it rejects, it is -EAGAIN at once, whatever the time to
 * wait; where others die for a message, who sends waits until they are moved, whatever
 * his time and his descriptor say, or until a signal.
 *
 * Threads. The library has no state of its own, starts no threads and installs
 * no signal handlers; a wait that takes several system calls holds signals back
 * between them, and lets them in while it sleeps. A queue handle, its batches,
 * and a ring with all that is submitted to it are used by one thread at a time.
 * Any number of handles may be open on one queue.
 *
 * Processes. What was received belongs to the process that received it and goes
 * back to the queue when that process ends. Handles are opened O_CLOEXEC; after
 * fork() the mapping is not in the child, so a child opens a handle of its own.
 *
 * Growth. Structures of options begin with their size, by which the library
 * knows what the program knows: set it to sizeof the structure and the rest to
 * zero, then what is wanted. NULL stands for all zero. Structures that the
 * library fills are given with their size, or only handed out by pointer.
 */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

#include <stddef.h>
#include <stdint.h>

#include <linux/weir.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_FOREVER	((int64_t)-1)
#define WEIR_NOW	((int64_t)0)

struct io_uring_sqe;

/* A queue, opened. */
struct weir_queue;
/* Room for messages received together, and these messages. */
struct weir_batch;
/* Commands on their way, to be reaped when they are done. */
struct weir_ring;
/* What is to be done as a whole or not at all. */
struct weir_transaction;
/* Who asks, and has a place for the answers. */
struct weir_caller;

/*
 * enum weir_door - the way into the kernel
 *
 * AUTO is what was measured best: ioctl for a call that waits for its result,
 * io_uring for a ring where the system allows it, else ioctl and poll. The
 * environment variable WEIR_DOOR (auto, ioctl, uring) replaces an AUTO, for
 * tests.
 */
enum weir_door {
	WEIR_DOOR_AUTO	= 0,
	WEIR_DOOR_IOCTL	= 1,
	WEIR_DOOR_URING	= 2,	/* or -EOPNOTSUPP */
};

/* ---- Objects, by name ------------------------------------------------- */

/* weir_library_version - "0.1.0"; a constant */
const char *weir_library_version(void);

/*
 * weir_version - which interface the loaded module has, and its features
 * @version: filled; @size: sizeof(*version)
 *
 * Needs the right to open /dev/weir/control.
 */
int weir_version(struct weir_version *version, size_t size);

/* struct weir_create_options - of a new object; 0 is always the default */
struct weir_create_options {
	size_t		size;
	uint32_t	type;		/* enum weir_type; 0: a queue */
	uint32_t	flags;		/* WEIR_CREATE_* */
	uint32_t	mode;		/* of the node; 0: 0660 */
	uint32_t	reserved;
	struct weir_policy policy;
};

/*
 * weir_create - makes a queue
 *
 * Its node, /dev/weir/queue/NAME, is there when this returns. -EEXIST when the
 * name is taken.
 */
int weir_create(const char *name, const struct weir_create_options *options);

/*
 * weir_destroy - takes an object away
 * @flags: WEIR_DESTROY_*
 *
 * -EBUSY while it holds messages or is open, unless forced.
 */
int weir_destroy(const char *name, unsigned int flags);

/*
 * weir_alter - changes the policy of an object, while it is in use
 * @policy: all of it; take that of weir_info() and change it
 *
 * A dead letter queue is to be named again: WEIR_POLICY_DEAD_LETTER and a descriptor.
 */
int weir_alter(const char *name, const struct weir_policy *policy);

/*
 * weir_purge - throws away the messages that are ready
 * @purged: NULL, or where to say how many
 */
int weir_purge(const char *name, uint64_t *purged);

/*
 * weir_info - limits and figures of an object
 * @info: filled; @size: sizeof(*info)
 *
 * Who may not open /dev/weir/control gets them from sysfs: then they are not of
 * one moment.
 */
int weir_info(const char *name, struct weir_info *info, size_t size);

/*
 * weir_list_fn - is given one object; what is not 0 ends the list
 * @info: valid until it returns
 */
typedef int weir_list_fn(const struct weir_info *info, void *context);

/*
 * weir_list - calls @each for every object, in byte order of their names
 *
 * Objects that come and go meanwhile may be among them or not. Value: 0, or
 * what @each returned to end the list, or -errno. Reads sysfs where weir_info()
 * does.
 */
int weir_list(weir_list_fn *each, void *context);

/* ---- A queue ---------------------------------------------------------- */

struct weir_open_options {
	size_t		size;
	uint32_t	flags;		/* WEIR_OPEN_* */
	uint32_t	door;		/* enum weir_door, for calls on this handle */
};

/* Only to send, only to receive. Neither: both. */
#define WEIR_OPEN_SEND		(1U << 0)
#define WEIR_OPEN_RECEIVE	(1U << 1)
/* With O_NONBLOCK. */
#define WEIR_OPEN_NONBLOCK	(1U << 2)
/* Never map: messages are copied to the batch. */
#define WEIR_OPEN_COPY		(1U << 3)

/*
 * weir_queue_open - opens a queue
 * @name: of the queue; or, when it has a '/', the path of its node anywhere
 *
 * -ENOENT without such a queue, -EACCES without the right, -ENOTTY when the
 * path is something else.
 */
int weir_queue_open(const char *name, const struct weir_open_options *options,
		    struct weir_queue **queue);

/*
 * weir_queue_adopt - makes a handle of a descriptor that came from elsewhere
 * @fd: inherited, or passed by a socket; it belongs to the handle on success
 *
 * What may be done is what it was opened for; of the flags of @options only
 * WEIR_OPEN_COPY counts.
 */
int weir_queue_adopt(int fd, const struct weir_open_options *options,
		     struct weir_queue **queue);

/*
 * weir_queue_anonymous - makes a queue without a name, and a handle of it
 * @create: its limits; without a mode
 *
 * It is gone when the handle is closed, or the process ends, unless the descriptor is open
 * elsewhere too. Of the flags of @options only WEIR_OPEN_COPY counts.
 */
int weir_queue_anonymous(const struct weir_create_options *create,
			 const struct weir_open_options *options,
			 struct weir_queue **queue);

/*
 * weir_queue_close - closes the handle
 *
 * Its batches were freed and its commands on rings reaped before. What it
 * received and did not settle goes back to the queue, unless the descriptor is
 * open elsewhere too. NULL is fine.
 */
void weir_queue_close(struct weir_queue *queue);

/*
 * weir_queue_fd - the descriptor, to poll: POLLIN when there is something to
 * receive, POLLOUT when there is room, POLLERR and POLLHUP when the queue was
 * destroyed. It remains the handle's.
 */
int weir_queue_fd(const struct weir_queue *queue);

/* weir_queue_door - the door that calls on this handle take: IOCTL or URING */
int weir_queue_door(const struct weir_queue *queue);

/* weir_queue_info - as weir_info(), of this queue; needs no other right */
int weir_queue_info(struct weir_queue *queue, struct weir_info *info,
		    size_t size);

#define WEIR_CAN_RECEIVE	(1U << 0)
#define WEIR_CAN_SEND		(1U << 1)

/*
 * weir_queue_wait - waits until the queue is ready for something
 * @events: WEIR_CAN_*
 *
 * Value: those of @events that hold now, -ESHUTDOWN when it was destroyed.
 * Others may be quicker: a call after it may still find nothing.
 */
int weir_queue_wait(struct weir_queue *queue, unsigned int events,
		    int64_t timeout_ns);

/* ---- Sending ---------------------------------------------------------- */

/*
 * weir_send - sends one message of @len bytes, waiting for room
 *
 * Value: 0. -EMSGSIZE when the queue does not take one as large.
 */
int weir_send(struct weir_queue *queue, const void *data, size_t len,
	      int64_t timeout_ns);

/*
 * weir_send_batch - sends messages in one command
 * @messages: what they point to is copied
 * @first_offset: NULL, or where to say the offset of the first; the others
 *	follow it
 *
 * Value: how many were taken, from the beginning; fewer than @count where there
 * was no room for more (the call does not wait again), after 1024, or before
 * one that is in error. -errno only when the first was not taken.
 */
int weir_send_batch(struct weir_queue *queue,
		    const struct weir_message *messages, unsigned int count,
		    int64_t timeout_ns, uint64_t *first_offset);

/*
 * weir_producer - the caller is this queue's producer of that name, from now on
 * @producer: filled: what its messages are to have in struct weir_options, and the
 *	sequence of the last one that was taken; @size: sizeof(*producer)
 *
 * Who was it before is not any more: what he sends is -ESTALE. -ENOSPC when the queue
 * has as many producers as it may.
 */
int weir_producer(struct weir_queue *queue, const char *name,
		  struct weir_producer *producer, size_t size);

/*
 * weir_header_append - adds a header to a block for struct weir_message
 * @block: aligned to 8, of @room bytes
 * @used: bytes of it in use, 0 at first; counted up
 *
 * -EINVAL for a name that is empty or longer than 255 bytes, -EMSGSIZE when it
 * does not fit @room or WEIR_HEADERS_MAX.
 */
int weir_header_append(void *block, size_t room, size_t *used,
		       const char *name, const void *value, size_t value_len);

/* ---- Receiving -------------------------------------------------------- */

struct weir_batch_options {
	size_t		size;
	uint32_t	max_messages;	/* up to WEIR_BATCH_MAX; 0: 64 */
	uint32_t	flags;		/* WEIR_BATCH_* */
	uint64_t	max_bytes;	/* stop at so many, one message in any case; 0: any */
	uint64_t	buffer_size;	/* where it copies, at first; 0: 256 KiB */
	uint64_t	lease_ns;	/* to settle them; 0: the queue's */
};

/* Copy, also where the queue is mapped. */
#define WEIR_BATCH_COPY		(1U << 0)
/* Settled when received: delivered at most once. Copies. */
#define WEIR_BATCH_SETTLED	(1U << 1)

/*
 * weir_batch_new - makes room to receive into
 *
 * The first batch of a handle that may receive maps the queue's memory. Where
 * that is refused (a private queue, no address space) the batch has a buffer
 * instead, which grows when a message needs it.
 */
int weir_batch_new(struct weir_queue *queue,
		   const struct weir_batch_options *options,
		   struct weir_batch **batch);

/*
 * weir_batch_free - drops the room
 *
 * What it holds unsettled stays leased until its time is over, or the consumer
 * ends; and what of it is in place, in memory until the consumer ends. Nothing of
 * it may be in flight. NULL is fine.
 */
void weir_batch_free(struct weir_batch *batch);

/*
 * weir_batch_limit - receive at most @max_messages at a time from now on
 *
 * -EINVAL for 0 and for more than the batch was made for.
 */
int weir_batch_limit(struct weir_batch *batch, unsigned int max_messages);

/* weir_batch_mapped - 1 when its messages are read in place, 0 when copied */
int weir_batch_mapped(const struct weir_batch *batch);

/*
 * weir_receive - receives messages into the batch, waiting for the first
 *
 * Value: how many, at least 1. They replace what the batch had; with what was
 * not settled of that it is as with weir_batch_free().
 */
int weir_receive(struct weir_batch *batch, int64_t timeout_ns);

/* weir_batch_count - how many messages the batch has */
unsigned int weir_batch_count(const struct weir_batch *batch);

/*
 * struct weir_view - a message that was received
 *
 * In place, what the pointers lead to is memory of the kernel that cannot be
 * written; it stays as it is until the message is settled, or a call says that
 * it was too late for that (-ESTALE), even when its lease ran out long before:
 * after either it must not be looked at. In a copying batch it stays until the
 * next receive into that batch. The lengths in @desc are
 * checked to lie within; @desc.pos means nothing here.
 */
struct weir_view {
	struct weir_desc	desc;
	const void		*data;		/* desc.len bytes */
	const void		*key;		/* desc.key_len bytes */
	const void		*headers;	/* desc.headers_len bytes */
};

/*
 * weir_batch_view - message @i of the batch, or NULL behind the last
 *
 * Valid until the next receive into the batch.
 */
const struct weir_view *weir_batch_view(const struct weir_batch *batch,
					unsigned int i);

/* struct weir_header_view - one header of a message; not NUL-terminated */
struct weir_header_view {
	const char	*name;
	const void	*value;
	size_t		name_len;
	size_t		value_len;
};

/*
 * weir_header_next - walks the headers of a message
 * @view: the message
 * @at: 0 for the first header; counted up
 *
 * Value: 1 with @header filled, 0 behind the last, -EBADMSG when the rest is
 * not a header.
 */
int weir_header_next(const struct weir_view *view, size_t *at,
		     struct weir_header_view *header);

/*
 * weir_view_receipt - a message as the receipt that it is
 * @receipt: filled; @size: sizeof(*receipt)
 *
 * -EBADMSG when it is none: the kernel did not send it, or it says less than a receipt
 * does. Value: 0.
 */
int weir_view_receipt(const struct weir_view *view, struct weir_receipt *receipt,
		      size_t size);

/*
 * weir_settle - settles messages of the batch
 * @first, @count: which; those settled already are left out
 * @op: WEIR_ACK; WEIR_RELEASE, which is weir_release() at once; or WEIR_TERM: they
 *	are dead, and go to the queue's dead letter queue, if it has one
 *
 * Value: how many were settled. The others are not held any more, by
 * weir_batch_status(). Does not wait.
 */
int weir_settle(struct weir_batch *batch, unsigned int first,
		unsigned int count, int op);

/*
 * weir_reject - as weir_settle() with WEIR_TERM, saying why
 * @reason: of up to WEIR_REASON_MAX bytes, or NULL; the dead letters say it
 */
int weir_reject(struct weir_batch *batch, unsigned int first,
		unsigned int count, const char *reason);

/*
 * weir_release - gives messages of the batch back, to be delivered again after
 * a while
 * @delay_ns: not before so long from now, rounded up to ms; 0: at once
 *
 * As weir_settle(). -EINVAL when @delay_ns is negative, or above 49 days.
 */
int weir_release(struct weir_batch *batch, unsigned int first,
		 unsigned int count, int64_t delay_ns);

/*
 * weir_extend - holds messages of the batch for longer
 * @lease_ns: the lease ends so long from now, rounded up to ms, however long it
 *	was; 0: as long from now as the queue's leases last
 *
 * Value: how many are still held. The others had gone back: their status is
 * -ESTALE, and in place they must not be looked at any more. -EINVAL as of
 * weir_release(). Does not wait.
 */
int weir_extend(struct weir_batch *batch, unsigned int first,
		unsigned int count, int64_t lease_ns);

/*
 * weir_settle_receive - settles what the batch holds, then receives, at once
 * @op: WEIR_ACK, WEIR_RELEASE or WEIR_TERM
 *
 * As weir_settle() of the whole batch and then weir_receive(), in one entry to
 * the kernel. The settlement is done whatever the value; weir_batch_failed()
 * says how much of it was refused.
 */
int weir_settle_receive(struct weir_batch *batch, int op, int64_t timeout_ns);

/* Not settled yet. */
#define WEIR_HELD	1

/*
 * weir_batch_status - of message @i of the batch: WEIR_HELD, 0 when it was
 * settled, or the -errno of its settlement
 *
 * -ESTALE: it, or one that was received side by side with it, had gone back
 * before, since its lease ran out or its consumer ended. It is delivered again,
 * or was, perhaps to another: whatever was done about it is done twice, and must
 * bear that. In place its view must not be looked at any more.
 */
int weir_batch_status(const struct weir_batch *batch, unsigned int i);

/* weir_batch_failed - messages that the last settlement did not settle */
unsigned int weir_batch_failed(const struct weir_batch *batch);

/* ---- Looking at messages ---------------------------------------------- */

/*
 * weir_name - what this process, as a consumer through this handle, is called when
 * others are told of it: of up to 63 bytes; NULL or "": nothing
 */
int weir_name(struct weir_queue *queue, const char *name);

/* struct weir_browse_options - which messages; 0 is always the default */
struct weir_browse_options {
	size_t		size;
	uint64_t	first;		/* offsets from here on */
	uint64_t	end;		/* and below this; 0: all */
	uint32_t	states;		/* WEIR_BROWSE_*; 0: all */
	uint32_t	flags;		/* WEIR_BROWSE_BARE */
};

/* Without the messages themselves: the views have a descriptor, and data is NULL. */
#define WEIR_BROWSE_BARE	(1U << 0)

/*
 * weir_browse_fn - is given one message; what is not 0 ends it
 * @browsed, @view: valid until it returns
 */
typedef int weir_browse_fn(const struct weir_browsed *browsed, const struct weir_view *view,
			   void *context);

/*
 * weir_browse - calls @each for every message, without taking any
 *
 * In no order of theirs. What is there all the time is told once, what comes or goes
 * meanwhile perhaps. The handle must be open for receiving. Value: 0, or what @each
 * returned to end it, or -errno.
 */
int weir_browse(struct weir_queue *queue, const struct weir_browse_options *options,
		weir_browse_fn *each, void *context);

/* ---- Transactions ----------------------------------------------------- */

/*
 * weir_txn_new - begins a transaction: what is sent and settled in it is done by
 * weir_txn_commit(), on all its queues at one moment or on none, whoever is killed
 * meanwhile
 *
 * At most WEIR_TXN_PARTS calls of weir_txn_send() and weir_txn_settle(), on at most
 * WEIR_TXN_QUEUES queues; at most 1024 messages are sent, and as many settled.
 */
int weir_txn_new(struct weir_transaction **txn);

/*
 * weir_txn_send - sends messages, as a part of the transaction
 * @messages: they, and what they point to, stay as they are until the commit
 *
 * They get consecutive offsets. -EACCES when the handle is not open to send, -EINVAL
 * for no messages, too many, and too many parts.
 */
int weir_txn_send(struct weir_transaction *txn, struct weir_queue *queue,
		  const struct weir_message *messages, unsigned int count);

/*
 * weir_txn_settle - settles messages of a batch, as a part of the transaction
 *
 * As weir_settle(), later. The batch is in flight until the commit: so it is in a
 * transaction once. One of which nothing is held any more is not.
 */
int weir_txn_settle(struct weir_transaction *txn, struct weir_batch *batch,
		    unsigned int first, unsigned int count, int op);

/*
 * weir_txn_commit - does all of it, or nothing
 * @timeout_ns: how long to wait for room; nothing is held meanwhile
 *
 * Value: 0, and all is done, or -errno, and nothing is: as of weir_send_batch(); or
 * -ESTALE when a message was not held any more, which weir_batch_status() then says of
 * it, and the others are held as before. -EMSGSIZE when a queue can never have room
 * for all that it is sent. It is nonblocking if the queue that was named first is.
 * Whatever the value, the transaction is empty again, and can be filled anew.
 */
int weir_txn_commit(struct weir_transaction *txn, int64_t timeout_ns);

/*
 * weir_txn_free - drops the transaction, and what was not committed
 *
 * Its batches are still there, and hold what they held. NULL is fine.
 */
void weir_txn_free(struct weir_transaction *txn);

/* ---- Requests and answers --------------------------------------------- */

struct weir_caller_options {
	size_t		size;
	uint32_t	door;		/* enum weir_door */
	uint32_t	reserved;
	/* Of the queue for the answers; it holds 1024, and 16 MiB, if not told otherwise. */
	struct weir_policy policy;
};

/*
 * weir_caller_new - makes a place for the answers to what is asked through it
 * @queue: that the requests go to, open to send; it stays open as long as the caller
 *
 * It is a queue without a name: it ends with the caller, also when the process is killed,
 * and what is answered after that goes nowhere. It is used by one thread at a time, with
 * @queue. Needs the right to make queues.
 */
int weir_caller_new(struct weir_queue *queue,
		    const struct weir_caller_options *options,
		    struct weir_caller **caller);

/* weir_caller_free - ends it. NULL is fine. */
void weir_caller_free(struct weir_caller *caller);

/*
 * weir_call - sends a request, and waits for the answer to it
 * @request: it is sent with a header more, "weir-correlation-id"
 * @timeout_ns: for both
 * @answer: valid until the next call, answer or end of the caller; settled
 *
 * Value: 0, or -errno: as of weir_send_batch(), and nothing was sent; or of the wait:
 * -ETIMEDOUT, -EINTR, or -ESHUTDOWN when the queue of the requests was destroyed; then the
 * request may be answered yet, in vain. Or -ENOMSG: it has ended (settled, purged, thrown
 * away) and was not answered, or is a duplicate. That is not told to who asks for a receipt
 * himself; and of what is in a dead letter queue an answer may still come. Answers to other
 * requests of this caller that come meanwhile are thrown away: who has several under way
 * asks by weir_ask().
 */
int weir_call(struct weir_caller *caller, const struct weir_message *request,
	      int64_t timeout_ns, const struct weir_view **answer);

/*
 * weir_ask - sends a request, and does not wait for the answer
 * @id: filled: by which its answers are known; never 0
 *
 * -ENOBUFS: there is no room in the queue for the answers: the requests under way take half
 * of it at most. Take answers first. And as of weir_call().
 */
int weir_ask(struct weir_caller *caller, const struct weir_message *request,
	     int64_t timeout_ns, uint64_t *id);

/*
 * weir_answer - waits for the next answer to anything that was asked
 * @id: filled: the request's; 0: the answer does not say
 * @answer: as for weir_call()
 *
 * -ENOMSG, and -ESHUTDOWN with an @id that is not 0: that request has ended, and is answered
 * no more, as of weir_call().
 */
int weir_answer(struct weir_caller *caller, int64_t timeout_ns, uint64_t *id,
		const struct weir_view **answer);

/*
 * weir_reply - answers message @i of the batch, and settles it, both or neither
 * @answer: the request's "weir-correlation-id" is sent back with it
 * @op: WEIR_ACK, or WEIR_EXTEND: it is still held, for as long as the queue's leases last,
 *	and may be answered again
 *
 * Value: 1; 0 when nobody waits for it any more, and it is settled, or extended, all the
 * same. Or -errno, and neither was done: -ESTALE when it is not held any more;
 * -EDESTADDRREQ when nobody asked (desc.flags has no WEIR_DESC_REPLY); -EAGAIN when there
 * is no room for the answer. Does not wait. Needs no right to the queue of the answers.
 * -ESTALE is also that of the answer's producer, as of weir_send_batch(): then it is held
 * still (weir_batch_status()).
 */
int weir_reply(struct weir_batch *batch, unsigned int i,
	       const struct weir_message *answer, int op);

/* ---- Through the program's own io_uring ------------------------------- */

/*
 * These fill an SQE of a ring of the program's, overwriting all of it: set
 * user_data, flags, or a registered file's number afterwards. The ring has
 * ordinary 64-byte SQEs. Until the CQE is there, the batch (or the command and
 * messages of a send) must stay as they are. -EOPNOTSUPP when this kernel's
 * queues have no io_uring door.
 *
 * IORING_OP_ASYNC_CANCEL does not reach a receive that waits; weir_batch_cancel()
 * does. After io_uring_queue_exit() the kernel lets go of it only some time
 * later: see the CQE of each batch before it is freed.
 */

/*
 * weir_prep_send - to send a batch of messages
 * @command: room for the command, of the caller
 *
 * The CQE's res is the value as of weir_send_batch(), and then
 * command->first_offset is the first's offset.
 */
int weir_prep_send(struct weir_queue *queue, struct io_uring_sqe *sqe,
		   struct weir_send *command,
		   const struct weir_message *messages, unsigned int count,
		   int64_t timeout_ns);

/* weir_prep_receive - as weir_receive(); then weir_complete() */
int weir_prep_receive(struct weir_batch *batch, struct io_uring_sqe *sqe,
		      int64_t timeout_ns);

/* weir_prep_settle - as weir_settle(); then weir_complete(). -ENODATA: nothing */
int weir_prep_settle(struct weir_batch *batch, struct io_uring_sqe *sqe,
		     unsigned int first, unsigned int count, int op);

/* weir_prep_release, weir_prep_extend - likewise */
int weir_prep_release(struct weir_batch *batch, struct io_uring_sqe *sqe,
		      unsigned int first, unsigned int count, int64_t delay_ns);
int weir_prep_extend(struct weir_batch *batch, struct io_uring_sqe *sqe,
		     unsigned int first, unsigned int count, int64_t lease_ns);

/* weir_prep_reply - as weir_reply(); @answer itself is copied; then weir_complete() */
int weir_prep_reply(struct weir_batch *batch, struct io_uring_sqe *sqe,
		    unsigned int i, const struct weir_message *answer, int op);

/* weir_prep_settle_receive - as weir_settle_receive(); then weir_complete() */
int weir_prep_settle_receive(struct weir_batch *batch,
			     struct io_uring_sqe *sqe, int op,
			     int64_t timeout_ns);

/*
 * weir_batch_cancel - calls back a receive that waits
 *
 * Its CQE is still to come, and says -ECANCELED, or what it was if it was done.
 * Value: 0, also when nothing waited.
 */
int weir_batch_cancel(struct weir_batch *batch);

/*
 * weir_complete - ends the command that the batch has in flight
 * @res: of the CQE
 *
 * Value: as of the call that does not go through a ring. -EMSGSIZE: a message
 * was larger than the batch's buffer, which is large enough now; once more.
 * -ECANCELED: whether it settled anything is not known; the batch holds all.
 * Must be called for each CQE of a batch, also one of -ECANCELED.
 */
int weir_complete(struct weir_batch *batch, int res);

/* ---- Many commands at once -------------------------------------------- */

struct weir_ring_options {
	size_t		size;
	uint32_t	entries;	/* commands in flight; 0: 64 */
	uint32_t	door;		/* enum weir_door */
};

/*
 * weir_ring_new - makes a ring: commands on any number of queues are submitted
 * to it and reaped when they are done, in any order
 *
 * It is an io_uring where that is allowed. Where it is missing or forbidden,
 * commands are tried by ioctl and the queues are polled, with the same meaning.
 */
int weir_ring_new(const struct weir_ring_options *options,
		  struct weir_ring **ring);

/*
 * weir_ring_free - cancels what is in flight, waits for that, and ends the ring
 *
 * Completions that were not reaped are lost, and with them what the batches
 * would have had. NULL is fine.
 */
void weir_ring_free(struct weir_ring *ring);

/* weir_ring_door - which door it is: WEIR_DOOR_IOCTL or WEIR_DOOR_URING */
int weir_ring_door(const struct weir_ring *ring);

/*
 * weir_ring_send, _receive, _settle, _release, _extend, _reply, _settle_receive - as
 * the calls of these names, but they only queue the command
 * @user: comes back with the completion
 *
 * Messages, and all they point to, must stay until the completion; a batch is
 * the ring's until then. -EBUSY when as many commands as the ring has entries
 * are in flight, or the batch has one; -ENODATA where there is nothing to
 * settle.
 */
int weir_ring_send(struct weir_ring *ring, struct weir_queue *queue,
		   const struct weir_message *messages, unsigned int count,
		   int64_t timeout_ns, void *user);
int weir_ring_receive(struct weir_ring *ring, struct weir_batch *batch,
		      int64_t timeout_ns, void *user);
int weir_ring_settle(struct weir_ring *ring, struct weir_batch *batch,
		     unsigned int first, unsigned int count, int op,
		     void *user);
int weir_ring_release(struct weir_ring *ring, struct weir_batch *batch,
		      unsigned int first, unsigned int count, int64_t delay_ns,
		      void *user);
int weir_ring_extend(struct weir_ring *ring, struct weir_batch *batch,
		     unsigned int first, unsigned int count, int64_t lease_ns,
		     void *user);
int weir_ring_reply(struct weir_ring *ring, struct weir_batch *batch,
		    unsigned int i, const struct weir_message *answer, int op,
		    void *user);
int weir_ring_settle_receive(struct weir_ring *ring, struct weir_batch *batch,
			     int op, int64_t timeout_ns, void *user);

/*
 * weir_ring_submit - hands the queued commands to the kernel
 *
 * Value: 0. Not needed before weir_ring_reap(), which does it before it waits.
 */
int weir_ring_submit(struct weir_ring *ring);

/* struct weir_completion - a command that is done */
struct weir_completion {
	void		*user;
	int32_t		result;		/* as of the call: a count, or -errno */
	uint32_t	reserved;
	uint64_t	first_offset;	/* of a send */
};

/*
 * weir_ring_reap - takes one completion, waiting for it
 *
 * Value: 0 with @completion filled, -ENOENT when nothing is in flight, or
 * -EAGAIN, -ETIMEDOUT, -EINTR.
 */
int weir_ring_reap(struct weir_ring *ring, struct weir_completion *completion,
		   int64_t timeout_ns);

/*
 * weir_ring_cancel - calls back the commands submitted with this @user
 *
 * Each still gets its completion: -ECANCELED, or what it was if it was done.
 */
int weir_ring_cancel(struct weir_ring *ring, const void *user);

#ifdef __cplusplus
}
#endif

#endif /* WEIR_WEIR_H */
