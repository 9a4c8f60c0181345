# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""The rows of the maps: how they are read and changed."""

from __future__ import annotations

import typing as t

from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import StoreError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import (
    CLASSES,
    Change,
    Entry,
    Found,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import Store

try:
    from psycopg2 import sql
except ImportError:
    # open_store() says so.
    sql = None

__all__ = ["Entries"]


class Entries:
    """The rows of one map."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._table = sql.Identifier("mail", name)

    def read(self, key: str, value: str | None, *, seeds: bool) -> Found:
        """Return the row that has the key, and whether it was planted before.

        The key and the value asked for are checked by the database here, so that
        check mode meets the same refusals as the real run.  Nobody else writes to
        the map until the transaction ends.
        """
        name = self._name
        planted: t.Any = sql.SQL("false")
        if seeds:
            planted = sql.SQL(
                "EXISTS (SELECT FROM mail.seeds AS seed"
                " WHERE seed.map = %(map)s AND seed.lookup_key = asked.lookup_key)"
            )
        statement = sql.SQL(
            "SELECT entry.key, entry.value, {planted} AS planted, asked.value"
            " FROM (SELECT mail.fold(%(map)s, %(key)s::{domain}) AS lookup_key,"
            " %(value)s::mail.map_value AS value) AS asked"
            " LEFT JOIN {table} AS entry ON entry.lookup_key = asked.lookup_key"
        ).format(
            planted=planted,
            domain=sql.Identifier("mail", "class_member" if name in CLASSES else "map_key"),
            table=self._table,
        )
        attempt = f"manage key {key!r} of map {name!r}"
        self._store.lock(attempt, name)
        row = self._store.ask(
            attempt, statement, {"map": name, "key": key, "value": value}
        ).fetchone()
        return Found(None if row[0] is None else Entry(row[0], row[1]), row[2])

    def require(self, change: Change, *, plant: bool) -> None:
        """Refuse a change that the role may not make or the database would not take.

        Check mode meets the same refusals as the real run.
        """
        right = "INSERT" if change.before is None else "DELETE"
        if change.before and change.after:
            right = "UPDATE"
        self._store.require(right, f"mail.{self._name}")
        if plant:
            self._store.require("INSERT", "mail.seeds")
        if change.after:
            self._store.ask(
                f"write key {change.after.key!r} of map {self._name!r}",
                "SELECT mail.try_row(%(map)s, %(key)s, %(value)s)",
                {"map": self._name, **change.after._asdict()},
            )

    def apply(self, change: Change, *, plant: bool) -> None:
        """Make the change; a planted row is remembered."""
        row = change.after or change.before
        if row is None:
            return
        if change.after is None:
            statement = "DELETE FROM {table} WHERE key = %(key)s"
        elif change.before is None:
            statement = "INSERT INTO {table} (key, value) VALUES (%(key)s, %(value)s)"
        else:
            statement = "UPDATE {table} SET value = %(value)s WHERE key = %(key)s"
        values: dict[str, t.Any] = {"map": self._name, **row._asdict()}
        self._change_one(sql.SQL(statement).format(table=self._table), values)
        if plant:
            self._change_one(
                sql.SQL(
                    "INSERT INTO mail.seeds (map, key, value) VALUES (%(map)s, %(key)s, %(value)s)"
                ),
                values,
            )

    def _change_one(self, statement: t.Any, values: dict[str, t.Any]) -> None:
        attempt = f"write key {values['key']!r} of map {self._name!r}"
        if self._store.change(attempt, statement, values).rowcount != 1:
            raise StoreError("another client changed the row in the meantime; run again")
