#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
# Runs heads, which starts two programs a thousand times, with these in memory: the
# guest has its files from another machine.

here=$(cd "$(dirname "$0")" && pwd)
memory=$(mktemp -d)
trap 'umount "$memory"; rmdir "$memory"' EXIT
mount -t tmpfs none "$memory" || exit 1

for program in weir head; do
	path=$(command -v "$program")
	ldd "$path" | grep -o '/[^ ]*' | xargs cp -t "$memory" "$path"
done
PATH=$memory:$PATH LD_LIBRARY_PATH=$memory "$here/heads"
