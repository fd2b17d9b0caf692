#!/bin/bash
# million.sh PROGRAM: a million connections cost what they may: at most 128 bytes of memory each, and
# an echo among them at most 1.1 times the instructions of one among a thousand.
set -euo pipefail

program=$1
readonly bytes_most=128 echoes=100000

# instructions CONNECTIONS: what the echoes take, four fifths of it in the model of the kernel.
instructions() {
	valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file=/dev/null \
		"$program" "$1" "$echoes" 2>&1 | sed -n 's/.*Collected : //p'
}

figures=$("$program" 1000000 1000)
bytes=${figures##*=}
few=$(instructions 1000)
many=$(instructions 1000000)
printf '%s bytes a connection; %d instructions an echo among 1,000, %d among 1,000,000\n' \
	"$bytes" $((few / echoes)) $((many / echoes))
((few > 100 * echoes)) # fewer would be too few to be true
((${bytes%.*} < bytes_most))
(((many - few) * 50 <= few)) # a tenth of the daemon's fifth
