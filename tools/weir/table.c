// SPDX-License-Identifier: MIT
/* What there is: options, verbs, topics, and their help. */
#include <string.h>
#include "weir.h"

const struct option_spec options[NR_OPTIONS] = {
	[OPT_MESSAGES] = { "messages", 0, "N",
		"how many messages it holds [65536]" },
	[OPT_BYTES] = { "bytes", 0, "SIZE",
		"how many bytes of messages it holds [64M]" },
	[OPT_LEASE] = { "lease", 0, "DURATION",
		"a receiver's time to settle a message [30s]" },
	[OPT_MAX_DELIVERIES] = { "max-deliveries", 0, "N",
		"a message delivered so often is dead [any number]" },
	[OPT_DEAD_LETTER] = { "dead-letter", 0, "QUEUE",
		"the queue that dead messages are moved to" },
	[OPT_DISCARD] = { "discard", 0, NULL,
		"dead messages are thrown away" },
	[OPT_NO_DEAD_LETTER] = { "no-dead-letter", 0, NULL,
		"dead messages are not moved any more" },
	[OPT_NO_DISCARD] = { "no-discard", 0, NULL,
		"dead messages are not thrown away by choice" },
	[OPT_BACKOFF] = { "backoff", 0, "DURATION",
		"wait before delivering again, twice as long each time [0]" },
	[OPT_BACKOFF_MAX] = { "backoff-max", 0, "DURATION",
		"wait no longer than this [1h]" },
	[OPT_TTL] = { "ttl", 0, "DURATION",
		"a message not delivered in this time is dead [no end]" },
	[OPT_PRIORITIES] = { "priorities", 0, "N",
		"how many priorities messages may have [1]" },
	[OPT_STARVE_AFTER] = { "starve-after", 0, "N",
		"one of the lowest priority after so many others [never]" },
	[OPT_DEDUP_TIME] = { "dedup-time", 0, "DURATION",
		"know ids of messages for so long [any time]" },
	[OPT_DEDUP_COUNT] = { "dedup-count", 0, "N",
		"know the ids of so many messages [65536 with --dedup-time]" },
	[OPT_PREFETCH] = { "prefetch", 0, "N",
		"how many messages a consumer may hold [any number]" },
	[OPT_SINGLE_ACTIVE] = { "single-active", 0, NULL,
		"one receives at a time, and the next one when it ends" },
	[OPT_EXCLUSIVE] = { "exclusive", 0, NULL,
		"one may have it open for receiving" },
	[OPT_NO_SINGLE_ACTIVE] = { "no-single-active", 0, NULL,
		"all may receive at a time" },
	[OPT_NO_EXCLUSIVE] = { "no-exclusive", 0, NULL,
		"many may have it open for receiving" },
	[OPT_WHEN_FULL] = { "when-full", 0, "wait|reject|drop-oldest|dead-letter",
		"what becomes of a message without room [wait]" },
	[OPT_FAIR_SHARE] = { "fair-share", 0, NULL,
		"nobody has more in it than is still free" },
	[OPT_KEYED] = { "keyed", 0, NULL,
		"of messages with one key only one is out at a time" },
	[OPT_PRIORITY] = { "priority", 0, "N",
		"deliver before messages of lower ones [0]" },
	[OPT_DELAY] = { "delay", 0, "DURATION",
		"do not deliver before this time is over" },
	[OPT_ID] = { "id", 0, "ID",
		"no message that was sent before with this" },
	[OPT_PRODUCER] = { "producer", 0, "NAME",
		"no message that this producer sent before, by number" },
	[OPT_RECEIPT] = { "receipt", 0, "QUEUE",
		"where it is told how each message ended" },
	[OPT_TOKEN] = { "token", 0, "N",
		"the first receipt has this number, and the next the next [1]" },
	[OPT_MODE] = { "mode", 0, "OCTAL",
		"who may send (w) and receive (r) [0660]" },
	[OPT_PRIVATE] = { "private", 0, NULL,
		"nobody may map its memory" },
	[OPT_FORCE] = { "force", 'f', NULL,
		"also with messages in it, or open" },
	[OPT_KEY] = { "key", 'k', "KEY",
		"the key of each message" },
	[OPT_HEADER] = { "header", 'H', "NAME=VALUE",
		"a header of each message; may be repeated" },
	[OPT_DELIMITER] = { "delimiter", 'd', "C",
		"what ends a message of the input [\\n]" },
	[OPT_COUNT] = { "count", 'n', "N",
		"wait until there were N messages" },
	[OPT_FOLLOW] = { "follow", 'f', NULL,
		"for ever" },
	[OPT_NO_SETTLE] = { "no-settle", 0, NULL,
		"put the messages back at the end" },
	[OPT_TIMEOUT] = { "timeout", 't', "DURATION",
		"wait no longer than this, in all" },
	[OPT_FORMAT] = { "format", 'F', "FORMAT",
		"what is printed of a message (weir help formats)" },
	[OPT_RECEIPTS] = { "receipts", 0, NULL,
		"the messages are receipts, and printed as such" },
	[OPT_LEASES] = { "leases", 0, NULL,
		"its leased messages, and who has them" },
	[OPT_FROM] = { "from", 0, "OFFSET",
		"begin with this offset" },
	[OPT_MOST] = { "count", 'n', "N",
		"no more than N messages" },
	[OPT_NAME] = { "name", 0, "NAME",
		"what others are told who has its messages" },
	[OPT_TO] = { "to", 0, "QUEUE",
		"where they go, wherever they come from" },
};

#define POLICY	(BIT(OPT_MESSAGES) | BIT(OPT_BYTES) | BIT(OPT_LEASE) | \
		 BIT(OPT_MAX_DELIVERIES) | BIT(OPT_DEAD_LETTER) | \
		 BIT(OPT_DISCARD) | BIT(OPT_BACKOFF) | BIT(OPT_BACKOFF_MAX) | \
		 BIT(OPT_TTL) | BIT(OPT_PRIORITIES) | BIT(OPT_STARVE_AFTER) | \
		 BIT(OPT_DEDUP_TIME) | BIT(OPT_DEDUP_COUNT) | BIT(OPT_PREFETCH) | \
		 BIT(OPT_SINGLE_ACTIVE) | BIT(OPT_EXCLUSIVE) | BIT(OPT_WHEN_FULL))

const struct verb verbs[] = {
	{
		.object = "queue", .name = "create", .words = "NAME",
		.least = 1, .most = 1, .run = queue_create,
		.options = POLICY | BIT(OPT_FAIR_SHARE) | BIT(OPT_KEYED) | BIT(OPT_MODE) |
			   BIT(OPT_PRIVATE),
		.summary = "make a queue",
		.text =
"Makes the queue NAME. Its node is /dev/weir/queue/NAME and belongs to you.\n"
"The queue stays until it is destroyed or the machine stops.\n",
	}, {
		.object = "queue", .name = "list", .words = "",
		.run = queue_list,
		.summary = "list the queues",
		.text =
"Lists the queues in order of their names.\n",
	}, {
		.object = "queue", .name = "show", .words = "NAME",
		.least = 1, .most = 1, .takes_queue = true, .run = queue_show,
		.options = BIT(OPT_LEASES),
		.summary = "show limits and figures of a queue",
		.text =
"Shows the limits and figures of a queue, by the names that they have in\n"
"/sys/class/weir/NAME; durations are in nanoseconds there and with -j, and then\n"
"their names end in _ns. With --leases instead each message that is leased: who\n"
"has it, how often it was delivered, since when it is in the queue, and how long\n"
"the lease lasts.\n",
	}, {
		.object = "queue", .name = "browse", .words = "NAME",
		.least = 1, .most = 1, .takes_queue = true, .run = queue_browse,
		.options = BIT(OPT_FROM) | BIT(OPT_MOST) | BIT(OPT_FORMAT),
		.summary = "look at messages without taking them",
		.text =
"Prints the messages of a queue, also those that are leased or not to be delivered\n"
"yet, in the order in which they were sent, as recv does. None is taken, and\n"
"nothing changes.\n",
	}, {
		.object = "queue", .name = "alter", .words = "NAME",
		.least = 1, .most = 1, .takes_queue = true, .run = queue_alter,
		.options = POLICY | BIT(OPT_NO_DEAD_LETTER) | BIT(OPT_NO_DISCARD) |
			   BIT(OPT_NO_SINGLE_ACTIVE) | BIT(OPT_NO_EXCLUSIVE),
		.no_defaults = true,
		.summary = "change the limits of a queue",
		.text =
"Changes what is named, while the queue is in use, and leaves the rest as it is.\n"
"--messages, --bytes and --dedup-count go up to what the queue was created with; 0\n"
"is none for --max-deliveries, --backoff, --ttl, --starve-after and --prefetch, and\n"
"with --dedup-time 0 --dedup-count 0 no id is looked for. --no-dead-letter and\n"
"--no-discard need --max-deliveries 0, if there is a maximum, and not --when-full\n"
"dead-letter.\n",
	}, {
		.object = "queue", .name = "move", .words = "FROM TO",
		.least = 2, .most = 2, .takes_queue = true, .run = queue_move,
		.options = BIT(OPT_MOST),
		.summary = "move messages from a queue to another",
		.text =
"Moves the messages that are ready now, or behind others of their key, in their\n"
"order, and says how many. Key, headers and priority stay as they are, or the\n"
"highest that TO has; the sender is you. Waits while TO is full, and says so, unless\n"
"TO rejects. However it ends, each message is in one of the two queues.\n",
	}, {
		.object = "queue", .name = "redrive", .words = "NAME",
		.least = 1, .most = 1, .takes_queue = true, .run = queue_redrive,
		.options = BIT(OPT_TO) | BIT(OPT_MOST),
		.summary = "move dead letters back to where they died",
		.text =
"Moves the dead letters that are ready now, each to the queue of its header\n"
"weir-dead-queue, or all to the queue --to, and says how many. What their last\n"
"death has added to their headers is taken off; otherwise it is as with move. Those\n"
"that are of no queue that there is stay, and the status is 1.\n",
	}, {
		.object = "queue", .name = "purge", .words = "NAME",
		.least = 1, .most = 1, .takes_queue = true, .run = queue_purge,
		.summary = "throw the messages of a queue away",
		.text =
"Throws away the messages that are ready, or behind others of their key. Those\n"
"that consumers hold are left to them.\n",
	}, {
		.object = "queue", .name = "destroy", .words = "NAME",
		.least = 1, .most = 1, .takes_queue = true,
		.options = BIT(OPT_FORCE), .run = queue_destroy,
		.summary = "take a queue away",
		.text =
"Destroys a queue that is empty, that nobody has open, and that gets nobody's\n"
"dead letters. With --force any: what it holds is lost, and whoever uses it is\n"
"told so.\n",
	}, {
		.name = "send", .words = "NAME [MESSAGE...]",
		.least = 1, .most = -1U, .takes_queue = true,
		.options = BIT(OPT_KEY) | BIT(OPT_HEADER) | BIT(OPT_DELIMITER) |
			   BIT(OPT_PRIORITY) | BIT(OPT_DELAY) | BIT(OPT_TTL) |
			   BIT(OPT_TIMEOUT) | BIT(OPT_ID) | BIT(OPT_PRODUCER) |
			   BIT(OPT_RECEIPT) | BIT(OPT_TOKEN),
		.run = send_messages,
		.summary = "send messages to a queue",
		.text =
"Sends each MESSAGE. Without one, each line of standard input, without its\n"
"newline. Waits while the queue is full, and says so.\n"
"With --timeout it does not wait for room longer than this, in all; what was sent\n"
"until then was sent.\n"
"\n"
"With --id a message is sent once, however often this is done: the queue has to\n"
"know ids (--dedup-time, --dedup-count). With --producer each message has its\n"
"number, from 1 on, and those that NAME has sent are left out: so a command that\n"
"failed, or was killed, is given once more, with the same input.\n"
"\n"
"With --receipt the queue QUEUE is told how each message ended, by a receipt, which\n"
"recv --receipts prints. There has to be room for it there.\n",
	}, {
		.name = "recv", .words = "NAME",
		.least = 1, .most = 1, .takes_queue = true, .no_defaults = true,
		.options = BIT(OPT_COUNT) | BIT(OPT_FOLLOW) |
			   BIT(OPT_NO_SETTLE) | BIT(OPT_TIMEOUT) |
			   BIT(OPT_FORMAT) | BIT(OPT_NAME) | BIT(OPT_LEASE) |
			   BIT(OPT_RECEIPTS),
		.run = receive_messages,
		.summary = "receive messages from a queue",
		.text =
"Prints the messages that are there now, each followed by a newline. With -n\n"
"waits until there were N. With --follow goes on for ever; with both, stays\n"
"after N and keeps what it did not settle.\n"
"\n"
"A message is settled when it was written, and into a pipe, when it was read\n"
"from there; what does not get out goes back to the queue. So nothing is lost by\n"
"weir recv q | head -1.\n"
"\n"
"It holds a message for as long as its reader takes, without --lease. With it, what\n"
"is not settled in time is delivered to others or to itself, and the status is 1.\n"
"\n"
"With --receipts each message is a receipt, and a line of: its token, the queue and\n"
"the offset of the message that it is of, how that ended, why it was dead, how often\n"
"it was delivered, when it ended, and who ended it: user, process and name; - is\n"
"none. What is no receipt goes back at the end, and said so, and the status is 1.\n",
	}, {
		.name = "call", .words = "NAME [MESSAGE]",
		.least = 1, .most = 2, .takes_queue = true,
		.options = BIT(OPT_KEY) | BIT(OPT_HEADER) | BIT(OPT_PRIORITY) |
			   BIT(OPT_TTL) | BIT(OPT_TIMEOUT) | BIT(OPT_FORMAT),
		.run = call_queue,
		.summary = "send a request, and print the answer",
		.text =
"Sends MESSAGE, or all of standard input, as a request, waits for the answer, and\n"
"prints it, followed by a newline. Needs the right to make queues, for the answer.\n",
	}, {
		.name = "serve", .words = "NAME [OPTION...] -- COMMAND [WORD...]",
		.least = 1, .most = -1U, .takes_queue = true, .no_defaults = true,
		.options = BIT(OPT_MOST) | BIT(OPT_LEASE) | BIT(OPT_NAME),
		.run = serve_queue,
		.summary = "answer requests by a command",
		.text =
"Runs COMMAND for each message, one after the other, with the message as standard\n"
"input. If it succeeds, its standard output is the answer, where one was asked for,\n"
"and the message is settled, both or neither. If it fails, the message goes back:\n"
"--backoff and --max-deliveries of the queue say when, and how often. With -n ends\n"
"after N messages.\n"
"\n"
"It holds a message for as long as COMMAND takes, without --lease. With it, what is\n"
"not answered in time is delivered to others, and only one of them has answered.\n",
	}, {
		.name = "doctor", .words = "", .run = doctor,
		.summary = "look for what is wrong on this machine",
		.text =
"Checks what weir needs, a line for each, with what to do. The status is 0 when\n"
"nothing fails, 7 without the module, otherwise 1.\n",
	}, {
		.name = "help", .words = "[TOPIC...]", .most = 2, .run = help,
		.summary = "explain a command or a topic",
		.text =
"Without a topic, tells which there are.\n",
	}, {
		.name = "complete", .words = "[WORD...]", .most = -1U,
		.run = complete,
		/* Not shown: it is for shells. */
	},
};

const unsigned int nr_verbs = ARRAY_SIZE(verbs);

const struct topic topics[] = {
	{ "names", "what a queue may be called",
"1 to 249 characters of A-Z a-z 0-9 . _ - of which the first is none of . and -\n"
"Where a queue is opened, a word with a / in it is the path of its node.\n" },
	{ "sizes", "how sizes and durations are written",
"A size is a number of bytes, or one followed by K, M or G (of 1024).\n"
"A duration is a number followed by ns, us, ms, s, m, h or d. A lease may also\n"
"be unlimited.\n" },
	{ "limits", "what the numbers of a queue may be",
"--messages       1 to 67108864; with alter, no more than it was created with\n"
"--bytes          4K to 64G; with alter, no more than it was created with\n"
"--priorities     1 to 32; messages then have 0 to one less\n"
"--dedup-count    0 to 16777216; with alter, no more than it was created with\n"
"A message has at most a quarter of --bytes, and 16M. A dead letter queue has to\n"
"take messages as large as the queue whose dead letters it gets, and have no\n"
"--fair-share.\n" },
	{ "formats", "what the --format of recv and browse knows",
"%v        the message            %o        its offset\n"
"%k        its key                %t        when it was sent, UTC\n"
"%h{NAME}  its header NAME        %u        the sender's user id\n"
"%p        its priority           %d        how often it was delivered\n"
"%n        a newline              %%        a percent sign\n"
"With a format no newline is added.\n" },
	{ "json", "what -j prints",
"One object a line. Figures have the names that they have in /sys/class/weir.\n"
"A message has value, key and headers, or value_base64, key_base64 where they\n"
"are not UTF-8; reply, if it is a request; with browse, a state: ready, delayed,\n"
"behind, leased or dying. A receipt (recv --receipts) has the fields of struct\n"
"weir_receipt.\n" },
	{ "exit", "exit statuses",
"0 done             4 denied\n"
"1 failed           5 full, or a limit\n"
"2 usage            6 timed out\n"
"3 not found        7 no module\n" },
};

const unsigned int nr_topics = ARRAY_SIZE(topics);

static bool verb_is(const struct verb *verb, char **words,
		    unsigned int nr_words, unsigned int *nr)
{
	*nr = verb->object ? 2 : 1;
	if (nr_words < *nr)
		return false;
	if (verb->object && strcmp(verb->object, words[0]))
		return false;
	return !strcmp(verb->name, words[*nr - 1]);
}

const struct verb *verb_find(char **words, unsigned int nr_words,
			     unsigned int *nr)
{
	unsigned int i;

	for (i = 0; i < nr_verbs; i++)
		if (verb_is(&verbs[i], words, nr_words, nr))
			return &verbs[i];
	return NULL;
}
