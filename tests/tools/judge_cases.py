#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Has smtpd-judge judge messages, and compares with what it should say.

  judge_cases.py keys DIR              makes DKIM keys, prints their records
  judge_cases.py message DIR WORD...   prints a message; a WORD is a line of a
                                       case, as below
  judge_cases.py results FILE          the host and the results that stand in
                                       the first field of a delivered message
  judge_cases.py play DIR CASES -- PROGRAM ...   over one conversation

CASES is a file of paragraphs:

  case TITLE
  ip ADDRESS, helo NAME, sender PATH   192.0.2.1, mail.ok.test, <a@ok.test>
  from VALUE                           of the From field; - for none
  text NAME                            which message, see TEXTS
  sign KEY DOMAIN CANON [WORD...]      a signature by dkimpy. KEY: rsa, ed,
                                       short, two, gone, servfail; CANON as
                                       relaxed/simple; WORDs: l (with l=),
                                       sha1, broken (then the body changes),
                                       opendkim (signed by that tool instead),
                                       library (by libopendkim instead)
  field LINE                           one more on top, as it is; what stands
                                       as {N*X} is X, N times
  pause SECONDS                        before the text
  want METHOD=RESULT ...               what Authentication-Results holds, read
                                       by authres: all of it, in any order; a
                                       property behind a comma, as in
                                       dkim=pass,header.d=ok.test
  gone N                               so many ranges of the text are to go
  answer K | junk | X REGEX            K unless said
  says REGEX                           in the fields as they stand
"""
import array
import os
import re
import socket
import subprocess
import sys
import time

import authres
import dkim

BODY = b"Hello,\r\nworld.\r\n"
TEXTS = {
    "plain": (b"", BODY),
    "nobody": (b"", None),
    "empty": (b"", b""),
    "trailing": (b"", BODY + b"\r\n\r\n \t\r\n\r\n"),
    "blanks": (b"", b"a  b\t c \r\n\r\n  d\r\n"),
    "big": (b"X-Big: " + b"x" * 70 + b"\r\n " +
            b"\r\n ".join([b"y" * 70] * 1400) + b"\r\n", BODY),
    "eightbit": (b"X-Name: Gr\xc3\xbc\xc3\x9fe \xff\r\n", b"\x80\xff\r\n"),
    "dots": (b"", b".\r\n..\r\n.a\r\n"),
    "long": (b"", b"z" * 300000 + b"\r\n"),
    "4k": (b"", (b"x" * 70 + b"\r\n") * 56),
    "unended": (b"", b"no end of line"),
    "dateless": (b"", BODY),
}
HEADER = (b"To: user@example.com\r\nSubject:  a   test\r\n"
          b"Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
          b"Message-ID: <1@ok.test>\r\n")
KEYS = {"rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        "ed": ["-algorithm", "ED25519"],
        "short": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:768"],
        "big": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"]}


def run(*argv):
    return subprocess.run(argv, check=True, capture_output=True).stdout


def b64(data):
    import base64
    return base64.b64encode(data).decode()


def quoted(text):
    return " ".join('"%s"' % text[i:i + 200] for i in range(0, len(text), 200))


def keys(directory):
    for name, options in KEYS.items():
        path = os.path.join(directory, name)
        run("openssl", "genpkey", *options, "-out", path + ".pem")
        public = run("openssl", "pkey", "-in", path + ".pem", "-pubout",
                     "-outform", "DER")
        kind = "k=rsa; p=" + b64(public)
        if name == "ed":
            private = run("openssl", "pkey", "-in", path + ".pem",
                          "-outform", "DER")
            with open(path + ".pem", "w") as f:
                f.write(b64(private[-32:]))
            kind = "k=ed25519; p=" + b64(public[-32:])
        for domain in ("ok", "sub.ok", "evil", "q", "here"):
            print("%s._domainkey.%s 60 TXT %s" % (
                name, domain, quoted("v=DKIM1; " + kind)))
        if name == "rsa":
            for _ in range(2):
                print("two._domainkey.ok 60 TXT %s" % quoted(
                    "v=DKIM1; " + ("n=%d; " % _) + kind))
            print('gone._domainkey.ok 60 TXT "v=DKIM1; p="')


def sign_by_library(message, private, selector, domain, canon, algorithm):
    """A signature as OpenDKIM's library makes it, which its tool, with its
    SHA-1, does not show."""
    import base64
    import ctypes
    lib = ctypes.CDLL("libopendkim.so.11")
    for name in ("dkim_init", "dkim_sign"):
        getattr(lib, name).restype = ctypes.c_void_p
    if algorithm == "ed":
        der = bytes.fromhex("302e020100300506032b657004220420") + \
            base64.b64decode(private)
        private = b"-----BEGIN PRIVATE KEY-----\n%s\n" \
            b"-----END PRIVATE KEY-----\n" % base64.b64encode(der)
    header, body = (int(c == "relaxed") for c in canon.split("/"))
    status, length = ctypes.c_int(), ctypes.c_size_t()
    text = ctypes.c_char_p()
    state = ctypes.c_void_p(lib.dkim_sign(
        ctypes.c_void_p(lib.dkim_init(None, None)), b"id", None, private,
        selector.encode(), domain.encode(), header, body,
        2 if algorithm == "ed" else 1, ctypes.c_ssize_t(-1),
        ctypes.byref(status)))
    for done in (status.value,
                 lib.dkim_chunk(state, message, ctypes.c_size_t(len(message))),
                 lib.dkim_chunk(state, None, ctypes.c_size_t(0)),
                 lib.dkim_eom(state, None),
                 lib.dkim_getsighdr_d(state, ctypes.c_size_t(16),
                                      ctypes.byref(text),
                                      ctypes.byref(length))):
        if done != 0:
            sys.exit("libopendkim does not sign: %d" % done)
    value = re.sub(rb"\r?\n", b"\r\n", text.value)
    return b"DKIM-Signature: " + value + b"\r\n" + message


def frame(tag, payload):
    return b"%d:%s%s," % (len(payload) + 1, tag, payload)


class Adviser:
    """One that is asked, as smtpd-queue asks: a program, or a socket."""

    def __init__(self, program, stderr=None):
        self.buf, self.child = b"", None
        if isinstance(program, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(program)
        else:
            self.sock, theirs = socket.socketpair()
            self.child = subprocess.Popen(program, stdin=theirs,
                                          stdout=theirs, stderr=stderr)
            theirs.close()
        self.sock.settimeout(60)

    def tell(self, tag, payload):
        self.sock.sendall(frame(tag, payload))

    def hand(self, text):
        """E, with a descriptor that can only be read."""
        fd = os.memfd_create("text")
        with open("/proc/self/fd/%d" % fd, "wb") as f:
            f.write(text)
        shown = os.open("/proc/self/fd/%d" % fd, os.O_RDONLY)
        self.sock.sendmsg([frame(b"E", b"%d" % len(text))],
                          [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                            array.array("i", [shown]))])
        os.close(fd)
        os.close(shown)

    def next(self):
        """The next frame, or None."""
        while True:
            length, colon, rest = self.buf.partition(b":")
            if colon and len(rest) > int(length):
                n = int(length)
                self.buf = rest[n + 1:]
                return rest[:1], rest[1:n]
            data = self.sock.recv(65536)
            if not data:
                return None
            self.buf += data

    def advice(self):
        """All frames of it; it ends with the verdict, or with None."""
        frames = [self.next()]
        while frames[-1] is not None and frames[-1][0] in b"DPHM":
            frames.append(self.next())
        return frames

    def end(self):
        """How the program ended."""
        self.sock.shutdown(socket.SHUT_WR)
        self.sock.close()
        return self.child and self.child.wait(20)


class Case:
    def __init__(self, title):
        self.title, self.signs, self.fields = title, [], []
        self.ip, self.helo, self.sender = "192.0.2.1", "mail.ok.test", \
            "<a@ok.test>"
        self.froms, self.text, self.want = ["A <a@ok.test>"], "plain", None
        self.answer, self.says, self.own_from = "K", [], False
        self.pause, self.gone = "0", "0"

    def take(self, word, rest):
        if word in ("ip", "helo", "sender", "text", "answer", "pause",
                    "gone"):
            setattr(self, word, rest)
        elif word == "from":
            if not self.own_from:
                self.froms, self.own_from = [], True
            if rest != "-":
                self.froms.append(rest)
        elif word == "sign":
            self.signs.append(rest.split())
        elif word == "field":
            self.fields.append(re.sub(
                r"\{(\d+)\*(.*?)\}", lambda m: int(m[1]) * m[2], rest))
        elif word == "want":
            self.want = (self.want or []) + rest.split()
        elif word == "says":
            self.says.append(rest)
        else:
            sys.exit("no such word: " + word)

    def message(self, directory):
        more, body = TEXTS[self.text]
        header = b"".join(b"From: " + f.encode("latin-1").replace(
            b"\\r\\n", b"\r\n") + b"\r\n" for f in self.froms)
        message = header + more + (HEADER if self.text != "dateless" else
                                   b"To: user@example.com\r\n")
        if body is not None:
            message += b"\r\n" + body
        for key, domain, canon, *words in self.signs:
            path = {"two": "rsa", "gone": "rsa", "servfail": "rsa"}.get(
                key, key)
            with open(os.path.join(directory, path + ".pem"), "rb") as f:
                private = f.read()
            algorithm = b"ed25519-sha256" if key == "ed" else \
                b"rsa-sha1" if "sha1" in words else b"rsa-sha256"
            signed = message if body is not None else message + b"\r\n"
            if "opendkim" in words:
                message = subprocess.run(
                    ["opendkim-testmsg", "-C", "-d", domain, "-s", key, "-k",
                     os.path.join(directory, path + ".pem")], input=signed,
                    check=True, capture_output=True).stdout
                continue
            if "library" in words:
                message = sign_by_library(signed, private, key, domain, canon,
                                          key)
                continue
            message = dkim.sign(
                signed, key.encode(), domain.encode(), private,
                canonicalize=tuple(c.encode() for c in canon.split("/")),
                signature_algorithm=algorithm, length="l" in words) + message
            if "broken" in words:
                message += b"And this.\r\n"
        return b"".join(f.encode() + b"\r\n" for f in self.fields) + message


def parse(path):
    cases = []
    with open(path) as f:
        for line in f:
            word, _, rest = line.rstrip("\n").partition(" ")
            if not word or word.startswith("#"):
                continue
            if word == "case":
                cases.append(Case(rest))
            else:
                cases[-1].take(word, rest)
    return cases


def results(field):
    """What an independent parser reads: METHOD=RESULT and the properties."""
    value = field.replace(b"\r\n", b"").decode()
    header = authres.AuthenticationResultsHeader.parse(value)
    return header.authserv_id, [
        ["%s=%s" % (r.method, r.result)] +
        ["%s.%s=%s" % (p.type, p.name, p.value) for p in r.properties]
        for r in header.results]


def compare(case, frames):
    tags = b"".join(t for t, _ in frames)
    fields = b"".join(p for t, p in frames if t == b"H")
    text = fields.decode("latin-1")
    final = frames[-1][1].decode("latin-1")
    gone = len(tags) - len(tags.lstrip(b"D"))
    kind = "junk" if tags[gone:] == b"HMK" else tags[-1:].decode()
    want, _, regex = case.answer.partition(" ")
    if kind != want or not re.search(regex, final):
        return "answered %s %s" % (kind, final)
    if gone != int(case.gone):
        return "deletes %d" % gone
    if not re.match(r"Authentication-Results: .*\r\n(\t.*\r\n)*", text):
        return "no Authentication-Results first"
    for line in text.split("\r\n"):
        if len(line) > 998 or re.search("[^\t -~]", line):
            return "no line of a header: %r" % line
    for regex in case.says:
        if not re.search(regex, text):
            return "does not say %s" % regex
    first = re.match(rb"(?s).*?\r\n(?![ \t])", fields)[0]
    host, got = results(first)
    if host != "mx.example.com":
        return "authserv-id %s" % host
    for item in case.want or []:
        words = item.split(",")
        match = [r for r in got if all(w in r for w in words)]
        if not match:
            return "no %s" % item
        got.remove(match[0])
    if case.want is not None:
        left = [r[0] for r in got if r[0].split("=")[0] in
                {w.split("=")[0] for w in case.want}]
        if left:
            return "too many: %s" % left
    return ""


def ask(judge, case, message):
    for fact in ("id=0660ee029bdfc00c7da957", "entrance=in", "ip=" + case.ip,
                 "helo=" + case.helo):
        if fact[-1] != "=":
            judge.tell(b"C", fact.encode())
    judge.tell(b"S", case.sender.encode())
    judge.tell(b"R", b"local <user@example.com>")
    time.sleep(float(case.pause))
    judge.tell(b"H", b"Received: from x\r\n")
    judge.hand(message)
    return judge.advice()


def play(directory, path, program):
    judge, bad, cases = Adviser(program), 0, parse(path)
    for number, case in enumerate(cases):
        frames = ask(judge, case, case.message(directory))
        if frames[-1] is None:
            sys.exit("%s: the judge is gone" % case.title)
        why = compare(case, frames)
        print("%s %d - %s" % ("not ok" if why else "ok", number + 1,
                              case.title))
        if why:
            bad += 1
            print("# " + why)
            for _, payload in frames:
                print("# " + payload.decode("latin-1").replace("\n", "\n# "))
    status = judge.end()
    if status != 0:
        sys.exit("the judge ended with %d" % status)
    sys.exit(bad > 0 or not cases)


def message(directory, words):
    case = Case("")
    for word in words:
        case.take(*word.split(" ", 1))
    sys.stdout.buffer.write(case.message(directory))


def print_results(path):
    with open(path, "rb") as f:
        header = f.read().partition(b"\n\n")[0].replace(b"\n", b"\r\n")
    field = re.search(rb"(?m)^Authentication-Results:.*\r\n([ \t].*\r\n)*",
                      header + b"\r\n")[0]
    host, got = results(field)
    print(host)
    for result in got:
        print(*result)


def main():
    if sys.argv[1] == "keys":
        keys(sys.argv[2])
    elif sys.argv[1] == "message":
        message(sys.argv[2], sys.argv[3:])
    elif sys.argv[1] == "results":
        print_results(sys.argv[2])
    else:
        play(sys.argv[2], sys.argv[3], sys.argv[5:])


if __name__ == "__main__":
    main()
