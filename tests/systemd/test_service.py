# ctest: seconds=600 container root
"""The installed service on a real systemd: started by the first packet, watched, restarted, drained."""
import os
import signal
import socket
import subprocess
import threading
import time
import unittest

import harness
import proc
from container import installed, output

PORT = 50007
HOSTS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
TYPES = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
PACKETS = [(kind, family) for kind in TYPES for family in HOSTS]
UNITS = ("echod.socket", "echod-udp.socket", "echod.service")
OPTIONS = "/etc/echod/echod.conf"

machine = None


def setUpModule():
    global machine
    machine = installed()


def peer(kind=socket.SOCK_STREAM, family=socket.AF_INET, port=PORT):
    sock = socket.socket(family, kind)
    sock.settimeout(harness.DEADLINE)
    sock.connect((HOSTS[family], port))
    return sock


def echo(sock, data=b"x"):
    sock.sendall(data)
    back = b""
    while len(back) < len(data):
        more = sock.recv(65536)
        if not more:
            raise ConnectionError("the connection ended before its bytes were back")
        back += more
    if back != data:
        raise AssertionError("other bytes came back")


def one_echo(kind=socket.SOCK_STREAM, family=socket.AF_INET, port=PORT):
    with peer(kind, family, port) as sock:
        echo(sock, b"one echo")


class Process:
    """A service's process, as this machine calls it: its control group tells both."""

    def __init__(self, unit="echod.service"):
        group = machine.show(unit, "ControlGroup")
        self.path = f"/proc/{machine.init}/root/sys/fs/cgroup{group}/cgroup.procs"
        self.pid = self.now()

    def now(self):
        """Its number, or None while there is none."""
        try:
            with open(self.path, encoding="ascii") as file:
                return int(file.readline() or 0) or None
        except OSError:
            return None

    def wait_for_another(self):
        harness.wait_until(lambda: self.now() not in (None, self.pid), "another daemon")
        self.pid = self.now()


class Load:
    """Short sessions in some threads; a context manager. What went wrong is in .refused and .cut."""

    def __init__(self, threads=4):
        self.refused, self.cut, self.echoes = [], [], 0
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _run(self):
        while not self.over.is_set():
            try:
                sock = peer()
            except OSError as error:
                self.refused.append(repr(error))
                continue
            try:
                with sock:
                    echo(sock, b"load")
                self.echoes += 1
            except OSError as error:
                self.cut.append(repr(error))

    def wait_for_more(self):
        """Until the service has answered again."""
        before = self.echoes
        harness.wait_until(lambda: self.echoes > before + 10, "echoes under load")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.wait_for_more()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


class Service(unittest.TestCase):
    def setUp(self):
        self.addCleanup(self.clean)
        machine.run("systemctl", "start", *UNITS[:2])

    def clean(self):
        machine.run("sh", "-c", f"""
            systemctl stop {' '.join(UNITS)} 'echod@*.socket' 'echod-udp@*.socket' 'echod@*.service'
            rm -rf /run/systemd/system/echod*.d
            : >{OPTIONS}
            systemctl daemon-reload
            systemctl reset-failed""")

    def drop_in(self, unit, *lines):
        machine.write(f"/run/systemd/system/{unit}.d/test.conf", "\n".join(lines) + "\n")
        machine.run("systemctl", "daemon-reload")

    def options(self, *lines):
        machine.write(OPTIONS, "\n".join(lines) + "\n")

    def wait_active(self, unit, state):
        harness.wait_until(lambda: machine.active(unit) == state, f"{unit} to be {state}")

    def test_the_first_packet_starts_it(self):
        for kind, family in PACKETS:
            with self.subTest(kind=kind.name, family=family.name):
                machine.run("systemctl", "stop", *UNITS)
                machine.run("systemctl", "start", *UNITS[:2])
                self.assertEqual(machine.active("echod.service"), "inactive")
                one_echo(kind, family)
                self.assertEqual(machine.active("echod.service"), "active")

    def test_a_thousand_nc_at_once_and_the_status_line(self):
        netcats = [subprocess.Popen(["nc", "-N", "127.0.0.1" if i % 2 else "::1", str(PORT)],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE) for i in range(1000)]
        texts = [b"%d " % i * 1000 for i in range(1000)]
        harness.wait_until(lambda: machine.show("echod.service", "StatusText").startswith("1000 connections"),
                           "1000 connections in the status line")
        for netcat, text in zip(netcats, texts):
            netcat.stdin.write(text)
            netcat.stdin.close()
        for netcat, text in zip(netcats, texts):
            with netcat.stdout:
                self.assertEqual(netcat.stdout.read(), text)
            self.assertEqual(netcat.wait(harness.DEADLINE), 0)
        shown = f"0 connections, {sum(map(len, texts)) / 1e6:.1f} MB echoed, 0 datagrams refused"
        harness.wait_until(lambda: shown in machine.run("systemctl", "status", "echod.service").stdout,
                           "in systemctl status: " + shown)

    def test_a_restart_under_load_refuses_nobody_and_cuts_nobody(self):
        with Load() as load:
            for _ in range(5):
                before = Process().pid
                machine.run("systemctl", "restart", "echod.service")
                load.wait_for_more()
                self.assertNotEqual(Process().pid, before)
        self.assertEqual((load.refused, load.cut), ([], []))

    def reload(self, count):
        """Waits until the daemon has reloaded, and says so, for the count-th time."""
        machine.run("systemctl", "reload", "echod.service")
        harness.wait_until(lambda: machine.journal("echod.service").count("RELOAD: ") == count and
                           machine.active("echod.service") == "active", "the reload")  # "reloading" until READY=1

    def test_reloads_under_load_lose_nothing_and_the_watchdog_goes_on(self):
        self.drop_in("echod.service", "[Service]", "WatchdogSec=2s", "TimeoutAbortSec=1s")
        before = machine.journal("echod.service").count("RELOAD: ")
        with Load() as load, peer() as lasting:
            echo(lasting, b"before")
            daemon = Process()
            for number in range(1, 6):
                self.options(f"idle-timeout = {number}h")
                self.reload(before + number)
                echo(lasting, b"after")
                load.wait_for_more()
            seen = set()
            harness.wait_until(
                lambda: seen.add(machine.show("echod.service", "WatchdogTimestampMonotonic")) or len(seen) > 3,
                "pings after reloads")
            echo(lasting, b"end")
            self.assertEqual(daemon.now(), daemon.pid)
        self.assertEqual((load.refused, load.cut), ([], []))
        self.assertEqual(machine.active("echod.service"), "active")

    def test_a_reload_is_over_when_the_daemon_is_ready_again(self):
        one_echo()
        daemon = Process()
        os.kill(daemon.pid, signal.SIGSTOP)
        with subprocess.Popen(machine.command("systemctl", "reload", "echod.service")) as reload:
            harness.wait_until(lambda: proc.is_pending(daemon.pid, signal.SIGHUP) and
                               machine.show("echod.service", "ControlPID") == "0", "all commands of the reload to end")
            self.assertEqual(machine.active("echod.service"), "reloading")
            self.assertIsNone(reload.poll())
            os.kill(daemon.pid, signal.SIGCONT)
            self.assertEqual(reload.wait(harness.DEADLINE), 0)
        self.assertEqual(machine.active("echod.service"), "active")

    def test_a_wrong_file_fails_the_reload_and_nothing_else(self):
        with peer() as lasting:
            echo(lasting, b"before")
            daemon = Process()
            self.options("idle-timeout = late")
            self.assertNotEqual(machine.run("systemctl", "reload", "echod.service", check=False).returncode, 0)
            self.assertIn("echod.conf:1: idle-timeout = late: must be", machine.journal("echod.service"))
            echo(lasting, b"after")
            self.assertEqual((daemon.now(), machine.active("echod.service")), (daemon.pid, "active"))

    def test_killed_fifty_times_under_load_it_comes_back_and_nobody_is_refused(self):
        with Load() as load:
            daemon = Process()
            for _ in range(50):
                os.kill(daemon.pid, signal.SIGKILL)
                daemon.wait_for_another()
                load.wait_for_more()
        self.assertEqual(load.refused, [])
        self.assertEqual(machine.active("echod.service"), "active")
        self.assertEqual([machine.active(unit) for unit in UNITS[:2]], ["active"] * 2)

    def test_a_daemon_that_always_crashes_is_given_up(self):
        """By the numbers: how long it takes to try depends on the machine."""
        burst = int(machine.show("echod.service", "StartLimitBurst"))
        self.assertEqual(machine.show("echod.service", "RestartUSec"), "100ms")
        self.assertEqual(machine.show("echod.service", "StartLimitIntervalUSec"), "1min")
        self.assertTrue(50 < burst < 60 / 0.1 / 2, burst)

    def test_the_watchdog_lets_an_idle_daemon_live_and_replaces_a_hung_one(self):
        self.drop_in("echod.service", "[Service]", "WatchdogSec=1s", "TimeoutAbortSec=1s")
        one_echo()
        daemon = Process()
        seen = set()
        harness.wait_until(
            lambda: seen.add(machine.show("echod.service", "WatchdogTimestampMonotonic")) or len(seen) > 4,
            "pings from an idle daemon")
        self.assertEqual(daemon.now(), daemon.pid)
        os.kill(daemon.pid, signal.SIGSTOP)
        daemon.wait_for_another()
        one_echo()
        self.assertIn("Watchdog timeout", machine.journal("echod.service"))

    def test_the_watchdog_is_heard_at_the_limit_of_connections(self):
        self.drop_in("echod.service", "[Service]", "WatchdogSec=1s", "LimitNOFILE=40")
        peers = [peer() for _ in range(20)]
        for sock in peers[:8]:
            echo(sock)
        daemon = Process()
        seen = set()
        harness.wait_until(
            lambda: seen.add(machine.show("echod.service", "WatchdogTimestampMonotonic")) or len(seen) > 3,
            "pings from a full daemon")
        self.assertEqual(daemon.now(), daemon.pid)
        for sock in peers:
            sock.close()

    def test_stopping_one_socket_leaves_the_other_served(self):
        for number, kind in enumerate(TYPES):
            other = TYPES[1 - number]
            with self.subTest(stopped=UNITS[number]):
                one_echo(kind)
                one_echo(other)
                machine.run("systemctl", "stop", UNITS[number])
                for _ in range(2):
                    one_echo(other)
                    with self.assertRaises(ConnectionRefusedError):
                        one_echo(kind)
                self.assertEqual(machine.active(UNITS[number]), "inactive")
                # "start" would be refused while the service runs; a restart takes it along
                machine.run("systemctl", "restart", UNITS[number])
                one_echo(kind)
                one_echo(other)

    def test_without_sockets_there_is_no_service(self):
        one_echo()
        machine.run("systemctl", "stop", *UNITS[:2])
        self.wait_active("echod.service", "inactive")
        self.assertNotEqual(machine.run("systemctl", "start", "echod.service", check=False).returncode, 0)
        self.assertEqual(machine.active("echod.service"), "failed")
        self.assertIn("no sockets were handed over", machine.journal("echod.service"))

    def test_wrong_options_end_in_failed_with_a_reason(self):
        self.options("idle-timeout = soon")
        machine.run("systemctl", "start", "echod.service", check=False)
        self.assertEqual(machine.active("echod.service"), "failed")
        self.assertEqual(machine.show("echod.service", "NRestarts"), "0")
        reason = "echod.conf:1: idle-timeout = soon: must be"
        self.assertIn(reason, machine.run("systemctl", "status", "echod.service", check=False).stdout)
        # a client that waits on the socket starts it again and again, but not for long
        self.drop_in("echod.service", "[Unit]", "StartLimitIntervalSec=1h", "StartLimitBurst=10")
        with peer():
            self.wait_active("echod.socket", "failed")
        self.assertLess(machine.journal("echod.service").count(reason), 12)
        self.options("")
        machine.run("systemctl", "reset-failed")
        machine.run("systemctl", "restart", "echod.socket")
        one_echo()

    def test_idle_it_ends_and_nothing_is_lost_in_between(self):
        self.options("exit-idle-time = 1s")
        pids = set()
        # Each kind of packet arrives around the time of the end: shortly before, at, after.
        for step in range(12):
            one_echo(*PACKETS[step % 4])
            pids.add(Process().pid)
            time.sleep(0.97 + 0.006 * step)  # not for luck: to meet the end
        self.assertGreater(len(pids - {None}), 1)
        self.wait_active("echod.service", "inactive")
        self.assertEqual(machine.show("echod.service", "Result"), "success")
        one_echo()

    def test_a_long_drain_is_granted(self):
        self.options("drain-timeout = 1h")
        self.drop_in("echod.service", "[Service]", "TimeoutStopSec=1s")
        with peer() as sock:
            echo(sock)
            stop = subprocess.Popen(machine.command("systemctl", "stop", *UNITS))
            self.wait_active("echod.service", "deactivating")
            began = time.monotonic()
            while time.monotonic() < began + 2:  # beyond what the unit would have allowed
                echo(sock, b"still here")
                time.sleep(0.05)
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(sock.recv(1), b"")
        self.assertEqual(stop.wait(harness.DEADLINE), 0)
        self.assertEqual(machine.show("echod.service", "Result"), "success")

    def test_port_7_without_privileges(self):
        """UDP by the same drop-in, as it says itself."""
        for unit, listen, kind in zip(UNITS, ("ListenStream", "ListenDatagram"), TYPES):
            machine.run("sh", "-ec", f"""
                mkdir -p /run/systemd/system/{unit}.d
                sed s/ListenStream/{listen}/ /usr/share/doc/echod/examples/port-7.conf \
                    >/run/systemd/system/{unit}.d/port-7.conf
                systemctl daemon-reload
                systemctl restart {unit}""")
            one_echo(kind, port=7)
            with self.assertRaises(ConnectionRefusedError):
                one_echo(kind)

    def test_the_sockets_are_as_the_units_say(self):
        one_echo()
        listening = output("ss", "-Hlnt", f"sport = :{PORT}").split()
        self.assertEqual(listening[2:4], ["4096", f"*:{PORT}"])  # the backlog; both families
        # 8M and 32M, which the kernel doubles
        self.assertRegex(output("ss", "-Hlnum", f"sport = :{PORT}"), r"skmem:\(r\d+,rb16777216,t\d+,tb67108864,")

    def test_who_may_come_is_said_in_the_socket_unit(self):
        one_echo()
        self.drop_in("echod.socket", "[Socket]", "IPAddressDeny=any", "IPAddressAllow=127.0.0.9")
        machine.run("systemctl", "restart", "echod.socket")
        with socket.socket() as allowed:
            allowed.settimeout(harness.DEADLINE)
            allowed.bind(("127.0.0.9", 0))
            allowed.connect(("127.0.0.1", PORT))
            echo(allowed)
        with socket.socket() as denied, self.assertRaises(TimeoutError):
            denied.settimeout(1)
            denied.connect(("127.0.0.1", PORT))


if __name__ == "__main__":
    harness.main()
