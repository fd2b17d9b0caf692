# ctest: release uncounted unfiltered slow
"""docs/tutorial: each command of each chapter is run in the laboratory, and prints what the chapter says."""
import glob
import os
import re
import shutil
import subprocess
import unittest

import harness
import tutorial

CHAPTERS = sorted(glob.glob(os.path.join(tutorial.TUTORIAL, "[0-9]*.md")) + glob.glob(os.path.join(tutorial.TUTORIAL, "teacher.md")))
TOOLS = ("nc", "ss", "tcpdump", "nft", "ethtool", "strace", "cc", "nsenter")
FUNCTION = re.compile(r"((?:`\w+\(\)`(?: and )?)+) in `((?:src|docs)/[\w/]+\.c)`")
NOBODY = "65534"


def ordinary():
    """Runs a command as an ordinary user, for whom the tutorial is written, where that user may read the sources."""
    if os.geteuid() != 0:
        return []
    wrapper = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    done = subprocess.run([*wrapper, "test", "-x", tutorial.LAB, "-a", "-x", harness.ECHOD], check=False)
    return wrapper if done.returncode == 0 else []


class Tutorial(unittest.TestCase):
    def run_chapter(self, path, wrapper=()):
        for tool in TOOLS:
            harness.require(shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin"), tool + " is not installed")
        able = subprocess.run([*wrapper, tutorial.LAB, "true"], capture_output=True, text=True, check=False)
        harness.require(able.returncode == 0, "no laboratory: " + able.stderr)
        # a program under strace cannot look for leaks
        shell = tutorial.Shell(os.path.dirname(harness.ECHOD), wrapper, ASAN_OPTIONS="detect_leaks=0")
        try:
            found = tutorial.blocks(path)
            self.assertGreater(len(found), 1)
            for block in found:
                tutorial.run_block(shell, block)
        finally:
            shell.close()

    def test_on_the_wire_as_root(self):
        harness.require(os.geteuid() == 0, "not root")
        self.run_chapter(os.path.join(tutorial.TUTORIAL, "04-wire.md"))

    def test_the_functions_are_where_it_says(self):
        places = []
        for path in CHAPTERS:
            with open(path, encoding="utf-8") as file:
                places += FUNCTION.findall(file.read())
        self.assertGreater(len(places), 8)
        for functions, path in places:
            with open(os.path.join(tutorial.ROOT, path), encoding="utf-8") as source:
                defined = set(re.findall(r"^(\w+)\(", source.read(), re.M))
            self.assertEqual(set(re.findall(r"`(\w+)\(\)`", functions)) - defined, set(), path)

    def test_a_wrong_chapter_is_noticed(self):
        wanted = tutorial.pattern(["3 sent, 3 echoed, …", "…", "port 50007"])
        self.assertTrue(wanted.fullmatch("N sent, N echoed, N lost\nmore\nport 50007\n"))
        for wrong in ("N sent, N lost, N echoed\nport 50007\n", "N sent, N echoed, 0\nport 50008\n", ""):
            self.assertIsNone(wanted.fullmatch(wrong))


def add_chapter(path):
    name = os.path.basename(path)[:-3].replace("-", "_")
    setattr(Tutorial, "test_" + name, lambda self: self.run_chapter(path, ordinary()))


for chapter in CHAPTERS:
    add_chapter(chapter)

if __name__ == "__main__":
    harness.main()
