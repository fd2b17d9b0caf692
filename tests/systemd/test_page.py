# ctest: seconds=60
"""What echod(8) says is so. (That the page has the options of --help: test_manuals.)"""
import os
import re
import subprocess
import unittest

import harness

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "SIGNALS", "RELOAD", "EXIT STATUS", "ENVIRONMENT", "FILES",
            "STANDARDS", "NOTES", "SECURITY", "EXAMPLES", "SEE ALSO"]  # man-pages(7)'s order


def page():
    with open(os.path.join(SOURCES, "docs/man/echod.8.scd"), encoding="utf-8") as file:
        return file.read()


class Page(unittest.TestCase):
    def test_sections_are_in_order(self):
        self.assertEqual(re.findall(r"^# (.*)$", page(), re.M), SECTIONS)

    def test_units_that_are_named_exist(self):
        folder = os.path.join(SOURCES, "packaging/systemd")
        for unit in set(re.findall(r"_(echod[\w-]*)@?(\.(?:socket|service))_", page())):
            self.assertTrue(os.path.exists(os.path.join(folder, "".join(unit) + ".in")), unit)


    def test_the_command_that_reserves_the_port_adds_to_the_list(self):
        command = re.search(r"^```\n(.*reserved_ports=.*?)^```$", page(), re.M | re.S).group(1)
        harness.own_network()
        path = "/proc/sys/net/ipv4/ip_local_reserved_ports"
        for before, after in (("", "50007"), ("8080,9000-9005", "8080,9000-9005,50007")):
            with self.subTest(before=before):
                with open(path, "w", encoding="ascii") as file:
                    file.write(before + "\n")
                subprocess.run(["sh", "-ec", command], check=True, stdout=subprocess.DEVNULL)
                with open(path, encoding="ascii") as file:
                    self.assertEqual(file.read().strip(), after)


if __name__ == "__main__":
    harness.main()
