"""The peers that people really use: both netcats, ncat, socat."""
import os
import select
import shutil
import subprocess
import tempfile
import unittest

import harness
from peers import payload

TOOLS = {
    # Each half-closes at the end of its input and then reads on to the end of the stream; the times
    # only bound how long it would wait for a daemon that never ends it.
    "nc.openbsd": lambda port: ["nc.openbsd", "-N", "127.0.0.1", str(port)],
    "nc.openbsd over IPv6": lambda port: ["nc.openbsd", "-N", "::1", str(port)],
    "nc.traditional": lambda port: ["nc.traditional", "-q", "60", "127.0.0.1", str(port)],
    "ncat": lambda port: ["ncat", "127.0.0.1", str(port)],
    "socat": lambda port: ["socat", "-t60", "-", f"TCP:127.0.0.1:{port}"],
}
SIZES = (0, 1, 64 << 10, 1 << 20, 16 << 20)

# It blocks in write(2) and then reads nothing, so whatever echoes with bounded memory and this one
# can wait for each other: it is given more only as its bytes come back.
NOT_READING_WHILE_WRITING = ("nc.traditional",)
WINDOW = 64 << 10


def run_paced(command, data, sink):
    """Runs the command with data as its input, never more than WINDOW ahead of its output."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as done:
        os.set_blocking(done.stdin.fileno(), False)
        given = back = 0
        try:
            while True:
                open_to_give = not done.stdin.closed and given - back < WINDOW
                if not done.stdin.closed and given == len(data):
                    done.stdin.close()
                    open_to_give = False
                readable, writable, _ = select.select(
                    [done.stdout], [done.stdin] if open_to_give else [], [], harness.DEADLINE)
                if not readable and not writable:
                    raise AssertionError(f"{command[0]} stands still: {given} given, {back} back")
                if writable:
                    end = min(len(data), back + WINDOW)
                    given += done.stdin.write(data[given:end]) or 0
                if readable:
                    piece = done.stdout.read(1 << 16)
                    if not piece:
                        break
                    sink.write(piece)
                    back += len(piece)
            done.wait(harness.DEADLINE)
        except BaseException:
            done.kill()
            raise
    return done


class HalfClose(unittest.TestCase):
    def check(self, name):
        command = TOOLS[name]
        harness.require(shutil.which(command(0)[0]), name + " is not installed")
        with harness.Daemon("--log-connections") as daemon, tempfile.TemporaryDirectory() as scratch:
            sent, back = os.path.join(scratch, "sent"), os.path.join(scratch, "back")
            for size in SIZES:
                with self.subTest(tool=name, size=size):
                    data = payload(size, seed=size + 1)
                    with open(sent, "wb") as file:
                        file.write(data)
                    with open(sent, "rb") as source, open(back, "wb") as sink:
                        if name in NOT_READING_WHILE_WRITING:
                            done = run_paced(command(daemon.tcp), data, sink)
                        else:
                            done = subprocess.run(command(daemon.tcp), stdin=source, stdout=sink,
                                                  timeout=harness.DEADLINE, check=False)
                    with open(back, "rb") as file:
                        self.assertTrue(file.read() == data, "other bytes came back")
                    self.assertEqual(done.returncode, 0)
            # in no order: a connection lingers until its peer's kernel has acknowledged everything
            ends = daemon.lines.wait("^EXIT: .* reason=eof$", len(SIZES))
            for size in SIZES:
                self.assertRegex("\n".join(ends), rf" rx_bytes={size} tx_bytes={size} ")

    def test_openbsd(self):
        self.check("nc.openbsd")

    def test_openbsd_ipv6(self):
        self.check("nc.openbsd over IPv6")

    def test_traditional(self):
        self.check("nc.traditional")

    def test_ncat(self):
        self.check("ncat")

    def test_socat(self):
        self.check("socat")


class Crowd(unittest.TestCase):
    SESSIONS = 1000

    def test_a_thousand_sessions_each_get_their_own_bytes(self):
        """All are open together, and half of each one's bytes travel while all others are there."""
        harness.require(shutil.which("nc.openbsd"), "nc.openbsd is not installed")
        harness.require_files(3 * self.SESSIONS)
        sessions = []
        with harness.Daemon() as daemon:
            try:
                for number in range(self.SESSIONS):
                    nc = subprocess.Popen(["nc.openbsd", "-N", "127.0.0.1", str(daemon.tcp)],
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
                    sessions.append((nc, payload(2000, seed=number)))
                    nc.stdin.write(sessions[-1][1][:1000])
                daemon.wait_stats(lambda now: now["tcp_open"] == self.SESSIONS, "all to be open")
                for nc, data in sessions:
                    nc.stdin.write(data[1000:])
                    nc.stdin.close()
                for number, (nc, data) in enumerate(sessions):
                    self.assertEqual(nc.stdout.read(), data, f"session {number}")
                    self.assertEqual(nc.wait(harness.DEADLINE), 0)
            finally:
                for nc, _ in sessions:
                    if nc.poll() is None:
                        nc.kill()
                    nc.wait()
                    nc.stdout.close()
            numbers = daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to be closed")
            self.assertEqual(numbers["tcp_received_bytes"], 2000 * self.SESSIONS)
            self.assertEqual(numbers["tcp_sent_bytes"], 2000 * self.SESSIONS)


if __name__ == "__main__":
    harness.main()
