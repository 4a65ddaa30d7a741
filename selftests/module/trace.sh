#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# A tracepoint for each step of a message.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/weir.sh"
PATH=$here:$PATH

tracing=/sys/kernel/tracing
instance=$tracing/instances/weir-selftest

# Switched on and off while nothing else runs.
begin() {
	mkdir -p $instance
	echo > $instance/trace
	echo 1 > $instance/events/weir/enable
	hold create traced
}

end() {
	echo 0 > $instance/events/weir/enable
	cat $instance/trace > trace
	rmdir $instance
}

# seen EVENT FIELDS: it is in the trace.
seen() {
	grep -q "$1: name=traced .*$2\|$1: name=traced $2" trace || {
		sed 's/^/# /' trace
		fail "no $1 with $2"
	}
}

test_events_are_there() {
	local event
	for event in send deliver settle put_back destroy; do
		[ -d "$tracing/events/weir/weir_$event" ] || fail "no weir_$event"
	done
}

test_life_of_messages() {
	begin
	printf hello > /dev/weir/queue/traced
	printf world! > /dev/weir/queue/traced
	head -c 5 /dev/weir/queue/traced > /dev/null
	head -c 2 /dev/weir/queue/traced > /dev/null
	until_true has_figure traced leased 0
	head -c 3 /dev/weir/queue/traced > /dev/null
	until_true has_figure traced leased 0
	hold destroy traced
	end
	seen weir_send "offset=0 size=5 "
	seen weir_send "offset=1 size=6 "
	seen weir_deliver "offset=0 size=5 deliveries=1"
	seen weir_settle "offset=0 "
	seen weir_deliver "offset=1 size=6 deliveries=1"
	seen weir_deliver "offset=1 size=6 deliveries=2"
	seen weir_destroy "depth=1 leased=0"
	# In this order.
	grep -o 'weir_[a-z_]*: name=traced offset=1' trace | cut -d: -f1 > order
	printf 'weir_%s\n' send deliver put_back deliver put_back | cmp - order
}

run_tests
