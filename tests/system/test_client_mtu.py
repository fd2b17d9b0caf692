# ctest: uncounted unfiltered
"""echod-client --mtu across a router: what it finds, and what it says stands in the way."""
import json
import subprocess
import unittest

import jsonschema

import harness
import network
from harness import DEADLINE
from client import CLIENT, SCHEMA

SERVER = {4: "10.0.2.2", 6: "fd00:2::2"}
ROUTER = {4: "10.0.1.1", 6: "fd00:1::1"}
HEADERS = {4: 28, 6: 48}


class Mtu(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        harness.own_network()

    def setUp(self):
        self.client, self.router, self.server = network.Host(), network.Host(), network.Host()
        network.cable(self.client, "wire", self.router, "left")
        network.cable(self.router, "right", self.server, "wire")
        for host, device, addresses in ((self.client, "wire", ("10.0.1.2/24", "fd00:1::2/64")),
                                        (self.router, "left", ("10.0.1.1/24", "fd00:1::1/64")),
                                        (self.router, "right", ("10.0.2.1/24", "fd00:2::1/64")),
                                        (self.server, "wire", ("10.0.2.2/24", "fd00:2::2/64"))):
            host.addresses(device, *addresses)
            host.run("ip", "link", "set", device, "up")
        self.router.set("net.ipv4.ip_forward", 1)
        self.router.set("net.ipv6.conf.all.forwarding", 1)
        for host, network_number in ((self.client, 1), (self.server, 2)):
            host.run("ip", "route", "add", "default", "via", f"10.0.{network_number}.1")
            host.run("ip", "route", "add", "default", "via", f"fd00:{network_number}::1")

    def run_client(self, version, port, *options):
        with self.client.inside():
            done = subprocess.run([CLIENT, "--mtu", "-p", str(port), *options, SERVER[version]], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, check=False, timeout=DEADLINE)
        return done.returncode, done.stdout, done.stderr

    def find(self, version, port):
        status, out, err = self.run_client(version, port, "-J")
        self.assertEqual((status, err), (0, ""))
        with open(SCHEMA, encoding="utf-8") as file:
            schema = json.load(file)
        line = json.loads(out)
        jsonschema.Draft202012Validator({"$ref": "#/$defs/mtu", "$defs": schema["$defs"]}).validate(line)
        self.assertEqual(line["mtu_bytes"] - line["size_bytes"], HEADERS[version])
        return {name: line[name] for name in ("mtu_bytes", "obstacle", "obstacle_bytes", "router") if name in line}

    def test_the_own_link(self):
        with self.server.daemon() as daemon:
            for version in (4, 6):
                self.assertEqual(self.find(version, daemon.udp),
                                 {"mtu_bytes": 1500, "obstacle": "link", "obstacle_bytes": 1500})
            self.assertEqual(self.run_client(4, daemon.udp)[1],
                             f"MTU to 10.0.2.2:{daemon.udp} is 1500: datagrams of up to 1472 bytes come back unfragmented\n"
                             "larger ones: the link of this host has an MTU of 1500\n")

    def test_a_router_that_says_so(self):
        self.router.run("ip", "link", "set", "right", "mtu", "1400")
        with self.server.daemon() as daemon:
            for version in (4, 6):
                self.assertEqual(self.find(version, daemon.udp), {"mtu_bytes": 1400, "obstacle": "icmp", "obstacle_bytes": 1400,
                                                                  "router": ROUTER[version]})
            out = self.run_client(4, daemon.udp)[1]
            self.assertIn("larger ones: 10.0.1.1 says that fragmentation is needed, for an MTU of 1400 (ICMP)\n", out)

    def test_a_router_that_is_silent(self):
        self.router.run("ip", "link", "set", "right", "mtu", "1391")
        self.router.run("nft", "add table inet t; add chain inet t c { type filter hook output priority 0; }; "
                        "add rule inet t c meta l4proto icmp drop; add rule inet t c icmpv6 type packet-too-big drop")
        with self.server.daemon() as daemon:
            for version in (4, 6):
                self.assertEqual(self.find(version, daemon.udp), {"mtu_bytes": 1391, "obstacle": "silence"})
            self.assertIn("nothing comes back, and no ICMP message says why\n", self.run_client(4, daemon.udp)[1])

    def test_echoes_in_fragments(self):
        self.server.run("ip", "route", "change", "default", "via", "10.0.2.1", "mtu", "1300")
        self.server.run("ip", "-6", "route", "change", "default", "via", "fd00:2::1", "mtu", "1300")
        with self.server.daemon() as daemon:
            for version in (4, 6):
                found = self.find(version, daemon.udp)
                self.assertEqual((found["mtu_bytes"], found["obstacle"]), (1300, "fragments"))
                self.assertTrue(1280 <= found["obstacle_bytes"] <= 1300, found)
            self.assertIn("they come back in fragments of up to ", self.run_client(4, daemon.udp)[1])

    def test_no_limit_but_udps(self):
        with harness.Daemon() as daemon:
            done = subprocess.run([CLIENT, "--mtu", "-p", str(daemon.udp), "127.0.0.1"], stdout=subprocess.PIPE, text=True,
                                  check=True)
            self.assertIn("up to 65507 bytes come back unfragmented\nlarger ones: UDP carries none\n", done.stdout)

    def test_nothing_comes_back(self):
        status, out, err = self.run_client(4, 9)
        self.assertEqual((status, out, err), (1, "", "echod-client: 10.0.2.2:9: Connection refused\n"))
        self.server.run("nft", "add table inet t; add chain inet t c { type filter hook input priority 0; }; "
                        "add rule inet t c udp dport 9 drop")
        status, out, err = self.run_client(4, 9, "-W", "100ms")
        self.assertEqual((status, out, err), (1, "", "echod-client: 10.0.2.2:9: nothing comes back\n"))
        self.assertEqual(json.loads(self.run_client(4, 9, "-W", "100ms", "-J")[1])["obstacle"], "silence")

    def test_usage(self):
        for options in (("--sweep", "2"), ("-c", "3"), ("-i", "1s"), ("--source-port", "5000")):
            status, _, err = self.run_client(4, 9, *options)
            self.assertEqual((status, err.split(":")[1]), (2, " --mtu"))


if __name__ == "__main__":
    harness.main()
