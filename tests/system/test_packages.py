# ctest: seconds=60 uncounted unfiltered
"""packaging/packages: a package stands there once, each kind is asked for, and what is asked for is a kind."""
import os
import re
import subprocess
import unittest

import harness

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


def read(path):
    with open(os.path.join(SOURCES, path), encoding="utf-8") as file:
        return file.read()


def rows():
    """(kinds, package, what for)"""
    lines = [line for line in read("packaging/packages").splitlines() if not line.startswith("#")]
    return [(line.split()[0].split(","), *line.split(None, 2)[1:]) for line in lines]


def kinds():
    return {kind for row in rows() for kind in row[0]}


class Packages(unittest.TestCase):
    def test_each_row_says_what_for(self):
        self.assertEqual([row for row in rows() if len(row) != 3], [])

    def test_no_package_stands_there_twice(self):
        packages = [row[1] for row in rows()]
        self.assertEqual(sorted(packages), sorted(set(packages)))

    def test_the_head_explains_the_kinds(self):
        self.assertEqual(set(re.findall(r"^#\t(\w+)\t", read("packaging/packages"), re.M)), kinds())

    def test_each_kind_is_read_by_something(self):
        asked = {"container"} if '"container" in' in read("tests/systemd/container.py") else set()
        for path in ("packaging/run", "packaging/deb", "packaging/container/build", "tests/run", "tests/bench/README.md"):
            for words in re.findall(r"\b(?:install_missing|packaging/need) ([a-z ]+)", read(path)):
                asked.update(words.split())
        self.assertEqual(asked, kinds())

    def test_a_kind_gives_its_packages(self):
        command = 'source "$1/packaging/lib.sh"; packages container deb'
        done = subprocess.run(["bash", "-c", command, "bash", SOURCES], capture_output=True, text=True, check=True)
        wanted = [row[1] for row in rows() if {"container", "deb"} & set(row[0])]
        self.assertEqual(done.stdout.split(), wanted)
        self.assertIn("systemd", wanted)  # of two kinds


if __name__ == "__main__":
    harness.main()
