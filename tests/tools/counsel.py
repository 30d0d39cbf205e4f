#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""An adviser of smtpd-queue whose advice a test has written.

usage: counsel.py [-c FILE] [-o NAME=VALUE ...] DIR       (a socket as 0 and 1)
       counsel.py listen SOCKET DIR                       (until it is killed)

The options are those that smtpd-queue hands on; they mean nothing here. In
DIR is

  plan    Python: advise(text) gives the answer to E, a list of (tag, octets)
          that ends in K, Z or X; ask(tag, payload) the answer to Q, one such
          pair. It may use K, the end of a list; told, all frames of this
          message; dir, that is DIR; and never(), which answers nothing.
          Without a plan the answer is K.
  log     what this program was told, "T PAYLOAD" a line
  text    the text of the last E, as it was read
  changed the same with the changes of the answer; and as changed.ID
"""
import array
import os
import signal
import socket
import sys

sys.dont_write_bytecode = True
from advise import change

FD_ROOM = socket.CMSG_SPACE(16 * array.array("i").itemsize)


def frame(tag, payload):
    return b"%d:%s%s," % (len(payload) + 1, tag, payload)


class Text:
    """What E came with."""

    def __init__(self, fd, length):
        self.fd, self.length = fd, length

    def octets(self):
        got = b""
        while piece := os.pread(self.fd, 1 << 20, len(got)):
            got += piece
        return got


class Counsel:
    def __init__(self, sock, directory):
        self.sock, self.dir = sock, directory
        self.buf, self.fds, self.told = b"", [], []
        self.plan = {"told": self.told, "dir": directory, "os": os,
                     "K": [(b"K", b"")], "never": self.never,
                     "advise": lambda text: [(b"K", b"")],
                     "ask": lambda tag, payload: (b"K", b"")}
        if os.path.exists(directory + "/plan"):
            with open(directory + "/plan", encoding="utf-8") as f:
                exec(f.read(), self.plan)

    def never(self):
        while self.sock.recv(65536):
            pass
        os._exit(0)

    def next(self):
        while True:
            colon = self.buf.find(b":")
            if colon > 0:
                end = colon + 1 + int(self.buf[:colon])
                if len(self.buf) > end:
                    body = self.buf[colon + 1:end]
                    assert self.buf[end:end + 1] == b",", self.buf
                    self.buf = self.buf[end + 1:]
                    return body[:1], body[1:]
            data, control, _, _ = self.sock.recvmsg(65536, FD_ROOM)
            for _, _, fds in control:
                self.fds += array.array("i", fds)
            if not data:
                assert not self.buf, self.buf
                return None
            self.buf += data

    def hear(self, length):
        assert len(self.fds) == 1, self.fds
        text = Text(self.fds.pop(), int(length))
        octets = text.octets()
        assert len(octets) == text.length, (len(octets), text.length)
        self.save("text", octets)
        answer = self.plan["advise"](text)
        octets = change(octets, [(tag.decode(), payload)
                                 for tag, payload in answer if tag in b"DP"])
        self.save("changed", octets)
        self.save("changed." + self.told[0][1][3:].decode(), octets)
        os.close(text.fd)
        return b"".join(frame(*one) for one in answer)

    def save(self, name, octets):
        with open(os.path.join(self.dir, name), "wb") as f:
            f.write(octets)

    def answer(self, tag, payload):
        if tag == b"C" and payload.startswith(b"id="):
            self.told.clear()
        self.told.append((tag, payload))
        if tag == b"E":
            return self.hear(payload)
        if tag == b"Q":
            return frame(*self.plan["ask"](*self.told[-2]))
        return b""

    def serve(self):
        with open(self.dir + "/log", "ab", buffering=0) as log:
            while (got := self.next()) is not None:
                log.write(got[0] + b" " + got[1] + b"\n")
                if answer := self.answer(*got):
                    self.sock.sendall(answer)


def serve(sock, directory):
    try:
        Counsel(sock, directory).serve()
    except (BrokenPipeError, ConnectionResetError):
        pass


def listen(path, directory):
    """A process for each connection, as real advisers have it."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path + ".new")
    listener.listen(64)
    os.rename(path + ".new", path)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            serve(connection, directory)
            os._exit(0)
        connection.close()


if __name__ == "__main__":
    if sys.argv[1] == "listen":
        listen(sys.argv[2], sys.argv[3])
    else:
        serve(socket.socket(fileno=0), sys.argv[-1])
