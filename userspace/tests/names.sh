#!/bin/sh
# SPDX-License-Identifier: MIT
# A public call is in the header, in the map, in libweir(3), and has a page; and
# nothing else is. LIB: the shared library.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
lib=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

grep -o 'weir_[a-z_]*;' "$top/userspace/lib/libweir.map" | tr -d ';' |
	sort >"$tmp/map"
nm -D --defined-only "$lib" | sed -n 's/.* T \(weir_[a-z_]*\)@.*/\1/p' |
	sort >"$tmp/library"
# A declaration, not a typedef of a function and not a mention in a comment.
grep -v '^ \*\|^/\*\|^typedef' "$top/include/weir/weir.h" |
	grep -o '\bweir_[a-z_]*(' | tr -d '(' | sort -u >"$tmp/header"
(cd "$top/docs/man" && printf "%s\n" weir_*.3.scd) | sed "s/\.3\.scd$//" |
	sort >"$tmp/pages"
grep -o '\*weir_[a-z_]*\*(3)' "$top/docs/man/libweir.3.scd" | tr -d '*' |
	sed 's/(3)//' | sort -u >"$tmp/overview"

n=0
status=0
for what in library header pages overview; do
	n=$((n + 1))
	if diff "$tmp/map" "$tmp/$what" >"$tmp/diff"; then
		echo "ok $n names: $what"
	else
		echo "not ok $n names: $what"
		sed 's/^/# /' "$tmp/diff"
		status=1
	fi
done
echo "1..$n"
exit $status
