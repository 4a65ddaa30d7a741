// SPDX-License-Identifier: MIT
/*
 * Histories that a right queue made raise no alarm: with many clients, kills, calls
 * of unknown outcome, redeliveries, purges and settlements that are refused.
 * WEIR_HISTORIES: how many, 1000 if not said; WEIR_SEED: of the first one.
 */
#include <stdlib.h>

#include "kselftest.h"
#include "model.h"

#define RECORDS		1000

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

int main(void)
{
	uint64_t histories = setting("WEIR_HISTORIES", 1000), seed = setting("WEIR_SEED", 1);
	uint64_t i, alarms = 0, records = 0;

	ksft_print_header();
	ksft_set_plan(1);
	for (i = 0; i < histories; i++, seed++) {
		struct model_plan plan = { .records = RECORDS };
		struct history history = { 0 };

		model_plan_random(&plan, seed);
		model_run(&plan, &history);
		records += history.count;
		if (history_check(&history)) {
			alarms++;
			history_report(&history, stdout);
		}
		history_free(&history);
	}
	ksft_print_msg("%llu histories, %llu records, %llu false alarms\n",
		       (unsigned long long)histories, (unsigned long long)records,
		       (unsigned long long)alarms);
	ksft_test_result(!alarms, "no_false_alarm\n");
	ksft_finished();
}
