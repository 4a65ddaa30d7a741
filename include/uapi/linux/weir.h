/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * weir: message queues in the kernel. This header is the whole interface and
 * its manual; a program needs nothing else to use it.
 *
 * Words
 * =====
 *
 * A *queue* holds *messages*. Whoever may write to its device node sends, and
 * whoever may read from it receives. Each message is given to one consumer at
 * a time, in the order in which the messages were sent, and is *settled* once:
 * then it is gone.
 *
 * The *offset* of a message is its 64-bit number in its queue: 0 for the first
 * one, then one more for each. An offset is never used again.
 *
 * A *consumer* is a process, all its threads together, that receives through one
 * open file description. A message that was handed to a consumer and is not yet
 * settled is *leased*. When the process ends, or the description is closed for
 * good, whichever is first, its leased messages go back to the queue and are
 * delivered again, before anything of their priority that is not yet delivered, in
 * the order of their offsets. (When it held thousands, they go back in pieces.) Each message
 * carries the number of times it was delivered, this time included.
 *
 * A lease also has a time, after which the message goes back likewise, and the
 * holder's settlement of it is ESTALE from then on. What was read in place keeps
 * its memory, whoever settles it meanwhile, until the late holder has had that
 * answer, or ends: no pointer turns into another message.
 *
 * A message that was delivered as often as its queue allows, and is not settled,
 * or that its consumer has given up (WEIR_TERM), or that was not delivered in time
 * (struct weir_options), is *dead*: it is moved to the
 * queue's dead letter queue, if it has one, and else thrown away. There it is a new
 * message with the key, headers and sender of the old one, and says in further
 * headers what became of it: see struct weir_policy.
 *
 * A description is closed for good when no descriptor of it is left in any
 * process, no mapping, and no command in an io_uring. A lease survives exec() if
 * the descriptor does.
 *
 * Files
 * =====
 *
 *   /dev/weir/control      create, destroy, purge and query objects, by ioctl
 *   /dev/weir/queue/NAME   one queue: read, write, poll, mmap, ioctl and
 *                          io_uring (IORING_OP_URING_CMD)
 *   /sys/class/weir/NAME/  its figures, one value a file
 *
 * Queues without a name have a descriptor and no file (WEIR_CREATE_ANONYMOUS).
 *
 * A name is 1 to 249 characters of [A-Za-z0-9._-] and begins with neither "."
 * nor "-"; anything else is EINVAL, and ENAMETOOLONG if only too long. A
 * queue's node belongs to whoever created it, with the mode chosen at
 * creation, whatever the umask; chmod, chown and ACLs work as on any node.
 * Rights are those of the process that opened the descriptor, wherever it is
 * passed. Whoever may open the control device may create.
 *
 * read and write
 * ==============
 *
 * write(2), writev(2): one message of n > 0 bytes, whole or not at all. Writing
 * 0 bytes sends nothing. When the queue is full it waits, or fails with EAGAIN
 * under O_NONBLOCK, unless the queue has another way (enum weir_when_full). A
 * message is at most WEIR_MESSAGE_MAX bytes and no more than a quarter of the
 * queue's max_bytes, or EMSGSIZE; its key and headers, and what aligns these, count.
 *
 * read(2), readv(2): the payload of the next message, settled when its last
 * byte has been copied. A read that is shorter than the message leaves the rest
 * for the next read on the same description; closing it before puts the message
 * back whole. When the queue is empty it waits, or fails with EAGAIN under
 * O_NONBLOCK. An empty message (WEIR_IOC_SEND can make one) reads as 0 bytes, as
 * an end of file would. Key and headers are not seen. Reading 0 bytes takes
 * nothing. Of a message that is read in part the rest is nobody else's: it counts
 * as leased, and FETCH takes the next one.
 *
 * poll(2): EPOLLIN when a message or the rest of one can be read, EPOLLOUT when
 * there is room for a small message (a large one may still be EAGAIN: wait for
 * its room by sending it with a timeout, or through an io_uring), EPOLLERR |
 * EPOLLHUP once the queue is destroyed. Only what the descriptor was opened for.
 * Where others go to make room, there is room while one is there that may go.
 *
 * The commands
 * ============
 *
 * A command is a number and a structure. There are two doors to it, with one
 * meaning:
 *
 *   ioctl(fd, WEIR_IOC_SEND, &send);
 *
 * and on any io_uring, with ordinary 64-byte SQEs:
 *
 *   memset(sqe, 0, sizeof(*sqe));
 *   sqe->opcode = IORING_OP_URING_CMD;
 *   sqe->fd = fd;
 *   sqe->cmd_op = WEIR_IOC_SEND;
 *   struct weir_uring_cmd cmd = { .addr = (uintptr_t)&send, .len = sizeof(send) };
 *   memcpy(sqe->cmd, &cmd, sizeof(cmd));
 *
 * The *value* of a command is that of the ioctl, or the CQE's res: -errno, or
 * what is said with each, or 0. What a command writes back is only valid when the
 * value is not an error, but where it is said otherwise.
 *
 *   command  on       opened for  waits      value
 *   VERSION  any      any         no         0
 *   CREATE   control  any         no         0, or a descriptor
 *   DESTROY  control  any         no         0
 *   PURGE    control  any         no         0
 *   ALTER    control  any         no         0
 *   INFO     any      any         no         0
 *   SEND     a queue  writing     for room   messages taken
 *   FETCH    a queue  reading     for one    messages taken
 *   SETTLE   a queue  reading     no         messages settled
 *   REPLY    a queue  reading     no         1, or 0: see there
 *   PRODUCER a queue  writing     no         0
 *   TXN      a queue  any         for room   0
 *   LAYOUT   a queue  any         no         0
 *   NAME     a queue  reading     no         0
 *   BROWSE   a queue  reading     no         messages told of
 *   CANCEL   a queue  any         no         commands met
 *
 * Through a ring a command that has to wait does not hold up the ring; the
 * structure, and all that it points to, must stay valid and unchanged until the
 * CQE is there. Linked, drained, IOSQE_ASYNC and SQPOLL submissions work; an
 * IORING_SETUP_IOPOLL ring is EOPNOTSUPP, and so are commands for the control
 * device, which go by ioctl only.
 *
 * O_NONBLOCK on the descriptor comes before any timeout. A wait that a signal
 * interrupts is EINTR; it is restarted if no handler ran, and under SA_RESTART if
 * it had no timeout.
 *
 * Growth: structures only ever grow at their ends, and the size (of the ioctl's
 * number, or len) says which version the caller knows. Fields that the caller
 * does not know are zero to the kernel; bytes that the kernel does not know
 * must be zero, or E2BIG. Flags that the kernel does not know are EINVAL, and
 * so is a reserved field that is not zero, and a structure that is shorter than
 * its first version.
 *
 * Errors, wherever they apply
 * ===========================
 *
 *   EINVAL     an unknown flag, a non-zero reserved field, a value out of range
 *   E2BIG      the structure is newer than the kernel and uses what is new
 *   EFAULT     memory that cannot be read or written
 *   EMSGSIZE   a message larger than the queue takes
 *   ENOENT, EEXIST, ENAMETOOLONG   of names
 *   EACCES     not opened for that (read and write: EBADF); mapping, or reading
 *              in place, what is WEIR_CREATE_PRIVATE
 *   EPERM      not the creator of the object, nor CAP_SYS_ADMIN
 *   ELOOP      a queue would be its own dead letter queue, perhaps through others
 *   EBADF      a descriptor that is none, or not of a queue (opened for writing)
 *   EBUSY      destroy: not empty, or somebody has it open; of a run: see SETTLE;
 *              FETCH and read: the consumer holds as many as it may; open for
 *              reading: somebody has it open so, exclusively
 *   EDQUOT     the limit of the creator's user is reached (by all its objects
 *              together; the module's parameter user_limit)
 *   EDESTADDRREQ   an answer to what does not ask for one
 *   ENOSPC     there are as many producers as there may be
 *   ENOBUFS    the queue for receipts has no room
 *   ENOMEM     the creator's cgroup, or the machine, has no memory
 *   EAGAIN     full or empty now, and told not to wait (timeout 0, O_NONBLOCK; or the
 *              queue, by WEIR_WHEN_FULL_REJECT)
 *   ETIMEDOUT  waited as long as asked
 *   ECANCELED  a FETCH that waited in a ring was cancelled, or its task ended
 *   EINTR      a signal came while waiting
 *   ESTALE     a settlement of what is not leased so through this description;
 *              a message of a producer that has another epoch, or is forgotten
 *   ESHUTDOWN  the queue was destroyed
 *   ENOTTY     not a command of this kind of file
 *   EOPNOTSUPP not through such a ring
 *   ENXIO      opening a node that was kept of a queue that is gone
 */
#ifndef _UAPI_LINUX_WEIR_H
#define _UAPI_LINUX_WEIR_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The version of this interface: a program refuses to run with another one. */
#define WEIR_ABI_VERSION	0

/* Bytes of a name with its NUL; a name itself has at most 249. */
#define WEIR_NAME_SIZE		256

/* The largest message (payload, key and headers together), in bytes. */
#define WEIR_MESSAGE_MAX	(16U << 20)
/* The most messages that one command sends, takes, or settles as one run. */
#define WEIR_BATCH_MAX		1024U
/* The largest key, and the largest block of headers, in bytes. */
#define WEIR_KEY_MAX		4096U
#define WEIR_HEADERS_MAX	(64U << 10)
#define WEIR_HEADER_NAME_MAX	255U

/*
 * Space is counted in units of this many bytes: a message takes its payload,
 * key and headers as laid out (struct weir_desc), rounded up. It is also how
 * payloads are aligned.
 */
#define WEIR_ALIGN		64

/* struct weir_policy: if nothing is asked for, the least, the most. */
#define WEIR_DEFAULT_MESSAGES	65536U
#define WEIR_DEFAULT_BYTES	(64ULL << 20)
#define WEIR_DEFAULT_LEASE	30000000000ULL
#define WEIR_MIN_BYTES		4096ULL
#define WEIR_MAX_MESSAGES	(1U << 26)
#define WEIR_MAX_BYTES		(1ULL << 36)

/* So many nanoseconds, or more, have no end. */
#define WEIR_UNLIMITED		(~0ULL >> 1)

/* enum weir_type - the kinds of object */
enum weir_type {
	WEIR_TYPE_QUEUE	= 1,
};

/* WEIR_IOC_VERSION: what this kernel has. On control and on any object. */
struct weir_version {
	__u32	abi;		/* out: WEIR_ABI_VERSION */
	__u32	reserved;	/* 0 */
	__u64	features;	/* out: WEIR_FEATURE_* */
};

/* IORING_OP_URING_CMD is a door of this kernel */
#define WEIR_FEATURE_URING	(1ULL << 0)

/*
 * struct weir_policy - how a queue treats messages
 *
 * 0 asks for the default; what INFO tells is what is in force.
 *
 * Backoff: a message whose lease ran out, or that was released without a delay, is
 * delivered again after @backoff_ns, doubled with each delivery, up to
 * @backoff_max_ns, and that shortened by chance by up to a half. A consumer's end
 * puts back at once.
 *
 * Order keys: with WEIR_POLICY_KEYED messages with the same key are delivered in the
 * order of their offsets, and one at a time: while one is leased, or is back and has to
 * wait, the next is *behind*. Messages with other keys, or without one, do not wait for
 * it. A message that its sender delayed comes behind what is there when its time has
 * come. Its priority counts when it is not behind any more.
 *
 * Consumers: one that holds @prefetch messages is given no more (EBUSY) until it has
 * settled some, or given them back, or their leases ended. With WEIR_POLICY_SINGLE_ACTIVE
 * one open file description receives at a time, that which was handed a message first,
 * until it is closed for good or all processes that receive through it have ended; for
 * the others the queue is empty so long. Then one of those who wait takes its place at
 * once. With WEIR_POLICY_EXCLUSIVE one may be open for reading (open: EBUSY).
 *
 * Dead letters: a message that was delivered @max_deliveries times and comes back is
 * dead. That needs WEIR_POLICY_DEAD_LETTER, or WEIR_POLICY_DISCARD: it is thrown
 * away. The dead letter queue must take messages as large as this one, and have no shares
 * (WEIR_POLICY_FAIR_SHARE): else the letters of one user, who has his, would hold up those of
 * all (EINVAL). It counts as open, so that it is only destroyed by force; then what dies is
 * kept until ALTER says where it is to go, and so it is while the dead letter queue is full,
 * or was altered to be too small for it. A dead letter has these headers more, of text,
 * behind its own:
 *
 *   weir-dead-reason      deliveries, term, expired, full
 *   weir-dead-text        what SETTLE gave as the reason, if anything
 *   weir-dead-queue       where it died, and there
 *   weir-dead-offset      its offset,
 *   weir-dead-deliveries  how often it was delivered,
 *   weir-dead-sent        when it was sent, CLOCK_REALTIME in ns,
 *   weir-dead-uid         the effective uid, and
 *   weir-dead-pid         the process, that held it until then, as the initial
 *                         namespaces number them; if anybody did
 *   weir-dead-consumer    what he called himself (WEIR_IOC_NAME), if anything
 *
 * One that dies again, of the dead letter queue, has them twice then: as its first death
 * and as its last one wrote them, in this order. What deaths between wrote is left out.
 *
 * When full: there is no room for a message where @max_messages or @max_bytes are reached,
 * or no pages side by side are free for a large one. Others may go for it, as @when_full
 * says: of what is ready to be delivered the lowest priority, and of that what was sent
 * first. Not what is leased, delayed, behind, dying, or still read by who was late. As
 * many go as all messages of a call need, duplicates too, and stay gone whatever becomes
 * of the call; none goes while fewer than 128 are ready or behind others, and all that may
 * go would not do, and none for a receipt (struct weir_options). Where pages side by
 * side are lacking, as much goes as the message is large, and as much again, until there are
 * such. Where none may go, or not as much, or the dead letter queue takes none, it is as with
 * WEIR_WHEN_FULL_WAIT.
 *
 * Shares: with WEIR_POLICY_FAIR_SHARE a user may have as many messages, and as many bytes
 * of them, as are free still; what is sent then is both. So one alone gets half of a
 * queue, two get a third each, and one who comes has room. What would be more is without
 * room, as in a full queue. A message is of the effective user that opened the descriptor
 * (@uid in struct weir_desc) for as long as it counts in @bytes; and a receipt of who sent
 * the message that asked for it. Users are told apart by their numbers in the initial
 * namespace: who has many of these, as a user namespace with a range of subordinate ones
 * has, has as many shares.
 *
 * Duplicates: with @dedup_count or @dedup_ns the queue knows the ids of the last
 * @dedup_count messages that were taken with one, each for @dedup_ns: see struct
 * weir_options. The memory for that (40 to 80 bytes an id) is taken at creation.
 */
struct weir_policy {
	__u64	max_messages;	/* that it holds, in whatever state */
	__u64	max_bytes;	/* of these, rounded down to WEIR_ALIGN */
	__u64	lease_ns;	/* of a FETCH that asks for none; WEIR_UNLIMITED: no end */
	__u64	backoff_ns;	/* 0: none */
	__u64	backoff_max_ns;	/* 0: an hour, or @backoff_ns if that is more */
	__u64	ttl_ns;		/* of messages that ask for none; 0: no end */
	__u32	max_deliveries;	/* 0: any number */
	__u32	priorities;	/* that messages may have, from 0 on; 0 means 1, up to 32 */
	__u32	starve_after;	/* see struct weir_options; 0: never */
	__u32	flags;		/* WEIR_POLICY_* */
	__s32	dead_letter;	/* in, by flag: a descriptor of it, opened for writing */
	__u32	prefetch;	/* that a consumer may hold; 0: any number */
	__u64	dedup_ns;	/* how long an id is known; 0: however long */
	__u32	dedup_count;	/* how many are; 0: none, or the default if there is @dedup_ns */
	__u32	when_full;	/* enum weir_when_full */
	__u64	reserved[4];	/* 0; it is in the middle of others, and cannot grow */
};

/*
 * enum weir_when_full - what becomes of a message for which there is no room
 * @WEIR_WHEN_FULL_WAIT:   its sender waits, as long as he likes
 * @WEIR_WHEN_FULL_REJECT: it is EAGAIN at once, however long he would wait. (IORING_OP_WRITE
 *                         then waits for EPOLLOUT, unless it is told not to.)
 * @WEIR_WHEN_FULL_DROP_OLDEST: others are thrown away for it: of the lowest priority what
 *                         was sent first, but what somebody reads in place though it is
 *                         his no more. (Of those of one priority that were delivered
 *                         before, 64 are looked at.) They go before it is read from
 *                         its sender's memory, and so they do for one that then is EFAULT
 * @WEIR_WHEN_FULL_DEAD_LETTER: others die for it, with the reason "full"; that they are
 *                         moved to the dead letter queue, which there has to be (EINVAL), is
 *                         waited for by all but WEIR_IOC_REPLY, also by who does not wait
 *                         for room; where others are quicker each time it is EAGAIN for
 *                         him when as many are moved as there were, and all that died for him
 */
enum weir_when_full {
	WEIR_WHEN_FULL_WAIT		= 0,
	WEIR_WHEN_FULL_REJECT		= 1,
	WEIR_WHEN_FULL_DROP_OLDEST	= 2,
	WEIR_WHEN_FULL_DEAD_LETTER	= 3,
};

#define WEIR_MAX_PRIORITIES	32U

/* There is a dead letter queue. */
#define WEIR_POLICY_DEAD_LETTER	(1U << 0)
/* What is dead is thrown away. Not with the other. */
#define WEIR_POLICY_DISCARD	(1U << 1)
/* Keys order messages. Only at creation: ALTER must say the same. */
#define WEIR_POLICY_KEYED	(1U << 2)
/* One description receives at a time. */
#define WEIR_POLICY_SINGLE_ACTIVE (1U << 3)
/* One may be open for reading. Not with the one before. */
#define WEIR_POLICY_EXCLUSIVE	(1U << 4)

/*
 * A user has a share. Only at creation, as WEIR_POLICY_KEYED, and with WEIR_WHEN_FULL_WAIT
 * or WEIR_WHEN_FULL_REJECT (EINVAL): within a share there is room, and nothing of others
 * goes for who is above his.
 */
#define WEIR_POLICY_FAIR_SHARE	(1U << 5)

#define WEIR_DEFAULT_BACKOFF_MAX 3600000000000ULL
/* In place of a name; none has such letters. */
#define WEIR_GONE		"(gone)"
#define WEIR_DEFAULT_DEDUP_COUNT 65536U
#define WEIR_MAX_DEDUP_COUNT	(1U << 24)

/*
 * WEIR_IOC_CREATE, on control: makes an object, owned by the effective uid and
 * gid that opened the descriptor. Its node is there when this returns. All
 * memory that it will ever use is charged to that user and to the cgroup of the
 * calling process, as it is used. It stays until it is destroyed or the machine
 * stops, whoever ends meanwhile, unless it is WEIR_CREATE_ANONYMOUS.
 */
struct weir_create {
	char	name[WEIR_NAME_SIZE];
	__u32	type;		/* enum weir_type */
	__u32	flags;		/* WEIR_CREATE_* */
	__u32	mode;		/* of the node, at most 0777; 0 means 0660 */
	__u32	reserved;	/* 0 */
	struct weir_policy policy;
};

/* Payloads may not be mapped: mmap() is EACCES, FETCH must copy. */
#define WEIR_CREATE_PRIVATE	(1U << 0)
/*
 * A temporary object: @name is "" and @mode 0, and the value is a descriptor, O_RDWR and
 * O_CLOEXEC, opened by the calling process. There is no node, nothing in sysfs, and no
 * name that a command on control could say; its INFO is had through the descriptor. Who
 * else is to use it is given that (fork, SCM_RIGHTS): it cannot be opened again. It ends,
 * with all that it holds, when the description is closed for good. It may have a dead
 * letter queue, and cannot be one (EINVAL).
 */
#define WEIR_CREATE_ANONYMOUS	(1U << 1)

/*
 * WEIR_IOC_DESTROY, on control: takes the object and its node away. Only for
 * its creator and CAP_SYS_ADMIN. EBUSY while it holds messages or somebody has
 * it open, unless forced: then whatever is done with it is ESHUTDOWN, at once
 * also for those who wait, and what it held is lost. What was mapped stays
 * readable until it is unmapped.
 */
struct weir_destroy {
	char	name[WEIR_NAME_SIZE];
	__u32	flags;		/* WEIR_DESTROY_* */
	__u32	reserved;	/* 0 */
};

#define WEIR_DESTROY_FORCE	(1U << 0)

/*
 * WEIR_IOC_PURGE, on control: throws away the messages that are ready at the
 * time of the call, or behind others of their key, and perhaps what goes back to the queue
 * meanwhile, but nothing that is sent later. Leased ones, and one that is read
 * in part, are left to their holders. Only for the object's creator and CAP_SYS_ADMIN.
 */
struct weir_purge {
	char	name[WEIR_NAME_SIZE];
	__u32	flags;		/* 0 */
	__u32	reserved;	/* 0 */
	__u64	purged;		/* out: how many */
};

/*
 * WEIR_IOC_ALTER, on control: changes the policy, all of it, from now on: what INFO
 * told, with what is to be different; a dead letter queue is to be named again. Not
 * above the max_messages, max_bytes and dedup_count that the queue was created with
 * (EINVAL); below what it holds now it takes no more until it is under them, and a message
 * that waits and is too large from then on is EMSGSIZE. Only for the object's creator and
 * CAP_SYS_ADMIN.
 */
struct weir_alter {
	char	name[WEIR_NAME_SIZE];
	__u32	flags;		/* 0 */
	__u32	reserved;	/* 0 */
	struct weir_policy policy;
};

/*
 * WEIR_IOC_INFO: the limits and figures of one object, taken at one moment. On
 * control for the object of that name, on an object's own descriptor for that
 * object, whatever @name says, without flags. sysfs shows the same values
 * under the same names, @type as a word, @mode in octal and the create_flags
 * one by one.
 *
 * sent == settled + purged + dropped + dead + depth + leased + delayed + behind + dying,
 * and what counts in @max_messages is depth + leased + delayed + behind + dying + pinned +
 * drafts, always.
 */
struct weir_info {
	char	name[WEIR_NAME_SIZE]; /* in: which (control); out: its name, or "" */
	__u32	flags;		/* WEIR_INFO_* */
	__u32	type;		/* out: enum weir_type */
	__u32	uid;		/* out: of the creator, in the initial namespace */
	__u32	gid;		/* out: likewise */
	__u32	mode;		/* out: as created */
	__u32	create_flags;	/* out: WEIR_CREATE_* */
	struct weir_policy policy; /* out; without a descriptor */
	char	dead_letter[WEIR_NAME_SIZE]; /* out; "": none; WEIR_GONE: it was destroyed */
	__u64	depth;		/* out: messages ready to be delivered */
	__u64	leased;		/* out: delivered, not yet settled */
	__u64	delayed;	/* out: not to be delivered yet */
	__u64	behind;		/* out: waiting for one of the same key */
	__u64	dying;		/* out: dead, on the way to the dead letter queue */
	__u64	pinned;		/* out: settled, kept for who still may read them */
	__u64	drafts;		/* out: being sent, and receipts to come: they have their room */
	__u64	bytes;		/* out: space taken; by what is being sent, too */
	__u64	memory;		/* out: bytes charged to the creator */
	__u64	sent;		/* out: messages ever taken in; the next offset */
	__u64	received;	/* out: deliveries, repeated ones too */
	__u64	redelivered;	/* out: deliveries that were not the first */
	__u64	expired;	/* out: leases that ran out */
	__u64	settled;	/* out */
	__u64	purged;		/* out: thrown away by WEIR_IOC_PURGE */
	__u64	dropped;	/* out: thrown away to make room */
	__u64	dead;		/* out: moved to the dead letter queue, or thrown away */
	__u64	duplicates;	/* out: sent again, and not taken again */
	__u64	consumers;	/* out: that received, or tried to, and live */
	__u64	waiters;	/* out: calls now waiting for a message or for room */
	__u64	oldest_age_ns;	/* out: since the oldest ready message was sent; 0: none */
};

/*
 * The object whose name comes next in byte order after @name, which is "" or a
 * well-formed name, and need not exist; ENOENT behind the last.
 */
#define WEIR_INFO_NEXT		(1U << 0)

/*
 * WEIR_IOC_SEND, on a queue opened for writing: sends a batch. Value: how many
 * messages of the batch were taken, from its beginning; an error only if not
 * even the first was. They get consecutive offsets from @first_offset on, and
 * all become visible at one moment. Taken are at most WEIR_BATCH_MAX at a time,
 * and as many as there is room for; when there is none for the first, it waits,
 * unless the descriptor is O_NONBLOCK. It does not wait for more than that.
 * What is wrong with a later message of the batch (its fields, its size, its
 * memory) ends the batch before it. Send the rest to learn why: then it is first.
 *
 * Duplicates (struct weir_options) are among those taken, but they get no offset and
 * are not delivered; the others have the consecutive offsets. There must be room for
 * them, too, for a moment.
 */
struct weir_send {
	__u64	messages;	/* struct weir_message * */
	__u32	count;		/* of @messages, at least 1 */
	__u32	flags;		/* 0 */
	__s64	timeout_ns;	/* how long to wait for room; < 0: for ever, 0: not */
	__u64	first_offset;	/* out; of the first that is no duplicate */
	__u32	duplicates;	/* out: of those taken */
	__u32	reserved;	/* 0 */
};

/*
 * struct weir_message - one message to send
 *
 * Payload, key and headers are copied. Headers are a block of (name, value)
 * pairs, each a struct weir_header with its bytes; order and duplicates are
 * kept. @options may be the same for many messages.
 */
struct weir_message {
	__u64	data;		/* const void *, the payload */
	__u64	key;		/* const void * */
	__u64	headers;	/* const struct weir_header * */
	__u32	len;		/* of the payload, 0 too */
	__u32	headers_len;	/* bytes, a multiple of 8, up to WEIR_HEADERS_MAX */
	__u16	key_len;	/* up to WEIR_KEY_MAX; 0: no key */
	__u16	options_len;	/* sizeof(struct weir_options); 0: none */
	__u32	flags;		/* 0 */
	__u64	options;	/* const struct weir_options * */
	__u64	reserved[2];	/* 0 */
};

/*
 * struct weir_options - what else a message may ask for; 0: nothing
 *
 * Delay: it is not delivered before @delay_ns from now, or with WEIR_OPTION_AT not
 * before that time on CLOCK_REALTIME, as that stands now. Then it has its place by its
 * offset. Time to live: it is not delivered, first or again, after @ttl_ns from now,
 * but dead, with the reason "expired", also while it is delayed. Who holds it then may
 * still settle it; if it comes back from him, it is dead.
 *
 * Priority: higher ones are delivered first, strictly, unless the queue's policy has
 * @starve_after: then, after so many deliveries while a lower one waited, one of
 * the lowest priority there is comes first.
 *
 * Taken once: a message that is sent again, because nobody knows whether the first try
 * was successful, is a duplicate if it was. It is known by its producer's @sequence, or
 * by its id, or by both.
 *
 * A message with @producer, @epoch (as WEIR_IOC_PRODUCER gave them) and a @sequence
 * above 0 is taken if that is above the one of the last message that was taken of this
 * producer; there may be gaps. So a producer sends its messages in order, one call after
 * the other, and after any error or doubt sends the same ones again. ESTALE, and nothing
 * is changed, if the producer has been registered again since, or was forgotten, or is
 * another user's.
 *
 * An id is any bytes. The message is a duplicate if one with the same id was taken within
 * the window that the queue has for that (struct weir_policy; EINVAL if it has none). An
 * id is known by a hash of 128 bits.
 *
 * Receipt: how the message ends is told by another one, a struct weir_receipt, in the queue
 * behind the descriptor @receipt, which is opened for reading and writing (EBADF: only who
 * may take receipts may ask for them) and another queue than that of the message (EINVAL).
 * Its room is taken there and then, when the message is sent, and if there is none, the
 * message is ENOBUFS, whatever that queue does when it is full: nothing goes for it. So a
 * receipt never fails, and nobody who settles waits for it. A duplicate has none: the message
 * that was taken has. Until it is there, a receipt counts in @bytes of its queue, and holds
 * that as a message does.
 *
 * Reply: who receives the message is to answer it (WEIR_IOC_REPLY), which is sent to the
 * queue behind the descriptor @reply, opened for writing (EBADF). Nobody learns which that
 * is. It is not kept by this: when it is destroyed, or closed, the answer goes nowhere.
 */
struct weir_options {
	__u64	delay_ns;
	__u64	ttl_ns;		/* 0: as the queue has it */
	__u32	priority;	/* less than the queue's @priorities (EINVAL) */
	__u32	flags;		/* WEIR_OPTION_* */
	__u64	producer;	/* 0: none */
	__u64	sequence;	/* 0 without a producer, and only then */
	__u32	epoch;		/* 0 without a producer */
	__u32	id_len;		/* up to WEIR_ID_MAX; 0: no id */
	__u64	id;		/* const void * */
	__s32	receipt;	/* by flag: a descriptor of the queue that it is for */
	__s32	reply;		/* likewise */
	__u64	token;		/* 0 without a receipt; told in it */
};

#define WEIR_ID_MAX		64U

/* @delay_ns is a time. */
#define WEIR_OPTION_AT		(1U << 0)
/* There is to be a struct weir_receipt. */
#define WEIR_OPTION_RECEIPT	(1U << 1)
/* It is to be answered. */
#define WEIR_OPTION_REPLY	(1U << 2)

/* enum weir_outcome - how a message ends */
enum weir_outcome {
	WEIR_OUTCOME_ACKED	= 1,	/* it was settled: WEIR_ACK */
	WEIR_OUTCOME_TAKEN	= 2,	/* it was handed out: read(2), WEIR_FETCH_SETTLED */
	WEIR_OUTCOME_DEAD_LETTER = 3,	/* dead, and moved to the dead letter queue */
	WEIR_OUTCOME_DISCARDED	= 4,	/* dead, and thrown away */
	WEIR_OUTCOME_PURGED	= 5,	/* WEIR_IOC_PURGE */
	WEIR_OUTCOME_DROPPED	= 6,	/* thrown away to make room */
	WEIR_OUTCOME_DESTROYED	= 7,	/* with its queue, whoever may have had it then */
};

/* enum weir_dead_reason - why a message is dead */
enum weir_dead_reason {
	WEIR_DEAD_DELIVERIES	= 1,	/* it was delivered as often as it may be */
	WEIR_DEAD_TERM		= 2,	/* it was given up: WEIR_TERM */
	WEIR_DEAD_EXPIRED	= 3,	/* its time to live was over */
	WEIR_DEAD_FULL		= 4,	/* it made room */
};

/* Bytes of a consumer's name with its NUL. */
#define WEIR_CONSUMER_NAME_SIZE	64

/*
 * struct weir_receipt - the payload of a receipt
 *
 * There is one for each message that asked for it and was taken, unless the queue that it is
 * for is destroyed before. It is there a moment after the message is gone, never before.
 * Those of one queue come in the order in which its messages ended. It has neither key nor
 * headers (a dead letter that was a receipt has), its priority is 0, and the time to live is
 * that of its queue, from when it is there. It was sent by uid 0, gid 0 and pid 0: no
 * process is pid 0, so that nobody can forge one. Those who share a queue for receipts tell
 * theirs by @queue and @offset; each chooses his own @token. It may grow at its end, and
 * there may be more outcomes and reasons.
 */
struct weir_receipt {
	__u64	token;		/* as in struct weir_options */
	__u64	offset;		/* of the message, in its queue */
	__u64	sent_ns;	/* when it was sent, CLOCK_REALTIME, */
	__u64	first_ns;	/* first delivered (0: never), */
	__u64	ended_ns;	/* and ended */
	__u32	outcome;	/* enum weir_outcome */
	__u32	reason;		/* enum weir_dead_reason, if it was dead; else 0 */
	__u32	deliveries;	/* how often it was delivered */
	__u32	uid;		/* who ended it, or had it when it died, as in */
	__u32	pid;		/* struct weir_desc; 0: nobody */
	__u32	reserved;	/* 0 */
	char	consumer[WEIR_CONSUMER_NAME_SIZE]; /* his name, "": he has none */
	char	queue[WEIR_NAME_SIZE]; /* of the message */
};

#define WEIR_PRODUCER_NAME_SIZE	64

/*
 * WEIR_IOC_PRODUCER, on a queue opened for writing: the caller is, from now on, the
 * producer @name of the user that opened the descriptor. Its epoch is another one each
 * time, and who has an older one is fenced: what he sends is ESTALE. So one that is
 * started again knows from @sequence where it has to go on, and that its predecessor,
 * if it still runs somewhere, sends nothing more.
 *
 * A queue knows 4096 producers. Then the one that is unused longest is forgotten, if that
 * is an hour, and else it is ENOSPC.
 */
struct weir_producer {
	char	name[WEIR_PRODUCER_NAME_SIZE]; /* 1 to 63 bytes, and a NUL */
	__u32	flags;		/* 0 */
	__u32	epoch;		/* out */
	__u64	id;		/* out; never 0 */
	__u64	sequence;	/* out: of its last message that was taken, or 0 */
};

/*
 * struct weir_header - one header: @name_len bytes of name follow, then
 * @value_len bytes of value, then padding to a multiple of 8, which the
 * kernel makes zero. EINVAL unless the headers fill @headers_len exactly.
 */
struct weir_header {
	__u32	value_len;
	__u16	name_len;	/* 1 to WEIR_HEADER_NAME_MAX */
	__u16	reserved;	/* 0 */
};

/*
 * struct weir_desc - a message, as its receiver sees it
 *
 * The payload stands at @pos, the key right behind the payload, the headers at
 * the first multiple of 8 not before the end of the key. @pos counts from the
 * beginning of the mapped pool, or of the buffer of a FETCH that copies.
 */
struct weir_desc {
	__u64	offset;
	__u64	pos;
	__u64	stamp_ns;	/* when it was sent, CLOCK_REALTIME */
	__u32	len;		/* of the payload */
	__u32	headers_len;
	__u16	key_len;
	__u8	priority;
	__u8	flags;		/* WEIR_DESC_* */
	__u32	deliveries;	/* this one included */
	__u32	uid;		/* of the sender: the effective ids of who opened */
	__u32	gid;		/* the descriptor, and the process that sent; all */
	__u32	pid;		/* as the initial namespaces number them */
	__u32	slot;		/* its place in the index; in a copy, too */
	__u64	first_ns;	/* when it was first delivered, CLOCK_REALTIME */
};

/* Its sender waits for an answer: WEIR_IOC_REPLY. */
#define WEIR_DESC_REPLY		(1U << 0)

/*
 * struct weir_run - consecutive messages that one consumer was handed together
 *
 * FETCH gives runs and SETTLE takes them, whole or in part: the messages
 * @offset to @offset + @count - 1, in the slots @slot to @slot + @count - 1 of
 * the index, each delivered @deliveries times. Slots do not wrap around. What
 * FETCH gave can be given to SETTLE as it is: to acknowledge.
 */
struct weir_run {
	__u64	offset;
	__u32	slot;
	__u32	count;
	__u32	deliveries;
	__u32	op;		/* SETTLE: enum weir_settle_op */
	__s32	status;		/* out of SETTLE: 0 or -errno */
	__u32	delay_ms;	/* of RELEASE and EXTEND; else 0 */
};

/*
 * enum weir_settle_op - what becomes of the messages of a run
 * @WEIR_ACK:     done: they are gone
 * @WEIR_RELEASE: not done: they go back, and are delivered again, before anything
 *                not yet delivered, but not before @delay_ms from now
 * @WEIR_EXTEND:  not done yet: their lease ends @delay_ms from now, however long it
 *                was; 0: as long from now as if they were fetched now
 * @WEIR_TERM:    not to be done: they are dead
 */
enum weir_settle_op {
	WEIR_ACK	= 0,
	WEIR_RELEASE	= 1,
	WEIR_EXTEND	= 2,
	WEIR_TERM	= 3,
};

/*
 * WEIR_IOC_FETCH, on a queue opened for reading: takes messages. Value: how
 * many. They are leased to the calling process through this description until
 * they are settled, or the process, the description or the time of the lease
 * ends. (Times of leases may end up to some milliseconds late, never early; a
 * message that is just being copied out keeps its lease, and read(2) has no time.)
 * When there is none it
 * waits for one, unless the descriptor is O_NONBLOCK, and then takes what there
 * is. What has expired and is in the way it goes through first: about as much as the queue
 * held, and then it is as if there was none, lest others keep it busy for ever.
 *
 * In place (@buffer and @buffer_len 0): the descriptors are read in the mapped
 * index at the slots of the runs, the payloads in the mapped pool; both stay
 * as they are until the message is settled or the lease ends.
 *
 * Copied (@buffer set): the buffer is filled with one record a message, each a
 * struct weir_desc at a multiple of WEIR_ALIGN with the message behind it; the
 * next record begins at the first multiple of WEIR_ALIGN behind its last byte,
 * counted from @buffer. A record takes such units whole, and @buffer_len counts
 * them, in and out. What does not fit stays in the queue; EMSGSIZE when the first
 * does not, with the size that it needs in @buffer_len.
 *
 * On EFAULT, wherever it comes from, all goes back, and was delivered once more.
 *
 * @settle first: when the arguments are right, the runs there are settled,
 * with their statuses written back, as by WEIR_IOC_SETTLE, before anything is
 * taken and whatever becomes of the rest; @nr_settle is 0 from then on.
 * @settle and @runs may be the same memory.
 */
struct weir_fetch {
	__u64	runs;		/* struct weir_run *, room for @nr_runs */
	__u32	nr_runs;	/* in: room, at least 1, used up to 16; out: runs there */
	__u32	flags;		/* WEIR_FETCH_* */
	__u32	max_messages;	/* at least 1; more than WEIR_BATCH_MAX is as many */
	__u32	nr_settle;	/* in: runs at @settle, up to WEIR_BATCH_MAX; out: 0 */
	__u64	max_bytes;	/* of space, though one message in any case; 0: any */
	__s64	timeout_ns;	/* how long to wait; < 0: for ever, 0: not */
	__u64	buffer;		/* void *, aligned to 8; 0: read in place */
	__u64	buffer_len;	/* in: bytes at @buffer; out: bytes filled */
	__u64	settle;		/* struct weir_run * */
	__u64	lease_ns;	/* 0: the queue's; WEIR_UNLIMITED: no end */
};

/* Settle what was copied, when all is told: delivered at most once. Needs @buffer. */
#define WEIR_FETCH_SETTLED	(1U << 0)

/*
 * WEIR_IOC_SETTLE, on a queue opened for reading: settles runs, by any process,
 * through the open file description through which they were fetched. Each run is
 * settled whole, or it has a status and nothing of it was changed:
 *
 *   -ESTALE   one of its messages is not leased through this description, to one
 *             consumer, with that offset, slot and number of deliveries: never, or
 *             not any more. What was read in place must not be looked at from
 *             then on.
 *   -EBUSY    one of them is being copied out, or was read(2) in part
 *   -EINVAL   @count is 0 or above WEIR_BATCH_MAX, @op unknown, @delay_ms not 0
 *             where it means nothing
 *
 * Value: how many messages were settled; an error only for the call itself. On
 * EFAULT runs before the one that could not be read, or told of, are settled.
 */
struct weir_settle {
	__u64	runs;		/* struct weir_run * */
	__u32	count;		/* of @runs, 1 to WEIR_BATCH_MAX */
	__u32	flags;		/* 0 */
	__u64	reason;		/* const char *, of what is WEIR_TERM, without a NUL */
	__u32	reason_len;	/* 0: none; up to WEIR_REASON_MAX */
	__u32	reserved;	/* 0 */
};

#define WEIR_REASON_MAX		255U

/*
 * WEIR_IOC_REPLY, on a queue opened for reading: answers a message that is leased through
 * this description, and that asks for it (WEIR_DESC_REPLY; EDESTADDRREQ). The answer is
 * sent, and with WEIR_ACK the message is settled, at one moment, or neither is done: so
 * whoever has lost his lease answers nothing (ESTALE). With WEIR_EXTEND it stays leased,
 * as by SETTLE, and may be answered again.
 *
 * It needs no right to the queue that the answer is for, and never waits for it: EAGAIN if
 * that has no room now, also while others die there for the answer, and then the message is
 * as it was. All else is as of SEND. Value: 1, or 0 if the queue is gone: nobody waits any
 * more, nothing was sent, and the message is settled, or extended, all the same.
 *
 * The status of @run tells, also on an error, once the structure itself is right, what of
 * SETTLE and what of SEND is: 0 when the error is of the answer, and the message is leased
 * as it was. So ESTALE is the lease's if it is the status, too, and else that of the
 * answer's producer.
 *
 * A message that dies is answered from the dead letter queue. One that a program sends on
 * to another queue (WEIR_IOC_TXN) does not ask for an answer there, unless it is told to.
 * What is settled as it is handed out (read(2), WEIR_FETCH_SETTLED) is not answered.
 */
struct weir_reply {
	struct weir_run run;	/* one message, to WEIR_ACK or to WEIR_EXTEND; @status: out */
	__u64	message;	/* const struct weir_message *, the answer */
	__u32	flags;		/* 0 */
	__u32	reserved;	/* 0 */
};

/*
 * WEIR_IOC_TXN, on a queue, which need not be one of those that it is about: sends to
 * some queues and settles on others, or the same, all of it or nothing, whoever is
 * killed meanwhile: nobody finds one part done and another not. At most
 * WEIR_TXN_PARTS parts on WEIR_TXN_QUEUES queues; at most WEIR_BATCH_MAX messages are
 * sent, and as many settled, all parts together (EINVAL).
 *
 * Each message of a part, and each run, is as for SEND and SETTLE. What is sent in one
 * part has consecutive offsets. When one queue has no room for all that is sent to it,
 * it waits, unless the descriptor of the command is O_NONBLOCK, and holds nothing while
 * it does; EMSGSIZE if that queue can never hold as much.
 *
 * Errors are those of SEND and SETTLE, of the part at @failed: that of a run is its
 * status, and the other statuses are as they were. Of a run that occurs twice, or of two
 * that overlap, the second is EBUSY.
 */
struct weir_txn {
	__u64	parts;		/* struct weir_part * */
	__u32	count;		/* of @parts, at least 1 */
	__u32	flags;		/* 0 */
	__s64	timeout_ns;	/* how long to wait for room; < 0: for ever, 0: not */
	__u32	failed;		/* out, also on an error: the part that it is of */
	__u32	reserved;	/* 0 */
};

struct weir_part {
	__s32	fd;		/* of a queue, opened for writing or for reading (EACCES) */
	__u32	op;		/* enum weir_part_op */
	__u64	items;		/* struct weir_message *, or struct weir_run * */
	__u32	count;		/* of @items, at least 1 */
	__u32	reason_len;	/* SETTLE: as in struct weir_settle; else 0 */
	__u64	reason;
	__u64	first_offset;	/* out, of SEND */
};

enum weir_part_op {
	WEIR_PART_SEND		= 0,
	WEIR_PART_SETTLE	= 1,
};

#define WEIR_TXN_PARTS		64U
#define WEIR_TXN_QUEUES		8U

/*
 * WEIR_IOC_LAYOUT, on a queue: where its memory is mapped from. Both areas are
 * for reading only (EACCES), MAP_SHARED (EINVAL), on a descriptor opened for
 * reading (EACCES); any part of whole pages of one area at a time (EINVAL). They
 * may be larger than what was asked for. The offsets need a 64-bit off_t: 32-bit
 * programs define _FILE_OFFSET_BITS as 64.
 *
 * Memory appears as messages first reach it: touching a page that none has
 * reached is SIGBUS. A child does not inherit a mapping over fork(). Whoever
 * maps a pool sees all that is in it, also what others are handed, and what
 * was settled and is not yet overwritten: a queue is one domain of trust for
 * those who may receive.
 */
struct weir_layout {
	__u64	index_offset;	/* out: for mmap() */
	__u64	index_length;	/* out: bytes; a struct weir_desc a slot */
	__u64	pool_offset;	/* out: for mmap() */
	__u64	pool_length;	/* out: bytes */
};

/*
 * WEIR_IOC_NAME, on a queue opened for reading: the calling process is a consumer
 * from now on, as if it had received, and is called so when others are told of it. It is
 * any text without control characters, for people: nobody sees to it that it is true, or
 * that it is the only one. "" takes it away.
 */
struct weir_name {
	char	name[WEIR_CONSUMER_NAME_SIZE]; /* ENAMETOOLONG without a NUL */
	__u32	flags;		/* 0 */
	__u32	reserved;	/* 0 */
};

/*
 * WEIR_IOC_BROWSE, on a queue opened for reading, WEIR_CREATE_PRIVATE too: tells of
 * messages without taking them, and changes nothing. Value: how many. They come in the
 * order of their slots, which is no order of theirs, from @slot on, as many as fit into
 * the buffer; then @slot says where to go on, and is WEIR_BROWSE_END when there are no
 * more. Begun with 0 and gone on with so, whatever others do meanwhile: what is there all
 * the time, in states that are asked for, is told exactly once, what comes or goes
 * perhaps, and each one whole and as it was at one moment.
 *
 * The buffer is filled with one record a message, each a struct weir_browsed, with
 * WEIR_BROWSE_PAYLOAD followed by the message, and all that takes a multiple of
 * WEIR_ALIGN. EMSGSIZE when the first one does not fit, with the size that it needs in
 * @buffer_len, and @slot where to go on.
 */
struct weir_browse {
	__u64	first;		/* offsets below are left out, */
	__u64	end;		/* and this one and those above; 0: none */
	__u64	buffer;		/* void *, aligned to 8 */
	__u64	buffer_len;	/* in: bytes at @buffer; out: bytes filled */
	__u32	slot;		/* in and out */
	__u32	states;		/* WEIR_BROWSE_*, of these; 0: of all */
	__u32	flags;		/* WEIR_BROWSE_PAYLOAD */
	__u32	reserved;	/* 0 */
};

#define WEIR_BROWSE_END		(~0U)
#define WEIR_BROWSE_PAYLOAD	(1U << 0)

/* What is to be delivered, is not to be yet, is delivered, is dead, waits for its key. */
#define WEIR_BROWSE_READY	(1U << 0)
#define WEIR_BROWSE_DELAYED	(1U << 1)
#define WEIR_BROWSE_LEASED	(1U << 2)
#define WEIR_BROWSE_DYING	(1U << 3)
#define WEIR_BROWSE_BEHIND	(1U << 4)
#define WEIR_BROWSE_STATES	(WEIR_BROWSE_READY | WEIR_BROWSE_DELAYED | \
				 WEIR_BROWSE_LEASED | WEIR_BROWSE_DYING | \
				 WEIR_BROWSE_BEHIND)

/* struct weir_browsed - a message, as it is told by BROWSE */
struct weir_browsed {
	struct weir_desc desc;	/* @pos counts from @buffer; 0: without the message */
	__u64	left_ns;	/* until the lease, or the delay, ends; WEIR_UNLIMITED: */
	__u64	expires_ns;	/* never; and likewise until it expires */
	__u32	state;		/* one of WEIR_BROWSE_* */
	__u32	size;		/* of this record; the next one is behind it */
	__u32	holder_uid;	/* who has it, or had it last if it is dying, as in */
	__u32	holder_pid;	/* struct weir_desc; 0: nobody */
	char	holder[WEIR_CONSUMER_NAME_SIZE]; /* his name, "": he has none */
	__u64	reserved[4];	/* 0 */
};

/*
 * WEIR_IOC_CANCEL, on a queue: ends FETCH commands that wait for a message,
 * and came through an io_uring and this descriptor: their CQEs say ECANCELED,
 * unless they got messages just before. (io_uring's own cancel request does not
 * reach them.) Nothing else that waits is met. Value: how many it met, perhaps 0.
 */
struct weir_cancel {
	__u64	fetch;		/* the address in their weir_uring_cmd; 0: all of them */
	__u32	flags;		/* 0 */
	__u32	reserved;	/* 0 */
};

/* struct weir_uring_cmd - the 16 command bytes of an SQE */
struct weir_uring_cmd {
	__u64	addr;		/* of the command's structure */
	__u32	len;		/* its size */
	__u32	flags;		/* 0 */
};

#define WEIR_IOC_TYPE		0xE7
#define WEIR_IOC_VERSION	_IOWR(WEIR_IOC_TYPE, 0x00, struct weir_version)
#define WEIR_IOC_CREATE		_IOWR(WEIR_IOC_TYPE, 0x01, struct weir_create)
#define WEIR_IOC_DESTROY	_IOWR(WEIR_IOC_TYPE, 0x02, struct weir_destroy)
#define WEIR_IOC_PURGE		_IOWR(WEIR_IOC_TYPE, 0x03, struct weir_purge)
#define WEIR_IOC_INFO		_IOWR(WEIR_IOC_TYPE, 0x04, struct weir_info)
#define WEIR_IOC_ALTER		_IOWR(WEIR_IOC_TYPE, 0x05, struct weir_alter)
#define WEIR_IOC_SEND		_IOWR(WEIR_IOC_TYPE, 0x10, struct weir_send)
#define WEIR_IOC_FETCH		_IOWR(WEIR_IOC_TYPE, 0x11, struct weir_fetch)
#define WEIR_IOC_SETTLE		_IOWR(WEIR_IOC_TYPE, 0x12, struct weir_settle)
#define WEIR_IOC_LAYOUT		_IOWR(WEIR_IOC_TYPE, 0x13, struct weir_layout)
#define WEIR_IOC_CANCEL		_IOWR(WEIR_IOC_TYPE, 0x14, struct weir_cancel)
#define WEIR_IOC_PRODUCER	_IOWR(WEIR_IOC_TYPE, 0x15, struct weir_producer)
#define WEIR_IOC_NAME		_IOWR(WEIR_IOC_TYPE, 0x16, struct weir_name)
#define WEIR_IOC_BROWSE		_IOWR(WEIR_IOC_TYPE, 0x17, struct weir_browse)
#define WEIR_IOC_TXN		_IOWR(WEIR_IOC_TYPE, 0x18, struct weir_txn)
#define WEIR_IOC_REPLY		_IOWR(WEIR_IOC_TYPE, 0x19, struct weir_reply)

#endif /* _UAPI_LINUX_WEIR_H */
