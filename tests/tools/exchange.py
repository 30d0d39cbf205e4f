#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Two servers' users write to each other, all at once.

  exchange.py N PORT DOMAIN MAILDIR PORT DOMAIN MAILDIR

user@ each DOMAIN logs in at his PORT under STARTTLS, on CLIENTS connections,
and sends N messages to user@ the other one, each different and odd in its own
way. Then, in each Maildir, every message has to come to be once, and with the
octets that it was sent with, below nothing but trace fields.
"""
import collections
import os
import random
import re
import smtplib
import ssl
import sys
import threading
import time

CLIENTS = 4
PATIENCE = 60
TRACE = re.compile(rb"(Return-Path|Delivered-To|Received|Received-SPF|"
                   rb"Authentication-Results): |[ \t]")
NUMBER = re.compile(rb"^X-Number: (\S+)$", re.M)
LINES = (b".", b"..", b". ", b".\t.", b"", b"", b"From here on", b"QUIT",
         b"trailing  ", b"\ttab", b".QUIT", b"DATA", b"\xc3\xbc\xff\x80",
         b"x" * 998, b"." * 997, b">From there")


def message(number, sender, to):
    chance = random.Random(number)
    body = [chance.choice(LINES) for _ in range(chance.randrange(60))]
    if chance.random() < 0.02:
        body += [b"%0900d" % n for n in range(400)]
    head = [b"From: " + sender, b"To: " + to, b"X-Number: " + number,
            b"Date: Thu, 01 Jan 2026 00:00:00 +0000",
            b"Message-ID: <" + number + b"@exchange.test>",
            b"Subject: folded", b"\tand\t \t.", b"X-Odd:", b" .", b""]
    return b"\r\n".join(head + body) + b"\r\n"


class Side:
    def __init__(self, port, domain, maildir):
        self.port, self.domain, self.maildir = int(port), domain, maildir
        self.user = "user@" + domain
        self.sent = {}          # what the other one has to get
        self.lock = threading.Lock()

    def submit(self, other, numbers):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with smtplib.SMTP("127.0.0.1", self.port, "c.test", 60) as smtp:
            smtp.starttls(context=context)
            smtp.login("user", "secret")
            for number in numbers:
                text = message(number, self.user.encode(),
                               other.user.encode())
                smtp.sendmail(self.user, [other.user], text,
                              ["BODY=8BITMIME"])
                with self.lock:
                    self.sent[number] = text

    def files(self):
        new = os.path.join(self.maildir, "new")
        return [os.path.join(new, name) for name in os.listdir(new)]

    def wrong(self, expected):
        """What is not as it was sent by the other one."""
        found, wrong = collections.Counter(), []
        for path in self.files():
            with open(path, "rb") as f:
                data = f.read()
            number = NUMBER.search(data)
            want = expected.get(number[1] if number else b"")
            if want is None:
                wrong.append("%s: nobody sent it" % path)
                continue
            found[number[1]] += 1
            want = want.replace(b"\r\n", b"\n")
            top = data[:-len(want)]
            if not data.endswith(want) or not all(
                    TRACE.match(line) for line in top.splitlines()):
                wrong.append("%s: not what was sent" % path)
        for number in expected:
            if found[number] != 1:
                wrong.append("%s: %d times" % (number, found[number]))
        return wrong


def main():
    n, sides = int(sys.argv[1]), (Side(*sys.argv[2:5]), Side(*sys.argv[5:8]))
    begun, threads = time.monotonic(), []
    for me, other in (sides, sides[::-1]):
        numbers = [("%s-%d" % (me.domain, i)).encode() for i in range(n)]
        for i in range(CLIENTS):
            threads.append(threading.Thread(
                target=me.submit, args=(other, numbers[i::CLIENTS])))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = time.monotonic() - begun
    while time.monotonic() - begun < PATIENCE and any(
            len(side.files()) < n for side in sides):
        time.sleep(0.05)
    wrong = sides[0].wrong(sides[1].sent) + sides[1].wrong(sides[0].sent)
    print("\n".join(wrong[:20]))
    print("%d accepted in %.1f s, all there after %.1f s, %d wrong" % (
        sum(len(side.sent) for side in sides), taken,
        time.monotonic() - begun, len(wrong)))
    return bool(wrong) or any(len(side.sent) != n for side in sides)


if __name__ == "__main__":
    sys.exit(main())
