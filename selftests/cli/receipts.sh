#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# weir send --receipt, recv --receipts: what is told of the end of messages.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/weir.sh"

cleanup() {
	local path
	for path in /sys/class/weir/*/; do
		[ ! -e "$path" ] || weir queue destroy --force "$(basename "$path")"
	done
}

# What is the same each time: all but when it ended, and by which process.
same() {
	sed 's/ [0-9-]*T[0-9:.]*Z / AT /; s/ 0 [0-9]* \([^ ]*\)$/ 0 PID \1/' "$@"
}

test_outcomes() {
	weir queue create told
	weir queue create q --discard --ttl unlimited
	seq 2 | weir send q --receipt told --token 10
	status 0 weir recv q -n 1 --name w1
	weir queue purge q
	status 0 weir recv told --receipts -n 2
	same out > lines
	printf '10 q 0 acked - 1 AT 0 PID w1\n11 q 1 purged - 0 AT - - -\n' | cmp - lines
	weir send q --receipt told --ttl 1ns x
	status 0 weir recv told --receipts -n 1
	equal expired '1 q 2 discarded expired 0 AT - - -' "$(same out)"
	weir send q --receipt told y
	weir queue destroy --force q
	status 0 weir recv told --receipts -n 1
	equal destroyed '1 q 3 destroyed - 0 AT - - -' "$(same out)"
	equal nothing 0 "$(weir recv told --receipts | wc -l)"
}

test_json() {
	weir queue create told
	weir queue create q
	weir send q --receipt told --token 7 x
	weir recv q -n 1 > /dev/null
	status 0 weir recv told --receipts -n 1 -j
	grep -q '"token":7,' out
	grep -q '"outcome":"acked"' out
	grep -q '"queue":"q"' out
	grep -q '"deliveries":1,' out
	grep -q '"consumer":""' out
	grep -q '"first_ns":[1-9]' out
}

# Without room for it a message is not sent; and it is said whose room that is.
test_full() {
	weir queue create told --messages 2
	weir queue create q
	status 5 weir send q --receipt told a b c
	grep -q "queue 'told': it has no room for a receipt" err
	grep -q 'the first 2 were sent' err
	equal depth 2 "$(cat /sys/class/weir/q/depth)"
	weir recv q > /dev/null
	status 0 weir recv told --receipts -n 2
	status 0 weir send q --receipt told c
}

# A producer that begins again has the same tokens, and no receipts of duplicates.
test_producer() {
	weir queue create told
	weir queue create q
	seq 3 | weir send q --receipt told --producer p
	seq 5 | weir send q --receipt told --producer p
	weir recv q > /dev/null
	status 0 weir recv told --receipts -n 5
	equal tokens '1 2 3 4 5' "$(cut -d' ' -f1 out | tr '\n' ' ' | sed 's/ $//')"
	equal bytes 0 "$(cat /sys/class/weir/told/bytes)"
}

# Who may send there is no kernel.
test_stranger() {
	weir queue create told
	weir queue create q
	weir send told '1 q 0 acked - 1 AT 0 1 -'
	weir send q --receipt told x
	weir recv q > /dev/null
	status 1 weir recv told --receipts -n 1
	equal lines 1 "$(wc -l < out)"
	grep -q 'message 0 is no receipt' err
	# It is not thrown away; into a pipe likewise.
	equal depth 1 "$(cat /sys/class/weir/told/depth)"
	equal nothing '' "$(weir recv told --receipts 2> err)"
	# It is held, whatever the lease is, and so is not one after the other.
	status 1 weir recv told --receipts -n 1 --lease 200ms --timeout 600ms
	equal said 1 "$(grep -c 'is no receipt' err)"
	status 0 weir recv told
	equal message '1 q 0 acked - 1 AT 0 1 -' "$(cat out)"
}

test_usage() {
	weir queue create told
	weir queue create q
	status 2 weir send q --token 1 x
	status 2 weir send q --receipt told --token x x
	status 2 weir send q --receipt q x
	status 3 weir send q --receipt nowhere x
	status 2 weir recv told --receipts --format %v
	equal sent 0 "$(cat /sys/class/weir/q/sent)"
}

run_tests
