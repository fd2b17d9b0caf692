#!/bin/bash
# modelled.sh ARCHIVE NAME...: each function that the daemon in ARCHIVE calls is its own, or one of NAME, which the model
# answers, or one that asks nothing of the kernel that could fail. Any other fails the build: answer it in calls_*.c, and
# add it to `wrapped` in CMakeLists.txt.
set -euo pipefail

readonly archive=$1
shift
readonly names="$* crypto_shorthash exit htonl inet_pton sigaddset sigemptyset snprintf strerror sysconf umask vsnprintf
	mem(chr|cmp|cpy|move|set) str(chr|cmp|cspn|len|ncmp|ncpy|pbrk) ev_[a-z_]+ __.* _GLOBAL_OFFSET_TABLE_"
# Not simulated; a file in RUNTIME_DIRECTORY; log_open(), which only main() calls.
readonly left_out='^(config|limits|main|options|reload)\.c|^(handover|log)\.c\.o open$'

own=$(nm --defined-only "$archive" "$(dirname "$archive")/../common/libechod-common.a" | awk 'NF == 3 { print $3 }')
known=$(tr -s ' \t\n' '\n' <<<"$names")
unknown=$(nm --undefined-only --print-file-name "$archive" |
	sed -E 's/^[^:]*:([^:]*): +[Uw] /\1 /; s/ __(.*)_chk$/ \1/' |
	grep -vE "$left_out" | awk '{ print $2 }' | sort -u |
	grep -vxF "$own" | grep -vxE "$known" || true)
[[ -z $unknown ]] || {
	printf 'The simulation has no model of %s\n' "$unknown" >&2
	exit 1
}
