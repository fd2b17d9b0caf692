# ctest: uncounted unfiltered
"""The lines of the log, read by an implementation of logfmt that is not ours: npm's."""
import glob
import os
import re
import resource
import signal
import socket
import tempfile
import unittest

import harness
import npm
from peers import connect, echo, is_refused

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/echod")
CALL = re.compile(r'\blog_(?:line|limited)\((?:&[\w>.-]+,\s*)?LOG_\w+,\s*((?:"(?:[^"\\]|\\.)*"\s*)+)')
EVENT = re.compile(r'(?:[A-Z]+|%s):(?: [a-z_]+=(?:%[a-z.0-9]+(?:\.%[a-z0-9]+)?|[\w-]+|"[^"]*"))+')


def formats():
    """Every format of a line in the daemon's sources."""
    for path in sorted(glob.glob(os.path.join(SOURCES, "*.c"))):
        with open(path, encoding="utf-8") as file:
            for literals in CALL.findall(file.read()):
                text = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals))
                yield text.replace('\\"', '"')


class Lines(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tree = npm.install("logfmt")
        cls.addClassCleanup(cls.tree.cleanup)

    def read(self, lines):
        """Each line's event and its values by key, as logfmt reads it."""
        for line, values in zip(lines, npm.answers(self.tree, "parse.js", lines)):
            event = line.split()[0]
            self.assertIs(values.pop(event), True, line)
            self.assertRegex(event, "^[A-Z]+:$")
            for key, value in values.items():
                self.assertRegex(key, "^[a-z][a-z0-9_]*$", line)
                self.assertIsInstance(value, str, line)  # and not true: a word that stands bare
            yield event[:-1], values

    def check(self, lines, *expected):
        events = list(self.read(lines))
        for event in expected:
            self.assertIn(event, events)
        return events

    def test_every_format(self):
        """In the sources: an event with keys, or "echod: " and words for people."""
        found = list(formats())
        self.assertGreater(len(found), 18)
        for text in found:
            if text not in ("STATS: %s",) and not text.startswith("echod: "):
                self.assertRegex(text, f"^{EVENT.pattern}$")

    def test_a_connection(self):
        with harness.Daemon("--log-connections", "--max-connections-per-source=2", "--verbose") as daemon:
            with connect(daemon.tcp) as peer, connect(daemon.tcp):
                echo(peer, b"hello")
                self.assertTrue(is_refused(daemon.tcp))
                daemon.lines.wait("REFUSE: ")
            daemon.lines.wait("EXIT: ", 2)
            stats = daemon.stats()
            daemon.signal(signal.SIGHUP)
            daemon.lines.wait("RELOAD: ")
            daemon.signal(signal.SIGTERM)
            daemon.lines.wait("STOP: ")
            events = self.check(daemon.lines.all, ("STOP", {"reason": "signal", "connections": "0"}))
        told = dict(events)
        self.assertEqual(told["STATS"], {name: str(value) for name, value in stats.items()})
        exits = [values for event, values in events if event == "EXIT"]
        self.assertEqual(sorted(values["rx_bytes"] for values in exits), ["0", "5"])
        self.assertEqual({values["to"] for values in exits}, {f"127.0.0.1:{daemon.tcp}"})
        self.assertEqual(told["REFUSE"]["reason"], "max-connections-per-source")
        self.assertIn(("LISTEN", {"proto": "tcp", "address": f"[::]:{daemon.tcp}"}), events)

    def test_a_path_with_spaces_and_quotes(self):
        with tempfile.TemporaryDirectory() as scratch, socket.socket(socket.AF_UNIX) as listener:
            path = os.path.join(scratch, 'a "path" = x\\y reason=eof')
            listener.bind(path)
            listener.listen()
            number = listener.fileno()
            wrapper = ("/bin/sh", "-c", f"exec 3<&{number}; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"", "sh")
            with harness.Daemon("--log-connections", wrapper=wrapper, pass_fds=(number,), listens=0) as daemon:
                daemon.lines.wait("LISTEN: ")
                with socket.socket(socket.AF_UNIX) as peer:
                    peer.connect(path)
                    echo(peer, b"hello")
                daemon.lines.wait("EXIT: ")
                events = self.check(daemon.lines.all, ("LISTEN", {"proto": "stream", "address": path}))
        self.assertEqual(dict(events)["EXIT"]["to"], path)

    def test_what_is_short(self):
        """Few descriptors, and an option without effect."""
        def few_files():
            resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))

        with harness.Daemon("--max-connections=1000", "--exit-idle-time=1h", preexec_fn=few_files) as daemon:
            events = self.check(daemon.lines.all,
                                ("IGNORE", {"option": "exit-idle-time", "reason": "no sockets were handed over"}))
        told = dict(events)
        self.assertEqual((told["LIMIT"]["option"], told["LIMIT"]["wanted_connections"]), ("max-connections", "1000"))

    def test_a_pause(self):
        with harness.Daemon("--max-connections=10") as daemon:
            soft, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (3, hard))
            with socket.create_connection(("127.0.0.1", daemon.tcp)):
                daemon.lines.wait("PAUSE: ")
            resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (soft, hard))
            self.check(daemon.lines.all, ("PAUSE", {"proto": "tcp", "pause_ms": "100", "connections": "0",
                                                    "reason": "Too many open files"}))


if __name__ == "__main__":
    harness.main()
