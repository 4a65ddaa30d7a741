// SPDX-License-Identifier: GPL-2.0 OR MIT
/* What a worker does: one thing, as asked, and tells what came of it. */
#include <sched.h>
#include <sys/prctl.h>

#include "../proc.h"
#include "../uring.h"
#include "world.h"

#define ARENA_SIZE	(4U << 20)

static int self;
/* Memory, and none behind its end. */
static unsigned char *arena;
static struct ring ring;
static bool have_ring;

struct view {
	const struct weir_desc *index;
	const unsigned char *pool;
	struct weir_layout layout;
};

static struct view views[FILES];

static int fd_of(const struct request *request)
{
	return FD_BASE + request->file;
}

/* @length bytes of which the first @there can be touched. */
static unsigned char *edge(size_t there)
{
	return arena + ARENA_SIZE - there;
}

static void *nowhere(void)
{
	return edge(0);
}

static long command(const struct request *request, unsigned long nr, void *arg)
{
	if (!request->uring)
		return raw_ioctl(fd_of(request), nr, arg);
	if (!have_ring && ring_make(&ring, 4, 0))
		return -ENODEV;
	have_ring = true;
	return ring_do(&ring, fd_of(request), nr, arg, _IOC_SIZE(nr));
}

/* All descriptors are non-blocking but then. */
static void begin_wait(const struct request *request)
{
	if (request->waits)
		fcntl(fd_of(request), F_SETFL, 0);
}

static void end_wait(const struct request *request)
{
	if (request->waits)
		fcntl(fd_of(request), F_SETFL, O_NONBLOCK);
}

static unsigned char *lay_options(const struct spec *spec, struct weir_message *message,
				  unsigned char *at)
{
	struct weir_options *options = (void *)(((uintptr_t)at + 7) & ~7UL);

	if (!spec->wishes)
		return at;
	*options = spec->options;
	if (options->flags & WEIR_OPTION_RECEIPT)
		options->receipt = FD_BASE + spec->receipt_file;
	if (options->flags & WEIR_OPTION_REPLY)
		options->reply = FD_BASE + spec->reply_file;
	at = (unsigned char *)&options[2];
	if (spec->id) {
		spec_id_bytes(spec->id, at);
		options->id = raw_address(at);
		at += WEIR_ID_MAX;
	} else if (spec->wrong == WRONG_ID || options->id_len) {
		options->id = raw_address(spec->wrong == WRONG_ID_DATA ? nowhere() : at - 8);
	}
	/* What is more than the kernel knows. */
	options[1].delay_ns = spec->wrong == WRONG_OPTIONS_TAIL;
	message->options = raw_address(spec->wrong == WRONG_OPTIONS ? nowhere() : options);
	message->options_len = sizeof(*options);
	if (spec->wrong == WRONG_OPTIONS_LEN)
		message->options_len = 1 + spec->seed % 8;
	else if (spec->wrong == WRONG_OPTIONS_TAIL || spec->seed % 16 == 0)
		message->options_len += sizeof(options->delay_ns);
	return at;
}

/* Lays the bytes of @spec at @at: behind them is free. */
static unsigned char *lay(const struct spec *spec, struct weir_message *message,
			  unsigned char *at)
{
	unsigned char *headers = at + spec_headers_at(spec);

	spec_bytes(spec, at);
	*message = (struct weir_message){
		.data = raw_address(at), .len = spec->len,
		.key = raw_address(at + spec->len), .key_len = spec->key_len,
		.headers = raw_address(headers), .headers_len = spec->headers_len,
	};
	if (spec->headers_len % 8 == 0 && spec->headers_len >= 16)
		spec_spoil_headers(spec, headers);
	switch (spec->wrong) {
	case WRONG_FLAGS: message->flags = 1 << spec->seed % 32; break;
	case WRONG_RESERVED: message->reserved[spec->seed % 2] = 1; break;
	case WRONG_LEN: message->len = WEIR_MESSAGE_MAX + 1 + spec->seed % 2 * 0x80000000U; break;
	case WRONG_KEY_LEN: message->key_len = WEIR_KEY_MAX + 1 + spec->seed % 1000; break;
	case WRONG_HEADERS_LEN:
		message->headers_len = spec->seed % 2 ? WEIR_HEADERS_MAX + 8 : 17;
		break;
	case WRONG_NO_OPTIONS: message->options = 1; break;
	case WRONG_DATA: message->data = raw_address(nowhere()); break;
	case WRONG_KEY: message->key = raw_address(nowhere()); break;
	case WRONG_HEADERS: message->headers = raw_address(nowhere()); break;
	case WRONG_DATA_END:
		message->data = raw_address(edge(1 + spec->seed % (spec->len - 1)));
		break;
	default: break;
	}
	return lay_options(spec, message, headers + spec->headers_len);
}

/* Messages for @count of @specs at @at: behind all of it is free. */
static unsigned char *lay_all(const struct spec *specs, int count,
			      struct weir_message *messages, unsigned char *at)
{
	int i;

	for (i = 0; i < count; i++)
		at = lay(&specs[i], &messages[i], at);
	return at;
}

void work_send(const struct request *request, struct reply *reply)
{
	struct weir_message messages[BATCH];
	struct weir_send send = {
		.messages = raw_address(request->bad_runs ? nowhere() : messages),
		.count = request->count, .flags = request->flags,
		.timeout_ns = request->timeout_ns, .first_offset = ~0ULL,
	};
	lay_all(request->specs, request->count, messages, arena);
	begin_wait(request);
	reply->value = command(request, WEIR_IOC_SEND, &send);
	end_wait(request);
	reply->first_offset = send.first_offset;
	reply->duplicates = send.duplicates;
}

static void lay_part(const struct request *request, const struct part *part,
		     struct weir_message *messages, struct weir_run *runs,
		     struct weir_part *to)
{
	*to = (struct weir_part){ .fd = FD_BASE + part->file, .op = part->op,
				  .count = part->count, .first_offset = ~0ULL };
	if (part->op == WEIR_PART_SEND) {
		to->items = raw_address(&messages[part->from]);
	} else {
		to->items = raw_address(&runs[part->from]);
		to->reason = raw_address(request->text);
		to->reason_len = request->text_len;
	}
	switch (part->wrong) {
	case PART_COUNT: to->count = request->text_len % 2 ? 0 : WEIR_BATCH_MAX + 1; break;
	case PART_OP: to->op = WEIR_PART_SETTLE + 1; break;
	case PART_REASON: to->reason = 1; break;
	case PART_FD: to->fd = request->text_len % 2 ? -1 : 2; break;
	case PART_RIGHT: break;
	}
}

void work_txn(const struct request *request, struct reply *reply)
{
	struct weir_message messages[BATCH];
	struct weir_part parts[PARTS];
	struct weir_txn txn = {
		.parts = raw_address(parts), .count = request->nr_parts,
		.timeout_ns = request->timeout_ns, .failed = ~0U,
	};
	int i;

	memcpy(reply->settle, request->settle, sizeof(reply->settle));
	lay_all(request->specs, request->count, messages, arena);
	for (i = 0; i < request->nr_parts; i++)
		lay_part(request, &request->txn[i], messages, reply->settle, &parts[i]);
	reply->value = command(request, WEIR_IOC_TXN, &txn);
	reply->failed = txn.failed;
	for (i = 0; i < request->nr_parts; i++)
		reply->first_offsets[i] = parts[i].first_offset;
}

void work_reply(const struct request *request, struct reply *reply)
{
	struct weir_message message;
	struct weir_reply answer = {
		.run = request->settle[0], .message = raw_address(&message),
		.flags = request->flags,
	};

	lay_all(request->specs, 1, &message, arena);
	reply->value = command(request, WEIR_IOC_REPLY, &answer);
}

void work_producer(const struct request *request, struct reply *reply)
{
	reply->producer = (struct weir_producer){ .flags = request->flags };
	memcpy(reply->producer.name, request->name, sizeof(reply->producer.name));
	reply->value = command(request, WEIR_IOC_PRODUCER, &reply->producer);
}

void work_name(const struct request *request, struct reply *reply)
{
	struct weir_name name = { .flags = request->flags };

	memcpy(name.name, request->name, sizeof(name.name));
	reply->value = command(request, WEIR_IOC_NAME, &name);
}

/* @count records at @at, of which the payloads' places are to count from @before on. */
static void move_records(unsigned char *at, __s64 count, __u64 before)
{
	for (; count > 0; count--) {
		struct weir_browsed *record = (void *)at;

		if (record->desc.pos)
			record->desc.pos += before;
		at += record->size;
	}
}

/* All that is asked for, in as many calls as it takes. */
void work_browse(const struct request *request, struct reply *reply)
{
	struct weir_browse browse = request->browse;
	__u64 filled = 0, room = browse.buffer_len;
	__s64 told;

	do {
		unsigned char *buffer = edge((room + 7) & ~7ULL);

		browse.buffer = raw_address(buffer);
		browse.buffer_len = room;
		told = command(request, WEIR_IOC_BROWSE, &browse);
		if (told == -EMSGSIZE && browse.buffer_len > room) {
			room = browse.buffer_len;
			continue;
		}
		if (told < 0)
			break;
		memcpy(reply->data + filled, buffer, browse.buffer_len);
		move_records(reply->data + filled, told, filled);
		filled += browse.buffer_len;
		reply->value += told;
	} while (browse.slot != WEIR_BROWSE_END);
	if (told < 0)
		reply->value = told;
}

/* Cuts @length bytes at @at into parts. */
static int cut(const struct request *request, struct iovec *iovec, unsigned char *at)
{
	size_t length = request->length, part;
	int i;

	for (i = 0; i < request->parts; i++) {
		part = i == request->parts - 1 ? length : length / (i + 2);
		iovec[i] = (struct iovec){ .iov_base = at, .iov_len = part };
		at += part;
		length -= part;
	}
	return request->parts;
}

void work_write(const struct request *request, struct reply *reply)
{
	unsigned char *at = edge(request->there);
	unsigned char *bytes = malloc(request->length + 1);
	struct iovec iovec[8];

	spec_bytes(&request->specs[0], bytes);
	memcpy(at, bytes, request->there);
	free(bytes);
	begin_wait(request);
	if (request->parts)
		reply->value = raw_result(writev(fd_of(request), iovec, cut(request, iovec, at)));
	else
		reply->value = raw_write(fd_of(request), at, request->length);
	end_wait(request);
}

void work_read(const struct request *request, struct reply *reply)
{
	unsigned char *at = edge(request->there);
	struct iovec iovec[8];

	memset(at, 0xa5, request->there);
	if (request->parts)
		reply->value = raw_result(readv(fd_of(request), iovec, cut(request, iovec, at)));
	else
		reply->value = raw_read(fd_of(request), at, request->length);
	memcpy(reply->data, at, request->there);
}

static int view_open(int fd, struct view *view)
{
	void *index, *pool;
	int ret = raw_ioctl(fd, WEIR_IOC_LAYOUT, &view->layout);

	if (ret)
		return ret;
	index = mmap(NULL, view->layout.index_length, PROT_READ, MAP_SHARED, fd,
		     view->layout.index_offset);
	if (index == MAP_FAILED)
		return -errno;
	pool = mmap(NULL, view->layout.pool_length, PROT_READ, MAP_SHARED, fd,
		    view->layout.pool_offset);
	if (pool == MAP_FAILED) {
		ret = -errno;
		munmap(index, view->layout.index_length);
		return ret;
	}
	view->index = index;
	view->pool = pool;
	return 0;
}

static void view_close(struct view *view)
{
	munmap((void *)view->index, view->layout.index_length);
	munmap((void *)view->pool, view->layout.pool_length);
	memset(view, 0, sizeof(*view));
}

/* As a FETCH that copies has it: each descriptor, and all units behind it. */
static void read_in_place(const struct view *view, const struct weir_run *run, int nr_runs,
			  unsigned char *to)
{
	int i, j;

	for (i = 0; i < nr_runs; i++) {
		for (j = 0; j < run[i].count; j++) {
			const struct weir_desc *desc = &view->index[run[i].slot + j];
			struct spec spec = { desc->len, desc->key_len, desc->headers_len };
			size_t space = units_of(spec_size(&spec)) * WEIR_ALIGN;

			memcpy(to, desc, sizeof(*desc));
			memcpy(to + sizeof(*desc), view->pool + desc->pos, space);
			to += sizeof(*desc) + space;
		}
	}
}

static void read_taken(const struct request *request, struct reply *reply)
{
	struct view here = { 0 }, *view = &views[request->file];

	if (!view->index && view_open(fd_of(request), &here))
		return;
	read_in_place(view->index ? view : &here, reply->runs, reply->fetch.nr_runs, reply->data);
	if (here.index)
		view_close(&here);
}

void work_fetch(const struct request *request, struct reply *reply)
{
	unsigned char *buffer = edge((request->there + 7) & ~7ULL);

	memcpy(reply->settle, request->settle, sizeof(reply->settle));
	memset(reply->runs, 0xa5, sizeof(reply->runs));
	memset(buffer, 0xa5, request->there);
	reply->fetch = request->fetch;
	reply->fetch.runs = raw_address(request->bad_runs ? nowhere() : reply->runs);
	reply->fetch.settle = raw_address(reply->settle);
	reply->fetch.nr_settle = request->nr_settle;
	if (!request->in_place)
		reply->fetch.buffer = raw_address(buffer);
	reply->value = command(request, WEIR_IOC_FETCH, &reply->fetch);
	if (!request->in_place)
		memcpy(reply->data, buffer, request->there);
	else if (reply->value > 0)
		read_taken(request, reply);
}

void work_settle(const struct request *request, struct reply *reply)
{
	struct weir_settle settle = {
		.runs = raw_address(request->bad_runs ? nowhere() : reply->settle),
		.count = request->nr_settle, .flags = request->flags,
		.reason = raw_address(request->text), .reason_len = request->text_len,
	};

	memcpy(reply->settle, request->settle, sizeof(reply->settle));
	reply->value = command(request, WEIR_IOC_SETTLE, &settle);
}

void work_poll(const struct request *request, struct reply *reply)
{
	reply->value = raw_poll(fd_of(request), POLLIN | POLLOUT);
}

void work_info(const struct request *request, struct reply *reply)
{
	reply->value = command(request, WEIR_IOC_INFO, &reply->info);
	if (!reply->value)
		reply->value = command(request, WEIR_IOC_LAYOUT, &reply->layout);
}

/* With a descriptor of the dead letter queue, if one is asked for. */
static long with_heir(const struct request *request, unsigned long command, void *arg,
		      struct weir_policy *policy)
{
	long ret;

	if (!*request->heir)
		return raw_control(command, arg);
	policy->dead_letter = raw_open(request->heir, request->flags);
	ret = raw_control(command, arg);
	close(policy->dead_letter);
	return ret;
}

/* @fd becomes the descriptor of that file. */
static long settle_fd(const struct request *request, int fd)
{
	long ret;

	if (fd < 0)
		return fd;
	ret = raw_result(dup2(fd, fd_of(request)));
	close(fd);
	return ret < 0 ? ret : 0;
}

void work_create(const struct request *request, struct reply *reply)
{
	struct weir_create create = request->create;

	reply->value = with_heir(request, WEIR_IOC_CREATE, &create, &create.policy);
	if (!(create.flags & WEIR_CREATE_ANONYMOUS) || reply->value < 0)
		return;
	fcntl(reply->value, F_SETFL, O_NONBLOCK);
	reply->value = settle_fd(request, reply->value);
}

void work_alter(const struct request *request, struct reply *reply)
{
	struct weir_alter alter = request->alter;

	reply->value = with_heir(request, WEIR_IOC_ALTER, &alter, &alter.policy);
}

void work_destroy(const struct request *request, struct reply *reply)
{
	reply->value = raw_destroy_flags(request->name, request->flags);
}

void work_purge(const struct request *request, struct reply *reply)
{
	reply->value = raw_purge(request->name);
}

void work_open(const struct request *request, struct reply *reply)
{
	int fd;

	if (request->uid && seteuid(request->uid))
		_exit(1);
	fd = raw_open(request->name, request->flags | O_NONBLOCK);
	/* Cleared by the change. */
	if (request->uid && (seteuid(0) || prctl(PR_SET_PDEATHSIG, SIGKILL)))
		_exit(1);
	reply->value = settle_fd(request, fd);
}

void work_close(const struct request *request, struct reply *reply)
{
	reply->value = raw_result(close(fd_of(request)));
}

void work_share(const struct request *request, struct reply *reply)
{
	reply->value = settle_fd(request, proc_get_fd(request->pid, fd_of(request)));
}

void work_map(const struct request *request, struct reply *reply)
{
	reply->value = view_open(fd_of(request), &views[request->file]);
}

void work_unmap(const struct request *request, struct reply *reply)
{
	view_close(&views[request->file]);
}

/* The child is the controller's, like every worker; it has all our descriptors. */
void work_fork(const struct request *request, struct reply *reply)
{
	/* Both share the memory of request and answer, which is soon used again. */
	int worker = request->worker;
	long pid = raw_result(syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0));

	if (pid) {
		reply->value = pid;
	} else {
		memset(views, 0, sizeof(views));
		/* The ring is not forked: it would be one for two. */
		if (have_ring)
			ring_end(&ring);
		have_ring = false;
		munmap(arena, ARENA_SIZE);
		worker_main(worker);
	}
}

void work_exit(const struct request *request, struct reply *reply)
{
	turn_give(world.workers[self].channel, CONTROLLERS_TURN);
	_exit(0);
}

void worker_main(int worker)
{
	struct channel *channel = world.workers[worker].channel;

	self = worker;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	arena = mmap(NULL, ARENA_SIZE + 4096, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED || mprotect(arena + ARENA_SIZE, 4096, PROT_NONE))
		_exit(1);
	for (;;) {
		turn_give(channel, CONTROLLERS_TURN);
		while (!turn_wait(channel, WORKERS_TURN))
			;
		channel->request.work(&channel->request, &channel->reply);
	}
}
