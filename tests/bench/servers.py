"""The servers that are compared: how each is built, started, and asked for its CPU time."""
import contextlib
import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))
import network  # noqa: E402
PEERS = os.path.join(HERE, "peers")
START_DEADLINE = 10  # seconds
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
FLOORS = {"tcp": "floor", "udp": "loop"}  # what the others are compared with
AGAIN = "-again"  # and what it is itself

# name: (what builds it or None, what runs it, protocols, at most so many connections). {out} is the
# program, {peers} the sources, {port} the port, {address} the address, {scratch} a directory for files of its own.
SERVERS = {
    "floor": ("cc -O2 {peers}/floor.c -o {out}", "{out} {port}", "tcp", None),
    "floor-again": ("cc -O2 {peers}/floor.c -o {out}", "{out} {port}", "tcp", None),
    "loop": ("cc -O2 {peers}/datagram_floor.c -o {out}", "{out} {port} {address}", "udp", None),
    "loop-again": ("cc -O2 {peers}/datagram_floor.c -o {out}", "{out} {port} {address}", "udp", None),
    "batched": ("cc -O2 {peers}/datagram_batch.c -o {out}", "{out} {port} {address}", "udp", None),
    "batch-floor": ("cc -O2 {peers}/batch_floor.c -o {out} -luring", "{out} {port}", "tcp", None),
    "libuv": ("cc -O2 {peers}/libuv.c -o {out} -luv", "{out} {port}", "tcp udp", None),
    "libevent": ("cc -O2 {peers}/libevent.c -o {out} -levent_core", "{out} {port}", "tcp", None),
    "asio": ("c++ -O2 {peers}/asio.cpp -o {out} -pthread", "{out} {port}", "tcp udp", None),
    "io_uring": ("cc -O2 {peers}/uring.c -o {out} -luring", "{out} {port}", "tcp", None),
    "go": ("go build -o {out} {peers}/echo.go", "{out} {port}", "tcp udp", None),
    "node": (None, "node {peers}/echo.js {port}", "tcp udp", None),
    "uvloop": (None, "/usr/bin/python3 -B {peers}/echo_uvloop.py {port}", "tcp udp", None),
    "socat": (None, "socat TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,backlog=4096,nodelay PIPE", "tcp", 500),
    "ncat": (None, "ncat -4 --listen 127.0.0.1 {port} --keep-open --max-conns 1000 --exec /bin/cat", "tcp", 500),
    "xinetd": (None, "xinetd -dontfork -f {scratch}/xinetd.conf -pidfile {scratch}/pid", "tcp", 500),
}

XINETD = """defaults
{{
	instances = UNLIMITED
	cps = 100000 1
	per_source = UNLIMITED
}}
service echo
{{
	type = INTERNAL UNLISTED
	id = echo-stream
	socket_type = stream
	protocol = tcp
	bind = 127.0.0.1
	port = {port}
	wait = no
	user = root
	flags = NODELAY
}}
"""


# They start a process for every connection.
FORKING = ("socat", "ncat", "xinetd")


class Missing(Exception):
    """A server that cannot be had here."""


def free_port(protocol):
    with socket.socket(socket.AF_INET, KINDS[protocol]) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def process_clock(pid):
    """CPU time of a process in seconds, to the nanosecond (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


def children(pid):
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            with open(path, encoding="ascii") as file:
                found += map(int, file.read().split())
        except OSError:
            pass
    return found


class Loopback:
    """Where server and load meet: on this host."""
    address = "127.0.0.1"

    @contextlib.contextmanager
    def server(self):
        yield

    client = server


class Wire:
    """Where server and load meet: two namespaces joined by a veth pair. Replies pass routing, netfilter, a queue."""
    address = "192.0.2.1"

    def __init__(self):
        self.server_host, self.client_host = network.pair()

    def server(self):
        return self.server_host.inside()

    def client(self):
        return self.client_host.inside()


class Server:
    """One of them, running on its own core. A context manager."""

    def __init__(self, build, name, core, protocol, place):
        self.name, self.place = name, place
        with place.server():
            self.port = free_port(protocol)
        self.scratch = tempfile.TemporaryDirectory()
        self.command = build.command(name, self.port, place.address, self.scratch.name)
        self.protocol = protocol
        self.core = core

    def __enter__(self):
        with open(os.path.join(self.scratch.name, "xinetd.conf"), "w", encoding="ascii") as file:
            file.write(XINETD.format(port=self.port))
        self.log = open(os.path.join(self.scratch.name, "log"), "w+b")
        with self.place.server():
            self.process = subprocess.Popen(["taskset", "-c", str(self.core), *self.command],
                                            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                            start_new_session=True)
        self.pid = self.process.pid
        end = time.monotonic() + START_DEADLINE
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.__exit__()
                raise Missing(f"{self.name} does not start")
            time.sleep(0.01)
        return self

    def _answers(self):
        try:
            with self.place.client():
                peer = socket.socket(socket.AF_INET, KINDS[self.protocol])
            with peer:
                peer.settimeout(2 if self.protocol == "tcp" else 0.2)
                peer.connect((self.place.address, self.port))
                peer.sendall(b"?")
                return peer.recv(1) == b"?"
        except OSError:
            return False

    def cpu(self):
        """CPU seconds so far, of the process and those that it has started and that still run."""
        total, todo = 0.0, [self.pid]
        while todo:
            pid = todo.pop()
            todo += children(pid)
            try:
                total += process_clock(pid)
            except OSError:
                pass
        return total

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.log.close()
        self.scratch.cleanup()


class Build:
    """Builds the peers that can be built here; the others are missing, each with its reason."""

    def __init__(self, out, echod, more):
        self.out = out
        self.missing = {}
        self.names = [*SERVERS, "echod"]
        self.more = {"echod": f"{echod} --quiet --udp-rate=1000000 --listen={{address}}:{{port}}", **more}
        self.names += more
        os.makedirs(out, exist_ok=True)
        for name in SERVERS:
            reason = self._build(name)
            if reason:
                self.missing[name] = reason

    def _build(self, name):
        how, command, *_ = SERVERS[name]
        if how is None:
            program = command.split()[0]
            return None if shutil.which(program) else f"{program} is not installed"
        if not shutil.which(how.split()[0]):
            return how.split()[0] + " is not installed"
        line = how.format(peers=PEERS, out=os.path.join(self.out, name))
        environment = dict(os.environ, GOCACHE=os.path.join(self.out, "go-cache"), GO111MODULE="off")
        done = subprocess.run(line.split(), stderr=subprocess.PIPE, env=environment, check=False)
        return None if done.returncode == 0 else done.stderr.decode(errors="replace").splitlines()[0]

    def listens_anywhere(self, name):
        """Whether it can be told where to listen: the others know the loopback alone."""
        return "{address}" in (self.more[name] if name in self.more else SERVERS[name][1])

    def most(self, name):
        return SERVERS[name][3] if name in SERVERS else None

    def speaks(self, name, protocol):
        return name not in SERVERS or protocol in SERVERS[name][2].split()

    def command(self, name, port, address, scratch):
        template = self.more[name] if name in self.more else SERVERS[name][1]
        return template.format(peers=PEERS, out=os.path.join(self.out, name), port=port, address=address,
                               scratch=scratch).split()
