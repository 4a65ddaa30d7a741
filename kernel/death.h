/* SPDX-License-Identifier: GPL-2.0 */
/*
 * death - tells when a process has ended
 *
 * A process holds on to what it was handed through an open file, and files end
 * late: a child, another process or an io_uring may still hold the descriptor.
 * So the process itself is watched, by the wait queue of its pid that pidfds
 * are polled on.
 *
 *   WATCHED --- all threads have exited ---> NOTED ---> told, from a work queue
 *       \--------------- weir_death_cancel() ---------> not told any more
 *
 * The work may come late, and others already know of the death. So deaths are noted
 * for their owner before, and whoever is not to run ahead of one puts it into effect
 * himself: weir_deaths_first().
 *
 * The wait queue also speaks when the main thread alone has exited, so both the work
 * and weir_deaths_first() look before they believe it.
 */
#ifndef _WEIR_DEATH_H
#define _WEIR_DEATH_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/pid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

/* Those that are noted for one owner, whose lock protects what has no other word. */
struct weir_deaths {
	atomic_t nr;			/* noted; may be more for a moment */
	struct llist_head fresh;	/* without the lock */
	struct list_head noted;
};

struct weir_death {
	struct pid *pid;			/* invariant; counted */
	void (*tell)(struct weir_death *death);	/* invariant */
	struct weir_deaths *deaths;		/* invariant */
	struct wait_queue_entry wait;
	struct work_struct work;
	unsigned long is_noted;			/* a bit; atomic */
	struct llist_node fresh;		/* in deaths->fresh; or below */
	struct list_head link;			/* in deaths->noted */
};

int weir_death_init(void);
void weir_death_exit(void);

void weir_deaths_init(struct weir_deaths *deaths);

/* weir_deaths_any() - some may be noted; needs no lock */
static inline bool weir_deaths_any(const struct weir_deaths *deaths)
{
	return unlikely(atomic_read(&deaths->nr));
}

/* weir_deaths_first() - the first that is noted, or NULL; under the owner's lock */
struct weir_death *weir_deaths_first(struct weir_deaths *deaths);

/*
 * weir_death_watch() - watches the process of current. @tell runs in process
 * context with no locks held. It is noted in @deaths before anybody can know of the
 * death by other means. Ends by cancel or end, then forget, then put.
 */
void weir_death_watch(struct weir_death *death,
		      void (*tell)(struct weir_death *death), struct weir_deaths *deaths);

/* weir_death_cancel() - @tell is over or never runs after this; may sleep */
void weir_death_cancel(struct weir_death *death);
/* weir_death_end() - the same, for @tell itself */
void weir_death_end(struct weir_death *death);
/*
 * weir_death_forget() - @death is not noted any more: it is weir_deaths_first() and in
 * effect, or was cancelled or ended; under the owner's lock
 */
void weir_death_forget(struct weir_death *death);
/* weir_death_put() - what was forgotten holds nothing any more */
static inline void weir_death_put(struct weir_death *death)
{
	put_pid(death->pid);
}

#endif
