#!/bin/bash
# run.sh FUZZER CORPUS RUNS [PROGRAM...]: goes through the corpus, and from there so many runs
# further, always the same ones; it knows the words of CORPUS.dict and the programs' options. With ECHOD_LONG=1 it goes on for minutes (ECHOD_FUZZ_S seconds), each time from
# another seed, and what it finds of interest is kept beside the fuzzer.
set -euo pipefail

fuzzer=$1 corpus=$2 runs=$3
options=(-print_final_stats=1 -timeout=60 -rss_limit_mb=4096 -artifact_prefix="$fuzzer.")
if [[ -f $corpus.dict ]]; then
	cp "$corpus.dict" "$fuzzer.dict"
	for program in "${@:4}"; do
		names=$("$program" --help | grep -oE -- '--[a-z][a-z-]*')
		sort -u <<<"$names" | sed 's/.*/"&"/' >>"$fuzzer.dict"
	done
	options+=(-dict="$fuzzer.dict")
fi

# libFuzzer writes what it finds into the first directory.
if [[ ${ECHOD_LONG:-} ]]; then
	mkdir -p "$fuzzer.found"
	exec "$fuzzer" "${options[@]}" -max_total_time="${ECHOD_FUZZ_S:-300}" \
		"$fuzzer.found" "$corpus"
fi
found=$(mktemp -d)
trap 'rm -r "$found"' EXIT
"$fuzzer" "${options[@]}" -seed=1 -runs="$runs" "$found" "$corpus"
