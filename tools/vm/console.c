// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "channel.h"
#include "console.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONTEXT_LINES 5
#define TROUBLE_LINES 150
#define TAIL_LINES 60

/* What emulation may do to code that is being patched: see tools/vm/run. */
#define STALE_INT3 "Oops: int3"

/* kernel_restart() prints it last of all, whatever the loglevel. */
#define GOOD_END "reboot: Restarting system"

static const char *const trouble[] = {
	"Kernel panic",
	"Oops: ",
	"BUG: ",
	"WARNING: ", /* WARN_ON(), and most of lockdep */
	"KASAN: ",
	"KCSAN: ",
	"KFENCE: ",
	"UBSAN: ",
	"possible circular locking",
	"possible recursive locking",
	"possible irq lock inversion",
	"inconsistent lock state",
	"suspicious RCU usage",
	"bad unlock balance",
	"sleeping function called",
	"scheduling while atomic",
	"blocked for more than", /* the hung task detector */
	"soft lockup",
	"hard LOCKUP",
	"detected stall", /* RCU */
	"unreferenced object", /* kmemleak */
	"general protection fault",
	"refcount_t: ",
	"list_add corruption",
	"list_del corruption",
	"Bad page ",
	"Out of memory and no killable processes",
};

int console_open(const char *path)
{
	int fd;

	if (path)
		fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0644);
	else
		fd = memfd_create("console", 0);
	if (fd < 0) {
		perror(path ? path : "memfd_create");
		exit(125);
	}
	/* QEMU writes its own messages and the serial port by two descriptors. */
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_APPEND);
	return fd;
}

static char *console_text(int fd)
{
	struct stat st;
	ssize_t length;
	char *text, *to;
	ssize_t i;

	if (fstat(fd, &st))
		st.st_size = 0;
	text = calloc(1, st.st_size + 1);
	if (!text)
		abort();
	length = pread(fd, text, st.st_size, 0);
	/* What goes to a terminal is text; and strstr() must not stop early. */
	for (i = 0, to = text; i < length; i++) {
		if (isprint((unsigned char)text[i]) || text[i] == '\n')
			*to++ = text[i];
		else if (text[i] != '\r')
			*to++ = ' ';
	}
	*to = '\0';
	return text;
}

static bool troubled(const char *line)
{
	const char *at;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(trouble); i++) {
		at = strstr(line, trouble[i]);
		if (at && (at == line || !isalnum((unsigned char)at[-1])))
			return true;
	}
	return false;
}

static void print_lines(char **lines, size_t first, size_t end)
{
	for (; first < end; first++)
		fprintf(stderr, "console: %s\n", lines[first]);
}

static size_t split_lines(char *text, char ***lines)
{
	size_t nr = 0, room = 0;
	char *line;

	*lines = NULL;
	while ((line = strsep(&text, "\n"))) {
		if (nr == room) {
			room = room * 2 + 64;
			*lines = realloc(*lines, room * sizeof(**lines));
			if (!*lines)
				abort();
		}
		(*lines)[nr++] = line;
	}
	/* What follows the last newline is nothing. */
	if (nr && !*(*lines)[nr - 1])
		nr--;
	return nr;
}

bool console_clean(int fd)
{
	char *text = console_text(fd);
	size_t first, end, nr;
	bool good_end;
	char **lines;

	good_end = strstr(text, GOOD_END);
	nr = split_lines(text, &lines);
	for (first = 0; first < nr && !troubled(lines[first]); first++)
		;
	if (first < nr) {
		fprintf(stderr, "vm: the guest's kernel reported trouble:\n");
		if (strstr(lines[first], STALE_INT3))
			fputs("vm: (a stale int3 is QEMU's: see tools/vm/run)\n", stderr);
		end = first + TROUBLE_LINES < nr ? first + TROUBLE_LINES : nr;
		first = first > CONTEXT_LINES ? first - CONTEXT_LINES : 0;
		print_lines(lines, first, end);
	} else if (!good_end) {
		fprintf(stderr, "vm: the guest did not go down in good order:\n");
		print_lines(lines, nr > TAIL_LINES ? nr - TAIL_LINES : 0, nr);
		first = 0;
	}
	free(lines);
	free(text);
	return first == nr && good_end;
}

void console_tail(int fd)
{
	char *text = console_text(fd);
	char **lines;
	size_t nr;

	nr = split_lines(text, &lines);
	print_lines(lines, nr > TAIL_LINES ? nr - TAIL_LINES : 0, nr);
	free(lines);
	free(text);
}
