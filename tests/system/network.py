"""A network for a test: hosts (namespaces), cables between them (veth), forged packets, and a wiretap.

harness.own_network() comes first: then everything here vanishes with the test's process.
"""
import contextlib
import ctypes
import ipaddress
import os
import signal
import socket
import struct
import subprocess
import tempfile

import harness

NEW_NETWORK = 0x40000000  # sched.h
TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP
_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Host:
    """A namespace that lives as long as this object. Sockets and processes made inside stay there."""

    def __init__(self):
        with open("/proc/thread-self/ns/net", "rb") as home:
            _checked(_libc.unshare(NEW_NETWORK))
            self.namespace = open("/proc/thread-self/ns/net", "rb")
            _checked(_libc.setns(home.fileno(), NEW_NETWORK))
        self.run("ip", "link", "set", "lo", "up")

    @contextlib.contextmanager
    def inside(self):
        with open("/proc/thread-self/ns/net", "rb") as home:
            _checked(_libc.setns(self.namespace.fileno(), NEW_NETWORK))
            try:
                yield
            finally:
                _checked(_libc.setns(home.fileno(), NEW_NETWORK))

    def run(self, *command):
        with self.inside():
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def set(self, name, value):
        """A sysctl, as in net.ipv4.ip_forward."""
        with self.inside(), open("/proc/sys/" + name.replace(".", "/"), "w", encoding="ascii") as file:
            file.write(str(value))

    def socket(self, family, kind=socket.SOCK_DGRAM, protocol=0):
        with self.inside():
            made = socket.socket(family, kind, protocol)
        made.settimeout(harness.DEADLINE)
        return made

    def daemon(self, *options, kind=harness.Daemon, **more):
        with self.inside():
            return kind(*options, **more)

    def addresses(self, device, *addresses):
        for address in addresses:
            extra = ["nodad"] if ":" in address else []
            self.run("ip", "address", "add", address, "dev", device, *extra)

    def link_local(self, device):
        """The address that the kernel has given the device, once it may be used."""
        def ready():
            words = self.run("ip", "-o", "-6", "address", "show", "dev", device, "scope", "link").split()
            return "tentative" not in words and "inet6" in words and words[words.index("inet6") + 1]

        return harness.wait_until(ready, "a link-local address").split("/")[0]


def cable(one, one_device, other, other_device):
    """Joins two hosts."""
    number = f"/proc/{os.getpid()}/fd/{other.namespace.fileno()}"
    one.run("ip", "link", "add", one_device, "type", "veth", "peer", "name", other_device, "netns", number)
    for host, device in ((one, one_device), (other, other_device)):
        host.run("ip", "link", "set", device, "up")


def pair():
    """Two joined hosts: (the server's, the client's), each at the device "wire"."""
    server, client = Host(), Host()
    cable(server, "wire", client, "wire")
    server.addresses("wire", "192.0.2.1/24", "2001:db8::1/64")
    client.addresses("wire", "192.0.2.2/24", "2001:db8::2/64")
    return server, client


@contextlib.contextmanager
def rule(text):
    """A ruleset of nftables."""
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)
    try:
        yield
    finally:
        subprocess.run(["nft", "flush", "ruleset"], check=True)


def interrupt_while_connecting(program, *addresses):
    """Has a client or load tool connect to the first of a name's addresses, which does not answer, and interrupts it.
    Returns its exit status, and what it said on stdout and stderr."""
    harness.require(os.geteuid() == 0, "no root, who may lay another file over /etc/hosts")
    silent = "table ip t { chain c { type filter hook output priority 0; tcp dport 9 drop; }\n }"
    with rule(silent), tempfile.NamedTemporaryFile("w") as hosts:
        hosts.writelines(f"{address} two.test\n" for address in addresses)
        hosts.flush()
        command = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts.name, program,
                   "-p", "9", "-W", "1h", "two.test"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tool:
            harness.wait_until(lambda: "SYN-SENT" in subprocess.run(
                ["ss", "-tan"], stdout=subprocess.PIPE, text=True, check=True).stdout, "it to connect")
            tool.send_signal(signal.SIGINT)
            out, err = tool.communicate(timeout=harness.DEADLINE)
    return tool.returncode, out, err


def _checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff or 0xffff


def syn(source, source_port, target, target_port):
    """An IPv4 packet that asks for a TCP connection, from whatever source."""
    source, target = ipaddress.ip_address(source).packed, ipaddress.ip_address(target).packed
    header = struct.pack("!HHIIBBHHH", source_port, target_port, 1, 0, 5 << 4, 2, 65535, 0, 0)
    checksum = _checksum(source + target + struct.pack("!HH", TCP, len(header)) + header)
    header = header[:16] + struct.pack("!H", checksum) + header[18:]
    # the kernel fills in what it must of the IP header (raw(7))
    return struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, TCP, 0) + source + target + header


def packet(source, source_port, target, target_port, data, traffic_class=0):
    """An IP packet with a UDP datagram in it, from whatever source."""
    source, target = ipaddress.ip_address(source), ipaddress.ip_address(target)
    length = 8 + len(data)
    pseudo = source.packed + target.packed + struct.pack("!II", length, UDP)
    header = struct.pack("!HHHH", source_port, target_port, length, 0)
    header = header[:6] + struct.pack("!H", _checksum(pseudo + header + data))
    if source.version == 6:
        return struct.pack("!IHBB", 6 << 28 | traffic_class << 20, length, UDP, 64) \
            + source.packed + target.packed + header + data
    start = struct.pack("!BBHHHBBH", 0x45, traffic_class, 20 + length, 0, 0, 64, UDP, 0)
    start += source.packed + target.packed
    return start[:10] + struct.pack("!H", _checksum(start)) + start[12:] + header + data


class Forger:
    """Sends packets with any source from a host."""

    def __init__(self, host):
        with host.inside():
            self.raw = {family: socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
                        for family in (socket.AF_INET, socket.AF_INET6)}
            for raw in self.raw.values():
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"wire")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)

    def send(self, source, source_port, target, target_port, data=b"forged"):
        made = packet(source, source_port, target, target_port, data)
        self.raw[socket.AF_INET6 if ":" in target else socket.AF_INET].sendto(made, (target, 0))

    def send_syn(self, source, source_port, target, target_port):
        self.raw[socket.AF_INET].sendto(syn(source, source_port, target, target_port), (target, 0))


class Wiretap:
    """Sees the UDP packets that leave and reach a host at a device."""

    def __init__(self, host, device="wire"):
        with host.inside():
            self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))  # ETH_P_ALL
            self.tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            self.tap.bind((device, 3))
        self.tap.setblocking(False)

    def seen(self, arrived_only=False):
        """(source port, target port) of each that has passed since the last call."""
        return [ports for ports, _ in self.sizes(arrived_only)]

    def sizes(self, arrived_only=False):
        """((source port, target port), bytes of payload) of each. What the kernel cuts later is one packet here."""
        found = []
        while True:
            try:
                data, (_, _, kind, *_) = self.tap.recvfrom(1 << 16)
            except BlockingIOError:
                return found
            version = data[0] >> 4 if data else 0
            start = (data[0] & 15) * 4 if version == 4 else 40
            protocol = data[9 if version == 4 else 6] if version in (4, 6) else None
            if protocol == UDP and not (arrived_only and kind == socket.PACKET_OUTGOING):
                found.append((struct.unpack_from("!HH", data, start), len(data) - start - 8))
