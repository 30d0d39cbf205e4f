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
  pause SECONDS                        within the text
  want METHOD=RESULT ...               what Authentication-Results holds, read
                                       by authres: all of it, in any order; a
                                       property behind a comma, as in
                                       dkim=pass,header.d=ok.test
  answer K | junk | X REGEX            K unless said
  says REGEX                           in the fields as they stand
"""
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


class Case:
    def __init__(self, title):
        self.title, self.signs, self.fields = title, [], []
        self.ip, self.helo, self.sender = "192.0.2.1", "mail.ok.test", \
            "<a@ok.test>"
        self.froms, self.text, self.want = ["A <a@ok.test>"], "plain", None
        self.answer, self.says, self.own_from = "K", [], False
        self.pause = "0"

    def take(self, word, rest):
        if word in ("ip", "helo", "sender", "text", "answer", "pause"):
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
    kind = "junk" if tags == b"HMK" else tags[-1:].decode()
    want, _, regex = case.answer.partition(" ")
    if kind != want or not re.search(regex, final):
        return "answered %s %s" % (kind, final)
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


def play(directory, path, program):
    ours, theirs = socket.socketpair()
    ours.settimeout(60)
    judge = subprocess.Popen(program, stdin=theirs, stdout=theirs)
    theirs.close()
    buf, bad, cases = b"", 0, parse(path)
    for number, case in enumerate(cases):
        message = case.message(directory)
        out = b"".join(frame(b"C", f.encode()) for f in (
            "version=1", "ip=" + case.ip, "helo=" + case.helo) if f[-1] != "=")
        out += frame(b"S", case.sender.encode())
        if case.pause != "0":
            ours.sendall(out + frame(b"B", message[:1]))
            time.sleep(float(case.pause))
            out, message = b"", message[1:]
        for i in range(0, len(message), 1021):
            out += frame(b"B", message[i:i + 1021])
        ours.sendall(out + frame(b"E", b""))
        frames = []
        while not frames or frames[-1][0] in b"HM":
            length, colon, rest = buf.partition(b":")
            if colon and len(rest) > int(length):
                n = int(length)
                frames.append((rest[:1], rest[1:n]))
                buf = rest[n + 1:]
                continue
            data = ours.recv(65536)
            if not data:
                sys.exit("%s: the judge is gone" % case.title)
            buf += data
        why = compare(case, frames)
        print("%s %d - %s" % ("not ok" if why else "ok", number + 1,
                              case.title))
        if why:
            bad += 1
            print("# " + why)
            for _, payload in frames:
                print("# " + payload.decode("latin-1").replace("\n", "\n# "))
    ours.shutdown(socket.SHUT_WR)
    if judge.wait(20) != 0:
        sys.exit("the judge ended with %d" % judge.returncode)
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
