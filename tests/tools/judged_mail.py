#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Sends many messages through a chain that judges them, and compares.

  judged_mail.py PORT MAILDIR SUITES

Of SUITES: each of messages/, and below it, with the host's name instead of
theirs, the fields of authentication-results.json, which then are forged; one
more message bears them as they are. A message arrives as its octets without
the forged fields, below nothing but trace fields, among which there is one
field Authentication-Results of the host, that authres can read. Prints what
is bad, and how many were the same.
"""
import json
import os
import re
import socket
import sys
import time

import authres

HOST = b"mail.example.com"
SECONDS = 60
TRACE = rb"(?:(?:Return-Path|Delivered-To|Received|Received-SPF|" \
        rb"Authentication-Results): .*\n(?:[ \t].*\n)*)*"
OURS = rb"(?m)^(Authentication-Results: mail\.example\.com;?\n(?:[ \t].*\n)*)"
METHODS = {"spf", "dkim", "dmarc"}


def wire(octets):
    octets = re.sub(rb"\r?\n", b"\r\n", octets)
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


class Smtp:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), SECONDS)
        self.lines = self.sock.makefile("rb")
        self.answer()
        self.say("EHLO mail.here.test")

    def answer(self):
        line = self.lines.readline()
        while line[3:4] == b"-":
            line = self.lines.readline()
        return line.decode().strip()

    def say(self, line):
        self.sock.sendall(line.encode() + b"\r\n")
        return self.answer()

    def send(self, number, octets):
        for line in ("MAIL FROM:<a@here.test>",
                     "RCPT TO:<user+%d@example.com>" % number, "DATA"):
            answer = self.say(line)
            if answer[0] not in "23":
                return answer
        self.sock.sendall(re.sub(rb"(?m)^\.", b"..", octets) + b".\r\n")
        return self.answer()


def fields(path):
    """(the host that it is of, the field) of each value."""
    with open(path) as f:
        for case in json.load(f):
            value = case["value"].encode()
            host = re.match(rb"[^;\s]*", value)[0]
            yield host, b"Authentication-Results: " + value + b"\r\n"


def messages(suites):
    """(name, what is sent, what is to arrive)"""
    given = list(fields(os.path.join(suites, "authentication-results.json")))
    theirs = b"".join(field for _, field in given)
    ours = [field.replace(host, HOST, 1) for host, field in given if host]
    text = b"From: a@here.test\r\n\r\nx\r\n"
    yield "theirs", theirs + text, theirs + text
    yield "ours", b"".join(ours) + text, text
    directory = os.path.join(suites, "messages")
    for i, name in enumerate(sorted(os.listdir(directory))):
        with open(os.path.join(directory, name), "rb") as f:
            octets = wire(f.read())
        # What begins with a blank would be part of that field.
        forged = b"" if octets[:1] in b" \t" else ours[i % len(ours)]
        yield name, forged + octets, octets


def wrong(octets, want):
    """Why what has arrived is not what should have, or None."""
    want = want.replace(b"\r\n", b"\n")
    if not octets.endswith(want):
        return "is another one"
    top = octets[:len(octets) - len(want)]
    if not re.fullmatch(TRACE, top):
        return "has more on top: %r" % top
    found = re.findall(OURS, top)
    if len(found) != 1 or top.count(b"Received-SPF: ") != 1:
        return "was judged %d times" % len(found)
    field = authres.AuthenticationResultsHeader.parse(
        found[0].decode("ascii").replace("\n", "\r\n").strip())
    methods = {r.method for r in field.results}
    if field.authserv_id != HOST.decode() or not METHODS <= methods:
        return "says nothing of %s" % (METHODS - methods)
    spf = [r for r in field.results if r.method == "spf"]
    if [r.result for r in spf] != ["pass", "pass"]:
        return "has another SPF"
    return None


def arrived(maildir, number):
    """Reads what is there until so many are."""
    have, end = {}, time.monotonic() + SECONDS
    while len(have) < number and time.monotonic() < end:
        new = os.path.join(maildir, "new")
        for name in os.listdir(new) if os.path.isdir(new) else []:
            with open(os.path.join(new, name), "rb") as f:
                octets = f.read()
            to = re.search(rb"(?m)^Delivered-To: user\+(\d+)@", octets)
            have[int(to[1])] = octets
        time.sleep(0.1)
    return have


def main():
    port, maildir, suites = sys.argv[1:]
    smtp, sent, bad = Smtp(int(port)), {}, 0
    for number, (name, octets, want) in enumerate(messages(suites)):
        answer = smtp.send(number, octets)
        if answer.startswith("250"):
            sent[number] = name, want
        elif not re.search(rb"\r(?!\n)|\0", octets):
            print("%s: refused: %s" % (name, answer))
            bad += 1
    have = arrived(maildir, len(sent))
    for number, (name, want) in sent.items():
        why = wrong(have[number], want) if number in have else "is lost"
        if why:
            print("%s: %s" % (name, why))
            bad += 1
    print("%d the same, %d bad" % (len(sent) - bad, bad))


main()
