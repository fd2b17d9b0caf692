# ctest: refused
"""The log never costs an echo: not when it is not read, not when it is full, not when it is gone."""
import fcntl
import os
import re
import resource
import shutil
import subprocess
import tempfile
import termios
import unittest

import harness
import proc
from peers import ask, connect, datagram_peer, echo, payload, reset

CONNECTIONS = 300  # whose EXIT lines are far more than the smallest pipe holds


class Stderr(unittest.TestCase):
    def serve(self, daemon):
        """Echoes over many connections; returns the port, found without the log's help."""
        port = harness.wait_until(lambda: proc.bound_port(daemon.pid, "tcp"), "the listening socket")
        with connect(port) as held:
            for number in range(CONNECTIONS):
                with connect(port) as peer:
                    self.assertEqual(echo(peer, b"%d" % number), b"%d" % number)
            self.assertEqual(echo(held, b"still"), b"still")
        with datagram_peer(proc.bound_port(daemon.pid, "udp")) as peer:
            self.assertEqual(ask(peer, b"datagram"), b"datagram")
        return port

    def test_a_pipe_that_nobody_reads_loses_lines_and_nothing_else(self):
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        with harness.Daemon("--log-connections", stderr=writer) as daemon:
            os.close(writer)
            port = self.serve(daemon)
            # as soon as it is read, the log goes on, and says what it has lost
            log = harness.Lines(os.fdopen(reader, "rb"))
            daemon.lines = log
            log.wait("^LISTEN: ", 2)
            numbers = daemon.stats()
            lost = sum(value for name, value in numbers.items() if "lost" in name)
            written = len(log.matching("^EXIT: "))
            self.assertGreater(lost, 0)
            self.assertEqual(written + lost, CONNECTIONS + 1, numbers)
            with connect(port) as peer:
                self.assertEqual(echo(peer, b"x"), b"x")
            log.wait("^EXIT: .* rx_bytes=1 tx_bytes=1 reason=eof$")
            self.assertEqual([line for line in log.all if not re.match(r"[A-Z]+: ", line)], [],
                             "no line may be cut")

    def test_a_terminal_that_shows_nothing(self):
        """Stopped with Ctrl-S or stalled; also another user's, which cannot be opened a second time."""
        harness.require(shutil.which("strace"), "strace is not installed")
        refused = ("strace", "-D", "-qq", "-o", "/dev/null", "-P", "/proc/self/fd/2",
                   "-e", "inject=openat:error=EACCES")
        for wrapper in ((), refused):
            for stopped in (True, False):
                controller, terminal = os.openpty()
                with self.subTest(wrapper=wrapper, stopped=stopped), \
                        os.fdopen(controller, "rb"), os.fdopen(terminal, "wb"):
                    with harness.Daemon("--log-connections", wrapper=wrapper, stderr=terminal,
                                        env={"ASAN_OPTIONS": "detect_leaks=0"}) as daemon:
                        if stopped:
                            termios.tcflow(terminal, termios.TCOOFF)
                        for _ in range(3):
                            self.serve(daemon)
                    self.assertEqual(fcntl.fcntl(terminal, fcntl.F_GETFL) & os.O_NONBLOCK, 0)

    def test_a_full_device(self):
        with open("/dev/full", "wb") as full:
            with harness.Daemon("--log-connections", stderr=full) as daemon:
                self.serve(daemon)

    def test_a_file_at_its_size_limit(self):
        """SIGXFSZ ends nothing."""
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

        with tempfile.TemporaryFile() as file:
            with harness.Daemon("--log-connections", stderr=file, preexec_fn=limit) as daemon:
                self.serve(daemon)
            self.assertEqual(os.fstat(file.fileno()).st_size, 100)

    def test_a_reader_that_has_gone(self):
        """SIGPIPE ends nothing."""
        reader, writer = os.pipe()
        with harness.Daemon("--log-connections", stderr=writer) as daemon:
            os.close(writer)
            os.close(reader)
            self.serve(daemon)

    def test_closed_standard_files_do_not_let_the_log_into_connections(self):
        """Sockets must not take the numbers 0 to 2: what is logged would reach a peer."""
        close = ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
        with harness.Daemon("--log-connections", wrapper=close, stderr=subprocess.DEVNULL) as daemon:
            self.serve(daemon)
            for number in range(3):
                try:
                    target = os.readlink(f"/proc/{daemon.pid}/fd/{number}")
                except FileNotFoundError:
                    continue
                self.assertNotIn("socket:", target)

    def test_what_was_lost_on_a_terminal_or_file_leaves_its_flags_alone(self):
        """O_NONBLOCK belongs to the open file, which others may share: a shell, a logger."""
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as pipe:
            with harness.Daemon(stderr=writer):
                self.assertEqual(fcntl.fcntl(writer, fcntl.F_GETFL) & os.O_NONBLOCK, 0)
            os.close(writer)
            self.assertIn(b"LISTEN: ", pipe.read())


class Lines(unittest.TestCase):
    def test_no_line_ever_holds_payload(self):
        marker = b"PAYLOAD-IN-THE-LOG"
        data = b"\n" + marker + b"\nEXIT: proto=tcp " + marker + b"\x1b[31m"
        with harness.Daemon("--log-connections", "-v") as daemon:
            for number in range(10):
                peer = connect(daemon.tcp)
                self.assertEqual(echo(peer, data), data)
                if number % 2:
                    peer.sendall(data * 1000)
                    reset(peer)
                else:
                    peer.close()
            with datagram_peer(daemon.udp) as other:
                self.assertEqual(ask(other, data), data)
            daemon.lines.wait("^EXIT: ", 10)
            daemon.stats()
            self.assertNotIn(marker.decode(), daemon.text())
            self.assertNotIn("\x1b", daemon.text())

    def test_an_exit_line_tells_the_whole_story(self):
        with harness.Daemon("--log-connections") as daemon:
            for host, text in (("127.0.0.1", r"127\.0\.0\.1"), ("::1", r"\[::1\]")):
                with connect(daemon.tcp, host) as peer:
                    port, data = peer.getsockname()[1], payload(1234)
                    self.assertEqual(echo(peer, data), data)
                daemon.lines.wait(rf"^EXIT: proto=tcp from={text}:{port} to=\S+ duration_s=\d+\.\d{{3}} "
                                  r"rx_bytes=1234 tx_bytes=1234 reason=eof$")

    def test_without_the_option_connections_are_not_logged(self):
        with harness.Daemon() as daemon:
            for _ in range(20):
                with connect(daemon.tcp) as peer:
                    self.assertEqual(echo(peer, b"x"), b"x")
            daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all to leave")
            self.assertEqual(daemon.lines.matching("EXIT|127.0.0.1"), [])

    def test_priorities_only_for_the_journal(self):
        """Where stderr is not the journal's stream (JOURNAL_STREAM names its device and inode)."""
        with harness.Daemon(env={"JOURNAL_STREAM": "1:1"}) as daemon:
            self.assertTrue(daemon.lines.matching("^LISTEN: "), daemon.text())
            self.assertEqual(daemon.lines.matching("^<"), [])
        reader, writer = os.pipe()
        status = os.fstat(writer)
        stream = f"{status.st_dev}:{status.st_ino}"
        with os.fdopen(reader, "rb") as pipe:
            with harness.Daemon(env={"JOURNAL_STREAM": stream}, stderr=writer):
                os.close(writer)
            self.assertRegex(pipe.readline(), rb"^<\d>[A-Z]+: ")

    def test_quiet_leaves_what_matters(self):
        with harness.Daemon("-q", listens=0) as daemon:
            daemon.signal(15)
            self.assertEqual(daemon.wait_exit(), 0)
            self.assertEqual(daemon.lines.all, [])


if __name__ == "__main__":
    harness.main()
