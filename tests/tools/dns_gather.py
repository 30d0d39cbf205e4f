#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A DNS for who asks several questions at once: dns_faults.py, but patient.

  dns_gather.py ZONEFILE GROUP ...

A GROUP is NAME,NAME,...: none of these names is answered, over UDP, before
each of them was asked for. So one that waits for an answer before it asks for
the next name gets none. A group is answered once, and then as any other name.
"""
import sys

from dns_faults import Server, bind


class Gatherer(Server):
    def __init__(self, path, groups):
        super().__init__(path)
        self.groups = [set(group.split(",")) for group in groups]
        self.held = [[] for _ in groups]
        self.name = ""

    def saw(self, text):
        super().saw(text)
        self.name = text.split()[1]

    def udp(self, sock):
        while True:
            data, peer = sock.recvfrom(65535)
            reply = self.reply(data, False)
            for group, held in zip(self.groups, self.held):
                if self.name in group:
                    held.append((reply, peer))
                    group.discard(self.name)
                    if not group:
                        for packet in held:
                            sock.sendto(*packet)
                    break
            else:
                if reply is not None:
                    sock.sendto(reply, peer)


def main(path, *groups):
    udp, _ = bind("127.0.0.1", 0)
    print(udp.getsockname()[1], flush=True)
    Gatherer(path, groups).udp(udp)


if __name__ == "__main__":
    main(*sys.argv[1:])
