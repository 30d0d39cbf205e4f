#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Looks at signed messages with dkimpy, which shares no code with ours.

usage: dkim_check.py verify KEYS FILE...   KEYS/DOMAIN/SELECTOR.key are all
                                           keys; FILE is a message, or in a
                                           queue (queue files have no suffix)
       dkim_check.py message FILE          the message of a queue file
       dkim_check.py tags FILE             the tags of each signature

verify prints "SELECTOR ALGORITHM pass" or "... fail" for each signature, from
the top of the message down, and fails when one of them did.
"""
import base64
import os
import re
import subprocess
import sys

import dkim
from queuefile import Message


def message(path):
    if path.endswith(".eml"):
        with open(path, "rb") as f:
            return f.read()
    m = Message(path)
    top = [p for t, p in m.frames() if t == b"H"]
    return b"".join(top[::-1]) + m.body


def record(keys, name):
    """The TXT record of a key, by openssl, from the private one."""
    selector, _, domain = name.decode().rstrip(".").partition("._domainkey.")
    path = os.path.join(keys, domain, selector + ".key")
    der = subprocess.run(["openssl", "pkey", "-in", path, "-pubout",
                          "-outform", "DER"], check=True,
                         capture_output=True).stdout
    if len(der) == 44:
        return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(der[12:])
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)


def signatures(text):
    """The tags of each, from the top down."""
    header = re.split(rb"\r?\n\r?\n", text, maxsplit=1)[0]
    for field in re.split(rb"\r?\n(?![ \t])", header):
        name, _, value = field.partition(b":")
        if name.strip().lower() == b"dkim-signature":
            yield dkim.util.parse_tag_value(re.sub(rb"\r?\n", b"", value))


def verify(keys, path):
    text = message(path)
    good = True
    for i, tags in enumerate(signatures(text)):
        d = dkim.DKIM(text, minkey=1024)
        try:
            ok = d.verify(idx=i, dnsfunc=lambda n, timeout=0: record(keys, n))
        except dkim.ValidationError:
            ok = False
        print(tags[b"s"].decode(), tags[b"a"].decode(),
              "pass" if ok else "fail")
        good = good and ok
    return good


def main(words):
    if words[0] == "verify":
        return not all([verify(words[1], p) for p in words[2:]])
    if words[0] == "message":
        sys.stdout.buffer.write(message(words[1]))
    elif words[0] == "tags":
        for tags in signatures(message(words[1])):
            for name, value in tags.items():
                print(name.decode(), "".join(value.decode().split()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
