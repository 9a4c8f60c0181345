# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""SCRAM-SHA-256 verifiers in the form of PostgreSQL (RFC 5802, RFC 7677).

A verifier proves a password without containing it, so a server log that shows
one shows no password.  Imports neither Ansible nor psycopg2.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

__all__ = ["ITERATIONS", "make_verifier", "verifies"]

# PostgreSQL's own default.
ITERATIONS = 4096

_SALT_BYTES = 16
_VERIFIER = re.compile(
    r"SCRAM-SHA-256\$(?P<iterations>[1-9][0-9]*):(?P<salt>[A-Za-z0-9+/]+=*)"
    r"\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}="
)


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()


def make_verifier(password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """Return a verifier of the password; the salt is random unless given."""
    if not password.isascii() or not password.isprintable():
        # Only printable ASCII is the same before and after SASLprep.
        raise ValueError("the password may contain printable ASCII characters only")
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored_key = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    server_key = _hmac(salted, b"Server Key")
    salt64, stored64, server64 = (
        base64.b64encode(part).decode() for part in (salt, stored_key, server_key)
    )
    return f"SCRAM-SHA-256${iterations}:{salt64}${stored64}:{server64}"


def verifies(password: str, verifier: str) -> bool:
    """Tell whether the verifier belongs to the password and is strong enough."""
    match = _VERIFIER.fullmatch(verifier)
    if match is None:
        return False
    iterations = int(match["iterations"])
    if iterations < ITERATIONS:
        return False
    again = make_verifier(password, base64.b64decode(match["salt"]), iterations)
    return hmac.compare_digest(again, verifier)
