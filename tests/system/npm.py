"""Programs for node whose packages npm installs, as a package-lock.json pins them."""
import json
import os
import shutil
import subprocess
import tempfile

import harness


def install(folder):
    """A copy of the folder with what its package.json names installed; to be cleaned up (TemporaryDirectory)."""
    harness.require(shutil.which("node") and shutil.which("npm"), "no node, or no npm")
    tree = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), folder)
    for name in os.listdir(source):
        shutil.copy(os.path.join(source, name), tree.name)
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=tree.name,
                          capture_output=True, text=True, check=False, timeout=5 * harness.DEADLINE)
    harness.require(done.returncode == 0, "npm installs nothing here: " + done.stderr)
    return tree


def answers(tree, program, lines):
    """Gives the lines to a program of that folder; returns its answers, JSON, one for each line."""
    done = subprocess.run(["node", program], cwd=tree.name, input="\n".join(lines), capture_output=True, text=True,
                          check=True, timeout=harness.DEADLINE)
    read = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(read) == len(lines), f"{len(read)} answers to {len(lines)} lines"
    return read
