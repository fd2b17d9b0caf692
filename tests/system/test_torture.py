# ctest: seconds=900 release unfiltered
"""Every system call of the daemon fails: tests/system/torture.py says how."""
import collections
import errno
import os
import shutil
import unittest

import harness
import torture

LONG = os.environ.get("ECHOD_LONG") == "1"
CONFIG = os.path.join(os.path.dirname(os.environ["ECHOD_CLIENT"]), "packaging/config/echod.conf")
COMMON = ("--log-connections", "--verbose", "--drain-timeout=200ms")
STARTS = {
    "own sockets": torture.Start("--max-connections-per-source=1000", "--accept-rate=10000", *COMMON),
    "handed over": torture.Start("--activated", f"--config={CONFIG}", "--exit-idle-time=1h", *COMMON, handed_over=True),
}
PLACES = 12  # in a life where a call of one kind fails; bulk makes hundreds


def setUpModule():
    harness.require(shutil.which("strace"), "strace is not installed")
    harness.own_network()


class Torture(unittest.TestCase):
    def setUp(self):
        self.seen = set()
        self.ends = collections.Counter()

    def matrix(self, plain):
        """(call, its place, error, for ever): each errno once and for ever at the first call of a kind, in the first
        start that makes it; and each call once, with one errno after the other."""
        for name in dict.fromkeys(call.name for call in plain.calls):
            errors = torture.ERRORS.get(name, torture.UNKNOWN).split()
            places = [call.place for call in plain.calls if call.name == name]
            for number, place in enumerate(places if LONG else places[:PLACES], 1):
                for index, error in enumerate(errors):
                    if LONG or (number == 1 and name not in self.seen):
                        yield name, place, error, True
                        yield name, place, error, False
                    elif index == number % len(errors):
                        yield name, place, error, False
            self.seen.add(name)

    def live(self, start, name, place, error, for_ever):
        """Returns what strace was told, and whether it came to that."""
        when = str(place)
        if for_ever:
            when += f"..{place + torture.IN_A_ROW}" if error in torture.PASSING else "+"
        injection = f"{name}:error={error}:when={when}"
        life = torture.TracedLife(start, injection, patient=not for_ever)
        with self.subTest(injection=injection, options=start.options):
            self.assertEqual(torture.judge_calls(life, getattr(errno, error), for_ever), [], "\n".join(life.said))
        self.ends["ends with an error" if life.status else "serves" if life.served == torture.SERVED else
                  "says why it does not serve"] += 1
        return injection, life.injected > 0

    def test_each_call(self):
        for way, start in STARTS.items():
            plain = torture.TracedLife(start)
            self.assertEqual(torture.judge_calls(plain, 0, False), [], plain.said)
            self.assertEqual((plain.status, plain.served), (0, torture.SERVED), plain.said)
            plain.calls = [call for call in plain.calls if call.name not in torture.INFALLIBLE]
            lives = [self.live(start, *trouble) for trouble in self.matrix(plain)]
            missed = [injection for injection, came in lives if not came]
            print(f"{way}: {len(lives)} lives; not as many calls this time: {missed}", flush=True)
            self.assertLess(len(missed), len(lives) / 10)
        print(f"the daemon {dict(self.ends)}", flush=True)
        self.assertEqual(len(self.ends), 3)


if __name__ == "__main__":
    harness.main()
