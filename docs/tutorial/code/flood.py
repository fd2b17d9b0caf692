#!/usr/bin/python3
"""Sends datagrams of 1,400 bytes at a steady rate, whatever becomes of them: flood.py HOST MBIT SECONDS"""
import socket
import sys
import time

host, rate, seconds = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sent, began = 0, time.monotonic()
while time.monotonic() - began < seconds:
    if sent * 1400 * 8 <= rate * 1e6 * (time.monotonic() - began):
        sender.sendto(bytes(1400), (host, 5003))
        sent += 1
    else:
        time.sleep(0.001)
print("sent", sent, "datagrams")
