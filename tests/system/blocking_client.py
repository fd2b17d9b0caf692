#!/usr/bin/python3
"""The smallest echo client: blocking_client.py PORT

It believes that what it sends in one piece comes back in one piece, which TCP does not promise.
"""
import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.connect(("127.0.0.1", int(sys.argv[1])))
server.sendall(b"Hello, world")
print("Received", repr(server.recv(1024)))
server.close()
