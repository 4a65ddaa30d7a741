// SPDX-License-Identifier: MIT
/*
 * The checker is checked: for each way in which a queue can be wrong once, in
 * histories with all that clean ones have, it has to say what is wrong, by name.
 * WEIR_HISTORIES: how many of each, 3 if not said; WEIR_SEED: of the first one;
 * WEIR_RECORDS: how long, 20000 if not said.
 */
#include <stdlib.h>

#include "kselftest.h"
#include "model.h"

#define LEAST_CAPACITY	64
#define FIRST_SEED	1005

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

/* A history in which it had its occasion: one of the next seeds. */
static uint64_t make_wrong(enum model_mutant mutant, uint64_t seed, struct history *history)
{
	struct model_plan plan = { .records = setting("WEIR_RECORDS", 20000) };

	for (;; seed++) {
		model_plan_random(&plan, seed);
		plan.mutant = mutant;
		/*
		 * What is wrong beside a call of a killed client, or a purge, may be
		 * that one's doing; in a queue that holds nothing there is no order.
		 * What happens while nearly all calls overlap can still be right: one
		 * seed in a hundred or so.
		 */
		plan.rough = false;
		if (plan.capacity < LEAST_CAPACITY)
			plan.capacity = LEAST_CAPACITY;
		plan.purges = plan.kills = 0;
		/* As far as they are about times; and what has them excuses the others. */
		plan.timed = mutant == MODEL_EARLY || mutant == MODEL_LATE;
		plan.wishes |= mutant == MODEL_LOW_FIRST || mutant == MODEL_TOO_SOON;
		plan.dead |= mutant >= MODEL_TOO_OFTEN;
		plan.once = mutant >= MODEL_ID_TWICE && mutant <= MODEL_FORGOTTEN;
		plan.receipts = mutant >= MODEL_NO_RECEIPT && mutant <= MODEL_WRONG_RECEIPT;
		plan.walks = mutant >= MODEL_UNTOLD && mutant <= MODEL_TOLD_TWICE;
		plan.full = mutant >= MODEL_DROP_LEASED && mutant <= MODEL_DROP_UNTOLD ?
				    HISTORY_DROPS :
			    mutant == MODEL_KILL_LEASED ? HISTORY_KILLS : 0;
		plan.receipts |= plan.full;
		plan.dead |= plan.full == HISTORY_KILLS;
		plan.wishes |= mutant == MODEL_DROP_HIGH;
		if (plan.full)
			plan.capacity = LEAST_CAPACITY;
		plan.replies = mutant >= MODEL_ANSWER_LOST && mutant <= MODEL_ANSWER_REFUSED;
		plan.single = mutant == MODEL_NOT_ALONE;
		plan.exclusive = mutant == MODEL_NOT_EXCLUSIVE || mutant == MODEL_SHUT_OUT;
		plan.prefetch = mutant == MODEL_HOARD ? 8 : 0;
		plan.shared &= !plan.single;
		/* For them somebody has to die; seldom, and where little waits. */
		plan.txns = mutant == MODEL_TORN_SENT || mutant == MODEL_TORN_SETTLED;
		plan.shared &= !plan.txns;
		if (plan.txns) {
			plan.kills = 2;
			plan.capacity = LEAST_CAPACITY;
		}
		plan.keyed = mutant >= MODEL_KEY_TWO && mutant <= MODEL_KEY_STUCK;
		if (model_run(&plan, history))
			return seed;
		history_free(history);
	}
}

/* Caught, by its name. */
static bool caught(enum model_mutant mutant, uint64_t *seed)
{
	enum history_fault fault = model_mutant_fault(mutant);
	struct history history = { 0 };
	bool found;

	*seed = make_wrong(mutant, *seed, &history);
	history_check(&history);
	found = history.findings[fault].times;
	if (!found) {
		ksft_print_msg("%s, seed %llu: not found to be %s, but:\n",
			       model_mutant_name(mutant), (unsigned long long)*seed,
			       history_fault_name(fault));
		history_report(&history, stdout);
	}
	history_free(&history);
	return found;
}

int main(void)
{
	uint64_t histories = setting("WEIR_HISTORIES", 3);
	enum model_mutant mutant;

	ksft_print_header();
	ksft_set_plan(MODEL_MUTANTS - 1);
	for (mutant = MODEL_RIGHT + 1; mutant < MODEL_MUTANTS; mutant++) {
		uint64_t seed = setting("WEIR_SEED", FIRST_SEED), i, found = 0;

		for (i = 0; i < histories; i++, seed++)
			found += caught(mutant, &seed);
		ksft_test_result(found == histories, "%s_is_%s %llu of %llu\n",
				 model_mutant_name(mutant),
				 history_fault_name(model_mutant_fault(mutant)),
				 (unsigned long long)found, (unsigned long long)histories);
	}
	ksft_finished();
}
