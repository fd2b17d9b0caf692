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
COMPLETIONS = os.path.join(SOURCES, "packaging/completions")
PROGRAMS = [harness.ECHOD, *map(os.environ.get, ("ECHOD_CLIENT", "ECHOD_BENCH", "ECHOD_STAT", "ECHOD_EXPORTER"))]


def options(*command):
    """As --help has them; a value follows "="."""
    text = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^  (?:-\w, |    )(--[^\s=]+=?)", text, re.M)


def bash(*words):
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }; _echod "$1"; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    return ["bash", "-c", script, "bash", os.path.join(COMPLETIONS, "echod.bash"), *words]


def zsh(*words):
    """What it offers _arguments, which takes those that begin as the last word does."""
    script = ('setopt extendedglob; f() { source $1 }; file=$1; shift; words=("$@"); CURRENT=$#; '
              '_call_program() { shift; eval "$@" }; _arguments() { print -rl -- "$@" }; f $file')
    return ["zsh", "-f", "-c", script, "zsh", os.path.join(COMPLETIONS, "echod.zsh"), *words]


def fish(*words):
    return ["fish", "--no-config", "-c", 'source $argv[1]; complete --do-complete "$argv[2]"',
            os.path.join(COMPLETIONS, "echod.fish"), " ".join(words)]


class Completion(unittest.TestCase):
    """What three shells offer is what --help names."""

    def complete(self, shell, *words):
        harness.require(shutil.which(shell.__name__), shell.__name__)
        done = subprocess.run(shell(*words), capture_output=True, text=True, check=True)
        self.assertEqual(done.stderr, "")
        return re.findall(r"^(--[a-z0-9-]+=?)(?:$|[\t[])", done.stdout, re.M)

    def test_every_option_of_every_program(self):
        for command in (*([program] for program in PROGRAMS), [PROGRAMS[2], "merge"], [PROGRAMS[2], "report"]):
            names = options(*command)
            self.assertGreater(len(names), 2)
            for shell in (bash, zsh, fish):
                with self.subTest(command=command, shell=shell.__name__):
                    self.assertEqual(sorted(self.complete(shell, *command, "--")), sorted(names))

    def test_a_beginning(self):
        for shell in (bash, fish):
            with self.subTest(shell=shell.__name__):
                self.assertEqual(self.complete(shell, harness.ECHOD, "--exit"), ["--exit-idle-time="])
                self.assertEqual(self.complete(shell, harness.ECHOD, "--port=5"), [])


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
