#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Clients of smtpd-rcpt that are many, fast, deaf or rude.

  rcpt-load.py SOCKET KIND N

many      N connections open at once, each asking twice
pipeline  N requests sent before any answer is read, then half a close
deaf      N clients that ask for long lists and read nothing, while another
          one is answered; ends when all of them are dropped
slow      a client that asks for N long lists before it reads one answer
nonsense  rude clients of several kinds, each dropped, another one answered
crowd     N + 1 connections where there is room for N: the first one goes
"""
import socket
import sys


def frame(tag, payload):
    return b"%d:%s%s," % (len(payload) + 1, tag, payload)


ASK = frame(b"Q", b"<user@example.com>")
UNKNOWN = frame(b"Q", b"<nobody@example.com>")
YES = frame(b"K", b"")
NO = frame(b"X", b"550 5.1.1 No such mailbox")


def dial(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(path)
    return s


def read(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        assert more, "closed after %r" % data
        data += more
    return data


def check(s):
    s.sendall(ASK)
    assert read(s, len(YES)) == YES
    s.sendall(UNKNOWN)
    assert read(s, len(NO)) == NO


def is_dropped(s):
    try:
        while s.recv(65536):
            pass
    except ConnectionResetError:
        pass


def many(path, n):
    clients = [dial(path) for _ in range(n)]
    for _ in range(2):
        for s in clients:
            check(s)


def pipeline(path, n):
    s = dial(path)
    s.setblocking(False)
    want = (YES + NO) * n
    data, got, ended = (ASK + UNKNOWN) * n, b"", False
    while len(got) < len(want):
        try:
            data = data[s.send(data):] if data else data
        except BlockingIOError:
            pass
        if not data and not ended:
            s.shutdown(socket.SHUT_WR)
            ended = True
        try:
            more = s.recv(65536)
            assert more, "closed too early"
            got += more
        except BlockingIOError:
            pass
    assert got == want
    s.settimeout(30)
    assert s.recv(1) == b""


def deaf(path, n):
    clients = []
    for _ in range(n):
        s = dial(path)
        s.sendall(frame(b"L", b"<list@example.com>") * 20)
        clients.append(s)
    for _ in range(100):
        check(dial(path))
    # Only when a dropped client's answers have been read is its end seen.
    other = dial(path)
    for s in clients:
        while True:
            check(other)
            s.setblocking(False)
            try:
                s.send(b"1")
            except (BrokenPipeError, ConnectionResetError):
                break
            except BlockingIOError:
                pass
    check(dial(path))


def slow(path, n):
    s = dial(path)
    s.sendall(frame(b"L", b"<list@example.com>") * n + ASK)
    check(dial(path))
    for _ in range(n):
        ends = 0
        while True:
            head = b""
            while not head.endswith(b":"):
                head += read(s, 1)
            answer = read(s, int(head[:-1]) + 1)
            if answer == b"K,":
                break
            assert answer[:1] == b"T", answer
            ends += 1
        assert ends == 900, ends
    assert read(s, len(YES)) == YES


def nonsense(path, _):
    good = dial(path)
    for text in (b"GET / HTTP/1.0\r\n\r\n", b"0:,", b"99999:", b"1:1,",
                 b"5000:Q" + b"x" * 3000, b"3:Qabcd", b"\0" * 100):
        s = dial(path)
        try:
            s.sendall(text)
        except (BrokenPipeError, ConnectionResetError):
            pass
        is_dropped(s)
        check(good)
    for text in (b"", b"21:Q<user@ex", ASK + b"21:"):
        s = dial(path)
        s.sendall(text)
        s.close()
        check(good)


def crowd(path, n):
    clients = [dial(path) for _ in range(n)]
    for s in clients:
        check(s)
    newcomer = dial(path)
    check(newcomer)
    is_dropped(clients[0])
    for s in clients[1:] + [newcomer]:
        check(s)


if __name__ == "__main__":
    {"many": many, "pipeline": pipeline, "deaf": deaf, "slow": slow,
     "nonsense": nonsense, "crowd": crowd}[sys.argv[2]](sys.argv[1], int(sys.argv[3]))
