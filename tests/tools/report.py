#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Reads a delivery status notification as a stranger's program would.

usage: report.py [-v] < MESSAGE

Checks what RFC 3464, RFC 6522 and RFC 5322 ask of it, with Python's own
parser, and prints what it says, a fact a line:

    from, to, subject, id ...           fields of the notice
    mta, queue-id, arrival              of the message it is about
    rcpt N final|action|status|...      of each recipient
    text ...                            the lines for humans (decoded)
    header ...                          the original's header (decoded)

Exit status 1, and why on stderr, when anything is wrong.
"""
import email
import email.policy
import email.utils
import re
import sys

ACTIONS = {"failed", "delayed"}
STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\Z")


class Wrong(Exception):
    pass


def check(good, what):
    if not good:
        raise Wrong(what)


def check_octets(data):
    check(data.endswith(b"\r\n"), "it does not end in CRLF")
    lines = data.split(b"\r\n")
    for number, line in enumerate(lines, 1):
        check(len(line) <= 998, "line %d is too long" % number)
        check(re.fullmatch(rb"[\t\x20-\x7e]*", line),
              "line %d has a control or 8 bits: %r" % (number, line[:80]))


def check_defects(part):
    check(not part.defects, "defects: %r" % part.defects)
    for name, value in part.items():
        defects = [d for d in getattr(value, "defects", ())]
        check(not defects, "%s: %r" % (name, defects))


def one(message, name):
    values = message.get_all(name, [])
    check(len(values) == 1, "%d times %s" % (len(values), name))
    return str(values[0])


def typed(message, name, kind):
    first, semicolon, rest = one(message, name).partition(";")
    check(semicolon and first.strip() == kind,
          "%s is not of the type %s" % (name, kind))
    return rest.strip()


def show_head(message):
    for name in ("From", "To", "Subject", "Date", "Message-ID",
                 "Auto-Submitted", "MIME-Version"):
        one(message, name)
    check(email.utils.parsedate_to_datetime(one(message, "Date")), "no date")
    check(re.fullmatch(r"<[^<>\s@]+@[^<>\s@]+>", one(message, "Message-ID")),
          "no Message-ID")
    check(one(message, "Auto-Submitted") == "auto-replied", "Auto-Submitted")
    check(message.get_content_type() == "multipart/report", "no report")
    check(message.get_param("report-type") == "delivery-status", "no status")
    print("from", one(message, "From"))
    print("to", one(message, "To"))
    print("subject", one(message, "Subject"))


def show_recipient(number, group):
    check(one(group, "Action") in ACTIONS, "what an action")
    check(STATUS.match(one(group, "Status")), "what a status")
    show = {"final": typed(group, "Final-Recipient", "rfc822"),
            "action": one(group, "Action"), "status": one(group, "Status"),
            "said": typed(group, "Diagnostic-Code", "smtp")}
    if "Remote-MTA" in group:
        show["mta"] = typed(group, "Remote-MTA", "dns")
    if "Original-Recipient" in group:
        show["original"] = typed(group, "Original-Recipient", "rfc822")
    if "Will-Retry-Until" in group:
        show["until"] = one(group, "Will-Retry-Until")
        email.utils.parsedate_to_datetime(show["until"])
    known = {"final-recipient", "action", "status", "diagnostic-code",
             "remote-mta", "original-recipient", "will-retry-until"}
    check({name.lower() for name in group.keys()} <= known,
          "strange fields: %r" % group.keys())
    for name, value in show.items():
        print("rcpt %d %s %s" % (number, name,
                                 re.sub(r"\r?\n[ \t]", " | ", value)))


def show_status(part):
    groups = part.get_payload()
    check(len(groups) >= 2, "no recipients")
    check(not any(g.get_payload() for g in groups), "text in the status")
    print("mta", typed(groups[0], "Reporting-MTA", "dns"))
    print("queue-id", one(groups[0], "X-Queue-ID"))
    print("arrival", one(groups[0], "Arrival-Date"))
    email.utils.parsedate_to_datetime(one(groups[0], "Arrival-Date"))
    for number, group in enumerate(groups[1:]):
        show_recipient(number, group)


def show_lines(what, text):
    for line in text.splitlines():
        print(what, line)


def main():
    data = sys.stdin.buffer.read()
    check_octets(data)
    # The old policy leaves the folds of a field as they are.
    message = email.message_from_bytes(data, policy=email.policy.compat32)
    check_defects(message)
    show_head(message)
    modern = email.message_from_bytes(data, policy=email.policy.default)
    for part in modern.walk():
        check_defects(part)
    parts = message.get_payload()
    check([p.get_content_type() for p in parts] == [
        "text/plain", "message/delivery-status", "text/rfc822-headers"],
        "parts: %r" % [p.get_content_type() for p in parts])
    show_status(parts[1])
    charset = parts[0].get_content_charset()
    show_lines("text", parts[0].get_payload(decode=True).decode(charset))
    head = parts[2].get_payload(decode=True)
    check(b"\n\n" not in head.rstrip().replace(b"\r", b""), "a body")
    show_lines("header", head.decode("utf-8", "backslashreplace"))


try:
    main()
except Wrong as why:
    sys.exit("report.py: %s" % why)
