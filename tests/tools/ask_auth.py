#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Asks smtpd-auth or smtpd-auth-file as a session does.

  ask_auth.py [USER:PASSWORD]... -- PROGRAM...
  ask_auth.py --as USER:PASSWORD SOCKET FRAME...

The first asks each of its own process, all at once, with a socketpair as
descriptor 0, and prints a line for each, in the order given: the tag of the
answer, its text, and "late" when it took 2 s or more. For K a
descriptor must come with it.

The second is a session that was taken over: it logs in at SOCKET, then says
FRAMEs (T:PAYLOAD) on the entrance that it got, and prints what is answered.
"""
import array
import concurrent.futures
import socket
import subprocess
import sys
import time


def frame(tag, payload):
    body = tag.encode() + payload
    return b'%d:%s,' % (len(body), body)


def receive(conn, buf=b''):
    """The next frame, what came after it, and descriptors."""
    fds = array.array('i')
    while True:
        length, colon, rest = buf.partition(b':')
        if colon and len(rest) > int(length):
            n = int(length)
            return chr(rest[0]), rest[1:n], rest[n + 1:], list(fds)
        try:
            data, control, _, _ = conn.recvmsg(65536, 64)
        except ConnectionResetError:
            data, control = b'', []
        for level, kind, body in control:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(body)
        if not data:
            return 'EOF', b'', b'', []
        buf += data


def question(conn, pair):
    user, _, password = pair.partition(':')
    try:
        conn.sendall(frame('C', b'ip=192.0.2.1') + frame(
            'P', user.encode() + b'\0' + password.encode()))
    except BrokenPipeError:
        pass
    return receive(conn)


def ask(pair, program):
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    with subprocess.Popen(program, stdin=theirs, stdout=theirs) as child:
        theirs.close()
        start = time.monotonic()
        tag, text, _, fds = question(ours, pair)
        took = time.monotonic() - start
        ours.close()
        code = child.wait()
    line = '%s %s' % (tag, text.decode())
    if tag == 'EOF':
        line = 'exit %d' % code
    if tag == 'K' and not fds:
        line += ' without a descriptor'
    return line + (' late' if took >= 2 else '')


def steal(pair, path, words):
    conn = socket.socket(socket.AF_UNIX)
    conn.settimeout(20)
    conn.connect(path)
    tag, _, _, fds = question(conn, pair)
    assert tag == 'K' and fds, tag
    entrance = socket.socket(fileno=fds[0])
    entrance.settimeout(20)
    for word in words:
        entrance.sendall(frame(word[0], word[2:].replace(
            '\\r\\n', '\r\n').encode()))
    rest = b''
    while True:
        tag, text, rest, _ = receive(entrance, rest)
        if tag not in 'WI':
            return '%s %s' % (tag, text.decode())


def main():
    args = sys.argv[1:]
    if args[0] == '--as':
        print(steal(args[1], args[2], args[3:]))
        return
    at = args.index('--')
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        for line in pool.map(lambda p: ask(p, args[at + 1:]), args[:at]):
            print(line)


main()
