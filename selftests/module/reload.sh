#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# Loading and unloading (I25): refused while anything is in use, clean otherwise,
# over and over, with traffic between.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/weir.sh"

# Removal and traffic are to meet.
taskset -p ffff $$ > /dev/null
PATH=$here:$PATH

queues=/dev/weir/queue

load() {
	if [ -e "${WEIR_MODULE:-}" ]; then
		insmod "$WEIR_MODULE"
	else
		modprobe weir
	fi
}

loaded() {
	[ -d /sys/module/weir ]
}

busy() {
	status 1 rmmod weir
	loaded || fail "the module is gone"
}

gone() {
	rmmod weir
	if loaded; then fail "still there"; fi
	[ ! -e /dev/weir ] || fail "left: $(ls -R /dev/weir)"
	[ ! -e /sys/class/weir ] || fail "/sys/class/weir is still there"
	load
	[ -c /dev/weir/control ]
}

# By an object, by whoever has a file open, and by the latter when the object is gone.
test_in_use() {
	hold create q
	busy
	hold destroy q
	hold open /dev/weir/control sh -c '! rmmod weir 2> err'
	hold create q
	hold open $queues/q sh -c 'hold destroy q && ! rmmod weir 2> err'
	gone
}

test_mapped() {
	hold create q
	echo message > $queues/q
	hold map $queues/q sh -c 'hold destroy q && ! rmmod weir 2> err'
	gone
}

test_polled() {
	hold create q
	hold epoll $queues/q sh -c 'hold destroy q && ! rmmod weir 2> err'
	gone
}

# A reader that waits, is told of the end, and then lets the module go.
test_blocked_reader() {
	local door
	for door in rw ioctl uring; do
		hold create q
		hold $door $queues/q true 2> err &
		until_true has_figure q waiters 1
		busy
		hold destroy q
		wait $! && fail "the reader did not fail"
		grep -q shutdown err || fail "$door: $(cat err)"
		gone
	done
}

# Those who die while they hold something are seen to before.
test_dead_holders() {
	local door
	hold create q
	for door in rw ioctl uring rw ioctl uring; do
		echo message > $queues/q
		hold $door $queues/q true &
	done
	wait
	hold destroy q
	gone
}

test_loop() {
	local _
	for _ in 1 2 3; do
		rmmod weir
		load
		hold create q
		hold create r
		seq 100 > lines
		while read -r line; do echo "$line"; done < lines > $queues/q
		cat $queues/q > got &
		reader=$!
		until_true has_figure q settled 100
		hold destroy q
		wait $reader || :
		cmp lines got
		echo left > $queues/r
		hold destroy r
	done
}

# With messages, leases and readers in it, and the module goes the moment it may.
test_loop_in_a_hurry() {
	local _
	for _ in 1 2 3; do
		hold create q
		for n in 1 2 3 4 5; do echo "message $n" > $queues/q; done
		head -c 3 $queues/q > /dev/null &
		cat $queues/q > /dev/null 2>&1 &
		cat $queues/q > /dev/null 2>&1 &
		hold destroy q
		until_true rmmod weir 2> /dev/null
		wait
		load
	done
}

run_tests
