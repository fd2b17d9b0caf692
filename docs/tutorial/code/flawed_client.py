#!/usr/bin/python3
"""An echo client as a first lecture shows it, with its mistakes: flawed_client.py HOST [BYTES]"""
import socket
import sys

message = b"Hello, world" if len(sys.argv) < 3 else bytes(int(sys.argv[2]))
server = None
try:
    server = socket.create_connection((sys.argv[1], 50007))
except OSError:
    print("could not open socket")
    sys.exit(1)
try:
    server.sendall(message)
    data = server.recv(len(message))
    print("sent", len(message), "bytes, received", len(data))
except:
    server.close()
    print("Exception")
