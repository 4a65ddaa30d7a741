#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# weir queue create, list, show, purge, destroy.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/weir.sh"

cleanup() {
	local path
	for path in /sys/class/weir/*; do
		[ ! -e "$path" ] || weir queue destroy --force "${path##*/}"
	done
}

# field NAME: its value in the JSON object on standard input, unquoted.
field() {
	sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

test_create_defaults() {
	status 0 weir queue create q
	[ ! -s out ] || fail "it says something"
	equal max_messages 65536 "$(figure q max_messages)"
	equal max_bytes $((64 << 20)) "$(figure q max_bytes)"
	equal mode 660 "$(stat -c %a /dev/weir/queue/q)"
	status 0 weir queue destroy q
	[ ! -e /dev/weir/queue/q ]
}

test_create_options() {
	status 0 weir queue create q --messages 12 --bytes 3M --mode 0604 --private
	equal max_messages 12 "$(figure q max_messages)"
	equal max_bytes $((3 << 20)) "$(figure q max_bytes)"
	equal mode 604 "$(stat -c %a /dev/weir/queue/q)"
	equal private 1 "$(figure q private)"
	weir queue destroy q
}

test_sizes() {
	local size
	for size in 4096=4096 64K=65536 1M=1048576 2G=2147483648; do
		weir queue create q --bytes "${size%=*}"
		equal "${size%=*}" "${size#*=}" "$(figure q max_bytes)"
		weir queue destroy q
	done
	for size in '' x 1X -1 1.5K 99999999999G 18446744073709551616; do
		status 2 weir queue create q --bytes="$size"
	done
}

test_leases() {
	local lease
	weir queue create q
	equal default 30000000000 "$(figure q lease_ns)"
	weir queue destroy q
	for lease in 1ns=1 20us=20000 5ms=5000000 45s=45000000000 2m=120000000000 \
		1h=3600000000000 7d=604800000000000 unlimited=9223372036854775807; do
		status 0 weir queue create q --lease "${lease%=*}"
		equal "${lease%=*}" "${lease#*=}" "$(figure q lease_ns)"
		weir queue show q | grep -q "^lease  *${lease%=*}\$" || fail "show"
		equal "${lease%=*}" "${lease#*=}" "$(weir -j queue show q | field lease_ns)"
		weir queue destroy q
	done
	for lease in '' x 0 0s -1s 5 5x 1.5s Unlimited never 99999999999999d; do
		status 2 weir queue create q --lease="$lease"
		[ ! -e /dev/weir/queue/q ] || fail "--lease='$lease' made it"
	done
}

# What show -j prints is what sysfs has, file by file, and there is nothing else.
test_show_is_sysfs() {
	local file key value
	local -A told
	weir queue create q --messages 100 --bytes 1M
	weir send q aa bb cc dd ee
	weir recv q -n 2 > /dev/null
	head -c 1 /dev/weir/queue/q > /dev/null
	status 0 weir queue show q -j
	equal lines 1 "$(wc -l < out)"
	equal name q "$(field name < out)"
	while IFS='=' read -r key value; do
		told[$key]=$value
		[ "$key" = name ] || [ -f "/sys/class/weir/q/$key" ] || fail "sysfs has no $key"
	done < <(grep -o '"[a-z_]*":"\?[^,"}]*' out | sed 's/^"//; s/":"\?/=/')
	for file in /sys/class/weir/q/*; do
		key=${file##*/}
		[ -f "$file" ] && [ "$key" != uevent ] && [ "$key" != dev ] || continue
		[ "$key" != oldest_age_ns ] || continue
		equal "$key" "$(< "$file")" "${told[$key]-nothing}"
	done
	[ "$(field oldest_age_ns < out)" -gt 0 ]
	# The same without -j, one a line.
	status 0 weir queue show q
	grep -q '^depth  *3$' out
	grep -q '^sent  *5$' out
	weir queue destroy --force q
}

# What becomes of dead messages can be taken back.
test_alter_away() {
	weir queue create heir
	weir queue create q --dead-letter heir --max-deliveries 2
	status 2 weir queue alter q --no-dead-letter
	status 2 weir queue alter q --no-dead-letter --dead-letter heir
	equal heir heir "$(figure q dead_letter)"
	status 0 weir queue alter q --no-dead-letter --max-deliveries 0
	equal heir '' "$(figure q dead_letter)"
	equal maximum 0 "$(figure q max_deliveries)"
	# So it is nobody's heir.
	status 0 weir queue destroy heir
	status 0 weir queue alter q --discard --max-deliveries 3
	status 2 weir queue alter q --no-discard
	status 2 weir queue alter q --no-discard --discard
	status 0 weir queue alter q --lease 1m
	equal discard 1 "$(figure q discard)"
	status 0 weir queue alter q --no-discard --max-deliveries 0
	equal discard 0 "$(figure q discard)"
	# The same where the heir was destroyed by force.
	weir queue create heir
	status 0 weir queue alter q --dead-letter heir
	status 2 weir queue alter q --discard
	equal heir heir "$(figure q dead_letter)"
	weir queue destroy --force heir
	equal heir '(gone)' "$(figure q dead_letter)"
	status 2 weir queue alter q --lease 2m
	grep -q 'its dead letter queue was destroyed' err
	status 0 weir doctor
	grep -q '^warn  letters' out
	# It is not always the queue's name that is wrong.
	WEIR_DOOR=none status 2 weir send q x
	grep -q 'is WEIR_DOOR auto' err
	# A ceiling that was not named goes up with what is below it.
	status 0 weir queue alter q --no-dead-letter --backoff 1s --backoff-max 10s
	status 0 weir queue alter q --backoff 20s
	equal ceiling 20000000000 "$(figure q backoff_max_ns)"
	weir queue create other
	status 0 weir queue alter q --dead-letter other
	weir queue destroy --force other
	# Another one of that name is not meant.
	weir queue create heir
	status 2 weir queue alter q --lease 2m
	status 0 weir queue destroy heir
	status 0 weir queue alter q --no-dead-letter
	status 0 weir queue alter q --lease 2m
	equal lease 120000000000 "$(figure q lease_ns)"
	weir queue destroy q
}

test_list() {
	status 0 weir queue list
	weir queue create b
	weir queue create a
	weir queue create c
	status 0 weir queue list
	equal order "a b c" "$(awk 'NR > 1 { print $1 }' out | tr '\n' ' ' | sed 's/ $//')"
	status 0 weir -j queue list
	equal names "a b c" "$(field name < out | tr '\n' ' ' | sed 's/ $//')"
	weir queue destroy a
	weir queue destroy b
	weir queue destroy c
	status 0 weir -j queue list
	[ ! -s out ]
}

test_purge() {
	weir queue create q
	seq 100 | weir send q
	status 0 weir queue purge q
	equal depth 0 "$(figure q depth)"
	equal purged 100 "$(figure q purged)"
	weir queue destroy q
}

test_destroy_refuses() {
	weir queue create q
	weir send q message
	status 1 weir queue destroy q
	grep -q "^weir: queue 'q': .*; .*--force" err
	exec 3<> /dev/weir/queue/q
	weir queue purge q
	status 1 weir queue destroy q
	exec 3>&-
	status 0 weir queue destroy q
}

test_destroy_force() {
	weir queue create q
	weir send q message
	exec 3<> /dev/weir/queue/q
	status 0 weir queue destroy q --force
	exec 3>&-
	status 3 weir queue show q
}

# The queue that gets another's dead letters counts as open, and it is said whose.
test_destroy_heir() {
	weir queue create graves
	weir queue create q --dead-letter graves --max-deliveries 2
	status 1 weir queue destroy graves
	grep -q "^weir: queue 'graves': it gets dead letters of 'q'; .*--force" err
	weir queue destroy q
	status 0 weir queue destroy graves
}

# 0 takes back what was asked for, where the default is none; the rest stays.
test_alter_to_none() {
	local file
	weir queue create q --discard --lease 7s --max-deliveries 3 --backoff 1s \
		--ttl 1h --priorities 2 --starve-after 5
	status 0 weir queue alter q --max-deliveries 0 --backoff 0 --ttl 0 --starve-after 0
	for file in max_deliveries backoff_ns ttl_ns starve_after; do
		equal $file 0 "$(figure q $file)"
	done
	equal lease_ns 7000000000 "$(figure q lease_ns)"
	equal priorities 2 "$(figure q priorities)"
	for file in --lease --messages --bytes --priorities; do
		status 2 weir queue alter q $file 0
	done
	weir queue destroy q
}

# Keys order messages if that was asked for, and go on to when other things are altered.
test_keyed() {
	weir queue create q --keyed --discard
	weir send q -k a 1 2
	weir send q -k b 3
	equal behind 1 "$(figure q behind)"
	equal keyed 1 "$(weir -j queue show q | field keyed)"
	status 0 weir queue alter q --max-deliveries 3
	equal keyed 1 "$(figure q keyed)"
	equal discard 1 "$(figure q discard)"
	status 2 weir queue alter q --keyed
	status 0 weir recv q
	equal order "1 3 2" "$(tr '\n' ' ' < out | sed 's/ $//')"
	weir queue destroy q
}

# Who may receive, and how much.
test_consumers() {
	weir queue create q --prefetch 2 --single-active
	equal prefetch 2 "$(figure q prefetch)"
	equal single_active 1 "$(figure q single_active)"
	status 0 weir queue alter q --exclusive --prefetch 0
	equal prefetch 0 "$(figure q prefetch)"
	equal single_active 0 "$(figure q single_active)"
	equal exclusive 1 "$(figure q exclusive)"
	status 2 weir queue alter q --exclusive --single-active
	weir send q message
	exec 3< /dev/weir/queue/q
	status 1 weir recv q
	grep -q "^weir: queue 'q': only one may receive" err
	exec 3<&-
	status 0 weir recv q
	status 0 weir queue alter q --no-exclusive
	equal exclusive 0 "$(figure q exclusive)"
	weir queue destroy q
}

# What becomes of what has no room.
test_when_full() {
	weir queue create q --messages 2 --when-full drop-oldest
	equal when_full drop-oldest "$(weir queue show q | sed -n 's/^when_full  *//p')"
	weir send q a b c
	equal dropped 1 "$(figure q dropped)"
	equal left "b c" "$(weir recv q | xargs)"
	status 0 weir queue alter q --when-full reject
	equal when_full reject "$(weir -j queue show q | field when_full)"
	status 5 weir send q a b c
	! grep -q waiting err || fail "it says that it waits"
	equal left "a b" "$(weir recv q | xargs)"
	status 0 weir queue alter q --lease 1s
	equal when_full reject "$(weir queue show q | sed -n 's/^when_full  *//p')"
	status 0 weir queue alter q --when-full wait
	status 6 weir send q a b c --timeout 1ms
	status 2 weir queue alter q --when-full dead-letter
	weir queue create heir
	status 0 weir queue alter q --when-full dead-letter --dead-letter heir
	weir send q c
	equal dead a "$(weir recv heir)"
	status 2 weir queue alter q --when-full sometimes
	grep -q "^weir: --when-full: 'sometimes' is not one of wait" err
	weir queue destroy q --force
}

test_fair_share() {
	weir queue create q --messages 4 --fair-share
	equal fair_share 1 "$(figure q fair_share)"
	status 6 weir send q a b c --timeout 1ms
	equal left "a b" "$(weir recv q | xargs)"
	status 2 weir queue alter q --when-full drop-oldest
	status 0 weir queue alter q --when-full reject
	equal fair_share 1 "$(figure q fair_share)"
	status 5 weir send q a b c
	weir queue destroy q --force
}

# It does not tell defaults that are none.
test_alter_help() {
	status 0 weir help queue alter
	if grep -F '[30s]' out; then fail "a default that it does not set"; fi
	weir help queue create | grep -qF '[30s]'
}

# What waits for its time is to be seen.
test_list_delayed() {
	weir queue create q
	weir send q later --delay 1h
	status 0 weir queue list
	equal columns "DELAYED 1" "$(awk '{ print $4 }' out | tr '\n' ' ' | sed 's/ $//')"
	weir queue destroy --force q
}

run_tests
