# ctest: seconds=300 root
"""packaging/scale/bird: three hosts announce one address by BGP, the router spreads flows, and a host dies."""
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import unittest

import harness
from hosts import HOSTS, PORT, SCALE, Network
from peers import connect, echo

SERVICE = "198.51.100.7"
FLOWS = 3000
LASTING = 300
OF_THE_KERNEL = "198.51.100.8"  # a service address with next hops of our own making


def read(name):
    with open(os.path.join(SCALE, "bird", name), encoding="utf-8") as file:
        return file.read()


def alive(peers):
    """How many of these connections still have an echo."""
    count = 0
    with selectors.DefaultSelector() as selector:
        for peer in peers:
            peer.send(b"after")
            selector.register(peer, selectors.EVENT_READ)
        while ready := selector.select(2):  # nothing is decided by it
            for key, _ in ready:
                selector.unregister(key.fileobj)
                try:
                    count += key.fileobj.recv(100) == b"after"
                except ConnectionResetError:  # the host to which it was moved does not know it
                    pass
    return count


class Anycast(unittest.TestCase):
    def setUp(self):
        network = self.network = self.enterContext(Network("bird"))
        self.bird(network.middle, "router", read("router.conf"))
        self.birds = []
        for host, address in zip(network.hosts, HOSTS):
            self.birds.append(self.bird(host, address, read("host.conf").replace(HOSTS[0], address)))
            self.unit(host, "ExecStart")
        self.enterContext(network.client.inside())
        self.wait_for_next_hops(3)

    def bird(self, host, name, text):
        path = self.network.file(name + ".conf", text)
        return self.network.start(host, "bird", "-f", "-c", path, "-s", path + ".ctl", "-P", path + ".pid")

    def unit(self, host, key):
        """What echod-anycast@.service does under this key."""
        commands = re.findall(rf"^{key}=-?(.*)$", read("echod-anycast@.service"), re.M)
        self.assertTrue(commands)
        for command in commands:
            host.run(*command.replace("%i", SERVICE).split())

    def next_hops(self):
        return re.findall(r"via (\S+)", self.network.middle.run("ip", "route", "show", SERVICE))

    def wait_for_next_hops(self, count):
        try:
            harness.wait_until(lambda: len(self.next_hops()) == count, f"{count} next hops")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.network.log()}") from None

    def test_flows_are_spread_evenly(self):
        before = self.network.accepted()
        for _ in range(FLOWS):
            with connect(PORT, SERVICE) as peer:
                self.assertEqual(echo(peer, b"flow"), b"flow")
        taken = [now - then for now, then in zip(self.network.accepted(), before)]
        print("flows:", taken)
        self.assertEqual(sum(taken), FLOWS)
        self.assertTrue(all(abs(count - FLOWS / 3) <= FLOWS / 30 for count in taken), taken)

    def test_datagrams_are_spread_and_answered_from_the_address(self):
        for number in range(LASTING):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
                peer.settimeout(harness.DEADLINE)
                peer.sendto(b"%d" % number, (SERVICE, PORT))
                self.assertEqual(peer.recvfrom(100), (b"%d" % number, (SERVICE, PORT)))
        self.assertTrue(all(daemon.stats()["udp_answered"] > LASTING / 10 for daemon in self.network.daemons))

    def test_a_host_that_is_withdrawn_gets_no_more(self):
        self.unit(self.network.hosts[0], "ExecStop")
        self.wait_for_next_hops(2)
        before = self.network.accepted()
        for _ in range(LASTING):
            with connect(PORT, SERVICE) as peer:
                echo(peer, b"x")
        taken = [now - then for now, then in zip(self.network.accepted(), before)]
        self.assertEqual((taken[0], sum(taken)), (0, LASTING))

    def test_a_host_that_dies_without_a_word(self):
        lasting = [connect(PORT, SERVICE) for _ in range(LASTING)]
        for peer in lasting:
            echo(peer, b"before")
        self.assertEqual(harness.wait_until(lambda: len(self.next_hops()), "routes"), 3)
        self.network.hosts[0].run("ip", "link", "set", "wire", "down")  # it has no way to say anything
        self.wait_for_next_hops(2)  # the hold time is 3 s
        for number in range(LASTING):
            with connect(PORT, SERVICE) as peer:
                self.assertEqual(echo(peer, b"new"), b"new")
        left = alive(lasting)
        print(f"{LASTING - left} of {LASTING} flows cut by the end of one host of three")
        self.assertLess(left, LASTING)
        for daemon in self.network.daemons[1:]:
            daemon.stop()  # nothing that the sanitizers or the log would tell

    def test_the_hosts_are_reloaded_one_after_the_other_under_load(self):
        command = [os.environ["ECHOD_BENCH"], "-J", "-c", "60", "-W30", "-p", str(PORT), SERVICE]
        with subprocess.Popen([*command, "-t", "1h"], stdout=subprocess.PIPE) as bench:
            harness.wait_until(lambda: sum(self.network.accepted()) >= 60, "the load")
            for reloads in (1, 2):
                for daemon in self.network.daemons:
                    before = daemon.stats()["tcp_received_bytes"]
                    daemon.signal(signal.SIGHUP)
                    daemon.wait_stats(lambda now: now["reloads"] == reloads and now["tcp_received_bytes"] > before,
                                      "echoes after the reload")
            bench.send_signal(signal.SIGINT)
            result = json.loads(bench.communicate(timeout=harness.DEADLINE)[0])
        self.assertEqual({name: result["counts"][name] for name in ("lost", "corrupted", "duplicated")},
                         {"lost": 0, "corrupted": 0, "duplicated": 0})
        self.assertEqual((result["connections"]["failed"], result["connections"]["broken"]), (0, 0))
        self.assertEqual(len(self.next_hops()), 3)

    def test_resilient_next_hops_cut_only_the_flows_of_their_host(self):
        """Of a router on Linux, beside plain ECMP: one of three hosts is taken out of the group."""
        middle, cut = self.network.middle, {}
        for number, address in enumerate(HOSTS):
            self.network.hosts[number].addresses("lo", OF_THE_KERNEL + "/32")
            middle.run("ip", "nexthop", "add", "id", str(number + 1), "via", address, "dev", "hosts")
        for kind in ([], ["type", "resilient", "buckets", "96", "idle_timer", "3600"]):
            middle.run("ip", "nexthop", "add", "id", "10", "group", "1/2/3", *kind)
            middle.run("ip", "route", "add", OF_THE_KERNEL, "nhid", "10")
            before = self.network.accepted()
            lasting = [connect(PORT, OF_THE_KERNEL) for _ in range(LASTING)]
            for peer in lasting:
                echo(peer, b"before")
            taken = [now - then for now, then in zip(self.network.accepted(), before)]
            middle.run("ip", "nexthop", "replace", "id", "10", "group", "2/3", *kind)
            cut[bool(kind)] = LASTING - alive(lasting)
            middle.run("ip", "nexthop", "del", "id", "10")  # and its route
            print(f"{'resilient' if kind else 'plain'}: {taken[0]} flows on the host, {cut[bool(kind)]} cut")
        self.assertEqual(cut[True], taken[0])
        self.assertGreater(cut[False], cut[True])


if __name__ == "__main__":
    harness.main()
