// SPDX-License-Identifier: MIT
/*
 * I33: a kernel that lies. ioctl() here is ours, and answers FETCH and SETTLE
 * with nonsense drawn from a seed; whatever the library then hands out must lie
 * within the memory that it may read. Built with the address sanitizer.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <weir/weir.h>
#include "tap.h"

#define INDEX_LENGTH	4096U
#define POOL_LENGTH	16384U
#define ROUNDS		200000

static uint64_t seed = 1;
static unsigned char *memory;		/* index, then pool */
static bool honest;

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Mostly fits, or lies at an edge: there is little to find in the wide. */
static uint64_t nasty(uint64_t edge)
{
	switch (draw() % 64) {
	case 0: return draw();
	case 1: return edge - draw() % 130;
	case 2: return edge + draw() % 130;
	case 3: return -(draw() % 130);
	case 4: return UINT32_MAX - draw() % 130;
	default: return draw() % (edge + 1);
	}
}

static void lie_desc(struct weir_desc *desc, uint64_t edge)
{
	desc->pos = nasty(edge - edge / 4);
	desc->len = nasty(draw() % 16 ? 64 : edge);
	desc->key_len = nasty(64);
	desc->headers_len = draw() % 2 ? nasty(64) : 0;
	desc->offset = draw() % 64;
}

static int lie_fetch(struct weir_fetch *fetch)
{
	struct weir_run *runs = (void *)(uintptr_t)fetch->runs;
	struct weir_desc *index = (void *)memory;
	uint32_t room = fetch->nr_runs, n, i, j, sum = 0;
	unsigned char *buffer = (void *)(uintptr_t)fetch->buffer;
	uint64_t length = fetch->buffer_len, at = 0;

	n = draw() % 4 ? draw() % 3 : draw() % (room + 1);
	for (i = 0; i < n; i++) {
		runs[i].count = draw() % 8 ? draw() % 4 : nasty(8);
		runs[i].slot = nasty(INDEX_LENGTH / sizeof(*index));
		runs[i].offset = draw() % 64;
		sum += runs[i].count;
		for (j = 0; j < runs[i].count && j < 8; j++) {
			if (runs[i].slot + j >= INDEX_LENGTH / sizeof(*index))
				break;
			lie_desc(&index[runs[i].slot + j], POOL_LENGTH);
			if (draw() % 32)
				index[runs[i].slot + j].offset =
					runs[i].offset + j;
		}
	}
	fetch->nr_runs = draw() % 8 ? n : nasty(room);
	while (buffer && at + sizeof(struct weir_desc) <= length) {
		struct weir_desc desc = { 0 };

		lie_desc(&desc, length);
		if (draw() % 32)
			desc.pos = at + sizeof(desc);
		memcpy(buffer + at, &desc, sizeof(desc));
		at += (sizeof(desc) + desc.len + desc.key_len +
		       desc.headers_len + 8 + 63) % 4096 & ~63ULL;
	}
	fetch->buffer_len = draw() % 4 ? length : nasty(length);
	if (draw() % 32 == 0) {
		errno = draw() % 2 ? EMSGSIZE : EAGAIN;
		return -1;
	}
	return draw() % 16 ? (int)sum : (int)nasty(room);
}

/* What was asked for last, and what is said to that; -1: lies. */
static struct weir_run asked;
static int answer = -1;

static int plain_settle(struct weir_settle *settle)
{
	struct weir_run *run = (void *)(uintptr_t)settle->runs;

	asked = *run;
	run->status = -answer;
	return answer ? 0 : run->count;
}

/* Four messages that can be. */
static int plain_fetch(struct weir_fetch *fetch)
{
	struct weir_desc *index = (void *)memory;
	struct weir_run *run = (void *)(uintptr_t)fetch->runs;
	uint32_t i;

	memset(index, 0, 4 * sizeof(*index));
	for (i = 0; i < 4; i++)
		index[i].offset = 10 + i;
	*run = (struct weir_run){ .offset = 10, .count = 4, .deliveries = 1 };
	fetch->nr_runs = 1;
	return 4;
}

/* The second part fails by @answer, at its last run. */
static int plain_txn(const struct weir_txn *txn)
{
	const struct weir_part *part = (void *)(uintptr_t)txn->parts;
	struct weir_run *runs = (void *)(uintptr_t)part[1].items;

	if (txn->count != 2 || part[0].op != WEIR_PART_SEND || part[0].count != 3 ||
	    part[1].op != WEIR_PART_SETTLE) {
		errno = EINVAL;
		return -1;
	}
	asked = runs[part[1].count - 1];
	if (!answer)
		return 0;
	runs[part[1].count - 1].status = -answer;
	errno = answer;
	return -1;
}

/* It is 1 or 0, or @answer, as an error; or what cannot be. */
static int plain_reply(struct weir_reply *reply)
{
	asked = reply->run;
	if (answer <= 2)
		return answer;
	if (answer == ESTALE)
		reply->run.status = -answer;
	errno = answer;
	return -1;
}

static int lie_settle(struct weir_settle *settle)
{
	struct weir_run *runs = (void *)(uintptr_t)settle->runs;
	uint32_t i;

	for (i = 0; i < settle->count; i++)
		if (draw() % 4)
			runs[i].status = draw() % 4 ? 0 : (int)nasty(4095);
	return draw() % 4 ? (int)nasty(64) : 0;
}

int ioctl(int fd, unsigned long number, ...)
{
	va_list ap;
	void *arg;

	(void)fd;
	va_start(ap, number);
	arg = va_arg(ap, void *);
	va_end(ap);
	switch ((uint32_t)number) {
	case WEIR_IOC_VERSION:
		return 0;
	case WEIR_IOC_LAYOUT:
		*(struct weir_layout *)arg = (struct weir_layout){
			.index_length = honest ? INDEX_LENGTH : nasty(4096),
			.pool_offset = INDEX_LENGTH,
			.pool_length = honest ? POOL_LENGTH : nasty(16384),
		};
		return 0;
	case WEIR_IOC_FETCH:
		return answer < 0 ? lie_fetch(arg) : plain_fetch(arg);
	case WEIR_IOC_TXN:
		return plain_txn(arg);
	case WEIR_IOC_REPLY:
		return plain_reply(arg);
	case WEIR_IOC_SETTLE:
		return answer < 0 ? lie_settle(arg) : plain_settle(arg);
	}
	errno = ENOTTY;
	return -1;
}

static volatile unsigned char sink;

static void touch(const void *bytes, size_t len)
{
	const unsigned char *at = bytes;

	if (!len)
		return;
	sink += at[0] + at[len - 1] + at[len / 2];
}

static bool touch_view(const struct weir_view *view)
{
	struct weir_header_view header;
	struct weir_receipt receipt;
	size_t at = 0;
	unsigned int n = 0;

	touch(view->data, view->desc.len);
	touch(view->key, view->desc.key_len);
	touch(view->headers, view->desc.headers_len);
	while (weir_header_next(view, &at, &header) > 0) {
		touch(header.name, header.name_len);
		touch(header.value, header.value_len);
		if (++n > view->desc.headers_len)
			return false;
	}
	if (weir_view_receipt(view, &receipt, sizeof(receipt)))
		return true;
	return view->desc.len >= sizeof(receipt) && !view->desc.pid &&
	       memchr(receipt.queue, 0, sizeof(receipt.queue));
}

static bool round_of(struct weir_batch *batch, unsigned int *believed)
{
	unsigned int i, n;
	int got;

	got = draw() % 2 ? weir_receive(batch, WEIR_NOW) :
			   weir_settle_receive(batch, WEIR_ACK, WEIR_NOW);
	n = weir_batch_count(batch);
	if (got > 0 && n != (unsigned int)got)
		return false;
	*believed += got > 0;
	for (i = 0; i < n; i++)
		if (!touch_view(weir_batch_view(batch, i)))
			return false;
	if (n && draw() % 2)
		weir_settle(batch, draw() % n, 1, WEIR_RELEASE);
	if (n && draw() % 2 && weir_extend(batch, 0, n, draw() % 9) > (int)n)
		return false;
	if (n && draw() % 2 && weir_release(batch, 0, n, draw() % 9) > (int)n)
		return false;
	return !weir_batch_view(batch, n);
}

static bool rounds(int fd, uint32_t flags)
{
	struct weir_batch_options options = {
		.size = sizeof(options), .max_messages = 16, .flags = flags,
		.buffer_size = 4096,
	};
	struct weir_queue *queue;
	struct weir_batch *batch;
	unsigned int believed = 0;
	bool good = true;
	int i;

	if (weir_queue_adopt(dup(fd), NULL, &queue) ||
	    weir_batch_new(queue, &options, &batch))
		return false;
	if (honest && weir_batch_mapped(batch) != !flags)
		return false;
	for (i = 0; good && i < ROUNDS; i++)
		good = round_of(batch, &believed);
	weir_batch_free(batch);
	weir_queue_close(queue);
	/* Lies that are always seen through do not test much. */
	printf("# %u of %u believed\n", believed, ROUNDS);
	return good && believed > ROUNDS / 100;
}

/* Whatever is said of the layout, it is mapped or it is not. */
static bool layouts(int fd)
{
	struct weir_queue *queue;
	struct weir_batch *batch;
	int i;

	for (i = 0; i < 1000; i++) {
		if (weir_queue_adopt(dup(fd), NULL, &queue))
			return false;
		if (!weir_batch_new(queue, NULL, &batch))
			weir_batch_free(batch);
		weir_queue_close(queue);
	}
	return true;
}

#define MS	1000000LL
#define MOST	(UINT32_MAX * MS)

/* How @ns reaches the kernel; -1: not at all. */
static int64_t delay_of(struct weir_batch *batch, int64_t ns)
{
	int ret = weir_extend(batch, 1, 2, ns);

	if (ret == -EINVAL)
		return -1;
	return ret == 2 && asked.op == WEIR_EXTEND && asked.offset == 11 &&
	       asked.slot == 1 && asked.count == 2 ? (int64_t)asked.delay_ms : -2;
}

static bool extended_is_held(struct weir_batch *batch)
{
	answer = 0;
	if (weir_receive(batch, WEIR_NOW) != 4)
		return false;
	if (delay_of(batch, 0) != 0 || delay_of(batch, 1) != 1 ||
	    delay_of(batch, MS) != 1 || delay_of(batch, MS + 1) != 2 ||
	    delay_of(batch, MOST) != UINT32_MAX ||
	    delay_of(batch, MOST + 1) != -1 || delay_of(batch, -1) != -1 ||
	    delay_of(batch, INT64_MIN) != -1 || delay_of(batch, INT64_MAX) != -1)
		return false;
	if (weir_batch_status(batch, 1) != WEIR_HELD || weir_batch_failed(batch))
		return false;
	/* Too late for one of them. */
	answer = ESTALE;
	if (weir_extend(batch, 1, 1, MS) != 0 || weir_batch_failed(batch) != 1 ||
	    weir_batch_status(batch, 1) != -ESTALE ||
	    weir_batch_status(batch, 2) != WEIR_HELD)
		return false;
	answer = 0;
	/* The rest, in two runs around it, of which the last was noted. */
	return weir_extend(batch, 2, 2, 0) == 2 && asked.offset == 12;
}

static bool released_is_not(struct weir_batch *batch)
{
	answer = 0;
	if (weir_receive(batch, WEIR_NOW) != 4 ||
	    weir_release(batch, 0, 1, -1) != -EINVAL ||
	    weir_release(batch, 0, 1, MOST + 1) != -EINVAL ||
	    weir_batch_status(batch, 0) != WEIR_HELD)
		return false;
	if (weir_release(batch, 0, 1, 5 * MS + 1) != 1 ||
	    asked.op != WEIR_RELEASE || asked.delay_ms != 6 ||
	    weir_batch_status(batch, 0) != 0)
		return false;
	/* No delay stays behind for others. */
	return weir_settle(batch, 1, 3, WEIR_ACK) == 3 &&
	       asked.op == WEIR_ACK && !asked.delay_ms &&
	       weir_settle(batch, 1, 3, WEIR_EXTEND) == -EINVAL;
}

/* The twins say the same. */
static bool extended_in_a_ring(struct weir_batch *batch)
{
	struct weir_ring_options options = {
		.size = sizeof(options), .door = WEIR_DOOR_IOCTL,
	};
	struct weir_completion completion;
	struct weir_ring *ring;
	bool good;

	answer = 0;
	if (weir_ring_new(&options, &ring))
		return false;
	good = weir_receive(batch, WEIR_NOW) == 4 &&
	       weir_ring_extend(ring, batch, 0, 4, 3 * MS, NULL) == 0 &&
	       weir_ring_reap(ring, &completion, WEIR_FOREVER) == 0 &&
	       completion.result == 4 && asked.op == WEIR_EXTEND &&
	       asked.delay_ms == 3 && weir_batch_status(batch, 3) == WEIR_HELD &&
	       weir_ring_extend(ring, batch, 0, 4, -1, NULL) == -EINVAL &&
	       weir_ring_settle(ring, batch, 0, 4, WEIR_EXTEND, NULL) == -EINVAL &&
	       weir_ring_release(ring, batch, 0, 4, 7 * MS, NULL) == 0 &&
	       weir_ring_reap(ring, &completion, WEIR_FOREVER) == 0 &&
	       completion.result == 4 && asked.op == WEIR_RELEASE &&
	       asked.delay_ms == 7 && weir_batch_status(batch, 3) == 0 &&
	       weir_ring_extend(ring, batch, 0, 4, 0, NULL) == -ENODATA;
	weir_ring_free(ring);
	return good;
}

static struct weir_queue *queue;	/* of with_batch() */

/* Sends, and settles messages 0 and 2, in a transaction to which @error is said. */
static int transact(struct weir_transaction *txn, struct weir_batch *batch, int error)
{
	static const struct weir_message messages[3];

	answer = error;
	if (weir_txn_send(txn, queue, messages, 3) ||
	    weir_txn_settle(txn, batch, 0, 3, WEIR_ACK) ||
	    weir_txn_settle(txn, batch, 3, 1, WEIR_ACK) != -EBUSY ||
	    weir_settle(batch, 3, 1, WEIR_ACK) != -EBUSY)
		return -1000;
	return weir_txn_commit(txn, WEIR_NOW);
}

static bool statuses(struct weir_batch *batch, int a, int b, int c, int d)
{
	return weir_batch_status(batch, 0) == a && weir_batch_status(batch, 1) == b &&
	       weir_batch_status(batch, 2) == c && weir_batch_status(batch, 3) == d;
}

/* What failed is held as before, but for what was too late. */
static bool committed_or_held(struct weir_batch *batch)
{
	static const struct weir_message message;
	struct weir_transaction *txn;
	bool good;
	int i;

	answer = 0;
	if (weir_txn_new(&txn) || weir_receive(batch, WEIR_NOW) != 4 ||
	    weir_settle(batch, 1, 1, WEIR_RELEASE) != 1)
		return false;
	good = weir_txn_commit(txn, WEIR_NOW) == 0 &&
	       weir_txn_settle(txn, batch, 1, 1, WEIR_ACK) == 0 &&
	       weir_txn_settle(txn, batch, 0, 5, WEIR_ACK) == -EINVAL &&
	       weir_txn_settle(txn, batch, 0, 4, WEIR_EXTEND) == -EINVAL &&
	       weir_txn_send(txn, queue, &message, 0) == -EINVAL &&
	       transact(txn, batch, EAGAIN) == -EAGAIN &&
	       statuses(batch, WEIR_HELD, 0, WEIR_HELD, WEIR_HELD) &&
	       transact(txn, batch, EBUSY) == -EBUSY &&
	       statuses(batch, WEIR_HELD, 0, WEIR_HELD, WEIR_HELD) &&
	       transact(txn, batch, ESTALE) == -ESTALE && asked.offset == 12 &&
	       statuses(batch, WEIR_HELD, 0, -ESTALE, WEIR_HELD) &&
	       transact(txn, batch, 0) == 0 && asked.offset == 10 &&
	       statuses(batch, 0, 0, -ESTALE, WEIR_HELD);
	for (i = 0; good && i < (int)WEIR_TXN_PARTS; i++)
		good = weir_txn_send(txn, queue, &message, 1) == 0;
	good = good && weir_txn_send(txn, queue, &message, 1) == -EINVAL &&
	       weir_txn_settle(txn, batch, 3, 1, WEIR_ACK) == -EINVAL &&
	       weir_settle(batch, 3, 1, WEIR_RELEASE) == 1;
	weir_txn_free(txn);
	return good;
}

/* One that is dropped leaves its batch as it was. */
static bool dropped(struct weir_batch *batch)
{
	struct weir_transaction *txn;

	answer = 0;
	if (weir_txn_new(&txn) || weir_receive(batch, WEIR_NOW) != 4 ||
	    weir_txn_settle(txn, batch, 0, 4, WEIR_TERM) ||
	    weir_receive(batch, WEIR_NOW) != -EBUSY)
		return false;
	weir_txn_free(txn);
	return statuses(batch, WEIR_HELD, WEIR_HELD, WEIR_HELD, WEIR_HELD) &&
	       weir_settle(batch, 0, 4, WEIR_ACK) == 4;
}

static int reply(struct weir_batch *batch, unsigned int i, int op, int value)
{
	static const struct weir_message message;

	answer = value;
	return weir_reply(batch, i, &message, op);
}

/* What failed is held as before, but for what was too late. */
static bool answered_or_held(struct weir_batch *batch)
{
	answer = 0;
	return weir_receive(batch, WEIR_NOW) == 4 &&
	       reply(batch, 4, WEIR_ACK, 1) == -EINVAL &&
	       reply(batch, 0, WEIR_RELEASE, 1) == -EINVAL &&
	       reply(batch, 1, WEIR_EXTEND, 1) == 1 && asked.op == WEIR_EXTEND &&
	       asked.offset == 11 && asked.count == 1 &&
	       statuses(batch, WEIR_HELD, WEIR_HELD, WEIR_HELD, WEIR_HELD) &&
	       reply(batch, 0, WEIR_ACK, EAGAIN) == -EAGAIN &&
	       reply(batch, 0, WEIR_ACK, 0) == 0 &&
	       reply(batch, 0, WEIR_ACK, 1) == -ESTALE &&
	       reply(batch, 2, WEIR_ACK, ESTALE) == -ESTALE &&
	       reply(batch, 3, WEIR_ACK, 2) == -EBADMSG &&
	       statuses(batch, 0, WEIR_HELD, -ESTALE, WEIR_HELD) &&
	       reply(batch, 1, WEIR_ACK, 1) == 1 &&
	       statuses(batch, 0, 0, -ESTALE, WEIR_HELD);
}

static bool with_batch(int fd, bool (*test)(struct weir_batch *batch))
{
	struct weir_batch *batch;
	bool good;

	if (weir_queue_adopt(dup(fd), NULL, &queue) ||
	    weir_batch_new(queue, NULL, &batch))
		return false;
	good = test(batch);
	weir_batch_free(batch);
	weir_queue_close(queue);
	answer = -1;
	return good;
}

static bool headers_round_trip(void)
{
	uint64_t block[32];
	struct weir_view view = { .headers = block };
	struct weir_header_view header;
	size_t used = 0, at = 0;

	if (weir_header_append(block, sizeof(block), &used, "a", "one", 3) ||
	    weir_header_append(block, sizeof(block), &used, "bc", NULL, 0) ||
	    weir_header_append(block, sizeof(block), &used, "", "x", 1) !=
		    -EINVAL ||
	    weir_header_append(block, used + 8, &used, "a", "b", 1) !=
		    -EMSGSIZE)
		return false;
	view.desc.headers_len = used;
	if (weir_header_next(&view, &at, &header) != 1 ||
	    header.name_len != 1 || header.value_len != 3 ||
	    memcmp(header.value, "one", 3))
		return false;
	if (weir_header_next(&view, &at, &header) != 1 ||
	    memcmp(header.name, "bc", 2) || header.value_len)
		return false;
	return !weir_header_next(&view, &at, &header);
}

static bool receipt_is(const struct weir_view *view, int wanted)
{
	struct weir_receipt receipt = { .token = 1 };

	return weir_view_receipt(view, &receipt, sizeof(receipt)) == wanted &&
	       receipt.token == (wanted ? 1 : 9);
}

/* As the kernel sent it, also a longer one; and nothing that somebody else sent. */
static bool receipts_told(void)
{
	struct {
		struct weir_receipt receipt;
		uint64_t newer;
	} longer = { .receipt = { .token = 9, .outcome = WEIR_OUTCOME_ACKED } };
	struct weir_view view = { .data = &longer, .desc.len = sizeof(longer) };
	struct weir_receipt room[2];
	bool good;

	memset(room, 1, sizeof(room));
	good = receipt_is(&view, 0) &&
	       !weir_view_receipt(&view, room, sizeof(room)) && !room[1].queue[0];
	view.desc.len = sizeof(longer.receipt);
	good = good && receipt_is(&view, 0);
	view.desc.len--;
	good = good && receipt_is(&view, -EBADMSG);
	view.desc.len++;
	view.desc.pid = 7;
	good = good && receipt_is(&view, -EBADMSG);
	view.desc.pid = 0;
	memset(longer.receipt.queue, 'q', sizeof(longer.receipt.queue));
	return good && receipt_is(&view, -EBADMSG);
}

static bool options_sized(int fd)
{
	struct {
		struct weir_open_options known;
		uint64_t newer;
	} options = { .known.size = sizeof(options) };
	struct weir_queue *queue;
	int ret;

	ret = weir_queue_adopt(dup(fd), &options.known, &queue);
	if (ret)
		return false;
	weir_queue_close(queue);
	options.newer = 1;
	return weir_queue_adopt(fd, &options.known, &queue) == -E2BIG;
}

int main(void)
{
	int fd = memfd_create("weir", 0);

	if (fd < 0 || ftruncate(fd, INDEX_LENGTH + POOL_LENGTH))
		return 1;
	memory = mmap(NULL, INDEX_LENGTH + POOL_LENGTH, PROT_READ | PROT_WRITE,
		      MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return 1;
	ok(layouts(fd), "I33 layouts that cannot be");
	honest = true;
	ok(rounds(fd, 0), "I33 messages in place that cannot be");
	ok(rounds(fd, WEIR_BATCH_COPY), "I33 copied messages that cannot be");
	ok(rounds(fd, WEIR_BATCH_SETTLED), "I33 settled messages likewise");
	ok(with_batch(fd, extended_is_held), "what is extended is still held");
	ok(with_batch(fd, released_is_not), "what is released is not, and waits");
	ok(with_batch(fd, extended_in_a_ring), "both through a ring");
	ok(with_batch(fd, committed_or_held), "a transaction is done, or all is held");
	ok(with_batch(fd, dropped), "one that is dropped leaves all as it was");
	ok(with_batch(fd, answered_or_held), "what is answered is settled, or held");
	ok(headers_round_trip(), "headers come back as they were put");
	ok(receipts_told(), "a receipt is the kernel's, and long enough");
	ok(options_sized(fd), "options that are newer than the library");
	return tap_end();
}
