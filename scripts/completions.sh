#!/bin/sh
# Writes the completions of bash and zsh from the programs' own --help.
#   scripts/completions.sh build completions        (tests/e2e/test_completion compares)
set -eu
programs=$1
folder=$2
mkdir -p "$folder"

# One line an option: COMMAND TAB --NAME TAB ARGUMENT TAB DESCRIPTION; one without a name for what is no option.
# In a usage an option stands without its description.
options() { # COMMAND, help on standard input
	awk -v command="$1" '
	function keep(name, argument) {
		if (!(name in place)) { place[name] = ++count; names[count] = name }
		current = place[name]
		if (arguments[current] == "") arguments[current] = argument
	}
	/^usage:/ || /^       midibert/ {
		line = $0
		while (match(line, /--[a-z][a-z-]*( [A-Za-z|:.]+)?/)) {
			n = split(substr(line, RSTART, RLENGTH), part, " ")
			keep(part[1], n > 1 ? part[2] : "")
			line = substr(line, RSTART + RLENGTH)
		}
		line = $0
		gsub(/\[[^]]*\]/, "", line)
		gsub(/--[a-z-]+ [^ ]+/, "", line)
		if (line ~ /\.mid/) operand = "FILE.mid"
		current = 0
		next
	}
	/^  --/ {
		keep($1, $0 ~ /^  --[a-z-]+ [^ ]/ ? $2 : "")
		text = $0
		sub(/^  --[a-z-]+( [^ ]+)? */, "", text)
		texts[current] = text
		next
	}
	/^          +[^ ]/ && current {
		sub(/^ +/, "")
		texts[current] = texts[current] (texts[current] == "" ? "" : " ") $0
		next
	}
	{ current = 0 }
	END {
		keep("--help", "")
		if (texts[current] == "") texts[current] = "show help"
		for (i = 1; i <= count; i++) printf "%s\t%s\t%s\t%s\n", command, names[i], arguments[i], texts[i]
		if (operand != "") printf "%s\t\t%s\t\n", command, operand
	}'
}

commands() { "$programs/midibert" --help | sed -n 's/^  \([a-z]\{1,\}\)  *\([a-z].*\)/\1\t\2/p'; }

all() {
	"$programs/midibertd" --help | options ""
	commands | while IFS="$(printf '\t')" read -r command _; do
		"$programs/midibert" "$command" --help | options "$command"
	done
}

# What an argument may be: "words A B", "files", "folders" or "none"; with words, "file:" asks for a file behind it.
awk_values='
function values(argument,    n, part, i, words) {
	if (argument ~ /\|/) {
		n = split(argument, part, "|")
		for (i = 1; i <= n; i++) {
			sub(/PATH$/, "", part[i])
			if (part[i] !~ /[A-Z]/) words = words " " part[i]
		}
		return "words" words
	}
	if (argument ~ /FILE|PATH/) return "files"
	if (argument ~ /DIR/) return "folders"
	return "none"
}'

note='Written by scripts/completions.sh from --help: run that again after a change.'

bash_file() { # PROGRAM; options on standard input
	cat <<EOF
# bash completion of $1. $note
_$1()
{
	local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} kind='' command='' options='' operands=''
	COMPREPLY=()
EOF
	[ "$1" = midibertd ] || printf '\tcommand=${COMP_WORDS[1]}\n'
	cat <<'EOF'
	# A colon and an equals sign are words of their own.
	if [[ $word == : ]]; then
		word=''
	elif [[ $before == : ]]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	if [[ $before == file ]]; then
		kind=files
	elif [[ $before == = ]]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	elif [[ $word == = ]]; then
		word=''
	fi
	case $command:$before in
EOF
	awk -F '\t' "$awk_values"'
	{
		if ($2 == "") { operands[$1] = 1; next }
		list[$1] = list[$1] " " $2
		if ($3 != "") printf "\t%s:%s) kind=\"%s\" ;;\n", $1, $2, values($3)
	}
	END {
		print "\tesac\n\tcase $command in"
		for (command in list) lines[++n] = sprintf("\t\047%s\047) options=\"%s\" operands=%s ;;", command, substr(list[command], 2), command in operands ? "files" : "")
		for (i = 1; i <= n; i++) for (k = i + 1; k <= n; k++)
			if (lines[k] < lines[i]) { swap = lines[i]; lines[i] = lines[k]; lines[k] = swap }
		for (i = 1; i <= n; i++) print lines[i]
		print "\tesac"
	}'
	if [ "$1" = midibert ]; then
		printf '\tif ((COMP_CWORD == 1)); then\n\t\tkind="words %s --help --version"\n\tfi\n' \
			"$(commands | cut -f 1 | tr '\n' ' ' | sed 's/ $//')"
		printf '\t[[ -n $kind || $word == -* ]] || kind=$operands\n'
	fi
	cat <<EOF
	case \${kind:-words \$options} in
	none) ;;
	files | folders)
		local what=-f
		[[ \$kind == folders ]] && what=-d
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen \$what -- "\$word")
		;;
	*)
		kind=\${kind:-words \$options}
		mapfile -t COMPREPLY < <(compgen -W "\${kind#words }" -- "\$word")
		[[ \${#COMPREPLY[@]} == 1 && \${COMPREPLY[0]} == *: ]] && compopt -o nospace 2>/dev/null
		;;
	esac
	return 0
}
complete -F _$1 $1
EOF
}

# In the brackets of _arguments: no bracket, colon or quote of its own.
zsh_specs() {
	awk -F '\t' -v tabs="$1" "$awk_values"'
	$2 == "" { printf "%s\047*:file:_files\047 \\\n", tabs; next }
	{
		text = $4
		gsub(/\047/, "\047\\\047\047", text)
		gsub(/\[/, "\\[", text); gsub(/\]/, "\\]", text); gsub(/:/, "\\:", text)
		kind = values($3)
		name = tolower($3)
		gsub(/[^a-z]+/, " ", name); sub(/^ /, "", name); sub(/ $/, "", name)
		if ($3 == "") action = ""
		else if (kind == "files") action = ":" name ":_files"
		else if (kind == "folders") action = ":" name ":_files -/"
		else if (kind ~ /^words/) {
			action = ":" name ":(" substr(kind, 7) ")"
			gsub(/ file:/, "", action)
			if (kind ~ / file:/) action = ":source:_midibert_source"
		} else action = ":" name ": "
		printf "%s\047%s%s[%s]%s\047 \\\n", tabs, $4 ~ /may be given again|[Rr]epeat it|as above/ ? "*" : "", $2 ($3 != "" ? "=" : ""), text, action
	}'
}

tab=$(printf '\t')
all >"$folder/.options"
trap 'rm -f "$folder/.options"' EXIT
grep "^$tab" "$folder/.options" | bash_file midibertd >"$folder/midibertd.bash"
grep -v "^$tab" "$folder/.options" | bash_file midibert >"$folder/midibert.bash"
{
	cat <<EOF
#compdef midibertd
# $note
_midibert_source()
{
	if compset -P file:; then
		_files
	else
		compadd alsa jack auto
		compadd -S '' file:
	fi
}

_arguments -s \\
EOF
	grep "^$tab" "$folder/.options" | zsh_specs "$tab"
	printf '\t&& return 0\nreturn 1\n'
} >"$folder/_midibertd"
{
	printf '#compdef midibert\n# %s\nlocal context state line\n' "$note"
	printf '_arguments -C \\\n\t"--help[show the commands]" "--version[show the version]" \\\n\t"1:command:(('
	commands | sed "s/'/'\\\\\\\\''/g; s/\\([^\t]*\\)\t\\(.*\\)/\\1\\\\:'\\2'/" | tr '\n' ' ' | sed 's/ $//'
	printf '))" \\\n\t"*::argument:->argument" && return 0\n\ncase $line[1] in\n'
	commands | cut -f 1 | while read -r command; do
		printf '%s)\n\t_arguments \\\n' "$command"
		grep "^$command$tab" "$folder/.options" | zsh_specs "$tab$tab"
		printf "\t\t&& return 0\n\t;;\n"
	done
	printf 'esac\n'
} >"$folder/_midibert"
