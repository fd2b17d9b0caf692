# ctest: seconds=300
"""SIGHUP executes the daemon again in its own place: every connection stays, and no byte is lost."""
import contextlib
import os
import resource
import signal
import socket
import struct
import threading
from unittest import mock

import harness
import proc
from peers import ask, connect, converse, datagram_peer, echo, ending, fill, is_refused, payload, receive, receive_all
from reloads import FAILED, Case, reload
from test_activation import handed, stream


class Reload(Case):
    def test_connections_that_echo_all_the_time_lose_nothing(self):
        daemon = self.daemon("log-connections = on")
        data, wrong, over = payload(200_000), [], threading.Event()

        def go_on(number):
            with connect(daemon.tcp) as peer, datagram_peer(daemon.udp) as asker:
                while not over.is_set():
                    if converse(peer, data, finish=False) != data or ask(asker, b"datagram") != b"datagram":
                        wrong.append(number)
                        return
                    with connect(daemon.tcp) as other:
                        if echo(other, b"new") != b"new":
                            wrong.append(number)

        threads = [threading.Thread(target=go_on, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            reload(daemon)
        over.set()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        numbers = daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all connections to end")
        self.assertEqual((numbers["reloads"], numbers["last_reload_successful"]), (10, 1))
        self.assertEqual(numbers["tcp_closed_eof"], numbers["tcp_accepted"])
        self.assertEqual(numbers["tcp_received_bytes"], numbers["tcp_sent_bytes"])
        self.assertEqual(numbers["udp_answered"], numbers["udp_received"])
        self.assertEqual(len(daemon.lines.matching("^EXIT: .*reason=eof")), numbers["tcp_accepted"])

    def test_everything_that_a_connection_is_stays(self):
        daemon = self.daemon("log-connections = on", "buffer-memory = 512K")
        with contextlib.ExitStack() as stack:
            idle, half, unread, peeked = (stack.enter_context(connect(daemon.tcp, receive_buffer=4096))
                                          for _ in range(4))
            self.assertEqual(echo(idle, b"first"), b"first")
            sent = {peer: fill(peer, 1 << 22) for peer in (half, unread, peeked)}
            before = daemon.wait_stats(lambda now: now["rings_lent"] == 2 and now["tcp_without_ring"],
                                       "two rings to be lent, and one to be missing")
            half.shutdown(socket.SHUT_WR)
            for _ in range(3):
                self.assertIn("connections=4 rings=2", reload(daemon))
            numbers = daemon.stats()
            for name in ("tcp_open", "tcp_accepted", "rings_lent", "start_time_s", "files_open"):
                self.assertEqual(numbers[name], before[name], name)
            self.assertEqual(echo(idle, b"again"), b"again")
            half.settimeout(harness.DEADLINE)
            self.assertEqual(len(receive_all(half)), sent[half])
            for peer in (unread, peeked):
                self.assertEqual(receive(peer, sent[peer]), bytes(sent[peer]))
                self.assertEqual(converse(peer, b"end"), b"end")
        lines = daemon.lines.wait("^EXIT: .*reason=eof", 4)
        self.assertTrue(any("rx_bytes=10 tx_bytes=10" in line for line in lines), lines)
        for peer, size in sent.items():
            total = size + 3 * (peer is not half)
            self.assertTrue(any(f"rx_bytes={total} tx_bytes={total}" in line for line in lines), (total, lines))
        self.assertEqual(daemon.stats()["rings_lent"], 0)

    def test_clocks_limits_and_tokens_go_on(self):
        daemon = self.daemon("idle-timeout = 1.5s", "max-connections-per-source = 2", "accept-rate = 1000000",
                             "log-connections = on")
        with connect(daemon.tcp) as first, connect(daemon.tcp) as second:
            self.assertEqual(echo(first, b"x"), b"x")
            self.assertEqual(echo(second, b"x"), b"x")
            reload(daemon)
            self.assertTrue(is_refused(daemon.tcp))
            for _ in range(3):
                reload(daemon)
            self.assertEqual(receive_all(first), b"")
            self.assertEqual(receive_all(second), b"")
        for line in daemon.lines.wait("^EXIT: .*reason=idle", 2):
            self.assertGreaterEqual(float(line.split("duration_s=")[1].split()[0]), 1.5)

    def test_what_is_wrong_in_the_file_changes_nothing(self):
        daemon = self.daemon("udp = on")
        with connect(daemon.tcp) as peer:
            self.write("udp-rate = many")
            self.assertEqual(reload(daemon, "reload failed"),
                             f"{FAILED}{self.path}:1: udp-rate = many: must be a whole number from 0 to 10000000")
            self.assertEqual(echo(peer, b"x"), b"x")
            numbers = daemon.stats()
            self.assertEqual((numbers["reloads"], numbers["last_reload_successful"]), (0, 0))
            self.write("max-connections = 7")
            reload(daemon)
            numbers = daemon.stats()
            self.assertEqual((numbers["reloads"], numbers["last_reload_successful"], numbers["tcp_limit"]), (1, 1, 7))
            self.assertEqual(echo(peer, b"x"), b"x")

    def test_listeners_follow_the_file(self):
        daemon = self.daemon("listen = 127.0.0.1")
        old = daemon.tcp
        with connect(old) as peer, socket.create_server(("127.0.0.3", 0)) as taken:
            self.write("listen = 127.0.0.1", "listen = 127.0.0.2")
            reload(daemon)
            self.assertEqual(daemon.lines.wait(rf"^LISTEN: proto=tcp address=127.0.0.1:{old}$", 2)[1][-5:],
                             daemon.lines.wait(r"^LISTEN: proto=udp address=127.0.0.2:")[0][-5:])
            with connect(old, "127.0.0.2") as other:
                self.assertEqual(echo(other, b"x"), b"x")
            daemon.wait_stats(lambda now: now["tcp_open"] == 1, "the other one to end")
            before = proc.descriptors(daemon.pid)
            self.write("listen = 127.0.0.2", "listen = 127.0.0.3:%d" % taken.getsockname()[1], "listen = 127.0.0.4")
            self.assertIn("127.0.0.3:%d over TCP: Address already in use" % taken.getsockname()[1],
                          reload(daemon, "reload failed"))
            self.assertEqual(proc.descriptors(daemon.pid), before)
            self.write("listen = 127.0.0.2")
            reload(daemon)
            with self.assertRaises(ConnectionRefusedError):
                connect(old, "127.0.0.1")
            self.assertEqual(echo(peer, b"x"), b"x")
            with datagram_peer(old, "127.0.0.2") as asker:
                self.assertEqual(ask(asker, b"x"), b"x")

    def test_a_state_that_is_none(self):
        """Only another program than echod could leave one."""
        def run(content):
            path = os.path.join(self.folder, "state")
            with open(path, "wb") as file:
                file.write(content)
            with open(path, "rb") as file:
                return harness.run_daemon("--port=0", pass_fds=(file.fileno(),),
                                          env={"ECHOD_STATE_FD": str(file.fileno())})

        self.assertEqual(run(b"x"), (1, ["echod: the state of the program before: no state of echod"]))
        header, end = struct.pack("=8sII", b"echod 1", 1, 0), bytes(16)
        status, lines = run(header + struct.pack("=IIQii", 4, 8, 0, 0, 0) + end)
        self.assertEqual(status, 1)
        self.assertIn("echod: reload: goes on with the options that were in force before", lines)
        self.assertIn("file descriptor 0: neither a listening stream socket nor a datagram socket", lines[0])

    def test_the_state_cannot_be_written(self):
        daemon = self.daemon("udp-rate = 0", env={"RUNTIME_DIRECTORY": self.folder})
        limits = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (100, limits[1]))
        self.assertEqual(reload(daemon, "reload failed"), FAILED + "the state: File too large")
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, limits)
        reload(daemon)

    def test_a_path_may_be_relative(self):
        with mock.patch.object(harness, "ECHOD", os.path.relpath(harness.ECHOD, self.folder)):
            reload(self.daemon("udp = on", cwd=self.folder))

    def test_few_descriptors_are_free(self):
        daemon = self.daemon("udp = on")
        limits = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        used = proc.descriptors(daemon.pid)
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (used + 8, limits[1]))
        self.assertEqual(reload(daemon, "reload failed"), FAILED + "the state: Too many open files")
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, limits)
        reload(daemon)
        self.assertEqual(proc.descriptors(daemon.pid), used)

    def test_lower_limits_throw_nothing_out(self):
        daemon = self.daemon("max-connections = 4", "buffer-memory = 1M", "idle-timeout-full = 0")
        with contextlib.ExitStack() as stack:
            peers = [stack.enter_context(connect(daemon.tcp, receive_buffer=4096)) for _ in range(4)]
            sent = [fill(peer, 1 << 22) for peer in peers[:2]]
            daemon.wait_stats(lambda now: now["rings_lent"] == 2, "two rings to be lent")
            self.write("max-connections = 2", "buffer-memory = 0", "buffer-size = 4096", "idle-timeout-full = 0",
                       "max-connections-per-source = 1")
            reload(daemon)
            numbers = daemon.stats()
            self.assertEqual((numbers["tcp_open"], numbers["tcp_limit"], numbers["rings_lent"]), (4, 2, 2))
            pending = stack.enter_context(connect(daemon.tcp))
            pending.sendall(b"x")
            for peer, size in zip(peers, sent):
                self.assertEqual(receive(peer, size), bytes(size))
            for peer in peers[1:]:
                self.assertEqual(converse(peer, b"end"), b"end")
            self.assertEqual(ending(pending), "reset")  # accepted at last, and its source had its share
            numbers = daemon.stats()
            self.assertEqual((numbers["tcp_open"], numbers["rings_lent"], numbers["tcp_refused_source"]), (1, 0, 1))
            self.assertEqual(echo(peers[0], b"x"), b"x")

    def test_an_idle_connection_beyond_the_limit_can_be_evicted(self):
        daemon = self.daemon("max-connections = 3", "idle-timeout-full = 100ms")
        with contextlib.ExitStack() as stack:
            peers = [stack.enter_context(connect(daemon.tcp)) for _ in range(3)]
            for peer in peers:
                self.assertEqual(echo(peer, b"x"), b"x")
            self.write("max-connections = 1", "idle-timeout-full = 100ms")
            reload(daemon)
            self.assertEqual(daemon.stats()["tcp_open"], 3)
            self.assertEqual(echo(stack.enter_context(connect(daemon.tcp)), b"x"), b"x")
            for peer in peers:
                self.assertEqual(receive_all(peer), b"")
            self.assertEqual(daemon.stats()["tcp_closed_full"], 3)

    def test_open_connections_follow_keepalive_and_log_connections(self):
        daemon = self.daemon("keepalive = 5m")

        def timers():
            with open("/proc/net/tcp", encoding="ascii") as table:
                rows = [line.split() for line in table][1:]
            return [row[5][:2] for row in rows if row[1] == f"0100007F:{daemon.tcp:04X}" and row[3] == "01"]

        with connect(daemon.tcp) as peer:
            self.assertEqual(echo(peer, b"x"), b"x")
            harness.wait_until(lambda: timers() == ["02"], "the timer of keepalive")
            self.write("keepalive = 0", "log-connections = on")
            reload(daemon)
            self.assertEqual(timers(), ["00"])
            mine = peer.getsockname()[1]
        daemon.lines.wait(rf"^EXIT: proto=tcp from=127\.0\.0\.1:{mine} .*rx_bytes=1 tx_bytes=1 reason=eof")

    def test_sockets_handed_over_stay(self):
        with stream(socket.AF_INET, ("127.0.0.1", 0)) as tcp, \
                harness.Daemon("--activated", **handed([tcp]), listens=1) as daemon, \
                connect(tcp.getsockname()[1]) as peer:
            for _ in range(2):
                reload(daemon)
                self.assertEqual(echo(peer, b"x"), b"x")
            with connect(tcp.getsockname()[1]) as other:
                self.assertEqual(echo(other, b"x"), b"x")

    def test_the_service_manager_is_told(self):
        path = os.path.join(self.folder, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(harness.DEADLINE)
            daemon = self.daemon("udp = on", env={"NOTIFY_SOCKET": path})

            def told():
                """The next message that is not about connections."""
                while (message := manager.recv(1000)).startswith(b"STATUS="):
                    pass
                return message

            self.assertEqual(told(), b"READY=1")
            reload(daemon)
            self.assertRegex(told(), rb"^WATCHDOG=1\nRELOADING=1\nMONOTONIC_USEC=\d+$")
            self.assertEqual(told(), b"READY=1")
            self.write("nonsense")
            reload(daemon, "reload failed")
            self.assertRegex(told(), rb"^WATCHDOG=1\nRELOADING=1\n")
            self.assertEqual(told(), b"READY=1")

    def test_a_daemon_that_stops_does_not_reload(self):
        daemon = self.daemon("drain-timeout = 60s")
        with connect(daemon.tcp) as peer:
            self.assertEqual(echo(peer, b"x"), b"x")
            daemon.signal(signal.SIGTERM)
            daemon.lines.wait("^STOP: ")
            self.assertEqual(reload(daemon, "^RELOAD: "), "RELOAD: outcome=refused reason=stopping")
            self.assertEqual(echo(peer, b"x"), b"x")
        self.assertEqual(daemon.wait_exit(), 0)


if __name__ == "__main__":
    harness.main()
