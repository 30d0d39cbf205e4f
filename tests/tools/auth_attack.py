#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What clients with no password, or with one, try against AUTH.

  auth_attack.py PORT NAME    NAME: authors starttls responses guesses vanish
                              honest

The server on 127.0.0.1:PORT, and with TLS on the next port, knows user@
example.com with the password secret. Exits 1 and says what got through.
"""
import base64
import socket
import ssl
import struct
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

PORT = int(sys.argv[1])
OWN = b"user@example.com"
BOSS = b"boss@example.com"


def b64(data):
    return base64.b64encode(data)


def plain(user=b"user", password=b"secret"):
    return b64(b"\0" + user + b"\0" + password)


class Client:
    def __init__(self, at_once=False):
        self.sock = socket.create_connection(("127.0.0.1", PORT + at_once), 30)
        if at_once:
            self.wrap()
        self.file = self.sock.makefile("rb")
        self.expect(b"220")

    def wrap(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)
        self.file = self.sock.makefile("rb")

    def reply(self):
        lines = []
        while True:
            lines.append(self.file.readline())
            if lines[-1][3:4] != b"-":
                return b"".join(lines)

    def expect(self, *codes):
        got = self.reply()
        assert got[:3] in codes or got[:9] in codes, (codes, got)
        return got

    def say(self, line, *codes):
        self.sock.sendall(line + b"\r\n")
        return self.expect(*codes)

    def hello(self):
        return self.say(b"EHLO client.example", b"250")

    def login(self):
        self.hello()
        self.say(b"AUTH PLAIN " + plain(), b"235")
        return self

    def is_nobody(self):
        """Nothing of a login is left: no relay, and no place in 465."""
        got = self.say(b"MAIL FROM:<" + OWN + b">", b"250", b"530")
        if got.startswith(b"250"):
            self.say(b"RCPT TO:<x@external.test>", b"550 5.7.1")
            self.say(b"RSET", b"250")

    def message(self, text, sender=OWN):
        self.say(b"MAIL FROM:<" + sender + b">", b"250")
        self.say(b"RCPT TO:<" + OWN + b">", b"250")
        self.say(b"DATA", b"354")
        self.sock.sendall(text + b"\r\n\r\nx\r\n.\r\n")
        return self.reply()

    def close(self, reset=False):
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack("ii", 1, 0))
        self.file.close()
        self.sock.close()


FORGED = [
    b"From: %b" % BOSS,
    b"from:%b" % BOSS,
    b"From:\r\n\t%b" % BOSS,
    b"From : %b" % BOSS,
    b"From\t:\r\n %b" % BOSS,
    b'From: "user@example.com" <%b>' % BOSS,
    b"From: user@example.com <%b>" % BOSS,
    b"From: <user@example.com> <%b>" % BOSS,
    b"From: %b, %b" % (OWN, BOSS),
    b"From: %b, <%b>" % (BOSS, OWN),
    b"From: %b,,, (x) %b" % (OWN, BOSS),
    b"From: (user@example.com) %b" % BOSS,
    b"From: all:%b,%b;" % (OWN, BOSS),
    b"From: undisclosed:;",
    b"From: <@user@example.com:%b>" % BOSS,
    b"From: <@example.com:%b>" % BOSS,
    b"From: boss @ example . com",
    b'From: "boss"@example.com',
    b"From: boss@EXAMPLE.com",
    b"From: user@example.com.evil.test",
    b"From: user@evil.test",
    b"From: user",
    b"From: ",
    b"From: nobody at all",
    b"From: =?utf-8?q?user=40example=2Ecom?= <%b>" % BOSS,
    b"From: =?utf-8?q?user=40example=2Ecom?=",
    b'From: "\\" <user@example.com>" <%b>' % BOSS,
    b"From: (\\) <user@example.com>) <%b>" % BOSS,
    b"From: %b\r\nFrom: %b" % (OWN, BOSS),
    b"From: %b\r\nSubject: x\r\nfRoM: %b" % (BOSS, OWN),
    b"From: %b\r\nSender: %b" % (OWN, BOSS),
    b"From: %b\r\nsEnDeR: %b" % (OWN, BOSS),
    b"From: %b\r\nSender:\r\n %b" % (OWN, BOSS),
    b"From: %b\r\nSender : %b" % (OWN, BOSS),
    b"Sender: %b" % BOSS,
    b"Sender: %b\r\nSender: %b\r\nFrom: %b" % (OWN, BOSS, OWN),
    b"From: %b\r\nX: %b\r\nSender: %b" % (OWN, b"y" * 900, BOSS),
]
HONEST = [
    b"From: user@example.com\r\nSender: user@example.com",
    b"From: User@Example.COM",
    b"From: user+tag@example.com",
    b'From: "boss@example.com" (boss) <user@example.com>',
    b"Reply-To: boss@example.com",
]


def authors():
    c = Client().login()
    for text in FORGED:
        got = c.message(b"Subject: forged\r\n" + text)
        assert got.startswith(b"550 5.7.1"), (text, got)
    for text in HONEST:
        got = c.message(b"Subject: honest\r\n" + text)
        assert got.startswith(b"250"), (text, got)
    for sender in (BOSS, b"user@external.test", b"user%x@example.com"):
        got = c.say(b"MAIL FROM:<" + sender + b">", b"250", b"550 5.7.1")
        if got.startswith(b"250"):
            c.say(b"RSET", b"250")
            got = c.message(b"From: " + OWN, sender)
        assert got.startswith(b"550 5.7.1"), (sender, got)


def starttls():
    c = Client().login()
    c.say(b"STARTTLS", b"503 5.5.1")
    assert b"STARTTLS" not in c.hello()
    c.close()
    # Names that were said in clear are not known under TLS.
    c = Client()
    c.hello()
    c.sock.sendall(b"AUTH LOGIN\r\n")
    c.expect(b"334")
    c.say(b64(b"user"), b"334")
    c.say(b"*", b"501")
    c.say(b"STARTTLS", b"220")
    c.wrap()
    c.say(b"AUTH PLAIN " + plain(), b"503")     # before EHLO
    c.hello()
    c.say(b64(b"secret"), b"500")
    c.is_nobody()
    c.say(b"AUTH PLAIN " + plain(), b"235")
    c.say(b"AUTH PLAIN " + plain(), b"503")
    c.close()
    # AUTH in front of the handshake, in one write with STARTTLS.
    c = Client()
    c.hello()
    c.say(b"STARTTLS\r\nAUTH PLAIN " + plain(), b"554")
    assert c.file.read() == b""
    # In the place of a response STARTTLS is no command.
    c = Client()
    c.hello()
    c.say(b"AUTH PLAIN", b"334")
    c.say(b"STARTTLS", b"501 5.5.2")
    c.is_nobody()


def responses():
    bad = [
        b64(b"\0user\0correct-horse\0hunter2"), b64(b"\0user\0"),
        b64(b"\0\0secret"), b64(b"user\0secret"), b64(b"\0user"),
        b64(b"user\0user\0sec\0ret"), b64(b"\0user\0secret\n"),
        b64(b"\0user\0secret")[:-1], b64(b"\0user\0secret") + b"=",
        b64(b"\0us\0er\0secret"), b64(b"\0" * 300), b64(b"\xff" * 300),
        b64(b"boss\0user\0secret"), b64(b"\0user\0" + b"hunter2" * 400),
    ]
    def one(response):
        for at_once in (False, True):
            c = Client(at_once)
            c.hello()
            c.say(b"AUTH PLAIN " + response, b"501", b"535", b"500")
            c.is_nobody()
            c.close()
    with ThreadPoolExecutor(len(bad)) as pool:
        list(pool.map(one, bad))    # a refusal takes its time
    c = Client()
    c.hello()
    for user in (b"us\0er", b"user\0", b"user\0secret"):
        c.say(b"AUTH LOGIN", b"334")
        c.say(b64(user), b"501 5.5.2")
        c.say(b"AUTH LOGIN " + b64(user), b"501 5.5.2")
    c.is_nobody()
    # Lines without an end: nothing grows, and nothing waits for ever.
    for first in (b"AUTH PLAIN\r\n", b"AUTH LOGIN\r\n", b"AUTH PLAIN "):
        c = Client()
        c.hello()
        try:
            c.sock.sendall(first + b"hunter2" * 1000000)
        except OSError:
            pass
        got = b""
        try:
            got = c.file.read()
        except OSError:
            pass
        assert b"235" not in got, got


def guesses():
    """Eight at once, and no more than three from each."""
    wrong, start = [], time.monotonic()

    def one(n):
        c = Client()
        c.hello()
        for i in range(10):
            got = c.say(b"AUTH PLAIN " + plain(password=b"guess-number-%d-%d"
                                               % (n, i)), b"535", b"421")
            if got.startswith(b"421"):
                wrong.append(i)
                return
            assert time.monotonic() - start >= 2 * (i + 1), "too fast"
    threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    # Meanwhile who knows his password does not wait for them.
    time.sleep(0.5)
    begin = time.monotonic()
    Client().login()
    took = time.monotonic() - begin
    for t in threads:
        t.join()
    assert wrong == [3] * 8, wrong
    assert took < 2, took


def vanish():
    for reset in (False, True):
        for at_once in (False, True):
            for lines in ([b"AUTH PLAIN"], [b"AUTH LOGIN"],
                          [b"AUTH LOGIN", b64(b"user")]):
                c = Client(at_once)
                c.hello()
                for line in lines:
                    c.say(line, b"334")
                c.close(reset)
            # While the password is looked at.
            for password in (b"secret", b"wrong"):
                c = Client(at_once)
                c.hello()
                c.sock.sendall(b"AUTH PLAIN " + plain(password=password) +
                               b"\r\n")
                c.close(reset)
    # Half of the connection closed, and still answered.
    c = Client()
    c.hello()
    c.sock.sendall(b"AUTH LOGIN\r\n" + b64(b"user") + b"\r\n" +
                   b64(b"secret") + b"\r\nQUIT\r\n")
    c.sock.shutdown(socket.SHUT_WR)
    got = c.file.read()
    assert b"\r\n235 " in got and b"\r\n221 " in got, got


def honest():
    for at_once in (False, True):
        c = Client(at_once).login()
        assert c.message(b"Subject: honest").startswith(b"250")


if __name__ == "__main__":
    globals()[sys.argv[2]]()
