#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Kills smtpd-send, or fails it, at each of its system calls in turn.

  send_inject.py SMTPD-SEND DIR kill|ERRNO [PER-CALL [PART/PARTS]]

Four messages wait: to one user; to an alias of two users and a full one; to
a full one and to another who is there; to another host, and to one who refuses
it, of which the sender is told. Below strace the scheduler is struck
at the n-th call of a name, for every n of every name (PER-CALL: so many n of
each, spread evenly; and in any case at each that says or records an end, or
takes a message away). Then one that is left in peace must bring the rest home:
everybody has his copy or his notice once or more, who is full still has his in
the queue. A message that is gone at any moment has all its ends in the log.
"""
import os
import re
import signal
import subprocess
import sys
import threading
import time

import send_parts

# Not made by the scheduler's own will, or on its way out.
SKIP = {"execve", "exit_group", "arch_prctl", "set_tid_address", "rt_sigreturn"}
# What an end is made of: its line in the log, its record, and the unlink.
END = re.compile(r"unlink|fdatasync|writev?\(.*event=(delivered|bounced|removed)|"
                 r"writev?\(\d+, .*(done|bounced) \d")


class Bench:
    def __init__(self, program, top):
        self.top = top
        self.log = os.path.join(top, "helpers")
        self.queue = os.path.join(top, "queue")
        self.err = os.path.join(top, "send.log")
        out = os.path.join(top, "out")
        os.makedirs(out, exist_ok=True)
        open(os.path.join(top, "conf"), "w").close()
        self.argv = [program, "-c", os.path.join(top, "conf")]
        for name in ("queue", "rcpt", "lspawn", "wakeup", "remote"):
            self.argv += ["-o", "%s=%s" % (name, os.path.join(top, name))]
        self.argv += ["-o", "bouncer=" + os.path.join(top, "bounce")]
        self.argv += ["-o", "confine=off"]      # SIGSYS is not the point
        for name, more in (("rcpt", []), ("lspawn", [out]),
                           ("remote", [out]), ("bounce", [out])):
            threading.Thread(target=getattr(send_parts, name),
                             args=([top + "/" + name, self.log] + more,),
                             daemon=True).start()
            while not os.path.exists(top + "/" + name):
                time.sleep(0.01)

    def prepare(self):
        subprocess.run(["rm", "-rf", self.queue], check=True)
        open(self.log, "w").close()
        self.ids = []
        for rcpts in (["local <joe@example.com>"],
                      ["local <alias+a.full.b@example.com>"],
                      ["local <full@example.com>", "local <c@example.com>"],
                      ["remote <far@example.net>", "local <loop@example.com>"]):
            ident = send_parts.new_id()
            self.ids.append(ident)
            path = os.path.join(self.queue, "new", ident[-1])
            os.makedirs(path, 0o700, exist_ok=True)
            path = os.path.join(path, ident)
            with open(path, "wb") as f:
                f.write(send_parts.queue_file(ident, "<from@example.org>",
                                              rcpts, b"Hi.\r\n"))
            os.chmod(path, 0o400)

    def done(self):
        with open(self.log, encoding="latin-1") as f:
            got = set(" ".join(line.split()[:3]) for line in f)
        joe, alias, full, far = self.ids
        return {"done joe " + joe, "done a " + alias, "done b " + alias,
                "done c " + full, "taken %s <far@example.net>" % far,
                "told %s failed" % far} <= got

    def where(self, ident):
        return [p for p in (os.path.join(self.queue, d, ident[-1], ident)
                            for d in ("new", "msg")) if os.path.exists(p)]

    def unlogged(self):
        """Messages that are gone before the log has said their ends."""
        with open(self.err, encoding="latin-1") as f:
            said = f.read()
        return [ident for ident, ends in (
            (self.ids[0], ["delivered rcpt=<joe@"]),
            (self.ids[3], ["delivered rcpt=<far@", "bounced rcpt=<loop@"]))
                if not self.where(ident) and not all(
                    re.search("^id=%s .* event=%s" % (ident, end), said, re.M)
                    for end in ends)]

    def settled(self):
        joe, alias, full, far = self.ids
        if not self.done() or self.where(joe) or self.where(far):
            return False
        for ident in (alias, full):
            try:
                with open(os.path.join(self.queue, "msg", ident[-1],
                                       ident + ".log")) as f:
                    if "tried" not in f.read():
                        return False
            except FileNotFoundError:
                return False
        return True

    def until(self, condition, process, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and process.poll() is None:
            if condition():
                return True
            time.sleep(0.01)
        return condition()

    def signal(self, process, number):
        """strace hands no signal on: to what it has begun."""
        children = "/proc/%d/task/%d/children" % (process.pid, process.pid)
        try:
            with open(children) as f:
                for pid in f.read().split():
                    os.kill(int(pid), number)
        except (FileNotFoundError, ProcessLookupError):
            pass

    def stop(self, process):
        """It may only just be starting: ask until it hears."""
        for _ in range(150):
            self.signal(process, signal.SIGTERM)
            try:
                return process.wait(0.1)
            except subprocess.TimeoutExpired:
                pass
        self.signal(process, signal.SIGKILL)
        return process.wait()

    def strike(self, options, seconds):
        with open(self.err, "w") as err:
            process = subprocess.Popen(
                ["strace", "-s", "256", "-o", self.top + "/trace"] + options + self.argv,
                stdin=subprocess.DEVNULL, stderr=err)
            self.until(self.settled, process, seconds)
            self.stop(process)

    def recover(self):
        with open(self.err, "w") as err:
            for _ in range(50):         # the lock may still be the other's
                process = subprocess.Popen(self.argv, stderr=err,
                                           stdin=subprocess.DEVNULL)
                if self.until(lambda: "event=started" in open(self.err).read(),
                              process, 10):
                    break
                process.wait()
                time.sleep(0.1)
            # What was deferred in trouble is due later: now, please.
            for _ in range(40):
                if process.poll() is None:
                    process.send_signal(signal.SIGHUP)
                if self.until(self.settled, process, 0.5):
                    break
            process.terminate()
            process.wait()
        return self.settled() and all(self.where(i) for i in self.ids[1:3])


def chosen(bench, most):
    """Which calls are struck: (name, n) of a run that is left in peace."""
    bench.prepare()
    bench.strike([], 10)
    calls, ends = {}, set()
    with open(bench.top + "/trace", encoding="latin-1") as f:
        for line in f:
            name = re.match(r"(\w+)\(", line)
            if not name or name[1] in SKIP:
                continue
            calls[name[1]] = calls.get(name[1], 0) + 1
            if END.match(line):
                ends.add((name[1], calls[name[1]]))
    assert len(ends) > 6, ends
    return sorted(ends | {(name, n) for name, count in calls.items()
                          for n in range(1, count + 1, max(1, -(-count // most)))})


def main():
    program, top, mode = sys.argv[1:4]
    most = int(sys.argv[4]) if len(sys.argv) > 4 else 1 << 30
    bench, struck, bad = Bench(program, top), 0, 0
    part, parts = map(int, (sys.argv[5] if len(sys.argv) > 5
                            else "0/1").split("/"))
    what = "signal=KILL" if mode == "kill" else "error=" + mode
    for name, when in chosen(bench, most)[part::parts]:
        bench.prepare()
        bench.strike(["-e", "trace=" + name, "-e", "inject=%s:%s:when=%d" %
                      (name, what, when)], 10 if mode == "kill" else 0.5)
        struck += 1
        unlogged = bench.unlogged() if mode == "kill" else []
        if unlogged or not bench.recover():
            bad += 1
            print("lost after %s at %s %d, without a word %s:" % (
                what, name, when, unlogged))
            for path in (bench.log, bench.err):
                with open(path, encoding="latin-1") as f:
                    print(f.read())
            subprocess.run(["find", bench.queue, "-type", "f"])
        if bad == 3:
            return 1
    print("%d struck, %d bad" % (struck, bad))
    return bad != 0 or struck == 0


if __name__ == "__main__":
    sys.exit(main())
