#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Kills programs of a chain: kill.py DIR N SEED.

Most at random moments. Where strace can attach to them, some at a system call
that is chosen instead: the n-th of its kind that a service, or what it has
started, makes from now on.
"""
import collections
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import processes

# Seconds between two kills, and how many of them hit a service: often enough
# to strike while what the last one broke is being mended, seldom enough for
# mail to get through although a service needs a while to come back.
GAPS = (0.001, 0.04)
SERVICES = 0.08

# How long one such trap waits; there is always one set. Where, and for what.
TRAP_SECONDS = 0.5
TRAPPED = ("smtpd-queue-in-warm", "smtpd-queue-relay-warm",
           "smtpd-queue-own-warm", "smtpd-judge-warm", "smtpd-submit-warm",
           "smtpd-sign-warm", "smtpd-bounce-warm", "smtpd-session-warm",
           "smtpd-send", "smtpd-lspawn", "smtpd-remote")
DISK = ("fsync,fdatasync", "unlink,unlinkat", "rename,renameat,renameat2,"
        "link,linkat", "fchmod", "open,openat", "close", "flock")
TALK = ("write,writev", "sendmsg,sendto", "read,recvmsg", "poll")


class Trap:
    """strace with a service, which kills at a call."""

    def __init__(self, chance, directory, others):
        self.others = others    # pids that were killed, not trapped
        services = processes.split(directory)[0]
        there = sorted(set(TRAPPED) & set(services))
        self.process, self.label, self.end = None, "", 0
        if not there:
            return
        name = chance.choice(there)
        call = chance.choice(DISK + TALK)
        self.label = "%s at %s" % (name, call.split(",", 1)[0])
        self.path = os.path.join(os.path.dirname(directory), "trap")
        self.end = time.monotonic() + TRAP_SECONDS
        self.process = subprocess.Popen(
            ["strace", "-f", "-qq", "-p", str(services[name]),
             "-o", self.path, "-e", "trace=" + call, "-e",
             "inject=%s:signal=KILL:when=%d" % (call, chance.randint(1, 4))],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def caught(self):
        try:
            with open(self.path, encoding="latin-1") as f:
                dead = re.findall(r"^(\d+) \+\+\+ killed", f.read(), re.M)
                return len(set(map(int, dead)) - self.others)
        except FileNotFoundError:
            return 0

    def sprung(self):
        """How many it killed, once it is over; else None. What it is with
        meets its end by it once: it goes when it has caught one."""
        if self.process is None:
            return 0
        if (self.process.poll() is None and time.monotonic() < self.end and
                self.caught() == 0):
            return None
        # Asked politely, it waits for each of those that it is with.
        self.process.kill()
        self.process.wait()
        caught = self.caught()
        if os.path.exists(self.path):
            os.unlink(self.path)
        return caught


def victim(chance, directory):
    """(name, pid) of who dies next, or None when nobody is there.

    First which program, then which of its processes: the many sessions shall
    not hide the few deliveries.
    """
    services, workers = processes.split(directory)
    if services and chance.random() < SERVICES:
        return chance.choice(sorted(services.items()))
    if not workers:
        return None
    program = chance.choice(sorted(workers))
    return program + ' at work', chance.choice(sorted(workers[program]))


def can_trap():
    """Whether strace is here and may attach to somebody else's process."""
    if shutil.which("strace") is None:
        return False
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            done = subprocess.run(
                ["strace", "-qq", "-o", "/dev/null", "-p", str(other.pid)],
                stderr=subprocess.DEVNULL, timeout=0.5, check=False)
            return done.returncode == 0
        except subprocess.TimeoutExpired:
            return True
        finally:
            other.kill()


def main():
    directory, kills, seed = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    chance = random.Random(seed)
    killed = collections.Counter()
    last = time.monotonic()
    traps, trap, others = can_trap(), None, set()
    while killed.total() < kills:
        time.sleep(chance.uniform(*GAPS))
        if time.monotonic() - last > 30:
            sys.exit('kill: nothing is left to kill')
        caught = None if trap is None else trap.sprung()
        if caught is not None:
            killed[trap.label] += caught
            trap = None
        if trap is None and traps:
            trap = Trap(chance, directory, others)
        name, pid = victim(chance, directory) or ('', 0)
        try:
            if pid != 0:
                others.add(pid)
                os.kill(pid, signal.SIGKILL)
                killed[name] += 1
                last = time.monotonic()
        except ProcessLookupError:
            pass    # it has ended meanwhile
    if trap is not None:
        trap.end = 0
        killed[trap.label] += trap.sprung()
    chosen = sum(n for p, n in killed.items() if ' at ' in p and
                 not p.endswith(' at work'))
    print(killed.total(), 'killed,', chosen, 'of them at a chosen call:',
          ', '.join(f'{p} {n}' for p, n in sorted(killed.items()) if n))


main()
