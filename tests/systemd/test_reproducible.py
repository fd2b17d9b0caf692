# ctest: seconds=900 package
"""The same sources make the same packages, wherever they lie."""
import glob
import hashlib
import os
import subprocess
import tempfile
import unittest

import harness
from container import DEB, SOURCES

BUILT_FROM = ("CMakeLists.txt", "CMakePresets.json", "README.md", "LICENSE", "CHANGELOG.md", "src", "include",
              "packaging", "docs")  # as packaging/deb has it


def hashes(folder):
    found = {}
    for pattern in ("*.deb", "*.orig.tar.gz"):
        for path in glob.glob(os.path.join(folder, pattern)):
            with open(path, "rb") as file:
                found[os.path.basename(path)] = hashlib.sha256(file.read()).hexdigest()
    return found


class Reproducible(unittest.TestCase):
    def test_from_a_path_with_a_space(self):
        with tempfile.TemporaryDirectory() as place:
            root = os.path.join(place, "a checkout (2)")
            os.mkdir(root)
            for name in BUILT_FROM:
                subprocess.run(["cp", "-r", os.path.join(SOURCES, name), root], check=True)  # with other times
            subprocess.run(["chmod", "-R", "go-rwx", root], check=True)
            done = subprocess.run([os.path.join(root, "packaging/deb")], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            first, second = hashes(DEB), hashes(os.path.join(root, "build/deb"))
        self.assertEqual(len(first), 7)  # three packages, their debugging symbols, the source
        self.assertEqual(first, second)


if __name__ == "__main__":
    harness.main()
