"""What the tests with hostile peers share: healthy clients beside them, and a look at the log."""
import collections
import json
import os
import re
import signal
import subprocess
import time
import unittest

import harness

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
