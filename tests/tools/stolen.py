# SPDX-License-Identifier: ISC
"""Takes a running process over: its next system calls are ours.

What a process can do when its code is an attacker's is best asked of that
very process: with its user, its descriptors and its confinement, all as they
really are. ptrace stops it where it waits, and has it make one call after the
other from the place where it made its last.
"""
import ctypes
import errno
import os
import platform
import signal
import struct
import time

SEIZE, INTERRUPT, DETACH, STEP = 0x4206, 0x4207, 17, 9
GETREGS, SETREGS = 12, 13
# Of struct user_regs_struct.
RAX, RCX, RDX, RSI, RDI, ORIG_RAX, RIP = 10, 11, 12, 13, 14, 15, 16
R10, R9, R8 = 7, 8, 9
ROOM = 1 << 17

CALLS = {
    "read": 0, "write": 1, "open": 2, "close": 3, "poll": 7, "mmap": 9,
    "socket": 41, "connect": 42, "sendto": 44, "sendmsg": 46, "recvmsg": 47,
    "bind": 49, "listen": 50, "clone": 56, "execve": 59, "kill": 62,
    "ptrace": 101, "openat": 257, "process_vm_readv": 310, "bpf": 321,
}

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
libc.ptrace.argtypes = [ctypes.c_long] + [ctypes.c_void_p] * 3


def possible():
    return platform.machine() == "x86_64"


def ptrace(request, pid, addr=0, data=0):
    if libc.ptrace(request, pid, addr, data) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "ptrace %#x" % request)


class Killed(Exception):
    """A call that killed it."""


class Stolen:
    def __init__(self, pid):
        self.pid = pid
        ptrace(SEIZE, pid)
        ptrace(INTERRUPT, pid)
        self._wait()
        self.saved = self._regs()
        self.memory = open("/proc/%d/mem" % pid, "r+b", buffering=0)
        self.code = self.saved[RIP] - 2
        if self._peek(self.code, 2) != b"\x0f\x05":
            self.free()
            raise RuntimeError("process %d waits in no call" % pid)
        self.page = self.call("mmap", 0, ROOM, 3, 0x22, -1, 0)
        if self.page < 0:
            raise OSError(-self.page, "no memory in process %d" % pid)

    def _wait(self):
        _, status = os.waitpid(self.pid, 0x40000000)
        if not os.WIFSTOPPED(status):
            raise Killed(status)
        return os.WSTOPSIG(status)

    def _regs(self):
        buf = ctypes.create_string_buffer(27 * 8)
        ptrace(GETREGS, self.pid, 0, ctypes.addressof(buf))
        return list(struct.unpack("27Q", buf.raw))

    def _set(self, regs):
        buf = ctypes.create_string_buffer(struct.pack("27Q", *regs), 27 * 8)
        ptrace(SETREGS, self.pid, 0, ctypes.addressof(buf))

    def _peek(self, addr, n):
        self.memory.seek(addr)
        return self.memory.read(n)

    def call(self, name, *args):
        """The call's result; a negative errno when it failed."""
        regs = list(self.saved)
        regs[RAX], regs[ORIG_RAX], regs[RIP] = CALLS[name], 2**64 - 1, self.code
        for register, value in zip((RDI, RSI, RDX, R10, R8, R9), args):
            regs[register] = value % 2**64
        self._set(regs)
        while True:
            ptrace(STEP, self.pid)
            if self._wait() == signal.SIGTRAP:
                break
        result = self._regs()[RAX]
        return result - 2**64 if result >= 2**63 else result

    def put(self, data, at=0):
        """Octets into its memory; gives the address."""
        assert at + len(data) <= ROOM
        self.memory.seek(self.page + at)
        self.memory.write(data)
        return self.page + at

    def open(self, path, flags=os.O_RDONLY):
        return self.call("openat", -100, self.put(path.encode() + b"\0"),
                         flags, 0o600)

    def connect_unix(self, fd, path):
        address = struct.pack("H", 1) + path.encode() + b"\0"
        return self.call("connect", fd, self.put(address), len(address))

    def connect_inet(self, fd, port, family=2):
        address = struct.pack("!2xH4s8x", port, bytes([127, 0, 0, 1]))
        address = struct.pack("H", family) + address[2:]
        return self.call("connect", fd, self.put(address), len(address))

    def write(self, fd, data):
        return self.call("write", fd, self.put(data), len(data))

    def send_fd(self, sock, data, fd):
        """As write, and a descriptor of its own goes with it."""
        text = self.put(data, 0x1000)
        control = self.put(struct.pack("QiiiI", 20, 1, 1, fd, 0), 0x100)
        iov = self.put(struct.pack("QQ", text, len(data)), 0x200)
        head = struct.pack("QI4xQQQQi4x", 0, 0, iov, 1, control, 24, 0)
        return self.call("sendmsg", sock, self.put(head, 0x300), 0)

    def read(self, fd, seconds=10):
        """What comes; b"" at the end; None when nothing does."""
        poll = self.put(struct.pack("ihh", fd, 1, 0))
        if self.call("poll", poll, 1, seconds * 1000) == 0:
            return None
        n = self.call("read", fd, self.page, ROOM)
        return self._peek(self.page, n) if n > 0 else b""

    def take_fd(self, sock):
        """A frame and the descriptor that came with it, or -1."""
        control = self.put(bytes(24), 0x100)
        iov = self.put(struct.pack("QQ", self.page + 0x1000, 0x1000), 0x200)
        head = struct.pack("QI4xQQQQi4x", 0, 0, iov, 1, control, 24, 0)
        poll = self.put(struct.pack("ihh", sock, 1, 0))
        if self.call("poll", poll, 1, 10000) == 0:
            return b"", -1
        n = self.call("recvmsg", sock, self.put(head, 0x300), 0)
        length, _, kind, fd = struct.unpack("Qiii", self._peek(control, 20))
        data = self._peek(self.page + 0x1000, n) if n > 0 else b""
        return data, fd if length >= 20 and kind == 1 else -1

    def free(self):
        """It goes on where it was, as if nothing had been."""
        self._set(self.saved)
        ptrace(DETACH, self.pid)


def steal(pid, seconds=10):
    """As soon as it waits: in a call, and not for the processor."""
    end = time.monotonic() + seconds
    while True:
        with open("/proc/%d/stat" % pid) as f:
            state = f.read().rsplit(") ", 1)[1][0]
        if state == "S":
            try:
                return Stolen(pid)
            except RuntimeError:
                pass
        if time.monotonic() > end:
            raise TimeoutError("process %d does not wait" % pid)
        time.sleep(0.01)


def name_of(result):
    """"ok", or the name of the error."""
    return "ok" if result >= 0 else errno.errorcode.get(-result, str(result))
