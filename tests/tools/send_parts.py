#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What smtpd-send stands between: queue files, and fakes of smtpd-rcpt,
smtpd-lspawn, smtpd-remote and smtpd-bounce that misbehave on command.

  send_parts.py put QUEUE [-i ID] [-d new|msg] [-s PATH] [-b TEXT] [-m MARK] RCPT...
      RCPT: "local <path>" or "remote <path>". Prints the id.
  send_parts.py crc TEXT         "<crc> TEXT", a line of an id.log
  send_parts.py rcpt SOCKET LOG  answers by local-part, see Rcpt
  send_parts.py lspawn SOCKET LOG DIR   answers by user name, see deliver
  send_parts.py remote SOCKET LOG DIR   answers by local-part, see relay
  send_parts.py bounce SOCKET LOG DIR   answers as files in DIR say, see tell
"""
import array
import fcntl
import os
import secrets
import socket
import sys
import threading
import time

TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ 0x82F63B78 if n & 1 else n >> 1
    TABLE.append(n)


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for octet in data:
        crc = TABLE[(crc ^ octet) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def frame(tag, payload):
    if isinstance(payload, str):
        payload = payload.encode("latin-1")
    return b"%d:%s%s," % (len(payload) + 1, tag.encode(), payload)


def new_id(age=0):
    return "%014x%s" % (int((time.time() - age) * 1e6), secrets.token_hex(4))


def queue_file(ident, sender, rcpts, body, marks=()):
    frames = frame("C", "version=1") + frame("S", sender)
    for rcpt in rcpts:
        frames += frame("R", rcpt)
    frames += frame("H", "Received: by test; now\r\n")
    for mark in marks:
        frames += frame("M", mark)
    head = "smtpd-queue 1 %s %016x %08x %s %08x " % (
        ident, len(body), len(frames), secrets.token_hex(8), crc32c(body))
    crc = crc32c(head.encode(), crc32c(frames))
    return body + frames + (head + "%08x\n" % crc).encode()


def put(argv):
    queue, args, rcpts = argv[0], argv[1:], []
    ident, place, sender, body = None, "new", "<from@example.org>", "Hi.\r\n"
    notify, marks = None, []
    while args:
        word = args.pop(0)
        if word == "-i":
            ident = args.pop(0)
        elif word == "-a":
            ident = new_id(float(args.pop(0)))
        elif word == "-d":
            place = args.pop(0)
        elif word == "-s":
            sender = args.pop(0)
        elif word == "-b":
            body = args.pop(0)
        elif word == "-m":
            marks.append(args.pop(0))
        elif word == "-w":
            notify = args.pop(0)
        else:
            rcpts.append(word)
    ident = ident or new_id()
    shard = os.path.join(queue, place, ident[-1])
    os.makedirs(shard, 0o700, exist_ok=True)
    path = os.path.join(shard, ident)
    data = queue_file(ident, sender, rcpts, body.encode(), marks)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o200)
    fcntl.flock(fd, fcntl.LOCK_EX)
    os.write(fd, data)
    os.fchmod(fd, 0o400)
    os.close(fd)
    if notify:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.sendto(ident.encode(), notify)
    print(ident)


class Frames:
    """Frames from a socket, and the descriptors that come with them."""

    def __init__(self, sock):
        self.sock, self.buf, self.fds = sock, b"", []

    def fill(self):
        fds = array.array("i")
        data, ancillary, _, _ = self.sock.recvmsg(
            65536, socket.CMSG_SPACE(8 * fds.itemsize))
        for level, kind, value in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(value[:len(value) - len(value) % fds.itemsize])
        self.fds += fds
        self.buf += data
        return bool(data)

    def gather(self, messages, seconds):
        """Reads ahead until so many messages are there, or nothing comes."""
        self.sock.settimeout(seconds)
        try:
            while len(self.fds) < messages and self.fill():
                pass
        except socket.timeout:
            pass
        self.sock.settimeout(None)

    def next(self):
        while True:
            head, colon, rest = self.buf.partition(b":")
            if colon and len(rest) > int(head):
                n = int(head)
                self.buf = rest[n + 1:]
                return rest[:1].decode(), rest[1:n].decode("latin-1")
            if not self.fill():
                return None, None


def note(log, *words):
    with open(log, "a", encoding="latin-1") as f:
        f.write(" ".join(str(w) for w in words) + "\n")


def listen(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(path)
    sock.listen(64)
    return sock


def answer(tag, path):
    """The frames for one L or J: the first word of the local-part decides."""
    local = path[1:-1].split("@")[0]
    name, _, detail = local.partition("+")
    user = frame("T", "user %s %s" % (name, path)) + frame("K", "250 2.1.5 ok")
    if name == "alias":         # alias+a.b.c: those users
        return b"".join(frame("T", "user %s <%s@example.com>" % (n, n))
                        for n in detail.split(".")) + frame("K", "250 ok")
    if name == "away" and tag == "J":
        return frame("T", "user kept <kept@example.com>") + frame("K", "")
    if name == "away":
        return frame("T", "remote <far@example.net>") + frame("K", "250 ok")
    if name == "nobody":
        return frame("X", "550 5.1.1 no such user")
    if name == "unsure":
        return frame("Z", "451 4.3.0 cannot look up")
    if name == "empty":
        return frame("K", "250 ok")
    if name == "thousands":
        return frame("T", "user u <u@example.com>") * 20001 + \
            frame("K", "250 ok")
    if name == "nonsense":
        return frame("T", "who knows") + frame("K", "250 ok")
    if name == "garbage":
        return b"what?"
    return user


def rcpt(argv):
    path, log = argv
    sock = listen(path)

    def talk(conn):
        frames = Frames(conn)
        while True:
            tag, payload = frames.next()
            if tag is None:
                return
            note(log, tag, payload)
            if payload.startswith("<die@"):
                conn.sendall(frame("T", "user u <u@example.com>"))
                conn.shutdown(socket.SHUT_RDWR)
                return
            if payload.startswith("<mute@"):
                return time.sleep(3600)
            conn.sendall(answer(tag, payload))

    while True:
        conn, _ = sock.accept()
        threading.Thread(target=talk, args=(conn,), daemon=True).start()


sprung = set()


def behave(conn, user, ident, index, fd, log, where):
    kind = user.split("-")[0]
    verdict = "%s maildir - " % index
    if kind == "segv":
        conn.sendall(frame("D", "signal=11"))
        return False
    if kind == "bug":
        conn.sendall(frame("D", "exit=101"))
        return False
    if kind == "killed":
        conn.sendall(frame("D", "signal=9"))
        return False
    if kind == "die":
        return False
    if kind == "junk":
        conn.sendall(b"250 ok\r\n")
        time.sleep(3600)
    if kind == "wrong":
        conn.sendall(frame("K", "77 maildir - 250 2.0.0 not yours"))
        time.sleep(3600)
    if kind == "huge":
        conn.sendall(frame("K", "x" * 60000))
        time.sleep(3600)
    if kind == "full":
        conn.sendall(frame("Z", verdict + "452 4.2.2 Disk quota exceeded"))
        return True
    if kind == "loop":
        conn.sendall(frame("X", verdict + "554 5.4.6 Delivered-To loop"))
        return True
    if kind == "odd":
        conn.sendall(frame("n", "a note") + frame("Z", verdict +
                     "451 4.0.0 two\nlines \x1b[2J"))
        return True
    if kind == "never":
        time.sleep(3600)
    if kind in ("wait", "trap"):    # until told, by a file of the user's name
        while not os.path.exists(os.path.join(where, user)):
            time.sleep(0.01)
    if kind == "trap":          # the first is let through
        if user in sprung:
            conn.sendall(frame("D", "signal=11"))
            return False
        sprung.add(user)
    body = os.pread(fd, 1 << 20, 0)
    name = "%s.%s" % (ident, index)
    with open(os.path.join(where, user + "-" + name), "wb") as copy:
        copy.write(body)
    note(log, "done", user, ident)
    conn.sendall(frame("K", verdict + "250 2.0.0 Delivered"))
    return True


def deliver(conn, frames, user, log, where):
    """One message, as the first word of the user's name has it. False: the
    process ends."""
    tag, payload = frames.next()
    if tag is None or tag == "Q":
        return False
    ident, attempt = payload.split(" ")
    sender = frames.next()[1]
    index, address = frames.next()[1].split(" ", 1)
    assert frames.next()[0] == "E"
    note(log, "got", user, ident, "attempt=" + attempt, "index=" + index,
         sender, address)
    if user in sprung:          # it is to take the others along
        frames.gather(3, 2)
    try:
        return behave(conn, user, ident, index, frames.fds[0], log, where)
    finally:
        os.close(frames.fds.pop(0))     # and with it the message's lock


def lspawn(argv):
    path, log, where = argv

    def talk(conn, frames):
        tag, user = frames.next()
        if tag is None:
            return
        note(log, "user", user)
        if user.startswith("gone"):
            conn.sendall(frame("X", "550 5.1.1 no such account"))
        elif user.startswith("nss"):
            conn.sendall(frame("Z", "451 4.3.0 cannot look up"))
        else:
            while deliver(conn, frames, user, log, where):
                pass

    serve(path, talk)


def serve(path, talk):
    """Each connection in a thread; a peer who goes away is no error."""
    sock = listen(path)

    def one(conn):
        frames = Frames(conn)
        try:
            talk(conn, frames)
        except (BrokenPipeError, ConnectionResetError):
            pass
        for fd in frames.fds:
            os.close(fd)
        conn.close()

    while True:
        conn, _ = sock.accept()
        threading.Thread(target=one, args=(conn,), daemon=True).start()


def relay(conn, frames, name, log, where):
    """One transaction. A domain dead.* cannot be reached, unless DIR/alive is
    there; else the first word of each local-part decides. False: the process
    ends."""
    tag, payload = frames.next()
    if tag is None or tag == "Q":
        return False
    ident, attempt = payload.split(" ")
    sender, rcpts = frames.next()[1], []
    while (item := frames.next())[0] == "R":
        rcpts.append(item[1].split(" ", 1))
    assert item[0] == "E"
    note(log, "relay", name, ident, "attempt=" + attempt, sender,
         *(address for _, address in rcpts))
    fd = frames.fds.pop(0)
    try:
        for index, address in rcpts:
            kind = address[1:].split("@")[0].split("-")[0]
            host = "mx." + name.split(" ")[1]
            if ".dead." in "." + name.split(" ")[1] and \
                    not os.path.exists(os.path.join(where, "alive")):
                verdict = "Z", "connect - 451 4.4.1 Connection refused"
            elif kind in ("wait", "go"):
                while not os.path.exists(os.path.join(where, kind)):
                    time.sleep(0.01)
                verdict = "K", "data %s 250 2.0.0 Waited" % host
            elif kind == "full":
                verdict = "Z", "rcpt %s 452 4.2.2 Mailbox full" % host
            elif kind == "refused":
                verdict = "X", "rcpt %s 550 5.1.1 No such user" % host
            elif kind == "die":
                return False
            elif kind == "segv":
                conn.sendall(frame("D", "signal=11"))
                return False
            else:
                verdict = "K", "data %s 250 2.0.0 Taken" % host
            if kind == "tls":
                conn.sendall(frame("t", "TLSv1.2 SOME-CIPHER verified"))
            if verdict[0] == "K":
                note(log, "taken", ident, address)
            conn.sendall(frame(verdict[0], index + " " + verdict[1]))
    finally:
        os.close(fd)
    return True


def remote(argv):
    path, log, where = argv

    def talk(conn, frames):
        tag, name = frames.next()
        if tag is None:
            return
        note(log, "to", name)
        while relay(conn, frames, name, log, where):
            pass

    serve(path, talk)


def bounce(argv):
    """DIR/no-notice: not now. DIR/die-notice: dies of it, once it is noted.
    DIR/wait-notice: answers when that is gone."""
    path, log, where = argv

    def tell(conn, frames):
        while (item := frames.next())[0] == "D":
            told = [item[1]]
            while (item := frames.next())[0] == "F":
                told.append("[" + item[1] + "]")
            os.close(frames.fds.pop(0))
            if os.path.exists(os.path.join(where, "no-notice")):
                note(log, "asked", *told)
                conn.sendall(frame("Z", "451 4.3.0 Not now"))
                continue
            note(log, "told", *told)
            while os.path.exists(os.path.join(where, "wait-notice")):
                time.sleep(0.02)
            if os.path.exists(os.path.join(where, "die-notice")):
                os.unlink(os.path.join(where, "die-notice"))
                conn.sendall(frame("D", "signal=11"))
                return
            conn.sendall(frame("K", new_id()))

    serve(path, tell)


def main():
    command, argv = sys.argv[1], sys.argv[2:]
    if command == "crc":
        print("%08x %s" % (crc32c(argv[0].encode()), argv[0]))
    elif command == "id":
        print(new_id(float(argv[0])))
    else:
        {"put": put, "rcpt": rcpt, "lspawn": lspawn, "remote": remote,
         "bounce": bounce}[command](argv)


if __name__ == "__main__":
    main()
