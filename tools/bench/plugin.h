/* SPDX-License-Identifier: MIT */
/*
 * The calls of QEMU's plugin interface, version 1, that the tracer needs. QEMU's
 * own header is not packaged everywhere; what these do is in its documentation
 * ("QEMU TCG Plugins").
 */
#ifndef WEIR_BENCH_PLUGIN_H
#define WEIR_BENCH_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#define PLUGIN_VERSION	1
#define PLUGIN_EXPORT	__attribute__((visibility("default")))

typedef uint64_t plugin_id;

struct qemu_plugin_tb;
struct qemu_plugin_insn;

/* Which registers a callback uses. */
enum plugin_registers {
	PLUGIN_NO_REGISTERS,
};

typedef void (*plugin_translated)(plugin_id id, struct qemu_plugin_tb *tb);
typedef void (*plugin_executed)(unsigned int vcpu, void *data);
typedef void (*plugin_exiting)(plugin_id id, void *data);

/* Of the plugin. */
extern int qemu_plugin_version;
int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

/* Of QEMU. */
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, plugin_translated callback);
void qemu_plugin_register_atexit_cb(plugin_id id, plugin_exiting callback, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    plugin_executed callback,
					    enum plugin_registers registers, void *data);

#endif
