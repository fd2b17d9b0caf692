#!/usr/bin/python3
"""Two listening sockets at one port, and so many clients: reuseport.py PORT CLIENTS"""
import socket
import sys

port, clients = int(sys.argv[1]), int(sys.argv[2])
workers = []
for _ in range(2):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    listener.setblocking(False)
    workers.append(listener)
peers = [socket.create_connection(("127.0.0.1", port)) for _ in range(clients)]
counts = [0, 0]
for number, listener in enumerate(workers):
    try:
        while True:
            listener.accept()
            counts[number] += 1
    except BlockingIOError:
        pass
print(f"{clients} clients: worker 1 has {counts[0]}, worker 2 has {counts[1]}")
