"""Every datagram is accounted for: received = answered + refused + failed, and the kernel's drops are told."""
import socket
import unittest

import harness
import proc
from network import Forger, pair
from peers import datagram_peer, payload, send_train
from test_activation import handed

SO_SNDBUFFORCE = 32  # asm-generic/socket.h
SERVER, CLIENT = "192.0.2.1", "192.0.2.2"
SERVER6, CLIENT6 = "2001:db8::1", "2001:db8::2"


def setUpModule():
    harness.own_network()


def total(numbers, prefix):
    return sum(value for name, value in numbers.items() if name.startswith(prefix))


class Accounts(unittest.TestCase):
    def balanced(self, numbers):
        self.assertEqual(numbers["udp_received"],
                         numbers["udp_answered"] + total(numbers, "udp_refused_") + total(numbers, "udp_failed_"),
                         numbers)
        self.assertLessEqual(numbers["udp_answered_bytes"], numbers["udp_received_bytes"])


class Paths(Accounts):
    """Known numbers through every path."""

    def setUp(self):
        self.server, self.client = pair()
        for name in ("all", "wire"):
            self.server.set(f"net.ipv4.conf.{name}.rp_filter", 0)

    def daemon(self, *options, **more):
        return self.server.daemon("--tcp=off", "--port=0", *options, listens=1, **more)

    def after(self, daemon, received):
        numbers = daemon.wait_stats(lambda now: now["udp_received"] >= received, f"{received} datagrams")
        self.assertEqual(numbers["udp_received"], received)
        self.balanced(numbers)
        return numbers

    def test_replies_that_the_kernel_refuses_by_errno(self):
        """The way back is barred, in each way that routing has."""
        barred = {"unreachable": "unreachable", "prohibit": "permission", "blackhole": "other"}
        with self.daemon() as daemon:
            forger, sent = Forger(self.client), 0
            with self.client.socket(socket.AF_INET) as peer:
                peer.connect((SERVER, daemon.udp))
                peer.send(b"the neighbours meet")
                peer.recv(100)
                sent += 1
            for number, (route, counter) in enumerate(barred.items()):
                ipv4, ipv6 = f"203.0.113.{number}", f"2001:db8:1::{number + 1}"
                self.server.run("ip", "route", "add", route, ipv4)
                # IPv6 has a metric of its own for each kind
                self.server.run("ip", "-6", "route", "add", route, ipv6, "metric", "1")
                for _ in range(5 + number):
                    forger.send(ipv4, 40000, SERVER, daemon.udp)
                    forger.send(ipv6, 40000, SERVER6, daemon.udp)
                sent += 2 * (5 + number)
                numbers = self.after(daemon, sent)
                self.assertEqual(numbers["udp_failed_" + counter], 2 * (5 + number), numbers)
            self.assertEqual(numbers["udp_answered"], 1)

    def test_all_paths_at_once_and_trains_among_them(self):
        """A batch with everything in it: what one datagram meets does not touch the next."""
        with self.daemon("--udp-rate=1000000") as daemon, self.client.socket(socket.AF_INET) as peer, \
                self.client.socket(socket.AF_INET6) as barred:
            peer.connect((SERVER, daemon.udp))
            barred.connect((SERVER6, daemon.udp))
            for meeting in (peer, barred):
                meeting.send(b"the neighbours meet")
                meeting.recv(100)
            self.server.run("ip", "-6", "route", "add", "prohibit", CLIENT6, "metric", "1")
            forger, data = Forger(self.client), payload(5000)
            daemon.signal(19)
            for number in range(20):
                peer.send(data[:number])
                forger.send(CLIENT, 7, SERVER, daemon.udp)
                send_train(barred, data[:1000 - number], 100)
                forger.send(CLIENT, 40000, "192.0.2.255", daemon.udp)
                send_train(peer, data, 1000)
                barred.send(b"x")
            daemon.signal(18)
            numbers = self.after(daemon, 2 + 20 * (1 + 1 + 10 + 1 + 5 + 1))
            for name, count in (("answered", 2 + 20 * 6), ("refused_port", 20), ("refused_destination", 20),
                                ("failed_permission", 20 * 11), ("failed_other", 0)):
                self.assertEqual(numbers["udp_" + name], count, name)
            for number in range(20):
                self.assertEqual(peer.recv(1 << 16), data[:number])
                for start in range(0, 5000, 1000):
                    self.assertEqual(peer.recv(1 << 16), data[start:start + 1000])

    def large_packets(self):
        for host in (self.server, self.client):
            host.run("ip", "link", "set", "wire", "mtu", "65535")

    def test_absent_neighbours_do_not_fill_the_send_buffer(self):
        """As much as the kernel lets wait for each of a hundred."""
        self.large_packets()
        with self.server.socket(socket.AF_INET) as probe:
            try:
                probe.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 1 << 25)
            except PermissionError:
                harness.require(False, "a send buffer above net.core.wmem_max is not permitted")
        with self.daemon("--udp-rate=0") as daemon:
            forger = Forger(self.client)
            for number in range(100, 200):
                for _ in range(3):
                    forger.send(f"192.0.2.{number}", 40000, SERVER, daemon.udp, bytes(60000))
                self.after(daemon, 3 * (number - 99))
            self.assertEqual(daemon.stats()["udp_answered"], 300)

    def test_a_full_send_buffer(self):
        """Replies wait for neighbours that are absent; more than the buffer holds are dropped and counted."""
        self.large_packets()
        self.server.set("net.ipv4.neigh.wire.unres_qlen_bytes", 1 << 20)
        # as large as net.core.wmem_max permits
        with self.daemon("--udp-rate=0", wrapper=("setpriv", "--bounding-set=-net_admin")) as daemon:
            forger, sent, numbers = Forger(self.client), 0, {}
            # at most 96 x 15 x 60 KB against a buffer of 8 MiB, if net.core.wmem_max is 4 MiB
            for number in range(100, 196):
                for _ in range(15):
                    forger.send(f"192.0.2.{number}", 40000, SERVER, daemon.udp, bytes(60000))
                    sent += 1
                numbers = self.after(daemon, sent)
                if numbers["udp_failed_again"] > 10:
                    break
            self.assertGreater(numbers["udp_failed_again"], 0)
            self.assertEqual(numbers["udp_failed_again"], total(numbers, "udp_failed_"))
            daemon.lines.wait(r"^DROP: proto=udp replies=\d+ reason=send-buffer-full$")


class KernelDrops(Accounts):
    """Floods of a daemon that is stopped: what its receive buffer does not hold, the kernel drops."""

    MUCH = 20000  # small datagrams: twice what 4 MiB hold

    def flooded(self, send, count, *options, port=None, **more):
        """Sends count times; returns the numbers once all that was queued is dealt with."""
        if port is None:
            options = ("--tcp=off", *options)
        with harness.Daemon(*options, **more) as daemon, datagram_peer(port or daemon.udp) as peer:
            daemon.signal(19)
            for _ in range(count):
                send(peer)
            daemon.signal(18)
            harness.wait_until(lambda: proc.datagrams_waiting(port or daemon.udp) == 0, "an empty queue")
            numbers = daemon.stats()
            self.balanced(numbers)
            self.assertEqual(numbers["udp_answered"], numbers["udp_received"])
            self.assertGreater(numbers["kernel_drops"], 0)
            self.assertEqual(daemon.stats()["kernel_drops"], numbers["kernel_drops"])
            return numbers["udp_received"], numbers["kernel_drops"]

    def test_single_datagrams(self):
        for gro in ("on", "off"):
            with self.subTest(gro=gro):
                received, dropped = self.flooded(lambda peer: peer.send(b"x"), self.MUCH, f"--udp-offload={gro}")
                self.assertEqual(received + dropped, self.MUCH)

    def test_a_socket_that_is_handed_over_twice(self):
        """It is one socket, and its drops are counted once."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as given, given.dup() as again:
            given.bind(("127.0.0.1", 0))
            received, dropped = self.flooded(lambda peer: peer.send(b"x"), self.MUCH, "--udp-offload=off",
                                             port=given.getsockname()[1], listens=2, **handed((given, again)))
        self.assertEqual(received + dropped, self.MUCH)

    def test_trains_cut_up_by_the_kernel(self):
        received, dropped = self.flooded(lambda peer: send_train(peer, bytes(640), 10), 400, "--udp-offload=off")
        self.assertEqual(received + dropped, 400 * 64)

    def test_a_train_that_is_dropped_counts_as_one(self):
        received, dropped = self.flooded(lambda peer: send_train(peer, bytes(64000), 1000), 1000)
        self.assertEqual(received, 64 * (1000 - dropped))


if __name__ == "__main__":
    harness.main()
