#!/usr/bin/python3
"""An echo server as a first lecture shows it, with its mistakes: flawed_server.py [PORT]"""
import socket
import sys

port = int(sys.argv[1]) if len(sys.argv) > 1 else 50007
try:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
except OSError:
    listener = None
try:
    listener.bind(("", port))
    listener.listen(128)
except OSError:
    listener.close()
    listener = None
if listener is None:
    print("could not open socket")
    sys.exit(1)
print("listening", flush=True)
try:
    connection, peer = listener.accept()
    print("Connected by", peer[0], flush=True)
    while True:
        data = connection.recv(1024)
        if not data:
            break
        connection.send(data)
except:
    print("Exception")
