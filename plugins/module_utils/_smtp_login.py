# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""Log in at an SMTP server, as a mail program does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import operator
import secrets
import smtplib
import ssl
import typing as t

from ansible_collections.sqlmail.sendmail.plugins.module_utils._scram import prepare, salted_keys

__all__ = ["MECHANISMS", "LoginError", "Scram", "login"]

MECHANISMS = ("SCRAM-SHA-256", "PLAIN", "LOGIN")


class LoginError(Exception):
    """The server is no SMTP server that a client could log in at."""


class Scram:
    """A client of SCRAM-SHA-256 (RFC 5802, RFC 7677), in the form that smtplib wants."""

    def __init__(self, user: str, password: str, nonce: str = "") -> None:
        self._password = password
        name = user.replace("=", "=3D").replace(",", "=2C")
        self._bare = f"n={name},r={nonce or secrets.token_hex(12)}"
        self._signature: bytes | None = None

    def __call__(self, challenge: bytes | None = None) -> str:
        """Answer a challenge; None asks for the first message."""
        if challenge is None:
            return f"n,,{self._bare}"
        if self._signature is not None:
            if base64.b64decode(challenge[2:]) != self._signature:
                raise LoginError("the server does not know the verifier of the user")
            return ""
        first = challenge.decode()
        nonce, salt, iterations = (part[2:] for part in first.split(",")[:3])
        client, server = salted_keys(
            prepare(self._password), base64.b64decode(salt), int(iterations)
        )
        final = f"c=biws,r={nonce}"
        message = f"{self._bare},{first},{final}".encode()
        self._signature = hmac.new(server, message, hashlib.sha256).digest()
        stored = hashlib.sha256(client).digest()
        mask = hmac.new(stored, message, hashlib.sha256).digest()
        proof = bytes(map(operator.xor, client, mask))
        return f"{final},p={base64.b64encode(proof).decode()}"


def _client(session: smtplib.SMTP, mechanism: str, user: str, password: str) -> t.Any:
    session.user, session.password = user, password
    if mechanism == "PLAIN":
        return session.auth_plain
    if mechanism == "LOGIN":
        return session.auth_login
    return Scram(user, password)


def login(
    host: str, port: int, context: ssl.SSLContext, mechanism: str, user: str, password: str
) -> tuple[list[str], int, str]:
    """Log in under TLS, and return what was offered and how the server answered.

    Port 465 speaks TLS from the beginning, others begin it.
    """
    try:
        if port == 465:
            session: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=60, context=context)
        else:
            session = smtplib.SMTP(host, port, timeout=60)
            session.ehlo()
            session.starttls(context=context)
        with session:
            session.ehlo()
            offered = session.esmtp_features.get("auth", "").split()
            if mechanism not in offered:
                return offered, 504, "not offered"
            try:
                code, text = session.auth(mechanism, _client(session, mechanism, user, password))
            except smtplib.SMTPAuthenticationError as refusal:
                code, text = refusal.smtp_code, refusal.smtp_error
            return offered, code, text.decode("utf-8", "replace")
    except (OSError, smtplib.SMTPException, ValueError) as cause:
        raise LoginError(f"cannot log in at {host}, port {port}: {cause}") from cause
