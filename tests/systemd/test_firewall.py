# ctest: container root
"""The firewall rules that are shipped, before the installed service: closed first, then open, and nothing else opened.

The firewalls run on the container's systemd, and the peer is this process, at the other end of a veth pair.
"""
import socket
import unittest

import harness
from container import Container, output
from peers import ask, connect, datagram_peer, echo

PORT, OTHER_PORT = 50007, 50008
HERE, THERE = "192.0.2.1", "192.0.2.2"
SILENCE = 0.5  # seconds without an answer that make a port closed; an open port gets all the time it wants
DROPPING = "table inet filter { chain input { type filter hook input priority filter; policy drop; }; }"

machine = None


def setUpModule():
    global machine
    harness.own_network()
    machine = Container()
    unittest.addModuleCleanup(machine.stop)
    output("ip", "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", str(machine.init))
    output("ip", "address", "add", HERE + "/24", "dev", "here")
    output("ip", "link", "set", "here", "up")
    machine.run("ip", "address", "add", THERE + "/24", "dev", "there")
    machine.run("ip", "link", "set", "there", "up")
    machine.run("dpkg", "--install", machine.packages[0])
    machine.run("systemctl", "enable", "--now", "echod-udp.socket")
    machine.run("systemd-run", "--unit=other", "--service-type=notify", "/usr/sbin/echod", f"--port={OTHER_PORT}")


def tcp_is_open(port):
    with connect(port, THERE) as peer:
        return echo(peer, b"x") == b"x"


def udp_is_open(port):
    with datagram_peer(port, THERE) as peer:
        return ask(peer, b"x") == b"x"


def is_closed(kind, port):
    with socket.socket(socket.AF_INET, kind) as peer:
        peer.settimeout(SILENCE)
        try:
            peer.connect((THERE, port))
            peer.send(b"x")
            return peer.recv(1) is None
        except OSError:  # dropped, or rejected
            return True


class Firewall(unittest.TestCase):
    def setUp(self):
        self.addCleanup(machine.run, "nft", "flush", "ruleset")

    def closed(self, port):
        self.assertTrue(is_closed(socket.SOCK_STREAM, port))
        self.assertTrue(is_closed(socket.SOCK_DGRAM, port))

    def opened(self, port):
        self.assertTrue(tcp_is_open(port))
        self.assertTrue(udp_is_open(port))

    def opens(self, *command):
        self.closed(PORT)
        self.closed(OTHER_PORT)
        machine.run(*command)
        self.opened(PORT)
        self.closed(OTHER_PORT)

    def test_without(self):
        self.opened(PORT)
        self.opened(OTHER_PORT)

    def test_nftables(self):
        machine.run("nft", "-f", "-", input=DROPPING)
        self.opens("nft", "-f", "/usr/share/doc/echod/examples/echod.nft")

    def test_ufw(self):
        machine.run("ufw", "--force", "enable")
        self.addCleanup(machine.run, "ufw", "disable")
        self.assertIn("50007/tcp", machine.run("ufw", "app", "info", "echod").stdout)
        self.opens("ufw", "allow", "echod")

    def test_firewalld(self):
        machine.run("systemctl", "start", "firewalld")
        self.addCleanup(machine.run, "systemctl", "stop", "firewalld")
        # answered when its rules are in place, which "start" does not wait for
        self.assertNotIn("echod", machine.run("firewall-cmd", "--list-services").stdout)
        self.opens("firewall-cmd", "--add-service=echod")


if __name__ == "__main__":
    harness.main()
