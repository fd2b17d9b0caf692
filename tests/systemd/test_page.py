"""echod(8), --help and the completion say the same as the table of options, which --help is made of."""
import os
import re
import subprocess
import unittest

import harness

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "SIGNALS", "EXIT STATUS", "ENVIRONMENT", "FILES",
            "STANDARDS", "NOTES", "SECURITY", "EXAMPLES", "SEE ALSO"]  # man-pages(7)'s order


def options_of_help():
    """{name: (letter, argument, default)}"""
    text = subprocess.run([harness.ECHOD, "--help"], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^  (?:-(\w), |    )--([a-z-]+)(?:=(\S+))? +(.*)$", text, re.M)
    return {name: (letter, argument, (re.search(r"\[([^\[]*)\]$", says) or ["", ""])[1])
            for letter, name, argument, says in found}


def options_of_page():
    with open(os.path.join(SOURCES, "docs/man/echod.8.scd"), encoding="utf-8") as file:
        page = file.read()
    found = re.findall(r"^(?:\*-(\w)\*, )?\*--([a-z-]+)\*(?:=_(\S+)_)?\n((?:\t.*\n)+)", page, re.M)
    return {name: (letter, argument,
                   (re.search(r"Default: (.*?)\.\Z", " ".join(says.split())) or ["", ""])[1])
            for letter, name, argument, says in found}, page


class Page(unittest.TestCase):
    def test_options_arguments_and_defaults_are_those_of_the_help(self):
        helped, (written, _) = options_of_help(), options_of_page()
        self.assertGreater(len(helped), 15)
        self.assertEqual(written, helped)

    def test_sections_are_in_order(self):
        self.assertEqual(re.findall(r"^# (.*)$", options_of_page()[1], re.M), SECTIONS)

    def test_units_that_are_named_exist(self):
        folder = os.path.join(SOURCES, "packaging/systemd")
        for unit in set(re.findall(r"_(echod[\w-]*)@?(\.(?:socket|service))_", options_of_page()[1])):
            self.assertTrue(os.path.exists(os.path.join(folder, "".join(unit) + ".in")), unit)


class Completion(unittest.TestCase):
    def complete(self, word):
        script = ('source "$1"; COMP_WORDS=("$2" "$3"); COMP_CWORD=1; compopt() { :; }; _echod "$2"; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(
            ["bash", "-c", script, "bash", os.path.join(SOURCES, "packaging/completions/echod"),
             harness.ECHOD, word], capture_output=True, text=True, check=True)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_every_option_is_completed(self):
        helped = options_of_help()
        self.assertEqual(sorted(self.complete("--")),
                         sorted(f"--{name}" + ("=" if argument else "")
                                for name, (_, argument, _) in helped.items()))

    def test_a_beginning(self):
        self.assertEqual(self.complete("--exit"), ["--exit-idle-time="])
        self.assertEqual(self.complete("--port=5"), [])


if __name__ == "__main__":
    harness.main()
