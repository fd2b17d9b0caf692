# ctest: seconds=60 uncounted unfiltered
"""The man pages: they name the options that --help names, with the same values and defaults."""
import os
import re
import subprocess
import unittest

import harness

PAGES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/man")
IN_HELP = re.compile(r"^  (?:-(\w), |    )--([\w-]+)(?:=([\w|]+))?\s+(.*)$", re.M)
# "*-c*, *--count*=_N_" and the indented paragraphs below it
IN_PAGE = re.compile(r"^(?:\*-(\w)\*, )?\*--([\w-]+)\*(?:=_([\w|]+)_)?\n((?:\t.*\n|\n(?=\t))*)", re.M)


def in_help(program):
    """Options of --help: name to (letter, value, default); empty where there is none."""
    text = subprocess.run([program, "--help"], stdout=subprocess.PIPE, text=True, check=True,
                          timeout=harness.DEADLINE).stdout
    default = re.compile(r"\[(.*)\]$")
    return {name: (letter, value, (default.findall(words) or [""])[0])
            for letter, name, value, words in IN_HELP.findall(text)}


def in_page(name):
    """Options of a page's section OPTIONS, each there once: name to (letter, value, description on one line)."""
    with open(os.path.join(PAGES, name), encoding="utf-8") as page:
        section = re.search(r"^# OPTIONS\n(.*?)^# ", page.read(), re.M | re.S).group(1)
    found = [(option, (letter, value, " ".join(words.replace("*", "").replace("_", "").split())))
             for letter, option, value, words in IN_PAGE.findall(section)]
    if len(dict(found)) < len(found):
        raise AssertionError(f"{name} describes an option twice: {[option for option, _ in found]}")
    return dict(found)


class Manuals(unittest.TestCase):
    def check(self, page, program):
        helped, written = in_help(program), in_page(page)
        self.assertGreater(len(helped), 2)
        self.assertEqual(set(written), set(helped))
        for name, (letter, value, default) in helped.items():
            with self.subTest(page=page, option=name):
                self.assertEqual(written[name][:2], (letter, value))
                self.assertTrue(written[name][2], "not described")
                if default:
                    self.assertIn(f"Default: {default}.", written[name][2])

    def test_daemon(self):
        self.check("echod.8.scd", harness.ECHOD)

    def test_client(self):
        self.check("echod-client.1.scd", os.environ["ECHOD_CLIENT"])

    def test_bench(self):
        self.check("echod-bench.1.scd", os.environ["ECHOD_BENCH"])

    def test_stat(self):
        self.check("echod-stat.1.scd", os.environ["ECHOD_STAT"])

    def test_exporter(self):
        self.check("echod-exporter.8.scd", os.environ["ECHOD_EXPORTER"])


if __name__ == "__main__":
    harness.main()
