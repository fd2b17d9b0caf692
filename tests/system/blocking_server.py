#!/usr/bin/python3
"""The smallest echo server: blocking_server.py PORT

One client, one read at a time, no loop around accept(): the second client waits for ever. It is
here to be compared with, and to talk to programs that must get along with its like.
"""
import socket
import sys

listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen(128)
print("Listening at", listener.getsockname()[1], flush=True)

connection, client = listener.accept()
print("Connected by", client[0], flush=True)
while True:
    data = connection.recv(1024)
    if not data:
        break
    connection.sendall(data)
connection.close()
