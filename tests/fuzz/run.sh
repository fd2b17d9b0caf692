#!/bin/bash
# run.sh FUZZER CORPUS RUNS: goes through the corpus, and from there so many runs further, always
# the same ones. With ECHOD_LONG=1 it goes on for minutes (ECHOD_FUZZ_S seconds), each time from
# another seed, and what it finds of interest is kept beside the fuzzer.
set -euo pipefail

fuzzer=$1 corpus=$2 runs=$3
options=(-print_final_stats=1 -timeout=60 -rss_limit_mb=4096 -artifact_prefix="$fuzzer.")
dictionary=$corpus.dict
[[ -f $dictionary ]] && options+=(-dict="$dictionary")

# libFuzzer writes what it finds into the first directory.
if [[ ${ECHOD_LONG:-} ]]; then
	mkdir -p "$fuzzer.found"
	exec "$fuzzer" "${options[@]}" -max_total_time="${ECHOD_FUZZ_S:-300}" \
		"$fuzzer.found" "$corpus"
fi
found=$(mktemp -d)
trap 'rm -r "$found"' EXIT
"$fuzzer" "${options[@]}" -seed=1 -runs="$runs" "$found" "$corpus"
