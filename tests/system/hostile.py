"""What the tests with hostile peers share: healthy clients beside them, and a look at the log."""
import collections
import os
import re
import socket
import subprocess
import threading
import time

import harness
from peers import connect, converse, receive

BENCH = os.environ.get("ECHOD_BENCH", "")
LONG = os.environ.get("ECHOD_LONG") == "1"
# What the daemon says once, or because it was asked to; each other kind of line has its limit.
WANTED = re.compile(r"^(LISTEN|IO|STOP|STATS|RELOAD|BUFFER|EXIT): ")


class Bystanders:
    """Clients that come, echo for half a second and go, over and over while a with block lasts. All that
    they send must have come back, once and unchanged, and none of them may have been broken off."""

    def __init__(self, port, host="127.0.0.1", connections=8, rate=400, source=None):
        extra = [f"--source={source}"] if source else []
        self.command = [BENCH, "--json", f"--port={port}", f"--connections={connections}", f"--rate={rate}",
                        f"--total={rate // 2}", f"--timeout={harness.DEADLINE}s", *extra, host]
        self.connections, self.opened, self.wrong = connections, 0, []
        self.leave = threading.Event()
        self.thread = threading.Thread(target=self._come_and_go)

    def _come_and_go(self):
        while not self.wrong and not (self.leave.is_set() and self.opened):
            done = subprocess.run(self.command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  check=False)
            self.opened += self.connections
            if done.returncode != 0 or done.stderr:  # its exit status covers all that it has counted
                self.wrong.append(done)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.leave.set()
        self.thread.join()
        if kind is None and self.wrong:
            raise AssertionError(f"bystanders were not served: {self.wrong}")


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
