// SPDX-License-Identifier: MIT
/* What is told, while it runs and in the end. */
#include "demo.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR	40

static const char *door_name(const struct demo *demo)
{
	if (demo->plain)
		return "by write() and read(), one message each";
	return demo->door == WEIR_DOOR_URING ? "in batches of up to 32, through io_uring" :
					       "in batches of up to 32, by ioctl()";
}

void report_begin(const struct demo *demo)
{
	printf("weir: a text through a message queue in the kernel\n\n");
	printf("  text       %s\n", demo->text.path);
	printf("             %u lines, %zu KiB\n", demo->text.count, demo->text.size >> 10);
	printf("  queue      /dev/weir/queue/%s, %u messages, %u KiB\n", demo->queue,
	       QUEUE_MESSAGES, QUEUE_BYTES >> 10);
	printf("  producers  %d processes send every %dth line\n", PRODUCERS, PRODUCERS);
	printf("  consumers  %d processes; one is killed while it holds %s\n", CONSUMERS,
	       demo->plain ? "a message that it has half read" : "messages");
	printf("             %s%s\n\n", door_name(demo), demo->plain ? "" : ", read in place");
	fflush(stdout);
}

void progress(const struct demo *demo, uint32_t done)
{
	static uint32_t shown = UINT32_MAX;
	uint32_t percent = done * 100ULL / demo->text.count;

	if (percent == shown || !isatty(STDOUT_FILENO))
		return;
	shown = percent;
	printf("\r  %.*s%.*s %3u %%  %u of %u%s", percent * BAR / 100,
	       "########################################", BAR - percent * BAR / 100,
	       "........................................", percent, done, demo->text.count,
	       demo->killed_ns ? ", one killed" : "");
	fflush(stdout);
}

void progress_end(void)
{
	if (isatty(STDOUT_FILENO))
		printf("\r\33[K");
}

static void report_processes(const struct demo *demo, const struct verdict *verdict)
{
	int i;

	printf("  process         sent   settled   redelivered to it\n");
	for (i = 0; i < PRODUCERS; i++)
		printf("  producer %d  %8u\n", i, demo->shared->sent[i]);
	for (i = 0; i < CONSUMERS; i++) {
		printf("  consumer %d            %8u   %8u", i, demo->logs[i]->messages,
		       verdict->back_to[i]);
		if (i == VICTIM && demo->killed_ns)
			printf("   killed, holding %u", verdict->held);
		putchar('\n');
	}
	putchar('\n');
}

static void report_redelivered(const struct demo *demo, const struct verdict *verdict)
{
	printf("  redelivered  %llu by the queue's figures; ",
	       (unsigned long long)demo->info.redelivered);
	if (verdict->held == 1)
		printf("the killed one held line %u\n", verdict->first_held + 1);
	else if (verdict->held)
		printf("the killed one held %u, lines %u to %u\n", verdict->held,
		       verdict->first_held + 1, verdict->last_held + 1);
	else
		printf("no consumer was killed while it held anything\n");
	if (verdict->back)
		printf("               %u came to others, the first %.1f ms after the kill\n",
		       verdict->back, verdict->back_ns / 1e6);
}

static void report_rate(const struct demo *demo)
{
	double seconds = (demo->finished_ns - demo->started_ns) / 1e9;

	printf("  rate         %.0f messages a second, %.1f MB/s, %.2f s in all\n",
	       demo->text.count / seconds, demo->text.size / seconds / 1e6, seconds);
}

static void report_violations(const struct verdict *verdict, const struct weir_info *info)
{
	printf("  WRONG        %u lost, %u more than once, %u changed, %u out of order,\n"
	       "               %u logs unsettled; the first is line %u\n", verdict->lost,
	       verdict->twice, verdict->changed, verdict->disordered, verdict->unsettled,
	       verdict->first_bad + 1);
	printf("               by the queue: sent %llu, settled %llu, depth %llu, leased %llu\n",
	       (unsigned long long)info->sent, (unsigned long long)info->settled,
	       (unsigned long long)info->depth, (unsigned long long)info->leased);
}

void report(const struct demo *demo, const struct verdict *verdict, bool good)
{
	report_processes(demo, verdict);
	if (good)
		printf("  checked      each of the %u lines was settled once, whole, and first\n"
		       "               deliveries came in order\n", demo->text.count);
	else
		report_violations(verdict, &demo->info);
	report_redelivered(demo, verdict);
	report_rate(demo);
	if (good)
		printf("\n"
		       "Next: tools/vm/run opens a shell in the guest. In it:\n"
		       "  weir queue create jobs\n"
		       "  echo hello | weir send jobs\n"
		       "  weir recv jobs\n"
		       "  weir help\n");
	fflush(stdout);
}
