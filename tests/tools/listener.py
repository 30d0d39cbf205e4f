#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What smtpd-listen is told to run in its tests.

Says what it was given, as one line of JSON on descriptor 1, then answers
connections on descriptor 0 with its arguments until it is killed.
"""
import json
import os
import socket
import sys

listener = socket.socket(fileno=0)
fds = []
for fd in range(64):
    try:
        os.fstat(fd)
        fds.append(fd)
    except OSError:
        pass
print(json.dumps({
    "fds": fds,
    "uid": os.getresuid(),
    "gid": os.getresgid(),
    "groups": sorted(os.getgroups()),
    "listening": listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN),
    "family": listener.family.name,
    "name": listener.getsockname(),
    "args": sys.argv[1:],
    "env": os.environ.get("MARK"),
}), flush=True)
while True:
    conn, _ = listener.accept()
    try:
        conn.sendall(" ".join(sys.argv[1:]).encode() + b"\n")
    except OSError:
        pass    # who only knocked
    conn.close()
