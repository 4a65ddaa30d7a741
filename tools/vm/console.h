/* SPDX-License-Identifier: MIT */
/* The guest's console: what its kernel said, and whether that is a failure. */
#ifndef WEIR_VM_CONSOLE_H
#define WEIR_VM_CONSOLE_H

#include <stdbool.h>

/*
 * Open a new log at @path, or one without a name if it is NULL. The
 * descriptor appends, and survives an exec.
 */
int console_open(const char *path);

/*
 * Read the log. True if the kernel reported no trouble and went down in good
 * order; else what it said about it is on standard error.
 */
bool console_clean(int fd);

/* The log's last lines, to standard error. */
void console_tail(int fd);

#endif
