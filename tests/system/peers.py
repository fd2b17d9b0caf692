"""What the tests' clients do with their sockets."""
import random
import select
import socket
import struct

from harness import DEADLINE

CHUNK = 256 * 1024


def payload(size, seed=1):
    """Bytes that differ between seeds and nowhere repeat in a short period."""
    return random.Random(seed).randbytes(size)


def connect(port, host="127.0.0.1", *, source=None, receive_buffer=None, send_buffer=None):
    """A TCP connection whose every operation fails after the deadline."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    peer = socket.socket(family, socket.SOCK_STREAM)
    try:
        peer.settimeout(DEADLINE)
        # before connect, because it decides the window
        if receive_buffer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if send_buffer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source:
            peer.bind((source, 0))
        peer.connect((host, port))
    except BaseException:
        peer.close()
        raise
    return peer


def receive(peer, size):
    """Exactly size bytes, or fewer at the end of the stream."""
    parts = []
    while size:
        part = peer.recv(min(size, CHUNK))
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def receive_all(peer):
    """Everything up to the end of the stream."""
    parts = []
    while part := peer.recv(CHUNK):
        parts.append(part)
    return b"".join(parts)


def echo(peer, data):
    """Sends data (no more than the buffers on the way hold) and returns what comes back."""
    peer.sendall(data)
    return receive(peer, len(data))


def converse(peer, data, finish=True):
    """Sends data and reads at the same time; finish: half-closes, and reads to the end of the stream."""
    parts, received, sent, open_to_send = [], 0, 0, True
    data, poll = memoryview(data), select.poll()
    peer.setblocking(False)
    try:
        while True:
            if open_to_send and sent == len(data):
                open_to_send = False
                if finish:
                    peer.shutdown(socket.SHUT_WR)
            if not finish and received >= len(data):
                break
            poll.register(peer, select.POLLIN | (select.POLLOUT if open_to_send else 0))
            ready = poll.poll(DEADLINE * 1000)
            if not ready:
                raise TimeoutError(f"stuck after {sent} bytes out and {received} in")
            if ready[0][1] & select.POLLOUT and open_to_send:
                sent += peer.send(data[sent:sent + CHUNK])
            if ready[0][1] & ~select.POLLOUT:
                part = peer.recv(CHUNK)
                if not part:
                    break
                parts.append(part)
                received += len(part)
    finally:
        peer.settimeout(DEADLINE)
    return b"".join(parts)


def pour(peer, data):
    """Sends until the peer's side takes no more or all is sent; returns how many bytes went out."""
    peer.setblocking(False)
    data, sent = memoryview(data), 0
    try:
        while sent < len(data):
            sent += peer.send(data[sent:sent + CHUNK])
    except BlockingIOError:
        pass
    finally:
        peer.settimeout(DEADLINE)
    return sent


def fill(peer, limit):
    """Sends at most limit zeros, as pour() does."""
    return pour(peer, bytes(limit))


def stall(daemon, peer):
    """Sends until the daemon holds bytes that the kernel does not take, and leaves nothing unread:
    a close would draw a reset by itself then. The daemon's other connections must be quiet."""
    before = daemon.stats()["tcp_received_bytes"]
    piece, sent = bytes(16384), 0
    while True:
        peer.sendall(piece)
        sent += len(piece)
        numbers = daemon.wait_stats(lambda now: now["tcp_received_bytes"] - before == sent, "the bytes to arrive")
        if numbers["tcp_received_bytes"] > numbers["tcp_sent_bytes"]:
            return


def ending(peer):
    """Reads to the end and says what it was: "fin" or "reset"."""
    try:
        while peer.recv(CHUNK):
            pass
    except ConnectionResetError:
        return "reset"
    return "fin"


def is_refused(port, host="127.0.0.1", *, source=None):
    """Whether a connection is reset at once, which may come before connect() has returned."""
    try:
        with connect(port, host, source=source) as peer:
            return ending(peer) == "reset"
    except ConnectionResetError:
        return True


def reset(peer):
    """Closes with a RST."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def datagram_peer(port, host="127.0.0.1"):
    """A UDP socket connected to host and port: it receives from that address alone."""
    peer = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    peer.settimeout(DEADLINE)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    peer.connect((host, port))
    return peer


def ask(peer, data):
    """One datagram there and back."""
    peer.send(data)
    return peer.recv(1 << 16)


def send_train(peer, data, segment):
    """Sends data as one, which travels as datagrams of segment bytes (the last may be shorter)."""
    udp_segment = 103  # linux/udp.h
    peer.sendmsg([data], [(socket.IPPROTO_UDP, udp_segment, struct.pack("H", segment))])


def cut(data, segment):
    """The datagrams of a train."""
    return [data[start:start + segment] for start in range(0, len(data), segment)]
