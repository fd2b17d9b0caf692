# ctest: unfiltered
"""--io: the way that is chosen, and what it does in the kernel."""
import ctypes
import os
import shutil
import signal
import socket
import struct
import tempfile
import unittest

import harness
from peers import connect, converse, echo, fill, payload, receive_all, reset

IO_URING_SETUP = 425  # asm-generic/unistd.h, the same everywhere
RINGED = r"IO: in batches"


def forbid_io_uring():
    """io_uring_setup fails with EPERM from now on in this process (seccomp(2)), as in many containers."""
    load, equal, answer = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
    allow, fail = 0x7FFF0000, 0x00050000 | 1  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM
    program = b"".join(struct.pack("HBBI", *line) for line in (
        (load, 0, 0, 0), (equal, 0, 1, IO_URING_SETUP), (answer, 0, 0, fail), (answer, 0, 0, allow)))
    code = ctypes.create_string_buffer(program)
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, seccomp, filter_mode = 38, 22, 2
    libc.prctl(no_new_privileges, 1, 0, 0, 0)
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    if libc.prctl(seccomp, filter_mode, ctypes.create_string_buffer(header), 0, 0) != 0:
        os._exit(99)


def has_ring(pid):
    return any("io_uring" in os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))


def permitted():
    with harness.Daemon("--io=auto") as daemon:
        return has_ring(daemon.pid)


class Ways(unittest.TestCase):
    def test_auto_takes_a_ring_where_it_may_and_says_so(self):
        harness.require(permitted(), "io_uring is not permitted here, or the build has no liburing")
        for options in ((), ("--io=auto",), ("--io=batch",)):
            with harness.Daemon(*options) as daemon, connect(daemon.tcp) as peer:
                self.assertEqual(echo(peer, b"x"), b"x")
                self.assertTrue(has_ring(daemon.pid))
                self.assertEqual(len(daemon.lines.matching(RINGED)), 1)

    def test_direct_takes_none(self):
        with harness.Daemon("--io=direct", "--verbose") as daemon, connect(daemon.tcp) as peer:
            self.assertEqual(echo(peer, b"x"), b"x")
            self.assertFalse(has_ring(daemon.pid))
            self.assertEqual(daemon.lines.matching("IO:"), [])

    def test_where_it_is_forbidden_auto_goes_the_direct_way_without_complaint(self):
        with harness.Daemon(preexec_fn=forbid_io_uring) as daemon, connect(daemon.tcp) as peer:
            self.assertFalse(has_ring(daemon.pid))
            self.assertEqual(daemon.lines.matching("IO:"), [])
            data = payload(1 << 20)
            self.assertTrue(converse(peer, data) == data, "other bytes came back")

    def test_where_it_is_forbidden_batch_does_not_start(self):
        status, lines = harness.run_daemon("--io=batch", "--port=0", preexec_fn=forbid_io_uring)
        self.assertEqual(status, 1)
        self.assertRegex(lines[0], r"--io=batch: io_uring: (Operation not permitted|Function not implemented)")

    def test_two_system_calls_for_all_that_are_ready(self):
        """And in the same turn one that ends, one that is reset, one that is blocked: to each its own."""
        harness.require(permitted(), "io_uring is not permitted here, or the build has no liburing")
        harness.require(shutil.which("strace"), "strace is not installed")
        with tempfile.NamedTemporaryFile("r") as log:
            wrapper = ("strace", "-D", "-f", "-qq", "-s0", "-e", "trace=io_uring_enter,recvfrom,sendto", "-o", log.name)
            # LeakSanitizer cannot work in a traced process
            no_leaks = {"ASAN_OPTIONS": "detect_leaks=0"}
            with harness.Daemon("--io=batch", wrapper=wrapper, env=no_leaks) as daemon:
                peers = [connect(daemon.tcp) for _ in range(50)]
                ending, going, greedy = (connect(daemon.tcp, receive_buffer=2048) for _ in range(3))
                for peer in (*peers, ending, going, greedy):
                    echo(peer, b"x")
                log.readlines()
                daemon.freeze()
                for number, peer in enumerate(peers):
                    peer.sendall(b"this is %d" % number)
                ending.sendall(b"the end")
                ending.shutdown(socket.SHUT_WR)
                reset(going)
                daemon.signal(signal.SIGCONT)
                for number, peer in enumerate(peers):
                    self.assertEqual(peer.recv(100), b"this is %d" % number)
                self.assertEqual(receive_all(ending), b"the end")
                daemon.wait_stats(lambda now: (now["tcp_closed_eof"], now["tcp_closed_reset"]) == (1, 1), "both ends")
                calls = [line for line in log if "(" in line and "---" not in line]
                # the 52 together; FIN comes up as well, later and alone
                self.assertEqual(sum("io_uring_enter" in call for call in calls), 2, calls)
                self.assertLessEqual(len(calls), 2 + 1, calls)
                # the greedy one is waited for while the others go on
                fill(greedy, 16 << 20)
                for peer in peers:
                    self.assertEqual(echo(peer, b"y"), b"y")
                for peer in (*peers, ending, greedy):
                    peer.close()
                daemon.wait_stats(lambda now: now["tcp_open"] == 0 and now["rings_lent"] == 0, "all to leave")


if __name__ == "__main__":
    harness.main()
