# ctest: unfiltered
"""Reloads of a daemon that is started otherwise than the unit starts it: from a copy, by the loader, with a socket for
its counters that it opens itself; and the signal."""
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from unittest import mock

import harness
import proc
from peers import connect, echo, receive_all
from reloads import FAILED, Case, reload


class Reload(Case):
    def offer(self, text, meanwhile=lambda: None):
        """The file is a FIFO: the program that opens it next gets the text, and waits for it."""
        with open(self.path, "w", encoding="ascii") as file:
            os.mkfifo(self.path + ".next")
            os.rename(self.path + ".next", self.path)
            meanwhile()
            file.write(text)

    def start(self, text, listens):
        os.mkfifo(self.path)
        first = threading.Thread(target=self.offer, args=(text,))
        first.start()
        daemon = self.enterContext(harness.Daemon("--port=0", f"--config={self.path}", listens=listens))
        first.join()
        return daemon

    def test_the_program_cannot_be_executed(self):
        copy = os.path.join(self.folder, "echod")
        shutil.copy(harness.ECHOD, copy)
        with mock.patch.object(harness, "ECHOD", copy):
            daemon = self.daemon("udp = off", "tcp = on", listens=1)
        before = proc.descriptors(daemon.pid)
        with connect(daemon.tcp) as peer:
            self.assertEqual(echo(peer, b"x"), b"x")
            os.rename(copy, copy + ".old")
            self.assertEqual(reload(daemon, "reload failed"), f"{FAILED}{copy}: No such file or directory")
            with open(copy, "w", encoding="ascii") as file:
                os.fchmod(file.fileno(), 0o755)
                file.write("no program\n")
            self.assertEqual(reload(daemon, "reload failed"), f"{FAILED}{copy}: Exec format error")
            self.assertEqual(echo(peer, b"x"), b"x")
            self.assertEqual(proc.descriptors(daemon.pid), before + 1)
            os.rename(copy + ".old", copy)
            reload(daemon)
            self.assertEqual(echo(peer, b"x"), b"x")

    def test_another_program_has_loaded_it(self):
        loader = subprocess.run(["readelf", "-l", harness.ECHOD], capture_output=True, text=True, check=True).stdout
        loader = loader.split("interpreter: ")[1].split("]")[0]
        daemon = self.daemon("udp = on", wrapper=[loader])
        self.assertEqual(reload(daemon, "reload failed"), FAILED + "echod was not started by its own name")

    def test_the_new_program_refuses_the_options(self):
        stats = os.path.join(self.folder, "stats")
        daemon = self.start(f"udp = off\nmax-connections = 5\nstats-socket = {stats}\n", 1)
        with connect(daemon.tcp) as peer:
            daemon.signal(signal.SIGHUP)
            self.offer("udp = on\n")
            self.offer("udp = maybe\n")
            daemon.lines.wait("^RELOAD: version=")
            daemon.lines.wait("udp = maybe: must be on or off")
            daemon.lines.wait("^echod: reload: goes on with the options that were in force before$")
            self.assertEqual(echo(peer, b"x"), b"x")
            numbers = daemon.stats()
            self.assertEqual((numbers["tcp_limit"], numbers["reloads"], numbers["last_reload_successful"]), (5, 0, 0))
            with connect(daemon.tcp) as other, socket.socket(socket.AF_UNIX) as reader:
                self.assertEqual(echo(other, b"x"), b"x")
                reader.connect(stats)
                self.assertIn(b"\nechod_last_reload_successful 0\n", receive_all(reader))
            self.assertEqual(len(daemon.lines.matching("^LISTEN: proto=udp")), 0)

    def test_connections_to_an_old_address_are_accepted_to_the_last(self):
        stats = os.path.join(self.folder, "stats")
        daemon = self.start(f"listen = 127.0.0.1\nlisten = 127.0.0.2\nudp = off\nstats-socket = {stats}\n", 2)
        port = int(daemon.lines.wait("^LISTEN: .*address=127.0.0.2:")[0].rsplit(":", 1)[1])
        peers, reader = [], self.enterContext(socket.socket(socket.AF_UNIX))

        def connect_late():
            reader.connect(stats)
            peers.append(self.enterContext(connect(port, "127.0.0.2")))

        daemon.signal(signal.SIGHUP)
        self.offer("listen = 127.0.0.1\nudp = off\n")
        self.offer("listen = 127.0.0.1\nudp = off\n", connect_late)
        daemon.lines.wait("^RELOAD: version=")
        self.assertEqual(echo(peers[0], b"x"), b"x")
        with self.assertRaises(ConnectionRefusedError):
            connect(port, "127.0.0.2")
        self.assertEqual(daemon.stats()["tcp_accepted"], 1)  # the reader of counters is no peer

    def test_the_pause_lasts_from_the_signal_to_the_line(self):
        daemon = self.start("listen = 127.0.0.1\nudp = off\n", 1)
        begun = time.monotonic()
        daemon.signal(signal.SIGHUP)
        self.offer("listen = 127.0.0.1\nudp = off\n")
        self.offer("listen = 127.0.0.1\nudp = off\n", lambda: time.sleep(0.05))
        line = daemon.lines.wait("^RELOAD: version=")[0]
        pause_ms = int(line.rsplit("=", 1)[1])
        self.assertTrue(50 <= pause_ms <= 1000 * (time.monotonic() - begun), line)

    def test_the_stats_socket_stays_or_moves(self):
        paths = [os.path.join(self.folder, name) for name in "ab"]
        daemon = self.daemon(f"stats-socket = {paths[0]}")

        def shown(path):
            with socket.socket(socket.AF_UNIX) as reader:
                reader.settimeout(harness.DEADLINE)
                reader.connect(path)
                return receive_all(reader)

        inode = os.stat(paths[0]).st_ino
        reload(daemon)
        self.assertEqual(os.stat(paths[0]).st_ino, inode)
        self.assertIn(b"\nechod_reloads_total 1\n", shown(paths[0]))
        self.write(f"stats-socket = {paths[1]}")
        reload(daemon)
        self.assertIn(b"\nechod_reloads_total 2\n", shown(paths[1]))
        self.assertFalse(os.path.exists(paths[0]))
        self.write(f"stats-socket = {self.folder}/nowhere/stats")
        self.assertEqual(reload(daemon, "reload failed"),
                         FAILED + f"stats socket {self.folder}/nowhere/stats: No such file or directory")
        self.assertIn(b"\nechod_last_reload_successful 0\n", shown(paths[1]))

    def test_signals_that_come_meanwhile_are_heard(self):
        daemon = self.daemon("udp = on")
        self.assertEqual(harness.run_daemon(f"--signal-reload={daemon.pid}"), (0, []))
        daemon.signal(signal.SIGUSR1)
        daemon.lines.wait("^RELOAD: ")
        daemon.lines.wait("^STATS: ")
        daemon.signal(signal.SIGHUP)
        daemon.stop()
        self.assertEqual(harness.run_daemon("--signal-reload=2147483647"),
                         (1, ["echod: process 2147483647: No such process"]))


if __name__ == "__main__":
    harness.main()
