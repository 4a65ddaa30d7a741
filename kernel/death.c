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

static bool weir_death_happened(struct weir_death *death)
{
	struct task_struct *leader;

	guard(rcu)();
	leader = pid_task(death->pid, PIDTYPE_TGID);
	return !leader ||
	       (READ_ONCE(leader->exit_state) && thread_group_empty(leader));
}

static void weir_death_told(atomic_t *untold)
{
	if (atomic_dec_and_test(untold))
		wake_up_var(untold);
}

static void weir_death_work(struct work_struct *work)
{
	struct weir_death *death = container_of(work, struct weir_death, work);
	atomic_t *untold = death->untold;

	if (weir_death_happened(death))
		death->tell(death);
	/* @death may be gone. @untold is not: weir_death_drain() comes before that. */
	weir_death_told(untold);
}

/* Under the lock of the pid's wait queue, perhaps with interrupts off. */
static int weir_death_wake(struct wait_queue_entry *wait, unsigned int mode,
			   int flags, void *key)
{
	struct weir_death *death = container_of(wait, struct weir_death, wait);

	atomic_inc(death->untold);
	if (!queue_work(weir_death_queue, &death->work))
		weir_death_told(death->untold);
	return 0;
}

void weir_death_watch(struct weir_death *death,
		      void (*tell)(struct weir_death *death), atomic_t *untold)
{
	/* Current is alive, so the news is still to come. */
	death->pid = get_pid(task_tgid(current));
	death->tell = tell;
	death->untold = untold;
	INIT_WORK(&death->work, weir_death_work);
	init_waitqueue_func_entry(&death->wait, weir_death_wake);
	add_wait_queue(&death->pid->wait_pidfd, &death->wait);
}

void weir_death_cancel(struct weir_death *death)
{
	/* Takes the lock that weir_death_wake() runs under: no new work after it. */
	remove_wait_queue(&death->pid->wait_pidfd, &death->wait);
	if (cancel_work_sync(&death->work))
		weir_death_told(death->untold);
	put_pid(death->pid);
}

void weir_death_end(struct weir_death *death)
{
	remove_wait_queue(&death->pid->wait_pidfd, &death->wait);
	/* It may have been queued once more while it runs. */
	if (cancel_work(&death->work))
		weir_death_told(death->untold);
	put_pid(death->pid);
}
