# bash completion of midibert. Written by scripts/completions.sh from --help: run that again after a change.
_midibert()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} kind='' command='' options='' operands=''
	COMPREPLY=()
	command=${COMP_WORDS[1]}
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
	tokenize:--manifest) kind="files" ;;
	pretrain:--manifest) kind="files" ;;
	pretrain:--out) kind="files" ;;
	pretrain:--valid) kind="files" ;;
	pretrain:--masking) kind="words random bar adversarial" ;;
	pretrain:--freeze-epochs) kind="none" ;;
	pretrain:--freeze-notes) kind="none" ;;
	pretrain:--masker-weight) kind="none" ;;
	pretrain:--hidden) kind="none" ;;
	pretrain:--paper-faults) kind="none" ;;
	pretrain:--init) kind="files" ;;
	pretrain:--layers) kind="none" ;;
	pretrain:--width) kind="none" ;;
	pretrain:--inner) kind="none" ;;
	pretrain:--attention-heads) kind="none" ;;
	pretrain:--span) kind="none" ;;
	pretrain:--lookahead) kind="words unlimited" ;;
	pretrain:--file-lookahead) kind="none" ;;
	pretrain:--freeze) kind="none" ;;
	pretrain:--rows) kind="none" ;;
	pretrain:--batch) kind="none" ;;
	pretrain:--steps) kind="none" ;;
	pretrain:--stop-after) kind="none" ;;
	pretrain:--warmup) kind="none" ;;
	pretrain:--rate) kind="none" ;;
	pretrain:--muon) kind="none" ;;
	pretrain:--decay) kind="none" ;;
	pretrain:--clip) kind="none" ;;
	pretrain:--dropout) kind="none" ;;
	pretrain:--live) kind="none" ;;
	pretrain:--regrid) kind="none" ;;
	pretrain:--disorder) kind="none" ;;
	pretrain:--transpose) kind="none" ;;
	pretrain:--curves) kind="none" ;;
	pretrain:--stretch) kind="none" ;;
	pretrain:--jitter) kind="none" ;;
	pretrain:--missing) kind="none" ;;
	pretrain:--doubled) kind="none" ;;
	pretrain:--seed) kind="none" ;;
	pretrain:--threads) kind="none" ;;
	pretrain:--shards) kind="none" ;;
	pretrain:--precision) kind="words bf16 fp32" ;;
	pretrain:--validate-steps) kind="none" ;;
	pretrain:--checkpoint-s) kind="none" ;;
	pretrain:--licence) kind="none" ;;
	finetune:--manifest) kind="files" ;;
	finetune:--out) kind="files" ;;
	finetune:--valid) kind="files" ;;
	finetune:--task) kind="none" ;;
	finetune:--level) kind="words note sequence" ;;
	finetune:--mask) kind="none" ;;
	finetune:--voices) kind="none" ;;
	finetune:--tracked) kind="none" ;;
	finetune:--beat) kind="files" ;;
	finetune:--teacher) kind="files" ;;
	finetune:--taught) kind="none" ;;
	finetune:--mix) kind="none" ;;
	finetune:--patience) kind="none" ;;
	finetune:--average) kind="none" ;;
	finetune:--init) kind="files" ;;
	finetune:--layers) kind="none" ;;
	finetune:--width) kind="none" ;;
	finetune:--inner) kind="none" ;;
	finetune:--attention-heads) kind="none" ;;
	finetune:--span) kind="none" ;;
	finetune:--lookahead) kind="words unlimited" ;;
	finetune:--file-lookahead) kind="none" ;;
	finetune:--freeze) kind="none" ;;
	finetune:--rows) kind="none" ;;
	finetune:--batch) kind="none" ;;
	finetune:--steps) kind="none" ;;
	finetune:--stop-after) kind="none" ;;
	finetune:--warmup) kind="none" ;;
	finetune:--rate) kind="none" ;;
	finetune:--muon) kind="none" ;;
	finetune:--decay) kind="none" ;;
	finetune:--clip) kind="none" ;;
	finetune:--dropout) kind="none" ;;
	finetune:--live) kind="none" ;;
	finetune:--regrid) kind="none" ;;
	finetune:--disorder) kind="none" ;;
	finetune:--transpose) kind="none" ;;
	finetune:--curves) kind="none" ;;
	finetune:--stretch) kind="none" ;;
	finetune:--jitter) kind="none" ;;
	finetune:--missing) kind="none" ;;
	finetune:--doubled) kind="none" ;;
	finetune:--seed) kind="none" ;;
	finetune:--threads) kind="none" ;;
	finetune:--shards) kind="none" ;;
	finetune:--precision) kind="words bf16 fp32" ;;
	finetune:--validate-steps) kind="none" ;;
	finetune:--checkpoint-s) kind="none" ;;
	finetune:--licence) kind="none" ;;
	beat:--manifest) kind="files" ;;
	beat:--out) kind="files" ;;
	beat:--valid) kind="files" ;;
	beat:--units) kind="none" ;;
	beat:--batch) kind="none" ;;
	beat:--rows) kind="none" ;;
	beat:--steps) kind="none" ;;
	beat:--report) kind="none" ;;
	beat:--rate) kind="none" ;;
	beat:--dropout) kind="none" ;;
	beat:--decay) kind="none" ;;
	beat:--stretch) kind="none" ;;
	beat:--rubato) kind="none" ;;
	beat:--seed) kind="none" ;;
	beat:--licence) kind="none" ;;
	eval:--task) kind="none" ;;
	eval:--manifest) kind="files" ;;
	eval:--train) kind="files" ;;
	eval:--setting) kind="none" ;;
	eval:--model) kind="files" ;;
	eval:--window) kind="none" ;;
	eval:--backend) kind="none" ;;
	eval:--threads) kind="none" ;;
	eval:--grid) kind="none" ;;
	eval:--tempo) kind="none" ;;
	eval:--decide) kind="none" ;;
	eval:--final-after) kind="none" ;;
	predict:--model) kind="files" ;;
	predict:--window) kind="none" ;;
	predict:--backend) kind="none" ;;
	predict:--decide) kind="none" ;;
	predict:--final-after) kind="none" ;;
	predict:--grid) kind="none" ;;
	predict:--tempo) kind="none" ;;
	monitor:--control) kind="none" ;;
	report:--csv) kind="folders" ;;
	report:--by) kind="none" ;;
	report:--curve) kind="files" ;;
	report:--model) kind="files" ;;
	calibrate:--source) kind="words alsa jack auto file:" ;;
	calibrate:--connect) kind="none" ;;
	calibrate:--out) kind="files" ;;
	calibrate:--device) kind="none" ;;
	temper:--model) kind="files" ;;
	temper:--out) kind="files" ;;
	temper:--manifest) kind="none" ;;
	temper:--valid) kind="files" ;;
	temper:--coverage) kind="none" ;;
	embed:--out) kind="files" ;;
	embed:--setting) kind="none" ;;
	embed:--model) kind="files" ;;
	embed:--window) kind="none" ;;
	embed:--backend) kind="none" ;;
	convert:--head) kind="none" ;;
	convert:--level) kind="none" ;;
	convert:--labels) kind="none" ;;
	convert:--rows) kind="none" ;;
	convert:--setting) kind="none" ;;
	convert:--licence) kind="none" ;;
	bench:--model) kind="files" ;;
	bench:--size) kind="none" ;;
	bench:--window) kind="none" ;;
	bench:--threads) kind="none" ;;
	bench:--backend) kind="none" ;;
	esac
	case $command in
	'beat') options="--manifest --out --valid --units --batch --rows --steps --report --rate --dropout --decay --stretch --rubato --seed --licence --help" operands= ;;
	'bench') options="--model --size --window --threads --backend --help" operands= ;;
	'calibrate') options="--source --connect --out --device --help" operands= ;;
	'convert') options="--head --level --labels --rows --setting --licence --bf16 --help" operands= ;;
	'embed') options="--out --setting --model --window --backend --help" operands=files ;;
	'eval') options="--task --manifest --train --setting --model --window --backend --threads --json --live --grid --tempo --decide --final-after --help" operands= ;;
	'finetune') options="--manifest --out --valid --task --level --mask --voices --tracked --beat --teacher --taught --mix --patience --average --init --resume --force --layers --width --inner --attention-heads --span --lookahead --file-lookahead --freeze --rows --batch --steps --stop-after --warmup --rate --muon --decay --clip --dropout --live --regrid --disorder --transpose --curves --stretch --jitter --missing --doubled --seed --threads --shards --precision --validate-steps --checkpoint-s --licence --help" operands= ;;
	'monitor') options="--control --plain --help" operands= ;;
	'predict') options="--live --json --model --window --backend --decide --final-after --grid --tempo --help" operands=files ;;
	'pretrain') options="--manifest --out --valid --masking --freeze-epochs --freeze-notes --masker-weight --hidden --paper-code --paper-faults --init --resume --force --layers --width --inner --attention-heads --span --lookahead --file-lookahead --freeze --rows --batch --steps --stop-after --warmup --rate --muon --decay --clip --dropout --live --regrid --disorder --transpose --curves --stretch --jitter --missing --doubled --seed --threads --shards --precision --validate-steps --checkpoint-s --licence --help" operands= ;;
	'report') options="--json --csv --by --curve --model --help" operands=files ;;
	'temper') options="--model --out --manifest --valid --coverage --help" operands= ;;
	'tokenize') options="--drums --count --manifest --quiet --help" operands=files ;;
	esac
	if ((COMP_CWORD == 1)); then
		kind="words tokenize pretrain finetune beat eval predict monitor report calibrate temper embed convert bench --help --version"
	fi
	[[ -n $kind || $word == -* ]] || kind=$operands
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
complete -F _midibert midibert
