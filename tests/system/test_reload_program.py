# ctest: unfiltered
"""Reloads of a daemon that is started otherwise than the unit starts it: from a copy, by the loader, with a socket for
its counters that it opens itself; and the signal."""
import os
import shutil
import signal
import socket
import subprocess
import threading
from unittest import mock

import harness
import proc
from peers import connect, echo, receive_all
from reloads import FAILED, Case, reload


class Reload(Case):
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
        """The file is a FIFO: the old program reads other options than the new one."""
        os.mkfifo(self.path)

        def offer(*texts):
            for text in texts:
                with open(self.path, "w", encoding="ascii") as file:
                    os.mkfifo(self.path + ".next")  # to whichever program opens it next
                    os.rename(self.path + ".next", self.path)
                    file.write(text)

        stats = os.path.join(self.folder, "stats")
        first = threading.Thread(target=offer, args=(f"udp = off\nmax-connections = 5\nstats-socket = {stats}\n",))
        first.start()
        with harness.Daemon("--port=0", f"--config={self.path}", listens=1) as daemon, connect(daemon.tcp) as peer:
            first.join()
            again = threading.Thread(target=offer, args=("udp = on\n", "udp = maybe\n"))
            again.start()
            reload(daemon)
            again.join()
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
