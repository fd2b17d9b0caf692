# ctest: seconds=60 unfiltered
"""Dependencies point downwards: no room of the house includes one above it or beside it."""
import os
import re
import unittest

import harness

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")

# From the roof to the ground. A room includes rooms of lower floors only.
FLOORS = (
    ("main",),
    ("server",),
    ("reload",),
    ("acceptor", "stats_socket", "udp"),
    ("sweep", "connection_state"),
    ("connection_begin",),
    ("connection", "udp_filter", "udp_replies"),
    ("delivery", "echo", "gate", "source_limit", "source_tokens", "udp_requests"),
    ("listeners",),
    ("listener", "limits", "service"),
    ("options",),
    ("ring_pool", "loop", "signals"),
    ("handover", "pool", "ring", "stats", "log", "config"),
    ("result_json",),
    ("result",),
    ("tool_options", "hdr", "json", "timestamp", "result_field"),
    ("bucket", "proxy_header", "source", "udp_cmsg", "option_table", "prefix", "resolver", "cpu", "dial", "histogram_text"),
    ("address",),
    ("units", "clock", "hash", "inflight", "payload", "histogram", "reason", "reflection", "train"),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"](?:echod/(?:common/|tools/)?)?(\w+)\.h[>"]', re.M)


def room_files():
    for folder in ("include/echod", "include/echod/common", "include/echod/tools", "src/echod",
                   "src/common", "src/tools"):
        for name in sorted(os.listdir(os.path.join(SOURCES, folder))):
            if name.endswith((".c", ".h")):
                yield os.path.join(folder, name)


def upward(room, included):
    return included in FLOOR and included != room and FLOOR[included] <= FLOOR[room]


class Includes(unittest.TestCase):
    def test_every_file_belongs_to_a_room(self):
        for path in room_files():
            self.assertIn(os.path.basename(path)[:-2], FLOOR, path)

    def test_nothing_includes_upwards(self):
        wrong = []
        for path in room_files():
            with open(os.path.join(SOURCES, path), encoding="utf-8") as file:
                for included in INCLUDE.findall(file.read()):
                    if upward(os.path.basename(path)[:-2], included):
                        wrong.append(f"{path} includes {included}.h")
        self.assertEqual(wrong, [])

    def test_the_rule_itself(self):
        self.assertTrue(upward("ring", "connection") and upward("sweep", "acceptor"))
        self.assertFalse(upward("server", "ring") or upward("ring", "ring") or upward("ring", "stdio"))


if __name__ == "__main__":
    harness.main()
