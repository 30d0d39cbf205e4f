#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""TLS clients that tests need and that no package brings.

  tls.py crowd PORT N       N sessions under TLS at once, each with a message
  tls.py inject PORT        octets behind STARTTLS, in every way; nothing of
                            them may be obeyed
  tls.py vanish PORT STEP   cuts the client's handshake after every STEP
                            octets, by an end and by a reset
  tls.py slow PORT SECONDS  a handshake octet by octet: cut within SECONDS
  tls.py idle PORT N        N idle sessions under TLS; says ready, and holds
                            them until its input ends
  tls.py half-close PORT    a client that says QUIT and no more is answered
  tls.py forget PORT        what was said before STARTTLS is not known after

PORT is one of 127.0.0.1, with STARTTLS. Exits 1 and says why when it failed.
"""
import socket
import ssl
import struct
import sys
import threading
import time


class Client:
    def __init__(self, port):
        self.sock = socket.create_connection(('127.0.0.1', port), 30)
        self.file = self.sock.makefile('rb')
        self.expect(b'220')

    def say(self, data):
        self.sock.sendall(data)

    def line(self):
        return self.file.readline()

    def expect(self, code):
        while True:
            line = self.line()
            assert line.startswith(code), (code, line)
            if line[3:4] == b' ':
                return line

    def command(self, text, code):
        self.say(text + b'\r\n')
        return self.expect(code)

    def starttls(self):
        self.command(b'EHLO client.example', b'250')
        self.command(b'STARTTLS', b'220')

    def secure(self):
        self.starttls()
        self.sock = context().wrap_socket(self.sock)
        self.file = self.sock.makefile('rb')

    def close(self, reset=False):
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack('ii', 1, 0))
        self.file.close()
        self.sock.close()


def context():
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    return c


def message(c):
    c.command(b'EHLO client.example', b'250')
    c.command(b'MAIL FROM:<a@example.org>', b'250')
    c.command(b'RCPT TO:<user@example.com>', b'250')
    c.command(b'DATA', b'354')
    c.command(b'Subject: one of many\r\n\r\nx\r\n.', b'250')
    c.command(b'QUIT', b'221')


def crowd(port, n):
    barrier = threading.Barrier(n, timeout=120)
    failed = []

    def one():
        try:
            c = Client(port)
            c.secure()
            barrier.wait()      # all are under TLS now
            message(c)
            c.close()
        except Exception as e:  # pylint: disable=broad-except
            failed.append(repr(e))
    threads = [threading.Thread(target=one) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed, failed[:3]


def inject(port):
    # In the same segment.
    for more in (b'NOOP\r\n', b'\r\n', b'N', b'\0' * 1000,
                 b'RCPT TO:<user@example.com>\r\n'):
        c = Client(port)
        c.command(b'EHLO client.example', b'250')
        c.command(b'MAIL FROM:<a@example.org>', b'250')
        c.say(b'STARTTLS\r\n' + more)
        c.expect(b'554')
        assert c.line() == b'', more
        c.close()
    # Behind it, before the 220 was read: that is no handshake.
    c = Client(port)
    c.starttls()
    c.say(b'EHLO evil.example\r\nMAIL FROM:<evil@example.org>\r\n')
    try:
        rest = c.file.read()
    except ConnectionResetError:
        rest = b''
    assert b'250' not in rest, rest
    c.close()
    # As a record in clear, before a handshake that is good.
    c = Client(port)
    c.starttls()
    c.say(b'\x17\x03\x03\x00\x06NOOP\r\n')
    try:
        context().wrap_socket(c.sock)
        raise AssertionError('a record in clear was passed over')
    except (ssl.SSLError, ConnectionError, OSError):
        pass


def client_flight():
    """What a client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context().wrap_bio(incoming, outgoing)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return incoming, outgoing, tls


def vanish(port, step):
    """The client's two flights, cut anywhere."""
    _, outgoing, _ = client_flight()
    first = outgoing.read()
    cuts = [(n, 0) for n in range(0, len(first), step)]
    cuts += [(len(first), n) for n in range(0, 140, step)]
    for i, (one, two) in enumerate(cuts):
        c = Client(port)
        c.starttls()
        incoming, outgoing, tls = client_flight()
        c.sock.sendall(outgoing.read()[:one])
        if one == len(first):
            second = b''
            while not second:
                incoming.write(c.sock.recv(65536))
                try:
                    tls.do_handshake()
                except ssl.SSLWantReadError:
                    pass
                second = outgoing.read()
            c.sock.sendall(second[:two])
        c.close(reset=i % 2 == 1)
    # Nobody minds.
    c = Client(port)
    c.secure()
    message(c)
    c.close()


def slow(port, seconds):
    c = Client(port)
    c.starttls()
    _, outgoing, _ = client_flight()
    start = time.monotonic()
    for octet in outgoing.read():
        try:
            c.sock.sendall(bytes([octet]))
        except OSError:
            break
        c.sock.settimeout(0.1)
        try:
            if c.sock.recv(100) == b'':
                break
        except socket.timeout:
            pass
        except OSError:
            break
    took = time.monotonic() - start
    assert took < seconds, took


def idle(port, n):
    held = []
    for _ in range(n):
        c = Client(port)
        c.secure()
        c.command(b'EHLO client.example', b'250')
        held.append(c)
    print('ready', flush=True)
    sys.stdin.read()


def half_close(port):
    c = Client(port)
    c.starttls()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context().wrap_bio(incoming, outgoing)
    sock = c.sock

    def run(what):
        while True:
            try:
                return what()
            except ssl.SSLWantReadError:
                if outgoing.pending:
                    sock.sendall(outgoing.read())
                incoming.write(sock.recv(65536))
    run(tls.do_handshake)
    tls.write(b'EHLO c\r\nQUIT\r\n')
    sock.sendall(outgoing.read())
    sock.shutdown(socket.SHUT_WR)   # without a goodbye: an old habit
    said = b''
    while b'\r\n221 ' not in said:
        said += run(lambda: tls.read(65536))


def forget(port):
    c = Client(port)
    c.command(b'EHLO liar.example', b'250')
    c.command(b'MAIL FROM:<liar@example.org>', b'250')
    c.command(b'RCPT TO:<user@example.com>', b'250')
    c.command(b'STARTTLS', b'220')
    c.sock = context().wrap_socket(c.sock)
    c.file = c.sock.makefile('rb')
    c.command(b'DATA', b'503')
    c.command(b'RCPT TO:<user@example.com>', b'503')
    c.command(b'MAIL FROM:<a@example.org>', b'503')
    c.command(b'STARTTLS', b'503')
    c.say(b'EHLO client.example\r\n')
    said = b''
    while b'250 ' not in said:
        said += c.line()
    assert b'STARTTLS' not in said, said
    c.command(b'STARTTLS', b'503')
    c.command(b'RCPT TO:<user@example.com>', b'503')
    message(c)


def main():
    name, *numbers = sys.argv[1:]
    commands = {'crowd': crowd, 'inject': inject, 'vanish': vanish,
                'slow': slow, 'idle': idle, 'half-close': half_close,
                'forget': forget}
    commands[name](*map(int, numbers))


if __name__ == '__main__':
    main()
