#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Plays dialogues against a program that speaks on descriptors 0 and 1.

  dialogue.py [options] FILE[:NAME]... -- PROGRAM [ARG]...
  dialogue.py [options] --connect HOST:PORT FILE[:NAME]...

Each dialogue has a connection, and a process, of its own. A FILE holds many:

  == NAME             a dialogue begins
  # text              a comment
  S: regex            the next line of the server is this (whole line)
  S* regex            one whole reply, of any number of lines; each is this
  S# N | regex        the next N lines are this
  C: text             the client sends this and CRLF
  C= text             the client sends exactly this
  C! text             the same, before the program has started
  R: N | text         the client sends the text N times
  half-close          the client sends no more, and still reads
  half-close!         the same, before the program has started
  wait                until the server has read all that was sent
  term                SIGTERM to the process
  S.                  the server closes, and says nothing more before

In C:, C= and C! the escapes \\r \\n \\0 \\t \\\\ \\xNN count; C= and R: take blanks at
the end of a line literally. $NAME is replaced by --var NAME=VALUE everywhere.

Options:
  --tcp               a loopback TCP connection instead of a UNIX socketpair
  --pipe              two pipes
  --octets            send octet by octet, each when the one before was read
  --split             play each once more for every place in what the C= lines
                      say, cut there: the rest follows when that was read
  --var NAME=VALUE    as above
  --exit N            the exit status that the program must have (0)
  --timeout S         seconds without progress that are a failure (10)
  -v                  show the dialogues
"""
import argparse
import fcntl
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time


class Failed(Exception):
    pass


def unescape(text):
    one = {'r': b'\r', 'n': b'\n', 't': b'\t', '0': b'\0', '\\': b'\\'}

    def sub(m):
        e = m.group(1).decode()
        return bytes([int(e[1:], 16)]) if e[0] == 'x' else one[e]
    return re.sub(rb'\\(x[0-9a-fA-F]{2}|[rnt0\\])', sub, text)


def load(spec, variables):
    """The dialogues of a file: [(name, [(line number, op, text)])]."""
    path, _, only = spec.partition(':')
    found = []
    with open(path, 'rb') as f:
        for number, raw in enumerate(f.read().split(b'\n'), 1):
            if not raw.strip() or raw.startswith(b'#'):
                continue
            line = re.sub(rb'\$([A-Z_]+)', lambda m: variables.get(
                m.group(1).decode(), m.group(0).decode()).encode(), raw)
            if line.startswith(b'== '):
                found.append((line[3:].decode().strip(), []))
                continue
            m = re.fullmatch(rb'(S:|S\*|S#|C:|C=|C!|R:) ?(.*)', line, re.S)
            op, text = (m.group(1).decode(), m.group(2)) if m else \
                (line.strip().decode(), b'')
            if not found or (not m and op not in (
                    'half-close', 'half-close!', 'wait', 'term', 'S.')):
                sys.exit('%s:%d: what is this?' % (path, number))
            found[-1][1].append((number, op, text))
    found = [d for d in found if only in ('', d[0])]
    if not found:
        sys.exit('%s: no such dialogue' % spec)
    return [(path, name, steps) for name, steps in found]


class Connection:
    def __init__(self, options, program, early, gone):
        self.options = options
        self.buf = b''
        self.said = []
        self.proc = None
        self.eof = False
        if options.connect:
            host, _, port = options.connect.rpartition(':')
            self.rfd = self.wfd = socket.create_connection(
                (host, int(port)), options.timeout)
            return
        child = self.open()
        os.set_blocking(self.wfd.fileno(), False)
        os.write(self.wfd.fileno(), early)
        if gone:
            self.half_close()
        self.proc = subprocess.Popen(
            program, stdin=child[0], stdout=child[1], close_fds=True)
        for fd in set(child):
            os.close(fd)

    def open(self):
        if self.options.pipe:
            child_in, mine_out = os.pipe()
            mine_in, child_out = os.pipe()
            self.rfd, self.wfd = os.fdopen(mine_in), os.fdopen(mine_out)
            return child_in, child_out
        if self.options.tcp:
            listener = socket.create_server(('127.0.0.1', 0))
            mine = socket.create_connection(listener.getsockname())
            theirs = listener.accept()[0]
            listener.close()
            mine.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            mine, theirs = socket.socketpair()
        self.rfd = self.wfd = mine
        fd = theirs.detach()
        return fd, fd

    def unread(self):
        """Octets that the server has not read yet."""
        fd = self.wfd.fileno()
        request = termios.FIONREAD if self.options.pipe else termios.TIOCOUTQ
        return struct.unpack('i', fcntl.ioctl(fd, request, b'\0' * 4))[0]

    def wait_read(self):
        end = time.monotonic() + self.options.timeout
        while self.unread():
            if time.monotonic() > end:
                raise Failed('the server does not read')
            if self.proc and self.proc.poll() is not None:
                return
            select.select([], [], [], 0.0002)

    def send(self, data):
        self.said.append(b'C: ' + data)
        data = memoryview(data)
        try:
            while data:
                # Both directions at once, or both sides may block.
                able = select.select([] if self.eof else [self.rfd],
                                     [self.wfd], [], self.options.timeout)
                if not any(able):
                    raise Failed('the server does not read')
                if able[0]:
                    self.read()
                if able[1]:
                    data = data[os.write(self.wfd.fileno(), data[:65536]):]
        except (BrokenPipeError, ConnectionResetError):
            pass            # what the server said will tell

    def readable(self, timeout):
        return not self.eof and select.select([self.rfd], [], [], timeout)[0]

    def read(self):
        try:
            more = os.read(self.rfd.fileno(), 65536)
        except ConnectionResetError:
            more = b''
        self.eof = not more
        self.buf += more

    def line(self):
        while b'\n' not in self.buf:
            if self.eof:
                raise Failed('the server has closed%s' % (
                    ' after %r' % self.buf if self.buf else ''))
            if not self.readable(self.options.timeout):
                raise Failed('the server says nothing')
            self.read()
        line, _, self.buf = self.buf.partition(b'\n')
        self.said.append(b'S: ' + line)
        if not line.endswith(b'\r'):
            raise Failed('the line %r does not end in CRLF' % line)
        return line[:-1]

    def closes(self):
        while not self.eof:
            if not self.readable(self.options.timeout):
                raise Failed('the server does not close')
            self.read()
        if self.buf:
            raise Failed('the server has said more: %r' % self.buf)

    def half_close(self):
        if self.options.pipe:
            self.wfd.close()
        else:
            self.wfd.shutdown(socket.SHUT_WR)

    def end(self):
        """Closes; gives the exit status."""
        self.rfd.close()
        if self.options.pipe:
            self.wfd.close()
        if self.proc is None:
            return None
        try:
            return self.proc.wait(self.options.timeout)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
            raise Failed('the program does not end') from None


def expect(c, op, pattern):
    while True:
        line = c.line()
        text = line.decode('latin-1')
        if not re.fullmatch(pattern.decode(), text):
            raise Failed('expected %r, got %r' % (pattern.decode(), text))
        if op == 'S:' or line[3:4] != b'-':
            return


def transmit(c, data, cut):
    if c.options.octets:
        for i in range(len(data)):
            c.send(data[i:i + 1])
            c.wait_read()
    elif cut is not None and 0 < cut < len(data):
        c.send(data[:cut])
        c.wait_read()
        c.send(data[cut:])
    else:
        c.send(data)


def play(options, program, steps, cut=None):
    """Plays one; cut: an offset in all that C= lines say."""
    early = b''.join(unescape(t) for _, op, t in steps if op == 'C!')
    gone = any(op == 'half-close!' for _, op, _ in steps)
    c = Connection(options, program, early, gone)
    at = 'the end'
    try:
        for number, op, text in steps:
            at = 'line %d' % number
            if op in ('S:', 'S*'):
                expect(c, op, text)
            elif op == 'S#':
                count, _, what = text.partition(b'|')
                for _ in range(int(count)):
                    expect(c, 'S:', what.lstrip(b' '))
            elif op == 'C:':
                transmit(c, unescape(text) + b'\r\n', None)
            elif op == 'C=':
                data = unescape(text)
                transmit(c, data, cut)
                cut = None if cut is None or cut < len(data) \
                    else cut - len(data)
            elif op == 'R:':
                count, _, what = text.partition(b'|')
                c.send(unescape(what.lstrip(b' ')) * int(count))
            elif op == 'half-close':
                c.half_close()
            elif op == 'wait':
                c.wait_read()
            elif op == 'term':
                c.proc.send_signal(signal.SIGTERM)
            elif op == 'S.':
                c.closes()
        at = 'the end'
        status = c.end()
        if status is not None and status != options.exit:
            raise Failed('exit status %d' % status)
    except Failed as e:
        if c.proc and c.proc.poll() is None:
            c.proc.kill()
            c.proc.wait()
        return '%s: %s' % (at, e), c.said
    return None, c.said


def show(said):
    for line in said[-20:]:
        more = '' if len(line) <= 200 else '... (%d octets)' % len(line)
        print('    %s%s' % (line[:200].decode('latin-1').encode(
            'unicode_escape').decode(), more))


def main():
    p = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--connect')
    p.add_argument('--tcp', action='store_true')
    p.add_argument('--pipe', action='store_true')
    p.add_argument('--octets', action='store_true')
    p.add_argument('--split', action='store_true')
    p.add_argument('--var', action='append', default=[])
    p.add_argument('--exit', type=int, default=0)
    p.add_argument('--timeout', type=float, default=10)
    p.add_argument('-v', action='store_true')
    argv = sys.argv[1:]
    cut = argv.index('--') if '--' in argv else len(argv)
    options, files = p.parse_known_args(argv[:cut])
    program = argv[cut + 1:]
    if bool(options.connect) == bool(program) or not files:
        p.error('give FILEs, and --connect or a program')
    variables = dict(v.split('=', 1) for v in options.var)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    bad = count = 0
    for spec in files:
        for path, name, steps in load(spec, variables):
            total = sum(len(unescape(t)) for _, op, t in steps if op == 'C=')
            cuts = [None] + (list(range(1, total)) if options.split else [])
            for k in cuts:
                count += 1
                why, said = play(options, program, steps, k)
                if why or options.v:
                    show(said)
                if why:
                    bad += 1
                    print('not ok %s: %s%s: %s' % (
                        path, name, '' if k is None else ' cut at %d' % k,
                        why))
                elif options.v:
                    print('ok %s: %s' % (path, name))
    print('%d played, %d failed' % (count, bad))
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
