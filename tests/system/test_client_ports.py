# ctest: uncounted unfiltered
"""The ports that echod-client comes from, in a network of its own, where all are known to be free."""
import os
import signal
import subprocess
import tempfile

import harness
from harness import DEADLINE
from liars import DatagramPeer
from test_client import CLIENT, Case


class Ports(Case):

    @classmethod
    def setUpClass(cls):
        harness.own_network("10.0.0.1/32")

    def setUp(self):
        self.set_port_range(32768, 60999)

    def set_port_range(self, low, high):
        with open("/proc/sys/net/ipv4/ip_local_port_range", "w", encoding="ascii") as file:
            file.write(f"{low} {high}")

    def test_refused_source_ports_are_left_out(self):
        with DatagramPeer(lambda number, datagram: [datagram], port=5354) as peer:
            self.set_port_range(5352, 5357)
            for _ in range(20):
                self.check(0, "Received .*", "", "-u", "-p", peer.port, "127.0.0.1")
            self.assertEqual({port for _, port in peer.sources} - {5352, 5356, 5357}, set())
            peer.sources.clear()
            self.check(0, ".*4 sent, 4 echoed.*", "echod-client: --source-port=5350: left out 3 ports that echo services "
                       "do not answer\n", "-u", "-p", peer.port, "--sweep", 4, "--source-port", 5350, "127.0.0.1")
            self.assertEqual({port for _, port in peer.sources}, {5350, 5351, 5352, 5356})

    def test_it_does_not_take_itself_for_the_peer(self):
        self.set_port_range(50007, 50008)  # connect() takes the first if it can
        for _ in range(20):
            self.check(2, "", "echod-client: connect to .*: Connection refused\n", "-p", 50007, "127.0.0.1")

    def test_loss_that_the_peers_limit_may_explain(self):
        def answer(number, datagram):
            return [] if number == 1 else [datagram]

        note = "note: echod answers a source at most 1000 datagrams"
        # 4000 tokens' worth in 0.2 s, however long the end is waited for; what the burst covers
        for host, size, count, timeout, noted in (
                ("10.0.0.1", 30000, 200, "5s", True), ("127.0.0.1", 30000, 200, "1s", False),
                ("10.0.0.1", 56, 2, "1s", False), ("10.0.0.1", 30000, 50, "1s", False)):
            with self.subTest(size=size, count=count), DatagramPeer(answer, host) as peer:
                out = self.check(1, f".*{count} sent, .*, [1-9][0-9]* lost.*", "", "-u", "-s", size, "-c", count,
                                 "-i", "1ms", "-W", timeout, "-q", "-p", peer.port, host)
                self.assertEqual(note in out, noted)

    def test_interrupted_while_connecting(self):
        """It does not go on to the next address."""
        harness.require(os.geteuid() == 0, "no root, who may lay another file over /etc/hosts")
        subprocess.run(["nft", "-f", "-"], text=True, check=True,
                       input="table ip t { chain c { type filter hook output priority 0; tcp dport 9 drop; }\n }")
        self.addCleanup(subprocess.run, ["nft", "flush", "ruleset"], check=True)
        with tempfile.NamedTemporaryFile("w") as hosts:
            hosts.write("10.0.0.1 two.test\n127.0.0.1 two.test\n")
            hosts.flush()
            command = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts.name, CLIENT,
                       "-p", "9", "-W", "1h", "two.test"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
                harness.wait_until(lambda: "SYN-SENT" in subprocess.run(
                    ["ss", "-tan"], stdout=subprocess.PIPE, text=True, check=True).stdout, "it to connect")
                client.send_signal(signal.SIGINT)
                out, err = client.communicate(timeout=DEADLINE)
        self.assertEqual((client.returncode, out), (2, ""))
        self.assertRegex(err, r"\Aechod-client: connect to [0-9.]+:9: stopped\n\Z")


if __name__ == "__main__":
    harness.main()
