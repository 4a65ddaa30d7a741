#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# The KUnit tests of the mechanism (kernel/tests), as one list: I30, I43.
#
# weir_test.ko is beside weir.ko where the kernel has KUnit. WEIR_TEST_SEED=N does
# once more what a failure says.
set -u

debugfs=/sys/kernel/debug
module=$(dirname "${WEIR_MODULE:-${WEIR_TOP:-../..}/weir.ko}")/weir_test.ko

skip() {
	echo "1..0 # SKIP $*"
	exit 4
}

fail() {
	echo "1..1"
	echo "not ok 1 $*"
	exit 1
}

echo "TAP version 13"
mountpoint -q $debugfs || mount -t debugfs none $debugfs 2> /dev/null
[ -d $debugfs/kunit ] || skip "no KUnit in this kernel"
[ -e "$module" ] || fail "$module is not there"

# Memory that may wait can be made to fail too, and says nothing when it does.
set_fault() {
	[ ! -e "$debugfs/$1" ] || echo "$2" > "$debugfs/$1"
}
for kind in failslab fail_page_alloc; do
	set_fault $kind/ignore-gfp-wait N
	set_fault $kind/verbose 0
done
set_fault fail_page_alloc/min-order 0

insmod "$module" ${WEIR_TEST_SEED:+seed=$WEIR_TEST_SEED} || fail "insmod $module"

# KTAP nests the cases of a suite; here each is a test of its own.
cat $debugfs/kunit/weir_*/results |
	awk '
		/^    # Subtest: / { suite = $NF; next }
		/^    (not )?ok [0-9]/ {
			bad = $1 == "not"
			failed += bad
			print (bad ? "not ok " : "ok ") ++n " " suite "." $(bad ? 4 : 3)
			next
		}
		/^    / && !/^    (KTAP|1\.\.)/ { print "#" $0 }
		END { print "1.." n + 0; exit failed || !n }'
status=$?
rmmod weir_test || status=1
exit $status
