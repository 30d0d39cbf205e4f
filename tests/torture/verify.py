#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Is every message that got a 250 there, and whole?

verify.py DIR ACKED SIZE: the chain's directory, the file of tokens that the
client wrote at each 250, the octets of each message as it was sent. What is
there is in a Maildir or, committed, in the queue; twice is a duplicate, which
a crash may cause; never is a loss, which nothing may. Exit status 1: lost or
damaged.
"""
import collections
import glob
import os
import re
import sys

TOKEN = re.compile(rb'^X-Token: (\S+)\r?$', re.M)
START = b'From: <'


def message_of(data):
    """The message as it was sent, without what the chain put on top."""
    at = 0 if data.startswith(START) else data.find(b'\n' + START) + 1
    return data[at:]


def main():
    directory, acked, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with open(acked, 'rb') as f:
        tokens = f.read().split()
    found = collections.Counter()
    waiting = damaged = 0
    for path in glob.glob(f'{directory}/mail/*/Maildir/[nc][eu][wr]/*'):
        with open(path, 'rb') as f:
            message = message_of(f.read()).replace(b'\n', b'\r\n')
        token = TOKEN.search(message)
        if token is None or len(message) != size:
            print(f'damaged: {path}')
            damaged += 1
            continue
        found[token[1]] += 1
    for path in glob.glob(f'{directory}/queue/[nm][es][wg]/*/*'):
        # Mode 0400 is the mark of a message that was committed.
        if path.endswith('.log') or os.stat(path).st_mode & 0o777 != 0o400:
            continue
        with open(path, 'rb') as f:
            token = TOKEN.search(f.read())
        if token is not None:
            waiting += 1
            found[token[1]] += 1
    lost = [token for token in tokens if found[token] == 0]
    for token in lost[:20]:
        print('lost:', token.decode())
    print(f'acknowledged {len(tokens)}, found {found.total()}'
          f' ({waiting} of them in the queue),'
          f' duplicates {sum(n - 1 for n in found.values())},'
          f' damaged {damaged}, lost {len(lost)}')
    sys.exit(1 if lost or damaged or not tokens else 0)


main()
