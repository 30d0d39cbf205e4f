#!/usr/bin/python3
import os, socket
peer, heard, fds = socket.socket(fileno=0), b"", []
def say(tag, payload):
    peer.sendall(b"%d:%s%s," % (len(payload) + 1, tag, payload))
def advise(text, at=0):
    for line in text.splitlines(True):
        if b"secret" in line:
            say(b"D", b"%d %d" % (at, len(line)))
        at += len(line)
    say(b"H", b"X-Advised: yes\r\n")
    say(b"K", b"")
while (got := socket.recv_fds(peer, 65536, 1))[0]:
    heard, fds = heard + got[0], fds + got[1]
    while (at := heard.find(b":") + 1) and \
            len(heard) > (end := at + int(heard[:at - 1])):
        if heard[at:at + 1] == b"E":
            advise(os.pread(fds[-1], int(heard[at + 1:end]), 0))
            os.close(fds.pop())
        heard = heard[end + 1:]
