#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Plays smtpd-remote against servers that misbehave by script.

  remote_cases.py [-j N] DIR ZONE CASES[:NAME] -- PROGRAM [ARG ...]

DIR is scratch, and has the certificates; ZONE is for dns_faults.py, or it is
the port of a resolver. CASES holds many cases:

  == NAME             a case begins
  # text              a comment
  O name=value        a setting for it
  U destination       as in the frame; "host 127.0.0.1 PORT" without
  @[ADDRESS] script   of the next connection (to that address), as smtp_sink.py
                      has it; the last one is of all that follow
  R path              a recipient, any number; <user@example.net> without. They
                      get the numbers 7, 8, ...
  S reverse-path      and its parameters
  M message           a message begins, \\r \\n \\0 \\xNN count; a default without.
                      What stands above the first M is for all of them.
  F kind              the queue file is: missing, torn, damaged
  = verdict           "K 7 dot 250 ok": of each recipient, without the host,
                      whole, a regular expression
  > line              what the server must have been told, all of it, a line
                      each, a regular expression; ">>" begins a connection
  H regex             the host in the first verdict
  ? proto name type   what the resolver was asked, among other things
  !? proto name type  what it was not asked
  L regex             said on standard error
  T text              the t frame before the first verdict, a regular
                      expression; "-" for none
  N name              SNI of the last connection; "-" for none
  V version           TLS of the last connection; "-" for none
  W option text       a file with this line, "; " between several; option is
                      the setting that names it, with :MODE for another than 400
  X status            exit status of the program (0)

Every message that the server got whole must be what was sent, octet for
octet. A case whose name ends in "*" is played for each action in ACTIONS.
"""
import os
import re
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import dns_faults
import smtp_sink
from deliver import Client, frame
from send_parts import new_id, queue_file

TOP = b"Received: by test; now\r\n"
# $E_ is what a server says that offers STARTTLS before, $E also that it agrees.
OFFER = r"ehlo=250-sink\r\n250 STARTTLS; 250 sink"
TEXT = "Subject: test\\r\\n\\r\\nhello\\r\\n"


class Case:
    def __init__(self, name):
        self.name, self.options, self.scripts = name, [], []
        self.destination = None
        self.messages = []
        self.rcpts, self.sender = [], "<sender@example.org>"
        self.verdicts, self.told, self.asked, self.unasked = [], [], [], []
        self.host = self.said = self.fault = None
        self.note = self.sni = self.version = None
        self.files = []
        self.status = 0

    def take(self, op, text):
        if op == "O":
            self.options += ["-o", text]
        elif op == "U":
            self.destination = text
        elif op.startswith("@"):
            text = text.replace("$E_", OFFER)
            text = text.replace("$E;", r"ehlo=250-x\r\n250 STARTTLS;")
            text = text.replace("$E", OFFER + " | starttls=220 go")
            self.scripts.append((op[1:], text))
        elif op == "M":
            self.messages.append((text, []))
        elif op == "R":
            (self.messages[-1][1] if self.messages else self.rcpts).append(
                text)
        elif op == "W":
            self.files.append(text.split(" ", 1))
        elif op in (">", ">>"):
            self.told.append((op, text))
        else:
            name = {"S": "sender", "H": "host", "L": "said", "F": "fault",
                    "X": "status", "T": "note", "N": "sni",
                    "V": "version"}.get(op)
            if name:
                setattr(self, name, int(text) if op == "X" else text)
                return
            {"=": self.verdicts, "?": self.asked,
             "!?": self.unasked}[op].append(text)


def load(spec):
    path, _, only = spec.partition(":")
    cases = []
    with open(path, encoding="latin-1") as f:
        for line in f.read().split("\n"):
            if line.startswith("== "):
                cases.append(Case(line[3:]))
            elif line.strip() and not line.startswith("#"):
                op, _, text = line.partition(" ")
                cases[-1].take(op, text)
    return [c for c in cases if not only or c.name == only]


class Run:
    def __init__(self, case, directory, zone, program):
        self.case, self.directory, self.zone = case, directory, zone
        self.program = program
        self.sent, self.wrong, self.notes = [], [], []

    def must(self, good, what):
        if not good:
            self.wrong.append(what)

    def write(self, text):
        body = smtp_sink.unescape(text)
        ident = new_id()
        data = queue_file(ident, "<>", [], body)
        if self.case.fault == "torn":
            data = data[:-20]
        if self.case.fault == "damaged":
            data = data[:3] + bytes([data[3] ^ 1]) + data[4:]
        else:
            self.sent.append(TOP + body if body.endswith(b"\r\n") or not body
                             else TOP + body + b"\r\n")
        path = os.path.join(self.directory, ident)
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, 0o400)
        return path

    def write_files(self, sink):
        settings = []
        for option, text in self.case.files:
            name, _, mode = option.partition(":")
            path = os.path.join(self.directory, "%s.%d" % (name, sink.port))
            with open(path, "w", encoding="latin-1") as f:
                f.write(text.replace("; ", "\n") + "\n")
            os.chmod(path, int(mode or "400", 8))
            settings += ["-o", "%s=%s" % (name, path)]
        return settings

    def offer(self, client, text, rcpts):
        """One message, and its verdicts: "TAG INDEX STAGE HOST TEXT"."""
        path = self.write(text)
        rcpts = rcpts or self.case.rcpts or ["<user@example.net>"]
        client.message(path, with_fd=self.case.fault != "missing")
        os.unlink(path)
        client.send(frame(b"S", self.case.sender.encode()))
        for i, rcpt in enumerate(rcpts):
            client.send(frame(b"R", b"%d %s" % (i + 7, rcpt.encode())))
        client.send(frame(b"E", b""))
        got = []
        while len(got) < len(rcpts):
            answer = client.get()
            if answer is None:
                return got
            if answer[0] == b"t":
                self.notes.append(answer[1].decode("latin-1"))
            if answer[0] in b"KZX":
                got.append((answer[0] + b" " + answer[1]).decode("latin-1"))
        return got

    def play(self, sink):
        case = self.case
        where = case.destination or "host 127.0.0.1 PORT"
        ours, theirs = socket.socketpair()
        options = ["-o", "resolver=127.0.0.1:%d" % self.zone.port,
                   "-o", "smtp_port=%d" % sink.port, "-o", "hostname=mx.self."
                   "test"]
        settings = [o.replace("DNS", str(self.zone.port))
                    for o in case.options] + self.write_files(sink)
        options += ["-o", "tls_authorities=%s/ca.pem" % self.directory]
        child = subprocess.Popen(self.program + options + settings,
                                 stdin=theirs, stdout=theirs,
                                 stderr=subprocess.PIPE)
        theirs.close()
        ours.settimeout(60)
        client = Client(ours)
        client.send(frame(b"U", where.replace("PORT",
                                              str(sink.port)).encode()))
        got = []
        for text, rcpts in case.messages or [(TEXT, [])]:
            got += self.offer(client, text, rcpts)
        ours.shutdown(socket.SHUT_WR)
        said = child.stderr.read().decode("latin-1")
        status = child.wait()
        ours.close()
        return got, said, status

    def check_verdicts(self, got):
        want = self.case.verdicts
        self.must(len(got) == len(want), "%d verdicts, not %d: %s" %
                  (len(got), len(want), got))
        for verdict, pattern in zip(got, want):
            tag, index, stage, host, text = verdict.split(" ", 4)
            self.must(len(verdict) <= 8192, "a verdict too long")
            seen = " ".join((tag, index, stage, text))
            self.must(re.fullmatch(pattern, seen, re.S),
                      "verdict %r, not %r" % (seen, pattern))
        if self.case.host and got:
            host = got[0].split(" ", 4)[3]
            self.must(re.fullmatch(self.case.host, host), "host " + host)

    def check_told(self, sink):
        if not self.case.told:
            return
        told = []
        for session in sink.sessions:
            told.append(">> " + session.address)
            told += ["> " + line for line in session.lines]
        want = [op + " " + text for op, text in self.case.told]
        if not want[0].startswith(">>"):
            told = [t for t in told if t.startswith("> ")]
        self.must(len(told) == len(want) and
                  all(re.fullmatch(w, t) for w, t in zip(want, told)),
                  "the server was told %s" % told)

    def check_messages(self, sink):
        for session in sink.sessions:
            for message in session.messages:
                empty = message == b"" and not any(
                    v.startswith("K") for v in self.case.verdicts)
                self.must(message in self.sent or empty,
                          "the server got %r" % message[:2000])
        self.wrong += sink.wrong

    def check_tls(self, sink):
        case, last = self.case, sink.sessions[-1] if sink.sessions else None
        if case.note:
            note = self.notes[0] if self.notes else "-"
            self.must(re.fullmatch(case.note, note), "note %r" % note)
        if case.sni:
            self.must((last.sni or "-") == case.sni, "SNI %s" % last.sni)
        if case.version:
            self.must((last.tls or "-") == case.version, "TLS %s" % last.tls)
        if self.wrong:
            self.wrong += ["sink: " + note for note in sink.notes]

    def check(self):
        sink = smtp_sink.Sink(self.case.scripts, self.directory)
        try:
            got, said, status = self.play(sink)
        except Exception as e:  # one case must not end the others
            self.wrong.append("%s: %s" % (type(e).__name__, e))
            return
        finally:
            sink.close()
        self.check_verdicts(got)
        self.check_told(sink)
        self.check_messages(sink)
        self.check_tls(sink)
        for question in self.case.asked:
            self.must(question in self.zone.asked, "never asked " + question)
        for question in self.case.unasked:
            self.must(question not in self.zone.asked, "asked " + question)
        self.must(status == self.case.status, "exit status %d" % status)
        if self.case.said:
            self.must(re.search(self.case.said, said), "said: " + said)
        if self.wrong and said:
            self.wrong.append("said: " + said)


class Resolver:
    def __init__(self, port):
        self.asked, self.port = set(), int(port)


class Zone(dns_faults.Server):
    def __init__(self, path):
        super().__init__(path)
        self.asked = set()
        udp, tcp = dns_faults.bind("127.0.0.1", 0)
        self.port = udp.getsockname()[1]
        for run, sock in ((self.udp, udp), (self.tcp, tcp)):
            threading.Thread(target=run, args=(sock,), daemon=True).start()

    def saw(self, text):
        self.asked.add(text)


def main(args):
    at = args.index("--")
    program, args = args[at + 1:], args[:at]
    jobs = 8
    if args[0] == "-j":
        jobs, args = int(args[1]), args[2:]
    directory, zone, *specs = args
    cases = [case for spec in specs for case in load(spec)]
    assert cases, "no such case"
    zone = Resolver(zone) if zone.isdigit() else Zone(zone)
    runs = [Run(case, directory, zone, program) for case in cases]
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(Run.check, runs))
    failed = [run for run in runs if run.wrong]
    for run in failed:
        print("== %s" % run.case.name)
        for what in run.wrong:
            print("   " + what)
    print("%d cases, %d failed" % (len(runs), len(failed)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
