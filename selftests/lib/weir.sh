# SPDX-License-Identifier: GPL-2.0 OR MIT
# For test scripts: results as KTAP, with the plan at the end.
#
# A test is a function. It fails if a command in it fails ("set -e" holds in it),
# or with fail. Each runs in a subshell, in an empty directory.

weir_nr=0
weir_failed=0

# To start a process is slow in an emulated guest. On one processor it takes half the
# time, and a weir that is linked statically is twice as quick again.
taskset -p 1 $$ > /dev/null
PATH=$(dirname "$(command -v weir)")/../tests:$PATH

weir_work=$(mktemp -d)
trap 'rm -rf "$weir_work"' EXIT

fail() {
	echo "# $*"
	exit 1
}

# equal WHAT EXPECTED GOT
equal() {
	[ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

# status EXPECTED COMMAND...: it ends with that status; its output is in out and err.
status() {
	local expected=$1 got=0
	shift
	"$@" > out 2> err || got=$?
	if [ "$got" -ne "$expected" ]; then
		sed 's/^/# /' out err
		fail "$*: status $got, not $expected"
	fi
}

# Nothing ever comes from there.
exec {weir_never}<> <(:)

# until_true COMMAND...: waits until it succeeds; the harness ends what never does.
until_true() {
	until "$@"; do
		read -r -t 0.01 -u "$weir_never" || :
	done
}

# figure NAME FILE: from sysfs.
figure() {
	echo "$(< "/sys/class/weir/$1/$2")"
}

# has_figure NAME FILE VALUE: whether it has that value now.
has_figure() {
	local now=
	read -r now < "/sys/class/weir/$1/$2" || :
	[ "$now" = "$3" ]
}

# waits_on PID NAME: it has the queue open, and sleeps.
waits_on() {
	readlink /proc/"$1"/fd/* 2> /dev/null | grep -qxF "/dev/weir/queue/$2" &&
		[ "$(sed 's/.*) //; s/ .*//' "/proc/$1/stat")" = S ]
}

# sleeps PID: with all signals that it got behind it.
sleeps() {
	[ "$(sed -n 's/^State:.\(S\).*/\1/p; s/^S..Pnd:.0*$/0/p' "/proc/$1/status" |
		tr -d '\n')" = S00 ]
}

# Runs each function whose name begins with test_, in the order in which they stand,
# and cleanup, if there is one, after each.
run_tests() {
	local name rc names
	echo TAP version 13
	mapfile -t names < <(sed -n 's/^\(test_[a-z0-9_]*\)().*/\1/p' "$0")
	(cd "$weir_work" && seq ${#names[@]} | xargs mkdir)
	for name in "${names[@]}"; do
		weir_nr=$((weir_nr + 1))
		echo "#  RUN           ${name#test_} ..."
		rc=0
		# A command list would switch "set -e" off within.
		(cd "$weir_work/$weir_nr"; set -e; "$name") 2>&1 &
		wait $! || rc=$?
		if [ "$(type -t cleanup)" = function ]; then cleanup; fi
		if [ $rc -eq 0 ]; then
			echo "ok $weir_nr ${name#test_}"
		else
			echo "not ok $weir_nr ${name#test_}"
			weir_failed=$((weir_failed + 1))
		fi
	done
	echo "1..$weir_nr"
	[ "$weir_failed" -eq 0 ]
}
