#!/usr/bin/python3
"""Offers the kernel ten million bytes in one send() that must not wait: partial_send.py HOST"""
import socket
import sys

peer = socket.create_connection((sys.argv[1], 50007))
peer.setblocking(False)
print("offered 10000000 bytes, taken:", peer.send(bytes(10000000)))
