# ctest: seconds=600 container root
"""The Debian package: what it enables, upgrades without a refusal, and what it leaves behind: nothing."""
import re
import threading
import unittest

import harness
from container import Container
from peers import ask, connect, datagram_peer, echo

PORT = 50007
# What dpkg, apt and systemd keep for themselves and about every package.
KEPT = ("/var/lib/dpkg", "/var/lib/apt", "/var/cache", "/var/log", "/var/tmp", "/var/lib/systemd",
        "/etc/ld.so.cache", "/run", "/tmp", "/proc", "/sys", "/dev", "/deb", "/packaging")

machine = None


def setUpModule():
    global machine
    machine = Container()
    unittest.addModuleCleanup(machine.stop)
    machine.enter_network()


def everything():
    prune = " -o ".join(f"-path {path}" for path in KEPT)
    return set(machine.run("sh", "-c", f"find / \\( {prune} \\) -prune -o -print").stdout.splitlines())


def enabled(unit):
    return machine.run("systemctl", "is-enabled", unit, check=False).stdout.strip()


class Package(unittest.TestCase):
    def setUp(self):
        self.before = everything()

    def dpkg(self, *arguments):
        return machine.run("dpkg", *arguments)

    def install(self):
        self.dpkg("--install", *machine.packages)

    def purged(self):
        """Removed in both steps, with nothing of it left."""
        self.dpkg("--remove", "echod", "echod-tools")
        for unit in ("echod.socket", "echod-udp.socket", "echod.service"):
            self.assertNotEqual(machine.active(unit), "active")
        with self.assertRaises(ConnectionRefusedError):
            connect(PORT)
        self.assertIn("/etc/echod/echod.conf", everything())  # the administrator's, until a purge
        self.dpkg("--purge", "echod", "echod-tools")
        self.assertEqual(everything() - self.before, set())
        self.assertEqual(self.before - everything(), set())
        self.assertEqual(machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend",
                                     "--state=loaded", "echod*").stdout, "")

    def test_tcp_is_served_and_udp_on_request(self):
        self.install()
        self.assertEqual((enabled("echod.socket"), enabled("echod-udp.socket")), ("enabled", "disabled"))
        self.assertEqual(machine.active("echod.service"), "inactive")
        with connect(PORT) as peer:
            self.assertEqual(echo(peer, b"over TCP"), b"over TCP")
        with datagram_peer(PORT) as peer, self.assertRaises(ConnectionRefusedError):
            ask(peer, b"over UDP")
        # with the service running, as the page says
        machine.run("sh", "-c", "systemctl enable echod-udp.socket && systemctl restart echod-udp.socket")
        with datagram_peer(PORT) as peer:
            self.assertEqual(ask(peer, b"over UDP"), b"over UDP")
        self.purged()

    def test_one_command_installs_and_shows_it(self):
        said = machine.run("/packaging/install", *machine.packages).stdout
        for text in ("Hello over TCP", "Hello over UDP", "echod.service - ", "active (running)"):
            self.assertIn(text, said)
        self.assertEqual((enabled("echod.socket"), enabled("echod-udp.socket")), ("enabled", "enabled"))
        self.purged()

    def test_each_package_comes_alone(self):
        service, tools = machine.packages
        self.dpkg("--install", service)
        with connect(PORT) as peer:
            self.assertEqual(echo(peer, b"x"), b"x")
        self.assertEqual(machine.run("sh", "-c", "command -v echod-client echod-bench echod-stat", check=False).stdout, "")
        self.purged()
        self.dpkg("--install", tools)
        for program in ("echod-client", "echod-bench", "echod-stat"):
            machine.run(program, "--version")
        self.assertFalse({path for path in everything() - self.before if "/echod" in path and "systemd" in path})
        self.dpkg("--purge", "echod-tools")
        self.assertEqual(everything(), self.before)

    def test_what_autopkgtest_would_run(self):
        self.dpkg("--install", *machine.packages)
        control = machine.run("cat", "/packaging/debian/tests/control").stdout
        tests = re.search(r"^Tests: (.*)$", control, re.M).group(1).split()
        self.assertEqual(tests, machine.run("sh", "-c", "cd /packaging/debian/tests && ls -I control").stdout.split())
        self.assertEqual(re.search(r"^Depends: (.*)$", control, re.M).group(1).split(", "), ["echod", "echod-tools"])
        for test in tests:
            # autopkgtest(1): a test that writes to stderr has failed
            self.assertEqual(machine.run("/packaging/debian/tests/" + test).stderr, "")
        self.purged()

    def other(self, version, change="true"):
        """The package of another version, with a change."""
        machine.run("sh", "-ec", f"""rm -rf /tmp/other; dpkg-deb -R {machine.packages[0]} /tmp/other; cd /tmp/other
            sed -i 's/^Version: .*/Version: {version}/' DEBIAN/control; {change}; dpkg-deb -b . /tmp/other.deb""")
        return "/tmp/other.deb"

    def test_an_upgrade_reloads_where_it_can_and_says_why_where_it_restarts(self):
        self.install()
        loader = machine.run("realpath", "/lib64/ld-linux-x86-64.so.2").stdout.strip()
        with connect(PORT) as peer:
            self.assertEqual(echo(peer, b"old"), b"old")
            before = machine.show("echod.service", "MainPID")
            machine.run("sh", "-ec", 'cp -p "$1" "$1.new"; mv "$1.new" "$1"', "sh", loader)
            said = self.dpkg("--install", self.other("9.0-1"))
            self.assertIn("echod.service reloaded, its connections stay open", said.stdout)
            harness.wait_until(lambda: "RELOAD: " in machine.journal("echod.service"), "the reload")
            self.assertEqual(echo(peer, b"new"), b"new")
            self.assertEqual(machine.show("echod.service", "MainPID"), before)
            self.assertEqual(machine.run("stat", "-Lc%i", f"/proc/{before}/exe").stdout,
                             machine.run("stat", "-c%i", "/usr/lib/echod/echod").stdout)
        for package, why in ((self.other("9.1-1", "sed -i s/SANDBOX=./SANDBOX=x/ lib/systemd/system/echod*.service"),
                              "its sandbox is another one now"),
                             (machine.packages[0], "may not read what 9.1-1 leaves")):
            said = self.dpkg("--install", package).stdout
            self.assertRegex(said, "echod.service restarts: .*" + why)
            after = machine.show("echod.service", "MainPID")
            self.assertNotEqual(after, before)
            before = after
        machine.run("rm", "-r", "/tmp/other", "/tmp/other.deb")
        self.purged()

    def test_an_upgrade_under_load_refuses_nobody(self):
        self.install()
        over, failures, echoes = threading.Event(), [], []

        def load():
            while not over.is_set():
                try:
                    with connect(PORT) as peer:
                        echoes.append(echo(peer, b"load"))
                except OSError as error:
                    failures.append(repr(error))

        thread = threading.Thread(target=load)
        thread.start()
        try:
            harness.wait_until(lambda: len(echoes) > 10, "echoes")
            before = machine.show("echod.service", "MainPID")
            self.install()
            seen = len(echoes)
            harness.wait_until(lambda: len(echoes) > seen + 10, "echoes after the upgrade")
        finally:
            over.set()
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(machine.show("echod.service", "MainPID"), before)
        self.purged()

    def test_instances_leave_nothing_either(self):
        self.install()
        machine.run("systemctl", "enable", "echod-udp.socket")
        machine.run("echod-instances", "1")
        with connect(PORT) as peer:
            self.assertEqual(echo(peer, b"x"), b"x")
        self.purged()


if __name__ == "__main__":
    harness.main()
