#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# Exit statuses, what is said with them, help, doctor.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/weir.sh"

cleanup() {
	local path
	for path in /sys/class/weir/*; do
		[ ! -e "$path" ] || weir queue destroy --force "${path##*/}"
	done
}

# other COMMAND...: as a user with no rights.
other() {
	setpriv --reuid 60001 --regid 60001 --clear-groups "$@"
}

# said PATTERN: one line of standard error in the form of all errors.
said() {
	grep -q "$1" err || { sed 's/^/# /' err; fail "no '$1'"; }
}

test_done() {
	status 0 weir queue create q
	[ ! -s err ]
	status 0 weir queue destroy q
}

test_failed() {
	weir queue create q
	status 1 weir queue create q
	said "^weir: queue 'q': .*; .*"
	weir queue destroy q
}

test_usage() {
	status 2 weir
	status 2 weir nonsense
	status 2 weir queue
	status 2 weir queue nonsense
	status 2 weir queue create
	status 2 weir queue create a b
	status 2 weir queue create q --nonsense
	status 2 weir queue create q --messages x
	status 2 weir queue create q --messages -1
	status 2 weir queue create q --mode 9
	status 2 weir recv
	status 2 weir recv q -n x
	status 2 weir recv q --timeout 5
	status 2 weir send
	[ -s err ] || fail "nothing said"
	[ ! -s out ] || fail "on standard output"
	[ ! -e /sys/class/weir/q ]
}

# What can be no name, wherever one is wanted.
test_bad_names() {
	local name
	for name in '' .x -x 'a b' "$(printf 'n%.0s' $(seq 250))"; do
		status 2 weir queue create -- "$name"
		said "; .*"
		status 2 weir queue show -- "$name"
		status 2 weir queue purge -- "$name"
		status 2 weir queue destroy -- "$name"
		status 2 weir queue destroy --force -- "$name"
		status 2 weir send -- "$name" x
		status 2 weir recv -- "$name"
		said "; .*"
	done
}

# Numbers that no queue can have, also those that only the kernel knows.
test_bad_numbers() {
	local option
	for option in --messages=0 --messages=99999999999 --bytes=0 --bytes=1 --bytes=9999999G \
		      --mode=0 --mode=1777 --mode=rw; do
		status 2 weir queue create q "$option"
		[ ! -e /sys/class/weir/q ] || fail "$option makes a queue"
	done
}

# Not only that something is wrong, but what.
test_says_what() {
	weir queue create q
	status 2 weir queue create r --bytes 1
	said "^weir: queue 'r': a number is out of range, or"
	status 2 weir queue create r --priorities 33
	said "a number is out of range"
	status 2 weir queue alter q --messages 65537
	said "^weir: queue 'q': a number is out of range, or"
	status 2 weir queue create .r --bytes 1
	said "^weir: queue '.r': that is no name; see: weir help names"
	status 2 weir send q x --priority 3
	said "^weir: queue 'q': it has no priority 3; .*weir queue show q"
	status 2 weir send .q x --priority 3
	said "that is no name"
	status 2 weir send q x --id i
	said "it knows no ids; .*--dedup-count"
	status 2 weir send q x y --id i
	status 2 weir send q x --id ''
	status 2 weir send q x --producer ''
	status 2 weir send q x --producer "$(printf '%064d' 1)"
	status 2 weir queue create r --lease 5
	said "^weir: --lease: '5' is not a time .*30s"
	status 2 weir queue create r --bytes 5X
	said "^weir: --bytes: '5X' is not a size"
	status 2 weir queue alter q
	said "nothing is named"
	weir queue destroy q
}

# With a queue that is there, so that nothing else is wrong.
test_bad_options() {
	weir queue create q
	weir send q message
	status 2 weir send q x -k ''
	status 2 weir send q x -k "$(printf 'k%.0s' $(seq 4097))"
	status 2 weir send q x -H novalue
	status 2 weir send q x -H =value
	status 2 weir send q x --delimiter ab
	status 2 weir send q x --priority 1
	status 2 weir recv q q
	status 2 weir recv q -n -1
	status 2 weir recv q --timeout 1s
	status 2 weir recv q -n 1 --timeout 1
	status 2 weir recv q --format '%z'
	status 2 weir recv q -j --format '%v'
	status 2 weir queue list q
	status 2 weir queue show q q
	status 2 weir queue show --force q
	status 2 weir doctor q
	status 2 weir help queue create q
	status 2 weir --nonsense queue list
	[ ! -s out ] || fail "on standard output"
	equal depth 1 "$(figure q depth)"
	weir queue destroy --force q
}

test_not_found() {
	status 3 weir queue show q
	said "^weir: queue 'q': .*; .*"
	status 3 weir queue destroy q
	status 3 weir queue destroy --force q
	status 3 weir queue purge q
	status 3 weir send q x
	status 3 weir recv q
}

test_denied() {
	weir queue create q --mode 0600
	status 4 other weir send q x
	said "^weir: queue 'q': .*; .*"
	status 4 other weir recv q
	status 4 other weir queue create r
	status 4 other weir queue destroy q
	weir queue destroy q
}

test_limit() {
	local limit=/sys/module/weir/parameters/user_limit before
	before=$(cat $limit)
	weir queue create q
	echo 1000000 > $limit
	yes 'a line that fills the queue' | head -c 8M > lines
	status 5 weir send q < lines
	said "^weir: queue 'q': .*; .*"
	echo "$before" > $limit
	weir queue destroy --force q
}

test_timed_out() {
	weir queue create q
	status 6 weir recv q -n 1 --timeout 1ms
	said "^weir: queue 'q': .*; .*"
	weir queue destroy q
}

test_destroyed_meanwhile() {
	weir queue create q
	weir recv q --follow 2> err &
	until_true waits_on $! q
	weir queue destroy --force q
	rc=0
	wait $! || rc=$?
	equal status 1 $rc
	said "^weir: queue 'q': .*"
}

test_full_disk() {
	weir queue create q
	weir send q message
	rc=0
	weir recv q > /dev/full 2> err || rc=$?
	equal status 1 $rc
	until_true has_figure q depth 1
	weir queue destroy --force q
}

# lines TEXT: how many.
lines() {
	local text
	mapfile -t text <<< "$1"
	echo ${#text[@]}
}

# One page for each command, and one for each topic.
test_help() {
	local command topic
	status 0 weir help
	sed -n '/^Topics/,$s/^  \([a-z]*\) .*/\1/p' out > topics
	sed '/^Topics/,$d; s/^  \(queue [a-z]*\|[a-z]*\) .*/\1/; t; d' out > commands
	[ "$(lines "$(cat commands)")" -ge 8 ]
	while read -r command; do
		help=$(weir help $command)
		[ "$(lines "$help")" -le 30 ] || fail "$command: more than a page"
		[[ $help == *"usage: weir "*"$command"* ]] || fail "$command: no usage"
		[ "$help" = "$(weir $command --help)" ] || fail "$command: --help differs"
	done < commands
	while read -r topic; do
		[ -n "$(weir help "$topic")" ]
	done < topics
	status 2 weir help nonsense
}

test_doctor() {
	status 0 weir doctor
	grep -q 'features: io_uring, libweir' out || fail "$(cat out)"
	[ -s out ]
	if grep -v '^ok ' out; then fail "not all is well"; fi
	status 0 weir -j doctor
	[ "$(grep -c '"state":"ok"' out)" -eq "$(wc -l < out)" ]
}

# Last, since it takes the module away for a moment.
test_no_module() {
	rmmod weir
	status 7 weir queue list
	said '^weir: .*; .*'
	[ ! -s out ] || fail "a list of what cannot be known"
	status 7 weir send q x
	status 7 weir recv q
	status 7 weir queue create q
	status 7 weir doctor
	if [ -e "${WEIR_MODULE:-}" ]; then
		insmod "$WEIR_MODULE"
	else
		modprobe weir
	fi
	status 0 weir doctor
}

run_tests
