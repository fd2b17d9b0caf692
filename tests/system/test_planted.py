# ctest: seconds=60 uncounted unfiltered
"""Every planted mistake still applies: the builds that look for them are the whole run's, and late."""
import glob
import os
import re
import subprocess
import unittest

import harness

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


class Planted(unittest.TestCase):
    def test_each_applies_to_one_file(self):
        patches = glob.glob(os.path.join(SOURCES, "tests/*/bugs/*.patch"))
        self.assertGreater(len(patches), 60)
        for patch in patches:
            with self.subTest(os.path.basename(patch)), open(patch, encoding="utf-8") as file:
                changed = re.findall(r"^\+\+\+ b/(.*)$", file.read(), re.MULTILINE)
                self.assertEqual(len(changed), 1)
                subprocess.run(["patch", "--dry-run", "--quiet", "--fuzz=3", os.path.join(SOURCES, changed[0]), patch],
                               check=True)


if __name__ == "__main__":
    harness.main()
