"""The network of packaging/scale: a client, a router or load balancer (192.0.2.1), three hosts behind it."""
import os
import shutil
import subprocess
import tempfile

import harness
from network import Host, cable

SOURCES = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
SCALE = os.path.join(SOURCES, "packaging/scale")
HOSTS = ("192.0.2.11", "192.0.2.12", "192.0.2.13")
PORT = 50007


class Network:
    """A context manager for all that it starts. daemons[i] listens on hosts[i]."""

    def __init__(self, *programs, options=()):
        harness.require(os.geteuid() == 0, "routing daemons and load balancers need root")
        for program in programs:
            harness.require(shutil.which(program), program + " is not installed")
        harness.own_network()
        self.folder = tempfile.TemporaryDirectory()
        self.processes = []
        self.client, self.middle = Host(), Host()
        cable(self.client, "wire", self.middle, "client")
        self.client.addresses("wire", "203.0.113.2/24")
        self.middle.addresses("client", "203.0.113.1/24")
        self.client.run("ip", "route", "add", "default", "via", "203.0.113.1")
        self.middle.run("ip", "link", "add", "hosts", "type", "bridge")
        self.middle.run("ip", "link", "set", "hosts", "up")
        self.middle.addresses("hosts", "192.0.2.1/24")
        for name in ("net.ipv4.ip_forward", "net.ipv4.fib_multipath_hash_policy"):
            self.middle.set(name, 1)
        self.hosts = []
        for number, address in enumerate(HOSTS):
            host = Host()
            cable(host, "wire", self.middle, f"host{number}")
            self.middle.run("ip", "link", "set", f"host{number}", "master", "hosts")
            host.addresses("wire", address + "/24")
            host.run("ip", "route", "add", "default", "via", "192.0.2.1")
            self.hosts.append(host)
        self.daemons = [host.daemon("--udp-rate=0", "--drain-timeout=30s", f"--port={PORT}", *options,
                                    "--stats-socket=" + self.path(f"stats-{number}"))
                        for number, host in enumerate(self.hosts)]

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def file(self, name, text):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def start(self, host, *command):
        with host.inside():
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=open(self.path("log"), "ab"))
        self.processes.append(process)
        return process

    def log(self):
        with open(self.path("log"), encoding="utf-8") as file:
            return file.read()

    def accepted(self):
        return [daemon.stats()["tcp_accepted"] for daemon in self.daemons if daemon.process.poll() is None]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
        for daemon in self.daemons:
            daemon.kill()
        self.folder.cleanup()
