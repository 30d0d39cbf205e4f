#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What each program of a running chain can do when it has been taken over.

  separation.py table INIT [PROGRAM ...]   a line for each program: its user,
                                           what it can, and whom it reaches
  separation.py secrets INIT               who can read what, by users
  separation.py session INIT PORT          what a stolen session gets
  separation.py submission INIT PORT       the same, where users log in
  separation.py places INIT                what those behind it get
  separation.py advisers INIT              what smtpd-queue lets advisers do

INIT is process 1 of the container that the chain runs in under systemd; the
network is the container's. Each program is caught where it has confined
itself and waits, and is then made to do what it should not (stolen.py): the
process that serves a conversation, and, where that is a fork of one that
stays, that one too (NAME's parent), which serves none.
"""
import ctypes
import fcntl
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time

import stolen

libc = ctypes.CDLL(None, use_errno=True)
SOCKETS = ("auth", "bounce", "judge", "lspawn", "queue-auth", "queue-in",
           "queue-own", "queue-relay", "queue-user", "rcpt", "remote", "sign",
           "submit", "tls")
# Paths in the container; the mode of each is its owner's business.
SECRETS = {
    "tls-key": "/etc/smtpd/tls/key.pem",
    "dkim-key": "/etc/smtpd/dkim/example.com/s1.key",
    "passwords": "/etc/smtpd/passwords",
    "remote-passwords": "/etc/smtpd/remote-passwords",
    "shadow": "/etc/shadow",
    "queue": "/var/lib/smtpd/queue/new",
    "alice": "/home/alice/Maildir/new",
    "alice-home": "/home/alice/.netrc",
    "bob": "/home/bob/Maildir/new",
}


def frame(tag, payload=b""):
    if isinstance(payload, str):
        payload = payload.encode()
    return b"%d:%s%s," % (len(payload) + 1, tag.encode(), payload)


class World:
    def __init__(self, init):
        self.init = int(init)
        self.space = os.readlink("/proc/%d/ns/pid" % self.init)
        self.root = os.open("/proc/%d/root" % self.init, os.O_PATH)
        self.users, self.held = {}, []
        with open("/proc/self/fd/%d/etc/passwd" % self.root) as f:
            for line in f:
                name, _, uid, gid = line.split(":")[:4]
                self.users[name] = int(uid), int(gid)
        self.names = {uid: name for name, (uid, _) in self.users.items()}

    def groups(self, name):
        gids = [self.users[name][1]]
        with open("/proc/self/fd/%d/etc/group" % self.root) as f:
            for line in f:
                _, _, gid, members = line.rstrip("\n").split(":")
                if name in members.split(","):
                    gids.append(int(gid))
        return gids

    def as_user(self, name, function):
        """Its result, with the rights of the user."""
        uid, gid = self.users[name]
        os.setgroups(self.groups(name))
        os.setegid(gid)
        os.seteuid(uid)
        try:
            return function()
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups([])

    def dial(self, name, user, data=b""):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(10)
        path = "/proc/self/fd/%d/run/smtpd/%s" % (self.root, name)
        self.as_user(user, lambda: s.connect(path))
        self.held.append(s)
        if data:
            s.sendall(data)
        return s

    def processes(self, program):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/comm" % pid) as f:
                    named = f.read().rstrip("\n") == program[:15]
                if named and os.readlink("/proc/%s/ns/pid" % pid) == self.space:
                    found.append(int(pid))
            except OSError:
                pass
        return set(found)


def status(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(re.findall(r"^(\w+):\s*(.*)$", f.read(), re.M))


def filters(pid):
    return int(status(pid)["Seccomp_filters"])


def wait_for(condition):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise TimeoutError("waited in vain")


def parent(pid):
    return int(status(pid)["PPid"])


def depth(world, pid):
    """1 for what systemd has started, 2 for what that has, and so on."""
    steps = 1
    while (pid := parent(pid)) != world.init:
        steps += 1
    return steps


INSTANCE, EXECUTED, FORKED = 1, 2, 3


def catch(world, program, provoke, kind):
    """
    The process that provoke has started, once it has confined itself: an
    instance of systemd's, one that a listener has executed, or a fork of the
    one that stays.
    """
    before = world.processes(program)
    provoke()

    def confined():
        for pid in world.processes(program) - before:
            try:
                if depth(world, pid) == kind and \
                        filters(pid) > filters(parent(pid)):
                    return pid
            except (OSError, KeyError):
                pass
        return None
    return wait_for(confined)


# --- one of each ---------------------------------------------------------

class Client:
    def __init__(self, world, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 10)
        self.file = self.sock.makefile("rb")
        world.held.append(self)
        self.hear()

    def hear(self):
        while True:
            line = self.file.readline()
            if line[3:4] != b"-":
                return line.decode("ascii", "replace").rstrip()

    def say(self, line):
        self.sock.sendall(line.encode() + b"\r\n")
        return self.hear()

    def start_tls(self):
        self.say("EHLO client.example.org")
        self.say("STARTTLS")
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)


def resident(world, program):
    """The one whose parent is systemd."""
    for pid in world.processes(program):
        if parent(pid) == world.init:
            return pid
    raise LookupError("no %s is there" % program)


def syncs(world):
    """The child of the scheduler's."""
    send = resident(world, "smtpd-send")
    for pid in world.processes("smtpd-send"):
        if parent(pid) == send:
            return pid
    raise LookupError("smtpd-send has no child")


def helper(program, name, user, data=b"1", kind=FORKED):
    """A first octet starts it, and more it does not get."""
    return lambda world: catch(world, program,
                               lambda: world.dial(name, user, data), kind)


def session(port, kind=INSTANCE):
    return lambda world: catch(world, "smtpd-session",
                               lambda: Client(world, port), kind)


def tls(world):
    return catch(world, "smtpd-tls", lambda: Client(world, 25).start_tls(),
                 FORKED)


def resident_loop(program, name, user):
    def find(world):
        world.dial(name, user)      # its unit is started by a connection
        return wait_for(lambda: resident(world, program)
                        if world.processes(program) else None)
    return find


def unconfined(world):
    """No program of ours: shows that what others cannot can be done."""
    before = world.processes("sleep")
    world.held.append(subprocess.Popen(
        ["nsenter", "--target", str(world.init), "--all", "--", "setpriv",
         "--reuid=smtpd", "--regid=smtpd", "--clear-groups", "--no-new-privs",
         "sleep", "60"], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL))
    return wait_for(lambda: next(iter(world.processes("sleep") - before), 0))


PROGRAMS = {
    "unconfined": unconfined,
    "session": session(25),
    "session-587": session(587),
    "tls": tls,
    "auth": helper("smtpd-auth", "auth", "smtpd", kind=EXECUTED),
    "rcpt": resident_loop("smtpd-rcpt", "rcpt", "smtpd"),
    "queue-in": helper("smtpd-queue", "queue-in", "smtpd"),
    "queue-relay": helper("smtpd-queue", "queue-relay", "smtpd"),
    "queue-user": helper("smtpd-queue", "queue-user", "bob"),
    "queue-auth": helper("smtpd-queue", "queue-auth", "smtpd-auth"),
    "queue-own": helper("smtpd-queue", "queue-own", "smtpd-queue"),
    "judge": helper("smtpd-judge", "judge", "smtpd-queue"),
    "submit": helper("smtpd-submit", "submit", "smtpd-queue"),
    "sign": helper("smtpd-sign", "sign", "smtpd-queue"),
    "send": lambda world: resident(world, "smtpd-send"),
    "send's child": syncs,
    "bounce": helper("smtpd-bounce", "bounce", "smtpd-queue"),
    "lspawn": resident_loop("smtpd-lspawn", "lspawn", "smtpd-queue"),
    "local": helper("smtpd-local", "lspawn", "smtpd-queue",
                    frame("U", "alice"), EXECUTED),
    "remote": helper("smtpd-remote", "remote", "smtpd-queue",
                     frame("U", "mx [127.0.0.1]"), EXECUTED),
}
# Of units that exclude others, so only when they are asked for.
OTHERS = {
    "auth-file": helper("smtpd-auth-file", "auth", "smtpd"),
    "session-forked": session(25, FORKED),
}


def find(world, name):
    name, of, _ = name.partition("'s parent")
    pid = (PROGRAMS | OTHERS)[name](world)
    return parent(pid) if of else pid


# --- what it can ---------------------------------------------------------

def is_allowed(result):
    """EAFNOSUPPORT: a unit's RestrictAddressFamilies=."""
    return stolen.name_of(result) not in ("EPERM", "EACCES", "EAFNOSUPPORT")


def attempt_file(s, path, flags):
    fd = s.open(path, flags)
    if fd >= 0:
        s.call("close", fd)
    return is_allowed(fd)


def attempt_socket(s, family):
    fd = s.call("socket", family, socket.SOCK_STREAM, 0)
    if fd >= 0:
        s.call("close", fd)
    return is_allowed(fd)


def abilities(s):
    """
    Each call for itself. Those that would end the process if they were
    allowed have arguments that then make another error than EPERM.
    """
    vm = s.put(bytes(64), 0x200)
    path = s.put(b"/bin/true\0", 0x100)
    can = {
        "read": attempt_file(s, "/etc/hostname", os.O_RDONLY),
        "write": attempt_file(s, "/dev/null", os.O_WRONLY),
        "create": attempt_file(s, "/tmp/stolen-%d" % s.pid,
                               os.O_WRONLY | os.O_CREAT),
        "inet": attempt_socket(s, socket.AF_INET),
        "unix": attempt_socket(s, socket.AF_UNIX),
        "packet": attempt_socket(s, socket.AF_PACKET),
        "netlink": attempt_socket(s, socket.AF_NETLINK),
        "listen": is_allowed(s.call("listen", -1, 1)),
        "exec": is_allowed(s.call("execve", path, 1, 1)),
        "fork": is_allowed(s.call("clone", 0x10000, 0, 0, 0, 0)),
        "kill": is_allowed(s.call("kill", 1 << 21, 0)),
        "ptrace": is_allowed(s.call("ptrace", 0x4206, 1 << 21, 0, 0)),
        "spy": is_allowed(s.call("process_vm_readv", 1 << 21, vm, 1, vm, 1, 0)),
        "bpf": is_allowed(s.call("bpf", -1, 0, 0)),
    }
    can.update((name, attempt_file(s, path, os.O_RDONLY))
               for name, path in SECRETS.items())
    can.update((name + "-write", attempt_file(
        s, SECRETS[name] + "/stolen", os.O_WRONLY | os.O_CREAT))
        for name in ("queue", "alice", "bob"))
    return [name for name, allowed in can.items() if allowed]


def reach(s):
    """Whom it can connect to that it was not given."""
    reached = []
    for name in SOCKETS:
        fd = s.call("socket", socket.AF_UNIX, socket.SOCK_STREAM, 0)
        if fd < 0:
            return []
        if s.connect_unix(fd, "/run/smtpd/" + name) == 0:
            reached.append(name)
        s.call("close", fd)
    return reached


def copy_of(pid, fd):
    """Our copy of a descriptor of its, or -1."""
    pidfd = os.pidfd_open(pid)
    copy = libc.syscall(438, pidfd, fd, 0)
    os.close(pidfd)
    return copy


def sockets_of(pid):
    """Descriptor number, and our copy of the same socket."""
    for fd in sorted(map(int, os.listdir("/proc/%d/fd" % pid))):
        if os.readlink("/proc/%d/fd/%d" % (pid, fd)).startswith("socket:"):
            copy = copy_of(pid, fd)
            if copy >= 0:
                yield fd, socket.socket(fileno=copy)


def holdings(pid):
    """The sockets that it was given, by the name of the other end."""
    held = {}
    for fd, sock in sockets_of(pid):
        try:
            peer = sock.getpeername()
        except OSError:
            continue
        if fd > 2 and isinstance(peer, str) and peer.startswith("/run/smtpd/"):
            held[os.path.basename(peer)] = fd
    return held


def describe(world, name):
    pid = find(world, name)
    facts = status(pid)
    who = [world.names[int(facts["Uid"].split()[0])]]
    assert len(set(facts["Uid"].split())) == 1, facts["Uid"]
    if facts["NoNewPrivs"] != "1":
        who.append("new-privileges")
    if int(facts["CapBnd"] if who[0] == "root" else facts["CapPrm"], 16):
        who.append("capabilities")
    s = stolen.steal(pid)
    try:
        parts = (abilities(s), sorted(holdings(pid)), reach(s))
    finally:
        s.free()
    return " | ".join([name, " ".join(who)] +
                      [" ".join(part) or "-" for part in parts])


def table(world, names):
    for name in names or PROGRAMS:
        print(describe(world, name), flush=True)


def secrets(world):
    for user in sorted(world.users):
        if not (user.startswith("smtpd") or user in ("alice", "bob")):
            continue
        found = []
        for name, path in SECRETS.items():
            path = "/proc/self/fd/%d%s" % (world.root, path)
            try:
                os.close(world.as_user(user, lambda: os.open(path, 0)))
                found.append(name)
            except PermissionError:
                pass
        print(user, *(found or ["-"]))


# --- what it gets --------------------------------------------------------

def message(s, fd, recipient, sender="", facts=(), text="stolen", client=-1):
    """Injects one by the stolen process; gives the verdict."""
    def say(data):
        if s.write(fd, data) != len(data):
            raise OSError("it cannot write")
    say(frame("C", "version=1"))
    for fact in facts:
        say(frame("C", fact))
    if client >= 0:
        s.send_fd(fd, frame("C", "peer=socket"), client)
    say(frame("S", "<%s>" % sender) +
        frame("R", recipient) +
        frame("B", "From: <%s>\r\nSubject: %s\r\n\r\nx\r\n" % (sender, text)) +
        frame("E"))
    heard = b""
    while True:
        more = s.read(fd)
        if not more:
            return "end"
        heard += more
        verdict = re.search(rb"(?:^|,)\d+:([KXZ])([^,]*)", heard)
        if verdict:
            break
    if verdict[1] == b"K":
        return "taken"
    return verdict[2].decode().split(" ")[0]


HERE, THERE = "local <alice@example.com>", "remote <x@example.net>"


def session_gets(world, port):
    pid = session(port)(world)
    held = holdings(pid)
    s = stolen.steal(pid)
    print("holds:", *sorted(held))
    way = held["queue-in"]
    print("local:", message(s, way, HERE, "a@example.org", text="stolen-in"))
    print("relay:", message(s, way, THERE, "a@example.org"))
    print("relay called local:",
          message(s, way, "local <x@example.net>", "a@example.org"))
    print("local called remote:",
          message(s, way, "remote <alice@example.com>", "a@example.org"))
    print("relay of a user:", message(s, way, THERE, "alice@example.com",
                                      ("user=alice", "uid=1001")))
    print("relay from another address:",
          message(s, way, THERE, "", ("ip=192.0.2.1",)))
    print("relay with its client's socket:",
          message(s, way, THERE, "", client=0))
    print("relay as if from inside:",
          message(s, way, THERE, "", ("entrance=own",)))
    print("a user's to local:",
          message(s, way, HERE, "alice@example.com",
                  ("user=alice", "protocol=ESMTPSA"), "stolen-as-alice"))
    print("a notice to local:",
          message(s, way, HERE, "", ("about=x", "bounce=postmaster"),
                  "stolen-notice"))
    for fd in sorted({0, 1} | set(held.values())):
        for family in (0, 2):
            result = s.connect_inet(fd, 25, family)
            if stolen.name_of(result) != "EPERM":
                print("re-aimed", fd, family, stolen.name_of(result))
        result = s.connect_unix(fd, "/run/smtpd/submit")
        if stolen.name_of(result) != "EPERM":
            print("re-aimed", fd, "submit", stolen.name_of(result))
    s.write(held["rcpt"], frame("Q", "<alice@example.com>"))
    print("rcpt:", s.read(held["rcpt"]))
    s.free()
    for client in world.held:
        if isinstance(client, Client):
            print("and goes on:", client.say("NOOP"))


def login(s, fd, user, password):
    s.write(fd, frame("C", "ip=192.0.2.1") +
            frame("P", "%s\0%s" % (user, password)))
    data, got = s.take_fd(fd)
    verdict = re.match(rb"\d+:([A-Z])(\d*)", data)
    return b"".join(verdict.groups()).decode() if verdict else "end", got


def submission_gets(world, port):
    pid = session(port)(world)
    held = holdings(pid)
    print("holds:", *sorted(held))
    s = stolen.steal(pid)
    verdict, fd = login(s, held["auth"], "alice", "wrong")
    print("wrong password:", verdict, "way" if fd >= 0 else "no way")
    verdict, fd = login(s, held["auth"], "alice", "secret")
    print("right password:", verdict, "way" if fd >= 0 else "no way")
    print("as alice:", message(s, fd, HERE, "alice@example.com",
                               text="stolen-alice"))
    print("as bob:", message(s, fd, HERE, "bob@example.com"))
    print("as bob, by fact:",
          message(s, fd, HERE, "bob@example.com", ("user=bob",)))
    s.free()


def place_gets(world, name, facts, opening=b""):
    """From the stolen, to whom it was joined with."""
    s = stolen.steal(find(world, name))
    (fd,) = (fd for peer, fd in holdings(s.pid).items()
             if peer.startswith("queue"))
    if opening:
        s.write(fd, opening)
    print(name, "local:", message(s, fd, HERE, "bob@example.com", facts))
    print(name, "relay:", message(s, fd, THERE, "bob@example.com", facts))
    s.free()


def places_get(world):
    place_gets(world, "auth", (), frame("C", "user=bob"))
    place_gets(world, "bounce", ())


# --- what an adviser can say ---------------------------------------------

TEXT = b"From: <bob@example.com>\r\nSubject: stolen-advice\r\n\r\nx\r\n"
PASS = frame("K")
ANSWERS = {
    "that is all": PASS,
    "a mark": frame("M", "junk") + PASS,
    "a field": frame("H", "X-Stolen: yes\r\n") + PASS,
    "octets away": frame("D", "%d 3" % (len(TEXT) - 3)) + PASS,
    "octets put": frame("P", "%d x\r\n" % len(TEXT)) + PASS,
    "refused": frame("X", "550 5.7.1 stolen"),
    "later": frame("Z", "450 4.7.1 stolen"),
    "later, as 550": frame("Z", "550 5.7.1 stolen"),
    "another mark": frame("M", "stolen") + PASS,
    "no field": frame("H", "stolen\r\n") + PASS,
    "a field that ends the header": frame("H", "X: y\r\n\r\nz\r\n") + PASS,
    "octets of nobody": frame("D", "%d 1" % len(TEXT)) + PASS,
    "octets twice": frame("D", "0 9") + frame("D", "5 9") + PASS,
    "backwards": frame("D", "9 1") + frame("D", "0 1") + PASS,
    "no octets away": frame("D", "0 0") + PASS,
    "a recipient": frame("R", "local <bob@example.com>") + PASS,
    "a sender": frame("S", "<stolen@example.com>") + PASS,
    "a fact": frame("C", "user=alice") + PASS,
    "octets of its own": frame("B", "stolen") + PASS,
    "a commit": frame("E") + PASS,
    "an id": frame("I", "0660ee029bdfc00c7da957") + PASS,
    "no frame": b"stolen",
    "nothing, and dies": b"",
}


def look_at_text(world, pid, fd, text):
    """
    It is the text alone, below fields of another adviser, to be read alone,
    and no file of the queue.
    """
    copy = copy_of(pid, fd)
    seen = os.pread(copy, 1 << 20, 0)
    assert seen.endswith(text) and b"alice@" not in seen, seen[:1000]
    for change in (lambda: os.pwrite(copy, b"stolen", 0),
                   lambda: os.ftruncate(copy, 0),
                   lambda: os.ftruncate(copy, 1 << 20)):
        try:
            change()
        except OSError:
            continue
        raise AssertionError("the text can be changed")
    inode = os.fstat(copy).st_ino
    for top, _, names in os.walk("/proc/self/fd/%d/var/lib/smtpd/queue" %
                                 world.root):
        for name in names:
            assert os.lstat(os.path.join(top, name)).st_ino != inode, name
    os.close(copy)


def advise(world, name, entrance, user, answer, text=TEXT):
    """What the client hears when the stolen adviser answers so."""
    client = None

    def begin():
        nonlocal client
        client = world.dial(entrance, user, frame("C", "version=1") +
                            frame("S", "<bob@example.com>") +
                            frame("R", HERE) + b"".join(
                                frame("B", text[at:at + 32768])
                                for at in range(0, len(text), 32768)))
    s = stolen.steal(catch(world, "smtpd-" + name, begin, FORKED))
    client.sendall(frame("E"))
    while (asked := s.take_fd(0))[1] < 0:
        if not asked[0]:
            raise EOFError("%s was not asked" % name)
    look_at_text(world, s.pid, asked[1], text)
    for at in range(0, len(answer), 65536):
        s.write(1, answer[at:at + 65536])
    if not answer:
        os.kill(s.pid, signal.SIGKILL)
        os.waitpid(s.pid, 0x40000000)
    heard = b""
    while not (verdict := re.search(rb"(?:^|,)\d+:([KXZ])([^,]*)", heard)):
        heard += client.recv(65536) or b",1:Kend,"
    client.close()
    if answer:
        s.free()
    return "taken" if verdict[1] == b"K" else verdict[2].decode().split(" ")[0]


def advisers_get(world):
    for name, entrance, user in (("judge", "queue-in", "smtpd"),
                                 ("submit", "queue-user", "bob"),
                                 ("sign", "queue-user", "bob")):
        got = {}
        for title, answer in ANSWERS.items():
            verdict = advise(world, name, entrance, user, answer)
            got.setdefault(verdict, []).append(title)
        for verdict, titles in sorted(got.items()):
            print("%s, %s: %s" % (name, verdict, "; ".join(titles)))
    print("a large text:", advise(world, "judge", "queue-in", "smtpd", PASS,
                                  TEXT + b"large\r\n" * 20000))


def main():
    if not stolen.possible():
        sys.exit("only x86-64 processes can be taken over")
    command, world = sys.argv[1], World(sys.argv[2])
    if command == "table":
        table(world, sys.argv[3:])
    elif command == "secrets":
        secrets(world)
    elif command == "session":
        session_gets(world, int(sys.argv[3]))
    elif command == "submission":
        submission_gets(world, int(sys.argv[3]))
    elif command == "places":
        places_get(world)
    elif command == "advisers":
        advisers_get(world)
    else:
        sys.exit(__doc__)


main()
