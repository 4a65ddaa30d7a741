// SPDX-License-Identifier: MIT
/*
 * What happened to one message. Its deliveries come in the order in which the calls
 * returned: a lease is not ended by others before they can know of it. But its time
 * may be over before, and another's call be quicker: then their numbers tell.
 */
#include <stdlib.h>

#include "life.h"

static void life_reserve(struct life *life, size_t count)
{
	if (count <= life->room)
		return;
	life->room = 2 * count;
	life->leases = realloc(life->leases, life->room * sizeof(*life->leases));
	life->settles = realloc(life->settles, life->room * sizeof(*life->settles));
	if (!life->leases || !life->settles)
		abort();
}

static void life_add_send(struct life *life, uint32_t index)
{
	if (life->send != CHECK_NONE)
		check_fault(life->check, HISTORY_BAD_LOG, life->send, index, CHECK_NONE);
	life->send = index;
}

/* Whether what @delivery began, a lease for ever, may have ended before @time: not settled. */
static bool life_may_be_back(const struct life *life, const struct history_record *delivery,
			     uint64_t time)
{
	const struct history_record *ends[] = {
		check_end_of(life->check, &life->check->deaths, delivery->client),
		check_end_of(life->check, &life->check->closes, delivery->file),
	};

	return (ends[0] && ends[0]->invoked < time) || (ends[1] && ends[1]->invoked < time);
}

/* Delivery @r, which returned after lease @i - 1 began, was before it. */
static bool life_was_before(const struct life *life, const struct history_record *r, size_t i)
{
	const struct history_record *before = life_delivery(life, i - 1);

	if (!r->deliveries || !history_time(r))
		return false;
	/* So many can have been before it; and after what is settled at once there is none. */
	if (before->deliveries > r->deliveries || i > r->deliveries - 1 ||
	    (before->flags & HISTORY_SETTLED && r->invoked < before->returned))
		return true;
	/* Nor is there one after a read in parts, which is settled by its end, or goes on. */
	return !before->deliveries && !history_time(before) &&
	       !(before->flags & HISTORY_SETTLED) && r->invoked < before->returned &&
	       !life_may_be_back(life, before, r->returned);
}

static void life_add_lease(struct life *life, uint32_t index)
{
	const struct history_record *r = life_record(life, index);
	uint64_t time = history_time(r);
	size_t i = life->nr_leases++;

	for (; i && life_was_before(life, r, i); i--)
		life->leases[i] = life->leases[i - 1];
	life->leases[i] = (struct lease){
		.delivery = index, .acked = CHECK_NONE, .released = CHECK_NONE,
		.maybe_acked = CHECK_NONE, .maybe_released = CHECK_NONE,
		.until = time ? r->invoked + time : life->check->history->never,
	};
}

static void life_add(struct life *life, uint32_t index)
{
	const struct history_record *r = life_record(life, index);

	switch (r->op) {
	case HISTORY_SEND:
		life_add_send(life, index);
		break;
	case HISTORY_TAKE:
	case HISTORY_MORE:
		if (r->outcome == HISTORY_CORRUPT)
			check_fault(life->check, HISTORY_CORRUPTED, index, CHECK_NONE, CHECK_NONE);
		life_add_lease(life, index);
		break;
	case HISTORY_RECEIPT:
		if (life->receipt != CHECK_NONE)
			check_fault(life->check, HISTORY_RECEIPT_TWICE, life->receipt, index,
				    CHECK_NONE);
		life->receipt = index;
		break;
	case HISTORY_BURIED:
		life_add_buried(life, index);
		break;
	default:
		life->settles[life->nr_settles++] = index;
	}
}

/* One message has one offset. */
static void life_offsets(struct life *life)
{
	uint32_t where = life->send;
	size_t i;

	life->offset = life_record(life, life->send)->offset;
	/* It may have died before anybody had it. */
	if (life->offset == HISTORY_NOWHERE && life->buried != CHECK_NONE)
		life->offset = life_record(life, life->buried)->offset;
	if (life->offset == HISTORY_NOWHERE && life->receipt != CHECK_NONE)
		life->offset = life_record(life, life->receipt)->offset;
	for (i = 0; i < life->nr_leases; i++) {
		uint64_t offset = life_delivery(life, i)->offset;

		if (offset == HISTORY_NOWHERE)
			continue;
		if (life->offset != HISTORY_NOWHERE && offset != life->offset)
			check_fault(life->check, HISTORY_DUPLICATE, life->send, where,
				    life->leases[i].delivery);
		life->offset = offset;
		where = life->leases[i].delivery;
	}
}

/* Each delivery counts, and nothing else does. */
static void life_counts(struct life *life)
{
	uint64_t since = life_record(life, life->send)->invoked;
	const struct check_takers *takes = &life->check->takes;
	uint32_t past = 0, more;
	size_t i;

	for (i = 0; i < life->nr_leases; i++) {
		const struct history_record *r = life_delivery(life, i);

		more = r->deliveries - past - 1;
		if (r->deliveries && (r->deliveries <= past ||
				      (more && (check_takers_before(takes, r->returned) < more ||
						check_takers_first(takes, since, r->returned,
								   CHECK_NONE) == r->returned))))
			check_fault(life->check, HISTORY_COUNT, life->send,
				    i ? life->leases[i - 1].delivery : CHECK_NONE,
				    life->leases[i].delivery);
		if (life->check->most && r->deliveries > life->check->most)
			check_fault(life->check, HISTORY_TOO_OFTEN, life->send,
				    life->leases[i].delivery, CHECK_NONE);
		past = r->deliveries ? r->deliveries : past + 1;
		if (r->deliveries)
			since = r->invoked;
	}
}

static void earlier(uint64_t *time, uint64_t other)
{
	if (other < *time)
		*time = other;
}

void life_lease_end(const struct life *life, const struct lease *lease, uint64_t *since,
		    uint64_t *back)
{
	const struct history_record *delivery = life_record(life, lease->delivery);
	const struct history_record *causes[] = {
		life_record(life, lease->released),
		life_record(life, lease->maybe_released),
		check_end_of(life->check, &life->check->deaths, delivery->client),
		check_end_of(life->check, &life->check->closes, delivery->file),
	};
	bool waits = false;
	size_t i;

	*since = *back = life->check->history->never;
	for (i = 0; i < 4; i++) {
		if (!causes[i])
			continue;
		earlier(since, causes[i]->invoked + (i < 2 ? history_time(causes[i]) : 0));
		waits |= i < 2 && history_time(causes[i]);
		if (i < 2 || causes[i]->flags & HISTORY_BACK)
			earlier(back, causes[i]->returned);
	}
	/* What is over some time ends some time later; nobody knows when at most. */
	earlier(since, lease->until);
	if (waits)
		*back = life->check->history->never;
}

/*
 * The client whose death ended the lease; it did not take the message after that. Until
 * the death has returned the client may still do what it was at, and its own lease may
 * run out before.
 */
static uint32_t lease_died(const struct life *life, const struct lease *lease)
{
	const struct history_record *delivery = life_record(life, lease->delivery);
	const struct history_record *end =
		check_end_of(life->check, &life->check->deaths, delivery->client);

	if (lease->until < (end ? end->returned : life->check->history->never))
		return CHECK_NONE;
	if (lease->released != CHECK_NONE || lease->maybe_released != CHECK_NONE ||
	    check_end_of(life->check, &life->check->closes, delivery->file))
		return CHECK_NONE;
	return delivery->client;
}

/* The message was surely not taken by anybody unknown, before delivery @i. */
static bool life_is_next(const struct life *life, size_t i)
{
	uint32_t past = i ? life_delivery(life, i - 1)->deliveries : 0;

	return i < life->nr_leases && (past || !i) &&
	       life_delivery(life, i)->deliveries == past + 1;
}

/* It was ready from @from on, and perhaps since @since. */
static uint32_t life_stay(struct life *life, size_t i, uint64_t since, uint64_t from)
{
	uint32_t died = i ? lease_died(life, &life->leases[i - 1]) : CHECK_NONE;
	struct check *check = life->check;
	uint64_t until = check->history->never;
	const struct history_record *dropped = life_dropped(life);
	struct check_stay *stay;

	if (i == life->nr_leases && life_may_be_dropped(life))
		return CHECK_NONE;
	if (i < life->nr_leases)
		until = life_delivery(life, i)->invoked;
	else if (dropped)
		until = dropped->invoked;
	else
		until = check_takers_first(&check->enders, since, until, died);
	if (!life_is_next(life, i))
		until = check_takers_first(&check->takes, since, until, died);
	if (from >= until)
		return CHECK_NONE;
	stay = &check->stays[check->nr_stays];
	*stay = (struct check_stay){ .from = from, .until = until };
	stay->missing = i == life->nr_leases && check->drained != CHECK_NONE && !dropped;
	stay->record = i ? life->leases[i - 1].delivery : life->send;
	stay->key = check_class(life_record(life, life->send)) | (i ? 0 : CHECK_FIRST);
	/* One whose offset is unknown might be the last in line. */
	stay->key |= life->offset != HISTORY_NOWHERE ? life->offset + 1 : CHECK_FIRST - 2;
	return check->nr_stays++;
}

/* Whether it is known who settled it, if anybody did it whose outcome is unknown. */
static bool life_one_perhaps(const struct life *life)
{
	unsigned int unknown = 0;
	size_t i;

	for (i = 0; i < life->nr_settles; i++) {
		const struct history_record *r = life_record(life, life->settles[i]);

		unknown += !r->outcome && r->op != HISTORY_RELEASE && r->op != HISTORY_EXTEND;
	}
	return unknown == 1;
}

/* Delivery @i is one too many. */
static void life_again(const struct life *life, size_t i)
{
	const struct lease *lease = &life->leases[i - 1];
	const struct history_record *settle = life_record(life, lease->acked);
	bool answered = settle && settle->flags & HISTORY_ANSWERED;

	check_fault(life->check, answered ? HISTORY_UNSETTLED : HISTORY_DUPLICATE,
		    lease->delivery, lease->acked, life->leases[i].delivery);
}

/* The time between delivery @i - 1, or sending, and delivery @i, or the end. */
static void life_between(struct life *life, size_t i, struct check_message *message)
{
	const struct history_record *send = life_record(life, life->send), *next = NULL;
	uint64_t never = life->check->history->never;
	uint64_t since = send->invoked + history_time(send), back = send->returned;
	const struct lease *lease = NULL;
	uint32_t stay;

	if (i < life->nr_leases)
		next = life_delivery(life, i);
	if (history_time(send))
		back = never;
	if (!i && next && next->returned < since)
		check_fault(life->check, HISTORY_EARLY, life->send, life->leases[0].delivery,
			    CHECK_NONE);
	if (i) {
		lease = &life->leases[i - 1];
		if (lease->acked == CHECK_NONE &&
		    !(life_record(life, lease->delivery)->flags & HISTORY_SETTLED)) {
			life_lease_end(life, lease, &since, &back);
		} else if (!next) {
			return;
		} else {
			since = back = never;
		}
		if (next && since >= next->returned)
			life_again(life, i);
	}
	if (next) {
		stay = life_stay(life, i, since, back);
		message->ready = i ? message->ready : stay;
		return;
	}
	if (life->buried != CHECK_NONE)
		return;
	if (lease && lease->maybe_acked != CHECK_NONE) {
		if (!message->droppable && !life_dropped(life) && life_one_perhaps(life))
			message->doubt = lease->maybe_acked;
		message->doubted = since;
		message->again = back;
		return;
	}
	if (life->gone || (!lease && send->outcome != HISTORY_OK))
		return;
	message->missing = life_dropped(life) ? 0 : since;
	message->stay = life_stay(life, i, since, back);
	message->ready = i ? message->ready : message->stay;
	message->died = lease ? lease_died(life, lease) : CHECK_NONE;
}

static void life_keys(struct life *life, struct check_message *message)
{
	const struct history_record *send = life_record(life, life->send), *r;
	const struct check_takers *takes = &life->check->takes;
	uint64_t place = life->offset == HISTORY_NOWHERE ? 0 : life->offset + 1;
	uint64_t class = check_class(send);
	size_t i;

	message->first = CHECK_NONE;
	for (i = 0; i < life->nr_leases; i++) {
		uint64_t *key = &life->check->keys[life->leases[i].delivery];

		r = life_delivery(life, i);
		if (i || r->deliveries > 1) {
			*key = place ? class | place : 0;
		} else if (r->deliveries || check_takers_first(takes, send->invoked, r->returned,
							       CHECK_NONE) == r->returned) {
			*key = class | CHECK_FIRST | place;
			message->first = life->leases[i].delivery;
		}
	}
}

static void life_judge(struct life *life)
{
	const struct history_record *send = life_record(life, life->send);
	struct check *check = life->check;
	struct check_message *message;
	size_t i;

	if (!send || send->outcome == HISTORY_FAILED ||
	    (life->nr_leases && life_delivery(life, 0)->returned < send->invoked)) {
		if (life->nr_leases || life->receipt != CHECK_NONE)
			check_fault(check, HISTORY_PHANTOM, life->nr_leases ?
				    life->leases[0].delivery : life->receipt, life->send,
				    CHECK_NONE);
		return;
	}
	message = &check->messages[check->nr_messages++];
	*message = (struct check_message){
		.send = life->send, .stay = CHECK_NONE, .died = CHECK_NONE,
		.seen = life->nr_leases || life->buried != CHECK_NONE ||
			life->receipt != CHECK_NONE,
		.ready = CHECK_NONE, .delivery = CHECK_NONE, .doubt = CHECK_NONE,
		.dropped = life_dropped(life) ? life->receipt : CHECK_NONE,
		.droppable = life_may_be_dropped(life),
	};
	if (life->nr_leases)
		message->delivery = life->leases[0].delivery;
	life_offsets(life);
	message->offset = life->offset;
	life_counts(life);
	life_settles(life);
	if (life->buried != CHECK_NONE)
		life_buried(life);
	else
		life_unburied(life);
	life_keys(life, message);
	for (i = 0; i <= life->nr_leases; i++)
		life_between(life, i, message);
	life_receipt(life);
	if (life_dropped(life))
		life_drop(life);
	if (check->prefetch)
		life_holds(life);
	if (check->limit)
		life_vacated(life, message);
	if (send->key || check->walks)
		life_gone(life, message);
}

static uint64_t identity(const struct history_record *r)
{
	return (uint64_t)r->producer << 32 | r->seq;
}

void check_lives(struct check *check)
{
	struct life life = { .check = check };
	size_t i, begin, count = 0;

	for (i = 0; i < check->count; i++) {
		const struct history_record *r = check_record(check, check->records[i]);
		bool taken = r->op == HISTORY_TAKE || r->op == HISTORY_MORE;

		if (r->op > HISTORY_EXTEND ||
		    (taken && r->outcome != HISTORY_OK && r->outcome != HISTORY_CORRUPT))
			continue;
		if (r->producer != HISTORY_NOBODY)
			check->items[count++] = (struct sort_item){
				r->returned, check->records[i],
			};
		else if (taken)
			check_fault(check, HISTORY_CORRUPTED, check->records[i], CHECK_NONE,
				    CHECK_NONE);
	}
	sort_items(check->items, check->spare, count);
	for (i = 0; i < count; i++)
		check->items[i].key = identity(check_record(check, check->items[i].index));
	sort_items(check->items, check->spare, count);
	for (begin = 0; begin < count; begin = i) {
		for (i = begin; i < count && check->items[i].key == check->items[begin].key; i++)
			;
		life_reserve(&life, i - begin);
		life.send = CHECK_NONE;
		life.nr_leases = life.nr_settles = 0;
		life.gone = false;
		life.buried = life.receipt = CHECK_NONE;
		for (i = begin; i < count && check->items[i].key == check->items[begin].key; i++)
			life_add(&life, check->items[i].index);
		life_judge(&life);
	}
	free(life.leases);
	free(life.settles);
}
