#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Has every message that got a 250 come to each of its ends, and whole?

  verify.py DIR SIZE PLAN SINK AUDIT ACKED...

DIR is the chain's directory, SIZE the octets of each message as it was sent,
SINK the directory of sink.py, ACKED the files of tokens that the clients
wrote at each 250. The client PREFIX sends its n-th message to the recipient
of line n (modulo their number) of those that begin with PREFIX in PLAN:

  PREFIX ADDRESS END...

An END is "mail/NAME" (in that mailbox), "sink/ADDRESS" (at the other host) or
"told/WHERE/ADDRESS": a report in WHERE (one of the others) says that ADDRESS
failed. What has not come there may still be, committed, in the queue. Twice
is a duplicate, which a crash may cause; never is a loss, which nothing may.

AUDIT is what smtpd-audit has printed, or "-": it has to have counted as many
ends as are to be seen here. Exit status 1: lost, damaged, or counted wrongly.
"""
import collections
import email
import email.policy
import glob
import os
import re
import sys

TOKEN = re.compile(rb'^X-Token: (\S+)\r?$', re.M)
# A message is told from others by its queue id; a report has none, but an own
# Message-ID.
IDENT = re.compile(rb'^Received:[^:]* id ([0-9a-f]{22})\b|'
                   rb'^Message-ID: (\S+)', re.M)
START = b'From: <'
REPORT = re.compile(rb'^Content-Type: multipart/report;', re.M | re.I)


def message_of(data):
    """The message as it was sent, without what the chain put on top."""
    at = 0 if data.startswith(START) else data.find(b'\n' + START) + 1
    return data[at:]


class Found:
    def __init__(self, size):
        self.size = size
        self.ends = collections.Counter()   # (token, end)
        self.delivered = set()              # (queue id, end)
        self.told = set()                   # (queue id, address)
        self.waiting = set()                # tokens
        self.damaged = 0

    def add(self, where, ident, data, name):
        """A message that came to WHERE, with that queue id."""
        self.delivered.add((ident, where))
        head = data.partition(b'\n\n')[0]
        if REPORT.search(head):
            self.add_report(where, data)
            return
        message = message_of(data).replace(b'\n', b'\r\n')
        token = TOKEN.search(message)
        if token is None or len(message) != self.size:
            print('damaged:', name)
            self.damaged += 1
            return
        self.ends[token[1].decode(), where] += 1

    def add_report(self, where, data):
        report = email.message_from_bytes(data, policy=email.policy.default)
        token = TOKEN.search(data)[1].decode()
        status = list(report.iter_parts())[1].get_payload()
        for group in status[1:]:
            address = group['Final-Recipient'].partition(';')[2].strip()
            self.ends[token, f'told/{where}/{address}'] += 1
            self.told.add((status[0]['X-Queue-ID'], address))

    def read_mail(self, directory):
        for path in glob.glob(f'{directory}/mail/*/Maildir/[nc][eu][wr]/*'):
            with open(path, 'rb') as f:
                data = f.read()
            ident = re.search(r'\.Q([0-9a-f]{22})R', path)[1]
            self.add('mail/' + path.split('/')[-4], ident, data, path)

    def read_sink(self, directory):
        for path in glob.glob(f'{directory}/*'):
            with open(path, 'rb') as f:
                to, _, data = f.read().replace(b'\r\n', b'\n').partition(b'\n')
            ident = b''.join(IDENT.search(data).groups(b'')).decode()
            for address in to.decode().split()[1:]:
                self.add('sink/' + address, ident, data, path)

    def read_queue(self, directory):
        for path in glob.glob(f'{directory}/queue/[nm][es][wg]/*/*'):
            # Mode 0400 is the mark of a message that was committed.
            if path.endswith('.log') or os.stat(path).st_mode & 0o777 != 0o400:
                continue
            with open(path, 'rb') as f:
                token = TOKEN.search(f.read())
            if token is not None:
                self.waiting.add(token[1].decode())


def read_plan(path):
    plan = {}
    with open(path, encoding='ascii') as f:
        for words in map(str.split, f):
            plan.setdefault(words[0], []).append(words[2:])
    return plan


def expected(plan, tokens):
    """(token, end) of all that was promised."""
    for token in tokens:
        prefix, number = token.split('.')[:2]
        recipients = plan[prefix]
        for end in recipients[int(number) % len(recipients)]:
            yield token, end


class Audit:
    """What smtpd-audit has printed."""

    def __init__(self, path):
        self.counts, self.unaccepted = {}, set()
        with open(path, encoding='utf-8') as f:
            for words in map(str.split, f):
                if len(words) == 2 and words[1].isdigit():
                    self.counts[words[0]] = int(words[1])
                elif words[0] == 'unaccepted':
                    self.unaccepted.add(words[1].rstrip(':'))

    def disagreements(self, found):
        """Where it has counted other than is to be seen. Of what was killed
        before it could say that it had queued a message, it counts no ends;
        such a report at the other host has lost its queue id on the way."""
        delivered = {d for d in found.delivered if d[0] not in self.unaccepted}
        told = {t for t in found.told if t[0] not in self.unaccepted}
        spare = len(self.unaccepted - {d[0] for d in found.delivered})
        for name, seen, slack in (('delivered', len(delivered), spare),
                                  ('bounced', len(told), 0)):
            if not seen - slack <= self.counts[name] <= seen:
                yield (f'smtpd-audit counts {name} {self.counts[name]},'
                       f' but there are {seen}')


def shown(counter):
    return ', '.join(f'{k} {n}' for k, n in sorted(counter.items()))


def main():
    directory, size, plan, sink, audit = sys.argv[1:6]
    tokens = []
    for path in sys.argv[6:]:
        with open(path, encoding='ascii') as f:
            tokens += f.read().split()
    found = Found(int(size))
    found.read_mail(directory)
    found.read_sink(sink)
    found.read_queue(directory)
    wanted = list(expected(read_plan(plan), tokens))
    lost = [w for w in wanted if not found.ends[w] and
            w[0] not in found.waiting]
    for token, end in lost[:20]:
        print('lost:', token, end)
    wrong = [] if audit == '-' else list(Audit(audit).disagreements(found))
    for text in wrong:
        print(text)
    kinds, doubles = collections.Counter(), collections.Counter()
    for (_, end), n in found.ends.items():
        kinds[end.split('/')[0]] += n
        doubles[end.split('/')[0]] += n - 1
    print(f'acknowledged {len(tokens)}, which is {len(wanted)} ends; found'
          f' {found.ends.total()}'
          f' ({shown(kinds)}),'
          f' {len(found.waiting)} messages in the queue,'
          f' duplicates {doubles.total()} ({shown(doubles)}),'
          f' damaged {found.damaged}, lost {len(lost)}')
    sys.exit(1 if lost or wrong or found.damaged or not tokens else 0)


main()
