// SPDX-License-Identifier: GPL-2.0
/*
 * What nobody could do: messages that were delivered too often, or given up, or whose time is
 * over, or that were in the way of others.
 *
 * They are DYING, in a chain, until the queue's work item, the *burial*, has copied
 * them into the heir, the dead letter queue, or thrown them away. The copy is made
 * without any lock and appears in the heir at the moment at which the original goes:
 * both locks are held then, so no look at the two finds the message in both or in none.
 *
 *   LEASED --- comes back too often or too late, TERM ---+
 *   RANKED, BEHIND, DELAYED --- time is over ------------+--> DYING --- burial ---> (a slot)
 *   READY, RANKED --- in the way of others --------------+
 *
 * While the heir is full the dying wait for a while; without an heir, for ALTER.
 */
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "queue_steps.h"
#include "trace.h"

#define WEIR_BURY_AGAIN	(HZ / 10)
/* A jiffy each, while the heir buries others and nothing gets on: a second. */
#define WEIR_BURY_TRIES	HZ

struct weir_reason *weir_reason_new(const char __user *text, u32 len)
{
	struct weir_reason *reason;

	if (!len)
		return NULL;
	reason = kmalloc(struct_size(reason, text, len), GFP_KERNEL_ACCOUNT);
	if (!reason)
		return ERR_PTR(-ENOMEM);
	refcount_set(&reason->refs, 1);
	reason->len = len;
	if (copy_from_user(reason->text, text, len)) {
		kfree(reason);
		return ERR_PTR(-EFAULT);
	}
	return reason;
}

void weir_entry_die(struct weir_queue *queue, struct weir_entry *entry,
		    enum weir_dead_reason reason, const struct weir_consumer *holder,
		    struct weir_reason *text)
{
	lockdep_assert_held(&queue->lock);
	trace_weir_dead(queue, entry);
	weir_key_leave(queue, entry);
	entry->state = WEIR_DYING;
	entry->who = holder ? weir_who_get(holder->who) : NULL;
	entry->reason = reason;
	entry->text = weir_reason_get(text);
	/* Where others are dying the burial is under way, or what it waits for concerns all. */
	if (!queue->dying.first)
		weir_queue_bury(queue);
	weir_chain_add_row(&queue->dying, entry, entry);
	queue->nr_dying++;
	queue->dying_units += weir_units(entry->size);
}

void weir_entry_expire(struct weir_queue *queue, struct weir_entry *entry)
{
	switch (entry->state) {
	case WEIR_DELAYED:
		queue->delayed--;
		break;
	case WEIR_BEHIND:
		weir_key_drop(queue, entry);
		break;
	case WEIR_RANKED:
		rb_erase_cached(&entry->node, &queue->ranked);
		WRITE_ONCE(queue->depth, queue->depth - 1);
		break;
	default:
		WARN_ON_ONCE(1);
		return;
	}
	weir_entry_die(queue, entry, WEIR_DEAD_EXPIRED, NULL, NULL);
}

void weir_queue_bury(struct weir_queue *queue)
{
	mod_delayed_work(weir_instance.burials, &queue->burial, 0);
}

static const char *const weir_death_reasons[] = {
	[WEIR_DEAD_DELIVERIES] = "deliveries",
	[WEIR_DEAD_TERM] = "term",
	[WEIR_DEAD_EXPIRED] = "expired",
	[WEIR_DEAD_FULL] = "full",
};

/* How the name of a header that tells of a death begins, and of the first that each adds. */
#define WEIR_DEAD_ANY	"weir-dead-"
#define WEIR_DEAD_FIRST	"weir-dead-reason"

/* Headers, one behind the other as they are in a message. */
struct weir_block_of_headers {
	u32 len;
	u8 bytes[1536];
};

static void weir_headers_add(struct weir_block_of_headers *block, const char *name,
			     const char *value, u32 value_len)
{
	const struct weir_header header = { .value_len = value_len, .name_len = strlen(name) };
	u32 end = block->len + sizeof(header) + header.name_len + value_len;
	u8 *to = block->bytes + block->len;

	if (WARN_ON_ONCE(ALIGN(end, 8) > sizeof(block->bytes)))
		return;
	memset(to, 0, ALIGN(end, 8) - block->len);
	memcpy(to, &header, sizeof(header));
	memcpy(to + sizeof(header), name, header.name_len);
	memcpy(to + sizeof(header) + header.name_len, value, value_len);
	block->len = ALIGN(end, 8);
}

static void weir_headers_add_number(struct weir_block_of_headers *block, const char *name,
				    u64 number)
{
	char text[24];

	weir_headers_add(block, name, text, scnprintf(text, sizeof(text), "%llu", number));
}

static void weir_dead_headers(const struct weir_queue *queue, const struct weir_entry *entry,
			      struct weir_block_of_headers *block)
{
	const char *reason = weir_death_reasons[entry->reason];
	const char *name = weir_object_name(&queue->object);
	const struct weir_who *who = entry->who;

	block->len = 0;
	weir_headers_add(block, WEIR_DEAD_FIRST, reason, strlen(reason));
	if (entry->text)
		weir_headers_add(block, "weir-dead-text", entry->text->text, entry->text->len);
	weir_headers_add(block, "weir-dead-queue", name, strlen(name));
	weir_headers_add_number(block, "weir-dead-offset", entry->offset);
	weir_headers_add_number(block, "weir-dead-deliveries", entry->deliveries);
	weir_headers_add_number(block, "weir-dead-sent", weir_entry_desc(entry)->stamp_ns);
	if (!who)
		return;
	weir_headers_add_number(block, "weir-dead-uid", who->uid);
	weir_headers_add_number(block, "weir-dead-pid", who->pid);
	if (*who->name)
		weir_headers_add(block, "weir-dead-consumer", who->name, strlen(who->name));
}

/* Goes through the headers of an entry. */
struct weir_header_walk {
	u32 at, end;			/* in bytes from the payload */
	u32 deaths;			/* that they told of so far */
	u32 len;			/* of the header at hand, and what aligns the next, */
	bool keeps;			/* and whether a letter has it too */
};

/*
 * A letter that dies again keeps what its first death said: where it comes from. What the
 * deaths between that and the last one said is left out, for a chain of dead letter queues
 * may be long, and a letter is to fit into each. False at the end.
 */
static bool weir_header_next(const struct weir_queue *queue, const struct weir_entry *entry,
			     struct weir_header_walk *walk)
{
	char name[sizeof(WEIR_DEAD_FIRST)];
	struct weir_header header;
	u32 len;

	walk->at += walk->len;
	if (walk->at >= walk->end)
		return false;
	weir_pool_read(&queue->pool, entry->place, walk->at, sizeof(header), &header);
	len = min_t(u32, header.name_len, sizeof(name));
	weir_pool_read(&queue->pool, entry->place, walk->at + sizeof(header), len, name);
	walk->len = ALIGN(sizeof(header) + header.name_len + header.value_len, 8);
	if (len == strlen(WEIR_DEAD_FIRST) && !memcmp(name, WEIR_DEAD_FIRST, len))
		walk->deaths++;
	walk->keeps = walk->deaths < 2 || len < strlen(WEIR_DEAD_ANY) ||
		      memcmp(name, WEIR_DEAD_ANY, strlen(WEIR_DEAD_ANY));
	return true;
}

static struct weir_header_walk weir_header_walk(const struct weir_entry *entry)
{
	const struct weir_desc *desc = weir_entry_desc(entry);
	const u32 at = ALIGN(desc->len + desc->key_len, 8);

	return (struct weir_header_walk){ .at = at, .end = at + desc->headers_len };
}

/* Bytes of the headers of @entry that a letter has too. */
static u32 weir_dead_kept(const struct weir_queue *queue, const struct weir_entry *entry)
{
	struct weir_header_walk walk = weir_header_walk(entry);
	u32 kept = 0;

	while (weir_header_next(queue, entry, &walk))
		kept += walk.keeps ? walk.len : 0;
	return kept;
}

/* Writes them at @place of @heir's, from @at on. */
static void weir_dead_keep(const struct weir_queue *queue, const struct weir_entry *entry,
			   struct weir_queue *heir, u32 place, u32 at)
{
	struct weir_header_walk walk = weir_header_walk(entry);
	u8 bytes[128];
	u32 done, n;

	while (weir_header_next(queue, entry, &walk)) {
		for (done = 0; walk.keeps && done < walk.len; done += n) {
			n = min_t(u32, walk.len - done, sizeof(bytes));
			weir_pool_read(&queue->pool, entry->place, walk.at + done, n, bytes);
			weir_pool_write(&heir->pool, place, at, n, bytes);
			at += n;
		}
	}
}

/* Fills a draft in @heir, at @place, with @entry and what became of it. */
static void weir_dead_fill(const struct weir_queue *queue, const struct weir_entry *entry,
			   struct weir_queue *heir, u32 place, u32 kept,
			   const struct weir_block_of_headers *block)
{
	const struct weir_desc *desc = weir_entry_desc(entry);
	const u32 headers = ALIGN(desc->len + desc->key_len, 8);
	const bool whole = kept == desc->headers_len;

	weir_pool_copy(&heir->pool, place, &queue->pool, entry->place,
		       whole ? entry->size : headers);
	if (!whole)
		weir_dead_keep(queue, entry, heir, place, headers);
	/* What aligns the headers, if there were none. */
	if (headers > entry->size)
		weir_pool_zero(&heir->pool, place, entry->size, headers - entry->size);
	weir_pool_write(&heir->pool, place, headers + kept, block->len, block->bytes);
}

/* A draft in @heir that is @entry and what became of it; or an error. */
static int weir_dead_copy(struct weir_queue *queue, const struct weir_entry *entry,
			  struct weir_queue *heir, struct weir_chain *drafts)
{
	const struct weir_desc *desc = weir_entry_desc(entry);
	const u32 kept = weir_dead_kept(queue, entry);
	const struct weir_sender sender = {
		.ids = desc->uid | (u64)desc->gid << 32, .pid = desc->pid,
	};
	struct weir_message message = { .len = desc->len, .key_len = desc->key_len };
	struct weir_block_of_headers *block;
	int ret;

	block = kmalloc(sizeof(*block), GFP_KERNEL_ACCOUNT);
	if (!block)
		return -ENOMEM;
	weir_dead_headers(queue, entry, block);
	message.headers_len = kept + block->len;
	ret = weir_queue_draft(heir, &message, &sender, NULL, drafts);
	if (!ret) {
		weir_dead_fill(queue, entry, heir, drafts->first->place, kept, block);
		if (heir->heads && desc->key_len)
			weir_draft_key(heir, drafts->first, desc->key_len);
	}
	kfree(block);
	return ret;
}

/* What is noted of an entry that is DYING. */
static void weir_dead_forget(const struct weir_entry *entry)
{
	weir_reason_put(entry->text);
	weir_who_put(entry->who);
}

/* The first of the dying is gone, as @outcome says. */
static void weir_dead_gone(struct weir_queue *queue, enum weir_outcome outcome,
			   struct weir_freed *freed)
{
	struct weir_entry *entry = weir_chain_take(&queue->dying);

	weir_entry_tell(queue, entry, outcome, entry->who);
	weir_dead_forget(entry);
	queue->nr_dying--;
	queue->dying_units -= weir_units(entry->size);
	weir_entry_gone(queue, entry, freed);
	WRITE_ONCE(queue->dead_letters, queue->dead_letters + 1);
	/* Others may die now, also where this one is still read and nothing is free. */
	if (queue->stuck)
		WRITE_ONCE(queue->arrived, queue->arrived + 1);
	WRITE_ONCE(queue->stuck, false);
	weir_queue_freed(queue, freed);
}

/* The copy appears as the original goes. */
static int weir_dead_move(struct weir_queue *queue, struct weir_queue *heir,
			  struct weir_chain *drafts)
{
	const u64 now = ktime_get_real_ns();
	struct weir_freed freed = {};
	bool dead;

	weir_queue_lock_two(queue, heir);
	dead = queue->dead || heir->dead;
	if (!dead) {
		weir_queue_commit_drafts(heir, drafts, now);
		weir_dead_gone(queue, WEIR_OUTCOME_DEAD_LETTER, &freed);
	}
	weir_queue_unlock_two(queue, heir);
	if (dead) {
		weir_queue_abort(heir, drafts, &drafts->first);
		return -ESHUTDOWN;
	}
	weir_queue_wake_readers(heir);
	weir_queue_wake_writers(queue);
	return 0;
}

/*
 * The first of the dying, which stays where it is, and who inherits it, or NULL. He
 * stays, for weir_queue_leave_heir() waits for the burial.
 */
static struct weir_entry *weir_dead_first(struct weir_queue *queue, struct weir_queue **heir)
{
	guard(spinlock)(&queue->lock);
	if (queue->dead || queue->heir_changes || !queue->dying.first)
		return NULL;
	*heir = queue->heir;
	return queue->dying.first;
}

static void weir_dead_discard(struct weir_queue *queue)
{
	struct weir_freed freed = {};

	spin_lock(&queue->lock);
	weir_dead_gone(queue, WEIR_OUTCOME_DISCARDED, &freed);
	spin_unlock(&queue->lock);
	weir_queue_wake_writers(queue);
}

/* @entry is moved to @heir: 0 or -errno. */
static int weir_dead_bequeath(struct weir_queue *queue, const struct weir_entry *entry,
			      struct weir_queue *heir)
{
	struct weir_chain drafts;
	int ret;

	weir_chain_init(&drafts);
	ret = weir_dead_copy(queue, entry, heir, &drafts);
	if (ret)
		return ret;
	ret = weir_draft_reply_as(queue, entry, heir, &drafts);
	if (ret) {
		weir_queue_abort(heir, &drafts, &drafts.first);
		return ret;
	}
	return weir_dead_move(queue, heir, &drafts);
}

/* Nothing more can be buried for now: who waits for it is told. */
static void weir_burial_failed(struct weir_queue *queue)
{
	spin_lock(&queue->lock);
	WRITE_ONCE(queue->burials_failed, queue->burials_failed + 1);
	WRITE_ONCE(queue->stuck, true);
	spin_unlock(&queue->lock);
	weir_queue_wake_writers(queue);
}

static void weir_queue_bury_work(struct work_struct *work)
{
	struct weir_queue *queue = container_of(to_delayed_work(work), struct weir_queue,
						burial);
	struct weir_queue *heir;
	struct weir_entry *entry;
	int ret = 0;
	bool soon;

	while (!ret && (entry = weir_dead_first(queue, &heir))) {
		if (heir)
			ret = weir_dead_bequeath(queue, entry, heir);
		else
			weir_dead_discard(queue);
		if (!ret)
			queue->burial_tries = 0;
		cond_resched();
	}
	if (!ret)
		return;
	/* The heir buries others for it, and gets on with that; if it is not for others. */
	soon = ret == -WEIR_MUST_WAIT && !READ_ONCE(heir->stuck) &&
	       queue->burial_tries < WEIR_BURY_TRIES;
	queue->burial_tries += soon;
	if (!soon)
		weir_burial_failed(queue);
	/* Full, or without memory. Where the heir is gone, ALTER goes on. */
	if (ret != -ESHUTDOWN)
		queue_delayed_work(weir_instance.burials, &queue->burial,
				   soon ? 1 : WEIR_BURY_AGAIN);
}

struct weir_queue *weir_queue_swap_heir(struct weir_queue *queue, struct weir_queue *heir)
{
	struct weir_queue *old = queue->heir;

	lockdep_assert_held(&queue->lock);
	queue->heir = heir;
	if (old)
		queue->heir_changes++;
	return old;
}

void weir_queue_leave_heir(struct weir_queue *queue, struct weir_queue *old)
{
	bool dead;

	if (!old)
		return;
	/*
	 * It may be at work for the old one, and ends with what it has in hand, however
	 * much there is; it is begun anew, if need be.
	 */
	cancel_delayed_work_sync(&queue->burial);
	spin_lock(&queue->lock);
	queue->heir_changes--;
	dead = queue->dead;
	spin_unlock(&queue->lock);
	/* Before the old one is let go of, which may take long: somebody may wait for it. */
	if (!dead)
		weir_queue_bury(queue);
	spin_lock(&old->lock);
	old->opens--;
	spin_unlock(&old->lock);
	weir_object_put(&old->object);
}

void weir_queue_dead_init(struct weir_queue *queue)
{
	weir_chain_init(&queue->dying);
	INIT_DELAYED_WORK(&queue->burial, weir_queue_bury_work);
}

/* @queue is dead, so the burial ends, and does not begin anew. */
void weir_queue_dead_exit(struct weir_queue *queue)
{
	cancel_delayed_work_sync(&queue->burial);
	while (queue->dying.first)
		weir_dead_forget(weir_chain_take(&queue->dying));
}
