# ctest: container root
"""The cage of echod.service: what an attacker who has taken over the daemon can still do in it."""
import os
import unittest

import harness
from container import Container

ATTEMPTS = os.environ.get("ATTEMPTS", "")  # the program's path
DAEMON = "/usr/lib/echod/echod"
CAGED = "/usr/lib/echod/attempts"
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
                ("NoExecPaths=", {"map what was written"}),
                ("SystemCallFilter=execve fchmod\nNoExecPaths=", {"run what was written"}),
                ("MemoryDenyWriteExecute=no", {"mmap writable and executable", "mprotect to executable"}),
                ("InaccessiblePaths=", {"read /var/log", "create /dev/shm/f"}),
                ("TemporaryFileSystem=", {"read /etc/passwd", "read /run/systemd/system", "write to the journal"}),
                ("RestrictAddressFamilies=", {"socket TCP", "socket UDP", "socket AF_NETLINK"})):
            with self.subTest(without=wall):
                machine.write(f"/run/systemd/system/{UNIT}.d/wall.conf", f"[Service]\n{wall}\n")
                self.assertLessEqual(through, self.attempt())

    def test_what_a_package_renames_in_is_what_the_cage_sees_and_nothing_else_is_executable(self):
        machine.run("systemctl", "start", "echod.socket", "echod.service")
        process = f"/proc/{machine.host_pid('echod.service')}"
        root = process + "/root"
        try:
            for file in (DAEMON, machine.run("realpath", "/lib64/ld-linux-x86-64.so.2").stdout.strip()):
                before = os.stat(root + file).st_ino
                machine.run("sh", "-ec", 'cp -p "$1" "$1.new"; mv "$1.new" "$1"', "sh", file)
                self.assertNotEqual(os.stat(root + file).st_ino, before)
                self.assertEqual(os.stat(root + file).st_ino, os.stat(f"/proc/{machine.init}/root{file}").st_ino)
            with open(process + "/mountinfo", encoding="ascii") as file:
                mounts = [line.split()[4:6] for line in file]
            self.assertEqual({path for path, flags in mounts if "noexec" not in flags.split(",")},
                             # the last is systemd's own, empty, and only read
                             {"/usr/lib/echod", "/usr/lib/x86_64-linux-gnu", "/run/systemd/incoming"})
        finally:
            machine.run("systemctl", "stop", "echod.socket", "echod.service")

    def test_the_score(self):
        machine.run("systemd-analyze", "security", "--no-pager", "--threshold=3", "echod.service")


if __name__ == "__main__":
    harness.main()
