#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""flood.py PORT MESSAGES CLIENTS PER_CONNECTION RECIPIENT [again]: mail from
many clients at once. Each message bears X-Flood: <number>. Prints the numbers
that got a 250, one a line; says what else happened on stderr. With again, what
got none is sent again, as clients do, for AGAIN_SECONDS at the most."""
import smtplib
import sys
import threading
import time

AGAIN_SECONDS = 120
PAUSE = 0.05

port, messages, clients, per_connection = map(int, sys.argv[1:5])
recipient = sys.argv[5]
patience = time.monotonic() + (AGAIN_SECONDS if "again" in sys.argv[6:] else 0)
numbers = iter(range(messages))
lock = threading.Lock()
accepted, trouble = [], []


def take(n):
    with lock:
        return [i for _, i in zip(range(n), numbers)]


def send(left):
    with smtplib.SMTP("127.0.0.1", port, "flood.test", timeout=60) as smtp:
        while left:
            text = (f"Subject: flood\r\nX-Flood: {left[0]}\r\n\r\n"
                    + "All work and no play.\r\n" * 40)
            smtp.sendmail(f"flood-{left[0]}@example.org", [recipient], text)
            with lock:
                accepted.append(left.pop(0))


def client():
    while left := take(per_connection):
        while left:
            try:
                send(left)
            except (OSError, smtplib.SMTPException) as e:
                with lock:
                    trouble.append(e)
                if time.monotonic() >= patience:
                    break
                time.sleep(PAUSE)


threads = [threading.Thread(target=client) for _ in range(clients)]
for t in threads:
    t.start()
for t in threads:
    t.join()
for i in sorted(accepted):
    print(i)
for e in trouble[:10]:
    print("flood:", repr(e), file=sys.stderr)
print(f"flood: {len(accepted)} accepted, {len(trouble)} troubles",
      file=sys.stderr)
