# ctest: uncounted
"""The lecture's exchange: what goes over the wire, and which other programs both ends work with."""
import os
import re
import select
import shutil
import struct
import subprocess
import sys
import unittest

import harness
from harness import DEADLINE

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENT = os.environ.get("ECHOD_CLIENT", "")


def script(name, *arguments, **popen):
    return subprocess.Popen([sys.executable, "-B", os.path.join(HERE, name), *map(str, arguments)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **popen)


class Simplest(unittest.TestCase):
    """The smallest blocking programs that one can write."""

    def test_our_client_with_a_blocking_server(self):
        for options, expected in (((), r"Received 'Hello, world' in [\d.]+ ms\n"),
                                  (("-s", "5000"), r"Received 5000 bytes unchanged in [\d.]+ ms\n"),
                                  (("-c", "3", "-i", "0"), "ECHO .*\n(.*\n){4}3 sent, 3 echoed, 0 lost (.*\n)*")):
            with script("blocking_server.py", 0) as server:
                lines = harness.Lines(server.stdout)
                port = lines.wait("^Listening at")[0].split()[-1]
                done = subprocess.run([CLIENT, *options, "-p", port, "127.0.0.1"], stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True, timeout=DEADLINE, check=False)
                self.assertEqual(done.returncode, 0, done.stdout)
                self.assertRegex(done.stdout, rf"\A{expected}\Z")
                self.assertEqual(server.wait(DEADLINE), 0)
                lines.wait("^Connected by 127.0.0.1$")

    def test_a_blocking_client_with_our_server(self):
        with harness.Daemon("--log-connections") as daemon:
            with script("blocking_client.py", daemon.tcp) as client:
                self.assertEqual(client.communicate(timeout=DEADLINE)[0], b"Received b'Hello, world'\n")
                self.assertEqual(client.returncode, 0)
            daemon.lines.wait("^EXIT: .* rx_bytes=12 tx_bytes=12 reason=eof$")


class Others(unittest.TestCase):
    def test_curls_telnet(self):
        """It does not end its direction: it leaves when it is told to."""
        harness.require(shutil.which("curl"), "curl is not installed")
        with harness.Daemon() as daemon:
            with subprocess.Popen(["curl", "-sN", f"telnet://127.0.0.1:{daemon.tcp}"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE) as curl:
                for line in (b"Hello, world\n", b"and again\n"):
                    curl.stdin.write(line)
                    curl.stdin.flush()
                    self.assertEqual(curl.stdout.readline(), line)
                curl.terminate()
                curl.wait(DEADLINE)
            daemon.wait_stats(lambda now: now["tcp_open"] == 0, "curl's end")


class Capture:
    """Packets of one TCP port on the loopback interface, as tcpdump writes them."""

    def __init__(self, port):
        self.port, self.bytes = port, b""
        self.tcpdump = subprocess.Popen(
            ["tcpdump", "-i", "lo", "-U", "--immediate-mode", "-w", "-", f"tcp port {port}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.lines = harness.Lines(self.tcpdump.stderr)
        self.lines.wait("listening on")

    def packets(self):
        """Reads more and lists what was captured: "client SA 12"."""
        found, at = [], 24  # pcap-savefile(5): the file's header, then 16 bytes before each packet
        if select.select([self.tcpdump.stdout], [], [], DEADLINE)[0]:
            self.bytes += os.read(self.tcpdump.stdout.fileno(), 1 << 16)
        while len(self.bytes) >= at + 16:
            length = struct.unpack_from("=8xI", self.bytes, at)[0]
            frame = self.bytes[at + 16:at + 16 + length]
            if len(frame) < length:
                break
            at += 16 + length
            ip_header = 4 * (frame[14] & 15)
            size, source, data_offset, flags = (
                struct.unpack_from("!H", frame, 16)[0], *struct.unpack_from("!H10xBB", frame, 14 + ip_header))
            letters = "".join(letter for bit, letter in enumerate("FSRPA") if flags >> bit & 1)
            side = "server" if source == self.port else "client"
            found.append(f"{side} {letters} {size - ip_header - 4 * (data_offset >> 4)}")
        return found

    def until(self, pattern):
        """Reads until what was captured matches; each read waits for more."""
        packets = []

        def complete():
            packets[:] = self.packets()
            return re.match(pattern, "\n".join(packets)) or self.ended(packets)

        harness.wait_until(complete, "the end of the conversation")
        return packets

    @staticmethod
    def ended(packets):
        """Both have sent FIN, and one has answered; or it was broken off."""
        ends = [index for index, packet in enumerate(packets) if "F" in packet.split()[1]]
        return any("R" in packet.split()[1] for packet in packets) or (
            len(ends) == 2 and len(packets) > ends[1] + 1)

    def close(self):
        self.tcpdump.terminate()
        self.tcpdump.stdout.close()
        self.tcpdump.wait(DEADLINE)
        self.lines.thread.join(DEADLINE)


def conversation(size):
    """What the lecture's capture shows. An acknowledgement alone may ride on the next packet."""
    alone = r"(?:\n{} A 0)?".format
    return (r"\Aclient S 0\nserver SA 0\nclient A 0"
            rf"\nclient PA {size}{alone('server')}\nserver PA {size}{alone('client')}"
            rf"\nclient FA 0{alone('server')}\nserver FA 0\nclient A 0\Z")


class OnTheWire(unittest.TestCase):
    def check(self, port, exchange, size):
        capture = Capture(port)
        try:
            exchange()
            packets = capture.until(conversation(size))
            self.assertRegex("\n".join(packets), conversation(size))
        finally:
            capture.close()

    def test_the_lectures_ten_packets(self):
        harness.require(shutil.which("tcpdump"), "tcpdump is not installed")
        harness.require(shutil.which("nc.openbsd"), "nc.openbsd is not installed")
        harness.own_network()
        with harness.Daemon("--port=50007") as daemon:
            self.check(daemon.tcp, self.exchange_by_client, 12)
            self.check(daemon.tcp, self.exchange_by_nc, 13)

    def exchange_by_client(self):
        done = subprocess.run([CLIENT, "127.0.0.1"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              timeout=DEADLINE, check=True)
        self.assertIn(b"Hello, world", done.stdout)

    def exchange_by_nc(self):
        """As if typed: the end of the input comes after the answer."""
        with subprocess.Popen(["nc.openbsd", "-N", "127.0.0.1", "50007"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as nc:
            nc.stdin.write(b"Hello, world\n")
            nc.stdin.flush()
            self.assertEqual(nc.stdout.readline(), b"Hello, world\n")
            nc.stdin.close()
            self.assertEqual(nc.wait(DEADLINE), 0)

    def test_the_test_sees_what_is_wrong(self):
        good = ("client S 0\nserver SA 0\nclient A 0\nclient PA 12\nserver A 0\nserver PA 12\nclient A 0\n"
                "client FA 0\nserver FA 0\nclient A 0")
        self.assertRegex(good, conversation(12))
        for wrong in (good + "\nclient R 0", good.replace("server FA 0\n", ""), good.replace("PA 12", "PA 11"),
                      good.replace("client PA 12", "client PA 6\nclient PA 6")):
            self.assertNotRegex(wrong, conversation(12))


if __name__ == "__main__":
    harness.main()
