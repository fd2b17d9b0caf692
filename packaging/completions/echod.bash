# bash completion for echod, its instances, its tools and its exporter; the options are the ones that --help names. -*- sh -*-
# shellcheck shell=bash
_echod()
{
	local current=${COMP_WORDS[COMP_CWORD]} command=("$1") options

	COMPREPLY=()
	case ${1##*/}:${COMP_WORDS[1]} in
	echod-bench:merge | echod-bench:report) command+=("${COMP_WORDS[1]}") ;;
	esac
	[[ $current == -* && $current != *=* ]] || return 0
	options=$("${command[@]}" --help 2>/dev/null | grep -oE '^ .{5}--[a-z0-9-]+=?' | grep -oE -- '--.*')
	mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
	# a value follows at once
	[[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
	return 0
} && complete -W "--help reload 0" echod-instances &&
	complete -o default -F _echod echod echod-client echod-bench echod-stat echod-exporter
