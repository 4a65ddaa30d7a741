# SPDX-License-Identifier: MIT
# bash completion for weir(1). What there is, it asks the command itself.

_weir() {
	local word line
	local words=("${COMP_WORDS[@]:1:COMP_CWORD}")

	COMPREPLY=()
	word=${COMP_WORDS[COMP_CWORD]}
	while IFS= read -r line; do
		line=${line%%:*}
		[[ $line == "$word"* ]] && COMPREPLY+=("$line")
	done < <(weir complete "${words[@]}" 2>/dev/null)
}

complete -o default -F _weir weir
