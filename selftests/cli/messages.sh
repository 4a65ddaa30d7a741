#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# weir send and recv.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/weir.sh"

cleanup() {
	local path
	for path in /sys/class/weir/*; do
		[ ! -e "$path" ] || weir queue destroy --force "${path##*/}"
	done
}

# Each test has a queue of its own.
with_queue() {
	weir queue create q "$@"
}

test_words() {
	with_queue
	status 0 weir send q one 'two words' '' three
	[ ! -s out ] || fail "send says something"
	status 0 weir recv q
	printf 'one\ntwo words\n\nthree\n' | cmp - out
	status 0 weir recv q
	[ ! -s out ]
}

test_lines() {
	with_queue
	printf 'a\n\nb b\nno newline at the end' | weir send q
	equal sent 4 "$(figure q sent)"
	status 0 weir recv q
	printf 'a\n\nb b\nno newline at the end\n' | cmp - out
}

test_delimiter() {
	with_queue
	printf 'a,b\nc,d' | weir send q --delimiter ,
	equal sent 3 "$(figure q sent)"
	status 0 weir recv q --format '[%v]'
	printf '[a][b\nc][d]' | cmp - out
}

# A file of some size comes out as it went in.
test_file() {
	with_queue
	seq 1 20000 > file
	weir send q < file
	weir recv q > got
	cmp file got
	equal settled 20000 "$(figure q settled)"
}

test_bytes_are_kept() {
	local i
	with_queue
	for i in 1 2 3 4 5 6 7 8; do
		printf 'x\001\200\377\t %%v \\n' >> bytes
	done
	weir send q < bytes
	weir recv q -n 1 > got
	printf '\n' >> bytes
	cmp bytes got
}

test_counted() {
	with_queue
	seq 5 | weir send q
	status 0 weir recv q -n 3
	printf '1\n2\n3\n' | cmp - out
	equal depth 2 "$(figure q depth)"
	equal settled 3 "$(figure q settled)"
}

test_waits_for_more() {
	with_queue
	weir recv q -n 3 > got &
	until_true waits_on $! q
	weir send q a
	weir send q b c d
	wait $!
	printf 'a\nb\nc\n' | cmp - got
	equal depth 1 "$(figure q depth)"
}

test_timeout() {
	with_queue
	weir send q a
	status 6 weir recv q -n 2 --timeout 20ms
	equal out a "$(cat out)"
	equal settled 1 "$(figure q settled)"
}

test_follow() {
	with_queue
	weir recv q --follow > got &
	until_true waits_on $! q
	seq 3 | weir send q
	until_true has_figure q settled 3
	seq 3 | cmp - got
	kill $!
	wait $! || :
}

# The reader of a pipe that goes takes nothing with it that it did not read.
test_broken_pipe() {
	local i
	with_queue
	seq 300 | weir send q
	for i in 1 2 3 4 5 6 7 8 9 10; do
		weir recv q | head -n 1 >> got
	done
	weir recv q >> got
	sort -n got | uniq > unique
	seq 300 | cmp - unique
}

test_follow_into_a_broken_pipe() {
	with_queue
	seq 100 | weir send q
	weir recv q --follow | head -n 3 > got &
	until_true grep -q 3 got
	weir send q last
	wait $! || :
	until_true has_figure q leased 0
	weir recv q >> got
	{ seq 100; echo last; } | sort > all
	sort -u got | cmp - all
}

# ends PID: it has, or is told so, again.
ends() {
	! kill -TERM "$1" 2> /dev/null
}

# Told to end, it leaves to the reader of a pipe what is there already, and settles it.
test_ended_into_a_pipe() {
	local line reader
	with_queue
	mkfifo pipe
	weir send q 1 2
	weir recv q --follow > pipe &
	exec {reader}< pipe
	until_true has_figure q leased 1
	until_true sleeps $!
	kill -TERM $!
	until_true sleeps $!
	equal leased 1 "$(figure q leased)"
	read -r line <&"$reader"
	equal line 1 "$line"
	wait $! || equal status 143 $?
	equal settled 1 "$(figure q settled)"
	equal depth 1 "$(figure q depth)"
	# Told again, a while later, it gives it back.
	weir recv q --follow > pipe &
	until_true has_figure q leased 1
	until_true ends $!
	wait $! || equal status 143 $?
	equal depth 1 "$(figure q depth)"
	exec {reader}<&-
}

# With a lease that is shorter than its reader takes it says so, and at once.
test_late_for_ever() {
	local line reader
	with_queue
	mkfifo pipe
	weir send q 1
	weir recv q --follow --lease 1ns > pipe 2> said &
	exec {reader}< pipe
	until_true has_figure q expired 1
	read -r line <&"$reader"
	until_true grep -q 'printed too late, and delivered again' said
	kill -9 $!
	exec {reader}<&-
}

# Those that wait for others of their key are there, too.
test_keyed() {
	weir queue create q --keyed
	weir send q a1 a2 a3 -k A
	weir send q n1 n2
	status 0 weir recv q
	equal lines 5 "$(wc -l < out)"
	equal depth 0 "$(figure q depth)"
}

# Killed, it gives back what it had not settled.
test_killed() {
	with_queue
	seq 50 | weir send q
	weir recv q --no-settle -n 50 --follow > got &
	until_true has_figure q leased 50
	kill -9 $!
	wait $! || :
	until_true has_figure q depth 50
	status 0 weir recv q
	seq 50 | cmp - out
}

test_no_settle() {
	with_queue
	seq 3 | weir send q
	status 0 weir recv q --no-settle
	seq 3 | cmp - out
	until_true has_figure q depth 3
	equal settled 0 "$(figure q settled)"
	equal leased 0 "$(figure q leased)"
}

test_key_and_headers() {
	with_queue
	weir send q value -k key -H a=1 -H b=two -H a=3
	status 0 weir recv q --format '%v|%k|%h{a}|%h{b}|%h{c}|%o|%u|%%%n'
	equal format 'value|key|1|two||0|0|%' "$(cat out)"
}

test_json() {
	with_queue
	weir send q 'say "hi"\' -k key -H a=1
	printf '\377\376' > /dev/weir/queue/q
	status 0 weir recv q -j
	equal lines 2 "$(wc -l < out)"
	sed -n 1p out | grep -q '"value":"say \\"hi\\"\\\\"'
	sed -n 1p out | grep -q '"offset":0'
	sed -n 1p out | grep -q '"key":"key"'
	sed -n 2p out | grep -q '"value_base64":"//4="'
}

test_full_waits() {
	with_queue --messages 2
	weir send q 1 2
	weir send q 3 2> err &
	until_true has_figure q waiters 1
	until_true grep -q "queue 'q'.*full" err
	equal out 1 "$(weir recv q -n 1)"
	wait $!
	equal depth 2 "$(figure q depth)"
}

# Whatever is done again is done once.
test_id() {
	with_queue --dedup-count 2
	for id in a a b a c a; do
		status 0 weir send q "$id" --id $id
	done
	equal duplicates 2 "$(figure q duplicates)"
	equal out 'a b c a' "$(weir recv q | tr '\n' ' ' | sed 's/ $//')"
}

test_producer() {
	with_queue
	seq 3 | weir send q --producer p
	seq 3000 | weir send q --producer p
	seq 5 | weir send q --producer other
	weir send q --producer p 1 2 3
	equal sent 3005 "$(figure q sent)"
	weir recv q -n 3000 > got
	seq 3000 | cmp - got
}

# One that is killed goes on where it was; and if it was not killed it is fenced.
test_producer_again() {
	local pid ended=0
	with_queue --messages 10
	seq 100 | weir send q --producer p 2> err &
	until_true has_figure q waiters 1
	kill -9 $!
	wait $! || :
	weir recv q -n 10 > got
	mkfifo lines
	weir send q --producer p < lines 2> err &
	pid=$!
	exec 9> lines
	seq 13 >&9
	until_true has_figure q sent 13
	seq 20 | weir send q --producer p
	weir recv q >> got
	seq 21 30 >&9
	exec 9>&-
	wait $pid || ended=$?
	equal status 1 "$ended"
	grep -q "another process is the producer 'p'" err
	equal depth 0 "$(figure q depth)"
	seq 20 | cmp - got
}

# Through a path, as through a name.
test_path() {
	with_queue
	weir send /dev/weir/queue/q hello
	equal recv hello "$(weir recv /dev/weir/queue/q)"
}

test_many_processes() {
	local i pids=
	with_queue --bytes 1M
	for i in 1 2 3; do
		seq -f "$i %g" 500 | weir send q &
		pids="$pids $!"
	done
	weir recv q -n 700 > one &
	weir recv q -n 800 > two &
	wait
	cat one two | sort > got
	{ seq -f '1 %g' 500; seq -f '2 %g' 500; seq -f '3 %g' 500; } | sort | cmp - got
}

# It waits no longer than that for room, and tells what was sent.
test_send_timeout() {
	with_queue --messages 3
	status 6 weir send q 1 2 3 4 5 --timeout 50ms
	grep -q 'the first 3 were sent' err || fail "$(cat err)"
	equal depth 3 "$(figure q depth)"
	status 6 weir send q --timeout 0 4
	[ "$(grep -c waiting err)" = 0 ]
	weir send q --timeout 1h 4 2> err &
	until_true has_figure q waiters 1
	weir recv q -n 1 > /dev/null
	wait $!
	equal depth 3 "$(figure q depth)"
	status 2 weir send q --timeout x 5
}

# What a slow reader has for longer than that is delivered again, and he is told.
test_lease() {
	with_queue
	seq 3 | weir send q
	{ until_true has_figure q expired 1; cat > got; } < <(
		rc=0
		weir recv q -n 1 --lease 1ns 2> said || rc=$?
		echo $rc > rc
	)
	until_true [ -s rc ]
	equal status 1 "$(cat rc)"
	grep -q 'printed too late' said || fail "$(cat said)"
	equal depth 3 "$(figure q depth)"
	# In time.
	status 0 weir recv q --lease 1h -F '%d %v%n'
	printf '2 1\n1 2\n1 3\n' | cmp - out
	status 2 weir recv q --lease 0
	status 2 weir recv q --lease x
}

run_tests
