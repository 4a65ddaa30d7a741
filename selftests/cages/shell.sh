#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# The cage that docs/cages.md shows: what is in it, and that a queue works there.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/weir.sh"

node=/dev/weir/queue/q
user=60001

# A shell's command, by a plain user, who may not be able to read this folder.
caged() {
	setpriv --reuid $user --regid $user --clear-groups \
		sh -c "$(cat "$here/cage.sh")" cage.sh $node sh -c "$1"
}

test_world() {
	weir queue create q
	chown $user:$user $node
	status 0 caged 'id -u; echo $$; ls -m /; find /dev ! -type d'
	equal world "$(printf '0\n1\nbin, dev, lib, lib64, proc, usr\n%s' $node)" "$(cat out)"
	weir queue destroy q
}

test_messages() {
	weir queue create q
	chown $user:$user $node
	echo question > $node
	status 0 caged "dd if=$node bs=1M count=1 status=none; echo answer > $node"
	equal question question "$(cat out)"
	equal answer answer "$(dd if=$node bs=1M count=1 status=none)"
	weir queue destroy q
}

# It has no more right than its user.
test_rights() {
	weir queue create q
	status 2 caged ": < $node"
	grep -q 'Permission denied' err
	weir queue destroy q
}

run_tests
