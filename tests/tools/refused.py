#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What a program's seccomp filter makes of system calls.

usage: refused.py NAME[:ARGUMENT=VALUE] ... < TRACE     (strace -v -e seccomp)

Reads the last filter of the trace and prints a line for each call, "NAME
allowed", "NAME EPERM", ..., and at the end "length INSTRUCTIONS". Calls that
this architecture lacks are left out.
"""
import errno
import re
import subprocess
import sys

MACROS = subprocess.run(["gcc", "-E", "-dM", "-"], text=True, check=True,
                        input="#include <sys/syscall.h>\n",
                        capture_output=True).stdout
NUMBERS = {m[0]: int(m[1]) for m in
           re.findall(r"#define __NR_(\w+) (\d+)", MACROS)}


def instructions(trace):
    filters = re.findall(r"filter=\[(.*?)\]\}", trace)
    return re.findall(r"BPF_(STMT|JUMP)\(([^,]*), ([^,()]*)"
                      r"(?:, (\w+), (\w+))?\)", filters[-1])


def value(text):
    if text == "SECCOMP_RET_ALLOW":
        return "allowed"
    if text.startswith("SECCOMP_RET_ERRNO|"):
        return errno.errorcode[int(text.split("|")[1], 0)]
    return int(text, 0)


def run(program, number, args):
    arch = value(program[1][2])
    data = {0: number, 4: arch}
    for i, arg in args.items():
        data[16 + 8 * i] = arg
    at = a = 0
    while True:
        _, code, k, yes, no = program[at]
        at += 1
        if "BPF_RET" in code:
            return value(k)
        if "BPF_LD" in code:
            a = data.get(value(k), 0)
            continue
        k = value(k)
        hit = (a == k if "BPF_JEQ" in code else
               a >= k if "BPF_JGE" in code else a & k)
        at += int(yes if hit else no, 0)


def main():
    program = instructions(sys.stdin.read())
    for call in sys.argv[1:]:
        name, _, rest = call.partition(":")
        args = dict(tuple(int(x, 0) for x in a.split("="))
                    for a in rest.split(",") if a)
        if name in NUMBERS:
            print(call, run(program, NUMBERS[name], args))
    print("length", len(program))


main()
