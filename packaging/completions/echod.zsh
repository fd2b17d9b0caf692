#compdef echod echod-instances echod-client echod-bench echod-stat echod-exporter
# zsh completion for echod, its instances, its tools and its exporter; the options are the ones that --help names.
local -a command specs
local line text value action
local -i at=2

if [[ ${words[1]:t} == echod-instances ]]; then
	compadd -- --help reload 0
	return
fi
command=("$words[1]")
[[ ${words[1]:t} == echod-bench && $words[2] == (merge|report) ]] && command+=("$words[2]") && at=3
for line in "${(@f)$(_call_program options "${(@q)command}" --help 2>/dev/null)}"; do
	[[ $line =~ '^  (-(.), |    )(--[a-z0-9-]+)(=([^ ]+))? +(.*)$' ]] || continue
	text=${${match[6]//\\/\\\\}//(#m)[][:]/\\$MATCH}
	value=${match[5]//:/\\:}
	case $value in
	*FILE* | *PATH*) action=_files ;;
	'on|off') action='(on off)' ;;
	*) action=' ' ;;
	esac
	specs+=("$match[3]${value:+=}[$text]${value:+:$value:$action}")
	[[ -n $match[2] ]] && specs+=("-$match[2]${value:++}[$text]${value:+:$value:$action}")
done
[[ ${words[1]:t} == echod-bench && $at == 2 ]] && specs+=('1: :{_alternative "commands:command:(merge report)" "hosts:host:_hosts"}')
[[ ${words[1]:t} == echod-client ]] && specs+=('1: :_hosts')
(( at == 3 )) && shift words && (( CURRENT-- )) && specs+=('*: :_files')
_arguments -s "$specs[@]"
