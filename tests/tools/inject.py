#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A client of the injection conversation, made by hand, for tests.

usage: inject.py WORD ... -- PROGRAM ARG ...     (a socketpair as 0 and 1)
       inject.py WORD ... @SOCKET                (a UNIX socket)
       inject.py new-id                          (prints an id of this moment)

Each WORD is done in turn:
  T:TEXT, T   sends the frame with tag T (any letter) and this payload
  T@FILE      the same with a file's octets, in frames of 32768
  id, id+N    sends C id=... with an id of this moment, or of N seconds later
  raw:TEXT    sends these octets as they are
  peer:KIND   sends C peer=socket with a descriptor: tcp or tcp=ADDRESS (a TCP
              socket that is connected to 127.0.0.1 or that), udp, unix, file,
              or none
  get         waits for one frame and prints it
  sync        sends what waits, so that the program has it for itself
  touch:FILE  makes the file: a mark that all before has been sent
  wait:FILE   waits until the file is there, a minute at most
  cut         ends our side, as a client that goes away

What the program says is printed, "T PAYLOAD" a line: its W as well, which the
first "get" gives. At the end our side is ended, all that is left is read, and
the exit status is that of the last verdict: 0 for K, 75 for Z, 65 for X, 1
when there was none. The program's own exit status, when it is not 0, goes to
stderr.
"""
import array
import os
import re
import socket
import subprocess
import sys
import time


def new_id(later=0):
    return b"%014x%s" % (int((time.time() + later) * 1e6),
                         os.urandom(4).hex().encode())


def frame(tag, payload):
    return b"%d:%s%s," % (len(payload) + 1, tag, payload)


class Client:
    def __init__(self, sock):
        self.sock = sock
        self.out = b""
        self.buf = b""
        self.verdict = None
        self.keep = []

    def flush(self):
        data, self.out = self.out, b""
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def send(self, data):
        self.out += data
        if len(self.out) > 65536:
            self.flush()

    def peer(self, kind):
        self.flush()
        data = frame(b"C", b"peer=socket")
        if kind == "none":
            self.send(data)
            return
        kind, _, address = kind.partition("=")
        if kind == "tcp":
            listener = socket.create_server(("127.0.0.1", 0))
            ours = socket.create_connection(
                listener.getsockname(),
                source_address=(address or "127.0.0.1", 0))
            theirs, _ = listener.accept()
            self.keep += [listener, ours]
        elif kind == "udp":
            theirs = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            theirs.connect(("127.0.0.1", 9))
        elif kind == "unix":
            theirs, ours = socket.socketpair()
            self.keep.append(ours)
        else:
            theirs = open("/dev/null")
        self.sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                    array.array("i", [theirs.fileno()]))])
        theirs.close()

    def next(self):
        while True:
            colon = self.buf.find(b":")
            if colon > 0:
                end = colon + 1 + int(self.buf[:colon])
                if len(self.buf) > end:
                    body = self.buf[colon + 1:end]
                    assert self.buf[end:end + 1] == b",", self.buf
                    self.buf = self.buf[end + 1:]
                    return body[:1].decode(), body[1:]
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                assert not self.buf, self.buf
                return None
            self.buf += data

    def get(self):
        self.flush()
        got = self.next()
        if got is None:
            return False
        print(got[0], os.fsdecode(got[1]), flush=True)
        if got[0] in "KZX":
            self.verdict = got[0]
        return True

    def do(self, word):
        if word == "get":
            if not self.get():
                print("end of file", flush=True)
        elif word == "sync":
            self.flush()
        elif re.fullmatch("id([+-][0-9]+)?", word):
            self.send(frame(b"C", b"id=" + new_id(int(word[2:] or 0))))
        elif word == "cut":
            self.flush()
            self.sock.shutdown(socket.SHUT_WR)
        elif word.startswith("touch:"):
            self.flush()
            open(word[6:], "w").close()
        elif word.startswith("wait:"):
            self.flush()
            end = time.monotonic() + 60
            while not os.path.exists(word[5:]) and time.monotonic() < end:
                time.sleep(0.01)
        elif word.startswith("peer:"):
            self.peer(word[5:])
        elif word.startswith("raw:"):
            self.send(os.fsencode(word[4:]))
        elif word[1:2] in ("", ":"):
            self.send(frame(word[:1].encode(), os.fsencode(word[2:])))
        elif word[1:2] == "@":
            with open(word[2:], "rb") as f:
                while data := f.read(32768):
                    self.send(frame(word[:1].encode(), data))
        else:
            sys.exit("inject.py: what is %r?" % word)


def main(words):
    if words == ["new-id"]:
        print(new_id().decode())
        return 0
    child = None
    if "--" in words:
        at = words.index("--")
        ours, theirs = socket.socketpair()
        child = subprocess.Popen(words[at + 1:], stdin=theirs, stdout=theirs)
        theirs.close()
        words = words[:at]
    else:
        ours = socket.socket(socket.AF_UNIX)
        ours.connect(words.pop()[1:])
    client = Client(ours)
    for word in words:
        client.do(word)
    client.flush()
    try:
        ours.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    while client.get():
        pass
    ours.close()
    if child is not None and child.wait() != 0:
        print("inject.py: the program ended with %d" % child.returncode,
              file=sys.stderr)
    return {"K": 0, "Z": 75, "X": 65}.get(client.verdict, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
