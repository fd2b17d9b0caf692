"""A bad path between two hosts: packets are delayed, lost, doubled and overtaken, as a seed decides.

Each host has a TUN device, and a process of its own carries packets from one to the other. When it
runs late, packets are only later still: nothing depends on how fast it is.
"""
import fcntl
import heapq
import itertools
import json
import os
import random
import select
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 0x1, 0x1000  # linux/if_tun.h


def _device(host, name):
    """A TUN device in the host's network; it vanishes with the file."""
    with host.inside():
        tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    host.run("ip", "link", "set", name, "up", "txqueuelen", "10000")
    return tun


class BadPath:
    """Joins two hosts, at each the device "path", while a with block lasts; then counts has what befell
    the packets: passed, lost, doubled, overtaken. Probabilities are per packet, delays in seconds."""

    def __init__(self, one, other, seed, **manners):
        self.files = [_device(host, "path") for host in (one, other)]
        arguments = json.dumps({"files": self.files, "seed": seed, **manners})
        self.process = subprocess.Popen([sys.executable, "-B", __file__, arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, pass_fds=self.files)
        self.counts = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        out, _ = self.process.communicate()
        for tun in self.files:
            os.close(tun)
        self.counts = json.loads(out or "{}")


def fates(seed, loss, duplication, reordering, delay, detour):
    """For each packet in turn, after which delays it arrives: none, one or two."""
    chance = random.Random(seed)
    while True:
        if chance.random() < loss:
            yield []
            continue
        copies = 2 if chance.random() < duplication else 1
        yield [delay + (chance.uniform(0, detour) if chance.random() < reordering else 0) for _ in range(copies)]


def carry(files, seed, **manners):
    """Until standard input ends; returns the counts."""
    others = dict(zip(files, reversed(files)))
    fate = {tun: fates(f"{seed} {number}", **manners) for number, tun in enumerate(files)}
    counts = dict.fromkeys(("passed", "lost", "doubled", "overtaken"), 0)
    number, on_the_way, latest = itertools.count(), [], dict.fromkeys(files, -1)
    while True:
        wait = max(0, on_the_way[0][0] - time.monotonic()) if on_the_way else None
        ready = select.select([0, *files], [], [], wait)[0]
        if 0 in ready:
            return counts
        for tun in ready:
            packet, delays = os.read(tun, 65536), next(fate[tun])
            order, now = next(number), time.monotonic()
            counts["lost"] += not delays
            counts["doubled"] += len(delays) == 2
            for delay in delays:
                heapq.heappush(on_the_way, (now + delay, order, others[tun], packet))
        while on_the_way and on_the_way[0][0] <= time.monotonic():
            _, order, tun, packet = heapq.heappop(on_the_way)
            counts["passed"] += 1
            counts["overtaken"] += order < latest[tun]
            latest[tun] = max(order, latest[tun])
            try:
                os.write(tun, packet)
            except BlockingIOError:  # the device's queue is full: lost as on any path
                counts["lost"] += 1


if __name__ == "__main__":
    print(json.dumps(carry(**json.loads(sys.argv[1]))))
