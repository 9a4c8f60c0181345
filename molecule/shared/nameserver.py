# SPDX-License-Identifier: GPL-3.0-or-later
"""A name server with a few names; it runs on the host under test.

Arguments: "NAME A ADDRESS" or "NAME MX PREFERENCE HOST", one each; every other name does not
exist (RFC 1035).  Ends when its input does.
"""

import socket
import socketserver
import struct
import sys
import threading

TYPES = {"A": 1, "MX": 15}


def labels(name):
    parts = name.encode().split(b".")
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def data(kind, *words):
    if kind == "A":
        return socket.inet_aton(words[0])
    return struct.pack("!H", int(words[0])) + labels(words[1])


RECORDS = [(name, kind, data(kind, *rest)) for name, kind, *rest in map(str.split, sys.argv[1:])]


class Question(socketserver.BaseRequestHandler):
    """One question, one answer."""

    def handle(self):
        packet, sock = self.request
        end = packet.index(b"\0", 12)
        name, rest = [], packet[12:end]
        while rest:
            name.append(rest[1 : rest[0] + 1].decode().lower())
            rest = rest[rest[0] + 1 :]
        asked = ".".join(name)
        (kind,) = struct.unpack("!H", packet[end + 1 : end + 3])
        known = [record for record in RECORDS if record[0] == asked]
        answers = [value for _name, type_, value in known if TYPES[type_] == kind]
        flags = 0x8580 if known else 0x8583
        reply = packet[:2] + struct.pack("!5H", flags, 1, len(answers), 0, 0)
        reply += packet[12 : end + 5]
        for value in answers:
            reply += struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(value)) + value
        sock.sendto(reply, self.client_address)


with socketserver.ThreadingUDPServer(("127.0.0.1", 53), Question) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
