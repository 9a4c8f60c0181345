# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""The users who log in: how their rows are read and changed.

A role that sets verifiers cannot read them.  It learns how a password was hashed,
hashes it again, and asks whether the result is the same.
"""

from __future__ import annotations

import base64
import typing as t

from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import StoreError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._scram import make_verifier
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import Store
from ansible_collections.sqlmail.sendmail.plugins.module_utils._user_plan import User, UserChange

try:
    from psycopg2 import sql
except ImportError:
    # open_store() says so.
    sql = None

__all__ = ["Users"]


class Users:
    """One user, in the table of users."""

    def __init__(self, store: Store, login: str) -> None:
        self._store = store
        self._login = login

    def read(self, password: str | None, iterations: int) -> User | None:
        """Return the user, and whether he has this password, hashed often enough.

        Nobody else of us writes users until the transaction ends.
        """
        attempt = f"read user {self._login!r}"
        values: dict[str, t.Any] = {"login": self._login}
        self._store.lock(attempt, "sasl_users")
        row = self._store.ask(
            attempt,
            "SELECT login, enabled, comment, password_set IS NOT NULL FROM mail.sasl_users"
            " WHERE lookup_key = mail.fold_login(%(login)s)",
            values,
        ).fetchone()
        if row is None:
            return None
        return User(*row, fits=row[3] and self._fits(password, iterations))

    def _fits(self, password: str | None, iterations: int) -> bool:
        attempt = f"check the password of user {self._login!r}"
        row = self._store.ask(
            attempt,
            "SELECT iterations, salt FROM mail.sasl_verifier_parameters(%(login)s)",
            {"login": self._login},
        ).fetchone()
        if password is None or row is None or row[0] < iterations:
            return False
        again = make_verifier(password, base64.b64decode(row[1]), row[0])
        return self._store.ask(
            attempt,
            "SELECT mail.sasl_verifier_is(%(login)s, %(verifier)s)",
            {"login": self._login, "verifier": again},
        ).fetchone()[0]

    def apply(self, change: UserChange, verifier: str | None) -> None:
        """Make the change; the verifier is that of a new password."""
        columns = dict(change.columns)
        if change.new_password:
            columns["verifier"] = verifier
        values = {"login": self._login, **columns}
        if change.action == "delete":
            statement = sql.SQL(
                "DELETE FROM mail.sasl_users WHERE lookup_key = mail.fold_login(%(login)s)"
            )
        elif change.action == "add":
            statement = sql.SQL("INSERT INTO mail.sasl_users ({}) VALUES ({})").format(
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join(map(sql.Placeholder, values)),
            )
        else:
            statement = sql.SQL(
                "UPDATE mail.sasl_users SET {} WHERE lookup_key = mail.fold_login(%(login)s)"
            ).format(
                sql.SQL(", ").join(
                    sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name))
                    for name in columns
                )
            )
        if self._store.change(f"write user {self._login!r}", statement, values).rowcount != 1:
            raise StoreError("another client changed the row in the meantime; run again")
