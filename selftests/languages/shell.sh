#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# Messages by what every shell has: one write is one message, and so is one read.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/weir.sh"

node=/dev/weir/queue/q

# One message, whatever is in it.
take() {
	dd if=$node bs=1M count=1 status=none
}

test_echo_and_dd() {
	weir queue create q
	echo hello > $node
	# That of bash writes line by line.
	env printf 'two\nlines' > $node
	# Nothing is no message.
	printf '' > $node
	equal depth 2 "$(figure q depth)"
	equal first hello "$(take)"
	equal second $'two\nlines' "$(take)"
	equal settled 2 "$(figure q settled)"
	weir queue destroy q
}

test_blocks() {
	weir queue create q
	head -c 300000 /dev/zero | dd of=$node bs=100000 iflag=fullblock status=none
	equal depth 3 "$(figure q depth)"
	equal bytes 100000 "$(take | wc -c)"
	weir queue destroy --force q
}

test_lines() {
	local line lines=
	weir queue create q
	seq 3 | while read -r line; do echo "job $line" > $node; done
	echo end > $node
	while read -r line && [ "$line" != end ]; do
		lines+="$line,"
	done < $node
	equal lines "job 1,job 2,job 3," "$lines"
	equal depth 0 "$(figure q depth)"
	weir queue destroy q
}

run_tests
