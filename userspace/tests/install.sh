#!/bin/sh
# SPDX-License-Identifier: MIT
# What make install puts somewhere of the library and the command is complete and
# usable there, and make uninstall leaves none of it. (The module's part is Kbuild's.)
set -u

top=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0
status=0

# result WHAT STATUS
result() {
	n=$((n + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $n install: $1"
		return
	fi
	echo "not ok $n install: $1"
	sed 's/^/# /' "$tmp/said"
	status=1
}

place() {
	for folder in userspace tools/weir; do
		make -s -C "$top/$folder" "$1" "DESTDIR=$tmp/root" PREFIX=/opt/weir || return
	done >"$tmp/said" 2>&1
}

mkdir "$tmp/root"
place install
result "to DESTDIR and PREFIX" $?

(cd "$tmp/root" && find . -type f -o -type l) >"$tmp/files"
grep -v '^\./opt/weir/' "$tmp/files" >"$tmp/said"
[ ! -s "$tmp/said" ]
result "nowhere else" $?

for file in bin/weir lib/libweir.so lib/libweir.a include/weir/weir.h include/linux/weir.h \
	    share/man/man1/weir.1 share/man/man3/weir_send.3 share/man/man7/weir.7 \
	    share/bash-completion/completions/weir share/zsh/site-functions/_weir; do
	[ -s "$tmp/root/opt/weir/$file" ] || echo "there is no $file"
done >"$tmp/said"
[ ! -s "$tmp/said" ]
result "all of it" $?

cat >"$tmp/caller.c" <<'END'
#include <weir/weir.h>
int main(void) { return !weir_library_version()[0]; }
END
(
	export PKG_CONFIG_PATH="$tmp/root/opt/weir/lib/pkgconfig"
	export PKG_CONFIG_SYSROOT_DIR="$tmp/root"
	pkg-config --cflags --libs weir | xargs gcc "$tmp/caller.c" -o "$tmp/caller" &&
		LD_LIBRARY_PATH=$tmp/root/opt/weir/lib "$tmp/caller"
) >"$tmp/said" 2>&1
result "a program finds it by pkg-config" $?

place uninstall
result "is undone" $?
(cd "$tmp/root" && find . -type f -o -type l) >"$tmp/said"
[ ! -s "$tmp/said" ]
result "and nothing is left" $?

echo "1..$n"
exit $status
