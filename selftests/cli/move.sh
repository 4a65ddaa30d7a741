#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# weir queue move, weir queue redrive.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/weir.sh"

cleanup() {
	local path
	for path in /sys/class/weir/*; do
		[ ! -e "$path" ] || weir queue destroy --force "${path##*/}"
	done
}

test_moved() {
	weir queue create a --priorities 4
	weir queue create b --priorities 4
	weir queue create low --priorities 2
	weir send a first -k key -H one=1 -H two=2
	weir send a second --priority 3
	status 0 weir queue move a b
	equal moved 2 "$(cat out)"
	equal settled 2 "$(figure a settled)"
	equal redelivered 0 "$(figure a redelivered)"
	# It has its priority there, so it comes first.
	equal b 'second|||| first|key|1|2|' \
		"$(weir recv b --no-settle --format '%v|%k|%h{one}|%h{two}| ' | sed 's/ $//')"
	weir send low third --priority 0
	status 0 weir queue move b low -j
	grep -q '"name":"b","moved":2' out || fail "-j: $(cat out)"
	# As high as it can be, and that is higher than the other.
	equal low 'second third first ' "$(weir recv low --format '%v ')"
	status 0 weir queue move a b
	equal nothing 0 "$(cat out)"
}

test_some() {
	weir queue create a
	weir queue create b
	seq 1000 | weir send a
	status 0 weir queue move a b -n 700
	equal moved 700 "$(cat out)"
	equal depth 300 "$(figure a depth)"
	status 0 weir queue move a b -n 700
	equal moved 300 "$(cat out)"
	seq 1000 > all
	weir recv b | cmp - all
}

test_no_room() {
	weir queue create a
	weir queue create b --messages 5
	weir queue create small --bytes 4K
	seq 12 | weir send a
	weir queue move a b > moved 2> err &
	until_true has_figure b depth 5
	until_true grep -q "queue 'b'.*full" err
	equal recv 1,2,3,4,5,6,7,8,9,10,11,12 "$(weir recv b -n 12 | paste -sd,)"
	wait $!
	equal moved 12 "$(cat moved)"
	equal said 1 "$(wc -l < err)"
	# What never fits is not lost, and those before it are moved.
	printf 'x\n%02000d\ny\n' 1 | weir send a
	status 1 weir queue move a small
	grep -q "queue 'small': the message is larger" err
	equal moved 1 "$(cat out)"
	equal depth 2 "$(figure a depth)"
}

# It does not wait where nobody does.
test_rejected() {
	weir queue create a
	weir queue create b --messages 1 --when-full reject
	seq 3 | weir send a
	status 5 weir queue move a b
	equal moved 1 "$(cat out)"
	! grep -q waiting err || fail "it says that it waits"
	equal depth 2 "$(figure a depth)"
}

test_refused() {
	weir queue create a
	weir send a x
	status 2 weir queue move a
	status 2 weir queue move a a
	status 2 weir queue move a /dev/weir/queue/a
	status 2 weir queue move a b -n x
	status 3 weir queue move a nowhere
	status 3 weir queue move nowhere a
	status 2 weir queue redrive a --to a
	equal received 0 "$(figure a received)"
}

# sends_more NAME SENT: whether it has sent more; quicker than figure.
sends_more() {
	local now
	read -r now < "/sys/class/weir/$1/sent"
	[ "$now" != "$2" ]
}

# However it is killed, each message is once in one of the two queues.
test_killed() {
	local from=a to=b sent middle=0
	weir queue create a
	weir queue create b
	seq -f %01000g 6000 | weir send a
	for _ in 1 2 3 4; do
		sent=$(figure $to sent)
		weir queue move $from $to > /dev/null &
		while ! sends_more $to "$sent"; do :; done
		# It may have ended just before.
		kill -KILL $! 2> /dev/null || :
		wait $! || :
		# Known, and back in its place.
		until_true has_figure $from leased 0
		equal sum 6000 $(($(figure a depth) + $(figure b depth)))
		has_figure $from depth 0 || middle=$((middle + 1))
		set -- $to $from
		from=$1 to=$2
	done
	echo "# $middle in the middle"; [ $middle -gt 0 ] || fail "none was killed in the middle"
	{ weir recv a; weir recv b; } | sort > got
	seq -f %01000g 6000 | cmp - got
}

not() {
	! "$@"
}

# with_letters N: as many dead letters of q in letters.
with_letters() {
	weir queue create letters
	weir queue create q --max-deliveries 1 --dead-letter letters
	seq -f 'job %g' "$1" | weir send q -k key -H mine=yes
	weir recv q --no-settle > /dev/null
	until_true has_figure letters depth "$1"
}

test_redriven() {
	with_letters 3
	status 0 weir queue redrive letters
	equal moved 3 "$(cat out)"
	equal depth 0 "$(figure letters depth)"
	status 0 weir recv q -j
	equal lines 3 "$(grep -c '"value":"job [123]"' out)"
	equal headers 3 "$(grep -c '"headers":\[{"name":"mine","value":"yes"}\]' out)"
	grep -q '"key":"key"' out
}

test_redriven_elsewhere() {
	with_letters 3
	weir queue create other
	status 0 weir queue redrive letters --to other -n 2
	equal moved 2 "$(cat out)"
	equal letters 1 "$(figure letters depth)"
	equal other 'job 1 job 2 ' "$(weir recv other --format '%v%h{weir-dead-reason} ')"
}

# The queue where it died last, and what an earlier death said stays.
test_died_twice() {
	weir queue create last
	weir queue create letters --max-deliveries 1 --dead-letter last
	weir queue create q --max-deliveries 1 --dead-letter letters
	weir send q job
	weir recv q --no-settle > /dev/null
	until_true has_figure letters depth 1
	weir recv letters --no-settle > /dev/null
	until_true has_figure last depth 1
	status 0 weir queue redrive last
	equal queues 'q ' "$(weir recv letters -j --no-settle |
		grep -o '"weir-dead-queue","value":"[^"]*"' | sed 's/.*:"//; s/"//' | tr '\n' ' ')"
}

# What is of no queue that there is stays, and the rest goes.
test_not_redriven() {
	with_letters 2
	weir send letters stray
	weir send letters 'of the past' -H weir-dead-reason=term -H weir-dead-queue=gone
	weir send letters 'of a path' -H weir-dead-reason=term -H weir-dead-queue=/dev/weir/queue/q
	weir send letters 'of itself' -H weir-dead-reason=term -H weir-dead-queue=letters
	weir send letters back -H weir-dead-reason=term -H weir-dead-queue=q -H later=x
	status 1 weir queue redrive letters
	equal moved 3 "$(cat out)"
	grep -q "queue 'letters': 4 stay" err || fail "$(cat err)"
	equal depth 4 "$(figure letters depth)"
	equal q 'job 1| job 2| back|x ' "$(weir recv q --format '%v|%h{later} ')"
}

run_tests
