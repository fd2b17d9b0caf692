# ctest: seconds=600 uncounted slow
"""tests/bench/nc-sessions: what it says is so."""
import os
import re
import subprocess
import unittest

import harness
from liars import StreamPeer, echo_all, flip

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../bench/nc-sessions")
SESSIONS = 2000


def run(*arguments):
    done = subprocess.run([PROGRAM, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=4 * harness.DEADLINE, check=False)
    return done.returncode, done.stdout, done.stderr


class Sessions(unittest.TestCase):
    def test_two_thousand(self):
        harness.require_files(2 * SESSIONS + 50)
        with harness.Daemon() as daemon:
            status, out, err = run(SESSIONS, "127.0.0.1", daemon.tcp, "--timeout=120")
            self.assertEqual((status, err), (0, ""), out)
            self.assertIn(f"{SESSIONS} of {SESSIONS} sessions", out)
            self.assertRegex(out, rf"(?m)^{SESSIONS} were open together after \d+\.\d\d s")
            self.assertRegex(out, rf"(?m)^process {daemon.pid} had \d+ KiB resident then")
            numbers = daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to be closed")
            self.assertEqual(numbers["tcp_accepted"], SESSIONS)
            self.assertEqual(numbers["tcp_received_bytes"], SESSIONS * 2000)

    def test_those_that_are_wrong_are_not_counted(self):
        lies = iter((lambda connection: connection.sendall(flip(connection.recv(1000), 999)),
                     lambda connection: connection.sendall(connection.recv(1000)),
                     lambda connection: None))

        def talk(connection):
            lie = next(lies, None)
            if lie:
                lie(connection)
            echo_all(connection)

        with StreamPeer(talk) as peer:
            status, out, _ = run(10, "127.0.0.1", peer.port)
        # two of the three lies are none
        self.assertEqual((status, re.match(r"\d+ of 10", out).group()), (1, "9 of 10"), out)

    def test_nobody_there(self):
        with StreamPeer(echo_all) as peer:
            port = peer.port
        status, out, _ = run(3, "127.0.0.1", port)
        self.assertEqual(status, 1)
        self.assertIn("0 of 3 sessions", out)

    def test_usage(self):
        for arguments in ((), ("x",), (1, "127.0.0.1", "x"), (10**9,)):
            self.assertEqual(run(*arguments)[0], 2)


if __name__ == "__main__":
    harness.main()
