# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""Errors of the modules, and the words for what a server answered.

Imports neither Ansible nor psycopg2.
"""

from __future__ import annotations

__all__ = [
    "OVERTAKEN",
    "AskError",
    "OvertakenError",
    "PlanError",
    "SqlmailError",
    "StoreError",
    "connection_hint",
    "statement_hint",
]


class SqlmailError(Exception):
    """Something that is told to the operator in one sentence."""

    sqlstate: str | None = None


class PlanError(SqlmailError):
    """What is wanted cannot be reached from what is."""


class AskError(SqlmailError):
    """sendmail could not be asked, or did not answer."""


class StoreError(SqlmailError):
    """The database refused, or could not be asked."""

    def __init__(self, message: str, *, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class OvertakenError(StoreError):
    """Another client was faster; what was read is no longer what is."""


# What the server says then: a key that is there already, a conflict, a deadlock.
OVERTAKEN = ("23505", "40001", "40P01")

# The names are those of roles/map_database/files/schema.
_CONSTRAINTS = {
    "key_is_not_empty": "the key is empty",
    "key_has_no_outer_blanks": "the key begins or ends with a blank",
    "key_has_no_control_characters": "the key contains a control character, such as a line break",
    "key_is_at_most_1024_bytes": "the key is longer than 1024 bytes",
    "member_has_no_blanks": "a member of a class is one word, without blanks",
    "member_has_no_outer_dot": "a member of a class neither begins nor ends with a dot",
    "member_has_at_most_16_parts": "the key has more than 16 parts; sendmail would not find it",
    "value_is_not_empty": "the value is empty",
    "value_has_no_control_characters": (
        "the value contains a control character, such as a line break"
    ),
    "value_is_at_most_8192_bytes": "the value is longer than 8192 bytes",
}

_STATES = {
    "22007": "write a time as 2026-11-20 12:00 or 2026-11-20T12:00:00Z",
    "22008": "there is no such time",
    "22021": "the text is not valid UTF-8 or contains a NUL byte",
    "23505": "another client inserted the same key in the meantime; run again",
    "40001": "another client changed the same rows in the meantime; run again",
    "40P01": "another client changed the same rows in the meantime; run again",
    "25006": "the server is read-only; is it a standby? Use the primary server",
    "3F000": "the schema mail is missing; apply it with role map_database",
    "42501": "the role lacks the right to do this; role map_database grants it",
    "42883": "the schema is older than this collection; apply it with role map_database",
    "42704": "the schema is missing or older than this collection; apply it with role map_database",
    "42P01": "the schema is missing or older than this collection; apply it with role map_database",
    "57014": "the statement took longer than statement_timeout allows",
    "57P01": "the server is shutting down; run again",
}

# libpq gives no SQLSTATE for a failed connection, only words.
_CONNECTIONS = (
    ("Peer authentication failed", "pg_ident.conf does not let this system user be that role"),
    ("password authentication failed", "check login_user and login_password"),
    ("no password supplied", "set login_password, or use the Unix socket"),
    ("pg_hba.conf rejects", "pg_hba.conf lets this role reach the database of the maps only"),
    ("no pg_hba.conf entry", "add this host to map_database_clients"),
    ("certificate verify failed", "check ca_cert and the certificate of the server"),
    ("does not match host name", "login_host must be a name in the certificate of the server"),
    ("root certificate file", "set ca_cert, or choose another ssl_mode"),
    ("does not exist", "create it with role map_database"),
    ("too many connections", "the connection limit is reached; run again later"),
    ("service", "check the service file"),
    ("No such file or directory", "is PostgreSQL running, and is this its socket directory?"),
    ("Connection refused", "is PostgreSQL running and listening there?"),
    ("could not translate host name", "check login_host"),
    ("timeout", "is the host up, and does a firewall let the port through?"),
)


def connection_hint(cause: str) -> str:
    """Say what to check after libpq could not connect for this cause."""
    for words, hint in _CONNECTIONS:
        if words in cause:
            return hint
    return "is PostgreSQL running, and may this role connect?"


def statement_hint(sqlstate: str | None, constraint: str | None = None) -> str | None:
    """Say in words why the server refused a statement, if that is known."""
    return _CONSTRAINTS.get(constraint or "") or _STATES.get(sqlstate or "")
