"""The configuration file: it is read as the command line is, shown by --check, and shipped with every option in it."""
import os
import re
import socket
import subprocess
import tempfile
import unittest

import harness
from peers import connect, echo

SHIPPED = os.path.join(os.path.dirname(os.environ["ECHOD_CLIENT"]), "packaging/config/echod.conf")
ONLY_ON_THE_COMMAND_LINE = {"config", "check", "signal-reload", "help", "version"}


def check(*options):
    """Status, what holds as name to [(value, place)], and what was complained about."""
    done = subprocess.run([harness.ECHOD, "--check", *options], capture_output=True, text=True, check=False,
                          timeout=harness.DEADLINE)
    shown = {}
    for name, value, place in re.findall(r"^([a-z-]+) = (.*?) +; (.*)$", done.stdout, re.M):
        shown.setdefault(name, []).append((value, place))
    return done.returncode, shown, done.stderr


class Config(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "echod.conf")

    def write(self, text):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)
        return f"--config={self.path}"

    def test_the_file_counts_and_the_command_line_wins(self):
        config = self.write("listen = 127.0.0.1\nport = 0\nudp = off\nlog-connections = off\n")
        with harness.Daemon(config, "--log-connections", listens=1) as daemon:
            self.assertEqual(list(daemon.ports), ["tcp"])
            with connect(daemon.tcp) as peer:
                self.assertEqual(echo(peer, b"x"), b"x")
            harness.wait_until(lambda: daemon.lines.matching("^EXIT: "), "an EXIT line")

    def test_a_mistake_names_file_and_line(self):
        code, lines = harness.run_daemon(self.write("\nudp-rate = many\n"))
        self.assertEqual((code, lines),
                         (2, [f"echod: {self.path}:2: udp-rate = many: must be a whole number from 0 to 10000000"]))
        code, lines = harness.run_daemon("--config=/nonexistent")
        self.assertEqual((code, lines), (2, ["echod: /nonexistent: No such file or directory"]))

    def test_check_shows_what_holds_and_where_it_comes_from(self):
        config = self.write("port = 7\nudp-rate-exempt = ::1\nudp-rate-exempt = 192.0.2.0/24\nquiet = on\n")
        status, shown, _ = check(config, "--quiet=off", "--accept-rate=1", "--accept-rate=2")
        self.assertEqual(status, 0)
        for name, expected in (("port", [("7", f"{self.path}:1")]),
                               ("udp-rate-exempt", [("::1", f"{self.path}:2"), ("192.0.2.0/24", f"{self.path}:3")]),
                               ("quiet", [("off", "command line")]),
                               ("accept-rate", [("2", "command line")]),
                               ("keepalive", [("10m", "default")])):
            self.assertEqual(shown[name], expected)
        status, shown, said = check(self.write("port = http\n"))
        self.assertEqual((status, shown), (2, {}))
        self.assertIn(f"{self.path}:1: port = http: must be", said)

    def test_check_opens_nothing(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            self.assertEqual(check(f"--listen={address}")[0], 0)
            self.assertEqual(harness.run_daemon(f"--listen={address}")[0], 1)

    def test_what_check_shows_is_a_file(self):
        shown = subprocess.run([harness.ECHOD, "--check", "--listen=::1", "--udp-rate=7", "-v"], capture_output=True,
                               text=True, check=True).stdout
        status, again, _ = check(self.write(shown))
        self.assertEqual(status, 0)
        self.assertEqual({name: [value for value, _ in pairs] for name, pairs in again.items()},
                         {name: [value for value, _ in pairs]
                          for name, pairs in check("--listen=::1", "--udp-rate=7", "-v")[1].items()})
        self.assertEqual({place.rsplit(":", 1)[0] for pairs in again.values() for _, place in pairs}, {self.path})

    def test_every_option_is_in_the_file_that_is_shipped(self):
        with open(SHIPPED, encoding="utf-8") as file:
            text = file.read()
        helped = subprocess.run([harness.ECHOD, "--help"], capture_output=True, text=True, check=True).stdout
        names = set(re.findall(r"^  (?:-\w, |    )--([\w-]+)", helped, re.M))
        offered = re.findall(r"^#([a-z-]+) = (.*)$", text, re.M)
        self.assertEqual({name for name, _ in offered}, names - ONLY_ON_THE_COMMAND_LINE)
        self.assertFalse(re.findall(r"^[^#\n].*$", text, re.M))  # nothing is set
        for name in ONLY_ON_THE_COMMAND_LINE:
            self.assertEqual(check(self.write(f"{name} = x\n"))[0], 2)
        # with the comments taken away the defaults hold
        lines = [f"{name} = {value}\n" for name, value in offered if not value.isupper()]
        self.assertGreater(len(lines), 15)
        status, shown, said = check(self.write("".join(lines)))
        self.assertEqual((status, said), (0, ""))
        defaults = check()[1]
        self.assertEqual({name: pairs[0][0] for name, pairs in shown.items()},
                         {name: pairs[0][0] for name, pairs in defaults.items()})


if __name__ == "__main__":
    harness.main()
