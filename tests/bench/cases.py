"""What is measured: one case is one kind of load, and run() puts it on one server."""
import contextlib
import json
import os
import resource
import socket
import subprocess

from servers import AGAIN, FLOORS, FORKING, Missing

LOAD_DEADLINE = 60  # seconds
SPARE_FILES = 200


class Case:
    """connections messages of size bytes each in flight (the options of echod-bench).

    idle     so many more connections that say nothing
    busy     another process wants the server's core, so turns of its loop are full
    bulk     a stream of 1 MiB messages beside it
    churn    connections that come, echo one byte and go: so many at once
    datagrams  how datagram_load sends them, instead of echod-bench
    wire     between two namespaces instead of on the loopback
    share    latency at this share of the floor's capacity
    """

    def __init__(self, name, meaning, *options, connections=1, protocol="tcp", idle=0, busy=False, bulk=False,
                 churn=0, datagrams=None, wire=False, share=None, seconds=0.7):
        self.name, self.meaning = name, meaning
        self.options = [f"--connections={connections}", *options]
        self.connections, self.protocol, self.idle = connections, protocol, idle
        self.busy, self.bulk, self.churn, self.share = busy, bulk, churn, share
        self.datagrams, self.wire = datagrams, wire
        self.seconds = seconds
        self.floor = FLOORS[protocol]
        self.control = self.floor + AGAIN

    def suits(self, build, name):
        """Whether this server can be put under this load, and its CPU time be told."""
        if name in FORKING and (self.churn or self.idle):
            return False
        if self.wire and not build.listens_anywhere(name):
            return False
        return build.speaks(name, self.protocol) and self.connections <= (build.most(name) or 10**6)


def tcp(connections, size, **more):
    return Case(f"{connections}x{size}", f"{connections} connections, {size} B messages", f"--size={size}",
                connections=connections, **more)


DATAGRAMS = {
    "single": "one datagram of 64 B in flight",
    "clients": "50 sockets, each with one datagram of 64 B in flight",
    "eight": "8 datagrams of 64 B queued from one socket",
    "sockets": "16 sockets, 8 datagrams of 64 B queued from each",
    "burst": "bursts of 64 datagrams of 64 B",
    "large": "bursts of 32 datagrams of 1,200 B",
    "train": "8 bursts of 64 datagrams of 64 B, each sent as one message (UDP_SEGMENT) and received so (UDP_GRO)",
}


def udp(place, mode, meaning):
    where = " between two namespaces" if place == "wire" else ""
    return Case(f"{place}-{mode}", meaning + where, protocol="udp", datagrams=mode, wire=place == "wire")


CASES = [
    *(tcp(connections, size) for connections in (1, 50, 500, 5000) for size in (64, 1024)),
    *(tcp(connections, "16K") for connections in (1, 50)),
    Case("bulk-1x64K", "one stream of 64 KiB messages", "--size=64K"),
    Case("bulk-20x1M", "20 streams of 1 MiB messages", "--size=1M", connections=20, seconds=1.5),
    Case("bulk-200x64K", "200 streams of 64 KiB messages", "--size=64K", connections=200, seconds=1.5),
    Case("full-turns", "500 connections, 64 B, the server's core shared with a busy process", "--size=64",
         connections=500, busy=True, seconds=1.5),
    Case("idle-1000", "50 connections, 64 B, beside 1,000 idle ones", "--size=64", connections=50, idle=1000),
    Case("idle-15000", "50 connections, 64 B, beside 15,000 idle ones", "--size=64", connections=50, idle=15000),
    Case("udp-single", "one datagram of 64 B in flight", "--size=64", "--udp", protocol="udp"),
    *(udp(place, mode, meaning) for place in ("udp", "wire") for mode, meaning in DATAGRAMS.items()
      if (place, mode) != ("udp", "single")),
    Case("storm", "connect, echo, close: 64 at once", churn=64),
    Case("one-by-one", "connect, echo, close: one at a time", churn=1),
    Case("latency", "50 connections, 64 B, at half the floor's capacity", "--size=64", connections=50, share=0.5),
    Case("beside-bulk", "50 connections, 64 B, beside one bulk stream", "--size=64", connections=50, bulk=True),
]


def prepare_files():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = 20000 if hard == resource.RLIM_INFINITY else min(hard, 20000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


@contextlib.contextmanager
def idle_connections(port, count):
    with contextlib.ExitStack() as stack:
        for number in range(count):
            # several addresses, because one has too few ports
            peer = stack.enter_context(socket.create_connection(
                ("127.0.0.1", port), 10, (f"127.0.1.{1 + number % 8}", 0)))
            if number % 1000 == 0 or number == count - 1:  # all so far are in
                peer.sendall(b"?")
                peer.recv(1)
        yield


@contextlib.contextmanager
def beside(wanted, command):
    """A process that runs meanwhile, and ends by itself after LOAD_DEADLINE at the latest."""
    if not wanted:
        yield
        return
    # In a session of its own, as servers are: the kernel shares a core between sessions (sched(7)), and one
    # that the load took part in would get less of it.
    process = subprocess.Popen(["timeout", str(LOAD_DEADLINE), *command], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


class Load:
    """What puts load on servers: echod-bench and churn, on a core of their own."""

    def __init__(self, bench, out, core):
        self.bench, self.core = bench, core
        self.churn, self.datagram_load = (self._build(out, name) for name in ("churn", "datagram_load"))
        self.capacity = {}  # case: messages a second of the floor

    @staticmethod
    def _build(out, name):
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".c")
        program = os.path.join(out, name)
        subprocess.run(["cc", "-O2", source, "-o", program], check=True)
        return program

    def _pinned(self, *command):
        return ["taskset", "-c", str(self.core), *command]

    def _run(self, *command):
        try:
            done = subprocess.run(self._pinned(*command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=LOAD_DEADLINE, check=False)
        except subprocess.TimeoutExpired:
            raise Missing(f"not done in {LOAD_DEADLINE} s") from None
        if done.returncode != 0:
            raise Missing(done.stderr.decode(errors="replace").strip() or "connections or messages were lost")
        return done.stdout

    def _bench(self, server, case, *options, seconds=None):
        out = self._run(self.bench, "--json", f"--port={server.port}", *case.options, "--warmup=100ms",
                        f"--duration={int(1000 * (seconds or case.seconds))}ms", f"--stats-pid={server.pid}",
                        "--source=127.0.2.1-127.0.2.8", *options, "127.0.0.1")
        return json.loads(out)

    def run(self, server, case):
        """One measurement: {"cpu_us": …, "per_s": …, "p50": …, "p99": …, "p99.9": …}"""
        busy = ["taskset", "-c", str(server.core), "sh", "-c", "while :; do :; done"]
        bulk = self._pinned(self.bench, f"--port={server.port}", "--size=1M", "--duration=60s", "127.0.0.1")
        with idle_connections(server.port, case.idle), beside(case.busy, busy), beside(case.bulk, bulk):
            if case.churn:
                return self._churn(server, case)
            return self._datagrams(server, case) if case.datagrams else self._echo(server, case)

    def _churn(self, server, case):
        count = 4096 if case.churn > 1 else 2000
        before = server.cpu()
        seconds, *first_echo = map(float, self._run(self.churn, str(server.port), str(count), str(case.churn)).split())
        return {"cpu_us": 1e6 * (server.cpu() - before) / count, "per_s": count / seconds,
                **dict(zip(("p50", "p99", "p99.9"), first_echo))}

    def _datagrams(self, server, case):
        load = [self.datagram_load, server.place.address, str(server.port), case.datagrams]
        with server.place.client():
            self._run(*load, "100")
            before = server.cpu()
            back, lost = map(int, self._run(*load, str(int(1000 * case.seconds))).split())
        if back == 0:
            raise Missing("nothing came back")
        return {"cpu_us": 1e6 * (server.cpu() - before) / back, "per_s": back / case.seconds, "lost": lost}

    def _echo(self, server, case):
        rate = []
        if case.share:
            if case.name not in self.capacity:
                full = self._bench(server, case)
                self.capacity[case.name] = full["messages_per_second"]
            rate = [f"--rate={int(self.capacity[case.name] * case.share)}"]
        before = server.cpu()
        result = self._bench(server, case, *rate)
        echoed = result["counts"]["echoed_in_time"]
        cpu = 1e6 * result["cpu"]["server_s"] / echoed
        if server.name in FORKING:  # all of its processes, and the warm-up with them
            cpu = 1e6 * (server.cpu() - before) / echoed
        names = {"p50": "p50_s", "p99": "p99_s", "p99.9": "p99_9_s"}
        return {"cpu_us": cpu, "per_s": result["messages_per_second"],
                **{quantile: 1e6 * result["echo"][name] for quantile, name in names.items()}}
