# SPDX-License-Identifier: ISC
"""An SMTP server that does as its script says, for the tests of smtpd-remote.

A script is "STAGE=ACTION | STAGE=ACTION ...". Stages: greeting ehlo helo mail
rcpt data dot rset quit starttls auth, and text (acts after so many octets of
it). An ACTION is the reply, in which \\r \\n \\0 \\xNN count and to which CRLF is
added; "; " stands between those for the first, the second, ... command of its
kind, and the last one stays. "cert=NAME" is the certificate that STARTTLS
(answered 220) or a secured port (implicit=yes) has, "tls=HOW" how:

  1.2 (also without)  1.3 only     1.1 only      ask   for a client certificate
  stall   says nothing             garbage       no TLS, but octets
  close   hangs up at once         cut           hangs up after some octets
  clear   speaks on in clear

and "user=" and "password=" what AUTH must say. Before a reply there may be:

  !close    hang up, after the reply if there is one     !reset  with RST
  !stall    say nothing more and keep the connection
  !raw      the reply as it is, without CRLF             !lf     with LF
  !octets   octet by octet
  !endless  a reply line that never ends                 !lines  endless lines
"""
import base64
import re
import socket
import ssl
import struct
import threading
import time

ADDRESSES = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "::1")
DEFAULT = {
    "greeting": "220 sink", "ehlo": "250 sink", "helo": "250 sink",
    "mail": "250 2.1.0 ok", "rcpt": "250 2.1.5 ok", "data": "354 go",
    "dot": "250 2.0.0 taken", "rset": "250 2.0.0 reset", "quit": "221 bye",
    "starttls": "502 what", "auth": "502 what", "other": "500 what",
}
OPTIONS = ("text", "tlsehlo", "tls", "cert", "implicit", "user", "password")
VERSIONS = {"1.3": ssl.TLSVersion.TLSv1_3, "1.1": ssl.TLSVersion.TLSv1_1,
            "1.2": ssl.TLSVersion.TLSv1_2}


def unescape(text):
    return re.sub(
        rb"\\(x..|[rn0])",
        lambda m: {b"r": b"\r", b"n": b"\n", b"0": b"\0"}.get(m[1]) or
        bytes([int(m[1][1:], 16)]), text.encode("latin-1"))


def parse(script):
    stages = {}
    for part in script.split(" | "):
        if part.strip():
            stage, _, actions = part.strip().partition("=")
            assert stage in DEFAULT or stage in OPTIONS, part
            stages[stage] = actions.split("; ")
    return stages


class Gone(Exception):
    pass


class Session:
    def __init__(self, sink, sock, address, script):
        self.sink, self.sock, self.address = sink, sock, address
        self.script = parse(script)
        self.raw = b""
        self.buf = b""
        self.lines = []
        self.messages = []
        self.ended = False      # the client half-closed, or hung up
        self.tls = self.sni = None
        self.clear = b""        # what came before TLS

    def option(self, name, default=""):
        return self.script.get(name, [default])[0]

    def action(self, stage):
        actions = self.script.get(stage)
        if not actions:
            return DEFAULT.get(stage, DEFAULT["other"])
        return actions.pop(0) if len(actions) > 1 else actions[0]

    def send(self, data):
        self.sock.sendall(data)

    def forever(self, piece):
        for _ in range(100000):
            self.send(piece)
        raise Gone

    def perform(self, action):
        """The reply's code, as text."""
        verb, rest = "", action
        if action.startswith("!"):
            verb, _, rest = action.partition(" ")
        data = unescape(rest)
        if verb == "!endless":
            self.forever(b"250-" + b"x" * 65536)
        if verb == "!lines":
            self.forever(b"250-again\r\n" * 6000)
        if verb == "!stall":
            self.send(data)
            self.wait_for_end()
            raise Gone
        if verb == "!octets":
            for octet in data + b"\r\n":
                self.send(bytes([octet]))
                time.sleep(0.0005)
        elif verb == "!raw":
            self.send(data)
        elif verb == "!lf":
            self.send(data + b"\n")
        elif data or not verb:
            self.send(data + b"\r\n")
        if verb == "!reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack("ii", 1, 0))
        if verb in ("!close", "!reset"):
            raise Gone
        return rest[:3]

    def wait_for_end(self):
        while self.fill():
            pass

    def fill(self):
        try:
            data = self.sock.recv(65536)
        except OSError:
            data = b""
        self.raw += data
        self.buf += data
        if not data:
            self.ended = True
        return bool(data)

    def line(self):
        while b"\n" not in self.buf:
            if not self.fill():
                raise Gone
        line, _, self.buf = self.buf.partition(b"\n")
        assert line.endswith(b"\r") and b"\r" not in line[:-1], line
        return line[:-1]

    def text(self):
        """The message after 354, dots removed; only CRLF ends its lines."""
        limit = self.script.get("text")
        message = b""
        while True:
            line = self.line()
            if line == b".":
                return message
            if line.startswith(b"."):
                assert line[1:2] == b".", line
                line = line[1:]
            message += line + b"\r\n"
            if limit and len(message) > int(limit[0].partition(" ")[0]):
                self.perform(limit[0].partition(" ")[2])
                limit = None

    def serve(self):
        try:
            self.start()
            self.perform(self.action("greeting"))
            while self.command():
                pass
        except (Gone, OSError):
            pass
        except AssertionError as e:
            self.sink.wrong.append("sink: %r" % e)
        self.sock.close()

    def start(self):
        if self.option("implicit"):
            self.secure()

    def context(self, how):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        version = VERSIONS.get(how, ssl.TLSVersion.TLSv1_2)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        context.minimum_version = context.maximum_version = version
        context.load_cert_chain("%s/%s.pem" % (
            self.sink.certificates, self.option("cert", "good")))
        if how == "ask":
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(self.sink.certificates + "/root.crt")

        def note(_, name, __):
            self.sni = name
        context.sni_callback = note
        return context

    def secure(self):
        how = self.option("tls", "1.2")
        if how == "stall":
            self.wait_for_end()
            raise Gone
        if how == "close":
            raise Gone
        if how in ("garbage", "cut"):
            hello = self.sock.recv(5)
            self.raw += hello
            self.send(b"\x16\x03\x03\x00\x40\x02\x00" if how == "cut"
                      else b"GET / HTTP/1.0\r\n\r\n" * 10)
            if how == "garbage":
                self.wait_for_end()
            raise Gone
        if how == "clear":
            return
        assert self.buf == b"", self.buf
        self.clear, self.raw = self.raw, b""
        try:
            self.sock = self.context(how).wrap_socket(
                self.sock, server_side=True)
        except OSError as e:
            self.sink.notes.append(str(e))
            raise Gone from e
        self.tls = self.sock.version()

    def authenticate(self, line):
        """The reply to AUTH, the whole exchange."""
        words = line.decode("latin-1").split(" ")
        if "auth" in self.script:
            return self.action("auth")
        if words[1] == "PLAIN":
            got = base64.b64decode(words[2], validate=True).split(b"\0")[1:]
        else:
            got = []
            for prompt in (b"Username:", b"Password:"):
                self.send(b"334 " + base64.b64encode(prompt) + b"\r\n")
                got.append(base64.b64decode(self.line(), validate=True))
        want = [self.option("user").encode(), self.option("password").encode()]
        return "235 2.7.0 welcome" if got == want else "535 5.7.8 no"

    def command(self):
        line = self.line()
        self.lines.append(line.decode("latin-1"))
        stage = line.split(b" ")[0].lower().decode("latin-1")
        if stage == "auth":
            self.lines[-1] = " ".join(self.lines[-1].split(" ")[:2])
            self.perform(self.authenticate(line))
            return True
        if stage == "ehlo" and self.tls and "tlsehlo" in self.script:
            stage = "tlsehlo"
        code = self.perform(self.action(stage))
        if stage == "starttls" and code == "220":
            self.secure()
        if stage == "data" and code == "354":
            self.messages.append(self.text())
            self.perform(self.action("dot"))
        return stage != "quit"


class Sink:
    """Listens on the same port of all ADDRESSES."""
    session = Session

    def __init__(self, scripts=(), certificates=""):
        self.scripts = list(scripts)    # (address or "", script)
        self.sessions, self.wrong, self.notes = [], [], []
        self.certificates = certificates
        self.lock = threading.Lock()
        self.sockets = self.listen()
        self.port = self.sockets[0].getsockname()[1]
        for sock in self.sockets:
            threading.Thread(target=self.accept, args=(sock,),
                             daemon=True).start()

    def listen(self):
        for _ in range(50):
            sockets, port = [], 0
            try:
                for address in ADDRESSES:
                    six = ":" in address
                    sock = socket.socket(
                        socket.AF_INET6 if six else socket.AF_INET)
                    sockets.append(sock)
                    sock.bind((address, port))
                    sock.listen(16)
                    port = sock.getsockname()[1]
                return sockets
            except OSError:
                for sock in sockets:
                    sock.close()
        raise OSError("no port")

    def script_for(self, address):
        for i, (where, script) in enumerate(self.scripts):
            if where in ("", address):
                # The last one of an address is for all that follow.
                later = any(w == where for w, _ in self.scripts[i + 1:])
                return self.scripts.pop(i)[1] if later else script
        return ""

    def accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            address = sock.getsockname()[0]
            with self.lock:
                session = self.session(self, sock, address,
                                       self.script_for(address))
                self.sessions.append(session)
            threading.Thread(target=session.serve, daemon=True).start()

    def close(self):
        for sock in self.sockets:
            # shutdown, or accept goes on in its thread.
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
        for session in self.sessions:
            try:
                session.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
