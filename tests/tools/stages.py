#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What becomes of messages when a program is hit at each of their moments.

  stages.py PORT SIGNAL PROGRAM CHAIN

Connections of a client each go as far as one of the STAGES; then all
processes of PROGRAM (its path) that serve one, in the chain below CHAIN, get
the signal, and the connections go on. Prints for each stage the code that
ended its message, that of the last command that was answered.
"""
import os
import signal
import socket
import sys
import threading
import time

# A session says nothing to others before DATA.
STAGES = ("data", "half", "dot")
HALVES = (b"From: a@ok.test\r\nSubject: x\r\n\r\n", b"y" * 70 + b"\r\n")
STEPS = ((b"EHLO mail.ok.test\r\n", "ehlo"),
         (b"MAIL FROM:<a@ok.test>\r\n", "mail"),
         (b"RCPT TO:<user@example.com>\r\n", "rcpt"),
         (b"DATA\r\n", "data"), (HALVES[0], "half"),
         (HALVES[1] + b".\r\n", "dot"))
SECONDS = 30


class Client:
    def __init__(self, port, stage):
        self.stage, self.code, self.left = stage, 0, list(STEPS)
        self.sock = socket.create_connection(("127.0.0.1", port), SECONDS)
        self.lines = self.sock.makefile("rb")
        self.answer()
        while self.left[0][1] != stage:
            self.step()
        if stage == "dot":      # its answer is what may not come
            self.sock.sendall(self.left[0][0])
        else:
            self.step()

    def answer(self):
        line = self.lines.readline()
        while line[3:4] == b"-":
            line = self.lines.readline()
        self.code = int(line[:3] or 0)

    def step(self):
        octets, stage = self.left.pop(0)
        self.sock.sendall(octets)
        if stage != "half":
            self.answer()

    def finish(self):
        if self.stage == "dot":
            self.left.clear()
            self.answer()
        while self.left and 0 < self.code < 400:
            self.step()


def servers(program, chain):
    """Those whose parent and whose parent's parent are such ones too: not the
    listener, and not the process that they were forked from."""
    of = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid) as f:
                argv = f.read()
            with open("/proc/%s/stat" % pid) as f:
                parent = f.read().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if argv.startswith(program + "\0") and chain + "/" in argv:
            of[pid] = parent
    return [int(pid) for pid, parent in of.items()
            if parent in of and of[parent] in of]


def main():
    port, sig, program, chain = sys.argv[1:]
    clients = [Client(int(port), stage) for stage in STAGES]
    end = time.monotonic() + SECONDS
    while len(servers(program, chain)) < len(clients):
        if time.monotonic() > end:
            sys.exit("only %d of them" % len(servers(program, chain)))
        time.sleep(0.01)
    for pid in servers(program, chain):
        os.kill(pid, getattr(signal, "SIG" + sig))
    threads = [threading.Thread(target=c.finish) for c in clients]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for c in clients:
        print(c.stage, c.code)


main()
