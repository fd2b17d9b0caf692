# ctest: seconds=60 uncounted unfiltered
"""The documents: links lead somewhere, what is named exists, figures are those that can be counted."""
import glob
import os
import re
import subprocess
import sys
import unittest

import harness

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
PAGES = sorted(glob.glob("*.md", root_dir=ROOT) + glob.glob("docs/**/*.md", root_dir=ROOT, recursive=True))
LINK = re.compile(r"\]\(([^)\s]+)\)|\bsrc(?:set)?=\"([^\"]+)\"")
FENCED = re.compile(r"^```.*?^```$", re.S | re.M)
NAMED = re.compile(r"`((?:src|include|tests|packaging|docs)/[\w./*-]+|\.ci/run)`")
HEADING = re.compile(r"^#+ (.*)$", re.M)
COUNTED = re.compile(r"^\| .*?`([\w/*.]+)` \| (\d+) \|$", re.M)
GLOSSARY_TERMS = 25


def read(page):
    with open(os.path.join(ROOT, page), encoding="utf-8") as file:
        return file.read()


def anchors(page):
    """As forges make them of headings."""
    text = FENCED.sub("", read(page))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


def missing(page, target):
    """Whether a link of this page leads nowhere."""
    path, _, anchor = target.partition("#")
    found = os.path.relpath(os.path.join(os.path.dirname(page), path)) if path else page
    if not os.path.exists(os.path.join(ROOT, found)):
        return True
    return bool(anchor) and anchor not in anchors(found)


class Documents(unittest.TestCase):
    def test_links_lead_somewhere(self):
        links = [(page, found[1] or found[2]) for page in PAGES for found in LINK.finditer(FENCED.sub("", read(page)))]
        links = [(page, target) for page, target in links if not target.startswith("http")]
        self.assertGreater(len(links), 20)
        self.assertIn(("README.md", "docs/exporter-dark.png"), links)
        self.assertEqual([link for link in links if missing(*link)], [])

    def test_the_test_of_links_sees_what_is_wrong(self):
        self.assertTrue(missing("docs/testing.md", "nothing.md") and missing("README.md", "docs/testing.md#nothing"))
        self.assertFalse(missing("README.md", "docs/testing.md#simulation"))

    def test_named_files_exist(self):
        named = {(page, name) for page in PAGES for name in NAMED.findall(FENCED.sub("", read(page)))
                 if "NAME" not in name and "MODULE" not in name and "WHAT" not in name}
        self.assertGreater(len(named), 20)
        self.assertEqual([one for one in sorted(named) if not glob.glob(os.path.join(ROOT, one[1]))], [])

    def test_counted_figures(self):
        rows = COUNTED.findall(read("docs/testing.md"))
        self.assertGreater(len(rows), 2)
        self.assertEqual([(pattern, str(len(glob.glob(os.path.join(ROOT, pattern))))) for pattern, _ in rows], rows)

    def test_tables_of_performance_are_those_of_the_results(self):
        script = os.path.join(ROOT, "tests/bench/tables")
        done = subprocess.run([sys.executable, "-B", script, "--check"], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_the_glossary_is_short_and_sorted(self):
        section = read("docs/architecture.md").split("## Glossary")[1]
        terms = re.findall(r"^\| ([\w -]+) \|", section, re.M)[2:]
        self.assertEqual(terms, sorted(terms))
        self.assertLessEqual(len(terms), GLOSSARY_TERMS)

    def test_the_picture_has_every_module_of_the_daemon(self):
        picture = FENCED.search(read("docs/architecture.md").split("## The modules")[1])[0]
        modules = {os.path.basename(path)[:-2] for path in glob.glob(os.path.join(ROOT, "src/echod/*.c"))}
        words = set(re.findall(r"\w+", picture))
        self.assertEqual(modules - words, set())
        self.assertEqual({word for word in words if "_" in word} - modules, set())

    def test_the_reasons_of_the_log_are_those_of_the_counters(self):
        counted = re.findall(r"R\(CLOSE_\w+, (\w+),", read("include/echod/stats.h"))
        section = read("docs/operating.md").split("## The counters")[0]
        self.assertEqual(re.findall(r"^\| `(\w+)` \|", section, re.M), counted)

    def test_the_version_is_the_same_everywhere(self):
        version = re.search(r"^project\(echod VERSION ([\d.]+)", read("CMakeLists.txt"), re.M)[1]
        self.assertEqual(re.search(r"^## ([\d.]+)", read("CHANGELOG.md"), re.M)[1], version)
        self.assertTrue(read("packaging/debian/changelog").startswith(f"echod ({version}-"))


if __name__ == "__main__":
    harness.main()
