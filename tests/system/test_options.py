"""The command line: what is accepted, what is refused, and the exit status of each refusal."""
import os
import re
import shutil
import socket
import subprocess
import unittest

import harness
from peers import ask, connect, datagram_peer, echo

PORTS = ("", "-1", "65536", "http", "7x", "1e3", " 7")
COUNTS = ("", "-1", "x", "10x", "1.5", "99999999999999999999999")
TIMES = ("", "5.", ".5", "-5s", "5d", "s", "5 s", "1,5s", "99999999999999999999h")
SIZES = ("", "-1", "16k ", "16KB", "x", "99999999999999999999G")
SWITCHES = ("", "yes", "ON", "1")
# By what --help calls the value; and for the options whose values have another form.
BAD = {"PORT": PORTS, "N": COUNTS, "TIME": TIMES, "BYTES": SIZES, "on|off": SWITCHES, "": SWITCHES}
BAD_OF = {
    "--listen": ("", "nonsense", "localhost", "256.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
                 "127.0.0.1:x", "[::1", "[::1]7", "::1:7:", "[::1]:99999"),
    "--signal-reload": ("", "-1", "x", "0", "2147483648"),
    "--stats-socket": ("", "x" * 108),
    "--proxy-protocol": ("", "localhost", "UNIX", "10.0.0.0/33", "unix/0"),
    "--udp-rate-exempt": ("", "localhost", "10.0.0.0/33", "10/8", "2001:db8::/129", "192.0.2.1/"),
}
GOOD = ("--max-connections=100", "--buffer-size=1M", "--buffer-memory=0", "--idle-timeout=90", "--idle-timeout=0.5h",
        "--idle-timeout-full=500ms", "--drain-delay=0", "-v", "-q", "--udp-allow-source-port=7",
        "--udp-refuse-source-port=0", "--udp-rate-exempt=2001:db8::/32", "--proxy-protocol=unix", "--udp-offload=off", "--verbose=off")
ELSEWHERE = ("--config", "--check", "--help", "--version")  # test_config.py, below


def options_of(program):
    """Of each option in --help the name, the value's name ("" without one) and the default ("" without one)."""
    done = subprocess.run([program, "--help"], capture_output=True, text=True, check=True)
    return re.findall(r"^  (?:-\w, |    )(--[\w-]+)(?:=(\S+))?.*?(?:\[(\w+)\])?$", done.stdout, re.M)


class Refused(unittest.TestCase):
    def refused(self, *options, naming, status=2, **popen):
        code, lines = harness.run_daemon(*options, **popen)
        self.assertEqual((code, len(lines)), (status, 1), lines)
        for word in naming:
            self.assertIn(word, lines[0])
        return lines[0]

    def test_bad_values_are_usage_errors_that_name_option_and_value(self):
        """Every bad value for one option of each kind, one for each other option."""
        tried = set()
        for option, kind, _ in options_of(harness.ECHOD):
            if option in ELSEWHERE:
                continue
            values = BAD_OF.get(option) or BAD[kind]
            for value in values[:1] if kind in tried else values:
                with self.subTest(option=option, value=value):
                    self.refused(f"{option}={value}", naming=(option, value))
            tried.add(kind)

    def test_unknown_options_and_arguments(self):
        for word in ("--nonsense", "--portt=7", "-Z", "stray"):
            with self.subTest(word=word):
                self.refused("--port=0", word, naming=(word.split("=")[0].lstrip("-"),))

    def test_options_without_their_value_or_with_one_too_many(self):
        for word in ("--port", "--listen"):
            self.refused(word, naming=(word,))
        self.refused("--version=yes", naming=("--version",))

    def test_nothing_to_serve(self):
        self.refused("--tcp=off", "--udp=off", naming=("--tcp=off", "--udp=off"))

    def test_a_port_in_use(self):
        for kind, other in ((socket.SOCK_STREAM, "--udp=off"), (socket.SOCK_DGRAM, "--tcp=off")):
            with self.subTest(other=other), socket.socket(socket.AF_INET, kind) as taken:
                taken.bind(("127.0.0.1", 0))
                if kind == socket.SOCK_STREAM:
                    taken.listen()
                address = "127.0.0.1:%d" % taken.getsockname()[1]
                self.refused(f"--listen={address}", other, naming=(address,), status=1)

    def test_an_address_that_is_not_ours(self):
        self.refused("--listen=198.51.100.1", "--port=0", naming=("198.51.100.1",), status=1)

    def test_a_privileged_port(self):
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
            harness.require(int(file.read()) > 7, "port 7 is not privileged here")
        drop = ()
        if os.geteuid() == 0:
            harness.require(shutil.which("setpriv"), "setpriv is not installed")
            drop = ("setpriv", "--inh-caps=-all", "--bounding-set=-net_bind_service")
        self.refused("--port=7", naming=(":7",), status=4, wrapper=drop)


class Accepted(unittest.TestCase):
    def test_every_option_takes_its_good_values(self):
        for option in GOOD:
            with self.subTest(option=option):
                # -q may keep the LISTEN lines back
                with harness.Daemon(option, listens=0 if option == "-q" else None) as daemon:
                    if daemon.ports:
                        with connect(daemon.tcp) as peer:
                            self.assertEqual(echo(peer, b"x"), b"x")

    def test_every_option_takes_its_default(self):
        defaults = [f"{name}={default}" for name, _, default in options_of(harness.ECHOD) if default]
        self.assertGreater(len(defaults), 15)
        with harness.Daemon(*defaults, "--port=0") as daemon, connect(daemon.tcp) as peer:
            self.assertEqual(echo(peer, b"x"), b"x")

    def test_help_names_every_option_and_version_the_program(self):
        done = subprocess.run([harness.ECHOD, "--help"], capture_output=True, text=True, check=True)
        for option in (*BAD_OF, "--log-connections", "-h, --help", "--version"):
            self.assertIn(option, done.stdout)
        self.assertEqual(done.stderr, "")
        done = subprocess.run([harness.ECHOD, "--version"], capture_output=True, text=True, check=True)
        self.assertRegex(done.stdout, r"^echod.* \d+\.\d+\.\d+\n")


class Listening(unittest.TestCase):
    def test_by_default_on_all_addresses_with_one_port_for_both_protocols(self):
        with harness.Daemon() as daemon:
            self.assertEqual(daemon.tcp, daemon.udp)
            self.assertEqual(daemon.lines.matching("^LISTEN: "),
                             [f"LISTEN: proto=tcp address=[::]:{daemon.tcp}",
                              f"LISTEN: proto=udp address=[::]:{daemon.tcp}"])

    def test_only_one_protocol(self):
        with harness.Daemon("--udp=off") as daemon:
            self.assertEqual(list(daemon.ports), ["tcp"])
            with connect(daemon.tcp) as peer:
                self.assertEqual(echo(peer, b"x"), b"x")
            with datagram_peer(daemon.tcp) as peer, self.assertRaises(ConnectionRefusedError):
                ask(peer, b"x")
        with harness.Daemon("--tcp=off") as daemon:
            self.assertEqual(list(daemon.ports), ["udp"])
            with datagram_peer(daemon.udp) as peer:
                self.assertEqual(ask(peer, b"x"), b"x")
            with self.assertRaises(ConnectionRefusedError):
                connect(daemon.udp)

    def test_several_addresses(self):
        with harness.Daemon("--listen=127.0.0.1:0", "--listen=[::1]:0", "--udp=off") as daemon:
            lines = daemon.lines.matching("^LISTEN: ")
            for host, text in (("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")):
                port = next(int(line.rsplit(":", 1)[1]) for line in lines if text in line)
                with connect(port, host) as peer:
                    self.assertEqual(echo(peer, b"x"), b"x")

    def test_an_address_without_a_port_takes_the_port_option(self):
        with harness.Daemon("--listen=127.0.0.5", "--listen=::1", "--port=0") as daemon:
            with connect(daemon.tcp, "127.0.0.5") as peer:
                self.assertEqual(echo(peer, b"x"), b"x")
            with self.assertRaises(ConnectionRefusedError):
                connect(daemon.tcp, "127.0.0.1")

    def test_the_port_is_free_again_at_once(self):
        with harness.Daemon() as daemon:
            port = daemon.tcp
            peers = [connect(port) for _ in range(3)]
            self.assertEqual(echo(peers[0], b"x"), b"x")
        with harness.Daemon(f"--port={port}") as daemon:
            self.assertEqual(daemon.tcp, port)
        for peer in peers:
            peer.close()

    def test_a_free_port_is_free_for_both_protocols(self):
        """Half of those that Linux gives to TCP (odd ones first) are taken over UDP, which TCP does not notice."""
        def few_ports():
            harness.own_network()
            with open("/proc/sys/net/ipv4/ip_local_port_range", "w", encoding="ascii") as ports:
                ports.write("40000 40063")
            for port in range(40001, 40064, 4):
                taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                taken.bind(("127.0.0.1", port))
                os.set_inheritable(taken.detach(), True)

        for options in (["--listen=127.0.0.1", "--port=0"], ["--listen=127.0.0.1:0"]):
            for _ in range(8):
                with harness.Daemon(*options, preexec_fn=few_ports, close_fds=False) as daemon:
                    self.assertEqual(daemon.tcp, daemon.udp)


if __name__ == "__main__":
    harness.main()
