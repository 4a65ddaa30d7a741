# SPDX-License-Identifier: GPL-2.0
# What the areas share. Each sets TEST_GEN_PROGS and TEST_PROGS, as for lib.mk,
# and TEST_GEN_PROGS_32: of the former, those built for 32-bit callers too.
#
# KSELFTEST_DIR is where the kernel keeps lib.mk and the harness: in a kernel
# tree, with this folder as tools/testing/selftests/weir, two levels up from an
# area; elsewhere that of the cache which tools/setup fills.

weir_selftests := $(abspath $(dir $(lastword $(MAKEFILE_LIST))))
area := $(notdir $(CURDIR))

ifneq ($(wildcard $(weir_selftests)/../lib.mk),)
KSELFTEST_DIR ?= $(abspath $(weir_selftests)/..)
else
WEIR_CACHE ?= $(HOME)/.cache/weir
KSELFTEST_DIR ?= $(WEIR_CACHE)/source/tools/testing/selftests
OUTPUT ?= $(abspath $(weir_selftests)/../build/selftests)/$(area)
KHDR_INCLUDES ?= -isystem $(abspath $(weir_selftests)/../include/uapi)
endif

ifeq ($(wildcard $(KSELFTEST_DIR)/lib.mk),)
$(error no lib.mk in $(KSELFTEST_DIR): run tools/setup, or set KSELFTEST_DIR to \
	tools/testing/selftests of a kernel tree)
endif

ifneq ($(OUTPUT),)
ifneq ($(abspath $(OUTPUT)),$(CURDIR))
building_out_of_srctree := 1
endif
endif

# lib.mk looks for settings only inside of a kernel tree.
kselftest_override_timeout ?= $(shell sed -n 's/^timeout=//p' settings)
export kselftest_override_timeout

# For TEST_INCLUDES.

SRC_PATH ?= $(weir_selftests)
OBJ_PATH ?= $(abspath $(OUTPUT)/..)

ifeq ($(M32),0)
TEST_GEN_PROGS_32 :=
endif
TEST_GEN_PROGS += $(TEST_GEN_PROGS_32:%=%_32)

# Not optimized: the harness keeps variables over setjmp().
CFLAGS += -std=gnu11 -O0 -g -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare \
	  -Wno-missing-field-initializers -Werror -pthread
CFLAGS += $(KHDR_INCLUDES) -I$(KSELFTEST_DIR)
LDLIBS += -pthread

# Headers that a program is rebuilt for; lib.mk leaves these out of the compiler's
# arguments.
LOCAL_HDRS += $(wildcard $(weir_selftests)/*.h *.h)
LOCAL_HDRS += $(wildcard $(weir_selftests)/../include/uapi/linux/weir.h)

include $(KSELFTEST_DIR)/lib.mk

ifneq ($(OUTPUT),)
$(TEST_GEN_PROGS) $(TEST_GEN_PROGS_EXTENDED) $(TEST_GEN_FILES): | $(OUTPUT)
$(OUTPUT):
	mkdir -p $@
endif

# The same sources once more, as 32-bit callers see the kernel.
$(OUTPUT)/%_32: %.c $(LOCAL_HDRS)
	$(call msg,CC,32,$@)
	$(Q)$(LINK.c) -m32 $(filter-out $(LOCAL_HDRS),$^) $(LDLIBS) -o $@
