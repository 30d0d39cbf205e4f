#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What is to be seen of a warm helper, from its client's side and in /proc.

usage: warm.py SCENARIO SOCKET LISTENER-PID [ARGUMENT ...]

SOCKET is a path or HOST:PORT. Each scenario is a function below. It says what
was wrong and exits with 1, or says nothing.
"""
import os
import re
import resource
import signal
import socket
import struct
import sys
import time

PATIENCE = 20
MAIL = [b"Cversion=1", b"S<a@client.example>",
        b"Rlocal <user@example.com>", b"BSubject: x\r\n\r\nhello\r\n"]


def check(good, what):
    if not good:
        sys.exit("warm.py: " + what)


def wait_for(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        check(time.monotonic() < end, "waited in vain for: " + what)
        time.sleep(0.005)


# --- conversations ----------------------------------------------------------

class Conversation:
    """With an injector, or with anything else that speaks in frames."""

    def __init__(self, address):
        if address.startswith("/"):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(PATIENCE)
            self.sock.connect(address)
        else:
            host, port = address.rsplit(":", 1)
            self.sock = socket.create_connection((host, int(port)), PATIENCE)
        self.buf = b""
        self.rest = list(MAIL)

    def send(self, *frames):
        self.sock.sendall(b"".join(b"%d:%s," % (len(f), f) for f in frames))

    def get(self):
        """The next frame; None at the end."""
        while True:
            m = re.match(rb"(\d+):", self.buf)
            if m and len(self.buf) > m.end() + int(m[1]):
                end = m.end() + int(m[1])
                frame, self.buf = self.buf[m.end():end], self.buf[end + 1:]
                return frame
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                check(not self.buf, "half a frame: %r" % self.buf)
                return None
            self.buf += data

    def expect(self, tag, what):
        frame = self.get()
        check(frame is not None and frame[:1] == tag,
              "%s: %r" % (what, frame))
        return frame[1:]

    def greeted(self):
        self.expect(b"W", "no greeting")
        return self

    def begin(self):
        """Has a process of its own from here on."""
        self.send(b"Q")
        self.expect(b"K", "no answer")
        return self

    def part(self, n):
        """The first n frames of a message."""
        self.send(*self.rest[:n])
        del self.rest[:n]

    def end(self):
        """The rest of it. Gives its id."""
        self.send(*self.rest, b"E")
        self.rest = list(MAIL)
        return self.expect(b"K", "not queued")

    def close(self):
        self.sock.close()


# --- processes --------------------------------------------------------------

def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            return {int(x) for x in f.read().split()}
    except OSError:
        return set()


def grandchildren(pid):
    """child -> its warm process"""
    return {c: w for w in children(pid) for c in children(w)}


def is_alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Served:
    """A conversation, and the processes that serve it."""

    def __init__(self, address, listener, begin=None):
        before = grandchildren(listener)
        self.talk = Conversation(address)
        if begin is None:
            self.talk.greeted().begin()
        else:
            begin(self.talk)
        wait_for(lambda: len(self.more(listener, before)) == 1,
                 "one more process")
        (self.pid, self.warm), = self.more(listener, before).items()

    @staticmethod
    def more(listener, before):
        return {c: w for c, w in grandchildren(listener).items()
                if c not in before}

    def crash(self):
        os.kill(self.pid, signal.SIGSEGV)
        wait_for(lambda: not is_alive(self.pid), "its death")
        while self.talk.get() is not None:
            pass
        self.talk.close()


UNSEEN = set()


def places(pid):
    """Where it has what an attacker would have to know."""
    try:
        return places_seen(pid)
    except PermissionError:
        UNSEEN.add("addresses")
        return {}


def places_seen(pid):
    at = {}
    with open("/proc/%d/maps" % pid) as f:
        for line in f:
            words = line.split()
            name = words[5] if len(words) > 5 else ""
            if name.startswith("/"):
                name = "text"
            if name in ("text", "[heap]", "[stack]", "[vdso]"):
                at.setdefault(name, line.split("-")[0])
    with open("/proc/%d/auxv" % pid, "rb") as f:
        vector = dict(struct.iter_unpack("LL", f.read()))
    try:
        with open("/proc/%d/mem" % pid, "rb") as f:
            f.seek(vector[25])    # AT_RANDOM: libc makes the canary of it
            at["canary"] = f.read(16)
    except OSError:
        UNSEEN.add("canary")
    check({"text", "[stack]", "[vdso]"} <= set(at), "maps: %r" % at)
    return at


def differ(a, b):
    same = [name for name in a if a[name] == b[name]]
    check(not same, "the same after a crash: %s" % " ".join(same))


# --- forks and crashes ------------------------------------------------------

def oracle(address, listener, how="segv"):
    a = Served(address, listener)
    b = Served(address, listener)
    before = places(a.pid)
    check(a.warm == b.warm, "two warm processes")
    check(before == places(b.pid), "forks differ")
    b.talk.part(3)
    a.crash()
    c = Served(address, listener)
    check(c.warm != a.warm, "the warm process was not replaced")
    differ(before, places(c.pid))
    # Who was at work was not disturbed, and ends in peace.
    check(is_alive(b.pid), "another conversation ended")
    b.talk.end()
    b.talk.close()
    wait_for(lambda: not is_alive(a.warm), "the end of the retired process")
    c.talk.end()
    c.talk.close()


def forks(address, listener, speak=b""):
    """oracle, for any other program: SPEAK is what makes it serve."""
    def begin(talk):
        talk.sock.sendall(os.fsencode(speak))

    a = Served(address, listener, begin)
    b = Served(address, listener, begin)
    check(a.warm == b.warm, "two warm processes")
    before = places(a.pid)
    check(before == places(b.pid), "forks differ")
    os.kill(a.pid, signal.SIGSEGV)
    wait_for(lambda: not is_alive(a.pid), "its death")
    c = Served(address, listener, begin)
    check(c.warm != a.warm, "the warm process was not replaced")
    differ(before, places(c.pid))
    check(is_alive(b.pid), "another conversation ended")
    for s in (a, b, c):
        s.talk.close()


def silent(address, listener):
    waiting = [Conversation(address).greeted() for _ in range(50)]
    a = Served(address, listener)
    busy = Served(address, listener)
    busy.talk.part(4)
    a.crash()
    line = [Conversation(address) for _ in range(20)]
    ids = set()
    for talk in waiting:
        ids.add(talk.begin().end())
    for talk in line:
        ids.add(talk.greeted().begin().end())
    ids.add(busy.talk.end())
    check(len(ids) == 71, "%d ids of 71" % len(ids))


def crashes(address, listener, times):
    warm = set()
    start = time.monotonic()
    for _ in range(int(times)):
        a = Served(address, listener)
        warm.add(a.warm)
        a.crash()
    check(len(warm) == int(times), "%d warm processes" % len(warm))
    Conversation(address).greeted().begin().end()
    print("%s crashes in %.1f s" % (times, time.monotonic() - start))


def thousand(address, listener):
    # The first message makes directories, which are looked at too.
    Conversation(address).greeted().end()
    first = Served(address, listener)
    for _ in range(998):
        talk = Conversation(address).greeted().begin()
        talk.close()
    last = Served(address, listener)
    check(last.warm == first.warm, "renewed too early")
    last.talk.close()
    for _ in range(100):
        last = Served(address, listener)
        if last.warm != first.warm:
            break
        last.talk.end()
        last.talk.close()
    check(last.warm != first.warm, "not renewed")
    differ(places(first.pid), places(last.pid))
    first.talk.end()
    last.talk.end()


def many(address, listener):
    talks = [Conversation(address).greeted().begin() for _ in range(100)]
    ids = set()
    for _ in range(3):
        for talk in talks:
            talk.send(*MAIL, b"E")
        for talk in talks:
            ids.add(talk.expect(b"K", "not queued"))
    check(len(ids) == 300, "%d ids of 300" % len(ids))


# --- descriptors ------------------------------------------------------------

def unix_sockets():
    """inode -> type, path, and whether it listens"""
    found = {}
    with open("/proc/net/unix") as f:
        next(f)
        for line in f:
            w = line.split()
            kind = {"0001": "stream", "0002": "dgram", "0005": "seqpacket"}
            text = kind[w[4]]
            if int(w[3], 16) & 0x10000:
                text += " listening"
            found[w[6]] = text
    return found


def descriptors(pid):
    sockets = unix_sockets()
    found = []
    for fd in sorted(os.listdir("/proc/%d/fd" % pid), key=int):
        try:
            target = os.readlink("/proc/%d/fd/%s" % (pid, fd))
        except OSError:
            continue
        m = re.match(r"socket:\[(\d+)\]", target)
        if m:
            target = sockets.get(m[1], "socket")
        found.append(re.sub(r":\[\d+\]|anon_inode:", "", target))
    return found


def one_socket(pid):
    return (os.readlink("/proc/%d/fd/0" % pid) ==
            os.readlink("/proc/%d/fd/1" % pid))


def fds(address, listener, queue, log):
    """Below two advisers, with a scheduler that can be woken."""
    waiting = [Conversation(address).greeted() for _ in range(50)]
    busy = [Served(address, listener) for _ in range(3)]
    a = busy[1]
    want = ["stream", "stream", log, queue, "dgram"]
    wait_for(lambda: sorted(descriptors(a.pid)) ==
             sorted(want + ["stream"] * 2),
             "its descriptors: %s" % descriptors(a.pid))
    check(one_socket(a.pid), "0 and 1 are not one socket")
    own = ["stream listening", log, log, queue, "seqpacket", "[eventpoll]",
           "[signalfd]"]
    got = descriptors(a.warm)
    check(sorted(got) == sorted(own + ["stream"] * 53),
          "descriptors of the warm process: %s" % got)
    got = descriptors(listener)
    check(got[0] == "stream listening" and got[1:3] == [log, log] and
          sorted(got[3:]) == ["[signalfd]", "seqpacket"],
          "descriptors of the listener: %s" % got)
    for talk in waiting:
        talk.close()
    for s in busy:
        s.talk.close()


def filters(address, listener):
    """How many, in the listener, the warm process and a child."""
    a = Served(address, listener)
    got = []
    for pid in (listener, a.warm, a.pid):
        with open("/proc/%d/status" % pid) as f:
            text = f.read()
        m = re.search(r"^Seccomp_filters:\s*(\d+)$", text, re.M)
        got.append(m[1] if m else "?")
    print(" ".join(got))


# --- configurations ---------------------------------------------------------

def recipient(address, domain):
    """What becomes of a message to there."""
    talk = Conversation(address).greeted()
    talk.send(*MAIL[:2], b"Rlocal <user@%s>" % domain.encode(), MAIL[3], b"E")
    answer = talk.get()
    talk.close()
    return answer


def is_taken(address, domain):
    return recipient(address, domain)[:1] == b"K"


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def settings(path, domains, more=""):
    with open(path) as f:
        text = re.sub("local_domains.*", "local_domains = " + domains,
                      f.read())
    return text + more


def changed(address, listener, conf):
    check(is_taken(address, "example.com"), "example.com is not local")
    check(not is_taken(address, "new.example"), "new.example is local")
    under_way = Conversation(address).greeted().begin()
    write(conf, settings(conf, "new.example"))
    check(is_taken(address, "new.example"), "a change does not count")
    check(not is_taken(address, "example.com"), "the old settings count")
    under_way.end()
    text = settings(conf, "example.com")
    write(conf + ".new", text)
    os.rename(conf + ".new", conf)
    check(is_taken(address, "example.com"), "a new file does not count")
    same = Served(address, listener)
    check(Served(address, listener).warm == same.warm, "renewed for nothing")
    os.utime(conf, (1, 1))
    check(Served(address, listener).warm != same.warm,
          "another time of the file does not count")
    write(conf, settings(conf, "one.example"))
    write(conf, settings(conf, "two.example"))
    check(is_taken(address, "two.example"), "the second of two changes")


def broken(address, _listener, conf):
    good = settings(conf, "example.com")
    # The first message makes directories, which are looked at too.
    check(is_taken(address, "example.com"), "example.com is not local")
    write(conf, good + "nonsense = 1\n")
    for _ in range(30):
        check(is_taken(address, "example.com"), "broken: the old do not go on")
    write(conf, settings(conf, "new.example").replace("nonsense = 1\n", ""))
    check(is_taken(address, "new.example"), "mended: it does not count")
    os.rename(conf, conf + ".away")
    for _ in range(30):
        check(is_taken(address, "new.example"), "vanished: no service")
    write(conf, good)
    check(is_taken(address, "example.com"), "come back: it does not count")


def crash_when_broken(address, listener, conf):
    good = settings(conf, "example.com")
    check(is_taken(address, "example.com"), "example.com is not local")
    a = Served(address, listener)
    waiting = [Conversation(address).greeted() for _ in range(10)]
    write(conf, good + "nonsense = 1\n")
    a.crash()
    line = [Conversation(address) for _ in range(10)]
    for talk in waiting:
        talk.part(1)
    time.sleep(1.2)    # it is tried again each second
    waiting[0].sock.settimeout(0.01)
    try:
        check(False, "served after a crash: %r" % waiting[0].sock.recv(1))
    except socket.timeout:
        waiting[0].sock.settimeout(PATIENCE)
    write(conf, good)
    start = time.monotonic()
    for talk in waiting:
        talk.end()
    took = time.monotonic() - start
    check(took < 3, "served %.1f s after it was mended" % took)
    for talk in line:
        talk.greeted().begin().end()


# --- limits and ends --------------------------------------------------------

def limit(address, listener):
    """With max_sessions = 1: 65."""
    kept = [Served(address, listener) for _ in range(64)]
    a = Served(address, listener)
    waiting = []
    a.crash()
    for _ in range(3):
        waiting.append(Conversation(address))
    for talk in waiting:
        talk.send(b"Q")
    waiting[0].greeted().expect(b"K", "no room for the 65th")
    check(all(is_alive(s.pid) for s in kept), "a conversation ended")
    check(len(grandchildren(listener)) == 65, "more than the limit")
    kept[0].talk.close()
    wait_for(lambda: not is_alive(kept[0].pid), "an end")
    wait_for(lambda: len(grandchildren(listener)) == 65, "the next one")
    for s in kept:
        s.talk.close()
    for talk in waiting[1:]:
        talk.greeted().expect(b"K", "not served in the end")


def is_refused(address):
    try:
        Conversation(address)
    except ConnectionRefusedError:
        return True
    return False


def term(address, listener):
    retired = Served(address, listener)
    Served(address, listener).crash()
    busy = Served(address, listener)
    quiet = Conversation(address).greeted()
    os.kill(listener, signal.SIGTERM)
    check(quiet.get() is None, "a silent connection is kept")
    check(is_refused(address), "connections are still accepted")
    for s in (busy, retired):
        check(is_alive(listener), "it did not wait for a conversation")
        s.talk.end()
        s.talk.close()


def killed_listener(address, listener):
    busy = Served(address, listener)
    quiet = Conversation(address).greeted()
    os.kill(listener, signal.SIGKILL)
    check(quiet.get() is None, "a silent connection is kept")
    wait_for(lambda: "stream listening" not in descriptors(busy.warm),
             "the end of accepting")
    # Who has the socket starts it again: see warm.bats.
    print("accepts no more", flush=True)
    check(sys.stdin.readline() == "go on\n", "no word from the test")
    Conversation(address).greeted().begin().end()
    busy.talk.end()
    busy.talk.close()
    wait_for(lambda: not is_alive(busy.warm), "the end of the warm process")


def killed_warm(address, listener):
    busy = Served(address, listener)
    os.kill(busy.warm, signal.SIGKILL)
    wait_for(lambda: not is_alive(busy.warm), "its death")
    a = Served(address, listener)
    differ(places(busy.pid), places(a.pid))
    a.talk.end()
    busy.talk.end()


def main():
    # Silent connections, and their sockets, are many.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    name, address, listener = sys.argv[1:4]
    globals()[name](address, int(listener), *sys.argv[4:])
    if UNSEEN:
        print("unseen: " + " ".join(sorted(UNSEEN)))


if __name__ == "__main__":
    main()
