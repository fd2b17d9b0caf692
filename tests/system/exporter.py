"""Starts the exporter for a test, and asks it."""
import contextlib
import http.client
import os
import socket
import subprocess

import harness

EXPORTER = os.environ.get("ECHOD_EXPORTER", "")


class Exporter:
    """The exporter, running on a free port of 127.0.0.1, handed over."""

    def __init__(self, *sockets):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        number = self.listener.fileno()
        script = f"exec 3<&{number}; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\""
        self.process = subprocess.Popen(["/bin/sh", "-c", script, "sh", EXPORTER, *sockets], pass_fds=(number,),
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def get(self, path="/metrics", method="GET", body=None, headers=None):
        """(status, headers, text)"""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.DEADLINE)) as client:
            client.request(method, path, body, headers or {})
            response = client.getresponse()
            return response.status, response.headers, response.read().decode()

    def samples(self):
        """The samples of /metrics by name and labels."""
        lines = self.get()[2].splitlines()
        return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))

    def stop(self):
        self.process.terminate()
        text = self.process.communicate(timeout=harness.DEADLINE)[1].decode()
        self.listener.close()
        if self.process.returncode != 0 or text:
            raise AssertionError(f"the exporter ended with {self.process.returncode}: {text}")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
            return
        self.process.kill()
        self.process.communicate()
        self.listener.close()
