#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Asks an adviser about messages, as smtpd-queue does, by hand, for tests.

usage: advise.py WORD ... -- PROGRAM ARG ...     (a socketpair as 0 and 1)
       advise.py WORD ... @SOCKET                (a UNIX socket)

Each WORD is done in turn. Beside those of inject.py (T:TEXT, T@FILE, raw:,
get, sync, touch:, wait:, cut) there are:
  text@FILE    sends E with the file's length and a descriptor of it that can
               only be read
  text:TEXT    the same with these octets, in a file without a name
  text=N@FILE  the same as text@FILE, but says that it has N octets
  advice       waits for a whole advice, up to its K, Z or X, and prints it
  apply@FILE   the same, and writes the message that the text sent last comes
               to by it: fields on top, those before and those of the advice,
               the last one first, then the text, changed
A change that is not in order, overlaps or lies outside ends the program with
an assertion.

All that is answered is printed, "T PAYLOAD" a line. The end is as
inject.py's, and the exit status too: 0 for K, 75 for Z, 65 for X at last, 1
when there was no verdict.
"""
import array
import os
import socket
import sys
import tempfile

import inject
from inject import frame


def change(text, changes):
    """The text after D and P frames."""
    out, at = [], 0
    for tag, payload in changes:
        offset, rest = payload.split(b" ", 1)
        offset = int(offset)
        assert at <= offset <= len(text), (tag, payload[:100])
        out.append(text[at:offset])
        at = offset
        if tag == "P":
            out.append(rest)
        else:
            at += int(rest)
            assert int(rest) > 0 and at <= len(text), (tag, payload)
    return b"".join(out) + text[at:]


class Client(inject.Client):
    def __init__(self, sock):
        super().__init__(sock)
        self.top = []
        self.text = b""

    def send_text(self, f, length=None):
        self.text = f.read()
        if length is None:
            length = b"%d" % len(self.text)
        self.flush()
        fd = os.open("/proc/self/fd/%d" % f.fileno(), os.O_RDONLY)
        try:
            self.sock.sendmsg([frame(b"E", length)],
                              [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                array.array("i", [fd]))])
        except (BrokenPipeError, ConnectionResetError):
            pass
        os.close(fd)

    def advice(self):
        """All frames of one; None for the last at the end of file."""
        self.flush()
        got = [self.next()]
        while got[-1] is not None and got[-1][0] in "DPHM":
            got.append(self.next())
        return got

    def show(self, frames):
        for f in frames:
            if f is None:
                print("end of file", flush=True)
                continue
            print(f[0], os.fsdecode(f[1]), flush=True)
            if f[0] in "KZX":
                self.verdict = f[0]

    def apply(self, path):
        got = self.advice()
        self.show(got)
        got = [f for f in got if f is not None]
        top = self.top + [p for t, p in got if t == "H"]
        with open(path, "wb") as out:
            out.write(b"".join(reversed(top)))
            out.write(change(self.text, [f for f in got if f[0] in "DP"]))

    def do(self, word):
        what, at, path = word.partition("@")
        if word.startswith("text:"):
            with tempfile.TemporaryFile() as f:
                f.write(os.fsencode(word[5:]))
                f.seek(0)
                self.send_text(f)
        elif at and (what == "text" or what.startswith("text=")):
            with open(path, "rb") as f:
                self.send_text(f, os.fsencode(what[5:]) or None)
        elif word == "advice":
            self.show(self.advice())
        elif at and what == "apply":
            self.apply(path)
        else:
            if word.startswith("C:id="):
                self.top = []
            elif word.startswith("H:"):
                self.top.append(os.fsencode(word[2:]))
            super().do(word)


if __name__ == "__main__":
    inject.Client = Client  # through whom its main speaks
    sys.exit(inject.main(sys.argv[1:]))
