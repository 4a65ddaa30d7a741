# SPDX-License-Identifier: GPL-2.0 OR MIT
# Prints what a zsh with a terminal offers where TYPED and a tab are typed, a line
# each. FOLDER has the completion's file. Writes to the current folder.
zmodload zsh/zpty

cat > .zshrc << 'END'
# compinit reads each file of each folder, of which zsh brings a thousand.
folders=($fpath)
fpath=($FOLDER ${(M)folders:#*/Completion(|/Base)})
autoload -Uz compinit
compinit -u -D
fpath=($folders)
autoload -Uz _files _path_files

# Beside being added to what is shown, candidates that fit go to a file.
compadd() {
	local -a fits
	if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
		builtin compadd -O fits "$@"
		(( $#fits )) && print -rl -- $fits >> offered
	fi
	builtin compadd "$@"
}

offer() {
	zle complete-word
	exit
}
zle -N offer
bindkey '^I' offer
PROMPT='may type'
END

export FOLDER ZDOTDIR=$PWD
rm -f offered
zpty shell zsh -d -i
# What is typed earlier is lost.
zpty -r shell shown '*may type*'
zpty -w -n shell "$TYPED"$'\t'
while zpty -r shell shown; do :; done
[[ ! -e offered ]] || cat offered
