# ctest: seconds=120
"""--proxy-protocol: a proxy's connection begins with a header, and is the client's that it names."""
import contextlib
import os
import re
import signal
import socket
import struct
import tempfile
import unittest

import harness
from peers import connect, converse, ending, payload
from test_activation import handed, stream

PROXY = "--proxy-protocol=127.0.0.1"
START = b"\r\n\r\n\0\r\nQUIT\n"
TEXT = b"PROXY TCP4 192.0.2.1 192.0.2.9 4000 7\r\n"


def binary(client="192.0.2.1", port=4000, local=False, more=b""):
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    address = socket.inet_pton(family, client)
    rest = b"" if local else 2 * address + struct.pack("!HH", port, 7)
    kind = b"\x20\0" if local else b"\x21\x21" if family == socket.AF_INET6 else b"\x21\x11"
    return START + kind + struct.pack("!H", len(rest + more)) + rest + more


class ProxyProtocol(unittest.TestCase):
    def daemon(self, *options, **more):
        return self.enterContext(harness.Daemon(*options, "--log-connections", **more))

    def says(self, daemon, pattern, count=1):
        return daemon.lines.wait("^EXIT: .*" + pattern, count)[-1]

    def test_the_client_is_the_one_that_the_header_names(self):
        own = r"from=127\.0\.0\.1:\d+ "
        headers = ((TEXT, r"from=192\.0\.2\.1:4000 "), (binary(), r"from=192\.0\.2\.1:4000 "),
                   (b"PROXY TCP6 2001:db8::1 ::1 65535 7\r\n", r"from=\[2001:db8::1\]:65535 "),
                   (binary("2001:db8::1", 65535), r"from=\[2001:db8::1\]:65535 "),
                   (b"PROXY UNKNOWN\r\n", own), (binary(local=True), own), (binary(local=True, more=b"x" * 520), own),
                   (binary(more=b"\x04" + struct.pack("!H", 505) + bytes(505)), r"from=192\.0\.2\.1:4000 "))
        data, daemon = payload(300_000), self.daemon(PROXY)
        for header, line in headers:
            for together in (False, True):
                seen = len(daemon.lines.all)
                with connect(daemon.tcp) as peer:
                    if not together:
                        peer.sendall(header)
                    self.assertEqual(converse(peer, header + data if together else data), data)
                self.assertRegex(daemon.lines.wait("^EXIT: ", start=seen)[0],
                                 line + ".* rx_bytes=300000 tx_bytes=300000 reason=eof$")
        self.assertEqual(daemon.stats()["tcp_received_bytes"], 2 * len(headers) * len(data))

    def test_a_header_in_pieces(self):
        daemon = self.daemon(PROXY)
        for header in (TEXT, binary()):
            with connect(daemon.tcp) as peer:
                peer.sendall(header[:20])
                daemon.wait_stats(lambda now: now["tcp_open"] == 1, "it to be accepted")
                self.assertEqual(converse(peer, header[20:] + b"whole"), b"whole")
        self.says(daemon, r"from=192\.0\.2\.1:4000 .*rx_bytes=5 .*reason=eof$", 2)

    def test_what_is_no_header_is_reset_and_counted(self):
        wrong = (b"hello", TEXT.replace(b"\r\n", b"\n"), b"PROXY TCP4 192.0.2.1" + b" " * 90, START + b"\x22\x11\0\0",
                 binary(more=b"x" * 509))
        self.assertEqual(len(wrong[-1]), 537)
        daemon = self.daemon(PROXY)
        for count, header in enumerate(wrong, 1):
            with connect(daemon.tcp) as peer:
                peer.sendall(header)
                self.assertEqual(ending(peer), "reset", header)
            self.says(daemon, r"from=127\.0\.0\.1:\d+ .*rx_bytes=0 tx_bytes=0 reason=proxy$", count)
        with connect(daemon.tcp) as peer:
            peer.shutdown(socket.SHUT_WR)
            self.assertEqual(ending(peer), "reset")
        self.assertEqual(daemon.stats()["tcp_closed_proxy"], len(wrong) + 1)
        with connect(daemon.tcp) as peer:  # 536 bytes: as many as there may be
            self.assertEqual(converse(peer, binary(more=b"x" * 508) + b"most"), b"most")

    def test_a_header_that_does_not_come_is_waited_for_3_seconds(self):
        daemon = self.daemon(PROXY)
        with connect(daemon.tcp) as silent, connect(daemon.tcp) as half:
            half.sendall(TEXT[:-1])
            self.assertEqual((ending(silent), ending(half)), ("reset", "reset"))
        for line in daemon.lines.wait("^EXIT: .*reason=proxy$", 2):
            self.assertGreaterEqual(float(re.search(r"duration_s=([\d.]+)", line)[1]), 3.0)

    def test_a_header_from_elsewhere_is_bytes(self):
        harness.own_network("192.0.2.5/32", "2001:db8::5/128")
        daemon = self.daemon("--proxy-protocol=192.0.2.0/24", "--proxy-protocol=2001:db8::/64")  # dual stack: v4-mapped
        for host, source, proxy in (("127.0.0.1", "127.0.0.1", False), ("::1", "::1", False),
                                    ("127.0.0.1", "192.0.2.5", True), ("::1", "2001:db8::5", True)):
            for header in (TEXT, binary()):
                with connect(daemon.tcp, host, source=source) as peer:
                    self.assertEqual(converse(peer, header + b"bytes"), b"bytes" if proxy else header + b"bytes")
                self.says(daemon, ("from=192.0.2.1:4000 " if proxy else re.escape(source)) + ".*reason=eof$")

    def test_limits_count_the_clients(self):
        daemon = self.daemon(PROXY, "--max-connections-per-source=2")
        with contextlib.ExitStack() as stack:
            def client(header):
                peer = stack.enter_context(connect(daemon.tcp))
                peer.sendall(header + b"x")
                return peer

            for _ in range(3):  # of no source yet
                stack.enter_context(connect(daemon.tcp))
            hosts = (binary("192.0.2.1"), binary("192.0.2.2"), binary("2001:db8::1"), binary(local=True))
            for header in hosts:
                first, second = client(header), client(header)
                self.assertEqual((first.recv(1), second.recv(1), ending(client(header))), (b"x", b"x", "reset"))
                self.assertEqual(converse(first, b""), b"")
                self.assertEqual(client(header).recv(1), b"x")
            numbers = daemon.stats()
            self.assertEqual((numbers["tcp_closed_source"], numbers["tcp_refused_source"]), (len(hosts), 0))
        self.says(daemon, r"from=192\.0\.2\.2:4000 .*reason=source$")

    def test_unix_sockets(self):
        path = os.path.join(self.enterContext(tempfile.TemporaryDirectory()), "echo")
        for options, answer, client in (((PROXY,), TEXT + b"unix", r"from=unix "),
                                        (("--proxy-protocol=unix",), b"unix", r"from=192\.0\.2\.1:4000 ")):
            with stream(socket.AF_UNIX, path) as listener, socket.socket(socket.AF_UNIX) as peer:
                daemon = self.daemon(*options, **handed([listener]), listens=1)
                peer.settimeout(harness.DEADLINE)
                peer.connect(path)
                self.assertEqual(converse(peer, TEXT + b"unix"), answer)
                self.says(daemon, client + ".*reason=eof$")
                if b"PROXY" not in answer:
                    with socket.socket(socket.AF_UNIX) as part:
                        part.settimeout(harness.DEADLINE)
                        part.connect(path)
                        part.sendall(TEXT[:9])
                        daemon.wait_stats(lambda now: now["tcp_open"] == 1, "it to be accepted")
                        self.assertEqual(converse(part, TEXT[9:] + b"pieces"), b"pieces")
            os.unlink(path)

    def test_a_header_that_is_pending_survives_a_reload(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        config = os.path.join(folder, "echod.conf")

        def write(*lines):
            with open(config, "w", encoding="utf-8") as file:
                file.write("\n".join(("log-connections = on", *lines)) + "\n")

        write("proxy-protocol = 127.0.0.1", "max-connections-per-source = 1")
        daemon = self.enterContext(harness.Daemon("--listen=127.0.0.1:0", "--config=" + config))
        with connect(daemon.tcp) as nothing, connect(daemon.tcp) as part, connect(daemon.tcp) as whole:
            part.sendall(TEXT[:10])
            whole.sendall(binary("192.0.2.7") + b"before")
            self.assertEqual(whole.recv(6), b"before")
            write("max-connections-per-source = 1")  # no proxy any more: what is open stays a proxy's
            for _ in range(2):
                seen = len(daemon.lines.all)
                daemon.signal(signal.SIGHUP)
                daemon.lines.wait("^RELOAD: version=", start=seen)
            with connect(daemon.tcp) as other:
                self.assertEqual(converse(other, TEXT), TEXT)
            self.assertEqual(converse(nothing, binary("2001:db8::7") + b"after"), b"after")
            self.assertEqual(converse(part, TEXT[10:] + b"after"), b"after")
            whole.close()
        for client in (r"\[2001:db8::7\]:4000", r"192\.0\.2\.1:4000", r"192\.0\.2\.7:4000", r"127\.0\.0\.1:\d+"):
            self.says(daemon, f"from={client} ")


if __name__ == "__main__":
    harness.main()
