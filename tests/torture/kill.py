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

# Between two kills, in seconds: often enough to hit a second one while what
# the first one broke is being mended, seldom enough for mail to get through.
GAPS = (0.002, 0.06)


def main():
    directory, kills, seed = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    chance = random.Random(seed)
    killed = collections.Counter()
    last = time.monotonic()
    while killed.total() < kills:
        time.sleep(chance.uniform(*GAPS))
        # First which program, then which of its processes: the many sessions
        # shall not hide the one scheduler.
        by_program = collections.defaultdict(list)
        for pid, program in processes.of_chain(directory).items():
            by_program[program].append(pid)
        if not by_program:
            if time.monotonic() - last > 30:
                sys.exit('kill: nothing is left to kill')
            continue
        last = time.monotonic()
        program = chance.choice(sorted(by_program))
        try:
            os.kill(chance.choice(sorted(by_program[program])),
                    signal.SIGKILL)
        except ProcessLookupError:
            continue
        killed[program] += 1
    print('killed', ', '.join(f'{p} {n}' for p, n in sorted(killed.items())))


main()
