#!/bin/bash
# prove.sh MODULE DIRECTORY [MISTAKE]: everything that MODULE.c says has to be proven. With a mistake
# (a patch; its first line begins with the function that is then wrong and a colon) something must
# not be. DIRECTORY takes what is made on the way.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
root=$here/../..
module=$1 directory=$2 mistake=${3-}

rm -rf "$directory/src" "$directory/session"
mkdir -p "$directory/src"
only=()
if [[ $mistake ]]; then
	changed=$(sed -n 's:^+++ b/::p' "$mistake")
	mkdir -p "$directory/$(dirname "$changed")"
	patch --quiet --fuzz=3 --output="$directory/$changed" "$root/$changed" "$mistake"
	only=(-wp-fct "$(head -n 1 "$mistake" | cut -d: -f1)")
fi

export WHY3CONFIG=$directory/why3.conf
why3 config detect -C "$WHY3CONFIG" >"$directory/why3.log" 2>&1
# The steps decide, not the clock: the time limit is there for a prover that hangs.
nice frama-c -machdep gcc_x86_64 -c11 \
	-cpp-extra-args="-D_GNU_SOURCE -I$here -I$directory/src -I$directory/include -I$root/include -I$root/src" \
	-warn-unsigned-overflow -warn-signed-downcast -warn-unsigned-downcast \
	"$here/$module.c" \
	-wp -wp-rte -wp-literals -wp-frama-c-stdlib-terminate "${only[@]}" \
	-wp-prover tip,cvc4,z3 -wp-auto wp:range -wp-session "$directory/session" -wp-cache none \
	-wp-steps 1000000 -wp-timeout 60 -wp-par 1 >"$directory/log" 2>&1 || {
	cat "$directory/log"
	exit 1
}
grep -v ' Valid\|: Valid' "$directory/log"

# "Proved goals:   84 / 85"
read -r proved goals < <(sed -n 's:.*Proved goals\: *\([0-9]*\) / \([0-9]*\)$:\1 \2:p' "$directory/log")
if [[ $mistake ]]; then
	((proved < goals)) || {
		printf 'The mistake is proven to be right.\n'
		exit 1
	}
elif grep -v '\] FRAMAC_SHARE/' "$directory/log" | grep -q 'Warning:' || ((proved < goals)); then
	printf 'Not everything is proven.\n'
	exit 1
fi
