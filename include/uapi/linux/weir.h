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
 * A *consumer* is a process that receives through one open file description.
 * A message that was handed to a consumer and is not yet settled is *leased*.
 * When the process ends, or the description is closed for good, whichever is
 * first, its leased messages go back to the queue and are delivered again,
 * before anything not yet delivered, in their old order. Each message carries
 * the number of times it was delivered, this time included.
 *
 * Files
 * =====
 *
 *   /dev/weir/control      create, destroy, purge and query objects, by ioctl
 *   /dev/weir/queue/NAME   one queue: read, write, poll, mmap, ioctl and
 *                          io_uring (IORING_OP_URING_CMD)
 *   /sys/class/weir/NAME/  its figures, one value a file
 *
 * A name is 1 to 249 characters of [A-Za-z0-9._-], the first of them none of
 * "." and "-". A queue's node belongs to whoever created it, with the mode
 * chosen at creation; chmod, chown and ACLs work as on any node. Rights are
 * those of the process that opened the descriptor, wherever it is passed.
 *
 * read and write
 * ==============
 *
 * write(2), writev(2): one message of n > 0 bytes, whole or not at all. Writing
 * 0 bytes sends nothing. When the queue is full it waits, or fails with EAGAIN
 * under O_NONBLOCK. A message is at most WEIR_MESSAGE_MAX bytes and no more
 * than a quarter of the queue's max_bytes, or EMSGSIZE.
 *
 * read(2), readv(2): the payload of the next message, settled when its last
 * byte has been copied. A read that is shorter than the message leaves the rest
 * for the next read on the same description; closing it before puts the message
 * back whole. When the queue is empty it waits, or fails with EAGAIN under
 * O_NONBLOCK. An empty message (WEIR_IOC_SEND can make one) reads as 0 bytes.
 *
 * poll(2): EPOLLIN when a message or the rest of one can be read, EPOLLOUT when
 * there is room, EPOLLERR | EPOLLHUP once the queue is destroyed.
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
 *   sqe->opcode = IORING_OP_URING_CMD;
 *   sqe->fd = fd;
 *   sqe->cmd_op = WEIR_IOC_SEND;
 *   *(struct weir_uring_cmd *)sqe->cmd = (struct weir_uring_cmd){
 *           .addr = (uintptr_t)&send, .len = sizeof(send) };
 *
 * The value is that of the ioctl, or the CQE's res: 0 or a count, or -errno.
 * Through a ring a command that has to wait does not hold up the ring; the
 * structure, and all that it points to, must stay valid and unchanged until the
 * CQE is there. IORING_SETUP_IOPOLL rings are refused with EOPNOTSUPP. Commands
 * for the control device go by ioctl only.
 *
 * Growth: structures only ever grow at their ends, and the size (of the ioctl's
 * number, or len) says which version the caller knows. Fields that the caller
 * does not know are zero to the kernel; bytes that the kernel does not know
 * must be zero, or E2BIG. Flags that the kernel does not know are EINVAL, and
 * so is a reserved field that is not zero.
 *
 * Errors, wherever they apply
 * ===========================
 *
 *   EINVAL     an unknown flag, a non-zero reserved field, a value out of range
 *   E2BIG      the structure is newer than the kernel and uses what is new
 *   EFAULT     memory that cannot be read or written
 *   EMSGSIZE   a message larger than the queue takes
 *   ENAMETOOLONG, ENOENT, EEXIST   of names
 *   EACCES     not opened for that (send: writing; fetch, settle: reading)
 *   EPERM      not the creator of the object, nor CAP_SYS_ADMIN
 *   EBUSY      destroy: not empty, or somebody has it open
 *   EDQUOT     the creator's memory limit is reached
 *   ENOMEM     the creator's cgroup, or the machine, has no memory
 *   EAGAIN     full or empty now, and told not to wait
 *   ETIMEDOUT  waited as long as asked
 *   ECANCELED  a waiting command was cancelled, or its ring or task ended
 *   EINTR      a signal came while waiting
 *   ESTALE     a settlement for a message that the settler does not hold
 *   ESHUTDOWN  the queue was destroyed
 *   ENOTTY     not a command of this kind of file
 */
#ifndef _UAPI_LINUX_WEIR_H
#define _UAPI_LINUX_WEIR_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The version of this interface; it changes when a program must change. */
#define WEIR_ABI_VERSION	0

/* Bytes of a name with its NUL; a name itself has at most 249. */
#define WEIR_NAME_SIZE		256

/* The largest message (payload, key and headers together), in bytes. */
#define WEIR_MESSAGE_MAX	(16U << 20)
/* The most messages that one command sends, takes, or settles as one run. */
#define WEIR_BATCH_MAX		1024U
/* The largest key, and the largest block of headers, in bytes. */
#define WEIR_KEY_MAX		4096
#define WEIR_HEADERS_MAX	(64U << 10)
#define WEIR_HEADER_NAME_MAX	255

/*
 * Space is counted in units of this many bytes: a message takes its payload,
 * key and headers, rounded up. It is also how payloads are aligned.
 */
#define WEIR_ALIGN		64

/* What a queue has when nothing is asked for, and the least and most. */
#define WEIR_DEFAULT_MESSAGES	65536U
#define WEIR_DEFAULT_BYTES	(64ULL << 20)
#define WEIR_MIN_BYTES		4096ULL
#define WEIR_MAX_MESSAGES	(1U << 26)
#define WEIR_MAX_BYTES		(1ULL << 36)

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
 * WEIR_IOC_CREATE, on control: makes an object, owned by the effective uid and
 * gid that opened the descriptor. Its node is there when this returns. All
 * memory that it will ever use is charged to that user and to the cgroup of the
 * calling process, as it is used. It stays until it is destroyed or the machine
 * stops, whoever ends meanwhile.
 */
struct weir_create {
	char	name[WEIR_NAME_SIZE];
	__u32	type;		/* enum weir_type */
	__u32	flags;		/* WEIR_CREATE_* */
	__u32	mode;		/* of the node, at most 0777; 0: 0660 */
	__u32	reserved;	/* 0 */
	__u64	max_messages;	/* that it holds, settled ones not counted; 0: default */
	__u64	max_bytes;	/* likewise, in WEIR_ALIGN units a message; 0: default */
};

/* Payloads may not be mapped: mmap() is EACCES, FETCH must copy. */
#define WEIR_CREATE_PRIVATE	(1U << 0)

/*
 * WEIR_IOC_DESTROY, on control: takes the object and its node away. Only for
 * its creator and CAP_SYS_ADMIN. EBUSY while it holds messages or somebody has
 * it open, unless forced: then all who use it get ESHUTDOWN, at once also those
 * who wait, and what it held is lost.
 */
struct weir_destroy {
	char	name[WEIR_NAME_SIZE];
	__u32	flags;		/* WEIR_DESTROY_* */
	__u32	reserved;	/* 0 */
};

#define WEIR_DESTROY_FORCE	(1U << 0)

/*
 * WEIR_IOC_PURGE, on control: throws away the messages that are ready at the
 * time of the call. Leased ones are left to their holders. Only for the
 * object's creator and CAP_SYS_ADMIN.
 */
struct weir_purge {
	char	name[WEIR_NAME_SIZE];
	__u32	flags;		/* 0 */
	__u32	reserved;	/* 0 */
	__u64	purged;		/* out: how many */
};

/*
 * WEIR_IOC_INFO: the limits and figures of one object, taken at one moment. On
 * control for the object of that name, on an object's own descriptor for that
 * object, whatever @name says. sysfs shows the same values under the same names.
 *
 * sent == settled + purged + depth + leased, always.
 */
struct weir_info {
	char	name[WEIR_NAME_SIZE]; /* in: which (control); out: its name */
	__u32	flags;		/* WEIR_INFO_* */
	__u32	type;		/* out: enum weir_type */
	__u32	uid;		/* out: of the creator, in the initial namespace */
	__u32	gid;		/* out: likewise */
	__u32	mode;		/* out: as created */
	__u32	create_flags;	/* out: WEIR_CREATE_* */
	__u64	max_messages;	/* out */
	__u64	max_bytes;	/* out */
	__u64	depth;		/* out: messages ready to be delivered */
	__u64	leased;		/* out: delivered, not yet settled */
	__u64	bytes;		/* out: space taken, by drafts of senders too */
	__u64	memory;		/* out: bytes charged to the creator */
	__u64	sent;		/* out: messages ever taken in; the next offset */
	__u64	received;	/* out: deliveries, repeated ones too */
	__u64	redelivered;	/* out: deliveries that were not the first */
	__u64	settled;	/* out */
	__u64	purged;		/* out: thrown away by WEIR_IOC_PURGE */
	__u64	consumers;	/* out: that received, or tried to, and live */
	__u64	waiters;	/* out: calls now waiting for a message or for room */
	__u64	oldest_age_ns;	/* out: since the oldest ready message was sent; 0: none */
};

/* The object whose name comes next in byte order after @name ("" begins). */
#define WEIR_INFO_NEXT		(1U << 0)

/*
 * WEIR_IOC_SEND, on a queue opened for writing: sends a batch. Value: how many
 * messages of the batch were taken, from its beginning; an error only if not
 * even the first was. They get consecutive offsets from @first_offset on, and
 * all become visible at one moment. Taken are at most WEIR_BATCH_MAX at a time,
 * and as many as there is room for; when there is none for the first, it waits,
 * unless the descriptor is O_NONBLOCK. What is wrong with a later message of the
 * batch (its fields, its size, its memory) ends the batch before it.
 */
struct weir_send {
	__u64	messages;	/* struct weir_message * */
	__u32	count;		/* of @messages, at least 1 */
	__u32	flags;		/* 0 */
	__s64	timeout_ns;	/* how long to wait for room; < 0: for ever, 0: not */
	__u64	first_offset;	/* out */
};

/*
 * struct weir_message - one message to send
 *
 * Payload, key and headers are copied. Headers are a block of (name, value)
 * pairs, each a struct weir_header with its bytes; order and duplicates are
 * kept.
 */
struct weir_message {
	__u64	data;		/* const void *, the payload */
	__u64	key;		/* const void * */
	__u64	headers;	/* const struct weir_header * */
	__u32	len;		/* of the payload, 0 too */
	__u32	headers_len;	/* bytes, a multiple of 8, up to WEIR_HEADERS_MAX */
	__u16	key_len;	/* up to WEIR_KEY_MAX; 0: no key */
	__u16	reserved16;	/* 0 */
	__u32	flags;		/* 0 */
	__u64	reserved[3];	/* 0 */
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
 * the next multiple of 8 behind the key. @pos counts from the beginning of the
 * mapped pool, or of the buffer of a FETCH that copies.
 */
struct weir_desc {
	__u64	offset;
	__u64	pos;
	__u64	stamp_ns;	/* when it was sent, CLOCK_REALTIME */
	__u32	len;		/* of the payload */
	__u32	headers_len;
	__u16	key_len;
	__u16	flags;		/* 0 */
	__u32	deliveries;	/* this one included */
	__u32	uid;		/* of the sender: the effective ids of who opened */
	__u32	gid;		/* the descriptor, and the process that sent; all */
	__u32	pid;		/* as the initial namespaces number them */
	__u32	slot;		/* its place in the index */
	__u64	reserved;
};

/*
 * struct weir_run - consecutive messages that one consumer was handed together
 *
 * FETCH gives runs and SETTLE takes them, whole or in part: the messages
 * @offset to @offset + @count - 1, in the slots @slot to @slot + @count - 1 of
 * the index, each delivered @deliveries times.
 */
struct weir_run {
	__u64	offset;
	__u32	slot;
	__u32	count;
	__u32	deliveries;
	__u32	op;		/* SETTLE: enum weir_settle_op */
	__s32	status;		/* out of SETTLE: 0 or -errno */
	__u32	reserved;	/* 0 */
};

/* enum weir_settle_op - what becomes of the messages of a run */
enum weir_settle_op {
	WEIR_ACK	= 0,	/* done: they are gone */
	WEIR_RELEASE	= 1,	/* not done: they go back, to be delivered again */
};

/*
 * WEIR_IOC_FETCH, on a queue opened for reading: takes messages. Value: how
 * many. They are leased to the calling process through this descriptor until
 * they are settled or the process or the descriptor ends. When there is none it
 * waits for one, unless the descriptor is O_NONBLOCK, and then takes what there
 * is.
 *
 * In place (@buffer 0): the descriptors are read in the mapped index at the
 * slots of the runs, the payloads in the mapped pool; both stay as they are
 * until the message is settled or the lease ends.
 *
 * Copied (@buffer set): the buffer is filled with one record a message, each a
 * struct weir_desc at a multiple of WEIR_ALIGN with the message behind it; the
 * next record begins at the next multiple of WEIR_ALIGN behind its last byte.
 * What does not fit stays in the queue; EMSGSIZE when the first does not, with
 * the size that it needs in @buffer_len. On EFAULT all goes back.
 *
 * @settle first: the runs there are settled, with their statuses written back,
 * as by WEIR_IOC_SETTLE, before anything is taken, whatever becomes of the rest.
 */
struct weir_fetch {
	__u64	runs;		/* struct weir_run *, room for @nr_runs */
	__u32	nr_runs;	/* in: room, at least 1, used up to 16; out: runs there */
	__u32	flags;		/* WEIR_FETCH_* */
	__u32	max_messages;	/* at least 1; more than WEIR_BATCH_MAX is as many */
	__u32	nr_settle;	/* runs at @settle */
	__u64	max_bytes;	/* of space, though one message in any case; 0: any */
	__s64	timeout_ns;	/* how long to wait; < 0: for ever, 0: not */
	__u64	buffer;		/* void *, aligned to 8; 0: read in place */
	__u64	buffer_len;	/* in: bytes at @buffer; out: bytes filled */
	__u64	settle;		/* struct weir_run * */
};

/* Settle what is copied, at once: delivered at most once. Needs @buffer. */
#define WEIR_FETCH_SETTLED	(1U << 0)

/*
 * WEIR_IOC_SETTLE, on a queue opened for reading: settles runs, by whoever holds
 * the descriptor through which they were fetched. Each run is settled whole, or
 * it has a status and nothing of it was changed: -ESTALE when any of its
 * messages is not leased through this descriptor with that offset, slot and
 * number of deliveries, -EBUSY when it is being read just now. Value: how many
 * messages were settled; an error only for the call itself.
 */
struct weir_settle {
	__u64	runs;		/* struct weir_run * */
	__u32	count;		/* of @runs, 1 to 1024 */
	__u32	flags;		/* 0 */
};

/*
 * WEIR_IOC_LAYOUT, on a queue: where its memory is mapped from. Both areas are
 * for reading only, MAP_SHARED, on a descriptor opened for reading; any part of
 * whole pages of one area at a time. Memory appears as messages first reach it:
 * touching a page that none has reached is SIGBUS.
 */
struct weir_layout {
	__u64	index_offset;	/* out: for mmap() */
	__u64	index_length;	/* out: bytes; a struct weir_desc a slot */
	__u64	pool_offset;	/* out: for mmap() */
	__u64	pool_length;	/* out: bytes */
};

/*
 * WEIR_IOC_CANCEL, on a queue: ends FETCH commands that wait for a message,
 * and came through an io_uring and this descriptor: their CQEs say ECANCELED,
 * unless they got messages just before. (io_uring's own cancel request does not
 * reach them.) Value: how many it met.
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
#define WEIR_IOC_SEND		_IOWR(WEIR_IOC_TYPE, 0x10, struct weir_send)
#define WEIR_IOC_FETCH		_IOWR(WEIR_IOC_TYPE, 0x11, struct weir_fetch)
#define WEIR_IOC_SETTLE		_IOWR(WEIR_IOC_TYPE, 0x12, struct weir_settle)
#define WEIR_IOC_LAYOUT		_IOWR(WEIR_IOC_TYPE, 0x13, struct weir_layout)
#define WEIR_IOC_CANCEL		_IOWR(WEIR_IOC_TYPE, 0x14, struct weir_cancel)

#endif /* _UAPI_LINUX_WEIR_H */
