# ctest: uncounted unfiltered
"""The ports that echod-client comes from, in a network of its own, where all are known to be free."""
import harness
from liars import DatagramPeer
from test_client import Case


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
            self.summary(0, "-u", "-p", peer.port, "--sweep", 4, "--source-port", 5350, "127.0.0.1")
            self.assertEqual({port for _, port in peer.sources}, {5350, 5351, 5352, 5356})

    def test_it_does_not_take_itself_for_the_peer(self):
        self.set_port_range(50007, 50008)  # connect() takes the first if it can
        for _ in range(20):
            self.check(2, "", "echod-client: connect to .*: Connection refused\n", "-p", 50007, "127.0.0.1")

    def test_loss_that_the_peers_limit_may_explain(self):
        def answer(number, datagram):
            return [] if number == 1 else [datagram]

        note = "note: echod answers a source at most 1000 datagrams"
        options = ("-u", "-s", 60000, "-c", 200, "-i", 0, "-W", "1s", "-q")
        for host, noted in (("10.0.0.1", True), ("127.0.0.1", False)):
            with DatagramPeer(answer, host) as peer:
                out = self.check(1, ".*200 sent, 199 echoed, 1 lost.*", "", *options, "-p", peer.port, host)
                self.assertEqual(note in out, noted)


if __name__ == "__main__":
    harness.main()
