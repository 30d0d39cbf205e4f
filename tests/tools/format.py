#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""format.py [--check] FILE...: clang-format by .clang-format, but for two
things that it cannot do: comments behind code stay at their tab stop, and
lists (of initialisers) stay as they are filled. Both are kept from it. --check only shows the difference; exit status 1 when there
is one."""
import difflib
import re
import subprocess
import sys

COMMENT = re.compile(r"(?P<code>.*?[^\s*/])(?P<tail>\s+/\*.*?\*/)$")
OFF, ON = "/* clang-format off */", "/* clang-format on */"


def take_tails(source):
    """-> (lines without tails, the tail of each)"""
    lines, tails = [], []
    for line in source:
        m = COMMENT.match(line)
        if m and m["code"].count('"') % 2 == 0:
            line, tail = m["code"], m["tail"]
        else:
            tail = ""
        lines.append(line)
        tails.append(tail)
    return lines, tails


def fence_lists(lines):
    """Fences the lists off: from an initialiser's { at the end of a line to
    the } that begins one."""
    out, end = [], None
    for line in lines:
        indent = line[:len(line) - len(line.lstrip())]
        if end is None and re.search(r"(=|\)|^\s*enum( \w+)?) ?\{$", line) and ";" not in line \
                and not re.match(r"\s*(if|for|while|switch|else|do)\b", line):
            out.append(indent + OFF)
            end = indent + "}"
        out.append(line)
        if end is not None and line.startswith(end):
            out.append(indent + ON)
            end = None
    return out


def squeeze(line):
    return "".join(line.split())


def put_back(old, tails, new):
    """The new lines with the tails of the old ones."""
    out = []
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            out += [o + t for o, t in zip(old[a:b], tails[a:b])]
            continue
        # Each tail goes to the line in which its code ends.
        position, ends = 0, {}
        for line, tail in zip(old[a:b], tails[a:b]):
            position += len(squeeze(line))
            if tail:
                ends[position] = ends.get(position, "") + tail
        position = 0
        for line in new[c:d]:
            begin, position = position, position + len(squeeze(line))
            found = [t for p, t in ends.items() if begin < p <= position]
            out.append(line + "".join(found))
    return out


def formatted(path, text):
    old, tails = take_tails(text.splitlines())
    new = subprocess.run(
        ["clang-format", "--assume-filename=" + path], check=True, text=True,
        input="\n".join(fence_lists(old)) + "\n", stdout=subprocess.PIPE,
    ).stdout.splitlines()
    new = [line for line in new if line.strip() not in (OFF, ON)]
    return "\n".join(put_back(old, tails, new)) + "\n"


def main():
    check = sys.argv[1:2] == ["--check"]
    wrong = 0
    for path in sys.argv[1 + check:]:
        with open(path, encoding="utf-8") as f:
            text = f.read()
        new = formatted(path, text)
        if new == text:
            continue
        wrong += 1
        if check:
            sys.stdout.writelines(difflib.unified_diff(
                text.splitlines(True), new.splitlines(True), path, path, n=1))
        else:
            with open(path, "w", encoding="utf-8") as f:
                f.write(new)
    return 1 if check and wrong else 0


sys.exit(main())
