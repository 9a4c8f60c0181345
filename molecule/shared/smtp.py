# SPDX-License-Identifier: GPL-3.0-or-later
"""An SMTP client that remembers the whole conversation."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import secrets
import smtplib
import socket
import ssl
import typing as t
from collections.abc import Callable


def keys(password: bytes, salt: bytes, iterations: int) -> tuple[bytes, bytes]:
    """Return the ClientKey and the ServerKey of RFC 5802, for SCRAM-SHA-256."""
    salted = hashlib.pbkdf2_hmac("sha256", password, salt, iterations)
    client, server = (
        hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key")
    )
    return client, server


def verifier(password: str, iterations: int = 4096) -> str:
    """Return what a server stores of a password, in the form of PostgreSQL."""
    salt = secrets.token_bytes(16)
    client, server = keys(password.encode(), salt, iterations)
    parts = (salt, hashlib.sha256(client).digest(), server)
    salt64, stored64, server64 = (base64.b64encode(part).decode() for part in parts)
    return f"SCRAM-SHA-256${iterations}:{salt64}${stored64}:{server64}"


class Scram:
    """A client of SCRAM-SHA-256 (RFC 5802, RFC 7677), in the form that smtplib wants."""

    def __init__(self, user: str, password: str) -> None:
        """Begin; the password must be ASCII."""
        self.password = password.encode()
        self.bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={secrets.token_hex(12)}"
        self.server_first = ""
        self.signature = b""

    def __call__(self, challenge: bytes | None = None) -> str:
        """Answer a challenge; the server's own proof must be right."""
        if challenge is None:
            return f"n,,{self.bare}"
        if self.signature:
            assert base64.b64decode(challenge[2:]) == self.signature
            return ""
        self.server_first = challenge.decode()
        nonce, salt, iterations = (part[2:] for part in self.server_first.split(","))
        client, server = keys(self.password, base64.b64decode(salt), int(iterations))
        final = f"c=biws,r={nonce}"
        message = f"{self.bare},{self.server_first},{final}".encode()
        self.signature = hmac.digest(server, message, "sha256")
        stored = hashlib.sha256(client).digest()
        mask = hmac.digest(stored, message, "sha256")
        proof = bytes(one ^ other for one, other in zip(client, mask, strict=True))
        return f"{final},p={base64.b64encode(proof).decode()}"


class Reply(t.NamedTuple):
    """What the server said to one command."""

    code: int
    text: str

    @property
    def accepted(self) -> bool:
        """Tell whether the command was carried out."""
        return 200 <= self.code < 400

    @property
    def deferred(self) -> bool:
        """Tell whether the client shall come again."""
        return 400 <= self.code < 500

    @property
    def refused(self) -> bool:
        """Tell whether the client shall give up."""
        return self.code >= 500


class Smtp(smtplib.SMTP):
    """One session over a socket that the caller opens.

    Unlike its parent it sends what it is told, byte for byte, and never raises
    for a reply: what was refused is the finding of most tests.
    """

    def __init__(self, connect: Callable[[], socket.socket], *, name: str) -> None:
        """Open the session; ``name`` is what the server's certificate must say."""
        self._open = connect
        self.heard: list[Reply] = []
        super().__init__(local_hostname="client.sqlmail.test")
        self._host = name
        self.connect(name)
        self.greeting = self.heard[0]

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002
        return self._open()

    def connect(
        self, host: str = "localhost", port: int = 25, source_address: t.Any = None
    ) -> t.Any:
        """Read the greeting without an opinion about it."""
        code, text = super().connect(host, port, source_address)
        return code, text.decode("utf-8", "replace")

    def getreply(self) -> tuple[int, bytes]:
        """Read a reply and keep it."""
        code, text = super().getreply()
        self.heard.append(Reply(code, text.decode("utf-8", "replace")))
        return code, text

    def say(self, line: str | bytes) -> Reply:
        """Send one line as it is and return the reply."""
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        self.getreply()
        return self.heard[-1]

    def mail_from(self, sender: str = "") -> Reply:
        """Name the sender; without one it is the null sender, welcome everywhere."""
        return self.say(f"MAIL FROM:<{sender}>")

    def rcpt_to(self, recipient: str | bytes) -> Reply:
        """Name a recipient."""
        path = recipient.encode() if isinstance(recipient, str) else recipient
        return self.say(b"RCPT TO:<" + path + b">")

    def ask(self, recipient: str | bytes) -> Reply:
        """Ask anew; sendmail does not look up a recipient twice in one mail."""
        for step in (lambda: self.say("RSET"), self.mail_from):
            if not (reply := step()).accepted:
                return reply
        return self.rcpt_to(recipient)

    def message(self, text: str) -> Reply:
        """Send the message itself."""
        reply = self.say("DATA")
        if reply.code != 354:
            return reply
        body = text.replace("\n", "\r\n").encode()
        return self.say(body + b"\r\n.")

    def offer(self, recipient: str, text: str, *, sender: str = "") -> Reply:
        """Send a whole message; return the first reply that is not a consent."""
        for step in (
            lambda: self.mail_from(sender),
            lambda: self.rcpt_to(recipient),
            lambda: self.message(text),
        ):
            reply = step()
            if not reply.accepted:
                break
        return reply

    def extensions(self) -> dict[str, str]:
        """Return what EHLO announces, by keyword in lower case."""
        self.say(f"EHLO {self.local_hostname}")
        lines = self.heard[-1].text.splitlines()[1:]
        split = [line.partition(" ") for line in lines]
        return {keyword.lower(): parameters for keyword, blank, parameters in split}

    def secure(self, context: ssl.SSLContext) -> Smtp:
        """Change to TLS and verify the certificate."""
        self.starttls(context=context)
        return self

    def authenticate(self, mechanism: str, user: str, password: str) -> Reply:
        """Log in by PLAIN, LOGIN or SCRAM-SHA-256."""
        self.user, self.password = user, password
        client = (
            Scram(user, password)
            if mechanism == "SCRAM-SHA-256"
            else getattr(self, f"auth_{mechanism.lower()}")
        )
        with contextlib.suppress(smtplib.SMTPAuthenticationError):
            self.auth(mechanism, client)
        return self.heard[-1]

    def plain(self, message: bytes) -> Reply:
        """Log in by PLAIN with this message, byte for byte."""
        return self.say("AUTH PLAIN " + base64.b64encode(message).decode())

    def quit(self) -> t.Any:
        """Take leave; a server that has hung up already is no failure."""
        try:
            return super().quit()
        except (smtplib.SMTPServerDisconnected, OSError):
            self.close()
            return None
