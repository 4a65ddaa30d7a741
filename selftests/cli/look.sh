#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# weir queue browse, queue show --leases, recv --name: to look, and to be seen.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/weir.sh"

cleanup() {
	local path
	for path in /sys/class/weir/*; do
		[ ! -e "$path" ] || weir queue destroy --force "${path##*/}"
	done
}

# field NAME: its value in each JSON object on standard input, unquoted.
field() {
	sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

# All figures that others could change.
figures() {
	grep -r . /sys/class/weir/q/ 2> /dev/null | grep -v 'oldest_age_ns\|/power/\|uevent' | sort
}

test_browse() {
	weir queue create q --priorities 3
	seq 20 | weir send q -k key -H a=b
	weir send q --priority 2 first
	figures > before
	status 0 weir queue browse q
	{ seq 20; echo first; } | cmp - out
	status 0 weir queue browse q --from 18
	printf '19\n20\nfirst\n' | cmp - out
	status 0 weir queue browse q --from 3 -n 2
	printf '4\n5\n' | cmp - out
	status 0 weir queue browse q -n 0
	[ ! -s out ]
	status 0 weir queue browse q --from 21
	[ ! -s out ]
	status 0 weir queue browse q --from 19 -F '%o %k %p %d %h{a} %v%n'
	printf '19 key 0 0 b 20\n20  2 0  first\n' | cmp - out
	status 0 weir queue browse q --from 20 -j
	equal priority 2 "$(field priority < out)"
	equal state ready "$(field state < out)"
	figures | diff before -
	status 0 weir recv q -n 1
	equal first first "$(cat out)"
}

# More than is held at a time, by offset also where slots are used again.
test_browse_much() {
	local i
	weir queue create q --bytes 1G
	seq 500 | weir send q
	weir recv q -n 300 > /dev/null
	head -c 9000000 /dev/urandom | tr '\n\0' xx > large
	for ((i = 0; i < 6; i++)); do
		weir send q -d '\0' < large
	done
	seq 501 1000 | weir send q
	{
		seq 301 500
		for ((i = 0; i < 6; i++)); do cat large; echo; done
		seq 501 1000
	} > expected
	status 0 weir queue browse q
	cmp expected out
}

test_states() {
	weir queue create q
	weir send q leased
	weir recv q -n 1 --follow --no-settle > held &
	until_true has_figure q leased 1
	weir send q ready
	weir send q --delay 1h delayed
	status 0 weir queue browse q -j
	equal states 'leased ready delayed' "$(field state < out | xargs)"
	kill $!
	wait
}

test_leases() {
	local pid
	weir queue create q --lease 1h
	weir queue create empty
	seq 3 | weir send q
	weir recv q -n 2 --follow --no-settle --name 'worker 7' > held &
	pid=$!
	until_true has_figure q leased 2
	status 0 weir queue show q --leases
	equal lines 3 "$(wc -l < out)"
	grep -q "^ *0 *$pid *0 *1 .* worker 7$" out || fail "$(cat out)"
	grep -q "^ *1 *$pid *0 *1 .* worker 7$" out
	status 0 weir queue show q --leases -j
	equal offsets '0 1' "$(field offset < out | xargs)"
	equal pids "$pid $pid" "$(field pid < out | xargs)"
	equal uids '0 0' "$(field uid < out | xargs)"
	equal names 'worker 7 worker 7' "$(field name < out | xargs)"
	equal counts '1 1' "$(field deliveries < out | xargs)"
	# recv's leases have no end; its process has.
	equal left "$((2 ** 63 - 1)) $((2 ** 63 - 1))" "$(field left_ns < out | xargs)"
	[ "$(field age_ns < out | head -1)" -gt 0 ]
	kill $pid
	wait
	status 0 weir queue show q --leases
	equal lines 1 "$(wc -l < out)"
	status 0 weir queue show empty --leases -j
	[ ! -s out ]
}

test_refused() {
	weir queue create q
	status 3 weir queue browse nothing
	status 3 weir queue show nothing --leases
	status 2 weir queue browse q --from x
	status 2 weir queue browse q -n -1
	status 2 weir queue browse q -F '%z'
	status 2 weir queue browse q -j -F '%v'
	status 2 weir recv q --name "$(printf '%064d' 0)"
	status 2 weir recv q --name $'a\nb'
	status 0 weir recv q --name "$(printf '%063d' 0)"
	chmod 0200 /dev/weir/queue/q
	chmod 0777 .
	status 4 setpriv --reuid 65534 --clear-groups weir queue browse q
	status 4 setpriv --reuid 65534 --clear-groups weir queue show q --leases
}

run_tests
