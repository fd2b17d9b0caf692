"""What the tests with hostile peers share: healthy clients beside them, and a look at the log."""
import collections
import json
import os
import re
import signal
import socket
import subprocess
import time
import unittest

import harness
from peers import connect, converse, receive

BENCH = os.environ.get("ECHOD_BENCH", "")
LONG = os.environ.get("ECHOD_LONG") == "1"
# What the daemon says once, or because it was asked to; each other kind of line has its limit.
WANTED = re.compile(r"^(LISTEN|IO|STOP|STATS|SIGHUP|BUFFER|EXIT): ")


class Bystanders:
    """Connections that go on echoing while a with block lasts. At its end everything they have sent
    must have come back, once and unchanged, and none of them may have been broken off."""

    def __init__(self, port, host="127.0.0.1", connections=8, rate=400, source=None):
        extra = [f"--source={source}"] if source else []
        self.process = subprocess.Popen(
            [BENCH, "--json", f"--port={port}", f"--connections={connections}", f"--rate={rate}",
             "--duration=24h", f"--timeout={harness.DEADLINE}s", *extra, host],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.connections, self.result = connections, None

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.process.kill()
            self.process.communicate()
            return
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=2 * harness.DEADLINE)
        check = unittest.TestCase()
        check.assertEqual((self.process.returncode, err), (0, ""), out)
        self.result = json.loads(out)
        messages = self.result["messages"]
        check.assertGreater(messages["echoed"], 0, out)
        check.assertEqual(messages["echoed"], messages["sent"], out)
        check.assertEqual(self.result["connections"]["opened"], self.connections, out)


class Watched(harness.Daemon):
    """A daemon that must not have said more than it may: of each kind, one line a second."""

    def __init__(self, *options, **more):
        self.began = time.monotonic()
        super().__init__(*options, **more)

    def __exit__(self, kind, *rest):
        super().__exit__(kind, *rest)
        most = time.monotonic() - self.began + 2  # the first at once; a clock's second of its own
        kinds = collections.Counter(line.split(":")[0] for line in self.lines.all if not WANTED.match(line))
        if kind is None and any(count > most for count in kinds.values()):
            raise AssertionError(f"in {most - 2:.0f} s: {kinds}\n" + "\n".join(self.lines.all[:20]))


def zero_windows(port):
    """The connections at this local port whose peers take nothing: the kernel only probes (ss(8))."""
    listed = subprocess.run(["ss", "-tnoH", f"sport = :{port}"], check=True, capture_output=True, text=True)
    return listed.stdout.count("timer:(persist")


class Reader:
    """Sends without reading, reads when told to, and compares all of it."""

    def __init__(self, port, data):
        self.peer = connect(port, receive_buffer=2048, send_buffer=8192)
        self.data, self.sent, self.got = memoryview(data), 0, 0

    def push(self):
        """Sends what goes; returns whether anything did."""
        self.peer.setblocking(False)
        before = self.sent
        try:
            while self.sent < len(self.data):
                self.sent += self.peer.send(self.data[self.sent:self.sent + 65536])
        except BlockingIOError:
            pass
        finally:
            self.peer.settimeout(harness.DEADLINE)
        return self.sent > before

    def read(self, size):
        part = receive(self.peer, size)
        assert part == self.data[self.got:self.got + size], f"other bytes came back after {self.got}"
        self.got += size

    def catch_up(self):
        self.read(self.sent - self.got)

    def finish(self):
        """All that is left, and the end of the stream."""
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.catch_up()
        rest = self.data[self.sent:]
        assert converse(self.peer, rest) == rest, "other bytes came back at the end"
        self.peer.close()


def push_until_stuck(port, readers):
    """Until no kernel takes more: the window of every reader is closed."""
    def stuck():
        moved = [reader.push() for reader in readers]
        return not any(moved) and zero_windows(port) >= len(readers)

    harness.wait_until(stuck, "all windows to be closed")
