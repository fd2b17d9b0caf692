# ctest: container root
"""The cage of echod.service: what somebody who has taken over the daemon can still do in it."""
import os
import unittest

import harness
from container import Container

ATTEMPTS = os.environ.get("ATTEMPTS", "")  # the program's path
DAEMON = "/usr/sbin/echod"
CAGED = "/usr/sbin/attempts"
UNIT = "attempts.service"

# What succeeds although it should not. It may get shorter.
SUCCEEDING = set()

machine = None


def setUpModule():
    global machine
    machine = Container(os.path.dirname(ATTEMPTS) + ":/attempts")
    unittest.addModuleCleanup(machine.stop)
    machine.run("dpkg", "--install", machine.packages[0])
    machine.run("install", "/attempts/" + os.path.basename(ATTEMPTS), CAGED)


class Cage(unittest.TestCase):
    def attempt(self):
        """Runs the attempts in the daemon's cage; returns the names of those that succeeded."""
        text = machine.run("cat", "/lib/systemd/system/echod.service").stdout
        for removed in (" --activated", " --config=/etc/echod/echod.conf"):
            self.assertIn(removed, text)
            text = text.replace(removed, "")
        machine.write("/run/systemd/system/" + UNIT, text.replace(DAEMON, CAGED))
        machine.write(f"/run/systemd/system/{UNIT}.d/zz.conf", "[Service]\nType=oneshot\nRestart=no\n")
        machine.run("systemctl", "daemon-reload")
        before = len(machine.journal(UNIT))
        machine.run("systemctl", "start", UNIT)
        lines = machine.journal(UNIT)[before:].splitlines()
        refused = [line for line in lines if line.startswith("refused ")]
        succeeded = [line for line in lines if line.startswith("succeeded ")]
        self.assertGreater(len(refused) + len(succeeded), 100)
        self.assertIn(f"done {len(refused) + len(succeeded)} attempts", lines)
        return {line.split(" ", 1)[1].split(":")[0] for line in succeeded}

    def tearDown(self):
        machine.run("rm", "-rf", f"/run/systemd/system/{UNIT}.d")

    def test_no_attempt_succeeds(self):
        self.assertEqual(self.attempt(), SUCCEEDING)

    def test_each_wall_is_needed(self):
        """Without a wall, what it keeps in gets through: the attempts are real."""
        for wall, through in (
                ("SystemCallFilter=", {"clone", "ptrace", "prctl", "bind", "memfd_create"}),
                ("SystemCallFilter=socketpair", {"socketpair"}),
                ("MemoryDenyWriteExecute=no", {"mmap writable and executable", "mprotect to executable"}),
                ("InaccessiblePaths=", {"read /var/log", "create /dev/shm/f"}),
                ("TemporaryFileSystem=", {"read /etc/passwd", "read /run/systemd/system", "write to the journal"}),
                ("RestrictAddressFamilies=", {"socket TCP", "socket UDP", "socket AF_NETLINK"})):
            with self.subTest(without=wall):
                machine.write(f"/run/systemd/system/{UNIT}.d/wall.conf", f"[Service]\n{wall}\n")
                self.assertLessEqual(through, self.attempt())

    def test_the_score(self):
        machine.run("systemd-analyze", "security", "--no-pager", "--threshold=3", "echod.service")


if __name__ == "__main__":
    harness.main()
