# ctest: release uncounted unfiltered
"""Reloads in a crowd: 10,000 connections that echo all the time, 1,000 that do not read, and 1,000 reloads."""
import json
import os
import signal
import subprocess
import unittest

import harness
import proc
from peers import connect, converse, echo, fill, payload, pour, receive
from reloads import reload

BENCH = os.environ.get("ECHOD_BENCH", "")


def begin_load(test, daemon, *options):
    load = subprocess.Popen([BENCH, "--json", "-t10m", "-W30s", f"-p{daemon.tcp}", *options, "127.0.0.1"],
                            stdout=subprocess.PIPE)
    test.addCleanup(load.wait)
    test.addCleanup(load.kill)
    return load


def end_load(load):
    load.send_signal(signal.SIGINT)
    return json.loads(load.communicate(timeout=harness.DEADLINE)[0])


class Crowd(unittest.TestCase):
    def test_10000_connections_that_echo_all_the_time_lose_nothing(self):
        count, size, reloads = 10000, 64, 20
        harness.require_files(count + 1000)
        with harness.Daemon(f"--max-connections={count + 100}") as daemon:
            stay = begin_load(self, daemon, f"-c{count}", f"-s{size}")
            now = daemon.wait_stats(lambda now: now["tcp_received_bytes"] >= count * size, "an echo on each")
            come = begin_load(self, daemon, "-c10", "-s1K", "--messages-per-connection=3")
            for _ in range(reloads):
                accepted = now["tcp_accepted"]
                now = daemon.wait_stats(lambda now: now["tcp_accepted"] > accepted, "another connection")
                reload(daemon)
            results = [end_load(load) for load in (come, stay)]
            for result in results:
                counts, connections = result["counts"], result["connections"]
                self.assertEqual([connections[name] for name in ("failed", "broken")], [0, 0], result)
                self.assertEqual([counts[name] for name in ("lost", "late", "corrupted", "duplicated")], [0] * 4, result)
                self.assertEqual(counts["echoed"], counts["sent"])
            numbers = daemon.wait_stats(lambda now: now["tcp_open"] == 0, "all connections to end")
            self.assertEqual(numbers["reloads"], reloads)
            self.assertEqual(numbers["tcp_accepted"], sum(result["connections"]["opened"] for result in results))
            self.assertEqual(numbers["tcp_closed_eof"], numbers["tcp_accepted"])
            for name in ("tcp_received_bytes", "tcp_sent_bytes"):
                self.assertEqual(numbers[name], sum(result["counts"]["echoed"] * width
                                                    for result, width in zip(results, (1024, size))))
            print("%d messages on connections that stayed, %d on %d others" % (
                results[1]["counts"]["echoed"], results[0]["counts"]["echoed"], results[0]["connections"]["opened"]))

    def test_1000_peers_that_do_not_read_get_every_byte_in_order(self):
        count, ring = 1000, 16 << 10
        harness.require_files(count + 100)
        data = payload(8 << 20)
        with harness.Daemon(f"--buffer-size={ring}", f"--max-connections={count}") as daemon:
            peers = {connect(daemon.tcp, receive_buffer=2048, send_buffer=8192): memoryview(data)[1000 * number:]
                     for number in range(count)}
            sent = dict.fromkeys(peers, 0)

            def push():
                for peer, mine in peers.items():
                    sent[peer] += pour(peer, mine[sent[peer]:])
                return daemon.stats()["rings_lent"] == count

            harness.wait_until(push, "every ring to be lent")
            for _ in range(3):
                self.assertIn(f"connections={count} rings={count}", reload(daemon))
            for peer, mine in peers.items():
                with peer:
                    self.assertEqual(receive(peer, sent[peer]), mine[:sent[peer]])
                    self.assertEqual(converse(peer, b"end"), b"end")
            self.assertEqual(daemon.stats()["rings_lent"], 0)

    def test_1000_reloads_leave_nothing_behind(self):
        with harness.Daemon("--udp-rate=100", "--buffer-memory=1M") as daemon:
            peers = [connect(daemon.tcp, receive_buffer=4096) for _ in range(20)]
            sent = [fill(peer, 1 << 22) for peer in peers[:2]]
            daemon.wait_stats(lambda now: now["rings_lent"] == 2, "two rings to be lent")

            def footprint():
                reload(daemon)
                for peer in peers[2:]:
                    self.assertEqual(echo(peer, b"x"), b"x")
                return proc.descriptors(daemon.pid), proc.resident(daemon.pid)

            first = [footprint() for _ in range(10)]
            for _ in range(980):
                reload(daemon)
            last = [footprint() for _ in range(10)]
            print("descriptors, resident KiB: ", [max(f) for f in zip(*first)], [min(f) for f in zip(*last)])
            self.assertEqual({files for files, _ in last}, {first[0][0]})
            self.assertLessEqual(min(resident for _, resident in last), max(resident for _, resident in first))
            for peer, size in zip(peers, sent):
                self.assertEqual(receive(peer, size), bytes(size))
            for peer in peers:
                self.assertEqual(converse(peer, b"end"), b"end")
                peer.close()
            daemon.wait_stats(lambda now: now["tcp_open"] == 0 and now["reloads"] == 1000, "all connections to end")


if __name__ == "__main__":
    harness.main()
