// SPDX-License-Identifier: GPL-2.0
/* I43: of many who end, each is noted, and told of once, unless that was cancelled. */
#include "../death.c"

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "../account.h"
#include "test.h"

#define MORTALS	40

static struct weir_deaths deaths;
static DEFINE_MUTEX(lock);

/* A kernel thread is a process too, and ends like one. */
struct mortal {
	struct weir_death death;
	struct task_struct *task;
	struct completion watched, end;
	struct completion told;
	atomic_t times;
	bool alive_when_told;
	bool cancelled;
};

static void mortal_forget(struct mortal *mortal)
{
	mutex_lock(&lock);
	weir_death_forget(&mortal->death);
	mutex_unlock(&lock);
	weir_death_put(&mortal->death);
}

static void mortal_told(struct weir_death *death)
{
	struct mortal *mortal = container_of(death, struct mortal, death);

	mortal->alive_when_told = !READ_ONCE(mortal->task->exit_state);
	atomic_inc(&mortal->times);
	weir_death_end(death);
	mortal_forget(mortal);
	complete(&mortal->told);
}

static int mortal_live(void *data)
{
	struct mortal *mortal = data;

	weir_death_watch(&mortal->death, mortal_told, &deaths);
	complete(&mortal->watched);
	wait_for_completion(&mortal->end);
	return 0;
}

static struct mortal *mortal_new(struct kunit *test)
{
	struct mortal *mortal = kunit_kzalloc(test, sizeof(*mortal), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mortal);
	init_completion(&mortal->watched);
	init_completion(&mortal->end);
	init_completion(&mortal->told);
	mortal->task = kthread_run(mortal_live, mortal, "weir_mortal");
	KUNIT_ASSERT_FALSE(test, IS_ERR(mortal->task));
	get_task_struct(mortal->task);
	wait_for_completion(&mortal->watched);
	return mortal;
}

/* Some are cancelled before they end, some after; that may come too late. */
static void death_many(struct kunit *test)
{
	struct weir_random random = weir_random_begin(test);
	struct mortal *mortals[MORTALS];
	int i, times;

	for (i = 0; i < MORTALS; i++)
		mortals[i] = mortal_new(test);
	for (i = 0; i < MORTALS; i++) {
		struct mortal *mortal = mortals[i];

		KUNIT_EXPECT_EQ(test, atomic_read(&mortal->times), 0);
		mortal->cancelled = weir_random(&random, 3) == 0;
		if (mortal->cancelled) {
			weir_death_cancel(&mortal->death);
			mortal_forget(mortal);
		}
		complete(&mortal->end);
	}
	for (i = 0; i < MORTALS; i++) {
		struct mortal *mortal = mortals[i];

		if (!mortal->cancelled)
			KUNIT_EXPECT_GT(test, wait_for_completion_timeout(&mortal->told, 30 * HZ),
					0);
	}
	flush_workqueue(weir_death_queue);
	for (i = 0; i < MORTALS; i++) {
		times = atomic_read(&mortals[i]->times);
		KUNIT_EXPECT_EQ(test, times, !mortals[i]->cancelled);
		KUNIT_EXPECT_FALSE(test, mortals[i]->alive_when_told);
		put_task_struct(mortals[i]->task);
	}
	KUNIT_EXPECT_FALSE(test, weir_deaths_any(&deaths));
	KUNIT_EXPECT_NULL(test, weir_deaths_first(&deaths));
}

static struct weir_death *mortals_first(void)
{
	guard(mutex)(&lock);
	return weir_deaths_first(&deaths);
}

/* What is noted can be put into effect before the work comes. */
static void death_noted(struct kunit *test)
{
	struct mortal *mortal = mortal_new(test);
	struct weir_death *first;

	/* Held up by another, as the work may be. */
	mutex_lock(&lock);
	complete(&mortal->end);
	while (!(first = weir_deaths_first(&deaths)))
		cond_resched();
	KUNIT_EXPECT_PTR_EQ(test, first, &mortal->death);
	weir_death_forget(first);
	KUNIT_EXPECT_NULL(test, weir_deaths_first(&deaths));
	mutex_unlock(&lock);
	KUNIT_EXPECT_GT(test, wait_for_completion_timeout(&mortal->told, 30 * HZ), 0);
	KUNIT_EXPECT_FALSE(test, weir_deaths_any(&deaths));
	put_task_struct(mortal->task);
}

/* A wake-up of the pid's line is not a death. */
static void death_false_alarm(struct kunit *test)
{
	struct mortal *mortal = mortal_new(test);
	int i;

	for (i = 0; i < 10; i++) {
		wake_up_all(&mortal->death.pid->wait_pidfd);
		KUNIT_EXPECT_TRUE(test, weir_deaths_any(&deaths));
		KUNIT_EXPECT_NULL(test, mortals_first());
		KUNIT_EXPECT_FALSE(test, weir_deaths_any(&deaths));
		flush_workqueue(weir_death_queue);
		KUNIT_EXPECT_EQ(test, atomic_read(&mortal->times), 0);
	}
	complete(&mortal->end);
	KUNIT_EXPECT_GT(test, wait_for_completion_timeout(&mortal->told, 30 * HZ), 0);
	flush_workqueue(weir_death_queue);
	KUNIT_EXPECT_EQ(test, atomic_read(&mortal->times), 1);
	put_task_struct(mortal->task);
}

static int death_suite_init(struct kunit_suite *suite)
{
	weir_deaths_init(&deaths);
	return weir_death_init();
}

static void death_suite_exit(struct kunit_suite *suite)
{
	weir_death_exit();
}

static struct kunit_case death_cases[] = {
	KUNIT_CASE(death_many),
	KUNIT_CASE(death_noted),
	KUNIT_CASE(death_false_alarm),
	{}
};

static struct kunit_suite death_suite = {
	.name = "weir_death",
	.suite_init = death_suite_init,
	.suite_exit = death_suite_exit,
	.test_cases = death_cases,
};

kunit_test_suite(death_suite);
