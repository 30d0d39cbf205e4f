#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Writes the SPF suite (JSON) as lines that tests/unit/spf-suite.c reads.

    Z NAME TYPE VALUE           a record of the zone, as in fake-resolve.h
    T ID IP HELO SENDER RESULT,RESULT...    a case, with tabs between
    .                           the zone ends
"""
import json
import sys


def escaped(value):
    octets = value.encode("latin-1", "replace")
    return "".join(chr(o) if 0x20 <= o <= 0x7e and o != 0x5c
                   else f"\\x{o:02x}" for o in octets)


def records(entries):
    """The TXT records are those of type SPF where it has none."""
    pairs = [(kind, value) for entry in entries if isinstance(entry, dict)
             for kind, value in entry.items()]
    has_txt = any(kind == "TXT" for kind, _ in pairs)
    for kind, value in pairs:
        if kind == "SPF":
            if has_txt:
                continue
            kind = "TXT"
        if value == "NONE":
            continue
        if kind == "MX":
            value = value[1]
        elif isinstance(value, list):
            value = "".join(value)
        yield kind, value
    if "TIMEOUT" in entries:
        yield "FAIL", ""


with open(sys.argv[1], encoding="utf-8") as file:
    suite = json.load(file)
for zone in suite:
    for name, entries in zone["zonedata"].items():
        for kind, value in records(entries):
            print("Z", escaped(name).replace(" ", "\\"), kind, escaped(value))
    for test in zone["tests"]:
        result = test["result"]
        if isinstance(result, str):
            result = [result]
        print("T", test["id"], test["host"], test.get("helo") or "",
              test.get("mailfrom") or "", ",".join(result), sep="\t")
    print(".")
