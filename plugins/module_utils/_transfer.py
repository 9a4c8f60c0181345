# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""What import and export ask the database: rows, whether it takes lines, what it answers."""

from __future__ import annotations

import typing as t

from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import CLASSES
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import Store
from ansible_collections.sqlmail.sendmail.plugins.module_utils._textmaps import (
    Line,
    Reading,
    Remark,
    excerpt,
    fold,
    raised,
)

try:
    from psycopg2 import sql
except ImportError:
    # open_store() says so.
    sql = None

__all__ = ["Difference", "Transfer", "differences", "spellings"]


class Difference(t.NamedTuple):
    """A question that sendmail's own map and the database answer differently."""

    map: str
    key: str
    before: str | None
    after: str | None


def spellings(key: str) -> list[str]:
    """Return the key in the spellings that a map without case does not tell apart."""
    return list(dict.fromkeys([key, fold(key), raised(key)]))


def differences(
    name: str,
    before: t.Mapping[str, str | None],
    after: t.Mapping[str, str | None],
) -> list[Difference]:
    """Compare the answers to the same questions; of a class only whether there is one."""
    result = []
    for key in sorted({**before, **after}):
        old, new = before.get(key), after.get(key)
        if name in CLASSES:
            old, new = (None if one is None else "member" for one in (old, new))
        if old != new:
            result.append(Difference(name, key, old, new))
    return result


class Transfer:
    """The questions of an import about one map."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name

    def rows(self) -> list[tuple[str, str | None]]:
        """Return all rows."""
        statement = sql.SQL("SELECT key, value FROM {}").format(sql.Identifier("mail", self._name))
        return self._store.ask(f"read map {self._name!r}", statement).fetchall()

    def case_sensitive(self) -> bool:
        """Tell whether local parts that differ in case are different keys."""
        return self._store.ask(
            "ask whether the case of local parts counts", "SELECT mail.case_sensitive()"
        ).fetchone()[0]

    def folded(self, keys: t.Sequence[str]) -> dict[str, str]:
        """Return keys as the database compares them."""
        rows = self._store.ask(
            f"compare keys of map {self._name!r}",
            "SELECT key, mail.fold(%(map)s, key) FROM unnest(%(keys)s::text[]) AS asked (key)",
            {"map": self._name, "keys": list(keys)},
        )
        return dict(rows.fetchall())

    def judged(self, lines: t.Sequence[Line]) -> Reading:
        """Return the lines that the guards of the database take, and remarks on the others."""
        rows = self._store.ask(
            f"judge entries of map {self._name!r}",
            "SELECT number - 1, (fault).problem, (fault).remedy"
            " FROM (SELECT number, mail.fault_of(%(map)s, key, value) AS fault"
            " FROM unnest(%(keys)s::text[], %(values)s::text[])"
            " WITH ORDINALITY AS line (key, value, number) OFFSET 0) AS judged"
            " WHERE NOT fault IS NULL",
            {
                "map": self._name,
                "keys": [line.key for line in lines],
                "values": [line.value for line in lines],
            },
        )
        faults = {number: words for number, *words in rows.fetchall()}
        return Reading(
            [line for number, line in enumerate(lines) if number not in faults],
            [
                Remark(
                    lines[number].path,
                    lines[number].number,
                    excerpt(lines[number].key),
                    problem,
                    remedy.rstrip("."),
                    used=True,
                )
                for number, (problem, remedy) in sorted(faults.items())
            ],
        )

    def answers(self, keys: t.Sequence[str]) -> dict[str, str | None]:
        """Ask the function that sendmail asks; None stands for no answer."""
        statement = sql.SQL(
            "SELECT key, (SELECT answer FROM {function}(asked.key) AS found (answer) LIMIT 1)"
            " FROM unnest(%(keys)s::text[]) AS asked (key)"
        ).format(function=sql.Identifier("mail", f"lookup_{self._name}"))
        attempt = f"ask map {self._name!r} for its keys"
        return dict(self._store.ask(attempt, statement, {"keys": list(keys)}).fetchall())
