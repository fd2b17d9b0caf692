# ctest: uncounted unfiltered
"""What is installed works where it is installed: completions, units below a prefix, a checkout that was copied."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import harness

SOURCES = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BUILD = os.path.dirname(harness.ECHOD)
PROGRAMS = [harness.ECHOD, *map(os.environ.get, ("ECHOD_CLIENT", "ECHOD_BENCH", "ECHOD_STAT", "ECHOD_EXPORTER"))]


def options(program):
    """As --help has them; a value follows "="."""
    text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^  (?:-\w, |    )(--[^\s=]+=?)", text, re.M)


class Completion(unittest.TestCase):
    def complete(self, program, word):
        script = ('source "$1"; COMP_WORDS=("$2" "$3"); COMP_CWORD=1; compopt() { :; }; _echod "$2"; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(
            ["bash", "-c", script, "bash", os.path.join(SOURCES, "packaging/completions/echod"), program, word],
            capture_output=True, text=True, check=True)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_every_option_of_every_program(self):
        for program in PROGRAMS:
            with self.subTest(program=program):
                self.assertGreater(len(options(program)), 2)
                self.assertEqual(self.complete(program, "--"), options(program))

    def test_a_beginning(self):
        self.assertEqual(self.complete(harness.ECHOD, "--exit"), ["--exit-idle-time="])
        self.assertEqual(self.complete(harness.ECHOD, "--port=5"), [])


class Prefix(unittest.TestCase):
    def install(self, prefix, **environment):
        return subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], capture_output=True, text=True,
                              check=False, env=dict(os.environ, **environment))

    def test_units_start_the_program_that_was_installed(self):
        with tempfile.TemporaryDirectory() as prefix:
            done = self.install(prefix)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("systemctl link", done.stdout)  # systemd does not look there
            units = os.path.join(prefix, "lib/systemd/system")
            started = set()
            for unit in os.listdir(units):
                with open(os.path.join(units, unit), encoding="utf-8") as file:
                    text = file.read()
                self.assertNotRegex(text, r"@[A-Z_]+@")
                for program in re.findall(r"^ExecStart=(\S+)", text, re.M):
                    self.assertEqual((program[:len(prefix)], os.access(program, os.X_OK)), (prefix, True), unit)
                    started.add(unit)
                for file in re.findall(r"^ExecStart=.* --config=(\S+)$", text, re.M):
                    self.assertEqual((file[:len(prefix)], os.access(file, os.R_OK)), (prefix, True), unit)
            self.assertLessEqual({"echod.service", "echod@.service"}, started)

    def test_a_place_that_is_packed_later_is_not_named(self):
        with tempfile.TemporaryDirectory() as place:
            self.assertEqual(self.install("/usr", DESTDIR=place).returncode, 0)
            with open(os.path.join(place, "usr/lib/systemd/system/echod.service"), encoding="utf-8") as file:
                self.assertIn("\nExecStart=/usr/lib/echod/echod ", file.read())

    def test_a_path_that_units_cannot_name_is_refused(self):
        with tempfile.TemporaryDirectory() as place:
            done = self.install(os.path.join(place, "with a space"))
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("units cannot name this path", done.stderr)


class Checkout(unittest.TestCase):
    """build() of packaging/lib.sh, with a cmake that does nothing."""

    def build(self, cache):
        """What is said; the folder's former contents are there afterwards, or not."""
        with tempfile.TemporaryDirectory() as place:
            root = os.path.join(place, "copied here")
            os.makedirs(os.path.join(root, "build/debug"))
            shutil.copytree(os.path.join(SOURCES, "packaging"), os.path.join(root, "packaging"))
            with open(os.path.join(root, "build/debug/CMakeCache.txt"), "w", encoding="ascii") as file:
                file.write(f"CMAKE_CACHEFILE_DIR:INTERNAL={cache or os.path.join(root, 'build/debug')}\n")
            command = f'source "{root}/packaging/lib.sh"; cmake() {{ :; }}; build debug debug'
            done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
            return done.stdout, os.path.exists(os.path.join(root, "build/debug/CMakeCache.txt"))

    def test_what_was_built_elsewhere_is_built_afresh(self):
        said, kept = self.build("/elsewhere/build/debug")
        self.assertIn("configured in another folder", said)
        self.assertFalse(kept)

    def test_what_was_built_here_is_kept(self):
        said, kept = self.build(None)
        self.assertNotIn("another folder", said)
        self.assertTrue(kept)


if __name__ == "__main__":
    harness.main()
