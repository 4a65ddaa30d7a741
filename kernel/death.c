// SPDX-License-Identifier: GPL-2.0
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>

#include "death.h"

static struct workqueue_struct *weir_death_queue;

int weir_death_init(void)
{
	weir_death_queue = alloc_workqueue("weir_death", WQ_UNBOUND | WQ_HIGHPRI, 0);
	return weir_death_queue ? 0 : -ENOMEM;
}

void weir_death_exit(void)
{
	destroy_workqueue(weir_death_queue);
}

void weir_deaths_init(struct weir_deaths *deaths)
{
	atomic_set(&deaths->nr, 0);
	init_llist_head(&deaths->fresh);
	INIT_LIST_HEAD(&deaths->noted);
}

static bool weir_death_happened(struct weir_death *death)
{
	struct task_struct *leader;

	guard(rcu)();
	leader = pid_task(death->pid, PIDTYPE_TGID);
	return !leader ||
	       (READ_ONCE(leader->exit_state) && thread_group_empty(leader));
}

static void weir_death_work(struct work_struct *work)
{
	struct weir_death *death = container_of(work, struct weir_death, work);

	if (weir_death_happened(death))
		death->tell(death);
}

/* Whether it was not yet; in any context. */
static bool weir_death_note(struct weir_death *death)
{
	if (test_and_set_bit(0, &death->is_noted))
		return false;
	atomic_inc(&death->deaths->nr);
	llist_add(&death->fresh, &death->deaths->fresh);
	return true;
}

/* Under the lock of the pid's wait queue, perhaps with interrupts off. */
static int weir_death_wake(struct wait_queue_entry *wait, unsigned int mode,
			   int flags, void *key)
{
	struct weir_death *death = container_of(wait, struct weir_death, wait);

	weir_death_note(death);
	queue_work(weir_death_queue, &death->work);
	return 0;
}

void weir_death_watch(struct weir_death *death,
		      void (*tell)(struct weir_death *death), struct weir_deaths *deaths)
{
	/* Current is alive, so the news is still to come. */
	death->pid = get_pid(task_tgid(current));
	death->tell = tell;
	death->deaths = deaths;
	death->is_noted = 0;
	INIT_WORK(&death->work, weir_death_work);
	init_waitqueue_func_entry(&death->wait, weir_death_wake);
	add_wait_queue(&death->pid->wait_pidfd, &death->wait);
}

void weir_death_cancel(struct weir_death *death)
{
	/* Takes the lock that weir_death_wake() runs under: no new work after it. */
	remove_wait_queue(&death->pid->wait_pidfd, &death->wait);
	cancel_work_sync(&death->work);
}

void weir_death_end(struct weir_death *death)
{
	remove_wait_queue(&death->pid->wait_pidfd, &death->wait);
	/* It may have been queued once more while it runs. */
	cancel_work(&death->work);
}

/* All that are noted are in the list then, the first one first. */
static void weir_deaths_gather(struct weir_deaths *deaths)
{
	struct llist_node *fresh = llist_del_all(&deaths->fresh);
	struct weir_death *death, *next;

	llist_for_each_entry_safe(death, next, llist_reverse_order(fresh), fresh)
		list_add_tail(&death->link, &deaths->noted);
}

void weir_death_forget(struct weir_death *death)
{
	struct weir_deaths *deaths = death->deaths;

	weir_deaths_gather(deaths);
	if (!test_bit(0, &death->is_noted))
		return;
	list_del(&death->link);
	atomic_dec(&deaths->nr);
	/* From here on it may be noted anew. */
	clear_bit_unlock(0, &death->is_noted);
}

struct weir_death *weir_deaths_first(struct weir_deaths *deaths)
{
	struct weir_death *death;

	weir_deaths_gather(deaths);
	while ((death = list_first_entry_or_null(&deaths->noted, struct weir_death, link))) {
		if (weir_death_happened(death))
			return death;
		weir_death_forget(death);
		/* Pairs with the bit in weir_death_note(): it sees this, or we the death. */
		smp_mb__after_atomic();
		if (weir_death_happened(death) && weir_death_note(death))
			weir_deaths_gather(deaths);
	}
	return NULL;
}
