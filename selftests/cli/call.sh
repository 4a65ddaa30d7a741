#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# weir call, weir serve: the answer comes, once, whoever is killed.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/weir.sh"

cleanup() {
	local path
	for path in /sys/class/weir/*/; do
		[ ! -e "$path" ] || weir queue destroy --force "$(basename "$path")"
	done
}

test_call() {
	weir queue create q
	weir serve q -n 4 -- tr a-z A-Z &
	status 0 weir call q hello
	equal answer HELLO "$(cat out)"
	status 0 weir call q < /dev/null
	equal empty '' "$(cat out)"
	status 0 weir call q -F '<%v>' x
	equal format '<X>' "$(cat out)"
	status 0 weir call -j q x
	grep -q '"value":"X"' out
	wait $!
	equal settled 4 "$(figure q settled)"
}

# The request is a message as any other, and says that it wants an answer.
test_request() {
	weir queue create q --priorities 2
	weir call q -k orders -H kind=big -H 'from=here' --priority 1 --ttl 1h hello > answer &
	local call=$!
	until_true has_figure q depth 1
	weir queue browse q -F '%k %h{kind} %h{from} %p' > out
	equal request 'orders big here 1' "$(cat out)"
	weir queue browse q -j | grep -q '"reply":true'
	weir send q plain
	equal requests 1 "$(weir queue browse q -j | grep -c '"reply":true')"
	status 0 weir serve q -n 2 -- cat
	wait $call
	equal answer hello "$(cat answer)"
	status 2 weir call q --priority 2 x
	grep -q 'no priority 2' err
	status 2 weir call q -H broken x
}

# More than a pipe holds, both ways, and any bytes.
test_large() {
	weir queue create q
	head -c 3000000 /dev/urandom > large
	weir serve q -n 1 -- cat &
	status 0 weir call q -F %v < large
	cmp large out
	wait $!
}

test_timeout() {
	weir queue create q
	status 6 weir call q --timeout 10ms hello
	status 6 weir call q --timeout 0s hello
	equal depth 2 "$(figure q depth)"
	# Nobody waits any more, which is no error.
	status 0 weir serve q -n 2 -- cat
	equal settled 2 "$(figure q settled)"
}

# Somebody took it, and did not answer.
test_unanswered() {
	weir queue create q
	weir call q hello 2> said &
	local call=$!
	until_true has_figure q depth 1
	status 0 weir recv q -n 1
	if wait $call; then fail 'it was answered'; else equal status 1 $?; fi
	grep -q 'nobody has answered' said
}

# A command that fails, or cannot be run, answers nothing.
test_failed() {
	weir queue create q
	weir call q hello > answer &
	until_true has_figure q depth 1
	status 0 weir serve q -n 1 -- sh -c 'echo wrong; exit 3'
	grep -q 'status 3' err
	status 0 weir serve q -n 1 -- sh -c 'echo wrong; kill -9 $$'
	status 3 weir serve q -n 1 -- ./no-such-command
	equal depth 1 "$(figure q depth)"
	status 0 weir serve q -n 1 -- echo right
	wait $!
	equal answer right "$(cat answer)"
}

# Killed in the middle: the next one answers.
test_killed() {
	weir queue create q
	mkfifo hold
	exec 9<> hold
	weir serve q -- sh -c 'touch started; read -r _ < hold; echo wrong' &
	local server=$!
	weir call q hello > answer &
	local call=$!
	until_true [ -e started ]
	kill -9 $server
	wait $server || true
	status 0 weir serve q -n 1 -- echo right
	wait $call
	equal answer right "$(cat answer)"
	echo >&9
	equal depth 0 "$(figure q depth)"
}

# Whose lease is over answers nothing.
test_late() {
	weir queue create q
	weir call q hello > answer &
	local call=$!
	until_true has_figure q depth 1
	status 0 weir serve q -n 1 --lease 1ms -- sh -c '
		until [ "$(cat /sys/class/weir/q/expired)" = 1 ]; do sleep 0.01; done
		echo late'
	grep -q 'too late' err
	status 0 weir serve q -n 1 -- echo right
	wait $call
	equal answer right "$(cat answer)"
}

# What is no request is work to be done.
test_no_request() {
	weir queue create q
	seq 3 | weir send q
	status 0 weir serve q -n 3 --name worker -- sh -c 'cat >> work'
	seq 3 | tr -d '\n' | cmp - work
	equal settled 3 "$(figure q settled)"
	status 2 weir serve q
	status 3 weir serve none -- cat
	status 3 weir call none x
}

# A stopped server finishes what it does.
test_stopped() {
	weir queue create q
	mkfifo hold
	exec 9<> hold
	weir serve q -- sh -c 'trap "" TERM; touch started; read -r _ < hold; echo done' &
	local server=$!
	weir call q hello > answer &
	local call=$!
	until_true [ -e started ]
	kill -TERM $server
	echo >&9
	wait $call
	equal answer 'done' "$(cat answer)"
	wait $server && fail 'the signal is not seen'
	equal settled 1 "$(figure q settled)"
}

run_tests
