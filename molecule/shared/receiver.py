# SPDX-License-Identifier: GPL-3.0-or-later
"""Another host's mail server; it runs on the host under test.

Offers STARTTLS and AUTH, demands neither, takes everything, and writes each message
as a line of JSON: version of TLS, who the client proved to be, the envelope, and the
message.
Arguments: port, file to write, certificate, key.  Ends when its input does.
"""

import base64
import json
import pathlib
import socketserver
import ssl
import sys
import threading

PORT, JOURNAL, CERTIFICATE, KEY = int(sys.argv[1]), *sys.argv[2:]


class Session(socketserver.StreamRequestHandler):
    """One session; just as much SMTP as a client needs."""

    def say(self, *lines):
        for n, line in enumerate(lines, 1):
            code, text = line[:3], line[4:]
            self.wfile.write(f"{code}{' ' if n == len(lines) else '-'}{text}\r\n".encode())
        self.wfile.flush()

    def hear(self):
        return self.rfile.readline().decode("utf-8", "replace").rstrip("\r\n")

    def handle(self):
        self.user, self.secure, self.sender, self.recipients = None, False, None, []
        self.say("220 elsewhere.example ESMTP")
        while line := self.hear():
            verb, _blank, rest = line.partition(" ")
            if verb.upper() == "QUIT":
                self.say("221 bye")
                return
            getattr(self, f"do_{verb.lower()}", self.do_other)(rest)

    def do_ehlo(self, _rest):
        security = "250 AUTH PLAIN" if self.secure else "250 STARTTLS"
        self.say("250 elsewhere.example", security, "250 8BITMIME")

    def do_starttls(self, _rest):
        self.say("220 go ahead")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(CERTIFICATE, KEY)
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.secure = True
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb")

    def do_auth(self, rest):
        _mechanism, _blank, initial = rest.partition(" ")
        if not initial:
            self.say("334 ")
            initial = self.hear()
        self.user = base64.b64decode(initial).split(b"\0")[1].decode()
        self.say("235 welcome")

    def do_mail(self, rest):
        self.sender, self.recipients = rest.partition("<")[2].partition(">")[0], []
        self.say("250 ok")

    def do_rcpt(self, rest):
        self.recipients.append(rest.partition("<")[2].partition(">")[0])
        self.say("250 ok")

    def do_data(self, _rest):
        self.say("354 go ahead")
        lines = []
        while (line := self.hear()) != ".":
            lines.append(line)
        with pathlib.Path(JOURNAL).open("a", encoding="utf-8") as journal:
            entry = {
                "tls": self.connection.version() if self.secure else None,
                "user": self.user,
                "sender": self.sender,
                "recipients": self.recipients,
                "message": "\n".join(lines),
            }
            journal.write(json.dumps(entry) + "\n")
        self.say("250 taken")

    def do_rset(self, _rest):
        self.say("250 ok")

    def do_other(self, _rest):
        self.say("502 not here")


class Server(socketserver.ThreadingTCPServer):
    """Sessions side by side."""

    allow_reuse_address = True
    daemon_threads = True


with Server(("", PORT), Session) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
