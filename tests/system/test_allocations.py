# ctest: release refused
"""Nothing is allocated on the echo path. Release only: sanitizers have an allocator of their own."""
import mmap
import os
import signal
import socket
import tempfile
import unittest

import harness
from peers import ask, connect, datagram_peer, echo, receive_all

CONNECTIONS = 100
ECHOES = 200000
SHIM = os.environ.get("ALLOC_COUNT_SHIM", "")


class Allocations(unittest.TestCase):
    def test_none_in_200000_echoes(self):
        with tempfile.NamedTemporaryFile() as file, tempfile.TemporaryDirectory() as folder:
            file.write(bytes(8))
            file.flush()
            path = os.path.join(folder, "stats")
            options = (f"--max-connections={CONNECTIONS}", f"--stats-socket={path}")
            environment = {"LD_PRELOAD": SHIM, "ALLOC_COUNT": file.name}
            with mmap.mmap(file.fileno(), 8) as shared, harness.Daemon(*options, env=environment) as daemon:

                def counted():
                    return int.from_bytes(shared[:8], "little")

                def read_stats():
                    with socket.socket(socket.AF_UNIX) as reader:
                        reader.connect(path)
                        self.assertIn(b"\nechod_connections %d\n" % CONNECTIONS, receive_all(reader))

                tcp, udp = [connect(daemon.tcp) for _ in range(CONNECTIONS)], datagram_peer(daemon.udp)

                def rounds(number, one_turn=False):
                    for _ in range(number):
                        if one_turn:
                            daemon.freeze()
                        for peer in tcp:
                            peer.sendall(b"12345678")
                        if one_turn:
                            daemon.signal(signal.SIGCONT)
                        for peer in tcp:
                            self.assertEqual(peer.recv(100), b"12345678")
                        self.assertEqual(ask(udp, b"datagram"), b"datagram")

                self.assertGreater(counted(), 0, "the shim counts")
                # Warm: libev's tables of events grow with the turn that has the most of them.
                rounds(100)
                rounds(5, one_turn=True)
                read_stats()
                before = counted()
                rounds(ECHOES // CONNECTIONS)
                for _ in range(20):  # although the limit is reached
                    read_stats()
                self.assertEqual(counted() - before, 0)
                # and new connections use what is there, too
                for peer in tcp:
                    peer.close()
                daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to leave")
                before = counted()
                for _ in range(500):
                    with connect(daemon.tcp) as peer:
                        self.assertEqual(echo(peer, b"x"), b"x")
                self.assertEqual(counted() - before, 0)
                udp.close()


if __name__ == "__main__":
    harness.main()
