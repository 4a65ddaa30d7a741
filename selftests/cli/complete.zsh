# SPDX-License-Identifier: GPL-2.0 OR MIT
# Prints what a zsh with a terminal offers where each line of TYPED and a tab are typed:
# a candidate a line, and "." behind those of each. FOLDER has the completion's file.
# Writes to the current folder.
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
		(( $#fits )) && print -rl -- $fits >> .offered
	fi
	builtin compadd "$@"
}

# Then the line is typed anew, at a prompt that was not there before.
offer() {
	zle complete-word
	print . >> .offered
	(( ++nr ))
	BUFFER=
	zle accept-line
}
zle -N offer
bindkey '^I' offer
nr=0
setopt prompt_subst
PROMPT='may type $nr.'
END

export FOLDER ZDOTDIR=$PWD
rm -f .offered
zpty shell zsh -d -i
nr=0
for line in ${(f)TYPED}; do
	# What is typed earlier is lost.
	zpty -r shell shown "*may type $nr.*"
	zpty -w -n shell "$line"$'\t'
	(( ++nr ))
done
zpty -r shell shown "*may type $nr.*"
zpty -d shell
cat .offered
