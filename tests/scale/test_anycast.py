# ctest: seconds=300 root
"""packaging/scale/bird: three hosts announce one address by BGP, the router spreads flows, and a host dies."""
import os
import re
import selectors
import socket
import unittest

import harness
from hosts import HOSTS, PORT, SCALE, Network
from peers import connect, echo

SERVICE = "198.51.100.7"
FLOWS = 3000
LASTING = 300


def read(name):
    with open(os.path.join(SCALE, "bird", name), encoding="utf-8") as file:
        return file.read()


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
        with selectors.DefaultSelector() as selector:
            for peer in lasting:
                peer.send(b"after")
                selector.register(peer, selectors.EVENT_READ)
            alive = 0
            while ready := selector.select(2):  # nothing is decided by it
                for key, _ in ready:
                    selector.unregister(key.fileobj)
                    try:
                        alive += key.fileobj.recv(100) == b"after"
                    except ConnectionResetError:  # the host to which it was moved does not know it
                        pass
        print(f"{LASTING - alive} of {LASTING} flows cut by the end of one host of three")
        self.assertLess(alive, LASTING)
        for daemon in self.network.daemons[1:]:
            daemon.stop()  # nothing that the sanitizers or the log would tell


if __name__ == "__main__":
    harness.main()
