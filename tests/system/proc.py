"""What /proc tells about the daemon and its sockets."""
import os
import re
import subprocess

LISTENING, ESTABLISHED = 10, 1
SEND_MOST = (128 + 64) << 10  # bytes to send: TCP_NOTSENT_LOWAT and the segments under way


def resident(pid):
    """Bytes of resident memory, exactly (the sum in status lags by a batch a processor)."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        return int(re.search(r"^Rss:\s+(\d+) kB", rollup.read(), re.M).group(1)) * 1024


def descriptors(pid):
    """The number of open files."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def is_pending(pid, number):
    """Whether the signal has been sent, and not yet been taken."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        fields = dict(line.split(":", 1) for line in status)
    return bool((int(fields["SigPnd"], 16) | int(fields["ShdPnd"], 16)) & 1 << (number - 1))


def _table(protocol):
    """Rows of /proc/net: (local port, state, bytes to send, bytes to read, inode)."""
    for name in (protocol, protocol + "6"):
        try:
            with open(f"/proc/net/{name}", encoding="ascii") as table:
                next(table)
                for line in table:
                    field = line.split()
                    to_send, to_read = field[4].split(":")
                    yield (int(field[1].rsplit(":", 1)[1], 16), int(field[3], 16),
                           int(to_send, 16), int(to_read, 16), field[9])
        except FileNotFoundError:  # no IPv6 here
            pass


def queues(port):
    """(to send, to read) in bytes of every established connection at this local port (SIOCOUTQ, SIOCINQ)."""
    return [(row[2], row[3]) for row in _table("tcp") if row[0] == port and row[1] == ESTABLISHED]


def sent_queues(port):
    """Bytes sent and not acknowledged of every connection at this local port that has some, in whatever state."""
    return [row[2] for row in _table("tcp") if row[0] == port and row[1] != LISTENING and row[2] > 0]


def orphans(port):
    """Connections at this local port that no process holds and whose peers have not acknowledged everything."""
    return sum(row[0] == port and row[4] == "0" and row[2] > 0 for row in _table("tcp"))


def socket_memory(port):
    """(to send, to read) in bytes of the kernel's memory, its own overhead included, of every connection at
    this local port (SO_MEMINFO: wmem_queued and rmem_alloc, shown by ss(8))."""
    command = ["ss", "-tmnOH", "state", "connected", f"sport = :{port}"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.findall(r"skmem:\(r(\d+),rb\d+,t\d+,tb\d+,f\d+,w(\d+)", listed)
    return [(int(to_send), int(to_read)) for to_read, to_send in found]


def receive_most():
    """The largest receive buffer, in bytes, that the kernel gives to a connection (tcp(7), tcp_rmem)."""
    with open("/proc/sys/net/ipv4/tcp_rmem", encoding="ascii") as file:
        return int(file.read().split()[2])


def datagrams_waiting(port):
    """Bytes of memory that datagrams take in the receive queues of the UDP sockets at this local port."""
    return sum(row[3] for row in _table("udp") if row[0] == port)


def bound_port(pid, protocol):
    """The port that the process listens on (tcp) or receives at (udp), or None."""
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:  # closed meanwhile
            continue
        if match := re.match(r"socket:\[(\d+)\]", target):
            inodes.add(match.group(1))
    for port, state, _, _, inode in _table(protocol):
        if inode in inodes and (protocol == "udp" or state == LISTENING):
            return port
    return None
