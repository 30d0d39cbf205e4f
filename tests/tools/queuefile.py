#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Reads queue files as smtpd-queue(5) describes them; a second opinion.

usage: queuefile.py state FILE ...      "whole", "torn" or "damaged" and name
       queuefile.py frames FILE         its frames, "T PAYLOAD" a line
       queuefile.py body FILE           the message as it was received
"""
import os
import re
import stat
import struct
import sys

TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    pairs = len(data) // 2 if len(data) > 1 << 20 else 0
    if pairs:
        # So many that it pays to take them two at a time.
        table = [TABLE[(TABLE[n & 255] ^ n >> 8) & 255] ^ TABLE[n & 255] >> 8
                 for n in range(65536)]
        for (pair,) in struct.iter_unpack("<H", data[:2 * pairs]):
            crc = crc >> 16 ^ table[(crc ^ pair) & 65535]
    for octet in data[2 * pairs:]:
        crc = crc >> 8 ^ TABLE[(crc ^ octet) & 255]
    return crc ^ 0xFFFFFFFF


FOOTER = re.compile(rb"smtpd-queue 1 ([0-9a-f]{22}) ([0-9a-f]{16}) "
                    rb"([0-9a-f]{8}) ([0-9a-f]{16}) ([0-9a-f]{8}) "
                    rb"([0-9a-f]{8})\n\Z")


class Message:
    def __init__(self, path):
        self.state = "torn"
        # Its owner, who is not root, can read none with another mode.
        if stat.S_IMODE(os.stat(path).st_mode) != 0o400:
            return
        with open(path, "rb") as f:
            data = f.read()
        found = FOOTER.match(data[-98:])
        name = os.path.basename(path).encode()
        if not found or found[1] != name:
            return
        body, frames = int(found[2], 16), int(found[3], 16)
        if body + frames + 98 != len(data):
            return
        self.body = data[:body]
        self.raw = data[body:body + frames]
        sound = (crc32c(self.body) == int(found[5], 16) and
                 crc32c(data[body:-9]) == int(found[6], 16))
        self.state = "whole" if sound else "damaged"

    def frames(self):
        rest = self.raw
        while rest:
            colon = rest.index(b":")
            end = colon + 1 + int(rest[:colon])
            assert rest[end:end + 1] == b","
            yield rest[colon + 1:colon + 2], rest[colon + 2:end]
            rest = rest[end + 1:]


def main(what, *paths):
    for path in paths:
        message = Message(path)
        if what == "state":
            print(message.state, os.path.basename(path))
        elif message.state != "whole":
            sys.exit("%s is %s" % (path, message.state))
        elif what == "body":
            sys.stdout.buffer.write(message.body)
        else:
            for tag, payload in message.frames():
                sys.stdout.buffer.write(tag + b" " + payload + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
