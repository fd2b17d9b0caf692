"""The firewall rules that are shipped: closed before, open after, and nothing else opened.

In namespaces of this process's own: a network with a host beyond a veth pair, and folders of its own
for what the firewalls write.
"""
import ctypes
import os
import shutil
import socket
import subprocess
import tempfile
import unittest

import harness

SOURCES = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
RULES = os.path.join(SOURCES, "packaging/firewall")
PORT = 50007
HERE, THERE = "192.0.2.1", "192.0.2.2"
CLONE_NEWNS = 0x20000  # sched.h
DROPPING = """
flush ruleset
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
	}
}
"""


def run(*command, **more):
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=harness.DEADLINE,
                          **more)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def setUpModule():
    harness.require(os.geteuid() == 0, "namespaces with firewalls need root")
    for program in ("nft", "ip", "ufw", "firewall-offline-cmd"):
        harness.require(shutil.which(program), program + " is not installed")
    harness.own_network()
    # what ufw and firewalld keep in /etc is not to be touched
    if ctypes.CDLL(None).unshare(CLONE_NEWNS) != 0:
        harness.require(False, "no mount namespace")
    run("mount", "--make-rprivate", "/")
    # the peer lives in a network of its own, which its process keeps
    peer = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    unittest.addModuleCleanup(peer.wait)
    unittest.addModuleCleanup(peer.kill)
    own = os.readlink("/proc/self/ns/net")
    harness.wait_until(lambda: os.readlink(f"/proc/{peer.pid}/ns/net") != own, "the peer's network")
    run("ip", "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", str(peer.pid))
    run("ip", "address", "add", HERE + "/24", "dev", "here")
    run("ip", "link", "set", "here", "up")
    inside = ("nsenter", f"--net=/proc/{peer.pid}/ns/net")
    run(*inside, "ip", "address", "add", THERE + "/24", "dev", "there")
    run(*inside, "ip", "link", "set", "there", "up")
    Firewall.inside = inside


PROBE = """
import socket, sys
kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}[sys.argv[1]]
with socket.socket(socket.AF_INET, kind) as sock:
    sock.settimeout(float(sys.argv[4]))
    try:
        sock.connect((sys.argv[2], int(sys.argv[3])))
        sock.send(b"x")
        sock.recv(1)
        print("open")
    except TimeoutError:
        print("dropped")
"""


class Firewall(unittest.TestCase):
    inside = ()

    def setUp(self):
        run("nft", "-f", "-", input=DROPPING)
        self.tcp, self.udp = self.serve(PORT)
        self.other_tcp, self.other_udp = self.serve(0)

    def serve(self, port):
        """The far end of the echo, reduced to one byte that is there already."""
        tcp = socket.create_server((HERE, port))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind((HERE, tcp.getsockname()[1]))
        for sock in (tcp, udp):
            sock.settimeout(harness.DEADLINE)
            self.addCleanup(sock.close)
        return tcp, udp

    def probe(self, protocol, server, seconds):
        """What the peer beyond the firewall sees: 'open' or 'dropped'."""
        command = (*self.inside, "/usr/bin/python3", "-c", PROBE, protocol, HERE,
                   str(server.getsockname()[1]), str(seconds))
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as peer:
            server.settimeout(0.05)
            while peer.poll() is None:
                try:
                    if protocol == "tcp":
                        with server.accept()[0] as accepted:
                            accepted.send(b"y")
                            peer.wait(harness.DEADLINE)
                    else:
                        server.sendto(b"y", server.recvfrom(10)[1])
                except TimeoutError:
                    pass
            return peer.stdout.read().strip()

    def states(self, expected):
        """Ours over TCP and UDP, another port over both. What should be open gets all the time it wants."""
        servers = (("tcp", self.tcp), ("udp", self.udp), ("tcp", self.other_tcp), ("udp", self.other_udp))
        return [self.probe(protocol, server, harness.DEADLINE / 3 if state == "open" else 0.5)
                for (protocol, server), state in zip(servers, expected)]

    def check(self, expected):
        self.assertEqual(self.states(expected), expected)

    closed = ["dropped"] * 4
    opened = ["open", "open", "dropped", "dropped"]

    def test_nftables(self):
        # replies of connections that are open already are the administrator's to let in; here, too
        self.check(self.closed)
        run("nft", "-f", os.path.join(RULES, "echod.nft"))
        self.check(self.opened)

    def test_ufw(self):
        for folder in ("/etc/ufw", "/etc/default", "/run"):
            copy = tempfile.TemporaryDirectory()
            self.addCleanup(copy.cleanup)
            if folder != "/run":
                shutil.copytree(folder, copy.name, symlinks=True, dirs_exist_ok=True)
            run("mount", "--bind", copy.name, folder)
            self.addCleanup(run, "umount", folder)
        run("nft", "flush", "ruleset")
        shutil.copy(os.path.join(RULES, "echod.ufw"), "/etc/ufw/applications.d/echod")
        run("ufw", "--force", "enable")
        self.addCleanup(run, "ufw", "disable")
        self.check(self.closed)
        self.assertIn("50007/tcp", run("ufw", "app", "info", "echod"))
        run("ufw", "allow", "echod")
        self.check(self.opened)

    def test_firewalld(self):
        """By what it makes of the service: to run it would take a system bus of its own."""
        with tempfile.TemporaryDirectory() as scratch:
            os.mkdir(scratch + "/services")
            shutil.copy(os.path.join(RULES, "echod.xml"), scratch + "/services")
            shutil.copytree("/usr/lib/firewalld/zones", scratch + "/zones")
            command = ("firewall-offline-cmd", "--system-config", scratch)
            run(*command, "--check-config")
            self.assertEqual(run(*command, "--service=echod", "--get-ports").split(),
                             [f"{PORT}/tcp", f"{PORT}/udp"])
            for other in ("--get-protocols", "--get-source-ports", "--get-modules", "--get-includes"):
                self.assertEqual(run(*command, "--service=echod", other).strip(), "")


if __name__ == "__main__":
    harness.main()
