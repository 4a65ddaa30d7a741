#!/bin/sh
# SPDX-License-Identifier: MIT
# cage.sh NODE COMMAND...: runs COMMAND in its own user, mount and pid namespace. Its
# root has /usr and a /proc, and of all devices the one NODE. It needs no privilege.
set -eu

exec unshare --user --map-root-user --mount --pid --fork -- sh -euc '
	node=$1
	shift
	mount -t tmpfs -o mode=0755 cage /mnt
	cd /mnt
	mkdir -p usr proc old ".${node%/*}"
	mount --rbind /usr usr
	mount -t proc proc proc
	ln -s usr/bin usr/lib usr/lib64 .
	: > ".$node"
	mount --bind "$node" ".$node"
	pivot_root . old
	cd /
	umount -l old
	rmdir old
	exec "$@"
' cage "$@"
