"""Nothing of the daemon and of what the programs share is left that no test has reached (gcovr)."""
import glob
import json
import os
import subprocess
import unittest

import harness

ROOT, BUILD = os.environ["ROOT"], os.environ["BUILD"]
MEASURED = ("src/echod", "src/common", "src/tools")


def report():
    """Each file with its functions and the lines of code that it has, and their branches."""
    # No markers: what a comment in a source could exclude would not be missed.
    done = subprocess.run(
        ["gcovr", "--root", ROOT, "--object-directory", BUILD, *(f"--filter={directory}/" for directory in MEASURED),
         "--no-markers", "--json", "-", BUILD], cwd=ROOT, check=True, capture_output=True, text=True)
    files = json.loads(done.stdout)["files"]
    for file in files:
        file["lines"] = [line for line in file["lines"] if not line["gcovr/noncode"]]
    return files


def missed(file):
    """What of a file no test has reached, a line each."""
    with open(os.path.join(ROOT, file["file"]), encoding="utf-8") as source:
        text = source.read().splitlines()
    for function in file["functions"]:
        if function["execution_count"] == 0:
            yield f"{file['file']}: {function['name']}() is never called"
    for line in file["lines"]:
        branches = [branch["count"] for branch in line["branches"]]
        if line["count"] == 0 or 0 in branches:
            kind = f"branches taken {branches}" if line["count"] else "never run"
            yield f"{file['file']}:{line['line_number']}: {kind}: {text[line['line_number'] - 1].strip()}"


class Gate(unittest.TestCase):
    def test_all_is_reached(self):
        harness.require(os.geteuid() == 0, "only root can run all tests")
        files = report()
        sources = {os.path.relpath(path, ROOT) for directory in MEASURED
                   for path in glob.glob(os.path.join(ROOT, directory, "*.c"))}
        self.assertEqual({file["file"] for file in files}, sources)
        lines = [line for file in files for line in file["lines"]]
        print(f"{len(files)} files, {len(lines)} lines, {sum(len(line['branches']) for line in lines)} branches")
        missing = [line for file in files for line in missed(file)]
        self.assertFalse(missing, "\n" + "\n".join(missing))


if __name__ == "__main__":
    harness.main()
