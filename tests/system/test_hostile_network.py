# ctest: seconds=600 uncounted
"""A path that loses, doubles, delays and reorders packets; and a flood of forged SYNs."""
import ipaddress
import threading
import unittest

import harness
import network
import proc
from bad_path import BadPath
from hostile import LONG, Bystanders, Watched
from peers import connect, converse, datagram_peer, echo, payload

SERVER, CLIENT = "192.0.2.1", "192.0.2.2"
MANNERS = dict(loss=0.05, duplication=0.02, reordering=0.05, delay=0.05, detour=0.03)


def setUpModule():
    harness.own_network()


class Path(unittest.TestCase):
    """5 % lost in each direction, 50 ms of delay, 2 % doubled, 5 % on a detour of up to 30 ms."""

    def joined(self, seed, loss=MANNERS["loss"]):
        server, client = network.Host(), network.Host()
        path = BadPath(server, client, seed, **dict(MANNERS, loss=loss))
        server.addresses("path", f"{SERVER}/24")
        client.addresses("path", f"{CLIENT}/24")
        return server, client, path

    def check(self, counts):
        print(counts, flush=True)
        for count in counts.values():
            self.assertGreater(count, 0, counts)

    def converse_all(self, client, port, count, size):
        wrong = []

        def one(seed):
            try:
                with client.inside():  # of this thread alone
                    peer = connect(port, SERVER)
                with peer:
                    data = payload(size, seed)
                    if converse(peer, data) != data:
                        wrong.append(f"peer {seed}: other bytes came back")
            except OSError as error:
                wrong.append(f"peer {seed}: {error!r}")

        threads = [threading.Thread(target=one, args=(seed,)) for seed in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_streams(self):
        count, size = (100, 1 << 20) if LONG else (25, 100000)
        for number, options in enumerate(((), ("--buffer-memory=0",), ("--buffer-size=4096",))):
            server, client, path = self.joined(f"streams {number}")
            with self.subTest(options=options), path:
                with server.inside(), Watched(*options) as daemon:
                    with Bystanders(daemon.tcp) as bystanders:
                        self.converse_all(client, daemon.tcp, count, size)
                    numbers = daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to leave")
                    self.assertEqual(numbers["tcp_closed_eof"], count + bystanders.opened, numbers)
            self.check(path.counts)

    def test_datagrams(self):
        """Each reply is what was sent, and no more often than the path has doubled it."""
        count = 20000 if LONG else 1000
        server, client, path = self.joined("datagrams")
        with path, server.inside(), Watched("--udp-rate=0") as daemon:
            with client.inside():
                peer = datagram_peer(daemon.udp, SERVER)
            replies = [0] * count

            def take(data):
                number = int(data.split()[0])
                self.assertEqual(data, b"%d " % number + payload(number % 1400, number))
                replies[number] += 1

            with peer:
                for number in range(count):
                    peer.send(b"%d " % number + payload(number % 1400, number))
                    while number % 10 == 0:  # at most ten unanswered, and those that are lost
                        peer.settimeout(0.01)
                        try:
                            take(peer.recv(1 << 16))
                        except TimeoutError:
                            break
                # what is on the way arrives before this does: it is sent again until it has come back
                peer.settimeout(1)
                last, answered = b"%d " % (count - 1) + payload((count - 1) % 1400, count - 1), False
                while not answered:
                    peer.send(last)
                    try:
                        while True:
                            data = peer.recv(1 << 16)
                            answered |= data == last
                            take(data)
                    except TimeoutError:
                        pass
            numbers = daemon.stats()
            self.assertEqual(numbers["udp_received"], numbers["udp_answered"])
            self.assertGreater(replies.count(0), 0, "none was lost")
            self.assertGreater(sum(map(bool, replies)), count // 2)
            self.assertLessEqual(max(replies[:-1]), 4)  # doubled there, and each of them back
        self.check(path.counts)


class Flood(unittest.TestCase):
    """Forged SYNs, whose sources answer nothing, while clients come and go."""

    def test_newcomers_beside_a_flood_of_syns(self):
        count, a_client = 600000 if LONG else 30000, 300
        server, client = network.pair()
        server.run("ip", "route", "add", "default", "via", CLIENT)  # there is a way to all that are forged
        # Each newcomer is a stranger: the kernel keeps room for hosts that have answered it before.
        client.run("ip", "route", "add", "local", "198.51.0.0/16", "dev", "lo")
        strangers = (f"198.51.{number >> 8}.{number & 255}" for number in range(1 << 16))
        forger = network.Forger(client)
        first = int(ipaddress.ip_address("198.18.0.0"))  # RFC 2544: for benchmarks
        with server.daemon("--idle-timeout=0", kind=Watched) as daemon:
            with connect_from(client, daemon.tcp, next(strangers)) as settled:
                echo(settled, b"settled")
                files, memory = proc.descriptors(daemon.pid), proc.resident(daemon.pid)
                for number in range(count):
                    source = str(ipaddress.ip_address(first + number % (1 << 17)))
                    forger.send_syn(source, 1024 + number % 60000, SERVER, daemon.tcp)
                    if number % a_client == 0:
                        with connect_from(client, daemon.tcp, next(strangers)) as newcomer:
                            data = payload(10000, number)
                            self.assertTrue(converse(newcomer, data) == data, "other bytes came back")
                        self.assertEqual(echo(settled, b"still here"), b"still here")
                numbers = daemon.stats()
                counted = server_counters(server)
                print({name: counted[name] for name in ("SyncookiesSent", "SyncookiesRecv", "ListenDrops")})
                # the flood was one: the queue of half-open connections was full, again and again
                self.assertGreater(counted["SyncookiesSent"], count // 2)
                self.assertEqual(numbers["tcp_accepted"], 1 + count // a_client)
                self.assertEqual(proc.descriptors(daemon.pid), files)
                if harness.RELEASE:
                    self.assertLessEqual(proc.resident(daemon.pid) - memory, 256 << 10)


def connect_from(host, port, source):
    with host.inside():
        return connect(port, SERVER, source=source)


def server_counters(host):
    """TcpExt of /proc/net/netstat."""
    with host.inside(), open("/proc/thread-self/net/netstat", encoding="ascii") as file:
        names, values = [line.split()[1:] for line in file if line.startswith("TcpExt:")]
    return dict(zip(names, map(int, values)))


if __name__ == "__main__":
    harness.main()
