#!/bin/bash
# find.sh SIMULATION: a simulation of a daemon with a planted mistake has to find it within 10,000
# seeds, and the seed that it names has to fail again in the same way.
set -euo pipefail

simulation=$1
if found=$("$simulation" --seeds 1 10000); then
	printf '%s\nThe mistake is not found.\n' "$found"
	exit 1
fi
seed=$(sed -n 's/.*--seed \([0-9]*\) --trace$/\1/p' <<<"$found" | head -n 1)
again=$("$simulation" --seed "$seed") && {
	printf '%s\nSeed %s does not fail again.\n' "$found" "$seed"
	exit 1
}
# A worker that is killed has no hash to compare; two workers may find something at the same time.
if [[ $found == *"trace hash"* && $found != *"$again"* ]]; then
	printf '%s\n%s\nSeed %s fails in another way.\n' "$found" "$again" "$seed"
	exit 1
fi
printf '%s\n' "$again"
