#!/usr/bin/python3
"""Connects from one source port to each address given, and waits: same_port.py PORT ADDRESS..."""
import signal
import socket
import sys

kept = []
for address in sys.argv[2:]:
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    peer.bind(("127.0.0.1", int(sys.argv[1])))
    try:
        peer.connect((address, 50007))
        print(address, "connected", flush=True)
    except OSError as error:
        print(address, error.strerror, flush=True)
    kept.append(peer)
signal.pause()
