"""Sockets handed over by systemd, or by any program that speaks its protocol (sd_listen_fds(3))."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

import harness
import proc
from peers import ask, connect, converse, datagram_peer, echo, ending, payload, receive_all


def handed(sockets):
    """A wrapper command that receives the sockets, moves them, names its own pid, and executes."""
    script = (
        "import os, sys\n"
        "count = int(sys.argv[1])\n"
        "numbers = [int(number) for number in sys.argv[2:2 + count]]\n"
        "high = [os.dup2(number, 500 + index) for index, number in enumerate(numbers)]\n"
        "for index, number in enumerate(high):\n"
        "    os.dup2(number, 3 + index)\n"
        "os.closerange(3 + count, 1024)\n"
        "os.environ.update(LISTEN_FDS=str(count), LISTEN_PID=str(os.getpid()))\n"
        "os.execv(sys.argv[2 + count], sys.argv[2 + count:])\n")
    numbers = [sock.fileno() for sock in sockets]
    wrapper = ["/usr/bin/python3", "-c", script, str(len(numbers)), *map(str, numbers)]
    return {"wrapper": wrapper, "pass_fds": numbers}


def stream(family, address, listen=True):
    sock = socket.socket(family, socket.SOCK_STREAM)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(address)
    if listen:
        sock.listen(100)
    return sock


class Several(unittest.TestCase):
    def test_sockets_of_every_family_at_once(self):
        with tempfile.TemporaryDirectory() as scratch:
            path = os.path.join(scratch, "echo")
            tcp4 = stream(socket.AF_INET, ("127.0.0.1", 0))
            tcp6 = stream(socket.AF_INET6, ("::1", 0))
            unix = stream(socket.AF_UNIX, path)
            udp4 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            udp4.bind(("127.0.0.1", 0))
            udp6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            udp6.bind(("::1", 0))
            # in an order that says nothing, all blocking
            sockets = [udp6, unix, tcp4, udp4, tcp6]
            data = payload(1 << 20)
            with harness.Daemon(**handed(sockets), listens=5) as daemon:
                with connect(tcp4.getsockname()[1]) as peer:
                    self.assertTrue(converse(peer, data) == data, "other bytes came back")
                with connect(tcp6.getsockname()[1], "::1") as peer:
                    self.assertTrue(converse(peer, data) == data, "other bytes came back")
                with socket.socket(socket.AF_UNIX) as peer:
                    peer.settimeout(harness.DEADLINE)
                    peer.connect(path)
                    self.assertTrue(converse(peer, data) == data, "other bytes came back")
                for sock, host in ((udp4, "127.0.0.1"), (udp6, "::1")):
                    with datagram_peer(sock.getsockname()[1], host) as peer:
                        for size in (0, 1, 65507):
                            self.assertTrue(ask(peer, data[:size]) == data[:size], size)
            # the sockets are the service manager's: they still listen, and the next daemon serves
            with connect(tcp4.getsockname()[1]) as early:
                early.sendall(b"early")
                with harness.Daemon(**handed(sockets), listens=5):
                    self.assertEqual(early.recv(10), b"early")
            for sock in sockets:
                sock.close()

    def test_descriptors_that_a_unix_peer_attaches_are_not_taken(self):
        with tempfile.TemporaryDirectory() as scratch, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as local, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as internet:
            local.bind(os.path.join(scratch, "echo"))
            peer.bind(os.path.join(scratch, "peer"))
            peer.settimeout(harness.DEADLINE)
            peer.connect(local.getsockname())
            internet.bind(("127.0.0.1", 0))
            with harness.Daemon(**handed([internet, local]), listens=2) as daemon, \
                    datagram_peer(internet.getsockname()[1]) as other:
                self.assertEqual(ask(other, b"x"), b"x")
                before = proc.descriptors(daemon.pid)
                for _ in range(10):
                    socket.send_fds(peer, [b"take these"], [peer.fileno()] * 20)
                    self.assertEqual(peer.recv(100), b"take these")
                    self.assertEqual(ask(other, b"y"), b"y")
                self.assertEqual(proc.descriptors(daemon.pid), before)

    def test_local_datagrams_without_a_name_or_too_long_get_no_answer(self):
        with tempfile.TemporaryDirectory() as scratch, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as local, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as nameless, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
            local.bind(os.path.join(scratch, "echo"))
            peer.bind(os.path.join(scratch, "peer"))
            peer.settimeout(harness.DEADLINE)
            peer.connect(local.getsockname())
            with harness.Daemon(**handed([local]), listens=1) as daemon:
                nameless.sendto(b"to whom?", local.getsockname())
                peer.send(bytes(100000))
                peer.send(b"answer this")
                self.assertEqual(peer.recv(1 << 20), b"answer this")
                numbers = daemon.stats()
                self.assertEqual((numbers["udp_received"], numbers["udp_answered"]), (3, 1))
                self.assertEqual((numbers["udp_refused_source"], numbers["udp_refused_truncated"]), (1, 1))

    def test_a_drain_leaves_the_backlog_to_the_next_one(self):
        """No connection is reset: the open ones are served by the first daemon, the pending ones by the next."""
        with stream(socket.AF_INET, ("127.0.0.1", 0)) as listener:
            listener.listen(1000)
            port = listener.getsockname()[1]
            peers = []
            with harness.Daemon("--drain-timeout=1h", "--log-connections", **handed([listener]),
                                listens=1) as daemon:
                daemon.freeze()
                for number in range(300):
                    peers.append(connect(port))
                    peers[-1].sendall(b"%d" % number)
                daemon.signal(signal.SIGTERM)
                daemon.signal(signal.SIGCONT)
                harness.wait_until(lambda: proc.bound_port(daemon.pid, "tcp") is None,
                                   "the daemon to let go of the listener")
                for peer in peers:
                    peer.shutdown(socket.SHUT_WR)
                self.assertEqual(daemon.wait_exit(), 0)
                served = len(daemon.lines.matching("^EXIT: .* reason=eof$"))
                self.assertLess(served, len(peers))
            with harness.Daemon(**handed([listener]), listens=1):
                for number, peer in enumerate(peers):
                    with peer:
                        self.assertEqual(receive_all(peer), b"%d" % number)

    def test_datagrams_that_came_before_the_daemon_are_answered(self):
        """The datagram that makes systemd start the daemon is there before any option is set on the socket."""
        mapped = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        mapped.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        with mapped, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
            mapped.bind(("::", 0))
            plain.bind(("127.0.0.1", 0))
            peers = [datagram_peer(sock.getsockname()[1], host)
                     for sock, host in ((plain, "127.0.0.1"), (mapped, "127.0.0.1"), (mapped, "::1"))]
            for peer in peers:
                peer.send(b"early")
            with harness.Daemon(**handed([plain, mapped]), listens=2) as daemon:
                daemon.wait_stats(lambda now: now["udp_received"] == 3, "them to be read")
                self.assertEqual(daemon.stats()["udp_answered"], 3)
                for peer in peers:
                    self.assertEqual(peer.recv(10), b"early")
                    self.assertEqual(ask(peer, b"late"), b"late")
                    peer.close()

    def test_handed_over_connections_get_what_own_ones_get(self):
        """Half-close, urgent bytes and limits do not depend on which process opened the listener."""
        with stream(socket.AF_INET, ("127.0.0.1", 0)) as listener:
            with harness.Daemon("--max-connections=2", **handed([listener]), listens=1) as daemon:
                port = listener.getsockname()[1]
                with connect(port) as first, connect(port) as second:
                    first.send(b"!", socket.MSG_OOB)
                    self.assertEqual(first.recv(1), b"!")
                    self.assertEqual(echo(second, b"b"), b"b")
                    third = connect(port)
                    third.sendall(b"c")
                    self.assertEqual(echo(first, b"a"), b"a")
                    self.assertEqual(daemon.stats()["tcp_accepted"], 2)
                self.assertEqual(third.recv(1), b"c")
                third.shutdown(socket.SHUT_WR)
                self.assertEqual(receive_all(third), b"")
                third.close()

    def test_urgent_bytes_are_bytes_over_unix_sockets_too(self):
        """With and without a ring; left in the queue, such a byte would be readable and never received."""
        for option in ("--buffer-memory=1M", "--buffer-memory=0"):
            with tempfile.TemporaryDirectory() as scratch:
                path = os.path.join(scratch, "echo")
                with stream(socket.AF_UNIX, path) as listener, socket.socket(socket.AF_UNIX) as peer:
                    with harness.Daemon(option, **handed([listener]), listens=1):
                        peer.settimeout(harness.DEADLINE)
                        peer.connect(path)
                        for kind, byte in ((socket.MSG_OOB, b"!"), (0, b"a"), (socket.MSG_OOB, b"?")):
                            peer.send(byte, kind)
                            self.assertEqual(peer.recv(10), byte)


class Refused(unittest.TestCase):
    def refused(self, sockets, *options, status=1):
        arguments = handed(sockets)
        code, lines = harness.run_daemon(*options, **arguments)
        self.assertEqual((code, len(lines)), (status, 1), lines)
        return lines[0]

    def test_a_pipe(self):
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as pipe, os.fdopen(writer, "wb"):
            self.assertIn("3", self.refused([pipe]))

    def test_a_connected_socket(self):
        one, other = socket.socketpair()
        with one, other:
            self.refused([one])
        with stream(socket.AF_INET, ("127.0.0.1", 0)) as listener:
            with connect(listener.getsockname()[1]) as peer:
                self.refused([peer])

    def test_a_stream_socket_that_does_not_listen(self):
        with stream(socket.AF_INET, ("127.0.0.1", 0), listen=False) as sock:
            self.refused([sock])

    def test_a_listener_of_packets_in_sequence(self):
        with tempfile.TemporaryDirectory() as scratch:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
                sock.bind(os.path.join(scratch, "packets"))
                sock.listen()
                self.refused([sock])

    def test_one_bad_among_good_ones(self):
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as pipe, os.fdopen(writer, "wb"):
            with stream(socket.AF_INET, ("127.0.0.1", 0)) as good:
                self.assertIn("4", self.refused([good, pipe]))

    def test_options_that_contradict_the_sockets(self):
        with stream(socket.AF_INET, ("127.0.0.1", 0)) as good:
            for option in ("--listen=127.0.0.1", "--port=7", "--port=50007", "--tcp=off", "--udp=off"):
                with self.subTest(option=option):
                    line = self.refused([good], option, status=2)
                    self.assertIn(option.split("=")[0], line)

    def test_sockets_meant_for_another_process_are_not_taken(self):
        with stream(socket.AF_INET, ("127.0.0.1", 0)) as good:
            with harness.Daemon("--port=0", env={"LISTEN_FDS": "1", "LISTEN_PID": "1"},
                                pass_fds=[good.fileno()], listens=2) as daemon:
                with connect(daemon.tcp) as peer:
                    self.assertEqual(echo(peer, b"x"), b"x")


class SystemdSocketActivate(unittest.TestCase):
    def activated(self, kind, *arguments):
        """systemd-socket-activate at a free port: (process, port). It becomes the daemon itself."""
        harness.require(shutil.which("systemd-socket-activate"), "systemd-socket-activate is not installed")
        for _ in range(10):
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            process = subprocess.Popen(
                ["systemd-socket-activate", f"--listen=127.0.0.1:{port}", *arguments, harness.ECHOD,
                 "--drain-timeout=100ms"],
                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
            protocol = "tcp" if kind == socket.SOCK_STREAM else "udp"
            harness.wait_until(
                lambda: process.poll() is not None or proc.bound_port(process.pid, protocol) == port,
                "the socket")
            if process.poll() is None:
                return process, port
            process.stderr.close()  # the port is taken: another one
        raise AssertionError("no free port")

    def finish(self, process):
        process.terminate()
        said = process.stderr.read().decode()
        process.stderr.close()
        self.assertEqual(process.wait(harness.DEADLINE), 0, said)
        self.assertNotRegex(said, harness.TROUBLE)
        self.assertIn("LISTEN: ", said)

    def test_tcp(self):
        process, port = self.activated(socket.SOCK_STREAM)
        try:
            with connect(port) as peer:
                self.assertEqual(echo(peer, b"the one that starts it"), b"the one that starts it")
                peer.shutdown(socket.SHUT_WR)
                self.assertEqual(ending(peer), "fin")
            with connect(port) as peer:
                self.assertEqual(echo(peer, b"the next"), b"the next")
        finally:
            self.finish(process)

    def test_datagrams(self):
        process, port = self.activated(socket.SOCK_DGRAM, "--datagram")
        try:
            with datagram_peer(port) as peer:
                self.assertEqual(ask(peer, b"the one that starts it"), b"the one that starts it")
                self.assertEqual(ask(peer, b""), b"")
        finally:
            self.finish(process)


if __name__ == "__main__":
    harness.main()
