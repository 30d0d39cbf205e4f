#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Hands in what could become two messages, and looks at what leaves.

  smuggle.py N SINK-PORT PORT ADDRESS SENDMAIL-WORD...

Listens on SINK-PORT as the server of another host, and keeps every octet that
it is told. N messages go in by sendmail (the command is the last words), N by
a user who logs in at PORT: full of dots, bare CRs and LFs, NULs, and ends of
text that are none. Each is accepted or refused as the model here says; of
those accepted exactly one message leaves, with exactly the octets that it
had, in CRLF lines and with its dots stuffed; and no bare CR or LF leaves.
"""
import base64
import random
import re
import socket
import subprocess
import sys
import time

import smtp_sink

PIECES = (b".", b"..", b"\n", b"\r\n", b"\r\n", b"\r\n.", b"a", b"QUIT",
          b"\r\nMAIL FROM:<evil@example.org>\r\n", b"DATA\r\n", b" ", b"\xff")
DIRTY = (b"\r", b"\n.\r\n", b"\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r",
         b"\r\n.\n", b"\r\r\n", b"\n\r", b"\0", b"\r\n\0.\r\n", b"\r\n.\0\r\n")
BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")
WAIT = 30


class Recorder(smtp_sink.Sink):
    def __init__(self, port, scripts):
        self.fixed = port
        super().__init__(scripts)

    def listen(self):
        sock = socket.create_server(("127.0.0.1", self.fixed), backlog=64)
        return [sock]


def head(number, sender, to, end):
    return end.join([
        b"From: " + sender, b"To: " + to, b"X-Number: " + number,
        b"Date: Thu, 01 Jan 2026 00:00:00 +0000",
        b"Message-ID: <" + number + b"@example.org>", b"", b""])


def body(chance, dirty):
    pieces = [chance.choice(PIECES) for _ in range(chance.randrange(1, 30))]
    if dirty:
        for _ in range(chance.randrange(1, 3)):
            pieces.insert(chance.randrange(len(pieces) + 1),
                          chance.choice(DIRTY))
    return b"".join(pieces)


def stuff(text):
    """As RFC 5321 4.5.2 has it; the text ends in CRLF."""
    return re.sub(rb"(\A|(?<=\r\n))\.", b"..", text)


class Sendmail:
    """Lines end in LF or CRLF; what has a bare CR or a NUL is refused."""
    name = b"sendmail"

    def __init__(self, words):
        self.words = words

    def hand_in(self, chance, number, sender, to):
        dots = chance.random() < 0.5    # a lone dot ends it, or does not
        raw = head(number, sender, to, chance.choice((b"\n", b"\r\n"))) + \
            body(chance, chance.random() < 0.5)
        flags = [] if dots else ["-i"]
        done = subprocess.run(
            self.words + flags + ["-f", sender.decode(), to.decode()],
            input=raw, capture_output=True, check=False)
        if dots:
            raw = re.split(rb"(?<=\n)\.(?:\r?\n|\Z)", raw, maxsplit=1)[0]
        lines = re.split(rb"\r?\n", raw)
        if lines[-1] == b"":
            lines.pop()
        text = b"".join(line + b"\r\n" for line in lines)
        good = not re.search(rb"\r(?!\n)|\0", raw)
        assert done.returncode == (0 if good else 65), (raw, done)
        return text if good else None


class Submission:
    """Whatever is dirty is refused at the dot, or the connection ends."""
    name = b"auth"

    def __init__(self, port):
        self.port, self.sock = port, None

    def say(self, data, code):
        self.sock.sendall(data)
        while True:
            line = self.file.readline()
            assert line.endswith(b"\r\n"), line
            if line[3:4] != b"-":
                break
        assert code is None or line.startswith(code), (data[:200], line)
        return line

    def connect(self):
        self.sock = socket.create_connection(("127.0.0.1", self.port), 20)
        self.file = self.sock.makefile("rb")
        self.say(b"", b"220")
        self.say(b"EHLO c\r\n", b"250")
        self.say(b"AUTH PLAIN " + base64.b64encode(b"\0user\0secret") +
                 b"\r\n", b"235")

    def hand_in(self, chance, number, sender, to):
        if self.sock is None:
            self.connect()
        text = head(number, sender, to, b"\r\n") + \
            body(chance, chance.random() < 0.5)
        if not text.endswith(b"\r\n"):
            text += b"\r\n"
        good = not BARE.search(text) and b"\0" not in text
        self.say(b"MAIL FROM:<" + sender + b">\r\n", b"250")
        self.say(b"RCPT TO:<" + to + b">\r\n", b"250")
        self.say(b"DATA\r\n", b"354")
        self.say(stuff(text) + b".\r\n", b"250" if good else b"5")
        # One reply, and then the next command's.
        self.say(b"NOOP\r\n", b"250")
        return text if good else None


def told(raw):
    """(commands, [text of each DATA, dots still stuffed]) of a connection."""
    commands, texts = [], []
    while raw:
        line, _, raw = raw.partition(b"\r\n")
        commands.append(line)
        if line == b"DATA":
            text, dot, raw = (b"\r\n" + raw).partition(b"\r\n.\r\n")
            assert dot, "a text without an end"
            texts.append(text[2:] + b"\r\n")
    return commands, texts


def check(sink, accepted):
    found = {}
    for session in sink.sessions:
        raw = session.raw
        assert not BARE.search(raw), "bare: %r" % raw
        commands, texts = told(raw)
        assert not any(b"evil" in c for c in commands), commands
        mails = [c for c in commands if c.startswith(b"MAIL ")]
        assert len(mails) == len(texts), commands
        for text in texts:
            number = re.search(rb"^X-Number: (\S+)\r$", text, re.M)[1]
            assert number not in found, "twice: %r" % number
            found[number] = text
    assert found.keys() == accepted.keys(), (
        found.keys() ^ accepted.keys())
    for number, text in accepted.items():
        want = stuff(text)
        top = found[number][:-len(want)]
        assert found[number].endswith(want), (found[number], want)
        assert re.fullmatch(rb"(Received: [^\r]*\r\n([ \t][^\r]*\r\n)*)*",
                            top), top


def main():
    n, sink_port, port = map(int, sys.argv[1:4])
    to, sender, words = sys.argv[4].encode(), b"user@example.com", sys.argv[5:]
    offer = r"ehlo=250-sink\r\n250-PIPELINING\r\n250 8BITMIME"
    sink = Recorder(sink_port, [("", offer)])
    accepted, refused = {}, 0
    for way in (Sendmail(words), Submission(port)):
        for i in range(n):
            number = b"%s-%d" % (way.name, i)
            text = way.hand_in(random.Random(number), number, sender, to)
            if text is None:
                refused += 1
            else:
                accepted[number] = text
    end = time.monotonic() + WAIT
    while time.monotonic() < end and sum(
            len(s.messages) for s in sink.sessions) < len(accepted):
        time.sleep(0.02)
    time.sleep(0.2)     # what should not come would come now
    assert not sink.wrong, sink.wrong
    check(sink, accepted)
    print("%d accepted, %d refused, %d connections" % (
        len(accepted), refused, len(sink.sessions)))
    return min(len(accepted), refused) < n // 4


if __name__ == "__main__":
    sys.exit(main())
