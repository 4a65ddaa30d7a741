/* SPDX-License-Identifier: MIT */
/*
 * The command weir. Everything that a user meets is in one table (table.c):
 * verbs, their options, their help; parsing, help pages and completion read it.
 */
#ifndef WEIR_TOOL_H
#define WEIR_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include <weir/weir.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Exit statuses, as in weir(1). */
enum status {
	DONE		= 0,
	FAILED		= 1,
	USAGE		= 2,
	NOT_FOUND	= 3,
	DENIED		= 4,
	FULL		= 5,
	TIMED_OUT	= 6,
	NO_MODULE	= 7,
};

/* ---- table.c ---------------------------------------------------------- */

enum option_id {
	OPT_MESSAGES,
	OPT_BYTES,
	OPT_LEASE,
	OPT_MAX_DELIVERIES,
	OPT_DEAD_LETTER,
	OPT_DISCARD,
	OPT_NO_DEAD_LETTER,
	OPT_NO_DISCARD,
	OPT_BACKOFF,
	OPT_BACKOFF_MAX,
	OPT_TTL,
	OPT_PRIORITIES,
	OPT_STARVE_AFTER,
	OPT_DEDUP_TIME,
	OPT_DEDUP_COUNT,
	OPT_PREFETCH,
	OPT_SINGLE_ACTIVE,
	OPT_EXCLUSIVE,
	OPT_NO_SINGLE_ACTIVE,
	OPT_NO_EXCLUSIVE,
	OPT_WHEN_FULL,
	OPT_FAIR_SHARE,
	OPT_KEYED,
	OPT_PRIORITY,
	OPT_DELAY,
	OPT_ID,
	OPT_PRODUCER,
	OPT_RECEIPT,
	OPT_TOKEN,
	OPT_MODE,
	OPT_PRIVATE,
	OPT_FORCE,
	OPT_KEY,
	OPT_HEADER,
	OPT_DELIMITER,
	OPT_COUNT,
	OPT_FOLLOW,
	OPT_NO_SETTLE,
	OPT_TIMEOUT,
	OPT_FORMAT,
	OPT_RECEIPTS,
	OPT_LEASES,
	OPT_FROM,
	OPT_MOST,
	OPT_NAME,
	OPT_TO,
	NR_OPTIONS,
};

#define BIT(id)	(1ULL << (id))

struct option_spec {
	const char	*name;		/* NULL: a letter only */
	char		letter;		/* 0: a name only */
	const char	*arg;		/* of its value; NULL: it has none */
	const char	*help;
};

struct verb;

struct args {
	const struct verb *verb;
	bool		json;
	const char	*values[NR_OPTIONS];	/* "" when it takes none */
	char		**headers;		/* OPT_HEADER, all of them */
	unsigned int	nr_headers;
	char		**words;
	unsigned int	nr_words;
};

struct verb {
	const char	*object;	/* NULL: of no one kind of object */
	const char	*name;
	const char	*words;		/* as in its synopsis */
	unsigned int	least, most;	/* words */
	bool		takes_queue;	/* as each word that it must have */
	bool		no_defaults;	/* what is not named stays as it is */
	uint64_t	options;	/* BIT(OPT_*) */
	const char	*summary;
	const char	*text;
	enum status	(*run)(const struct args *args);
};

struct topic {
	const char	*name;
	const char	*summary;
	const char	*text;
};

extern const struct option_spec options[NR_OPTIONS];
extern const struct verb verbs[];
extern const unsigned int nr_verbs;
extern const struct topic topics[];
extern const unsigned int nr_topics;

/* NULL when there is none; @nr: how many of @words name it. */
const struct verb *verb_find(char **words, unsigned int nr_words,
			     unsigned int *nr);

/* ---- policy.c --------------------------------------------------------- */

/* bad_value - an option has no such value; says what is one */
enum status bad_value(const struct args *args, enum option_id id);
/*
 * policy_take - what the options say; @dead_letter: an open queue or NULL, which
 * is to be closed when the policy was used
 */
enum status policy_take(const struct args *args, struct weir_policy *policy,
			struct weir_queue **dead_letter);
const char *when_full_word(uint32_t when_full);
/* policy_change - the same on top of what @info says */
enum status policy_change(const struct args *args, struct weir_info *info,
			  struct weir_queue **dead_letter);

/* ---- args.c, parse.c -------------------------------------------------- */

/* Says what is wrong, and is USAGE. */
enum status args_parse(const struct verb *verb, int argc, char **argv,
		       struct args *args);

/* 0, or -EINVAL, or -ERANGE. */
int parse_count(const char *text, uint64_t *count);
int parse_size(const char *text, uint64_t *bytes);
int parse_duration(const char *text, int64_t *ns);
/* A duration, or "unlimited"; a lease is more than 0. */
int parse_pause(const char *text, uint64_t *ns);
int parse_lease(const char *text, uint64_t *ns);
int parse_mode(const char *text, uint32_t *mode);
int parse_delimiter(const char *text, char *delimiter);

/* ---- duration.c ------------------------------------------------------- */

#define DURATION_SIZE	32

/* As parse_pause() reads it; and roughly, of up to 6 characters. */
const char *duration_exact(uint64_t ns, char text[DURATION_SIZE]);
const char *duration_short(uint64_t ns, char text[DURATION_SIZE]);

/* ---- fail.c ----------------------------------------------------------- */

/* "weir: queue 'q': what; what to do" of an errno, and its exit status. */
enum status fail_queue(const char *name, int ret);
/* The same where the control device was needed. */
enum status fail_control(const char *name, int ret);
/* The same of what was asked for: EINVAL is a number, if the name can be one. */
enum status fail_limits(const char *name, int ret);
/* Neither is of a queue. */
enum status fail_plain(const char *what, int ret);
/* That a queue is full and is waited for, if it has anybody wait. */
void say_full(struct weir_queue *queue, const char *name);
enum status usage(const struct verb *verb, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- output.c --------------------------------------------------------- */

/* Bytes that are to be written, growing. */
struct text {
	char	*bytes;
	size_t	len;
	size_t	room;
};

void text_add(struct text *text, const void *bytes, size_t len);
void text_printf(struct text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* One object, one line; takes the reference. */
void text_json(struct text *text, json_t *object);
/* Prints it; takes the reference. */
enum status print_json(json_t *object);
/* Flushes what was printed; whether it got out. */
enum status print_end(void);

/* ---- format.c --------------------------------------------------------- */

/* -errno, or 0; @bad is then what is not known of it. */
int format_check(const char *format, const char **bad);
void format_message(struct text *text, const char *format,
		    const struct weir_view *view);
void format_json(struct text *text, const struct weir_view *view);
/* The same of one that is looked at. */
void format_browsed(struct text *text, const struct weir_browsed *browsed,
		    const struct weir_view *view);
void format_time(struct text *text, uint64_t ns);
/* As @name, or in base64 as @name64 where it is not UTF-8. */
void set_bytes(json_t *object, const char *name, const char *name64,
	       const void *bytes, size_t len);

/* ---- receipt.c -------------------------------------------------------- */

/* -EBADMSG when @view is no receipt, and nothing was added. */
int format_receipt(struct text *text, const struct weir_view *view, bool json);

/* ---- sink.c ----------------------------------------------------------- */

/*
 * Standard output, as recv needs to know it: whether what was written has got
 * to whoever reads it.
 */
struct sink {
	bool	is_pipe;
	bool	is_small;	/* the pipe, by us */
	int	pipe_size;	/* as it was */
};

void sink_open(struct sink *sink);
void sink_close(struct sink *sink);
/* -errno; @out is what got out of @text. */
int sink_write(struct sink *sink, const struct text *text, size_t *out);

/* ---- letter.c --------------------------------------------------------- */

/* What is said of a message beside its payload: the options that send and call share. */
struct letter {
	const char	*key;
	size_t		key_len;
	void		*headers;	/* of malloc(), or NULL */
	size_t		headers_len;
	struct weir_options options;
	size_t		options_len;	/* 0: it needs none */
};

/* What is wrong is said. To be ended in any case; it was all 0 before. */
enum status letter_begin(struct letter *letter, const struct args *args);
struct weir_message letter_message(const struct letter *letter, const struct weir_options *options,
				   const void *data, size_t len);
/* Says why a queue did not take it. */
enum status letter_failed(const struct letter *letter, const char *name, int ret);
void letter_end(struct letter *letter);

/* ---- signals.c -------------------------------------------------------- */

/* SIGINT, SIGTERM and SIGHUP then only end waits, and stopped() is true. */
void signals_catch(void);
bool stopped(void);
/* It was told so again, and is to lose no time. */
bool stopped_twice(void);
struct pollfd;
/* As ppoll(), -errno; -EINTR at once when stopped. @until: by now_ns(). */
int wait_until(struct pollfd *fds, unsigned int nr, int64_t until);
/* The same, but for what is worth waiting for when stopped: until stopped_twice(). */
int wait_stubbornly(struct pollfd *fds, unsigned int nr);
int64_t now_ns(void);
/* Ends the process by the signal that stopped it. */
void signals_repeat(void);

/* ---- the verbs -------------------------------------------------------- */

enum status queue_create(const struct args *args);
enum status queue_alter(const struct args *args);
enum status queue_list(const struct args *args);
enum status queue_show(const struct args *args);
enum status queue_browse(const struct args *args);
enum status queue_leases(const struct args *args);
enum status queue_move(const struct args *args);
enum status queue_redrive(const struct args *args);
enum status queue_purge(const struct args *args);
enum status queue_destroy(const struct args *args);
enum status send_messages(const struct args *args);
enum status receive_messages(const struct args *args);
enum status call_queue(const struct args *args);
enum status serve_queue(const struct args *args);
enum status doctor(const struct args *args);
enum status help(const struct args *args);
enum status complete(const struct args *args);

void help_verb(const struct verb *verb);

#endif /* WEIR_TOOL_H */
