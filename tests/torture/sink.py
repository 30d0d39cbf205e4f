#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The rest of the world: sink.py PORT DIR.

Takes mail for anybody, and writes each message to a file of its own in DIR,
below a line "TO ADDRESS ..." in it, before it says 250. Whoever is in bad.test
does not exist; whoever is in slow.test is busy every third time.
"""
import itertools
import os
import socketserver
import sys
import threading

numbers = itertools.count()
lock = threading.Lock()


def next_number():
    with lock:
        return next(numbers)


class Session(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        try:
            self.converse()
        except OSError:
            pass    # whom we talked to was killed

    def say(self, text):
        self.wfile.write(text + b"\r\n")

    def converse(self):
        self.say(b"220 sink")
        for line in iter(self.rfile.readline, b""):
            verb = line[:4].upper()
            if verb == b"RCPT":
                self.say(self.judge(line[line.index(b"<") + 1:
                                         line.index(b">")]))
            elif verb == b"DATA":
                self.say(b"354 go on" if self.to else b"503 for whom?")
                if self.to and not self.text():
                    return
            elif verb == b"EHLO":
                self.wfile.write(b"250-sink\r\n250-PIPELINING\r\n"
                                 b"250 8BITMIME\r\n")
            elif verb == b"QUIT":
                self.say(b"221 bye")
                return
            else:
                self.to = []
                self.say(b"250 2.0.0 ok")

    def judge(self, address):
        if address.endswith(b"@bad.test"):
            return b"550 5.1.1 No such user"
        if address.endswith(b"@slow.test") and next_number() % 3 == 0:
            return b"450 4.3.2 Busy"
        self.to.append(address)
        return b"250 2.1.5 ok"

    def text(self):
        """False when the client went away in the middle of it."""
        lines = []
        for line in iter(self.rfile.readline, b""):
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        else:
            return False
        path = os.path.join(sys.argv[2], str(next_number()))
        with open(path, "wb") as f:
            f.write(b"TO " + b" ".join(self.to) + b"\n" + b"".join(lines))
        self.say(b"250 2.0.0 taken")
        return True


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", int(sys.argv[1])), Session).serve_forever()
