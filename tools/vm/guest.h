/* SPDX-License-Identifier: MIT */
/*
 * The guest as a command finds it. Each of these gives up on failure: it says
 * why on the console and restarts, which ends the run.
 */
#ifndef WEIR_VM_GUEST_H
#define WEIR_VM_GUEST_H

#include <stdbool.h>

_Noreturn void guest_fail(const char *what);

/* Enough of /dev for the channel. */
void guest_mount_devices(void);

/* The modules that the initramfs carries, in the order of their names. */
void guest_load_carried_modules(void);
void guest_load_module(const char *path);

/* The machine's root under a writable overlay, as the new root. */
void guest_enter_root(void);
/* @source, a directory of the machine, as /lib/modules/RELEASE. */
void guest_bind_modules(const char *source);
/* The directory shared for writing, at the place it has on the machine. */
void guest_mount_share(const char *path);
void guest_network_up(void);
/* Those that the kernel's command line told it not to start. */
void guest_start_processors(void);

_Noreturn void guest_restart(void);

#endif
