/* SPDX-License-Identifier: GPL-2.0 */
/*
 * death - tells when a process has ended
 *
 * A process holds on to what it was handed through an open file, and files end
 * late: a child, another process or an io_uring may still hold the descriptor.
 * So the process itself is watched, by the wait queue of its pid that pidfds
 * are polled on.
 *
 *   WATCHING --- all threads have exited ---> TOLD (once, from a work queue)
 *       \--------- weir_death_cancel() --------> not told any more
 *
 * The wait queue also speaks when the main thread alone has exited, so the work
 * looks before it tells.
 */
#ifndef _WEIR_DEATH_H
#define _WEIR_DEATH_H

#include <linux/atomic.h>
#include <linux/pid.h>
#include <linux/wait.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>

struct weir_death {
	struct pid *pid;			/* invariant; counted */
	void (*tell)(struct weir_death *death);	/* invariant */
	atomic_t *untold;			/* invariant; counts what is to be told */
	struct wait_queue_entry wait;
	struct work_struct work;
};

int weir_death_init(void);
void weir_death_exit(void);

/*
 * weir_death_watch() - watches the process of current. @tell runs in process
 * context with no locks held, and may not call weir_death_cancel(). @untold is
 * raised before anybody can know of the death by other means, and lowered when
 * @tell is over; it outlives @death.
 */
void weir_death_watch(struct weir_death *death,
		      void (*tell)(struct weir_death *death), atomic_t *untold);

/* weir_death_drain() - waits until all that @untold counts is told; may sleep */
static inline void weir_death_drain(atomic_t *untold)
{
	if (unlikely(atomic_read(untold)))
		wait_var_event(untold, !atomic_read_acquire(untold));
}

static inline bool weir_death_untold(const atomic_t *untold)
{
	return unlikely(atomic_read(untold));
}

/* weir_death_settle() - the same, but not for ever, if others die all the time */
static inline void weir_death_settle(atomic_t *untold)
{
	if (unlikely(atomic_read(untold)))
		wait_var_event_timeout(untold, !atomic_read_acquire(untold), HZ / 10);
}

/* weir_death_cancel() - @tell is over or never runs after this; may sleep */
void weir_death_cancel(struct weir_death *death);
/* weir_death_end() - the same, for @tell itself, which may then free @death */
void weir_death_end(struct weir_death *death);

#endif
