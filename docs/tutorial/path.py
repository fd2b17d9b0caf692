#!/usr/bin/python3
"""Carries packets between the laboratory's two hosts (device "path"), as well or as badly as it is told:

	path.py [--rate MBIT] [--queue PACKETS] [--delay MS] [--lose N] [--double N] [--detour N] [--seed N]

Each direction has a queue of its own, served at the rate; a packet that finds it full is lost. One packet of
each N is lost, doubled, or sent on a detour of 20 ms by chance. On Ctrl-C or SIGTERM it says what it has done.
"""
import argparse
import heapq
import itertools
import random
import select
import signal
import socket
import sys
import time

ETH_P_ALL = 3
DETOUR = 0.02  # seconds


class Direction:
    """From one device to the other."""

    def __init__(self, tap, out, options, number):
        self.tap, self.out, self.options = tap, out, options
        self.chance = random.Random(f"{options.seed} {number}")
        self.free_at = 0  # when the last packet of the queue has left
        self.leaving = []  # when each packet of the queue leaves
        self.counts = dict.fromkeys(("carried", "lost", "queue-full", "doubled", "detoured"), 0)

    def hits(self, one_of):
        return bool(one_of) and self.chance.random() < 1 / one_of

    def fates(self, packet, now):
        """When the packet arrives: never, once or twice."""
        ip = packet[12:14] == b"\x08\x00"  # what asks for hardware addresses always arrives
        self.leaving = [when for when in self.leaving if when > now]
        if self.options.rate:
            if len(self.leaving) >= self.options.queue:
                self.counts["queue-full"] += 1
                return []
            self.free_at = max(now, self.free_at) + len(packet) * 8 / (self.options.rate * 1e6)
            self.leaving.append(self.free_at)
            now = self.free_at
        if ip and self.hits(self.options.lose):
            self.counts["lost"] += 1
            return []
        times = [now + self.options.delay / 1000]
        if ip and self.hits(self.options.double):
            self.counts["doubled"] += 1
            times *= 2
        if ip and self.hits(self.options.detour):
            self.counts["detoured"] += 1
            times[0] += DETOUR
        self.counts["carried"] += 1
        return times


def tap(device):
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    made.bind((device, ETH_P_ALL))
    made.setblocking(False)
    return made


def carry(directions):
    """Until a signal raises KeyboardInterrupt."""
    order, on_the_way = itertools.count(), []
    by_tap = {direction.tap: direction for direction in directions}
    while True:
        wait = max(0, on_the_way[0][0] - time.monotonic()) if on_the_way else None
        for ready in select.select(list(by_tap), [], [], wait)[0]:
            packet, (_, _, kind, *_) = ready.recvfrom(65536)
            if kind == socket.PACKET_OUTGOING:  # what this program has sent itself
                continue
            direction = by_tap[ready]
            for when in direction.fates(packet, time.monotonic()):
                heapq.heappush(on_the_way, (when, next(order), direction, packet))
        while on_the_way and on_the_way[0][0] <= time.monotonic():
            _, _, direction, packet = heapq.heappop(on_the_way)
            direction.out.send(packet)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--queue", type=int, default=25)
    parser.add_argument("--delay", type=float, default=0)
    for name in ("lose", "double", "detour"):
        parser.add_argument("--" + name, type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    client, server = tap("to-client"), tap("to-server")
    directions = [Direction(client, server, options, 1), Direction(server, client, options, 2)]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print("path: open", flush=True)
    try:
        carry(directions)
    except KeyboardInterrupt:
        for name, direction in zip(("to the server", "to the client"), directions):
            print(f"path: {name}:", *(f"{what}={count}" for what, count in direction.counts.items()))
        sys.exit(0)


if __name__ == "__main__":
    main()
