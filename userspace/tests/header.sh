#!/bin/sh
# SPDX-License-Identifier: MIT
# The library's header stands alone, in each C and C++ that is asked for, and what it
# declares links from both. LIB: the folder of the shared library.
set -u

top=$(cd "$(dirname "$0")/../.." && pwd)
lib=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0
status=0

cat >"$tmp/caller.c" <<'END'
#include <weir/weir.h>

int main(void)
{
	struct weir_open_options open = { sizeof(open), WEIR_OPEN_SEND, WEIR_DOOR_AUTO };
	struct weir_queue *queue;

	/* No name is of no length. */
	return weir_queue_open("", &open, &queue) == 0 || !weir_library_version()[0];
}
END

# try WHAT COMPILER...
try() {
	what=$1
	shift
	n=$((n + 1))
	rm -f "$tmp/caller"
	if "$@" -pedantic -Wall -Wextra -Werror -I"$top/include" -I"$top/include/uapi" \
		"$tmp/caller.c" -o "$tmp/caller" -L"$lib" -lweir >"$tmp/said" 2>&1 &&
	   LD_LIBRARY_PATH=$lib "$tmp/caller" >>"$tmp/said" 2>&1; then
		echo "ok $n header: $what"
	else
		echo "not ok $n header: $what"
		sed 's/^/# /' "$tmp/said"
		status=1
	fi
}

try C99 gcc -std=c99
try C17 gcc -std=c17
try C++11 g++ -std=c++11 -x c++
try C++20 g++ -std=c++20 -x c++
echo "1..$n"
exit $status
