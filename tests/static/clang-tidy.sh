#!/bin/bash
# clang-tidy.sh BUILD: every source that BUILD, of clang, compiles. What .clang-tidy leaves out, and
# why, is said there and, for tests, in tests/.clang-tidy.
set -euo pipefail

# A file at a time: clang-tidy 14 sees va_lists of one file as uninitialized in the next.
python3 -c 'import json, sys
print(*sorted({entry["file"] for entry in json.load(open(sys.argv[1]))}), sep="\0", end="")' \
	"$1/compile_commands.json" |
	xargs -0 -n 1 -P "$(nproc)" clang-tidy -p "$1" --quiet
