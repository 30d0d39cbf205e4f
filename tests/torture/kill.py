#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Kills random programs of a chain at random moments: kill.py DIR N SEED."""
import collections
import os
import random
import signal
import sys
import time

import processes

# Seconds between two kills, and how many of them hit a service: often enough
# to strike while what the last one broke is being mended, seldom enough for
# mail to get through although a service needs a while to come back.
GAPS = (0.001, 0.04)
SERVICES = 0.08


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


def main():
    directory, kills, seed = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    chance = random.Random(seed)
    killed = collections.Counter()
    last = time.monotonic()
    while killed.total() < kills:
        time.sleep(chance.uniform(*GAPS))
        if time.monotonic() - last > 30:
            sys.exit('kill: nothing is left to kill')
        name, pid = victim(chance, directory) or ('', 0)
        try:
            if pid != 0:
                os.kill(pid, signal.SIGKILL)
                killed[name] += 1
                last = time.monotonic()
        except ProcessLookupError:
            pass    # it has ended meanwhile
    print('killed', ', '.join(f'{p} {n}' for p, n in sorted(killed.items())))


main()
