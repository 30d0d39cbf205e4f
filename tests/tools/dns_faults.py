#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A DNS server for tests, over UDP and TCP, that fails on command.

  dns_faults.py ZONEFILE [ADDRESS:PORT]

Serves the zone (names are below "test." or end in a dot; a record a line; a line "; FAULT NAME" gives
the name and all below it a fault) as a resolver would: it follows CNAMEs
itself. Prints its port, then a line for each query: "udp NAME TYPE" or "tcp
NAME TYPE".

FAULT:
  timeout    never answers            servfail, refused, notimp, formerr
  garbage    octets that are no DNS   short     half of the answer
  wrongid    another id               wrongname another question
  truncated  over UDP nothing but TC  lame      the same, and TCP hangs up
  tcpid, tcpname, tcpshort, tcpfail   truncated, and that fault over TCP
  noaaaa     SERVFAIL for AAAA        first     the first query is lost
  counts     announces records that are not there
  bad        a record whose contents are cut short
  secure     sets AD
"""
import socket
import sys
import threading

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.zone

TC_FAULTS = ("truncated", "lame", "tcpid", "tcpname", "tcpshort", "tcpfail")
CODES = {"servfail": dns.rcode.SERVFAIL, "refused": dns.rcode.REFUSED,
         "notimp": dns.rcode.NOTIMP, "formerr": dns.rcode.FORMERR}


class Server:
    def __init__(self, path):
        with open(path, encoding="ascii") as f:
            lines = f.read().split("\n")
        self.faults, records = {}, []
        for line in lines:
            if line.startswith("; "):
                word, name = line[2:].split()
                self.faults[dns.name.from_text(name)] = word
            else:
                records.append(line)
        self.zone = dns.zone.from_text(
            "$ORIGIN test.\n" + "\n".join(records), origin=".",
            relativize=False, check_origin=False)
        self.seen = set()
        self.lock = threading.Lock()

    def saw(self, text):
        print(text, flush=True)

    def fault(self, name):
        while len(name) > 1:
            if name in self.faults:
                return self.faults[name]
            name = name.parent()
        return ""

    def exists(self, name):
        return any(n == name or n.is_subdomain(name) for n in self.zone)

    def answer(self, query):
        question = query.question[0]
        answer = dns.message.make_response(query, recursion_available=True)
        name = question.name
        for _ in range(20):
            found = self.zone.get_rdataset(name, question.rdtype)
            if found:
                rrset = dns.rrset.from_rdata_list(name, found.ttl, found)
                answer.answer.append(rrset)
                return answer
            alias = self.zone.get_rdataset(name, dns.rdatatype.CNAME)
            if not alias:
                break
            answer.answer.append(
                dns.rrset.from_rdata_list(name, alias.ttl, alias))
            name = alias[0].target
        if not self.exists(name):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer

    def reply(self, data, tcp):
        """The octets to send, None for nothing."""
        query = dns.message.from_wire(data)
        question = query.question[0]
        fault = self.fault(question.name)
        with self.lock:
            self.saw("%s %s %s" % (
                "tcp" if tcp else "udp",
                question.name.to_text(omit_final_dot=True).lower(),
                dns.rdatatype.to_text(question.rdtype)))
            known = (question.name, question.rdtype) in self.seen
            self.seen.add((question.name, question.rdtype))
        if fault == "timeout" or (fault == "first" and not known):
            return None
        if fault == "garbage":
            return b"\xc0\x0c" * 40
        if fault in TC_FAULTS and not tcp:
            answer = dns.message.make_response(query)
            answer.flags |= dns.flags.TC
            return answer.to_wire()
        answer = self.answer(query)
        if fault == "noaaaa" and question.rdtype == dns.rdatatype.AAAA:
            fault = "servfail"
        if fault in CODES or fault == "tcpfail":
            answer = dns.message.make_response(query)
            answer.set_rcode(CODES.get(fault, dns.rcode.SERVFAIL))
        if fault == "secure":
            answer.flags |= dns.flags.AD
        if fault in ("wrongname", "tcpname"):
            answer.question[0].name = dns.name.from_text("other.test.")
        wire = bytearray(answer.to_wire(max_size=65535))
        if fault in ("wrongid", "tcpid"):
            wire[0] ^= 0x55
        if fault == "counts":
            wire[7] += 5
        if fault == "bad":
            wire[len(wire) - 30:] = b""
        if fault in ("short", "tcpshort"):
            wire = wire[:len(wire) // 2]
        return bytes(wire)

    def udp(self, sock):
        while True:
            data, peer = sock.recvfrom(65535)
            reply = self.reply(data, False)
            if reply is not None:
                sock.sendto(reply, peer)

    def tcp_one(self, sock):
        with sock:
            head = sock.recv(2, socket.MSG_WAITALL)
            if len(head) != 2:
                return
            data = sock.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)
            fault = self.fault(dns.message.from_wire(data).question[0].name)
            reply = self.reply(data, True)
            if reply is None or fault == "lame":
                return
            n = len(reply) + (100 if fault == "tcpshort" else 0)
            # In pieces: a stream has no packets.
            data = n.to_bytes(2, "big") + reply
            try:
                for part in (data[:1], data[1:5], data[5:]):
                    sock.sendall(part)
            except OSError:
                pass

    def tcp(self, sock):
        while True:
            conn, _ = sock.accept()
            threading.Thread(target=self.tcp_one, args=(conn,),
                             daemon=True).start()


def bind(address, port):
    """The same port for both."""
    for _ in range(20):
        tcp = socket.socket()
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind((address, port))
        udp = socket.socket(type=socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            continue
        tcp.listen(64)
        return udp, tcp
    sys.exit("no port")


def main(path, where="127.0.0.1:0"):
    server = Server(path)
    address, _, port = where.partition(":")
    udp, tcp = bind(address, int(port))
    print(udp.getsockname()[1], flush=True)
    threading.Thread(target=server.tcp, args=(tcp,), daemon=True).start()
    server.udp(udp)


if __name__ == "__main__":
    main(*sys.argv[1:])
