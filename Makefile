# SPDX-License-Identifier: MIT
# For people. Kbuild is for the kernel.

BUILD	:= $(CURDIR)/build
PREFIX	?= /usr/local

# Where tools/setup puts the guest's kernel and the kernel's source.
export WEIR_CACHE ?= $(HOME)/.cache/weir
export KSELFTEST_DIR ?= $(WEIR_CACHE)/source/tools/testing/selftests

# HOST=1: for the kernel that runs here, instead of the guest's.
export HOST
ifeq ($(HOST),1)
KDIR	?= /lib/modules/$(shell uname -r)/build
SETUP	:= tools/setup --host
RUN	:= tools/vm/here
else
KDIR	?= $(WEIR_CACHE)/stock/build
SETUP	:= tools/setup
RUN	:= tools/vm/run
endif
export KDIR

JOBS	:= -j$(shell nproc)
PLACES	= BUILD=$(BUILD) DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)
MAKEFLAGS += --no-print-directory

all: modules tools selftests

modules: $(KDIR)
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

$(KDIR):
	@echo "no kernel to build for at $@: run tools/setup" >&2; false

userspace:
	$(MAKE) $(PLACES) -C userspace

tools: userspace
	$(MAKE) $(PLACES) -C tools/weir
	$(MAKE) $(PLACES) -C tools/demo

selftests: userspace
	$(MAKE) $(PLACES) -C selftests

check:
	tools/check

run:
	$(SETUP)
	$(MAKE) $(JOBS) all
	$(RUN) tools/demo/run

test:
	$(SETUP)
	$(MAKE) $(JOBS) all
	tools/test

test-debug:
	$(SETUP)
	$(MAKE) $(JOBS) tools selftests
	tools/test-debug

kernels:
	$(SETUP)
	tools/kernels/build debug kcsan

bench-gate: modules
	tools/bench/gate

install: modules tools
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_PATH=$(DESTDIR) modules_install
	$(MAKE) $(PLACES) -C userspace install
	$(MAKE) $(PLACES) -C tools/weir install
	$(if $(DESTDIR),,depmod $(RELEASE))

uninstall:
	rm -f $(DESTDIR)/lib/modules/$(RELEASE)/updates/weir.ko*
	$(MAKE) $(PLACES) -C userspace uninstall
	$(MAKE) $(PLACES) -C tools/weir uninstall
	$(if $(DESTDIR),,depmod $(RELEASE))

RELEASE	= $(shell $(MAKE) -s -C $(KDIR) kernelrelease)

clean:
	$(if $(wildcard $(KDIR)),$(MAKE) -C $(KDIR) M=$(CURDIR) clean)
	rm -rf $(BUILD)

define HELP
make run         set up, build, and move a real file through a kernel queue
make test        set up, build, and run every test
make test-debug  the same on a kernel that reports leaks and stray accesses
make kernels     build that kernel, and one that reports data races, into the cache
make             build the module, the tools and the selftests
make modules     build weir.ko
make tools       build the libraries and tools, into build/
make selftests   build the tests
make check       style and static analysis
make bench-gate  count instructions per message, against what is committed
make install     install module and tools (DESTDIR, PREFIX=$(PREFIX))
make uninstall   remove them
make clean       remove what was built; the cache stays

HOST=1           use the running kernel, not a guest (as root, or with sudo)
KDIR=DIR         build the module for another kernel
WEIR_CACHE=DIR   the guest's kernel and the kernel's source [$(WEIR_CACHE)]

tools/vm/run     a shell in the guest; --help tells the rest
endef

help:
	$(info $(HELP))@:

.PHONY: all modules userspace tools selftests check run test test-debug kernels bench-gate install uninstall clean help
