#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Writes the DMARC record suite (JSON) as lines for tests/unit/dmarc-suite.c:
the kind, valid or bad, a tab, and the record. Other kinds are left out."""
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    for case in json.load(file):
        if case["kind"] in ("valid", "bad"):
            print(case["kind"], case["input"], sep="\t")
