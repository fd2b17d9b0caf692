#!/usr/bin/python3
"""Sends what the kernels take without reading anything; waits for SIGUSR1; then reads:
late_reader.py HOST [BYTES of receive buffer]"""
import signal
import socket
import sys

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
peer = socket.socket()
if len(sys.argv) > 2:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, int(sys.argv[2]))
peer.connect((sys.argv[1], 50007))
peer.settimeout(1)
sent = 0
try:
    while True:
        sent += peer.send(bytes(65536))
except TimeoutError:
    print("sent", sent, "bytes; the kernels take no more", flush=True)
signal.sigwait([signal.SIGUSR1])
peer.settimeout(10)
peer.shutdown(socket.SHUT_WR)
received = 0
while data := peer.recv(1 << 20):
    received += len(data)
print("received", received, "bytes:", sent - received, "are missing", flush=True)
