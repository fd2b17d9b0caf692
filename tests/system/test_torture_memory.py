# ctest: unsanitized unfiltered
"""Each allocation of the daemon fails: this one alone, or all from it on. Release only: sanitizers have an allocator
of their own. (That mmap(2) fails is a matter of test_torture.py.)"""
import collections
import errno
import os
import struct
import tempfile
import unittest

import harness
import torture

SHIM = os.environ.get("ALLOC_COUNT_SHIM", "")
ACCOUNT = "QqQQ"  # struct account
NEVER, ALWAYS = 0, 2**64 - 1
CROWD = 100  # peers at once, so that libev's tables have to grow
OPTIONS = ("--listen=127.0.0.1", "--listen=[::1]", "--udp-allow-source-port=7", "--udp-refuse-source-port=99",
           "--udp-refuse-source-port=98", "--udp-rate-exempt=10.0.0.0/8", "--max-connections-per-source=1000",
           "--log-connections", "--drain-timeout=200ms")
STARTS = {
    "own sockets": torture.Start(*OPTIONS),
    "handed over": torture.Start("--activated", "--exit-idle-time=1h", "--log-connections", "--drain-timeout=200ms",
                                 handed_over=True),
}


if harness.COVERAGE:  # one start reaches all of it
    STARTS = {"own sockets": STARTS["own sockets"]}


def setUpModule():
    harness.own_network()
    harness.require_files(1000)


def preloaded(file):
    return ["/usr/bin/env", "LD_PRELOAD=" + SHIM, "ALLOC_COUNT=" + file.name]


def count_at_start(options):
    """How many allocations there have been when it serves."""
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(struct.calcsize(ACCOUNT))
        with harness.Daemon(*options, wrapper=preloaded(file)):
            return struct.unpack(ACCOUNT, file.read())[0]


def live(start, fail_from=NEVER, fail_upto=NEVER):
    with tempfile.NamedTemporaryFile() as file:
        file.write(struct.pack(ACCOUNT, 0, 0, fail_from, fail_upto))
        file.flush()
        life = torture.Life(start, preloaded(file), patient=fail_upto != ALWAYS, crowd=CROWD)
        life.allocations, life.left, *_ = struct.unpack(ACCOUNT, os.pread(file.fileno(), struct.calcsize(ACCOUNT), 0))
    return life


class Memory(unittest.TestCase):
    def test_each_allocation(self):
        ends = collections.Counter()
        for way, start in STARTS.items():
            plain = live(start)
            self.assertEqual(torture.judge(plain, 0, False), [], plain.said)
            self.assertEqual((plain.status, plain.served), (0, torture.SERVED))
            print(f"{way}: {plain.allocations} allocations, of which the end leaves {plain.left}", flush=True)
            # the counters of coverage want memory, too, when the daemon ends
            last = count_at_start(start.options) if harness.COVERAGE else plain.allocations
            for number in range(1, last + 1):
                for upto in (number,) if harness.COVERAGE else (number, ALWAYS):
                    life = live(start, number, upto)
                    with self.subTest(way=way, number=number, upto=upto):
                        self.assertEqual(torture.judge(life, errno.ENOMEM, upto == ALWAYS), [], "\n".join(life.said))
                        if not any(torture.GIVEN_UP.search(line) for line in life.said):
                            self.assertLessEqual(life.left, plain.left, life.said)
                    ends["ends with an error" if life.status else "serves"] += 1
        print(f"the daemon {dict(ends)}", flush=True)
        self.assertGreater(ends["ends with an error"], 10 if harness.COVERAGE else 100)


if __name__ == "__main__":
    harness.main()
