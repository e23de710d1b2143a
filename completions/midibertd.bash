# bash completion of midibertd. Written by scripts/completions.sh from --help: run that again after a change.
_midibertd()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} kind='' command='' options='' operands=''
	COMPREPLY=()
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
	:--source) kind="words alsa jack auto file:" ;;
	:--connect) kind="none" ;;
	:--ignore) kind="none" ;;
	:--channel) kind="none" ;;
	:--keys) kind="none" ;;
	:--layers) kind="none" ;;
	:--osc) kind="none" ;;
	:--control) kind="none" ;;
	:--http) kind="words off" ;;
	:--allow) kind="none" ;;
	:--model) kind="files" ;;
	:--window) kind="none" ;;
	:--budget) kind="none" ;;
	:--gather) kind="none" ;;
	:--decide) kind="none" ;;
	:--final-after) kind="none" ;;
	:--tempo) kind="none" ;;
	:--grid) kind="words file clock jack tap fixed tracker auto" ;;
	:--backend) kind="words auto fp32 bf16 int8" ;;
	:--speed) kind="none" ;;
	:--curve) kind="words auto none" ;;
	:--record) kind="folders" ;;
	:--record-limit) kind="none" ;;
	:--take-pause) kind="none" ;;
	:--take-pedal) kind="words sostenuto soft none" ;;
	:--osc-timing) kind="words immediate bundle" ;;
	:--config) kind="files" ;;
	esac
	case $command in
	'') options="--source --connect --ignore --channel --keys --layers --osc --control --http --lan --allow --model --window --budget --gather --decide --final-after --tempo --grid --backend --speed --loop --curve --record --record-limit --record-report --take-pause --take-pedal --osc-timing --print --config --check-config --list-osc --doctor --version --help" operands= ;;
	esac
	case ${kind:-words $options} in
	none) ;;
	files | folders)
		local what=-f
		[[ $kind == folders ]] && what=-d
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen $what -- "$word")
		;;
	*)
		kind=${kind:-words $options}
		mapfile -t COMPREPLY < <(compgen -W "${kind#words }" -- "$word")
		[[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *: ]] && compopt -o nospace 2>/dev/null
		;;
	esac
	return 0
}
complete -F _midibertd midibertd
