#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# The completion of bash and zsh: what each offers for what was typed.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/weir.sh"
completion=${WEIR_TOP:-$here/../..}/tools/completion

cleanup() {
	local path
	for path in /sys/class/weir/*/; do
		[ ! -e "$path" ] || weir queue destroy --force "$(basename "$path")"
	done
}

# What bash offers for the words, of which the last is unfinished: sorted, in one line.
of_bash() {
	local COMP_WORDS=(weir "$@") COMP_CWORD=$# COMPREPLY=()
	. "$completion/weir.bash"
	"$(complete -p weir | sed 's/.*-F \([^ ]*\).*/\1/')"
	printf '%s\n' "${COMPREPLY[@]}" | sort | xargs
}

# The same of a zsh that is typed to: its own machinery decides what fits.
of_zsh() {
	FOLDER=$completion TYPED="weir $*" zsh -d "$here/complete.zsh" | sort -u | xargs
}

# offers WORD... = CANDIDATE...: by both.
offers() {
	local words=() shell
	while [ "$1" != = ]; do
		words+=("$1")
		shift
	done
	shift
	for shell in bash zsh; do
		equal "$shell for '${words[*]}'" "$(printf '%s\n' "$@" | sort | xargs)" \
			"$(of_$shell "${words[@]}")"
	done
}

test_commands() {
	offers se = send serve
	offers -j rec = recv
	offers nonsense '' = ''
	offers queue '' = alter browse create destroy list move purge redrive show
}

test_queues() {
	weir queue create alpha
	weir queue create alps
	weir queue create beta
	offers send al = alpha alps
	offers queue destroy b = beta
	offers queue browse b = beta
	offers queue show alpha '' = ''
	offers queue move alpha al = alpha alps
	offers queue move alpha alps '' = ''
}

test_options() {
	offers queue create --m = --max-deliveries --messages --mode
	offers recv q --n = --name --no-settle
	offers queue show q --l = --leases
}

test_topics() {
	offers help form = formats
}

run_tests
