"""What the tests of reloads share."""
import os
import signal
import tempfile
import unittest

import harness

FAILED = "echod: reload failed, and everything goes on as before: "


def reload(daemon, outcome="^RELOAD: version="):
    start = len(daemon.lines.all)
    daemon.signal(signal.SIGHUP)
    return daemon.lines.wait(outcome, start=start)[0]


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.path = os.path.join(self.folder, "echod.conf")

    def write(self, *settings):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("\n".join(settings) + "\n")

    def daemon(self, *settings, **further):
        self.write(*settings)
        addresses = sum(setting.startswith("listen") for setting in settings)
        return self.enterContext(harness.Daemon("--listen=127.0.0.1:0", f"--config={self.path}", **further)
                                 if not addresses else
                                 harness.Daemon(f"--config={self.path}", "--port=0", listens=2 * addresses, **further))
