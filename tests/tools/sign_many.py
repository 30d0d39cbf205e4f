#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Has many messages signed in one conversation, and verifies each.

usage: sign_many.py KEYS QUEUE FOLDER|odd -- PROGRAM ARG ...    (smtpd-queue)

Each message is given a From that there is a key for and is cut into frames at
random. Its octets in the queue must be those that went in, and every
signature must verify with dkimpy. "odd" is a table of this program's own.
"""
import os
import random
import re
import socket
import subprocess
import sys

import dkim
from dkim_check import record, signatures
from inject import Client, frame
from queuefile import Message

AUTHOR = b"From: Joe <joe@example.com>\r\n"
DATE = b"Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n"  # OpenDKIM wants one
FROM = AUTHOR + DATE
HEAD = FROM + b"To: ann@example.net\r\nSubject: x\r\n"
LONG = b"x" * 70 + b"\r\n "
ODD = {
    "no body": HEAD,
    "nothing below the empty line": HEAD + b"\r\n",
    "no end to the header's last line": FROM + b"Subject: x",
    "no end to the last line": HEAD + b"\r\nhello",
    "one octet": HEAD + b"\r\nx",
    "blank lines at the end": HEAD + b"\r\nx\r\n\r\n\r\n\r\n",
    "nothing but blank lines": HEAD + b"\r\n\r\n\r\n\r\n",
    "blanks in the last lines": HEAD + b"\r\nx\r\n \t\r\n \r\n",
    "blanks at the end and no line end": HEAD + b"\r\nx\r\n  ",
    "blanks within and at ends": HEAD + b"\r\n a \t  b \r\n\tc\t \r\n",
    "lone dots": HEAD + b"\r\n.\r\n..\r\n.x\r\n\r\n.\r\n",
    "8-bit": HEAD + "Cc: Jörg <j@x>\r\n\r\nGrüße\r\n".encode("latin-1"),
    "UTF-8": HEAD + "Cc: Jörg <j@x>\r\n\r\nGrüße\r\n".encode(),
    "NUL in the text": HEAD + b"\r\na\0b\r\n",
    "a field of 100 KB": HEAD + b"References: " + LONG * 1400 + b"y\r\n\r\nx\r\n",
    "a field of 100 KB in one line": HEAD + b"Cc: " + b"y" * 100000 +
                                     b"\r\n\r\nx\r\n",
    "a header section of 900 KB": HEAD + b"X-Foo: " + LONG * 12000 +
                                  b"y\r\n\r\nx\r\n",
    "a line of 1 MB": HEAD + b"\r\n" + b"z" * 1000000 + b"\r\n",
    "an empty field": FROM + b"Subject:\r\nTo: \r\nCc:\t \r\n\r\nx\r\n",
    "folded everywhere": DATE + b"From:\r\n Joe\r\n\t<joe@example.com>\r\n"
                         b"Subject: a\r\n  b\r\n\tc \r\n\r\nx\r\n",
    "names in capitals": b"FROM: joe@EXAMPLE.COM\r\nsubJect: x\r\n" + DATE +
                         b"\r\nx\r\n",
    "fields twice": HEAD + b"Subject: z\r\nTo: b@c\r\nCc: d\r\nCc: e\r\n"
                    b"\r\nx\r\n",
    "mailing list": HEAD + b"List-Id: <x.example>\r\nSender: s@x\r\n"
                    b"List-Unsubscribe: <https://x>\r\n\r\nx\r\n",
    "address in a comment": DATE + b"From: (x@evil.example) Joe\r\n"
                            b" <joe@example.com> (y)\r\n\r\nx\r\n",
    "two authors": DATE + b"From: joe@example.com, ann@example.net\r\n\r\nx\r\n",
    "from above": b"Subject: x\r\n\r\nx\r\n",
}


FIELD = re.compile(rb"[!-9;-~]+:.*\r\n(?:[ \t]+\S.*\r\n)*")


def prepare(data):
    """With line ends, and a header as our own users' mail has: From once, and
    an empty line before the first line that is no field."""
    data = re.sub(rb"\r*\n", b"\r\n", data.replace(b"\r", b"\n"))
    at, fields = 0, [AUTHOR]
    while found := FIELD.match(data, at):
        if not found[0].lower().startswith(b"from:"):
            fields.append(found[0])
        at = found.end()
    rest = data[at:]
    if rest and not rest.startswith(b"\r\n"):
        rest = b"\r\n" + rest
    return b"".join(fields) + rest


def samples(folder):
    if folder == "odd":
        yield from ODD.items()
        return
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as f:
            yield name, prepare(f.read())


def send(client, name, data):
    for tag, text in ((b"C", b"version=1"), (b"S", b"<joe@example.com>"),
                      (b"R", b"remote <ann@example.net>")):
        client.send(frame(tag, text))
    if name == "from above":
        client.send(frame(b"H", FROM))
    at = 0
    while at < len(data):
        n = random.choice((1, 2, 7, 100, 5000, 65535))
        client.send(frame(b"B", data[at:at + n]))
        at += n
    client.send(frame(b"E", b""))
    client.flush()
    tag, text = client.next()
    while tag in "WI":
        tag, text = client.next()
    assert tag == "K", (name, tag, text)
    return text.decode()


def check(keys, path, data):
    m = Message(path)
    if m.body != data:
        return "octets changed"
    text = b"".join([p for t, p in m.frames() if t == b"H"][::-1]) + data
    if not data.endswith(b"\n"):
        text += b"\r\n"     # as it leaves
    n = len(os.listdir(os.path.join(keys, "example.com")))
    found = [tags for tags in signatures(text)][:n]
    if [t[b"d"] for t in found] != [b"example.com"] * n:
        return "signatures missing"
    for i, tags in enumerate(found):
        try:
            if not dkim.DKIM(text, minkey=1024).verify(
                    idx=i, dnsfunc=lambda n, timeout=0: record(keys, n)):
                return tags[b"a"].decode() + " fails"
        except dkim.DKIMException as e:
            return "%s: %s" % (tags[b"a"].decode(), e)
    return None


def main(words):
    at = words.index("--")
    keys, queue, folder = words[:at]
    random.seed(8463)
    ours, theirs = socket.socketpair()
    child = subprocess.Popen(words[at + 1:], stdin=theirs, stdout=theirs)
    theirs.close()
    client = Client(ours)
    bad = n = 0
    for name, data in samples(folder):
        id = send(client, name, data)
        why = check(keys, os.path.join(queue, "new", id[-1], id), data)
        n += 1
        if why:
            bad += 1
            print("%s: %s" % (name, why))
    ours.close()
    print("%d messages, %d bad" % (n, bad))
    return bad > 0 or child.wait() != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
