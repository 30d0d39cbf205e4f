#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Fakes of smtpd-queue, -rcpt, -tls, -auth, advisers: what they do seldom.

  fakes.py DIR

serves a UNIX socket in DIR for each behaviour until it gets SIGTERM, and
makes DIR/ready when all of them listen. As an injector:

  queue          takes every message
  queue-relay    the same, and what it was told goes to DIR/relayed
  queue-z        answers E with Z 452 4.3.1 ...
  queue-x        answers E with X 554 5.7.1 ...
  queue-odd      answers E with a Z that is no 4xx reply
  queue-other    answers E with K and another id
  queue-die-T    closes when the frame with tag T (C S R B H E) comes
  queue-mute     says nothing but W
  queue-junk     says octets that are no frame at the first frame
  queue-x-die    says X 550 5.7.1 as soon as S comes, and closes
  queue-gone     closes at once
  queue-silent   says nothing at all
  queue-slow     says W after half a second
  queue-w-T      says in the place of W: odd (a frame that is none here),
                 word (W with a word that nobody knows), junk (no frame)
  queue-ask      wants to be asked; says to S and R by their local-part:
                 never (X), later (Z), mute, die, odd (X with a 4xx text), else K

and as smtpd-rcpt:

  rcpt           knows <user@*> and <postmaster@*>, folded, with +detail
  rcpt-z         answers Z 451 4.3.0
  rcpt-die       closes when it is asked
  rcpt-mute      answers nothing
  rcpt-odd       answers X with a 4xx text

and as smtpd-tls:

  tls-go         says K, and closes
  tls-die        says K, and closes when it is asked
  tls-z          says K, and answers the request with Z
  tls-nothing    says K, and answers the request with K and no stream
  tls-odd        says X at once
  tls-mute       says nothing
  tls-plain      says K, and gives the client's socket back for clear text,
                 with facts that are none

and as smtpd-auth:

  auth           knows user with the password secret, hands out DIR/queue
  auth-z         answers Z 454 4.7.0
  auth-die       closes when it is asked
  auth-mute      answers nothing
  auth-odd       answers X with a 4xx text
  auth-bare      answers K without a descriptor

and as an adviser:

  adviser        answers E with the octets of the file DIR/answer, as they are
  adviser-die-T  closes when the frame with tag T (C S R H E) comes
  adviser-mute   answers nothing
  adviser-deaf   reads S and then nothing, but does not close
  adviser-early  answers S, at once, with what it should say after E
  adviser-ask    answers Q too, as queue-ask does

Whatever an injector was told goes to DIR/log as one line a frame: serial of
the connection, tag, payload (escaped as Python does). A frame with
descriptors is followed by a line with the tag "fd" and the peer's address.
What an adviser was told goes to DIR/advised in the same way, where E is
followed by a line with the tag "text" and the octets that were shown.
"""
import array
import os
import re
import signal
import socket
import sys
import threading
import time

MUTE = object()


def frames(conn, on_fd):
    """Yields (tag, payload) until the end of file."""
    buf = b''
    while True:
        m = re.match(rb'(\d+):', buf)
        if m and len(buf) > m.end() + int(m.group(1)):
            whole = buf[m.end():m.end() + int(m.group(1))]
            assert buf[m.end() + len(whole):][:1] == b','
            buf = buf[m.end() + len(whole) + 1:]
            yield whole[:1].decode(), whole[1:]
            continue
        try:
            more, ancillary, _, _ = conn.recvmsg(65536, 4096)
        except ConnectionResetError:
            return
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array('i')
                fds.frombytes(data)
                for fd in fds:
                    on_fd(fd)
        if not more:
            return
        buf += more


def frame(tag, payload=b''):
    return b'%d:%s%s,' % (len(payload) + 1, tag.encode(), payload)


def say(conn, data):
    """A peer that has gone is no reason not to read what it has said."""
    try:
        conn.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def answer_to(conn, payload):
    """What S or R is answered with; False: nothing more."""
    what = re.search(rb'(never|later|mute|die|odd)@', payload)
    what = what[1].decode() if what else ''
    if what != 'mute' and what != 'die':
        say(conn, {'never': frame('X', b'550 5.7.1 Never, it says'),
                   'later': frame('Z', b'450 4.7.1 Later, it says'),
                   'odd': frame('X', b'450 4.7.1 Odd')}.get(
                       what, frame('K')))
    return what != 'die'


class Queue:
    serial = 0
    lock = threading.Lock()

    def __init__(self, directory, behaviour):
        self.log = open(directory + (
            '/relayed' if behaviour == 'relay' else '/log'), 'ab', buffering=0)
        self.behaviour = behaviour

    def note(self, serial, tag, payload):
        self.log.write(b'%d %s %s\n' % (
            serial, tag.encode(), repr(payload)[2:-1].encode()))

    def peer(self, serial, fd):
        s = socket.socket(fileno=fd)
        self.note(serial, 'fd', b'%s' % s.getpeername()[0].encode())
        s.close()

    def greet(self, conn):
        """False: that was all."""
        if self.behaviour == 'gone':
            return False
        if self.behaviour == 'slow':
            time.sleep(0.5)
        if self.behaviour != 'silent':
            say(conn, {'ask': frame('W', b'ask'), 'w-odd': frame('K'),
                       'w-word': frame('W', b'ask whatever'),
                       'w-junk': b'this is no frame'}.get(
                           self.behaviour, frame('W')))
        return True

    def serve(self, conn):
        with Queue.lock:
            Queue.serial += 1
            serial = Queue.serial
        behaviour = self.behaviour
        told, ident, first = False, b'0' * 14 + b'%08x' % serial, True

        if not self.greet(conn):
            return
        for tag, payload in frames(conn, lambda fd: self.peer(serial, fd)):
            if first and behaviour == 'junk':
                say(conn, b'this is no frame')
            first = False
            self.note(serial, tag, payload)
            if behaviour == 'die-' + tag:
                return
            if behaviour == 'x-die' and tag == 'S':
                say(conn, frame('X', b'550 5.7.1 not from you'))
                return
            if tag == 'C' and payload.startswith(b'id='):
                ident = payload[3:]
            if tag in 'SR':
                told = payload
            if tag == 'Q' and not answer_to(conn, told):
                return
            if tag == 'E' and behaviour != 'mute':
                say(conn, {
                    'z': frame('Z', b'452 4.3.1 Disk full, it says'),
                    'x': frame('X', b'554 5.7.1 It does not want that'),
                    'odd': frame('Z', b'no reply'),
                    'other': frame('K', b'0' * 22),
                }.get(behaviour, frame('K', ident)))
        self.note(serial, 'EOF', b'')


class Rcpt:
    def __init__(self, _directory, behaviour):
        self.behaviour = behaviour

    def serve(self, conn):
        for _tag, path in frames(conn, os.close):
            if self.behaviour == 'die':
                return
            if self.behaviour == 'mute':
                continue
            known = re.fullmatch(
                rb'<"?(user|postmaster)"?(\+[^@]*)?@.*>', path, re.I)
            say(conn, {
                'z': frame('Z', b'451 4.3.0 Cannot tell'),
                'odd': frame('X', b'450 4.1.1 Odd'),
            }.get(self.behaviour, frame('K') if known else frame(
                'X', b'550 5.1.1 Unknown recipient')))


class Tls:
    def __init__(self, _directory, behaviour):
        self.behaviour = behaviour

    def serve(self, conn):
        fds = []
        if self.behaviour == 'odd':
            say(conn, frame('X', b'554 5.5.1 Odd'))
        elif self.behaviour != 'mute':
            say(conn, frame('K'))
        if self.behaviour == 'go':
            return
        for _tag, _payload in frames(conn, fds.append):
            if self.behaviour == 'die':
                break
            if self.behaviour == 'z':
                say(conn, frame('Z', b'454 4.7.0 It does not want to'))
            elif self.behaviour == 'nothing':
                say(conn, frame('K'))
            elif self.behaviour == 'plain':
                say(conn, frame('C', b'protocol=TLS) x (') +
                    frame('C', b'cipher=' + b'C' * 200) +
                    frame('C', b'other=x'))
                conn.sendmsg([frame('K')], [(
                    socket.SOL_SOCKET, socket.SCM_RIGHTS,
                    array.array('i', fds[:1]))])
        for fd in fds:
            os.close(fd)


class Auth:
    def __init__(self, directory, behaviour):
        self.directory = directory
        self.behaviour = behaviour

    def entrance(self, conn, user):
        s = socket.socket(socket.AF_UNIX)
        s.connect(self.directory + '/queue')
        s.sendall(frame('C', b'user=' + user))
        conn.sendmsg([frame('K', user)], [(
            socket.SOL_SOCKET, socket.SCM_RIGHTS,
            array.array('i', [s.fileno()]))])
        s.close()

    def serve(self, conn):
        for tag, payload in frames(conn, os.close):
            if tag != 'P' or self.behaviour == 'mute':
                continue
            if self.behaviour == 'die':
                return
            if self.behaviour:
                say(conn, {'z': frame('Z', b'454 4.7.0 Not now, it says'),
                           'odd': frame('X', b'450 4.1.1 Odd'),
                           'bare': frame('K', b'user')}[self.behaviour])
            elif payload == b'user\0secret':
                self.entrance(conn, b'user')
                return
            else:
                say(conn, frame('X', b'535 5.7.8 Wrong, it says'))


class Adviser:
    serial = 0
    lock = threading.Lock()
    never = threading.Event()

    def __init__(self, directory, behaviour):
        self.log = open(directory + '/advised', 'ab', buffering=0)
        self.answer = directory + '/answer'
        self.behaviour = behaviour

    def note(self, serial, tag, payload):
        self.log.write(b'%d %s %s\n' % (
            serial, tag.encode(), repr(payload)[2:-1].encode()))

    def show(self, serial, length, fds):
        """The text, of which the descriptor can only be read."""
        fd = fds.pop()
        assert not fds
        for change in lambda: os.pwrite(fd, b'x', 0), \
                lambda: os.ftruncate(fd, 0):
            try:
                change()
            except OSError:
                continue
            self.note(serial, 'fd', b'can be written to')
        self.note(serial, 'text', os.pread(fd, int(length), 0))
        os.close(fd)

    def serve(self, conn):
        with Adviser.lock:
            Adviser.serial += 1
            serial = Adviser.serial
        fds, told = [], b''
        for tag, payload in frames(conn, fds.append):
            self.note(serial, tag, payload)
            if self.behaviour == 'die-' + tag:
                return
            if self.behaviour == 'deaf' and tag == 'S':
                Adviser.never.wait()
            if tag == 'E':
                self.show(serial, payload, fds)
            if tag in 'SR':
                told = payload
            if tag == 'Q' and not answer_to(conn, told):
                return
            if (self.behaviour, tag) in (('', 'E'), ('ask', 'E'),
                                         ('early', 'S')):
                with open(self.answer, 'rb') as f:
                    say(conn, f.read())
        self.note(serial, 'EOF', b'')


def handle(service, conn):
    with conn:
        service.serve(conn)


def accept(listener, service):
    while True:
        conn = listener.accept()[0]
        threading.Thread(target=handle, args=(service, conn),
                         daemon=True).start()


def main():
    directory = sys.argv[1]
    names = ['queue', 'queue-z', 'queue-x', 'queue-odd', 'queue-other',
             'queue-mute', 'queue-junk', 'queue-x-die',
             'queue-gone', 'queue-silent', 'queue-slow',
             'queue-w-odd', 'queue-w-word', 'queue-w-junk', 'queue-ask',
             'queue-relay',
             'rcpt', 'rcpt-z', 'rcpt-die', 'rcpt-mute', 'rcpt-odd',
             'tls-go', 'tls-die', 'tls-z', 'tls-nothing', 'tls-odd',
             'tls-mute', 'tls-plain',
             'auth', 'auth-z', 'auth-die', 'auth-mute', 'auth-odd',
             'auth-bare',
             'adviser', 'adviser-mute', 'adviser-deaf', 'adviser-early',
             'adviser-ask']
    names += ['queue-die-' + tag for tag in 'CSRBHE']
    names += ['adviser-die-' + tag for tag in 'CSRHE']
    kinds = {'queue': Queue, 'rcpt': Rcpt, 'tls': Tls, 'auth': Auth,
             'adviser': Adviser}
    for name in names:
        kind, _, behaviour = name.partition('-')
        service = kinds[kind](directory, behaviour)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(directory + '/' + name)
        listener.listen(100)
        threading.Thread(target=accept, args=(listener, service),
                         daemon=True).start()
    open(directory + '/ready', 'w').close()
    signal.sigwait({signal.SIGTERM})


if __name__ == '__main__':
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    main()
