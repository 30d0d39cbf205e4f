#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Queue files, and the delivery conversation, made by hand for tests.

  deliver.py make DIR [T:TEXT ...] < MESSAGE
      writes a queue file with these frames into DIR and prints its path
  deliver.py make-all DIR EXPECTED MESSAGE ...
      writes one of each MESSAGE, and into EXPECTED, under the same name, what
      mail: must deliver of it
  deliver.py WORD ... -- PROGRAM ARG ...     (a socketpair as 0 and 1)
  deliver.py WORD ... @SOCKET                (a UNIX socket)

Each WORD is done in turn:
  T:TEXT, T     sends the frame with tag T (any letter) and this payload
  msg:FILE[:N]  sends D with the descriptor of this queue file, attempt N (0),
                locked as the scheduler locks it
  mail:FILE[:N] the same, then S:<sender@example.org> R:7 <user@example.com>
                and E, and waits for one frame
  nofd:FILE     sends D without a descriptor
  raw:TEXT      sends these octets as they are
  octets        from here on every octet is sent by itself
  get           waits for one frame and prints it
  touch:FILE    makes the file: a mark that all before has been sent
  wait:FILE     waits until the file is there
  words:FILE    does the words in it, each ended by NUL
  cut           ends our side, as a scheduler that goes away

What the program answers is printed, "T PAYLOAD" a line. At the end our side
is ended, all answers are read, and the exit status is that of the last
verdict: 0 for K, 75 for Z, 65 for X, 1 when there was none. The program's own
exit status, when it is not 0, goes to stderr.
"""
import fcntl
import os
import random
import socket
import subprocess
import sys
import time

from queuefile import crc32c


def frame(tag, payload):
    return b"%d:%s%s," % (len(payload) + 1, tag, payload)


def make(directory, body, *words):
    frames = b"".join(frame(w[:1].encode(), os.fsencode(w[2:]))
                      for w in words)
    ident = "%014x%08x" % (time.time_ns() // 1000, random.getrandbits(32))
    footer = b"smtpd-queue 1 %s %016x %08x %016x %08x " % (
        ident.encode(), len(body), len(frames), random.getrandbits(64),
        crc32c(body))
    footer += b"%08x\n" % crc32c(frames + footer)
    path = os.path.join(directory, ident)
    with open(path, "wb") as f:
        f.write(body + frames + footer)
    os.chmod(path, 0o400)
    print(path)
    return ident


def make_all(directory, expected, *messages):
    for message in messages:
        with open(message, "rb") as f:
            body = f.read()
        ident = make(directory, body)
        with open(os.path.join(expected, ident), "wb") as f:
            f.write(b"Return-Path: <sender@example.org>\n"
                    b"Delivered-To: user@example.com\n" +
                    body.replace(b"\r\n", b"\n"))


class Client:
    def __init__(self, sock):
        self.sock = sock
        self.buf = b""
        self.verdict = None
        self.octets = False

    def send(self, data, fd=None):
        fds = [] if fd is None else [fd]
        try:
            while data:
                n = 1 if self.octets else len(data)
                n = socket.send_fds(self.sock, [data[:n]], fds)
                data, fds = data[n:], []
        except (BrokenPipeError, ConnectionResetError):
            pass

    def message(self, word, with_fd=True):
        path, _, attempt = word.partition(":")
        head = frame(b"D", b"%s %s" % (os.path.basename(path).encode(),
                                       (attempt or "0").encode()))
        if not with_fd:
            self.send(head)
            return
        fd = os.open(path, os.O_RDONLY)
        fcntl.flock(fd, fcntl.LOCK_EX)
        self.send(head, fd)
        os.close(fd)

    def get(self):
        while True:
            head, colon, rest = self.buf.partition(b":")
            if colon and len(rest) > int(head):
                n = int(head)
                self.buf = rest[n + 1:]
                return rest[:1], rest[1:n]
            try:
                more = self.sock.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.buf += more

    def show(self, answer):
        if answer is None:
            return False
        tag, payload = answer
        sys.stdout.buffer.write(tag + b" " + payload + b"\n")
        sys.stdout.buffer.flush()
        if tag in b"KZX":
            self.verdict = tag
        return True

    def do(self, word):
        verb, _, rest = word.partition(":")
        if verb == "msg":
            self.message(rest)
        elif verb == "nofd":
            self.message(rest, with_fd=False)
        elif verb == "mail":
            self.message(rest)
            self.send(frame(b"S", b"<sender@example.org>") +
                      frame(b"R", b"7 <user@example.com>") + frame(b"E", b""))
            self.show(self.get())
        elif verb == "raw":
            self.send(os.fsencode(rest))
        elif verb == "octets":
            self.octets = True
        elif verb == "get":
            self.show(self.get())
        elif verb == "touch":
            open(rest, "w").close()
        elif verb == "wait":
            while not os.path.exists(rest):
                time.sleep(0.01)
        elif verb == "words":
            with open(rest, "rb") as f:
                for each in f.read().split(b"\0")[:-1]:
                    self.do(os.fsdecode(each))
        elif verb == "cut":
            self.sock.shutdown(socket.SHUT_WR)
        else:
            assert len(verb) == 1, word
            self.send(frame(verb.encode(), os.fsencode(rest)))

    def finish(self):
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        while self.show(self.get()):
            pass


def main(args):
    child = None
    if "--" in args:
        at = args.index("--")
        words, command = args[:at], args[at + 1:]
        sock, theirs = socket.socketpair()
        child = subprocess.Popen(command, stdin=theirs, stdout=theirs)
        theirs.close()
    else:
        words = args[:-1]
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(args[-1][1:])
    client = Client(sock)
    for word in words:
        client.do(word)
    client.finish()
    if child and child.wait() != 0:
        print("exit status %d" % child.returncode, file=sys.stderr)
    return {b"K": 0, b"Z": 75, b"X": 65, None: 1}[client.verdict]


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"]:
        make(sys.argv[2], sys.stdin.buffer.read(), *sys.argv[3:])
    elif sys.argv[1:2] == ["make-all"]:
        make_all(*sys.argv[2:])
    else:
        sys.exit(main(sys.argv[1:]))
