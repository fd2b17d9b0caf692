# ctest: release uncounted unfiltered
"""The tutorial's filters find in its captures what it says (tshark, which reads them as Wireshark does)."""
import os
import re
import shutil
import subprocess
import unittest

import harness

TUTORIAL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/tutorial")


class Captures(unittest.TestCase):
    def test_each_filter_shows_these_packets(self):
        harness.require(shutil.which("tshark"), "tshark is not installed")
        with open(os.path.join(TUTORIAL, "04-wire.md"), encoding="utf-8") as file:
            rows = re.findall(r"^\| `(.*)` \| `(\w+\.pcap)` \| ([\d ]+) \|", file.read(), re.M)
        self.assertGreater(len(rows), 5)
        for display_filter, capture, packets in rows:
            done = subprocess.run(["tshark", "-r", os.path.join(TUTORIAL, "captures", capture), "-Y", display_filter,
                                   "-T", "fields", "-e", "frame.number"], stdout=subprocess.PIPE, check=True, text=True)
            self.assertEqual(done.stdout.split(), packets.split(), display_filter)


if __name__ == "__main__":
    harness.main()
