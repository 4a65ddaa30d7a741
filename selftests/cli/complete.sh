#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
# The completion of bash and zsh: what each offers for what was typed.

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/weir.sh"
completion=${WEIR_TOP:-$here/../..}/tools/completion

cleanup() {
	local path
	for path in /sys/class/weir/*; do
		[ ! -e "$path" ] || weir queue destroy --force "${path##*/}"
	done
}

# What bash offers for the words, of which the last is unfinished: sorted, in one line.
of_bash() {
	local COMP_WORDS=(weir "$@") COMP_CWORD=$# COMPREPLY=()
	. "$completion/weir.bash"
	"$(complete -p weir | sed 's/.*-F \([^ ]*\).*/\1/')"
	printf '%s\n' "${COMPREPLY[@]}" | sort | xargs
}

# What zsh is to be asked, a line each, and what it is to say.
typed=
wanted=()

# offers WORD... = CANDIDATE...: bash does, and zsh is to when it is asked.
offers() {
	local words=()
	while [ "$1" != = ]; do
		words+=("$1")
		shift
	done
	shift
	typed+="weir ${words[*]}"$'\n'
	wanted+=("$(printf '%s\n' "$@" | sort | xargs)")
	equal "bash for '${words[*]}'" "${wanted[-1]}" "$(of_bash "${words[@]}")"
}

# All at once, for it takes long to begin: its own machinery decides what fits.
offers_zsh() {
	local line nr=0 got=()
	while read -r line; do
		if [ "$line" != . ]; then
			got+=("$line")
			continue
		fi
		equal "zsh for '$(sed -n "$((nr + 1))p" <<< "$typed")'" "${wanted[nr]}" \
			"$(printf '%s\n' "${got[@]}" | sort -u | xargs)"
		got=() nr=$((nr + 1))
	done < <(FOLDER=$completion TYPED=$typed zsh -d "$here/complete.zsh")
	equal asked ${#wanted[@]} $nr
}

test_commands() {
	offers se = send serve
	offers -j rec = recv
	offers nonsense '' = ''
	offers queue '' = alter browse create destroy list move purge redrive show
	offers_zsh
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
	offers_zsh
}

test_options() {
	offers queue create --m = --max-deliveries --messages --mode
	offers recv q --n = --name --no-settle
	offers queue show q --l = --leases
	offers queue create q --when-full w = wait
	offers queue alter q --when-full '' = wait reject drop-oldest dead-letter
	offers_zsh
}

test_topics() {
	offers help form = formats
	offers_zsh
}

run_tests
