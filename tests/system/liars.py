"""Peers that echo as they please: what the tools must not believe."""
import socket
import threading

from harness import DEADLINE


class StreamPeer:
    """A TCP server on a free port that gives each connection to talk(connection), on a thread of its own.

    An exception in talk fails the test at the end, except for what connections end with anyway.
    """

    def __init__(self, talk, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.create_server((host, 0), family=family, backlog=128)
        self.port = self.listener.getsockname()[1]
        self.talk, self.errors, self.sources, self.threads = talk, [], [], []
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                connection, source = self.listener.accept()
            except OSError:  # shut down
                return
            self.sources.append(source)
            self.threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
            self.threads[-1].start()

    def _serve(self, connection):
        with connection:
            connection.settimeout(DEADLINE)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self.talk(connection)
            except (ConnectionResetError, BrokenPipeError):
                pass
            except Exception as error:  # pylint: disable=broad-except
                self.errors.append(error)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(DEADLINE)
        for thread in self.threads:
            thread.join(DEADLINE)
        if kind is None and self.errors:
            raise self.errors[0]


class DatagramPeer:
    """A UDP socket on a free port; answer(number, datagram) lists what goes back to the sender."""

    def __init__(self, answer, host="127.0.0.1", port=0):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((host, port))
        self.port = self.socket.getsockname()[1]
        self.answer, self.error, self.sources, self.traffic_classes = answer, None, [], []
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        try:
            while True:
                datagram, control, _, source = self.socket.recvmsg(1 << 16, 1 << 10)
                if datagram == b"stop" and source == self.socket.getsockname():
                    return
                number = len(self.sources)
                self.sources.append(source)
                self.traffic_classes += [data[0] for _, kind, data in control if kind == socket.IP_TOS]
                for answer in self.answer(number, datagram):
                    self.socket.sendto(answer, source)
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.socket.sendto(b"stop", self.socket.getsockname())
        self.thread.join(DEADLINE)
        self.socket.close()
        if kind is None and self.error:
            raise self.error


def echo_all(connection):
    """What an honest peer does."""
    while data := connection.recv(1 << 16):
        connection.sendall(data)


def flip(data, index):
    """The same bytes but one."""
    return data[:index] + bytes([data[index] ^ 1]) + data[index + 1:]
