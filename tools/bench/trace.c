// SPDX-License-Identifier: MIT
/*
 * A plugin for QEMU that writes down the address of each instruction that a
 * guest of one processor executes between two marks (mark.h):
 *
 *   -plugin trace.so,out=FILE
 *
 * FILE is an array of 64-bit addresses, in order, with a 0 for each MARK_TURN.
 */
#include "mark.h"
#include "plugin.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

PLUGIN_EXPORT int qemu_plugin_version = PLUGIN_VERSION;

static FILE *out;
static bool tracing;

static void executed(unsigned int vcpu, void *address)
{
	uint64_t word = (uintptr_t)address;

	(void)vcpu;
	if (__builtin_expect(tracing, 0))
		fwrite(&word, sizeof(word), 1, out);
}

static void marked(unsigned int vcpu, void *data)
{
	enum mark mark = (uintptr_t)data;

	if (mark == MARK_TURN)
		executed(vcpu, NULL);
	else
		tracing = mark == MARK_BEGIN;
}

/* The enum mark that @insn is, or 0. */
static unsigned int mark_of(const struct qemu_plugin_insn *insn)
{
	const unsigned char *bytes = qemu_plugin_insn_data(insn);
	const size_t prefix = sizeof(MARK_PREFIX) - 1, suffix = sizeof(MARK_SUFFIX) - 1;

	if (qemu_plugin_insn_size(insn) != MARK_BYTES || memcmp(bytes, MARK_PREFIX, prefix) ||
	    memcmp(bytes + prefix + 1, MARK_SUFFIX, suffix))
		return 0;
	return bytes[prefix];
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	size_t i, nr = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (i = 0; i < nr; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uintptr_t mark = mark_of(insn);

		if (mark)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, PLUGIN_NO_REGISTERS,
							       (void *)mark);
		else
			qemu_plugin_register_vcpu_insn_exec_cb(insn, executed, PLUGIN_NO_REGISTERS,
							       (void *)(uintptr_t)
							       qemu_plugin_insn_vaddr(insn));
	}
}

static void leave(plugin_id id, void *data)
{
	(void)id;
	(void)data;
	fclose(out);
}

PLUGIN_EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4)) {
		fprintf(stderr, "trace: out=FILE is wanted\n");
		return -1;
	}
	out = fopen(argv[0] + 4, "wb");
	if (!out) {
		perror(argv[0] + 4);
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, leave, NULL);
	return 0;
}
