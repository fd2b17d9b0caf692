# ctest: uncounted unfiltered
"""The ports that echod-client comes from, in a network of its own, where all are known to be free."""
import harness
from liars import DatagramPeer
from network import interrupt_while_connecting
from client import CLIENT, Case


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
        status, out, err = interrupt_while_connecting(CLIENT, "10.0.0.1", "127.0.0.1")
        self.assertEqual((status, out), (2, ""))
        self.assertRegex(err, r"\Aechod-client: connect to [0-9.]+:9: stopped\n\Z")


if __name__ == "__main__":
    harness.main()
