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
import stringprep
import unicodedata

__all__ = ["ITERATIONS", "USER_ITERATIONS", "make_verifier", "prepare", "salted_keys", "verifies"]

# PostgreSQL's own default, and the least that RFC 7677 allows.
ITERATIONS = 4096
# For passwords that people choose: the rule of thumb of RFC 7677, section 4.
USER_ITERATIONS = 15000

_SALT_BYTES = 16
_VERIFIER = re.compile(
    r"SCRAM-SHA-256\$(?P<iterations>[1-9][0-9]*):(?P<salt>[A-Za-z0-9+/]+=*)"
    r"\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}="
)


# RFC 4013, section 2.3, and what Unicode 3.2 does not know (2.5).
_PROHIBITED = (
    stringprep.in_table_a1,
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def prepare(password: str) -> str:
    """Return the form of a password that is hashed: SASLprep, RFC 4013.

    A letter may be typed as one character or as two, and a client of SCRAM makes
    them one before it hashes.
    """
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char
        for char in password
        if not stringprep.in_table_b1(char)
    )
    result = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if not result:
        raise ValueError("the password is empty")
    if any(table(char) for char in result for table in _PROHIBITED):
        raise ValueError("the password has a control character or one that SASLprep prohibits")
    if any(stringprep.in_table_d1(char) for char in result) and (
        any(stringprep.in_table_d2(char) for char in result)
        or not stringprep.in_table_d1(result[0])
        or not stringprep.in_table_d1(result[-1])
    ):
        raise ValueError("the password mixes scripts of both directions, which SASLprep prohibits")
    return result


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()


def salted_keys(prepared: str, salt: bytes, iterations: int) -> tuple[bytes, bytes]:
    """Return the ClientKey and the ServerKey of a prepared password."""
    salted = hashlib.pbkdf2_hmac("sha256", prepared.encode(), salt, iterations)
    return _hmac(salted, b"Client Key"), _hmac(salted, b"Server Key")


def make_verifier(password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """Return a verifier of the password; the salt is random unless given.

    A ValueError says what SASLprep finds wrong with the password.
    """
    prepared = prepare(password)
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    client_key, server_key = salted_keys(prepared, salt, iterations)
    stored_key = hashlib.sha256(client_key).digest()
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
